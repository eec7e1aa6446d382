"""What a run comes to, in the words that reports share: one word, the counts, what makes it red.

The texts are escaped and bounded, a line each. This module must not know a format or how a case is told.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from runner.report.layout import counted, plain
from runner.results import Outcome, RunResult

EMBEDDED = "the server was mailproof's own: this says nothing of yours"
NOTHING_PASSED = "nothing passed: not a pass"
_RED = (Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN)

_Key = TypeVar("_Key", bound=Hashable)


def verdict(run: RunResult) -> str:
    """Return what came of a run; `passed` only where it is green.

    >>> verdict(RunResult(()))
    'nothing passed'
    """
    if run.is_passed:
        return "passed"
    if any(case.outcome.is_failure for case in run.cases):
        return "failed, interrupted" if run.interrupted else "failed"
    if run.interrupted:
        return "interrupted"
    return "not run" if run.count(Outcome.NOT_RUN) else "nothing passed"


def summary(run: RunResult) -> str:
    """Return how many cases ended how, and how long the run took; what nobody had is left out.

    >>> summary(RunResult((), 1.5))
    '0 passed, 0 failed in 1.50 s'
    """
    told = [
        counted(number, "error") if outcome is Outcome.ERROR else f"{number} {outcome.value}"
        for outcome in Outcome
        if (number := run.count(outcome)) or outcome in (Outcome.PASSED, Outcome.FAILED)
    ]
    if run.warnings:
        told.append(counted(run.warnings, "warning"))
    times = max((case.repeats.runs for case in run.cases if case.repeats), default=0)
    each = f", each case {times} times" if times else ""
    return f"{', '.join(told)} in {run.elapsed:.2f} s{each}"


def untold_fault(run: RunResult) -> str:
    """Return what makes a run red where each of its cases shows its own colour: it was interrupted, nothing passed."""
    if run.interrupted:
        return f"the run was interrupted: {plain(run.interrupted)}"
    if run.is_passed or any(case.outcome in _RED for case in run.cases):
        return ""
    return NOTHING_PASSED


def fault(run: RunResult) -> str:
    """Return what makes a run red that no failed case tells: a run that isn't green has either."""
    left_out = run.count(Outcome.NOT_RUN)
    is_told = not left_out or any(case.outcome.is_failure for case in run.cases)
    return untold_fault(run) or ("" if is_told else f"{counted(left_out, 'case')} not run")


def distinct(keys: Iterable[_Key], again: Callable[[_Key, int], _Key], taken: Iterable[_Key] = ()) -> list[_Key]:
    """Return the keys with those told apart that were there before: `again` makes the second one, and so on.

    >>> distinct(["a", "b", "a"], lambda name, number: f"{name}_{number}")
    ['a', 'b', 'a_2']
    """
    numbers = dict.fromkeys(taken, 1)
    made: list[_Key] = []
    for key in keys:
        name = key
        while name in numbers:
            numbers[key] = numbers.get(key, 1) + 1
            name = again(key, numbers[key])
        numbers[name] = 1
        made.append(name)
    return made
