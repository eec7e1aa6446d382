"""A conversation in SMTP (RFC 5321), LMTP (RFC 2033) or POP3 (RFC 1939): a reply for each command."""

from __future__ import annotations

import re
from collections import deque
from typing import ClassVar

from runner.authoring.readers.asking import Asker, Line
from runner.authoring.readers.dialogue import MARKS, Dialogue, message_of, verb_of
from runner.authoring.turns import HELLOS

_REPLY = re.compile(r"([2-5][0-9]{2})(?:([ -])|\Z)")
_ACCEPTED = re.compile(r"2[0-9]{2}")
# What a 220 answers besides connecting; XCLIENT is Postfix's.
_SAYS_220 = ("STARTTLS", "XCLIENT")
_CHUNK = re.compile(r"BDAT[ \t]+[0-9]", re.IGNORECASE)


class _Turns(Dialogue):
    """One reply is owed for each command, in order."""

    def __init__(self, asker: Asker) -> None:
        super().__init__(asker)
        self._owed: deque[tuple[str, Line]] = deque([("greeting", Line(1, ""))])

    @property
    def owed(self) -> int:
        """See `Dialogue.owed`."""
        return len(self._owed)

    def is_greeting(self, text: str) -> bool:
        """See `Dialogue.is_greeting`."""
        return text.startswith(("220 ", "220-", "+OK"))

    def take_greeting(self) -> None:
        """See `Dialogue.take_greeting`."""
        self._owed.clear()

    def _command(self, line: Line, template: str) -> None:
        verb = verb_of(line.text)
        if self.is_responding:
            verb, self.is_responding = "response", False
        self.has_said_goodbye |= verb == self.goodbye
        self._owed.append((verb, line))
        self._say(line, template)

    def finish(self) -> None:
        """See `Dialogue.finish`; a reply may be missing only where the connection has ended, or the transcript."""
        super().finish()
        if len(self._owed) > 1 and not self.is_ended and self._owed[0][0] != "greeting":
            verb, line = self._owed[0]
            raise self.asker.question(
                line,
                f"no reply to this {verb if verb != 'response' else 'line'}",
                f"{len(self._owed)} replies are missing before the end; {MARKS}",
                is_secret=verb == "response",
            )


