"""A dialogue as it is had: what a typed line is to the server, what came back, what is shown and what is kept.

Pure: bytes in, bytes out; the protocol's machine says what is owed and how the server reads what is sent. It is told
what happens to the connection, and tells what there is to show by `tell`, with secrets masked.
"""

from __future__ import annotations

import re
from typing import Literal

from runner.authoring.conversation import ClientMessage, Secured, ServerReply
from runner.protocol import PROTOCOLS, Limits, Malformed, Reply, Torn, decode
from runner.protocol.base import LineReply
from runner.recording.commands import RefusedError
from runner.recording.exchanges import Exchanges
from runner.recording.lines import line_texts, octets_of
from runner.recording.literals import Literals
from runner.recording.login import Asked
from runner.recording.speech import Speech, Tell, Who, counted
from runner.redaction import Redactor
from runner.wire import Peer, TlsFacts

_CHUNK = re.compile(r"BDAT(?: |\Z)", re.IGNORECASE)
_READABLE = "not sent: the connection is not encrypted, and who reads along would have the password"
# More is not kept of one reply; the machine's own limits allow a message of 64 MiB.
_MOST_KEPT = 1024 * 1024


class Dialogue:
    """One connection's dialogue.

    `end` says in words why nothing can be said any more, empty while something can; `peer` and `tls` are None until
    there is one. `may_show_secrets` is true where the target allows them in clear text. `literals` and `exchanges` are
    the parts that know what a line is to a literal and to a login.
    """

    def __init__(self, protocol: str, tell: Tell, redactor: Redactor, *, may_show_secrets: bool = False) -> None:
        self._speech = Speech(PROTOCOLS[protocol](Limits()), tell, redactor)
        self.machine, self.kept = self._speech.machine, self._speech.kept
        self.literals, self.exchanges = Literals(self._speech), Exchanges(self._speech)
        self.tell = tell
        self.end = ""
        self.is_lost = False  # it ended otherwise than by somebody's hanging up
        self.peer: Peer | None = None
        self.tls: TlsFacts | None = None
        self.came = 0  # how often something came
        self._may_show_secrets = may_show_secrets
        self._raw = b""  # what came since the last reply
        self._shown = 0  # so many lines of it are shown
        self._message: list[str] | None = None
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
            self._speech.note(why)

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
        self._speech.note(self.end)

    def left(self) -> None:
        """Take note that the client has ended the connection."""
        self.end = self.end or "the connection has ended"

    @property
    def wants_handshake(self) -> bool:
        """Whether the handshake is due now; asked once for each."""
        if not self.machine.awaits_handshake or self._is_securing or self.end:
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
            if self.machine.awaits_handshake:
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
        self._speech.show("server", lines[self._shown :] if isinstance(event, Reply) else lines)
        self._shown = 0
        if isinstance(event, Malformed):
            if isinstance(event, Torn):
                return b""
            self.lost(f"the server broke the protocol: {event.reason}")
            return b""
        self._speech.has_go_ahead = event.code == "+"
        self.literals.answered()
        reply = ServerReply(tuple(lines), is_cut=self._is_cut(event))
        if self.exchanges.is_played:
            return self.exchanges.answered(event, reply)
        if not self.kept.add_reply(event, reply):
            self.lost("the server says more than anybody has asked for")
        if self.machine.in_message and self._message is None:
            self._message = []
            self._speech.note("the message; a line with a single dot ends it")
        self.exchanges.settle(event)
        return b""

    def _taken(self) -> list[str]:
        """Return the lines of what was just given out as a reply, as they came."""
        pending = len(self.machine.pending)
        raw, self._raw = self._raw[: len(self._raw) - pending], self._raw[len(self._raw) - pending :]
        return line_texts(raw)

    @staticmethod
    def _is_cut(event: Reply) -> bool:
        return isinstance(event, LineReply) and bool(event.not_kept)

    def _show_unasked(self) -> None:
        """Show untagged lines as they come, where no reply is under way that they are a part of."""
        if self._raw and (not self.machine.owed or self.machine.still_open) and self.machine.has_tags:
            lines = line_texts(self._raw[: self._raw.rfind(b"\n") + 1])
            self._speech.show("server", lines[self._shown :])
            self._shown = len(lines)
        if len(self._raw) > _MOST_KEPT:
            self._raw = self._raw[-_MOST_KEPT:]

    # What is due.

    @property
    def awaits(self) -> str:
        """What the server owes before the client is to speak, in words; empty if nothing."""
        if self.end:
            return ""
        if self.peer is None:
            return "the connection"
        if self._is_securing or self.machine.awaits_handshake:
            return "the TLS handshake"
        machine = self.machine
        if self.exchanges.is_played:
            return "the end of the exchange"
        is_asked = machine.challenge is not None or machine.still_open or self._speech.has_go_ahead
        if not machine.owed or is_asked or self.literals.goes_on_unasked:
            return ""
        name = machine.owed[0].to
        return f"the {name}" if name == "greeting" else f"the reply to {name}"

    @property
    def is_silent(self) -> bool:
        """Whether there is a connection and nothing has come over it, not even a handshake."""
        return self.peer is not None and self.kept.is_empty and not self._raw

    @property
    def awaits_message(self) -> bool:
        """Whether what is owed is the reply to a whole message, which has more time."""
        return bool(self.machine.owed) and self.machine.owed[0].to == "message"

    @property
    def asked(self) -> Asked | Literal["message", "literal", ""]:
        """What the next line is: empty for a command."""
        if self.end:
            return ""
        if self.literals.is_amid:
            return "literal"
        if self.machine.in_message:
            return "message"
        if self.machine.challenge is None:
            return ""
        return self.exchanges.asked(self.machine.challenge)

    @property
    def is_whole(self) -> bool:
        """Whether the last exchange is over, so that it can be replayed; a server's hanging up ends one, too."""
        machine = self.machine
        if self.asked or machine.in_message or machine.in_auth or machine.still_open or self.exchanges.is_played:
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
        if self.literals.is_due:
            return self.literals.type_line(text, who)
        if self.machine.in_message:
            return self._message_typed(text, who)
        if self.literals.left:
            return self.literals.type_octets(text, who)
        if self.machine.challenge is not None:
            return self._response(text, self.exchanges.asked(self.machine.challenge), who)
        return self._command(text, who)

    def _command(self, text: str, who: Who) -> bytes:
        if _CHUNK.match(text) and self.machine.name in ("smtp", "lmtp"):
            raise RefusedError(
                "BDAT is not recorded: send the message by DATA, or write 'bdat' into the scenario by hand"
            )
        if slip := self.machine.slip_in(text):
            self._speech.note(f"{slip[0]}: it is left out")
            text = text.partition(" ")[2]
        if not self.machine.amid:
            self._require_clear(text)
            self.kept.begin()
        if self.literals.open(text, who):
            return b""
        self.literals.note_size(text)
        self.exchanges.note_command(text)
        return self._speech.send(text, who)

    def _require_clear(self, text: str) -> None:
        """Refuse to send a password where it could be read."""
        opens = self.machine.auth_command.match(text)
        shows = self.machine.password_at is not None and self.machine.password_at.match(text)
        if (shows or (opens and text[opens.end() :])) and not self.may_carry_secrets:
            raise RefusedError(f"{_READABLE}; /tls")

    def needs_password(self, text: str) -> str:
        """Return what goes before a password that a line lacks (`PASS `, `LOGIN alice `); empty if it lacks none."""
        machine, words = self.machine, text.split()
        if machine.password_at is None or self.asked or not words or machine.password_at.match(text):
            return ""
        is_it = (words[0].upper(), len(words)) in (("PASS", 1), ("LOGIN", 2))
        return text.rstrip(" ") + " " if is_it and machine.password_at.match(text.rstrip(" ") + " x") else ""

    def _response(self, text: str, asked: Asked, who: Who) -> bytes:
        if asked != "username" and text != "*" and not self.may_carry_secrets:
            raise RefusedError(f"{_READABLE}; *")
        return self.exchanges.respond(text, asked, who)

    def _message_typed(self, text: str, who: Who) -> bytes:
        """Send a line of a message; the dot ends it."""
        assert self._message is not None
        self._speech.show(who, [text])
        if text == ".":
            return self._message_ended(b".\r\n")
        self._message.append(text)
        data = b"." * text.startswith(".") + octets_of(text) + b"\r\n"
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
        lines = line_texts(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self._message = lines
        data = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in map(octets_of, lines)) + b".\r\n"
        self._speech.note(f"{counted(len(lines), 'line')} of {name}, and the dot")
        return self._message_ended(data)

    def mask(self, text: str) -> str:
        """Return a text without secrets."""
        return self._speech.redactor.mask(text)
