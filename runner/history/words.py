"""What table and page call things alike: a case, a day, an outcome as a letter. Everything here is plain text.

Texts from outside are not escaped yet; this module must not know what they are shown in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.results import Outcome

if TYPE_CHECKING:
    from runner.history.facts import CaseHistory, History, Record, Sample

#: How outcomes are told in a strip; a run without the case is `-`.
LETTERS = {
    Outcome.PASSED: "P",
    Outcome.FAILED: "F",
    Outcome.ERROR: "E",
    Outcome.KNOWN: "K",
    Outcome.SKIPPED: "S",
    Outcome.NOT_RUN: "N",
}
ABSENT = "-"


def letter(sample: Sample | None) -> str:
    """Return how a case ended as one letter."""
    return LETTERS[sample.outcome] if sample else ABSENT


def title(case: CaseHistory) -> str:
    """Return what a case is called, without its target."""
    scenario, row, _, number = case.key
    name = f"{scenario} [{row}]" if row else scenario
    return f"{name} (#{number})" if number > 1 else name


def moment(run: Record) -> str:
    """Return when a run began, to the minute."""
    return run.began.strftime("%Y-%m-%d %H:%M") if run.began else "no time"


def day(run: Record) -> str:
    """Return on which day a run began."""
    return run.began.strftime("%Y-%m-%d") if run.began else "no time"


def span(history: History) -> str:
    """Return how many runs there are, and from when to when."""
    first, last = history.runs[0], history.runs[-1]
    count = len(history.runs)
    if count == 1:
        return f"1 run, {moment(first)}" + " UTC" * (first.began is not None)
    return f"{count} runs, {moment(first)} to {moment(last)} UTC"


def states(history: History) -> str:
    """Return how many cases are in which state."""
    return ", ".join(f"{count} {state}" for state, count in history.states.items()) or "no case"
