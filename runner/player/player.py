"""One case as a machine: bytes and time in; bytes, TLS wishes, deadlines and verdicts out.

No call blocks, reads a clock or draws randomness. The conversation itself is a generator that goes to sleep where
it needs something from outside; every call wakes it. It sleeps in one place only, `wait`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from runner.language.model import DEFAULT_TIMEOUT, MAIN, MESSAGE_TIMEOUT, Group, Pipeline, Step
from runner.language.template import Value
from runner.player.conditions import holds
from runner.player.ending import CaseEnded, CaseSkipped, StepEnded, Stopped, TimedOut
from runner.player.filling import Scope
from runner.player.findings import Findings
from runner.player.finishing import drop, finish
from runner.player.link import Link
from runner.player.verbs import PERFORM
from runner.protocol import PROTOCOLS
from runner.redaction import Redactor
from runner.results import CaseResult, Outcome, Place
from runner.transcript import Transcript
from runner.wire import Done

if TYPE_CHECKING:
    from runner.language.case import Case
    from runner.wire import Action, Fault, Out, Peer, TlsFacts

DELIVERY_UNKNOWN = "; delivery unknown: the message was sent and not answered"
CONDITION = "its condition does not hold"

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
        self.findings = Findings(self.redactor)
        self.scope = Scope(case.values, case.scenario.captures, self.redactor.learn)
        self.links: dict[str, Link] = {}
        self.required_capabilities = case.scenario.requires.capability
        # The step under way.
        self.step_started = 0.0
        self.step_seconds = DEFAULT_TIMEOUT
        self.step_deadline = 0.0
        self._has_default_timeout = True
        # The case so far.
        self._started = 0.0
        self.case_deadline = 0.0
        self._group = (math.inf, "")  # until when the innermost group with a timeout may last, and how long it had
        self._elapsed = 0.0
        self._nonces = 0
        self._by_sid: list[Link] = []
        self._actions: list[Action] = []
        self._is_done = False
        self._conversation = self._converse()
        next(self._conversation)

    # What the driver calls.

    def start(self, now: float) -> Out:
        """Begin; the first actions open the connection."""
        self.now = self._started = now
        self.case_deadline = now + self.case.deadline
        return self._wake()

    def opened(self, sid: int, facts: Peer, now: float) -> Out:
        """Take note that a connection stands (with implicit TLS: that its handshake is done)."""
        self.now = now
        link = self._by_sid[sid]
        link.is_open, link.peer = True, facts
        link.machine.opened()
        link.transcript.note(now, f"connected to {facts.remote_address}")
        if facts.tls is not None:
            self._encrypted(link, facts.tls)
        return self._wake()

    def received(self, sid: int, data: bytes, now: float) -> Out:
        """Take bytes (decrypted)."""
        self.now = now
        link = self._by_sid[sid]
        link.transcript.received(now, data)
        link.received(data, now)
        return self._wake()

    def secured(self, sid: int, facts: TlsFacts, now: float) -> Out:
        """Take note of a handshake."""
        self.now = now
        link = self._by_sid[sid]
        link.machine.secured()
        self._encrypted(link, facts)
        return self._wake()

    def _encrypted(self, link: Link, facts: TlsFacts) -> None:
        link.tls = facts
        verified = "certificate verified" if facts.verified else "certificate NOT verified"
        link.transcript.note(self.now, f"{facts.version} {facts.cipher}, {verified}")
        if not facts.verified:
            self.findings.warn("the certificate was not verified (verify: false)")

    def drained(self, sid: int, now: float) -> Out:  # noqa: ARG002 -- the driver's contract
        """Take note that what was written with `more` has left."""
        self.now = now
        return self._wake()

    def eof(self, sid: int, clean: bool, now: float) -> Out:
        """Take note that the server sends no more; `clean` is false where TLS ended without close_notify."""
        self.now = now
        link = self._by_sid[sid]
        if not link.is_closed:
            link.is_closed, link.is_truncated = True, not clean
            how = "" if clean else " without close_notify"
            link.transcript.note(now, f"the server closed the connection{how}")
        return self._wake()

    def broke(self, sid: int, fault: Fault, now: float) -> Out:
        """Take note of a failure below the protocol."""
        self.now = now
        link = self._by_sid[sid]
        link.fault, link.is_closed, link.is_open = fault, True, False
        link.transcript.note(now, str(fault))
        return self._wake()

    def tick(self, now: float) -> Out:
        """Take note that the deadline may have passed."""
        self.now = now
        return self._wake()

    def stop(self, why: str, now: float) -> Out:
        """End the case as it stands, also one that was not started."""
        self._started = self._started or now
        self.now = now
        return self._wake(Stopped(why))

    def _wake(self, stopped: Stopped | None = None) -> Out:
        if self._is_done:
            return ()
        try:
            if stopped is None:
                next(self._conversation)
            else:
                self._conversation.throw(stopped)
        except StopIteration:
            self._is_done = True
            self._actions.append(Done(self._result()))
        if not self._actions:
            return ()
        actions, self._actions = self._actions, []
        return tuple(actions)

    # The conversation.

    def _converse(self) -> Steps:
        steps = self.case.scenario.steps
        try:
            try:
                yield  # until the driver says start
            except Stopped:
                self._left_out(steps, Outcome.NOT_RUN)
                raise
            yield from self._run_steps(steps)
        except CaseEnded:
            pass
        except CaseSkipped as skipped:
            self.findings.end(Outcome.SKIPPED, str(skipped))
        except Stopped as stopped:
            self._stopped(stopped)
        self._elapsed = self.now - self._started
        try:
            yield from finish(self)
        except Stopped as stopped:
            self._stopped(stopped)

    def _stopped(self, stopped: Stopped) -> None:
        self.findings.end(Outcome.ERROR, str(stopped))
        for link in self.links.values():
            drop(self, link)

    def _run_steps(self, steps: tuple[Step, ...]) -> Steps:
        """Run steps in order; where one ends the case, the rest is not run."""
        for number, step in enumerate(steps):
            try:
                yield from self._run_step(step)
            except (CaseEnded, CaseSkipped, Stopped):
                self._left_out(steps[number + 1 :], Outcome.NOT_RUN)
                raise

    def _run_step(self, step: Step) -> Steps:
        self.begin_step(step)
        recorded = len(self.findings.steps)
        is_due = True
        try:
            if step.when is not None:
                is_due = holds(self, step.when, self.links.get(step.session))
            if is_due and not isinstance(step, Group):
                yield from PERFORM[type(step)](self, step)
        except StepEnded as ended:
            self._step_ended(step, recorded, ended)
            raise CaseEnded from ended
        except TimedOut as late:
            self._step_ended(step, recorded, StepEnded(Outcome.FAILED, f"not done {late}"))
            raise CaseEnded from None
        except (CaseSkipped, Stopped) as ended:
            outcome = Outcome.SKIPPED if isinstance(ended, CaseSkipped) else Outcome.ERROR
            self._step_ended(step, recorded, StepEnded(outcome, str(ended)))
            raise
        if isinstance(step, Group):
            yield from self._run_group(step, is_due=is_due)
        elif not is_due:
            self._left_out((step,), Outcome.SKIPPED, CONDITION)
        elif not isinstance(step, Pipeline):
            self.record(step)

    def _run_group(self, group: Group, *, is_due: bool) -> Steps:
        before = self._group
        if group.timeout is not None:
            self._group = min(before, (self.now + group.timeout, f"{group.timeout:g} s of '{group.label}'"))
        if not is_due:
            self._left_out(group.steps, Outcome.SKIPPED, CONDITION)
        try:
            yield from self._run_steps(group.steps if is_due else group.otherwise)
        finally:
            self._group = before
            if is_due:
                self._left_out(group.otherwise, Outcome.SKIPPED, "the condition of its 'else' holds")

    def _step_ended(self, step: Step, recorded: int, ended: StepEnded) -> None:
        """Record how a step ended before its time; of a pipeline it is the first line that has no result yet."""
        leaves = list(_leaves(step))
        if isinstance(step, Pipeline):
            step, *leaves = leaves[len(self.findings.steps) - recorded :]
        elif not isinstance(step, Group):
            leaves = []
        self.record(step, ended)
        self.findings.left_out(leaves, Outcome.NOT_RUN)

    # Time.

    def begin_step(self, step: Step) -> None:
        """Set the step's deadline, from now."""
        self.step_started = self.now
        seconds = step.timeout if step.timeout is not None else self.case.timeout
        self._has_default_timeout = seconds is None
        self.set_timeout(DEFAULT_TIMEOUT if seconds is None else seconds)

    def set_timeout(self, seconds: float) -> None:
        """Give the step a deadline, counted from its start."""
        self.step_seconds = seconds
        self.step_deadline = self.step_started + seconds

    def allow_message_time(self) -> None:
        """Let the reply to a whole message take longer, unless the author says how long a step may take."""
        if self._has_default_timeout:
            self.set_timeout(MESSAGE_TIMEOUT)

    def allow_until(self, moment: float) -> None:
        """Let the step last until then at least."""
        if self.step_deadline < moment:
            self.set_timeout(moment - self.step_started)

    def wait(self, until: float | None = None) -> Steps:
        """Sleep until something happens, or until `until`.

        Raises:
            TimedOut: the step's or the case's time is over.
        """
        end = min(self.step_deadline, self.case_deadline, self._group[0])
        self.deadline = end if until is None or end < until else until
        yield
        if self.now >= end and (until is None or until > end):
            raise TimedOut(self._limit())

    @property
    def is_case_over(self) -> bool:
        """Whether the case's time is over."""
        return self.now >= self.case_deadline

    def _limit(self) -> str:
        if self.is_case_over:
            return f"before the case's deadline of {self.case.deadline:g} s"
        if self.now >= self._group[0]:
            return f"within the {self._group[1]}"
        return f"within {self.step_seconds:g} s"

    # What steps do.

    def act(self, action: Action) -> None:
        """Ask the driver for something."""
        self._actions.append(action)

    def new_link(self, session: str) -> Link:
        """Make a connection's state for a session, in place of the one before."""
        case = self.case
        machine = PROTOCOLS[case.scenario.protocol](case.limits, lenient=case.is_lenient)
        link = Link(len(self._by_sid), machine, Transcript(session, self.redactor))
        if (before := self.links.get(session)) is not None:
            link.last = before.last
        self._by_sid.append(link)
        self.links[session] = link
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

    def record(self, step: Step, ended: StepEnded | None = None) -> None:
        """Record what came of a step, and with it of the case."""
        if ended is not None:
            link = self.links.get(step.session)
            if link is not None and link.is_delivery_unknown:
                ended = StepEnded(ended.outcome, ended.reason + DELIVERY_UNKNOWN)
        self.findings.step_ended(step, self.step_started - self._started, self.now - self.step_started, ended)

    def _left_out(self, steps: tuple[Step, ...], outcome: Outcome, reason: str = "") -> None:
        for step in steps:
            self.findings.left_out(_leaves(step), outcome, reason)

    def _result(self) -> CaseResult:
        case, findings, mask = self.case, self.findings, self.redactor.mask
        for name in self.redactor.short:
            findings.warn(f"the secret '{name}' is short: it is masked only where mailproof sends it")
        tls = self.links[MAIN].tls if MAIN in self.links else None
        scenario = case.scenario
        return CaseResult(
            scenario=mask(scenario.name),
            target=case.target.name,
            outcome=findings.outcome,
            reason=mask(findings.reason),
            place=Place(scenario.source.name, scenario.span.line, scenario.span.column),
            case_id=case.id,
            elapsed=self._elapsed,
            started=self._started,
            endpoint=case.target.url,
            tls=tls.version if tls is not None else "",
            description=mask(scenario.description),
            steps=findings.masked_steps() if case.secrets else tuple(findings.steps),
            warnings=tuple(map(mask, findings.warnings)),
            transcripts=tuple(link.transcript for link in self._by_sid),
        )


def _leaves(step: Step) -> Iterator[Step]:
    """Iterate over the steps that a step stands for in a report."""
    if isinstance(step, Group):
        for inner in (*step.steps, *step.otherwise):
            yield from _leaves(inner)
    elif isinstance(step, Pipeline):
        yield from step.steps
    else:
        yield step
