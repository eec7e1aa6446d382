"""What the embedded server is told before it starts, and what it tells of a message."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_MESSAGES = 1000
#: The doors at which users read their mail and manage their scripts.
MAILBOX_PROTOCOLS = ("imap", "sieve")
_STARTTLS_ONLY = {"lmtp": "LMTP", "sieve": "ManageSieve"}


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How one door of the server presents itself; port 0 lets the system choose, no `certificate` has one made.

    Raises:
        ValueError: LMTP or ManageSieve with TLS from the first byte, for which there is no URL.
    """

    host: str = "127.0.0.1"
    port: int = 0
    protocol: Literal["smtp", "lmtp", "imap", "sieve"] = "smtp"
    hostname: str = "mail.example.com"
    domain: str = "example.com"
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    mailboxes: tuple[str, ...] = ("alice", "bob", "postmaster")
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    certificate: str = ""
    key: str = ""
    auth_requires_tls: bool = False
    size_limit: int = 1_000_000
    timeout: float = 300.0  # seconds of silence; RFC 5321 4.5.3.2.7 asks for five minutes
    max_connections: int = 256

    def __post_init__(self) -> None:
        if self.tls == "implicit" and self.protocol in _STARTTLS_ONLY:
            raise ValueError(f"{_STARTTLS_ONLY[self.protocol]} has TLS by STARTTLS only")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the server took: its envelope, and its size in bytes after un-stuffing."""

    queue_id: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    user: str
    encrypted: bool


def local_part(address: str) -> str:
    """Return the name of the mailbox that an address, or a user, has."""
    local, _, name = address.rpartition("@")
    return (local or name).lower()
