r"""The report for job summaries and comments: Markdown as GitHub and GitLab read it (CommonMark, with tables).

Every text from outside stands in a code span or a fenced block, where neither emphasis, HTML and links nor the
mentions and references of these servers are looked for. In a span a backtick and a pipe are written `\x60` and `\x7c`,
so that it ends where it shall and its table's cell, too. This module must not know where the text is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from runner.errors import escape
from runner.report import telling
from runner.report.details import MOST_LINES, MOST_REASONS, PROSE_LIMIT, render_case_reason, render_step
from runner.report.excerpt import render_transcripts
from runner.report.layout import Style, counted, plain
from runner.report.verdict import EMBEDDED, fault, summary, verdict
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.results import CaseResult, RunResult

# GitHub takes 1,024 KiB of a step's summary, all or nothing, and others may write to the same file (bytes).
TABLE_BYTES = 100 * 1024
FAILURE_BYTES = 350 * 1024
WARNING_BYTES = 50 * 1024
WHOLE_TABLE_BYTES = 300 * 1024
# With more cases the first table has those alone that did not pass.
MOST_ROWS = 50
# Of a name or reason in a table; the whole is told below.
CELL_WIDTH = 120
# When so many did not fit, no other is rendered to see whether it would.
MOST_MISSES = 10

_T = TypeVar("_T")
_STYLE = Style(columns=1_000_000)
_BACKTICKS = re.compile(r"`+")


def render_markdown(run: RunResult) -> str:
    """Return the headline with the counts, a table, each failure with the end of its conversation, warnings.

    It stays well under GitHub's limit: what is left out is counted.
    """
    failed = [case for case in run.cases if case.outcome.is_failure]
    blocks = [f"## mailproof: {verdict(run)}", *_head(run), *_tables(run)]
    if failed:
        blocks += ["### What failed", *_fitting(failed, _failure, FAILURE_BYTES, "more failure")]
    if run.warnings:
        warnings = [(case, text) for case in run.cases for text in case.warnings]
        lines = _fitting(warnings, _warning, WARNING_BYTES, "more warning", "- {}".format)
        blocks += ["### Warnings", "\n".join(lines)]
    if len(run.cases) > MOST_ROWS:
        whole = _table(run.cases, WHOLE_TABLE_BYTES)
        blocks.append(_folded(f"all {len(run.cases)} cases", whole))
    return "\n\n".join(blocks) + "\n"


def _head(run: RunResult) -> list[str]:
    lines = [f"**{summary(run)}**", *([_code(fault(run))] if fault(run) else [])]
    if run.is_embedded:
        lines.append(f"{EMBEDDED[0].upper()}{EMBEDDED[1:]}.")
    return lines


def _tables(run: RunResult) -> list[str]:
    cases = run.cases
    if len(cases) > MOST_ROWS:
        cases = tuple(case for case in cases if case.outcome is not Outcome.PASSED)
    return [_table(cases, TABLE_BYTES)] if cases else []


def _table(cases: tuple[CaseResult, ...], room: int) -> str:
    """Return a line for each case; a column in which nobody has anything is left out."""
    columns: list[tuple[str, Callable[[CaseResult], str]]] = [
        ("scenario", lambda case: _code(case.scenario, CELL_WIDTH)),
        ("row", lambda case: _code(case.row, CELL_WIDTH)),
        ("target", lambda case: _code(case.target, CELL_WIDTH)),
        ("outcome", _outcome),
        ("passed", lambda case: str(case.repeats or "")),
        ("time", lambda case: f"{case.elapsed:.2f} s" if case.elapsed else ""),
        ("reason", _reason),
    ]
    filled = [(header, [cell(case) for case in cases]) for header, cell in columns]
    kept = [(header, cells) for header, cells in filled if any(cells)]
    head = [_row(header for header, _ in kept), _row("---:" if header == "time" else "---" for header, _ in kept)]
    rows = [_row(cells) for cells in zip(*(cells for _, cells in kept), strict=True)]
    empty = [""] * (len(kept) - 1)
    return "\n".join([*head, *_fitting(rows, str, room, "more case", lambda note: _row([note, *empty]))])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _outcome(case: CaseResult) -> str:
    word = case.outcome.value
    return word if case.outcome in (Outcome.PASSED, Outcome.SKIPPED) else f"**{word}**"


def _reason(case: CaseResult) -> str:
    if case.reason:
        return _code(case.reason.partition("\n")[0], CELL_WIDTH)
    return counted(len(case.warnings), "warning") if case.warnings else ""


def _warning(found: tuple[CaseResult, str]) -> str:
    case, text = found
    return f"- {_name(case)}: {_code(text)}"


def _failure(case: CaseResult) -> str:
    blocks = [f"#### {_name(case)}: {case.outcome.value}"]
    told = telling.failures(case) or [("", case)]
    for often, one in told[:MOST_REASONS]:
        blocks += [f"{one.outcome.value} {often}:"] if often else []
        blocks += _steps(one)
        title, *lines = render_transcripts(one, _STYLE, is_whole=False) or [""]
        blocks += [_folded(title.strip(), _fenced(lines))] if lines else []
    if len(told) > MOST_REASONS:
        blocks.append(f"… {counted(len(told) - MOST_REASONS, 'more reason')}")
    return "\n\n".join(blocks)


def _steps(case: CaseResult) -> list[str]:
    """Return a fenced block for each step that failed, under its place and name; for the case's own reason, too."""
    blocks: list[str] = []
    numbered = enumerate(case.steps, 1)
    failed = [(number, step) for number, step in numbered if step.outcome.is_failure and not step.is_cleanup]
    if render_case_reason(case, _STYLE) or not failed:
        where = f"{_code(str(case.place))}: " if case.place else ""
        blocks.append(where + _code(telling.reason(case), PROSE_LIMIT))
    count = 0
    for shown, (number, step) in enumerate(failed):
        if count > MOST_LINES:
            blocks.append(f"… {counted(len(failed) - shown, 'more step')} failed")
            break
        lines = render_step(case, number, step, _STYLE, has_target=not shown)[1:]
        blocks += [f"{_code(str(step.place))}: {_code(step.label, PROSE_LIMIT)}", _fenced(lines)]
        count += len(lines)
    return blocks


