"""`demo` and `serve`: the embedded server."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import defaultdict

import pytest
from commands import ended, scenario, start, write

from runner.cli import selection
from runner.cli.demo import roles
from runner.cli.serve import _quoted
from runner.cli.signals import handled_by
from runner.demo import DemoSettings
from runner.errors import EXIT_INTERRUPTED, EXIT_PASSED, EXIT_TERMINATED, EXIT_TOOL, EXIT_USAGE
from runner.resources import bundled
from tests.documented import DOCS

ROUND_TRIP = """\
name: trip
sessions: {inbox: imap}
requires: {target_tag: submission}
secrets: [password]
steps:
  - expect: 220
  - send: EHLO c
    expect: 250
  - starttls:
  - send: EHLO c
    expect: 250
  - send: MAIL FROM:<${sender}>
    expect: 250
  - send: RCPT TO:<${username}>
    expect: 250
  - send: DATA
    expect: 354
  - data: |
      Subject: ${unique}

      hello
    expect: 250
  - session: inbox
    expect: OK
  - session: inbox
    send: LOGIN ${username | quoted} ${password | quoted}
    expect: OK
  - session: inbox
    send: SELECT INBOX
    expect: OK
  - session: inbox
    send: SEARCH SUBJECT "${unique}"
    expect: OK
    capture: {n: '/^\\* SEARCH (\\d+)/m'}
  - session: inbox
    send: FETCH ${n} BODY.PEEK[]
    expect: OK
    message:
      headers: {Subject: '${unique}', Return-Path: '<${sender}>'}
      body: hello
"""


class TestDemo:
    """The bundled scenarios against the embedded server."""

    def test_passes(self, mailproof, runs):
        """Every scenario of the pack that has a door passes, and one line says whose server this was."""
        ended = mailproof("demo")
        assert (EXIT_PASSED, "") == (ended.code, ended.err)
        assert {"passed"} == {case.outcome.value for case in runs[-1].cases}
        files = {path.name for path in bundled("scenarios").rglob("*.yaml") if path.parent.name != "pop3"}
        assert files == {case.place.file.rpartition("/")[2] for case in runs[-1].cases}
        assert "the server was mailproof's own: this says nothing of yours" in ended.out.splitlines()

    @pytest.mark.parametrize("words", [[], ["-q"]], ids=["usual", "quiet"])
    def test_what_has_no_door_is_told(self, mailproof, runs, folder, monkeypatch, words):
        """A scenario of which a session has no door is told as not run, with the reason, and counts as nothing."""
        write(
            folder,
            {
                "scenarios/any.yaml": scenario("any"),
                "scenarios/pop.yaml": "name: pop\nprotocol: pop3\nsteps: [{expect: +OK}]\n",
                "scenarios/both.yaml": scenario("both", sessions="{inbox: pop3}"),
            },
        )
        monkeypatch.setattr(selection, "bundled", lambda _: folder / "scenarios")
        ended = mailproof("demo", *words)
        assert EXIT_PASSED == ended.code
        assert {"any"} == {case.scenario for case in runs[-1].cases}
        assert ended.out.splitlines()[-3:] == [
            "not run here: both",
            "not run here: pop",
            "  the embedded server speaks no POP3: Python has no small, well-kept one",
        ]

    def test_sessions_find_their_doors(self, mailproof, runs, folder, monkeypatch):
        """A session whose target is a protocol's name is at that door, and what one door takes the other finds."""
        write(folder, {"scenarios/trip.yaml": ROUND_TRIP})
        monkeypatch.setattr(selection, "bundled", lambda _: folder / "scenarios")
        ended = mailproof("demo")
        assert EXIT_PASSED == ended.code, ended.out
        assert ["demo", "demo-tls"] == [case.target for case in runs[-1].cases]

    def test_doors(self, mailproof, runs):
        """A scenario is run at each door that it is for, which the table names; at the others it is not told of."""
        mailproof("demo")
        doors = defaultdict(list)
        for case in runs[-1].cases:
            doors[case.scenario].append(case.target)
        assert ["demo-lmtp"] == doors["LMTP answers per recipient"]
        assert ["demo-tls"] == doors["No AUTH before TLS"]
        assert ["demo"] == doors["Postmaster is accepted"]
        assert ["demo"] == doors["AUTH LOGIN opens the relay"]
        assert ["demo", "demo-tls"] == doors["Submission over TLS"]
        assert ["demo-imap"] == doors["IMAP stores and finds mail"]
        assert ["demo-sieve"] == doors["ManageSieve checks its scripts"]
        assert ["demo-tcp"] == doors["An SMTP port answers by lines"]

    def test_fits_a_terminal(self, mailproof, monkeypatch):
        """In 80 columns nothing of the table is cut."""
        monkeypatch.setenv("COLUMNS", "80")
        lines = mailproof("demo").out.splitlines()
        assert [] == [line for line in lines if len(line) > 80 or "…" in line]

    def test_what_fits_no_door_is_seen(self, mailproof, runs, folder, monkeypatch):
        """A scenario that is for none of the doors stays in the table, with the reason."""
        write(
            folder,
            {
                "scenarios/odd.yaml": scenario("odd", requires="{target_tag: bastion}"),
                "scenarios/any.yaml": scenario("any"),
            },
        )
        monkeypatch.setattr(selection, "bundled", lambda _: folder / "scenarios")
        assert EXIT_PASSED == mailproof("demo").code
        reason = "the target has no tag 'bastion'"
        assert [("any", ""), ("any", ""), ("odd", reason), ("odd", reason)] == [
            (case.scenario, case.reason) for case in runs[-1].cases
        ]

    def test_quiet(self, mailproof):
        """The summary alone still says it."""
        ended = mailproof("demo", "-q")
        assert ended.out.splitlines()[1] == "the server was mailproof's own: this says nothing of yours"
        assert re.match(r"\d+ passed, 0 failed in \d+\.\d\d s\n", ended.out)

    def test_without_the_extra(self, mailproof, monkeypatch):
        """Where the extra is not installed its name is told."""
        monkeypatch.setitem(sys.modules, "aiosmtpd.smtp", None)
        for command in ("demo", "serve"):
            ended = mailproof(command)
            assert (EXIT_TOOL, "") == (ended.code, ended.out)
            assert ended.err.endswith("pip install 'mailproof[demo]'\n")

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, ("mx", "submission", "starttls")),
            ({"tls": "implicit"}, ("mx", "submission")),
            ({"tls": "none"}, ("mx",)),
            ({"auth_requires_tls": True}, ("mx", "submission", "starttls", "tls-only-auth")),
            ({"protocol": "lmtp"}, ("starttls",)),
            ({"protocol": "lmtp", "tls": "none"}, ()),
            ({"protocol": "imap"}, ("starttls",)),
            ({"protocol": "imap", "tls": "implicit"}, ()),
            ({"protocol": "sieve", "auth_requires_tls": True}, ("starttls", "tls-only-auth")),
        ],
        ids=str,
    )
    def test_roles(self, settings, expected):
        """The server says what it is in the words of the scenarios."""
        assert expected == roles(DemoSettings(**settings))


