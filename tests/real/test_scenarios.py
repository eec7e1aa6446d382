"""The bundled scenarios against real servers: green where these are as they should be, red where they are broken."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.running import SCENARIOS, described, run_case
from tests.servers import CyrusImapServer, Listeners, MailboxServer, Running

HERE = Path(__file__).parent
PACK = {path.stem: path for path in sorted(SCENARIOS.rglob("*.yaml"))}
FILES = {name: path for name, path in PACK.items() if path.parent.name in {"mx", "submission"}}
LMTP = PACK["lmtp-delivery"]
# What is for the protocol of a door, by that.
MAILBOXES = {
    protocol: PACK[name]
    for protocol, name in {"imap": "imap-mailbox", "pop3": "pop3-mailbox", "sieve": "sieve-scripts"}.items()
}
LINES = PACK["tcp-smtp-port"]

# What each door is. That of TLS from the first byte offers no STARTTLS.
TAGS = {
    "plain": ("mx", "submission", "starttls"),
    "tls_only": ("submission", "starttls", "tls-only-auth"),
    "submissions": ("submission",),
}
MX_ONLY = {
    "capabilities",
    "dot-stuffing",
    "null-sender",
    "pipelining",
    "postmaster",
    "relay-syntaxes",
    "size-limit",
    "unknown-recipient",
}
IN_CLEAR_TEXT = {"auth-cancelled", "auth-login-relay", "auth-plain-relay", "auth-verb", "wrong-password"}
# What a door is not for.
SKIPPED = {
    "plain": {"auth-needs-tls"},
    "tls_only": MX_ONLY | IN_CLEAR_TEXT,
    "submissions": MX_ONLY | {"auth-needs-tls", "starttls"},
}
DOORS = [(server, door) for server in ("postfix", "exim") for door in TAGS]


def play(name: str, door: str, running: Running) -> CaseResult:
    return run_case(FILES[name], running.url, running.variables, running.password, ca=running.ca, tags=TAGS[door])


def red(listeners: Listeners) -> dict[tuple[str, str], str]:
    """Play every scenario at every door; return the reasons of those that are red, by door and name."""
    found = {(door, name): play(name, door, getattr(listeners, door)) for door in TAGS for name in FILES}
    return {place: result.reason for place, result in found.items() if result.outcome.is_failure}


class TestSoundServers:
    @pytest.mark.parametrize(("server", "door"), DOORS, ids=map("-".join, DOORS))
    @pytest.mark.parametrize("name", list(FILES))
    def test_outcome(self, request, server, door, name):
        """A sound server passes what it is for, without a warning, and is spared what it is not for."""
        running = getattr(request.getfixturevalue(f"{server}_server"), door)
        result = play(name, door, running)
        expected = Outcome.PASSED
        if name in SKIPPED[door]:
            expected = Outcome.SKIPPED
        assert expected is result.outcome, f"{described(result)}\n{running.log_tail()}"
        assert () == result.warnings

    @pytest.mark.parametrize("server", ["postfix", "exim"])
    @pytest.mark.parametrize("name", ["local-delivery", "relay-refused", "auth-login-relay"])
    def test_conversations_need_no_tags(self, request, server, name):
        """The three conversations run against a target that is no more than a URL."""
        running = request.getfixturevalue(f"{server}_server").plain
        result = run_case(FILES[name], running.url, running.variables, running.password)
        assert result.outcome is Outcome.PASSED, described(result)

    def test_untrusted_certificate(self, postfix_server):
        """A certificate that no known CA vouches for fails, in plain words."""
        plain = postfix_server.plain
        result = run_case(FILES["starttls"], plain.url, plain.variables, plain.password, tags=TAGS["plain"])
        assert result.outcome is Outcome.FAILED
        assert "the TLS handshake failed: certificate not trusted" in result.reason


OPEN = {
    ("plain", "relay-refused"): "expected 550 or 554 or 530, got 250",
    ("plain", "relay-syntaxes"): "source route: expected 5xx or 4xx, got 250",
    ("tls_only", "relay-refused"): "expected 550 or 554 or 530, got 250",
    ("submissions", "relay-refused"): "expected 550 or 554 or 530, got 250",
}
NOT_OFFERED = "expected STARTTLS offered, got STARTTLS not offered"
NOT_TAKEN = "starttls: expected 220, got 502 5.5.1"
WITHOUT_STARTTLS = {
    ("plain", "starttls"): NOT_OFFERED,
    ("plain", "submission"): NOT_TAKEN,
    ("plain", "submission-wrong-password"): NOT_TAKEN,
    ("tls_only", "auth-needs-tls"): NOT_OFFERED,
    ("tls_only", "starttls"): NOT_OFFERED,
    ("tls_only", "submission"): NOT_TAKEN,
    ("tls_only", "submission-wrong-password"): NOT_TAKEN,
}
BELIEVED = "expected 535, got 235"


def bad_certificate(fault: str) -> dict[tuple[str, str], str]:
    """Whatever speaks TLS is red; at the door that speaks nothing else, that is all."""
    after_starttls = dict.fromkeys(WITHOUT_STARTTLS, f"starttls: the TLS handshake failed: {fault}")
    at_once = {("submissions", name): fault for name in FILES if name not in SKIPPED["submissions"]}
    return after_starttls | at_once


VARIATIONS = [
    ("postfix", "open_relay", OPEN),
    ("exim", "open_relay", OPEN),
    (
        "postfix",
        "auth_without_tls",
        {("tls_only", "auth-needs-tls"): "expected AUTH not offered, got AUTH PLAIN LOGIN"},
    ),
    ("postfix", "starttls_off", WITHOUT_STARTTLS),
    ("postfix", "expired_certificate", bad_certificate("certificate expired")),
    ("exim", "expired_certificate", bad_certificate("certificate expired")),
    (
        "postfix",
        "wrong_certificate_name",
        bad_certificate("certificate is for another name: not valid for '127.0.0.1'"),
    ),
    ("postfix", "accept_unknown", {("plain", "unknown-recipient"): "expected 550 5.1.x, got 250"}),
    ("postfix", "no_postmaster", {("plain", "postmaster"): "expected 250, got 550 5.1.1 <postmaster@example.com>"}),
    (
        "postfix",
        "any_password",
        {
            ("plain", "wrong-password"): BELIEVED,
            ("plain", "submission-wrong-password"): BELIEVED,
            ("tls_only", "submission-wrong-password"): BELIEVED,
            ("submissions", "wrong-password"): BELIEVED,
            ("submissions", "submission-wrong-password"): BELIEVED,
        },
    ),
    ("postfix", "no_size", {("plain", "capabilities"): "expected SIZE offered, got SIZE not offered"}),
    (
        "postfix",
        "no_pipelining",
        {("plain", "capabilities"): "expected PIPELINING offered, got PIPELINING not offered"},
    ),
]


class TestBrokenServers:
    @pytest.mark.parametrize(
        ("server", "variation", "expected"), VARIATIONS, ids=[f"{one[0]}-{one[1]}" for one in VARIATIONS]
    )
    def test_turns_red(self, request, server, variation, expected):
        """Exactly the scenarios that judge what is broken turn red, each with the words that tell what it is."""
        turned = red(request.getfixturevalue(f"broken_{server}")(variation))
        assert expected.keys() == turned.keys()
        assert [turned[place] for place, words in expected.items() if words not in turned[place]] == []

    @pytest.mark.parametrize(("variation", "name"), [("no_size", "size-limit"), ("no_pipelining", "pipelining")])
    def test_capability_not_offered(self, broken_postfix, variation, name):
        """What the server does not offer is not judged, and the report says that it was not."""
        result = play(name, "plain", broken_postfix(variation).plain)
        assert result.outcome is Outcome.SKIPPED
        assert "which the server does not offer" in result.reason


class TestLmtp:
    @pytest.fixture(params=["tcp", "unix"])
    def door(self, request, dovecot_server) -> Running:
        """Each of Dovecot's two doors."""
        return getattr(dovecot_server, request.param)

    def test_delivery(self, door):
        """Dovecot answers for each recipient that it accepted, even for one named twice."""
        result = run_case(LMTP, door.url, door.variables)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{door.log_tail()}"
        assert () == result.warnings

    def test_over_quota(self, door):
        """A full mailbox is refused in its own reply, after that of the recipient before it."""
        result = run_case(HERE / "scenarios" / "over-quota.yaml", door.url, door.variables)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{door.log_tail()}"

    def test_over_quota_where_none_was_due(self, door):
        """The reply that fails a scenario names the recipient whom it is for."""
        variables = {**door.variables, "recipient": door.variables["full"]}
        result = run_case(LMTP, door.url, variables)
        assert result.outcome is Outcome.FAILED
        assert "expected 250, got to message for full@example.com 552 5.2.2" in result.reason