def _name(case: CaseResult) -> str:
    parts = (case.scenario, f"[{case.row}]" if case.row else "", f"· {case.target}" if case.target else "")
    return _code(" ".join(part for part in parts if part))


def _code(text: str, limit: int = PROSE_LIMIT) -> str:
    """Return a text from outside as a code span on one line; nothing for an empty one."""
    shown = plain(text, limit).replace("`", "\\x60").replace("|", "\\x7c")
    return f"`{shown}`" if shown else ""


def _fenced(lines: Iterable[str]) -> str:
    """Return lines in a block whose fence is longer than any that stands in them (CommonMark 4.5)."""
    text = "\n".join(escape(line.removeprefix("  ")) for line in lines)
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}text\n{text}\n{fence}"


def _folded(title: str, block: str) -> str:
    """Return a block that is opened by a click; the empty lines end the HTML (CommonMark 4.6)."""
    return f"<details><summary>{title}</summary>\n\n{block}\n\n</details>"


def _fitting(
    items: Sequence[_T], render: Callable[[_T], str], room: int, noun: str, noted: Callable[[str], str] = str
) -> list[str]:
    """Return the rendered items that fit into so many bytes, and last how many don't; one too large stops no other."""
    kept: list[str] = []
    left_out = 0
    for number, item in enumerate(items):
        block = render(item)
        size = len(block.encode()) + 2
        if size <= room:
            kept.append(block)
            room -= size
            continue
        left_out += 1
        if left_out > MOST_MISSES:
            left_out += len(items) - number - 1
            break
    return [*kept, noted(f"… {counted(left_out, noun)} left out")] if left_out else kept
