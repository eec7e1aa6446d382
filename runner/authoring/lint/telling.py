"""What following a conversation finds, told where the file says it; what a fragment does, at the `use` in this file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.authoring.lint.conversation import State
from runner.authoring.lint.outcomes import Known, outcome_of
from runner.authoring.lint.responses import Response, judge_response
from runner.authoring.lint.rules import Finding
from runner.authoring.lint.subject import Subject
from runner.language.model import Exchange, Send, Step, Use
from runner.protocol import Machine


class Teller:
    """Collects the findings of one file's steps."""

    def __init__(self, subject: Subject) -> None:
        self.found: list[Finding] = []
        self._subject = subject
        self._is_quiet = False
        #: The `use` in this file by which steps of another are reached.
        self._use: Step | None = None

    @contextmanager
    def within(self, step: Step) -> Iterator[None]:
        """While it is open, what a step holds is followed."""
        before = self._use
        if isinstance(step, Use) and before is None and self.is_own(step):
            self._use = step
        try:
            yield
        finally:
            self._use = before

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """While it is open, steps are followed once more: nothing is told."""
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    def machine(self, step: Step) -> type[Machine]:
        """Return what a step's session speaks."""
        return self._subject.machine(step.session)

    def is_own(self, step: Step) -> bool:
        """Whether a step is written in this file."""
        return step.span.source.name == self._subject.source.name

    def tell(self, rule_id: str, step: Step, message: str, advice: str) -> None:
        """Tell something of a step."""
        if self._is_quiet:
            return
        where = step
        if not self.is_own(step):
            if self._use is None:
                return
            where, message = self._use, f"{message}, in line {step.span.line} of {step.span.source.name}"
        place = self._subject.placed(where).verb_place()
        self.found.append(Finding(rule_id, place, message, advice, where.span.line))

    def tell_of_line(self, rule_id: str, line: int, message: str, advice: str) -> None:
        """Tell something of the step of this file that begins on a line."""
        placed = next((one for one in self._subject.all_steps() if one.step.span.line == line), None)
        if placed is not None:
            self.tell(rule_id, placed.step, message, advice)

    def judge(self, step: Send, text: str, offset: int, state: State) -> None:
        """Tell what a response of an AUTH exchange holds as it is written, at `offset` of its line."""
        if self._is_quiet or not self.is_own(step):
            return
        response = Response(self._subject.placed(step), state.mechanism, state.responses, text, offset)
        if finding := judge_response(response, outcome_of(step)):
            self.found.append(finding)

    def need(self, step: Exchange, state: State, fact: str, command: str, first: str) -> None:
        """Tell a command that comes before the one that makes a fact so, where success is expected of it."""
        if getattr(state, fact) is Known.NO and outcome_of(step) is Known.YES:
            message = f"{command} before {first}, and success is expected"
            advice = f"send {first} first; if the server must refuse it, expect that"
            self.tell("too-early", step, message, advice)
            setattr(state, fact, Known.MAYBE)  # told once

    def need_hello(self, step: Exchange, state: State, command: str) -> None:
        """Tell a command of SMTP or LMTP that comes before EHLO, or before that which follows the handshake."""
        if state.upgraded is not Known.YES:
            self.need(step, state, "hello", command, self.machine(step).capability_command)
        elif state.hello is Known.NO and outcome_of(step) is Known.YES:
            message = f"{command} after the handshake, and no EHLO between them"
            self.tell("no-hello-after-starttls", step, message, "send EHLO once more after starttls:")
            state.hello = Known.MAYBE
