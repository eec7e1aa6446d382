"""One thing that differs between what was expected and what came; a value that every judge of anything makes."""

from __future__ import annotations

from runner.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that differs: which part, what was expected and what came, in the same notation."""

    part: str
    expected: str
    actual: str
    hint: str = ""
