"""The report for a terminal: a table with one line a case, what is to be said of cases, and the sum of it all.

It is written to be read at night by somebody who has only this. Every text from outside is escaped and bounded,
and no line begins with a server's words. This module must not know how anything is judged or where text goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.report.details import COLOURS, render_details
from runner.report.layout import GAP, Style, counted, cut, pad, plain, shares, width, wrap
from runner.report.verdict import EMBEDDED, NOTHING_PASSED, summary
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.report.layout import Colour
    from runner.results import CaseResult, RunResult

# Where the label of a row may be taken apart: before a column's name.
_CELL = re.compile(r" (?=[\w.-]+=)")
# A quiet run is a few lines, whatever happened.
QUIET_WARNINGS = 5


def render_run(run: RunResult, style: Style | None = None) -> str:
    """Return the whole report, with a line feed at its end: table, details of cases, summary.

    `quiet` is the summary alone; `verbose` has the whole transcripts of every case. Without a style it is what a
    file gets: 80 columns, no colour.
    """
    style = style or Style()
    blocks: list[list[str]] = []
    if style.verbosity != "quiet":
        blocks.append(render_table(run, style))
        blocks += [render_details(case, style) for case in run.cases]
    blocks.append(render_summary(run, style))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def render_table(run: RunResult, style: Style) -> list[str]:
    """Return scenario × target with outcome, time and reason, a line each.

    A column that would say the same in every line is left out; a single target is named in the summary.
    """
    if not run.cases:
        return []
    from tabulate import tabulate  # noqa: PLC0415 - start-up counts, and a quiet run has no table

    columns = [column for column in _columns(run) if column.is_wanted]
    widths = _widths(columns, style.width)
    filled = [column.filled(room, style) for column, room in zip(columns, widths, strict=True)]
    # The cells are filled already: without wcwidth, tabulate counts characters where a terminal has columns.
    rows = list(zip(*filled, strict=True))
    return tabulate(rows, tablefmt="plain", disable_numparse=True, stralign=None).split("\n")


def render_summary(run: RunResult, style: Style) -> list[str]:
    """Return how many cases ended how, and what else makes a run what it is."""
    start = f"interrupted ({plain(run.interrupted)}): " if run.interrupted else ""
    lines = wrap(f"{start}{summary(run)}{_against(run)}", style.width, style.width - 2)
    lines = [lines[0], *("  " + row for row in lines[1:])]
    if run.is_embedded:
        lines.append(EMBEDDED)
    if not run.count(Outcome.PASSED) and not any(case.outcome.is_failure for case in run.cases):
        lines.append(NOTHING_PASSED)
    if style.verbosity == "quiet":
        lines += _told_warnings(run, style)
    return [style.paint(line, _verdict(run)) for line in lines]


def _told_warnings(run: RunResult, style: Style) -> list[str]:
    """Return each warning once: where nothing else is shown, an unverified certificate must still be seen."""
    warnings = list(dict.fromkeys(text for case in run.cases for text in case.warnings))
    lines = [cut(f"warning: {plain(text)}", style.width) for text in warnings[:QUIET_WARNINGS]]
    left_out = len(warnings) - QUIET_WARNINGS
    return [*lines, f"… {left_out} more warnings"] if left_out > 0 else lines


def _verdict(run: RunResult) -> Colour:
    return COLOURS[Outcome.PASSED if run.is_passed else Outcome.FAILED]


def _against(run: RunResult) -> str:
    target = _only_target(run)
    if not target:
        return ""
    # Each scenario's mirror is at an endpoint of its own: one of many is not where all were played.
    endpoints = {case.endpoint for case in run.cases if case.endpoint}
    endpoint = endpoints.pop() if len(endpoints) == 1 else ""
    return f", target {plain(target)}" + (f" ({plain(endpoint)})" if endpoint and endpoint != target else "")


def _only_target(run: RunResult) -> str:
    targets = {case.target for case in run.cases if case.target}
    return targets.pop() if len(targets) == 1 else ""


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: `cells` are escaped, `brief` gives what stands in their place where not all fit into some columns."""

    header: str
    cells: list[str]
    brief: Callable[[int], list[str]] | None = None
    colours: list[Colour] | None = None
    is_wanted: bool = True
    is_flexible: bool = False
    is_right: bool = False

    @property
    def natural(self) -> int:
        """The width that shows everything."""
        return max(map(width, [self.header, *self.cells]))

    def filled(self, room: int, style: Style) -> list[str]:
        """Return header, rule and cells, each `room` columns wide and coloured."""
        texts = [cut(text, room) for text in self._texts(room)]
        padded = [pad(text, room, is_right=self.is_right) for text in [self.header, *texts]]
        if self.colours:
            # The blanks stay outside the colour, so that they can be taken off the end of a line.
            painted = map(style.paint, texts, self.colours)
            padded[1:] = [one + " " * (room - width(text)) for one, text in zip(painted, texts, strict=True)]
        return [padded[0], "-" * room, *padded[1:]]

    def _texts(self, room: int) -> list[str]:
        if self.brief is None:
            return self.cells
        pairs = zip(self.cells, self.brief(room), strict=True)
        return [cell if width(cell) <= room else brief for cell, brief in pairs]


