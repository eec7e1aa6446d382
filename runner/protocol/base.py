"""What every protocol machine shares: limits, the line buffer, and the interface.

A machine is sans-I/O: `receive` takes bytes as they came, `next` gives a whole reply or nothing yet,
`sent` is told what went out and reads it as the server would, so that the queue of replies owed is always known.
It knows no clock, no socket and no expectation. What a server does wrong is an event (`Malformed`), never an exception.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from runner.dataclass import dataclass
from runner.protocol.fetched import Fetched
from runner.protocol.reply import Event, LineReply, Literal, Malformed, Owed, Reply, Torn, decode, decode_challenge

__all__ = [
    "CLIENT_LINE",
    "Event",
    "Limits",
    "LineReply",
    "Literal",
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
# Of a literal most is counted and not kept; no mail server takes a message of this size.
LITERAL_LIMIT = 64 * 1024 * 1024
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
        reply: bytes of a reply, its line ends left out; of literals and messages in it, how much is kept.
        lines: lines of a reply.
        literal: octets of one literal, or of a message in POP3.
    """

    line: int = LINE_LIMIT
    reply: int = REPLY_LIMIT
    lines: int = REPLY_LINES_LIMIT
    literal: int = LITERAL_LIMIT


class Machine(abc.ABC):
    """One connection's protocol, client side. See the module for the contract.

    Attributes:
        owed: what the server owes, in order.
        challenge: the raw challenge that waits for a response (base64 as it came), or None.
        in_auth: whether an AUTH exchange is open: from the AUTH line to the final reply (RFC 4954 section 4).
        in_message: whether what is sent now is read as a message (after 354, until the dot).
        greeted: whether the greeting was read.
        said_goodbye: whether the goodbye was answered, or the server is going away: nothing but the end of the
            connection is due.
        lenient_line_ends: how many line ends were accepted that a strict reader refuses.
    """

    # Waiting connections are many, and each has one.
    __slots__ = (
        "_awaits_handshake",
        "_buffer",
        "_half_line",
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
        self._half_line = bytearray()  # that was sent, and not its end
        self._awaits_handshake = False  # the go-ahead of STARTTLS was given

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
    def progress(self) -> str:
        """How far a literal or a message has come whose end is due, such as `7 of the 342 octets of a literal`."""
        return ""

    @property
    def is_amid_reply(self) -> bool:
        """Whether there is anything in `pending`; asked before each line that is sent."""
        return bool(self._buffer)

    def untagged(self, start: int = 0) -> list[str]:  # noqa: ARG002 -- the contract of all protocols
        """Return the untagged lines from `start` on that have come since the last reply; see `LineReply.untagged`."""
        return []

    def drop_untagged(self, count: int) -> None:  # noqa: B027 -- where there is nothing to drop
        """Drop the first of them: a step has read them, and they are no part of the next reply."""

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
        self._refuse(line, f"{fault} ({self.line_rule})")
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
    def may_say_goodbye(self) -> bool:
        """Whether the goodbye would be read as a command now, with nothing owed before its reply."""
        return self.greeted and not (self.said_goodbye or self.owed or self.amid or self._is_broken)

    @property
    def amid(self) -> str:
        """What a line that is sent now would be read as a part of, where it is no command; else nothing."""
        if self.in_message or self.in_auth:
            return "a message" if self.in_message else "an AUTH exchange"
        return "the TLS handshake" if self._awaits_handshake else "a line" if self._half_line else ""

    @property
    def awaits_handshake(self) -> bool:
        """Whether the server has let TLS begin, and the handshake is what comes next."""
        return self._awaits_handshake and not (self.in_message or self.in_auth)

    # How the client's side is written; what differs from SMTP a protocol says.

    def lead(self, line: bytes) -> bytes:  # noqa: ARG002 -- the contract of all protocols
        """Return what goes before a client line, made for this one: IMAP's tag and a blank; else nothing."""
        return b""

    def auth_head(self, mechanism: str) -> bytes:
        """Return the line that opens an AUTH exchange, without initial response and end."""
        return b"AUTH " + mechanism.encode("ascii")

    def takes_initial(self, size: int) -> bool:  # noqa: ARG002
        """Whether an initial response of `size` octets of base64 may stand in the AUTH line."""
        return True

    def response(self, encoded: bytes, *, is_initial: bool) -> bytes:
        """Return a response in base64 as it is written: an empty one behind the AUTH line is `=` (RFC 4954)."""
        return encoded or (b"=" if is_initial else b"")

    def literal_mark(self, size: int, *, is_sync: bool) -> bytes:
        """Return what announces a literal of `size` octets at the end of a client line.

        Raises:
            NotImplementedError: the protocol has no literals.
        """
        raise NotImplementedError

    def last_challenge(self, reply: Reply) -> bytes | None:  # noqa: ARG002
        """Return what a mechanism is told beside the final reply (base64), None if nothing is."""
        return None

    def fetched(self, reply: Reply) -> list[Fetched]:  # noqa: ARG002
        """Return what a reply holds of messages, in order; literals and bodies are not copied."""
        return []

    @classmethod
    def slip_in(cls, line: str) -> tuple[str, str] | None:  # noqa: ARG003
        """Return what is wrong with a client line as its author wrote it, and what to write; None if nothing is."""
        return None

    @classmethod
    def is_shown_before_login(cls, name: str) -> bool:
        """Whether a client without a login can see that a capability is offered."""
        return not cls.login_commands or name.partition("=")[0] in cls.shown_before_login

    #: Whether the greeting said that the client is known; then there is no STARTTLS.
    is_preauthenticated: bool = False

    @property
    def still_open(self) -> tuple[str, str] | None:
        """A command that goes on until the client says so, and the line that says it; None if there is none."""
        return None

    @classmethod
    def is_refusal(cls, reply: Reply) -> bool:
        """Whether a reply says no."""
        return reply.code.startswith(cls.refusal_codes)

    # What is known of the server.

    @property
    @abc.abstractmethod
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """Capabilities by upper-case name, with their parameters; None if none were read since the last handshake."""

    #: How a code and a status (enhanced status code or response code) are written in an expectation
    #: (docs/language.md, the short form). Where case doesn't matter, the pattern says so and upper case is meant.
    code_grammar: ClassVar[re.Pattern[str]]
    status_grammar: ClassVar[re.Pattern[str]]
    #: What is meant to be a status, right or not.
    status_like: ClassVar[re.Pattern[str]]
    #: How codes are written, to those who have to write one, and one that is usual.
    codes_told: ClassVar[str]
    #: Which line of a reply carries its code: every one (None), the first (0) or the last (-1).
    head_at: ClassVar[int | None] = None
    #: Whether replies have codes at all.
    has_codes: ClassVar[bool] = True
    #: What codes of replies that say no begin with, and that of a server which is going away.
    refusal_codes: ClassVar[tuple[str, ...]] = ("4", "5")
    going_away_code: ClassVar[str] = "421"
    #: Whether the server does only at the goodbye what it was told before, so that its refusal loses something.
    goodbye_commits: ClassVar[bool] = False
    #: The line that makes a server show its capabilities.
    capability_command: ClassVar[str] = "EHLO"
    #: What a reply to a login answers; a server may show more capabilities after it. Empty where it doesn't.
    login_commands: ClassVar[frozenset[str]] = frozenset()
    #: Capabilities that are shown before the login, if at all.
    shown_before_login: ClassVar[frozenset[str]] = frozenset()
    #: Whether the server greets again after a handshake on an open connection.
    greets_after_tls: ClassVar[bool] = False
    #: Whether lines may end with a literal (the key `literal`).
    has_literals: ClassVar[bool] = False
    #: Whether untagged data comes beside replies (`untagged`), and commands have tags.
    has_tags: ClassVar[bool] = False
    #: Whether the server says when a reply is over; else `until` may.
    knows_ends: ClassVar[bool] = True
    #: Verbs and keys that make no sense here, each with what is to be written in its place.
    foreign: ClassVar[Mapping[str, str]] = {}
    #: Ways to log in by one line that are no SASL mechanisms, by name: what makes the line of user name and password.
    #: ValueError says why it can't be made.
    own_mechanisms: ClassVar[Mapping[str, Callable[[Any, bytes, bytes], bytes]]] = {}
    #: What shows a password: group 1 of a client line is shown by its name only.
    password_at: ClassVar[re.Pattern[str] | None] = None
    #: The name of the service in a Kerberos principal, and in a SASL response (RFC 4422 section 4).
    service: ClassVar[str] = "smtp"
    #: Which rule a line end breaks that is none; empty where there is no rule.
    line_rule: ClassVar[str] = "RFC 5321 section 2.3.8"
    #: The code of a server challenge, and of the reply that ends an exchange well (RFC 4954 section 4).
    challenge_code: ClassVar[str]
    authenticated_code: ClassVar[str]
    #: The client line that opens an AUTH exchange; its end is where an initial response begins.
    auth_command: ClassVar[re.Pattern[str]]
    #: What stands around a response in base64, before and after it.
    response_quote: ClassVar[str] = ""
    #: The command that asks for TLS, and the code of the go-ahead.
    starttls_command: ClassVar[bytes]
    starttls_code: ClassVar[str]
