"""Changes as a table for a terminal: where, what, before, after; the same change in many places is one row.

All texts are escaped and bounded. This module must not know how anything was compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.report.layout import GAP, beside, counted, plain, shares, width, wrap

if TYPE_CHECKING:
    from runner.baseline.comparing import Change
    from runner.report.layout import Style

# Of a text so many lines are shown, and so many characters of a line.
MOST_LINES = 8
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Group:
    """One change and every place in which it shows, in order."""

    changes: tuple[Change, ...]

    @property
    def first(self) -> Change:
        """The change where it shows first."""
        return self.changes[0]


def grouped(changes: Iterable[Change]) -> list[Group]:
    """Put together what is the same change in several steps of a target."""
    found: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in changes:
        found.setdefault(change.gist, []).append(change)
    return [Group(tuple(alike)) for alike in found.values()]


def render_changes(
    groups: Sequence[Group], style: Style, *, before: str = "before", after: str = "after", has_targets: bool = False
) -> list[str]:
    """Return the table's lines, none wider than the style's columns; nothing where nothing changed."""
    if not groups:
        return []
    rows = [_row(group, has_targets=has_targets) for group in groups[:MOST_ROWS]]
    head = [[text] for text in ("where", "what", plain(before), plain(after))]
    needed = [max(width(line) for cell in column for line in cell) for column in zip(head, *rows, strict=True)]
    widths = shares(needed, style.width - GAP * (len(head) - 1))
    lines = _laid_out(head, widths)
    for row in rows:
        lines += _laid_out(row, widths)
    if left_out := len(groups) - MOST_ROWS:
        lines += [f"… {counted(left_out, 'more change')}"] if left_out > 0 else []
    return lines


def summary(groups: Sequence[Group]) -> str:
    """Return how much changed, in words."""
    if not groups:
        return "nothing changed"
    places = sum(len(group.changes) for group in groups)
    where = f" in {counted(places, 'place')}" if places > len(groups) else ""
    return f"{counted(len(groups), 'change')}{where}"


def place_of(group: Group, *, has_targets: bool = False) -> list[str]:
    """Return where a change shows first, and in how many places besides."""
    first = group.first
    scenario, row, target, _ = first.case
    name = f"{scenario} [{row}]" if row else scenario
    lines = [plain(f"{name} · {target}" if has_targets else name)]
    if first.step:
        lines.append("  " + plain(f"{first.step} (#{first.at})" if first.at > 1 else first.step))
    if more := len(group.changes) - 1:
        lines.append(f"  and {counted(more, 'more place')}")
    return lines


def _row(group: Group, *, has_targets: bool) -> list[list[str]]:
    first = group.first
    return [place_of(group, has_targets=has_targets), [plain(first.part)], _text(first.before), _text(first.after)]


def _text(text: str) -> list[str]:
    lines = text.split("\n")
    shown = [plain(line) for line in lines[:MOST_LINES]]
    if left_out := len(lines) - len(shown):
        shown.append(f"… {counted(left_out, 'line')} left out")
    return shown


def _laid_out(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    wrapped = [
        [piece for line in lines for piece in wrap(line, room, room)] for lines, room in zip(cells, widths, strict=True)
    ]
    return beside(wrapped, widths)
