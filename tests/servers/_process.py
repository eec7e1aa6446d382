"""Daemons that the tests start: each leads a process group of its own and ends with the test run, however that ends.

Knows nothing of how a server is configured. Only groups started here are ever signalled.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ._running import tail

START_LIMIT = 10.0
"""Seconds for a server to greet at every door; on an idle machine it takes well under one."""
STOP_LIMIT = 3.0
"""Seconds from SIGTERM to SIGKILL, and as many again until the group must be gone."""
ATTEMPTS = 3
"""Starts tried when another process took a port between its choice and the listening."""
PAUSE = 0.01
"""Seconds between two looks at something that is about to happen."""
GUARD = """\
read -r _
kill -s TERM -- "-$1"
for second in 1 2 3; do
  sleep 1
  kill -s 0 -- "-$1" || exit
done
kill -s KILL -- "-$1"
"""
"""Ends the process group $1 as soon as the input does."""
PORT_TAKEN = "Address already in use"
"""Exim says so and tries again for minutes; the others end, Postfix without a word where there is no syslog."""
INSTALLER = ".ci/install-servers"

_Server = TypeVar("_Server")


class NotInstalledError(RuntimeError):
    """The servers cannot be started on this machine as it is."""


class ServerError(RuntimeError):
    """A server did not start or did not stop; the text ends with the tail of its log."""


class Daemon:
    """A server process in the foreground and its children, in one process group."""

    def __init__(self, command: Sequence[str | Path], *, folder: Path, log: Path) -> None:
        self._log = log
        self._output = folder / "output"
        log.unlink(missing_ok=True)
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                list(map(str, command)),
                cwd=folder,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        # Where this process dies by a signal that no atexit function survives, the guard's input ends. (The kernel's
        # parent-death signal would not do: a daemon that changes its user loses it.)
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The leader's process id, which is its group's too."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """Return the ends of what the daemon printed and of its log."""
        return "\n".join(filter(None, (tail(self._output), tail(self._log))))

    def stop(self) -> None:
        """End the whole group by SIGTERM, or else by SIGKILL, and return when nothing of it is left."""
        atexit.unregister(self.stop)
        self._guard.kill()
        self._guard.communicate()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            if self._is_gone_within(STOP_LIMIT):
                return
        raise ServerError(f"process group {self.pid} does not end\n{self.said()}")

    def _is_gone_within(self, seconds: float) -> bool:
        limit = time.monotonic() + seconds
        while self.is_running or living(self.pid):
            if time.monotonic() > limit:
                return False
            time.sleep(PAUSE)
        return True


def living(group: int) -> list[int]:
    """Return the ids of the group's processes; dead ones that an idle init has not waited for don't count."""
    return [pid for pid, state, its_group in _processes() if its_group == group and state not in "ZX"]


def groups_below(root: Path) -> set[int]:
    """Return the process groups of which a process was started with a path below `root`."""
    found = set()
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{root}/".encode() in cmdline.read_bytes().replace(b"\0", b"/"):
                found.add(os.getpgid(int(cmdline.parent.name)))
    return found - {os.getpgid(0)}


def await_true(claim: Callable[[], bool], seconds: float = START_LIMIT) -> None:
    """Look again and again until the claim holds; fail after so many seconds."""
    limit = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < limit
        time.sleep(PAUSE)


def _processes() -> Iterator[tuple[int, str, int]]:
    """Yield id, state and process group of every process, as proc(5) has them."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            state, _, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            yield int(stat.parent.name), state, int(group)


@dataclass(frozen=True, slots=True)
class Door:
    """A place that must greet before the server counts as started: a loopback port or a UNIX socket."""

    address: tuple[str, int] | str
    greeting: bytes = b"220 "
    has_tls: bool = False

    def greets(self) -> bool:
        """Connect once and say whether the expected greeting came."""
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        with socket.socket(family) as plain:
            plain.settimeout(1)
            try:
                plain.connect(self.address)
                with _unverified(plain) if self.has_tls else contextlib.nullcontext(plain) as sock:
                    return sock.recv(512).startswith(self.greeting)
            except OSError:
                return False


def _unverified(sock: socket.socket) -> ssl.SSLSocket:
    """Speak TLS with whoever it is: broken certificates are served on purpose."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)


@contextlib.contextmanager
def serving(launch: Callable[[], tuple[Daemon, Sequence[Door], _Server]]) -> Iterator[_Server]:
    """Launch a server, give it once every door greets, and end it afterwards.

    `launch` chooses ports and is called anew when one of them was taken meanwhile.
    """
    for attempt in range(1, ATTEMPTS + 1):
        daemon, doors, server = launch()
        try:
            if _has_started(daemon, doors, is_last=attempt == ATTEMPTS):
                yield server
                return
        finally:
            daemon.stop()


def _has_started(daemon: Daemon, doors: Sequence[Door], *, is_last: bool) -> bool:
    """Wait until every door greets; False says that a port may have been taken and another start may help."""
    limit = time.monotonic() + START_LIMIT
    waiting = list(doors)
    while daemon.is_running and PORT_TAKEN not in daemon.said():
        if not waiting:
            return True
        if waiting[0].greets():
            del waiting[0]
        elif time.monotonic() > limit:
            raise ServerError(f"no greeting at {waiting[0].address} within {START_LIMIT:g} s\n{daemon.said()}")
        else:
            time.sleep(PAUSE)
    if not is_last:
        return False
    raise ServerError(f"the server did not start\n{daemon.said()}")


def needs(*programs: Path, user: str = "root") -> None:
    """Raise `NotInstalledError` unless the programs and the user are there and this process may start servers."""
    absent = [str(program) for program in programs if not program.exists()]
    if user not in {entry.pw_name for entry in pwd.getpwall()}:
        absent.append(f"user {user}")
    if absent:
        raise NotInstalledError(f"not installed: {', '.join(absent)}; run {INSTALLER} as root")
    if os.geteuid() != 0:
        raise NotInstalledError("mail servers start as root only: run these tests as root, in a container say")
