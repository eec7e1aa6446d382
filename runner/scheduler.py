"""Scenarios × rows × targets as cases, many at once, with results in the order of the input.

`plan` makes the cases and finds every problem before anything connects; `Scheduler` plays them over one driver.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from heapq import heapify, heappop, heappush, nlargest
from itertools import product
from typing import TYPE_CHECKING

from runner.connection import NEVER
from runner.dataclass import dataclass
from runner.errors import InputError, Problem
from runner.language.case import Case, Given, Seed, Skip, expand
from runner.net import allow_files
from runner.player import Player
from runner.results import CaseResult, Outcome, Place, RunResult
from runner.session import Driver

if TYPE_CHECKING:
    from runner.language.model import Scenario
    from runner.language.project import Project, Target

DEFAULT_JOBS = 100
DEFAULT_PER_TARGET = 20
# Sockets are not the only files: the three standard ones, the loop's own, reports.
SPARE_FILES = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One play of the run to be: a scenario with a target, and its case or why there is none."""

    scenario: Scenario
    target: Target | None
    case: Case | Skip


def plan(
    scenarios: Iterable[Scenario],
    targets: Iterable[Target],
    project: Project | None,
    given: Given,
    *,
    repeat: int = 1,
) -> tuple[Entry, ...]:
    """Return entries for each scenario, each row of its matrix and each target whose protocol fits: `repeat` of them.

    Every entry has a token of its own.

    Raises:
        InputError: names that nobody gives, and whatever else is wrong; all problems at once.
    """
    problems: list[Problem] = []
    entries: list[Entry] = []
    targets = tuple(targets)
    now = datetime.now().astimezone()
    for scenario in scenarios:
        fitting = [target for target in targets if target.protocol == scenario.protocol]
        if not fitting:
            entries += [Entry(scenario, None, Skip(f"no target speaks {scenario.protocol}"))] * repeat
        for row, target, _ in product(scenario.rows or (None,), fitting, range(repeat)):
            seed = Seed(os.urandom(8).hex(), now)
            case = expand(scenario, target, project, given, seed=seed, problems=problems, row=row)
            if case is not None:
                entries.append(Entry(scenario, target, case))
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return tuple(entries)


