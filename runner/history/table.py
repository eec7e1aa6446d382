"""A history as a table for a terminal, the worst first: a line with the case's name, below it what came of it.

Every text from outside is escaped and bounded, and an outcome is a letter before it is a colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.history.words import ABSENT, LETTERS, day, letter, span, states, title
from runner.report.layout import Colour, counted, cut, pad, plain, width, wrap

if TYPE_CHECKING:
    from runner.history.facts import Entry, History
    from runner.report.layout import Style

# So many cases are shown; with `verbose` so many.
MOST_CASES = 40
MOST_CASES_VERBOSE = 2000
MOST_NOTES = 10
LONGEST_STRIP = 40
LEAST_STRIP = 5
GAP = "  "
_HEADS = ("state", "passed", "since", "median", "90 %", "last")
# What is left out where there is no room, one after the other.
_SPARE = ("90 %", "median", "since", "passed")
_COLOURS = {"failing": Colour.RED, "not run": Colour.RED, "steady": Colour.GREEN, "fixed": Colour.GREEN}


def render_history(history: History, style: Style) -> str:
    """Return the table, notes and summary, with a line feed at its end; `quiet` is notes and summary."""
    blocks = [_table(history, style)] if style.verbosity != "quiet" else []
    blocks += [_notes(history, style), _wrapped(f"{span(history)}: {states(history)}", style)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _table(history: History, style: Style) -> list[str]:
    limit = MOST_CASES_VERBOSE if style.verbosity == "verbose" else MOST_CASES
    shown = history.entries[:limit]
    if not shown:
        return []
    has_targets = len({entry.case.key[2] for entry in history.entries}) > 1
    columns = _fitting([*zip(_HEADS, *(_cells(entry, history) for entry in shown), strict=True)], style.width)
    widths = [max(map(width, column)) for column in columns]
    heads, *cells = zip(*columns, strict=True)
    room = _room(columns, style.width)
    # A letter and a blank for each run; the newest are kept.
    runs = min(max((room + 1) // 2, 1), len(history.runs), LONGEST_STRIP)
    head = GAP + GAP.join([*map(pad, heads, widths), "runs"])
    lines = [cut("case", style.width), head.rstrip(), "-" * min(style.width, max(width(head), 40))]
    for entry, texts in zip(shown, cells, strict=True):
        colour = _COLOURS.get(entry.state, Colour.YELLOW)
        padded = [pad(text, room) for text, room in zip(texts, widths, strict=True)]
        padded[0] = style.paint(texts[0], colour) + padded[0][len(texts[0]) :]
        lines.append(cut(_name(entry, has_targets=has_targets), style.width))
        lines.append(GAP + GAP.join([*padded, _strip(entry, runs)]))
    if left_out := len(history.entries) - len(shown):
        lines.append(f"… {counted(left_out, 'more case')}{', see --verbose' * (style.verbosity != 'verbose')}")
    return [*lines, "", *_legend(shown, runs, len(history.runs), style)]


def _fitting(columns: list[tuple[str, ...]], whole: int) -> list[tuple[str, ...]]:
    """Return the columns that leave room for a few runs: on a narrow terminal the strip counts for more."""
    for head in _SPARE:
        if _room(columns, whole) >= LEAST_STRIP * 2:
            break
        columns = [column for column in columns if column[0] != head]
    return columns


def _room(columns: list[tuple[str, ...]], whole: int) -> int:
    """Return what is left for the strip behind the columns, each with its gap."""
    return whole - len(GAP) - sum(max(map(width, column)) + len(GAP) for column in columns)


def _name(entry: Entry, *, has_targets: bool) -> str:
    target = f" · {plain(entry.case.key[2])}" if has_targets else ""
    return plain(title(entry.case)) + target


def _cells(entry: Entry, history: History) -> list[str]:
    case = entry.case
    since = day(history.runs[case.since])
    if not case.times:
        return [entry.state, "", since, "", "", ""]
    at, last = case.times[-1]
    mark = " slow" if at in entry.slow else ""
    times = [f"{case.median:.2f} s", f"{case.ninetieth:.2f} s", f"{last:.2f} s{mark}"]
    return [entry.state, f"{case.passed}/{case.plays}", since, *times]


def _strip(entry: Entry, runs: int) -> str:
    return " ".join(letter(sample) for sample in entry.case.samples[-runs:])


def _legend(shown: tuple[Entry, ...], runs: int, all_runs: int, style: Style) -> list[str]:
    """Return what the letters are that are there."""
    used = {letter(sample) for entry in shown for sample in entry.case.samples[-runs:]}
    words = [f"{sign} {outcome.value}" for outcome, sign in LETTERS.items() if sign in used]
    words += [f"{ABSENT} not in that run"] if ABSENT in used else []
    which = f"the last {counted(runs, 'run')}" if runs < all_runs else "all runs"
    return _wrapped(f"{which}, the oldest first: {', '.join(words)}", style)


def _notes(history: History, style: Style) -> list[str]:
    lines = [line for note in history.notes[:MOST_NOTES] for line in _wrapped(f"note: {plain(note)}", style)]
    left_out = len(history.notes) - MOST_NOTES
    return [*lines, f"… {counted(left_out, 'more note')}"] if left_out > 0 else lines


def _wrapped(text: str, style: Style) -> list[str]:
    first, *rest = wrap(text, style.width, style.width - 2)
    return [first, *("  " + row for row in rest)]
