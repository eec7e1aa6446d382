"""What is found while a case is played: differences, step results, warnings, and with them the outcome so far.

Texts come in as they are; they are redacted and shortened here. The reports escape them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.results import Difference, Outcome, Place, StepResult
from runner.transcript import FIRST_LINES, LAST_LINES, LINE_WIDTH

if TYPE_CHECKING:
    from runner.language.model import Step
    from runner.player.ending import StepEnded
    from runner.redaction import Redactor


class Findings:
    """The record of one case."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.outcome = Outcome.PASSED
        self.reason = ""
        self.steps: list[StepResult] = []
        self.warnings: list[str] = []
        #: Of the step under way.
        self.differences: list[Difference] = []
        self._shown = ("", "")  # the last long text and how it is shown: many differences may show one reply

    def differ(self, part: str, expected: str, actual: str, hint: str = "", *, is_warning: bool = False) -> None:
        """Record one thing that differs in the step under way."""
        shown = self.show
        self.differences.append(Difference(part, shown(expected), shown(actual), shown(hint), is_warning))

    def warn(self, text: str) -> None:
        """Record a warning of the case, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def show(self, text: str) -> str:
        """Return a text as a result may hold it: redacted, then shortened."""
        if len(text) <= LINE_WIDTH:
            return self.redactor.mask(text)
        if text != self._shown[0]:
            self._shown = (text, excerpt(self.redactor.mask(text)))
        return self._shown[1]

    def quote(self, text: str) -> str:
        """Return the first line of what came, fit for a reason; redacted before it is cut."""
        return first_line(self.redactor.mask(text))

    def step_ended(self, step: Step, started: float, elapsed: float, ended: StepEnded | None = None) -> None:
        """Record what came of a step, and with it of the case. Times are in seconds."""
        outcome, reason = Outcome.PASSED, ""
        differences = tuple(self.differences)
        if differences:
            self.differences = []
            outcome, reason = self._judged(step, differences)
        if ended is not None:
            outcome, reason = ended.outcome, self.show(ended.reason)
        self.steps.append(
            StepResult(step.label, place_of(step), outcome, started, elapsed, step.because, reason, differences)
        )
        if outcome.is_failure:
            self.end(outcome, f"{step.label}: {reason}")

    def _judged(self, step: Step, differences: tuple[Difference, ...]) -> tuple[Outcome, str]:
        for one in differences:
            if one.is_warning:
                self.warn(f"{step.label}: {_said(one)}")
        first = next((one for one in differences if not one.is_warning), None)
        return (Outcome.FAILED, _said(first)) if first is not None else (Outcome.PASSED, "")

    def left_out(self, steps: Iterable[Step], outcome: Outcome, reason: str = "") -> None:
        """Record steps that were skipped or not run."""
        self.steps += (StepResult(step.label, place_of(step), outcome, reason=reason) for step in steps)

    def end(self, outcome: Outcome, reason: str) -> None:
        """Take note of a failure: the first is the case's reason; the server's outweighs a verdict not found."""
        if self.outcome is Outcome.PASSED or (self.outcome is Outcome.ERROR and outcome is Outcome.FAILED):
            self.outcome, self.reason = outcome, reason

    def masked_steps(self) -> tuple[StepResult, ...]:
        """Return the steps with what an author wrote into them masked, too."""
        written = "\n".join(f"{step.label}\n{step.because}" for step in self.steps)
        if not self.redactor.find(written):
            return tuple(self.steps)
        mask = self.redactor.mask
        return tuple(replace(step, label=mask(step.label), because=mask(step.because)) for step in self.steps)


# Many cases share the steps of one scenario.
_place = lru_cache(maxsize=4096)(Place)


def place_of(step: Step) -> Place:
    """Return where a step is written."""
    span = step.span
    return _place(span.source.name, span.line, span.column)


def first_line(text: str) -> str:
    """Return the first line of a reply, with a mark where there are more."""
    line, _, rest = text.partition("\n")
    return f"{_cut(line)} …" if rest else _cut(line)


def excerpt(text: str) -> str:
    """Return the first and the last lines of a long text, none of them very long."""
    if len(text) <= LINE_WIDTH:
        return text
    lines = text.split("\n")
    left_out = lines[FIRST_LINES:-LAST_LINES]
    if left_out:
        size = sum(len(line) + 1 for line in left_out)
        note = f"… {len(left_out)} lines, {size} characters left out …"
        lines[FIRST_LINES:-LAST_LINES] = [note]
    return "\n".join(map(_cut, lines))


def _cut(line: str) -> str:
    if len(line) <= LINE_WIDTH:
        return line
    return f"{line[:LINE_WIDTH]}… {len(line) - LINE_WIDTH} characters left out"


def _said(one: Difference) -> str:
    return f"expected {first_line(one.expected)}, got {first_line(one.actual)}"
