"""`mailproof probe`: what it says of servers that answer and of those that don't, and what it writes."""

from __future__ import annotations

import pytest
from commands import url
from fake_server import FakeServer, certificates

from runner.demo import DemoServer, DemoSettings
from runner.errors import EXIT_FAILED, EXIT_PASSED, EXIT_USAGE

HELLO = b"250-mx.example.org\r\n250-SIZE 1000\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"


def closes(conn):
    """Hang up at once."""


def refuses(conn):
    """Greet with a refusal."""
    conn.send(b"554 5.7.1 go away\r\n")


def speaks_imap(conn):
    """Be another server than was meant."""
    conn.send(b"* OK ready\r\n")
    conn.wait_for_eof()


def speaks_http(conn):
    """Be a web server."""
    conn.line()
    conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs(conn):
    """Say nothing."""
    conn.wait_for_eof()


def closes_early(conn):
    """Greet, and hang up on EHLO."""
    conn.send(b"220 mx.example.org ESMTP\r\n")
    conn.line()


def lies_about_tls(conn):
    """Offer STARTTLS, and refuse it."""
    conn.send(b"220 mx.example.org ESMTP\r\n")
    while line := conn.line():
        if line.startswith(b"STARTTLS"):
            conn.send(b"454 4.7.0 TLS not available\r\n")
        elif line.startswith(b"QUIT"):
            conn.send(b"221 bye\r\n")
            return
        else:
            conn.send(HELLO)


def knows_no_ehlo(conn):
    """Be a server of before 1995."""
    conn.send(b"220 old.example.org SMTP\r\n")
    while line := conn.line():
        conn.send(b"221 bye\r\n" if line.startswith(b"QUIT") else b"502 5.5.1 unrecognized\r\n")
        if line.startswith(b"QUIT"):
            return


class Recorder:
    """A polite server that offers AUTH and TLS, and keeps what it was told."""

    def __init__(self):
        self.lines = []

    def __call__(self, conn):
        conn.send(b"220 mx.example.org ESMTP\r\n")
        while line := conn.line():
            self.lines.append(line)
            if line.startswith(b"STARTTLS"):
                conn.send(b"220 go\r\n")
                conn.secure(certificates().context("mx.example.org"))
            elif line.startswith(b"QUIT"):
                conn.send(b"221 bye\r\n")
                return
            else:
                conn.send(HELLO)


@pytest.fixture
def demo():
    """Return the embedded server with everything that it offers."""
    with DemoServer(DemoSettings()) as server:
        yield server


class TestFailures:
    @pytest.mark.parametrize(
        ("handler", "said"),
        [
            (closes, "closed the connection"),
            (refuses, "expected 220, got 554 5.7.1"),
            (speaks_imap, "'* OK ready'"),
            (hangs, "no greeting within 0.2 s"),
            (closes_early, "closed the connection"),
        ],
        ids=lambda one: getattr(one, "__name__", None),
    )
    def test_told(self, mailproof, handler, said):
        """A server that can't be probed has one clear line, and the exit code says that there is one."""
        with FakeServer(handler) as server:
            ended = mailproof("probe", url(server), "--timeout", "200ms")
        assert (EXIT_FAILED, "", True) == (ended.code, ended.err, said in " ".join(ended.out.split())), ended.out

    def test_refused(self, mailproof):
        """Nobody listens."""
        with FakeServer(closes) as server:
            pass
        ended = mailproof("probe", url(server))
        assert (EXIT_FAILED, True) == (ended.code, "connection refused" in ended.out)

    def test_clear_text_behind_implicit_tls(self, mailproof):
        """Who speaks something else than TLS is quoted."""
        with FakeServer(speaks_http) as server:
            ended = mailproof("probe", f"smtps://127.0.0.1:{server.port}")
        assert (EXIT_FAILED, True) == (ended.code, "an HTTP server answers" in " ".join(ended.out.split()))

    def test_others_are_probed(self, mailproof, server):
        """One that fails takes nothing from the others, and turns the exit code."""
        with FakeServer(closes) as other:
            ended = mailproof("probe", url(other), url(server))
        assert (EXIT_FAILED, True, True) == (
            ended.code,
            "not probed" in ended.out,
            "greeting      220 mx.example.org ESMTP" in ended.out,
        )

    def test_no_scenario(self, mailproof, folder):
        """Of a server that could not be probed nothing is written."""
        with FakeServer(closes) as server:
            ended = mailproof("probe", url(server), "-o", "mx.yaml")
        assert (EXIT_FAILED, [], True) == (ended.code, list(folder.iterdir()), "no scenario is written" in ended.err)


