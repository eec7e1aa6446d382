"""Who said an unmarked line: told by what the protocol allows there, and asked where it allows both.

A reply is owed for each command and none comes by itself; a reply that is not at its end goes on; a message goes to
its dot, a literal to its last octet; a challenge is answered. What remains is a line that a terminal has wrapped.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

from runner.authoring.readers.asking import Asker, Line, quoted
from runner.authoring.readers.dialogue import MARKS, Dialogue
from runner.authoring.readers.screen import NARROWEST
from runner.language.auth_state import is_base64

MARK = re.compile(r"([CS]): ?")
# A terminal of one of these widths fills its lines to the last column; other wraps are those of words.
WIDTHS = (80, 100, 120, 132, 160)
_ENCODED_WIDTH = 60
# So many lines of a terminal are 16 KiB, more than SASL's largest tickets.
_MOST_OF_RESPONSE = 200


class Attribution(ABC):
    """Reads the lines of one connection into a dialogue."""

    def __init__(self, dialogue: Dialogue, lines: Sequence[Line], asker: Asker) -> None:
        self.dialogue = dialogue
        self.asker = asker
        self._lines = lines
        self._at = 0
        self._last: Line | None = None  # of the server
        self._has_client = False

    def read(self) -> int:
        """Read until the conversation is over; return how many lines that took."""
        while self._at < len(self._lines) and not self._is_over():
            line = self._lines[self._at]
            if self.dialogue.is_in_text:
                self._read_text(line)
            elif self.dialogue.is_in_body:
                self._read_body(line)
            elif mark := MARK.match(line.text):
                told = Line(line.number, line.text[mark.end() :])
                self._client(told) if mark[1] == "C" else self._server(told)
            else:
                self._step(line)
        return self._at

    @abstractmethod
    def _step(self, line: Line) -> None:
        """Take the line that is next, and maybe more; `_at` is beyond what was taken."""

    def _is_over(self) -> bool:
        is_done = self.dialogue.has_said_goodbye and not self.dialogue.owed and not self.dialogue.is_in_reply
        return is_done and self.dialogue.is_greeting(self._lines[self._at].text)

    def _read_text(self, line: Line) -> None:
        self.dialogue.client(line)
        self._at += 1

    def _read_body(self, line: Line) -> None:
        self.dialogue.server(line)
        self._at += 1

    def _client(self, line: Line) -> None:
        self.dialogue.client(line)
        self._has_client = True
        self._at += 1

    def _server(self, line: Line) -> None:
        self.dialogue.server(line)
        self._last = line
        self._at += 1

    def _wrapped(self, line: Line) -> None:
        """Take the rest of the server's line before."""
        assert self._last is not None
        self.dialogue.go_on(line, self._glue(self._last))
        self._last = line
        self._at += 1

    def _leave_out(self, line: Line) -> None:
        self.dialogue.guesses.append(f"line {line.number} comes after the goodbye and was left out")
        self._at += 1

    @cached_property
    def _widest(self) -> int:
        return max(len(line.text) for line in self._lines)

    def _may_be_rest(self, before: Line | None, line: Line) -> bool:
        """Whether a terminal may have wrapped the line before: what follows would not have found room in it."""
        if before is None or len(before.text) < NARROWEST:
            return False
        return len(before.text) + 1 + len(line.text.partition(" ")[0]) > self._widest

    def _glue(self, before: Line) -> str:
        return "" if len(before.text) == self._widest and self._widest in WIDTHS else " "

    def _neither(self, line: Line) -> Exception:
        return self.asker.question(
            line, f"is {quoted(line.text)} the client's line, or the rest of the server's line before?", MARKS
        )


