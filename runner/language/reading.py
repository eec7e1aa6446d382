"""What the compilers of a scenario's parts share: reading a node as what its key wants, collecting problems and names.

The schema check has already told wrong kinds and unknown keys; what is read here gives None where the kind is
wrong, without telling it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from collections.abc import Mapping as Names
from contextlib import contextmanager
from dataclasses import field
from datetime import date
from typing import TypeVar

from runner.dataclass import dataclass
from runner.errors import Problem, Span
from runner.language.fragments import Library
from runner.language.loader import Mapping, Node, Scalar, Sequence
from runner.language.model import MAIN, Session
from runner.language.short_form import ShortFormReader, read_literal, spoken
from runner.language.template import (
    NAME,
    PLAIN_NAME,
    Placeholder,
    Template,
    did_you_mean,
    parse_template,
    parse_text,
)
from runner.language.values import parse_boolean, parse_count, parse_date, parse_duration, parse_rate, parse_size
from runner.matching.expectation import Alternative
from runner.matching.pattern import Pattern
from runner.protocol import PROTOCOLS, Machine

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
    "index",
    "attempt",
)
#: Built-in names that have a value inside a repeat or a retry only.
COUNTERS = {"index": "repeat", "attempt": "retry"}

#: A session as a step names it: `inbox`, or one connection of several, `c[3]`.
_SESSION = re.compile(r"([^\[]*)(?:\[(.*)\])?", re.DOTALL)


@dataclass(slots=True)
class Reading:
    """One scenario being compiled: what is wrong with it and which names it uses and sets.

    `session` is that of the steps being compiled, `machine` its protocol.
    """

    machine: type[Machine]
    find_file: FindFile
    problems: list[Problem]
    own_names: frozenset[str] = frozenset()
    columns: Collection[str] = ()
    sessions: dict[str, Session] = field(default_factory=dict)
    session: str = MAIN
    placeholders: dict[str, list[Placeholder]] = field(default_factory=lambda: {MAIN: []})
    captures: dict[str, Span] = field(default_factory=dict)
    #: Sessions with a `connect` that judges a handshake, whatever the server answers; the first place of each.
    implicit: dict[str, Span] = field(default_factory=dict)
    #: What is known only here: loop variables and a fragment's parameters; counters of loops.
    local_names: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()
    #: Every such name of the scenario, for no capture may take one.
    all_local_names: dict[str, Span] = field(default_factory=dict)
    fragments: Library = field(default_factory=Library)

    def fail(self, span: Span, message: str, advice: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(span, message, advice))

    def short_forms(self, span_at: Callable[[int, int], Span]) -> ShortFormReader:
        """Return the reader of short forms for the scenario's protocol; `span_at` is that of the text to read."""
        return ShortFormReader(self.machine, self.problems, span_at, self._other_session)

    @property
    def who(self) -> str:
        """What the session speaks whose steps are being compiled, as a message calls it."""
        return spoken(self.machine, self._other_session)

    @property
    def _other_session(self) -> str:
        return "" if self.session == MAIN else self.session

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
        if self.local_names or self.counters:
            for placeholder in template.placeholders:
                self._note(placeholder)
        else:
            self.placeholders[self.session] += template.placeholders
        return template

    def _note(self, placeholder: Placeholder) -> None:
        """Note a placeholder unless its name is known only here; a loop's counter may be given by somebody, too."""
        if placeholder.name in self.local_names:
            return
        if placeholder.name in self.counters:
            placeholder = Placeholder(placeholder.name, "", (), placeholder.span)
        self.placeholders[self.session].append(placeholder)

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
            self._note(Placeholder(name, "", (), node.span))
        return name

    def capability(self, node: Node | None) -> str:
        """Read the name of a capability, where the protocol has any."""
        name = self.text(node).upper()
        advice = self.machine.foreign.get("capabilities")
        if node is not None and name and advice is not None:
            self.fail(node.span, f"'capability' has no meaning in {self.machine.name}", advice)
        return name

    def duration(self, node: Node | None) -> float | None:
        """Read a duration in seconds."""
        return self._parsed(node, parse_duration)

    def boolean(self, node: Node | None) -> bool | None:
        """Read true or false."""
        return self._parsed(node, parse_boolean)

    def date(self, node: Node | None) -> date | None:
        """Read a day."""
        return self._parsed(node, parse_date)

    def count(self, node: Node | None) -> int | None:
        """Read a whole number from 0."""
        return self._parsed(node, parse_count)

    def size(self, node: Node | None) -> int | None:
        """Read a number of bytes."""
        return self._parsed(node, parse_size)

    def rate(self, node: Node | None) -> int | None:
        """Read a number of bytes a second."""
        return self._parsed(node, parse_rate)

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

    # Sessions.

    def enter(self, session: str) -> None:
        """Read what follows as steps of a session."""
        self.session = session
        self.machine = PROTOCOLS.get(self.sessions[session].protocol, self.machine)
        self.placeholders.setdefault(session, [])

    def session_of(self, node: Node | None) -> tuple[str, Template | None]:
        """Read which session a step belongs to: its name, and which of its connections if that is said.

        Empty if there is none of this name.
        """
        if not isinstance(node, Scalar) or node.is_empty:
            return self.session, None
        match = _SESSION.fullmatch(node.text)
        if match is None:
            self.fail(node.span, f"'{node.text}' is no session", "write its name, or one connection of several: 'c[2]'")
            return self.session, None
        name, number = match[1], match[2]
        if name not in self.sessions:
            advice = did_you_mean(name, self.sessions, "the sessions are")
            if len(self.sessions) == 1:
                advice = f"this file names none; at its top: sessions: {{{name}: TARGET}}"
            self.fail(node.span, f"unknown session '{name}'", advice)
            return "", None
        return name, self._member(node, self.sessions[name], number) if number is not None else None

    def _member(self, node: Scalar, session: Session, number: str) -> Template | None:
        """Read which of a session's connections is meant: a number, or a placeholder for one."""
        at = len(session.name) + 1
        if not session.count:
            self.fail(node.span, f"the session '{session.name}' is one connection", f"write session: {session.name}")
            return None
        before = len(self.problems)
        template = parse_text(number, lambda offset, width: node.span_at(at + offset, width), node.span, self.problems)
        self.noted(template)
        if template.is_literal and len(self.problems) == before and member_number(template.flat, session.count) is None:
            advice = f"from {session.name}[1] to {session.name}[{session.count}]"
            self.fail(node.span, f"'{node.text}' is none of the {session.count} connections", advice)
        return template

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
        elif name in self.columns:
            advice = "choose another name: a server must not set what a row gives"
            self.fail(span, f"the capture '{name}' would overwrite the column '{name}' of the matrix", advice)
        elif name in BUILT_INS:
            self.fail(span, f"the capture '{name}' would overwrite a built-in name", "choose another name")
        elif name in self.all_local_names:
            self._tell_overwritten(name, span)
        else:
            self.captures.setdefault(name, span)

    def _tell_overwritten(self, name: str, span: Span) -> None:
        advice = f"choose another name; {self.all_local_names[name].place} names it"
        self.fail(span, f"the capture '{name}' would overwrite a loop's variable or a fragment's parameter", advice)

    # Names that are known only inside.

    @contextmanager
    def local(self, names: Names[str, Span], counter: str) -> Iterator[None]:
        """While it is open, these names are known besides (each with its place), and a loop's counter."""
        before = self.local_names, self.counters
        self._add_local(names)
        self.counters |= {counter}
        try:
            yield
        finally:
            self.local_names, self.counters = before

    @contextmanager
    def apart(self, names: Names[str, Span], find_file: FindFile) -> Iterator[None]:
        """While it is open, of all names that are known only inside these alone are: a fragment sees its own."""
        before = self.local_names, self.counters, self.find_file
        self.local_names, self.counters, self.find_file = frozenset(), frozenset(), find_file
        self._add_local(names)
        try:
            yield
        finally:
            self.local_names, self.counters, self.find_file = before

    def _add_local(self, names: Names[str, Span]) -> None:
        for name, span in names.items():
            if name in BUILT_INS:
                self.fail(span, f"'{name}' is a built-in name", "choose another name")
            self.all_local_names.setdefault(name, span)
            if name in self.captures:
                self._tell_overwritten(name, self.captures[name])
        self.local_names |= names.keys()


def member_number(text: str, count: int) -> int | None:
    """Return the number of a connection of a session; None if the text is none of them.

    >>> member_number("3", 10), member_number("11", 10)
    (3, None)
    """
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return number if 0 < number <= count else None


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


def all_pairs(node: Node | None) -> Iterator[tuple[Scalar, Node]]:
    """Iterate over the keys and values of every mapping in a node, in the order of the file."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from all_pairs(item)
    for key, value in pairs(node):
        yield key, value
        yield from all_pairs(value)