class Scheduler:
    """Plays the entries of a plan. `finished` is called with each result as it comes.

    Without `keeps_all_transcripts` only cases that failed or carry warnings keep theirs: all that a report shows
    unless it is asked for every conversation. With `keeps_exchanges` the results of steps hold all that was said.
    """

    def __init__(
        self,
        entries: tuple[Entry, ...],
        *,
        jobs: int = DEFAULT_JOBS,
        per_target: int = DEFAULT_PER_TARGET,
        fail_fast: bool = False,
        deadline: float | None = None,
        keeps_all_transcripts: bool = True,
        keeps_exchanges: bool = False,
        finished: Callable[[CaseResult], None] = lambda _: None,
    ) -> None:
        self._entries = entries
        self._jobs = jobs
        self._per_target = per_target
        self._fail_fast = fail_fast
        self._deadline = deadline
        self._keeps_all_transcripts = keeps_all_transcripts
        self._keeps_exchanges = keeps_exchanges
        self._finished = finished
        self._driver = Driver(crashed=self._crashed)
        self._results: list[CaseResult | None] = [None] * len(entries)
        self._waiting: dict[str, deque[int]] = {}
        self._running: dict[str, int] = {}
        # The first waiting case of each target; one that needs a target where no more may run is held back there.
        self._next: list[tuple[int, str]] = []
        self._held: dict[str, list[tuple[int, str]]] = {}
        self._begun: set[int] = set()
        self._interrupted = ""
        self._is_over = False
        #: Whether all that was to be played has been.
        self.has_ended = False
        #: What went wrong inside mailproof itself, one for each case that it cost.
        self.crashes: list[BaseException] = []

    def run(self) -> RunResult:
        """Play all; returns when every case has ended or was stopped."""
        started = time.monotonic()
        self._line_up()
        allow_files(sum(nlargest(self._jobs, map(_connections, self._entries))) + SPARE_FILES)
        if self._deadline is not None:
            self._driver.alarm(_Deadline(self), self._driver.clock() + self._deadline)
        try:
            self._feed()
            self._driver.run()
        except KeyboardInterrupt:
            self._interrupted = self._interrupted or "broken off"
        finally:
            self.has_ended = True
            self._driver.close()
        return RunResult(tuple(self._all_results()), time.monotonic() - started, self._interrupted)

    def stop(self, why: str) -> None:
        """Stop every case that runs and begin no other; a second time, their cleanup. For signal handlers, too."""
        self._interrupted = self._interrupted or why
        self._is_over = True
        self._driver.stop(f"interrupted ({why})")

    def pass_deadline(self) -> None:
        """Stop what is still under way when the run's time is over."""
        if self._begun or self._next:  # nothing is held back where nothing runs
            self.stop(f"the run's deadline of {self._deadline:g} s")

    def _line_up(self) -> None:
        """Let every case wait at its target; what has none is skipped."""
        for number, entry in enumerate(self._entries):
            if isinstance(entry.case, Skip):
                self._keep(number, _without_case(entry, Outcome.SKIPPED, entry.case.reason))
            else:
                self._waiting.setdefault(entry.case.target.name, deque()).append(number)
        self._next = [(numbers[0], name) for name, numbers in self._waiting.items()]
        heapify(self._next)

    def _feed(self) -> None:
        """Begin as many cases as the limits allow, in the order of the input."""
        while self._next and len(self._begun) < self._jobs and not self._is_over:
            number, name = heappop(self._next)
            case = self._entries[number].case
            assert isinstance(case, Case)
            needed = _targets_of(case)
            full = next((one for one in needed if self._running.get(one, 0) >= self._per_target), None)
            if full is not None:
                self._held.setdefault(full, []).append((number, name))
                continue
            waiting = self._waiting[name]
            waiting.popleft()
            if waiting:
                heappush(self._next, (waiting[0], name))
            self._begun.add(number)
            for one in needed:
                self._running[one] = self._running.get(one, 0) + 1
            player = Player(
                case, keeps_all_transcripts=self._keeps_all_transcripts, keeps_exchanges=self._keeps_exchanges
            )
            self._driver.add(player, partial(self._ended, number))

    def _release(self, needed: Iterable[str]) -> None:
        """Let those go on that were held back at these targets."""
        for name in needed:
            self._running[name] -= 1
            for held in self._held.pop(name, ()):
                heappush(self._next, held)

    def _ended(self, number: int, result: CaseResult) -> None:
        """Keep what came of a case, and let others begin."""
        case = self._entries[number].case
        assert isinstance(case, Case)
        self._begun.discard(number)
        self._release(_targets_of(case))
        self._keep(number, result)
        self._is_over |= result.outcome.is_failure and self._fail_fast
        self._feed()

    def _crashed(self, player: Player, error: BaseException) -> CaseResult:
        self.crashes.append(error)
        case = player.case
        reason = f"internal error: {type(error).__name__}; this is a fault of mailproof, not of the server"
        return _without_case(Entry(case.scenario, case.target, case), Outcome.ERROR, reason)

    def _keep(self, number: int, result: CaseResult) -> None:
        self._results[number] = result
        self._finished(result)

    def _all_results(self) -> Iterable[CaseResult]:
        for number, (entry, result) in enumerate(zip(self._entries, self._results, strict=True)):
            if result is not None:
                yield result
            elif number in self._begun:
                yield _without_case(entry, Outcome.ERROR, "broken off before it could end")
            else:
                yield _without_case(entry, Outcome.NOT_RUN, "not begun")


class _Deadline:
    """The end of a run's time, as the driver's clock rings it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.armed = NEVER
        self._scheduler = scheduler

    def due(self) -> None:
        """Stop the run."""
        self._scheduler.pass_deadline()


def _targets_of(case: Case) -> set[str]:
    """Return the names of the targets that a case needs."""
    return {party.target.name for party in case.sessions.values()}


def _connections(entry: Entry) -> int:
    """Return how many connections a case may have open at once."""
    if isinstance(entry.case, Skip):
        return 0
    return sum(party.count or 1 for party in entry.case.sessions.values())


def without_skips(run: RunResult) -> RunResult:
    """Return the run with every skipped case failed (`--no-skips`)."""
    return replace(
        run,
        cases=tuple(
            replace(case, outcome=Outcome.FAILED, reason=f"skipped: {case.reason}")
            if case.outcome is Outcome.SKIPPED
            else case
            for case in run.cases
        ),
    )


def _without_case(entry: Entry, outcome: Outcome, reason: str) -> CaseResult:
    scenario, target = entry.scenario, entry.target
    return CaseResult(
        scenario=scenario.name,
        target=target.name if target is not None else "",
        outcome=outcome,
        reason=reason,
        place=Place(scenario.source.name, scenario.span.line, scenario.span.column),
        endpoint=target.url if target is not None else "",
        description=scenario.description,
        row=entry.case.row,
    )
