"""Logins and TLS in a conversation that is followed: passwords and responses on their way, and what they make known."""

from __future__ import annotations

import re

from runner.authoring.lint.conversation import SMTP, State
from runner.authoring.lint.outcomes import Known, asks_for_challenge, outcome_of
from runner.authoring.lint.telling import Teller
from runner.language.model import Auth, Exchange, Handshake, Send, StartTls
from runner.language.template import GAP

_READABLE = frozenset({"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "BEST"})
_MECHANISM = re.compile(r'(?:AUTH|AUTHENTICATE) +"?([^\s"]+)"?(?: +(.*))?\Z', re.IGNORECASE | re.DOTALL)


def auth(teller: Teller, step: Auth, state: State) -> None:
    """Follow the verb `auth`, a whole login."""
    mechanism, outcome = step.mechanism.flat.upper(), outcome_of(step)
    if teller.machine(step).name in SMTP:
        teller.need_hello(step, state, "AUTH")
    if mechanism in _READABLE:
        password(teller, step, state, outcome)
    state.login = state.login.after(outcome)


def auth_command(teller: Teller, step: Send, state: State) -> None:
    """Follow an AUTH command, with its initial response if it has one."""
    match = _MECHANISM.match(step.line.flat)
    if match is None or GAP in match[1]:
        state.forget()
        return
    if teller.machine(step).name in SMTP:
        teller.need_hello(step, state, "AUTH")
    state.mechanism, state.responses = match[1].upper(), 0
    if match[2] and step.response is None and GAP not in match[2]:
        teller.judge(step, match[2].strip('"'), match.start(2) + match[2].startswith('"'), state)
    if match[2] or step.response is not None:
        state.responses = 1
        if state.mechanism in _READABLE and state.mechanism != "LOGIN":  # there it is the user's name
            password(teller, step, state, outcome_of(step))
    _follow_exchange(teller, step, state)


def response(teller: Teller, step: Send, state: State) -> None:
    """Follow a response to a challenge."""
    flat = step.line.flat
    if step.response is None and step.line.is_literal and step.encode == "auto":
        teller.judge(step, flat.strip('"'), flat.startswith('"'), state)
    state.responses += 1
    is_name = state.mechanism == "LOGIN" and state.responses == 1
    if state.mechanism in _READABLE and not is_name and flat != "*":
        password(teller, step, state, outcome_of(step))
    _follow_exchange(teller, step, state)


def _follow_exchange(teller: Teller, step: Send, state: State) -> None:
    state.auth = asks_for_challenge(step, teller.machine(step))
    if state.auth is Known.NO:
        state.login = state.login.after(outcome_of(step))


def password(teller: Teller, step: Exchange, state: State, outcome: Known) -> None:
    """Follow what sends a password that can be read on the way."""
    if outcome is Known.NO:
        return
    if state.secured is Known.NO:
        teller.tell("password-in-clear", step, "this sends a password in the clear", "begin TLS first: starttls:")
        state.secured = Known.MAYBE
    elif state.secured is Known.MAYBE and teller.is_own(step):
        state.sent_passwords |= {step.span.line}


def handshake(teller: Teller, step: StartTls | Handshake, state: State) -> None:
    """Follow a handshake, where one comes of it."""
    outcome = outcome_of(step) if isinstance(step, StartTls) and step.expect is not None else Known.YES
    if step.tls_expect is not None and step.tls_expect.fails:
        state.over = Known.YES
    elif outcome is Known.MAYBE:
        state.forget()
        state.secured = Known.MAYBE
    elif outcome is Known.YES:
        for line in sorted(state.sent_passwords):
            message = "this sends a password before TLS begins"
            teller.tell_of_line("password-in-clear", line, message, "move starttls: above it")
        state.sent_passwords = frozenset()
        state.secured = state.upgraded = Known.YES
        state.hello = state.mail = state.recipient = Known.NO
