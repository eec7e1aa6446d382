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
    shown = b""
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, "TERM": "dumb"}
    ) as process:
        os.close(slave)
        try:
            for number, (line, answer) in enumerate(lines):
                if number:
                    os.write(master, line.encode() + b"\n")
                    # The echo is no answer.
                    shown += _read_until(master, re.escape(line.encode()) + rb"\r*\n", shown)
                shown += _read_until(master, answer, shown) if answer else b""
            shown += _read_rest(master)
        finally:
            process.kill()
            os.close(master)
    return f"$ {' '.join(command)}\n" + shown.decode("utf-8", "surrogateescape")


def run(*arguments: str) -> str:
    """Return what swaks shows."""
    command = ["swaks", "--helo", "client.example.org", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.stdout.decode("utf-8", "surrogateescape")


def _read_until(master: int, pattern: bytes, before: bytes) -> bytes:
    wanted, found, end = re.compile(pattern, re.MULTILINE), b"", time.monotonic() + LIMIT
    while not wanted.search(found):
        ready, _, _ = select.select([master], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"no {pattern!r} in {found!r} after {before[-300:]!r}"
        try:
            found += os.read(master, 1) if b"\\r*\\n" in pattern else os.read(master, 65536)
        except OSError:  # the program has ended
            break
    return found


def _read_rest(master: int) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while select.select([master], [], [], 0.3)[0] and (data := os.read(master, 65536)):
            found += data
    return found
