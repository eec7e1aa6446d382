"""Changes since a baseline as a part of a run's results, so that every report shows them and none is green.

A case in which something changed has failed, whatever its scenario says; in the step where it shows, before stands
as what was expected and after as what came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from runner.baseline.comparing import CASE, Change
from runner.baseline.facts import Key, keyed, sent_of
from runner.results import CaseResult, Difference, Outcome, RunResult, StepResult

SINCE = "since the baseline"
_UNCHANGED = "not changed"


def mark(run: RunResult, changes: Iterable[Change]) -> RunResult:
    """Return the run with every case failed in which something changed."""
    told: dict[Key, list[Change]] = {}
    for change in changes:
        told.setdefault(change.case, []).append(change)
    return replace(run, cases=tuple(_marked(case, told[key]) if key in told else case for key, case in keyed(run)))


def _marked(case: CaseResult, changes: Sequence[Change]) -> CaseResult:
    places: dict[tuple[str, int], list[Change]] = {}
    for change in changes:
        places.setdefault((change.step, change.at), []).append(change)
    steps = tuple(_steps(case.steps, places))
    failed = case.outcome is Outcome.FAILED or case.outcome is Outcome.ERROR
    outcome = case.outcome if failed else Outcome.FAILED
    return replace(case, outcome=outcome, reason=case.reason if failed else _reason(changes), steps=steps)


def _steps(steps: Iterable[StepResult], changes: Mapping[tuple[str, int], Sequence[Change]]) -> Iterable[StepResult]:
    seen: dict[str, int] = {}
    for step in steps:
        sent = sent_of(step)
        seen[sent] = seen.get(sent, 0) + 1
        yield _marked_step(step, changes.get((sent, seen[sent]), ()))


def _marked_step(step: StepResult, changes: Sequence[Change]) -> StepResult:
    if not changes:
        return step
    differences = tuple(Difference(f"{one.part} {SINCE}", one.before, one.after) for one in changes)
    marked = replace(step, differences=(*step.differences, *differences))
    if step.outcome is Outcome.PASSED:
        marked = replace(marked, outcome=Outcome.FAILED, reason=_what(changes))
    return marked


def _reason(changes: Sequence[Change]) -> str:
    first = changes[0]
    if first.part == CASE:
        return "not in the baseline: nothing to compare it with ('baseline approve' takes it in)"
    return f"{first.step}: {_what(changes)}" if first.step else _what(changes)


def _what(changes: Sequence[Change]) -> str:
    first = changes[0]
    more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
    before, after = (text.partition("\n")[0] for text in (first.before, first.after))
    return f"changed {SINCE}: {first.part}: {before} → {after}{more}"
