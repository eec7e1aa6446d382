"""What every protocol machine shares: limits, the line buffer, and the interface.

A machine is sans-I/O: `receive` takes bytes as they came, `next` gives a whole reply or nothing yet,
`sent` is told what went out and reads it as the server would, so that the queue of replies owed is always known.
It knows no clock, no socket and no expectation. What a server does wrong is an event (`Malformed`), never an exception.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping
from typing import ClassVar

from runner.dataclass import dataclass
from runner.protocol.reply import Event, Malformed, Owed, Reply, Torn, decode, decode_challenge

__all__ = [
    "CLIENT_LINE",
    "Event",
    "Limits",
    "Machine",
    "Malformed",
    "Owed",
    "Reply",
    "Torn",
    "decode",
    "decode_challenge",
]

# RFC 5321 section 4.5.3.1.5 asks for 512 octets a reply line; servers in the field send a few KiB.
LINE_LIMIT = 64 * 1024
# An EHLO reply is a few hundred bytes, a HELP a few KiB.
REPLY_LIMIT = 1024 * 1024
REPLY_LINES_LIMIT = 10_000
# How much of bytes that are no reply is kept for the report.
QUOTED_BYTES = 512

# What was sent and has no better name. Its own words are not shown: they may be a response that the server reads
# as a command, and so a secret in a form that nobody could mask.
CLIENT_LINE = Owed("a client line")
# What the author says is owed and the machine has not counted; is told from CLIENT_LINE by identity.
PROMISED = Owed("a client line")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server may send at most.

    Attributes:
        line: bytes of a line, its end included (so counts RFC 5321 section 4.5.3.1.5).
        reply: bytes of a reply, its line ends left out.
        lines: lines of a reply.
    """

    line: int = LINE_LIMIT
    reply: int = REPLY_LIMIT
    lines: int = REPLY_LINES_LIMIT


