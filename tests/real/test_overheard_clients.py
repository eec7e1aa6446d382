"""Real clients through the recording proxy to real servers: what is written passes against the server itself."""

from __future__ import annotations

import imaplib
import os
import poplib
import re
import shlex
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import Running

ROOT = Path(__file__).parents[2]
PATIENCE = 60
MAIL = "From: alice@example.com\r\nSubject: overheard\r\n\r\nHello\r\n.a dot\r\n"
Client = Callable[[int, str, Running, Path], None]


def _context(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def _environment(password: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PW": password, "COLUMNS": "80"}


def _mailproof(folder: Path, password: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runner", *words]
    return subprocess.run(
        command, cwd=folder, env=_environment(password), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def smtplib_by(mechanism: str) -> Client:
    """Submit as Python's smtplib does."""

    def talk(port: int, ca: str, door: Running, _: Path) -> None:
        with smtplib.SMTP("localhost", port, timeout=PATIENCE) as client:
            client.starttls(context=_context(ca))
            client.ehlo()
            client.user, client.password = door.variables["username"], door.password
            client.auth(mechanism, getattr(client, f"auth_{mechanism.lower().replace('-', '_')}"))
            client.sendmail("alice@example.com", ["bob@example.com"], MAIL)

    return talk


def swaks(*words: str) -> Client:
    """Submit as swaks does."""

    def talk(port: int, ca: str, door: Running, folder: Path) -> None:
        command = ["swaks", "--server", "localhost", "--port", str(port), "-tls", "--tls-ca-path", ca, *words]
        command += ["--auth-user", door.variables["username"], "--auth-password", door.password]
        command += ["--from", "alice@example.com", "--to", "bob@example.com"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return talk


def own(protocol: str, steps: str) -> Client:
    """Talk as a scenario does."""

    def talk(port: int, ca: str, door: Running, folder: Path) -> None:
        (folder / "client.yaml").write_text(f"name: A client\nprotocol: {protocol}\nsteps:\n{steps}")
        given = ("--var", f"username={door.variables['username']}", "--secret", "password=env:PW", "--ca", ca)
        target = f"{protocol}://localhost:{port}"
        done = _mailproof(folder, door.password, "run", "client.yaml", "--target", target, *given)
        assert done.returncode == 0, done.stdout + done.stderr

    return talk


def imap(port: int, ca: str, door: Running, _: Path) -> None:
    """Read mail as Python's imaplib does."""
    with imaplib.IMAP4("localhost", port, timeout=PATIENCE) as client:
        client.starttls(_context(ca))
        user, password = door.variables["username"], door.password
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        client.select("INBOX")
        client.append("INBOX", "(\\Seen)", "", MAIL.encode())
        client.search(None, "SUBJECT", '"overheard"')
        client.fetch("1", "(FLAGS BODY.PEEK[])")


def imap_login(port: int, ca: str, door: Running, _: Path) -> None:
    """Log in by LOGIN, and look at the folders."""
    with imaplib.IMAP4("localhost", port, timeout=PATIENCE) as client:
        client.starttls(_context(ca))
        client.login(door.variables["username"], door.password)
        client.list()
        client.create('"A folder"')
        client.delete('"A folder"')


def pop(port: int, ca: str, door: Running, _: Path) -> None:
    """Read mail as Python's poplib does."""
    client = poplib.POP3("localhost", port, timeout=PATIENCE)
    client.stls(_context(ca))
    client.user(door.variables["username"])
    client.pass_(door.password)
    client.stat()
    client.list()
    client.quit()


SUBMITTED = """\
  - expect: 220
  - {send: 'EHLO client.example.org', expect: 250}
  - starttls:
  - {send: 'EHLO client.example.org', expect: 250}
  - auth: SCRAM-SHA-256
  - pipeline:
      - {send: 'MAIL FROM:<alice@example.com>', expect: 250}
      - {send: 'RCPT TO:<bob@example.com>', expect: 250}
      - {send: DATA, expect: 354}
  - data: |
      Subject: overheard

      Hello
    expect: 250
"""
SCRIPTS = """\
  - expect: OK
  - starttls:
  - auth: PLAIN
  - {send: PUTSCRIPT "overheard", literal: "keep;\\n", expect: OK}
  - {send: LISTSCRIPTS, expect: OK}
  - {send: DELETESCRIPT "overheard", expect: OK}
"""
IDLING = """\
  - expect: OK
  - starttls:
  - auth: PLAIN
  - {send: SELECT INBOX, expect: OK}
  - {send: IDLE, expect: +}
  - {send: DONE, expect: OK}
"""
SMTP = {
    "smtplib PLAIN": smtplib_by("PLAIN"),
    "smtplib LOGIN": smtplib_by("LOGIN"),
    "smtplib CRAM-MD5": smtplib_by("CRAM-MD5"),
    "swaks PLAIN": swaks("-a", "PLAIN"),
    "swaks LOGIN": swaks("-a", "LOGIN"),
    "swaks pipelined": swaks("-a", "LOGIN", "--pipeline"),
    "SCRAM-SHA-256, pipelined": own("smtp", SUBMITTED),
}
BOXES = {
    "imaplib AUTHENTICATE": ("imap", imap),
    "imaplib LOGIN": ("imap", imap_login),
    "IDLE": ("imap", own("imap", IDLING)),
    "poplib": ("pop3", pop),
    "sieve": ("sieve", own("sieve", SCRIPTS)),
}


def overheard(door: Running, client: Client, folder: Path, *, has_ca: bool = True) -> tuple[str, str]:
    """Let a client talk through the proxy; return the scenario and what the proxy told, both seen to hold no secret."""
    words = ["record", "--listen", "0", door.url, "--ca", door.ca, "-o", "recorded.yaml", "--once"]
    with subprocess.Popen(
        [sys.executable, "-m", "runner", *words],
        cwd=folder,
        env=_environment(door.password),
        stderr=subprocess.PIPE,
        text=True,
    ) as proxy:
        assert proxy.stderr is not None
        try:
            trusted = proxy.stderr.readline() if has_ca else ""
            listening = proxy.stderr.readline()
            port = int(re.match(r"listening at 127\.0\.0\.1:(\d+) ", listening)[1])
            client(port, trusted.removeprefix("the client is to trust ").strip(), door, folder)
            told = proxy.stderr.read()
            assert proxy.wait(PATIENCE) == 0, told
        finally:
            proxy.kill()
    text = (folder / "recorded.yaml").read_text()
    assert [] == [word for word in ("S3cret", "UzNjcmV0", door.variables["username"]) if word in text], text
    assert "S3cret" not in told
    return text, told


def replayed(door: Running, text: str, told: str, folder: Path) -> None:
    """Run the scenario against the server itself, by the command that the proxy has told."""
    command = shlex.split(told.partition("run it with:\n")[2].splitlines()[0])
    command = ["password=env:PW" if word == "password" else word for word in command]
    done = _mailproof(folder, door.password, *command[1:])
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{text}"


@pytest.mark.parametrize("client", SMTP)
def test_submission(postfix_server, tmp_path, client):
    """A mail that a client submits with TLS and AUTH."""
    door = postfix_server.plain
    text, told = overheard(door, SMTP[client], tmp_path)
    assert ("starttls" in text, "queued as *" in text or "250 2.0.0" in text) == (True, True), text
    replayed(door, text, told, tmp_path)


def test_exim(exim_server, tmp_path):
    """The same with Exim, which offers to take commands before its greeting; the client does not see that."""
    door = exim_server.plain
    text, told = overheard(door, SMTP["swaks PLAIN"], tmp_path)
    assert "PIPECONNECT" in told
    replayed(door, text, told, tmp_path)


@pytest.mark.parametrize("name", BOXES)
def test_mailboxes(own_mailboxes, tmp_path, name):
    """Mailboxes with TLS and a login, by each protocol."""
    kind, client = BOXES[name]
    door = getattr(own_mailboxes, kind)
    text, told = overheard(door, client, tmp_path)
    replayed(door, text, told, tmp_path)


def test_implicit(own_mailboxes, tmp_path):
    """A client in clear text in front of a server that wants TLS from the first byte."""

    def talk(port: int, _: str, door: Running, __: Path) -> None:
        with imaplib.IMAP4("localhost", port, timeout=PATIENCE) as client:
            client.login(door.variables["username"], door.password)

    door = own_mailboxes.imaps
    text, told = overheard(door, talk, tmp_path, has_ca=False)
    replayed(door, text, told, tmp_path)
