"""What a run has seen of servers, as values that can be compared: of each case, for each step, named parts.

Texts are masked and escaped here, so that all that is kept, shown or written is harmless. Whatever a server says, it
can't write the mark that is equal to anything. This module must not know how facts are compared or written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from runner.baseline.masks import VARIES, Masks
from runner.certificate import CertificateError, read_certificate
from runner.dataclass import dataclass
from runner.errors import escape
from runner.protocol.capabilities import is_told_by_another
from runner.results import Outcome
from runner.transcript import cut_line

if TYPE_CHECKING:
    from runner.results import CaseResult, Exchange, Heard, RunResult, StepResult
    from runner.wire import TlsFacts

# Below a tenth of a second nobody waits, and load and distance make the most of it.
LATENCIES = ((0.1, "under 0.1 s"), (1.0, "under 1 s"), (10.0, "under 10 s"), (60.0, "under 60 s"))
SLOWEST = "60 s or more"
_SOON = 14 * 86_400
_BLANK = ("",)
# IMAP's untagged data on what lies in a mailbox (RFC 9051 section 7.4); FETCH, group 1, may have been asked for.
_OF_MAILBOX = re.compile(r"\* (?:[0-9]+ (?:EXISTS|RECENT|EXPUNGE|(FETCH) .*)\Z|OK \[UNSEEN )", re.DOTALL)

Value = str | tuple[str, ...]
"""A fact: a word, or lines of text."""
Key = tuple[str, str, str, int]
"""What tells a case from others: scenario, row, target, and a number from 1 for those that have all of it alike."""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step: how it is called with its placeholders, and its parts by name, in the order in which they are shown.

    A part that is as usual is left out: an outcome of passed, a latency under 0.1 s, an empty status.
    """

    sent: str
    parts: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """One case. `number` tells apart what has the same name, row and target, from 1."""

    scenario: str
    row: str
    target: str
    outcome: str
    reason: str = ""
    steps: tuple[StepFacts, ...] = ()
    number: int = 1

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.scenario, self.row, self.target, self.number


def facts_of(run: RunResult, masks: Masks) -> tuple[CaseFacts, ...]:
    """Return the facts of all cases that have begun, in the run's order; `masks` are applied to every text."""
    # A certificate may name the server as another target of the run does.
    endpoints = {case.endpoint for case in run.cases}
    endpoints |= {session.endpoint for case in run.cases for session in case.sessions}
    begun = ((key, case) for key, case in keyed(run) if case.outcome is not Outcome.NOT_RUN)
    return tuple(_case(case, key, masks, endpoints) for key, case in begun)


def keyed(run: RunResult) -> Iterator[tuple[Key, CaseResult]]:
    """Iterate over the cases of a run, each with the key of its facts."""
    seen: dict[tuple[str, str, str], int] = {}
    for case in run.cases:
        name = escape(case.scenario), escape(case.row), escape(case.target)
        seen[name] = seen.get(name, 0) + 1
        yield (*name, seen[name]), case


def _case(case: CaseResult, key: Key, masks: Masks, endpoints: Iterable[str]) -> CaseFacts:
    known = masks.of_case(case.case_id, endpoints)
    steps = tuple(StepFacts(sent_of(step), dict(_parts(step, known))) for step in case.steps)
    scenario, row, target, number = key
    return CaseFacts(scenario, row, target, case.outcome.value, _line(case.reason, known), steps, number)


def sent_of(step: StepResult) -> str:
    """Return how a step is called, whatever came of it."""
    return escape(step.exchange.sent if step.exchange is not None else step.label)


def _parts(step: StepResult, masks: Masks) -> Iterator[tuple[str, Value]]:
    if step.outcome is not Outcome.PASSED:
        yield "outcome", step.outcome.value
        if step.reason:
            yield "reason", _line(step.reason, masks)
    exchange = step.exchange
    if exchange is None:
        return
    if exchange.chosen:
        yield "chosen", _line(exchange.chosen, masks)
    for number, reply in enumerate(_joined(exchange.replies), 1):
        lead = f"reply {number} " if number > 1 else ""
        for part, value in _reply(reply, exchange, masks):
            yield lead + part, value
    yield from _capabilities(exchange, masks)
    if exchange.tls is not None:
        yield from _encryption(exchange.tls, masks)
    latency = latency_class(max((reply.latency for reply in exchange.replies), default=0.0))
    if latency != LATENCIES[0][1]:
        yield "latency", latency


