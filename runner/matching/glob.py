r"""Globs: `*` any run, `?` one character, `\*` `\?` `\\` these characters themselves; case counts.

Matching needs no regex and never goes back further than one stretch between stars: the first stretch is
pinned to the start, the last to the end, each one between is taken at its leftmost place. Without `?` every
step is a `str` method, so the cost is that of reading the text. A stretch with `?` between two stars costs at
most (length of the text) x (runs of literals in the stretch), and only the author decides the second.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.matching.base import Match, Pattern, Slot, Source, show_source, slots_in, units_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Wild(Enum):
    """The two wildcards of a glob."""

    RUN = "*"
    ONE = "?"


Token = str | Wild | Slot
# What a literal text can't hold as it is; a backslash only where it would escape what follows.
_SPECIAL = re.compile(r"[*?]|\\(?=[*?\\]|$)")


@dataclass(frozen=True, slots=True)
class Gapped:
    """A stretch with `?` in it: `width` characters, of which `runs` are given at their offsets."""

    width: int
    runs: tuple[tuple[int, str], ...] = field(repr=False)

    def fits(self, text: str, at: int) -> bool:
        """True if the stretch lies in `text` at this place, which leaves room for it."""
        return all(text.startswith(run, at + offset) for offset, run in self.runs)

    def find(self, text: str, start: int, end: int) -> int:
        """Return the leftmost place in `text[start:end]`, or -1."""
        if not self.runs:
            return start if start + self.width <= end else -1
        offset, longest = max(self.runs, key=lambda run: len(run[1]))
        last = end - self.width
        at = text.find(longest, start + offset) - offset
        while start <= at <= last:
            if self.fits(text, at):
                return at
            at = text.find(longest, at + offset + 1) - offset
        return -1


Stretch = str | Gapped


@dataclass(frozen=True, slots=True, repr=False)
class Glob(Pattern):
    """A compiled glob. `tokens` hold filled values: they are never shown."""

    source: Source
    tokens: tuple[Token, ...]
    stretches: tuple[Stretch, ...] | None

    @property
    def is_regex(self) -> bool:
        """A glob is none."""
        return False

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots that are still to be filled."""
        return slots_in(self.source) if self.stretches is None else ()

    @property
    def groups(self) -> tuple[str, ...]:
        """A glob names nothing."""
        return ()

    def fill(self, value: Callable[[Slot], str]) -> Glob:
        """Return the glob with the values in their places; itself if there are none."""
        if self.stretches is not None:
            return self
        return _glob(self.source, [value(t) if isinstance(t, Slot) else t for t in self.tokens])

    def match_line(self, line: str) -> Match | None:
        """Return the whole line if the glob matches it."""
        return Match(line) if self._fits(line) else None

    def search_text(self, text: str) -> Match | None:
        """Return the first line that the glob matches whole."""
        for line in text.split("\n"):
            if self._fits(line):
                return Match(line)
        return None

    def show(self, slot_text: Callable[[Slot], str]) -> str:
        """Return the glob as written; a value in it so that it would read as the literal text that it is."""
        shown = show_source(self.source, slot_text, _SPECIAL)
        is_value = slot_text is not str and bool(self.source) and isinstance(self.source[0], Slot)
        return f"\\{shown}" if is_value and shown.startswith("/") else shown

    def _fits(self, line: str) -> bool:
        stretches = self.stretches
        if stretches is None:
            raise ValueError(f"the pattern {self} has slots that are not filled")
        first, last = stretches[0], stretches[-1]
        if len(stretches) == 1:
            return line == first if isinstance(first, str) else len(line) == first.width and first.fits(line, 0)
        if len(stretches) == 2 and isinstance(first, str) and isinstance(last, str):
            return len(line) >= len(first) + len(last) and line.startswith(first) and line.endswith(last)
        return first_missing(stretches, line) is None


def compile_glob(source: Source) -> Glob:
    r"""Compile a glob; every text is one. A `\/` at its start is a `/`, elsewhere `\` is itself.

    >>> compile_glob(('Hello *',)).match_line('Hello mx.example.com') is not None
    True
    """
    return _glob(source, _tokens(source))


def _tokens(source: Source) -> list[Token]:
    units = units_of(source)
    tokens: list[Token] = []
    at = 0
    while at < len(units):
        unit, following = units[at], units[at + 1] if at + 1 < len(units) else ""
        if unit == "\\" and (following in ("*", "?", "\\") or (following == "/" and at == 0)):
            tokens.append(following)
            at += 2
            continue
        tokens.append(Wild(unit) if unit in ("*", "?") else unit)
        at += 1
    return tokens


