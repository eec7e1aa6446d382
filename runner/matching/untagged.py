"""Untagged lines of IMAP against what `untagged` asks: each pattern wants a line, in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.matching.alternatives import both
from runner.matching.glob import Glob, fits_beginning
from runner.matching.lines import nearest_line, shared_words
from runner.matching.mismatch import Mismatch
from runner.matching.pattern import TooLong, nearest_miss
from runner.protocol.reply import CutLine

if TYPE_CHECKING:
    from runner.matching.expectation import Expectation
    from runner.matching.pattern import Match, Pattern


@dataclass(frozen=True, slots=True)
class Untagged:
    """What became of a search in untagged lines: what is missing, captures, and how many lines were needed for it."""

    mismatches: tuple[Mismatch, ...]
    captures: Mapping[str, str]
    needed: int


def find_untagged(expectation: Expectation, lines: Sequence[str]) -> Untagged:
    """Look for a line for each pattern of `untagged`, in any order; one line may fit several."""
    missing: list[Mismatch] = []
    captures: dict[str, str] = {}
    needed = 0
    for pattern in expectation.untagged:
        hint = ""
        for number, line in enumerate(lines, 1):
            is_cut = isinstance(line, CutLine) and isinstance(pattern, Glob)
            try:
                match = _match_cut(pattern, line) if is_cut else pattern.match_line(line)
            except TooLong as error:
                hint = error.reason
                continue
            if match is None and is_cut:
                hint = "not all of a literal in it was kept (limit 'reply'): a glob of what is before it ends with ` *`"
            if match is not None:
                captures.update(match.named)
                needed = max(needed, number)
                break
        else:
            wanted = f"an untagged line {both(pattern, expectation.slot_text)}"
            hint = hint or nearest_line(pattern, lines, _miss)
            missing.append(Mismatch("untagged", wanted, "\n".join(f"* {line}" for line in lines) or "none", hint))
    return Untagged(tuple(missing), captures, needed)


def _match_cut(pattern: Pattern, line: str) -> Match | None:
    """Match a line with a gap in it: what a glob asks must be met before the first literal, and its end be open."""
    stretches = pattern.stretches if isinstance(pattern, Glob) else None
    is_open = stretches is not None and len(stretches) > 1 and stretches[-1] == ""
    return pattern.match_line(line.partition("\n")[0]) if is_open else None


def _miss(pattern: Pattern, line: str) -> str:
    """Return why a pattern misses a line. That it would fit with a `*` at its end is no advice.

    `SEARCH` alone asks that nothing was found: with the star the check would be none.
    """
    shown = f": {line}" if "\n" not in line else ""
    if isinstance(pattern, Glob) and not pattern.match_line(line) and fits_beginning(pattern, line):
        return f"the line goes on{shown}"
    hint = nearest_miss(pattern, line)
    is_like = not pattern.is_regex and shared_words(str(pattern).lower(), line.lower())
    return hint or (f"it comes nearest{shown}" if is_like and shown else "")
