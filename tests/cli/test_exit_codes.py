"""Exit codes, and that no error shows as a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest
from commands import ended, run_process, scenario, start, url, write
from fake_server import FakeServer

import runner.report
from runner.cli import main
from runner.cli.command_line import COMMANDS
from runner.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PASSED, EXIT_TERMINATED, EXIT_TOOL, EXIT_USAGE
from runner.player import Player

SECRET = "s3cret-p4ss"
FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason=f"there is no {FULL}")


class Silent:
    """A server that greets and then says nothing; it tells when clients are there and how they left."""

    def __init__(self, clients=1):
        self.greeted = threading.Semaphore(0)
        self.heard = []
        self._clients = clients

    def __call__(self, conn):
        conn.send(b"220 mx\r\n")
        conn.line()
        self.greeted.release()
        self.heard.append(conn.wait_for_eof())

    def wait(self):
        for _ in range(self._clients):
            assert self.greeted.acquire(timeout=10), "no client came"


class TestTable:
    """Every code of the manual."""

    @pytest.mark.parametrize(
        ("files", "words", "expected"),
        [
            ({"a.yaml": scenario()}, ["run", "a.yaml"], EXIT_PASSED),
            ({"a.yaml": scenario()}, ["validate", "a.yaml"], EXIT_PASSED),
            ({"a.yaml": scenario().replace("220", "250")}, ["run", "a.yaml"], EXIT_FAILED),
            ({"a.yaml": scenario(requires="{target_tag: mx}")}, ["run", "a.yaml"], EXIT_FAILED),
            ({"a.yaml": scenario(requires="{target_tag: mx}"), "b.yaml": scenario()}, ["run", "."], EXIT_PASSED),
            (
                {"a.yaml": scenario(requires="{target_tag: mx}"), "b.yaml": scenario()},
                ["run", ".", "--no-skips"],
                EXIT_FAILED,
            ),
            ({"a.yaml": "name: x\n"}, ["run", "a.yaml"], EXIT_USAGE),
            ({"a.yaml": scenario()}, ["run", "a.yaml", "-k", "nothing"], EXIT_USAGE),
            ({}, ["run"], EXIT_USAGE),
            ({}, [], EXIT_USAGE),
            ({}, ["rnu"], EXIT_USAGE),
            ({}, ["run", "--jobs", "0"], EXIT_USAGE),
            ({}, ["run", "--deadline", "soon"], EXIT_USAGE),
            ({}, ["run", "-v", "-q"], EXIT_USAGE),
            ({}, ["serve", "--port", "70000"], EXIT_USAGE),
            ({}, ["--version"], EXIT_PASSED),
            ({}, ["--help"], EXIT_PASSED),
            ({}, ["run", "--help"], EXIT_PASSED),
        ],
        ids=lambda value: " ".join(value) or "none" if isinstance(value, list) else None,
    )
    def test_code(self, mailproof, folder, server, files, words, expected):
        """Passed, failed, skipped, wrong files, wrong usage."""
        write(folder, files)
        target = ["--target", url(server)] if words[:1] == ["run"] else []
        ended = mailproof(*words, *target)
        assert expected == ended.code, ended
        assert "Traceback" not in ended.out + ended.err
        assert (expected == EXIT_USAGE) == bool(ended.err)
        if expected == EXIT_USAGE:
            assert 0 == server.connections

    def test_refused(self, mailproof, folder, server):
        """A server that isn't there is an error, and the run no pass."""
        write(folder, {"a.yaml": scenario()})
        with FakeServer(lambda conn: None) as gone:
            pass
        ended = mailproof("run", "a.yaml", "--target", url(gone), "--target", url(server))
        assert EXIT_FAILED == ended.code
        assert "1 passed, 0 failed, 1 error" in ended.out

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["run", "--taget", "x"], "mailproof run: unknown option '--taget'; did you mean '--target'?\n"),
            (["run", "--targ", "x"], "mailproof run: unknown option '--targ'; did you mean '--target'?\n"),
            (["--debug", "run"], "mailproof run: '--debug' goes behind the command: mailproof run --debug\n"),
            (["run", "--qqqqq"], "mailproof run: unknown option '--qqqqq'\n"),
            (["run", "--passwrd=s3cret"], "mailproof run: unknown option '--passwrd'\n"),
            (["run", "-z"], "mailproof run: unknown option '-z'\n"),
            (["demo", "x"], "mailproof demo: unknown argument 'x'\n"),
            (["run", "--\x1b[2J"], "mailproof run: unknown option '--\\x1b[2J'\n"),
            (["run", "--jobs", "x"], "mailproof run: argument --jobs: 'x' is no number from 1 to 999999999\n"),
            (["run", "--deadline", "5"], "mailproof run: argument --deadline: '5' is no duration; say 5s\n"),
            ([], f"mailproof: which command? {', '.join(COMMANDS)}\n"),
        ],
    )
    def test_wrong_usage(self, mailproof, words, message):
        """Wrong usage is one line, the nearest name in it, and where to read more."""
        ended = mailproof(*words)
        assert EXIT_USAGE == ended.code
        assert ended.err.startswith(message)
        assert ended.err.endswith("--help tells more\n")
        assert 2 == ended.err.count("\n")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["imprt"], "mailproof: argument COMMAND: invalid choice: 'imprt'; did you mean 'import'?\n"),
            (
                ["base64", "encod"],
                "mailproof base64: argument ACTION: invalid choice: 'encod'; did you mean 'encode'?\n",
            ),
            (["lint", "--format", "githb"], "argument --format: invalid choice: 'githb'; did you mean 'github'?\n"),
            (["qqq"], "mailproof: argument COMMAND: invalid choice: 'qqq' (choose from "),
        ],
    )
    def test_misspelt_choice(self, mailproof, words, message):
        """A choice that is near is named alone; else all of them are."""
        ended = mailproof(*words)
        assert EXIT_USAGE == ended.code
        assert message in ended.err


