"""What every report in plain lines says of a case: its name, its reason, its place, what came of it.

The texts are escaped and bounded, a line each without a line end, and not laid out in columns. This module must not
know a format: what a format could take for its own, it escapes itself. What a run comes to says `verdict`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.errors import escape
from runner.report.details import PROSE_LIMIT, render_details
from runner.report.layout import Style, counted, plain
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.results import CaseResult, Place, StepResult

# No line is wrapped: the widest of them is bounded, and whoever shows these lines has a way to wrap them.
_UNWRAPPED = Style(columns=1_000_000)
_LEFT_OUT = (Outcome.SKIPPED, Outcome.NOT_RUN)


def name(case: CaseResult) -> str:
    """Return the scenario's name, and its row in brackets."""
    return (plain(case.scenario) or "(no name)") + (f" [{plain(case.row)}]" if case.row else "")


def reason(case: CaseResult) -> str:
    """Return why a case ended as it did, on one line; of one that passed how many warnings it has."""
    first, _, more = case.reason.partition("\n")
    told = plain(f"{first} …" if more else first, PROSE_LIMIT)
    if case.outcome is Outcome.NOT_RUN and told:
        return f"not run: {told}"
    return told or (counted(len(case.warnings), "warning") if case.warnings else case.outcome.value)


def warnings(case: CaseResult) -> list[str]:
    """Return the warnings, a line each."""
    return [f"warning: {plain(text, PROSE_LIMIT)}" for text in case.warnings]


def details(case: CaseResult) -> list[str]:
    """Return what the table's report says of a case below its heading, after its reason where that says none.

    A known failure is told as the failure that it is. What passed without a warning has no lines.
    """
    shown = replace(case, outcome=Outcome.FAILED) if case.outcome is Outcome.KNOWN else case
    lines = render_details(shown, _UNWRAPPED)[1:]
    if case.outcome in _LEFT_OUT or (not lines and case.outcome is not Outcome.PASSED):
        lines.insert(0, reason(case))
    if case.repeats and lines:
        lines.insert(0, f"{case.repeats} passed")
    # A transcript that was read from a file is as good as the file.
    return [escape(line) for line in lines]


def place(case: CaseResult) -> Place | None:
    """Return the step of the scenario's file that failed first, else the scenario; None if that is unknown.

    What failed in a fragment stands for the step that uses it, so that all results of a scenario are of one file.
    """
    steps = [_in_scenario(step) for step in case.steps if step.outcome.is_failure and not step.is_cleanup]
    return next((one for one in steps if case.place is None or one.file == case.place.file), case.place)


def failures(case: CaseResult) -> list[tuple[str, CaseResult]]:
    """Return the results that show how a case failed, each with how often it came; of one played once its own.

    Nothing for a case that didn't fail.
    """
    if not case.outcome.is_failure:
        return []
    if case.repeats is None:
        return [("", case)]
    runs = case.repeats.runs
    return [(f"{count} of {runs} times", one) for count, one in case.repeats.others if one.outcome.is_failure]


def _in_scenario(step: StepResult) -> Place:
    return step.used_at[-1] if step.used_at else step.place
