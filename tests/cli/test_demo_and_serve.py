"""`demo` and `serve`: the embedded server."""

from __future__ import annotations

import os
import re
import signal
import sys

import pytest
from commands import ended, start, write

from runner.cli.demo import roles
from runner.cli.serve import _quoted
from runner.demo import DemoSettings
from runner.errors import EXIT_PASSED, EXIT_TERMINATED, EXIT_TOOL, EXIT_USAGE


class TestDemo:
    """The bundled scenarios against the embedded server."""

    def test_passes(self, mailproof, runs):
        """All that fits passes, and one line says whose server this was."""
        ended = mailproof("demo")
        assert (EXIT_PASSED, "") == (ended.code, ended.err)
        assert [] == [case.scenario for case in runs[-1].cases if case.outcome.is_failure]
        assert "this was the embedded server, not one of yours" in ended.out.splitlines()
        skipped = [case.reason for case in runs[-1].cases if case.outcome.value == "skipped"]
        assert [True, True] == [any(word in reason for reason in skipped) for word in ("lmtp", "tls-only-auth")]
        assert 2 == len(skipped)

    def test_quiet(self, mailproof):
        """The summary alone still says it."""
        ended = mailproof("demo", "-q")
        assert ended.out.splitlines()[1:] == ["this was the embedded server, not one of yours"]
        assert re.match(
            r"\d+ passed, 0 failed, 2 skipped in \d+\.\d\d s, target demo \(smtp://127\.0\.0\.1:\d+\)", ended.out
        )

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
        ],
        ids=str,
    )
    def test_roles(self, settings, expected):
        """The server says what it is in the words of the scenarios."""
        assert expected == roles(DemoSettings(**settings))


class Serving:
    """`mailproof serve` as a process; a context manager that gives the project file that it prints."""

    def __init__(self, folder, *words, env=None):
        self.process = start("serve", *words, cwd=folder, env=env)

    def __enter__(self):
        lines = []
        while "secrets:" not in "".join(lines[-1:]):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            lines.append(line)
        self.printed = "".join(lines)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
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
            # By hand they say AUTH in the clear, which this one doesn't take.
            choice = ["-k", "mail is accepted", "-k", "submission"] if "--auth-requires-tls" in words else []
            ended = mailproof("run", "pack:", *choice)
        assert EXIT_PASSED == ended.code, ended.out
        assert (EXIT_TERMINATED, "", "") == (serving.result.code, serving.result.out, serving.result.err)
        assert [] == os.listdir(folder / "temporary")
        assert "s3cret-p4ss" not in serving.printed

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["--certificate", "x.pem"], EXIT_USAGE, "--certificate and --key go together"),
            (["--user", "bob"], EXIT_USAGE, "--user: write it as NAME=env:VARIABLE or NAME=file:PATH"),
            (["--user", "bob=hunter2"], EXIT_USAGE, "write --user bob=env:VARIABLE or --user bob=file:PATH"),
            (["--user", "bob=env:NOT_SET"], EXIT_USAGE, "--user bob: the environment variable 'NOT_SET' is not set"),
            (["--size-limit", "-1"], EXIT_USAGE, "'-1' is no number from 1"),
            (["--port", "00000000099999"], EXIT_USAGE, "is no port: 0 to 65535"),
            (["--host", "192.0.2.1"], EXIT_TOOL, "can't listen on 192.0.2.1 port 0"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_wrong_usage(self, mailproof, words, code, message):
        """What can't be served is told in a line, without a password."""
        ended = mailproof("serve", *words)
        assert (code, "") == (ended.code, ended.out)
        assert message in ended.err
        assert "hunter2" not in ended.err

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
