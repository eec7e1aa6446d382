"""One line of a reply that may not be whole yet, against a pattern.

A server that lets a client wait says `220-` and goes on later: the line is judged as soon as it is there, with its
code and separator. Pure text; it knows nothing of time or of what the rest of the reply will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from runner.dataclass import dataclass
from runner.matching.alternatives import ValueOf, both
from runner.matching.mismatch import Mismatch
from runner.matching.pattern import Pattern, TooLong, nearest_miss


@dataclass(frozen=True, slots=True)
class LineExpectation:
    """What is asked of the next line: the pattern sees it whole, as in `220-mx.example.com`. Times are in seconds."""

    pattern: Pattern
    within: float | None = None
    is_warning: bool = False
    slot_text: ValueOf = field(default=str, compare=False, repr=False)

    def fill(self, value_of: ValueOf, slot_text: ValueOf = str) -> LineExpectation:
        """Return it with its placeholders' values in it; `slot_text` is how they may be shown."""
        return replace(self, pattern=self.pattern.fill(value_of), slot_text=slot_text)

    def judge(self, line: str) -> tuple[Mismatch | None, Mapping[str, str]]:
        """Return what differs, if anything does, and what the pattern's named groups have found."""
        try:
            match = self.pattern.match_line(line)
        except TooLong as error:
            return Mismatch("line", str(self), line, error.reason), {}
        if match is None:
            return Mismatch("line", str(self), line, nearest_miss(self.pattern, line)), {}
        return None, match.named

    def __str__(self) -> str:
        return both(self.pattern, self.slot_text)