def _line(text: str, masks: Masks) -> str:
    """Return the first line of a text, fit to be kept."""
    first = cut_line(text.partition("\n")[0])
    return escape(masks.line(first.replace(VARIES, VARIES[1:])))


def _joined(replies: tuple[Heard, ...]) -> list[list[Heard]]:
    """Put replies without a code together, which are lines of one."""
    groups: list[list[Heard]] = []
    for reply in replies:
        if groups and not (reply.code or groups[-1][0].code):
            groups[-1].append(reply)
        else:
            groups.append([reply])
    return groups


def _reply(reply: list[Heard], exchange: Exchange, masks: Masks) -> Iterator[tuple[str, Value]]:
    first = reply[0]
    if first.code:
        yield "code", _line(first.code, masks)
    if first.status:
        # What the response code of a capability list says is told by the capabilities.
        status = "[CAPABILITY]" if first.status.upper().startswith("[CAPABILITY ") else first.status
        yield "status", _line(status, masks)
    lines = [line for part in reply for line in part.lines if not _is_of_mailbox(line, part.to)]
    if exchange.capabilities is not None:
        lines = [line for line in lines if not _is_told(line, exchange.capabilities)]
    text = tuple(_line(line, masks) for line in lines)
    if text and text != _BLANK:
        yield "text", text


def _is_of_mailbox(line: str, to: str) -> bool:
    """Whether a line tells what lies in a mailbox and was not asked for: it comes and goes with the mail."""
    found = _OF_MAILBOX.match(line)
    return found is not None and not (found[1] and ("FETCH" in to or "STORE" in to))


# Capabilities.


def _is_told(line: str, capabilities: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a line says no more than the capabilities that were read from it do."""
    words = line.upper().replace('"', " ").removeprefix("* CAPABILITY ").split()
    if not words:
        return False
    known = {word.upper() for word in capabilities.get(words[0], ())}
    return (words[0] in capabilities and known.issuperset(words[1:])) or all(word in capabilities for word in words)


def _capabilities(exchange: Exchange, masks: Masks) -> Iterator[tuple[str, Value]]:
    offered = exchange.capabilities or {}
    for name in sorted(offered):
        if not _is_alias(name, offered):
            yield f"capability {_line(name, masks)}", _line(" ".join(sorted(offered[name])), masks)


def _is_alias(name: str, offered: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether it is another way to say what stands under a name already: `AUTH=PLAIN` of IMAP, AUTH beside SASL."""
    return is_told_by_another(name, offered) or (name == "AUTH" and "SASL" in offered)


# TLS.


def _encryption(tls: TlsFacts, masks: Masks) -> Iterator[tuple[str, Value]]:
    yield "TLS version", tls.version
    yield "cipher", tls.cipher
    if not tls.verified:
        yield "certificate verified", "no"
    if not tls.certificate:
        return
    yield "certificate", f"SHA-256 {hashlib.sha256(tls.certificate).hexdigest()}"
    try:
        read = read_certificate(tls.certificate)
    except CertificateError as error:
        yield "certificate problem", _line(str(error), masks)
        return
    yield "certificate subject", _line(read.subject, masks)
    yield "certificate issuer", _line(read.issuer, masks)
    yield "certificate names", tuple(_line(name, masks) for name in (*sorted(read.names), *sorted(read.addresses)))
    yield "certificate key", str(read.public_key)
    if read.not_before > tls.moment:
        yield "certificate validity", "not valid yet"
    elif read.not_after < tls.moment:
        yield "certificate validity", "expired"
    elif read.not_after < tls.moment + _SOON:
        yield "certificate validity", "ends within 14 days"


# Latency.


def latency_class(seconds: float) -> str:
    """Return how long a reply took, roughly: tenfold steps.

    >>> latency_class(0.02), latency_class(3.0)
    ('under 0.1 s', 'under 10 s')
    """
    return next((name for limit, name in LATENCIES if seconds < limit), SLOWEST)


def latency_rank(name: str) -> int:
    """Return the place of a class of latency, the fastest is 0."""
    names = [one for _, one in LATENCIES]
    return names.index(name) if name in names else len(names)
