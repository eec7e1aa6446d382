"""Learning what varies: where several runs of the same cases differ, the place is marked and compared no more.

Words that differ are marked, the rest of a line is kept. What is marked is equal to anything, so it is made as small
as it can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from runner.baseline.facts import LATENCIES, CaseFacts, Key, StepFacts, Value, latency_rank
from runner.baseline.masks import VARIES

_WORDS = re.compile(r"⟨[^⟨⟩]*⟩|\w+|\s+|.", re.DOTALL)


def learn(runs: Sequence[tuple[CaseFacts, ...]]) -> tuple[CaseFacts, ...]:
    """Return the facts of all runs as one: of each case those of the first run that has it, what differs marked."""
    found: dict[Key, CaseFacts] = {}
    for case in chain.from_iterable(runs):
        found[case.key] = _case(found[case.key], case) if case.key in found else case
    return tuple(found.values())


def _case(one: CaseFacts, other: CaseFacts) -> CaseFacts:
    outcome = one.outcome if one.outcome == other.outcome else VARIES
    reason = varying(one.reason, other.reason)
    return replace(one, outcome=outcome, reason=reason, steps=tuple(_steps(one.steps, other.steps)))


def _steps(one: Sequence[StepFacts], other: Sequence[StepFacts]) -> Iterable[StepFacts]:
    """Join steps that are called the same; a step that is not in both ran only at times."""
    left = numbered(other)
    for key, step in numbered(one).items():
        also = left.pop(key, None)
        yield StepFacts(step.sent, _parts(step.parts, also.parts)) if also else _at_times(step)
    for step in left.values():
        yield _at_times(step)


def numbered(steps: Sequence[StepFacts]) -> dict[tuple[str, int], StepFacts]:
    """Return steps by their name and a number that tells those of one name apart."""
    found: dict[tuple[str, int], StepFacts] = {}
    seen: dict[str, int] = {}
    for step in steps:
        seen[step.sent] = seen.get(step.sent, 0) + 1
        found[step.sent, seen[step.sent]] = step
    return found


def _at_times(step: StepFacts) -> StepFacts:
    return StepFacts(step.sent, {**step.parts, "outcome": VARIES})


def _parts(one: Mapping[str, Value], other: Mapping[str, Value]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name in (*one, *(name for name in other if name not in one)):
        if name == "latency":
            ranks = [latency_rank(str(parts.get(name, LATENCIES[0][1]))) for parts in (one, other)]
            found[name] = str((one, other)[ranks.index(max(ranks))][name])
        elif name in one and name in other:
            found[name] = _value(one[name], other[name])
        else:
            found[name] = VARIES
    return found


def _value(one: Value, other: Value) -> Value:
    if isinstance(one, str) or isinstance(other, str):
        return varying(one, other) if isinstance(one, str) and isinstance(other, str) else VARIES
    if len(one) != len(other):
        return VARIES
    return tuple(map(varying, one, other))


def varying(one: str, other: str) -> str:
    """Return a text with the stretch marked in which another differs: from the first to the last word that does.

    >>> varying("load 3 of 9", "load 12 of 9")
    'load ⟨varies⟩ of 9'
    """
    if one == other:
        return one
    ours, theirs = _WORDS.findall(one), _WORDS.findall(other)
    most = min(len(ours), len(theirs))
    first = next((at for at in range(most) if ours[at] != theirs[at]), most)
    rest = most - first
    last = next((at for at in range(rest) if ours[-1 - at] != theirs[-1 - at]), rest)
    # A mark that was learnt from an earlier run may lie in what is alike only by chance: one stretch is marked.
    middle = len(ours) - last
    return f"{''.join(ours[:first])}{VARIES}{''.join(ours[middle:])}"
