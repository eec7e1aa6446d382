"""A conversation as it was had: what a transcript, a recording or a proxy hands over, and what a draft is made from.

Texts are as they went over the wire, without line ends; bytes that are no UTF-8 are surrogates (`surrogateescape`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from runner.dataclass import dataclass
from runner.wire import TlsFacts


@dataclass(frozen=True, slots=True)
class ClientLine:
    """One line of the client.

    `template` is how a scenario would write it, where whoever has listened knows: `${password}` for a response of AUTH.
    Empty, the line itself is all that is known. A line whose template names a secret is kept out of `repr`.
    """

    text: str = field(repr=False)
    template: str = ""
    line: int = 0  # where it stands in the transcript that was read, from 1; 0 where there is none


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A message between a 354 and the closing dot: its lines, without dot-stuffing and without the dot."""

    lines: tuple[str, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class ClientLiteral:
    """A literal of IMAP or ManageSieve that followed the line before it."""

    text: str
    is_sync: bool = True
    line: int = 0


@dataclass(frozen=True, slots=True)
class ServerReply:
    """A whole reply, each line as the server wrote it: with its codes, IMAP's with untagged lines and tag.

    `expect` is the short form that the operator wants for it; empty, the draft chooses.
    `is_cut` says that a transcript ends in the midst of it.
    """

    lines: tuple[str, ...]
    expect: str = ""
    is_cut: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A SASL exchange that is to be the verb `auth`: the mechanism, and the final reply. Its frames are not kept."""

    mechanism: str
    final: ServerReply


@dataclass(frozen=True, slots=True)
class Secured:
    """A TLS handshake was made: after STARTTLS, or as the first event where TLS is implicit."""

    facts: TlsFacts | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection ended: the server or the client hung up."""

    by: Literal["client", "server"]


Event = ClientLine | ClientMessage | ClientLiteral | ServerReply | Exchange | Secured | Ended


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation from connecting to its end, on one connection.

    `protocol` is a name of the language: smtp, lmtp, pop3, imap, sieve, tcp. `host` and `port` are the server's, where
    known (else empty and 0); `title` is a name for the scenario, where the source has one; `source` says where it comes
    from, for the file's first comment. `values` maps variables whose values are known to these, such as `username`; of
    `secrets` the draft must write no value, whatever form it has. `guesses` says in words what its reader has guessed.
    """

    protocol: str
    events: tuple[Event, ...]
    host: str = ""
    port: int = 0
    title: str = ""
    source: str = ""
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    guesses: tuple[str, ...] = ()
