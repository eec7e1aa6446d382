"""`mailproof history`: which cases fail, which only at times, and which have become slow, from the results of runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.output import add_output_arguments, style
from runner.cli.streams import show, tell
from runner.errors import EXIT_PASSED, EXIT_TOOL, InputError, Problem, SourceFile, Span, UsageError, escape

if TYPE_CHECKING:
    from runner.history import Record

HELP = "show from the results of several runs what fails, what is flaky and what is slow"
DESCRIPTION = """\
Shows from the results of several runs, as --report json=FILE writes them,
what fails, what is flaky and what has become slow, the worst first. It
judges nothing: it ends with 0 if the files could be read, with 2 if not.

  mailproof history results/*.json
  mailproof history results/*.json --html history.html"""
#: A result of 2,000 cases with a dozen steps each has about 10 MB.
MAX_FILE_BYTES = 256 * 1024 * 1024
# More than this is one mistake repeated.
MOST_PROBLEMS = 20
# So begins each line of what --report jsonl writes.
_EVENT = '{"event":'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("paths", nargs="*", metavar="FILE", help="results in JSON, in any order")
    add_output_arguments(parser, add_files=_add_page, verbose="show all cases, however many")


def _add_page(output: argparse._ActionsContainer) -> None:
    output.add_argument("--html", metavar="PATH", help="write a page with plots, too")


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.history import history_of, render_history, render_page  # noqa: PLC0415

    if not options.paths:
        raise UsageError("history of what? name the files that --report json=FILE has written")
    _refuse_input(options)
    history = history_of(_records(options.paths))
    code = _write(options.html, render_page(history)) if options.html else EXIT_PASSED
    show(render_history(history, style(options)).rstrip("\n"))
    return code


def _refuse_input(options: argparse.Namespace) -> None:
    if options.html is None:
        return
    if options.html in ("", "-"):
        raise UsageError("--html wants the name of a file; the table has standard output")
    if os.path.realpath(options.html) in map(os.path.realpath, options.paths):
        raise UsageError(f"--html {options.html}: that is one of the results; name another")


def _records(paths: list[str]) -> list[Record]:
    """Read all files, one at a time: what a history doesn't need is forgotten before the next.

    Raises:
        InputError: files can't be read or are no results; it names each.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            records.append(_record(path))
        except OSError as error:
            problems.append(_problem(path, (error.strerror or str(error)).lower()))
        except ValueError as error:
            problems.append(_problem(path, str(error)))
    if problems:
        raise InputError(problems[:MOST_PROBLEMS])
    return records


def _problem(path: str, reason: str) -> Problem:
    return Problem(Span(SourceFile(path, ""), 1, 1), f"the result can't be read: {reason}")


def _record(path: str) -> Record:
    from runner.history import record_of  # noqa: PLC0415
    from runner.language.loader import read_octets  # noqa: PLC0415
    from runner.result_document import DocumentError, from_json  # noqa: PLC0415

    try:
        text = read_octets(Path(path), MAX_FILE_BYTES).decode("utf-8")
        return record_of(from_json(text), path)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except DocumentError as error:
        if text.startswith(_EVENT):
            raise ValueError("it holds events of --report jsonl; a history wants --report json=FILE") from None
        raise ValueError(f"it {error}") from None


def _write(path: str, text: str) -> int:
    """Write the page; the table is shown, whatever becomes of it."""
    from runner.cli.files import write_whole  # noqa: PLC0415

    try:
        write_whole(path, text, is_private=False)
    except OSError as error:
        tell(f"mailproof: --html {escape(path)} can't be written: {(error.strerror or str(error)).lower()}")
        return EXIT_TOOL
    return EXIT_PASSED
