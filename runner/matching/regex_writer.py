r"""Writing a regex tree for an engine: only forms that mean the same in Python's `re` and in RE2.

No flags are needed: the tree has them read in. Python's is to be compiled with `re.ASCII` (for `\b`).
"""

from __future__ import annotations

from runner.matching.charset import ALL, LINE_FEED, Ranges, complement
from runner.matching.regex_tree import Chars, Choice, Edge, Group, Node, Repeat, Sequence, Text

_NOT_LINE_FEED = complement(LINE_FEED)
# Python has no `\z` before 3.14, and its `\B` doesn't match the empty text.
_PYTHON_EDGES = {Edge.END: r"\Z", Edge.NOT_WORD: r"(?:\B|\A\Z)"}
_COUNTS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def write_regex(node: Node, *, for_re2: bool) -> str:
    """Return the text of a tree without holes, for RE2 or for `re`."""
    return _Writer(for_re2=for_re2).write(node)


def write_set(ranges: Ranges) -> str:
    """Return a set for `re`."""
    return _Writer(for_re2=False).chars(ranges)


class _Writer:
    def __init__(self, *, for_re2: bool) -> None:
        self.for_re2 = for_re2

    def write(self, node: Node) -> str:
        match node:
            case Text():
                return "".join(self.char(char, folded=node.folded) for char in node.text)
            case Chars():
                return self.chars(node.ranges)
            case Edge():
                return node.value if self.for_re2 else _PYTHON_EDGES.get(node, node.value)
            case Sequence():
                return "".join(self.write(item) for item in node.items)
            case Choice():
                return f"(?:{'|'.join(self.write(branch) for branch in node.branches)})"
            case Group():
                return f"({self.write(node.item)})"
            case Repeat():
                return f"(?:{self.write(node.item)}){_count(node)}"
        raise ValueError("a slot is not filled")

    def char(self, char: str, *, folded: bool) -> str:
        if folded and char.isascii() and char.isalpha():
            return f"[{char.upper()}{char.lower()}]"
        return self.code(ord(char))

    def code(self, code: int) -> str:
        if code < 0x80:
            return chr(code) if chr(code).isalnum() else f"\\x{code:02x}"
        if self.for_re2:
            return f"\\x{{{code:x}}}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    def chars(self, ranges: Ranges) -> str:
        if ranges == ALL:
            return "(?s:.)"
        if ranges == _NOT_LINE_FEED:
            return "."
        # Of the two ways to write a set the one that starts above NUL is the shorter, and never empty.
        negated = not ranges or ranges[0][0] == 0
        listed = complement(ranges) if negated else ranges
        return f"[{'^' if negated else ''}{''.join(self.range(*pair) for pair in listed)}]"

    def range(self, low: int, high: int) -> str:
        return self.code(low) if low == high else f"{self.code(low)}-{self.code(high)}"


def _count(node: Repeat) -> str:
    least, most = node.least, node.most
    exact = f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"
    return _COUNTS.get((least, most), exact) + ("?" if node.lazy else "")
