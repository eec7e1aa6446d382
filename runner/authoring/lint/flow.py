"""A conversation followed step by step, with all that is certain of it: what can't be meant so is found.

Each session has its own state. Where a condition or a loop decides, what is known is what holds either way.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.authoring.lint import commands, logins
from runner.authoring.lint.conversation import State, unknown
from runner.authoring.lint.outcomes import Known, codes_of, is_only
from runner.authoring.lint.rules import Finding
from runner.authoring.lint.subject import Subject
from runner.authoring.lint.telling import Teller
from runner.language.model import (
    MAIN,
    Auth,
    Bdat,
    Bytes,
    Connect,
    Data,
    Exchange,
    Group,
    Handshake,
    Hangup,
    Pipeline,
    Repeat,
    Retry,
    Send,
    StartTls,
    Step,
    When,
)
from runner.matching.expectation import Expectation, Short, Word

_OFFERS_TLS = frozenset({"STARTTLS", "STLS"})


def followed(subject: Subject, rule_id: str) -> Iterator[Finding]:
    """Find what following a file's conversation finds for one rule; it is followed once for all of them."""
    if subject.followed is None:
        subject.followed = _follow(subject)
    return (finding for finding in subject.followed if finding.rule == rule_id)


def _follow(subject: Subject) -> list[Finding]:
    """Return what the order of a file's steps makes impossible, or lays open."""
    if subject.is_project:
        return []
    teller = Teller(subject)
    _Flow(subject, teller, starts_unknown=subject.fragment is not None).steps(subject.steps)
    if subject.scenario is not None:
        _Flow(subject, teller, starts_unknown=False).steps(subject.scenario.cleanup)  # on fresh connections
    return teller.found


