"""`mailproof lint`: what is valid and most likely not meant."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date, datetime
from textwrap import indent, wrap
from typing import TYPE_CHECKING

from runner.cli.streams import show
from runner.dataclass import dataclass
from runner.errors import COLUMNS, EXIT_FAILED, EXIT_PASSED, InputError, Problem, SourceFile, Span, UsageError, escape

if TYPE_CHECKING:
    from runner.authoring.lint import Finding, Rule, Subject
    from runner.cli.authored import AuthoredFile
    from runner.language.model import Scenario
    from runner.language.project import Project
    from runner.language.sessions import ProtocolOf

HELP = "find what is valid and most likely not meant"
DESCRIPTION = """\
Looks at files that validate passes: passwords and pasted base64, steps that can
never match or match everything, commands in an order that no server takes,
names that nothing uses. Each finding has the id of its rule; a comment allows
it, on its line or above it: # lint: allow ID. Nothing is connected."""
# A mended file may show what was hidden before; that ends, and so does this.
_MOST_ROUNDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.authored import add_path_arguments  # noqa: PLC0415

    add_path_arguments(parser, ", or pack: for the bundled scenarios")
    parser.add_argument("--pedantic", action="store_true", help="ask the rules for files that others run, too")
    parser.add_argument("--fix", action="store_true", help="mend what is safe to mend, and say what was done")
    parser.add_argument(
        "--format", choices=("text", "github"), default="text", help="github: annotations of GitHub Actions"
    )
    parser.add_argument("--list", action="store_true", dest="lists", help="show the rules")
    parser.add_argument("--explain", metavar="ID", default="", help="show one rule with an example")


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    if options.lists or options.explain:
        show(_explained(options.explain) if options.explain else "\n".join(_listed()))
        return EXIT_PASSED
    run = _read(options)
    mended = [line for file in run.files for line in run.mend(file)] if options.fix else []
    found = [finding for file in run.files for finding in run.findings(file)]
    shown = [finding.render() for finding in found] if options.format == "text" else list(map(_annotation, found))
    gap = "\n\n" if options.format == "text" else "\n"
    parts = ["\n".join(map(escape, mended)), gap.join(shown), _count(found, len(run.files), is_fixed=options.fix)]
    show(gap.join(part for part in parts if part))
    return EXIT_FAILED if found else EXIT_PASSED


def _read(options: argparse.Namespace) -> _Run:
    """Read and check all files.

    Raises:
        UsageError: a path leads nowhere, or --fix would change the bundled scenarios.
        InputError: a file is wrong.
    """
    from runner.cli.authored import authored_files, refuse, the_project  # noqa: PLC0415
    from runner.cli.selection import reading_to_keep  # noqa: PLC0415

    files = authored_files(options.paths)
    if options.fix and any(file.is_bundled for file in files):
        raise UsageError("--fix changes no bundled scenario; copy it first")
    problems: list[Problem] = []
    project = the_project(problems)
    run = _Run(project, datetime.now().astimezone().date(), is_pedantic=options.pedantic)
    with reading_to_keep():
        for file in files:
            run.add(file, problems)
    refuse(problems)
    return run


@dataclass(slots=True, eq=False)
class _Known:
    """A file with its text, and the scenario that it is."""

    file: AuthoredFile
    source: SourceFile
    scenario: Scenario | None


