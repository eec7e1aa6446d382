"""A command whose input and output are a connection, as a mail server under inetd is one.

Its standard input and output are one socket; what it says on standard error is kept apart, line by line and bounded.
It leads a process group of its own, which ends with the connection. It must not know connections or players.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Protocol

from runner.net import Broken
from runner.wire import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds from SIGTERM to SIGKILL; fewer when the driver stops and has no more for a goodbye.
KILL_AFTER = 1.0
# Seconds between two looks at whether it has ended: at first, and at most.
FIRST_LOOK, LONGEST_LOOK = 0.001, 0.05
# What a command may say on standard error, in bytes; more of it is read and dropped, so that it never stands still.
ERRORS_KEPT = 4096
_ERRORS_CHUNK = 65_536
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
_NO_MORE = "… (more on standard error is not shown)"


class Loop(Protocol):
    """What a process that is about to end needs of the driver."""

    clock: Callable[[], float]
    goodbye: float
    leaving: set[Process]

    def alarm(self, target: Process, when: float, /) -> None:
        """Call `target.due` at `when`."""


class Process:
    """A command that runs; `sock` is its input and output, `errors` its standard error, neither blocks.

    `armed` and `due` are for the loop's alarms while it ends.
    """

    __slots__ = (
        "_half",
        "_kept",
        "_loop",
        "_next_signal",
        "_pause",
        "_popen",
        "_signals",
        "_status",
        "armed",
        "errors",
        "sock",
    )

    def __init__(self, command: tuple[str, ...]) -> None:
        """Start it.

        Raises:
            Broken: it can't be.
        """
        ours, theirs = socket.socketpair()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - the project file names it, as a list; no shell
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            ours.close()
            raise Broken(_unable(command[0], error)) from error
        finally:
            theirs.close()
        assert self._popen.stderr is not None
        self.sock: socket.socket = ours
        self.errors: IO[bytes] = self._popen.stderr
        ours.setblocking(False)
        os.set_blocking(self.errors.fileno(), False)
        self._half = b""
        self._kept = 0
        self._status: int | None = None
        self._loop: Loop
        self._pause = FIRST_LOOK
        self._signals = list(SIGNALS)
        self._next_signal = 0.0
        self.armed = float("inf")

    def look_pause(self) -> float:
        """Return after how many seconds to look again whether it has ended, longer each time."""
        self._pause = min(self._pause * 2, LONGEST_LOOK)
        return self._pause

    # Standard error.

    def read_errors(self) -> tuple[list[str], bool]:
        """Return the lines that it has said since, and whether it will say no more."""
        try:
            data = os.read(self.errors.fileno(), _ERRORS_CHUNK)
        except BlockingIOError:
            return [], False
        *lines, self._half = (self._half + self._bounded(data)).split(b"\n")
        if not data and self._half:
            lines, self._half = [*lines, self._half], b""
        return [line.decode("utf-8", "backslashreplace").rstrip("\r") for line in lines], not data

    def _bounded(self, data: bytes) -> bytes:
        room = ERRORS_KEPT - self._kept
        self._kept += len(data)
        if room < 0 or len(data) <= room:
            return data[: max(0, room)]
        return data[:room] + b"\n" + _NO_MORE.encode() + b"\n"

    # Its end.

    @property
    def status(self) -> int | None:
        """How it has ended: its exit status, or minus a signal's number; None while it runs.

        It is not waited for by that, so that the number of its group is nobody else's yet.
        """
        if self._status is None:
            self._status = _status_of(self._popen)
        return self._status

    @property
    def ended_with(self) -> str:
        """How it has ended, in words."""
        status = self.status or 0
        if status >= 0:
            return f"status {status}"
        return f"signal {-status} ({signal.strsignal(-status)})"

    def end(self, loop: Loop, grace: float) -> None:
        """Let it end by itself for `grace` seconds, then end its group: SIGTERM, and SIGKILL a second later.

        One that ends in time has done what it was asked for: what it leaves behind, a delivery say, goes on.
        """
        self._loop = loop
        self._next_signal = loop.clock() + grace
        self._pause = FIRST_LOOK
        loop.leaving.add(self)
        self.due()

    def due(self) -> None:
        """Look whether it has ended, and go one signal further when the time for it has come."""
        now = self._loop.clock()
        if self.status is None and now >= self._next_signal:
            if not self._signals:
                self._let_go()
                return
            self._signal()
            self._next_signal, self._pause = now + min(KILL_AFTER, self._loop.goodbye), FIRST_LOOK
        if self.status is None:
            self._loop.alarm(self, min(self._next_signal, now + self.look_pause()))
            return
        if len(self._signals) < len(SIGNALS):
            # It was told to go, and has gone: what is left of its group goes with it.
            self._signal(signal.SIGKILL)
        self._let_go()

    def _signal(self, number: signal.Signals | None = None) -> None:
        number = number or self._signals.pop(0)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def _let_go(self) -> None:
        """Wait for what has ended; what not even SIGKILL has ended is the system's."""
        self._popen.poll()
        self.errors.close()
        self._loop.leaving.discard(self)

    def hurry(self) -> None:
        """Let it have no more grace."""
        if len(self._signals) == len(SIGNALS):
            self._next_signal = self._loop.clock()
            self.due()


def end_now(leaving: set[Process]) -> None:
    """End processes that are about to, when there is no loop any more to call them: within 2 s."""
    for process in list(leaving):
        process.hurry()
    while leaving:
        for process in list(leaving):
            process.due()
        time.sleep(FIRST_LOOK)


def _status_of(process: subprocess.Popen[bytes]) -> int | None:
    try:
        found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except (AttributeError, ChildProcessError):  # not on every system; no child where SIGCHLD is ignored
        return process.poll()
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _unable(program: str, error: Exception) -> Fault:
    why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    return Fault(FaultKind.LOCAL, f"the command '{program}' can't be run: {why}")
