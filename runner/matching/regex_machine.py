"""A regex engine whose work is bounded by construction: backtracking that never tries the same thing twice.

The tree becomes a program of steps. A step that was tried at a place of the text and didn't lead to a match
never will, wherever the search began, so each (step, place) is tried once: at most twice program x text in all,
and what is found is what plain backtracking finds first (as Perl, `re` and RE2 do). A count of steps ends a
search that is too long even so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum

from runner.matching.base import TooLong
from runner.matching.charset import ALL, Ranges, contains, fold_text
from runner.matching.regex_cost import ACCEPT, first_of, size_of
from runner.matching.regex_tree import Chars, Choice, Edge, Group, Node, Repeat, Sequence, Text
from runner.matching.regex_writer import write_set

STEP_LIMIT = 8_000_000
"""Steps of one search: some 2 s, at 5 million a second."""
PROGRAM_LIMIT = STEP_LIMIT // (2 * (4096 + 1))
"""Any program up to this length stays below `STEP_LIMIT` on a line of 4 KiB."""


class _Op(IntEnum):
    TEXT = 0
    FOLDED = 1
    CHARS = 2
    SPLIT = 3
    MARK = 4
    EDGE = 5
    MATCH = 6


class _Members(dict[str, bool]):
    """The characters of a set: ASCII looked up, others searched for and not kept, as a server chooses them."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__((chr(code), contains(ranges, code)) for code in range(128))
        self.ranges = ranges

    def __missing__(self, char: str) -> bool:
        return contains(self.ranges, ord(char))


_Argument = str | int | _Members | Callable[[str, int], bool] | None
_Step = tuple[_Op, _Argument, int, int]
"""What to do, with what, the next step, and the other one of a split."""

_WORD_CHARS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


def _is_word_edge(text: str, at: int) -> bool:
    return (at > 0 and text[at - 1] in _WORD_CHARS) != (at < len(text) and text[at] in _WORD_CHARS)


_EDGES: dict[Edge, Callable[[str, int], bool]] = {
    Edge.START: lambda _, at: at == 0,
    Edge.END: lambda text, at: at == len(text),
    Edge.LINE_START: lambda text, at: at == 0 or text[at - 1] == "\n",
    Edge.LINE_END: lambda text, at: at == len(text) or text[at] == "\n",
    Edge.WORD: _is_word_edge,
    Edge.NOT_WORD: lambda text, at: not _is_word_edge(text, at),
}


