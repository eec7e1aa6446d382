"""What crosses between a player (pure) and a driver (sockets): endpoints, TLS wishes and facts, faults.

Nothing here opens, reads or waits; the values only say what is wanted and what happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


@dataclass(frozen=True, slots=True)
class TlsWish:
    """How a TLS handshake shall be made (RFC 8446, RFC 6125 for the name).

    `server_name` is the name for SNI and verification; empty means the endpoint's host.
    `ca` is the path of a PEM file with the trusted roots; empty means the system's.
    `minimum` is the least version, as `TLSv1.2`.
    """

    verify: bool = True
    ca: str = ""
    server_name: str = ""
    minimum: str = "TLSv1.2"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a session connects to.

    `path` is a UNIX socket's path and then stands in place of host and port. `tls` is set when TLS is
    implicit (RFC 8314): the handshake comes before the greeting. `source_address` is the local end's address.
    """

    host: str
    port: int = 0
    path: str = ""
    tls: TlsWish | None = None
    source_address: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake brought: `version` as `TLSv1.3`, the cipher, whether the certificate was verified."""

    version: str
    cipher: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Peer:
    """Both ends of a connection that stands.

    `is_loopback` is true for 127.0.0.0/8, ::1 and UNIX sockets: what is sent stays on this machine.
    """

    local_address: str
    remote_address: str
    is_loopback: bool
    tls: TlsFacts | None = None


class FaultKind(Enum):
    """What went wrong below the protocol; the value is the word that messages use."""

    UNRESOLVED = "host not found"
    REFUSED = "connection refused"
    UNREACHABLE = "unreachable"
    RESET = "connection reset"
    TLS_UNTRUSTED = "certificate not trusted"
    TLS_NAME = "certificate is for another name"
    TLS_EXPIRED = "certificate expired"
    TLS_NOT_YET_VALID = "certificate not valid yet"
    TLS_PROTOCOL = "no common TLS version"
    TLS_PLAINTEXT = "the server speaks clear text here, not TLS"
    TLS_CLOSED = "closed during the TLS handshake"
    TLS_OTHER = "TLS failed"
    LOCAL = "local error"

    @property
    def is_certificate(self) -> bool:
        """Whether the server's certificate is what does not verify."""
        return self in _CERTIFICATE


_CERTIFICATE = frozenset(
    {FaultKind.TLS_UNTRUSTED, FaultKind.TLS_NAME, FaultKind.TLS_EXPIRED, FaultKind.TLS_NOT_YET_VALID}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure below the protocol: its kind and the plain words of the system or library."""

    kind: FaultKind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail}" if self.detail else self.kind.value


# What a player asks its driver to do, in order.


@dataclass(frozen=True, slots=True)
class Open:
    """Connect session `sid`; answered by `opened` or `broke`."""

    sid: int
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Write:
    """Send bytes; with `more` the player is told by `drained` once they have left for the kernel."""

    sid: int
    data: bytes
    more: bool = False


@dataclass(frozen=True, slots=True)
class Secure:
    """Make a TLS handshake on an open connection; answered by `secured` or `broke`."""

    sid: int
    wish: TlsWish


@dataclass(frozen=True, slots=True)
class Flow:
    """Stop or resume reading (back-pressure)."""

    sid: int
    read: bool


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: `fin` sends what is pending and ends in order, `reset` drops it. No answer."""

    sid: int
    how: Literal["fin", "reset"] = "fin"


@dataclass(frozen=True, slots=True)
class Done:
    """The player has ended: `result` is its CaseResult. Every later call returns an empty tuple."""

    result: object


Action = Open | Write | Secure | Flow | Close | Done
Out = tuple[Action, ...]