class TurnAttribution(Attribution):
    """SMTP, LMTP and POP3: a reply for each command, and a word at its beginning that tells it."""

    def _read_text(self, _: Line) -> None:
        self._read_to_dot("the message that begins here has no end: a line of a lone dot is due", self.dialogue.client)

    def _read_body(self, _: Line) -> None:
        self._read_to_dot("the server's lines that begin here have no end: a lone dot is due", self.dialogue.server)

    def _read_to_dot(self, message: str, take: Callable[[Line], object]) -> None:
        dot = next((at for at in range(self._at, len(self._lines)) if self._lines[at].text == "."), None)
        if dot is None:
            if not any(line.text for line in self._lines[self._at :]):
                self._at = len(self._lines)
                return
            raise self.asker.question(self._lines[self._at], message, "add a line '.' where it ended")
        for line in self._lines[self._at : dot + 1]:
            take(line)
        self._at = dot + 1

    def _step(self, line: Line) -> None:
        if self.dialogue.is_in_reply:
            self._go_on(line)
        elif self.dialogue.is_responding:
            self._respond()
        elif self.dialogue.owed and self.dialogue.is_reply(line.text):
            self._server(line)
        else:
            self._take_turn()

    def _go_on(self, line: Line) -> None:
        """Take a line while the server's reply says that it goes on."""
        if not line.text.strip():
            self._at += 1
        elif self.dialogue.is_reply(line.text):
            self._server(line)
        elif not self.dialogue.is_command(line.text) and self._may_be_rest(self._last, line):
            self._wrapped(line)
        else:
            raise self.asker.question(
                line,
                "the reply before is not at its end: its last line has a '-' after the code",
                f"is a line missing, or is this the rest of the one before? {MARKS}",
            )

    # A challenge of AUTH was read.

    def _respond(self) -> None:
        lines, end = self._until_reply()
        said = [line for line in lines if line.text.strip()]
        has_reply = end < len(self._lines)
        if not said and lines and has_reply:
            said = lines[:1]
        if not said and not has_reply:
            self._at = end
            return
        if not said:
            raise self.asker.question(
                self._lines[end], "no answer to the challenge before this reply", "add it; what it is doesn't matter"
            )
        rest, response = self._split(said)
        for line in rest:
            self._wrapped(line)
        self._client(Line(response[0].number, "".join(line.text.strip() for line in response)))
        self._at = end

    def _split(self, said: list[Line]) -> tuple[list[Line], list[Line]]:
        """Return what of the lines is the rest of the challenge, and the response; both may be wrapped."""
        if len(said) == 1:
            return [], said
        assert self._last is not None
        challenge = self._last.text.partition(" ")[2]
        fits = []
        for cut in range(len(said) if len(said) <= _MOST_OF_RESPONSE else 0):
            rest, response = said[:cut], said[cut:]
            is_wrapped = all(len(line.text) >= _ENCODED_WIDTH for line in [*([self._last] if rest else []), *rest[:-1]])
            whole = challenge + "".join(line.text for line in rest)
            if (
                is_wrapped
                and all(len(line.text) >= _ENCODED_WIDTH for line in response[:-1])
                and is_base64(whole)
                and is_base64("".join(line.text.strip() for line in response))
            ):
                fits.append((rest, response))
        if len(fits) != 1:
            raise self.asker.question(
                said[1],
                "one line of these answers the challenge: which?",
                f"{MARKS}, and keep what a terminal has wrapped in one line",
                is_secret=True,
            )
        return fits[0]

    # It is the client's turn, or the server owes more than one reply.

    def _until_reply(self) -> tuple[list[Line], int]:
        """Return the lines before the next that begins a reply, and where that is."""
        end = self._at
        while end < len(self._lines) and not self._is_told(self._lines[end].text):
            end += 1
        return list(self._lines[self._at : end]), end

    def _is_told(self, text: str) -> bool:
        return self.dialogue.is_reply(text) or MARK.match(text) is not None

    def _take_turn(self) -> None:
        lines, end = self._until_reply()
        run = [line for line in lines if line.text.strip()]
        reply = self._lines[end] if end < len(self._lines) else None
        if not run:
            self._at = end
            if reply is not None and not MARK.match(reply.text):
                self._unasked(reply, has_blank=bool(lines))
            return
        commands = [line for line in run if self.dialogue.is_command(line.text)]
        if self.dialogue.owed or len(commands) > 1:
            self._ahead(run, commands, end)
        elif commands:
            self._one(run, commands[0])
        elif reply is None:
            self._trailing(run)
        else:
            self._unknown(run, reply)
        self._at = end

    def _unasked(self, reply: Line, *, has_blank: bool) -> None:
        """Take a reply that nothing was sent for."""
        if reply.text.startswith("421"):
            self._server(reply)
        elif has_blank and reply.text.startswith(("5", "-ERR")):
            self.dialogue.client(Line(reply.number - 1, ""))
            self._server(reply)
        elif not self._has_client and not any(self.dialogue.is_command(line.text) for line in self._lines):
            raise self.asker.question(
                reply,
                "only the server's lines are here: what was sent before this reply?",
                "a terminal without local echo shows none; add what was typed, one line a command",
            )
        else:
            raise self.asker.question(
                reply,
                "two replies in a row: what was sent before this one?",
                f"add the client's line, or join this with the line that it is the rest of; {MARKS}",
            )

    def _one(self, run: list[Line], command: Line) -> None:
        """Take the one command of a run, and what was wrapped before and after it."""
        at = run.index(command)
        for line in run[:at]:
            if not self._may_be_rest(self._last, line):
                raise self._neither(line)
            self._wrapped(line)
        self._client(command)
        for before, line in zip(run[at:], run[at + 1 :], strict=False):
            if not self._may_be_rest(before, line):
                raise self.asker.question(
                    line, f"is {quoted(line.text)} the rest of the command before, or a line of the server?", MARKS
                )
            self.dialogue.extend_command(line, self._glue(before))

    def _ahead(self, run: list[Line], commands: list[Line], end: int) -> None:
        """Take several commands that were typed before the replies came, if there is one for each."""
        first = next((at for at, line in enumerate(run) if self.dialogue.is_command(line.text)), len(run))
        due = self.dialogue.owed + len(commands)
        replies = self._replies_from(end, limit=due)
        if len(commands) != len(run) - first or replies != due:
            self._ask_for_reply(run, commands, replies)
        for line in run[:first]:
            if self.dialogue.owed or not self._may_be_rest(self._last, line):
                raise self._neither(line)
            self._wrapped(line)
        for line in run[first:]:
            self._client(line)

    def _ask_for_reply(self, run: list[Line], commands: list[Line], replies: int) -> None:
        told = (
            "no reply follows" if not replies else "one reply follows" if replies == 1 else f"{replies} replies follow"
        )
        if self.dialogue.owed and len(commands) < 2:
            raise self.asker.question(
                run[0],
                f"a reply is due here, and this is none; {told}",
                f"is the reply missing, or is this the rest of a line of the server? {MARKS}",
            )
        place = commands[1] if len(commands) > 1 else run[0]
        raise self.asker.question(
            place,
            f"commands in a row: {', '.join(quoted(line.text, 30) for line in commands[:3])}; {told}",
            f"is a reply missing, or is one of them the rest of a line of the server? {MARKS}",
        )

    def _replies_from(self, at: int, limit: int) -> int:
        """Count the replies up to the client's next line, which a line that is no command may be after `limit`."""
        count = 0
        for line in self._lines[at:]:
            is_reply = self.dialogue.is_reply(line.text)
            if MARK.match(line.text) or (not is_reply and self.dialogue.is_command(line.text)):
                break
            if count == limit and (not is_reply or line.text.startswith("421")):
                break
            count += is_reply and line.text[3:4] != "-"
            if line.text.startswith("354"):
                break
        return count

    def _trailing(self, run: list[Line]) -> None:
        """Take the last lines of a connection, of which none is a command."""
        for line in run:
            if self._may_be_rest(self._last, line):
                self._wrapped(line)
            elif self.dialogue.has_said_goodbye and not self.dialogue.owed:
                self._leave_out(line)
            else:
                raise self._neither(line)

    def _unknown(self, run: list[Line], reply: Line) -> None:
        """Take lines of which none is known as a command, and one must be the client's."""
        if len(run) > 1:
            raise self.asker.question(
                run[-1], f"which line did the client send? {quoted(run[-1].text)} is no command that is known", MARKS
            )
        is_refused = reply.text.startswith(("5", "-ERR"))
        if not is_refused and self._may_be_rest(self._last, run[0]):
            raise self._neither(run[0])
        self._client(run[0])
