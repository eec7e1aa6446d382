"""One case as a machine: bytes and time in; bytes, TLS wishes, deadlines and verdicts out.

No call blocks, reads a clock or draws randomness. The conversation itself is a generator that goes to sleep where
it needs something from outside; every call wakes it. It sleeps in one place only, `wait`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

from runner.language.model import DEFAULT_TIMEOUT, MAIN, MESSAGE_TIMEOUT, Group, Pipeline, Step
from runner.language.template import Value
from runner.language.walking import leaves
from runner.player.conditions import holds
from runner.player.conversation import converse
from runner.player.ending import ENDINGS, CaseEnded, CaseSkipped, StepEnded, Stopped, TimedOut, end_of
from runner.player.exchanges import Exchanges
from runner.player.filling import Scope
from runner.player.findings import Findings
from runner.player.groups import GROUPS
from runner.player.link import Link
from runner.player.record import Record
from runner.player.requiring import required
from runner.player.sessions import connections
from runner.player.verbs import perform
from runner.player.verdict import verdict
from runner.protocol import PROTOCOLS
from runner.redaction import Redactor
from runner.results import CaseResult, Outcome, Place, SessionFacts
from runner.transcript import Transcript
from runner.wire import Done, Work

if TYPE_CHECKING:
    from runner.language.case import Case, Party
    from runner.language.target import Target
    from runner.wire import Action, Fault, Out, Peer, TlsFacts

DELIVERY_UNKNOWN = "; delivery unknown: the message was sent and not answered"
CONDITION = "its condition does not hold"

# So many rounds of a repeat are run at one go, and then there is a moment (in seconds) for others.
ROUNDS_AWAKE = 100
MOMENT = 0.001
NO_LIMIT = (math.inf, "")
_NO_NUMBERS: Mapping[str, int] = {}
_OF_STEPS = (Group, Pipeline)

Steps = Generator[None, None, None]
T = TypeVar("T")


class Player:
    """Plays one case. See the module; the driver's side of the contract is in `runner.session`.

    `deadline` is on the clock whose times are handed in, in seconds; it may move either way in any call.
    Without `keeps_all_transcripts` only a case that failed or carries warnings has its own in the result. With
    `keeps_exchanges` each step's result has all that was said in it.
    """

    __slots__ = (
        "_actions",
        "_allowed_more",
        "_conversation",
        "_elapsed",
        "_exchanges",
        "_has_default_timeout",
        "_is_done",
        "_keeps_all_transcripts",
        "_nonces",
        "_numbers",
        "_outcome",
        "_record",
        "_rounds",
        "_started",
        "_tls",
        "_work",
        "case",
        "case_deadline",
        "deadline",
        "findings",
        "group_limit",
        "is_stopped",
        "links",
        "now",
        "party",
        "redactor",
        "report",
        "required",
        "scope",
        "session",
        "step_deadline",
        "step_seconds",
        "step_started",
    )

    def __init__(self, case: Case, *, keeps_all_transcripts: bool = True, keeps_exchanges: bool = False) -> None:
        self.case = case
        self._keeps_all_transcripts = keeps_all_transcripts
        self._exchanges = Exchanges() if keeps_exchanges else None
        self.now = 0.0
        self.deadline = 0.0
        self.redactor = Redactor(case.secrets)
        #: What is found: of the whole case, and of the part under way, which may be dropped.
        self.report = self.findings = Findings(self.redactor)
        self.scope = Scope(case.values, case.scenario.capture_spans, self.redactor.learn, mask=self.redactor.mask)
        self.findings.shown_part = self.scope.shown
        self.links: dict[str, Link] = {}
        # The session of the step under way: `main`, `inbox`, or one connection of several, `c[3]`.
        self.session = MAIN
        self.party = case.sessions[MAIN]
        self._numbers: Mapping[str, int] = _NO_NUMBERS  # which connection a group is for, by session
        for party in case.sessions.values():
            self.scope.learn_from(party.values)
        self.required = required(case.scenario.requires.capability)
        # The step under way.
        self.step_started = 0.0
        self.step_seconds = DEFAULT_TIMEOUT
        self.step_deadline = 0.0
        self._has_default_timeout = True
        self._allowed_more = 0.0
        # The case so far.
        self._started = 0.0
        self.case_deadline = 0.0
        self.group_limit = NO_LIMIT  # until when the innermost group with a timeout may last, and how long it had
        self._elapsed = 0.0
        self._nonces = 0
        self._record = Record()
        self._actions: list[Action] = []
        self._tls: TlsFacts | None = None
        self._rounds = 0  # of repeats, since something was waited for
        self.is_stopped = False
        self._is_done = False
        self._work: Work | None = None  # under way beside the conversation
        self._outcome: object = None
        self._conversation = converse(self)
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
        if (link := self._record.links.get(sid)) is None:
            return ()
        link.is_open, link.peer = True, facts
        link.machine.opened()
        link.transcript.note(now, f"connected to {facts.remote_address}")
        if facts.announced:
            link.transcript.note(now, facts.announced)
        if facts.tls is not None:
            self._encrypted(link, facts.tls)
        return self._wake()

    def received(self, sid: int, data: bytes, now: float) -> Out:
        """Take bytes (decrypted)."""
        self.now = now
        if (link := self._record.links.get(sid)) is None:
            return ()
        link.transcript.received(now, data)
        link.received(data, now)
        return self._wake()

    def secured(self, sid: int, facts: TlsFacts, now: float) -> Out:
        """Take note of a handshake."""
        self.now = now
        if (link := self._record.links.get(sid)) is None:
            return ()
        link.machine.secured()
        self._encrypted(link, facts)
        return self._wake()

    def _encrypted(self, link: Link, facts: TlsFacts) -> None:
        link.tls = facts
        verified = "certificate verified" if facts.verified else "certificate NOT verified"
        link.transcript.note(self.now, f"{facts.version} {facts.cipher}, {verified}")
        if not facts.verified:
            self.report.warn("the certificate was not verified (verify: false)")

    def drained(self, sid: int, now: float) -> Out:
        """Take note that what was written with `more` has left."""
        self.now = now
        if (link := self._record.links.get(sid)) is not None:
            link.is_drained = True
        return self._wake()

    def eof(self, sid: int, clean: bool, now: float) -> Out:
        """Take note that the server sends no more; `clean` is false where TLS ended without close_notify."""
        self.now = now
        if (link := self._record.links.get(sid)) is None:
            return ()
        if not link.is_closed:
            link.is_closed, link.is_truncated, link.ended = True, not clean, now
            how = "" if clean else " without close_notify"
            link.transcript.note(now, f"the server closed the connection{how}")
        return self._wake()

    def broke(self, sid: int, fault: Fault, now: float) -> Out:
        """Take note of a failure below the protocol."""
        self.now = now
        if (link := self._record.links.get(sid)) is None:
            return ()
        link.fault, link.is_closed, link.is_open = fault, True, False
        link.ended = link.ended or now
        link.transcript.note(now, str(fault))
        return self._wake()

    def noted(self, sid: int, text: str, now: float) -> Out:
        """Take note of what is said beside a connection."""
        if (link := self._record.links.get(sid)) is not None:
            link.transcript.note(now, text)
        return ()

    def worked(self, work: Work, outcome: object, now: float) -> Out:
        """Take what work beside the conversation has brought; what nobody waits for any more is dropped."""
        self.now = now
        if work is not self._work:
            return ()
        self._work, self._outcome = None, outcome
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

    def run_steps(self, steps: tuple[Step, ...]) -> Steps:
        """Run steps in order; where one ends the case, the rest is not run."""
        for number, step in enumerate(steps):
            try:
                if step.session != self.session:
                    yield from self._run_elsewhere(step)
                elif step.when is not None or isinstance(step, _OF_STEPS):
                    yield from self._run_step(step)
                else:  # as `_run_step` does, spelt out: one generator less for each case that waits
                    self.begin_step(step)
                    try:
                        yield from perform(self, step)
                    except ENDINGS as ended:
                        self._step_ended(step, 0, ended)
                    self.record(step)
            except (CaseEnded, CaseSkipped, Stopped):
                self.left_out(steps[number + 1 :], Outcome.NOT_RUN)
                raise
            if self.findings.ends_at_failure and self.findings.outcome.is_failure:
                self.left_out(steps[number + 1 :], Outcome.NOT_RUN)
                raise CaseEnded

    def _run_elsewhere(self, step: Step) -> Steps:
        """Run a step of another session, or of one with a count: on the connection meant, or on each in turn."""
        try:
            meant = tuple(connections(self, step))
        except StepEnded as ended:
            self.begin_step(step)
            self._step_ended(step, self.findings.count, ended)
        before = self.session, self.party, self._numbers
        try:
            for at, one in enumerate(meant, 1):
                self._enter(step.session, *one)
                try:
                    yield from self._run_step(step)
                except (CaseEnded, CaseSkipped, Stopped):
                    for other in meant[at:]:
                        self._enter(step.session, *other)
                        self.left_out((step,), Outcome.NOT_RUN)
                    raise
        finally:
            self._go_over(*before)

    def _enter(self, session: str, name: str, number: int) -> None:
        """Go over to a session, or to one of its connections."""
        numbers = {**self._numbers, session: number} if number else self._numbers
        self._go_over(name, self.case.sessions[session], numbers)

    def _go_over(self, session: str, party: Party, numbers: Mapping[str, int]) -> None:
        """Let what follows be of a session: its connection, its target, what names stand for there."""
        self.session = self.findings.session = session
        self.party, self._numbers = party, numbers
        self.scope.fixed = party.values
        link = self.links.get(session)
        if not self.case.client_name:
            self.scope.connection.pop("client.name", None)
            if link is not None and link.peer is not None:
                self.scope.connection["client.name"] = _address_literal(link.peer.local_address)

    @property
    def target(self) -> Target:
        """The server that the step under way talks to."""
        return self.party.target

    def number_of(self, session: str) -> int:
        """Return which connection of a session the group is for, 0 for none."""
        return self._numbers.get(session, 0)

    def _run_step(self, step: Step) -> Steps:
        self.begin_step(step)
        recorded = self.findings.count if isinstance(step, Pipeline) else 0
        is_due = True
        try:
            if step.when is not None:
                is_due = holds(self, step.when, self.links.get(self.session))
            if is_due and not isinstance(step, Group):
                yield from perform(self, step)
        except ENDINGS as ended:
            self._step_ended(step, recorded, ended)
        if isinstance(step, Group):
            yield from self._run_group(step, is_due=is_due)
        elif not is_due:
            self.left_out((step,), Outcome.SKIPPED, CONDITION)
        elif not isinstance(step, Pipeline):
            self.record(step)

    @contextmanager
    def telling(self, step: Step) -> Iterator[None]:
        """Record what a group does by itself as a step's, should it end here."""
        try:
            yield
        except ENDINGS as ended:
            self._step_ended(step, self.findings.count, ended)

    def _run_group(self, group: Group, *, is_due: bool) -> Steps:
        before = self.group_limit
        if group.timeout is not None:
            self.group_limit = min(before, (self.now + group.timeout, f"{group.timeout:g} s of '{group.label}'"))
        if not is_due:
            self.left_out(group.steps, Outcome.SKIPPED, CONDITION)
        try:
            yield from GROUPS[type(group)](self, group) if is_due else self.run_steps(group.otherwise)
        finally:
            self.group_limit = before
            if is_due:
                self.left_out(group.otherwise, Outcome.SKIPPED, "the condition of its 'else' holds")

    def _step_ended(self, step: Step, recorded: int, error: Exception) -> NoReturn:
        """Record how a step ended before its time; of a pipeline it is the first line that has no result yet."""
        inner = list(leaves((step,)))
        if isinstance(step, Pipeline):
            step, *inner = inner[self.findings.count - recorded :]
        elif not isinstance(step, Group):
            inner = []
        ended = end_of(error)
        self.record(step, ended)
        self.findings.left_out(inner, Outcome.NOT_RUN)
        if isinstance(error, CaseSkipped | Stopped):
            raise error
        raise CaseEnded from ended

    # Time.

    def begin_step(self, step: Step) -> None:
        """Set the step's deadline, from now."""
        self.step_started = self.now
        seconds = step.timeout if step.timeout is not None else self.case.timeout
        self._has_default_timeout = seconds is None
        self._allowed_more = 0.0
        self.step_seconds = DEFAULT_TIMEOUT if seconds is None else seconds
        self.step_deadline = self.now + self.step_seconds

    def set_timeout(self, seconds: float) -> None:
        """Give the step a deadline, counted from its start."""
        self.step_seconds = seconds
        self.step_deadline = self.step_started + seconds

    def allow_message_time(self) -> None:
        """Let the reply to a whole message take longer, unless the author says how long a step may take."""
        if self._has_default_timeout:
            self.set_timeout(MESSAGE_TIMEOUT + self._allowed_more)

    def allow_more(self, seconds: float) -> None:
        """Add time that the author asked for to the step's and the case's."""
        self._allowed_more += seconds
        self.case_deadline += seconds
        self.set_timeout(self.step_seconds + seconds)

    def allow_until(self, moment: float) -> None:
        """Let the step last until then at least."""
        if self.step_deadline < moment:
            self.set_timeout(moment - self.step_started)

    def wait(self, until: float | None = None) -> Steps:
        """Sleep until something happens, or until `until`.

        Raises:
            TimedOut: the step's or the case's time is over.
        """
        end = min(self.step_deadline, self.case_deadline, self.group_limit[0])
        self.deadline = end if until is None or end < until else until
        yield
        self._rounds = 0
        if self.now >= end and (until is None or until > end):
            raise TimedOut(self._limit())

    def sleep(self, until: float) -> Steps:
        """Let time pass, whatever happens.

        Raises:
            TimedOut: the case's time is over.
        """
        self.allow_until(until)
        while self.now < until:
            yield from self.wait(until)

    def begin_round(self, group: Group) -> Steps:
        """Sleep a moment after so many rounds in which nothing was waited for, so that other cases have their turn."""
        self._rounds += 1
        if self._rounds > ROUNDS_AWAKE:
            self.begin_step(group)
            yield from self.wait(self.now + MOMENT)

    @property
    def is_case_over(self) -> bool:
        """Whether the case's time is over."""
        return self.now >= self.case_deadline

    def _limit(self) -> str:
        if self.is_case_over:
            return f"before the case's deadline of {self.case.deadline:g} s"
        if self.now >= self.group_limit[0]:
            return f"within the {self.group_limit[1]}"
        return f"within {self.step_seconds:g} s"

    # The parts of a case.

    def note_end(self) -> None:
        """Take note that the last step has ended: what comes now is no more than to close what is open."""
        self._elapsed = self.now - self._started
        self._tls = self.links[MAIN].tls if MAIN in self.links else None

    def begin_pause(self) -> None:
        """Wait for something that is no step's."""
        self.step_started = self.now
        self.set_timeout(0)

    def begin_anew(self) -> None:
        """Forget what the conversation has brought, but not how long it took."""
        self.links.clear()
        self.scope.captured = {}
        self.scope.connection.clear()
        self.required = required(self.case.scenario.requires.capability)

    def begin_cleanup(self, seconds: float) -> None:
        """Give steps a time of their own, on connections of their own."""
        self.links.clear()
        self.required = required(())
        self.case_deadline = math.inf
        self.group_limit = (self.now + seconds, f"{seconds:g} s of 'cleanup'")

    def end_cleanup(self) -> None:
        """Let its connections end in the usual time."""
        self.group_limit = NO_LIMIT

    # What steps do.

    def act(self, action: Action) -> None:
        """Ask the driver for something."""
        self._actions.append(action)

    def work(self, call: Callable[[], T]) -> Generator[None, None, T]:
        """Have a function called that may wait, beside the loop, within the step's time; return what it returns.

        Raises:
            TimedOut: the step's or the case's time is over.
        """
        self._work = Work(call)
        self.act(self._work)
        try:
            while self._work is not None:
                yield from self.wait()
        finally:
            self._work = None
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return cast(T, self._outcome)

    def new_link(self, session: str) -> Link:
        """Make a connection's state for a session, in place of the one before."""
        case = self.case
        machine = PROTOCOLS[self.party.protocol](case.limits, lenient=case.is_lenient)
        transcript = Transcript(
            session, self.redactor, has_literals=machine.has_literals, has_lf_ends=not machine.line_rule
        )
        link = Link(self._record.next_sid(), machine, transcript)
        if self._exchanges is not None:
            link.heard = []
        if (before := self.links.get(session)) is not None:
            link.last = before.last
        self.links[session] = link
        self._record.add(link, self.links.values())
        return link

    def note_addresses(self, link: Link, session: str) -> None:
        """Set the names that only a connection gives."""
        assert link.peer is not None
        address = link.peer.local_address
        if session == MAIN:
            self.scope.connection["client.address"] = Value(address)
        if not self.case.client_name:
            self.scope.connection["client.name"] = _address_literal(address)

    def nonce(self) -> str:
        """Return a token that no other exchange uses, made from the case's own."""
        self._nonces += 1
        import hashlib  # noqa: PLC0415 -- few cases need it, and start-up counts

        return hashlib.sha256(f"{self.case.token}/{self._nonces}".encode()).hexdigest()[:32]

    # What came of them.

    def record(self, step: Step, ended: StepEnded | None = None) -> None:
        """Record what came of a step, and with it of the case."""
        if ended is not None:
            link = self.links.get(self.session)
            if link is not None and link.is_delivery_unknown:
                ended = ended.with_more(DELIVERY_UNKNOWN)
        exchange = self._exchanges.of(self, step) if self._exchanges is not None else None
        started, elapsed = self.step_started - self._started, self.now - self.step_started
        self.findings.step_ended(step, started, elapsed, ended, exchange)

    def left_out(self, steps: tuple[Step, ...], outcome: Outcome, reason: str = "") -> None:
        """Record steps, and those inside them, that were skipped or not run."""
        self.findings.left_out(leaves(steps), outcome, reason)

    def _result(self) -> CaseResult:
        case, findings, mask = self.case, self.findings, self.redactor.mask
        for name in self.redactor.short:
            findings.warn(f"the secret '{name}' is short: it is masked only where mailproof sends it")
        tls = self._tls
        scenario = case.scenario
        outcome, reason = verdict(case, findings)
        is_kept = self._keeps_all_transcripts or outcome.is_failure or findings.warnings
        return CaseResult(
            scenario=mask(scenario.name),
            row=mask(case.row),
            target=case.target.name,
            outcome=outcome,
            reason=mask(reason),
            place=Place(scenario.source.name, scenario.span.line, scenario.span.column),
            case_id=case.id,
            elapsed=self._elapsed,
            started=self._started,
            endpoint=case.target.url,
            tls=tls.version if tls is not None else "",
            description=mask(scenario.description),
            steps=findings.masked_steps() if case.secrets else findings.rows(),
            warnings=tuple(map(mask, findings.warnings)),
            transcripts=self._record.transcripts() if is_kept else (),
            sessions=tuple(
                SessionFacts(name, party.target.name, party.target.url) for name, party in case.sessions.items()
            )
            if len(case.sessions) > 1
            else (),
        )


def _address_literal(address: str) -> Value:
    """Return how a client without a name says who it is (RFC 5321 section 4.1.3)."""
    return Value(f"[IPv6:{address}]" if ":" in address else f"[{address or '127.0.0.1'}]")
