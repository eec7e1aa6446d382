"""YAML text to positioned nodes: every scalar is the text as written, every node knows its place.

Nothing is resolved here (`0250`, `no` and `22:22` stay texts; the key that wants a number reads it) and
nothing knows keys or verbs. The nodes are built from parser events, so that aliases, tags, duplicates,
depth and counts are judged before anything can grow. `read_file` is the only I/O of the package.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from runner.errors import InputError, Problem, SourceFile, Span
from runner.language import slips
from runner.language.nodes import Mapping, Node, Scalar, Sequence, Style, kind, plain

if TYPE_CHECKING:
    from pathlib import Path

# A scenario is a page or two; what is larger than this is some other file.
MAX_FILE_BYTES = 1024 * 1024
# Deeper than any scenario needs, and far below what recursion bears.
MAX_DEPTH = 64
MAX_NODES = 100_000
# Aliases spare a few repetitions; each use of one can multiply what is below it (the "billion laughs").
MAX_ALIASES = 16
# What all aliases together may stand for, in nodes and in characters.
MAX_EXPANDED_NODES = MAX_NODES
MAX_EXPANDED_CHARACTERS = 4 * MAX_FILE_BYTES
# More than this in one file is one mistake repeated, or not a scenario at all.
MAX_PROBLEMS = 50
# A line with a known slip is mended in memory, so that one run also shows what is wrong below it.
MAX_REPAIRS = 10
MAX_REPAIRED_CHARACTERS = 64 * 1024

ADVICE = "a scenario begins with 'name: …' and 'steps:'"

# C0 and C1 but tab and line ends; the separators that YAML takes for line ends and editors don't; no characters.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def read_file(path: Path, name: str) -> SourceFile:
    """Read a UTF-8 text file of at most 1 MiB; `name` is what messages call it.

    Raises:
        InputError: it is missing, unreadable, no regular file, too large or not UTF-8.
    """
    try:
        data = read_octets(path, MAX_FILE_BYTES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError([_at_top(name, f"cannot be read: {reason}")]) from error
    except ValueError as error:
        raise InputError([_at_top(name, f"cannot be read: {error}")]) from error
    return source_of(data, name)


def source_of(data: bytes, name: str) -> SourceFile:
    """Return what a file holds as a text; `name` is what messages call it.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return SourceFile(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError([_not_utf8(name, data, error.start)]) from error


def read_octets(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        OSError: it can't be read.
        ValueError: it is no regular file, or larger.
    """
    # Non-blocking, so that a FIFO that nobody writes to can't hold the run; fstat looks at what was opened.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise ValueError(f"it is larger than {limit // 1024} KiB, the limit for a file of this kind")
    return data


def _at_top(name: str, message: str) -> Problem:
    return Problem(Span(SourceFile(name, ""), 1, 1), message)


def _not_utf8(name: str, data: bytes, offset: int) -> Problem:
    source = SourceFile(name, data.decode("utf-8", "backslashreplace"))
    line = data.count(b"\n", 0, offset) + 1
    before = data[data.rfind(b"\n", 0, offset) + 1 : offset].decode("utf-8", "backslashreplace")
    span = Span(source, line, len(before) + 1, len(r"\xff"))
    return Problem(span, f"not UTF-8: byte 0x{data[offset]:02x}", "save the file as UTF-8")


def load(source: SourceFile, problems: list[Problem], advice: str = ADVICE) -> Mapping | None:
    """Build the nodes of a file; append to `problems` everything that is wrong with it as YAML.

    `advice` says what a file of this kind holds, for one that is empty or no mapping.

    Returns:
        The nodes, also of a file with problems if the rest can still be judged; None if it can't.
    """
    found = _control_characters(source) if _CONTROL.search(source.text) else []
    text = _CONTROL.sub("?", source.text) if found else source.text
    root: Mapping | None = None
    mended: set[int] = set()
    while True:
        builder = _Builder(source, text, advice)
        try:
            root = builder.document()
        except yaml.MarkedYAMLError as error:
            slip = slips.explain(source, text, error)
            line = slip.problem.span.line
            if line not in mended:
                found.append(slip.problem)
                if slip.mended and len(mended) < MAX_REPAIRS and len(text) <= MAX_REPAIRED_CHARACTERS:
                    mended.add(line)
                    text = _with_line(text, line, slip.mended)
                    continue
        except _StopError:
            pass
        break
    found += builder.problems
    found.sort(key=lambda problem: (problem.span.line, problem.span.column))
    problems += found
    return root


def _control_characters(source: SourceFile) -> list[Problem]:
    found: list[Problem] = []
    for match in _CONTROL.finditer(source.text):
        before = source.text[: match.start()].replace("\r\n", "\n").replace("\r", "\n")
        span = Span(source, before.count("\n") + 1, match.start() - _line_start(source.text, match.start()) + 1)
        advice = f'in double quotes it can be written as "{_escape(match[0])}"'
        found.append(Problem(span, f"a control character, {_escape(match[0])}", advice))
        if len(found) == MAX_REPAIRS:
            break
    return found


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _escape(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def _with_line(text: str, number: int, line: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


class _StopError(Exception):
    """Nothing more can be made of this file; the reason is among the problems."""


class _Builder:
    """One pass over the parser's events.

    A value that is wrong in itself still becomes a node, so that one mistake gives one message.
    """

    def __init__(self, source: SourceFile, text: str, advice: str) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._advice = advice
        # The C parser is seven times as fast; a Python built without libyaml has the other.
        parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self._next = parser.get_event
        self._nodes = 0
        self._aliases = 0
        self._expanded = [0, 0]
        self._anchors: dict[str, Node] = {}
        self._open_anchors: dict[str, yaml.Event] = {}
        self._comments = slips.glued_comments(text)

    def document(self) -> Mapping | None:
        """Build the one document of the file."""
        self._next()
        event = self._next()
        if isinstance(event, StreamEndEvent):
            self._report(Span(self._source, 1, 1), "the file is empty", self._advice)
            return None
        root = self._node(self._next(), 1)
        self._next()
        event = self._next()
        if not isinstance(event, StreamEndEvent):
            self._report(self._span(event, 3), "a second document", "a file holds one; take the rest out")
        for name, event in self._open_anchors.items():
            span = self._span(event, len(name) + 1)
            advice = slips.quoted_value(self._source, span) or slips.WANTS_QUOTES["&"]
            self._report(span, f"no alias uses the anchor '&{name}'", advice)
        return self._as_root(root)

    def _as_root(self, root: Node) -> Mapping | None:
        if isinstance(root, Mapping):
            return root
        if isinstance(root, Scalar) and root.is_empty:
            self._report(Span(self._source, 1, 1), "the file is empty", self._advice)
        else:
            self._report(root.span, f"{kind(root)} where a mapping is due", self._advice)
        return None

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            what = f"deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_NODES:,} values"
            self._stop(self._span(event), what)
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event)
        else:
            if event.tag or event.anchor:
                self._open(event)
            is_mapping = isinstance(event, MappingStartEvent)
            node = self._mapping(event, depth) if is_mapping else self._sequence(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: Any) -> Scalar:
        start, end = event.start_mark, event.end_mark
        style: Style = event.style or ""
        width = max(1, end.column - start.column) if start.line == end.line else 0
        node = Scalar(self._source, start.line + 1, start.column + 1, width, event.value, style)
        if event.tag or event.anchor:
            written = self._open(event)
            # `send: &text` was meant as a text: it is one, so that it is not told again as missing.
            node.text = written if node.is_empty else node.text
        if self._comments and not style and end.line + 1 in self._comments:
            self._glued_comment(node, end)
        return node

    def _open(self, event: Any) -> str:
        """Refuse a tag; remember an anchor until an alias uses it. Return what is written there."""
        if event.anchor:
            self._open_anchors[event.anchor] = event
        line = self._source.line(event.start_mark.line + 1)
        written = line[event.start_mark.column :].split(" ", 1)[0]
        if event.tag:
            span = self._span(event, len(written))
            advice = slips.quoted_value(self._source, span) or slips.WANTS_QUOTES["!"]
            self._report(span, f"a tag, '{written}'", advice)
        return written

    def _sequence(self, event: Any, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(item := self._next(), SequenceEndEvent):
            items.append(self._node(item, depth + 1))
        return Sequence(*self._place(event, item), items)

    def _mapping(self, event: Any, depth: int) -> Mapping | Scalar:
        items: dict[str, tuple[Scalar, Node]] = {}
        placeholder = ""
        while not isinstance(item := self._next(), MappingEndEvent):
            if not isinstance(item, ScalarEvent):
                placeholder = self._odd_key(event, item, depth) or placeholder
                continue
            self._nodes += 1
            key = self._scalar(item)
            if item.anchor:
                self._anchors[item.anchor] = key
            value = self._node(self._next(), depth + 1)
            if key.text in items or key.text == "<<" or not key.text:
                self._refuse_key(key, items)
            else:
                items[key.text] = (key, value)
        place = self._place(event, item)
        if placeholder:
            return Scalar(*place, text=placeholder)
        return Mapping(*place, items)

    def _refuse_key(self, key: Scalar, items: dict[str, tuple[Scalar, Node]]) -> None:
        if key.text in items:
            first = items[key.text][0].line
            self._report(key.span, f"key '{key.text}' stands here twice", f"it is first on line {first}")
        elif key.text:
            self._report(key.span, "merge keys ('<<') are not allowed", "write the keys out, or alias a single value")
        else:
            self._report(key.span, "an empty key", "a text that begins with ':' wants quotes")

    def _odd_key(self, outer: Any, key: Any, depth: int) -> str:
        """Report a key that isn't a text and step over it; return the placeholder that was meant, if one was."""
        line = self._source.line(outer.start_mark.line + 1)
        match = slips.BRACES.match(line, outer.start_mark.column)
        if match:
            span = self._span(outer, len(match[0]))
            self._report(span, f"'{match[0]}' is no placeholder", f"write ${{{match[1]}}}")
        else:
            self._report(self._span(key), "a key must be a text", "a text with '[' or '{' at its start wants quotes")
        self._node(key, depth + 1)
        self._node(self._next(), depth + 1)
        return f"${{{match[1]}}}" if match else ""

    def _alias(self, event: Any, depth: int) -> Node:
        name = event.anchor
        span = self._span(event, len(name) + 1)
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._stop(span, f"more than {MAX_ALIASES} aliases")
        target = self._anchors.get(name)
        if target is None:
            message, advice = f"no anchor '&{name}' above this alias", slips.quoted_value(self._source, span)
            if name in self._open_anchors:
                message, advice = f"alias '*{name}' inside what it stands for", "write it out"
            self._open_anchors.pop(name, None)
            self._report(span, message, advice or slips.WANTS_QUOTES["*"])
            return Scalar.at(span, f"*{name}", "")
        self._open_anchors.pop(name, None)
        self._expand(target, depth, span)
        if self._expanded[0] > MAX_EXPANDED_NODES or self._expanded[1] > MAX_EXPANDED_CHARACTERS:
            self._stop(span, "the aliases stand for too much text", "write it out, or in fewer places")
        return target

    def _expand(self, node: Node, depth: int, span: Span) -> None:
        if depth > MAX_DEPTH:
            self._stop(span, f"the alias leads deeper than {MAX_DEPTH} levels")
        self._expanded[0] += 1
        if isinstance(node, Scalar):
            self._expanded[1] += len(node.text)
        elif isinstance(node, Sequence):
            for item in node.items:
                self._expand(item, depth + 1, span)
        else:
            for key, (_, value) in node.items.items():
                self._expanded[1] += len(key)
                self._expand(value, depth + 1, span)

    def _glued_comment(self, node: Scalar, end: Any) -> None:
        column = self._comments[end.line + 1]
        line = self._source.line(end.line + 1)
        if not line[end.column : column - 1].isspace():
            return
        span = Span(self._source, end.line + 1, column, len(line.rstrip()) - column + 1)
        self._report(span, slips.GLUED_COMMENT, slips.glued_comment_advice(node.text, line, column))
        node.text = node.text or line[column - 1 :].rstrip()

    def _place(self, start: Any, end: Any) -> tuple[SourceFile, int, int, int]:
        first, last = start.start_mark, end.end_mark
        width = last.column - first.column if start.flow_style and first.line == last.line else 1
        return self._source, first.line + 1, first.column + 1, width

    def _span(self, event: Any, width: int = 1) -> Span:
        mark = event.start_mark
        return Span(self._source, mark.line + 1, mark.column + 1, max(1, width))

    def _report(self, span: Span, message: str, advice: str = "") -> None:
        self.problems.append(Problem(span, message, advice))
        if len(self.problems) == MAX_PROBLEMS:
            self._stop(span, f"more than {MAX_PROBLEMS} problems; the rest of the file was not read")

    def _stop(self, span: Span, message: str, advice: str = "") -> NoReturn:
        self.problems.append(Problem(span, message, advice))
        raise _StopError


__all__ = ["Mapping", "Node", "Scalar", "Sequence", "kind", "load", "plain", "read_file", "read_octets"]
