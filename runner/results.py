"""What came of steps, cases and a run: values that reports read. Nothing here waits, prints or judges.

Texts that hold a server's words are redacted before they come here; they are not escaped, each report does that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.transcript import Transcript


class Outcome(Enum):
    """How a step or a case ended; the values are the words that reports use."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    NOT_RUN = "not run"

    @property
    def is_failure(self) -> bool:
        """Whether it turns a run red."""
        return self in (Outcome.FAILED, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step is written."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a reply did otherwise: which part, expected and actual in the same notation, the nearest miss.

    `is_warning`: it was noted and the case could still pass.
    """

    part: str
    expected: str
    actual: str
    hint: str = ""
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one step. `started` is in seconds since the case began, `elapsed` how long it took.

    `reason` is one line for a step that failed or erred without or beyond its differences.
    """

    label: str
    place: Place
    outcome: Outcome
    started: float = 0.0
    elapsed: float = 0.0
    because: str = ""
    reason: str = ""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one scenario against one target. Times are in seconds.

    `started` is the reading, when the case began, of the clock that its transcripts were kept by; None if unknown.
    """

    scenario: str
    target: str
    outcome: Outcome
    reason: str = ""
    place: Place | None = None
    case_id: str = ""
    elapsed: float = 0.0
    endpoint: str = ""
    tls: str = ""
    description: str = ""
    steps: tuple[StepResult, ...] = ()
    warnings: tuple[str, ...] = ()
    transcripts: tuple[Transcript, ...] = field(default=(), compare=False)
    started: float | None = field(default=None, compare=False)

    @property
    def not_passed(self) -> tuple[StepResult, ...]:
        """The steps that a reader must look at: failed, erred, or passed with a warning."""
        return tuple(step for step in self.steps if step.outcome.is_failure or step.differences)


@dataclass(frozen=True, slots=True)
class RunResult:
    """All cases of a run, in the order of the input. `interrupted` is the signal's name, or empty."""

    cases: tuple[CaseResult, ...]
    elapsed: float = 0.0
    interrupted: str = ""
    is_embedded: bool = False

    def count(self, outcome: Outcome) -> int:
        """Return how many cases ended so."""
        return sum(1 for case in self.cases if case.outcome is outcome)

    @property
    def warnings(self) -> int:
        """How many warnings the cases carry."""
        return sum(len(case.warnings) for case in self.cases)

    @property
    def is_passed(self) -> bool:
        """Whether the run is green: something passed, nothing failed, erred or was left out."""
        failed = any(case.outcome.is_failure or case.outcome is Outcome.NOT_RUN for case in self.cases)
        return not failed and not self.interrupted and self.count(Outcome.PASSED) > 0
