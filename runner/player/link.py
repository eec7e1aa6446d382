"""One session's connection as the player sees it: protocol machine, transcript, and what is known of the peer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from runner.matching.expectation import Word
from runner.protocol import Malformed, Reply

if TYPE_CHECKING:
    from runner.protocol import Machine
    from runner.protocol.base import Event
    from runner.transcript import Transcript
    from runner.wire import Fault, Peer, TlsFacts


class Link:
    """A connection's state; made anew for each opening."""

    __slots__ = (
        "auth_secrets",
        "events",
        "fault",
        "has_begun",
        "is_closed",
        "is_dropped",
        "is_open",
        "is_securing",
        "is_truncated",
        "last",
        "machine",
        "peer",
        "plaintext",
        "sid",
        "tls",
        "transcript",
        "written",
    )

    def __init__(self, sid: int, machine: Machine, transcript: Transcript) -> None:
        self.sid = sid
        self.machine = machine
        self.transcript = transcript
        self.events: deque[Event] = deque()
        self.has_begun = False
        self.is_open = False
        self.is_closed = False  # no more bytes come
        self.is_dropped = False  # closed by us
        self.is_truncated = False  # TLS ended without close_notify
        self.is_securing = False
        self.plaintext = 0  # bytes that came in clear text while a handshake was under way
        self.fault: Fault | None = None
        self.peer: Peer | None = None
        self.tls: TlsFacts | None = None
        self.last: Reply | Word | None = None  # what the last expect met
        self.written = 0.0
        self.auth_secrets: set[str] = set()  # secrets that were sent in the open AUTH exchange

    def pump(self) -> None:
        """Move every whole reply from the machine to `events`."""
        while (event := self.machine.next()) is not None:
            self.events.append(event)

    def take(self) -> Event | None:
        """Return the next reply, if it is whole."""
        if not self.events:
            return self.machine.next()
        return self.events.popleft()

    @property
    def surplus(self) -> Reply | Malformed | None:
        """A reply that came and was not owed."""
        self.pump()
        return next((event for event in self.events if event.owed is None), None)

    @property
    def pending(self) -> bytes:
        """What came of a reply that is not whole."""
        return self.machine.pending

    @property
    def may_carry_secrets(self) -> bool:
        """Whether nobody on the way can read what is sent: encrypted, or on this machine."""
        return self.tls is not None or (self.peer is not None and self.peer.is_loopback)
