"""`mailproof fmt`: scenarios, fragments and the project file in one canonical form."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.streams import show
from runner.errors import EXIT_FAILED, EXIT_PASSED, InputError, Problem, SourceFile, UsageError, escape

if TYPE_CHECKING:
    from runner.cli.authored import AuthoredFile

HELP = "write scenario files in one canonical form"
DESCRIPTION = """\
Writes scenarios, fragments and mailproof.yaml in one form: order of keys,
quotes, indentation, blank lines. Comments stay, and what a file means never
changes; one that validate refuses is left as it is. With - it reads standard
input and writes standard output."""
_STANDARD_INPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.authored import add_path_arguments  # noqa: PLC0415

    add_path_arguments(parser, ", or - for standard input")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    if _STANDARD_INPUT in options.paths:
        return _filter(options)
    from runner.cli.authored import authored_files, refuse  # noqa: PLC0415

    files = authored_files(options.paths)
    if any(file.is_bundled for file in files):
        raise UsageError("the bundled scenarios are in their form already, and not yours to change; copy one first")
    problems: list[Problem] = []
    changed = list(_changed(files, problems))
    refuse(problems)
    for file, before, after in changed:
        if options.diff:
            show("\n".join(_difference(file.name, before, after)))
        if not options.diff and not options.check:
            _write(file, after)
    if not options.diff:
        _tell(changed, len(files), is_check=options.check)
    return EXIT_FAILED if options.check and changed else EXIT_PASSED


def _changed(files: list[AuthoredFile], problems: list[Problem]) -> Iterator[tuple[AuthoredFile, str, str]]:
    """Yield the files that are not in their form, with what they hold and what they would."""
    from runner.authoring.formatting import canonical  # noqa: PLC0415

    for file in files:
        told = len(problems)
        try:
            source = file.read()
        except InputError as error:
            problems += error.problems
            continue
        file.check(source, problems)
        if len(problems) > told:
            continue
        after = canonical(source, file.find_file)
        if after.encode() != file.path.read_bytes():
            yield file, source.text, after


def _write(file: AuthoredFile, text: str) -> None:
    from runner.cli.files import rewrite  # noqa: PLC0415

    rewrite(str(file.path), text)


def _tell(changed: list[tuple[AuthoredFile, str, str]], count: int, *, is_check: bool) -> None:
    from runner.report.layout import counted  # noqa: PLC0415

    state = "would be rewritten" if is_check else "rewritten"
    lines = [f"{escape(file.name)}: {state}" for file, *_ in changed]
    left = count - len(changed)
    parts = [f"{counted(len(changed), 'file')} {state}"] if changed else []
    parts += [f"{counted(left, 'file')} in form already"] if left else []
    show("\n".join([*lines, ", ".join(parts)]))


def _difference(name: str, before: str, after: str) -> Iterator[str]:
    import difflib  # noqa: PLC0415

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
    return map(escape, lines)


def _filter(options: argparse.Namespace) -> int:
    """Read standard input and write it in its form on standard output; with --check say nothing."""
    if options.paths != [_STANDARD_INPUT]:
        raise UsageError("standard input (-) and files can't be formatted in one run")
    from runner.authoring.formatting import canonical  # noqa: PLC0415
    from runner.cli.authored import AuthoredFile, refuse  # noqa: PLC0415
    from runner.language.loader import load  # noqa: PLC0415
    from runner.language.paths import PROJECT_FILE  # noqa: PLC0415

    name = "<standard input>"
    source = _read_standard_input(name)
    root = load(source, [])
    is_project = root is not None and "targets" in root.items
    file = AuthoredFile(Path.cwd() / (PROJECT_FILE if is_project else "standard-input.yaml"), name, Path.cwd())
    problems: list[Problem] = []
    file.check(source, problems)
    refuse(problems)
    after = canonical(source, file.find_file)
    if options.diff:
        show("\n".join(_difference(name, source.text, after)))
    elif not options.check:
        show(after.removesuffix("\n"))
    return EXIT_FAILED if options.check and after != source.text else EXIT_PASSED


def _read_standard_input(name: str) -> SourceFile:
    """Read a text from standard input.

    Raises:
        InputError: it is not UTF-8, or larger than a file may be.
    """
    from runner.errors import Span  # noqa: PLC0415
    from runner.language.loader import MAX_FILE_BYTES, source_of  # noqa: PLC0415

    octets = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(octets) > MAX_FILE_BYTES:
        place = Span(SourceFile(name, ""), 1, 1)
        raise InputError([Problem(place, f"it is larger than {MAX_FILE_BYTES // 1024} KiB, the limit for a file")])
    return source_of(octets, name)
