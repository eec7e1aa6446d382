"""The lines of a reply against patterns: blocks, and which line nearly fits.

Pure text; it knows neither codes' meaning nor verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from runner.dataclass import dataclass
from runner.matching.pattern import Pattern, Slot, nearest_miss

# So many lines are looked through for a near miss; a hint isn't worth more.
_COMPARED_LINES = 100
_COMPARED_CHARACTERS = 1000
# Words of a pattern that stand for any.
_WILD_WORDS = frozenset("*?")


@dataclass(frozen=True, slots=True)
class BlockLine:
    """One line of a block: a code (or none) and a glob on the text after it (None: any number of lines, `...`)."""

    code: str
    text: Pattern | None

    def show(self, slot_text: Callable[[Slot], str]) -> str:
        """Return the line as written, each slot shown by `slot_text`."""
        return "..." if self.text is None else f"{self.code} {self.text.show(slot_text)}".strip(" ")

    def __str__(self) -> str:
        return self.show(str)


@dataclass(frozen=True, slots=True)
class Block:
    """A whole reply, line by line. The character after the code is not compared."""

    lines: tuple[BlockLine, ...]

    def fill(self, value_of: Callable[[Slot], str]) -> Block:
        """Return the block with its placeholders' values in it."""
        return Block(
            tuple(line if line.text is None else replace(line, text=line.text.fill(value_of)) for line in self.lines)
        )

    def fits(self, texts: Sequence[str]) -> bool:
        """Whether the lines fit; `...` is to them what `*` is to characters, so go back to the last one only."""
        at, text, star, resume = 0, 0, -1, 0
        while text < len(texts):
            pattern = self.lines[at].text if at < len(self.lines) else None
            if at < len(self.lines) and pattern is None:
                star, resume = at, text
                at += 1
            elif pattern is not None and pattern.match_line(texts[text]):
                at, text = at + 1, text + 1
            elif star >= 0:
                resume += 1
                at, text = star + 1, resume
            else:
                return False
        return all(line.text is None for line in self.lines[at:])

    def miss(self, texts: Sequence[str]) -> str:
        """Return which line of the block no line of the reply fits, or that only order and number differ."""
        for line in self.lines:
            if line.text is not None and not any(line.text.match_line(text) for text in texts):
                near = nearest_line(line.text, texts)
                return f"no line fits '{line}'" + (f"; {near}" if near else "")
        return "every line has its like, but not in this order and number; '...' stands for any lines"

    def show(self, slot_text: Callable[[Slot], str]) -> str:
        """Return the block as written, each slot shown by `slot_text`."""
        return "\n".join(line.show(slot_text) for line in self.lines)

    def __str__(self) -> str:
        return self.show(str)


def nearest_line(pattern: Pattern, texts: Sequence[str], miss: Callable[[Pattern, str], str] = nearest_miss) -> str:
    """Return why the line that comes closest to a pattern misses it, as `miss` says it; '' if there is nothing to say.

    Closest is what shares most words with the pattern as written, then what begins most like it; of a regex, the
    first line that misses it narrowly.
    """
    if len(texts) < 2:
        return miss(pattern, texts[0]) if texts else ""
    numbered = list(enumerate(texts[:_COMPARED_LINES], 1))
    if not pattern.is_regex:
        written = str(pattern).lower()
        closest = max(numbered, key=lambda one: _likeness(written, one[1].lower()))
        numbered = [closest] if any(_likeness(written, closest[1].lower())) else []
    hints = ((number, miss(pattern, text)) for number, text in numbered)
    return next((f"line {number}: {hint}" for number, hint in hints if hint), "")


def _likeness(one: str, other: str) -> tuple[int, int]:
    """Return how many words two texts share, and how many characters they begin with in common."""
    shorter = min(len(one), len(other), _COMPARED_CHARACTERS)
    same = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    return len(shared_words(one, other)), same


def shared_words(pattern: str, text: str) -> set[str]:
    """Return the words that a pattern as written and a text have in common."""
    return set(pattern.split()) & set(text[:_COMPARED_CHARACTERS].split()) - _WILD_WORDS
