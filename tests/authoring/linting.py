"""Files linted as texts: what the tests of the rules share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path

from runner.authoring.lint import Finding, Subject, lint, subject_of
from runner.errors import Problem, SourceFile, Span
from runner.language.compile import compile_scenario
from runner.language.paths import resolve_inside
from runner.language.project import Project, load_project

TODAY = date(2024, 6, 1)


def nowhere(path: str) -> str:
    """Find no file."""
    raise ValueError(f"there is no file '{path}'")


def subject(
    text: str,
    find_file: Callable[[str], str] = nowhere,
    *,
    name: str = "x.yaml",
    project: Project | None = None,
    first_names: Mapping[str, Span] | None = None,
    protocols: Mapping[str, str] | None = None,
) -> Subject:
    """Return a text that has no mistake, ready to be linted; `protocols` are what targets speak."""
    source, problems = SourceFile(name, text), []
    known = protocols or {}
    scenario = compile_scenario(source, find_file, problems, lambda _, target: known.get(target, ""))
    assert [] == [problem.render() for problem in problems]
    return subject_of(source, find_file, scenario, today=TODAY, project=project, first_names=first_names)


def findings(text: str, *, is_pedantic: bool = False) -> list[Finding]:
    """Return what the rules find in a text."""
    return lint(subject(text), is_pedantic=is_pedantic)


def told(text: str, *, is_pedantic: bool = False) -> list[str]:
    """Return line and rule of what is found in a text."""
    return [f"{finding.span.line} {finding.rule}" for finding in findings(text, is_pedantic=is_pedantic)]


def told_in_steps(steps: str, head: str = "name: x\n") -> list[str]:
    """Return rules, with their lines counted from the first step."""
    before = head.count("\n") + 1
    found = findings(f"{head}steps:\n{steps}")
    return [f"{finding.span.line - before} {finding.rule}" for finding in found]


def project(path: Path, text: str) -> Project:
    """Read a project file that has no mistake."""
    file = path / "mailproof.yaml"
    file.write_text(text, "utf-8")
    problems: list[Problem] = []
    found = load_project(file, problems, "mailproof.yaml")
    assert found is not None, [problem.render() for problem in problems]
    return found


def inside(folder: Path) -> Callable[[str], str]:
    """Return what finds files in a folder."""
    return partial(resolve_inside, folder, folder)
