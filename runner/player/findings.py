"""What is found while a case is played: differences, step results, warnings, and with them the outcome so far.

Texts come in as they are; they are redacted and shortened here. The reports escape them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.language.model import MAIN, Exchange, Send
from runner.language.verbs.compiler import shorten
from runner.player.rows import Rows
from runner.protocol.base import CLIENT_LINE
from runner.results import Answer, Difference, Outcome, Place, StepResult
from runner.transcript import FIRST_LINES, LAST_LINES, LINE_WIDTH, cut_line

if TYPE_CHECKING:
    from runner.language.model import Step
    from runner.language.template import Placeholder
    from runner.player.ending import StepEnded
    from runner.redaction import Redactor
    from runner.results import Exchange as WholeExchange


# So many warnings of one case are kept; a loop may bring a new one with each round.
MOST_WARNINGS = 1000
# Of one step; one that reads the replies of many recipients may have many.
MOST_ANSWERS = 12
# A reason quotes what was expected and what came, each cut already.
MOST_OF_REASON = 2 * LINE_WIDTH + 200
# What is answered and is no command.
_RESPONSE = " response"
_PASSED = Outcome.PASSED  # reading it from its class takes longer than comparing it


class Findings:
    """The record of a case, or of a part of it that may yet be dropped."""

    __slots__ = (
        "_shown",
        "answers",
        "chosen",
        "differences",
        "ends_at_failure",
        "gists",
        "lead",
        "outcome",
        "reason",
        "redactor",
        "session",
        "shown_part",
        "steps",
        "used_at",
        "warnings",
    )

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.outcome = Outcome.PASSED
        self.reason = ""
        self.steps = Rows()
        self.warnings: dict[str, None] = {}
        #: What stands before the name of each step: its round, or that it is cleanup.
        self.lead = ""
        #: Whether this is an attempt, which ends at its first failing step.
        self.ends_at_failure = False
        #: Where the fragments are used that the steps are written in, the innermost first.
        self.used_at: tuple[Place, ...] = ()
        #: Of the step under way.
        self.session = MAIN
        self.differences: list[Difference] = []
        #: What a reason tells of a text that came, where that is not its first line.
        self.gists: dict[str, str] | None = None
        self.answers: list[Answer] = []
        #: What the step under way decided by itself; goes behind its name.
        self.chosen = ""
        #: How the value of a placeholder may be shown now.
        self.shown_part: Callable[[Placeholder], str] = str
        self._shown = ("", "")  # the last long text and how it is shown: many differences may show one reply

    def differ(
        self, part: str, expected: str, actual: str, hint: str = "", *, is_warning: bool = False, gist: str = ""
    ) -> None:
        """Record one thing that differs in the step under way; `gist` is what a reason tells of what came."""
        shown = self.show
        one = Difference(shown(part), shown(expected), shown(actual), shown(hint), is_warning)
        self.differences.append(one)
        if gist and "\n" in one.actual:
            self.gists = {**(self.gists or {}), one.actual: cut_line(self.redactor.mask(gist))}

    def answered(self, text: str, at: float, to: str = "") -> None:
        """Record what the server said that is wrong, when it had come (in seconds, from the step's start)."""
        answer = Answer(self.show(text), at, to)
        if len(self.answers) < MOST_ANSWERS and answer not in self.answers:
            self.answers.append(answer)

    def warn(self, text: str) -> None:
        """Record a warning of the case, once."""
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings[text] = None
        elif text not in self.warnings:
            self.warnings["further warnings are left out"] = None

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

    def step_ended(
        self,
        step: Step,
        started: float,
        elapsed: float,
        ended: StepEnded | None = None,
        exchange: WholeExchange | None = None,
    ) -> None:
        """Record what came of a step, and with it of the case. Times are in seconds."""
        outcome, reason = _PASSED, ""
        differences: tuple[Difference, ...] = ()
        answers: tuple[Answer, ...] = ()
        if self.answers:
            answers = tuple(replace(one, at=one.at + started) for one in self.answers)
            self.answers = []
        if self.differences:
            differences, self.differences = tuple(self.differences), []
            outcome, reason = self._judged(step, differences)
            self.gists = None
        if ended is not None:
            outcome, reason = ended.outcome, self.redactor.mask(ended.reason)
            reason = reason if len(reason) < MOST_OF_REASON else excerpt(reason)
        if answers and differences and (whose := whose_reply(step, answers[0].to)):
            first = differences[0]
            hint = f"{first.hint}; {whose}" if first.hint else whose
            differences = (replace(first, hint=hint), *differences[1:])
        label = self.label_of(step) if outcome is _PASSED else self._filled_label(step)
        session = "" if self.session == MAIN else self.session
        if self.chosen:
            label, self.chosen = f"{label}: {self.chosen}", ""
        self.steps.add(
            StepResult(
                label,
                place_of(step),
                outcome,
                started,
                elapsed,
                step.because,
                reason,
                differences,
                session,
                answers=answers,
                used_at=self.used_at,
                exchange=exchange,
            )
        )
        if outcome.is_failure:
            self.end(outcome, f"{label}: {reason}")

    def _judged(self, step: Step, differences: tuple[Difference, ...]) -> tuple[Outcome, str]:
        for one in differences:
            if one.is_warning:
                self.warn(f"{self._filled_label(step)}: {self.sentence(one)}")
        first = next((one for one in differences if not one.is_warning), None)
        return (Outcome.FAILED, self.sentence(first)) if first is not None else (Outcome.PASSED, "")

    def sentence(self, one: Difference) -> str:
        """Return one of the differences of the step under way as a reason has it."""
        return one.sentence((self.gists or {}).get(one.actual, ""))

    def left_out(self, steps: Iterable[Step], outcome: Outcome, reason: str = "") -> None:
        """Record steps that were skipped or not run."""
        for step in steps:
            self.steps.add(StepResult(self.label_of(step), place_of(step), outcome, reason=reason))

    def note(self, step: Step, text: str) -> None:
        """Record what is to be said of a group that passed."""
        self.steps.add(StepResult(self.label_of(step), place_of(step), Outcome.PASSED, reason=text))

    def _filled_label(self, step: Step) -> str:
        """Return how a step is called that isn't passed: with the values in place of its placeholders, redacted."""
        if step.said is None:
            return self.label_of(step)
        lead = step.label[: len(step.label) - len(shorten(str(step.said)))]
        parts = (part if isinstance(part, str) else self.shown_part(part) for part in step.said.parts)
        return self.label_of(step, lead + shorten(self.redactor.mask("".join(parts))))

    def label_of(self, step: Step, label: str = "") -> str:
        """Return how a step is called: in another session than the scenario's own, by whose it is, too."""
        label = label or step.label
        if self.session != MAIN:
            label = f"{self.session}: {label}"
        return self.lead + label if self.lead else label

    def end(self, outcome: Outcome, reason: str) -> None:
        """Take note of a failure: the first is the case's reason; the server's outweighs a verdict not found."""
        if self.outcome is Outcome.PASSED or (self.outcome is Outcome.ERROR and outcome is Outcome.FAILED):
            self.outcome, self.reason = outcome, reason

    # Parts of a case.

    @property
    def count(self) -> int:
        """How many steps were recorded."""
        return self.steps.count

    @contextmanager
    def led_by(self, lead: str) -> Iterator[None]:
        """While it is open, this stands before the name of each step."""
        before = self.lead
        self.lead += lead
        try:
            yield
        finally:
            self.lead = before

    @contextmanager
    def used_by(self, step: Step) -> Iterator[None]:
        """While it is open, steps are of a fragment that this step uses."""
        before = self.used_at
        self.used_at = (place_of(step), *before)
        try:
            yield
        finally:
            self.used_at = before

    def draft(self, *, lead: str = "", ends_at_failure: bool = False) -> Findings:
        """Return the record of a part of the case, which is adopted or dropped."""
        draft = Findings(self.redactor)
        draft.session, draft.shown_part = self.session, self.shown_part
        draft.lead, draft.ends_at_failure = self.lead + lead, ends_at_failure
        draft.used_at = self.used_at
        return draft

    def adopt(self, part: Findings, more: str = "") -> None:
        """Take over what a part has found, with more to say behind the reason of its failure."""
        if more and part.outcome.is_failure:
            rows = list(part.steps)
            last = next((at for at in reversed(range(len(rows))) if rows[at].outcome.is_failure), None)
            if last is not None:
                rows[last] = replace(rows[last], reason=rows[last].reason + more)
                part.steps.replace(rows)
            part.reason += more
        self.steps.adopt(part.steps)
        for text in part.warnings:
            self.warn(text)
        if part.outcome is not Outcome.PASSED:
            self.end(part.outcome, part.reason)

    def adopt_cleanup(self, part: Findings) -> None:
        """Take over what the cleanup has found: nothing of it fails the case, all that failed is a warning."""
        for row in part.steps:
            if row.outcome.is_failure:
                self.warn(f"{row.label}: {row.reason}")
        part.steps.replace(replace(row, is_cleanup=True) for row in part.steps)
        self.steps.adopt(part.steps)
        for text in part.warnings:
            self.warn(text)

    def rows(self) -> tuple[StepResult, ...]:
        """Return what came of the steps, in order."""
        return self.steps.all()

    def masked_steps(self) -> tuple[StepResult, ...]:
        """Return the steps with what an author wrote into them masked, too."""
        rows = self.rows()
        written = "\n".join(f"{step.label}\n{step.because}" for step in rows)
        if not self.redactor.find(written):
            return rows
        mask = self.redactor.mask
        return tuple(replace(step, label=mask(step.label), because=mask(step.because)) for step in rows)


# Many cases share the steps of one scenario.
_place = lru_cache(maxsize=4096)(Place)


def place_of(step: Step) -> Place:
    """Return where a step is written."""
    span = step.span
    return _place(span.source.name, span.line, span.column)


def first_line(text: str) -> str:
    """Return the first line of a reply, with a mark where there are more."""
    line, _, rest = text.partition("\n")
    return f"{cut_line(line)} …" if rest else cut_line(line)


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
    return "\n".join(map(cut_line, lines))


def whose_reply(step: Step, to: str) -> str:
    """Return which reply a step has met, if that is not the one to its own line; '' where they can't be told apart."""
    if not to or to == CLIENT_LINE.to:
        return ""
    if isinstance(step, Send):
        said = step.line.parts[0] if step.line.parts and step.encode == "auto" else ""
        word = said.partition(" ")[0].strip().upper() if isinstance(said, str) else ""
        is_own = not word or word == to or to.startswith(f"{word} ") or to == "message" or to.endswith(_RESPONSE)
    else:
        # What stands alone may read the reply to any line; that the first one is the greeting goes without saying.
        is_own = type(step) is not Exchange or to == "greeting" or step.each is not None
    if is_own:
        return ""
    if to == "greeting":
        return "this is the greeting"
    return f"this is the reply to {'the ' if to == 'message' or to.endswith(_RESPONSE) else ''}{to}"
