"""Mail servers that are started for one conversation, with pipes for a connection."""

from __future__ import annotations

import time
from pathlib import Path

from runner.errors import EXIT_FAILED, EXIT_PASSED
from tests.cli.commands import run_process, write
from tests.servers import Listeners
from tests.servers._exim import program

SCENARIO = """\
name: Over pipes
timeout: 20s
steps:
  - expect: 220 GREETING
  - send: EHLO client.example.org
    expect: 250
    capabilities: [PIPELINING]
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: RCPT TO:<bob@example.com>
    expect: 250
  - send: DATA
    expect: 354
  - data: |
      Subject: Over pipes

      ${unique}
    expect: 250
    capture: {told: text}
  - send: QUIT
    expect: 221
"""


def run(folder: Path, command: list[str], greeting: str):
    """Run the scenario against a command."""
    shown = ", ".join(f"'{word}'" for word in command)
    write(
        folder,
        {
            "pipes.yaml": SCENARIO.replace("GREETING", greeting),
            "mailproof.yaml": f"targets: {{local: {{command: [{shown}]}}}}\n",
        },
    )
    return run_process("run", "pipes.yaml", cwd=folder)


def wait_for(path: Path, text: str, seconds: float = 10.0) -> None:
    """Wait until a file holds a text: a delivery goes on when its SMTP session has ended."""
    limit = time.monotonic() + seconds
    while not (path.exists() and text in path.read_text(errors="replace")):
        assert time.monotonic() < limit, f"no '{text}' in {path}"
        time.sleep(0.01)


def test_exim(exim_server: Listeners, tmp_path):
    """`exim -bs` greets, takes a message, and delivers it when its connection has ended."""
    root = exim_server.plain.log.parents[1]
    ended = run(tmp_path, [str(program()), "-C", str(root / "exim.conf"), "-bs"], "mail.example.com ESMTP Exim *")
    assert EXIT_PASSED == ended.code, ended.out + ended.err
    wait_for(root / "mail" / "bob", "Subject: Over pipes")


def test_postfix(postfix_server: Listeners, tmp_path):
    """Postfix's `sendmail -bs` is its SMTP server, too."""
    root = postfix_server.plain.log.parents[1]
    ended = run(tmp_path, ["/usr/sbin/sendmail", "-C", str(root), "-bs"], "mail.example.com ESMTP Postfix*")
    assert EXIT_PASSED == ended.code, ended.out + ended.err


def test_exim_that_can_not_start(tmp_path):
    """Why it did not, stands in the report."""
    write(tmp_path, {"exim.conf": "no_such_option = 1\n"})
    ended = run(tmp_path, [str(program()), "-C", str(tmp_path / "exim.conf"), "-bs"], "*")
    assert EXIT_FAILED == ended.code, ended.out + ended.err
    assert "standard error: " in ended.out
    assert "no_such_option" in ended.out
    assert "the command ended with status 1" in ended.out