def _glob(source: Source, tokens: list[Token]) -> Glob:
    joined: list[Token] = []
    for token in tokens:
        if isinstance(token, str) and joined and isinstance(joined[-1], str):
            joined[-1] += token
        elif not (token is Wild.RUN and joined and joined[-1] is Wild.RUN):
            joined.append(token)
    has_slots = any(isinstance(token, Slot) for token in joined)
    return Glob(source, tuple(joined), None if has_slots else _stretches(joined))


def _stretches(tokens: list[Token]) -> tuple[Stretch, ...]:
    """Cut the tokens at the stars; there is one stretch more than there are stars."""
    cut: list[list[Token]] = [[]]
    for token in tokens:
        if token is Wild.RUN:
            cut.append([])
        else:
            cut[-1].append(token)
    return tuple(_stretch(piece) for piece in cut)


def _stretch(tokens: list[Token]) -> Stretch:
    if Wild.ONE not in tokens:
        return "".join(token for token in tokens if isinstance(token, str))
    runs: list[tuple[int, str]] = []
    width = 0
    for token in tokens:
        if isinstance(token, str):
            if token:
                runs.append((width, token))
            width += len(token)
        else:
            width += 1
    return Gapped(width, tuple(runs))


def first_missing(stretches: tuple[Stretch, ...], line: str) -> int | None:
    """Return the index of the first of two or more stretches that has no place in `line`; None if all have."""
    first, *middle, last = stretches
    start, end = _width(first), len(line) - _width(last)
    if start > len(line) or not _fits_at(first, line, 0):
        return 0
    for index, stretch in enumerate(middle, 1):
        if start > end:
            return index
        at = line.find(stretch, start, end) if isinstance(stretch, str) else stretch.find(line, start, end)
        if at < 0:
            return index
        start = at + _width(stretch)
    if end < start or not _fits_at(last, line, end):
        return len(stretches) - 1
    return None


def _width(stretch: Stretch) -> int:
    return len(stretch) if isinstance(stretch, str) else stretch.width


def _fits_at(stretch: Stretch, line: str, at: int) -> bool:
    return line.startswith(stretch, at) if isinstance(stretch, str) else stretch.fits(line, at)


def miss_of_glob(glob: Glob, line: str) -> str:
    """Return why a glob that doesn't match `line` nearly does; '' if it matches."""
    if glob.stretches is None or glob.match_line(line):
        return ""
    if fits_beginning(glob, line):
        return f"the text goes on; end with `{_star_for(glob, line)}`"
    if _lowered(glob).match_line(line.lower()):
        return "only the case differs, and case counts"
    if glob.match_line(line.strip()):
        return "only blanks at the text's ends differ"
    missing = first_missing(glob.stretches, line) if len(glob.stretches) > 1 else 0
    return _miss_in(glob, glob.stretches, missing or 0, line)


def fits_beginning(glob: Glob, line: str) -> bool:
    """Whether a glob without slots would match if the line had less at its end."""
    return _glob(glob.source, [*glob.tokens, Wild.RUN]).match_line(line) is not None


def _star_for(glob: Glob, line: str) -> str:
    """Return ` *` if a blank comes after what the glob matches, else `*`."""
    spaced = _glob(glob.source, [*glob.tokens, " ", Wild.RUN])
    return " *" if spaced.match_line(line) else "*"


def _lowered(glob: Glob) -> Glob:
    return _glob(glob.source, [t.lower() if isinstance(t, str) else t for t in glob.tokens])


def _miss_in(glob: Glob, stretches: tuple[Stretch, ...], missing: int, line: str) -> str:
    if missing == 0:
        same = _common(stretches[0], line)
        if same == len(line):
            return "the text ends before the pattern does"
        return f"differs from character {same + 1} on" if same else ""
    if missing == len(stretches) - 1:
        return "the text ends otherwise than the pattern, after its last `*`"
    stretch = stretches[missing]
    if isinstance(stretch, str) and not slots_in(glob.source):  # it is as the author wrote it
        where = "where the pattern has it" if stretch in line else "in it"
        return f"there is no '{stretch}' {where}"
    return "it lacks what the pattern has between two of its `*`"


def _common(stretch: Stretch, line: str) -> int:
    """Return how many characters at the start of `line` fit the stretch."""
    runs = ((0, stretch),) if isinstance(stretch, str) else stretch.runs
    for offset, run in runs:
        for at, char in enumerate(run, offset):
            if line[at : at + 1] != char:
                return min(at, len(line))
    return min(_width(stretch), len(line))
