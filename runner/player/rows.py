"""The results of steps as a report may hold them: however many rounds there were, the rows are bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runner.results import Outcome, StepResult

# The first rows tell how it went; of what failed after them the first are kept, too, and the rest is counted.
MOST_ROWS = 1000
MOST_FAILED_ROWS = 100
# The worst first: the row for the rest must not look better than what it stands for.
_WORST = (Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN, Outcome.SKIPPED, Outcome.PASSED)


class Rows:
    """Results of steps, in order; `count` is how many there were."""

    __slots__ = ("_kept", "_last", "_left", "count")

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[StepResult] = []
        self._left: dict[Outcome, int] = {}
        self._last: StepResult | None = None

    def __iter__(self) -> Iterator[StepResult]:
        return iter(self._kept)

    def add(self, row: StepResult) -> None:
        """Keep a row, or count it where there are enough."""
        self.count += 1
        kept = len(self._kept)
        is_of_interest = row.outcome.is_failure or row.differences
        if kept < MOST_ROWS or (is_of_interest and kept < MOST_ROWS + MOST_FAILED_ROWS):
            self._kept.append(row)
        else:
            self._leave_out(row.outcome, 1)
            self._last = row

    def _leave_out(self, outcome: Outcome, number: int) -> None:
        self._left[outcome] = self._left.get(outcome, 0) + number

    def adopt(self, others: Rows) -> None:
        """Add the rows of a part of the case, and what they left out."""
        for row in others:
            self.add(row)
        self.count += sum(others._left.values())
        for outcome, number in others._left.items():
            self._leave_out(outcome, number)
        self._last = others._last or self._last

    @property
    def has_passed(self) -> bool:
        """Whether a step passed."""
        passed = Outcome.PASSED
        return passed in self._left or any(row.outcome is passed for row in self._kept)

    def replace(self, rows: Iterable[StepResult]) -> None:
        """Put other rows in place of those that are kept."""
        self._kept = list(rows)

    def all(self) -> tuple[StepResult, ...]:
        """Return the rows, and one that stands for the rest."""
        if self._last is None:
            return tuple(self._kept)
        outcome = next(one for one in _WORST if one in self._left)
        counts = ", ".join(f"{number:,} {one.value}" for one, number in self._left.items())
        rest = StepResult(f"{sum(self._left.values()):,} more steps", self._last.place, outcome, reason=counts)
        return (*self._kept, rest)