class Machine:
    """A compiled tree (without holes) that searches texts.

    Raises:
        TooLong: the program would be longer than `PROGRAM_LIMIT`.
    """

    def __init__(self, root: Node, group_count: int) -> None:
        if size_of(root) > PROGRAM_LIMIT:
            raise TooLong("the regex is too large to be tried in bounded time; make its repeats smaller")
        self._steps: list[_Step] = []
        self._group_count = group_count
        self._entry = self._emit(root, self._add(_Op.MATCH))
        self._starts = _starts_of(root)
        self._folds = any(step[0] is _Op.FOLDED for step in self._steps)

    def _add(self, op: _Op, argument: _Argument = None, follow: int = 0, other: int = 0) -> int:
        self._steps.append((op, argument, follow, other))
        return len(self._steps) - 1

    def _emit(self, node: Node, follow: int) -> int:
        """Add the steps of a node that leads to `follow`; return the first of them."""
        match node:
            case Text():
                text = fold_text(node.text) if node.folded else node.text
                return self._add(_Op.FOLDED if node.folded else _Op.TEXT, text, follow)
            case Chars():
                return self._add(_Op.CHARS, _Members(node.ranges), follow)
            case Edge():
                return self._add(_Op.EDGE, _EDGES[node], follow)
            case Sequence():
                for item in reversed(node.items):
                    follow = self._emit(item, follow)
                return follow
            case Choice():
                *branches, last = [self._emit(branch, follow) for branch in node.branches]
                for branch in reversed(branches):
                    last = self._add(_Op.SPLIT, None, branch, last)
                return last
            case Group():
                close = self._add(_Op.MARK, 2 * node.number + 1, follow)
                return self._add(_Op.MARK, 2 * node.number, self._emit(node.item, close))
            case Repeat():
                return self._emit_repeat(node, follow)
        raise ValueError("a slot is not filled")

    def _emit_repeat(self, node: Repeat, follow: int) -> int:
        entry = follow
        if node.most is None:
            entry = self._add(_Op.SPLIT)
            self._steps[entry] = self._split(node, self._emit(node.item, entry), follow)
        else:
            for _ in range(node.most - node.least):
                inner = self._emit(node.item, entry)
                entry = self._add(*self._split(node, inner, follow))
        for _ in range(node.least):
            entry = self._emit(node.item, entry)
        return entry

    @staticmethod
    def _split(node: Repeat, inner: int, out: int) -> _Step:
        return (_Op.SPLIT, None, out, inner) if node.lazy else (_Op.SPLIT, None, inner, out)

    def search(self, text: str, limit: int = STEP_LIMIT) -> tuple[str | None, ...] | None:
        """Return the leftmost match: the whole, then each group (None if it took no part).

        Raises:
            TooLong: it took more than `limit` steps.
        """
        tried = bytearray(len(self._steps) * (len(text) + 1))
        budget = iter(range(limit))
        folded = fold_text(text) if self._folds else text
        for start in self._starts(text):
            marks = self._run(text, folded, start, tried, budget)
            if marks:
                return tuple(
                    text[low:high] if low >= 0 <= high else None
                    for low, high in zip(marks[::2], marks[1::2], strict=True)
                )
        return None

    def _run(self, text: str, folded: str, start: int, tried: bytearray, budget: Iterator[int]) -> list[int] | None:
        steps, end, at, here = self._steps, len(text), start, self._entry
        marks = [-1] * (2 * self._group_count + 2)
        marks[0] = start
        # What to go back to: (step, place), or (-1 - mark, the value it had).
        back: list[tuple[int, int]] = []
        for _ in budget:
            cell = at * len(steps) + here
            if not tried[cell]:
                tried[cell] = 1
                op, argument, follow, other = steps[here]
                if op == _CHARS:
                    if at < end and argument[text[at]]:  # type: ignore[index]
                        at, here = at + 1, follow
                        continue
                elif op == _SPLIT:
                    back.append((other, at))
                    here = follow
                    continue
                elif op <= _FOLDED:
                    if (folded if op else text).startswith(argument, at):  # type: ignore[arg-type]
                        at, here = at + len(argument), follow  # type: ignore[arg-type]
                        continue
                elif op == _MARK:
                    back.append((-1 - argument, marks[argument]))  # type: ignore[operator,index]
                    marks[argument] = at  # type: ignore[index]
                    here = follow
                    continue
                elif op == _MATCH:
                    marks[1] = at
                    return marks
                elif argument(text, at):  # type: ignore[operator,misc]
                    here = follow
                    continue
            while back:
                here, at = back.pop()
                if here >= 0:
                    break
                marks[-1 - here] = at
            else:
                return None
        raise TooLong("the regex takes too many steps on this text; simplify it, or install the extra 're2'")


_CHARS, _SPLIT, _FOLDED, _MARK, _MATCH = map(int, (_Op.CHARS, _Op.SPLIT, _Op.FOLDED, _Op.MARK, _Op.MATCH))


def _starts_of(root: Node) -> Callable[[str], Iterable[int]]:
    """Return what lists the places of a text where a match can begin."""
    if root is Edge.START or (isinstance(root, Sequence) and root.items[:1] == (Edge.START,)):
        return lambda _: (0,)
    first = first_of(root, ACCEPT)
    if first.sure or first.chars == ALL:
        return lambda text: range(len(text) + 1)
    finder = re.compile(write_set(first.chars))
    # At the end no character follows, but `$` may match there.
    return lambda text: (*(found.start() for found in finder.finditer(text)), len(text))
