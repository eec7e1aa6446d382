"""Any line protocol (`tcp`), client side, without I/O: what a server says are lines, and no more is known of them.

Each line is a reply of its own without a code; LF ends it, and a CR before that. Each line of the client's earns one.
Where an answer has more lines the key `until` says so, and its step takes them one after the other.

What was owed for a line must not depend on when it came. So what comes before the client has sent anything is known
by its place: the first line is a greeting, for a server may greet and need not, and none is missed where it doesn't.
A step that speaks first meets it as its answer, whether it came before or after. Everything else that outnumbers the
client's lines answers nothing: it is the rest of an answer whose step still reads, or else left over, which fails
the next step that sends; if it comes only after that, it takes the place of an answer and leaves that one over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from runner.protocol.base import CLIENT_LINE, Event, Limits, LineReply, Machine, Owed

GREETING = Owed("greeting")
_NEVER = re.compile(r"(?!)")
# Is no reply's code; they have the empty one.
_NO_CODE = "none"


class Tcp(Machine):
    """Any line protocol, client side."""

    __slots__ = ("_may_greet",)

    name = "tcp"
    goodbye = b""
    has_codes = False
    knows_ends = False
    code_grammar = status_grammar = status_like = auth_command = _NEVER
    codes_told = "a pattern for the line"
    refusal_codes = ()
    going_away_code = challenge_code = authenticated_code = starttls_code = _NO_CODE
    starttls_command = b""
    line_rule = ""
    capability_command = ""
    foreign: ClassVar[Mapping[str, str]] = {
        "auth": "write the exchange as lines, each with 'send' and 'expect'",
        "starttls": "send the protocol's command and expect its go-ahead, then 'tls:'",
        "capabilities": "send the protocol's command and judge its answer by 'has' and 'lacks'",
        "data": "send the lines, or all of them by 'bytes' and 'replies'",
        "bdat": "only SMTP and LMTP have chunks; exact octets are sent by 'bytes'",
        "expect_each": "only LMTP has a reply for each recipient",
        "expect_line": "each line is a reply: 'expect' reads one",
        "literal": "only IMAP and ManageSieve have literals; exact octets are sent by 'bytes'",
        "tag": "only IMAP has tags",
        "untagged": "only IMAP has untagged data",
        "message": "a message is fetched by IMAP or POP3",
    }

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        self._may_greet = True

    def next(self) -> Event | None:
        """See `Machine.next`. A reply is one line."""
        line = self._line() if self._buffer else None
        if line is not None and len(line) <= self.limits.reply:
            return self._reply(line)
        if line is not None:
            self._refuse(line, f"a reply of more than {self.limits.reply} bytes (limit 'reply')")
        refused, self._refused = self._refused, None
        return refused

    def _reply(self, line: bytes) -> LineReply:
        is_greeting, self._may_greet = self._may_greet, False
        self.greeted = True
        if is_greeting:
            return LineReply("", [line], GREETING)
        return LineReply("", [line], self.owed.pop(0) if self.owed else None)

    def _odd_line(self, line: bytes) -> bytes:
        """No rule is known that a line end could break."""
        return line.removesuffix(b"\r")

    def opened(self) -> None:
        """See `Machine.opened`. Nothing is owed: most line protocols have no greeting."""

    def sent(self, data: bytes) -> None:
        """See `Machine.sent`. Who speaks first waits for no greeting."""
        if data:
            self._may_greet, self.greeted = False, True
        self.owed.extend([CLIENT_LINE] * data.count(b"\n"))

    def secured(self) -> None:
        """See `Machine.secured`."""
        self._forget_received()

    @property
    def may_say_goodbye(self) -> bool:
        """See `Machine.may_say_goodbye`: none is known."""
        return False

    @property
    def capabilities(self) -> None:
        """See `Machine.capabilities`: none can be read."""
        return None
