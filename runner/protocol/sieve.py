"""ManageSieve (RFC 5804), client side, without I/O.

A reply is the lines up to one that says OK, NO or BYE; before it stand capabilities, a list of scripts or a script.
Each command and each response in an exchange earns one, whatever the server takes it for; so the queue can be kept
before it is known whether what follows AUTHENTICATE was read as responses or as commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from runner.protocol.base import CLIENT_LINE, Event, Limits, Literal, Owed, Reply, decode
from runner.protocol.capabilities import parse_capabilities
from runner.protocol.literals import LiteralMachine
from runner.protocol.sieve_reply import (
    QUOTED_LIMIT,
    SieveReply,
    quote_literals,
    read_items,
    response_code_size,
    sasl_data,
)

GREETING = Owed("greeting")
RESPONSE = Owed("AUTHENTICATE response")
COMMANDS = {
    word.encode(): Owed(word)
    for word in (
        "AUTHENTICATE STARTTLS LOGOUT CAPABILITY HAVESPACE PUTSCRIPT LISTSCRIPTS SETACTIVE GETSCRIPT DELETESCRIPT "
        "RENAMESCRIPT CHECKSCRIPT NOOP UNAUTHENTICATE"
    ).split()
}
_AUTH, _CAPABILITY = COMMANDS[b"AUTHENTICATE"], COMMANDS[b"CAPABILITY"]

_HEAD = re.compile(rb"(OK|NO|BYE)(?: |\Z)", re.IGNORECASE)
_GLUED = re.compile(rb"(?:OK|NO|BYE)[^A-Za-z]", re.IGNORECASE)
_NO_CODE = "not a reply: OK, NO or BYE is due, or a line that begins with a string (RFC 5804 section 4)"
_NO_BLANK = "not a reply: a blank is due after OK, NO or BYE (RFC 5804 section 4)"
_NO_STRINGS = "not a reply: a line that begins with a string has only strings and atoms in it (RFC 5804 section 4)"


class Sieve(LiteralMachine):
    """ManageSieve, client side."""

    __slots__ = ("_capabilities", "_found", "_lines", "_shown")

    name = "sieve"
    goodbye = b"LOGOUT\r\n"
    challenge_code = "+"
    authenticated_code = "OK"
    # A mechanism without quotes opens an exchange as well, though Pigeonhole and Cyrus refuse the line.
    auth_command = re.compile(r'AUTHENTICATE +(?:"[^"]*"|[^\s"]+)(?: +|\Z)', re.IGNORECASE)
    response_quote = '"'
    starttls_command = b"STARTTLS\r\n"
    starttls_code = "OK"
    code_grammar = re.compile(r"OK|NO|BYE|\+", re.IGNORECASE)
    codes_told = "OK, NO, BYE or +"
    status_grammar = re.compile(
        r'\((?:[^\s()"\\{]+|"(?:[^"\\]|\\.)*")(?: +(?:[^\s()"\\]+|"(?:[^"\\]|\\.)*"|\([^()"]*\)))* *\)'
    )
    status_like = re.compile(r'\((?:"(?:[^"\\]|\\.)*"?|\([^()"]*\)|[^()"])*\)?')
    head_at = -1
    refusal_codes = ("NO", "BYE")
    going_away_code = "BYE"
    capability_command = "CAPABILITY"
    login_commands = frozenset({"AUTHENTICATE", RESPONSE.to})
    shown_before_login = frozenset({"STARTTLS", "SASL", "AUTH", "SIEVE", "IMPLEMENTATION", "VERSION"})
    greets_after_tls = True
    service = "sieve"
    line_rule = "RFC 5804 section 1.1"
    literal_rule = "RFC 5804 section 4"
    foreign: ClassVar[Mapping[str, str]] = {
        "data": "a script is sent by 'send' with 'literal'",
        "bdat": "a script is sent by 'send' with 'literal'",
        "expect_each": "a command has one reply, which 'expect' reads",
        "expect_line": "a reply is read whole, by 'expect'",
        "tag": "only IMAP has tags",
        "untagged": "only IMAP has untagged data; 'has' looks at every line of a reply",
        "until": "a ManageSieve reply says itself where it ends",
        "message": "a message is fetched by IMAP or POP3, in a session of its own",
    }

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        # Of a reply that is not whole.
        self._lines: list[bytes] = []
        self._found: list[Literal] = []
        # Of the server.
        self._shown: SieveReply | None = None  # the reply with its capabilities
        self._capabilities: Mapping[str, tuple[str, ...]] | None = None

    # From the server.

    def next(self) -> Event | None:
        """See `Machine.next`. A reply ends with a line `OK`, `NO` or `BYE` (RFC 5804 section 4)."""
        while (taken := self._folded_line()) is not None:
            line, literals = taken
            if head := _HEAD.match(line):
                return self._whole(head[1].decode("ascii").upper(), line, head.end(), literals)
            items = read_items(line, literals)
            if fault := self._fault(line, literals, is_listing=bool(items) and items[0].is_string):
                self._refuse(line, fault)
                break
            if len(items) == 1 and self._is_challenge_due:
                return self._challenged(items[0].content)
            self._found += _moved(literals, len(self._lines), 0)
            self._lines.append(line)
        refused, self._refused = self._refused, None
        return refused

    def _fault(self, line: bytes, literals: Sequence[Literal], *, is_listing: bool) -> str:
        if not is_listing:
            if line[:1] in (b'"', b"{"):
                return _NO_STRINGS
            return _NO_BLANK if _GLUED.match(line) else _NO_CODE
        if len(self._lines) >= self.limits.lines:
            return f"a reply of more than {self.limits.lines} lines"
        is_read_here = bool(self.owed) and self.owed[0] in (GREETING, _CAPABILITY, _AUTH, RESPONSE)
        if is_read_here and not all(one.is_whole for one in literals):
            return f"a reply of more than {self.limits.reply} bytes (limit 'reply')"
        return ""

    @property
    def _is_challenge_due(self) -> bool:
        return self.in_auth and not self._lines and bool(self.owed) and self.owed[0] in (_AUTH, RESPONSE)

    def _challenged(self, content: bytes) -> SieveReply:
        """Give out a challenge; what was sent since the response before is read as the response to it."""
        owed = self.owed.pop(0)
        self._release_all()
        if self.owed:
            self.owed[0] = RESPONSE
        else:
            self.challenge = content
        return SieveReply(self.challenge_code, [content], owed, "", is_challenge=True, head_at=0)

    def _whole(self, code: str, line: bytes, size: int, literals: list[Literal]) -> SieveReply:
        text, rest = quote_literals(line[size:], _moved(literals, len(self._lines), size))
        owed = self.owed.pop(0) if self.owed else None
        status = decode(text[: response_code_size(text)])
        found = tuple(self._found + rest)
        reply = SieveReply(code, [*self._lines, text], owed, status, head_at=-1, literals=found)
        self._lines, self._found = [], []
        self._release_all()
        self.said_goodbye |= code == "BYE"
        if owed is not None and (follow := self._FOLLOWS.get(owed.to)) is not None:
            follow(self, reply)
        return reply

    # What a reply changes, by what it answers.

    def _greeting_read(self, reply: SieveReply) -> None:
        self.greeted = True
        self._capabilities_read(reply)

    def _capabilities_read(self, reply: SieveReply) -> None:
        if reply.code == "OK":
            self._shown, self._capabilities = reply, None

    def _auth_answered(self, _reply: SieveReply) -> None:
        """Note the end of an exchange: what was sent as a response to more challenges is read as commands."""
        self.in_auth, self.challenge = False, None
        for at, one in enumerate(self.owed):
            if one is _AUTH:
                self.in_auth = True
                return
            if one is RESPONSE:
                self.owed[at] = CLIENT_LINE

    def _starttls_answered(self, reply: SieveReply) -> None:
        self._awaits_handshake = reply.code == self.starttls_code

    def _goodbye_answered(self, reply: SieveReply) -> None:
        self.said_goodbye = reply.code != "NO"

    _FOLLOWS: ClassVar[dict[str, Callable[[Sieve, SieveReply], None]]] = {
        GREETING.to: _greeting_read,
        "CAPABILITY": _capabilities_read,
        "AUTHENTICATE": _auth_answered,
        RESPONSE.to: _auth_answered,
        "STARTTLS": _starttls_answered,
        "LOGOUT": _goodbye_answered,
    }

    @property
    def pending(self) -> bytes:
        """See `Machine.pending`: literals shown by their marks."""
        return b"".join(b"%b\r\n" % line for line in self._lines) + super().pending

    @property
    def is_amid_reply(self) -> bool:
        """See `Machine.is_amid_reply`."""
        return bool(self._lines) or self.has_half_line

    @property
    def has_half_line(self) -> bool:
        """See `Machine.has_half_line`."""
        return super().is_amid_reply

    @property
    def line_count(self) -> int:
        """See `Machine.line_count`."""
        return len(self._lines)

    def line_so_far(self, at: int) -> bytes:
        """See `Machine.line_so_far`."""
        return self._lines[at]

    def _forget_received(self) -> None:
        super()._forget_received()
        self._lines, self._found = [], []

    # To the server.

    def opened(self) -> None:
        """See `Machine.opened`."""
        self.owed.append(GREETING)

    def _line_sent(self, line: bytes, *, is_begun: bool, awaits_go_ahead: bool) -> None:  # noqa: ARG002
        """See `LiteralMachine`: a command owes its reply from its first line on, for a server may refuse it there."""
        if is_begun:
            return
        if self.challenge is not None or (self.in_auth and line[:1] in (b'"', b"{")):
            self.challenge = None
            self.owed.append(RESPONSE)
            return
        owed = COMMANDS.get(line.partition(b" ")[0].upper(), CLIENT_LINE)
        if owed is _AUTH:
            self.in_auth = True
        self.owed.append(owed)

    def secured(self) -> None:
        """See `Machine.secured`: the server greets again (RFC 5804 section 2.2)."""
        self._shown = self._capabilities = self.challenge = None
        self.in_auth = self._awaits_handshake = False
        self._forget_sent()
        self._forget_received()
        if GREETING not in self.owed:
            self.owed.append(GREETING)

    # How the client's side is written.

    def auth_head(self, mechanism: str) -> bytes:
        """See `Machine.auth_head`."""
        return b'AUTHENTICATE "%b"' % mechanism.encode("ascii")

    def response(self, encoded: bytes, *, is_initial: bool) -> bytes:  # noqa: ARG002
        """See `Machine.response`: a quoted string, or where that is too long a literal (RFC 5804 section 4)."""
        if len(encoded) <= QUOTED_LIMIT:
            return b'"%b"' % encoded
        return self.literal_mark(len(encoded), is_sync=False) + b"\r\n" + encoded

    def literal_mark(self, size: int, *, is_sync: bool) -> bytes:  # noqa: ARG002
        """See `Machine.literal_mark`: no server is asked for its go-ahead (RFC 5804 section 4)."""
        return b"{%d+}" % size

    def last_challenge(self, reply: Reply) -> bytes | None:
        """See `Machine.last_challenge`: what the response code SASL holds (RFC 5804 section 1.3)."""
        return sasl_data(reply) if isinstance(reply, SieveReply) and reply.code == self.authenticated_code else None

    # What is known of the server.

    @property
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Machine.capabilities`: those of the last greeting or CAPABILITY; what SASL offers is AUTH, too."""
        if self._capabilities is None and self._shown is not None:
            self._capabilities = parse_capabilities(_keywords(self._shown))
        return self._capabilities


def _moved(literals: Sequence[Literal], at: int, size: int) -> list[Literal]:
    """Return literals for another place in a reply, the line shortened by `size` octets in front."""
    return [Literal(one.size, one.data, at, one.offset - size) for one in literals]


def _keywords(reply: SieveReply) -> list[bytes]:
    """Return the capabilities as keyword lines (RFC 5804 section 1.7); a name with a blank in it is none."""
    found: list[bytes] = []
    for at, line in enumerate(reply.lines[:-1]):
        name, *values = [item.content for item in read_items(line, reply.literals_of(at))]
        if len(name.split()) != 1:
            continue
        found.append(b" ".join([name, *values]))
        # An empty list offers nothing: servers show it where STARTTLS has to come first.
        if name.upper() == b"SASL" and any(value.strip() for value in values):
            found.append(b" ".join([b"AUTH", *values]))
    return found
