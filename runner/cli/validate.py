"""`mailproof validate`: check scenario and project files without connecting."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runner.errors import EXIT_PASSED

if TYPE_CHECKING:
    from runner.cli.selection import Selection
    from runner.language.model import Scenario

NAME = "validate"
HELP = "check scenario and project files without connecting"
DESCRIPTION = """\
Checks files as `run` does before it connects: YAML, keys, codes, patterns, placeholders. Names that only a target
gives are checked against the targets of mailproof.yaml or --target; without one it says what could not be checked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.selection import add_scenario_arguments  # noqa: PLC0415

    add_scenario_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.selection import select  # noqa: PLC0415

    selected = select(options, needs_target=False)
    if selected.targets:
        _check_names(selected)
    count = len(selected.scenarios)
    print("1 scenario is valid" if count == 1 else f"{count} scenarios are valid")
    if not selected.targets:
        _tell_unchecked(selected.scenarios, {*selected.variables, *selected.secrets})
    return EXIT_PASSED


def _check_names(selected: Selection) -> None:
    """Expand each scenario for each target as a run would; no secret is fetched."""
    from runner.language.case import Given  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415

    project = selected.project
    environment = dict.fromkeys(project.env if project is not None else (), "")
    given = Given(variables=selected.variables, secrets=selected.secrets, environment=environment)
    plan(selected.scenarios, selected.targets, project, given)


def _tell_unchecked(scenarios: list[Scenario], given: set[str]) -> None:
    from runner.language.reading import BUILT_INS  # noqa: PLC0415

    names = {
        placeholder.name
        for scenario in scenarios
        for placeholder in scenario.placeholders
        if placeholder.name not in scenario.variables and placeholder.name not in scenario.captures
    }
    unchecked = sorted(names - given - set(BUILT_INS))
    if unchecked:
        print(f"not checked, since no target is given: whether these have a value: {', '.join(unchecked)}")
