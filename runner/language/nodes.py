"""What a YAML file is made of, once read: scalars, sequences and mappings that know their place.

A node knows nothing of keys or verbs; a scalar is a text, and what it stands for is for its key to say.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from runner.dataclass import dataclass
from runner.errors import SourceFile, Span

Style: TypeAlias = Literal["", "'", '"', "|", ">"]


@dataclass(slots=True, eq=False)
class _Placed:
    """A node's place; `width` 0 stands for "to the end of the line". The span is made when it is wanted."""

    source: SourceFile
    line: int
    column: int
    width: int

    @property
    def span(self) -> Span:
        """Where the node begins, and how far it reaches on that line."""
        width = self.width or len(self.source.line(self.line).rstrip()) - self.column + 1
        return Span(self.source, self.line, self.column, max(1, width))


@dataclass(slots=True, eq=False)
class Scalar(_Placed):
    """A text as written; `style` is its quote or block sign, empty for a plain one."""

    text: str
    style: Style = ""

    @classmethod
    def at(cls, span: Span, text: str, style: Style = "'") -> Scalar:
        """Make a scalar that no YAML file holds, such as a value from the command line."""
        return cls(span.source, span.line, span.column, span.width, text, style)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written (`key:`); `''` is a text."""
        return not self.text and not self.style

    def span_at(self, offset: int, width: int = 1) -> Span:
        """Return the place of the character `offset` of the text.

        Exact for texts on one line without escapes and for literal blocks; else the scalar's own span.
        """
        if self.style == "|":
            return self._span_in_block(offset, width)
        line = self.source.line(self.line)
        quoted = self.text.replace("'", "''") if self.style == "'" else self.text
        if self.style == ">" or not line.startswith(self.style + quoted, self.column - 1):
            return self.span
        before = self.text[:offset]
        shift = len(self.style) + offset + (before.count("'") if self.style == "'" else 0)
        return Span(self.source, self.line, self.column + shift, width)

    def _span_in_block(self, offset: int, width: int) -> Span:
        before = self.text[:offset]
        line_start = before.rfind("\n") + 1
        text = self.text[line_start:].partition("\n")[0]
        number = self.line + 1 + before.count("\n")
        line = self.source.line(number)
        if not line.endswith(text):
            return self.span
        return Span(self.source, number, len(line) - len(text) + offset - line_start + 1, width)


@dataclass(slots=True, eq=False)
class Sequence(_Placed):
    """A list of nodes."""

    items: list[Node]


@dataclass(slots=True, eq=False)
class Mapping(_Placed):
    """Keys to values in the order of the file; each key's text leads to the key's own node and its value."""

    items: dict[str, tuple[Scalar, Node]]

    def get(self, key: str) -> Node | None:
        """Return the value under `key`, if there is one."""
        item = self.items.get(key)
        return item[1] if item is not None else None


Node: TypeAlias = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """Return the node as dicts, lists, texts, and None where nothing was written."""
    if isinstance(node, Scalar):
        return None if node.is_empty else node.text
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, (_, value) in node.items.items()}


def kind(node: Node) -> str:
    """Return what a node is, in the words of messages."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    return "nothing" if node.is_empty else "a text"


def without_excerpt(span: Span) -> Span:
    """Return the same place with nothing of the file's text to show."""
    return Span(SourceFile(span.source.name, ""), span.line, span.column)
