"""Taking changes over into a baseline: those that somebody has looked at, and no others.

Where all that changed in a step was taken, so is what followed from it; where all of a case was, the whole case. What
was learnt to vary stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from runner.baseline.comparing import CASE, STEP, Change, difference_of, renamed
from runner.baseline.facts import CaseFacts, Key, StepFacts, Value
from runner.baseline.learning import numbered
from runner.baseline.masks import Masks


def approve(
    kept: Sequence[CaseFacts],
    new: Sequence[CaseFacts],
    changes: Iterable[Change],
    accepted: Collection[Change],
    masks: Masks,
) -> tuple[CaseFacts, ...]:
    """Return the kept facts with the accepted ones of all `changes` (those that `compare` told of) taken over."""
    names = renamed(kept, new)
    found = {case.key: case for case in (replace(one, target=names.get(one.target, one.target)) for one in kept)}
    coming = {case.key: case for case in new}
    for key, told in _by_case(changes).items():
        taken = [one for one in told if one in accepted]
        if not taken:
            continue
        if key not in coming:
            del found[key]
        elif taken[0].part == CASE:
            found[key] = coming[key]
        else:
            is_whole = len(taken) == len(told)
            found[key] = _case(found[key], coming[key], told, taken, masks, is_whole=is_whole)
    return tuple(found.values())


def _by_case(changes: Iterable[Change]) -> dict[Key, list[Change]]:
    found: dict[Key, list[Change]] = {}
    for change in changes:
        found.setdefault(change.case, []).append(change)
    return found


def _case(
    kept: CaseFacts, new: CaseFacts, told: list[Change], taken: list[Change], masks: Masks, *, is_whole: bool
) -> CaseFacts:
    before, after = numbered(kept.steps), numbered(new.steps)
    if is_whole:
        steps = [_merged(before.get(key), step, masks) for key, step in after.items()]
        return replace(new, steps=tuple(steps))
    for place in dict.fromkeys((change.step, change.at) for change in taken):
        of_step = [change for change in taken if (change.step, change.at) == place]
        is_all = len(of_step) == sum((change.step, change.at) == place for change in told)
        if place not in after:
            before.pop(place, None)
        elif is_all or of_step[0].part == STEP:
            before[place] = _merged(before.get(place), after[place], masks)
        elif place in before:
            before[place] = _with(before[place], of_step)
    return replace(kept, steps=tuple(before.values()))


def _merged(kept: StepFacts | None, new: StepFacts, masks: Masks) -> StepFacts:
    """Return a step as it is now; what is no change stays as it was kept."""
    if kept is None:
        return new
    parts = {
        name: kept.parts[name]
        if name in kept.parts and difference_of(name, kept.parts[name], value, masks) is None
        else value
        for name, value in new.parts.items()
    }
    for name, value in kept.parts.items():
        if name not in parts and difference_of(name, value, None, masks) is None:
            parts[name] = value
    return StepFacts(new.sent, parts)


def _with(kept: StepFacts, changes: Iterable[Change]) -> StepFacts:
    parts: dict[str, Value] = dict(kept.parts)
    for change in changes:
        if change.value is None:
            parts.pop(change.part, None)
        else:
            parts[change.part] = change.value
    return StepFacts(kept.sent, parts)
