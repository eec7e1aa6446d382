"""A checked file as rules look at it: its nodes, its compiled steps with the nodes they come from, and its comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import date

from runner.authoring.comments import Comment, comments_in, with_plain_line_ends
from runner.authoring.lint.pairing import Pairs
from runner.authoring.lint.rules import Finding
from runner.dataclass import dataclass
from runner.errors import SourceFile, Span
from runner.language.fragments import KEY as FRAGMENT
from runner.language.fragments import Fragment, read_fragment
from runner.language.loader import load
from runner.language.model import MAIN, Scenario, Session, Step
from runner.language.nodes import Mapping as MappingNode
from runner.language.nodes import Node, Scalar, Sequence
from runner.language.project import Project
from runner.language.reading import FindFile
from runner.language.verbs.using import check_alone
from runner.language.vocabulary import EXPECTING, STEP_LISTS, VERBS
from runner.language.walking import all_steps
from runner.protocol import PROTOCOLS, Machine

_DOING = frozenset((*VERBS, *EXPECTING))
_REPLY = re.compile(r" *S: ?")
# A message in a talk is not longer than this; where it is, the finding is shown at its first line.
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Placed:
    """A step of this file with its node; a line of a talk has none of its own."""

    step: Step
    node: MappingNode | None
    machine: type[Machine]

    def place(self, key: str) -> Span:
        """Return where a key's value is, or the step where it says nothing of it; in a talk, its reply."""
        if self.node is None and key == "expect":
            return self.reply_place()
        item = self.node.items.get(key) if self.node is not None else None
        return item[1].span if item is not None else self.step.span

    def verb_place(self) -> Span:
        """Return where it stands what the step does: its verb, with what that is given on the same line."""
        verb = next((key for key in self.node.items if key in _DOING), "") if self.node is not None else ""
        if self.node is None or not verb:
            return self.step.span
        key, value = self.node.items[verb]
        is_short = isinstance(value, Scalar) and value.style != "|" and not value.is_empty
        return value.span if is_short else key.span

    def reply_place(self) -> Span:
        """Return where the reply that a talk's line expects is written."""
        span = self.step.span
        line = span.line
        while (match := _REPLY.match(span.source.line(line))) is None:
            line += 1
            if line > span.line + _MOST_LINES:
                return span
        return Span(span.source, line, match.end() + 1, max(1, len(span.source.line(line).rstrip()) - match.end()))

    def line_place(self, offset: int, width: int) -> Span:
        """Return the place of a character of the client line that the step sends."""
        value = self.node.get("send") if self.node is not None else None
        if isinstance(value, Scalar):
            return value.span_at(offset, width)
        span = self.step.span
        return Span(span.source, span.line, span.column + offset, width)


@dataclass(slots=True, eq=False)
class Subject:
    """One checked file; a scenario, a fragment or the project file.

    `first_names` are the names of all scenarios of the run, each with its first place. `project` is what the run knows
    of targets and values.
    """

    source: SourceFile
    root: MappingNode
    today: date
    scenario: Scenario | None = None
    fragment: Fragment | None = None
    #: What a fragment was judged for: its own protocol, or the first that fits.
    fragment_protocol: str = ""
    steps: tuple[Step, ...] = ()
    project: Project | None = None
    first_names: Mapping[str, Span] = field(default_factory=dict)
    #: What following its conversation has found, once somebody has asked for it.
    followed: list[Finding] | None = None
    _nodes: dict[tuple[int, int], MappingNode] = field(default_factory=dict, init=False)
    _comments: list[Comment] | None = field(default=None, init=False)
    _placed: list[Placed] | None = field(default=None, init=False)
    _pairs: Pairs | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for key in ("steps", "cleanup"):
            for node in _step_nodes(self.root.get(key)):
                if node.items:
                    first = next(iter(node.items.values()))[0]
                    self._nodes[first.line, first.column] = node

    @property
    def is_project(self) -> bool:
        """Whether it is the project file."""
        return self.scenario is None and self.fragment is None

    @property
    def comments(self) -> list[Comment]:
        """The comments of the file."""
        if self._comments is None:
            self._comments = comments_in(with_plain_line_ends(self.source.text))
        return self._comments

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions of the scenario."""
        return self.scenario.sessions if self.scenario is not None else {}

    @property
    def cleanup(self) -> tuple[Step, ...]:
        """The steps that clean up."""
        return self.scenario.cleanup if self.scenario is not None else ()

    def machine(self, session: str) -> type[Machine]:
        """Return what a session speaks."""
        if self.scenario is None:
            return PROTOCOLS.get(self.fragment_protocol, PROTOCOLS["smtp"])
        known = self.scenario.sessions.get(session)
        return PROTOCOLS.get(known.protocol if known else self.scenario.protocol, PROTOCOLS["smtp"])

    def can_follow(self, session: str) -> bool:
        """Whether a session is one connection, of a protocol that has commands."""
        known = self.sessions.get(session)
        if known is None and session != MAIN:
            return False
        is_one = known is None or (known.protocol and not known.count)
        return bool(is_one) and self.machine(session).has_codes

    @property
    def pairs(self) -> Pairs:
        """The replies of its steps, each with the step that reads it."""
        if self._pairs is None:
            self._pairs = Pairs(self._followed_machine, starts_open=self.fragment is not None)
            self._pairs.follow(self.steps)
            self._pairs.follow(self.cleanup)  # on fresh connections
        return self._pairs

    def _followed_machine(self, session: str) -> type[Machine] | None:
        return self.machine(session) if self.can_follow(session) else None

    def placed(self, step: Step) -> Placed:
        """Return a step with its node."""
        return Placed(step, self._nodes.get((step.span.line, step.span.column)), self.machine(step.session))

    def all_steps(self) -> list[Placed]:
        """Return the steps that are written in this file, those inside of others too."""
        if self._placed is None:
            steps = all_steps((*self.steps, *self.cleanup))
            self._placed = [self.placed(step) for step in steps if step.span.source.name == self.source.name]
        return self._placed

    def scalars(self) -> Iterator[Scalar]:
        """Yield every text of the file, keys too."""
        yield from _scalars(self.root)


def subject_of(
    source: SourceFile,
    find_file: FindFile,
    scenario: Scenario | None,
    *,
    today: date,
    project: Project | None = None,
    first_names: Mapping[str, Span] | None = None,
) -> Subject:
    """Return a file that was found right, ready to be looked at."""
    root = load(source, [])
    assert root is not None
    fragment, protocol, steps = None, "", scenario.steps if scenario is not None else ()
    if FRAGMENT in root.items:
        fragment = read_fragment(source, root, [])
        protocol, steps = check_alone(fragment, find_file, [])
    return Subject(source, root, today, scenario, fragment, protocol, steps, project, first_names or {})


def _step_nodes(node: Node | None) -> Iterator[MappingNode]:
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, MappingNode):
            yield item
            for key in STEP_LISTS:
                yield from _step_nodes(item.get(key))


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item)
    else:
        for key, value in node.items.values():
            yield key
            yield from _scalars(value)
