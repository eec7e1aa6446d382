"""The recorder as tests use it: as a process, through a pipe or at a terminal, and servers for it to talk to."""

from __future__ import annotations

import base64
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

from tests.cli.commands import PATIENCE, Ended, environment, start, url, usual_signals

PASSWORD = "hunter2 and more"
# Its blank may be written by moving the cursor.
PROMPT = "C:"
# What a terminal is told besides its text (ECMA-48).
# The last one may have come in part.
_CONTROLS = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07|[\[\]0-9;?]*\Z)|\r")
WITHOUT_TOOLKIT = "import sys; sys.modules['prompt_toolkit'] = None; from runner.cli import main; main()"


def begin(*words, cwd, env=None, **options):
    """Start the command line as a process that reads lines."""
    return start(*words, cwd=cwd, env=env, **{"stdin": subprocess.PIPE, **options})


def run(*words, cwd, lines="", env=None):
    """Run the command line with these lines through a pipe."""
    with begin(*words, cwd=cwd, env=env) as process:
        try:
            out, err = process.communicate(lines, timeout=PATIENCE)
        finally:
            process.kill()
    return Ended(process.returncode, out, err)


class Terminal:
    """A command at a terminal of 80 columns and 24 lines; `text` is all that it has shown, without controls."""

    def __init__(self, *words, cwd, env=None, has_toolkit=True):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        program = ["-m", "runner"] if has_toolkit else ["-c", WITHOUT_TOOLKIT]
        command = ["setsid", "-c", sys.executable, *program, *map(str, words)]
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        env = environment(PROMPT_TOOLKIT_NO_CPR="1", **(env or {}))
        with usual_signals():
            self.process = subprocess.Popen(command, cwd=cwd, env=env, **streams)
        os.close(slave)
        self._raw = b""
        self._seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    @property
    def text(self):
        """All that was shown."""
        return _CONTROLS.sub("", self._raw.decode(errors="replace"))

    def type(self, text):
        """Strike keys."""
        os.write(self._master, text.encode())

    def await_text(self, text):
        """Wait until a text is shown behind what was awaited before; return what was shown up to it."""
        until = time.monotonic() + PATIENCE
        while (at := self.text.find(text, self._seen)) < 0:
            left = until - time.monotonic()
            assert left > 0, f"{text!r} was not shown in: {self.text[self._seen :]!r}"
            assert self._read(left), f"{text!r} was not shown before the end of: {self.text[self._seen :]!r}"
        before, self._seen = self.text[self._seen : at], at + len(text)
        return before

    def say(self, line, answer):
        """Type a line once the prompt is there, and wait for an answer."""
        self.type(f"{line}\r")
        return self.await_text(answer)

    def end(self):
        """Wait for the end, and return the exit code."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._read(until - time.monotonic()):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, seconds):
        """Read what is there; return False at the end."""
        ready, _, _ = select.select([self._master], [], [], max(0, seconds))
        if not ready:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # nobody holds the other end
            return False
        self._raw += data
        return bool(data)


def b64(text):
    return base64.b64encode(text.encode()).decode()


def mail_server(conn):
    """Speak enough SMTP: EHLO, AUTH LOGIN and PLAIN, a message, RCPT to one local domain."""
    conn.send(b"220 mx.example.org ESMTP\r\n")
    while line := conn.line().rstrip(b"\r\n"):
        verb = line[:4].upper()
        if verb == b"EHLO":
            conn.send(b"250-mx.example.org\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 AUTH LOGIN PLAIN\r\n")
        elif verb == b"AUTH":
            conn.send(_auth(conn, line))
        elif verb == b"RCPT" and b"@example.org" not in line:
            conn.send(b"550 5.7.1 relaying denied\r\n")
        elif verb == b"DATA":
            conn.send(b"354 go ahead\r\n")
            conn.until(b"\r\n.\r\n")
            conn.send(b"250 2.0.0 queued as 4F2A91\r\n")
        elif verb == b"QUIT":
            conn.send(b"221 2.0.0 bye\r\n")
            return
        elif verb == b"HANG":
            conn.wait_for_eof()
        elif verb == b"DROP":
            return
        else:
            conn.send(b"250 2.0.0 ok\r\n")


def _auth(conn, line):
    if line.upper().startswith(b"AUTH PLAIN"):
        return b"235 2.7.0 ok\r\n" if line.split()[2:] == [b64(f"\0alice\0{PASSWORD}").encode()] else b"535 no\r\n"
    said = []
    for prompt in ("Username:", "Password:"):
        conn.send(f"334 {b64(prompt)}\r\n".encode())
        said.append(conn.line().rstrip(b"\r\n"))
        if said[-1] == b"*":
            return b"501 5.7.0 cancelled\r\n"
    return b"235 2.7.0 ok\r\n" if said == [b64("alice").encode(), b64(PASSWORD).encode()] else b"535 5.7.8 no\r\n"


def replayed(server, folder, *words):
    """Run what was recorded."""
    return run("run", "made.yaml", "--target", url(server), *words, cwd=folder, env={"PW": PASSWORD})


def ended_by(process):
    """Wait for a process and return its exit code."""
    try:
        return process.wait(PATIENCE)
    finally:
        process.kill()
