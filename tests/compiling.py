"""Scenario and project texts made into values: what the tests of the language share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from runner.errors import Problem, SourceFile
from runner.language.case import Case, Given, Seed, Skip, expand
from runner.language.compile import compile_scenario
from runner.language.model import Scenario, Step
from runner.language.paths import resolve_inside
from runner.language.project import Project, load_project, parse_target

SEED = Seed("k3x9w2", datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC))


def problems_in(text: str) -> list[Problem]:
    """Return what is wrong with a scenario's text."""
    problems: list[Problem] = []
    compile_scenario(SourceFile("x.yaml", text), partial(resolve_inside, Path("/"), Path("/")), problems)
    return problems


def compiled(text: str) -> Scenario:
    """Compile a scenario's text that has no mistake."""
    problems: list[Problem] = []
    scenario = compile_scenario(SourceFile("x.yaml", text), partial(resolve_inside, Path("/"), Path("/")), problems)
    assert [] == [problem.render() for problem in problems]
    assert scenario is not None
    return scenario


def steps_of(text: str, head: str = "name: x\n") -> tuple[Step, ...]:
    """Compile steps that have no mistake."""
    return compiled(f"{head}steps:\n{text}").steps


def project_of(folder: Path, text: str) -> Project:
    """Read a project file that has no mistake."""
    path = folder / "mailproof.yaml"
    path.write_text(text, "utf-8")
    problems: list[Problem] = []
    project = load_project(path, problems, "mailproof.yaml")
    assert [] == [problem.render() for problem in problems]
    assert project is not None
    return project


def expanded(
    scenario: Scenario,
    project: Project | None = None,
    given: Given | None = None,
    target: str = "",
) -> Case | Skip | list[str]:
    """Return the case, or why there is none: a skip, or the problems as they are shown."""
    problems: list[Problem] = []
    server = project.targets[target] if project is not None and target else parse_target("smtp://mx.example:2525")
    case = expand(scenario, server, project, given or Given(), seed=SEED, problems=problems)
    if problems:
        assert case is None
        return [problem.render() for problem in problems]
    assert case is not None
    return case


def case_of(text: str, variables: Mapping[str, str] | None = None, given: Given | None = None) -> Case:
    """Expand a scenario's text with values from the command line."""
    case = expanded(compiled(text), given=given or Given(variables=variables or {}))
    assert isinstance(case, Case), case
    return case
