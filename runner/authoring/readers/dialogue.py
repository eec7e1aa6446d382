"""One conversation as it grows: lines of which it is known who said them become events.

Each protocol has a dialogue of its own, which knows what is owed, where a message or a literal is under way, and what
a line may be. Who said an unmarked line is found out elsewhere, by asking the dialogue.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal

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
from runner.authoring.readers.asking import Asker, Line
from runner.authoring.readers.screen import check_length
from runner.wire import TlsFacts

MARKS = "put C: or S: before the line to say whose it is"
LITERAL = re.compile(r"\{([0-9]{1,10})(\+?)\}\Z")


class Dialogue(ABC):
    """What is common to the conversations of all protocols."""

    protocol: ClassVar[str]
    #: What a client may begin a command with.
    verbs: ClassVar[frozenset[str]]
    #: How a greeting is expected; the command that says goodbye.
    greeting: ClassVar[str]
    goodbye: ClassVar[str] = "QUIT"

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.events: list[Event] = []
        self.guesses: list[str] = []
        #: Whether the client's next line answers a challenge of AUTH.
        self.is_responding = False
        self.has_said_goodbye = False
        self.is_ended = False
        #: Whether the greeting was put in, and the server has said nothing yet.
        self.is_greeting_implied = False
        #: Whether the server has said to go ahead with a handshake.
        self.is_tls_due = False
        self._reply: list[str] = []
        self._reply_at = Line(0, "")

    # What may be asked.

    @abstractmethod
    def is_reply(self, text: str) -> bool:
        """Whether a line may begin a reply of the server."""

    def is_command(self, text: str) -> bool:
        """Whether a line is a command that the protocol knows, or looks like one."""
        return verb_of(text) in self.verbs

    @property
    @abstractmethod
    def owed(self) -> int:
        """How many replies the server owes."""

    @property
    def is_in_reply(self) -> bool:
        """Whether a reply has begun and is not at its end."""
        return bool(self._reply)

    @property
    def is_in_text(self) -> bool:
        """Whether the client's lines are a message or literal, whatever they look like."""
        return False

    @property
    def is_in_body(self) -> bool:
        """Whether the server's lines are a body or literal, whatever they look like."""
        return False

    @property
    def last_of_server(self) -> str:
        """The server's last line, whole; empty if the client has spoken since."""
        if self._reply:
            return self._reply[-1]
        last = self.events[-1] if self.events else None
        return last.lines[-1] if isinstance(last, ServerReply) else ""

    # What was said.

    def client(self, line: Line, template: str = "") -> None:
        """Take a line of the client."""
        if not self.is_in_text:
            self._secure_if_due()
        self._client(line, template)

    @abstractmethod
    def _client(self, line: Line, template: str) -> None: ...

    @abstractmethod
    def server(self, line: Line) -> None:
        """Take a line of the server.

        Raises:
            UnclearError: it can't be one.
        """

    def go_on(self, line: Line, glue: str) -> None:
        """Take the rest of the server's line before, which a terminal has wrapped.

        Raises:
            UnclearError: the line is longer than any.
        """
        if self._reply:
            self._reply[-1] = self._joined(self._reply[-1], glue, line)
        elif self.events and isinstance(last := self.events[-1], ServerReply):
            self.events[-1] = replace(last, lines=(*last.lines[:-1], self._joined(last.lines[-1], glue, line)))

    def extend_command(self, line: Line, glue: str) -> None:
        """Take the rest of the client's line before, which a terminal has wrapped.

        Raises:
            UnclearError: the line is longer than any.
        """
        last = self.events[-1]
        assert isinstance(last, ClientLine)
        self.events[-1] = replace(last, text=self._joined(last.text, glue, line))

    def _joined(self, text: str, glue: str, rest: Line) -> str:
        whole = text + glue + rest.text
        check_length(Line(rest.number, whole), self.asker, is_secret=True)
        return whole

    def secured(self, facts: TlsFacts | None = None) -> None:
        """Take a handshake."""
        self.is_tls_due = False
        self.events.append(Secured(facts))

    def end(self, by: Literal["client", "server"]) -> None:
        """Take the end of the connection."""
        self.close_reply(is_cut=True)
        if not self.is_ended:
            self.events.append(Ended(by))
        self.is_ended = True

    def imply(self, *events: Event) -> None:
        """Put in what the transcript doesn't show and must have been."""
        self.events.extend(events)

    @abstractmethod
    def take_greeting(self) -> None:
        """Take it that the greeting was read."""

    @abstractmethod
    def is_greeting(self, text: str) -> bool:
        """Whether a line of the server may begin another conversation."""

    def imply_greeting(self) -> None:
        """Put in the greeting, which is missing."""
        self.take_greeting()
        head = "* " if self.protocol == "imap" else ""
        self.imply(ServerReply((head + self.greeting,), expect=self.greeting))
        self.is_greeting_implied = True
        self.guesses.append("the greeting is missing, and was put in")

    def close_reply(self, *, is_cut: bool = False) -> None:
        """End the reply under way, if there is one."""
        if self._reply:
            self.events.append(ServerReply(tuple(self._reply), is_cut=is_cut, line=self._reply_at.number))
            self._reply = []

    def finish(self) -> None:
        """Take the end of the transcript."""
        self.close_reply(is_cut=True)

    def conversation(self, *, host: str = "", port: int = 0, title: str = "") -> Conversation:
        """Return what was said."""
        return Conversation(
            protocol=self.protocol,
            events=tuple(self.events),
            host=host,
            port=port,
            title=title,
            source=self.asker.source,
            guesses=tuple(self.guesses),
        )

    def _add_to_reply(self, line: Line) -> None:
        if not self._reply:
            self._reply_at = line
        self._reply.append(line.text)

    def _secure_if_due(self) -> None:
        if self.is_tls_due:
            self.secured()

    def _say(self, line: Line, template: str) -> None:
        self.events.append(ClientLine(line.text, template, line.number))

    def question_of_unasked(self, line: Line) -> Exception:
        """Return the question that a reply raises which nothing was sent for."""
        return self.asker.question(
            line, "two replies in a row: what was sent before this one?", "add the client's line before it"
        )

    def question_of_greeting(self, line: Line, command: str) -> Exception:
        """Return the question that a greeting raises which stands where the reply to a command is due."""
        return self.asker.question(
            line,
            f"this is a greeting, and the reply to {command} is due",
            "a server greets before the client says anything: put this line above the client's first one, or add what "
            "is missing between them",
        )

    def question_of_reply(self, line: Line) -> Exception:
        """Return the question that a line raises which is no reply where one is due."""
        return self.asker.question(line, "a reply of the server is due here, and this is none", MARKS)


