"""Nodes against the JSON schemas of `schema/`, which are the single list of keys; violations become located problems.

`schema_check` says yes fast; for a no, `schema_explain` asks jsonschema for the reasons. What a text means
(durations, patterns, templates) is for others to judge.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

from runner.errors import Problem
from runner.language.nodes import Mapping, Node
from runner.language.schema_check import Check, SchemaCompiler
from runner.language.vocabulary import EXPECTING, VERBS, sole_verb
from runner.resources import bundled

_STEP = "#/definitions/step"


class _Schema(NamedTuple):
    document: dict[str, Any]
    accepts: Check
    accepts_fragment: Check | None = None


@cache
def _scenario_schema() -> _Schema:
    document = _read("scenario.schema.json")
    by_verb: dict[str, Check] = {}

    def check_step(node: Node) -> bool:
        verb = sole_verb(node) if type(node) is Mapping else None
        return verb is not None and by_verb[verb](node)

    compiler = SchemaCompiler(document, {_STEP: check_step})
    by_verb |= {verb: compiler.ref(f"#/definitions/{verb}") for verb in (*VERBS, *EXPECTING)}
    return _Schema(document, compiler.root(), compiler.ref("#/definitions/fragment_file"))


@cache
def _project_schema() -> _Schema:
    document = _read("project.schema.json")
    return _Schema(document, SchemaCompiler(document).root())


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((bundled("schema") / name).read_text("utf-8"))
    return document


def check_scenario(root: Mapping, problems: list[Problem]) -> None:
    """Append to `problems` whatever in a scenario file does not fit its schema."""
    schema = _scenario_schema()
    if not schema.accepts(root):
        # jsonschema takes 85 ms to import, which a good file must not cost.
        from runner.language.schema_explain import ScenarioExplainer  # noqa: PLC0415

        problems += _not_told(ScenarioExplainer(schema.document).explain(root), problems)


def check_fragment(root: Mapping, problems: list[Problem]) -> None:
    """Append to `problems` whatever in a fragment file does not fit its schema."""
    schema = _scenario_schema()
    if schema.accepts_fragment is not None and not schema.accepts_fragment(root):
        from runner.language.schema_explain import ScenarioExplainer  # noqa: PLC0415

        problems += _not_told(ScenarioExplainer(schema.document, "fragment_file").explain(root), problems)


def check_project(root: Mapping, problems: list[Problem]) -> None:
    """Append to `problems` whatever in a project file does not fit its schema."""
    schema = _project_schema()
    if not schema.accepts(root):
        from runner.language.schema_explain import ProjectExplainer  # noqa: PLC0415

        problems += _not_told(ProjectExplainer(schema.document).explain(root), problems)


def _not_told(found: list[Problem], told: list[Problem]) -> list[Problem]:
    """Leave out what is wrong where something was told already: one slip is one message."""
    places = {place_of(problem) for problem in told}
    return [problem for problem in found if place_of(problem) not in places]


def place_of(problem: Problem) -> tuple[str, int, int]:
    """Return where a problem is: file, line, column."""
    return problem.span.source.name, problem.span.line, problem.span.column
