"""A YAML file as it is written: texts with their quotes, and every comment and blank line at what it belongs to.

The loader's nodes say what a file means; this says what it looks like. Only files that the loader takes are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any, TypeAlias

from yaml import AliasEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent

from runner.authoring.comments import Comment, block_end, comments_in, events_of
from runner.dataclass import dataclass

_DASHES = re.compile(r"[ -]*")
# A line and a column, both from 0.
Mark: TypeAlias = tuple[int, int]


@dataclass(slots=True, eq=False)
class Leaf:
    """A text: `value` is what it means, `raw` its lines as they are written, without what a block of text begins with.

    `style` is its quote or block sign, `alias` the name where it only refers to another node.
    """

    value: str
    style: str
    raw: list[str]
    anchor: str = ""
    alias: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written."""
        return not (self.value or self.style or self.alias)


@dataclass(slots=True, eq=False)
class Entry:
    """An item of a list, or a key with its value.

    `before` are the lines above it: comments, and empty texts for blank lines. `after` is the comment behind it, which
    began at `column` (from 0): authors align them.
    """

    start: Mark
    value: Item
    key: Leaf | None = None
    before: list[str] = field(default_factory=list)
    after: str = ""
    column: int = 0


@dataclass(slots=True, eq=False)
class Branch:
    """A list or a mapping; `tail` are the lines of comments behind its last entry."""

    is_mapping: bool
    is_flow: bool
    anchor: str
    start: Mark
    end: Mark
    entries: list[Entry] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)


Item: TypeAlias = Leaf | Branch


def read_tree(text: str) -> tuple[Branch, list[str]]:
    """Return the tree of a file and the lines of comments at its top; its line ends are plain."""
    reader = _Reader(text)
    root = reader.root()
    return root, _Placing(reader.lines, reader.kept, root).place(comments_in(text, reader.events))


class _Reader:
    """Makes the tree of the parser's events."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        #: Lines (from 0) of blocks whose blank lines at the end count.
        self.kept: set[int] = set()
        self.events = events_of(text)
        self._rest = iter(self.events)

    def root(self) -> Branch:
        """Return the file's mapping."""
        found = next(event for event in self._rest if isinstance(event, MappingStartEvent))
        return self._branch(found)

    def _item(self, event: Any) -> Item:
        if isinstance(event, AliasEvent):
            return Leaf("", "", [], alias=str(event.anchor))
        return self._leaf(event) if isinstance(event, ScalarEvent) else self._branch(event)

    def _leaf(self, event: Any) -> Leaf:
        return Leaf(event.value, event.style or "", self._raw(event), event.anchor or "")

    def _raw(self, event: Any) -> list[str]:
        first, last = event.start_mark, event.end_mark
        if event.style in ("|", ">"):
            end = block_end(self.lines, event)
            raw = self.lines[first.line + 1 : end]
            self.kept.update(range(first.line + 1, first.line + 1 + _own_lines(raw, event.value)))
            return raw
        if first.line == last.line:
            found = [self.lines[first.line][first.column : last.column]]
        else:
            found = [self.lines[first.line][first.column :], *self.lines[first.line + 1 : last.line]]
            found.append(self.lines[last.line][: last.column])
        if event.anchor:
            found[0] = found[0].removeprefix(f"&{event.anchor}").lstrip()
        return found

    def _branch(self, event: Any) -> Branch:
        start = (event.start_mark.line, event.start_mark.column)
        branch = Branch(isinstance(event, MappingStartEvent), bool(event.flow_style), event.anchor or "", start, start)
        item = next(self._rest)
        while not isinstance(item, (MappingEndEvent, SequenceEndEvent)):
            branch.entries.append(self._entry(branch, item))
            item = next(self._rest)
        branch.end = _end_of(item)
        return branch

    def _entry(self, branch: Branch, event: Any) -> Entry:
        start = (event.start_mark.line, event.start_mark.column)
        if branch.is_mapping:
            return Entry(start, key=self._leaf(event), value=self._item(next(self._rest)))
        return Entry(start if branch.is_flow else self._dash(start), self._item(event))

    def _dash(self, start: Mark) -> Mark:
        """Return where the dash of a list's item is: before it on its line, else alone on one above."""
        line, column = start
        while line > 0 or column > 0:
            head = _DASHES.match(self.lines[line], 0, column)
            if head and (at := head[0].rfind("-")) >= 0:
                return line, at
            line -= 1
            column = len(self.lines[line])
        return start