class _Run:
    """All files of one run: what a name is elsewhere counts, too."""

    def __init__(self, project: Project | None, today: date, *, is_pedantic: bool) -> None:
        self.files: list[_Known] = []
        self._project = project
        self._today = today
        self._is_pedantic = is_pedantic
        self._first_names: dict[str, Span] = {}

    @property
    def _protocol_of(self) -> ProtocolOf:
        targets = self._project.targets if self._project is not None else {}
        return lambda _session, target: targets[target].protocol if target in targets else ""

    def add(self, file: AuthoredFile, problems: list[Problem]) -> None:
        """Read and check a file; add what is wrong with it."""
        try:
            source = file.read()
        except InputError as error:
            problems += error.problems
            return
        scenario = file.check(source, problems, self._protocol_of)
        self.files.append(_Known(file, source, scenario))
        if scenario is not None:
            self._first_names.setdefault(scenario.name, scenario.span)

    def findings(self, known: _Known) -> list[Finding]:
        """Return what the rules find in a file."""
        from runner.authoring.lint import lint  # noqa: PLC0415

        return lint(self._subject(known), is_pedantic=self._is_pedantic)

    def _subject(self, known: _Known) -> Subject:
        from runner.authoring.lint import subject_of  # noqa: PLC0415

        return subject_of(
            known.source,
            known.file.find_file,
            known.scenario,
            today=self._today,
            project=self._project,
            first_names=self._first_names,
        )

    def mend(self, known: _Known) -> list[str]:
        """Mend in a file what can be, write it, and return what was done."""
        from runner.authoring.lint.mending import mend  # noqa: PLC0415
        from runner.cli.files import rewrite  # noqa: PLC0415

        done: list[str] = []
        for _ in range(_MOST_ROUNDS):
            text, made = mend(known.source.text, self.findings(known), lambda text: self._is_right(known, text))
            if not made:
                break
            done += [f"{finding.span.place}: {finding.mended} [{finding.rule}]" for finding in made]
            known.source = SourceFile(known.source.name, text)
            known.scenario = known.file.check(known.source, [], self._protocol_of)
        if done:
            rewrite(str(known.file.path), known.source.text)
        return done

    def _is_right(self, known: _Known, text: str) -> bool:
        problems: list[Problem] = []
        known.file.check(SourceFile(known.source.name, text), problems, self._protocol_of)
        return not problems


def _count(found: list[Finding], count: int, *, is_fixed: bool) -> str:
    from runner.report.layout import counted  # noqa: PLC0415

    files = counted(count, "file")
    if not found:
        return f"nothing found in {files}"
    where = len({finding.span.source.name for finding in found})
    text = f"{counted(len(found), 'finding')} in {where} of {files}"
    mendable = sum(finding.edit is not None for finding in found)
    return text if is_fixed or not mendable else f"{text}; --fix mends {mendable}"


def _annotation(finding: Finding) -> str:
    """Return a workflow command of GitHub Actions; its parts can't end it."""
    text = _escaped(f"{finding.message}: {finding.advice}" if finding.advice else finding.message)
    span = finding.span
    place = f"file={_escaped(span.source.name, ':,')},line={span.line},col={span.column}"
    return f"::warning {place},title={finding.rule}::{text}"


def _escaped(text: str, more: str = "") -> str:
    """Return a text as a part of a workflow command (actions/toolkit, command.ts)."""
    text = escape(text).replace("%", "%25")
    for sign in more:
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


# The rules.


def _listed() -> Iterator[str]:
    from runner.authoring.lint import RULES, in_order  # noqa: PLC0415

    width = max(map(len, RULES)) + 2
    for one in in_order():
        lines = wrap(one.says + (" (--pedantic)" if one.is_pedantic else ""), COLUMNS - width)
        yield f"{one.id:{width}}{lines[0]}"
        yield from (" " * width + line for line in lines[1:])


def _explained(name: str) -> str:
    from runner.authoring.lint import RULES  # noqa: PLC0415
    from runner.language.template import did_you_mean  # noqa: PLC0415

    if name not in RULES:
        advice = did_you_mean(name, RULES, "")
        raise UsageError(f"there is no rule '{name}'; {advice or '--list shows them all'}")
    return "\n".join(_about(RULES[name]))


def _about(one: Rule) -> Iterator[str]:
    yield from wrap(f"{one.id}: {one.says}", COLUMNS)
    yield from wrap(one.why, COLUMNS)
    yield from ("", "found in:", "", indent(one.example.rstrip(), "    "), "")
    yield from ("better:", "", indent(one.remedy.rstrip(), "    "), "")
    yield f"allowed by: # lint: allow {one.id}"
