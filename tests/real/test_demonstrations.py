"""What the language can show of real servers: who a client is, how it is let in, who answers for whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.running import described, run_case
from tests.servers import Running
from tests.servers._running import BANNED

HERE = Path(__file__).parent / "scenarios"
SHARED_SECRETS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
TOKENS = ("XOAUTH2", "OAUTHBEARER")


def play(name: str, running: Running, **variables: str) -> CaseResult:
    """Play a scenario; the running server's secrets are given, and `variables` beside its own."""
    return run_case(
        HERE / f"{name}.yaml",
        running.url,
        {**running.variables, "banned": BANNED, **variables},
        running.password,
        token=running.token,
        ca=running.ca,
    )


def assert_passed(result: CaseResult, running: Running) -> None:
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{running.log_tail()}"
    assert () == result.warnings


class TestWhoTheClientIs:
    def test_proxy_header(self, broken_postfix):
        """Postfix behind a proxy judges the client that the header names."""
        plain = broken_postfix("behind_proxy").plain
        assert_passed(play("client-behind-proxy", plain), plain)

    def test_the_header_is_what_makes_the_difference(self, broken_postfix):
        """With another client in the header the same scenario fails at the recipient."""
        plain = broken_postfix("behind_proxy").plain
        result = play("client-behind-proxy", plain, banned="192.0.2.67")
        assert result.outcome is Outcome.FAILED
        assert "RCPT TO:<bob@example.com>: expected 554 5.7.1 *[${banned}]* (filled: 554" in result.reason
        assert "got 250 2.1.5 Ok" in result.reason

    def test_xclient(self, broken_postfix):
        """XCLIENT is a line like any other, and Postfix begins the session anew for the client that it names."""
        plain = broken_postfix("takes_xclient").plain
        assert_passed(play("xclient", plain), plain)

    def test_xclient_is_not_for_everybody(self, postfix_server):
        """Where it is not offered, the scenario makes no sense, and says so."""
        result = play("xclient", postfix_server.plain)
        assert (Outcome.SKIPPED, "requires XCLIENT, which the server does not offer") == (result.outcome, result.reason)


class TestPatience:
    @pytest.fixture
    def postscreen(self, broken_postfix) -> Running:
        """A door that greets by half, waits a second and listens."""
        return broken_postfix("postscreen").plain

    @pytest.mark.parametrize("name", ["greet-pause", "early-talker"])
    def test_postscreen(self, postscreen, name):
        """The first line of the greeting can be judged before the rest, and what is said meanwhile be shown wrong."""
        assert_passed(play(name, postscreen), postscreen)

    def test_no_pause(self, postfix_server):
        """A server that greets at once is told from one that lets wait."""
        result = play("greet-pause", postfix_server.plain)
        assert result.outcome is Outcome.FAILED
        assert "connect: expected 220-*, got 220 mail.example.com ESMTP Postfix" in result.reason


class TestEachRecipient:
    def test_prdr(self, broken_exim):
        """Exim answers for each recipient after its 353, and once for all at the end."""
        plain = broken_exim("prdr").plain
        assert_passed(play("prdr", plain), plain)

    def test_prdr_names_who_was_refused(self, broken_exim):
        """Where another reply was due, the reason says for whom."""
        plain = broken_exim("prdr").plain
        swapped = {"sender": plain.variables["recipient"], "recipient": plain.variables["sender"]}
        result = play("prdr", plain, **swapped)
        assert result.outcome is Outcome.FAILED
        assert "got to message for bob@example.com 550 5.7.1 <bob@example.com>: not this content" in result.reason

    def test_prdr_not_offered(self, exim_server):
        """Exim as it comes from Debian does not offer it."""
        assert play("prdr", exim_server.plain).outcome is Outcome.SKIPPED

    @pytest.mark.parametrize("door", ["tcp", "unix"])
    def test_lmtp(self, dovecot_server, door):
        """Dovecot's replies are judged by address."""
        running = getattr(dovecot_server, door)
        assert_passed(play("over-quota-each", running), running)


class TestMechanisms:
    @pytest.mark.parametrize("mechanism", [*SHARED_SECRETS, *TOKENS])
    def test_dovecot(self, postfix_server, mechanism):
        """The user is let in by each of the mechanisms of Dovecot's service behind Postfix."""
        plain = postfix_server.plain
        assert_passed(play("auth-mechanism", plain, mechanism=mechanism), plain)

    @pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
    def test_exim(self, exim_server, mechanism):
        """Exim, whose code is another, takes the same exchanges."""
        plain = exim_server.plain
        assert_passed(play("auth-mechanism", plain, mechanism=mechanism), plain)

    @pytest.mark.parametrize("mechanism", SHARED_SECRETS)
    def test_wrong_password(self, postfix_server, mechanism):
        """A wrong password fails with the server's reply, and neither password is shown."""
        plain = replace(postfix_server.plain, password="another-Pa55")
        result = play("auth-mechanism", plain, mechanism=mechanism)
        assert result.outcome is Outcome.FAILED
        assert f"auth {mechanism}: expected 235, got 535 5.7.8" in result.reason
        assert "another-Pa55" not in described(result)

    @pytest.mark.parametrize("mechanism", TOKENS)
    def test_wrong_token(self, postfix_server, mechanism):
        """What the server says of a wrong token inside the exchange (RFC 7628 section 3.2.2) is shown."""
        plain = replace(postfix_server.plain, token="no.such.token")
        result = play("auth-mechanism", plain, mechanism=mechanism)
        assert result.outcome is Outcome.FAILED
        assert "expected 235, got 535 5.7.8" in result.reason
        assert 'within the exchange it said: {"status":"' in result.reason
        assert "no.such.token" not in described(result)


def test_no_scenario_is_left_out():
    """Every scenario of this folder is played by a test of it."""
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.stem for path in HERE.glob("*.yaml") if path.stem not in tests] == []
