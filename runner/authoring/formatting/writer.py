"""A tree written in the canonical form.

Blocks are indented by two, lists under their key as well. What an author wrote in brackets stays there as long as it
fits on its line and holds no comment; a few short values are always written so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from runner.authoring.formatting.order import order_of_file, order_of_step
from runner.authoring.formatting.scalars import written
from runner.authoring.formatting.tree import Branch, Entry, Item, Leaf, margin_of
from runner.language.vocabulary import STEP_LISTS

#: A line in brackets is not longer than this.
WIDTH = 120
_STEP_LISTS = frozenset((*STEP_LISTS, "cleanup"))
# Short values that stand on the line of their key wherever they can.
_ON_THEIR_LINE = frozenset({"tags", "secrets", "params", "expect", "when", "requires", "retry", "fragment"})
# Texts of several lines that are written as a block, in whatever form they were.
_BLOCKS = frozenset({"talk", "data", "bdat", "literal", "description"})
# A reply's code is a text for every reader.
_CODES = frozenset({"expect", "reply", "expect_each"})
_MODELINE = "yaml-language-server:"


class _NotOneLineError(Exception):
    """It can't be written on one line."""


def write_tree(root: Branch, head: list[str]) -> str:
    """Return the text of a file; `head` are the comments at its top."""
    writer = _Writer(has_anchors=_has_anchors(root))
    lines = _without_doubles([*_modeline_first(head), *writer.top(root)])
    return "\n".join(lines) + "\n"


def _modeline_first(head: list[str]) -> list[str]:
    modelines = [line for line in head if _MODELINE in line]
    return [*modelines, *(line for line in head if line not in modelines)]


def _has_anchors(item: Item) -> bool:
    if isinstance(item, Leaf):
        return bool(item.anchor or item.alias)
    if item.anchor:
        return True
    return any(_has_anchors(one.value) or (one.key is not None and _has_anchors(one.key)) for one in item.entries)


class _Text(str):
    """A line of a text, where a blank one is none of the layout's."""

    __slots__ = ()


def _without_doubles(lines: list[str]) -> list[str]:
    """Return the lines with one blank line where there are several, and none at either end."""
    found: list[str] = []
    for line in lines:
        if line or isinstance(line, _Text) or (found and found[-1]):
            found.append(line)
    while found and not found[-1] and not isinstance(found[-1], _Text):
        found.pop()
    return found


class _Writer:
    def __init__(self, *, has_anchors: bool) -> None:
        # An anchor stands above its aliases: where there are some, nothing changes its place.
        self._may_move = not has_anchors

    def top(self, root: Branch) -> list[str]:
        """Return the lines of a file's mapping, without the comments at its top."""
        names = [entry.key.value for entry in root.entries if entry.key]
        lines = [line for entry in self._sorted(root, order_of_file(names)) for line in self._entry(entry, 0)]
        return [*lines, *root.tail]

    def _sorted(self, branch: Branch, order: list[str]) -> list[Entry]:
        if not self._may_move:
            return branch.entries
        place = {name: number for number, name in enumerate(order)}
        return sorted(branch.entries, key=lambda one: place.get(one.key.value if one.key else "", len(order)))

    def _entry(self, entry: Entry, indent: int, *, may_have_blanks: bool = True) -> list[str]:
        """Return the lines of a key and its value, with what stands above."""
        assert entry.key is not None
        key = _anchored(entry.key, _one_line(entry.key, in_flow=False, keeps_typed=False))
        lines = self._value(entry.value, key, f"{key}:", indent)
        return self._around(entry, lines, indent, may_have_blanks=may_have_blanks)

    @staticmethod
    def _around(entry: Entry, lines: list[str], indent: int, *, may_have_blanks: bool = True) -> list[str]:
        pad = " " * indent
        first = lines[0]
        if entry.after:
            first = f"{first}  ".ljust(entry.column - indent) + entry.after
        above = [pad + line if line else "" for line in entry.before if line or may_have_blanks]
        return [*above, pad + first, *lines[1:]]

    def _value(self, item: Item, key: str, begin: str, indent: int) -> list[str]:
        """Return what stands behind `begin`: its line without the indentation, and whole lines below."""
        if isinstance(item, Leaf):
            return _leaf(item, key, begin, indent)
        if self._is_on_one_line(item, key):
            with suppress(_NotOneLineError):
                line = f"{begin} {_anchored(item, _flow(item, keeps_typed=key not in _CODES))}"
                if len(line) + indent <= WIDTH or not item.entries:
                    return [line]
        first = f"{begin} &{item.anchor}" if item.anchor else begin
        return [first, *self._below(item, key, indent + 2)]

    @staticmethod
    def _is_on_one_line(branch: Branch, key: str) -> bool:
        if key in _STEP_LISTS:
            return not branch.entries
        return branch.is_flow or key in _ON_THEIR_LINE

    def _below(self, branch: Branch, key: str, indent: int) -> list[str]:
        pad = " " * indent
        lines: list[str] = []
        for entry in branch.entries:
            own = self._entry(entry, indent) if branch.is_mapping else self._item(entry, key, indent)
            lines += own if lines else _from_first(own)
        tail = [pad + line if line else "" for line in branch.tail]
        return [*lines, *tail]

    def _item(self, entry: Entry, key: str, indent: int) -> list[str]:
        """Return the lines of a list's item: what stands above its first key goes above its dash."""
        value, pad = entry.value, " " * indent
        is_step = key in _STEP_LISTS
        if not isinstance(value, Branch) or not value.entries or (not is_step and self._is_on_one_line(value, "")):
            return self._around(entry, self._value(value, key if key in _CODES else "", "-", indent), indent)
        if not is_step and value.is_flow:
            return self._around(entry, self._value(value, "", "-", indent), indent)
        if value.anchor or not value.is_mapping:
            begin = f"- &{value.anchor}" if value.anchor else "-"
            return self._around(entry, [begin, *self._below(value, "", indent + 2)], indent)
        inner = self._sorted(value, order_of_step()) if is_step else value.entries
        first, *others = inner
        above, first.before = [line for line in first.before if line], []
        lines = self._entry(first, indent + 2)
        own = [f"- {lines[0][indent + 2 :]}", *lines[1:]]
        for other in others:
            own += self._entry(other, indent + 2, may_have_blanks=not is_step)
        own += [f"{pad}  {line}" if line else "" for line in value.tail]
        above = [*([entry.after] if entry.after else []), *above]
        return [*(pad + line if line else "" for line in [*entry.before, *above]), pad + own[0], *own[1:]]


