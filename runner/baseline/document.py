"""A baseline's file: YAML that a person can read and `diff` can tell apart, one fact a line.

Writing is exact, so that facts that are the same give the same lines. What is read is somebody's own file, but may be
of any origin: it is bounded, every text in it is escaped again, and each fault is told with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

import yaml

from runner.baseline.facts import CaseFacts, StepFacts, Value
from runner.baseline.masks import Mask, compile_mask
from runner.dataclass import dataclass
from runner.errors import InputError, Problem, SourceFile, Span, escape
from runner.results import Outcome

VERSION = "1"
#: A file of 2,000 cases with a dozen steps each has about 10 MiB.
MAX_FILE_BYTES = 64 * 1024 * 1024
# More than this is one mistake repeated.
MOST_PROBLEMS = 50
MAX_DEPTH = 8
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_HEADER = """\
# A baseline of mailproof: what servers have said, to see what a change changes.
# 'mailproof run --baseline' compares with it, 'mailproof baseline approve' takes changes over.
# What varies by itself is masked: ⟨date⟩ and the like by rules of the house ('mailproof baseline show' lists them),
# ⟨varies⟩ is what differed when it was saved. More masks may be written here:
#   masks:
#     ticket: /ref-[0-9]+/
"""
# A key that no reader of YAML takes for anything but a text.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?: [A-Za-z0-9]+)*")
_KEYS = ("baseline", "made_by", "made_at", "runs", "targets", "paths", "masks", "cases")
_CASE_KEYS = ("scenario", "row", "target", "number", "outcome", "reason", "steps")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a file holds. `targets` are names to URLs, `paths` the scenarios' as they were given.

    `made_at` is ISO 8601, `runs` how many runs it was learnt from.
    """

    cases: tuple[CaseFacts, ...]
    targets: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    masks: tuple[Mask, ...] = ()
    made_by: str = ""
    made_at: str = ""
    runs: int = 1


# Writing.


def write_baseline(baseline: Baseline) -> str:
    """Return the file's text; cases in the order of their names, steps in theirs."""
    return _HEADER + "\n".join(_document(baseline)) + "\n"


def _document(baseline: Baseline) -> Iterator[str]:
    yield f"baseline: {VERSION}"
    yield f"made_by: {_quoted(baseline.made_by)}"
    yield f"made_at: {_quoted(baseline.made_at)}"
    yield f"runs: {baseline.runs}"
    yield from _mapping("targets", baseline.targets)
    yield from _lines("", "paths", baseline.paths)
    yield from _mapping("masks", {mask.name: mask.written for mask in baseline.masks})
    yield "cases:" if baseline.cases else "cases: []"
    for case in sorted(baseline.cases, key=lambda one: one.key):
        yield from _case(case)


def _mapping(key: str, pairs: Mapping[str, str]) -> Iterator[str]:
    yield f"{key}:" if pairs else f"{key}: {{}}"
    for name in sorted(pairs):
        yield f"  {_quoted(name)}: {_quoted(pairs[name])}"


def _case(case: CaseFacts) -> Iterator[str]:
    yield f"  - scenario: {_quoted(case.scenario)}"
    if case.row:
        yield f"    row: {_quoted(case.row)}"
    yield f"    target: {_quoted(case.target)}"
    if case.number > 1:
        yield f"    number: {case.number}"
    yield f"    outcome: {_quoted(case.outcome)}"
    if case.reason:
        yield f"    reason: {_quoted(case.reason)}"
    yield "    steps:" if case.steps else "    steps: []"
    for step in case.steps:
        yield f"      - sent: {_quoted(step.sent)}"
        for name, value in step.parts.items():
            yield from _part(name, value)


def _part(name: str, value: Value) -> Iterator[str]:
    key = name if _PLAIN.fullmatch(name) else _quoted(name)
    if isinstance(value, str):
        yield f"        {key}: {_quoted(value)}"
    else:
        yield from _lines("        ", key, value)


def _lines(indent: str, key: str, lines: Iterable[str]) -> Iterator[str]:
    found = [f"{indent}  - {_quoted(line)}" for line in lines]
    yield f"{indent}{key}:" if found else f"{indent}{key}: []"
    yield from found


def _quoted(text: str) -> str:
    return "'" + escape(text).replace("'", "''") + "'"


# Reading.


def read_baseline(source: SourceFile) -> Baseline:
    """Read a file's text.

    Raises:
        InputError: it is no baseline, or of a newer version; with all problems.
    """
    return _Reader(source).read()


