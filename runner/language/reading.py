"""What the compilers of a scenario's parts share: reading a node as what its key wants, collecting problems and names.

The schema check has already told wrong kinds and unknown keys; what is read here gives None where the kind is
wrong, without telling it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from runner.errors import Problem, Span
from runner.language.loader import Mapping, Node, Scalar, Sequence
from runner.language.model import MAIN
from runner.language.short_form import ShortFormReader, read_literal
from runner.language.template import NAME, PLAIN_NAME, Placeholder, Template, parse_template
from runner.language.values import parse_boolean, parse_count, parse_duration
from runner.matching.expectation import Alternative
from runner.matching.pattern import Pattern
from runner.protocol import Machine

T = TypeVar("T")
#: Resolves a path that a file names: the absolute path, or ValueError with what is wrong and what would be right.
FindFile = Callable[[str], str]

BUILT_INS = (
    "target.host",
    "target.port",
    "target.name",
    "client.name",
    "client.address",
    "scenario.name",
    "case.id",
    "unique",
    "now",
    "now.iso",
    "message_id",
)


@dataclass(slots=True)
class Reading:
    """One scenario being compiled: what is wrong with it and which names it uses and sets."""

    machine: type[Machine]
    find_file: FindFile
    problems: list[Problem]
    own_names: frozenset[str] = frozenset()
    placeholders: list[Placeholder] = field(default_factory=list)
    captures: dict[str, Span] = field(default_factory=dict)

    def fail(self, span: Span, message: str, advice: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(span, message, advice))

    def short_forms(self, span_at: Callable[[int, int], Span]) -> ShortFormReader:
        """Return the reader of short forms for the scenario's protocol; `span_at` is that of the text to read."""
        return ShortFormReader(self.machine, self.problems, span_at)

    # Scalars.

    def text(self, node: Node | None) -> str:
        """Return a scalar's text, or an empty one."""
        return node.text if isinstance(node, Scalar) else ""

    def template(self, node: Node | None, *, is_message: bool = False) -> Template | None:
        """Parse a scalar as a template and note its placeholders; None where nothing is written, or it is wrong."""
        if not isinstance(node, Scalar) or node.is_empty:
            return None
        before = len(self.problems)
        template = self.noted(parse_template(node, self.problems, is_message=is_message))
        return template if len(self.problems) == before else None

    def noted(self, template: Template) -> Template:
        """Note the placeholders of a template that a step uses."""
        self.placeholders += template.placeholders
        return template

    def name(self, node: Node | None) -> str:
        """Read the name of a variable."""
        name = self.text(node)
        if node is not None and name and not NAME.fullmatch(name):
            self.fail(node.span, f"'{name}' is no name of a variable", "write the name alone, without ${ }")
        return name

    def variable(self, node: Node | None) -> str:
        """Read the name of a variable that a step asks for, whether it has a value or not."""
        name = self.name(node)
        if node is not None and name:
            self.placeholders.append(Placeholder(name, "", (), node.span))
        return name

    def duration(self, node: Node | None) -> float | None:
        """Read a duration in seconds."""
        return self._parsed(node, parse_duration)

    def boolean(self, node: Node | None) -> bool | None:
        """Read true or false."""
        return self._parsed(node, parse_boolean)

    def count(self, node: Node | None) -> int | None:
        """Read a whole number from 0."""
        return self._parsed(node, parse_count)

    def _parsed(self, node: Node | None, parse: Callable[[str], T]) -> T | None:
        if not isinstance(node, Scalar) or node.is_empty:
            return None
        try:
            return parse(node.text)
        except ValueError as error:
            self.fail(node.span, *error.args)
            return None

    def path(self, node: Node | None) -> str | None:
        """Resolve the path of a file that the file names."""
        return self._parsed(node, self.find_file)

    def session(self, node: Node | None) -> str:
        """Read a session's name; this version has the scenario's own one alone."""
        name = self.text(node) or MAIN
        if node is not None and name != MAIN:
            self.fail(node.span, f"unknown session '{name}'", f"the scenario's own session is '{MAIN}'")
        return MAIN

    # Patterns.

    def pattern(self, node: Node | None) -> Pattern | None:
        """Compile a scalar as a pattern."""
        template = self.template(node)
        if template is None or not isinstance(node, Scalar):
            return None
        return self.short_forms(node.span_at).pattern(template)

    def patterns(self, node: Node | None) -> tuple[Pattern, ...]:
        """Compile a pattern or a list of them."""
        found = (self.pattern(item) for item in items(node))
        return tuple(pattern for pattern in found if pattern is not None)

    def alternatives(self, node: Node | None, *, with_connect_words: bool = False) -> tuple[Alternative, ...]:
        """Read a short form or a list of them; a connection alone can be refused, reset or late."""
        found: list[Alternative] = []
        for item in items(node):
            one = self._alternative(item, with_connect_words=with_connect_words) if isinstance(item, Scalar) else None
            if one is not None:
                found.append(one)
        return tuple(found)

    def _alternative(self, node: Scalar, *, with_connect_words: bool) -> Alternative | None:
        one = read_literal(self.machine, node.text, with_connect_words=with_connect_words)
        if one is not None:
            return one
        template = self.template(node)
        if template is None:
            return None
        return self.short_forms(node.span_at).read(template, with_connect_words=with_connect_words)

    # Names.

    def capture(self, name: str, span: Span) -> None:
        """Note a name that a reply sets; an operator's own name must not be overwritten by a server."""
        if not PLAIN_NAME.fullmatch(name):
            self.fail(span, f"'{name}' is no name for a capture", "names are letters, digits, '_' and '-'")
        elif name in self.own_names:
            advice = "choose another name: a server must not set what this file gives"
            self.fail(span, f"the capture '{name}' would overwrite '{name}' of this file's vars or secrets", advice)
        elif name in BUILT_INS:
            self.fail(span, f"the capture '{name}' would overwrite a built-in name", "choose another name")
        else:
            self.captures.setdefault(name, span)


def items(node: Node | None) -> Iterator[Node]:
    """Iterate over a list's items, or over a single node as if it were a list of one."""
    if isinstance(node, Sequence):
        yield from node.items
    elif node is not None:
        yield node


def texts(node: Node | None) -> tuple[str, ...]:
    """Return the texts of a scalar or a list of scalars."""
    return tuple(item.text for item in items(node) if isinstance(item, Scalar))


def pairs(node: Node | None) -> Iterator[tuple[Scalar, Node]]:
    """Iterate over a mapping's keys and values; over nothing if it is no mapping."""
    if isinstance(node, Mapping):
        yield from node.items.values()
