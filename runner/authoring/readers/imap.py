"""A conversation in IMAP (RFC 9051) or ManageSieve (RFC 5804): literals, and replies of several lines."""

from __future__ import annotations

import re

from runner.authoring.readers.asking import Asker, Line
from runner.authoring.readers.dialogue import LITERAL, ClientText, Dialogue, Octets, verb_of

_TAGGED = re.compile(r"([^\s(){%*\"\\\]+]+) ([A-Za-z]+)(?: |\Z)")
_ANSWER = re.compile(r"([^\s(){%*\"\\\]+]+) (OK|NO|BAD)(?: |\Z)", re.IGNORECASE)
_UNTAGGED = re.compile(r"\* \S")
_GO_AHEAD = re.compile(r"\+(?: |\Z)")
_GREETING = re.compile(r"\* (OK|PREAUTH|BYE)\b", re.IGNORECASE)
_CAPABILITIES = re.compile(r"\* CAPABILITY ", re.IGNORECASE)
# A response code, and its end if that has come.
_CODE = re.compile(r"\A\S+ (?:OK|NO|BAD|BYE|PREAUTH) \[[^\]]*(\]?)", re.IGNORECASE)
# What a greeting looks like, and no other untagged line of a first command.
_LATE_GREETING = re.compile(r"\* (?:PREAUTH\b|OK(?:\Z| (?!\[)| \[CAPABILITY ))", re.IGNORECASE)


class _WithLiterals(Dialogue):
    def __init__(self, asker: Asker) -> None:
        super().__init__(asker)
        self._text: ClientText | None = None
        self._is_text_due = False  # it is announced, and the server is to say '+'
        self._body: Octets | None = None  # of a server's literal; with none left, what follows it is due

    @property
    def is_in_text(self) -> bool:
        """See `Dialogue.is_in_text`."""
        return self._text is not None and not self._is_text_due

    @property
    def is_in_body(self) -> bool:
        """See `Dialogue.is_in_body`."""
        return self._body is not None

    def _announce(self, line: Line, *, always_waits: bool) -> None:
        """See whether a line of the client ends with a literal's mark."""
        if (found := LITERAL.search(line.text)) is None:
            return
        is_sync = not found[2] and always_waits
        self._text = ClientText(line, int(found[1]), is_sync=is_sync)
        self._is_text_due = is_sync

    def _take_text(self, line: Line, *, always_waits: bool) -> None:
        assert self._text is not None
        rest = self._text.take(line, self.asker)
        if rest is None:
            return
        self.events.append(self._text.event())
        self._text = None
        if rest:
            following = Line(line.number, rest)
            self._say(following, "")
            self._announce(following, always_waits=always_waits)

    def _take_body(self, line: Line) -> None:
        """Take a line of a server's literal, or what follows it."""
        assert self._body is not None
        try:
            _, rest = self._body.take(line.text)
        except ValueError:
            raise self.asker.question(
                line,
                "the server's literal would end within this line's end: its octets were not copied as they are",
                f"correct the number in line {self._reply_at.number} or after, so that the literal ends where it did",
            ) from None
        self._add_to_reply(line)
        if rest is not None:
            self._announce_body(rest)

    def _announce_body(self, text: str) -> None:
        """See whether a line of the server ends with a literal's mark."""
        found = LITERAL.search(text)
        self._body = Octets(int(found[1])) if found is not None else None

    def finish(self) -> None:
        """See `Dialogue.finish`."""
        if self._text is not None and not self._is_text_due:
            raise self.asker.question(
                self._text.announced,
                f"the transcript ends before the {self._text.size} octets of this literal",
                "correct the number, or the lines that follow",
            )
        super().finish()


