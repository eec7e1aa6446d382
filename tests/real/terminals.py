"""Transcripts as operators take them: telnet and openssl typed at on a terminal, swaks run from one.

What a terminal shows is what comes back, bytes and all: the typed lines are there because the terminal echoes them.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Sequence

LIMIT = 15.0
"""Seconds for an answer."""
# What ends the answer to a command, by protocol; of POP3 also the dot of a body.
REPLY = rb"^[2-5]\d\d .*\n"
STATUS = rb"^(?:\+OK|-ERR).*\n"
BODY = rb"^(?:\.|-ERR.*)\r*\n"
TAGGED = rb"^a\d+ (?:OK|NO|BAD).*\n"
SCRIPT = rb"^(?:OK|NO|BYE).*\n"
CLOSED = rb"closed"

Typed = Sequence[tuple[str, bytes]]


def typed(command: Sequence[str], lines: Typed) -> str:
    """Return what a terminal shows, from the command's own line to its end.

    Args:
        command: a program and its arguments.
        lines: what is typed, each with what must have come before the next is; the first is not typed at all.

    Raises:
        AssertionError: an answer does not come.
    """
    master, slave = pty.openpty()
    screen = _Screen(master)
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, "TERM": "dumb"}
    ) as process:
        os.close(slave)
        try:
            for number, (line, answer) in enumerate(lines):
                if number:
                    os.write(master, line.encode() + b"\n")
                    # The echo is no answer.
                    screen.wait_for(re.escape(line.encode()) + rb"\r*\n")
                if answer:
                    screen.wait_for(answer)
            screen.read_rest()
        finally:
            process.kill()
            os.close(master)
    return f"$ {' '.join(command)}\n" + screen.shown.decode("utf-8", "surrogateescape")


def run(*arguments: str) -> str:
    """Return what swaks shows."""
    command = ["swaks", "--helo", "client.example.org", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.stdout.decode("utf-8", "surrogateescape")


class _Screen:
    """All that a terminal has shown, and how far its reader has come."""

    def __init__(self, master: int) -> None:
        self.shown = b""
        self._master = master
        self._seen = 0

    def wait_for(self, pattern: bytes) -> None:
        """Wait until something is shown behind what was waited for before, or until the program ends."""
        wanted, end = re.compile(pattern, re.MULTILINE), time.monotonic() + LIMIT
        while (found := wanted.search(self.shown, self._seen)) is None:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.shown[self._seen :]!r} after {self.shown[: self._seen][-300:]!r}"
            try:
                self.shown += os.read(self._master, 65536)
            except OSError:  # the program has ended
                return
        self._seen = found.end()

    def read_rest(self) -> None:
        """Read what is still shown, until the program ends or says nothing for a moment."""
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0.3)[0] and (data := os.read(self._master, 65536)):
                self.shown += data