class _Reader:
    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._problems: list[Problem] = []

    def read(self) -> Baseline:
        root = self._root()
        version = self._text(root.get("baseline"))
        if version != VERSION:
            self._refuse_version(root.get("baseline"), version)
        self._only(root, _KEYS)
        baseline = Baseline(
            cases=tuple(self._case(node) for node in self._items(root.get("cases"))),
            targets=self._texts(root.get("targets")),
            paths=tuple(map(self._text, self._items(root.get("paths")))),
            masks=tuple(self._masks(root.get("masks"))),
            made_by=self._text(root.get("made_by")),
            made_at=self._text(root.get("made_at")),
            runs=self._number(root.get("runs")),
        )
        self._check_doubles(baseline.cases, root.get("cases"))
        if self._problems:
            raise InputError(self._problems)
        return baseline

    def _root(self) -> dict[str, yaml.Node]:
        try:
            node = self._composed()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            told = getattr(error, "problem", None) or "what is written here is no YAML"
            raise InputError([self._problem(mark, f"no YAML: {told}")]) from error
        if not isinstance(node, yaml.MappingNode):
            raise InputError([self._problem(None, "no baseline", "'mailproof baseline save' writes one")])
        return self._pairs(node)

    def _composed(self) -> yaml.Node | None:
        """Return the nodes of the file, every scalar a text; made from events, so that nothing can grow or go deep."""
        open_nodes: list[yaml.CollectionNode] = []
        root: yaml.Node | None = None
        for event in yaml.parse(self._source.text, Loader=_LOADER):
            node: yaml.Node
            if isinstance(event, yaml.ScalarEvent):
                node = yaml.ScalarNode("", event.value, event.start_mark)  # type: ignore[arg-type]
            elif isinstance(event, yaml.SequenceStartEvent):
                node = yaml.SequenceNode("", [], event.start_mark)  # type: ignore[arg-type]
            elif isinstance(event, yaml.MappingStartEvent):
                node = yaml.MappingNode("", [], event.start_mark)  # type: ignore[arg-type]
            elif isinstance(event, yaml.CollectionEndEvent):
                open_nodes.pop()
                continue
            elif isinstance(event, yaml.AliasEvent):
                raise InputError([self._problem(event.start_mark, "aliases are not taken here")])
            else:
                continue
            root = root or node
            if open_nodes:
                open_nodes[-1].value.append(node)
            if isinstance(node, yaml.CollectionNode):
                open_nodes.append(node)
                if len(open_nodes) > MAX_DEPTH:
                    raise InputError([self._problem(event.start_mark, "deeper than a baseline is")])
        return root

    def _refuse_version(self, node: yaml.Node | None, version: str) -> None:
        if node is None:
            raise InputError([self._problem(None, "no baseline", "'mailproof baseline save' writes one")])
        advice = "a newer mailproof has written it" if version.isdigit() else f"write baseline: {VERSION}"
        raise InputError([self._problem(node.start_mark, f"a baseline of version '{version}'", advice)])

    def _case(self, node: yaml.Node) -> CaseFacts:
        case = self._pairs(node)
        self._only(case, _CASE_KEYS)
        for key in ("scenario", "target"):
            if key not in case:
                self._tell(node, f"a case without '{key}'")
        return CaseFacts(
            scenario=self._text(case.get("scenario")),
            row=self._text(case.get("row")),
            target=self._text(case.get("target")),
            outcome=self._text(case.get("outcome")) or Outcome.PASSED.value,
            reason=self._text(case.get("reason")),
            steps=tuple(self._step(one) for one in self._items(case.get("steps"))),
            number=self._number(case.get("number")),
        )

    def _step(self, node: yaml.Node) -> StepFacts:
        step = self._pairs(node)
        sent = step.pop("sent", None)
        if sent is None:
            self._tell(node, "a step without 'sent'")
        return StepFacts(self._text(sent), {escape(name): self._value(value) for name, value in step.items()})

    def _value(self, node: yaml.Node) -> Value:
        if isinstance(node, yaml.SequenceNode):
            return tuple(map(self._text, self._items(node)))
        return self._text(node)

    def _masks(self, node: yaml.Node | None) -> Iterator[Mask]:
        for name, written in (self._pairs(node) if node is not None else {}).items():
            try:
                yield compile_mask(name, self._text(written))
            except ValueError as error:
                message, _, advice = str(error).partition("; ")
                self._tell(written, message, advice)

    def _check_doubles(self, cases: Iterable[CaseFacts], node: yaml.Node | None) -> None:
        seen = set()
        for case, at in zip(cases, self._items(node), strict=True):
            if case.key in seen:
                self._tell(at, f"the case '{case.scenario}' stands here twice", "remove one, or give it a 'number'")
            seen.add(case.key)

    # Nodes.

    def _pairs(self, node: yaml.Node) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._tell(node, "a mapping is due here")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in zip(node.value[::2], node.value[1::2], strict=True):
            name = self._text(key)
            if name in found:
                self._tell(key, f"the key '{name}' is here twice")
            found[name] = value
        return found

    def _items(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._tell(node, "a list is due here")
            return []
        items: list[yaml.Node] = node.value
        return items

    def _text(self, node: yaml.Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._tell(node, "a text is due here")
            return ""
        return escape(str(node.value))

    def _texts(self, node: yaml.Node | None) -> dict[str, str]:
        return {name: self._text(value) for name, value in (self._pairs(node) if node is not None else {}).items()}

    def _number(self, node: yaml.Node | None) -> int:
        text = self._text(node)
        if not text:
            return 1
        if not (text.isascii() and text.isdigit() and len(text) < 7):
            self._tell(node, f"'{text}' is no number")
            return 1
        return int(text)

    def _only(self, pairs: Mapping[str, yaml.Node], known: Iterable[str]) -> None:
        for name, node in pairs.items():
            if name not in known:
                self._tell(node, f"unknown key '{name}'", f"the keys are {', '.join(known)}")

    def _tell(self, node: yaml.Node | None, message: str, advice: str = "") -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(self._problem(node.start_mark if node is not None else None, message, advice))

    def _problem(self, mark: Any, message: str, advice: str = "") -> Problem:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        return Problem(Span(self._source, line, column), message, advice)
