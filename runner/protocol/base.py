"""What every protocol machine shares: limits, the line buffer, replies, and the interface.

A machine is sans-I/O: `receive` takes bytes as they came, `next` gives a whole reply or nothing yet,
`sent` is told what went out and reads it as the server would, so that the queue of replies owed is always known.
It knows no clock, no socket and no expectation. What a server does wrong is an event (`Malformed`), never an exception.
"""

from __future__ import annotations

import abc
import binascii
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

# RFC 5321 section 4.5.3.1.5 asks for 512 octets a reply line; servers in the field send a few KiB.
LINE_LIMIT = 64 * 1024
# An EHLO reply is a few hundred bytes, a HELP a few KiB.
REPLY_LIMIT = 1024 * 1024
REPLY_LINES_LIMIT = 10_000
# How much of an unreadable line is kept for the report.
QUOTED_BYTES = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server may send at most, in bytes (`lines`: in lines of one reply)."""

    line: int = LINE_LIMIT
    reply: int = REPLY_LIMIT
    lines: int = REPLY_LINES_LIMIT


@dataclass(frozen=True, slots=True)
class Owed:
    """A reply that the server owes: to which command or event, and in LMTP for which recipient."""

    to: str
    recipient: str = ""

    def __str__(self) -> str:
        return f"{self.to} for {self.recipient}" if self.recipient else self.to


def decode(data: bytes) -> str:
    r"""Text of a server: UTF-8, any other byte as `\xNN`. Never raises."""
    return data.decode("utf-8", "backslashreplace")


def decode_challenge(line: bytes) -> str | None:
    """Return the text of a challenge if it is canonical base64 (RFC 4648 section 3.5) of UTF-8 text, else None.

    >>> decode_challenge(b"VXNlcm5hbWU6")
    'Username:'
    """
    try:
        raw = binascii.a2b_base64(line, strict_mode=True)
        text = raw.decode("utf-8")
    except ValueError:
        return None
    return text if line and binascii.b2a_base64(raw, newline=False) == line else None


@dataclass(slots=True, eq=False)
class Reply:
    """A whole reply. `lines` are the texts after code and separator; `owed` is what it answers, None if nothing was.

    `enhanced` is the enhanced status code that the text begins with (RFC 2034), or empty.
    `is_challenge` is true for a server challenge within AUTH (RFC 4954 section 4: base64 text).
    """

    code: str
    lines: list[bytes]
    owed: Owed | None = None
    enhanced: str = ""
    is_challenge: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts decoded, the enhanced status code included."""
        return [decode(line) for line in self.lines]

    def bare(self, text: str) -> str:
        """Return `text` (one of `texts`) without the enhanced status code in front."""
        if self.enhanced and text.startswith(self.enhanced):
            return text[len(self.enhanced) :].lstrip(" ")
        return text

    @property
    def decoded(self) -> str | None:
        """The challenge decoded, if it is canonical base64 of UTF-8 text; else None."""
        return decode_challenge(self.lines[0]) if self.is_challenge else None

    def __str__(self) -> str:
        """The reply as the server wrote it, lines joined by LF."""
        last = len(self.lines) - 1
        return "\n".join(
            f"{self.code}{' ' if number == last else '-'}{text}".rstrip(" ") for number, text in enumerate(self.texts)
        )


@dataclass(frozen=True, slots=True)
class Malformed:
    """What a server sent where a reply was due, and why it is none. The machine reads nothing after it."""

    raw: bytes
    reason: str
    owed: Owed | None = None

    @property
    def text(self) -> str:
        """The bytes as text, for a report (escaped there)."""
        return decode(self.raw)


Event = Reply | Malformed


class Machine(abc.ABC):
    """One connection's protocol, client side. See the module for the contract."""

    name: ClassVar[str]
    #: The protocol's command that ends a session in order.
    goodbye: ClassVar[bytes]

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        self.limits = limits
        self.lenient = lenient
        self.owed: deque[Owed] = deque()
        #: How many line ends were accepted that a strict reader refuses.
        self.lenient_line_ends = 0
        self._buffer = bytearray()
        self._start = 0
        self._scanned = 0
        self._broken = False

    # What comes from the server.

    def receive(self, data: bytes) -> None:
        """Take bytes from the server; `next` then tells what they mean."""
        if self._broken:
            return
        if self._start:
            del self._buffer[: self._start]
            self._scanned -= self._start
            self._start = 0
        self._buffer += data

    @abc.abstractmethod
    def next(self) -> Event | None:
        """Return the next whole reply, or None if more bytes are needed."""

    @property
    def pending(self) -> bytes:
        """What was received of a reply that is not whole yet."""
        return bytes(self._buffer[self._start :])

    def _line(self) -> bytes | Malformed | None:
        """Take one line off the buffer, without its end; linear in what was received."""
        end = self._buffer.find(b"\n", max(self._scanned, self._start))
        size = (end if end >= 0 else len(self._buffer)) - self._start
        if size > self.limits.line:
            return self._refuse(
                self._quote(self._start, len(self._buffer)),
                f"a line of more than {self.limits.line} bytes (limit 'line')",
            )
        if end < 0:
            self._scanned = len(self._buffer)
            return None
        line = bytes(self._buffer[self._start : end])
        self._start = self._scanned = end + 1
        if line.endswith(b"\r"):
            line = line[:-1]
            if b"\r" not in line:
                return line
            fault = "a bare CR inside a line"
        else:
            fault = "a line that ends with a bare LF"
        if not self.lenient:
            return self._refuse(line[:QUOTED_BYTES], f"{fault} (RFC 5321 section 2.3.8)")
        self.lenient_line_ends += 1
        return line

    def _quote(self, start: int, end: int) -> bytes:
        return bytes(self._buffer[start : min(end, start + QUOTED_BYTES)])

    def _refuse(self, raw: bytes, reason: str) -> Malformed:
        """Stop reading: after bytes that are no reply nothing that follows can be trusted."""
        self._broken = True
        self._buffer.clear()
        self._start = self._scanned = 0
        return Malformed(raw, reason, self.owed[0] if self.owed else None)

    # What goes to the server.

    @abc.abstractmethod
    def opened(self) -> None:
        """Note that the connection stands: the greeting is owed."""

    @abc.abstractmethod
    def sent(self, data: bytes) -> None:
        """Read what was written as the server would, and count what it owes for it."""

    def owe(self, replies: int) -> None:
        """Take the author's word for how many replies the last write earns (the key `replies`)."""
        self.owed.extend([Owed("line")] * replies)

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

    #: The raw challenge that waits for a response (base64 as it came), or None.
    challenge: bytes | None = None
    #: Whether an AUTH exchange is open: from the AUTH line to the final reply (RFC 4954 section 4).
    in_auth: bool = False
    #: Whether what is sent now is read as a message (after 354, until the dot).
    in_message: bool = False
    #: Whether the greeting was read.
    greeted: bool = False
    #: Whether the goodbye was answered: nothing but the end of the connection is due.
    said_goodbye: bool = False
