"""A conversation that is overheard: what goes by between a client and a server, read by the protocol's machine.

Pure: bytes in, and out what the other side is to get of them, at once but for three cases. What shows capabilities is
held until it is whole, for some are kept from the client; so is the answer to STARTTLS, which the client must not see
before the server's side is encrypted; and what a client says behind STARTTLS, until it is answered.
What can't be read any more is still passed on; the recording ends before it.
"""

from __future__ import annotations

import re

from runner.authoring.conversation import (
    ClientLine,
    ClientLiteral,
    ClientMessage,
    Conversation,
    Ended,
    Event,
    Secured,
    ServerReply,
)
from runner.protocol import PROTOCOLS, Limits, Machine, Malformed, Reply, decode
from runner.recording.lines import cut, line_text, line_texts, literal_text
from runner.wire import TlsFacts

#: A line, a reply or a message that is longer is no dialogue that anybody wants to read in a scenario.
MOST_KEPT = 1024 * 1024
#: Of all that one connection says so much is kept.
MOST_OF_ALL = 16 * 1024 * 1024
# Of a long reply: its first line, and its end.
_FIRST = 2048

# Replies in which capabilities stand. A greeting has them where it is no line for people.
_SHOWING = frozenset({"EHLO", "LHLO", "CAPA", "CAPABILITY", "LOGIN", "AUTHENTICATE", "AUTHENTICATE response"})
_STARTTLS = ("STARTTLS", "STLS")
_GREETS_WITH_CAPABILITIES = ("imap", "sieve")
# After these nobody knows how the server reads the next line before it has answered.
_DECIDED = re.compile(r"(?:DATA|IDLE|AUTH\b.*|AUTHENTICATE\b.*)\Z", re.IGNORECASE | re.DOTALL)
_CHUNK = re.compile(r"BDAT +([0-9]{1,19})\b", re.IGNORECASE)
_MARK = re.compile(r"\{([0-9]{1,19})(\+?)\}\Z")

# What is kept from the client. Chunks can't be told in a scenario's lines; compressed nobody can read along; to who
# pipelines before the greeting nothing can be answered in order.
_HIDDEN = frozenset({b"CHUNKING", b"BINARYMIME", b"PIPECONNECT", b"X_PIPE_CONNECT"})
_HIDDEN_WORDS = re.compile(rb" (?:COMPRESS=[A-Z]+|AUTH=[A-Z0-9-]+-PLUS)(?=[ \]\r\n])", re.IGNORECASE)
_MECHANISMS = re.compile(rb'(?:[2-5][0-9][0-9][- ]AUTH[ =]|SASL |"SASL" )', re.IGNORECASE)
# What a mechanism would bind to is the connection of the client, and not that to the server.
_BOUND = re.compile(rb"(?<![A-Z0-9-])[A-Z0-9-]+-PLUS(?![A-Z0-9-]) ?", re.IGNORECASE)

_REFUSALS = {
    "smtp": "421 4.3.0 {}",
    "lmtp": "421 4.3.0 {}",
    "pop3": "-ERR [SYS/TEMP] {}",
    "imap": "* BYE {}",
    "sieve": 'BYE "{}"',
}
_NO_TLS = {"smtp": "454 4.7.0 {}", "lmtp": "454 4.7.0 {}", "pop3": "-ERR {}", "imap": "{tag} NO {}", "sieve": 'NO "{}"'}
_UNQUOTABLE = re.compile(r'[^\x20-\x7e]|["\\]')


def refusal(protocol: str, why: str) -> bytes:
    """Return what a client is told in place of a greeting; nothing where the protocol has no words for it."""
    return _told(_REFUSALS.get(protocol, ""), why)


def _told(form: str, why: str, **more: str) -> bytes:
    return form.format(_UNQUOTABLE.sub("?", why)[:200], **more).encode("ascii") + b"\r\n" if form else b""


