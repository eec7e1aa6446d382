"""Where steps stand among the lines of a conversation: both have times, and a line belongs to the step under way.

What a client says begins a step, what a server says ends one; so, of lines at the very moment at which one step ends
and the next begins, those of the client are the next one's. This module must not know how anything is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.language.model import MAIN
from runner.report.excerpt import ROUNDING
from runner.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.report.excerpt import Entry
    from runner.results import StepResult


def step_places(entries: Sequence[Entry], steps: Sequence[StepResult], end: int) -> list[int]:
    """Return, for each step, the place of the line that it stands before; `end` is that of `end_of_steps`.

    Steps that were not run stand where the next one does that was.
    """
    places: list[int] = []
    at = -1
    for step in steps:
        if _has_run(step):
            # Nothing comes before the first one.
            at = 0 if at < 0 else _next_place(entries, step, at, end)
        places.append(at)
    return _with_unrun_later(places, steps, end)


def end_of_steps(entries: Sequence[Entry], steps: Sequence[StepResult]) -> int:
    """Return the place of the first line after the last step that was run: a goodbye, or what came too late."""
    last = max((step for step in steps if _has_run(step)), key=_end, default=None)
    if last is None:
        return len(entries)
    own_lines = last.elapsed < ROUNDING
    for place, entry in enumerate(entries):
        late = entry.line.at - _end(last)
        if late > ROUNDING or (late > -ROUNDING and entry.line.who == "C" and not own_lines):
            return place
    return len(entries)


def _next_place(entries: Sequence[Entry], step: StepResult, at: int, end: int) -> int:
    while at < end and not _begins(entries[at], step):
        at += 1
    return at


def _has_run(step: StepResult) -> bool:
    return step.outcome is not Outcome.NOT_RUN


def _end(step: StepResult) -> float:
    return step.started + step.elapsed


def _begins(entry: Entry, step: StepResult) -> bool:
    late = entry.line.at - step.started
    is_own = entry.line.who == "C" and entry.session == (step.session or MAIN)
    return late > ROUNDING or (late > -ROUNDING and is_own)


def _with_unrun_later(places: list[int], steps: Sequence[StepResult], end: int) -> list[int]:
    later = end
    for number in range(len(steps) - 1, -1, -1):
        if _has_run(steps[number]):
            later = places[number]
        else:
            places[number] = later
    return places