class _Flow:
    def __init__(self, subject: Subject, teller: Teller, *, starts_unknown: bool) -> None:
        self._subject = subject
        self._teller = teller
        self._starts_unknown = starts_unknown
        self._states: dict[str, State] = {}

    # Groups.

    def steps(self, steps: tuple[Step, ...]) -> None:
        """Follow steps in their order."""
        for step in steps:
            self._step(step)

    def _step(self, step: Step) -> None:
        if step.when is None:
            self._inside(step)
            return
        before = self._copies()
        self._assume(step.when, step.session, holds=True)
        self._inside(step)
        after = self._states
        self._states = before
        self._assume(step.when, step.session, holds=False)
        if isinstance(step, Group):
            with self._teller.within(step):
                self.steps(step.otherwise)
        self._join(after)

    def _inside(self, step: Step) -> None:
        with self._teller.within(step):
            if isinstance(step, Repeat):
                self._repeat(step)
            elif isinstance(step, Retry):
                self._retry(step)
            elif isinstance(step, Group | Pipeline):
                self.steps(step.steps)
            elif self._subject.can_follow(step.session):
                self._one(step)

    def _repeat(self, step: Repeat) -> None:
        self.steps(step.steps)
        if step.count < 2:
            return
        if step.keep_going:
            self._forget_all()
        else:
            self.steps(step.steps)
        self._again(step)

    def _retry(self, step: Retry) -> None:
        before = self._copies()
        self.steps(step.steps)
        after = self._states
        self._states = before
        self._forget_all()
        with self._teller.quietly():
            self.steps(step.steps)
        self._join(after)

    def _again(self, step: Repeat) -> None:
        with self._teller.quietly():
            before = self._copies()
            self.steps(step.steps)
            self._join(before)

    # States.

    def _state(self, session: str) -> State:
        if session not in self._states:
            self._states[session] = self._begun(session)
        return self._states[session]

    def _fresh(self, session: str) -> State:
        state = State()
        if self._subject.machine(session).name in ("pop3", "sieve"):
            state.login = Known.NO  # only IMAP has a greeting that says otherwise
        return state

    def _copies(self) -> dict[str, State]:
        return {session: state.copy() for session, state in self._states.items()}

    def _join(self, others: dict[str, State]) -> None:
        for session in {*self._states, *others}:
            self._states[session] = self._state(session).either(others.get(session) or self._begun(session))

    def _begun(self, session: str) -> State:
        return unknown() if self._starts_unknown else self._fresh(session)

    def _forget_all(self) -> None:
        for session in (*self._states, MAIN):
            self._state(session).forget()
            self._state(session).secured = Known.MAYBE

    def _assume(self, when: When, session: str, *, holds: bool) -> None:
        """Take what a condition says for certain where it holds, or where it does not."""
        state = self._state(session)
        if when.negated is not None and not (when.capability or when.reply or when.tls is not None or when.variable):
            self._assume(when.negated, session, holds=not holds)
            return
        is_alone = not (when.reply or when.variable or when.negated is not None)
        if when.tls is not None and (holds or (is_alone and not when.capability)):
            state.secured = Known.YES if when.tls is holds else Known.NO
        if holds and when.capability in _OFFERS_TLS and state.secured is Known.MAYBE:
            state.secured = Known.NO

    # Steps.

    def _one(self, step: Step) -> None:
        state = self._state(step.session)
        if isinstance(step, Connect):
            self._connect(step)
            return
        if isinstance(step, Exchange | Handshake):
            self._check_over(step, state)
        match step:
            case Send():
                commands.send(self._teller, self._subject.pairs.answered(step), state)
            case Auth():
                logins.auth(self._teller, step, state)
            case StartTls() | Handshake():
                logins.handshake(self._teller, step, state)
            case Data():
                commands.data(self._teller, self._subject.pairs.answered(step), state)
            case Bdat():
                commands.bdat(self._teller, self._subject.pairs.answered(step), state)
            case Bytes():
                state.forget()
                state.message = Known.MAYBE
            case Hangup():
                state.over, state.owes_goodbye = Known.YES, False
            case Exchange():
                self._read(step, state)
        if isinstance(step, Exchange):
            self._after_reply(step, state)

    def _connect(self, step: Connect) -> None:
        state = self._states[step.session] = self._fresh(step.session)
        if step.expect is not None:
            self._greeting(step.expect, state)
            refused = [one for one in step.expect.alternatives if isinstance(one, Word) and one is not Word.ANY]
            if refused:
                state.over = Known.YES if len(refused) == len(step.expect.alternatives) else Known.MAYBE

    def _check_over(self, step: Exchange | Handshake, state: State) -> None:
        if state.over is not Known.YES:
            return
        is_read = type(step) is Exchange
        expectation = step.expect if isinstance(step, Exchange) else None
        if isinstance(step, Exchange) and is_read and self._subject.pairs.is_due(step):
            return  # what was sent before the goodbye is answered before it
        if is_read and (state.owes_goodbye or is_only(expectation, Word.CLOSE)):
            state.owes_goodbye = False
            return
        if isinstance(step, Hangup) or (expectation is not None and is_read and _takes_end(expectation)):
            return
        does = "expected" if is_read else "sent"
        self._teller.tell("after-goodbye", step, f"after the goodbye nothing is {does}", "begin anew with connect:")
        state.forget()

    def _read(self, step: Exchange, state: State) -> None:
        if step.expect is not None and state.greeted is Known.NO:
            self._greeting(step.expect, state)
        elif step.expect is None:
            state.forget()

    def _greeting(self, expectation: Expectation, state: State) -> None:
        state.greeted = Known.YES
        if all(isinstance(one, Short) and one.code == "OK" for one in expectation.alternatives):
            state.login = Known.NO if state.login is Known.MAYBE else state.login

    def _after_reply(self, step: Exchange, state: State) -> None:
        expectation = step.expect
        if expectation is None:
            return
        if is_only(expectation, Word.CLOSE):
            state.over = Known.YES
        elif _may_end(expectation) and state.over is Known.NO:
            state.over = Known.MAYBE
        offers = {wish.name for wish in expectation.capabilities if wish.asks != "absent"}
        if offers & _OFFERS_TLS and state.secured is Known.MAYBE and not expectation.is_warning:
            state.secured = Known.NO


def _takes_end(expectation: Expectation) -> bool:
    return any(isinstance(one, Word) for one in expectation.alternatives)


def _may_end(expectation: Expectation) -> bool:
    """Whether a reply that is expected may be a goodbye: 421, BYE, or the end itself."""
    return any(one is Word.CLOSE or {"421", "BYE"} & set(codes_of(one)) for one in expectation.alternatives)
