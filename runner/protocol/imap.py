"""IMAP (RFC 9051, RFC 3501), client side, without I/O.

The machine makes the tags. A reply is a tagged line with the untagged ones that have come since the last reply, or a
continuation request, which leaves its command owed. Replies are given out in the order of the commands, whatever
order they come in. What is sent while a command waits for its `+` is read once the server has said what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from runner.protocol.base import CLIENT_LINE, PROMISED, Event, Limits, Owed
from runner.protocol.capabilities import parse_capability_words
from runner.protocol.fetched import Fetched
from runner.protocol.imap_fetch import read_fetched
from runner.protocol.imap_grammar import (
    AUTHENTICATE,
    GREETING,
    IDLE,
    LOGOUT,
    STARTTLS,
    STATUS,
    TAG,
    UNREADABLE,
    capability_words,
    command_in,
    has_initial,
    response_code,
)
from runner.protocol.literals import LiteralMachine
from runner.protocol.reply import LineReply, Literal, Reply, decode

_OWN_TAG = re.compile(rb"A[0-9]+")
_ENDS_WITH_LITERAL = re.compile(rb"\{[0-9]+\+?\}\Z")
_MARK_SIZE = 32  # so much of what was sent shows such an end
_TAG_WRITTEN = re.compile(r"[A-Za-z]{0,4}[0-9]{1,6}")


class _Command:
    """A command under way: its tag, and replies to it that wait for those to commands before it."""

    __slots__ = ("has_initial", "held", "is_over", "owed", "tag")

    def __init__(self, owed: Owed, tag: bytes | None, *, has_initial: bool = False) -> None:
        self.owed = owed
        self.tag = tag  # None fits any
        self.has_initial = has_initial
        self.held: list[LineReply] = []
        self.is_over = False


class Imap(LiteralMachine):
    """IMAP, client side.

    Attributes:
        is_preauthenticated: whether the greeting was PREAUTH; then there is no STARTTLS (RFC 9051 section 7.1.4).
    """

    __slots__ = (
        "_asked",
        "_awaiting",
        "_capabilities",
        "_commands",
        "_current",
        "_held_size",
        "_number",
        "_untagged",
        "_untagged_literals",
        "_words",
        "is_preauthenticated",
    )

    name = "imap"
    service = "imap"
    goodbye = b"LOGOUT\r\n"
    capability_command = "CAPABILITY"
    login_commands = frozenset({"LOGIN", "AUTHENTICATE"})
    shown_before_login = frozenset({"STARTTLS", "LOGINDISABLED", "AUTH", "SASL-IR", "IMAP4REV1", "IMAP4REV2"})
    challenge_code = "+"
    authenticated_code = "OK"
    auth_command = re.compile(r"AUTHENTICATE +\S+(?: +|\Z)", re.IGNORECASE)
    starttls_command = b"STARTTLS\r\n"
    starttls_code = "OK"
    code_grammar = re.compile(r"OK|NO|BAD|BYE|PREAUTH|\+", re.IGNORECASE)
    codes_told = "a code such as OK, NO or BAD"
    # U+FFFC stands for a placeholder: a status is written out.
    status_grammar = re.compile(r'\[[^\s\[\](){%*"\\\ufffc][^\]\ufffc]*\]')
    status_like = re.compile(r"\[[^\]]*\]?")
    password_at = re.compile(r'(?:\S+ +)?LOGIN +(?:"(?:[^"\\]|\\.)*"|\S+) +(.+)', re.IGNORECASE | re.DOTALL)
    refusal_codes = ("NO", "BAD", "BYE")
    going_away_code = "BYE"
    head_at = -1
    has_tags = True
    line_rule = "RFC 9051 section 2.2"
    foreign: ClassVar[Mapping[str, str]] = {
        "data": "a message is stored by APPEND, its text under 'literal'",
        "bdat": "a message is stored by APPEND, its text under 'literal'",
        "expect_each": "only a message sent by LMTP or with PRDR has a reply for each recipient",
        "expect_line": "untagged lines are awaited by 'expect: untagged'",
        "until": "an IMAP reply says itself where it ends",
    }

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        # Of the server.
        self._untagged: list[bytes] = []  # since the last reply
        self._untagged_literals: list[Literal] = []
        self._words: list[bytes] | None = None  # of the last capability list
        self._capabilities: Mapping[str, tuple[str, ...]] | None = None
        self._held_size = 0
        self.is_preauthenticated = False
        # Of what was sent.
        self._commands: list[_Command] = []  # one for each that is owed
        self._current: _Command | None = None  # the last one begun
        self._awaiting: _Command | None = None  # waits for a `+`
        self._asked: _Command | None = None  # has had it, and the next line is its own
        self._number = 0

    # From the server.

    def next(self) -> Event | None:
        """See `Machine.next`."""
        while self._refused is None:
            if (commands := self._queue) and commands[0].held:
                return self._give(commands[0])
            if self._awaits_handshake or (folded := self._folded_line()) is None:
                break
            if (reply := self._read(*folded)) is not None:
                return reply
        refused, self._refused = self._refused, None
        return refused

    @property
    def _queue(self) -> list[_Command]:
        """The commands under way, without those whose replies somebody has struck out of `owed`."""
        if len(self._commands) > len(self.owed):
            del self._commands[len(self.owed) :]
            self._forget_unowed()
        return self._commands

    def _forget_unowed(self) -> None:
        """Forget what was put off until the reply to a command that is no more owed."""
        if self._asked not in self._commands:
            self._asked = self.challenge = None
        if self._awaiting is not None and self._awaiting not in self._commands:
            self._awaiting, self.in_auth = None, False
            self._forget_sent()

    def _read(self, line: bytes, literals: list[Literal]) -> LineReply | None:
        """Read a line; what it makes is held by its command, or returned where there is none."""
        if self._is_greeting_due:
            self._read_greeting(line)
        elif line.startswith(b"* "):
            return self._read_untagged(line, literals)
        elif line.startswith(b"+"):
            self._read_request(line)
        else:
            self._read_completion(line)
        return None

    @property
    def _is_greeting_due(self) -> bool:
        return bool(self.owed) and self.owed[0] is GREETING

    def _is_text(self, line: bytes) -> bool:
        """Only untagged data has literals; a status response ends with text for people (RFC 9051 section 9)."""
        return self._is_greeting_due or not line.startswith(b"* ") or STATUS.fullmatch(line, 2) is not None

    def _read_greeting(self, line: bytes) -> None:
        found = STATUS.fullmatch(line, 2) if line.startswith(b"* ") else None
        code = found[1].upper() if found else b""
        if found is None or code not in (b"OK", b"PREAUTH", b"BYE"):
            self._refuse(line, "not a greeting: '* OK', '* PREAUTH' or '* BYE' is due (RFC 9051 section 7.1)")
            return
        self.greeted = True
        self.is_preauthenticated, self.said_goodbye = code == b"PREAUTH", code == b"BYE"
        self._complete(self._queue[0], code, found[2] or b"")

    def _read_untagged(self, line: bytes, literals: list[Literal]) -> LineReply | None:
        status = STATUS.fullmatch(line, 2)
        if status is not None:
            code, text = status[1].upper(), status[2] or b""
            if code == b"BYE" and not any(one.owed is LOGOUT for one in self._queue):
                return self._take_leave(text)
            if code == b"BAD" and (unreadable := self._first(UNREADABLE, PROMISED)) is not None:
                self._complete(unreadable, code, text)
                return None
            self._learn(text)
        elif line == b"* ":
            self._refuse(line, "not a response: data is due after '* ' (RFC 9051 section 2.2.2)")
            return None
        elif (words := capability_words(line[2:])) is not None:
            self._words, self._capabilities = words, None
        self._keep(line, literals)
        return None

    def _take_leave(self, text: bytes) -> LineReply | None:
        """Take a BYE that nobody asked for: it answers what is owed first (RFC 9051 section 7.1.5)."""
        self.said_goodbye = True
        if not self._queue:
            return self._reply(b"BYE", text, None)
        self._complete(self._queue[0], b"BYE", text)
        return None

    def _keep(self, line: bytes, literals: list[Literal]) -> None:
        at = len(self._untagged)
        if at >= self.limits.lines:
            self._refuse(line, f"more than {self.limits.lines} untagged lines, with no tagged one between them")
            return
        self._untagged.append(line)
        self._untagged_literals += [Literal(one.size, one.data, at, one.offset) for one in literals]

    def _read_request(self, line: bytes) -> None:
        """Read a continuation request (RFC 9051 section 7.6); some servers send a `+` alone."""
        if line[1:2] not in (b"", b" "):
            self._refuse(line, "not a response: a blank is due after '+' (RFC 9051 section 7.6)")
            return
        command = self._awaiting or self._first(CLIENT_LINE, UNREADABLE, PROMISED)
        if command is None:
            self._refuse(line, "a '+' that nothing asked for (RFC 9051 section 7.6)")
            return
        self._awaiting = None
        is_literal = self._is_undecided and self._is_continued
        is_challenge = command.owed is AUTHENTICATE and not is_literal
        if is_challenge:
            self.challenge = line[2:]
        if not is_literal:
            self._asked = command
        if is_challenge:
            self._release(len(line))
            self._hold(command, LineReply("+", [line[2:]], command.owed, is_challenge=True, head_at=-1))
        else:
            self._hold(command, self._reply(b"+", line[2:], command.owed))
        self._decided()

    def _read_completion(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        command, status = self._tagged(tag), STATUS.fullmatch(rest)
        if command is not None and status is not None and status[1].upper() in (b"OK", b"NO", b"BAD"):
            self._complete(command, status[1].upper(), status[2] or b"")
        elif command is not None:
            self._refuse(line, "no completion: OK, NO or BAD is due after a tag (RFC 9051 section 7.1)")
        elif TAG.fullmatch(tag) and status is not None:
            due = next((one.tag for one in self._queue if one.tag and _OWN_TAG.fullmatch(one.tag)), None)
            missing = f"the next is {decode(due)}" if due else "none is under way"
            self._refuse(line, f"a tag that no command waits for, {missing} (RFC 9051 section 2.2.2)")
        else:
            self._refuse(line, "not a response: '* ', '+' or a command's tag is due (RFC 9051 section 2.2.2)")

    def _tagged(self, tag: bytes) -> _Command | None:
        """Return the command that a tag belongs to: one that has it, else what the author says is owed."""
        for one in self._queue:
            if one.tag == tag and tag and not one.is_over:
                return one
        return self._first(PROMISED) if TAG.fullmatch(tag) else None

    def _first(self, *kinds: Owed) -> _Command | None:
        """Return the first command under way that is one of these, by identity."""
        return next((one for one in self._queue if not one.is_over and any(one.owed is kind for kind in kinds)), None)

    def _complete(self, command: _Command, code: bytes, text: bytes) -> None:
        """Make a command's last reply, and forget what waited for it."""
        self._hold(command, self._reply(code, text, command.owed))
        command.is_over = True
        if command.owed is AUTHENTICATE:
            self.in_auth, self.challenge = False, None
        elif command.owed is LOGOUT:
            self.said_goodbye = code == b"OK"
        if self._asked is command:
            self._asked = None
        if self._awaiting is command:
            self._awaiting = None
            self._forget_literal()
            self._decided()

    def _reply(self, code: bytes, text: bytes, owed: Owed | None) -> LineReply:
        """Make a reply of a line with a code and the untagged ones before it."""
        self._learn(text)
        lines, literals = self._untagged, tuple(self._untagged_literals)
        self._untagged, self._untagged_literals = [], []
        self._release_all()
        lines.append(text)
        enhanced = decode(response_code(text))
        return LineReply(code.decode("ascii"), lines, owed, enhanced, head_at=-1, literals=literals)

    def _hold(self, command: _Command, reply: LineReply) -> None:
        """Keep a reply until those before it are given out; together no more than one may have."""
        command.held.append(reply)
        self._held_size += _size(reply)
        if command is not self._queue[0] and self._held_size > self.limits.reply:
            reason = f"more than {self.limits.reply} bytes of replies that came before an earlier one (limit 'reply')"
            self._refuse(b"", reason)

    def _give(self, command: _Command) -> LineReply:
        reply = command.held.pop(0)
        self._held_size -= _size(reply)
        if command.is_over and not command.held:
            del self._commands[0], self.owed[0]
            # What comes in clear text now is not read: who makes the handshake must find it (RFC 9051 section 6.2.1).
            self._awaits_handshake = command.owed is STARTTLS and reply.code == self.starttls_code and not self.owed
        return reply

    def _learn(self, text: bytes) -> None:
        """Learn from a response code what the server can do."""
        if text.startswith(b"[") and (words := capability_words(response_code(text)[1:-1])) is not None:
            self._words, self._capabilities = words, None

    def untagged(self, start: int = 0) -> list[str]:
        """See `Machine.untagged`; those before `start` are left out."""
        literals = tuple(
            Literal(one.size, one.data, one.at - start, one.offset)
            for one in self._untagged_literals
            if one.at >= start
        )
        return LineReply("", self._untagged[start:], literals=literals).untagged

    def drop_untagged(self, count: int) -> None:
        """See `Machine.drop_untagged`."""
        gone = [one for one in self._untagged_literals if one.at < count]
        left = self._untagged_literals[len(gone) :]
        self._release(sum(map(len, self._untagged[:count])), gone)
        del self._untagged[:count]
        self._untagged_literals = [Literal(one.size, one.data, one.at - count, one.offset) for one in left]

    def _forget_received(self) -> None:
        super()._forget_received()
        self._untagged, self._untagged_literals = [], []

    # To the server.

    def opened(self) -> None:
        """See `Machine.opened`."""
        self._owe(_Command(GREETING, None))

    def _owe(self, command: _Command) -> None:
        self._queue.append(command)
        self.owed.append(command.owed)

    def sent(self, data: bytes) -> None:
        """See `Machine.sent`."""
        self._awaits_handshake = False
        super().sent(data)

    @property
    def _takes_literals(self) -> bool:
        return self._asked is None

    def _line_sent(self, line: bytes, *, is_begun: bool, awaits_go_ahead: bool) -> None:
        """See `LiteralMachine`. A line that the server asked for earns nothing: its command is owed already."""
        if is_begun:
            command = self._current
        elif self._asked is not None:
            command, self._asked, self.challenge = self._asked, None, None
            awaits_go_ahead = command.owed is AUTHENTICATE
        else:
            command = self._current = self._begun(line)
            awaits_go_ahead = awaits_go_ahead or (command.owed in (AUTHENTICATE, IDLE) and not self._is_continued)
        if awaits_go_ahead and command is not None and not command.is_over and command in self._queue:
            self._awaiting, self._is_undecided = command, True

    def _begun(self, line: bytes) -> _Command:
        """Take a command's first line: its first word is the tag, as the server sees it."""
        tag, _, rest = line.partition(b" ")
        owed = command_in(rest) if rest.strip() and TAG.fullmatch(tag) else UNREADABLE
        command = _Command(owed, tag, has_initial=has_initial(rest))
        self._owe(command)
        self.in_auth = self.in_auth or owed is AUTHENTICATE
        return command

    def lead(self, line: bytes) -> bytes:
        """See `Machine.lead`: a tag, unless the line goes on with a command that was sent."""
        if self._goes_on(line.rstrip(b"\r\n")):
            return b""
        self._number += 1
        return b"A%d " % self._number

    def _goes_on(self, line: bytes) -> bool:
        if early := self._undecided[-_MARK_SIZE:]:
            # Of what was sent before it was asked for, nothing but a literal or half a line is gone on with.
            return not early.endswith(b"\n") or _ENDS_WITH_LITERAL.search(early.rstrip(b"\r\n")) is not None
        command = self._asked or self._awaiting
        if self.is_amid_line or command is None:
            return self.is_amid_line
        if command.owed is IDLE:
            return line.upper() == b"DONE"
        # With the response in its own line it asks for nothing more, as far as anybody knows before the reply.
        return command is self._asked or not command.has_initial

    @property
    def amid(self) -> str:
        """See `Machine.amid`."""
        is_idle = any(one.owed is IDLE and not one.is_over for one in self._queue)
        return super().amid or ("IDLE" if is_idle else "")

    @property
    def still_open(self) -> tuple[str, str] | None:
        """See `Machine.still_open`: an IDLE that has had its `+` (RFC 9051 section 6.3.13)."""
        return ("IDLE", "DONE") if self._asked is not None and self._asked.owed is IDLE else None

    def owe(self, replies: int, counted: int) -> None:
        """See `Machine.owe`."""
        super().owe(replies, counted)
        queue = self._queue
        queue += [_Command(owed, None) for owed in self.owed[len(queue) :]]

    def _redeem(self, counted: int) -> None:
        """See `LiteralMachine`; the commands are in step with what is owed."""
        found = [self._commands.pop() for _ in range(len(self._commands) - counted)]
        for at in range(counted):
            if found and self._commands[at].owed is PROMISED:
                self._commands[at] = found.pop()
        self.owed[:] = [one.owed for one in self._commands]
        self._forget_unowed()

    def auth_head(self, mechanism: str) -> bytes:
        """See `Machine.auth_head`."""
        return b"AUTHENTICATE " + mechanism.encode("ascii")

    def takes_initial(self, size: int) -> bool:  # noqa: ARG002
        """See `Machine.takes_initial`: RFC 4959 has it, and so has RFC 9051; nobody else is asked to read it."""
        return not (self.capabilities or {}).keys().isdisjoint(("SASL-IR", "IMAP4REV2"))

    def literal_mark(self, size: int, *, is_sync: bool) -> bytes:
        """See `Machine.literal_mark`."""
        return b"{%d}" % size if is_sync else b"{%d+}" % size

    @classmethod
    def slip_in(cls, line: str) -> tuple[str, str] | None:
        """See `Machine.slip_in`: a tag that the author has written, which would be read as the command."""
        tag, _, rest = line.partition(" ")
        if not _TAG_WRITTEN.fullmatch(tag) or command_in(rest.encode()) is CLIENT_LINE:
            return None
        return f"'{tag}' is a tag, and the runner writes those", "leave it out"

    def fetched(self, reply: Reply) -> list[Fetched]:
        """See `Machine.fetched`."""
        return read_fetched(reply) if isinstance(reply, LineReply) else []

    # The connection.

    def secured(self) -> None:
        """See `Machine.secured`. Only the numbers of the tags go on, and what is owed."""
        self._words = self._capabilities = self.challenge = None
        self._asked = self._awaiting = self._current = None
        self.in_auth = self._awaits_handshake = False
        self._forget_sent()
        self._forget_received()

    @property
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Machine.capabilities`: those of the last list, whether it came as data or as a response code."""
        if self._capabilities is None and self._words is not None:
            self._capabilities = parse_capability_words(self._words)
        return self._capabilities


def _size(reply: LineReply) -> int:
    return sum(map(len, reply.lines)) + sum(len(one.data) for one in reply.literals)
