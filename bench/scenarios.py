"""A scenario's text as the entries of a plan: what `mailproof run` does between its arguments and the scheduler."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from runner.errors import SourceFile
from runner.language.case import Given
from runner.language.compile import compile_scenario
from runner.language.project import parse_target
from runner.scheduler import plan

if TYPE_CHECKING:
    from runner.language.model import Scenario
    from runner.scheduler import Entry


def compiled(text: str) -> Scenario:
    """Compile a scenario that needs no file."""
    problems: list[object] = []
    scenario = compile_scenario(SourceFile("bench.yaml", text), str, problems)
    if scenario is None:
        raise RuntimeError("\n".join(map(str, problems)))
    return scenario


def entries(scenario: Scenario, url: str, count: int) -> tuple[Entry, ...]:
    """Return a plan of one scenario, many times over, against one target."""
    given = Given(client_name="client.example")
    return plan(itertools.repeat(scenario, count), [parse_target(url)], None, given)