class TestHelp:
    """What the help of each command says of its exit codes."""

    @pytest.mark.parametrize("name", [*COMMANDS, "baseline save", "baseline approve", "baseline show", "base64 encode"])
    def test_codes(self, mailproof, name):
        """It has lines for them that fit a terminal; those of a monitor only where a report can be made for one."""
        told = mailproof(*name.split(), "--help").out
        codes = told[told.index("\nexit codes: ") + 1 :]
        assert ("--report FORMAT" in told) == ("--report nagios" in codes)
        assert [] == [line for line in codes.splitlines() if len(line) > 80]
        assert "3 mailproof or its surroundings failed" in codes

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("run", "exit codes: 0 passed · 1 something failed or erred, or nothing passed"),
            ("lint", "exit codes: 0 nothing found · 1 something found, that --fix has not mended"),
            ("fmt", "exit codes: 0 every file is in its form, or now is · 1 with --check: one is not"),
            ("base64 decode", "exit codes: 0 encoded or decoded"),
            ("schema", "2 wrong usage"),
            ("validate", "2 wrong usage or an invalid file"),
            ("probe", "2 wrong usage or an invalid file, and nothing was connected"),
        ],
    )
    def test_own_codes(self, mailproof, name, line):
        """They are those of this command, and not of a run."""
        assert line in mailproof(*name.split(), "--help").out.splitlines()


