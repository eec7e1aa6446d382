"""The reports that `--report` asks for: which, where to, and what becomes of one that can't be written.

Each is written whole or not at all, but for events, which are there as they happen. One that fails harms no other
and not the table; the run ends with 3, for who reads reports must not take an old one for today's.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.streams import OutputError, show, tell
from runner.dataclass import dataclass
from runner.errors import UsageError, escape

if TYPE_CHECKING:
    from runner.cli.files import NewFile
    from runner.report import Style
    from runner.report.formats import Format
    from runner.results import CaseResult, RunResult

FLAG = "--report"
HELP = (
    "write a report: table, junit, tap, json, jsonl, html, markdown, github, nagios or prometheus; "
    "without PATH on standard output, in place of the table; repeatable"
)
# How standard output is called, too: there it is no file to be replaced.
_STANDARD = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
# What scenarios and projects read is called so, and no report is.
_INPUT_SUFFIXES = (".yaml", ".yml", ".csv", ".eml", ".sieve", ".pem", ".crt", ".key")
# What is said last must not be that all is well.
_INCOMPLETE = "a report was not written: not a pass"
_TABLE, _EVENTS, _PLUGIN = "table", "jsonl", "nagios"


@dataclass(frozen=True, slots=True)
class Report:
    """One report that is asked for; an empty `path` is standard output."""

    format: Format
    path: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{FLAG} {self.format.name}" + (f"={self.path}" if self.path else "")


def add_report_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that asks for reports."""
    parser.add_argument(
        FLAG, dest="reports", action="append", default=[], type=_report, metavar="FORMAT[=PATH]", help=HELP
    )


def _report(text: str) -> Report:
    from runner.language.template import did_you_mean  # noqa: PLC0415 -- a run without reports does without
    from runner.report.formats import FORMATS  # noqa: PLC0415

    name, equals, path = text.partition("=")
    if name not in FORMATS:
        advice = did_you_mean(name, FORMATS, "the reports are")
        raise argparse.ArgumentTypeError(f"there is no report '{name}'; {advice}")
    if equals and not path:
        raise argparse.ArgumentTypeError(f"'{text}' names no file; without '=' it goes to standard output")
    return Report(FORMATS[name], "" if path in _STANDARD else path)


class Reports:
    """All reports of a run.

    Raises:
        UsageError: two of them want one place, or one would go over what the run reads.
    """

    def __init__(self, asked: Iterable[Report] = (), inputs: Iterable[str] = ()) -> None:
        self.asked = tuple(asked)
        #: Whether a report could not be written, and so the run has failed.
        self.is_incomplete = False
        self._lost_output: OutputError | None = None
        _refuse_one_place_for_two(self.asked)
        self.refuse_inputs(inputs)
        self._events = [_Events(one, self) for one in self.asked if one.format.name == _EVENTS]

    def refuse_inputs(self, inputs: Iterable[str]) -> None:
        """Refuse to write over what the run reads.

        Raises:
            UsageError: a report would.
        """
        read = {os.path.realpath(path) for path in inputs} if self.asked else set()
        for one in self.asked:
            place = _place(one.path) if one.path else ""
            if place and (place in read or (place.endswith(_INPUT_SUFFIXES) and Path(place).is_file())):
                self.asked, self._events = (), []  # nothing is written any more, whatever comes of the run
                raise UsageError(f"{one.name}: that file is there, and a run reads such; name another")

    @property
    def wants_transcripts(self) -> bool:
        """Whether one shows the conversations of all cases, also of those that passed."""
        return any(one.format.wants_transcripts for one in self.asked)

    @property
    def standard(self) -> Report | None:
        """The report that stands in place of the table."""
        return next((one for one in self.asked if not one.path and one.format.name != _TABLE), None)

    @property
    def is_plugin(self) -> bool:
        """Whether a monitor reads standard output and the exit code (LANGUAGE section 9)."""
        return self.standard is not None and self.standard.format.name == _PLUGIN

    @property
    def are_shown_as_they_come(self) -> bool:
        """Whether events go to standard output, where nothing must come between them."""
        return self.standard is not None and self.standard.format.name == _EVENTS

    def begin(self, began: str, planned: int) -> None:
        """Tell that the run begins."""
        for events in self._events:
            events.begin(began, planned)

    def add(self, case: CaseResult, *, is_repetition: bool) -> None:
        """Tell of a case as it ends; a skip waits for the end, where it is known what it comes to."""
        for events in self._events:
            events.add(case, is_repetition=is_repetition)

    def write(self, run: RunResult, table: Callable[[], str], file_table: Callable[[], str], *, is_debug: bool) -> None:
        """Write all files, then standard output: `table` there if nothing else is to be, `file_table` in a file.

        Raises:
            OutputError: standard output can't be written.
        """
        for events in self._events:
            events.end(run)
        for one in self.asked:
            if one.path and one.format.name != _EVENTS:
                self._try(one, lambda one=one: _write(one, run, file_table), is_debug=is_debug)  # type: ignore[misc]
        if self._lost_output:
            raise self._lost_output
        if self.standard is None:
            show(table().rstrip("\n"))
            return
        if not self.are_shown_as_they_come:
            self._try(self.standard, lambda: _show(self._standard_text(run)), is_debug=is_debug)
        if self.is_incomplete and run.is_passed:
            tell(f"mailproof: {_INCOMPLETE}")

    def closing(self, style: Style) -> str:
        """Return what stands below the table's sum: it is not green where a report is missing."""
        if not self.is_incomplete:
            return ""
        from runner.report.layout import Colour  # noqa: PLC0415

        return style.paint(_INCOMPLETE, Colour.RED) + "\n"

    def write_unrun(self, run: RunResult, file_table: Callable[[], str], *, is_debug: bool) -> None:
        """Write the files of a run that could not begin: what an earlier one has left must not pass for it."""
        for events in self._events:
            events.begin(run.began, 0)
            events.end(run)
        for one in self.asked:
            if one.path and one.format.name != _EVENTS:
                self._try(one, lambda one=one: _write(one, run, file_table), is_debug=is_debug)  # type: ignore[misc]

    def _standard_text(self, run: RunResult) -> str:
        assert self.standard is not None
        if self.is_plugin and self.is_incomplete and run.is_passed:
            from runner.report.nagios import render_unknown  # noqa: PLC0415

            return render_unknown("all passed, but a report was not written")
        return self.standard.format.render(run)

    def _try(self, report: Report, write: Callable[[], None], *, is_debug: bool) -> None:
        """Do it; what keeps one report from being written must not keep the others."""
        try:
            write()
        except OutputError:
            raise
        except OSError as error:
            self.fail(report, error)
        except Exception as error:  # noqa: BLE001 -- one report's fault is no other's
            self.is_incomplete = True
            tell(f"mailproof: {escape(report.name)}: internal error: {debugging.describe(error, is_debug=is_debug)}")

    def fail(self, report: Report, error: OSError) -> None:
        """Tell that a report can't be written."""
        self.is_incomplete = True
        tell(f"mailproof: {escape(report.name)} can't be written: {(error.strerror or str(error)).lower()}")

    def lose(self, error: OutputError) -> None:
        """Remember that standard output is lost; the run goes on, for there may be other reports."""
        self._lost_output = error


