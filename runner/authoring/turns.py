"""A conversation in turns: what the client said, beside the reply that came next, read by the protocol's own machine.

The machine says what a reply is (its code, status, texts, the challenge in it), which command it answers and what the
server offers after it; so a draft judges nothing in another way than a run does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from runner.authoring.conversation import (
    ClientLine,
    ClientLiteral,
    ClientMessage,
    Conversation,
    Ended,
    Event,
    Exchange,
    Secured,
    ServerReply,
)
from runner.dataclass import dataclass
from runner.language.filters import quoted
from runner.protocol import PROTOCOLS, Limits, Machine, Reply
from runner.protocol.base import CLIENT_LINE
from runner.protocol.imap_grammar import command_in

HELLOS = ("EHLO", "LHLO", "HELO")
STARTTLS = ("STARTTLS", "STLS")
#: What is answered with all that the server offers.
ASKING = ("EHLO", "LHLO", "CAPA", "CAPABILITY")
#: Words that are no secret wherever they stand first.
COMMANDS = frozenset(
    "EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT AUTH STARTTLS VRFY EXPN HELP ETRN XCLIENT XFORWARD USER PASS "
    "APOP STLS STAT LIST DELE LAST UIDL UTF8 LANG CAPA RETR TOP CAPABILITY LOGOUT AUTHENTICATE LOGIN ENABLE SELECT "
    "EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LSUB NAMESPACE STATUS APPEND IDLE DONE CLOSE UNSELECT "
    "EXPUNGE SEARCH FETCH STORE COPY MOVE UID CHECK ID HAVESPACE PUTSCRIPT LISTSCRIPTS SETACTIVE GETSCRIPT "
    "DELETESCRIPT RENAMESCRIPT CHECKSCRIPT UNAUTHENTICATE".split()
)
_MARK = re.compile(r" ?\{[0-9]{1,20}\+?\}\Z")
_BDAT = re.compile(r"BDAT +[0-9]+", re.IGNORECASE)
_RESPONSE_CODES = ("334", "+")


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply as it was read. `reply` is None where it is none of this protocol, or was cut.

    `owed` is what it answers, `shown` what the server offers from then on, if the reply itself shows it.
    """

    event: ServerReply
    reply: Reply | None = None
    owed: str = ""
    shown: Mapping[str, tuple[str, ...]] | None = None
    untagged: tuple[str, ...] = ()


@dataclass(slots=True)
class Turn:
    """What the client did (None: nothing), and the reply that came next, None if none did before the next turn.

    `text` is a client line without IMAP's tag and without the mark of a literal. `answer` is the reply to it, which in
    a pipeline stands beside a later turn.
    """

    client: ClientLine | ClientMessage | Exchange | Secured | Ended | None = None
    text: str = ""
    literal: ClientLiteral | None = None
    heard: Heard | None = None
    answer: Heard | None = field(default=None, compare=False)
    is_response: bool = False

    @property
    def verb(self) -> str:
        """The command of a client line, in upper case."""
        is_command = isinstance(self.client, ClientLine) and not self.is_response
        return self.text.split(" ", 1)[0].upper() if is_command else ""

    @property
    def code(self) -> str:
        """The code of the reply to it, empty where there is none."""
        return self.answer.reply.code if self.answer is not None and self.answer.reply is not None else ""