def _end_of(event: Any) -> Mark:
    return event.end_mark.line, event.end_mark.column


def margin_of(raw: list[str]) -> int:
    """Return the indentation of a block's lines, as far as its first one that is not blank tells."""
    head = next((line for line in raw if line.strip()), "")
    return len(head) - len(head.lstrip(" "))


def _own_lines(raw: list[str], value: str) -> int:
    """Return how many lines of a block are its text, and not blank ones before what follows."""
    if value.endswith("\n\n") or not value.strip("\n"):
        return len(raw)
    margin, count = margin_of(raw), len(raw)
    while count and not raw[count - 1].strip() and len(raw[count - 1]) <= margin:
        count -= 1
    return count


class _Placing:
    """Gives every comment to the entry that it stands behind or above, or to the end of what it is indented like."""

    def __init__(self, lines: list[str], kept: set[int], root: Branch) -> None:
        self._lines = lines
        self._kept = kept
        self._root = root
        self._entries = list(_all(root, ()))

    def place(self, comments: list[Comment]) -> list[str]:
        """Place them; return those at the top of the file."""
        head: list[str] = []
        for comment in comments:
            at = (comment.line - 1, comment.column - 1)
            number = self._next(at)
            if not comment.is_alone and number:
                self._behind(number - 1, at, comment.text)
            elif number == 0:
                self._add(head, comment)
            else:
                self._above(number, at, comment)
        for entry, _ in self._entries:
            if self._is_after_blank(entry.start[0]):
                entry.before.append("")
        return head

    def _next(self, at: Mark) -> int:
        """Return the number of the first entry that begins behind a place."""
        low, high = 0, len(self._entries)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._entries[middle][0].start > at else (middle + 1, high)
        return low

    def _behind(self, number: int, at: Mark, text: str) -> None:
        entry, path = self._entries[number]
        if isinstance(entry.value, Branch) and entry.value.is_flow and entry.value.end <= at:
            path = (*path, (entry, entry.value))
        for owner, branch in path:
            if branch.is_flow and branch.end <= at and owner is not None:
                entry = owner
                break
        if entry.after:
            entry.before.append(entry.after)
        entry.after, entry.column = text, at[1]

    def _above(self, number: int, at: Mark, comment: Comment) -> None:
        """Give a comment to the entry below it, unless it is indented like something above."""
        following = self._entries[number] if number < len(self._entries) else None
        if following is not None and (at[1] <= following[0].start[1] or following[1][-1][1].is_flow):
            self._add(following[0].before, comment)
            return
        least = following[0].start[1] if following is not None else -1
        previous, path = self._entries[number - 1]
        branches = [branch for _, branch in path]
        if isinstance(previous.value, Branch) and not previous.value.is_flow:
            branches.append(previous.value)
        fitting = [one for one in branches if not one.is_flow and least < one.entries[0].start[1] <= at[1]]
        if fitting:
            self._add(fitting[-1].tail, comment)
        elif following is not None:
            self._add(following[0].before, comment)
        else:
            self._add(self._root.tail, comment)

    def _add(self, lines: list[str], comment: Comment) -> None:
        if self._is_after_blank(comment.line - 1):
            lines.append("")
        lines.append(comment.text)

    def _is_after_blank(self, number: int) -> bool:
        return number > 0 and not self._lines[number - 1].strip() and number - 1 not in self._kept


_Path: TypeAlias = tuple[tuple[Entry | None, Branch], ...]


def _all(branch: Branch, above: _Path, owner: Entry | None = None) -> Iterator[tuple[Entry, _Path]]:
    """Yield every entry in the order of the file, with the branches that it is in, each with the entry that has it."""
    path = (*above, (owner, branch))
    for entry in branch.entries:
        yield entry, path
        if isinstance(entry.value, Branch):
            yield from _all(entry.value, path, entry)
