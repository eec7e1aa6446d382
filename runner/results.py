"""What came of steps, cases and a run: values that reports read. Nothing here waits, prints or judges.

Texts that hold a server's words are redacted before they come here; they are not escaped, each report does that.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from enum import Enum
from typing import TYPE_CHECKING

from runner.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.transcript import Transcript
    from runner.wire import TlsFacts

# Of so many repetitions each warning that differs is kept.
MOST_WARNINGS = 100
# What differs from one repetition to the next and is no other reason: how long something took.
_TIME = re.compile(r"\d+\.\d+ s\b")


class Outcome(Enum):
    """How a step or a case ended; the values are the words that reports use."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    KNOWN = "known"
    NOT_RUN = "not run"

    is_failure: bool
    """Whether it turns a run red; an attribute, for it is asked of every step."""

    def __init__(self, word: str) -> None:
        self.is_failure = word in ("failed", "error")


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

    def sentence(self, gist: str = "") -> str:
        """Return it on one line, as reasons have it; `gist` stands for what came where its first line doesn't tell."""
        recipient = self.part.partition(" for ")[2]
        to = f" to message for {recipient}" if recipient else ""
        return f"expected {_first_line(self.expected)}, got{to} {_first_line(gist or self.actual)}"


def _first_line(text: str) -> str:
    """Return the first line, with a mark where there are more."""
    line, _, rest = text.partition("\n")
    return f"{line} …" if rest else line


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said that a step did not want, as far as it is shown.

    It had come at `at`, in seconds since the case began, or before. `to` is what it answers, empty if nothing.
    """

    text: str
    at: float
    to: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One whole reply of a server: `lines` are without code and status, literals left out. `latency` is in seconds."""

    to: str
    code: str
    status: str
    lines: tuple[str, ...]
    latency: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """All that a server did in one step, for who compares runs; kept only where it is asked for.

    `sent` is how the step is called with its placeholders, whatever its outcome; `chosen` what it decided by itself.
    `capabilities` and `tls` are those that were learnt in it, None if none were.
    """

    sent: str
    chosen: str = ""
    replies: tuple[Heard, ...] = ()
    capabilities: Mapping[str, tuple[str, ...]] | None = None
    tls: TlsFacts | None = None