def _columns(run: RunResult) -> list[_Column]:
    cases = run.cases
    reasons = [_reason(case) for case in cases]
    brief = [_without_label(case, reason) for case, reason in zip(cases, reasons, strict=True)]
    is_repeated = any(case.repeats for case in cases)
    return [
        _Column("scenario", [plain(case.scenario) for case in cases], is_flexible=True),
        _Column(
            "row",
            [plain(case.row) for case in cases],
            partial(_telling, run),
            is_flexible=True,
            is_wanted=any(case.row for case in cases),
        ),
        _Column("target", [plain(case.target) for case in cases], is_flexible=True, is_wanted=not _only_target(run)),
        _Column("outcome", [case.outcome.value for case in cases], colours=[COLOURS[case.outcome] for case in cases]),
        _Column("passed", [str(case.repeats or "") for case in cases], is_wanted=is_repeated),
        _Column(
            "median time" if is_repeated else "time",
            [f"{case.elapsed:.2f} s" if case.elapsed else "" for case in cases],
            is_right=True,
        ),
        _Column("reason", reasons, lambda _: brief, is_flexible=True, is_wanted=any(reasons)),
    ]


def _reason(case: CaseResult) -> str:
    """Return the reason on one line; a case that passed has none but its warnings."""
    if case.reason:
        first, _, more = case.reason.partition("\n")
        return plain(f"{first} …" if more else first)
    return counted(len(case.warnings), "warning") if case.warnings else ""


def _without_label(case: CaseResult, reason: str) -> str:
    """Return a reason without the step's name: where room is scarce, what was wrong counts for more."""
    times, colon, said = reason.partition(": ") if case.repeats else ("", "", reason)
    labels = (f"{plain(step.label)}: " for step in case.not_passed)
    return times + colon + next((said.removeprefix(label) for label in labels if said.startswith(label)), said)


def _telling(run: RunResult, room: int) -> list[str]:
    """Return what tells each row from the others of its scenario: where room is scarce, it counts for more."""
    rows: dict[str, list[list[str]]] = {}
    for case in run.cases:
        rows.setdefault(case.scenario, []).append(_CELL.split(case.row))
    shown = {scenario: iter(_fitted(_differing(alike), room)) for scenario, alike in rows.items()}
    return [next(shown[case.scenario]) for case in run.cases]


def _differing(rows: list[list[str]]) -> list[list[str]]:
    """Return the cells of rows without those that are the same in all of them."""
    if any(len(row) != len(rows[0]) for row in rows):
        return rows
    telling = [at for at, cells in enumerate(zip(*rows, strict=True)) if len(set(cells)) > 1]
    return [[row[at] for at in telling] for row in rows] if telling else rows


def _fitted(rows: list[list[str]], room: int) -> list[str]:
    """Return the rows of a scenario so that every cell is seen: without their names, or cut, where it must be."""
    if all(width(text) <= room for text in map(_joined, rows)):
        return [_joined(row) for row in rows]
    values = [[cell.partition("=")[2] or cell for cell in row] if len(row) > 1 else row for row in rows]
    return [_joined(row) if width(_joined(row)) <= room else _shared(row, room) for row in values]


def _joined(cells: list[str]) -> str:
    return plain(" ".join(cells))


def _shared(cells: list[str], room: int) -> str:
    """Return cells of which each has its share of the room: short ones what they need, the others the rest."""
    shown = [plain(cell) for cell in cells]
    left = room - (len(cells) - 1)
    for number, at in enumerate(sorted(range(len(shown)), key=lambda at: width(shown[at]))):
        shown[at] = cut(shown[at], max(left // (len(shown) - number), 1))
        left -= width(shown[at])
    return " ".join(shown)


def _widths(columns: list[_Column], whole: int) -> list[int]:
    """Return how wide each column is: only what is flexible gives way."""
    natural = [column.natural for column in columns if column.is_flexible]
    rigid = sum(column.natural for column in columns if not column.is_flexible)
    shared = iter(shares(natural, whole - GAP * (len(columns) - 1) - rigid))
    return [next(shared) if column.is_flexible else column.natural for column in columns]
