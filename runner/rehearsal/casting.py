"""The case that is rehearsed: with a target's values, or with none, and then names stand for themselves.

A secret is never fetched; what is the same in no two cases (`unique`, `now`) stays as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from runner.language.case import Case, Given, Seed, Skip, expand
from runner.language.model import MAIN
from runner.language.names import CONNECTION_NAMES
from runner.language.reading import BUILT_INS, COUNTERS
from runner.language.target import SecretRef, Target
from runner.language.template import Value

if TYPE_CHECKING:
    from runner.errors import Problem
    from runner.language.model import Row, Scenario
    from runner.language.project import Project

#: What every secret is here; it is shown by its name.
DUMMY = "\ue000\ue001\ue002\ue003\ue004\ue005\ue006\ue007"
#: What each case makes for itself; a name stands for itself in its place.
PER_CASE = ("unique", "case.id", "now", "now.iso", "message_id")
_TOKEN = "${unique}"  # noqa: S105 -- no password


def cast(
    scenario: Scenario,
    target: Target,
    project: Project | None,
    given: Given,
    *,
    now: datetime,
    problems: list[Problem],
    row: Row | None = None,
) -> Case | Skip | None:
    """Return a case as `expand` does, in which what differs from run to run stands for itself."""
    case = expand(scenario, target, project, given, seed=Seed(_TOKEN, now), problems=problems, row=row)
    if not isinstance(case, Case):
        return case
    parties = {name: replace(party, values=_as_written(party.values)) for name, party in case.sessions.items()}
    return replace(case, sessions=parties)


def _as_written(values: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: Value(f"${{{name}}}") if name in PER_CASE else value for name, value in values.items()}


def suppose(scenario: Scenario, project: Project | None, given: Given) -> tuple[Target, Given]:
    """Return a target that is none, and values for all names that nobody gives: these stand for themselves."""
    unknown = _unknown(scenario, project, given)
    named = {name: f"${{{name}}}" for name in unknown if name not in scenario.secrets}
    secrets = {name: SecretRef("prompt", name) for name in scenario.secrets if name in unknown}
    sessions = {
        name: _nowhere(scenario, session.protocol) for name, session in scenario.sessions.items() if name != MAIN
    }
    supposed = replace(
        given,
        variables={**named, **given.variables},
        secrets={**secrets, **given.secrets},
        sessions={**sessions, **given.sessions},
    )
    return _nowhere(scenario, scenario.protocol), supposed


def _nowhere(scenario: Scenario, protocol: str) -> Target:
    """Return a target without a place, which is all that the scenario requires."""
    return Target(
        name="${target.name}",
        url="",
        scheme="",
        protocol=protocol,
        host="${target.host}",
        port=0,
        span=scenario.span,
        tags=scenario.requires.target_tag,
        # A step that judges the certificate of a connection wants one that begins with TLS.
        implicit_tls=bool(scenario.implicit),
    )


def _unknown(scenario: Scenario, project: Project | None, given: Given) -> set[str]:
    known = {*BUILT_INS, *COUNTERS, *CONNECTION_NAMES, *scenario.captures, *scenario.columns}
    known.update(given.variables, given.secrets, (f"env.{name}" for name in given.environment))
    if project is not None:
        known.update(project.variables, project.secrets)
    if scenario.variables:
        known.update(name for name in scenario.variables if name not in scenario.secrets)
    return {*(one.name for one in scenario.all_placeholders), *scenario.secrets, *scenario.requires.variable} - known
