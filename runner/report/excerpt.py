"""The transcripts of a case as one conversation: its end, and the lines at which a step failed.

Transcripts come redacted, escaped and shortened already. This module must not know what was expected or why.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.report.layout import LINE_LIMIT, counted, cut, ends, hang, pad, plain, width
from runner.transcript import FIRST_LINES, LAST_LINES

if TYPE_CHECKING:
    from runner.report.layout import Style
    from runner.results import CaseResult, StepResult
    from runner.transcript import Line

# The end of a conversation that still fits on a screen together with what it is shown for.
END_LINES = 12
# Of so many failed steps (the first ones) the lines that led to the failure are marked, and shown in any case.
MOST_STEPS = 3
STEP_LINES = 4
# A session's name is to tell lines apart, not to take their room.
NAME_WIDTH = 12
# Two readings of one clock, added and taken away again, differ by no more than this (seconds).
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of one of the transcripts, on the case's time scale."""

    line: Line
    session: str


def render_transcripts(case: CaseResult, style: Style, *, is_whole: bool) -> list[str]:
    """Return what went over the wire, merged by time; a line that made a step fail is marked with `>`."""
    entries = _merged(case)
    if not entries:
        return []
    failed = [step for step in case.steps if step.outcome.is_failure] if case.started is not None else []
    marked = {place for step in failed[:MOST_STEPS] for place in _answers(entries, step)}
    kept = range(len(entries)) if is_whole else _kept(entries, failed)
    names = {entry.session for entry in entries}
    longest = min(max(width(plain(name)) for name in names), NAME_WIDTH) if len(names) > 1 else 0
    lines = [_title(len(kept), len(entries))]
    before = -1
    for place in kept:
        if place > before + 1:
            lines.append(f"  …         {counted(place - before - 1, 'line')}")
        lines += _rendered(entries[place], style, is_marked=place in marked, names_wide=longest, is_whole=is_whole)
        before = place
    return lines


def _merged(case: CaseResult) -> list[_Entry]:
    starts = [transcript.started for transcript in case.transcripts if transcript.started is not None]
    origin = case.started if case.started is not None else min(starts, default=0.0)
    entries = [
        _Entry(line, transcript.session)
        for transcript in case.transcripts
        for line in transcript.lines((transcript.started or origin) - origin)
    ]
    return sorted(entries, key=_at)


def _at(entry: _Entry) -> float:
    return entry.line.at


def _title(shown: int, whole: int) -> str:
    return "  transcript" if shown == whole else f"  transcript, {shown} of {whole} lines"


def _kept(entries: list[_Entry], failed: list[StepResult]) -> list[int]:
    """Return the last lines, and those that led to the first failures."""
    kept = set(range(max(len(entries) - END_LINES, 0), len(entries)))
    for step in failed[:MOST_STEPS]:
        end = _end(entries, step)
        kept.update(range(max(end - STEP_LINES, 0), end))
    return sorted(kept)


def _end(entries: list[_Entry], step: StepResult) -> int:
    """Return the place after the last line that had come when a step ended."""
    return bisect_right(entries, step.started + step.elapsed + ROUNDING, key=_at)


def _answers(entries: list[_Entry], step: StepResult) -> Iterable[int]:
    """Iterate over the lines that came as the step ended and are in what differs (others may share their moment)."""
    wanted: set[str] = set()
    for actual in {one.actual for one in step.differences}:
        first, _, last = ends(actual, FIRST_LINES, LAST_LINES)
        wanted.update(_as_last(plain(text)) for text in (*first, *last))
    moment = step.started + step.elapsed
    place = _end(entries, step) - 1
    while place >= 0 and _at(entries[place]) >= moment - ROUNDING:
        line = entries[place].line
        if line.who == "S" and _as_last(line.text) in wanted:
            yield place
        place -= 1


def _as_last(text: str) -> str:
    """Return a reply's line as if it were its last: what stands after the code is not compared."""
    return f"{text[:3]} {text[4:]}"


def _rendered(entry: _Entry, style: Style, *, is_marked: bool, names_wide: int, is_whole: bool) -> list[str]:
    name = pad(cut(plain(entry.session), names_wide), names_wide) + " " if names_wide else ""
    head = f"  {'>' if is_marked else ' '}{entry.line.at:7.3f}  {name}{entry.line.who}: "
    text = entry.line.text if is_whole else cut(entry.line.text, LINE_LIMIT)
    return hang(head, text, style)
