"""POP3 (RFC 1939, 2449, 2595, 5034, 6856), client side, without I/O.

Each line of the client's earns one reply, so the queue of replies owed is known as soon as a line is sent; whether
such a line is a command or a response in an AUTH exchange is told by the reply to the line before it (RFC 2449
section 6.6 lets a client pipeline). Which commands have answers of several lines is in the RFCs and not on the wire.

A message is not cut into lines: its dots are unstuffed as it comes, the first `limits.reply` octets are kept, and the
rest is counted. In it only CRLF ends a line. A server whose status line ends otherwise (and which a lenient reader
accepts) is read so in its message as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from runner.dataclass import dataclass
from runner.protocol.base import CLIENT_LINE, PROMISED, Event, Limits, LineReply, Literal, Machine, Owed, Reply, decode
from runner.protocol.capabilities import parse_capabilities
from runner.protocol.fetched import Fetched

# "Servers MUST send the "+OK" and "-ERR" in upper case" (RFC 1939 section 3), and clients look for no other.
_CODES = {code.encode(): code for code in ("+OK", "-ERR", "+")}
_NOT_A_REPLY = "not a reply: '+OK' or '-ERR' is due, in upper case, then a blank or the line's end (RFC 1939 section 3)"
# So a reply too many, which was taken for the beginning of this one, is told from the one that was due.
_STRAY_STATUS = "a status line inside a listing (RFC 1939 section 3)"
_STRAY_CHALLENGE = "a '+' where no AUTH exchange is open (RFC 5034 section 4)"
# RFC 2449 section 8 has levels of printable ASCII, divided by '/'; servers put other things in brackets, too.
_STATUS = re.compile(rb"\[[!-Z\\^-~][^\[\]]*\]")
# What RFC 822 calls a msg-id, in printable ASCII: anything else in its place may be an attack on MD5.
_TIMESTAMP = re.compile(rb"<[!-;=?A-~]+@[!-;=?A-~]+>")
_END = b"\r\n.\r\n"
# The AUTH line with its CRLF (RFC 5034 section 4, RFC 2449 section 4), and what of it is no initial response: the
# longest name of a mechanism has 20 characters (RFC 4422 section 3.1).
_AUTH_LINE = 255
_AUTH_HEAD = len(b"AUTH ") + 20 + len(b" \r\n")


@dataclass(frozen=True, slots=True)
class Listing(Owed):
    """An answer that has lines after the status line, if that says `+OK`."""


@dataclass(frozen=True, slots=True)
class Message(Listing):
    """Such an answer, which is a message; `has_body` is false where only its header was asked for."""

    has_body: bool = True


GREETING = Owed("greeting")
RESPONSE = Owed("AUTH response")
COMMANDS = {
    word.encode(): Owed(word)
    for word in "USER PASS APOP AUTH STLS STAT LIST DELE NOOP RSET LAST UIDL UTF8 LANG QUIT".split()
} | {b"CAPA": Listing("CAPA"), b"RETR": Message("RETR"), b"TOP": Message("TOP")}
_AUTH = COMMANDS[b"AUTH"]
_WITHOUT_ARGUMENT = {word.encode(): Listing(word) for word in ("AUTH", "LIST", "UIDL", "LANG")}
_HEADER = Message("TOP", has_body=False)


def apop(machine: Pop3, username: bytes, password: bytes) -> bytes:
    """Return the APOP line without its end: the MD5 of the greeting's timestamp and the password (RFC 1939 section 7).

    Raises:
        ValueError: the greeting had no timestamp, or the name can't stand in a line.
    """
    import hashlib  # noqa: PLC0415 -- only where a scenario uses it

    if not machine.timestamp:
        raise ValueError("the greeting has no timestamp, such as <1896.697170952@example.com> (RFC 1939 section 7)")
    if not username or re.search(rb"[\x00-\x20\x7f]", username):
        raise ValueError("the user name is empty or has blanks or control characters, which an APOP line can't hold")
    digest = hashlib.md5(machine.timestamp + password, usedforsecurity=False).hexdigest()
    return b"APOP %b %b" % (username, digest.encode("ascii"))


class Pop3(Machine):
    """POP3, client side.

    Attributes:
        timestamp: that of the greeting, with its angle brackets, for APOP (RFC 1939 section 7); empty if it has none.
    """

    __slots__ = (
        "_capabilities",
        "_capability_lines",
        "_has_odd_ends",
        "_lines",
        "_message",
        "_message_size",
        "_size",
        "timestamp",
    )

    name = "pop3"
    service = "pop"
    goodbye = b"QUIT\r\n"
    goodbye_commits = True  # messages are removed only then (RFC 1939 section 6)
    line_rule = "RFC 1939 section 3"
    head_at = 0
    code_grammar = re.compile(r"\+OK|-ERR|\+")
    codes_told = "+OK, -ERR or +"
    status_grammar = re.compile(r"\[[!-Z\\^-~][^\[\]]*\]")
    status_like = re.compile(r"\[[^\]]*\]?")
    refusal_codes = ("-ERR",)
    # No reply says that a server goes away, and this is the code of none.
    going_away_code = "none"
    capability_command = "CAPA"
    login_commands = frozenset({"PASS", "APOP", "AUTH", RESPONSE.to})
    shown_before_login = frozenset({"STLS", "SASL", "AUTH", "USER"})
    challenge_code = "+"
    authenticated_code = "+OK"
    auth_command = re.compile(r"AUTH +\S+(?: +|\Z)", re.IGNORECASE)
    password_at = re.compile(r"(?:PASS |APOP +\S+ +)([^\r\n]+)", re.IGNORECASE)
    starttls_command = b"STLS\r\n"
    starttls_code = "+OK"
    own_mechanisms: ClassVar[Mapping[str, Callable[[Any, bytes, bytes], bytes]]] = {"APOP": apop}
    foreign: ClassVar[Mapping[str, str]] = {
        "data": "POP3 only fetches messages; one is sent by SMTP, in a session of its own",
        "bdat": "POP3 only fetches messages; one is sent by SMTP, in a session of its own",
        "expect_each": "only LMTP has a reply for each recipient",
        "expect_line": "'expect' reads the whole reply; judge its lines by 'has', or a block",
        "literal": "only IMAP and ManageSieve have literals",
        "tag": "only IMAP has tags",
        "untagged": "only IMAP has untagged data",
        "until": "a POP3 reply says itself where it ends",
    }

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        # Of a reply that is not whole: its lines, and of a message what is kept, with the CRLF before it.
        self._lines: list[bytes] = []
        self._size = 0
        self._message: bytearray | None = None
        self._message_size = 0
        self._has_odd_ends = False
        # Of what was sent.
        # Of the server.
        self.timestamp = b""
        self._capability_lines: list[bytes] | None = None
        self._capabilities: Mapping[str, tuple[str, ...]] | None = None

    # From the server.

    def next(self) -> Event | None:
        """See `Machine.next`. A reply is a status line and, by its command, more up to a lone dot."""
        reply = None
        while reply is None and self._buffer:
            if self._message is not None and not self._has_odd_ends:
                reply = self._take_octets(self._message)
                break  # that was all there is of it
            odd_ends = self.lenient_line_ends
            if (line := self._line()) is None:
                break
            if not self._lines:
                self._has_odd_ends = self.lenient_line_ends > odd_ends
                reply = self._begun(line)
            elif line == b".":
                reply = self._ended()
            elif self._message is None:
                self._listed(line)
            else:
                self._keep(self._message, line.removeprefix(b".") + b"\r\n")
        if reply is not None:
            return reply
        refused, self._refused = self._refused, None
        return refused

    def _begun(self, line: bytes) -> LineReply | None:
        """Read a status line; return the reply unless more lines belong to it."""
        head, _, text = line.partition(b" ")
        code = _CODES.get(head)
        owed = self.owed[0] if self.owed else None
        if code is None:
            self._refuse(line, _NOT_A_REPLY)
        elif code == "+" and not (owed is _AUTH or owed is RESPONSE):
            self._refuse(line, _STRAY_CHALLENGE)
        elif len(line) > self.limits.reply:
            self._refuse(line, self._too_long)
        elif code == "+OK" and isinstance(owed, Listing):
            self._lines, self._size = [text], len(line)
            if isinstance(owed, Message):
                self._begin_message()
        else:
            return self._whole(code, [text])
        return None

    @property
    def _too_long(self) -> str:
        return f"a reply of more than {self.limits.reply} bytes (limit 'reply')"

    def _listed(self, line: bytes) -> None:
        self._size += len(line)
        if self._size > self.limits.reply:
            self._refuse(line, self._too_long)
        elif line.partition(b" ")[0] in (b"+OK", b"-ERR"):
            self._refuse(line, _STRAY_STATUS)
        elif len(self._lines) >= self.limits.lines:
            self._refuse(line, f"a reply of more than {self.limits.lines} lines")
        else:
            self._lines.append(line.removeprefix(b"."))

    def _begin_message(self) -> None:
        """Go on with a message; the CRLF before it is read with it, for a dot may follow."""
        self._message, self._message_size = bytearray(), 0
        if self._has_odd_ends:
            self._keep(self._message, b"\r\n")
        else:
            self._buffer[:0] = b"\r\n"

    def _take_octets(self, message: bytearray) -> LineReply | None:
        """Take of the buffer what is certain to be the message's; return the reply if its end is there."""
        buffer = self._buffer
        end = buffer.find(_END)
        size = end if end >= 0 else len(buffer) - _possible_end(buffer)
        piece = buffer[:size].replace(b"\r\n.", b"\r\n")
        del buffer[:size]
        if not self._keep(message, piece) or end < 0:
            return None
        del buffer[: len(_END)]
        return self._ended() if self._keep(message, b"\r\n") else None

    def _keep(self, message: bytearray, piece: bytes | bytearray) -> bool:
        """Count a piece of the message, and keep of it what may be kept; false if that makes it too long."""
        self._message_size += len(piece)
        if self._message_size - 2 > self.limits.literal:
            status = (b"+OK " + self._lines[0]).rstrip(b" ")
            self._refuse(status, f"a message of more than {self.limits.literal} octets (limit 'literal')")
            return False
        message += piece[: max(0, self.limits.reply + 2 - len(message))]
        return True

    def _ended(self) -> LineReply:
        lines, message = self._lines, self._message
        literals = () if message is None else (self._literal(message),)
        self._forget_reply()
        return self._whole("+OK", lines, literals)

    def _literal(self, message: bytearray) -> Literal:
        return Literal(self._message_size - 2, bytes(message[2:]), at=0, offset=len(self._lines[0]))

    def _whole(self, code: str, lines: list[bytes], literals: tuple[Literal, ...] = ()) -> LineReply:
        owed = self.owed.pop(0) if self.owed else None
        is_challenge = code == "+"
        reply = LineReply(
            code, lines, owed, "" if is_challenge else _status(lines[0]), is_challenge, head_at=0, literals=literals
        )
        if owed is not None and (follow := self._FOLLOWS.get(owed.to)) is not None:
            follow(self, reply)
        return reply

    # What a reply changes, by what it answers.

    def _greeting_read(self, reply: LineReply) -> None:
        self.greeted = True
        found = _TIMESTAMP.search(reply.lines[0]) if reply.code == "+OK" else None
        self.timestamp = found[0] if found else b""

    def _capabilities_read(self, reply: LineReply) -> None:
        if reply.code == "+OK":
            self._capability_lines, self._capabilities = reply.lines[1:], None

    def _auth_answered(self, reply: LineReply) -> None:
        self.challenge = reply.lines[0] if reply.is_challenge else None
        if reply.is_challenge and self.owed and self.owed[0] is not PROMISED:
            self.owed[0] = RESPONSE  # it was sent already
            self.challenge = None
        self._follow_auth()

    def _follow_auth(self) -> None:
        is_open = any(one is _AUTH or one is RESPONSE for one in self.owed)
        self.in_auth = self.challenge is not None or is_open

    def _starttls_answered(self, reply: LineReply) -> None:
        self._awaits_handshake = reply.code == self.starttls_code

    def _goodbye_answered(self, _reply: LineReply) -> None:
        self.said_goodbye = (
            True  # a refusal tells that messages were not removed, and ends as well (RFC 1939 section 6)
        )

    _FOLLOWS: ClassVar[dict[str, Callable[[Pop3, LineReply], None]]] = {
        GREETING.to: _greeting_read,
        "CAPA": _capabilities_read,
        "AUTH": _auth_answered,
        RESPONSE.to: _auth_answered,
        "STLS": _starttls_answered,
        "QUIT": _goodbye_answered,
    }

    @property
    def pending(self) -> bytes:
        """See `Machine.pending`: of a message what is kept, its dots unstuffed."""
        if not self._lines:
            return super().pending
        lines = b"\r\n".join([b"+OK " + self._lines[0], *self._lines[1:]])
        # A message's own CRLF is before it.
        return b"".join([lines, b"\r\n" if self._message is None else self._message, self._buffer])

    @property
    def progress(self) -> str:
        """See `Machine.progress`: nobody knows how long a message is."""
        return "" if self._message is None else f"{max(0, self._message_size - 2)} octets of a message"

    @property
    def is_amid_reply(self) -> bool:
        """See `Machine.is_amid_reply`."""
        return bool(self._buffer or self._lines)

    @property
    def has_half_line(self) -> bool:
        """See `Machine.has_half_line`: of a reply's lines none is read by itself."""
        return self.is_amid_reply

    def _forget_reply(self) -> None:
        self._lines, self._size, self._message = [], 0, None

    def _forget_received(self) -> None:
        super()._forget_received()
        self._forget_reply()

    # To the server.

    def opened(self) -> None:
        """See `Machine.opened`."""
        self.owed.append(GREETING)

    def sent(self, data: bytes) -> None:
        """See `Machine.sent`."""
        *lines, rest = data.split(b"\n")
        if lines and self._half_line:
            lines[0] = bytes(self._half_line) + lines[0]
            self._half_line.clear()
        self._half_line += rest
        for line in lines:
            self._line_sent(line.rstrip(b"\r"))

    def _line_sent(self, line: bytes) -> None:
        if self.challenge is not None:
            self.challenge = None
            self.owed.append(RESPONSE)
            return
        owed = _earned(line)
        self.owed.append(owed)
        self.in_auth = self.in_auth or owed is _AUTH

    def owe(self, replies: int, counted: int) -> None:
        """See `Machine.owe`."""
        super().owe(replies, counted)
        self._half_line.clear()
        self._follow_auth()

    def takes_initial(self, size: int) -> bool:
        """See `Machine.takes_initial`: whatever the mechanism, the line has at most 255 octets (RFC 5034 section 4)."""
        return size <= _AUTH_LINE - _AUTH_HEAD

    def fetched(self, reply: Reply) -> list[Fetched]:
        """See `Machine.fetched`: RETR gives a message, TOP its header and lines of its body."""
        owed = reply.owed
        if not (isinstance(owed, Message) and isinstance(reply, LineReply)):
            return []
        is_part = owed.to == "TOP" and owed.has_body  # nothing tells whether the message has more lines
        return [
            Fetched(one.data, one.size, has_header=True, has_body=owed.has_body, is_part=is_part)
            for one in reply.literals
        ]

    def secured(self) -> None:
        """See `Machine.secured`. The timestamp stays: no other greeting comes (RFC 2595 section 4)."""
        self._capability_lines = self._capabilities = self.challenge = None
        self.in_auth = self._awaits_handshake = False
        self._half_line.clear()
        self._forget_received()

    @property
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Machine.capabilities`: what CAPA told last (RFC 2449 section 5); SASL counts as AUTH, too."""
        if self._capabilities is None and self._capability_lines is not None:
            lines = self._capability_lines
            sasl = [b"AUTH " + b" ".join(words[1:]) for line in lines if _is_sasl(words := line.split())]
            self._capabilities = parse_capabilities([*lines, *sasl])
        return self._capabilities


def _earned(line: bytes) -> Owed:
    """Return what a client line earns that is a command."""
    name, _, rest = line.partition(b" ")
    name, arguments = name.upper(), rest.split()
    if name == b"TOP" and arguments[1:2] == [b"0"]:
        return _HEADER
    if not arguments and name in _WITHOUT_ARGUMENT:
        return _WITHOUT_ARGUMENT[name]
    return COMMANDS.get(name, CLIENT_LINE)


def _possible_end(data: bytes | bytearray) -> int:
    """Return how many octets at the end may be the beginning of a message's end, or of a dot to unstuff."""
    return next((size for size in range(len(_END) - 1, 0, -1) if data.endswith(_END[:size])), 0)


def _status(text: bytes) -> str:
    """Return the response code that a text begins with, in its brackets (RFC 2449 section 8)."""
    found = _STATUS.match(text) if text[:1] == b"[" else None
    return decode(found[0]) if found else ""


def _is_sasl(words: list[bytes]) -> bool:
    return bool(words) and words[0].upper() == b"SASL"
