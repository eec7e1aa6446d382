"""Places in files, located problems and the exceptions of the house with their exit codes.

The one renderer of errors lives here, so that every message has the same three parts:
where (`file:line:column`, 1-based), what is wrong, and what would be right.
"""

from __future__ import annotations

import unicodedata
from dataclasses import field
from typing import ClassVar

from runner.dataclass import dataclass

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TOOL = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

# What a terminal has at least.
COLUMNS = 80
# A line longer than this is shown around the caret only: the columns less the gutter.
SHOWN_WIDTH = COLUMNS - 8


def escape(text: str) -> str:
    r"""Make outside text harmless on a terminal: control, bidi and invisible characters become `\xNN`.

    >>> escape("250 \x1b[2Jok")
    '250 \\x1b[2Jok'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_plain(char) else _escaped(char) for char in text)


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    return unicodedata.category(char)[0] not in "CZ" or char == "\u00a0"


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A text with the name that messages give it (a path as the user wrote it, or `<command line>`)."""

    name: str
    text: str = field(repr=False)
    _lines: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def line(self, number: int) -> str:
        """Return line `number` (1-based) without its end, or an empty text beyond the last."""
        if not self._lines:
            self._lines.extend(self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line of a file: 1-based line and column, `width` characters."""

    source: SourceFile
    line: int
    column: int
    width: int = 1

    @property
    def place(self) -> str:
        """`file:line:column`, as editors and CI jump to it."""
        return f"{escape(self.source.name)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file: where, what, and (in `advice`) what would be right."""

    span: Span
    message: str
    advice: str = ""

    def render(self) -> str:
        """Return the error as it is shown: place and message, the line with a caret, the advice."""
        number = str(self.span.line)
        gutter = " " * len(number)
        shown, caret = _excerpt(self.span)
        parts = [f"{self.span.place}: {escape(self.message)}"]
        if shown:
            parts += [f"{gutter} |", f"{number} | {shown}".rstrip(), f"{gutter} | {caret}"]
        if self.advice:
            parts += [row for line in self.advice.split("\n") for row in _advice(f"{gutter} = ", escape(line))]
        return "\n".join(parts)


def _advice(head: str, line: str) -> list[str]:
    """Return a line of advice in rows that a terminal has room for; what can't be broken at a blank is left whole."""
    rows: list[str] = []
    room = COLUMNS - len(head)
    while len(line) > room:
        end = line.rfind(" ", 1, room + 1)
        end = end if end > 0 else line.find(" ", room)
        if end < 0:
            break
        rows.append(line[:end].rstrip(" "))
        line = line[end:].lstrip(" ")
    rows.append(line)
    return [head + rows[0], *(" " * len(head) + row for row in rows[1:])]


def _excerpt(span: Span) -> tuple[str, str]:
    """Return the line, tabs as blanks, and the caret below it; a long line is cut around the caret."""
    line = span.source.line(span.line).replace("\t", " ")
    if not line.strip():
        return "", ""
    start = span.column - 1
    is_long = len(fitting(line, SHOWN_WIDTH)) < len(line)
    cut = start - len(fitting(line[:start][::-1], SHOWN_WIDTH // 2)) if is_long else 0
    text = fitting(line[cut:], SHOWN_WIDTH)
    before, shown = escape(line[cut:start]), escape(text)
    if cut:
        before, shown = "…" + before, "…" + shown
    if cut + len(text) < len(line):
        shown += "…"
    width = min(span.width, max(1, cut + len(text) - start))
    marked = len(escape(line[start : start + width])) or 1
    return shown, " " * len(before) + "^" * marked


def fitting(text: str, columns: int) -> str:
    r"""Return what of a text, from its start, has room in so many columns once it is escaped.

    >>> fitting("250 ok", 3), fitting("a\x1b[m", 6)
    ('250', 'a\x1b[')
    """
    if text.isascii() and text.isprintable():
        return text[:columns]
    width = 0
    for at, char in enumerate(text):
        width += len(escape(char))
        if width > columns:
            return text[:at]
    return text


class MailproofError(Exception):
    """What a run may raise when it cannot start; `exit_code` is what the command ends with."""

    exit_code: ClassVar[int] = EXIT_TOOL


class UsageError(MailproofError):
    """The command line asks for something that can't be (exit 2)."""

    exit_code = EXIT_USAGE


class InputError(MailproofError):
    """One or more files are wrong (exit 2); `problems` holds all of them, in the order of files and lines."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n\n".join(problem.render() for problem in problems))


class ToolError(MailproofError):
    """The tool's surroundings failed: a disk, an extra that is not installed (exit 3)."""