class Overheard:
    """One connection.

    Attributes:
        events: what was said, in order.
        lost: why it can't be read any more, empty while it can.
        broken: why both ends must be cut off, empty while they needn't.
        hidden: what was kept from the client.
    """

    def __init__(self, protocol: str) -> None:
        self.machine: Machine = PROTOCOLS[protocol](Limits(), lenient=True)
        self.events: list[Event] = []
        self.lost = self.broken = ""
        self.hidden: set[str] = set()
        self._whole = 0  # so many events are of exchanges that are over
        self._size = 0
        # Of the client.
        self._unread = bytearray()
        self._behind = b""  # what came behind STARTTLS
        self._waits = 0  # so many replies until it is known what the client's next line is
        self._message: list[str] | None = None
        self._literal_left: int | None = None
        self._literal = bytearray()
        self._is_sync = False
        self._starttls = ""  # the line that asked for it, until it is answered
        # Of the server.
        self._raw = bytearray()
        self._first = b""  # the beginning of a long reply
        self._held = bytearray()
        self._go_ahead = b""
        self._released = b""

    # The connection.

    def opened(self, facts: TlsFacts | None) -> None:
        """Take note that the server's side stands, with TLS from the first byte if there are facts."""
        if facts is not None:
            self.events.append(Secured(facts))
        self.machine.opened()

    @property
    def wants_handshake(self) -> bool:
        """Whether the server has said that TLS may begin; then `secured` or `unsecured` is due."""
        return bool(self._go_ahead)

    def secured(self, facts: TlsFacts) -> bytes:
        """Take note of the handshake with the server; return what the client is told before its own."""
        self.events.append(Secured(facts))
        self.machine.secured()
        self._settle()
        return self._answered_starttls()

    def unsecured(self, why: str) -> bytes:
        """Take note that there is no handshake with the server; return what the client is told."""
        tag = self._starttls.partition(" ")[0]
        self._answered_starttls()
        self.give_up(f"the TLS handshake with the server failed: {why}")
        return _told(_NO_TLS.get(self.machine.name, ""), "TLS is not to be had behind this proxy", tag=tag)

    def _answered_starttls(self) -> bytes:
        answer, self._go_ahead, self._starttls = self._go_ahead, b"", ""
        return answer

    def give_up(self, why: str) -> None:
        """Read no more; what is said from now on is not recorded."""
        self.lost = self.lost or why
        self._unread.clear()
        self._raw.clear()
        self._message = None

    @property
    def has_parted(self) -> bool:
        """Whether the goodbye was said and answered: nothing but the end of the connection is due."""
        return self.machine.said_goodbye and self._is_whole and not self.lost

    def ended(self, by: str) -> None:
        """Take note of the end: the `client` or the `server` has hung up."""
        if by == "server" and not self.lost and self._is_whole:
            self.events.append(Ended("server"))
            self._settle()

    # What the client says.

    def client(self, data: bytes) -> bytes:
        """Take bytes of the client; return those that go to the server."""
        if self.lost:
            return data
        if self._starttls:
            self._behind += data[:MOST_KEPT]
            return b""
        self._unread += data
        self._read()
        if not self._starttls or not self._unread:
            return data
        self._behind = bytes(self._unread)
        self._unread.clear()
        return data[: len(data) - len(self._behind)]

    def _read(self) -> None:
        """Read what can be read before the server has said more."""
        unread = self._unread
        while unread and not (self._waits or self._starttls or self.lost):
            if self._literal_left is not None:
                if not self._take_octets():
                    break
                continue
            end = unread.find(b"\n")
            if end < 0:
                break
            line = bytes(unread[: end + 1])
            del unread[: end + 1]
            if self.machine.in_message:
                self._message_line(line)
            else:
                self._line(line)
        if len(unread) > MOST_KEPT:
            self.give_up("the client says too much before it is answered, or in one line")

    def _line(self, raw: bytes) -> None:
        text = line_text(raw)
        self._keep(ClientLine(text), len(raw))
        self.machine.sent(raw)
        command = text.partition(" ")[2] if self.machine.has_tags else text
        mark = _MARK.search(text) if self.machine.has_literals else None
        if _CHUNK.match(command) and self.machine.name in ("smtp", "lmtp"):
            self.give_up("the client sends chunks (BDAT), which are not recorded")
        elif mark:
            self._literal_left, self._is_sync = int(mark[1]), not mark[2]
            self._waits = len(self.machine.owed) if self._is_sync else 0
            if self._literal_left > MOST_KEPT:
                self.give_up("the client sends a literal that is too long for a scenario")
        elif command.strip().upper() in _STARTTLS:
            self._starttls = text
        elif _DECIDED.match(command) or self.machine.in_auth:
            self._waits = len(self.machine.owed)

    def _take_octets(self) -> bool:
        """Take octets of a literal; return whether it is whole."""
        assert self._literal_left is not None
        taken = bytes(self._unread[: self._literal_left])
        del self._unread[: len(taken)]
        self._literal += taken
        self._literal_left -= len(taken)
        self.machine.sent(taken)
        if self._literal_left:
            return False
        octets, self._literal, self._literal_left = bytes(self._literal), bytearray(), None
        text = literal_text(octets)
        self._keep(ClientLiteral(text, is_sync=self._is_sync), len(octets))
        return True

    def _message_line(self, raw: bytes) -> None:
        if self._message is None:
            self._message = []
        self.machine.sent(raw)
        text = line_text(raw)
        if self.machine.in_message:
            self._message.append(text.removeprefix("."))
            self._count(len(raw))
            return
        lines, self._message = tuple(self._message), None
        self._keep(ClientMessage(lines), 0)

    def _keep(self, event: Event, size: int) -> None:
        self.events.append(event)
        self._count(size)

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MOST_OF_ALL:
            self.give_up(f"more than {MOST_OF_ALL // (1024 * 1024)} MiB were said on one connection")

    # What the server says.

    def server(self, data: bytes) -> bytes:
        """Take bytes of the server; return those that go to the client."""
        out = bytearray()
        for piece in cut(data):
            out += self._piece(piece)
        if len(self._raw) > MOST_KEPT:
            self._first = self._first or bytes(self._raw[:_FIRST]).partition(b"\n")[0]
            del self._raw[: -MOST_KEPT // 2]
        return bytes(out)

    def released(self) -> bytes:
        """Take what of the client had to wait and goes to the server now."""
        released, self._released = self._released, b""
        return released

    def _piece(self, piece: bytes) -> bytes:
        if self._go_ahead:
            self.broken = "the server has spoken in clear text behind STARTTLS (RFC 3207 section 6)"
            return b""
        if self.lost:
            return self._let_go() + piece
        is_held = bool(self._held) or self._is_to_be_held()
        self._raw += piece
        self.machine.receive(piece)
        has_heard = self._hear()
        if not is_held:
            return piece
        self._held += piece
        if self.lost:
            return self._let_go()
        if not has_heard:
            return b""
        if self.machine.awaits_handshake:
            self._go_ahead = self._let_go()
            if self._behind:
                self.broken = "the client has spoken in clear text behind STARTTLS (RFC 3207 section 4.2)"
            return b""
        return self._visible(self._let_go())

    def _is_to_be_held(self) -> bool:
        owed = self.machine.owed[0].to if self.machine.owed else ""
        if owed == "greeting":
            return self.machine.name in _GREETS_WITH_CAPABILITIES
        return owed in _SHOWING or (bool(self._starttls) and owed in _STARTTLS)

    def _let_go(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held

    def _hear(self) -> bool:
        """Read what has come; return whether a reply became whole."""
        has_heard = False
        while not self.lost and (event := self.machine.next()) is not None:
            if isinstance(event, Malformed):
                self.give_up(f"the server breaks the protocol: {event.reason}")
                break
            has_heard = True
            self._reply(event)
            self._read()
            self._settle()
        return has_heard

    def _reply(self, event: Reply) -> None:
        size = max(0, len(self._raw) - len(self.machine.pending))
        taken = bytes(self._raw[:size])
        del self._raw[:size]
        lines = line_texts(taken)
        if self._first:
            lines = lines[-1:] if self.machine.head_at == -1 else [line_text(self._first), "."]
            self._first = b""
        self._keep(ServerReply(tuple(lines)), len(taken))
        self._waits = 0 if event.code == "+" else max(0, self._waits - 1)
        is_answer = event.owed is not None and event.owed.to in _STARTTLS
        if self._starttls and is_answer and not self.machine.awaits_handshake:
            self._starttls, behind, self._behind = "", self._behind, b""
            self._released += self.client(behind) if behind else b""

    # What the client is shown.

    def _visible(self, raw: bytes) -> bytes:
        """Return a reply without what is kept from the client."""
        lines = raw.splitlines(keepends=True)
        if self.machine.name in ("smtp", "lmtp"):
            lines = self._without_keywords(lines)
        return b"".join(self._without_words(line) for line in lines)

    def _without_keywords(self, lines: list[bytes]) -> list[bytes]:
        gone = [line for line in lines[1:] if line[4:].split(b" ")[0].strip().upper() in _HIDDEN]
        if not gone:
            return lines
        self.hidden.update(decode(line[4:].strip()) for line in gone)
        kept = [line for line in lines if line not in gone]
        return [line[:3] + (b" " if line is kept[-1] else b"-") + line[4:] for line in kept]

    def _without_words(self, line: bytes) -> bytes:
        pattern = _BOUND if _MECHANISMS.match(line) else _HIDDEN_WORDS
        self.hidden.update(decode(found[0].strip()) for found in pattern.finditer(line))
        return pattern.sub(b"", line)

    # What is recorded.

    @property
    def _is_whole(self) -> bool:
        machine = self.machine
        is_amid = machine.owed or machine.in_message or machine.in_auth or self._literal_left is not None
        return not (is_amid or self._unread or self._starttls or self._waits)

    def _settle(self) -> None:
        """Take note of how much is of exchanges that are over."""
        if not self.lost and self._is_whole:
            self._whole = len(self.events)

    def conversation(self, place: tuple[str, int], source: str) -> Conversation | None:
        """Return what was said, as far as it came to its end; None if the client has said nothing."""
        events = tuple(self.events[: self._whole])
        if not any(isinstance(event, ClientLine) for event in events):
            return None
        host, port = place
        return Conversation(self.machine.name, events, host, port, source=source)

    @property
    def has_unfinished(self) -> bool:
        """Whether the client said more than there is in `conversation`."""
        return any(isinstance(event, ClientLine) for event in self.events[self._whole :])