class ImapDialogue(_WithLiterals):
    """IMAP."""

    protocol = "imap"
    greeting = "OK"
    goodbye = "LOGOUT"
    verbs = frozenset(
        (
            "CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN ENABLE SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE "
            "UNSUBSCRIBE LIST LSUB NAMESPACE STATUS APPEND IDLE CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY "
            "MOVE UID ID SORT THREAD GETQUOTA GETQUOTAROOT SETQUOTA GETACL SETACL DELETEACL LISTRIGHTS MYRIGHTS "
            "GETMETADATA SETMETADATA COMPRESS NOTIFY REPLACE XLIST UNAUTHENTICATE LANGUAGE"
        ).split()
    )

    def __init__(self, asker: Asker) -> None:
        super().__init__(asker)
        self._commands: dict[str, str] = {}
        self._is_greeted = False

    @property
    def owed(self) -> int:
        """See `Dialogue.owed`."""
        return len(self._commands) + (not self._is_greeted)

    def is_reply(self, text: str) -> bool:
        """See `Dialogue.is_reply`."""
        return bool(_UNTAGGED.match(text) or _GO_AHEAD.match(text) or self._answered_tag(text))

    def is_command(self, text: str) -> bool:
        """See `Dialogue.is_command`."""
        found = _TAGGED.match(text)
        return found is not None and found[2].upper() in self.verbs

    def is_greeting(self, text: str) -> bool:
        """See `Dialogue.is_greeting`."""
        return _GREETING.match(text) is not None

    @property
    def is_idle(self) -> bool:
        """Whether only a DONE ends the command under way (RFC 2177)."""
        return "IDLE" in self._commands.values()

    @property
    def is_in_list(self) -> bool:
        """Whether the server's last line is at a place where words may be that look like a tag and a command.

        Capabilities may be called what commands are: `CATENATE UNSELECT`.
        """
        text = self.last_of_server
        return _CAPABILITIES.match(text) is not None or ((code := _CODE.search(text)) is not None and not code[1])

    def take_greeting(self) -> None:
        """See `Dialogue.take_greeting`."""
        self._is_greeted = True

    def _answered_tag(self, text: str) -> str:
        found = _ANSWER.match(text)
        return found[1] if found and found[1] in self._commands else ""

    def _client(self, line: Line, template: str) -> None:
        if self._text is not None:
            self._take_text(line, always_waits=True)
            return
        if self.is_responding or line.text.strip().upper() == "DONE":
            self.is_responding = False
            self.close_reply()
            self._say(line, template)
            return
        found = _TAGGED.match(line.text)
        if found:
            self._commands[found[1]] = found[2].upper()
            self.has_said_goodbye |= found[2].upper() == self.goodbye
        self.close_reply()
        self._say(line, template)
        self._announce(line, always_waits=True)

    def server(self, line: Line) -> None:
        """See `Dialogue.server`."""
        if self._body is not None:
            self._take_body(line)
            return
        if not self.is_reply(line.text):
            raise self.question_of_reply(line)
        if self.is_greeting_implied and _LATE_GREETING.match(line.text):
            raise self.question_of_greeting(line, next(iter(self._commands.values()), "the first command"))
        self.is_greeting_implied = False
        self._add_to_reply(line)
        self._announce_body(line.text)
        if not self._is_greeted:
            self._is_greeted = True
            self.close_reply()
        elif tag := self._answered_tag(line.text):
            is_tls = self._commands.pop(tag) == "STARTTLS"
            self.is_tls_due = is_tls and line.text[len(tag) :].strip().upper().startswith("OK")
            self.is_responding = False
            self._text, self._is_text_due = None, False
            self.close_reply()
        elif _GO_AHEAD.match(line.text):
            self._is_text_due = False
            self.is_responding = self._text is None and "AUTHENTICATE" in self._commands.values()
            self.close_reply()


_SIEVE_END = re.compile(r"(OK|NO|BYE)(?: |\Z)", re.IGNORECASE)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"(?: .*)?\Z|\{[0-9]+\}\Z")


class SieveDialogue(_WithLiterals):
    """ManageSieve."""

    protocol = "sieve"
    greeting = "OK"
    goodbye = "LOGOUT"
    verbs = frozenset(
        (
            "AUTHENTICATE STARTTLS LOGOUT CAPABILITY HAVESPACE PUTSCRIPT LISTSCRIPTS SETACTIVE GETSCRIPT DELETESCRIPT "
            "RENAMESCRIPT CHECKSCRIPT NOOP UNAUTHENTICATE"
        ).split()
    )

    def __init__(self, asker: Asker) -> None:
        super().__init__(asker)
        self._commands: list[str] = ["greeting"]
        self._is_challenge = False

    @property
    def owed(self) -> int:
        """See `Dialogue.owed`."""
        return len(self._commands)

    def is_greeting(self, text: str) -> bool:
        """See `Dialogue.is_greeting`."""
        return text.upper().startswith('"IMPLEMENTATION"')

    def take_greeting(self) -> None:
        """See `Dialogue.take_greeting`."""
        self._commands.clear()

    def is_reply(self, text: str) -> bool:
        """See `Dialogue.is_reply`."""
        return _SIEVE_END.match(text) is not None or _STRING.match(text) is not None

    def _client(self, line: Line, template: str) -> None:
        if self._text is not None:
            self._take_text(line, always_waits=False)
            return
        verb = verb_of(line.text)
        if self.is_responding:
            self.is_responding = False
        else:
            self._commands.append(verb)
            self.has_said_goodbye |= verb == self.goodbye
        self._say(line, template)
        self._announce(line, always_waits=False)

    def server(self, line: Line) -> None:
        """See `Dialogue.server`; after a handshake the server greets again (RFC 5804 section 2.2)."""
        if self._body is not None:
            self._take_body(line)
            if self._body is None and self._is_challenge:
                self._challenged()
            return
        if not self.is_reply(line.text):
            raise self.question_of_reply(line)
        if self.is_tls_due:
            self.secured()
            self._commands.append("greeting")
        self._add_to_reply(line)
        self._announce_body(line.text)
        if _SIEVE_END.match(line.text):
            verb = self._commands.pop(0) if self._commands else ""
            self.is_tls_due = verb == "STARTTLS" and line.text.upper().startswith("OK")
            self.close_reply()
        elif self._commands[:1] == ["AUTHENTICATE"]:
            self._is_challenge = True
            if self._body is None:
                self._challenged()

    def _challenged(self) -> None:
        self._is_challenge = False
        self.is_responding = True
        self.close_reply()