class Machine(abc.ABC):
    """One connection's protocol, client side. See the module for the contract.

    Attributes:
        owed: what the server owes, in order.
        challenge: the raw challenge that waits for a response (base64 as it came), or None.
        in_auth: whether an AUTH exchange is open: from the AUTH line to the final reply (RFC 4954 section 4).
        in_message: whether what is sent now is read as a message (after 354, until the dot).
        greeted: whether the greeting was read.
        said_goodbye: whether the goodbye was answered: nothing but the end of the connection is due.
        lenient_line_ends: how many line ends were accepted that a strict reader refuses.
    """

    # Waiting connections are many, and each has one.
    __slots__ = (
        "_buffer",
        "_is_broken",
        "_refused",
        "_scanned",
        "challenge",
        "greeted",
        "in_auth",
        "in_message",
        "lenient",
        "lenient_line_ends",
        "limits",
        "owed",
        "said_goodbye",
    )

    name: ClassVar[str]
    #: The protocol's command that ends a session in order.
    goodbye: ClassVar[bytes]

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        self.limits = limits
        self.lenient = lenient
        self.owed: list[Owed] = []  # short, and a deque takes 600 bytes
        self.challenge: bytes | None = None
        self.in_auth = self.in_message = self.greeted = self.said_goodbye = False
        self.lenient_line_ends = 0
        self._buffer = bytearray()
        self._scanned = 0  # so many bytes of the buffer hold no LF
        self._is_broken = False
        self._refused: Malformed | None = None  # what `next` has to tell

    # What comes from the server.

    def receive(self, data: bytes) -> None:
        """Take bytes from the server; `next` then tells what they mean."""
        if self._is_broken:
            return
        # Only replies that nobody takes can pile up so far: `next` leaves less than a line.
        if len(self._buffer) > self.limits.reply and len(self._buffer) > self.limits.line:
            self._refuse(self._buffer, f"more than {self.limits.reply} bytes that nothing waited for (limit 'reply')")
        else:
            self._buffer += data

    @abc.abstractmethod
    def next(self) -> Event | None:
        """Return the next whole reply, or None if more bytes are needed."""

    @property
    def pending(self) -> bytes:
        """What was received and not given out by `next`: whole lines of a reply that is not whole count."""
        return bytes(self._buffer)

    @property
    def is_amid_reply(self) -> bool:
        """Whether there is anything in `pending`; asked before each line that is sent."""
        return bool(self._buffer)

    @property
    def line_count(self) -> int:
        """How many lines have come of a reply that is not whole."""
        return 0

    def line_so_far(self, at: int) -> bytes:
        """Return one of those lines as it was received, without its end; the first is 0.

        Raises:
            IndexError: so many have not come.
        """
        raise IndexError(at)

    @property
    def has_half_line(self) -> bool:
        """Whether the beginning of a line was received, and not its end."""
        return bool(self._buffer)

    def _line(self) -> bytes | None:
        """Take one line off the buffer, without its end; linear in what was received.

        None if there is no whole line, or none that is allowed: then `_refused` says why.
        """
        buffer = self._buffer
        end = buffer.find(b"\n", self._scanned)
        size = end if end >= 0 else len(buffer)
        if size >= self.limits.line:
            self._refuse(buffer[: self.limits.line], f"a line of more than {self.limits.line} bytes (limit 'line')")
            return None
        if end < 0:
            self._scanned = size
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]  # moves the start, not the bytes
        self._scanned = 0
        return line[:-1] if 0 <= line.find(b"\r") == end - 1 else self._odd_line(line)

    def _odd_line(self, line: bytes) -> bytes | None:
        """Judge a line with a CR too many or too few; a lenient reader ends lines at the LF and drops CRs before it."""
        if self.lenient:
            self.lenient_line_ends += 1
            return line.rstrip(b"\r")
        fault = "a bare CR inside a line" if line.endswith(b"\r") else "a line that ends with a bare LF"
        self._refuse(line, f"{fault} (RFC 5321 section 2.3.8)")
        return None

    def _refuse(self, raw: bytes | bytearray, reason: str) -> None:
        """Stop reading: after bytes that are no reply nothing that follows can be trusted."""
        self._refused = Malformed(bytes(raw[:QUOTED_BYTES]), reason, self.owed[0] if self.owed else None)
        self._is_broken = True
        self._forget_received()

    def _forget_received(self) -> None:
        self._buffer.clear()
        self._scanned = 0

    # What goes to the server.

    @abc.abstractmethod
    def opened(self) -> None:
        """Note that the connection stands: the greeting is owed."""

    @abc.abstractmethod
    def sent(self, data: bytes) -> None:
        """Read what was written as the server would, and count what it owes for it."""

    def owe(self, replies: int, counted: int) -> None:
        """Take the author's word for how many replies the last write earns (the key `replies`).

        `counted` is how many were owed before that write. What the machine has counted since keeps its meaning, so
        that a 354 still opens a message; it is cut short, or filled up, to the author's number.
        """
        while len(self.owed) > counted + replies:
            self.owed.pop()
        self.owed.extend([PROMISED] * (counted + replies - len(self.owed)))

    @property
    def recipients_due(self) -> tuple[str, ...]:
        """The recipients whose own replies to the message are owed next, in order; one may be there twice."""
        return ()

    @abc.abstractmethod
    def secured(self) -> None:
        """Note a TLS handshake: what was learnt in clear text is forgotten (RFC 3207 section 4.2)."""

    @property
    @abc.abstractmethod
    def may_say_goodbye(self) -> bool:
        """Whether the goodbye would be read as a command now, with nothing owed before its reply."""

    # What is known of the server.

    @property
    @abc.abstractmethod
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """Capabilities by upper-case name, with their parameters; None if none were read since the last handshake."""

    #: How a code and an enhanced status are written in an expectation (docs/language.md, the short form).
    code_grammar: ClassVar[re.Pattern[str]]
    status_grammar: ClassVar[re.Pattern[str]]
    #: The code of a server challenge, and of the reply that ends an exchange well (RFC 4954 section 4).
    challenge_code: ClassVar[str]
    authenticated_code: ClassVar[str]
    #: The client line that opens an AUTH exchange; its end is where an initial response begins.
    auth_command: ClassVar[re.Pattern[str]]
    #: The command that asks for TLS, and the code of the go-ahead.
    starttls_command: ClassVar[bytes]
    starttls_code: ClassVar[str]
