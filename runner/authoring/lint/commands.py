"""Client lines of a conversation that is followed: which commands they are, what those need, and what they make known.

The rules of each protocol are in its tables; a line that nobody knows makes nothing certain any more.
"""

from __future__ import annotations

import re

from runner.authoring.lint import logins
from runner.authoring.lint.conversation import SMTP, State
from runner.authoring.lint.outcomes import Known, outcome_of
from runner.authoring.lint.telling import Teller
from runner.language.model import Bdat, Data, Send
from runner.language.template import GAP

_HELLOS = {"smtp": ("EHLO", "HELO"), "lmtp": ("LHLO",)}
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


def send(teller: Teller, step: Send, state: State) -> None:
    """Follow a client line: a command, a line of a message, or a response of an AUTH exchange."""
    state.greeted = Known.MAYBE if state.greeted is Known.NO else state.greeted
    flat = step.line.flat
    if state.message is not Known.NO:
        _line_of_message(flat, step, state)
    elif state.auth is Known.YES:
        logins.response(teller, step, state)
    elif (state.auth is Known.MAYBE and not _is_command(flat)) or _is_odd(step):
        state.forget()
    elif teller.machine(step).auth_command.match(flat):
        logins.auth_command(teller, step, state)
    else:
        _command(teller, step, state)


def _line_of_message(flat: str, step: Send, state: State) -> None:
    if state.message is Known.MAYBE:
        state.forget()
    elif flat == ".":
        state.message = Known.NO
        _transaction_over(state, outcome_of(step))


def _is_command(line: str) -> bool:
    """Whether a line is a command and no response, which is base64."""
    word, blank, _ = line.partition(" ")
    return word.upper() in _COMMANDS and (bool(blank) or len(word) < len(line) or word.isupper())


def _is_odd(step: Send) -> bool:
    """Whether nobody can tell what a server makes of a line."""
    return step.line.flat.startswith(GAP) or not step.has_tag or step.eol != b"\r\n"


def _command(teller: Teller, step: Send, state: State) -> None:
    state.auth = Known.NO
    match = _WORD.match(step.line.flat)
    word = match[0].upper() if match else ""
    machine = teller.machine(step)
    if word == machine.goodbye.decode("ascii").strip():
        state.over = Known.MAYBE if outcome_of(step) is Known.NO else Known.YES
        state.owes_goodbye = step.expect is None
    elif machine.name in SMTP:
        _smtp(teller, step, word, state)
    else:
        _mailbox(teller, step, word, state)


# SMTP and LMTP.


def _smtp(teller: Teller, step: Send, word: str, state: State) -> None:
    outcome = outcome_of(step)
    if word in _HELLOS[teller.machine(step).name]:
        _hello(outcome, state)
    elif word == "MAIL":
        teller.need_hello(step, state, "MAIL")
        state.mail = state.mail.after(outcome)
        state.recipient = Known.NO if outcome is Known.YES else state.recipient.either(Known.NO)
    elif word == "RCPT":
        teller.need(step, state, "mail", "RCPT", "MAIL")
        state.recipient = state.recipient.after(outcome)
    elif word == "DATA":
        teller.need(step, state, "recipient", "DATA", "RCPT")
        state.message = outcome
    elif word == "RSET" and outcome is not Known.NO:
        state.mail = state.recipient = Known.NO if outcome is Known.YES else Known.MAYBE
    elif word == "STARTTLS":
        state.secured = Known.NO if state.secured is Known.MAYBE and outcome is Known.YES else state.secured
    elif not word:
        state.forget()


def _hello(outcome: Known, state: State) -> None:
    if outcome is Known.NO:
        return
    is_sure = outcome is Known.YES
    state.hello = Known.YES if is_sure else Known.MAYBE
    state.upgraded = Known.NO if is_sure else state.upgraded.either(Known.NO)
    state.mail = Known.NO if is_sure else state.mail.either(Known.NO)
    state.recipient = Known.NO if is_sure else state.recipient.either(Known.NO)


def data(teller: Teller, step: Data, state: State) -> None:
    """Follow a message."""
    if state.message is Known.NO:
        teller.need(step, state, "message", "the message", "DATA")
    state.message = Known.NO
    _transaction_over(state, outcome_of(step))


def bdat(teller: Teller, step: Bdat, state: State) -> None:
    """Follow a chunk of a message."""
    teller.need(step, state, "recipient", "BDAT", "RCPT")
    _transaction_over(state, outcome_of(step) if step.is_last else Known.NO)


def _transaction_over(state: State, outcome: Known) -> None:
    """A message was taken, or refused: RFC 5321 section 4.1.1.4 ends the transaction, but LMTP's replies differ."""
    state.mail = Known.NO if outcome is Known.YES else Known.MAYBE
    state.recipient = state.mail


# Mailboxes.


def _mailbox(teller: Teller, step: Send, word: str, state: State) -> None:
    protocol, outcome = teller.machine(step).name, outcome_of(step)
    if (protocol, word) in (("imap", "LOGIN"), ("pop3", "PASS"), ("pop3", "APOP")):
        if word != "APOP":
            logins.password(teller, step, state, outcome)
        state.login = state.login.after(outcome)
    elif word in _AFTER_LOGIN[protocol] or (protocol == "imap" and word in _SELECTED):
        teller.need(step, state, "login", word, _LOGINS[protocol])
    if protocol == "imap":
        _mailbox_of_imap(teller, step, word, state)


def _mailbox_of_imap(teller: Teller, step: Send, word: str, state: State) -> None:
    outcome = outcome_of(step)
    if word in ("SELECT", "EXAMINE"):
        state.selected = state.selected.after(outcome)
    elif word in _SELECTED:
        teller.need(step, state, "selected", word, "SELECT")
    if word in ("CLOSE", "UNSELECT") and outcome is not Known.NO:
        state.selected = Known.NO if outcome is Known.YES else Known.MAYBE
