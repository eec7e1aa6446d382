"""SMTP (RFC 5321) and LMTP (RFC 2033), client side, without I/O.

The queue of owed replies follows the wire: one for the greeting, each command, message, BDAT chunk and AUTH
response; in LMTP one for each accepted recipient after the dot. Where the meaning of what is sent depends on
a reply that has not come (lines after DATA or AUTH), it waits until that reply tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from runner.protocol.base import QUOTED_BYTES, Event, Limits, Machine, Malformed, Owed, Reply

_STATUS = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_BDAT = re.compile(rb"BDAT +([0-9]{1,19})(?: +LAST)? *\Z", re.IGNORECASE)
_AUTH_NAME = re.compile(r"AUTH=(.*)", re.DOTALL)

_GREETING = Owed("greeting")
_MESSAGE = Owed("message")
_RESPONSE = Owed("AUTH response")
_COMMANDS = {
    word.encode(): Owed(word)
    for word in "EHLO LHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT AUTH STARTTLS VRFY EXPN HELP ETRN".split()
}
# Commands whose reply decides how the server reads what follows them.
_DECIDING = frozenset({_COMMANDS[b"DATA"], _COMMANDS[b"AUTH"], _RESPONSE})
_HELLO = frozenset({"EHLO", "LHLO", "HELO"})


class Smtp(Machine):
    """SMTP, client side."""

    name = "smtp"
    goodbye = b"QUIT\r\n"
    challenge_code = "334"
    authenticated_code = "235"
    auth_command = re.compile(r"AUTH +\S+(?: +|\Z)", re.IGNORECASE)
    starttls_command = b"STARTTLS\r\n"
    starttls_code = "220"
    code_grammar = re.compile(r"[2-5x][0-9x][0-9x]")
    status_grammar = re.compile(r"[245x*]\.(?:[0-9]{1,3}|x|\*)(?:\.(?:[0-9]{1,3}|x|\*))?")

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        self._code = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._unread_commands = bytearray()  # sent, its meaning not known yet
        self._half_line = bytearray()  # sent, without its end
        self._tail = b""  # the end of what was sent of a message, to find CRLF.CRLF across writes
        self._chunk_left = 0  # octets of a BDAT chunk that are still due
        self._answered_early = 0  # replies that came while the message was being written
        self._hello: Reply | None = None
        self._parsed: Mapping[str, tuple[str, ...]] | None = None

    # From the server.

    def next(self) -> Event | None:
        """See `Machine.next`. A reply is lines `NNN-text` and a last `NNN text` or `NNN` (RFC 5321 section 4.2)."""
        while not self._broken:
            line = self._line()
            if line is None:
                return None
            if isinstance(line, Malformed):
                return line
            code, separator = line[:3], line[3:4]
            if fault := self._fault(line, code, separator):
                return self._refuse(line[:QUOTED_BYTES], fault)
            self._lines.append(line[4:])
            if separator != b"-":
                return self._whole(code.decode("ascii"))
            self._code = code
            self._size += len(line)
        return None

    def _fault(self, line: bytes, code: bytes, separator: bytes) -> str:
        if not (len(code) == 3 and code.isdigit() and b"2" <= code[:1] <= b"5"):
            return "not a reply: three digits from 200 to 599 are due (RFC 5321 section 4.2)"
        if separator not in (b"", b" ", b"-"):
            return "not a reply: a blank or a hyphen is due after the code (RFC 5321 section 4.2)"
        if self._code and code != self._code:
            before = self._code.decode("ascii")
            return f"a reply whose lines carry different codes, {before} and {code.decode('ascii')}"
        if self._size + len(line) > self.limits.reply:
            return f"a reply of more than {self.limits.reply} bytes (limit 'reply')"
        if len(self._lines) >= self.limits.lines:
            return f"a reply of more than {self.limits.lines} lines (limit 'reply')"
        return ""

    def _whole(self, code: str) -> Reply:
        lines, self._lines, self._code, self._size = self._lines, [], b"", 0
        reply = Reply(code, lines, self._answers(code))
        status = _STATUS.match(lines[0])
        if status and lines[0][:1] == code[:1].encode():
            reply.enhanced = status[1].decode("ascii")
        if reply.owed is not None:
            self._answered(reply.owed, reply)
        return reply

    def _answers(self, code: str) -> Owed | None:
        if self.owed:
            return self.owed.popleft()
        if self.in_message and code[0] != "3":
            self._answered_early += 1
            return _MESSAGE
        return None

    def _answered(self, owed: Owed, reply: Reply) -> None:
        """Follow what the reply changes, then read the lines whose meaning waited for it."""
        to, code = owed.to, reply.code
        if to == "greeting":
            self.greeted = True
        elif to in _HELLO and code[0] == "2":
            self._hello, self._parsed = reply, None
            self._transaction_ended()
        elif to == "DATA" and code == "354":
            self.in_message, self._tail = True, b"\r\n"
        elif to in ("AUTH", "AUTH response"):
            self.in_auth = code == "334"
            self.challenge = reply.lines[0] if self.in_auth else None
            reply.is_challenge = self.in_auth
        elif to == "QUIT" and code[0] == "2":
            self.said_goodbye = True
        else:
            self._noted(owed, code)
        if self._unread_commands and owed in _DECIDING:
            waiting, self._unread_commands = bytes(self._unread_commands), bytearray()
            self.sent(waiting)

    def _noted(self, owed: Owed, code: str) -> None:
        """A seam for LMTP: a reply that changes nothing in SMTP."""

    def _transaction_ended(self) -> None:
        """A seam for LMTP: MAIL, RSET, a hello or a message ended the transaction."""

    # To the server.

    def opened(self) -> None:
        """See `Machine.opened`."""
        self.owed.append(_GREETING)

    def sent(self, data: bytes) -> None:
        """See `Machine.sent`."""
        while data:
            if self._is_undecided:
                self._unread_commands += data
                return
            if self._chunk_left:
                data = self._sent_chunk(data)
            elif self.in_message:
                data = self._sent_message(data)
            else:
                data = self._sent_line(data)

    @property
    def _is_undecided(self) -> bool:
        return bool(self.owed) and self.owed[-1] in _DECIDING

    def _sent_line(self, data: bytes) -> bytes:
        line, end, rest = data.partition(b"\n")
        if not end:
            self._half_line += data
            return b""
        if self._half_line:
            line, self._half_line = bytes(self._half_line) + line, bytearray()
        self._command(line.rstrip(b"\r"))
        return rest

    def _command(self, line: bytes) -> None:
        if self.challenge is not None:
            self.challenge = None
            self.owed.append(_RESPONSE)
            return
        word = line[:4].upper()
        if word == b"STAR":
            word = line.upper().rstrip()
        owed = _COMMANDS.get(word) or Owed(line.split(b" ", 1)[0][:32].decode("ascii", "replace").upper())
        if word == b"AUTH":
            self.in_auth = True
        elif word == b"BDAT" and (chunk := _BDAT.match(line)):
            self._chunk_left = int(chunk[1])
            if self._chunk_left:
                return
        self._owe_for(owed, line)

    def _owe_for(self, owed: Owed, line: bytes) -> None:  # noqa: ARG002 -- LMTP wants the line
        self.owed.append(owed)

    def _sent_chunk(self, data: bytes) -> bytes:
        taken = min(len(data), self._chunk_left)
        self._chunk_left -= taken
        if not self._chunk_left:
            self.owed.append(_COMMANDS[b"BDAT"])
        return data[taken:]

    def _sent_message(self, data: bytes) -> bytes:
        """Look for the end of the message, CRLF.CRLF (RFC 5321 section 4.1.1.4), over the borders of writes."""
        joined = self._tail + data
        end = joined.find(b"\r\n.\r\n")
        if end < 0:
            self._tail = joined[-4:]
            return b""
        rest = joined[end + 5 :]
        self.in_message, self._tail = False, b""
        self._message_ended()
        return rest

    def _message_ended(self) -> None:
        self._owe_message([_MESSAGE])

    def _owe_message(self, replies: list[Owed]) -> None:
        self.owed.extend(replies[self._answered_early :])
        self._answered_early = 0
        self._transaction_ended()

    def secured(self) -> None:
        """See `Machine.secured`."""
        self._hello = self._parsed = None
        self._half_line.clear()

    @property
    def may_say_goodbye(self) -> bool:
        """See `Machine.may_say_goodbye`: not while a message, a chunk, a challenge or half a line is open."""
        return (
            self.greeted
            and not self.said_goodbye
            and not self.owed
            and not (self.in_message or self.in_auth or self._chunk_left or self._half_line or self._broken)
        )

    @property
    def capabilities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Machine.capabilities`: the keywords of the last EHLO or LHLO reply (RFC 5321 section 4.1.1.1)."""
        if self._parsed is None and self._hello is not None:
            owed = self._hello.owed
            is_extended = owed is not None and owed.to != "HELO"
            self._parsed = parse_capabilities(self._hello.texts[1:]) if is_extended else {}
        return self._parsed


