"""What crosses between a player (pure) and a driver (sockets): endpoints, TLS wishes and facts, faults.

Nothing here opens, reads or waits; the values only say what is wanted and what happened.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.proxy import SocketAddress


# From the oldest on; what a wish and a handshake's facts name.
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, slots=True)
class TlsWish:
    """How a TLS handshake shall be made (RFC 8446, RFC 6125 for the name).

    `server_name` is the name for SNI and verification; empty means the endpoint's host.
    `ca` is the path of a PEM file with the trusted roots; empty means the system's.
    `minimum` and `maximum` are versions, as `TLSv1.2`; an empty maximum is the newest that there is.
    `certificate` is the path of a PEM file with the client's certificate and chain, empty for none, `key` that
    of its private key, empty where the same file holds it.
    """

    verify: bool = True
    ca: str = ""
    server_name: str = ""
    minimum: str = "TLSv1.2"
    maximum: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A PROXY header to send before anything else: its version, 1 or 2, and who is announced (see `runner.proxy`).

    Left out, the client is the connection's own end, and the destination that which it was made to.
    """

    version: Literal[1, 2]
    source: SocketAddress | None = None
    destination: SocketAddress | None = None


Family = Literal["", "ipv4", "ipv6"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a session connects to.

    `path` is a UNIX socket's path and then stands in place of host and port; so does `command`, a program and
    its arguments whose input and output are the connection. `tls` is set when TLS is implicit (RFC 8314): the
    handshake comes before the greeting. `source_address` is the local end's address; with a `family` only the
    host's addresses of that one are tried. `proxy` goes before everything, TLS included.
    """

    host: str
    port: int = 0
    path: str = ""
    tls: TlsWish | None = None
    source_address: str = ""
    family: Family = ""
    proxy: ProxyHeader | None = None
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.command:
            return f"the command '{self.command[0]}'"
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake brought: `version` as `TLSv1.3`, the cipher, whether the certificate was verified.

    `certificate` is the server's own in DER, also where it was not verified. `unique` is the data of the channel
    binding tls-unique (RFC 5929 section 3), empty with TLS 1.3, which has none. `moment` is when the handshake was
    done, in seconds since 1970. `client_certificate`: there was one to show, if the server asked.
    """

    version: str
    cipher: str
    verified: bool
    certificate: bytes = field(default=b"", repr=False)
    unique: bytes = field(default=b"", repr=False)
    moment: float = 0.0
    client_certificate: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """Both ends of a connection that stands.

    `is_loopback` is true for 127.0.0.0/8, ::1, UNIX sockets and commands: what is sent stays on this machine.
    `announced` is the client that a PROXY header has named, in words, or empty.
    """

    local_address: str
    remote_address: str
    is_loopback: bool
    tls: TlsFacts | None = None
    announced: str = ""


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


@dataclass(slots=True)
class Write:
    """Send bytes; with `more` the player is told by `drained` once they have left for the kernel.

    Not frozen, for the reason that a `Reply` isn't: one is made for each line.
    """

    sid: int
    data: bytes = field(repr=False)  # secrets leave in it
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


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Call a function that may wait (for a Kerberos server, say) beside the loop; answered by `worked`, with this."""

    call: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Done:
    """The player has ended: `result` is its CaseResult. Every later call returns an empty tuple."""

    result: object


Action = Open | Write | Secure | Flow | Close | Work | Done
Out = tuple[Action, ...]
