r"""Reading a regex: the subset that RE2 and Python's `re` share, checked, into a tree of plain nodes.

What the two engines would read differently is refused here or given one meaning: `\w \d \s \b` and the flag
`i` are ASCII, `\s` holds the vertical tab, `$` without `m` is the very end of the text (as in RE2; Python's
would also match before a last LF), `^` with `m` follows every LF. The flags are read into the tree, so that an
engine needs none. A slot is a literal unit. The reader knows no engine.
"""

from __future__ import annotations

import re

from runner.matching.base import PatternError, Slot, Source, Unit, units_of
from runner.matching.charset import CLASSES, LINE_FEED, Ranges, complement, fold, merge
from runner.matching.regex_tree import Chars, Choice, Edge, Group, Hole, Node, Repeat, Sequence, Syntax, Text, shortest

FLAGS = "ims"
COUNT_LIMIT = 1000
"""RE2's largest count of a repeat, nested ones multiplied."""
NESTING_LIMIT = 50
"""Groups in groups: far more than a reader follows, far less than Python's recursion limit."""


def read_regex(source: Source, flags: str) -> Syntax:
    """Read what stands between the slashes.

    Raises:
        PatternError: it isn't in the shared subset.
    """
    for at, flag in enumerate(flags):
        if flag not in FLAGS or flag in flags[:at]:
            what = "unknown" if flag not in FLAGS else "repeated"
            raise PatternError(f"{what} flag '{flag}'", len(units_of(source)) + 1 + at, _FLAG_ADVICE)
    return _Reader(units_of(source), frozenset(flags)).read()


_FLAG_ADVICE = r"the flags after the last '/' are i, m and s; a glob that begins with '/' is written '\/'"
_RE2 = ", which RE2 does not know"
_NO_LOOK = (f"lookaround{_RE2}", "say what must be there under `has`, what must not under `lacks`")
_NO_BACK = (f"a backreference{_RE2}", "capture the part and compare it in a later step")
_INLINE = ("an inline flag", "write the flags after the last '/': /…/i")
_ATOMIC = (f"an atomic group{_RE2}", "write (?:…)")
_HEADERS = {
    "=": _NO_LOOK, "!": _NO_LOOK, "<=": _NO_LOOK, "<!": _NO_LOOK,
    "P=": _NO_BACK, "P>": (f"recursion{_RE2}", "write the part out"),
    "(": (f"a conditional group{_RE2}", "write the two cases as alternatives: (?:…|…)"),
    ">": _ATOMIC, "#": (f"a comment{_RE2}", "use `because` to say why"),
    "<": ("a named group in a form that Python does not know", "write (?P<name>…)"),
    "'": ("a named group in a form that neither engine knows", "write (?P<name>…)"),
    **dict.fromkeys("aiLmsuxU-^", _INLINE),
}  # fmt: skip
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_HEX_ADVICE = r"write the character itself, or \xHH"
_END_ADVICE = "write `$`, which without the flag m is the end of the text"
_ESCAPE_ADVICE = {
    "Z": _END_ADVICE, "z": _END_ADVICE, "G": "write `^`",
    "p": "write the characters as a set", "P": "write the characters as a set",
    "Q": "put a backslash before each special character", "E": "",
    "u": _HEX_ADVICE, "U": _HEX_ADVICE, "N": _HEX_ADVICE, "x": _HEX_ADVICE, "c": _HEX_ADVICE, "e": r"write \x1b",
    "h": r"write [ \t]", "H": r"write [^ \t]", "R": r"write \r?\n", "C": "write `.`", "X": "write `.`",
    "k": _NO_BACK[1], "g": _NO_BACK[1],
}  # fmt: skip
_SET_DASH_ADVICE = r"in a set a '-' of its own stands first or last, or is written '\-'"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_POSIX_CLASS = re.compile(r"\[([:.=])[^\]]*\1\]")
_COUNT = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}", re.ASCII)


