"""A regex as a tree of plain nodes, whatever it was written in and whatever will search it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from runner.dataclass import dataclass
from runner.matching.base import Slot
from runner.matching.charset import LAST, Ranges, complement, fold


class Edge(Enum):
    """A place between characters."""

    START = r"\A"
    END = r"\z"
    LINE_START = "(?m:^)"
    LINE_END = "(?m:$)"
    WORD = r"\b"
    NOT_WORD = r"\B"


@dataclass(frozen=True, slots=True)
class Text:
    """These characters; `folded`: whatever the case of their ASCII letters. May hold a value: never shown."""

    text: str
    folded: bool

    def __repr__(self) -> str:
        return "<text>"


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set (with `i`, both cases are in it)."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Hole:
    """A slot that is still to be filled."""

    slot: Slot
    folded: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first branch that leads to a match."""

    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A capturing group, numbered from 1."""

    item: Node
    number: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`item` from `least` to `most` times (None: any number), as few as possible if `lazy`."""

    item: Node
    least: int
    most: int | None
    lazy: bool


Node = Text | Chars | Hole | Edge | Sequence | Choice | Group | Repeat


@dataclass(frozen=True, slots=True)
class Syntax:
    """A regex that was read: its tree, the number of its groups, and the names of those that have one."""

    root: Node
    group_count: int
    names: tuple[tuple[str, int], ...]


def fill_holes(node: Node, value: Callable[[Slot], str]) -> Node:
    """Return the tree with a text in place of each hole."""
    match node:
        case Hole():
            return Text(value(node.slot), node.folded)
        case Sequence():
            return Sequence(tuple(fill_holes(item, value) for item in node.items))
        case Choice():
            return Choice(tuple(fill_holes(branch, value) for branch in node.branches))
        case Group() | Repeat():
            return replace(node, item=fill_holes(node.item, value))
    return node


def ignore_case(node: Node) -> Node:
    """Return the tree as the flag `i` would have made it (a set up to the last character was a negated one)."""
    match node:
        case Text() | Hole():
            return replace(node, folded=True)
        case Chars():
            if node.ranges[-1:] and node.ranges[-1][1] == LAST:
                return Chars(complement(fold(complement(node.ranges))))
            return Chars(fold(node.ranges))
        case Sequence():
            return Sequence(tuple(ignore_case(item) for item in node.items))
        case Choice():
            return Choice(tuple(ignore_case(branch) for branch in node.branches))
        case Group() | Repeat():
            return replace(node, item=ignore_case(node.item))
    return node


def shortest(node: Node) -> int:
    """Return the least number of characters that a node takes; a hole counts as one."""
    match node:
        case Text():
            return len(node.text)
        case Chars() | Hole():
            return 1
        case Sequence():
            return sum(shortest(item) for item in node.items)
        case Choice():
            return min(shortest(branch) for branch in node.branches)
        case Group():
            return shortest(node.item)
        case Repeat():
            return node.least * shortest(node.item)
    return 0
