"""Texts that fit a pattern: what a server could say where a scenario expects it.

Pure: it knows patterns, neither replies nor protocols. A text is given out only after the pattern itself has taken it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.dataclass import dataclass
from runner.matching.base import Pattern, TooLong
from runner.matching.charset import contains
from runner.matching.glob import Glob, Wild
from runner.matching.regex import Regex
from runner.matching.regex_tree import Chars, Choice, Edge, Group, Node, Repeat, Text
from runner.matching.regex_tree import Sequence as InOrder

HOST = "mirror.example"
# What stands for a glob's stars, the most plausible first; an untagged line of IMAP begins with a number.
WORDS = (HOST, "Ok", "1", "")
NUMBERS = ("1", "0", HOST, "")
LEAD = "*"
LED = (LEAD, *NUMBERS)
# So many texts of one pattern are tried.
MOST_TEXTS = 12
# Where a regex lets any of them stand: a queue id, a number.
_PLAUSIBLE = ("4F3A7B12", "17203954", "abcxyz", "Zx -_.")
_BROKEN_ENDS = frozenset("\r\n\0")
_ASCII = range(0x20, 0x7F)


def texts(pattern: Pattern, words: Sequence[str] = WORDS) -> tuple[str, ...]:
    """Return texts that fit a pattern, the most plausible first; none if none is found.

    >>> from runner.matching.pattern import compile_pattern
    >>> texts(compile_pattern(("Hello *",)))[0]
    'Hello mirror.example'
    """
    found: dict[str, None] = {}
    for text in _all_texts(pattern, words):
        if text not in found and _fits(pattern, text):
            found[text] = None
            if len(found) == MOST_TEXTS:
                break
    return tuple(found)


def _fits(pattern: Pattern, text: str) -> bool:
    try:
        found = pattern.search_text(text) if pattern.is_regex else pattern.match_line(text)
    except TooLong:
        return False
    return found is not None


def _all_texts(pattern: Pattern, words: Sequence[str]) -> Iterator[str]:
    if isinstance(pattern, Glob):
        yield from _of_glob(pattern, words)
    elif isinstance(pattern, Regex):
        yield from _of_regex(pattern.syntax.root)


def _of_glob(glob: Glob, words: Sequence[str]) -> Iterator[str]:
    lone = glob.tokens == (Wild.RUN,)
    if glob.tokens[:1] == (Wild.RUN,) and words and words[0] == LEAD:
        # The star that begins an untagged line of IMAP is one.
        for word in NUMBERS:
            yield LEAD + "".join(_of_token(token, word, "1") for token in glob.tokens[1:])
    for word in ("Ok", *words) if lone else words:
        for one in ("x", "1", " "):
            yield "".join(_of_token(token, word, one) for token in glob.tokens)


def _of_token(token: object, word: str, one: str) -> str:
    if token is Wild.RUN:
        return word
    return one if token is Wild.ONE else str(token)


def _of_regex(root: Node) -> Iterator[str]:
    for more in (2, 0, 5, 1):
        for taste in range(len(_PLAUSIBLE)):
            yield _Writing(more, taste).text(root)
    for before, after in (("x", "x"), (" ", " "), ("", " "), (" ", "")):
        text = _Writing(2, 0).text(root)
        yield f"{before}{text}{after}"


@dataclass(slots=True)
class _Writing:
    """One text of a regex being written: `more` is how often what may repeat does, `taste` which characters it likes.

    The taste also chooses among branches.
    """

    more: int
    taste: int
    written: int = 0

    def text(self, node: Node) -> str:
        match node:
            case Text():
                return node.text
            case Chars():
                return self._char(node)
            case InOrder():
                return "".join(map(self.text, node.items))
            case Choice():
                return self.text(node.branches[self.taste % len(node.branches)])
            case Group():
                return self.text(node.item)
            case Repeat():
                return "".join(self.text(node.item) for _ in range(self._times(node)))
            case Edge():
                return ""
        return ""

    def _times(self, node: Repeat) -> int:
        wished = node.least + self.more if node.least else self.more
        return wished if node.most is None else min(wished, node.most)

    def _char(self, node: Chars) -> str:
        liked = "".join(_PLAUSIBLE[self.taste :] + _PLAUSIBLE[: self.taste])
        self.written += 1
        size = len(_PLAUSIBLE[self.taste])
        turned = liked[(self.written - 1) % size : size] + liked
        for char in turned:
            if contains(node.ranges, ord(char)):
                return char
        return _any_char(node)


def _any_char(node: Chars) -> str:
    """Return a character of a set: a printable one if there is one, and one that breaks a line last."""
    for code in _ASCII:
        if contains(node.ranges, code):
            return chr(code)
    lows = [low for low, _ in node.ranges]
    beyond = [code for code in lows if chr(code) not in _BROKEN_ENDS and code > 0x20]
    return chr((beyond or lows or [0x20])[0])
