"""What a terminal shows: colour, progress that goes away, no line wider than it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios

import pytest
from commands import environment, run_process, scenario, url, write
from fake_server import FakeServer

from runner.cli import output

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(folder, *words, columns=80, env=None):
    """Run the command line on a terminal of its own; return its exit code and all that it wrote there."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, "-m", "runner", *words], environment(**(env or {})))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux tells the end so
            break
        if not data:
            break
        written += data
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written.decode()


def shown(written):
    """Return the lines that are left on the screen, without colours: carriage returns and erasing carried out."""
    lines = []
    for line in COLOUR.sub("", written).split("\r\n"):
        cells = ""
        for part in re.split(r"(\r|\x1b\[K)", line):
            if part == "\x1b[K":
                cells = ""
            elif part not in ("", "\r"):
                cells = part + cells[len(part) :]
        lines.append(cells.rstrip())
    return lines


@pytest.fixture
def files(folder, server):
    """Several scenarios, and one that fails."""
    write(folder, {f"{name}.yaml": scenario(name) for name in "abc"})
    write(
        folder,
        {"d.yaml": scenario("d").replace("expect: 250", "expect: 250 something else that is long enough to wrap")},
    )
    write(folder, {"mailproof.yaml": f"targets: {{mx: '{url(server)}'}}\n"})


@pytest.mark.usefixtures("files")
class TestTerminal:
    """A real one."""

    def test_report(self, folder):
        """There is colour, progress is wiped away, and no line is wider than the terminal."""
        code, written = on_terminal(folder, "run", ".")
        lines = shown(written)
        assert 1 == code
        assert "\x1b[32m" in written
        assert "\x1b[31m" in written
        assert re.search(r"\d/4", written)
        assert not any(re.search(r"\d/4|\d%", line) for line in lines)
        assert "scenario" == lines[0].split()[0]
        assert [] == [line for line in lines if len(line) > 80]
        assert "3 passed, 1 failed" in written

    @pytest.mark.parametrize(
        ("words", "env", "is_coloured"),
        [
            ([], {"NO_COLOR": "1"}, False),
            ([], {"NO_COLOR": ""}, True),
            ([], {"TERM": "dumb"}, False),
            (["--color", "never"], {}, False),
            (["--color", "always"], {"NO_COLOR": "1"}, True),
        ],
        ids=str,
    )
    def test_colour(self, folder, words, env, is_coloured):
        """NO_COLOR, a dumb terminal and --color are heeded."""
        _, written = on_terminal(folder, "run", ".", *words, env=env)
        assert is_coloured == bool(COLOUR.search(written))

    def test_quiet(self, folder):
        """Quiet is without progress."""
        _, written = on_terminal(folder, "run", ".", "-q")
        assert 1 == len([line for line in shown(written) if line])
        assert not re.search(r"\d/4|\d%", written)

    def test_room_for_control_characters(self, folder):
        """Beside the progress there is room for the ^C that a terminal shows."""
        _, written = on_terminal(folder, "run", ".", columns=60)
        progress = [part for part in written.split("\r") if "/4" in part]
        assert progress
        assert max(map(len, progress)) <= 60 - len("^C^C")

    @pytest.mark.parametrize("columns", [40, 60, 132])
    def test_width(self, folder, columns):
        """Lines fit the terminal, whatever its width."""
        _, written = on_terminal(folder, "run", ".", "-v", columns=columns)
        assert [] == [line for line in shown(written) if len(line) > columns]

    def test_wrong_usage(self, folder):
        """A long message is broken between words, in the terminal's width; elsewhere it is one line."""
        words = ("run", "a.yaml", "--ignore", "latencies")
        whole = run_process(*words, cwd=folder).err
        first, _, rest = whole.partition("\n")
        assert (True, "mailproof run --help tells more\n") == (len(first) > 100, rest)
        _, written = on_terminal(folder, *words, columns=50)
        lines = written.split("\r\n")
        assert all(len(line) <= 50 for line in lines)
        assert whole.split() == " ".join(lines).split()

    def test_nothing_for_pipes(self, mailproof):
        """Where no terminal is there is neither colour nor progress."""
        ended = mailproof("run", ".")
        assert "" == ended.err
        assert "\x1b" not in ended.out


class TestCounter:
    """The progress without tqdm."""

    def test_counts_and_goes(self, folder, monkeypatch, mailproof, server):
        """It counts what has ended and what did not pass, and wipes itself away."""
        monkeypatch.setitem(sys.modules, "tqdm", None)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        write(folder, {"a.yaml": scenario("a"), "b.yaml": scenario("b").replace("220", "221")})
        ended = mailproof("run", ".", "--jobs", "1", "--target", url(server))
        assert "\r1/2 \r2/2, 1 not passed \r\x1b[K" == ended.err

    def test_a_terminal_that_is_gone(self, folder, monkeypatch, mailproof):
        """Progress that can't be shown stops no run."""

        class Gone:
            def __init__(self, **_):
                pass

            def update(self):
                raise OSError

            close = update

        write(folder, {"a.yaml": scenario("a"), "b.yaml": scenario("b")})
        monkeypatch.setattr(output, "progress", lambda total, _, **__: output._Bar(total, Gone))
        monkeypatch.setattr("runner.cli.run.progress", output.progress)
        with FakeServer(lambda conn: conn.send(b"554 no\r\n")) as rude:
            ended = mailproof("run", ".", "--target", url(rude))
        assert (1, "") == (ended.code, ended.err)