DOVECOT_DOORS = ("imap", "imaps", "pop3", "pop3s", "sieve")
CYRUS_DOORS = (*DOVECOT_DOORS, "imap_tls_only", "pop3_tls_only", "sieve_tls_only")


def at_mailbox(server: MailboxServer | CyrusImapServer, door: str, **changes: str) -> CaseResult:
    """Play what is for the door; `changes` are other values of its user name or password."""
    running = replace(getattr(server, door), password=changes.pop("password", getattr(server, door).password))
    variables = {**running.variables, **changes}
    path = MAILBOXES[running.url.partition(":")[0].removesuffix("s")]
    return run_case(path, running.url, variables, running.password, ca=running.ca)


class TestMailboxes:
    @pytest.mark.parametrize("door", DOVECOT_DOORS)
    def test_dovecot(self, own_mailboxes, door):
        """Dovecot passes what is for its protocols, by STARTTLS and with TLS from the first byte."""
        result = at_mailbox(own_mailboxes, door)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{own_mailboxes.imap.log_tail()}"
        assert () == result.warnings

    @pytest.mark.parametrize("door", CYRUS_DOORS)
    def test_cyrus(self, own_cyrus_imap, door):
        """So does Cyrus, also where it takes no password in clear text."""
        result = at_mailbox(own_cyrus_imap, door)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{own_cyrus_imap.imap.log_tail()}"
        assert () == result.warnings

    @pytest.mark.parametrize("variation", ["requires_tls", "starttls_off", "no_quota"])
    @pytest.mark.parametrize("door", ["imap", "pop3", "sieve"])
    def test_other_servers(self, broken_mailboxes, new_user, variation, door):
        """They are for servers that want TLS and for those that have none."""
        result = at_mailbox(broken_mailboxes(variation).of(new_user()), door)
        assert result.outcome is Outcome.PASSED, described(result)

    def test_twice(self, own_mailboxes):
        """What they leave behind is what they found."""
        for door in ("imap", "pop3", "sieve") * 2:
            result = at_mailbox(own_mailboxes, door)
            assert result.outcome is Outcome.PASSED, described(result)
        assert "S: +OK 0 0" in described(at_mailbox(own_mailboxes, "pop3"))

    @pytest.mark.parametrize("door", DOVECOT_DOORS)
    def test_expired_certificate(self, broken_mailboxes, door):
        """A certificate that is out of date turns all of them red."""
        result = at_mailbox(broken_mailboxes("expired_certificate"), door)
        assert result.outcome is Outcome.FAILED
        assert "certificate expired" in result.reason

    @pytest.mark.parametrize(
        ("door", "reason"),
        [
            ("imap", "LOGIN ${username | quoted} ${password | quoted}: expected OK, got NO [AUTHENTICATIONFAILED]"),
            ("pop3", "PASS ${password}: expected +OK, got -ERR [AUTH]"),
            ("sieve", "auth PLAIN: expected OK, got NO "),
        ],
    )
    def test_wrong_password(self, own_mailboxes, door, reason):
        """A login that is refused is red, with the server's words and without the password."""
        result = at_mailbox(own_mailboxes, door, password="another-Pa55")
        assert result.outcome is Outcome.FAILED
        assert reason in result.reason
        assert "another-Pa55" not in described(result)

    @pytest.mark.parametrize(
        ("server", "reason"),
        [("mailbox_server", "NO [OVERQUOTA]"), ("cyrus_imap_server", "NO Over quota")],
    )
    def test_over_quota(self, request, server, reason):
        """A mailbox that takes nothing more turns red what stores a message, and nothing else."""
        running = request.getfixturevalue(server)
        full = running.imap.variables["full"]
        results = {door: at_mailbox(running, door, username=full) for door in ("imap", "pop3", "sieve")}
        assert ["imap"] == [door for door, result in results.items() if result.outcome.is_failure]
        assert f"send APPEND INBOX (\\Seen): expected OK, got {reason}" in results["imap"].reason

    def test_no_account(self, mailbox_server):
        """Who gives no user name has them skipped."""
        door = mailbox_server.imap
        result = run_case(MAILBOXES["imap"], door.url, {})
        assert result.outcome is Outcome.SKIPPED
        assert "'username'" in result.reason


