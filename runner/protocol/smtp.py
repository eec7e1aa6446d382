"""SMTP (RFC 5321), client side, without I/O.

The queue of owed replies follows the wire: one for the greeting, each command, message, BDAT chunk and AUTH
response. Where the meaning of what is sent depends on a reply that has not come (lines after DATA or AUTH), it
waits until that reply tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from runner.protocol.base import CLIENT_LINE, Event, Limits, Owed, Reply, Torn, decode
from runner.protocol.capabilities import parse_capabilities
from runner.protocol.undecided import UndecidedMachine

# RFC 5321 section 4.2 has a second digit of 0 to 5; servers use others.
_CODES = {str(code).encode(): str(code) for code in range(200, 600)}
_STATUS = re.compile(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |\Z)")
_BDAT = re.compile(rb"BDAT[ \t]+([0-9]{1,19})([ \t]+LAST)?[ \t]*", re.IGNORECASE)
_RECIPIENT = re.compile(rb"RCPT +TO: *<([^>]*)>", re.IGNORECASE)
_WANTS_PRDR = re.compile(rb" PRDR(?= |\Z)", re.IGNORECASE)
# A message earns this, then a reply for each recipient and a last one (draft-hall-prdr-00 section 4.5).
_EACH_FOLLOWS = "353"

GREETING = Owed("greeting")
MESSAGE = Owed("message")
LAST_CHUNK = Owed("message")  # is told from MESSAGE by identity: LMTP counts its replies later
RESPONSE = Owed("AUTH response")
COMMANDS = {
    word.encode(): Owed(word)
    for word in (
        "EHLO LHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT AUTH STARTTLS VRFY EXPN HELP "
        "ETRN ATRN TURN BURL SEND SOML SAML XCLIENT XFORWARD"
    ).split()
}
_DATA, _AUTH, _CHUNK = COMMANDS[b"DATA"], COMMANDS[b"AUTH"], COMMANDS[b"BDAT"]
_MAIL, _RCPT = COMMANDS[b"MAIL"], COMMANDS[b"RCPT"]
_MAIL_WITH_PRDR = Owed("MAIL")  # is told from a MAIL without by identity
_MIXED = "a reply whose lines carry different codes, {} and {}"
# A lone dot whose line ends are not CRLF: some servers end a message there.
_LENIENT_ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r")


class Smtp(UndecidedMachine):
    """SMTP, client side."""

    __slots__ = (
        "_capabilities",
        "_chunk_left",
        "_code",
        "_earned",
        "_hello",
        "_is_prdr",
        "_lines",
        "_names_recipients",
        "_recipients",
        "_size",
        "_tail",
    )

    name = "smtp"
    goodbye = b"QUIT\r\n"
    challenge_code = "334"
    authenticated_code = "235"
    auth_command = re.compile(r"AUTH +\S+(?: +|\Z)", re.IGNORECASE)
    starttls_command = b"STARTTLS\r\n"
    starttls_code = "220"
    code_grammar = re.compile(r"[2-5x][0-9x][0-9x]")
    codes_told = "a code such as 250, 2xx or 25x"
    status_like = re.compile(r"[0-9x*]\.[0-9x*]+(?:\.[0-9x*]+)*(?= |\Z)")
    foreign: ClassVar[Mapping[str, str]] = {
        "literal": "a message is sent by 'data'",
        "tag": "only IMAP has tags",
        "untagged": "only IMAP has untagged data",
        "until": "an SMTP reply says itself where it ends",
        "message": "a message is fetched by IMAP or POP3, in a session of its own",
    }
    status_grammar = re.compile(r"[245x*]\.(?:[0-9]{1,3}|x|\*)(?:\.(?:[0-9]{1,3}|x|\*))?")
    #: Whether each recipient has a reply of its own after every message, asked for or not.
    answers_each: ClassVar[bool] = False

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        # Of a reply that is not whole.
        self._code = ""
        self._lines: list[bytes] = []
        self._size = 0
        # Of what was sent.
        self._tail = b""  # of a message, to find CRLF.CRLF across writes
        self._chunk_left = 0  # octets of a BDAT chunk that are still due
        self._earned: list[Owed] = []  # what the message or chunk under way earns once it is whole
        # Of the transaction.
        self._names_recipients = self.answers_each  # as sent; what follows is as answered
        self._is_prdr = False
        self._recipients: list[str] = []  # accepted, and not answered for
        # Of the server.
        self._hello: Reply | None = None
        self._capabilities: Mapping[str, tuple[str, ...]] | None = None

    # From the server.

    def next(self) -> Event | None:
        """See `Machine.next`. A reply is lines `NNN-text` and a last `NNN text` or `NNN` (RFC 5321 section 4.2)."""
        while self._buffer and (line := self._line()) is not None:
            code, separator = _CODES.get(line[:3], ""), line[3:4]
            if code and separator == b" " and not self._lines and len(line) <= self.limits.reply:
                return self._whole(code, [line[4:]])  # most replies are one line
            if self._code and code != self._code and code and self.owed and self.owed[0] is GREETING:
                return self._torn(line, code)
            if fault := self._fault(line, code, separator):
                self._refuse(line, fault)
                break
            self._lines.append(line[4:])
            if separator != b"-":
                lines, self._lines, self._code, self._size = self._lines, [], "", 0
                return self._whole(code, lines)
            self._code = code
            self._size += len(line)
        refused, self._refused = self._refused, None
        return refused

    def _fault(self, line: bytes, code: str, separator: bytes) -> str:
        if not code:
            return "not a reply: three digits from 200 to 599 are due (RFC 5321 section 4.2)"
        if separator not in (b" ", b"-", b""):
            return "not a reply: a blank or a hyphen is due after the code (RFC 5321 section 4.2)"
        if self._code and code != self._code:
            return _MIXED.format(self._code, code)
        if self._size + len(line) > self.limits.reply:
            return f"a reply of more than {self.limits.reply} bytes (limit 'reply')"
        if len(self._lines) >= self.limits.lines:
            return f"a reply of more than {self.limits.lines} lines"
        return ""

    def _whole(self, code: str, lines: list[bytes]) -> Reply:
        owed = self._answers(code)
        is_challenge = code == "334" and owed is not None and (owed is _AUTH or owed is RESPONSE)
        reply = Reply(code, lines, owed, _status(code, lines[0]), is_challenge)
        if owed is not None and (follow := self._FOLLOWS.get(owed.to)) is not None:
            follow(self, owed, reply)
        return reply

    def _torn(self, line: bytes, code: str) -> Torn:
        """Give the greeting up, which is followed by a reply with another code, and read that one next."""
        lines = tuple(map(self.line_so_far, range(self.line_count)))
        torn = Torn(line, _MIXED.format(self._code, code), self.owed.pop(0), lines)
        self._lines, self._code, self._size = [], "", 0
        self._buffer[:0] = line + b"\r\n"
        self.greeted = True
        return torn

    def _answers(self, code: str) -> Owed | None:
        """Take what a reply answers off the queue: what is owed, else the message or chunk that is being written."""
        if self.owed:
            return self.owed.pop(0)
        if not self._earned or code[0] == "3":
            return None
        if self._tail.endswith(_LENIENT_ENDS):
            self._message_ended()  # the server has read an end that RFC 5321 section 4.1.1.4 doesn't know
            return self.owed.pop(0)
        return self._earned.pop(0)

    # What a reply changes, by what it answers; then what was sent is read whose meaning waited for it.

    def _greeting_read(self, _owed: Owed, _reply: Reply) -> None:
        self.greeted = True

    def _hello_answered(self, _owed: Owed, reply: Reply) -> None:
        if reply.code[0] == "2":
            self._hello, self._capabilities = reply, None
            self._recipients.clear()

    def _sender_answered(self, owed: Owed, reply: Reply) -> None:
        if reply.code[0] == "2":
            self._recipients.clear()
            self._is_prdr = owed is _MAIL_WITH_PRDR

    def _recipient_answered(self, owed: Owed, reply: Reply) -> None:
        if owed.recipient is not None and reply.code[0] == "2":
            self._recipients.append(owed.recipient)

    def _data_answered(self, _owed: Owed, reply: Reply) -> None:
        if reply.code == "354":
            self.in_message, self._tail = True, b"\r\n"
            self._earned += self._message_replies()
        self._decided()

    def _message_answered(self, _owed: Owed, reply: Reply) -> None:
        if self._is_prdr and reply.code == _EACH_FOLLOWS:
            self._owe_each()

    def _auth_answered(self, _owed: Owed, reply: Reply) -> None:
        self.in_auth = reply.is_challenge
        self.challenge = reply.lines[0] if reply.is_challenge else None
        self._decided()

    def _starttls_answered(self, _owed: Owed, reply: Reply) -> None:
        self._awaits_handshake = reply.code == self.starttls_code

    def _goodbye_answered(self, _owed: Owed, reply: Reply) -> None:
        self.said_goodbye = reply.code[0] == "2"

    _FOLLOWS: ClassVar[dict[str, Callable[[Smtp, Owed, Reply], None]]] = {
        GREETING.to: _greeting_read,
        "EHLO": _hello_answered,
        "LHLO": _hello_answered,
        "HELO": _hello_answered,
        "MAIL": _sender_answered,
        "RSET": _sender_answered,
        "RCPT": _recipient_answered,
        "DATA": _data_answered,
        MESSAGE.to: _message_answered,
        "AUTH": _auth_answered,
        RESPONSE.to: _auth_answered,
        "STARTTLS": _starttls_answered,
        "QUIT": _goodbye_answered,
    }

    def _owe_each(self) -> None:
        """After a 353 there is a reply for each accepted recipient and one for all (draft-hall-prdr-00 section 4.5)."""
        self.owed[:0] = [*(Owed("message", one) for one in self._recipients), MESSAGE]
        self._recipients.clear()
        self._is_prdr = False

    @property
    def pending(self) -> bytes:
        """See `Machine.pending`."""
        code = self._code.encode("ascii")
        return b"".join(b"%b-%b\r\n" % (code, text) for text in self._lines) + super().pending

    @property
    def is_amid_reply(self) -> bool:
        """See `Machine.is_amid_reply`."""
        return bool(self._buffer or self._lines)

    @property
    def line_count(self) -> int:
        """See `Machine.line_count`."""
        return len(self._lines)

    def line_so_far(self, at: int) -> bytes:
        """See `Machine.line_so_far`."""
        return b"%b-%b" % (self._code.encode("ascii"), self._lines[at])

    def _forget_received(self) -> None:
        super()._forget_received()
        self._lines, self._code, self._size = [], "", 0

    # To the server.

    def opened(self) -> None:
        """See `Machine.opened`."""
        self.owed.append(GREETING)

    def sent(self, data: bytes) -> None:
        """See `Machine.sent`."""
        at, end = 0, len(data)
        while at < end:
            if self._is_undecided:
                self._undecided += data[at:]
                return
            if self._chunk_left:
                at = self._sent_chunk(data, at)
            elif self.in_message:
                at = self._sent_message(data, at)
            else:
                at = self._sent_line(data, at)

    def _sent_line(self, data: bytes, at: int) -> int:
        """Read `data` from `at` to the end of a line and return where the next begins; so do its two sisters."""
        end = data.find(b"\n", at)
        if end < 0:
            self._half_line += data[at:]
            return len(data)
        line = data[at:end]
        if self._half_line:
            line = bytes(self._half_line + line)
            self._half_line.clear()
        self._command(line.rstrip(b"\r"))
        return end + 1

    def _sent_chunk(self, data: bytes, at: int) -> int:
        taken = min(len(data) - at, self._chunk_left)
        self._chunk_left -= taken
        if not self._chunk_left:
            self._owe_earned()
        return at + taken

    def _sent_message(self, data: bytes, at: int) -> int:
        """Look for the end of the message, CRLF.CRLF (RFC 5321 section 4.1.1.4), over the borders of writes."""
        before = len(self._tail)
        joined = self._tail + data[at:]
        end = joined.find(b"\r\n.\r\n")
        if end < 0:
            self._tail = joined[-4:]
            return len(data)
        self._message_ended()
        return at + end + 5 - before

    def _command(self, line: bytes) -> None:
        if self.challenge is not None:
            self.challenge, self._is_undecided = None, True
            self.owed.append(RESPONSE)
            return
        owed = COMMANDS.get(line.partition(b" ")[0].upper(), CLIENT_LINE)
        if owed is _CHUNK and (chunk := _BDAT.fullmatch(line)):
            self._chunk(int(chunk[1]), is_last=bool(chunk[2]))
            return
        if owed is _DATA:
            self._is_undecided = True
        elif owed is _AUTH:
            self.in_auth = self._is_undecided = True
        elif owed is _MAIL or owed is _RCPT:
            owed = self._envelope(owed, line)
        self.owed.append(owed)

    def _envelope(self, owed: Owed, line: bytes) -> Owed:
        """Return what a MAIL or RCPT earns: recipients are named where each has a reply of its own."""
        if owed is _MAIL:
            is_prdr = _WANTS_PRDR.search(line) is not None
            self._names_recipients = is_prdr or self.answers_each
            return _MAIL_WITH_PRDR if is_prdr else owed
        if not self._names_recipients:
            return owed
        address = _RECIPIENT.match(line)
        return Owed("RCPT", decode(address[1]) if address else "")

    def _chunk(self, size: int, *, is_last: bool) -> None:
        self._chunk_left = size
        self._earned.append(LAST_CHUNK if is_last else _CHUNK)
        if not size:
            self._owe_earned()

    def _message_ended(self) -> None:
        self.in_message, self._tail = False, b""
        self._owe_earned()

    def _owe_earned(self) -> None:
        self.owed.extend(self._earned)
        self._earned.clear()

    def _message_replies(self) -> list[Owed]:
        return [MESSAGE]

    @property
    def recipients_due(self) -> tuple[str, ...]:
        """See `Machine.recipients_due`."""
        found: list[str] = []
        for one in self.owed or self._earned:
            if one.to != "message" or one.recipient is None:
                break
            found.append(one.recipient)
        return tuple(found)

    def owe(self, replies: int, counted: int) -> None:
        """See `Machine.owe`. What waits for a reply that never comes is not read at all."""
        super().owe(replies, counted)
        self._is_undecided = any(one in (_DATA, _AUTH, RESPONSE) for one in self.owed)
        if not self._is_undecided:
            self._undecided.clear()
        self._promised_size = len(self._undecided)
        self._half_line.clear()

    def secured(self) -> None:
        """See `Machine.secured`. The session begins anew, except that no greeting comes (RFC 3207 section 4.2)."""
        self._hello = self._capabilities = self.challenge = None
        self.in_auth = self.in_message = self._awaits_handshake = False
        self._forget_undecided()
        self._half_line.clear()
        self._earned.clear()
        self._recipients.clear()
        self._tail, self._chunk_left = b"", 0
        self._forget_received()

    @property
    def amid(self) -> str:
        """See `Machine.amid`."""
        return super().amid or ("a chunk" if self._chunk_left else "")

    @property
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Machine.capabilities`: the keywords of the last EHLO or LHLO that was accepted; HELO shows none."""
        if self._capabilities is None and self._hello is not None:
            is_extended = self._hello.owed is not COMMANDS[b"HELO"]
            self._capabilities = parse_capabilities(self._hello.lines[1:] if is_extended else ())
        return self._capabilities


def _status(code: str, text: bytes) -> str:
    """Return the enhanced status code that a text begins with, of the code's own class (RFC 2034 section 4)."""
    if text[1:2] != b"." or (found := _STATUS.match(text)) is None:
        return ""
    status = found[0].decode("ascii")
    return status if status[0] == code[0] else ""
