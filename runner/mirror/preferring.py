"""What steps behind a step want of its reply: conditions that hang on it, and who reads the one that is owed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.language.model import Exchange, Group, Wait
from runner.matching.expectation import Word
from runner.matching.judging import best_fit
from runner.mirror.offers import weight

if TYPE_CHECKING:
    from runner.language.model import Step, When
    from runner.matching.alternatives import ValueOf
    from runner.protocol import Reply


def steps_after(following: tuple[Step, ...], got: Reply | Word, value_of: ValueOf) -> int:
    """Return how many steps run whose conditions hang on a reply, if it is this one."""
    due = (step for step in following if step.when is not None and _holds(step.when, got, value_of))
    return sum(max(0, weight(step)) for step in due)


def _holds(when: When, got: Reply | Word, value_of: ValueOf) -> bool:
    if when.reply:
        if isinstance(got, Word):
            holds = got in when.reply
        else:
            wanted = tuple(one if isinstance(one, Word) else one.fill(value_of) for one in when.reply)
            holds = not best_fit(wanted, got).mismatches
        if not holds:
            return False
    return when.negated is None or not _holds(when.negated, got, value_of)


def following(steps: tuple[Step, ...], rest: tuple[Step, ...]) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """Iterate over steps, each with those behind it whose condition hangs on its reply."""
    for at, step in enumerate(steps):
        after = (*steps[at + 1 :], *rest)
        inner = (*getattr(step, "steps", ()), *getattr(step, "otherwise", ()))
        if inner:
            yield from following(getattr(step, "steps", ()), after)
            yield from following(getattr(step, "otherwise", ()), after)
            continue
        found: list[Step] = []
        for other in after:
            if other.session == step.session and other.when is not None and _asks_reply(other.when):
                found.append(other)
            elif other.session == step.session:
                break
        yield id(step), tuple(found)


def _asks_reply(when: When) -> bool:
    return bool(when.reply) or (when.negated is not None and _asks_reply(when.negated))


def readers(steps: tuple[Step, ...], rest: tuple[Step, ...] = ()) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """Iterate over steps that let time pass or read a single line, each with the steps behind it."""
    for at, step in enumerate(steps):
        after = (*steps[at + 1 :], *rest)
        if isinstance(step, Group):
            yield from readers(step.steps, after)
            yield from readers(step.otherwise, after)
        elif isinstance(step, Wait) or (isinstance(step, Exchange) and step.line_expected is not None):
            yield id(step), after


def reader_in(steps: tuple[Step, ...], session: str) -> Exchange | None:
    """Return the next step of a session, if it does no more than read a reply, whatever has come before."""
    step = next((one for one in steps if one.session == session and not isinstance(one, Wait)), None)
    return step if type(step) is Exchange and step.expect is not None and step.when is None else None
