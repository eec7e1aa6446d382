"""What is kept of a dialogue: exchanges that can be taken out again, and the conversation that they make in the end.

Pure: it is told what was said, and knows nothing of how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from runner.authoring.conversation import ClientLine, Conversation, Ended, Event, Exchange, Secured, ServerReply
from runner.dataclass import dataclass
from runner.errors import Problem, SourceFile, Span
from runner.language.short_form import ShortFormReader
from runner.language.template import parse_text
from runner.matching.expectation import Expectation, Word
from runner.matching.judging import judge
from runner.protocol import Machine, Reply
from runner.recording.commands import RefusedError

# A server that says so much and is asked nothing would fill the memory.
MOST_UNASKED = 1000


@dataclass(slots=True)
class Turn:
    """One exchange: what the client said and all that the server said to it.

    `values` and `secrets` are what it has logged in with. `is_fixed` says that it can't be taken out, `is_refused` that
    a login has failed.
    """

    events: list[Event] = field(default_factory=list, repr=False)
    values: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    is_fixed: bool = False
    is_refused: bool = False
    last: Reply | None = field(default=None, repr=False)

    def __str__(self) -> str:
        first = next((one for one in self.events if isinstance(one, ClientLine | Exchange)), None)
        if isinstance(first, Exchange):
            return f"AUTH {first.mechanism}"
        return first.text if first is not None else "the greeting"


class Kept:
    """The exchanges of one connection, in order; the first is the greeting."""

    def __init__(self) -> None:
        self.turns: list[Turn] = [Turn(is_fixed=True)]
        self.title = ""
        self.has_end = False  # the server hung up, and the scenario is to say so
        self.version = 0  # goes up with every change
        self._unasked = 0

    @property
    def current(self) -> Turn:
        """The last exchange."""
        return self.turns[-1]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said at all."""
        return not any(turn.events for turn in self.turns)

    def begin(self) -> None:
        """Begin an exchange."""
        self.turns.append(Turn())

    def add(self, event: Event) -> None:
        """Add what was said to the last exchange."""
        self.current.events.append(event)
        self.version += 1

    def add_reply(self, reply: Reply, event: ServerReply) -> bool:
        """Add a reply; return False where the server has said too much that nobody asked for."""
        self._unasked = self._unasked + 1 if reply.owed is None else 0
        if self._unasked > MOST_UNASKED:
            return False
        self.current.last = reply
        self.add(event)
        return True

    def make_exchange(self, mechanism: str, final: ServerReply) -> None:
        """Put the verb `auth` in the place of the exchange's frames."""
        self.current.events = [Exchange(mechanism, final)]
        self.version += 1

    def undo(self) -> str:
        """Take the last exchange out; return what it was.

        Raises:
            RefusedError: it is the greeting or a handshake, on which all that follows stands.
        """
        turn = self.current
        if any(isinstance(one, Secured) for one in turn.events) and turn is not self.turns[0]:
            raise RefusedError("the TLS handshake can't be taken out: the connection is encrypted since")
        if turn.is_fixed:
            raise RefusedError("there is nothing to take out: the greeting stays")
        self.turns.pop()
        self.has_end = False
        self.version += 1
        return str(turn)

    def expect(self, form: str, machine: Machine) -> None:
        """Let the scenario expect the last reply so.

        Raises:
            RefusedError: it is no short form, or would not fit that reply.
        """
        turn = self.current
        at = next((at for at in range(len(turn.events) - 1, -1, -1) if _reply_of(turn.events[at]) is not None), None)
        if at is None or turn.last is None:
            raise RefusedError("there is no reply yet that could be expected so")
        _refuse_unfit(form, turn.last, machine)
        event = turn.events[at]
        if isinstance(event, Exchange):
            turn.events[at] = replace(event, final=replace(event.final, expect=form))
        elif isinstance(event, ServerReply):
            turn.events[at] = replace(event, expect=form)
        self.version += 1

    def conversation(self, protocol: str, place: tuple[str, int], source: str, *, is_whole: bool) -> Conversation:
        """Return what was said; with `is_whole` the last exchange, too, else all before it."""
        turns = self.turns if is_whole or self.current.is_fixed else self.turns[:-1]
        events = [event for turn in turns for event in turn.events]
        if self.has_end and is_whole:
            events.append(Ended("server"))
        return Conversation(
            protocol,
            tuple(events),
            *place,
            title=self.title,
            source=source,
            values=_merged([turn.values for turn in turns]),
            secrets=_merged([turn.secrets for turn in turns if not turn.is_refused]),
        )


def _reply_of(event: Event) -> ServerReply | None:
    if isinstance(event, Exchange):
        return event.final
    return event if isinstance(event, ServerReply) else None


def _merged(parts: list[dict[str, str]]) -> Mapping[str, str]:
    """Return the values of all exchanges; what has another value the second time has a number behind its name."""
    merged: dict[str, str] = {}
    for part in parts:
        for role, value in part.items():
            name, number = role, 1
            while merged.setdefault(name, value) != value:
                number += 1
                name = f"{role}{number}"
    return merged


def _refuse_unfit(form: str, reply: Reply, machine: Machine) -> None:
    """Refuse what is no short form, or one that this reply would not fit."""
    source = SourceFile("/expect", form)
    span = Span(source, 1, 1, max(1, len(form)))
    problems: list[Problem] = []

    def span_at(offset: int, width: int) -> Span:
        return Span(source, 1, 1 + offset, max(1, width))

    template = parse_text(form, span_at, span, problems)
    one = ShortFormReader(type(machine), problems, span_at).read(template) if not problems else None
    if one is None:
        raise RefusedError("\n".join(problem.render() for problem in problems))
    wanted = Expectation((one,))
    if wanted.has_slots:
        raise RefusedError("a placeholder can't be judged here; write the text out, or a * in its place")
    if isinstance(one, Word) and one is not Word.ANY:
        raise RefusedError(f"the server has replied, and '{one.value}' fits no reply")
    judgement = judge(wanted, reply)
    for miss in judgement.mismatches:
        hint = f" ({miss.hint})" if miss.hint else ""
        raise RefusedError(f"the last reply would not fit: expected {miss.expected}, and it was {miss.actual}{hint}")
