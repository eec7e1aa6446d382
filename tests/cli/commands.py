"""The command line as tests use it: as a process of its own or within the test's, and servers for it to talk to.

`polite` is a server's handler that answers everything with 250; `SCENARIO` passes with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
# What a user's own shell may say, and what would decide for the tests: a buffered output is the usual one.
NOT_INHERITED = ("NO_COLOR", "COLUMNS", "FORCE_COLOR", "PYTHONUNBUFFERED")

SCENARIO = """\
name: {name}
timeout: 5s
steps:
  - expect: 220
  - send: EHLO client.example.org
    expect: 250
  - send: QUIT
    expect: [221, close]
"""


@dataclass(frozen=True)
class Ended:
    """What came of a command: its exit code and what it printed."""

    code: int
    out: str
    err: str


def scenario(name="greets", **replaced):
    """Return the text of a scenario that a polite server passes; keys of `replaced` are put before its steps."""
    extra = "".join(f"{key}: {value}\n" for key, value in replaced.items())
    return SCENARIO.format(name=name).replace("steps:", f"{extra}steps:")


def environment(**more):
    """Return the process's own environment, in which the command is found wherever it runs."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


@contextlib.contextmanager
def usual_signals():
    """Let processes that start meanwhile end by these signals, also where `nohup` or `&` has the tests ignore them."""
    ignored = [by for by in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(by) is signal.SIG_IGN]
    for by in ignored:
        signal.signal(by, signal.SIG_DFL)
    try:
        yield
    finally:
        for by in ignored:
            signal.signal(by, signal.SIG_IGN)


def start(*words, cwd, env=None, **options):
    """Start the command line as a process."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "runner", *map(str, words)]
    options = {"cwd": cwd, "env": environment(**(env or {})), "text": True, "errors": "replace", **options}
    with usual_signals():
        return subprocess.Popen(command, **options)


def ended(process):
    """Wait for a process and return what came of it; nothing of it is left."""
    with process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return Ended(process.returncode, out or "", err or "")


def run_process(*words, cwd, env=None, **options):
    """Run the command line as a process of its own."""
    return ended(start(*words, cwd=cwd, env=env, **options))


def write(folder, files):
    """Write files (name to text) below a folder."""
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def polite(conn):
    """Greet, answer every line with 250, say goodbye to QUIT."""
    conn.send(b"220 mx.example.org ESMTP\r\n")
    while line := conn.line():
        if line.upper().startswith(b"QUIT"):
            conn.send(b"221 2.0.0 bye\r\n")
            return
        conn.send(b"250 2.0.0 ok\r\n")


def url(server):
    """Return a target's URL for a server on loopback."""
    return f"smtp://127.0.0.1:{server.port}"
