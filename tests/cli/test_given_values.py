"""Values from the command line, the project file, the environment, files and commands."""

from __future__ import annotations

import sys

import pytest
from commands import run_process, url, write
from fake_server import FakeServer

from runner.errors import EXIT_PASSED, EXIT_USAGE

SAYS = """\
name: says
vars: {{word: from-the-scenario}}
steps:
  - expect: 220
  - send: NOOP {said}
    expect: 250
  - send: QUIT
    expect: [221, close]
"""
WANTS_SECRET = SAYS.replace("vars: {{word: from-the-scenario}}", "secrets: [password]")


class Heard:
    """A polite server that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def __call__(self, conn):
        conn.send(b"220 mx\r\n")
        while line := conn.line():
            self.lines.append(line.decode().rstrip("\r\n"))
            conn.send(b"221 bye\r\n" if line == b"QUIT\r\n" else b"250 ok\r\n")
            if line == b"QUIT\r\n":
                return


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def server(heard):
    with FakeServer(heard) as server:
        yield server


class TestVariables:
    """Where a name's value comes from, the nearest first."""

    @pytest.mark.parametrize(
        ("words", "project", "expected"),
        [
            ([], "targets: {{mx: '{url}'}}", "from-the-scenario"),
            ([], "vars: {{word: of-the-project}}\ntargets: {{mx: '{url}'}}", "of-the-project"),
            (
                [],
                "vars: {{word: of-the-project}}\ntargets: {{mx: {{url: '{url}', vars: {{word: of-the-target}}}}}}",
                "of-the-target",
            ),
            (["--var", "word=a=b c"], "targets: {{mx: {{url: '{url}', vars: {{word: of-the-target}}}}}}", "a=b c"),
            (["--var", "word="], "targets: {{mx: '{url}'}}", ""),
        ],
        ids=["scenario", "project", "target", "command-line", "empty"],
    )
    def test_order(self, mailproof, folder, heard, server, words, project, expected):
        """The command line beats the target, it beats the project, it beats the scenario."""
        write(folder, {"a.yaml": SAYS.format(said="${word}"), "mailproof.yaml": project.format(url=url(server))})
        ended = mailproof("run", "a.yaml", *words)
        assert (EXIT_PASSED, f"NOOP {expected}") == (ended.code, heard.lines[0]), ended.out

    def test_environment(self, mailproof, folder, heard, server, monkeypatch):
        """Of the environment only what the project file names is known."""
        monkeypatch.setenv("BUILD_NUMBER", "42")
        monkeypatch.setenv("OTHER", "43")
        write(folder, {"a.yaml": SAYS.format(said="${env.BUILD_NUMBER}"), "b.yaml": SAYS.format(said="${env.OTHER}")})
        write(folder, {"mailproof.yaml": f"env: [BUILD_NUMBER]\ntargets: {{mx: '{url(server)}'}}\n"})
        assert EXIT_PASSED == mailproof("run", "a.yaml").code
        assert "NOOP 42" == heard.lines[0]
        ended = mailproof("run", "b.yaml")
        assert EXIT_USAGE == ended.code
        assert "b.yaml:5:16: unknown placeholder '${env.OTHER}'" in ended.err
        assert "env: [OTHER]" in ended.err

    def test_client_name_and_defaults(self, mailproof, runs, folder, heard, server):
        """The project file's client_name is what EHLO says, and its defaults are each scenario's."""
        write(folder, {"a.yaml": SAYS.format(said="${client.name}")})
        project = f"client_name: probe.example.org\ndefaults: {{timeout: 150ms}}\ntargets: {{mx: '{url(server)}'}}\n"
        write(folder, {"mailproof.yaml": project})
        assert EXIT_PASSED == mailproof("run", "a.yaml").code
        assert "NOOP probe.example.org" == heard.lines[0]
        with FakeServer(lambda conn: conn.wait_for_eof()) as silent:
            mailproof("run", "a.yaml", "--target", url(silent))
        assert 0.15 <= runs[-1].cases[0].elapsed < 2.0

    @pytest.mark.parametrize("text", ["word", "=x", "a b=x", "1a=x", "word:=x", "w\x1b=x"])
    def test_wrong_form(self, mailproof, folder, text):
        """A --var of another form is refused; what may be a value is not shown."""
        write(folder, {"a.yaml": SAYS.format(said="x")})
        ended = mailproof("run", "a.yaml", "--target", "smtp://127.0.0.1", "--var", text)
        assert EXIT_USAGE == ended.code
        assert "write it as NAME=VALUE; names are letters, digits, '_' and '-'" in ended.err
        assert "\x1b" not in ended.err

    def test_unknown(self, mailproof, folder, server):
        """A name that nobody gives is found before anything connects, with the nearest name."""
        write(folder, {"a.yaml": SAYS.format(said="${wrod}")})
        ended = mailproof("run", "a.yaml", "--target", url(server))
        assert EXIT_USAGE == ended.code
        assert "a.yaml:5:16: unknown placeholder '${wrod}'" in ended.err
        assert "did you mean 'word'?" in ended.err
        assert 0 == server.connections