class TestSurroundings:
    """Exit code 3: the machine, not the mail server."""

    @needs_full
    @pytest.mark.parametrize(
        "words",
        [["run", "a.yaml"], ["validate", "a.yaml"], ["--version"], ["--help"], ["run", "--help"]],
        ids=" ".join,
    )
    def test_full_disk(self, folder, server, words):
        """An output that can't be written is no pass."""
        write(folder, {"a.yaml": scenario()})
        with open(FULL, "w") as full:
            target = ["--target", url(server)] if "a.yaml" in words else []
            ended = run_process(*words, *target, cwd=folder, stdout=full)
        message = "mailproof: the output can't be written: no space left on device\n"
        assert (EXIT_TOOL, message) == (ended.code, ended.err)

    def test_nobody_reads(self, folder, server):
        """Whoever reads the output may leave; that is told by the code, and needs no words."""
        write(folder, {"a.yaml": scenario()})
        reading, writing = os.pipe()
        os.close(reading)
        ended = run_process("run", "a.yaml", "--target", url(server), cwd=folder, stdout=writing)
        os.close(writing)
        assert (EXIT_TOOL, "") == (ended.code, ended.err)

    @needs_full
    def test_full_disk_for_messages(self, folder):
        """That messages can't be written changes no code."""
        with open(FULL, "w") as full:
            assert EXIT_USAGE == run_process("run", "nowhere", cwd=folder, stderr=full).code

    @pytest.mark.parametrize(("stream", "expected"), [(1, EXIT_TOOL), (2, EXIT_PASSED)], ids=["out", "err"])
    def test_closed(self, folder, server, stream, expected):
        """A closed standard stream is no socket's number; without standard output nothing begins."""
        write(folder, {"a.yaml": scenario()})
        ended = run_process("run", "a.yaml", "--target", url(server), cwd=folder, preexec_fn=lambda: os.close(stream))
        assert expected == ended.code
        assert (0 if expected else 1) == server.connections
        if expected:
            assert "mailproof: standard output is closed; send it to /dev/null if nobody is to read it\n" == ended.err

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_poor_encoding(self, folder, server, encoding):
        """An output without our characters gets them escaped."""
        write(folder, {"a.yaml": scenario("naïve")})
        target = ["--target", url(server)]
        ended = run_process("run", "a.yaml", *target, "-v", cwd=folder, env={"PYTHONIOENCODING": encoding})
        assert EXIT_PASSED == ended.code
        expected = "na\\xefve" if encoding == "ascii" else "na\ufffdve"  # read as UTF-8 here
        assert expected in ended.out

    def test_no_folder(self, folder, server):
        """A working directory that is gone is told as what it is."""
        (folder / "gone").mkdir()
        ended = run_process(
            "run", "a.yaml", "--target", url(server), cwd=folder / "gone", preexec_fn=lambda: os.rmdir("../gone")
        )
        assert (EXIT_TOOL, "mailproof: no such file or directory\n") == (ended.code, ended.err)


class Broken(Exception):
    """A fault of our own."""


class TestInternal:
    """A fault of mailproof itself: one line, exit 3; with --debug where it arose, and no secret."""

    @pytest.fixture(autouse=True)
    def files(self, folder, monkeypatch):
        monkeypatch.setenv("P", SECRET)
        write(folder, {"a.yaml": scenario("a", secrets="[password]"), "b.yaml": scenario("b", secrets="[password]")})

    def run(self, mailproof, server, *words):
        return mailproof("run", "a.yaml", "b.yaml", "--target", url(server), "--secret", "password=env:P", *words)

    def break_one(self, monkeypatch):
        receive = Player.received

        def received(player, *what):
            if player.case.scenario.name == "a":
                raise Broken(f"with {SECRET} in it")
            return receive(player, *what)

        monkeypatch.setattr(Player, "received", received)

    def test_in_a_case(self, mailproof, runs, server, monkeypatch):
        """It costs that case alone, and the run is no pass."""
        self.break_one(monkeypatch)
        ended = self.run(mailproof, server)
        assert EXIT_TOOL == ended.code
        assert ["error", "passed"] == [case.outcome.value for case in runs[-1].cases]
        assert "internal error: Broken; this is a fault of mailproof, not of the server" in " ".join(ended.out.split())
        assert (
            "mailproof: internal error: Broken; run again with --debug to see where, and please report it\n"
            == ended.err
        )

    def test_debug(self, mailproof, server, monkeypatch):
        """--debug says where, with secrets masked."""
        self.break_one(monkeypatch)
        ended = self.run(mailproof, server, "--debug")
        assert EXIT_TOOL == ended.code
        assert ended.err.startswith("mailproof: internal error: Broken: with ⟨")
        assert "in received" in ended.err
        assert SECRET not in ended.out + ended.err

    @pytest.mark.parametrize("is_debug", [False, True])
    def test_elsewhere(self, mailproof, server, monkeypatch, is_debug):
        """An error of the whole run is one line too."""

        def broken(*_):
            raise Broken(f"with {SECRET} in it")

        monkeypatch.setattr("runner.report.render_run", broken)
        ended = self.run(mailproof, server, *["--debug"] * is_debug)
        assert (EXIT_TOOL, "") == (ended.code, ended.out)
        assert ended.err.startswith("mailproof: internal error: Broken")
        assert is_debug or 1 == ended.err.count("\n")
        assert SECRET not in ended.err
        assert "Traceback" not in ended.err