class TestOdd:
    def test_refused_tls(self, mailproof):
        """TLS that is offered and not given is said so, and the rest is told."""
        with FakeServer(lies_about_tls) as server:
            ended = mailproof("probe", url(server))
        said = " ".join(ended.out.split())
        assert (EXIT_PASSED, True, True) == (
            ended.code,
            "TLS offered, and not to be had:" in said and "454" in said,
            "SIZE 1000" in said,
        ), ended.out

    def test_no_capabilities(self, mailproof, folder):
        """A server without EHLO is shown and pinned as it is."""
        with FakeServer(knows_no_ehlo) as server:
            ended = mailproof("probe", url(server), "-o", "old.yaml")
            again = mailproof("run", "old.yaml", "--target", url(server))
        assert (EXIT_PASSED, EXIT_PASSED, True) == (
            ended.code,
            again.code,
            "no capabilities are told: 502 5.5.1 unrecognized" in ended.out,
        ), again.out

    def test_untrusted_certificate(self, mailproof):
        """A certificate that doesn't verify is shown with the reason, and is no failure of the probe."""
        with FakeServer(Recorder()) as server:
            ended = mailproof("probe", url(server))
        assert (EXIT_PASSED, True, True) == (
            ended.code,
            "  certificate   not trusted: unknown issuer\n" in ended.out,
            "    for         mx.example.org\n" in ended.out,
        ), ended.out


class TestHarmless:
    def test_what_is_sent(self, mailproof):
        """No mail is begun and nobody logs in."""
        recorder = Recorder()
        with FakeServer(recorder) as server:
            mailproof("probe", url(server))
        assert {b"EHLO", b"STARTTLS", b"QUIT"} == {line.split()[0].upper() for line in recorder.lines}

    def test_no_password_to_strangers(self, mailproof, monkeypatch):
        """A password does not go to a server whose certificate nobody trusts."""
        monkeypatch.setenv("PW", "correct horse")
        recorder = Recorder()
        with FakeServer(recorder) as server:
            words = ("--secret", "password=env:PW", "--var", "username=alice")
            ended = mailproof("probe", url(server), *words)
        assert (EXIT_FAILED, True, []) == (
            ended.code,
            "login         failed:" in ended.out,
            [line for line in recorder.lines if line.upper().startswith(b"AUTH")],
        )