def _from_first(lines: list[str]) -> list[str]:
    """Return lines without the blank ones that they begin with."""
    at = next((number for number, line in enumerate(lines) if line), 0)
    return lines[at:]


def _anchored(item: Item, text: str) -> str:
    return f"&{item.anchor} {text}".rstrip() if item.anchor else text


def _one_line(leaf: Leaf, *, in_flow: bool, keeps_typed: bool) -> str:
    if leaf.alias:
        return f"*{leaf.alias} " if in_flow else f"*{leaf.alias}"
    if leaf.is_empty:
        return ""
    if len(leaf.raw) != 1 or leaf.style in ("|", ">"):
        raise _NotOneLineError
    return written(leaf.value, leaf.style, leaf.raw[0], in_flow=in_flow, keeps_typed=keeps_typed)


def _flow(item: Item, *, keeps_typed: bool) -> str:
    """Return an item in brackets, on one line.

    Raises:
        _NotOneLineError: a comment is in it, or a text of several lines.
    """
    if isinstance(item, Leaf):
        return _anchored(item, _one_line(item, in_flow=True, keeps_typed=keeps_typed))
    if item.tail or any(line for entry in item.entries for line in (*entry.before, entry.after)):
        raise _NotOneLineError
    inner = ", ".join(_flow_entry(entry, keeps_typed=keeps_typed) for entry in item.entries)
    return _anchored(item, f"{{{inner}}}" if item.is_mapping else f"[{inner}]")


def _flow_entry(entry: Entry, *, keeps_typed: bool) -> str:
    if entry.key is None:
        return _flow(entry.value, keeps_typed=keeps_typed)
    key = _anchored(entry.key, _one_line(entry.key, in_flow=True, keeps_typed=False))
    return f"{key}: {_flow(entry.value, keeps_typed=keeps_typed and entry.key.value not in _CODES)}".rstrip()


# Texts.


def _leaf(leaf: Leaf, key: str, begin: str, indent: int) -> list[str]:
    begin = f"{begin} &{leaf.anchor}" if leaf.anchor else begin
    if leaf.style == ">":
        return _folded(leaf, begin, indent)
    if leaf.style == "|" or (key in _BLOCKS and "\n" in leaf.value and _can_be_block(leaf)):
        return _block(leaf.value, key, begin, indent)
    if len(leaf.raw) > 1:
        return _several_lines(leaf, begin, indent)
    return [f"{begin} {_one_line(leaf, in_flow=False, keeps_typed=key not in _CODES)}".rstrip()]


def _can_be_block(leaf: Leaf) -> bool:
    return "\r" not in leaf.value and all(line.isprintable() for line in leaf.value.split("\n")) and bool(leaf.raw)


def _block(value: str, key: str, begin: str, indent: int) -> list[str]:
    """Return a text as a block whose lines are its own."""
    body = value.removesuffix("\n")
    if not body.strip("\n"):
        return [f'{begin} "{value.replace(chr(10), chr(92) + "n")}"']
    chomping = "" if value.endswith("\n") and not body.endswith("\n") else "+" if value.endswith("\n") else "-"
    if key == "talk":
        body, chomping = body.rstrip("\n"), ""
    lines = body.split("\n")
    head = next(line for line in lines if line)
    number = "2" if head[0] in " \t" or not head.strip() else ""
    return [f"{begin} |{number}{chomping}", *_lines(lines, indent + 2)]


def _lines(lines: Sequence[str], indent: int) -> Iterator[str]:
    return (_Text(" " * indent + line if line else "") for line in lines)


def _folded(leaf: Leaf, begin: str, indent: int) -> list[str]:
    """Return a folded text in the lines that it has; where blanks in it say more than that, its lines as they come."""
    margin = margin_of(leaf.raw)
    lines = [line[margin:] if line.strip() else line for line in leaf.raw]
    while lines and not lines[-1].strip() and len(lines[-1]) <= margin:
        lines.pop()
    is_odd = any(line[:1] in (" ", "\t") or not line.strip(" ") for line in lines if line)
    if not lines or is_odd or leaf.value[:1].isspace() or leaf.value.endswith("\n\n"):
        return _block(leaf.value, "", begin, indent)
    return [f"{begin} >{'' if leaf.value.endswith(chr(10)) else '-'}", *_lines(lines, indent + 2)]


def _several_lines(leaf: Leaf, begin: str, indent: int) -> list[str]:
    """Return a text that goes over lines in the lines that it has; which quotes it has stays."""
    first, *others = (line.strip() for line in leaf.raw)
    return [f"{begin} {first}", *_lines(others, indent + 2)]
