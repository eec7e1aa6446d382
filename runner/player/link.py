"""One session's connection as the player sees it: protocol machine, transcript, and what is known of the peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.matching.expectation import Word
from runner.protocol import Malformed, Reply, Torn

if TYPE_CHECKING:
    from runner.protocol import Machine
    from runner.protocol.base import Event
    from runner.transcript import Transcript
    from runner.wire import Fault, Peer, TlsFacts

# What a server owes once it has the whole of a message.
_DELIVERY = "message"
# One for all: an empty set takes 200 bytes, and waiting connections are many.
NO_SECRETS: frozenset[str] = frozenset()


class Link:
    """A connection's state; made anew for each opening.

    Replies are read as they come, so that what nobody asked for is known as such whenever a step gets to it.
    """

    __slots__ = (
        "_times_of",
        "arrived",
        "auth_secrets",
        "ended",
        "events",
        "fault",
        "gave_up",
        "has_begun",
        "heard",
        "is_broken",
        "is_closed",
        "is_drained",
        "is_dropped",
        "is_open",
        "is_securing",
        "is_truncated",
        "last",
        "last_words",
        "line_times",
        "lines_read",
        "machine",
        "peer",
        "plaintext",
        "sid",
        "tls",
        "transcript",
        "unread",
        "written",
    )

    def __init__(self, sid: int, machine: Machine, transcript: Transcript) -> None:
        self.sid = sid
        self.machine = machine
        self.transcript = transcript
        self.events: list[tuple[Event, float]] = []  # not taken yet, with the time when they came
        self.unread = 0  # bytes that came since nothing waited in `events`
        self.arrived = 0.0  # when the event came that was taken last
        self.ended = 0.0  # when the server ended the connection
        self.has_begun = False
        self.is_open = False
        self.is_closed = False  # no more bytes come
        self.is_dropped = False  # closed by us
        self.is_drained = True  # what was written in parts has left
        self.is_truncated = False  # TLS ended without close_notify
        self.is_broken = False  # what came is no reply, or too much; nothing after it is read
        self.gave_up = False  # the time for a reply is over
        self.is_securing = False
        self.plaintext = b""  # what came in clear text while a handshake was under way
        self.fault: Fault | None = None
        self.peer: Peer | None = None
        self.tls: TlsFacts | None = None
        self.last: Reply | Word | None = None  # what the session's last expect met
        self.last_words: Reply | None = None  # the 421 or BYE of a server that is going away
        self.lines_read = 0  # of the next reply, by steps that judge single lines
        self.line_times: list[float] = []  # when the lines came of a reply that is not whole
        self._times_of: dict[int, list[float]] = {}  # the same of replies in `events` that came in parts
        self.written: float | None = None  # when something was sent last
        self.auth_secrets = NO_SECRETS  # secrets that were sent alone in the open AUTH exchange
        self.heard: list[tuple[Event, float]] | None = None  # what was taken, where somebody keeps it

    def received(self, data: bytes, now: float) -> None:
        """Take bytes and read the replies in them."""
        machine, events = self.machine, self.events
        if self.is_securing:
            self.plaintext += data[: machine.limits.line - len(self.plaintext)]
            return
        if self.is_broken:
            return
        machine.receive(data)
        if events:
            self.unread += len(data)
        while (event := machine.next()) is not None:
            if self.line_times:
                self._times_of[id(event)], self.line_times = self.line_times, []
            events.append((event, now))
            if self.lines_read:
                self.drop_torn()
            if self.unread > machine.limits.reply:
                self._flooded(f"{machine.limits.reply} bytes of replies that nothing waited for (limit 'reply')", now)
                return
            if len(events) > machine.limits.lines:
                self._flooded(f"{machine.limits.lines} replies that nothing waited for", now)
                return
        if machine.is_amid_reply and (count := machine.line_count) > len(self.line_times):
            self.line_times += [now] * (count - len(self.line_times))

    def _flooded(self, much: str, now: float) -> None:
        """Read no more: what nothing waits for must not grow. What was owed has come, and the first too many tells."""
        if self.machine.knows_ends:
            surplus = self.surplus
            self.events[:] = [one for one in self.events if one[0].owed is not None or one[0] is surplus]
        self.events.append((Malformed(b"", f"more than {much}"), now))
        self.is_broken = True

    def take(self) -> Event | None:
        """Return the next reply, if it is whole."""
        if not self.events:
            return None
        event, self.arrived = self.events.pop(0)
        if self.heard is not None:
            self.heard.append((event, self.arrived))
        if self._times_of:
            self._times_of.pop(id(event), None)
        self.lines_read = 0
        if not self.events:
            self.unread = 0
        if isinstance(event, Malformed):
            self.is_broken = True
            return event
        # A server that is going away says so whatever was asked (RFC 5321 section 3.8, RFC 9051 section 7.1.5).
        if event.code == self.machine.going_away_code:
            self.last_words = event
        if self.auth_secrets and not event.is_challenge:
            self.auth_secrets = NO_SECRETS
        return event

    def next_line(self) -> tuple[bytes, float] | None:
        """Return the next line that no step has read, and when it came; it stays a part of its reply.

        None if it is not there yet, or if what comes next is no reply.

        Raises:
            IndexError: the reply is whole and has no further line.
        """
        at, machine = self.lines_read, self.machine
        if not self.events:
            return (machine.line_so_far(at), self.line_times[at]) if at < machine.line_count else None
        event, now = self.events[0]
        if isinstance(event, Malformed) and not isinstance(event, Torn):
            return None
        times = self._times_of.get(id(event), [])
        line = event.lines[at] if isinstance(event, Torn) else event.line(at)
        return line, times[at] if at < len(times) else now

    def lines_known(self, first: int, end: int) -> list[bytes]:
        """Return lines of the next reply as far as they have come, whether it is whole or not."""
        if not self.events:
            machine = self.machine
            return [machine.line_so_far(at) for at in range(first, min(end, machine.line_count))]
        event = self.events[0][0]
        if isinstance(event, Reply):
            return [event.line(at) for at in range(first, min(end, len(event.lines)))]
        return list(event.lines[first:end]) if isinstance(event, Torn) else []

    def replace_next(self, event: Reply) -> None:
        """Put a reply in the place of the next one, of which a step has taken a part."""
        before, now = self.events[0]
        self._times_of.pop(id(before), None)
        self.events[0] = (event, now)

    def drop_torn(self) -> None:
        """Drop a greeting that the server has given up, if steps have read every line that there was of it."""
        event = self.events[0][0] if self.lines_read and self.events else None
        if isinstance(event, Torn) and self.lines_read == len(event.lines):
            self.events.pop(0)
            self.lines_read = 0

    @property
    def has_unread(self) -> bool:
        """Whether bytes came of a reply that is not whole, beyond the lines that steps have read."""
        return self.machine.has_half_line or self.machine.line_count > self.lines_read

    @property
    def surplus(self) -> Reply | Malformed | None:
        """A reply that came and was not owed."""
        return next((event for event, _ in self.events if event.owed is None), None) if self.events else None

    @property
    def pending(self) -> bytes:
        """What came of a reply that is not whole."""
        return self.machine.pending

    @property
    def has_half_reply(self) -> bool:
        """Whether bytes came of what is no reply yet and must be one: untagged data comes whenever it likes."""
        machine = self.machine
        return machine.is_amid_reply and not (machine.has_tags and machine.pending.startswith(b"*"))

    @property
    def is_in_step(self) -> bool:
        """Whether both sides know what comes next: nothing is owed, half said or half sent."""
        machine = self.machine
        is_amid = bool(machine.owed) or machine.in_message or machine.in_auth or self.is_securing
        owed = any(event.owed is not None for event, _ in self.events)
        return not (is_amid or owed or self.is_broken or self.gave_up)

    @property
    def can_send(self) -> bool:
        """Whether the connection stands in both directions."""
        return self.is_open and not self.is_closed

    @property
    def awaits_greeting(self) -> bool:
        """Whether no step has read the greeting yet."""
        first = self.events[0][0].owed if self.events else next(iter(self.machine.owed), None)
        return first is not None and first.to == "greeting"

    @property
    def answers_challenge(self) -> bool:
        """Whether what is sent now answers a challenge that a step has read."""
        return self.machine.challenge is not None and not self.events

    @property
    def may_write_message(self) -> bool:
        """Whether the go-ahead for a message was read; a final reply may have come early."""
        return self.machine.in_message and all(
            event.owed is not None and event.owed.to == _DELIVERY for event, _ in self.events
        )

    @property
    def awaits_delivery(self) -> bool:
        """Whether the next reply that is owed says what became of a message."""
        owed = self.machine.owed
        return bool(owed) and owed[0].to == _DELIVERY

    @property
    def is_delivery_unknown(self) -> bool:
        """Whether a whole message was sent and the server has not said what became of it."""
        return any(owed.to == _DELIVERY for owed in self.machine.owed)

    @property
    def may_carry_secrets(self) -> bool:
        """Whether nobody on the way can read what is sent: encrypted, or on this machine."""
        return self.tls is not None or (self.peer is not None and self.peer.is_loopback)
