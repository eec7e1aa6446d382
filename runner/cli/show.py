"""`mailproof show`: what a scenario would send and expect, with nothing connected."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.cli.streams import show
from runner.errors import EXIT_PASSED, InputError, Problem, escape

if TYPE_CHECKING:
    from runner.cli.selection import Selection
    from runner.language.case import Case, Given, Skip
    from runner.language.model import Row, Scenario
    from runner.language.project import Target

HELP = "show what scenarios would send and expect, connecting nothing"
DESCRIPTION = """\
Shows the dialogue that each case would be: C: is sent, S: is expected, *: is
what happens besides. Placeholders are filled in; both sides of a condition are
shown. Nothing is connected, no name is resolved and no secret is fetched: one
is shown by its name. Without a target, names that only one gives stay ${name}.

  mailproof show scenarios/relay.yaml --target mx"""
_OPEN = re.compile(r"\$\{ *([A-Za-z_][\w.-]*)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.selection import add_scenario_arguments  # noqa: PLC0415

    add_scenario_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.selection import select  # noqa: PLC0415

    selected = select(options, needs_target=False, allows_intrusive=True)
    problems: list[Problem] = []
    pages = [page for scenario in selected.scenarios for page in _pages(scenario, selected, problems)]
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    show("\n\n".join(pages))
    return EXIT_PASSED


def _pages(scenario: Scenario, selected: Selection, problems: list[Problem]) -> Iterator[str]:
    """Iterate over the dialogues of a scenario: one for each target that speaks its protocol, and each row."""
    from runner.rehearsal import suppose  # noqa: PLC0415

    given = _given(selected)
    fitting = [target for target in selected.targets if target.protocol == scenario.protocol]
    if not fitting:
        nowhere, given = suppose(scenario, selected.project, given)
        fitting = [nowhere]
    for target in fitting:
        for row in scenario.rows or (None,):
            yield from _page(scenario, target, given, selected, row=row, problems=problems)


def _given(selected: Selection) -> Given:
    """Return what the command line and the environment give; a secret's value is not asked for."""
    import os  # noqa: PLC0415
    from dataclasses import replace  # noqa: PLC0415

    from runner.cli.selection import unfetched  # noqa: PLC0415
    from runner.rehearsal import DUMMY  # noqa: PLC0415

    given = unfetched(selected.project, selected.variables, selected.secrets, selected.sessions)
    environment = {name: os.environ[name] for name in given.environment if name in os.environ}
    return replace(given, environment=environment, secret=lambda _: DUMMY)


def _page(
    scenario: Scenario,
    target: Target,
    given: Given,
    selected: Selection,
    *,
    row: Row | None,
    problems: list[Problem],
) -> Iterator[str]:
    from datetime import datetime  # noqa: PLC0415

    from runner.language.case import Case  # noqa: PLC0415
    from runner.rehearsal import cast, rehearse  # noqa: PLC0415

    now = datetime.now().astimezone()
    case = cast(scenario, target, selected.project, given, now=now, problems=problems, row=row)
    if case is None:
        return
    head = _head(scenario, target, case)
    if not isinstance(case, Case):
        yield f"{head}\nskipped: {escape(case.reason)}"
        return
    lines = rehearse(case)
    left = "".join(f"\n{escape(line)}" for line in _left_open(case, lines))
    yield "\n".join([head, "", *lines]) + (f"\n{left}" if left else "")


def _head(scenario: Scenario, target: Target, case: Case | Skip) -> str:
    """Return the lines above a dialogue: which case it is."""
    where = f"target {target.name} ({target.url})" if target.url and target.name != target.url else target.url
    place = ", ".join(part for part in (scenario.source.name, where, case.row) if part)
    return f"{escape(scenario.name)}\n{escape(place)}"


def _left_open(case: Case, lines: list[str]) -> Iterator[str]:
    """Say of each name that stands as it is written why."""
    found = dict.fromkeys(name for line in lines for name in _OPEN.findall(line))
    whys: dict[str, list[str]] = {}
    for name in found:
        whys.setdefault(_why_open(case, name), []).append(f"${{{name}}}")
    for why, names in whys.items():
        yield f"{', '.join(names)}: {why}"


def _why_open(case: Case, name: str) -> str:
    from runner.language.reading import COUNTERS  # noqa: PLC0415
    from runner.rehearsal import PER_CASE  # noqa: PLC0415

    if name in case.scenario.captures:
        return "what a reply will give"
    if name in PER_CASE:
        return "made for each case anew"
    if name in ("client.name", "client.address"):
        return "known once connected"
    if name in COUNTERS:
        return "counts while it runs"
    return "no target given that gives it" if not case.target.url else "as the scenario has it"
