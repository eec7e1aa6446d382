"""Which step reads the reply to what another sends: a server answers in the order in which it was asked.

Beside its own line an `expect` reads the next reply that is owed, which may be one to an earlier line. Where a
condition, a loop or the server decides what is owed, nobody knows whose reply is whose until the next connection or
handshake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TypeVar

from runner.authoring.lint.conversation import SMTP
from runner.authoring.lint.outcomes import Known, codes_of, outcome_of
from runner.dataclass import dataclass
from runner.language.model import (
    Auth,
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
)
from runner.matching.expectation import Alternative, Expectation, Word, code_fits
from runner.protocol import Machine

# What is owed and answers no step that can be named: the greeting, and what may have been read already.
_GREETING = "greeting"
_NOBODY_KNOWS = "nobody knows"
_LEAVES_OWED = frozenset({Word.SILENCE, Word.UNTAGGED})
_ENDS = frozenset({Word.CLOSE, Word.RESET, Word.REFUSED, Word.TIMEOUT})
_DATA = re.compile(r"DATA *\Z", re.IGNORECASE)
_LITERAL = re.compile(r"\{[0-9]+\+?\}\Z")
# After such a line what `bytes` sends is read by other rules.
_CHANGES_READING = re.compile(r"^(?:DATA|BDAT|AUTH|STARTTLS)\b", re.IGNORECASE | re.MULTILINE)

AnExchange = TypeVar("AnExchange", bound=Exchange)


@dataclass(slots=True, eq=False)
class _Queue:
    """What the server of one session owes, in order, and how it reads what is sent."""

    owed: list[Exchange | str] = field(default_factory=list)
    message: Known = Known.NO
    in_literal: bool = False
    is_lost: bool = False

    def begin(self, *owed: str) -> None:
        """Know again what is owed: nothing but this."""
        self.owed, self.message, self.in_literal, self.is_lost = list(owed), Known.NO, False, False

    def lose(self) -> None:
        """Know nothing any more."""
        self.is_lost = True
        self.owed.clear()

    def unsure(self) -> _Queue:
        """Return a copy for steps that may not run: what they read of what is owed is certain nowhere."""
        return replace(self, owed=[_NOBODY_KNOWS] * len(self.owed))

    def owes_nothing(self) -> bool:
        """Whether no step waits for its reply; a greeting that was not read may be left."""
        return not self.is_lost and self.owed in ([], [_GREETING])


class Pairs:
    """The replies of a file's steps, each with the step that reads it.

    `machine_of` tells what a session speaks, and None for one that can't be followed: there each step reads its own.
    """

    def __init__(self, machine_of: Callable[[str], type[Machine] | None], *, starts_open: bool) -> None:
        self._machine_of = machine_of
        self._starts_open = starts_open
        self._readers: dict[int, Exchange] = {}  # by the step that has earned the reply
        self._due: set[int] = set()
        self._queues: dict[str, _Queue] = {}

    # What is asked.

    def reader(self, step: Exchange) -> Exchange | None:
        """Return the step that reads the reply to what a step sends; None if nobody knows, or none does."""
        return self._readers.get(id(step))

    def is_due(self, step: Exchange) -> bool:
        """Whether a step certainly reads what the server owes to a step before it, or to itself."""
        return id(step) in self._due

    def answered(self, step: AnExchange) -> AnExchange:
        """Return a step with what is expected of its own reply, whoever reads it; nothing where nobody knows."""
        reader = self.reader(step)
        if reader is step:
            return step
        if reader is None:
            return replace(step, expect=None, each=None, line_expected=None)
        return replace(step, expect=reader.expect, each=reader.each, line_expected=reader.line_expected)

    # Steps in their order.

    def follow(self, steps: Sequence[Step]) -> None:
        """Pair the replies of steps that begin on connections of their own."""
        self._queues = {}
        self._steps(steps)

    def _steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Group):
                is_plain = step.when is None and not isinstance(step, Repeat | Retry)
                self._steps(step.steps) if is_plain else self._apart(step.steps, step.otherwise)
            elif step.when is not None:
                self._apart((step,), ())
            else:
                self._one(step)

    def _apart(self, *ways: Sequence[Step]) -> None:
        """Follow steps of which one or the other run, maybe more than once."""
        before, ends = self._queues, []
        for way in ways:
            self._queues = {session: queue.unsure() for session, queue in before.items()}
            for step in way:
                self._one(step) if step.when is not None and not isinstance(step, Group) else self._steps((step,))
            ends.append(self._queues)
        self._queues = {
            session: _joined(before.get(session), [end.get(session) for end in ends])
            for session in {session for end in ends for session in end}
        }

    def _one(self, step: Step) -> None:
        machine = self._machine_of(step.session)
        if machine is None:
            self._readers |= {id(one): one for one in _exchanges(step)}
            return
        if step.session not in self._queues:
            self._queues[step.session] = _Queue([] if self._starts_open else [_GREETING])
        queue = self._queues[step.session]
        if isinstance(step, Connect):
            queue.begin(_GREETING)
            self._read(step, queue, machine)
            self._readers[id(step)] = step
        elif isinstance(step, Handshake):
            if queue.owed != [_GREETING]:  # before it, that is what stays owed
                queue.begin()
        elif isinstance(step, Auth | StartTls | Hangup):
            # They read all that is theirs; what was owed before one is an error of the run.
            self._readers[id(step)] = step
            if not (isinstance(step, Auth) and queue.is_lost):
                queue.begin()
        else:
            for one in _exchanges(step):
                _send(one, queue, machine)
            for one in _exchanges(step):
                self._read(one, queue, machine)

    def _read(self, step: Exchange, queue: _Queue, machine: type[Machine]) -> None:
        """Take off the queue what a step reads."""
        words = set(step.expect.alternatives) if step.expect is not None else set()
        if (step.expect is None and step.each is None) or (words and words <= _LEAVES_OWED):
            return
        if words & _LEAVES_OWED:
            queue.lose()
        if queue.is_lost:
            return
        if queue.owed[:1] == [_GREETING] and step.expect is not None:
            is_left_out = queue.owed == [_GREETING, step] or not _may_greet(step.expect, machine)
            del queue.owed[0]
            if not is_left_out:
                return
        first = queue.owed.pop(0) if queue.owed else step
        if isinstance(first, Exchange):
            self._readers[id(first)] = step
            if first is not step or type(step) is not Exchange:
                self._due.add(id(step))
            if isinstance(first, Send) and machine.name in SMTP and _DATA.match(first.line.flat):
                queue.message = outcome_of(step)
        if words and words <= _ENDS:
            queue.begin()


def _exchanges(step: Step) -> tuple[Exchange, ...]:
    """Return what a step sends or reads; of a pipeline all lines leave before the first reply is read."""
    if isinstance(step, Pipeline):
        return step.steps
    return (step,) if isinstance(step, Exchange) else ()


def _joined(before: _Queue | None, ends: list[_Queue | None]) -> _Queue:
    """Return what is owed where it may be one or the other; a session may have begun in one of them only."""
    known = [end for end in ends if end is not None]
    if before is not None and not before.is_lost and all(_is_untouched(before, end) for end in known):
        return before
    if not all(end.owes_nothing() for end in known):
        lost = _Queue()
        lost.lose()
        return lost
    message = known[0].message
    for end in known[1:]:
        message = message.either(end.message)
    return _Queue(message=message)


def _is_untouched(before: _Queue, end: _Queue) -> bool:
    is_same = end.message is before.message and end.in_literal == before.in_literal and not end.is_lost
    return is_same and end.owed == [_NOBODY_KNOWS] * len(before.owed)


def _may_greet(expectation: Expectation, machine: type[Machine]) -> bool:
    """Whether what is expected can be a greeting: in SMTP a 250 or a 354 can't, and its author has left it out."""
    return machine.name not in SMTP or any(map(_is_greeting, expectation.alternatives))