class TestSecrets:
    """Secrets come from elsewhere, and are never shown."""

    @pytest.fixture(autouse=True)
    def wants_secret(self, folder):
        write(folder, {"a.yaml": WANTS_SECRET.format(said="${password}")})

    def check(self, ended, heard, expected="s3cret-p4ss"):
        assert (EXIT_PASSED, f"NOOP {expected}") == (ended.code, heard.lines[0]), ended.out + ended.err
        assert expected not in ended.out + ended.err
        assert "⟨password⟩" in ended.out

    @pytest.mark.parametrize(
        "source",
        ["s3cret-p4ss", "env:", "file:", "envs:X", "", "command:"],
        ids=["literal", "no-variable", "no-file", "kind", "empty", "command"],
    )
    def test_refused(self, mailproof, server, source):
        """A value itself, or whatever else is no source, is refused without showing it."""
        ended = mailproof("run", "a.yaml", "--target", url(server), "--secret", f"password={source}")
        assert EXIT_USAGE == ended.code
        assert "s3cret-p4ss" not in ended.err
        assert "write --secret password=env:VARIABLE or --secret password=file:PATH" in ended.err
        assert 0 == server.connections

    @pytest.mark.parametrize("place", ["scenario", "target", "project", "command line"])
    def test_not_as_variable(self, mailproof, folder, server, place):
        """What is a secret anywhere is not taken as --var, where the list of processes shows it."""
        write(folder, {"b.yaml": SAYS.format(said="${password}")})
        secret = "secrets: {password: {env: P}}"
        target = f"url: '{url(server)}'" + (f", {secret}" if place == "target" else "")
        project = f"targets: {{mx: {{{target}}}}}\n" + (secret if place == "project" else "")
        write(folder, {"mailproof.yaml": project})
        words = ["--secret", "password=env:P"] if place == "command line" else []
        path = "a.yaml" if place == "scenario" else "b.yaml"
        ended = mailproof("run", path, "--var", "password=s3cret-p4ss", *words)
        assert EXIT_USAGE == ended.code
        assert "s3cret-p4ss" not in ended.err
        assert "--var password=…: 'password' is a secret" in ended.err
        assert 0 == server.connections

    def test_environment(self, mailproof, heard, server, monkeypatch):
        """--secret NAME=env:VARIABLE."""
        monkeypatch.setenv("P", "s3cret-p4ss")
        self.check(mailproof("run", "a.yaml", "-v", "--target", url(server), "--secret", "password=env:P"), heard)

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["bare", "lf", "crlf"])
    def test_file(self, mailproof, folder, heard, server, end):
        """--secret NAME=file:PATH, from where the command is run; the line end of an editor is no part of it."""
        (folder / "secret").write_bytes(b"s3cret-p4ss" + end.encode())
        (folder / "secret").chmod(0o600)
        ended = mailproof("run", "a.yaml", "-v", "--target", url(server), "--secret", "password=file:secret")
        self.check(ended, heard)
        assert "" == ended.err

    def test_open_file(self, mailproof, folder, heard, server):
        """A secret file that others can read gets a warning, and what is to be done."""
        write(folder, {"secret": "s3cret-p4ss"})
        (folder / "secret").chmod(0o640)
        ended = mailproof("run", "a.yaml", "-v", "--target", url(server), "--secret", "password=file:secret")
        self.check(ended, heard)
        path = folder / "secret"
        assert (
            f"mailproof: warning: the secret file '{path}' can be read by others than its owner (chmod 600)\n"
            == ended.err
        )

    def test_target_and_command(self, mailproof, folder, heard, server):
        """A project file's secret may come from a program; its words go to no shell."""
        program = [sys.executable, "-c", "import sys; print(sys.argv[1])", "s3cret-p4ss"]
        secrets = f"{{password: {{command: [{', '.join(repr(word) for word in program)}]}}}}"
        write(folder, {"mailproof.yaml": f"targets: {{mx: {{url: '{url(server)}', secrets: {secrets}}}}}\n"})
        self.check(mailproof("run", "a.yaml", "-v"), heard)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("{env: NOT_SET}", "the environment variable 'NOT_SET' is not set"),
            ("{file: missing}", "missing' can't be read: no such file or directory"),
            ('{file: "a\\0b"}', "can't be read: embedded null byte"),
            ("{file: .}", "can't be read: is a directory"),
            ("{command: [/nowhere/at-all]}", "the command '/nowhere/at-all' can't be run: no such file or directory"),
            ("{command: ['false']}", "the command 'false' ended with 1"),
            ("{command: [cat, /dev/zero]}", "it is longer than 65536 bytes"),
        ],
    )
    def test_not_to_be_had(self, mailproof, folder, server, source, message):
        """A source that gives nothing is an error at its place in the project file, before anything connects."""
        target = f"    url: '{url(server)}'\n    secrets:\n      password: {source}"
        write(folder, {"mailproof.yaml": f"targets:\n  mx:\n{target}\n"})
        ended = mailproof("run", "a.yaml")
        assert EXIT_USAGE == ended.code
        assert "mailproof.yaml:5:7: the secret 'password' can't be had: " in ended.err
        assert message in ended.err
        assert 0 == server.connections

    def test_missing(self, mailproof, server):
        """A secret that a scenario demands and nobody gives is an error before anything connects."""
        ended = mailproof("run", "a.yaml", "--target", url(server))
        assert EXIT_USAGE == ended.code
        assert "a.yaml:2:11: the secret 'password' is not given" in ended.err
        assert "--secret password=env:" in ended.err
        assert 0 == server.connections

    def test_nobody_to_ask(self, folder, server):
        """Without a terminal nobody is asked, and nothing waits."""
        ended = run_process(
            "run", "a.yaml", "--target", url(server), "--secret", "password", cwd=folder, start_new_session=True
        )
        assert (EXIT_USAGE, "") == (ended.code, ended.out)
        assert "there is no terminal to type it at; give it as env:NAME or file:PATH" in ended.err
        assert "Warning" not in ended.err
        assert 0 == server.connections
