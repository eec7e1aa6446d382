"""What a listening server is to a test: where it listens, whom it knows, which CA vouches for it.

Knows nothing of processes or of any one server's configuration.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

HOST = "127.0.0.1"
DOMAIN = "example.com"
SENDER = "alice@example.com"
RECIPIENT = "bob@example.com"
BANNED = "192.0.2.66"
"""A client that Postfix refuses, of a network that is for documentation (RFC 5737)."""
SIZE_LIMIT = 100_000
"""Octets of the largest message the servers take."""
PASSWORD = "S3cret+/pa ?s?>"
"""A blank, characters that patterns and XML treat specially, and `+` and `/` in its base64 form too."""
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "domain": DOMAIN,
        "sender": SENDER,
        "recipient": RECIPIENT,
        "unknown": "nobody-here@example.com",
        "external": "carol@example.net",
        "username": SENDER,
    }
)


@dataclass(frozen=True, slots=True)
class Running:
    """One listening server.

    `ca` is the path of the PEM file of the CA, '' without TLS; `token` a bearer token for XOAUTH2 and
    OAUTHBEARER, '' where those are not offered.
    """

    name: str
    host: str
    port: int
    ca: str
    url: str
    log: Path
    variables: Mapping[str, str] = field(default_factory=lambda: VARIABLES)
    password: str = field(default=PASSWORD, repr=False)
    token: str = field(default="", repr=False)

    def log_tail(self, lines: int = 40) -> str:
        """Return the log's last lines, for a failing test to show."""
        return tail(self.log, lines)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The three doors of one mail server.

    `plain` offers STARTTLS and takes AUTH in clear text, `tls_only` offers AUTH after STARTTLS only,
    `submissions` speaks TLS from the first byte.
    """

    plain: Running
    tls_only: Running
    submissions: Running


def listeners(server: str, ports: Mapping[str, int], ca: Path, log: Path, *, token: str = "") -> Listeners:
    """Describe a server's doors from their ports, one for each field of `Listeners`."""

    def door(name: str, scheme: str) -> Running:
        url = f"{scheme}://{HOST}:{ports[name]}"
        return Running(f"{server} {name}", HOST, ports[name], str(ca), url, log, token=token)

    return Listeners(door("plain", "smtp"), door("tls_only", "smtp"), door("submissions", "smtps"))


def tail(log: Path, lines: int = 40) -> str:
    """Return the last lines of a log, '' if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    """Return distinct loopback ports that were free a moment ago; whoever listens next may still lose the race."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((HOST, 0))
        return [sock.getsockname()[1] for sock in sockets]


@contextlib.contextmanager
def server_root() -> Iterator[Path]:
    """Make a temporary folder that the servers' own users can pass through, and remove it afterwards.

    Pytest's temporary folders are closed to all but their owner, and their paths are long for UNIX sockets.
    """
    with tempfile.TemporaryDirectory(prefix="mailproof-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        root.chmod(0o755)
        yield root


def make_folder(path: Path, owner: str = "root", group: str = "root", mode: int = 0o755) -> Path:
    """Make a folder of the given owner and mode; its parents are root's and may be passed through."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    shutil.chown(path, owner, group)
    return path
