"""Who said an unmarked line of IMAP, where tags tell, and of ManageSieve, where the server's last word does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.authoring.readers.asking import Asker, Line, quoted
from runner.authoring.readers.attribution import Attribution
from runner.authoring.readers.dialogue import MARKS
from runner.authoring.readers.imap import ImapDialogue, SieveDialogue

_ANSWER = re.compile(r"(\S+) (?:OK|NO|BAD)(?: |\Z)", re.IGNORECASE)


class TagAttribution(Attribution):
    """IMAP: a command has a tag that its answer repeats."""

    dialogue: ImapDialogue

    def __init__(self, dialogue: ImapDialogue, lines: Sequence[Line], asker: Asker) -> None:
        super().__init__(dialogue, lines, asker)
        self._answers = {found[1]: at for at, line in enumerate(lines) if (found := _ANSWER.match(line.text))}

    def _step(self, line: Line) -> None:
        dialogue = self.dialogue
        if not line.text.strip():
            self._at += 1
        elif dialogue.is_reply(line.text):
            self._server(line)
        elif dialogue.is_responding or self._is_done(line) or self._is_answered(line):
            self._client(line)
        elif self._may_be_rest(self._last, line) and (dialogue.is_in_list or not dialogue.is_command(line.text)):
            self._wrapped(line)
        elif dialogue.is_command(line.text) and not self._commands_after():
            self._client(line)
        elif dialogue.is_command(line.text):
            tag = line.text.partition(" ")[0]
            raise self.asker.question(
                line, f"no answer to this command: a line '{tag} OK', '{tag} NO' or '{tag} BAD' is due", MARKS
            )
        elif dialogue.has_said_goodbye and not dialogue.owed:
            self._leave_out(line)
        else:
            raise self.asker.question(
                line,
                f"whose line is {quoted(line.text)}? a command has a tag, the server's lines begin with '*' or a tag",
                MARKS,
            )

    def _is_done(self, line: Line) -> bool:
        return self.dialogue.is_idle and line.text.strip().upper() == "DONE"

    def _is_answered(self, line: Line) -> bool:
        tag, blank, rest = line.text.partition(" ")
        return bool(blank and rest) and self._answers.get(tag, -1) > self._at

    def _commands_after(self) -> bool:
        return any(self.dialogue.is_command(line.text) for line in self._lines[self._at + 1 :])


class ScriptAttribution(Attribution):
    """ManageSieve: a reply goes on until OK, NO or BYE."""

    dialogue: SieveDialogue

    def _step(self, line: Line) -> None:
        dialogue = self.dialogue
        if not line.text.strip():
            self._at += 1
        elif dialogue.is_responding:
            self._client(line)
        elif dialogue.is_reply(line.text) and (dialogue.owed or dialogue.is_tls_due or line.text[:3].upper() == "BYE"):
            self._server(line)
        elif dialogue.is_command(line.text) and not dialogue.owed:
            self._client(line)
        elif not dialogue.is_command(line.text) and self._may_be_rest(self._last, line):
            self._wrapped(line)
        elif dialogue.owed:
            raise dialogue.question_of_reply(line)
        elif dialogue.has_said_goodbye:
            self._leave_out(line)
        else:
            raise self.asker.question(
                line, f"{quoted(line.text)} is no command of ManageSieve, and no reply is due", MARKS
            )