class SmtpDialogue(_Turns):
    """SMTP."""

    protocol = "smtp"
    greeting = "220"
    verbs = frozenset(
        (
            "EHLO LHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT AUTH STARTTLS VRFY EXPN HELP ETRN ATRN TURN BURL "
            "SEND SOML SAML XCLIENT XFORWARD X-EXPS XEXCH50"
        ).split()
    )
    answers_each: ClassVar[bool] = False

    def __init__(self, asker: Asker) -> None:
        super().__init__(asker)
        self._message: list[Line] | None = None
        self._message_at = 0
        self._accepted = 0

    @property
    def is_in_text(self) -> bool:
        """See `Dialogue.is_in_text`."""
        return self._message is not None

    def is_reply(self, text: str) -> bool:
        """See `Dialogue.is_reply`."""
        return _REPLY.match(text) is not None

    def _client(self, line: Line, template: str) -> None:
        if self._message is not None:
            self._message_line(line)
            return
        if _CHUNK.match(line.text):
            raise self.asker.question(
                line,
                "a BDAT chunk can't be imported: a transcript doesn't show its octets",
                "write the scenario's 'bdat' step by hand, or take the transcript with DATA",
            )
        self._command(line, template)

    def _message_line(self, line: Line) -> None:
        assert self._message is not None
        if line.text != ".":
            self._message.append(line)
            return
        self.events.append(message_of(self._message, self._message_at))
        self._message = None
        self._owed.extend([("message", line)] * (max(1, self._accepted) if self.answers_each else 1))

    def server(self, line: Line) -> None:
        """See `Dialogue.server`."""
        if self._message is not None:
            raise self.asker.question(
                line, "a reply within a message: it has no end before", "end the message with a line of a lone dot"
            )
        found = _REPLY.match(line.text)
        if found is None or (self._reply and found[1] != self._reply[0][:3]):
            raise self.question_of_reply(line)
        self._add_to_reply(line)
        if found[2] == "-":
            return
        self.close_reply()
        self._answered(found[1], line)

    def _answered(self, code: str, line: Line) -> None:
        if not self._owed:
            if code != "421":
                raise self.question_of_unasked(line)
            return
        verb, said = self._owed.popleft()
        if code == "220" and (verb in HELLOS or (self.is_greeting_implied and verb not in _SAYS_220)):
            raise self.question_of_greeting(line, verb)
        self.is_greeting_implied = False
        if code == "354" and verb not in ("DATA", "RCPT", "MAIL"):
            raise self.asker.question(line, "a 354 that answers no DATA", f"the reply before may be missing; {MARKS}")
        if code == "354" and verb != "DATA":
            raise self.asker.question(
                said, f"no reply to this {verb}", f"the 354 in line {line.number} is DATA's; {MARKS}"
            )
        if code == "354":
            self._message, self._message_at = [], line.number + 1
        elif code == "334" and verb in ("AUTH", "response", "X-EXPS"):
            self.is_responding = True
        elif code == "353" and verb == "message":  # PRDR: one for each recipient, and one for all
            self._owed.extend([("message", said)] * (self._accepted + 1))
            self._accepted = 0
        elif verb == "STARTTLS" and code == "220":
            self.is_tls_due = True
        elif verb == "RCPT" and _ACCEPTED.match(code):
            self._accepted += 1
        elif verb in ("RSET", "EHLO", "HELO", "LHLO", "MAIL"):
            self._accepted = 0


class LmtpDialogue(SmtpDialogue):
    """LMTP: each accepted recipient has a reply to the message."""

    protocol = "lmtp"
    answers_each = True


class Pop3Dialogue(_Turns):
    """POP3."""

    protocol = "pop3"
    greeting = "+OK"
    verbs = frozenset("USER PASS APOP STAT LIST RETR DELE NOOP RSET QUIT TOP UIDL CAPA STLS AUTH UTF8 LANG".split())
    _HEAD = re.compile(r"(\+OK|-ERR)(?: |\Z)")
    _CHALLENGE = re.compile(r"\+(?: |\Z)")

    def __init__(self, asker: Asker) -> None:
        super().__init__(asker)
        self._is_body = False

    @property
    def is_in_body(self) -> bool:
        """See `Dialogue.is_in_body`."""
        return self._is_body

    def is_reply(self, text: str) -> bool:
        """See `Dialogue.is_reply`."""
        return self._HEAD.match(text) is not None or self._CHALLENGE.match(text) is not None

    def _client(self, line: Line, template: str) -> None:
        self._command(line, template)

    def server(self, line: Line) -> None:
        """See `Dialogue.server`; a body goes to its dot."""
        if self._is_body:
            self._add_to_reply(line)
            if line.text == ".":
                self._is_body = False
                self.close_reply()
            return
        if not self.is_reply(line.text):
            raise self.question_of_reply(line)
        self._add_to_reply(line)
        if not self._owed:
            raise self.question_of_unasked(line)
        verb, said = self._owed.popleft()
        found = self._HEAD.match(line.text)
        if found is None:
            self.is_responding = True
        elif found[1] == "+OK" and self._has_body(verb, said.text):
            self._is_body = True
            return
        elif found[1] == "+OK" and verb == "STLS":
            self.is_tls_due = True
        self.close_reply()

    @staticmethod
    def _has_body(verb: str, text: str) -> bool:
        has_argument = len(text.split()) > 1
        return verb in ("CAPA", "RETR", "TOP") or (verb in ("LIST", "UIDL", "AUTH", "LANG") and not has_argument)
