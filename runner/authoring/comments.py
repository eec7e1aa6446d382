"""The comments of a YAML text: what the loader passes over, with its place.

A `#` inside of a quoted text, a block of text or a plain one is none; which they are the parser's events say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from runner.dataclass import dataclass

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*")
_BLOCK_HEAD = re.compile(r"[|>][-+0-9]*")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment from its `#` to the end of its line (1-based line and column); alone, nothing else is on the line."""

    line: int
    column: int
    text: str
    is_alone: bool


def with_plain_line_ends(text: str) -> str:
    """Return a text with LF for all that YAML takes for a line's end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def events_of(text: str) -> list[Any]:
    """Return the events of a text that is known to be YAML."""
    return list(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def comments_in(text: str, events: Iterable[Any] | None = None) -> list[Comment]:
    """Return the comments of a text that is known to be YAML and has plain line ends."""
    if "#" not in text:
        return []
    lines = text.split("\n")
    covered = _covered(lines, events_of(text) if events is None else events)
    return list(_found(lines, covered))


def _found(lines: list[str], covered: dict[int, list[tuple[int, int]]]) -> Iterator[Comment]:
    for number, line in enumerate(lines):
        if "#" not in line:
            continue
        shown = line
        for start, end in covered.get(number, ()):
            shown = shown[:start] + "x" * (end - start) + shown[end:]
        if match := _COMMENT.search(shown):
            at = match.start()
            yield Comment(number + 1, at + 1, line[at:].rstrip(), not line[:at].strip())


def _covered(lines: list[str], events: Iterable[Any]) -> dict[int, list[tuple[int, int]]]:
    """Return which stretches of which lines (from 0) belong to a text."""
    found: dict[int, list[tuple[int, int]]] = {}
    texts: Iterator[Any] = (event for event in events if isinstance(event, yaml.ScalarEvent))
    for event in texts:
        first, last = event.start_mark, event.end_mark
        if event.style in ("|", ">"):
            head = _BLOCK_HEAD.search(lines[first.line], first.column)
            found.setdefault(first.line, []).append((first.column, head.end() if head else first.column))
            for number in range(first.line + 1, block_end(lines, event)):
                found[number] = [(0, len(lines[number]))]
            continue
        for number in range(first.line, last.line + 1):
            start = first.column if number == first.line else 0
            end = last.column if number == last.line else len(lines[number])
            found.setdefault(number, []).append((start, end))
    return found


def block_end(lines: list[str], event: Any) -> int:
    """Return the line (from 0) after a block's last one; where the file ends in it, the mark is on that one."""
    line: int = event.end_mark.line
    column: int = event.end_mark.column
    is_inside = line < len(lines) and column >= len(lines[line]) > 0
    return line + is_inside