def verb_of(text: str) -> str:
    """Return what a command without a tag begins with, in capitals."""
    return text.strip().partition(" ")[0].upper()


class Octets:
    """What is left of a literal: so many octets, in lines (RFC 9051 section 4.3)."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, text: str) -> tuple[str, str | None]:
        """Take a line: return what of it is the literal's, and what follows that; None if the literal goes on.

        Raises:
            ValueError: the literal would end within the line's end.
        """
        octets = text.encode("utf-8", "surrogateescape")
        if self._left > len(octets):
            self._left -= len(octets) + len("\r\n")
            if self._left < 0:
                raise ValueError
            return text, None
        within, after = octets[: self._left], octets[self._left :]
        return within.decode("utf-8", "surrogateescape"), after.decode("utf-8", "surrogateescape")


class ClientText:
    """A literal of the client."""

    def __init__(self, announced: Line, size: int, *, is_sync: bool) -> None:
        self.announced = announced
        self.size = size
        self.is_sync = is_sync
        self._lines: list[str] = []
        self._octets = Octets(size)

    def take(self, line: Line, asker: Asker) -> str | None:
        """Take a line; return what follows the literal in it once it is whole.

        Raises:
            UnclearError: the literal would end within a line end.
        """
        try:
            text, rest = self._octets.take(line.text)
        except ValueError:
            message = f"the literal of {self.size} octets has other lines than these: it would end within a line end"
            raise asker.question(self.announced, message, "correct the number, or the lines that follow") from None
        self._lines.append(text)
        return rest

    def event(self) -> ClientLiteral:
        """Return the literal, its line ends as line feeds."""
        return ClientLiteral("\n".join(self._lines), self.is_sync, self.announced.number)


def message_of(lines: list[Line], at: int) -> ClientMessage:
    """Return a message as it was meant, without dot-stuffing (RFC 5321 section 4.5.2)."""
    return ClientMessage(tuple(line.text.removeprefix(".") for line in lines), at)
