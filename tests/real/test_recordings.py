"""What was recorded with a real server passes with it at once, holds no secret, and fails once the server is broken."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.demo import DemoServer, DemoSettings
from tests.servers import Running

ROOT = Path(__file__).parents[2]
PATIENCE = 60
SUBMISSION = """\
EHLO client.example.org
/tls
EHLO client.example.org
MAIL FROM:<alice@example.com>
RCPT TO:<carol@example.net>
RCPT TO:<nobody-here@example.com>
RSET
AUTH LOGIN
alice@example.com
not the password
/auth PLAIN
MAIL FROM:<alice@example.com>
RCPT TO:<carol@example.net>
DATA
Subject: recorded

.a line with a dot
.
QUIT
"""
MAILBOX = """\
CAPABILITY
/tls
{login}
CREATE recorded
APPEND recorded {{}}
Subject: recorded

hello
.
SELECT recorded
FETCH 1 (FLAGS BODY[HEADER.FIELDS (SUBJECT)])
CLOSE
DELETE recorded
LOGOUT
"""


def mailproof(*words: str, folder: Path, password: str, lines: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line with these lines through a pipe; the password is in the environment."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PW": password}
    command = [sys.executable, "-m", "runner", *words]
    return subprocess.run(
        command, cwd=folder, env=env, input=lines, text=True, capture_output=True, timeout=PATIENCE, check=False
    )


def given(username: str, ca: str) -> list[str]:
    return ["--ca", ca, "--var", f"username={username}", "--secret", "password=env:PW"]


def record(url: str, username: str, ca: str, *, folder: Path, password: str, lines: str) -> str:
    """Record, and return the scenario, which holds the password in no form; nor does what was shown."""
    words = ["record", url, "-o", "made.yaml", *given(username, ca)]
    made = mailproof(*words, folder=folder, password=password, lines=lines)
    text = (folder / "made.yaml").read_text()
    assert made.returncode == 0, made.stderr
    for form in (password, base64.b64encode(password.encode()).decode()):
        assert form not in text + made.stderr + made.stdout
    return text


def replay(url: str, username: str, ca: str, *, folder: Path, password: str) -> subprocess.CompletedProcess[str]:
    return mailproof("run", "made.yaml", "--target", url, *given(username, ca), folder=folder, password=password)


@pytest.fixture(scope="session")
def recorded_submission(postfix_server, tmp_path_factory) -> Path:
    """The folder of a scenario recorded with Postfix: STARTTLS, relaying before and after a login."""
    folder = tmp_path_factory.mktemp("recorded")
    door: Running = postfix_server.tls_only
    username = door.variables["username"]
    record(door.url, username, door.ca, folder=folder, password=door.password, lines=SUBMISSION)
    return folder


def replay_at(door: Running, folder: Path) -> subprocess.CompletedProcess[str]:
    return replay(door.url, door.variables["username"], door.ca, folder=folder, password=door.password)


def test_recorded_with_postfix_passes_at_once(postfix_server, recorded_submission):
    """What was recorded is what the server does."""
    again = replay_at(postfix_server.tls_only, recorded_submission)
    assert again.returncode == 0, again.stdout + (recorded_submission / "made.yaml").read_text()


@pytest.mark.parametrize(
    "variation", ["open_relay", "starttls_off", "accept_unknown", "any_password", "expired_certificate", "no_size"]
)
def test_recorded_scenario_fails_when_postfix_is_broken(broken_postfix, recorded_submission, variation):
    """Each change of the configuration turns it red, as a failure and not as an error of ours."""
    again = replay_at(broken_postfix(variation).tls_only, recorded_submission)
    assert again.returncode == 1
    assert "0 passed, 1 failed" in again.stdout


@pytest.mark.parametrize(
    "login", ["/auth PLAIN", "CAPABILITY\n/auth", "LOGIN {username} {quoted}"], ids=["plain", "best", "login"]
)
def test_recorded_with_dovecot_passes_at_once(own_mailboxes, tmp_path, login):
    """An IMAP session with a literal, by each way to log in."""
    door = own_mailboxes.imap
    username = door.variables["username"]
    lines = MAILBOX.format(login=login.format(username=username, quoted=f'"{door.password}"'))
    text = record(door.url, username, door.ca, folder=tmp_path, password=door.password, lines=lines)
    again = replay_at(door, tmp_path)
    assert again.returncode == 0, again.stdout + text


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("pop3", "CAPA\n/tls\nUSER {username}\nPASS {password}\nSTAT\nLIST\nQUIT\n"),
        ("pop3", "CAPA\n/auth APOP\nSTAT\nQUIT\n"),
        ("sieve", '/tls\n/auth PLAIN\nPUTSCRIPT "a" {{}}\nkeep;\n.\nLISTSCRIPTS\nDELETESCRIPT "a"\nLOGOUT\n'),
        ("lmtp", "LHLO x\nMAIL FROM:<>\nRCPT TO:<{recipient}>\nRCPT TO:<no@example.com>\nRSET\nQUIT\n"),
    ],
    ids=["pop3", "apop", "sieve", "lmtp"],
)
def test_other_protocols_of_dovecot_pass_at_once(own_mailboxes, tmp_path, name, lines):
    """POP3, ManageSieve and LMTP are recorded in the same way."""
    door = getattr(own_mailboxes, name)
    said = lines.format(**door.variables, password=door.password)
    text = record(door.url, door.variables["username"], door.ca, folder=tmp_path, password=door.password, lines=said)
    again = replay_at(door, tmp_path)
    assert again.returncode == 0, again.stdout + text


def test_implicit_tls_is_recorded(postfix_server, tmp_path):
    """With TLS from the first byte the scenario passes at the same kind of door."""
    door = postfix_server.submissions
    lines = "EHLO client.example.org\n/auth\nQUIT\n"
    record(door.url, door.variables["username"], door.ca, folder=tmp_path, password=door.password, lines=lines)
    assert replay_at(door, tmp_path).returncode == 0


def test_untrusted_certificate_is_told_and_nothing_is_sent(postfix_server, tmp_path):
    """Without the CA the handshake fails; no line goes out after it, and what came before is kept."""
    door = postfix_server.tls_only
    lines = "EHLO client.example.org\n/tls\nEHLO client.example.org\n"
    made = mailproof("record", door.url, "-o", "made.yaml", folder=tmp_path, password="", lines=lines)
    assert made.returncode == 1
    assert "certificate not trusted" in made.stderr
    assert "--ca FILE" in made.stderr
    assert "STARTTLS" not in (tmp_path / "made.yaml").read_text().partition("steps:")[2].replace(
        "STARTTLS: required", ""
    )


def test_recorded_with_embedded_server_passes_at_once(tmp_path):
    """The same IMAP session with the embedded server."""
    settings = {"users": {"alice@example.com": "hunter2 x"}}
    with DemoServer(DemoSettings(**settings), DemoSettings(protocol="imap", **settings)) as server:
        door, ca = server.doors[1], str(tmp_path / "ca.pem")
        Path(ca).write_bytes(Path(server.ca).read_bytes())
        lines = MAILBOX.format(login="/auth PLAIN")
        text = record(door.url, "alice@example.com", ca, folder=tmp_path, password="hunter2 x", lines=lines)
        again = replay(door.url, "alice@example.com", ca, folder=tmp_path, password="hunter2 x")
        assert again.returncode == 0, again.stdout + text
    with DemoServer(DemoSettings(**settings), DemoSettings(protocol="imap", tls="none", **settings)) as broken:
        again = replay(broken.doors[1].url, "alice@example.com", ca, folder=tmp_path, password="hunter2 x")
    assert again.returncode == 1
