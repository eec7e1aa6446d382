"""Filling templates at run time: values by scope, client lines as bytes with the marks of what they hold."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.language.filters import FilterError, to_bytes
from runner.language.template import MissingValueError, Placeholder, Template, Value
from runner.player.ending import erred
from runner.redaction import Mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.matching.pattern import Slot


@dataclass(slots=True)
class Scope:
    """Names and values of a case: captures first, then what was fixed when the case started."""

    fixed: Mapping[str, Value]
    captured: dict[str, Value] = field(default_factory=dict)
    connection: dict[str, Value] = field(default_factory=dict)
    capturable: frozenset[str] = frozenset()

    def lookup(self, name: str) -> Value:
        """Return what a name stands for now.

        Raises:
            MissingValueError: nothing does.
        """
        value = self.captured.get(name) or self.fixed.get(name) or self.connection.get(name)
        if value is not None:
            return value
        if name in self.capturable:
            raise MissingValueError(f"'${{{name}}}' was not captured: the step that captures it did not run or match")
        if name in ("client.address", "client.name"):
            raise MissingValueError(f"'${{{name}}}' is known only once connected")
        raise MissingValueError(f"'${{{name}}}' has no value")

    def of_slot(self, slot: Slot) -> str:
        """Return the text that goes into a pattern's slot."""
        assert isinstance(slot.key, Placeholder)
        return self.value(slot.key).text

    def value(self, part: Placeholder) -> Value:
        """Return a placeholder's value; an error of the step where there is none."""
        try:
            return part.value(self.lookup)
        except (MissingValueError, FilterError) as error:
            raise erred(str(error)) from error

    def text(self, template: Template | None) -> Value:
        """Return a template filled; an empty value where there is no template."""
        if template is None:
            return Value("")
        try:
            return template.fill(self.lookup)
        except (MissingValueError, FilterError) as error:
            raise erred(str(error)) from error


@dataclass(frozen=True, slots=True)
class Line:
    """A client line ready to be sent: bytes without their end, marks for the transcript, secrets that it carries.

    `is_bare_secret`: nothing in it but a secret.
    """

    data: bytes
    marks: tuple[Mark, ...] = ()
    secrets: frozenset[str] = frozenset()
    is_bare_secret: bool = False


def fill_line(template: Template, scope: Scope) -> Line:
    """Fill a client line; a value that would break the line's framing is an error of the step."""
    data = b""
    marks: list[Mark] = []
    secrets: set[str] = set()
    is_bare = True
    for part in template.parts:
        if isinstance(part, str):
            is_bare = is_bare and not part.strip(" ")
            data += to_bytes(part)
            continue
        value = scope.value(part)
        _refuse_breaks(part.name, value.text)
        piece = to_bytes(value.text)
        if value.secrets:
            marks.append(Mark(len(data), len(data) + len(piece), "+".join(value.secrets)))
            secrets.update(value.secrets)
        elif value.text:
            is_bare = False
        data += piece
    return Line(data, tuple(marks), frozenset(secrets), is_bare_secret=bool(secrets) and is_bare)


def _refuse_breaks(name: str, text: str) -> None:
    for char, shown in (("\r", "CR"), ("\n", "LF"), ("\0", "NUL")):
        if char in text:
            raise erred(f"the value of '{name}' holds a {shown}, which can't be in a line")


def encode_line(template: Template, scope: Scope) -> Line:
    """Fill a response and encode it as a whole (RFC 4954 section 4); CR, LF and NUL are data here."""
    value = scope.text(template)
    names = ", ".join(dict.fromkeys(part.name for part in template.placeholders))
    is_bare = bool(value.secrets) and not "".join(one for one in template.parts if isinstance(one, str)).strip(" ")
    return encoded(to_bytes(value.text), value.secrets, names, is_bare=is_bare)


def encoded(raw: bytes, secrets: tuple[str, ...], names: str, *, is_bare: bool = False) -> Line:
    """Return the base64 of a response on one line, marked as what it was made of."""
    data = base64.b64encode(raw)
    if not data:
        return Line(b"")
    mark = Mark(0, len(data), "+".join(secrets)) if secrets else Mark(0, len(data), names, is_secret=False)
    marks = (mark,) if secrets or names else ()
    return Line(data, marks, frozenset(secrets), is_bare_secret=is_bare)


def join(head: bytes, line: Line) -> Line:
    """Return a line with literal bytes in front of it."""
    shift = len(head)
    marks = tuple(Mark(mark.start + shift, mark.end + shift, mark.name, mark.is_secret) for mark in line.marks)
    return Line(head + line.data, marks, line.secrets)


def fill_message(template: Template, scope: Scope) -> Line:
    """Fill a message for the wire: lines end with CRLF, dots are stuffed, the closing dot is there (RFC 5321 4.5.2)."""
    out = bytearray()
    marks: list[Mark] = []
    secrets: set[str] = set()
    for part in template.parts:
        if isinstance(part, str):
            lines = part.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            for number, line in enumerate(lines):
                if number:
                    out += b"\r\n"
                _append_stuffed(out, to_bytes(line))
            continue
        value = scope.value(part)
        _refuse_breaks(part.name, value.text)
        start = len(out)
        _append_stuffed(out, to_bytes(value.text))
        if value.secrets:
            marks.append(Mark(start, len(out), "+".join(value.secrets)))
            secrets.update(value.secrets)
    if out and not out.endswith(b"\r\n"):
        out += b"\r\n"
    return Line(bytes(out + b".\r\n"), tuple(marks), frozenset(secrets))


def _append_stuffed(out: bytearray, piece: bytes) -> None:
    if piece.startswith(b".") and (not out or out.endswith(b"\n")):
        out += b"."
    out += piece
