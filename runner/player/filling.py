"""Filling templates at run time: values by scope, client lines as bytes with the marks of what they hold."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.language.filters import FilterError, to_bytes
from runner.language.template import MissingValueError, Placeholder, Template, Value
from runner.player.ending import erred
from runner.redaction import Mark

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from runner.matching.pattern import Slot
    from runner.protocol import Machine


_NO_VALUES: Mapping[str, Value] = {}


@dataclass(slots=True)
class Scope:
    """Names and values of a case: captures first, then what was fixed for the session when the case started.

    `learn` is told every form of a secret that was made of it here, so that it can be masked.
    """

    fixed: Mapping[str, Value] = field(repr=False)
    capturable: Container[str]
    learn: Callable[[str, str], None]
    captured: dict[str, Value] = field(default_factory=dict, repr=False)
    connection: dict[str, Value] = field(default_factory=dict)
    #: What is known only here: a loop's variables or a fragment's parameters; counters of loops.
    local: Mapping[str, Value] = field(default_factory=lambda: _NO_VALUES, repr=False)
    counters: Mapping[str, Value] = field(default_factory=lambda: _NO_VALUES)
    #: Hides secrets in what is shown: a pattern escapes a value, and then nobody would find them.
    mask: Callable[[str], str] = str

    def learn_from(self, values: Mapping[str, Value]) -> None:
        """Learn the forms of secrets that fixed values are, of the session under way or of another one."""
        for value in values.values():
            if value.secrets:
                self.learn(value.secrets[0], value.text)

    def lookup(self, name: str) -> Value:
        """Return what a name stands for now.

        Raises:
            MissingValueError: nothing does.
        """
        value = self.captured.get(name) or self.local.get(name) or self.fixed.get(name) or self.connection.get(name)
        if value is None:
            value = self.counters.get(name)
        if value is not None:
            return value
        if name in self.capturable:
            raise MissingValueError(f"'${{{name}}}' was not captured: the step that captures it did not run or match")
        if name in ("client.address", "client.name"):
            raise MissingValueError(f"'${{{name}}}' is known only once connected")
        raise MissingValueError(f"'${{{name}}}' has no value")

    @contextmanager
    def inside(self, names: Mapping[str, Value], counter: str, number: int) -> Iterator[None]:
        """While it is open, names are known besides, and a loop's counter."""
        before = self.local, self.counters
        self.local = {**self.local, **names}
        self.counters = {**self.counters, counter: Value(str(number))}
        try:
            yield
        finally:
            self.local, self.counters = before

    @contextmanager
    def apart(self, names: Mapping[str, Value]) -> Iterator[None]:
        """While it is open, of all names that are known only inside these alone are."""
        before = self.local, self.counters
        self.local, self.counters = names, {}
        try:
            yield
        finally:
            self.local, self.counters = before

    def of_slot(self, slot: Slot) -> str:
        """Return the text that goes into a pattern's slot."""
        assert isinstance(slot.key, Placeholder)
        return self.value(slot.key).text

    def value(self, part: Placeholder) -> Value:
        """Return a placeholder's value; an error of the step where there is none."""
        try:
            value = part.value(self.lookup)
        except (MissingValueError, FilterError) as error:
            raise erred(str(error)) from error
        if value.secrets and part.filters:
            self.learn(value.secrets[0], value.text)
        return value

    def shown_slot(self, slot: Slot) -> str:
        """Return how the text of a pattern's slot may be shown."""
        assert isinstance(slot.key, Placeholder)
        return self.mask(self.shown(slot.key))

    def shown(self, part: Placeholder) -> str:
        """Return how a placeholder's value may be shown: a secret by its name, one without a value as written."""
        try:
            return part.value(self.lookup).shown
        except (MissingValueError, FilterError):
            return str(part)

    def text(self, template: Template | None) -> Value:
        """Return a template filled; an empty value where there is no template."""
        if template is None:
            return Value("")
        values = [Value(part) if isinstance(part, str) else self.value(part) for part in template.parts]
        secrets = dict.fromkeys(name for value in values for name in value.secrets)
        return Value("".join(value.text for value in values), tuple(secrets))


@dataclass(frozen=True, slots=True)
class Line:
    """What a client sends, ready to go out: bytes, marks for the transcript, the names of secrets in it.

    `is_bare_secret`: nothing in it but a secret. `replies` is the author's word for how many it earns. `is_line`: it
    begins with a client line, which the protocol may put something in front of unless there is to be no tag.
    """

    data: bytes = field(repr=False)
    marks: tuple[Mark, ...] = ()
    secrets: frozenset[str] = frozenset()
    is_bare_secret: bool = False
    replies: int | None = None
    is_line: bool = False
    has_tag: bool = True


Append = Callable[[bytearray, bytes], None]


@dataclass(slots=True)
class _Filling:
    """A template being filled: its octets so far, where values lie in them, the secrets among these."""

    scope: Scope
    data: bytearray = field(default_factory=bytearray, repr=False)
    marks: list[Mark] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def add_value(self, part: Placeholder, append: Append = bytearray.extend) -> None:
        """Append a value that goes into a line; one that would break its framing is an error of the step."""
        value = self.scope.value(part)
        for char, shown in (("\r", "CR"), ("\n", "LF"), ("\0", "NUL")):
            if char in value.text:
                raise erred(f"the value of '{part.name}' holds a {shown}, which can't be in a line")
        self.add(value, append)

    def add(self, value: Value, append: Append = bytearray.extend) -> None:
        """Append a value as it is."""
        start = len(self.data)
        append(self.data, to_bytes(value.text))
        if value.secrets:
            self.marks.append(Mark(start, len(self.data), "+".join(value.secrets)))
            self.secrets.update(value.secrets)

    def line(self, end: bytes = b"", replies: int | None = None, *, is_bare_secret: bool = False) -> Line:
        """Return what was filled."""
        return Line(bytes(self.data) + end, tuple(self.marks), frozenset(self.secrets), is_bare_secret, replies)


