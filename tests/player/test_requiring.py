"""`requires: capability` where a server shows more after the login, and where nothing is ever shown."""

from __future__ import annotations

import pytest
from mailboxes import converse, mailbox
from playing import shown

from runner.results import Outcome

GREETING = b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hello\r\n"
LOGIN = "  - {expect: OK}\n  - {send: LOGIN a b, expect: OK}\n"


def outcome(name, steps, *turns):
    """Return what came of a case that requires a capability: its outcome and reason."""
    result = converse("imap", steps, mailbox(*turns), top=f"requires: {{capability: {name}}}\n").result
    return result.outcome, result.reason


def test_what_comes_with_the_login_counts():
    """It was not offered before, and nobody said that it never would be."""
    login = b"A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] done\r\n"
    assert (Outcome.PASSED, "") == outcome("UIDPLUS", LOGIN, GREETING, login)


def test_what_is_missing_after_the_login_is_missing():
    """Then the case is skipped, at once."""
    login = b"A1 OK [CAPABILITY IMAP4rev1 MOVE] done\r\n"
    steps = LOGIN + "  - {send: NOOP, expect: OK}\n"
    assert (Outcome.SKIPPED, "requires UIDPLUS, which the server does not offer") == outcome(
        "UIDPLUS", steps, GREETING, login
    )


def test_what_is_shown_before_the_login_is_judged_there():
    """No password has to leave for it."""
    greeting = b"* OK [CAPABILITY IMAP4rev1] hello\r\n"
    assert (Outcome.SKIPPED, "requires STARTTLS, which the server does not offer") == outcome(
        "STARTTLS", LOGIN, greeting
    )


def test_a_case_that_never_logs_in():
    """What it could see decides."""
    assert (Outcome.SKIPPED, "requires UIDPLUS, which the server does not offer before login") == outcome(
        "UIDPLUS", "  - {expect: OK}\n", GREETING
    )


def test_what_nobody_asked_for_is_not_known():
    """A case that made the server show nothing has not passed."""
    found, reason = outcome("UIDPLUS", "  - {expect: OK}\n", b"* OK hello\r\n")
    assert Outcome.ERROR is found
    assert "whether the server offers UIDPLUS is not known" in reason
    assert reason.endswith("send CAPABILITY first")


@pytest.mark.parametrize("later", [b"A1 OK done\r\n", b"A1 OK [CAPABILITY IMAP4rev1 UIDPLUS] done\r\n"])
def test_a_failure_stays_one(later):
    """What went wrong is told, whether or not the requirement was ever judged."""
    steps = LOGIN + "  - {send: NOOP, expect: OK}\n"
    result = converse(
        "imap", steps, mailbox(GREETING, later, b"A2 NO\r\n"), top="requires: {capability: UIDPLUS}\n"
    ).result
    assert Outcome.FAILED is result.outcome
    assert shown(result)[2].startswith("failed")
