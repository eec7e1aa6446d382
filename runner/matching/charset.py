r"""Sets of characters as sorted ranges of code points: what a regex's classes are made of.

Every class is turned into plain ranges when it is read, so that no engine's own idea of `\s` or of case
comes into it.
"""

from __future__ import annotations

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges, sorted, neither overlapping nor touching."""

LAST = 0x10FFFF
ALL: Ranges = ((0, LAST),)
NONE: Ranges = ()
LINE_FEED: Ranges = ((10, 10),)

_LOWER, _UPPER, _CASE = (97, 122), (65, 90), 32


def merge(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the union of any ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """Return all other characters."""
    rest: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if start < low:
            rest.append((start, low - 1))
        start = high + 1
    return tuple(rest) if start > LAST else (*rest, (start, LAST))


def overlap(one: Ranges, other: Ranges) -> bool:
    """True if the two have a character in common."""
    return any(low <= high2 and low2 <= high for low, high in one for low2, high2 in other)


def contains(ranges: Ranges, code: int) -> bool:
    """True if the code point is in the set."""
    return any(low <= code <= high for low, high in ranges)


def fold(ranges: Ranges) -> Ranges:
    """Return the set with both cases of each ASCII letter in it."""
    both = list(ranges)
    for low, high in ranges:
        both += _shifted(low, high, _LOWER, -_CASE) + _shifted(low, high, _UPPER, _CASE)
    return merge(both)


def _shifted(low: int, high: int, letters: tuple[int, int], by: int) -> list[tuple[int, int]]:
    low, high = max(low, letters[0]), min(high, letters[1])
    return [(low + by, high + by)] if low <= high else []


def fold_text(text: str) -> str:
    """Return the text with ASCII letters in lower case, and nothing else changed.

    >>> fold_text('ÄBC')
    'Äbc'
    """
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)


_TO_LOWER = {code: code + _CASE for code in range(_UPPER[0], _UPPER[1] + 1)}

DIGIT: Ranges = ((48, 57),)
WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
SPACE: Ranges = ((9, 13), (32, 32))
CLASSES = {
    "d": DIGIT, "D": complement(DIGIT), "w": WORD, "W": complement(WORD), "s": SPACE, "S": complement(SPACE),
}  # fmt: skip
