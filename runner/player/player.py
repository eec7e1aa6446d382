"""One case as a machine: bytes and time in; bytes, TLS wishes, deadlines and verdicts out.

No call blocks, reads a clock or draws randomness. The conversation itself is a generator that goes to sleep where
it needs something from outside; every call wakes it. It sleeps in one place only, `wait`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from runner.language.model import DEFAULT_TIMEOUT, MAIN, Group, Pipeline, Step
from runner.language.template import Value
from runner.player.conditions import holds
from runner.player.ending import CaseEnded, CaseSkipped, StepEnded, Stopped, TimedOut
from runner.player.filling import Scope
from runner.player.finishing import finish
from runner.player.link import Link
from runner.player.verbs import PERFORM
from runner.protocol import PROTOCOLS
from runner.redaction import Redactor
from runner.results import CaseResult, Difference, Outcome, Place, StepResult
from runner.transcript import Transcript
from runner.wire import Done

if TYPE_CHECKING:
    from runner.language.case import Case
    from runner.wire import Action, Fault, Out, Peer, TlsFacts

Steps = Generator[None, None, None]


class Player:
    """Plays one case. See the module; the driver's side of the contract is in `runner.session`.

    `deadline` is on the clock whose times are handed in, in seconds; it may move either way in any call.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.now = 0.0
        self.deadline = 0.0
        self.redactor = Redactor(case.secrets)
        self.scope = Scope(case.values, capturable=case.scenario.captures)
        self.links: dict[str, Link] = {}
        self.transcripts: list[Transcript] = []
        self.required_capabilities = case.scenario.requires.capability
        # The step under way.
        self.step_started = 0.0
        self.step_seconds = DEFAULT_TIMEOUT
        self.step_deadline = 0.0
        self.differences: list[Difference] = []
        # The case so far.
        self.started = 0.0
        self.case_deadline = 0.0
        self.elapsed = 0.0
        self.steps: list[StepResult] = []
        self.warnings: list[str] = []
        self.outcome = Outcome.PASSED
        self.reason = ""
        self._actions: list[Action] = []
        self._conversation = self._converse()
        self._by_sid: dict[int, Link] = {}
        self._stopping = ""
        self._is_done = False
        self._nonces = 0

    # What the driver calls.

    def start(self, now: float) -> Out:
        """Begin; the first actions open the connection."""
        self.now = self.started = now
        self.case_deadline = now + self.case.deadline
        return self._wake()

    def opened(self, sid: int, facts: Peer, now: float) -> Out:
        """Take note that a connection stands (with implicit TLS: that its handshake is done)."""
        self.now = now
        if (link := self._by_sid.get(sid)) is not None:
            link.is_open = True
            link.peer, link.tls = facts, facts.tls
            link.machine.opened()
            link.transcript.note(now, f"connected to {facts.remote_address}" + _tls_note(facts.tls))
        return self._wake()

    def received(self, sid: int, data: bytes, now: float) -> Out:
        """Take bytes (decrypted)."""
        self.now = now
        if (link := self._by_sid.get(sid)) is not None:
            link.transcript.received(now, data)
            if link.is_securing:
                link.plaintext += len(data)
            else:
                link.machine.receive(data)
        return self._wake()

    def secured(self, sid: int, facts: TlsFacts, now: float) -> Out:
        """Take note of a handshake."""
        self.now = now
        if (link := self._by_sid.get(sid)) is not None:
            link.tls = facts
            link.machine.secured()
            link.transcript.note(now, _tls_note(facts).removeprefix(", "))
        return self._wake()

    def drained(self, sid: int, now: float) -> Out:  # noqa: ARG002 -- the driver's contract
        """Take note that what was written with `more` has left."""
        self.now = now
        return self._wake()

    def eof(self, sid: int, clean: bool, now: float) -> Out:
        """Take note that the server sends no more; `clean` is false where TLS ended without close_notify."""
        self.now = now
        if (link := self._by_sid.get(sid)) is not None and not link.is_closed:
            link.is_closed, link.is_truncated = True, not clean
            how = "" if clean else " without close_notify"
            link.transcript.note(now, f"the server closed the connection{how}")
        return self._wake()

    def broke(self, sid: int, fault: Fault, now: float) -> Out:
        """Take note of a failure below the protocol."""
        self.now = now
        if (link := self._by_sid.get(sid)) is not None:
            link.fault, link.is_closed, link.is_open = fault, True, False
            link.transcript.note(now, str(fault))
        return self._wake()

    def tick(self, now: float) -> Out:
        """Take note that the deadline may have passed."""
        self.now = now
        return self._wake()

    def stop(self, why: str, now: float) -> Out:
        """End the case as it stands."""
        self.now = now
        self._stopping = why
        return self._wake()

    def _wake(self) -> Out:
        if self._is_done:
            return ()
        try:
            if self._stopping:
                why, self._stopping = self._stopping, ""
                self._conversation.throw(Stopped(why))
            else:
                next(self._conversation)
        except StopIteration:
            self._is_done = True
            self._actions.append(Done(self._result()))
        actions, self._actions = self._actions, []
        return tuple(actions)

    # The conversation.

    def _converse(self) -> Steps:
        try:
            yield from self.run_steps(self.case.scenario.steps)
        except CaseEnded:
            pass
        except CaseSkipped as skipped:
            self.outcome, self.reason = Outcome.SKIPPED, str(skipped)
        except Stopped as stopped:
            self._end_with(Outcome.ERROR, str(stopped))
            yield from finish(self, is_hasty=True)
        self.elapsed = self.now - self.started
        try:
            yield from finish(self)
        except Stopped:
            yield from finish(self, is_hasty=True)

    def run_steps(self, steps: tuple[Step, ...]) -> Steps:
        """Run steps in order; where one ends the case, the rest is not run."""
        for number, step in enumerate(steps):
            try:
                yield from self._run_step(step)
            except (CaseEnded, CaseSkipped, Stopped):
                for left in steps[number + 1 :]:
                    self.not_run(left)
                raise

    def _run_step(self, step: Step) -> Steps:
        self.begin_step(step)
        if step.when is not None and not self._condition(step):
            if isinstance(step, Group) and step.otherwise:
                yield from self.run_steps(step.otherwise)
            else:
                self._skip(step)
            return
        if isinstance(step, Group):
            yield from self.run_steps(step.steps)
            return
        try:
            yield from PERFORM[type(step)](self, step)
        except StepEnded as ended:
            self.record(step, ended)
            raise CaseEnded from ended
        except TimedOut:
            late = StepEnded(Outcome.FAILED if self._is_greeted else Outcome.ERROR, self._lateness())
            self.record(step, late)
            raise CaseEnded from None
        except (CaseSkipped, Stopped) as ended:
            outcome = Outcome.SKIPPED if isinstance(ended, CaseSkipped) else Outcome.ERROR
            self.record(step, StepEnded(outcome, str(ended)))
            raise
        if not isinstance(step, Pipeline):
            self.record(step)

    def _condition(self, step: Step) -> bool:
        assert step.when is not None
        try:
            return holds(self, step.when, self.links.get(step.session))
        except StepEnded as ended:
            self.record(step, ended)
            raise CaseEnded from ended

    @property
    def _is_greeted(self) -> bool:
        return any(link.machine.greeted for link in self.links.values())

    def _lateness(self) -> str:
        if self.now >= self.case_deadline:
            return f"the case's deadline of {self.case.deadline:g} s has passed"
        return f"not done within {self.step_seconds:g} s"

    # Time.

    def begin_step(self, step: Step) -> None:
        """Set the step's deadline, from now."""
        self.differences = []
        self.step_started = self.now
        self.set_timeout(step.timeout if step.timeout is not None else self.case.timeout or DEFAULT_TIMEOUT)

    def set_timeout(self, seconds: float) -> None:
        """Give the step a deadline, counted from its start."""
        self.step_seconds = seconds
        self.step_deadline = self.step_started + seconds

    def wait(self, until: float | None = None) -> Steps:
        """Sleep until something happens, or until `until`.

        Raises:
            TimedOut: the step's or the case's time is over.
        """
        end = min(self.step_deadline, self.case_deadline)
        self.deadline = end if until is None else min(end, until)
        yield
        if self.now >= end and (until is None or until > end):
            raise TimedOut

    @property
    def is_late(self) -> bool:
        """Whether the step's or the case's time is over."""
        return self.now >= min(self.step_deadline, self.case_deadline)

    # What steps do.

    def act(self, action: Action) -> None:
        """Ask the driver for something."""
        self._actions.append(action)

    def link(self, session: str) -> Link:
        """Return the session's connection; made if there is none."""
        link = self.links.get(session)
        return link if link is not None else self.new_link(session)

    def new_link(self, session: str) -> Link:
        """Make a connection's state for a session, in place of the one before."""
        sid = len(self._by_sid)
        case = self.case
        machine = PROTOCOLS[case.scenario.protocol](case.limits, lenient=case.is_lenient)
        transcript = Transcript(session, self.redactor)
        self.transcripts.append(transcript)
        link = self._by_sid[sid] = self.links[session] = Link(sid, machine, transcript)
        return link

    def note_addresses(self, link: Link, session: str) -> None:
        """Set the names that only a connection gives."""
        assert link.peer is not None
        address = link.peer.local_address
        if session == MAIN:
            self.scope.connection["client.address"] = Value(address)
        if not self.case.client_name:
            literal = f"[IPv6:{address}]" if ":" in address else f"[{address or '127.0.0.1'}]"
            self.scope.connection["client.name"] = Value(literal)

    def nonce(self) -> str:
        """Return a token that no other exchange uses, made from the case's own."""
        self._nonces += 1
        return hashlib.sha256(f"{self.case.token}/{self._nonces}".encode()).hexdigest()[:32]

    # What came of them.

    def differ(self, part: str, expected: str, actual: str, hint: str = "", *, is_warning: bool = False) -> None:
        """Record one thing that differs in the step under way; texts are redacted here."""
        mask = self.redactor.mask
        self.differences.append(Difference(part, mask(expected), mask(actual), mask(hint), is_warning))

    def warn_once(self, text: str) -> None:
        """Record a warning of the case."""
        if text not in self.warnings:
            self.warnings.append(text)

    def record(self, step: Step, ended: StepEnded | None = None) -> None:
        """Record what came of a step, and with it of the case."""
        differences = tuple(self.differences)
        outcome, reason = Outcome.PASSED, ""
        if ended is not None:
            outcome, reason = ended.outcome, self.redactor.mask(ended.reason)
        elif any(not one.is_warning for one in differences):
            outcome = Outcome.FAILED
            first = next(one for one in differences if not one.is_warning)
            reason = f"expected {_line(first.expected)}, got {_line(first.actual)}"
        for one in differences:
            if one.is_warning:
                self.warnings.append(f"{step.label}: expected {_line(one.expected)}, got {_line(one.actual)}")
        self.steps.append(
            StepResult(
                label=step.label,
                place=_place(step),
                outcome=outcome,
                started=self.step_started - self.started,
                elapsed=self.now - self.step_started,
                because=step.because,
                reason=reason,
                differences=differences,
            )
        )
        if outcome.is_failure:
            self._end_with(outcome, f"{step.label}: {reason}")

    def _end_with(self, outcome: Outcome, reason: str) -> None:
        """The first failure is the case's reason; a server that did otherwise outweighs a verdict not found."""
        if self.outcome is Outcome.PASSED or (self.outcome is Outcome.ERROR and outcome is Outcome.FAILED):
            self.outcome, self.reason = outcome, reason

    def fail(self, reason: str) -> None:
        """Fail the case after its last step."""
        self._end_with(Outcome.FAILED, self.redactor.mask(reason))

    def _skip(self, step: Step) -> None:
        self.steps.append(StepResult(step.label, _place(step), Outcome.SKIPPED, reason="its condition does not hold"))

    def not_run(self, step: Step) -> None:
        """Record that a step, or what it stands for, was not reached."""
        for leaf in _leaves(step):
            self.steps.append(StepResult(leaf.label, _place(leaf), Outcome.NOT_RUN))

    def _result(self) -> CaseResult:
        case = self.case
        for name in self.redactor.short:
            self.warn_once(f"the secret '{name}' is short: it is masked only where the runner sends it")
        tls = self.links[MAIN].tls if MAIN in self.links else None
        if tls is not None and not tls.verified:
            self.warn_once("the certificate was not verified (verify: false)")
        return CaseResult(
            scenario=case.scenario.name,
            target=case.target.name,
            outcome=self.outcome,
            reason=self.reason,
            place=Place(case.scenario.source.name, case.scenario.span.line, case.scenario.span.column),
            case_id=case.id,
            elapsed=self.elapsed,
            endpoint=case.target.url,
            tls=tls.version if tls is not None else "",
            description=case.scenario.description,
            steps=tuple(self.steps),
            warnings=tuple(self.warnings),
            transcripts=tuple(self.transcripts),
        )


def _tls_note(facts: TlsFacts | None) -> str:
    if facts is None:
        return ""
    verified = "certificate verified" if facts.verified else "certificate NOT verified"
    return f", {facts.version} {facts.cipher}, {verified}"


def _place(step: Step) -> Place:
    return Place(step.span.source.name, step.span.line, step.span.column)


def _line(text: str) -> str:
    line, _, rest = text.partition("\n")
    return f"{line} …" if rest else line


def _leaves(step: Step) -> Iterator[Step]:
    """Iterate over the steps that a step stands for in a report."""
    if isinstance(step, (Group, Pipeline)):
        for inner in step.steps:
            yield from _leaves(inner)
    else:
        yield step
