"""A dialogue as it is had: what a typed line is to the server, what came back, what is shown and what is kept.

Pure: bytes in, bytes out; the protocol's machine says what is owed and how the server reads what is sent. It is told
what happens to the connection, and tells what there is to show by `tell`, with secrets masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from runner.authoring.conversation import ClientLine, ClientLiteral, ClientMessage, Secured, ServerReply
from runner.protocol import PROTOCOLS, Limits, Malformed, Reply, Torn, decode
from runner.protocol.base import LineReply
from runner.recording.commands import RefusedError
from runner.recording.kept import Kept
from runner.recording.login import Asked, Login, TypedLogin, encoded, is_encoded
from runner.redaction import Redactor
from runner.wire import Peer, TlsFacts

#: Who says what is shown: the server, the client as typed, the client by itself, the recorder.
Who = Literal["server", "typed", "client", "note"]
Tell = Callable[[Who, str], None]

_HANDSHAKE = "the TLS handshake"
_MARK = re.compile(r"\{([0-9]{1,20})(\+?)\}\Z")
_OPEN_MARK = re.compile(r"\{(\+?)\}\Z")
_CHUNK = re.compile(r"BDAT(?: |\Z)", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z', re.DOTALL)
_READABLE = "not sent: the connection is not encrypted, and who reads along would have the password"
# More is not kept of one reply; the machine's own limits allow a message of 64 MiB.
_MOST_KEPT = 1024 * 1024


class Dialogue:
    """One connection's dialogue.

    `end` says in words why nothing can be said any more, empty while something can; `peer` and `tls` are None until
    there is one. `may_show_secrets` is true where the target allows them in clear text.
    """

    def __init__(self, protocol: str, tell: Tell, redactor: Redactor, *, may_show_secrets: bool = False) -> None:
        self.machine = PROTOCOLS[protocol](Limits())
        self.kept = Kept()
        self.tell = tell
        self.end = ""
        self.is_lost = False  # it ended otherwise than by somebody's hanging up
        self.peer: Peer | None = None
        self.tls: TlsFacts | None = None
        self.came = 0  # how often something came
        self._redactor = redactor
        self._may_show_secrets = may_show_secrets
        self._raw = b""  # what came since the last reply
        self._shown = 0  # so many lines of it are shown
        self._message: list[str] | None = None
        self._literal: list[str] = []
        self._literal_left = 0
        self._is_literal_due = False  # a line stands that ends with {} and has no size yet
        self._begun = ""
        self._has_go_ahead = False
        self._wants_literal_now = False  # the server is to ask for the literal that follows
        self._waiting = b""  # that literal
        self._typed_login: TypedLogin | None = None
        self._login: Login | None = None
        self._is_securing = False

    # The connection.

    def opened(self, peer: Peer) -> None:
        """Take note that the connection stands."""
        self.peer = peer
        self.came += 1
        if peer.tls is not None:
            self.tls = peer.tls
            self.kept.add(Secured(peer.tls))
        self.machine.opened()

    def secured(self, facts: TlsFacts) -> None:
        """Take note of a handshake."""
        self.tls, self._is_securing, self._raw, self._shown = facts, False, b"", 0
        self.came += 1
        self.machine.secured()
        self.kept.add(Secured(facts))

    def lost(self, why: str) -> None:
        """Take note that the connection could not be had, or is gone otherwise than in order."""
        self.came += 1
        if not self.end:
            self.end, self.is_lost = why, True
            self._note(why)

    def hung_up(self) -> None:
        """Take note that the server has ended the connection."""
        self.came += 1
        if self.end:
            return
        if self._is_securing or self._raw:
            self.lost("the server hung up in the midst of it")
            return
        self.kept.has_end = True
        self.end = "the server has hung up"
        self._note(self.end)

    def left(self) -> None:
        """Take note that the client has ended the connection."""
        self.end = self.end or "the connection has ended"

    @property
    def wants_handshake(self) -> bool:
        """Whether the handshake is due now; asked once for each."""
        if self.machine.amid != _HANDSHAKE or self._is_securing or self.end:
            return False
        self._is_securing = True
        return True

    def received(self, data: bytes) -> bytes:
        """Take bytes from the server; return what is to be sent at once."""
        self.came += 1
        if self.end:
            return b""
        if self._is_securing:
            self._injected(data)
            return b""
        self._raw += data
        self.machine.receive(data)
        answer = b""
        while not self.end and (event := self.machine.next()) is not None:
            answer += self._heard(event)
            if self.machine.amid == _HANDSHAKE:
                if self.machine.pending or self.machine.untagged():
                    self._injected(self.machine.pending)
                break
        self._show_unasked()
        return answer

    def _injected(self, data: bytes) -> None:
        self.lost(f"response injection: clear text before the TLS handshake (RFC 3207 section 6): {decode(data[:200])}")

    # What the server says.

    def _heard(self, event: Reply | Malformed) -> bytes:
        lines = self._taken()
        self._say("server", lines[self._shown :] if isinstance(event, Reply) else lines)
        self._shown = 0
        if isinstance(event, Malformed):
            if isinstance(event, Torn):
                return b""
            self.lost(f"the server broke the protocol: {event.reason}")
            return b""
        self._has_go_ahead = event.code == "+"
        if not self._has_go_ahead:
            self._literal_left, self._literal, self._waiting = 0, [], b""
        reply = ServerReply(tuple(lines), is_cut=self._is_cut(event))
        if self._login is not None:
            return self._answered_login(self._login, event, reply)
        self._wants_literal_now = self._wants_literal_now and self._has_go_ahead
        if not self.kept.add_reply(event, reply):
            self.lost("the server says more than anybody has asked for")
        if self.machine.in_message and self._message is None:
            self._message = []
            self._note("the message; a line with a single dot ends it")
        self._settle_login(event)
        return b""

    def _taken(self) -> list[str]:
        """Return the lines of what was just given out as a reply, as they came."""
        pending = len(self.machine.pending)
        raw, self._raw = self._raw[: len(self._raw) - pending], self._raw[len(self._raw) - pending :]
        return _lines(raw)

    @staticmethod
    def _is_cut(event: Reply) -> bool:
        return isinstance(event, LineReply) and bool(event.not_kept)

    def _show_unasked(self) -> None:
        """Show untagged lines as they come, where no reply is under way that they are a part of."""
        if self._raw and (not self.machine.owed or self.machine.still_open) and self.machine.has_tags:
            lines = _lines(self._raw[: self._raw.rfind(b"\n") + 1])
            self._say("server", lines[self._shown :])
            self._shown = len(lines)
        if len(self._raw) > _MOST_KEPT:
            self._raw = self._raw[-_MOST_KEPT:]

    def _settle_login(self, event: Reply) -> None:
        login = self._typed_login
        if login is None or event.is_challenge or self.machine.in_auth:
            return
        self._typed_login = None
        self._keep_login(login.values, is_refused=self.machine.is_refusal(event))

    def _keep_login(self, values: dict[str, str], *, is_refused: bool) -> None:
        turn = self.kept.current
        turn.is_refused = is_refused
        for name, value in values.items():
            (turn.values if name == "username" else turn.secrets)[name] = value

    # What is due.

    @property
    def awaits(self) -> str:
        """What the server owes before the client is to speak, in words; empty if nothing."""
        if self.end:
            return ""
        if self.peer is None:
            return "the connection"
        if self._is_securing or self.machine.amid == _HANDSHAKE:
            return _HANDSHAKE
        machine = self.machine
        is_asked = machine.challenge is not None or machine.still_open or self._has_go_ahead
        if not machine.owed or is_asked or (self._literal_left and not self._wants_literal_now) or self._login:
            return "the end of the exchange" if self._login is not None else ""
        name = machine.owed[0].to
        return f"the {name}" if name == "greeting" else f"the reply to {name}"

    @property
    def awaits_message(self) -> bool:
        """Whether what is owed is the reply to a whole message, which has more time."""
        return bool(self.machine.owed) and self.machine.owed[0].to == "message"

    @property
    def asked(self) -> Asked | Literal["message", "literal", ""]:
        """What the next line is: empty for a command."""
        if self.end:
            return ""
        if self._is_literal_due or self._literal_left:
            return "literal"
        if self.machine.in_message:
            return "message"
        if self.machine.challenge is None:
            return ""
        return self._typed_login.asked(self.machine.challenge) if self._typed_login is not None else "response"

    @property
    def is_whole(self) -> bool:
        """Whether the last exchange is over, so that it can be replayed; a server's hanging up ends one, too."""
        machine = self.machine
        if self.asked or machine.in_message or machine.in_auth or machine.still_open or self._login is not None:
            return False
        return self.kept.has_end or not (machine.owed or self._is_securing)

    @property
    def may_carry_secrets(self) -> bool:
        """Whether nobody on the way can read what is sent, or that is allowed."""
        is_here = self.peer is not None and self.peer.is_loopback
        return self._may_show_secrets or self.tls is not None or is_here

    # What the client says.

    def say(self, text: str, who: Who = "typed") -> bytes:
        """Return the bytes of a line for the server, whatever it is to it.

        Raises:
            RefusedError: it can't be sent.
        """
        if self.end:
            gone = "the connection is gone" if self.is_lost else self.end
            raise RefusedError(f"{gone}; /quit ends the recording")
        if self._is_literal_due:
            return self._literal_typed(text, who)
        if self.machine.in_message:
            return self._message_typed(text, who)
        if self._literal_left:
            return self._octets_typed(text, who)
        if self.machine.challenge is not None:
            return self._response_typed(text, who)
        return self._command(text, who)

    def _command(self, text: str, who: Who) -> bytes:
        if _CHUNK.match(text) and self.machine.name in ("smtp", "lmtp"):
            raise RefusedError(
                "BDAT is not recorded: send the message by DATA, or write 'bdat' into the scenario by hand"
            )
        if slip := self.machine.slip_in(text):
            self._note(f"{slip[0]}: it is left out")
            text = text.partition(" ")[2]
        if not self.machine.amid:
            self._require_clear(text)
            self.kept.begin()
        if mark := _OPEN_MARK.search(text) if self.machine.has_literals else None:
            self._is_literal_due, self._begun = True, text[: mark.start()]
            self._say(who, [text])
            self._note("the literal; a line with a single dot ends it, or /data FILE")
            return b""
        if mark := _MARK.search(text) if self.machine.has_literals else None:
            self._literal_left, self._wants_literal_now = int(mark[1]), not mark[2]
        self._note_login(text)
        return self._sent(text, who)

    def _sent(self, text: str, who: Who) -> bytes:
        data = text.encode("utf-8", "surrogateescape") + b"\r\n"
        lead = self.machine.lead(data)
        self._has_go_ahead = False
        self.kept.add(ClientLine(lead.decode("ascii") + text))
        self.machine.sent(lead + data)
        self._say(who, [lead.decode("ascii") + text])
        return lead + data

    def _require_clear(self, text: str) -> None:
        """Refuse to send a password where it could be read."""
        opens = self.machine.auth_command.match(text)
        shows = self.machine.password_at is not None and self.machine.password_at.match(text)
        if (shows or (opens and text[opens.end() :])) and not self.may_carry_secrets:
            raise RefusedError(
                "not sent: the connection is not encrypted, and who reads along would have the password; /tls"
            )

    def _note_login(self, text: str) -> None:
        """Take note of what a line logs in with."""
        machine = self.machine
        if (opens := machine.auth_command.match(text)) and not machine.still_open:
            self._typed_login = TypedLogin(text[: opens.end()].rsplit(maxsplit=1)[-1])
            if initial := text[opens.end() :].strip(' "'):
                self._typed_login.note_initial(initial)
                self._learn(self._typed_login.values, initial)
        elif machine.password_at is not None and (found := machine.password_at.match(text)):
            values = {"password": _unquoted(found[1])}
            self._learn(values, found[1])
            self._keep_login(values, is_refused=False)

    def _learn(self, values: dict[str, str], written: str) -> None:
        if written not in ("*", "=", ""):
            name = "password" if "password" in values else "username" if "username" in values else "response"
            if name != "username":
                self._redactor.learn(name, written)
        for name, value in values.items():
            if name != "username" and value:
                self._redactor.learn(name, value)

    def needs_password(self, text: str) -> str:
        """Return what goes before a password that a line lacks (`PASS `, `LOGIN alice `); empty if it lacks none."""
        machine, words = self.machine, text.split()
        if machine.password_at is None or self.asked or not words or machine.password_at.match(text):
            return ""
        is_it = (words[0].upper(), len(words)) in (("PASS", 1), ("LOGIN", 2))
        return text.rstrip(" ") + " " if is_it and machine.password_at.match(text.rstrip(" ") + " x") else ""

    def _response_typed(self, text: str, who: Who) -> bytes:
        asked = self.asked
        login = self._typed_login or TypedLogin("")
        if asked != "username" and text != "*" and not self.may_carry_secrets:
            raise RefusedError(
                "not sent: the connection is not encrypted, and who reads along would have the password; *"
            )
        if asked in ("username", "password", "plain", "response"):
            login.note(text, asked)
        if asked == "plain" and not is_encoded(text):
            text = text.replace("\\0", "\0")
        octets = encoded(text)
        written = self.machine.response(octets, is_initial=False)
        self._learn({} if asked == "username" else dict(login.values), "" if asked == "username" else decode(octets))
        if asked != "username" and octets not in (b"*", b"=", b""):
            self._redactor.learn("password" if asked != "response" else "response", octets)
        if is_encoded(text):
            self._note("sent as it is: it is base64 already")
        self.kept.add(ClientLine(decode(written)))
        self._has_go_ahead = False
        self.machine.sent(written + b"\r\n")
        self._say("client" if asked == "password" or who != "typed" else who, [decode(written)])
        return written + b"\r\n"

    def _message_typed(self, text: str, who: Who) -> bytes:
        """Send a line of a message; the dot ends it."""
        assert self._message is not None
        self._say(who, [text])
        if text == ".":
            return self._message_ended(b".\r\n")
        self._message.append(text)
        data = b"." * text.startswith(".") + text.encode("utf-8", "surrogateescape") + b"\r\n"
        self.machine.sent(data)
        return data

    def _message_ended(self, data: bytes) -> bytes:
        assert self._message is not None
        self.kept.add(ClientMessage(tuple(self._message)))
        self._message = None
        self.machine.sent(data)
        return data

    def message(self, octets: bytes, name: str) -> bytes:
        """Return a whole message from a file for the wire: lines end with CRLF, dots are doubled, the dot ends it.

        Raises:
            RefusedError: no message is due.
        """
        if not self.machine.in_message:
            raise RefusedError("the server takes no message now")
        if self._message:
            raise RefusedError("a message is typed already; end it with a single dot")
        lines = _lines(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self._message = lines
        encoded_lines = (line.encode("utf-8", "surrogateescape") for line in lines)
        data = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in encoded_lines) + b".\r\n"
        self._note(f"{_counted(len(lines), 'line')} of {name}, and the dot")
        return self._message_ended(data)

    # Literals.

    def _literal_typed(self, text: str, who: Who) -> bytes:
        self._say(who, [text])
        if text != ".":
            self._literal.append(text)
            return b""
        return self.literal("".join(f"{line}\r\n" for line in self._literal).encode("utf-8", "surrogateescape"), "")

    def literal(self, octets: bytes, name: str) -> bytes:
        """Return a line that ends with `{}` and the literal that is due, whose size is now known.

        Where the server is to ask for it, it waits for that: see `go_on`.
        """
        if not self._is_literal_due:
            raise RefusedError("no literal is due; a line that ends with {} wants one")
        self._is_literal_due, self._literal = False, []
        if name:
            self._note(f"{_counted(len(octets), 'octet')} of {name}")
        is_sync = self.machine.has_tags
        text = self._begun + self.machine.literal_mark(len(octets), is_sync=is_sync).decode("ascii")
        data = self._sent(text, "client")
        self._wants_literal_now, self._waiting = is_sync, octets
        if is_sync:
            return data
        return data + self.go_on()

    def go_on(self) -> bytes:
        """Return the literal that the server has asked for."""
        octets, self._waiting = self._waiting, b""
        self._keep_literal(octets.decode("utf-8", "surrogateescape"), "")
        self._wants_literal_now = self._has_go_ahead = False
        self.machine.sent(octets + b"\r\n")
        return octets + b"\r\n"

    @property
    def has_literal_waiting(self) -> bool:
        """Whether the server has asked for the literal that waits."""
        return self._wants_literal_now and self._has_go_ahead and not self._literal_left

    def _octets_typed(self, text: str, who: Who) -> bytes:
        """Take a line of a literal whose size was typed: its line's end counts, too."""
        self._say(who, [text])
        data = text.encode("utf-8", "surrogateescape") + b"\r\n"
        part, rest = data[: self._literal_left], data[self._literal_left :]
        self._literal.append(part.decode("utf-8", "surrogateescape"))
        self._literal_left -= len(part)
        if not self._literal_left:
            behind = rest.removesuffix(b"\r\n").decode("utf-8", "surrogateescape")
            self._keep_literal("".join(self._literal), behind if rest else None)
            self._literal, self._has_go_ahead, self._wants_literal_now = [], not rest, False
        self.machine.sent(data)
        return data

    def _keep_literal(self, text: str, behind: str | None) -> None:
        """Keep a literal and what its line goes on with, None where that is yet to be typed."""
        self.kept.add(ClientLiteral(text.replace("\r\n", "\n"), is_sync=self._wants_literal_now))
        if behind is not None:
            self.kept.add(ClientLine(behind))

    # `/auth`.

    def log_in(self, login: Login) -> bytes:
        """Begin an exchange that is played to its end as replies come.

        Raises:
            RefusedError: there is nothing to begin with.
        """
        line = login.begin()
        self._begin_login(login)
        return self._put(line)

    def log_in_by_line(self, line: bytes, values: dict[str, str]) -> bytes:
        """Log in by a line of the protocol's own, which holds something made of the password."""
        self.kept.begin()
        self._redactor.learn("password", line.rpartition(b" ")[2])
        self._keep_login(values, is_refused=False)
        return self._sent(decode(line), "client")

    def _begin_login(self, login: Login) -> None:
        self.kept.begin()
        self._login = login
        for name, value in login.values.items():
            if name != "username":
                self._redactor.learn(name, value)

    def _put(self, line: bytes) -> bytes:
        assert self._login is not None
        for octets in self._login.learnt:
            self._redactor.learn(f"{self._login.mechanism.name} response", octets)
        self._login.learnt.clear()
        line = self.machine.lead(line) + line
        self._has_go_ahead = False
        self.machine.sent(line)
        self._say("client", [decode(line.removesuffix(b"\r\n"))])
        return line

    def _answered_login(self, login: Login, event: Reply, reply: ServerReply) -> bytes:
        self.kept.current.last = event
        if event.is_challenge:
            try:
                return self._put(login.answer(event))
            except RefusedError as refused:
                self._note(f"cancelled: {refused}")
                return self._put(self.machine.response(b"*", is_initial=False) + b"\r\n")
        self._login = None
        self.kept.make_exchange(login.mechanism.name, reply)
        is_refused = self.machine.is_refusal(event)
        self._keep_login(dict(login.values), is_refused=is_refused)
        if wrong := login.judge(event):
            self._note(wrong)
        if is_refused:
            self._note("refused; /undo takes it out of the scenario")
        return b""

    # What is shown.

    def mask(self, text: str) -> str:
        """Return a text without secrets."""
        return self._redactor.mask(text)

    def _say(self, who: Who, lines: Sequence[str]) -> None:
        if lines:
            self.tell(who, self._redactor.mask("\n".join(lines)))

    def _note(self, text: str) -> None:
        self.tell("note", self._redactor.mask(text))


def _lines(raw: bytes) -> list[str]:
    """Return the lines of what came, without their ends; bytes that are no UTF-8 as surrogates."""
    text = raw.decode("utf-8", "surrogateescape")
    return text.removesuffix("\n").removesuffix("\r").replace("\r\n", "\n").split("\n") if text else []


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _unquoted(text: str) -> str:
    found = _QUOTED.match(text)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else text
