"""`mailproof validate`: check scenario and project files without connecting."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runner.cli.streams import show
from runner.errors import EXIT_PASSED, escape

if TYPE_CHECKING:
    from runner.cli.selection import Selection
    from runner.language.model import Scenario

HELP = "check scenario and project files without connecting"
DESCRIPTION = """\
Checks files as `run` does before it connects: YAML, keys, codes, patterns,
placeholders. Names that only a target gives are checked against the targets of
mailproof.yaml or --target; without one it says what could not be checked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.selection import add_scenario_arguments  # noqa: PLC0415

    add_scenario_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.selection import select  # noqa: PLC0415

    selected = select(options, needs_target=False)
    unchecked = _without_values(selected) if selected.targets else selected.scenarios
    count = len(selected.scenarios)
    lines = ["1 scenario is valid" if count == 1 else f"{count} scenarios are valid"]
    if names := _names(unchecked, selected):
        why = "no target of theirs" if selected.targets else "no target"
        lines.append(f"not checked, since {why} is given: whether these have a value: {', '.join(names)}")
    if sessions := _unknown_sessions(selected):
        lines.append(f"not checked, since nobody says what their targets speak: the sessions {', '.join(sessions)}")
    show("\n".join(map(escape, lines)))
    return EXIT_PASSED


def _unknown_sessions(selected: Selection) -> list[str]:
    """Return the sessions whose steps could not be judged, each with its file."""
    return [
        f"'{session.name}' of {scenario.source.name}"
        for scenario in selected.scenarios
        for session in scenario.sessions.values()
        if not session.protocol
    ]


def _without_values(selected: Selection) -> list[Scenario]:
    """Expand each scenario for each target as a run would, fetching no secret; return those that fit none."""
    from runner.cli.selection import unfetched  # noqa: PLC0415
    from runner.language.case import Case  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415

    given = unfetched(selected.project, selected.variables, selected.secrets, selected.sessions)
    entries = plan(selected.scenarios, selected.targets, selected.project, given)
    expanded = {entry.scenario.source.name for entry in entries if isinstance(entry.case, Case)}
    return [scenario for scenario in selected.scenarios if scenario.source.name not in expanded]


def _names(scenarios: list[Scenario], selected: Selection) -> list[str]:
    """Return the names whose values would come from elsewhere."""
    from runner.language.reading import BUILT_INS  # noqa: PLC0415

    given = {*BUILT_INS, *selected.variables, *selected.secrets}
    if selected.project is not None:
        given |= {*selected.project.variables, *selected.project.secrets}
    used = {
        placeholder.name
        for scenario in scenarios
        for placeholder in scenario.placeholders
        if not any(placeholder.name in names for names in (scenario.variables, scenario.captures, scenario.columns))
    }
    return sorted(used - given)