class _Reader:
    """Recursive descent over the units; `at` is the next one."""

    def __init__(self, units: list[Unit], flags: frozenset[str]) -> None:
        self.units = units
        self.flags = flags
        # A slot stands as NUL here and never matches a rule below: who looks at it asks `units`.
        self.text = "".join(unit if isinstance(unit, str) else "\0" for unit in units)
        self.at = 0
        self.depth = 0
        self.group_count = 0
        self.names: list[tuple[str, int]] = []

    def read(self) -> Syntax:
        root, _ = self.choice()
        if self.at < len(self.units):
            raise PatternError("')' without '('", self.at, r"write '\)' for the character")
        return Syntax(root, self.group_count, tuple(self.names))

    def choice(self) -> tuple[Node, int]:
        """Read alternatives; return them with the largest count of repeats nested in them."""
        branches, counts = [], []
        while True:
            branch, count = self.sequence()
            branches.append(branch)
            counts.append(count)
            if not self.takes("|"):
                return (branches[0] if len(branches) == 1 else Choice(tuple(branches))), max(counts)

    def sequence(self) -> tuple[Node, int]:
        items: list[Node] = []
        most = 1
        while self.at < len(self.units) and not self.looks("|", ")"):
            start = self.at
            item, count = self.atom()
            item, count = self.repeats(item, count, start)
            most = max(most, count)
            _append(items, item)
        return (items[0] if len(items) == 1 else Sequence(tuple(items))), most

    def looks(self, *chars: str) -> bool:
        return self.at < len(self.units) and self.units[self.at] in chars

    def takes(self, char: str) -> bool:
        if self.looks(char):
            self.at += 1
            return True
        return False

    def atom(self) -> tuple[Node, int]:
        unit = self.units[self.at]
        if isinstance(unit, Slot):
            self.at += 1
            return Hole(unit, "i" in self.flags), 1
        match unit:
            case "(":
                return self.group()
            case "[":
                return Chars(self.set()), 1
            case "\\":
                return self.escape(), 1
            case "*" | "+" | "?":
                raise PatternError(f"nothing to repeat before '{unit}'", self.at, f"write '\\{unit}' for the character")
            case "{":
                self.refuse_brace()
        self.at += 1
        return self.plain(unit), 1

    def plain(self, char: str) -> Node:
        multiline = "m" in self.flags
        match char:
            case ".":
                return Chars(complement(() if "s" in self.flags else LINE_FEED))
            case "^":
                return Edge.LINE_START if multiline else Edge.START
            case "$":
                return Edge.LINE_END if multiline else Edge.END
        return self.literal(char)

    def literal(self, char: str) -> Text:
        return Text(char, "i" in self.flags)

    def refuse_brace(self) -> None:
        """Refuse a '{' that is a count without anything to repeat, or that holds a slot."""
        if self.count_here():
            raise PatternError("nothing to repeat before '{'", self.at, r"write '\{' for the character")
        self.refuse_slot_in_braces()

    def refuse_slot_in_braces(self) -> None:
        end = self.text.find("}", self.at)
        for at in range(self.at, end):
            if isinstance(self.units[at], Slot):
                raise PatternError("a placeholder inside '{…}'", at, r"write '\{' for the character '{'")

    # Repeats

    def repeats(self, item: Node, count: int, start: int) -> tuple[Node, int]:
        at = self.at
        bounds = self.bounds()
        if bounds is None:
            return item, count
        least, most = bounds
        if isinstance(item, Edge):
            raise PatternError("nothing to repeat: a place has no length", at, "remove the repeat")
        lazy = self.takes("?")
        if self.looks("+") and not lazy:
            raise PatternError("a possessive repeat", self.at, "write it without the second '+'")
        if self.looks("*", "+", "?") or self.count_here():
            raise PatternError("a repeat of a repeat", self.at, "put the inner one into (?:…)")
        if (least, most) != (0, 1) and shortest(item) == 0:
            raise PatternError("a repeat of what can be empty", start, "make it match one character at least")
        nested = count * max(least if most is None else most, 1)
        if nested > COUNT_LIMIT:
            raise PatternError(f"a repeat of more than {COUNT_LIMIT:,}", at, "repeats in repeats are multiplied")
        return Repeat(item, least, most, lazy), nested

    def bounds(self) -> tuple[int, int | None] | None:
        """Read `*`, `+`, `?` or `{…}`, if one of them follows."""
        for char, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.takes(char):
                return bounds
        return self.counted() if self.looks("{") else None

    def count_here(self) -> re.Match[str] | None:
        """Return the `{…}` that stands here, if it is a count (`{}` isn't)."""
        found = _COUNT.match(self.text, self.at)
        return found if found and any(found.groups()) else None

    def counted(self) -> tuple[int, int | None] | None:
        found = self.count_here()
        if found is None:
            self.refuse_slot_in_braces()
            return None
        least, comma, most = found.groups()
        if not least:
            raise PatternError("a repeat without its least count", self.at, f"write {{0,{most}}}")
        if max(len(least), len(most)) > len(str(COUNT_LIMIT)):
            raise PatternError(f"a repeat of more than {COUNT_LIMIT:,}", self.at, "use `*` or `+`")
        if most and int(most) < int(least):
            raise PatternError(f"the counts of '{found[0]}' are reversed", self.at, f"write {{{most},{least}}}")
        self.at = found.end()
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None

    # Groups

    def group(self) -> tuple[Node, int]:
        start = self.at
        self.depth += 1
        if self.depth > NESTING_LIMIT:
            raise PatternError(f"more than {NESTING_LIMIT} groups in each other", start, "write it flatter")
        self.at += 1
        number = self.header(start)
        item, count = self.choice()
        if not self.takes(")"):
            raise PatternError("'(' without ')'", start, r"write '\(' for the character")
        self.depth -= 1
        return (Group(item, number) if number else item), count

    def header(self, start: int) -> int:
        """Read what may follow '('; return the group's number, 0 if it captures nothing."""
        if self.takes("?"):
            if self.takes(":"):
                return 0
            self.name(start)
        self.group_count += 1
        return self.group_count

    def name(self, start: int) -> None:
        if not self.text.startswith("P<", self.at):
            self.refuse_header(start)
        end = self.text.find(">", self.at)
        for at in range(self.at, end if end >= 0 else len(self.units)):
            if isinstance(self.units[at], Slot):
                raise PatternError("a placeholder in a group's name", at, "write the name out")
        name = self.text[self.at + 2 : end] if end >= 0 else ""
        if not _NAME.fullmatch(name):
            advice = "a name is made of letters, digits and '_', and a '>' ends it"
            raise PatternError("a group without a proper name", start, advice)
        if any(name == known for known, _ in self.names):
            raise PatternError(f"the group name '{name}' stands twice", start, "give each group its own name")
        self.names.append((name, self.group_count + 1))
        self.at = end + 1

    def refuse_header(self, start: int) -> None:
        if self.at < len(self.units) and isinstance(self.units[self.at], Slot):
            raise PatternError("a placeholder in a group's header", self.at, r"write '\?' for the character")
        for width in (2, 1):
            if known := _HEADERS.get(self.text[self.at : self.at + width]):
                raise PatternError(known[0], start, known[1])
        raise PatternError("an unknown kind of group", start, "write (…), (?:…) or (?P<name>…)")

    # Escapes

    def escape(self) -> Node:
        char = self.escaped()
        if char in CLASSES:
            return Chars(CLASSES[char])
        if char == "A":
            return Edge.START
        if char in "bB":
            return Edge.WORD if char == "b" else Edge.NOT_WORD
        return self.literal(self.character(char))

    def escaped(self) -> str:
        """Step over a backslash and return the character after it, which is still to be taken."""
        self.at += 1
        if self.at == len(self.units):
            raise PatternError("a backslash at the end", self.at - 1, r"write '\\' for the character")
        unit = self.units[self.at]
        if isinstance(unit, Slot):
            raise PatternError("a placeholder after a backslash", self.at, r"write '\\' for the character '\'")
        self.at += 1
        return unit

    def character(self, char: str) -> str:
        """Return the character that the escape with `char` stands for."""
        if char in _CONTROLS:
            return chr(_CONTROLS[char])
        digits = self.text[self.at : self.at + 2]
        if char == "x" and re.fullmatch("[0-9A-Fa-f]{2}", digits):
            self.at += 2
            return chr(int(digits, 16))
        if char.isascii() and not char.isalnum():
            return char
        raise self.unknown_escape(char)

    def unknown_escape(self, char: str) -> PatternError:
        at = self.at - 2
        if not char.isascii():
            return PatternError("a backslash before this character", at, "write the character without it")
        if char == "0":
            return PatternError("an octal escape", at, r"write \xHH")
        if char.isdigit():
            return PatternError(_NO_BACK[0], at, _NO_BACK[1])
        what = f"the escape '\\{char}', which RE2 and Python do not share"
        return PatternError(what, at, _ESCAPE_ADVICE.get(char, _HEX_ADVICE))

    # Sets

    def set(self) -> Ranges:
        start = self.at
        self.at += 1
        negated = self.takes("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self.looks("]"):
            if self.at == len(self.units):
                raise PatternError("'[' without ']'", start, r"write '\[' for the character")
            ranges += self.member(first=first)
            first = False
        self.at += 1
        both = fold(merge(ranges)) if "i" in self.flags else merge(ranges)
        return complement(both) if negated else both

    def member(self, *, first: bool) -> Ranges:
        """Read a character, a range or a class of a set."""
        start = self.at
        low = self.set_unit()
        dash = self.text.startswith("-", self.at) and not self.text.startswith("]", self.at + 1)
        if self.text[start] == "-" and not first and not self.text.startswith("]", self.at):
            raise PatternError("a '-' in the middle of a set", start, _SET_DASH_ADVICE)
        if not dash:
            return low
        self.at += 1
        if self.at == len(self.units):
            return low
        high = self.set_unit()
        if _is_class(low) or _is_class(high):
            raise PatternError("a range with a class at its end", start, _SET_DASH_ADVICE)
        if high[0][0] < low[0][0]:
            raise PatternError("a range whose ends are reversed", start, _SET_DASH_ADVICE)
        return ((low[0][0], high[0][1]),)

    def set_unit(self) -> Ranges:
        unit = self.units[self.at]
        if isinstance(unit, Slot):
            raise PatternError("a placeholder inside '[…]'", self.at, "write the alternatives as (?:…|…)")
        if unit == "\\":
            char = self.escaped()
            return CLASSES[char] if char in CLASSES else _one(self.character(char))
        if unit == "[" and _POSIX_CLASS.match(self.text, self.at):
            what = "a POSIX class, which RE2 and Python do not share"
            raise PatternError(what, self.at, r"write \w, \d, \s or the range itself")
        self.at += 1
        return _one(unit)


def _one(char: str) -> Ranges:
    return ((ord(char), ord(char)),)


def _is_class(ranges: Ranges) -> bool:
    return len(ranges) > 1 or ranges[0][0] < ranges[0][1]


def _append(items: list[Node], item: Node) -> None:
    """Add an item to a sequence; neighbouring texts become one."""
    last = items[-1] if items else None
    if isinstance(item, Text) and isinstance(last, Text):
        items[-1] = Text(last.text + item.text, item.folded)
    elif isinstance(item, Sequence):
        items.extend(item.items)
    else:
        items.append(item)
