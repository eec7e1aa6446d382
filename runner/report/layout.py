"""Text laid out in columns of a terminal: how wide it is, where it is cut or wrapped, which colour it has.

Whatever comes from outside passes `plain` first, so that it is harmless and bounded before anybody measures it.
This module must not know what a result is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Literal

from runner.dataclass import dataclass
from runner.errors import escape

# Of one line of outside text so much is shown: three rows at 80 columns.
LINE_LIMIT = 240
# Narrower than this nothing can be laid out; a terminal that says so is asked to wrap by itself.
LEAST_COLUMNS = 40
# Blanks between two columns, as tabulate's plain format has them.
GAP = 2

Verbosity = Literal["quiet", "normal", "verbose"]


class Colour(Enum):
    """Foreground colours of the 16 that every terminal has (ECMA-48 8.3.117); never the only carrier of meaning."""

    RED = 31
    GREEN = 32
    YELLOW = 33


@dataclass(frozen=True, slots=True)
class Style:
    """How a report shall look: no line is wider than `columns` (but they are taken as 40 at least)."""

    columns: int = 80
    has_colour: bool = False
    verbosity: Verbosity = "normal"

    @property
    def width(self) -> int:
        """The columns that a line may have."""
        return max(self.columns, LEAST_COLUMNS)

    def paint(self, text: str, colour: Colour | None) -> str:
        """Colour a text if colours are wanted; its width is that of before."""
        if colour is None or not self.has_colour or not text:
            return text
        return f"\x1b[{colour.value}m{text}\x1b[0m"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "warning"), counted(2, "step")
    ('1 warning', '2 steps')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def width(text: str) -> int:
    """Return how many columns a terminal gives a text (UAX 11; combining marks take none).

    >>> width("mx"), width("郵便"), width("e\u0301")
    (2, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def plain(line: str, limit: int = LINE_LIMIT) -> str:
    r"""Return a line from outside as it may be shown: escaped, blanks at its end made visible, cut where it is long.

    >>> plain("250 ok "), plain("250 " + "a" * 300, limit=8)
    ('250 ok\\x20', '250 aaaa… 296 characters left out')
    """
    kept = _kept(line, limit)
    left_out = len(line) - kept
    note = f"… {counted(left_out, 'character')} left out" if left_out else ""
    # What is no longer than the note that it is left out stays.
    if len(escape(line[kept : kept + len(note) + 1])) > len(note):
        return escape(line[:kept]) + note
    shown = escape(line)
    bare = shown.rstrip(" ")
    return bare + "\\x20" * (len(shown) - len(bare))


def _kept(line: str, limit: int) -> int:
    """Return how many characters fit into `limit` once they are escaped."""
    if len(line) <= limit and line.isascii() and line.isprintable():
        return len(line)
    room = limit
    for place, char in enumerate(line[: limit + 1]):
        room -= len(escape(char))
        if room < 0:
            return place
    return len(line)


def ends(text: str, first: int, last: int) -> tuple[list[str], int, list[str]]:
    r"""Return the first lines of a text, how many are left out, and the last ones; never one alone is left out.

    >>> ends("a\nb\nc\nd\ne", 2, 1), ends("a\nb", 2, 1)
    ((['a', 'b'], 2, ['e']), (['a', 'b'], 0, []))
    """
    count = text.count("\n") + 1
    if count <= first + last + 1:
        return text.split("\n"), 0, []
    return text.split("\n", first)[:first], count - first - last, text.rsplit("\n", last)[-last:]


def cut(text: str, columns: int) -> str:
    """Return a text that fits, with an ellipsis where something is missing.

    >>> cut("relay refused", 8), cut("relay", 8)
    ('relay r…', 'relay')
    """
    if width(text) <= columns:
        return text
    return text[: _fitting(text, columns - 1)] + "…"


def pad(text: str, columns: int, *, is_right: bool = False) -> str:
    """Fill a text with blanks."""
    blanks = " " * (columns - width(text))
    return blanks + text if is_right else text + blanks


def wrap(text: str, first: int, rest: int) -> list[str]:
    """Break a line into rows of at most `first`, then `rest` columns: at a blank, behind a slash, or where it must be.

    >>> wrap("550 5.7.1 Relaying denied", 12, 10)
    ['550 5.7.1', 'Relaying', 'denied']
    """
    rows: list[str] = []
    room = first
    while width(text) > room:
        end = _fitting(text, room)
        blank = text.rfind(" ", 0, end + 1)
        if blank > end // 2:
            rows.append(text[:blank].rstrip(" "))
            text = text[blank:].lstrip(" ")
        else:
            slash = text.rfind("/", 0, end) + 1
            end = slash if slash > end // 2 else end
            rows.append(text[:end].rstrip(" "))
            text = text[end:]
        room = rest
    return [*rows, text]


def hang(head: str, text: str, style: Style, *, indent: int | None = None) -> list[str]:
    """Return lines that begin with `head`; where the text is wrapped, its rows stand `indent` columns in."""
    margin = width(head) if indent is None else indent
    rows = wrap(text, max(style.width - width(head), 2), style.width - margin)
    return [head + rows[0], *(" " * margin + row for row in rows[1:])]


def shares(needed: Sequence[int], room: int) -> list[int]:
    """Return how wide columns are: the narrow ones get what they need, the others share the rest; one at least.

    >>> shares([4, 40, 90], 64)
    [4, 30, 30]
    """
    shared = list(needed)
    for number, at in enumerate(sorted(range(len(needed)), key=needed.__getitem__)):
        shared[at] = max(min(needed[at], room // (len(needed) - number)), 1)
        room -= shared[at]
    return shared


def beside(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Return the lines of one row of a table, whose cells are rows of text that fit into their columns.

    >>> beside([["SIZE"], ["before", "TLS"], ["20480000"]], [6, 6, 8])
    ['SIZE    before  20480000', '        TLS']
    """
    height = max(map(len, cells))
    filled = [
        [pad(text, room) for text in (*cell, *[""] * (height - len(cell)))]
        for cell, room in zip(cells, widths, strict=True)
    ]
    return [(" " * GAP).join(row).rstrip(" ") for row in zip(*filled, strict=True)]


def _fitting(text: str, columns: int) -> int:
    """Return how many characters fit, one at least: else nothing would ever end."""
    room = columns
    for place, char in enumerate(text):
        room -= _char_width(char)
        if room < 0:
            return max(place, 1)
    return len(text)
