"""The bundled scenarios against real servers: green where these are as they should be, red where they are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.running import SCENARIOS, described, run_case
from tests.servers import Listeners, Running

HERE = Path(__file__).parent
FILES = {path.stem: path for path in sorted(SCENARIOS.rglob("*.yaml"))}
LMTP = FILES.pop("lmtp-delivery")

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