class TestEmbedded:
    def test_table_and_scenario(self, mailproof, demo):
        """The embedded server is told, and its scenario passes at once."""
        words = ("--ca", str(demo.ca))
        ended = mailproof("probe", demo.url, *words, "-o", "demo.yaml")
        again = mailproof("run", "demo.yaml", "--target", demo.url, *words)
        assert (EXIT_PASSED, True, True, EXIT_PASSED) == (
            ended.code,
            "certificate   verified" in ended.out,
            f"mailproof run demo.yaml --target {demo.url} --ca {demo.ca}" in ended.err,
            again.code,
        ), again.out
        assert "warning" not in again.out

    def test_login(self, mailproof, demo, monkeypatch, folder):
        """With a password what is shown after login is told and pinned; the password is nowhere."""
        monkeypatch.setenv("PW", demo.password)
        given = ("--ca", str(demo.ca), "--secret", "password=env:PW", "--var", "username=alice@example.com")
        ended = mailproof("probe", demo.url, *given, "-o", "demo.yaml")
        again = mailproof("run", "demo.yaml", "--target", demo.url, *given)
        text = (folder / "demo.yaml").read_text()
        assert (EXIT_PASSED, True, EXIT_PASSED, False) == (
            ended.code,
            "login         by CRAM-MD5" in ended.out,
            again.code,
            demo.password in text + ended.out + ended.err or "alice" in text,
        ), again.out

    def test_project_file(self, mailproof, demo, monkeypatch, folder):
        """Without a target all of the project file are probed, with their passwords; --no-login leaves those out."""
        monkeypatch.setenv("PW", demo.password)
        (folder / "mailproof.yaml").write_text(
            f"targets: {{one: {{url: '{demo.url}', tls: {{ca: '{demo.ca}'}}}}, two: '{demo.url}'}}\n"
            "vars: {username: alice@example.com}\nsecrets: {password: {env: PW}}\n"
        )
        ended, without = mailproof("probe", "one"), mailproof("probe", "--no-login")
        assert (EXIT_PASSED, EXIT_PASSED) == (ended.code, without.code)
        assert (True, False, 2) == (
            "login" in ended.out,
            "login" in without.out.replace("before login", ""),
            without.out.count("greeting "),
        )

    def test_on_standard_output(self, mailproof, demo):
        """`-o -` shows the scenario alone."""
        ended = mailproof("probe", demo.url, "-o", "-")
        assert (EXIT_PASSED, True, "") == (ended.code, ended.out.startswith("# yaml-language-server:"), ended.err)


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "which server? name one: mailproof probe smtp://host:25"),
            (("tcp://127.0.0.1:1",), "'tcp://127.0.0.1:1' speaks tcp, which has no capabilities to be probed"),
            (("smtp://127.0.0.1:1", "--secret", "passwort"), "--secret passwort: a login wants the secret 'password'"),
            (("smtp://127.0.0.1:1", "smtp://127.0.0.1:2", "-o", "x"), "-o pins one server down, and here are several"),
            (("smtp://127.0.0.1:1", "-o", "no/x.yaml"), "there is no folder for 'no/x.yaml'"),
            (("mx",), "unknown target 'mx'"),
            (("smtp://127.0.0.1:1", "--var", "password=x"), "--var password=…: a value on the command line shows"),
        ],
    )
    def test_refused(self, mailproof, words, said):
        """What can't be is refused before anything is connected."""
        ended = mailproof("probe", *words)
        assert (EXIT_USAGE, "", True) == (ended.code, ended.out, said in ended.err), ended.err

    @pytest.mark.parametrize("command", ["probe", "record"])
    def test_project_file_above(self, mailproof, folder, monkeypatch, command):
        """What is wrong with the project file is told with the path that leads there."""
        (folder / "mailproof.yaml").write_text("targts: {}\n")
        (folder / "scenarios").mkdir()
        monkeypatch.chdir(folder / "scenarios")
        ended = mailproof(command, "smtp://127.0.0.1:1")
        assert (EXIT_USAGE, True) == (ended.code, ended.err.startswith("../mailproof.yaml:1:1: ")), ended.err

    def test_whose_password(self, mailproof, server, monkeypatch):
        """A password without a name is refused."""
        monkeypatch.setenv("PW", "correct horse")
        ended = mailproof("probe", url(server), "--secret", "password=env:PW")
        assert (EXIT_USAGE, True, 0) == (ended.code, "whose is it?" in ended.err, server.connections)

    def test_a_secret_that_is_not_there(self, mailproof, server):
        """What can't be had is told before anything connects."""
        ended = mailproof("probe", url(server), "--secret", "password=env:NOT_SET", "--var", "username=alice")
        assert (EXIT_USAGE, True, 0) == (ended.code, "'NOT_SET' is not set" in ended.err, server.connections)

    def test_no_file_is_lost(self, mailproof, server, folder):
        """A file that is there is written over only with --force."""
        (folder / "mx.yaml").write_text("mine")
        refused = mailproof("probe", url(server), "-o", "mx.yaml")
        assert (EXIT_USAGE, 0, "mine") == (refused.code, server.connections, (folder / "mx.yaml").read_text())
        assert EXIT_PASSED == mailproof("probe", url(server), "-o", "mx.yaml", "--force").code
        assert (folder / "mx.yaml").read_text().startswith("# yaml-language-server")