class TestLines:
    @pytest.mark.parametrize("server", ["postfix", "exim"])
    @pytest.mark.parametrize("door", ["plain", "tls_only"])
    def test_smtp_port(self, request, server, door):
        """An SMTP server answers line by line."""
        running = getattr(request.getfixturevalue(f"{server}_server"), door)
        result = run_case(LINES, running.url.replace("smtp:", "tcp:"), running.variables)
        assert result.outcome is Outcome.PASSED, described(result)
        assert () == result.warnings

    def test_greeting_in_parts(self, broken_postfix):
        """One that lets a client wait is read to the end of its greeting."""
        running = broken_postfix("postscreen").plain
        result = run_case(LINES, running.url.replace("smtp:", "tcp:"), running.variables)
        assert result.outcome is Outcome.PASSED, described(result)

    def test_another_service(self, mailbox_server):
        """A port where something else answers is red, with what it said."""
        running = mailbox_server.pop3
        result = run_case(LINES, running.url.replace("pop3:", "tcp:"), running.variables)
        assert result.outcome is Outcome.FAILED
        assert "+OK Dovecot" in result.reason

    def test_client_that_is_not_welcome(self, broken_postfix):
        """A server that has too many of its clients is red at once."""
        running = broken_postfix("few_connections").plain
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                held = stack.enter_context(socket.create_connection((running.host, running.port), 10))
                assert held.recv(512).startswith(b"220 ")
            result = run_case(LINES, running.url.replace("smtp:", "tcp:"), running.variables)
        assert result.outcome is Outcome.FAILED
        assert "421 4.7.0" in result.reason


def test_all_are_played():
    """Every scenario of the pack is played against a real server."""
    assert set(PACK.values()) == {*FILES.values(), LMTP, LINES, *MAILBOXES.values()}
