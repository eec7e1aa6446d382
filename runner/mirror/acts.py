"""What a mirror asks of whoever has the sockets, and what it has said: values. Pure."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from runner.dataclass import dataclass
from runner.mirror.shadow import Place


@dataclass(frozen=True, slots=True)
class CertificateWish:
    """The certificate that a handshake is to show.

    `issuer` is the name of who issues it, as RFC 4514 writes it, empty for any; `days` is how long it is valid, less
    than 0 for one that has expired; without `is_trusted` it is from somebody whom nobody knows. `kind` and `bits` are
    the key's.
    """

    names: tuple[str, ...]
    issuer: str = ""
    days: float = 30.0
    kind: str = "EC"
    bits: int = 256
    is_trusted: bool = True


@dataclass(frozen=True, slots=True)
class TlsOffer:
    """How a server makes a handshake: its certificate, and the versions and ciphers that it takes (empty: any)."""

    certificate: CertificateWish
    minimum: str = ""
    maximum: str = ""
    ciphers: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """Send bytes to a client, `after` so many seconds."""

    client: int
    data: bytes = field(repr=False)
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Handshake:
    """Make a TLS handshake once all is sent; answered by `secured` or `unsecured`."""

    client: int
    offer: TlsOffer


@dataclass(frozen=True, slots=True)
class Hangup:
    """End a connection once all is sent, `after` so many seconds more."""

    client: int
    how: Literal["fin", "reset"] = "fin"
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Shut:
    """Listen no more for a session's connections: they are to be refused."""

    session: str


Act = Say | Handshake | Hangup | Shut


@dataclass(frozen=True, slots=True)
class Said:
    """A reply that a step's expectation was about: at which step, its code and bytes."""

    place: Place
    code: str
    data: bytes = field(repr=False)
