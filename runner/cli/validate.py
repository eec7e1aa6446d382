"""`mailproof validate`: check scenario and project files without connecting."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runner.errors import EXIT_PASSED, InputError, Problem

if TYPE_CHECKING:
    from runner.language.model import Scenario
    from runner.language.project import Project, Target

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
    from runner.cli.selection import choose, read_project, read_scenarios, scenario_files, targets  # noqa: PLC0415
    from runner.surroundings import parse_secret, parse_variable  # noqa: PLC0415

    problems: list[Problem] = []
    project = read_project(problems)
    variables = dict(map(parse_variable, options.variables))
    secrets = dict(map(parse_secret, options.secrets))
    files = scenario_files(options.paths, project)
    scenarios = choose(read_scenarios(files, problems), options.words, options.tags) if files else []
    known: list[Target] = []
    if options.target or (project is not None and project.targets):
        known = targets(options, project)
    if not problems and known:
        _check_names(scenarios, known, project, variables, secrets)
    if problems:
        raise InputError(problems)
    count = "1 scenario is" if len(scenarios) == 1 else f"{len(scenarios)} scenarios are"
    print(f"{count} valid")
    if not known:
        _tell_unchecked(scenarios, {*variables, *secrets})
    return EXIT_PASSED


def _check_names(
    scenarios: list[Scenario], known: list[Target], project: Project | None, variables: object, secrets: object
) -> None:
    """Expand each scenario for each target as a run would; no secret is fetched."""
    from runner.language.case import Given  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415

    environment = dict.fromkeys(project.env if project is not None else (), "")
    given = Given(variables=variables, secrets=secrets, environment=environment)  # type: ignore[arg-type]
    plan(scenarios, known, project, given)


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
