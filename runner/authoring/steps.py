"""Where the steps of a draft stand: consecutive lines of a dialogue in one `talk`, keys in steps of their own.

What is in a line is settled before it comes here.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.authoring.expected import Expected
from runner.authoring.yaml_text import block, key_lines, scalar


def is_talkable(expected: Expected) -> bool:
    """Whether a talk can say what is expected."""
    if expected.is_own_step or expected.keys:
        return False
    return all(line == line.strip() and not line.startswith("[") for line in expected.lines)


class Page:
    """The lines of the steps that are written, the dialogue that is still open, and notes for what comes next."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        #: What the operator is to be told besides.
        self.guesses: list[str] = []
        self._talk: list[str] = []
        self._notes: list[str] = []

    def note(self, text: str) -> None:
        """Write a comment above what comes next."""
        self._notes.append(text)

    def tell(self, comment: str, guess: str) -> None:
        """Write a comment above what comes next, and tell the operator of it."""
        self.note(comment)
        self.guesses.append(guess)

    def flush_notes(self) -> None:
        """Write the notes where nothing comes any more."""
        self.lines += [f"  {note}" for note in self._taken_notes()]

    @property
    def is_amid_message(self) -> bool:
        """Whether the next lines of the client's in the open talk would be a message."""
        return bool(self._talk) and self._talk[-1].startswith("S: 354")

    @property
    def ends_with_reply(self) -> bool:
        """Whether the server has had the last word in the open talk."""
        return bool(self._talk) and self._talk[-1].startswith("S:")

    def say(self, client: Sequence[str], expected: Expected) -> None:
        """Add to the talk: the client's lines, if any, and the reply."""
        if client:
            self._talk += [*self._taken_notes(), *(f"C: {line}" if line else "C:" for line in client)]
        self._talk += [*self._comments(expected), *(f"S: {line}" for line in expected.lines)]
        if expected.lines[-1:] == ("...",):
            self.end_talk()  # what the server said next would be a part of it

    def end_talk(self) -> None:
        """Write the open talk; a lone reply needs none."""
        said = [line for line in self._talk if not line.startswith("#")]
        if len(said) == 1 and said[0].startswith("S: "):
            self.lines += [f"  {line}" for line in self._talk if line.startswith("#")]
            self.lines.append(f"  - expect: {scalar(said[0][3:])}")
        elif self._talk:
            self.lines += ["  - talk: |", *(f"      {line}" for line in self._talk)]
        self._talk = []

    def step(self, head: str, keys: Sequence[str], expected: Expected) -> None:
        """Write a step: its verb (`- ` alone where it only expects), the rest of the verb, what it expects.

        Of `keys` those that are indented already are lines of the verb's block.
        """
        self.end_talk()
        self.lines += [f"  {comment}" for comment in self._comments(expected)]
        lines = [key if not key or key.startswith("      ") else f"    {key}" for key in keys]
        lines += _expect_lines(expected)
        if head == "- ":
            lines[0] = f"  - {lines[0].lstrip(' ')}"
        else:
            lines.insert(0, f"  {head}")
        self.lines += lines

    def _taken_notes(self) -> list[str]:
        notes, self._notes = self._notes, []
        return [f"# {note}" for note in notes]

    def _comments(self, expected: Expected) -> list[str]:
        guessed = [f"# guessed: a star stands for {' and '.join(expected.guessed)}"] if expected.guessed else []
        return [*self._taken_notes(), *guessed, *(f"# {note}" for note in expected.notes)]


def _expect_lines(expected: Expected) -> list[str]:
    if len(expected.lines) > 1:
        first, *rest = block(expected.lines, "      ")
        lines = [f"    expect: {first}", *rest]
    else:
        lines = [f"    expect: {scalar(line)}" for line in expected.lines]
    return [*lines, *(line for key, value in expected.keys.items() for line in key_lines(key, value, "    "))]
