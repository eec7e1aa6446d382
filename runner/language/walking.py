"""Steps and those inside of them, in the order of the file; whether they run is for others to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runner.language.model import Group, Pipeline, Step


def inner_lists(step: Step) -> tuple[tuple[Step, ...], ...]:
    """Return the lists of steps that a step holds: of a group its own, and those of its `else`."""
    if isinstance(step, Group):
        return step.steps, step.otherwise
    return (step.steps,) if isinstance(step, Pipeline) else ()


def all_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """Iterate over steps and all those inside of them."""
    for step in steps:
        yield step
        for inner in inner_lists(step):
            yield from all_steps(inner)


def leaves(steps: Iterable[Step]) -> Iterator[Step]:
    """Iterate over the steps that a report shows: those that hold no others."""
    return (step for step in all_steps(steps) if not isinstance(step, Group | Pipeline))
