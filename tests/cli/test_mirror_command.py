"""`mailproof mirror` and `run --mirror`: what a user types and reads."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from commands import PATIENCE, ROOT, start

from runner.errors import EXIT_TERMINATED, EXIT_TOOL
from runner.mirror.server import MirrorServer

SCENARIO = """\
name: Mail is taken
secrets: [password]
steps:
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
  - auth: PLAIN
  - send: MAIL FROM:<${sender}>
    expect: 250
  - send: QUIT
    expect: 221
"""
PACK = ROOT / "scenarios"


@pytest.fixture
def file(folder):
    """Return a scenario file."""
    path = Path("mail.yaml")
    path.write_text(SCENARIO, "utf-8")
    return path


class TestRun:
    """`run --mirror`."""

    def test_needs_no_target(self, mailproof, file):
        """A scenario passes with neither a server nor values; nobody takes that for a server's pass."""
        ended = mailproof("run", "--mirror", file)
        assert 0 == ended.code, ended
        assert "1 passed, 0 failed" in ended.out
        assert "the server was mailproof's own" in ended.out
        assert "mailproof: played against mirrors, which says nothing of any server\n" == ended.err

    def test_whole_pack(self, mailproof):
        """The bundled scenarios pass."""
        ended = mailproof("run", "--mirror", "pack:", "--quiet")
        assert 0 == ended.code, ended
        assert " 0 failed" in ended.out

    def test_fault(self, mailproof, file):
        """With a fault the report is that of a server which does so."""
        ended = mailproof("run", "--mirror", file, "--fault", "4=451 4.3.0 later")
        assert 1 == ended.code
        assert re.search(r"got +451 4\.3\.0 later", ended.out)

    def test_given_values(self, mailproof, file, monkeypatch):
        """Values that are given are used, and secrets shown as little as ever."""
        monkeypatch.setenv("OURS", "0ur-s3cret")
        ended = mailproof(
            "run", "--mirror", file, "--verbose", "--var", "sender=me@here", "--secret", "password=env:OURS"
        )
        assert 0 == ended.code, ended
        assert "MAIL FROM:<me@here>" in ended.out
        assert "0ur-s3cret" not in ended.out

    def test_open_secrets(self, mailproof, file):
        """A secret's value on the command line is refused, as by a run against a server."""
        for command in (["run", "--mirror"], ["mirror"]):
            ended = mailproof(*command, file, "--var", "password=0ur-s3cret")
            assert 2 == ended.code, ended
            assert "--var password=…: 'password' is a secret" in ended.err

    def test_secret_files(self, mailproof, file):
        """A secret's file that others can read is warned of, and no report is written over it."""
        secret = Path("secret.txt")
        secret.write_text("0ur-s3cret\n", "utf-8")
        secret.chmod(0o644)
        ended = mailproof("run", "--mirror", file, "--secret", "password=file:secret.txt")
        assert 0 == ended.code, ended
        assert "secret.txt' can be read by others than its owner" in ended.err
        ended = mailproof(
            "run", "--mirror", file, "--secret", "password=file:secret.txt", "--report", "json=secret.txt"
        )
        assert 2 == ended.code
        assert "a run reads such" in ended.err
        assert "0ur-s3cret\n" == secret.read_text("utf-8")

    def test_what_cant_be_mirrored(self, mailproof, folder):
        """What can't be mirrored is skipped, with the reason."""
        Path("x.yaml").write_text("name: x\nsteps:\n  - connect:\n    expect: timeout\n", "utf-8")
        ended = mailproof("run", "--mirror", "x.yaml")
        assert 1 == ended.code
        assert "can't be mirrored" in ended.out
        assert "nothing passed" in ended.out

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--fault", "4=451"], "--fault is what a mirror does: it goes with --mirror"),
            (["--mirror", "--target", "smtp://x:1"], "--target does nothing with --mirror"),
            (["--mirror", "--no-verify"], "--no-verify does nothing with --mirror"),
            (["--mirror", "--fault", "9=451"], "there is no such step; the steps have numbers from 1 to 5"),
            (["--mirror", "--fault", "send QIUT=451"], "there is no such step; did you mean 'send QUIT'?"),
            (["--mirror", "--fault", "2=wrong-tls"], "that step makes no TLS handshake"),
            (["--mirror", "--fault", "2=wrong"], "'wrong' is no fault"),
        ],
    )
    def test_wrong_usage(self, mailproof, file, words, message):
        """What would do nothing is refused."""
        ended = mailproof("run", file, *words)
        assert 2 == ended.code
        assert message in ended.err


class Served:
    """A `mailproof mirror` in a process of its own."""

    def __init__(self, *words):
        self.process = start("mirror", *words, cwd=".", stderr=subprocess.STDOUT)
        self.said = []
        self.command, self.values = [], {}
        while (line := self.process.stdout.readline()) and not line.startswith("# Ctrl-C"):
            self.said.append(line)
            if line.startswith("export "):
                name, _, value = shlex.split(line)[1].partition("=")
                self.values[name] = value
            elif line.startswith("mailproof run"):
                self.command = shlex.split(line)[1:]

    @property
    def port(self):
        return int(re.search(r"://127\.0\.0\.1:(\d+)", "".join(self.said))[1])

    def ended(self):
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out


