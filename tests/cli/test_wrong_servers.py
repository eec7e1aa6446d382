"""Servers that are broken or hostile: one case each, with a clear reason, in bounded time and memory."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, polite, scenario, url, write
from fake_server import FakeServer, refusing_port
from zoo import FLOODS, SCENARIOS, ZOO, Zoo, differences, verdicts

from runner.errors import EXIT_FAILED

# Runs the command line, then tells the most memory that this process has had (KiB).
MEASURED = """\
import re, sys
from pathlib import Path
from runner.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(code)
"""
MIB = 1024


def test_the_port_that_refuses_stays_free():
    """No other server of the zoo can get it, and whoever connects is refused."""
    with refusing_port() as port:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


class TestZoo:
    """All at once, in one run."""

    def test_each_has_its_verdict(self, mailproof, runs, folder):
        """Each server costs its own case alone, with a reason that says what it did."""
        with Zoo() as zoo:
            write(folder, zoo.files)
            ended = mailproof("run", *SCENARIOS)
        found = verdicts(runs[-1])
        assert (EXIT_FAILED, {}) == (ended.code, differences(found))
        assert list(ZOO) == [name for name in ZOO if name in found]
        assert "Traceback" not in ended.out + ended.err

    def test_the_same_each_time(self, mailproof, runs, folder):
        """Three runs come to the same, also one case after the other."""
        with Zoo() as zoo:
            write(folder, zoo.files)
            for words in ([], ["--per-target", "1"], ["--jobs", "3"]):
                mailproof("run", *SCENARIOS, "-q", *words)
        for run in runs:
            assert {} == differences(verdicts(run))

    def test_sums_add_up(self, mailproof, runs, folder):
        """Every case is counted once."""
        with Zoo("refuses", "421", "never-greets", "healthy") as zoo:
            write(folder, zoo.files)
            ended = mailproof("run", *SCENARIOS, "--no-skips", "-q")
        assert 16 == len(runs[-1].cases)
        assert "1 passed, 13 failed, 2 error" in ended.out

    @pytest.mark.parametrize("name", ["never-greets", "half-a-line", "drip", "tls-hangs"])
    def test_in_time(self, mailproof, runs, folder, name):
        """New bytes move no deadline, and a goodbye has its own small one."""
        with Zoo(name) as zoo:
            write(folder, zoo.files)
            mailproof("run", *SCENARIOS)
        elapsed = next(case.elapsed for case in runs[-1].cases if case.elapsed)
        assert 0.4 <= elapsed < 1.5
        assert runs[-1].elapsed < 4.0

    def test_connections_end(self, mailproof, folder):
        """When the run has ended, every server has seen the connection's end."""
        left = []

        def silent(conn):
            conn.send(b"220 mx\r\n")
            left.append(conn.wait_for_eof())

        write(folder, {"a.yaml": scenario().replace("5s", "100ms")})
        with FakeServer(silent) as server:
            mailproof("run", "a.yaml", "--target", url(server))
        assert [b"EHLO client.example.org\r\n"] == [one.removesuffix(b"QUIT\r\n") for one in left]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory of a process is read from /proc")
class TestMemory:
    """What a hostile server may make a run need."""

    def peak(self, folder, files):
        write(folder, files)
        command = [sys.executable, "-c", MEASURED, "run", *SCENARIOS]
        ended = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode < 2, ended.stderr
        return int(ended.stderr.split()[-1])

    def test_floods(self, tmp_path):
        """Servers that send without end cost no more than 30 MB over an ordinary run."""
        with FakeServer(polite) as server:
            targets = "".join(f"  t{n}: {{url: '{url(server)}', tags: [plain]}}\n" for n in range(len(FLOODS)))
            (tmp_path / "ordinary").mkdir()
            ordinary = self.peak(tmp_path / "ordinary", {**SCENARIOS, "mailproof.yaml": f"targets:\n{targets}"})
        with Zoo(*FLOODS) as zoo:
            (tmp_path / "floods").mkdir()
            flooded = self.peak(tmp_path / "floods", zoo.files)
        assert flooded - ordinary < 30 * MIB
