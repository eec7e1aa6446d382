"""What the measurements share: processes with their accounting, medians of ratios taken pair by pair, figures."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took, in seconds: on the wall clock, and of the processors."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. `ratio` is a median with its extremes; `target` is the design's."""

    what: str
    beside: str
    ratio: str
    target: str
    ours: str = ""
    theirs: str = ""


class NotHereError(Exception):
    """A program that a measurement needs is not installed."""


def program(name: str) -> str:
    """Return the path of a program; beside this Python first, where an install puts `mailproof`."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        raise NotHereError(f"{name} is not installed")
    return found


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; it must succeed. The times are the whole process's, children included."""
    started = time.perf_counter()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    )
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime)


def timed(work: Callable[[], object]) -> Cost:
    """Call something in this process."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def in_child(work: Callable[[], Cost]) -> Cost:
    """Call something in a fork, so that no run inherits another's memory and garbage."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            cost = work()
            os.write(writable, f"{cost.wall} {cost.cpu}".encode())
            code = 0
        except BaseException:  # noqa: BLE001 -- a fork must not come back
            traceback.print_exc()
        os._exit(code)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        answer = pipe.read().split()
    os.waitpid(child, 0)
    if not answer:
        raise RuntimeError("a measurement failed, see above")
    return Cost(*map(float, answer))


def side_by_side(runs: int, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> list[tuple[Cost, Cost]]:
    """Run both in turn, once without counting; pairs keep a ratio honest while the machine's speed drifts."""
    ours(), theirs()
    pairs = []
    for number in range(runs):
        if number % 2:
            second = theirs()
            pairs.append((ours(), second))
        else:
            pairs.append((ours(), theirs()))
    return pairs


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Return the median with the extremes behind it."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def milliseconds(seconds: Sequence[float]) -> str:
    """Return a median in milliseconds."""
    return f"{statistics.median(seconds) * 1e3:.1f} ms"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for the time of a measurement."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


@contextlib.contextmanager
def server(command: Callable[[int], Sequence[str]]) -> Iterator[int]:
    """Start a server on a free port and wait until it listens; `command` is given the port."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port = sock.getsockname()[1]
    child = subprocess.Popen(command(port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_until_listening(port, child)
        yield port
    finally:
        child.terminate()
        child.wait()


def _wait_until_listening(port: int, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("the server does not listen")


def answering_server(delay: float = 0.0) -> contextlib.AbstractContextManager[int]:
    """Start the measurements' own server, each reply after `delay` seconds."""
    return server(lambda port: [sys.executable, "-S", str(HERE / "answering_server.py"), str(port), str(delay)])


COLUMNS = (("what", 56), ("beside", 18), ("ratio", 18), ("target", 22), ("ours", 15), ("theirs", 15))


def print_heading() -> None:
    """Print the table's head."""
    _print_row([name for name, _ in COLUMNS])
    _print_row(["-" * width for _, width in COLUMNS])


def print_figures(figures: Iterator[Figure]) -> None:
    """Print rows as they come."""
    for figure in figures:
        _print_row([figure.what, figure.beside, figure.ratio, figure.target, figure.ours, figure.theirs])


def _print_row(cells: list[str]) -> None:
    padded = (cell.ljust(width) for cell, (_, width) in zip(cells, COLUMNS, strict=True))
    print(f"| {' | '.join(padded)} |", flush=True)