@pytest.fixture
def serve():
    """Return a function that serves mirrors."""
    running = []

    def start(*words):
        running.append(Served(*words))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.communicate()


class TestMirror:
    """`mirror`."""

    def test_the_command_that_it_prints(self, serve, mailproof, file, monkeypatch):
        """The printed command passes as it stands, and `--once` then ends with 0."""
        served = serve(file, "--once")
        for name, value in served.values.items():
            monkeypatch.setenv(name, value)
        ended = mailproof(*served.command)
        assert 0 == ended.code, ended
        assert (0, "Mail is taken, conversation 1: the client did its part\n") == served.ended()

    @pytest.mark.parametrize("name", ["submission/submission", "imap/imap-mailbox", "mx/starttls"])
    def test_tls(self, serve, mailproof, monkeypatch, name):
        """So does that for a scenario with TLS."""
        served = serve(PACK / f"{name}.yaml", "--once")
        for variable, value in served.values.items():
            monkeypatch.setenv(variable, value)
        ended = mailproof(*served.command)
        assert 0 == ended.code, ended
        assert 0 == served.ended()[0]

    def test_another_client(self, serve, file):
        """A client that does otherwise is told what was expected, and `--once` ends with 1."""
        served = serve(file, "--once")
        with socket.create_connection(("127.0.0.1", served.port), PATIENCE) as client, client.makefile("rwb") as lines:
            assert b"220 mirror.example ready\r\n" == lines.readline()
            lines.write(b"HELO \x1b[31mx\r\nQUIT\r\n")
            lines.flush()
            assert lines.readline().startswith(b"500 expected EHLO ")
            assert b"221 bye\r\n" == lines.readline()
        code, out = served.ended()
        assert 1 == code
        assert "Mail is taken, conversation 1: line 5: expected EHLO" in out
        assert "\\x1b[31mx" in out
        assert "Mail is taken, conversation 1: the client did otherwise\n" in out

    def test_again_and_again(self, serve, mailproof, file, monkeypatch):
        """Without `--once` it serves until Ctrl-C."""
        served = serve(file)
        for name, value in served.values.items():
            monkeypatch.setenv(name, value)
        for number in (1, 2, 3):
            assert 0 == mailproof(*served.command).code
            line = served.process.stdout.readline()
            assert f"Mail is taken, conversation {number}: the client did its part\n" == line
        served.process.send_signal(signal.SIGINT)
        assert (130, "") == served.ended()

    def test_hangup(self, serve):
        """A closed terminal ends it, too, and nothing of it is left on the disk."""
        served = serve(PACK / "mx/starttls.yaml")
        ca = Path(served.command[served.command.index("--ca") + 1])
        assert ca.is_file()
        served.process.send_signal(signal.SIGHUP)
        assert (EXIT_TERMINATED, "") == served.ended()
        assert not ca.parent.exists()

    def test_crash(self, mailproof, file, monkeypatch):
        """What goes wrong inside ends it at once; nobody waits for a client then."""

        def crash(_):
            raise ZeroDivisionError

        monkeypatch.setattr(MirrorServer, "_turn", crash)
        ended = mailproof("mirror", file)
        assert EXIT_TOOL == ended.code
        assert "internal error: ZeroDivisionError" in ended.err

    def test_many(self, serve, folder, file):
        """Each scenario has a port of its own."""
        Path("other.yaml").write_text("name: other\nsteps:\n  - expect: 220\n", "utf-8")
        served = serve(".")
        ports = re.findall(r"^#   smtp://127\.0\.0\.1:(\d+)$", "".join(served.said), re.MULTILINE)
        assert 2 == len(set(ports))

    def test_fault(self, serve, file):
        """A fault is what any client meets."""
        served = serve(file, "--fault", "2=421 4.3.2 going down")
        with socket.create_connection(("127.0.0.1", served.port), PATIENCE) as client, client.makefile("rwb") as lines:
            lines.readline()
            lines.write(b"EHLO x\r\n")
            lines.flush()
            assert b"421 4.3.2 going down\r\n" == lines.readline()

    def test_nothing_to_mirror(self, mailproof, folder):
        """Where nothing can be mirrored there is nothing to serve."""
        Path("x.yaml").write_text("name: x\nsteps:\n  - connect:\n    expect: timeout\n", "utf-8")
        ended = mailproof("mirror", "x.yaml")
        assert 2 == ended.code
        assert "x: can't be mirrored: x.yaml:3: step 'connect': a connection that comes to nothing in time" in ended.err

    def test_broken_file(self, mailproof, folder):
        """A file with a mistake is told as ever."""
        Path("x.yaml").write_text("name: x\nsteps:\n  - expct: 220\n", "utf-8")
        ended = mailproof("mirror", "x.yaml")
        assert 2 == ended.code
        assert "unknown key 'expct'" in ended.err