class Serving:
    """`mailproof serve` as a process; a context manager that gives the project file that it prints."""

    def __init__(self, folder, *words, env=None, by=signal.SIGTERM):
        self.process = start("serve", *words, cwd=folder, env=env)
        self.by = by

    def __enter__(self):
        lines = []
        while "secrets:" not in "".join(lines[-1:]):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            lines.append(line)
        self.printed = "".join(lines)
        return self

    def __exit__(self, *_):
        self.process.send_signal(self.by)
        self.result = ended(self.process)


class TestServe:
    """The embedded server as a process of its own."""

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--tls", "implicit"],
            ["--domain", "example.org"],
            ["--auth-requires-tls"],
            ["--user", "al o'hara=env:P", "--user", "bob=env:P"],
            ["--protocol", "lmtp"],
            ["--protocol", "lmtp", "--tls", "none"],
            ["--protocol", "lmtp", "--user", "bob=env:P", "--auth-requires-tls"],
        ],
        ids=" ".join,
    )
    def test_project_file(self, mailproof, runs, folder, monkeypatch, words):
        """What it prints is a project file with which the bundled scenarios pass, password and all."""
        (folder / "temporary").mkdir()
        with Serving(folder, *words, env={"P": "s3cret-p4ss", "TMPDIR": str(folder / "temporary")}) as serving:
            write(folder, {"mailproof.yaml": serving.printed})
            told = re.search(r"^# its password: export MAILPROOF_PASSWORD='(\S+)'$", serving.printed, re.MULTILINE)
            assert ("--user" not in words) == bool(told)
            monkeypatch.setenv(*("MAILPROOF_PASSWORD", told[1]) if told else ("P", "s3cret-p4ss"))
            assert EXIT_PASSED == mailproof("validate", "pack:").code
            ended = mailproof("run", "pack:")
        assert EXIT_PASSED == ended.code, ended.out
        assert (EXIT_TERMINATED, "", "") == (serving.result.code, serving.result.out, serving.result.err)
        assert [] == os.listdir(folder / "temporary")
        assert "s3cret-p4ss" not in serving.printed

    @pytest.mark.parametrize("word", ["From one end to the other", "A message that must not arrive"])
    def test_what_the_manual_follows_to_the_mailbox(self, mailproof, runs, folder, monkeypatch, word):
        """The examples of the whole way pass with the project file as it is printed, as the manual says."""
        page = (DOCS / "mailboxes.md").read_text("utf-8")
        example = re.search(rf"^#+ {word}\n.*?^```yaml real chain\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        with Serving(folder) as serving:
            write(
                folder, {"mailproof.yaml": serving.printed, "chain.yaml": example[1].replace("wait: 3s", "wait: 1ms")}
            )
            told = re.search(r"MAILPROOF_PASSWORD='(\S+)'", serving.printed)
            monkeypatch.setenv("MAILPROOF_PASSWORD", told[1])
            ended = mailproof("run", "chain.yaml", "--target", "demo")
        assert (EXIT_PASSED, "") == (ended.code, ended.err), ended.out

    @pytest.mark.parametrize(
        ("by", "code"),
        [(signal.SIGINT, EXIT_INTERRUPTED), (signal.SIGTERM, EXIT_TERMINATED), (signal.SIGHUP, EXIT_TERMINATED)],
        ids=["SIGINT", "SIGTERM", "SIGHUP"],
    )
    def test_ends_by_signal(self, folder, by, code):
        """Ctrl-C, a kill and a terminal that is closed end it alike: quietly, with its temporary folder."""
        (folder / "temporary").mkdir()
        with Serving(folder, env={"TMPDIR": str(folder / "temporary")}, by=by) as serving:
            assert 1 == len(os.listdir(folder / "temporary"))
        assert (code, "", "") == (serving.result.code, serving.result.out, serving.result.err)
        assert [] == os.listdir(folder / "temporary")

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["--certificate", "x.pem"], EXIT_USAGE, "--certificate and --key go together"),
            (["--user", "bob"], EXIT_USAGE, "--user: write it as NAME=env:VARIABLE or NAME=file:PATH"),
            (["--user", "bob=hunter2"], EXIT_USAGE, "write --user bob=env:VARIABLE or --user bob=file:PATH"),
            (["--user", "bob=env:NOT_SET"], EXIT_USAGE, "--user bob: the environment variable 'NOT_SET' is not set"),
            (["--size-limit", "-1"], EXIT_USAGE, "'-1' is no number from 1"),
            (["--port", "00000000099999"], EXIT_USAGE, "is no port: 0 to 65535"),
            (["--size-limit", "abc"], EXIT_USAGE, "argument --size-limit: 'abc' is no number from 1"),
            (["--host", "192.0.2.1"], EXIT_TOOL, "mailproof: --host 192.0.2.1: this machine has no such address\n"),
            (["--host", "a..b"], EXIT_TOOL, "mailproof: --host a..b: that is no name and no address\n"),
            (
                ["--certificate", "no.pem", "--key", "no.pem"],
                EXIT_TOOL,
                "can't use the certificate: cannot read 'no.pem': no such file",
            ),
            (
                ["--certificate", "bad.pem", "--key", "bad.pem"],
                EXIT_TOOL,
                "can't use the certificate: 'bad.pem' holds no certificate in PEM form",
            ),
            (["--certificate", "x", "--key", "x", "--tls", "none"], EXIT_USAGE, "does nothing with --tls none"),
            (["--protocol", "pop3"], EXIT_USAGE, "argument --protocol: invalid choice: 'pop3'"),
            (["--protocol", "lmtp", "--tls", "implicit"], EXIT_USAGE, "with --protocol lmtp TLS begins by STARTTLS"),
            (["--imap-port", "99999"], EXIT_USAGE, "argument --imap-port: '99999' is no port: 0 to 65535"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_wrong_usage(self, mailproof, folder, words, code, message):
        """What can't be served is told in a line, without a password."""
        write(folder, {"bad.pem": "no certificate"})
        ended = mailproof("serve", *words)
        assert (code, "") == (ended.code, ended.out)
        assert message in ended.err
        assert "hunter2" not in ended.err

    @pytest.mark.parametrize("is_ignored", [False, True], ids=["terminal", "nohup"])
    def test_signals(self, is_ignored):
        """They are caught while it serves and no longer; SIGHUP not where `nohup` has it ignored."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        old = signal.SIG_IGN if is_ignored else signal.SIG_DFL
        outside = signal.signal(signal.SIGHUP, old)
        try:
            before = [signal.getsignal(number) for number in numbers]
            with handled_by(print, *numbers):
                assert [print, print, old if is_ignored else print] == [signal.getsignal(number) for number in numbers]
            assert before == [signal.getsignal(number) for number in numbers]
        finally:
            signal.signal(signal.SIGHUP, outside)

    @pytest.mark.parametrize("option", ["--port", "--imap-port", "--sieve-port"])
    def test_port_is_taken(self, mailproof, server, option):
        """A port on which another program listens is told as that, by the option that names it."""
        ended = mailproof("serve", option, server.port)
        assert (EXIT_TOOL, "") == (ended.code, ended.out)
        assert f"mailproof: {option} {server.port}: another program listens there\n" == ended.err

    def test_mailboxes_have_doors(self, folder):
        """Beside the door that takes mail it says where IMAP and ManageSieve are."""
        with Serving(folder) as serving:
            urls = re.findall(r"^  (\w+):\n    url: (\w+)://127\.0\.0\.1:\d+$", serving.printed, re.MULTILINE)
        assert urls == [("demo", "smtp"), ("imap", "imap"), ("sieve", "sieve")]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("alice@example.com", "alice@example.com"),
            ("smtp://[::1]:25", "'smtp://[::1]:25'"),
            ("o'hara", "'o''hara'"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("", "''"),
            ("{x}", "'{x}'"),
        ],
    )
    def test_quoted(self, text, expected):
        """A value that YAML would read otherwise stands in single quotes."""
        assert expected == _quoted(text)
