"""A conversation followed step by step, with all that is certain of it; `follow` says what can't be meant so.

Each session has its own state. What a fragment does is told where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.authoring.lint.conversation import State, unknown
from runner.authoring.lint.encoded import Response, judge_response
from runner.authoring.lint.outcomes import Known, asks_for_challenge, codes_of, is_only, outcome_of
from runner.authoring.lint.rules import Finding
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
    Use,
    When,
)
from runner.language.template import GAP
from runner.matching.expectation import Expectation, Short, Word

if TYPE_CHECKING:
    from runner.authoring.lint.subject import Subject

_SMTP = frozenset({"smtp", "lmtp"})
_READABLE = frozenset({"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "BEST"})
_HELLOS = {"smtp": ("EHLO", "HELO"), "lmtp": ("LHLO",)}
_GOODBYES = {"smtp": "QUIT", "lmtp": "QUIT", "pop3": "QUIT", "imap": "LOGOUT", "sieve": "LOGOUT"}
_OFFERS_TLS = frozenset({"STARTTLS", "STLS"})
_MECHANISM = re.compile(r'(?:AUTH|AUTHENTICATE) +"?([^\s"]+)"?(?: +(.*))?\Z', re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
# What is refused before a login: RFC 9051 section 6.1, RFC 1939 section 4, RFC 5804 section 1.4.
_AFTER_LOGIN = {
    "imap": frozenset(
        "SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND IDLE NAMESPACE".split()
    ),
    "pop3": frozenset("STAT LIST RETR DELE RSET TOP UIDL".split()),
    "sieve": frozenset(
        "PUTSCRIPT LISTSCRIPTS GETSCRIPT DELETESCRIPT RENAMESCRIPT SETACTIVE CHECKSCRIPT HAVESPACE".split()
    ),
}
_SELECTED = frozenset("FETCH STORE SEARCH COPY MOVE EXPUNGE CLOSE UNSELECT UID CHECK SORT THREAD".split())
_COMMANDS = frozenset().union(
    "EHLO HELO LHLO MAIL RCPT DATA RSET NOOP QUIT AUTH STARTTLS LOGIN LOGOUT PASS USER CAPABILITY CAPA".split(),
    _SELECTED,
    *_AFTER_LOGIN.values(),
)
_LOGINS = {"imap": "LOGIN or AUTHENTICATE", "pop3": "USER and PASS", "sieve": "AUTHENTICATE"}


def follow(subject: Subject) -> list[Finding]:
    """Return what the order of a file's steps makes impossible, or lays open."""
    if subject.is_project:
        return []
    flow = _Flow(subject, starts_unknown=subject.fragment is not None)
    flow.steps(subject.steps)
    if subject.scenario is not None:
        cleanup = _Flow(subject, starts_unknown=False)  # on fresh connections
        cleanup.steps(subject.scenario.cleanup)
        flow.found += cleanup.found
    return flow.found


