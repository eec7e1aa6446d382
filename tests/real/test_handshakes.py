"""TLS and AUTH bound to it, against Postfix and the server side of Cyrus SASL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.running import described, run_case
from tests.servers import Running

HEAD = "name: TLS\nsteps:\n  - expect: 220\n  - {send: EHLO x, expect: 250}\n"
NAMES = "[mail.example.com, localhost, 127.0.0.1]"


@pytest.fixture
def play(tmp_path):
    """A function that plays steps, after the greeting and EHLO unless `head` says otherwise."""

    def play(steps: str, running: Running, *, head: str = HEAD, trusts: bool = True) -> CaseResult:
        path = tmp_path / "tls.yaml"
        path.write_text(head + steps)
        client = Path(running.ca).parent / "client.pem"
        if client.exists():
            shutil.copy(client, tmp_path)
        ca = running.ca if trusts else ""
        return run_case(path, running.url, running.variables, running.password, ca=ca)

    return play


def passed(result: CaseResult, running: Running) -> bool:
    assert result.outcome is Outcome.PASSED, f"{described(result)}\n{running.log_tail()}"
    return True


class TestExpecting:
    def test_what_postfix_brings(self, postfix_server, play):
        """All that can be asked of a handshake, after STARTTLS."""
        steps = f"""\
  - starttls:
    tls_expect:
      version: '>= TLSv1.2'
      cipher: '/^TLS_|^ECDHE-/'
      issuer: '*O=trustme v*'
      names: {NAMES}
      valid_for: 14d
      public_key: [RSA >= 2048, EC >= 256]
  - {{send: EHLO x, expect: 250, capabilities: {{STARTTLS: absent}}}}
"""
        running = postfix_server.plain
        assert passed(play(steps, running), running)

    def test_implicit_tls(self, postfix_server, play):
        """The same beside `connect`, where TLS is implicit."""
        steps = f"  - connect:\n    expect: 220\n    tls_expect: {{version: TLSv1.3, names: {NAMES}, valid_for: 1d}}\n"
        running = postfix_server.submissions
        assert passed(play(steps, running, head="name: TLS\nsteps:\n"), running)

    def test_what_differs(self, postfix_server, play):
        """All that is otherwise is told at once, and the conversation goes on."""
        steps = """\
  - starttls:
    tls_expect: {version: TLSv1.2, issuer: "*Let's Encrypt*", names: [elsewhere.example.com], public_key: RSA >= 8192}
  - {send: EHLO x, expect: 250}
"""
        result = play(steps, postfix_server.plain)
        parts = [one.part for one in result.steps[2].differences]
        assert ["TLS version", "issuer", "names", "public_key"] == parts
        assert "starttls: expected TLSv1.2, got TLSv1.3" == result.reason
        assert Outcome.PASSED is result.steps[3].outcome

    @pytest.mark.parametrize(("variation", "version"), [("tls12_only", "TLSv1.2"), ("tls13_only", "TLSv1.3")])
    def test_versions(self, broken_postfix, play, variation, version):
        """A server that speaks one version is seen to speak it, by demand and by range."""
        running = broken_postfix(variation).plain
        steps = f"  - {{starttls: {{min: TLSv1.2, max: TLSv1.3}}, tls_expect: {{version: {version}}}}}\n"
        assert passed(play(steps, running), running)
        assert passed(play(f"  - starttls: {{min: {version}, max: {version}}}\n", running), running)

    def test_the_same_certificate(self, postfix_server, play):
        """Another session at the same server is shown the same certificate."""
        steps = """\
  - starttls:
  - {session: again, expect: 220}
  - {session: again, send: EHLO x, expect: 250}
  - {session: again, starttls: , tls_expect: {same_certificate_as: main}}
"""
        head = HEAD.replace("steps:", "sessions: {again: {protocol: smtp}}\nsteps:")
        running = postfix_server.plain
        assert passed(play(steps, running, head=head), running)


class TestNames:
    STEPS = "  - {{starttls: {{server_name: {asked}}}, tls_expect: {{names: [{asked}]}}}}\n"

    @pytest.mark.parametrize("asked", ["mail.example.com", "other.example.com"])
    def test_the_name_asked_for_chooses_the_certificate(self, broken_postfix, play, asked):
        """`server_name` goes out as SNI and is what is verified."""
        running = broken_postfix("many_names").plain
        assert passed(play(self.STEPS.format(asked=asked), running), running)

    def test_other_names_have_other_certificates(self, broken_postfix, play):
        """Two sessions that ask for different names are not shown the same certificate."""
        steps = """\
  - starttls: {server_name: mail.example.com}
  - {session: again, expect: 220}
  - {session: again, send: EHLO x, expect: 250}
  - {session: again, starttls: {server_name: other.example.com}, tls_expect: {same_certificate_as: main}}