def _is_greeting(one: Alternative) -> bool:
    codes = codes_of(one)
    return not codes or any(code_fits(code, "220") or code[0] in "45" for code in codes)


# What earns replies.


def _send(step: Exchange, queue: _Queue, machine: type[Machine]) -> None:
    """Put on the queue what a step earns; too little does no harm, for the next steps read their own then."""
    if queue.is_lost or type(step) is Exchange:
        return
    if isinstance(step, Bytes):
        _send_bytes(step, queue)
    elif isinstance(step, Send):
        _send_line(step, queue, machine)
    else:
        queue.owed.append(step)
        queue.message = Known.NO if isinstance(step, Data) else queue.message


def _send_line(step: Send, queue: _Queue, machine: type[Machine]) -> None:
    if queue.message is Known.MAYBE:
        queue.lose()
    elif step.replies is not None:
        _owe(queue, step, step.replies)
    elif queue.message is Known.YES:
        is_end = step.line.flat == "."
        _owe(queue, step, int(is_end))
        queue.message = Known.NO if is_end else Known.YES
    elif step.expect is not None or not _is_part(step, queue):
        _owe(queue, step, int(b"\n" in step.eol))
    is_open = step.expect is None and step.literal is None and queue.in_literal
    queue.in_literal = machine.has_literals and (is_open or _LITERAL.search(step.line.flat) is not None)


def _is_part(step: Send, queue: _Queue) -> bool:
    """Whether a line may be one of a literal, or end a command that is under way."""
    return queue.in_literal or not step.has_tag


def _owe(queue: _Queue, step: Exchange, count: int) -> None:
    """Owe a number of replies; which of several is meant by a step's own, nobody knows."""
    queue.owed += [step] if count == 1 else [_NOBODY_KNOWS] * count


def _send_bytes(step: Bytes, queue: _Queue) -> None:
    head = step.body.head
    text = head.flat if step.body.is_whole and head is not None and head.is_literal else None
    if step.replies is not None:
        _owe(queue, step, step.replies)
    elif text is None or queue.message is not Known.NO or queue.in_literal or _CHANGES_READING.search(text):
        queue.lose()
    else:
        _owe(queue, step, text.count("\n"))