class _Flow:
    def __init__(self, subject: Subject, *, starts_unknown: bool) -> None:
        self.found: list[Finding] = []
        self._subject = subject
        self._starts_unknown = starts_unknown
        self._states: dict[str, State] = {}
        self._is_quiet = False
        #: The `use` in this file by which steps of another are reached.
        self._use: Step | None = None

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
            with self._within(step):
                self.steps(step.otherwise)
        self._join(after)

    def _inside(self, step: Step) -> None:
        with self._within(step):
            if isinstance(step, Repeat):
                self._repeat(step)
            elif isinstance(step, Retry):
                self._retry(step)
            elif isinstance(step, Group | Pipeline):
                self.steps(step.steps)
            elif self._can_follow(step.session):
                self._one(step)

    @contextmanager
    def _within(self, step: Step) -> Iterator[None]:
        before = self._use
        if isinstance(step, Use) and before is None and self._is_own(step):
            self._use = step
        try:
            yield
        finally:
            self._use = before

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
        with self._quietly():
            self.steps(step.steps)
        self._join(after)

    def _again(self, step: Repeat) -> None:
        with self._quietly():
            before = self._copies()
            self.steps(step.steps)
            self._join(before)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    # States.

    def _state(self, session: str) -> State:
        if session not in self._states:
            self._states[session] = unknown() if self._starts_unknown else self._fresh(session)
        return self._states[session]

    def _fresh(self, session: str) -> State:
        state = State()
        if self._subject.machine(session).name in ("pop3", "sieve"):
            state.login = Known.NO  # only IMAP has a greeting that says otherwise
        return state

    def _can_follow(self, session: str) -> bool:
        """Whether a session is one connection, of a protocol that has commands."""
        known = self._subject.sessions.get(session)
        if known is None and session != MAIN:
            return False
        is_one = known is None or (known.protocol and not known.count)
        return bool(is_one) and self._subject.machine(session).has_codes

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

    # Findings.

    def _is_own(self, step: Step) -> bool:
        return step.span.source.name == self._subject.source.name

    def _tell(self, rule_id: str, step: Step, message: str, advice: str) -> None:
        if self._is_quiet:
            return
        where = step
        if not self._is_own(step):
            if self._use is None:
                return
            where, message = self._use, f"{message}, in line {step.span.line} of {step.span.source.name}"
        place = self._subject.placed(where).verb_place()
        self.found.append(Finding(rule_id, place, message, advice, where.span.line))

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
                self._send(step, state)
            case Auth():
                self._auth(step, state)
            case StartTls() | Handshake():
                self._handshake(step, state)
            case Data():
                self._data(step, state)
            case Bdat():
                self._need(step, state, "recipient", "BDAT", "RCPT")
                self._transaction_over(state, outcome_of(step) if step.is_last else Known.NO)
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
        if is_read and (state.owes_goodbye or is_only(expectation, Word.CLOSE)):
            state.owes_goodbye = False
            return
        if isinstance(step, Hangup) or (expectation is not None and is_read and _takes_end(expectation)):
            return
        does = "expected" if is_read else "sent"
        self._tell("after-goodbye", step, f"after the goodbye nothing is {does}", "begin anew with connect:")
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

    # Commands.

    def _send(self, step: Send, state: State) -> None:
        state.greeted = Known.MAYBE if state.greeted is Known.NO else state.greeted
        flat, machine = step.line.flat, self._subject.machine(step.session)
        if state.message is not Known.NO:
            self._line_of_message(flat, step, state)
        elif state.auth is Known.YES:
            self._response(step, state)
        elif (state.auth is Known.MAYBE and not _is_command(flat)) or _is_odd(step):
            state.forget()
        elif machine.auth_command.match(flat):
            self._auth_command(step, state)
        else:
            self._command(step, flat, machine.name, state)

    def _line_of_message(self, flat: str, step: Send, state: State) -> None:
        if state.message is Known.MAYBE:
            state.forget()
        elif flat == ".":
            state.message = Known.NO
            self._transaction_over(state, outcome_of(step))

    def _command(self, step: Send, flat: str, protocol: str, state: State) -> None:
        state.auth = Known.NO
        match = _WORD.match(flat)
        word = match[0].upper() if match else ""
        outcome = outcome_of(step)
        if word == _GOODBYES.get(protocol):
            state.over = Known.MAYBE if outcome is Known.NO else Known.YES
            state.owes_goodbye = step.expect is None
        elif protocol in _SMTP:
            self._smtp(step, word, outcome, state)
        else:
            self._mailbox(step, word, protocol, outcome, state)

    def _smtp(self, step: Send, word: str, outcome: Known, state: State) -> None:
        protocol = self._subject.machine(step.session).name
        if word in _HELLOS[protocol]:
            self._hello(outcome, state)
        elif word == "MAIL":
            self._need_hello(step, state, "MAIL")
            state.mail = _done(state.mail, outcome)
            state.recipient = Known.NO if outcome is Known.YES else state.recipient.either(Known.NO)
        elif word == "RCPT":
            self._need(step, state, "mail", "RCPT", "MAIL")
            state.recipient = _done(state.recipient, outcome)
        elif word == "DATA":
            self._need(step, state, "recipient", "DATA", "RCPT")
            state.message = outcome
        elif word == "RSET" and outcome is not Known.NO:
            state.mail = state.recipient = Known.NO if outcome is Known.YES else Known.MAYBE
        elif word == "STARTTLS":
            state.secured = Known.NO if state.secured is Known.MAYBE and outcome is Known.YES else state.secured
        elif not word:
            state.forget()

    @staticmethod
    def _hello(outcome: Known, state: State) -> None:
        if outcome is Known.NO:
            return
        is_sure = outcome is Known.YES
        state.hello = Known.YES if is_sure else Known.MAYBE
        state.upgraded = Known.NO if is_sure else state.upgraded.either(Known.NO)
        state.mail = Known.NO if is_sure else state.mail.either(Known.NO)
        state.recipient = Known.NO if is_sure else state.recipient.either(Known.NO)

    def _mailbox(self, step: Send, word: str, protocol: str, outcome: Known, state: State) -> None:
        is_login = (protocol, word) in (("imap", "LOGIN"), ("pop3", "PASS"), ("pop3", "APOP"))
        if is_login:
            if word != "APOP":
                self._password(step, state, outcome)
            state.login = _done(state.login, outcome)
        elif word in _AFTER_LOGIN[protocol] or (protocol == "imap" and word in _SELECTED):
            self._need(step, state, "login", word, _LOGINS[protocol])
        if protocol != "imap":
            return
        if word in ("SELECT", "EXAMINE"):
            state.selected = _done(state.selected, outcome)
        elif word in _SELECTED:
            self._need(step, state, "selected", word, "SELECT")
        if word in ("CLOSE", "UNSELECT") and outcome is not Known.NO:
            state.selected = Known.NO if outcome is Known.YES else Known.MAYBE

    def _need(self, step: Exchange, state: State, fact: str, command: str, first: str) -> None:
        if getattr(state, fact) is Known.NO and outcome_of(step) is Known.YES:
            message = f"{command} before {first}, and success is expected"
            advice = f"send {first} first; if the server must refuse it, expect that"
            self._tell("too-early", step, message, advice)
            setattr(state, fact, Known.MAYBE)  # told once

    def _need_hello(self, step: Exchange, state: State, command: str) -> None:
        if state.hello is not Known.NO or outcome_of(step) is not Known.YES:
            return
        protocol = self._subject.machine(step.session).name
        if state.upgraded is Known.YES:
            message = f"{command} after the handshake, and no EHLO between them"
            self._tell("no-hello-after-starttls", step, message, "send EHLO once more after starttls:")
            state.hello = Known.MAYBE
        else:
            self._need(step, state, "hello", command, _HELLOS[protocol][0])

    def _data(self, step: Data, state: State) -> None:
        if state.message is Known.NO:
            self._need(step, state, "message", "the message", "DATA")
        state.message = Known.NO
        self._transaction_over(state, outcome_of(step))

    @staticmethod
    def _transaction_over(state: State, outcome: Known) -> None:
        """A message was taken, or refused: RFC 5321 section 4.1.1.4 ends the transaction, but LMTP's replies differ."""
        state.mail = Known.NO if outcome is Known.YES else Known.MAYBE
        state.recipient = state.mail

    # Logins and TLS.

    def _auth(self, step: Auth, state: State) -> None:
        mechanism, outcome = step.mechanism.flat.upper(), outcome_of(step)
        if self._subject.machine(step.session).name in _SMTP:
            self._need_hello(step, state, "AUTH")
        if mechanism in _READABLE:
            self._password(step, state, outcome)
        state.login = _done(state.login, outcome)

    def _auth_command(self, step: Send, state: State) -> None:
        match = _MECHANISM.match(step.line.flat)
        if match is None or GAP in match[1]:
            state.forget()
            return
        outcome = outcome_of(step)
        if self._subject.machine(step.session).name in _SMTP:
            self._need_hello(step, state, "AUTH")
        state.mechanism, state.responses = match[1].upper(), 0
        has_response = bool(match[2]) or step.response is not None
        if match[2] and step.response is None and GAP not in match[2]:
            self._judge(step, match[2].strip('"'), match.start(2) + match[2].startswith('"'), state)
        if has_response:
            state.responses = 1
            if state.mechanism in _READABLE and state.mechanism != "LOGIN":  # there it is the user's name
                self._password(step, state, outcome)
        self._follow_exchange(step, state)

    def _response(self, step: Send, state: State) -> None:
        flat = step.line.flat
        if step.response is None and step.line.is_literal and step.encode == "auto":
            self._judge(step, flat.strip('"'), flat.startswith('"'), state)
        state.responses += 1
        is_name = state.mechanism == "LOGIN" and state.responses == 1
        if state.mechanism in _READABLE and not is_name and flat != "*":
            self._password(step, state, outcome_of(step))
        self._follow_exchange(step, state)

    def _judge(self, step: Send, text: str, offset: int, state: State) -> None:
        if self._is_quiet or not self._is_own(step):
            return
        placed = self._subject.placed(step)
        response = Response(placed, state.mechanism, state.responses, text, offset)
        self.found += judge_response(response, outcome_of(step))

    def _follow_exchange(self, step: Send, state: State) -> None:
        machine, outcome = self._subject.machine(step.session), outcome_of(step)
        challenged = asks_for_challenge(step, machine)
        state.auth = challenged
        if challenged is Known.NO:
            state.login = _done(state.login, outcome)

    def _password(self, step: Exchange, state: State, outcome: Known) -> None:
        if outcome is Known.NO:
            return
        if state.secured is Known.NO:
            advice = "begin TLS first: starttls:"
            self._tell("password-in-clear", step, "this sends a password in the clear", advice)
            state.secured = Known.MAYBE
        elif state.secured is Known.MAYBE and self._is_own(step):
            state.sent_passwords |= {step.span.line}

    def _handshake(self, step: StartTls | Handshake, state: State) -> None:
        outcome = outcome_of(step) if isinstance(step, StartTls) and step.expect is not None else Known.YES
        if step.tls_expect is not None and step.tls_expect.fails:
            state.over = Known.YES
            return
        if outcome is Known.NO:
            return
        if outcome is Known.MAYBE:
            state.forget()
            state.secured = Known.MAYBE
            return
        for line in sorted(state.sent_passwords):
            sent = next((one for one in self._subject.all_steps() if one.step.span.line == line), None)
            if sent is not None and not self._is_quiet:
                advice = "move starttls: above it"
                message = "this sends a password before TLS begins"
                self.found.append(Finding("password-in-clear", sent.verb_place(), message, advice, line))
        state.sent_passwords = frozenset()
        state.secured = state.upgraded = Known.YES
        state.hello = state.mail = state.recipient = Known.NO


def _is_command(line: str) -> bool:
    """Whether a line is a command and no response, which is base64."""
    word, blank, _ = line.partition(" ")
    return word.upper() in _COMMANDS and (bool(blank) or len(word) < len(line) or word.isupper())


def _is_odd(step: Send) -> bool:
    """Whether nobody can tell what a server makes of a line."""
    return step.line.flat.startswith(GAP) or not step.has_tag or step.eol != b"\r\n"


def _done(before: Known, outcome: Known) -> Known:
    """Return a fact after a command that makes it so, by what the server is expected to say."""
    if outcome is Known.YES:
        return Known.YES
    return before if outcome is Known.NO else before.either(Known.YES)


def _takes_end(expectation: Expectation) -> bool:
    return any(isinstance(one, Word) for one in expectation.alternatives)


def _may_end(expectation: Expectation) -> bool:
    """Whether a reply that is expected may be a goodbye: 421, BYE, or the end itself."""
    return any(one is Word.CLOSE or {"421", "BYE"} & set(codes_of(one)) for one in expectation.alternatives)