"""
        head = HEAD.replace("steps:", "sessions: {again: {protocol: smtp}}\nsteps:")
        result = play(steps, broken_postfix("many_names").plain, head=head)
        assert "starttls: expected that of 'main': SHA-256 " in result.reason


class TestFailing:
    CASES = (
        ("expired_certificate", "", "expired", True),
        ("wrong_certificate_name", "", "name", True),
        ("many_names", "server_name: elsewhere.example.com", "name", True),
        ("many_names", "", "untrusted", False),
        ("tls13_only", "max: TLSv1.2", "protocol", True),
        ("tls12_only", "min: TLSv1.3", "protocol", True),
        ("tls12_only", "max: TLSv1.1", "protocol", True),
    )

    @pytest.mark.parametrize(("variation", "options", "fails", "trusts"), CASES)
    def test_as_it_must(self, broken_postfix, play, variation, options, fails, trusts):
        """A handshake that must not work doesn't, after STARTTLS and with implicit TLS; a new connection goes on."""
        listeners = broken_postfix(variation)
        steps = f"  - {{starttls: {{{options}}}, tls_expect: {{fails: {fails}}}}}\n  - {{connect: , expect: 220}}\n"
        assert passed(play(steps, listeners.plain, trusts=trusts), listeners.plain)
        steps = f"  - {{connect: {{tls: {{verify: true, {options}}}}}, tls_expect: {{fails: {fails}}}}}\n"
        result = play(steps, listeners.submissions, head="name: TLS\nsteps:\n", trusts=trusts)
        assert passed(result, listeners.submissions)

    @pytest.mark.parametrize("fails", ["expired", "untrusted", "name", "protocol"])
    def test_a_handshake_that_works(self, postfix_server, play, fails):
        """A sound server fails what demands that it be unsound."""
        result = play(f"  - {{starttls: , tls_expect: {{fails: {fails}}}}}\n", postfix_server.plain)
        assert Outcome.FAILED is result.outcome
        assert "expected the TLS handshake to fail (" in result.reason

    def test_exim_speaks_old_versions(self, exim_server, play):
        """Debian's Exim, by GnuTLS, still takes TLS 1.1, and who demands that it doesn't is told."""
        running = exim_server.plain
        assert passed(play("  - {starttls: {max: TLSv1.1}, tls_expect: {version: TLSv1.1}}\n", running), running)
        result = play("  - {starttls: {max: TLSv1.1}, tls_expect: {fails: protocol}}\n", running)
        assert "expected the TLS handshake to fail (no common TLS version), got TLSv1.1 " in result.reason

    def test_another_failure(self, broken_postfix, play):
        """A certificate that is wrong in another way fails, with what it is."""
        steps = "  - {starttls: , tls_expect: {fails: name}}\n"
        result = play(steps, broken_postfix("expired_certificate").plain)
        expected = "expected the TLS handshake to fail (certificate is for another name), got: certificate expired"
        assert f"starttls: {expected}" == result.reason


class TestClientCertificates:
    RELAY = """\
  - {send: EHLO x, expect: 250}
  - {send: 'MAIL FROM:<${sender}>', expect: 250}
  - {send: 'RCPT TO:<${external}>', expect: %s}
"""

    @pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
    def test_relay_by_certificate(self, broken_postfix, play, version):
        """Who shows the certificate may relay; who doesn't may not."""
        running = broken_postfix("asks_certificate").plain
        shown = f"  - starttls: {{cert: client.pem, max: {version}}}\n"
        assert passed(play(shown + self.RELAY % "250", running), running)
        assert passed(play("  - starttls:\n" + self.RELAY % "554 5.7.1", running), running)


class TestChannelBinding:
    STEPS = "  - starttls: {%s}\n  - {send: EHLO x, expect: 250}\n  - %s\n"

    BINDINGS = (
        ("TLSv1.3", "tls-server-end-point", ""),
        ("TLSv1.2", "tls-unique", ""),
        ("TLSv1.2", "tls-server-end-point", ", channel_binding: tls-server-end-point"),
    )

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
    @pytest.mark.parametrize(("version", "kind", "keys"), BINDINGS)
    def test_verified(self, cyrus_server, play, mechanism, version, kind, keys):
        """Cyrus SASL verifies the binding to this connection, and the password; its own proof is checked."""
        with cyrus_server(kind, maximum=version) as running:
            result = play(self.STEPS % ("", f"auth: {{mechanism: {mechanism}{keys}}}"), running)
            assert passed(result, running)
            assert f"channel binding {kind}" in described(result)

    @pytest.mark.parametrize(("version", "kind", "keys"), BINDINGS)
    def test_another_binding(self, cyrus_server, play, version, kind, keys):
        """A server whose TLS ends elsewhere refuses: what one reads along with can't be used by another."""
        with cyrus_server(kind, maximum=version, other=True) as running:
            step = f"{{auth: {{mechanism: SCRAM-SHA-256-PLUS{keys}}}, expect: 535}}"
            assert passed(play(self.STEPS % ("", step), running), running)
            plain = play(self.STEPS % ("", "auth: SCRAM-SHA-256"), running)
            assert passed(plain, running)

    def test_the_wrong_password(self, cyrus_server, play):
        """With the right binding a wrong password is refused all the same."""
        with cyrus_server("tls-unique", maximum="TLSv1.2") as running:
            step = "{auth: {mechanism: SCRAM-SHA-256-PLUS, password: wrong}, expect: 535}"
            assert passed(play(self.STEPS % ("", step), running), running)

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "best"])
    def test_without_binding(self, cyrus_server, play, mechanism):
        """The other mechanisms pass there, too, and `best` is SCRAM-SHA-256-PLUS."""
        with cyrus_server("tls-server-end-point") as running:
            result = play(self.STEPS % ("", f"auth: {mechanism}"), running)
            assert passed(result, running)
            chosen = "auth best: SCRAM-SHA-256-PLUS" if mechanism == "best" else f"auth {mechanism}"
            assert chosen == result.steps[-1].label

    def test_best_where_binding_is_not_offered(self, postfix_server, play):
        """Dovecot behind Postfix offers no -PLUS: `best` is SCRAM-SHA-256, which says so, and is accepted."""
        running = postfix_server.tls_only
        result = play(self.STEPS % ("", "auth: best"), running)
        assert passed(result, running)
        assert "auth best: SCRAM-SHA-256" == result.steps[-1].label
