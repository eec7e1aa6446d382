"""What several runs say of each case: how often it passed, since when it ends as it does, how long it takes.

A run is reduced to a few numbers for each case as soon as it is read, so that a hundred of them cost little memory.
This module must not know where results come from or how a history looks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.report.layout import counted
from runner.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.results import CaseResult, RunResult

#: What a case is recognised by in another run: scenario, row, target, and its number among those of the same names.
Key = tuple[str, str, str, int]

# What is usual is the median of so many runs before, and needs so many at least.
USUAL_RUNS = 20
LEAST_RUNS = 4
# Slower than usual: by this factor, and by more seconds than a busy machine costs.
SLOWER = 2.0
SLOWER_SECONDS = 0.05
#: The states of a case, the worst first.
STATES = ("failing", "not run", "flaky", "slow", "fixed", "known", "skipped", "steady")
_IDLE = (Outcome.SKIPPED, Outcome.NOT_RUN)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run says of a case. `plays` is how often it was played to a verdict, `elapsed` is in seconds."""

    outcome: Outcome
    elapsed: float
    plays: int
    passed: int


@dataclass(frozen=True, slots=True)
class Record:
    """One run, reduced. `name` is the file's; `began` is None if the result doesn't tell, or not as ISO 8601 has it."""

    name: str
    began: datetime | None
    elapsed: float
    interrupted: str
    samples: Mapping[Key, Sample]

    def count(self, outcome: Outcome) -> int:
        """Return how many cases ended so."""
        return sum(sample.outcome is outcome for sample in self.samples.values())


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """One case in all runs, the oldest first; None for a run that hasn't got it. Times are in seconds."""

    key: Key
    samples: tuple[Sample | None, ...]

    @property
    def _there(self) -> list[tuple[int, Sample]]:
        return [(at, sample) for at, sample in enumerate(self.samples) if sample is not None]

    @property
    def plays(self) -> int:
        """How often it was played to a verdict, each repetition counted."""
        return sum(sample.plays for _, sample in self._there)

    @property
    def passed(self) -> int:
        """How often it passed."""
        return sum(sample.passed for _, sample in self._there)

    @property
    def pass_rate(self) -> float | None:
        """The part that passed, from 0 to 1; None if it never came to a verdict."""
        return self.passed / self.plays if self.plays else None

    @property
    def last(self) -> Outcome:
        """How it ended in the last run that has it."""
        return self._there[-1][1].outcome

    @property
    def since(self) -> int:
        """Since which run (a number from 0) it has ended as it did last; runs without it are passed over."""
        first = len(self.samples)
        for at, sample in reversed(self._there):
            if sample.outcome is not self.last:
                break
            first = at
        return first

    @property
    def is_flaky(self) -> bool:
        """Whether it passed and failed in turn: within one run, or there and back; broken or mended once is neither."""
        verdicts = [s for _, s in self._there if s.outcome.is_failure or s.outcome is Outcome.PASSED]
        turns = sum(one.outcome.is_failure != other.outcome.is_failure for one, other in pairwise(verdicts))
        return turns > 1 or any(0 < sample.passed < sample.plays for sample in verdicts)

    @property
    def times(self) -> list[tuple[int, float]]:
        """How long it took in each run in which it was played, with the run's number."""
        return [(at, sample.elapsed) for at, sample in self._there if sample.plays]

    @property
    def median(self) -> float:
        """How long half of the runs took at most; 0 without any."""
        return median(elapsed for _, elapsed in self.times) if self.times else 0.0

    @property
    def ninetieth(self) -> float:
        """How long nine of ten runs took at most (the nearest rank); 0 without any."""
        ordered = sorted(elapsed for _, elapsed in self.times)
        return ordered[-(-9 * len(ordered) // 10) - 1] if ordered else 0.0

    @property
    def slow(self) -> frozenset[int]:
        """The numbers of the runs in which it passed, but slower than was usual until then."""
        passed = [(at, s.elapsed) for at, s in self._there if s.outcome is Outcome.PASSED]
        found = set()
        for place, (at, elapsed) in enumerate(passed):
            before = [time for _, time in passed[max(place - USUAL_RUNS, 0) : place]]
            if len(before) >= LEAST_RUNS and _is_slower(elapsed, median(before)):
                found.add(at)
        return frozenset(found)

    @property
    def state(self) -> str:
        """One of `STATES`: what is to be known of it first."""
        if self.last.is_failure:
            return "failing"
        if self.last is Outcome.NOT_RUN:
            return "not run"
        if self.is_flaky:
            return "flaky"
        if self._there[-1][0] in self.slow:
            return "slow"
        if self.last is Outcome.PASSED:
            return "fixed" if any(s.outcome.is_failure for _, s in self._there) else "steady"
        word: str = self.last.value
        return word


def _is_slower(elapsed: float, usual: float) -> bool:
    return elapsed > max(usual * SLOWER, usual + SLOWER_SECONDS)


@dataclass(frozen=True, slots=True)
class Entry:
    """A case's history and what follows from all of it, worked out once."""

    case: CaseHistory
    state: str
    slow: frozenset[int]


@dataclass(frozen=True, slots=True)
class History:
    """Runs, the oldest first; cases, the worst first; what a reader must know of the files themselves."""

    runs: tuple[Record, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def states(self) -> dict[str, int]:
        """How many cases are in each state, the worst first."""
        counts = Counter(entry.state for entry in self.entries)
        return {state: counts[state] for state in STATES if counts[state]}


def record_of(run: RunResult, name: str) -> Record:
    """Return what a history needs of a run, which came from the file `name`."""
    samples: dict[Key, Sample] = {}
    numbers: Counter[tuple[str, str, str]] = Counter()
    for case in run.cases:
        names = (case.scenario, case.row, case.target)
        numbers[names] += 1
        samples[(*names, numbers[names])] = _sample(case, is_cut=bool(run.interrupted))
    return Record(name, _moment(run.began), run.elapsed, run.interrupted, samples)


def _sample(case: CaseResult, *, is_cut: bool) -> Sample:
    """Return what a case says; what erred in a run that was cut short may have done so for that reason alone."""
    outcome = Outcome.NOT_RUN if is_cut and case.outcome is Outcome.ERROR else case.outcome
    idle = (*_IDLE, Outcome.ERROR) if is_cut else _IDLE
    if case.repeats is None:
        return Sample(outcome, case.elapsed, int(outcome not in _IDLE), int(outcome is Outcome.PASSED))
    plays = max(case.repeats.runs - sum(times for times, other in case.repeats.others if other.outcome in idle), 0)
    return Sample(outcome, case.elapsed, plays, min(case.repeats.passed, plays))


def _moment(text: str) -> datetime | None:
    """Return a time in UTC, or None for what is none; one without a zone is taken for UTC, which results have."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def history_of(records: Iterable[Record]) -> History:
    """Return the history of runs in any order; one that is given twice counts once, which is noted.

    Runs that don't tell when they began are taken for the oldest, in the order in which they are given.
    """
    runs, notes = _distinct(records)
    undated = sum(run.began is None for run in runs)
    if undated:
        notes.append(f"{counted(undated, 'run')} without a time of its own: taken for the oldest, in the order given")
    oldest = datetime.min.replace(tzinfo=UTC)
    runs.sort(key=lambda run: run.began or oldest)
    keys = dict.fromkeys(key for run in runs for key in run.samples)
    cases = [CaseHistory(key, tuple(run.samples.get(key) for run in runs)) for key in keys]
    entries = [Entry(case, case.state, case.slow) for case in cases]
    entries.sort(key=_badness)
    return History(tuple(runs), tuple(entries), tuple(notes))


def _distinct(records: Iterable[Record]) -> tuple[list[Record], list[str]]:
    found: dict[tuple[datetime | None, float], list[Record]] = {}
    runs: list[Record] = []
    notes: list[str] = []
    for record in records:
        alike = found.setdefault((record.began, record.elapsed), [])
        same = next((one for one in alike if one.samples == record.samples), None)
        if same is None:
            alike.append(record)
            runs.append(record)
        else:
            notes.append(f"'{record.name}' is the run of '{same.name}' again: counted once")
    return runs, notes


def _badness(entry: Entry) -> tuple[int, float, Sequence[object]]:
    rate = entry.case.pass_rate
    return STATES.index(entry.state), 1.0 if rate is None else rate, entry.case.key