class TestSignals:
    """Ctrl-C and SIGTERM: the report of what ran, at once, and the connections closed."""

    @pytest.mark.parametrize(
        ("number", "expected"),
        [(signal.SIGINT, EXIT_INTERRUPTED), (signal.SIGTERM, EXIT_TERMINATED)],
        ids=["SIGINT", "SIGTERM"],
    )
    def test_signal(self, folder, number, expected):
        """Within a second the report is there; what was not begun is not run."""
        write(folder, {f"{name}.yaml": scenario(name) for name in "abc"})
        silent = Silent(clients=2)
        with FakeServer(silent) as server:
            process = start("run", ".", "--jobs", "2", "--target", url(server), cwd=folder)
            silent.wait()
            before = time.monotonic()
            process.send_signal(number)
            result = ended(process)
            elapsed = time.monotonic() - before
        assert (expected, "") == (result.code, result.err)
        # A second is what it may take; the rest is for a busy machine that ends the process.
        assert elapsed < 2.0
        assert f"interrupted ({number.name}): 0 passed, 0 failed, 2 errors, 1 not run" in result.out
        assert "a         error" in result.out
        assert "c         not run" in result.out
        assert [b"", b""] == silent.heard

    def test_twice(self, folder):
        """A second signal breaks off what still takes its time; the report is shown all the same."""
        write(folder, {"a.yaml": scenario("a")})
        silent = Silent()
        with FakeServer(silent) as server:
            process = start("run", ".", "--target", url(server), cwd=folder)
            silent.wait()
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            result = ended(process)
        assert EXIT_INTERRUPTED == result.code
        assert "Traceback" not in result.err
        assert "interrupted (SIGINT): 0 passed, 0 failed, 1 error" in result.out

    @pytest.mark.parametrize("count", [1, 2])
    def test_while_reporting(self, mailproof, folder, server, monkeypatch, count):
        """Once all has run the report is shown whole, however often Ctrl-C is struck on the way to it."""
        render = runner.report.render_run
        write(folder, {"a.yaml": scenario("a")})

        def interrupted(run, style):
            os.kill(os.getpid(), signal.SIGINT)
            return render(run, style)

        def finished(_, result):
            if count == 2:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(runner.report, "render_run", interrupted)
        monkeypatch.setattr("runner.cli.output._Silent.advance", finished)
        ended = mailproof("run", "a.yaml", "--target", url(server))
        assert (EXIT_INTERRUPTED, "") == (ended.code, ended.err)
        assert "1 passed, 0 failed" in ended.out

    def test_while_reading(self, mailproof, folder, monkeypatch):
        """Before anything runs Ctrl-C ends it with a word."""
        write(folder, {"a.yaml": scenario("a")})

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("runner.cli.selection.surroundings", interrupted)
        ended = mailproof("run", "a.yaml", "--target", "smtp://127.0.0.1")
        assert (EXIT_INTERRUPTED, "mailproof: interrupted\n") == (ended.code, ended.err)

    def test_handlers_are_put_back(self, folder, server, capsys):
        """A run leaves the process's signal handlers as they were."""
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        write(folder, {"a.yaml": scenario("a")})
        assert EXIT_PASSED == main(["run", "a.yaml", "--target", url(server)])
        assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def test_serve_and_its_signals(self, folder):
        """`serve` ends at once by either signal, with its code."""
        for number, expected in ((signal.SIGINT, EXIT_INTERRUPTED), (signal.SIGTERM, EXIT_TERMINATED)):
            process = start("serve", cwd=folder, stderr=subprocess.STDOUT)
            assert "the embedded server is up at smtp://127.0.0.1:" in process.stdout.readline()
            while "secrets:" not in process.stdout.readline():
                pass
            process.send_signal(number)
            assert (expected, "") == (ended(process).code, "")