def fill_line(template: Template, scope: Scope, eol: bytes = b"", replies: int | None = None) -> Line:
    """Fill a client line; a value that would break the line's framing is an error of the step."""
    filling = _Filling(scope)
    for part in template.parts:
        if isinstance(part, str):
            filling.data += to_bytes(part)
        else:
            filling.add_value(part)
    is_bare = bool(filling.secrets) and not _without(filling.data, filling.marks).strip(b" ")
    marks, secrets = tuple(filling.marks), frozenset(filling.secrets)
    return Line(bytes(filling.data) + eol, marks, secrets, is_bare, replies, is_line=True)


def _without(data: bytearray, marks: list[Mark]) -> bytes:
    kept, at = b"", 0
    for mark in marks:
        kept += data[at : mark.start]
        at = mark.end
    return kept + data[at:]


def encode_line(
    machine: Machine, head: Line, template: Template, scope: Scope, *, eol: bytes, replies: int | None = None
) -> Line:
    r"""Fill a response and put it behind `head`, base64-encoded as a whole; CR, LF and NUL are data here.

    The two characters `\0` that an author writes mean NUL (RFC 4616).
    """
    parts = tuple(part.replace("\\0", "\0") if isinstance(part, str) else part for part in template.parts)
    value = scope.text(Template(parts, template.span))
    names = ", ".join(dict.fromkeys(part.name for part in template.placeholders))
    literal = "".join(part for part in template.parts if isinstance(part, str)).strip(" ")
    line = encoded(machine, head.data, to_bytes(value.text), value.secrets, names, eol=eol)
    return Line(
        line.data,
        (*head.marks, *line.marks),
        head.secrets | line.secrets,
        is_bare_secret=bool(value.secrets) and not literal and not head.data,
        replies=replies,
        is_line=True,
    )


def encoded(
    machine: Machine, head: bytes, raw: bytes, secrets: tuple[str, ...], names: str, *, eol: bytes = b"\r\n"
) -> Line:
    """Return a response in base64 as the protocol writes it, behind an AUTH line's `head` or alone.

    The base64 is marked as what it was made of.
    """
    text = base64.b64encode(raw)
    written = machine.response(text, is_initial=bool(head))
    if not raw:
        return Line(head + written + eol, is_line=True)
    marks: tuple[Mark, ...] = ()
    if secrets or names:
        start = len(head) + written.index(text)
        marks = (Mark(start, start + len(text), "+".join(secrets) or names, is_secret=bool(secrets)),)
    return Line(head + written + eol, marks, frozenset(secrets), is_line=True)


def fill_message(template: Template, scope: Scope) -> Line:
    """Fill a message for the wire: lines end with CRLF, dots are stuffed, the closing dot is there (RFC 5321 4.5.2)."""
    lines = fill_lines(template, scope, is_stuffed=True)
    data = lines.data
    end = b"\r\n.\r\n" if data and not data.endswith(b"\r\n") else b".\r\n"
    return Line(data + end, lines.marks, lines.secrets)


def fill_lines(template: Template, scope: Scope, *, is_stuffed: bool) -> Line:
    """Fill lines of a message: their ends become CRLF, and where `is_stuffed` dots are doubled."""
    filling = _Filling(scope)
    append = _append_stuffed if is_stuffed else bytearray.extend
    for part in template.parts:
        if isinstance(part, str):
            _append_lines(filling.data, part, append, is_stuffed=is_stuffed)
        else:
            filling.add_value(part, append)
    return filling.line()


def fill_octets(template: Template, scope: Scope, replies: int | None = None) -> Line:
    """Fill what goes out as it stands; CR, LF and NUL in a value are data here."""
    filling = _Filling(scope)
    for part in template.parts:
        if isinstance(part, str):
            filling.data += to_bytes(part)
        else:
            filling.add(scope.value(part))
    is_bare = bool(filling.secrets) and _has_bare_line(filling.data, filling.marks)
    return filling.line(b"", replies, is_bare_secret=is_bare)


def _has_bare_line(data: bytearray, marks: list[Mark]) -> bool:
    """Whether a line holds nothing but a secret; one that holds line ends itself makes several lines."""
    hidden = data.replace(b"\0", b"x")
    for mark in marks:
        for at in range(mark.start, mark.end):
            if hidden[at] not in b"\r\n":
                hidden[at] = 0
    lines = bytes(hidden).replace(b"\r", b"\n").split(b"\n")
    return any(b"\0" in line and not line.strip(b" \0") for line in lines)


def _append_lines(out: bytearray, text: str, append: Append, *, is_stuffed: bool) -> None:
    append(out, _wire_lines(text, is_stuffed=is_stuffed))


@lru_cache(maxsize=16)  # many cases send the same message
def _wire_lines(text: str, *, is_stuffed: bool) -> bytes:
    lines = to_bytes(text).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if is_stuffed:
        lines = lines.replace(b"\n.", b"\n..")
    return lines.replace(b"\n", b"\r\n")


def _append_stuffed(out: bytearray, piece: bytes) -> None:
    if piece.startswith(b".") and (not out or out.endswith(b"\n")):
        out += b"."
    out += piece