@dataclass(slots=True)
class StepResult:
    """What came of one step. `started` is in seconds since the case began, `elapsed` how long it took.

    `reason` is one line for a step that failed or erred without or beyond its differences. What fails in the
    cleanup (`is_cleanup`) fails no case. `used_at` tells where the fragment is used that it is written in, and
    where the one around that, and so on.
    Nobody changes one; it isn't frozen because that would make it four times as dear, once for each step.
    """

    label: str
    place: Place
    outcome: Outcome
    started: float = 0.0
    elapsed: float = 0.0
    because: str = ""
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    session: str = ""
    is_cleanup: bool = False
    answers: tuple[Answer, ...] = ()
    used_at: tuple[Place, ...] = ()
    exchange: Exchange | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """With which server a session was."""

    name: str
    target: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one scenario, with one row of its matrix, against one target. Times are in seconds.

    `row` tells the row, empty without a matrix. `sessions` is empty where the scenario has its own one alone. With
    `repeats` it is what came of all of them together, and `elapsed` their median.
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
    row: str = ""
    sessions: tuple[SessionFacts, ...] = ()
    repeats: Repeats | None = None
    transcripts: tuple[Transcript, ...] = field(default=(), compare=False)
    started: float | None = field(default=None, compare=False)

    @property
    def not_passed(self) -> tuple[StepResult, ...]:
        """The steps that a reader must look at: failed, erred, or passed with a warning."""
        return tuple(step for step in self.steps if step.outcome.is_failure or step.differences)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often a case passed that was run again and again.

    `others` are the results that did not pass, the first for each distinct reason, each with how often it came.
    """

    runs: int
    passed: int
    others: tuple[tuple[int, CaseResult], ...] = ()

    def __str__(self) -> str:
        return f"{self.passed} of {self.runs}"


@dataclass(frozen=True, slots=True)
class RunResult:
    """All cases of a run, in the order of the input. `interrupted` is the signal's name, or empty.

    `began` is when that was, in UTC as ISO 8601 has it; empty if nobody has told. `elapsed` is in seconds.
    """

    cases: tuple[CaseResult, ...]
    elapsed: float = 0.0
    interrupted: str = ""
    is_embedded: bool = False
    began: str = ""

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


def fold_repeats(run: RunResult, times: int) -> RunResult:
    """Return the run with every `times` results, which are of one case, made one: passed if all of them passed."""
    cases = run.cases
    return replace(run, cases=tuple(_folded(cases[at : at + times]) for at in range(0, len(cases), times)))


def without_spare_skips(run: RunResult) -> RunResult:
    """Return the run without the skips of what ran against another target: one that fits none stays to be seen."""
    idle = (Outcome.SKIPPED, Outcome.NOT_RUN)
    ran = {(case.scenario, case.row) for case in run.cases if case.outcome not in idle}
    kept = (case for case in run.cases if case.outcome is not Outcome.SKIPPED or (case.scenario, case.row) not in ran)
    return replace(run, cases=tuple(kept))


def _folded(results: Sequence[CaseResult]) -> CaseResult:
    outcome = _outcome_of_all([result.outcome for result in results])
    groups: dict[tuple[Outcome, str], list[CaseResult]] = {}
    for result in results:
        if result.outcome is not Outcome.PASSED:
            groups.setdefault((result.outcome, _kind(result)), []).append(result)
    # What came most often is told first; of what came as often, what came first.
    others = sorted(((len(alike), alike[0]) for alike in groups.values()), key=lambda one: -one[0])
    passed = sum(result.outcome is Outcome.PASSED for result in results)
    first = next((result for result in results if result.outcome is outcome), others[0][1] if others else results[0])
    warnings = dict.fromkeys(text for result in results for text in result.warnings)
    return replace(
        first,
        outcome=outcome,
        reason=_reason(others),
        elapsed=_median([result.elapsed for result in results if result.outcome is not Outcome.NOT_RUN]),
        warnings=tuple(warnings)[:MOST_WARNINGS],
        repeats=Repeats(len(results), passed, tuple(others)),
    )


def _outcome_of_all(outcomes: list[Outcome]) -> Outcome:
    """Return the outcome that all have; else failed, for what happens at times can't be relied upon."""
    kinds = dict.fromkeys(outcomes)
    if Outcome.KNOWN in kinds:
        # A known issue that is not there every time is there: to have passed then is no failure.
        kinds.pop(Outcome.FAILED, None)
        if Outcome.ERROR in kinds:
            kinds.pop(Outcome.KNOWN)
    ran = [kind for kind in kinds if kind is not Outcome.NOT_RUN]
    if len(ran) == len(kinds) == 1:
        return ran[0]
    if len(ran) < 2 and not any(kind.is_failure for kind in ran):
        return Outcome.NOT_RUN
    return ran[0] if len(ran) == 1 else Outcome.FAILED


def _kind(result: CaseResult) -> str:
    """Return a reason without what is new in every repetition: its token and times."""
    reason = re.sub(rf"{re.escape(result.case_id)}\w*", "", result.reason) if result.case_id else result.reason
    return _TIME.sub("", reason)


def _reason(others: list[tuple[int, CaseResult]]) -> str:
    if not others:
        return ""
    count, first = others[0]
    more = len(others) - 1
    besides = f" (and {more} other {'reason' if more == 1 else 'reasons'})" if more else ""
    return f"{'once' if count == 1 else f'{count} times'}: {first.reason or first.outcome.value}{besides}"


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return 0.0
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