def parse_capabilities(lines: list[str]) -> Mapping[str, tuple[str, ...]]:
    """Read EHLO keyword lines: names in upper case, parameters as written; nothing raises.

    `AUTH=LOGIN` (an old form that some servers send beside `AUTH`) is a name of its own and counts as AUTH too.

    >>> parse_capabilities(["SIZE 1000", "AUTH LOGIN", "auth=PLAIN"])
    {'SIZE': ('1000',), 'AUTH': ('LOGIN', 'PLAIN'), 'AUTH=PLAIN': ()}
    """
    found: dict[str, tuple[str, ...]] = {}

    def add(name: str, parameters: list[str]) -> None:
        known = found.get(name, ())
        found[name] = known + tuple(dict.fromkeys(word for word in parameters if word not in known))

    for line in lines:
        words = line.split()
        if not words:
            continue
        name = words[0].upper()
        if old := _AUTH_NAME.match(name):
            add("AUTH", [word for word in [old[1], *words[1:]] if word])
        add(name, words[1:])
    return found


_RECIPIENT = re.compile(rb"RCPT +TO: *<([^>]*)>", re.IGNORECASE)


class Lmtp(Smtp):
    """LMTP (RFC 2033): LHLO, and after the message one reply for each accepted recipient, in order."""

    name = "lmtp"

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        self._recipients: list[str] = []

    def _owe_for(self, owed: Owed, line: bytes) -> None:
        if owed.to == "RCPT" and (address := _RECIPIENT.match(line)):
            owed = Owed("RCPT", address[1].decode("utf-8", "backslashreplace"))
        self.owed.append(owed)

    def _noted(self, owed: Owed, code: str) -> None:
        if owed.to == "RCPT" and code[0] == "2":
            self._recipients.append(owed.recipient)
        elif owed.to in ("MAIL", "RSET") and code[0] == "2":
            self._transaction_ended()

    def _transaction_ended(self) -> None:
        self._recipients = []

    def _message_ended(self) -> None:
        # RFC 2033 section 4.2: with no accepted recipient DATA is refused with 503; if a server said 354 all the
        # same, one reply is what it can still give.
        replies = [Owed("message", recipient) for recipient in self._recipients]
        self._owe_message(replies or [_MESSAGE])
