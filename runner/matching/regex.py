"""Regexes: compiled once, searched by an engine that is sure to come back.

What `re` is provably quick at goes to `re`; the rest to google-re2 if it is installed (extra `re2`), else to
the engine of `regex_machine`. All three judge alike (see `regex_syntax`), so which one is used shows only in
time and in what is too long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING, Any

from runner.dataclass import dataclass
from runner.matching.base import Match, Pattern, PatternError, Slot, Source, TooLong, show_source, slots_in
from runner.matching.regex_cost import is_quick, size_of
from runner.matching.regex_machine import PROGRAM_LIMIT, Machine
from runner.matching.regex_syntax import read_regex
from runner.matching.regex_tree import Node, Syntax, fill_holes, ignore_case
from runner.matching.regex_writer import write_regex

if TYPE_CHECKING:
    from types import ModuleType

LINE_LIMIT = 4096
"""Octets of a line that a regex sees (docs/language.md, patterns)."""
TEXT_LIMIT = 65536
"""Octets of a reply that a regex sees (docs/language.md, patterns)."""

# What a literal text can't hold as it is.
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")

Groups = tuple[str | None, ...]
Search = Callable[[str], Groups | None]
"""Searches a text; returns the whole match and the groups."""


@dataclass(frozen=True, slots=True, repr=False)
class Regex(Pattern):
    """A compiled regex. `syntax` holds filled values: it is never shown."""

    source: Source
    flags: str
    syntax: Syntax
    is_filled: bool
    # Engines by the longest text they take, made when first used; not part of the value.
    _engines: dict[int, Search] = field(default_factory=dict, init=False, compare=False)

    def __reduce__(self) -> tuple[type[Regex], tuple[Source, str, Syntax, bool]]:
        return type(self), (self.source, self.flags, self.syntax, self.is_filled)

    @property
    def is_regex(self) -> bool:
        """It is."""
        return True

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots that are still to be filled."""
        return () if self.is_filled else slots_in(self.source)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the named groups."""
        return tuple(name for name, _ in self.syntax.names)

    def fill(self, value: Callable[[Slot], str]) -> Regex:
        """Return the regex with the values in their places; itself if there are none."""
        if self.is_filled:
            return self
        root = fill_holes(self.syntax.root, value)
        return Regex(self.source, self.flags, Syntax(root, self.syntax.group_count, self.syntax.names), is_filled=True)

    def match_line(self, line: str) -> Match | None:
        """Search a line of at most `LINE_LIMIT` octets."""
        _check_length(line, LINE_LIMIT, "line")
        return self._search(line)

    def search_text(self, text: str) -> Match | None:
        """Search a reply of at most `TEXT_LIMIT` octets."""
        _check_length(text, TEXT_LIMIT, "reply")
        return self._search(text)

    def show(self, slot_text: Callable[[Slot], str]) -> str:
        """Return `/regex/flags` as written."""
        return f"/{show_source(self.source, slot_text, _SPECIAL)}/{self.flags}"

    def _search(self, text: str) -> Match | None:
        if not self.is_filled:
            raise ValueError(f"the pattern {self} has slots that are not filled")
        found = self._engine(LINE_LIMIT if len(text) <= LINE_LIMIT else TEXT_LIMIT)(text)
        if found is None:
            return None
        whole, first = found[0], found[1] if len(found) > 1 else None
        named = {name: part for name, number in self.syntax.names if (part := found[number]) is not None}
        return Match((whole or "") if first is None else first, named)

    def _engine(self, length: int) -> Search:
        if length not in self._engines:
            self._engines[length] = _choose_engine(self.syntax, length)
        return self._engines[length]


def compile_regex(source: Source, flags: str = "") -> Regex:
    r"""Compile what stands between the slashes, with flags out of `i`, `m`, `s`.

    Raises:
        PatternError: it is outside the subset of RE2 and `re`, or too large to be tried without re2.

    >>> compile_regex((r'queued as (\w+)',)).match_line('Ok: queued as 4F3A').text
    '4F3A'
    """
    if not source:
        raise PatternError("an empty regex", 0, "it would match everything: leave it out, or write `*`")
    syntax = read_regex(source, flags)
    if _is_beyond(syntax):
        advice = "make its repeats smaller" + ("" if re2_module() else ", or install the extra 're2'")
        raise PatternError("a regex too large to be tried in bounded time", 0, advice)
    return Regex(source, flags, syntax, is_filled=not slots_in(source))


def _is_beyond(syntax: Syntax) -> bool:
    """True if no engine here is sure to end in time on a line."""
    if size_of(syntax.root) <= PROGRAM_LIMIT or is_quick(syntax.root, LINE_LIMIT):
        return False
    re2 = re2_module()
    empty = Syntax(fill_holes(syntax.root, lambda _: ""), syntax.group_count, syntax.names)
    return re2 is None or _by_re2(re2, empty) is None


def _check_length(text: str, limit: int, what: str) -> None:
    length = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if length > limit:
        raise TooLong(f"a regex sees at most {limit // 1024} KiB of a {what}, and this {what} is longer")


def _choose_engine(syntax: Syntax, length: int) -> Search:
    if is_quick(syntax.root, length):
        return _by_re(syntax.root)
    if (re2 := re2_module()) is not None and (search := _by_re2(re2, syntax)) is not None:
        return search
    return Machine(syntax.root, syntax.group_count).search


def _by_re(root: Node) -> Search:
    search = re.compile(write_regex(root, for_re2=False), re.ASCII).search

    def find(text: str) -> Groups | None:
        found = search(text)
        return (found[0], *found.groups()) if found else None

    return find


def _by_re2(re2: ModuleType, syntax: Syntax) -> Search | None:
    """Return re2's search; None if it finds the regex too large."""
    options = re2.Options()
    options.log_errors = False
    written = write_regex(syntax.root, for_re2=True)
    try:
        search = re2.compile(written, options=options).search
    except re2.error:
        return None
    odd = _NOT_ASCII if r"\B" in written else _ODD_FOR_RE2

    def find(text: str) -> Groups | None:
        if not text.isascii() and odd.search(text):
            return Machine(syntax.root, syntax.group_count).search(text)
        found: Any = search(text)
        return (found.group(0), *found.groups()) if found else None

    return find


# Lone surrogates (from a value), which re2 refuses, and what folds to `s` and `k` outside ASCII, which it may
# take for them when it joins alternatives.
_ODD_FOR_RE2 = re.compile("[\ud800-\udfff\u017f\u212a]")
# RE2 looks for `\B` between octets, so inside a character too.
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@cache
def re2_module() -> ModuleType | None:
    """Return google-re2 if it is installed; another module of that name isn't it."""
    try:
        import re2  # noqa: PLC0415  the extra `re2`, and slow to import
    except ImportError:
        return None
    return re2 if hasattr(getattr(re2, "Options", None), "log_errors") else None


def miss_of_regex(regex: Regex, line: str) -> str:
    """Return why a regex that doesn't match `line` nearly does: only the flag `i` is tried."""
    if "i" in regex.flags or not regex.is_filled or len(line) > LINE_LIMIT:
        return ""
    ignoring = Syntax(ignore_case(regex.syntax.root), regex.syntax.group_count, regex.syntax.names)
    try:
        found = _choose_engine(ignoring, LINE_LIMIT)(line)
        matched = found is not None and regex.match_line(line) is None
    except TooLong:
        return ""
    return "only the case differs; the flag i after the last '/' ignores it" if matched else ""