def _write(report: Report, run: RunResult, file_table: Callable[[], str]) -> None:
    from runner.cli.files import write_whole  # noqa: PLC0415

    text = file_table() if report.format.name == _TABLE else report.format.render(run)
    write_whole(report.path, text, is_private=report.format.is_private)


def _show(text: str) -> None:
    """Show what a program reads: in UTF-8, whatever the terminal has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    show(text.removesuffix("\n"))


class _Events:
    """The events of a run, a line each, written as they happen."""

    def __init__(self, report: Report, reports: Reports) -> None:
        self._report = report
        self._reports = reports
        self._file: NewFile | None = None
        self._is_lost = False
        self._told: set[int] = set()

    def begin(self, began: str, planned: int) -> None:
        from runner.cli.files import NewFile  # noqa: PLC0415
        from runner.report.jsonl import run_began  # noqa: PLC0415

        if self._report.path:
            try:
                self._file = NewFile(self._report.path, is_private=self._report.format.is_private)
                # Who follows the file sees the events; an old one must not be taken for this run's.
                self._file.take_place()
            except OSError as error:
                self._fail(error)
        self._write(run_began(began, planned))

    def add(self, case: CaseResult, *, is_repetition: bool) -> None:
        from runner.report.jsonl import case_ended, repetition_ended  # noqa: PLC0415
        from runner.results import Outcome  # noqa: PLC0415

        if is_repetition:
            self._write(repetition_ended(case))
        elif case.outcome is not Outcome.SKIPPED:
            self._told.add(id(case))
            self._write(case_ended(case))

    def end(self, run: RunResult) -> None:
        """Tell of the cases that nobody was told of, and how the run ended."""
        from runner.report.jsonl import case_ended, run_ended  # noqa: PLC0415

        for case in run.cases:
            if id(case) not in self._told:
                self._write(case_ended(case))
        self._write(run_ended(run))
        if self._file is not None:
            self._file.close()

    def _write(self, line: str) -> None:
        if self._is_lost:
            return
        try:
            if self._file is not None:
                self._file.write(f"{line}\n")
            else:
                show(line)
        except OutputError as error:
            self._is_lost = True
            self._reports.lose(error)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._is_lost = True
        self._reports.fail(self._report, error)


def _refuse_one_place_for_two(asked: tuple[Report, ...]) -> None:
    taken: dict[str, Report] = {}
    for one in asked:
        place = _place(one.path) if one.path else "-"
        if place and place in taken:
            where = f"'{one.path}'" if one.path else "standard output"
            raise UsageError(f"{taken[place].name} and {one.name}: {where} takes one report; give the others a PATH")
        taken[place] = one


def _place(path: str) -> str:
    """Return where a file is, whatever its name; empty for a device, which takes several."""
    from runner.cli.files import is_special  # noqa: PLC0415

    try:
        return "" if is_special(path) else os.path.realpath(path)
    except (OSError, ValueError):
        return os.path.abspath(path)  # noqa: PTH100 -- `absolute` leaves `..` in


def is_plugin_asked_for(words: Iterable[str]) -> bool:
    """Whether a command line, right or wrong, is a monitor's, to which our exit codes would say something else."""
    asked = [f"{_PLUGIN}{place}" for place in ("", *(f"={name}" for name in _STANDARD))]
    before = ""
    for word in words:
        if (before == FLAG and word in asked) or word in [f"{FLAG}={one}" for one in asked]:
            return True
        before = word
    return False


def fail_plugin(reason: str) -> int:
    """Tell a monitor on one line why there is no result; return the exit code."""
    from runner.report.nagios import UNKNOWN, render_unknown  # noqa: PLC0415

    with suppress(OutputError):
        show(render_unknown(reason.partition("\n")[0]).rstrip("\n"))
    return UNKNOWN
