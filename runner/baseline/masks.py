"""Masks: named rules for what varies by itself in a server's text, such as dates and queue ids.

A mask puts `⟨its name⟩` in place of what it finds. Those of the house are few and strict, for what they hide is
compared no more; the rest is learnt from several runs, or written by hand into the baseline's file. All run in time
that is linear in a line, whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.matching.base import PatternError
from runner.matching.regex import compile_regex
from runner.matching.regex_cost import is_quick, search_work
from runner.matching.regex_writer import write_regex
from runner.matching.varying import VARYING
from runner.transcript import LINE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VARIES = "⟨varies⟩"
"""What stands where the runs of one `save` differed; it is equal to anything."""
#: A token shorter than this would be found in other words.
SHORTEST = 6
# The host of a URL that is a name; addresses have a mask of their own.
_HOST = re.compile(r"://([A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*)(?::|$|/)")
_MARK = re.compile(r"⟨[^⟨⟩]*⟩")
# A line is cut to its width with a word on the rest behind it.
_LONGEST = LINE_WIDTH + 100
# Characters looked at in one line: there may be a hundred lines in each of many replies.
_MOST_WORK = 5_000_000
_NAME = re.compile(r"[a-z][a-z0-9 -]{0,30}")
_WRITTEN = re.compile(r"/(.+)/([im]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mask:
    """One rule: what `pattern` finds is shown as `⟨name⟩`. `hides` says so to a reader; `written` is as in a file."""

    name: str
    pattern: re.Pattern[str] = field(repr=False, compare=False)
    hides: str = ""
    written: str = ""

    @property
    def mark(self) -> str:
        """What stands in place of what it finds."""
        return f"⟨{self.name}⟩"


#: The masks of the house, in the order in which they are applied.
MASKS: tuple[Mask, ...] = tuple(Mask(one.name, one.pattern, one.hides) for one in VARYING)


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks to be applied together: those of a case first (`known`), then the house's, then one's own."""

    known: tuple[Mask, ...] = ()
    own: tuple[Mask, ...] = ()

    def line(self, text: str) -> str:
        """Return one line with all that varies masked; masking twice changes nothing."""
        text = text[:_LONGEST]
        for mask in self.known:
            text = _masked(mask, text)
        text = _by_house(text)
        for mask in self.own:
            text = _masked(mask, text)
        return text

    def of_case(self, case_id: str, endpoints: Iterable[str]) -> Masks:
        """Return the masks with what is a case's own: its token, and the hosts of its targets' URLs."""
        known = [_token(case_id)] if len(case_id) >= SHORTEST else []
        hosts = {found[1] for url in endpoints if (found := _HOST.search(url))}
        known += [_host(host) for host in sorted(hosts, key=lambda one: (-len(one), one))]
        return Masks(tuple(known), self.own)


@lru_cache(maxsize=8192)
def _by_house(text: str) -> str:
    """Apply the masks of the house; servers say the same again and again."""
    for mask in MASKS:
        text = _masked(mask, text)
    return text


def _masked(mask: Mask, text: str) -> str:
    """Replace what a mask finds, but for what has been masked before."""
    if "⟨" not in text:
        return mask.pattern.sub(mask.mark, text)
    marks = [found.span() for found in _MARK.finditer(text)]

    def replaced(found: re.Match[str]) -> str:
        start, end = found.span()
        return found[0] if any(start < last and first < end for first, last in marks) else mask.mark

    return mask.pattern.sub(replaced, text)


@lru_cache(maxsize=64)
def _token(case_id: str) -> Mask:
    return Mask("unique", re.compile(rf"{re.escape(case_id)}\w*", re.ASCII))


@lru_cache(maxsize=256)
def _host(host: str) -> Mask:
    return Mask("host", re.compile(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", re.ASCII | re.IGNORECASE))


def compile_mask(name: str, written: str) -> Mask:
    """Return a mask that somebody wrote: a name, and `/regex/` with the flags i and m.

    Raises:
        ValueError: it is none; the text says what is wrong and what would be right.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no name of a mask; write lower-case letters, digits, blanks, hyphens")
    found = _WRITTEN.fullmatch(written)
    if found is None:
        raise ValueError(f"'{written}' is no regex; write it between slashes: /ticket [0-9]+/")
    try:
        regex = compile_regex((found[1],), found[2])
    except PatternError as error:
        raise ValueError(f"{error.message}; {error.advice}" if error.advice else error.message) from error
    if not is_quick(regex.syntax.root, _LONGEST) or search_work(regex.syntax.root, _LONGEST) > _MOST_WORK:
        raise ValueError("this regex can take long on a hostile text; use fewer repeats without a bound")
    return Mask(name, re.compile(write_regex(regex.syntax.root, for_re2=False), re.ASCII), "", written)


def matches(kept: str, now: str) -> bool:
    """Whether two values are equal, where what varies is equal to anything.

    >>> matches("load ⟨varies⟩ of 9", "load 3 of 9"), matches("load ⟨varies⟩", "no load")
    (True, False)
    """
    return kept == now or (VARIES in kept and _fits(kept, now)) or (VARIES in now and _fits(now, kept))


def _fits(pattern: str, text: str) -> bool:
    first, *rest = pattern.split(VARIES)
    last = rest.pop()
    if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
        return False
    return _in_order(rest, text[len(first) : len(text) - len(last)])


def _in_order(parts: Sequence[str], text: str) -> bool:
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