class _Listener:
    def __init__(self, conversation: Conversation) -> None:
        self.turns: list[Turn] = []
        self._machine: Machine = PROTOCOLS[conversation.protocol](Limits(), lenient=True)
        self._machine.opened()
        self._tags: dict[str, bytes] = {}
        self._last_tag = b""
        self._unanswered: list[Turn] = []
        self._last_code = ""
        self._open_literal: Turn | None = None

    def take(self, event: Event) -> None:
        """Make a turn of an event, or add it to the one before."""
        if self._open_literal is not None:
            turn, self._open_literal = self._open_literal, None
            if isinstance(event, ClientLine) and event.text[:1] in ("", " "):
                self._goes_on(turn, event.text)
                return
            self._machine.sent(b"\r\n")
        if isinstance(event, ServerReply):
            self._reply(event)
        elif isinstance(event, ClientLine):
            self._line(event)
        elif isinstance(event, ClientLiteral):
            self._literal(event)
        elif isinstance(event, ClientMessage):
            self._message(event)
        elif isinstance(event, Exchange):
            self._begin(Turn(event, text=event.mechanism))
            head = self._machine.auth_head(_ascii(event.mechanism).upper()) + b"\r\n"
            self._sent(head)
            self._reply(event.final)
        elif isinstance(event, Secured):
            self._machine.secured()
            self._unanswered.clear()
            self.turns.append(Turn(event))
        else:
            self.turns.append(Turn(event))

    def _begin(self, turn: Turn) -> None:
        self.turns.append(turn)
        self._unanswered.append(turn)

    def _sent(self, data: bytes) -> None:
        lead = self._machine.lead(data)
        if lead:
            self._last_tag = lead.strip()
        self._machine.sent(lead + data)

    def _line(self, event: ClientLine) -> None:
        is_response = self._last_code in _RESPONSE_CODES and self._machine.name != "tcp"
        text = event.text
        tag, blank, rest = text.partition(" ")
        has_tag = self._machine.has_tags and not is_response and blank and rest and not _is_command(tag)
        if has_tag:
            text = rest
        self._begin(Turn(event, text=text, is_response=is_response))
        self._sent(text.encode("utf-8", "surrogateescape") + b"\r\n")
        if has_tag:
            self._tags[tag] = self._last_tag

    def _goes_on(self, turn: Turn, text: str) -> None:
        """Take what follows a literal: nothing, or more of the command, and then the literal is quoted."""
        assert turn.literal is not None
        self._machine.sent(text.encode("utf-8", "surrogateescape") + b"\r\n")
        if text:
            turn.text, turn.literal = f"{turn.text} {quoted(turn.literal.text)}{text}", None

    def _literal(self, event: ClientLiteral) -> None:
        """Put a literal to the line that announced it; the go-ahead between them is read by the verb itself."""
        turn = next((one for one in reversed(self.turns) if isinstance(one.client, ClientLine)), None)
        if turn is None:
            return
        while self.turns[-1] is not turn:
            self.turns.pop()
        turn.heard = turn.answer = None
        if turn not in self._unanswered:
            self._unanswered.append(turn)
        turn.text = _MARK.sub("", turn.text)
        if turn.literal is not None:
            turn.text += " " + quoted(turn.literal.text)
        turn.literal, self._open_literal = event, turn
        self._last_code = ""
        self._machine.sent(event.text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))

    def _message(self, event: ClientMessage) -> None:
        octets = [line.encode("utf-8", "surrogateescape") + b"\r\n" for line in event.lines]
        previous = self.turns[-1] if self.turns else None
        if previous is not None and _BDAT.match(previous.text) and previous.heard is None:
            self._machine.sent(b"".join(octets))
        else:
            self._machine.sent(b"".join(b"." * line.startswith(b".") + line for line in octets) + b".\r\n")
        self._begin(Turn(event))

    def _reply(self, event: ServerReply) -> None:
        heard = self._heard(event)
        untagged = heard.reply is None and bool(heard.untagged)
        answered = self._unanswered.pop(0) if self._unanswered and not untagged else None
        if answered is not None:
            answered.answer = heard
        previous = self.turns[-1] if self.turns else None
        if previous is not None and previous.heard is None and isinstance(previous.client, _SPEAKING):
            previous.heard = heard
            return
        self.turns.append(Turn(heard=heard, answer=heard if answered is None else None))

    def _heard(self, event: ServerReply) -> Heard:
        lines = [self._with_own_tag(line) for line in event.lines]
        before = self._machine.capabilities
        seen = len(self._machine.untagged())
        self._machine.receive(b"".join(line + b"\r\n" for line in lines))
        found = self._machine.next() if lines and not event.is_cut else None
        while self._machine.name == "tcp" and isinstance(found, Reply) and self._machine.is_amid_reply:
            self._machine.next()  # each line is a reply of its own
        self._last_code = _code_of(event)
        if not isinstance(found, Reply):
            untagged = tuple(self._machine.untagged()[seen:]) if found is None else ()
            if untagged and not event.is_cut:
                self._machine.drop_untagged(seen + len(untagged))
            return Heard(event, untagged=untagged)
        self._last_code = found.code
        after = self._machine.capabilities
        owed = found.owed.to if found.owed is not None else ""
        shown = after if after is not None and (after is not before or owed in ASKING) else None
        return Heard(event, found, owed, shown, tuple(getattr(found, "untagged", ())))

    def _with_own_tag(self, line: str) -> bytes:
        octets = line.encode("utf-8", "surrogateescape")
        if not self._machine.has_tags:
            return octets
        tag, _, rest = line.partition(" ")
        if own := self._tags.get(tag):
            return own + b" " + rest.encode("utf-8", "surrogateescape")
        if tag.upper() in ("OK", "NO", "BAD") and self._last_tag:
            return self._last_tag + b" " + octets
        return octets


# What a reply can stand beside.
_SPEAKING = (ClientLine, ClientMessage, Exchange)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _is_command(word: str) -> bool:
    """Whether a first word is IMAP's command, and no tag before it."""
    return command_in(word.encode("utf-8", "surrogateescape")) is not CLIENT_LINE


def _code_of(event: ServerReply) -> str:
    last = event.lines[-1] if event.lines else ""
    return "334" if last.startswith("334") else "+" if last == "+" or last.startswith("+ ") else ""


def turns_of(conversation: Conversation) -> list[Turn]:
    """Return a conversation in turns."""
    listener = _Listener(conversation)
    for event in conversation.events:
        listener.take(event)
    return listener.turns
