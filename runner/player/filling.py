"""Filling templates at run time: values by scope, client lines as bytes with the marks of what they hold."""

from __future__ import annotations

import base64
from collections.abc import Callable
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
    """Names and values of a case: captures first, then what was fixed when the case started.

    `learn` is told every form of a secret that was made of it here, so that it can be masked.
    """

    fixed: Mapping[str, Value] = field(repr=False)
    capturable: frozenset[str]
    learn: Callable[[str, str], None]
    captured: dict[str, Value] = field(default_factory=dict, repr=False)
    connection: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in self.fixed.values():
            if value.secrets:
                self.learn(value.secrets[0], value.text)

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
            value = part.value(self.lookup)
        except (MissingValueError, FilterError) as error:
            raise erred(str(error)) from error
        if value.secrets and part.filters:
            self.learn(value.secrets[0], value.text)
        return value

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

    `is_bare_secret`: nothing in it but a secret. `replies` is the author's word for how many it earns.
    """

    data: bytes
    marks: tuple[Mark, ...] = ()
    secrets: frozenset[str] = frozenset()
    is_bare_secret: bool = False
    replies: int | None = None


def fill_line(template: Template, scope: Scope, eol: bytes = b"", replies: int | None = None) -> Line:
    """Fill a client line; a value that would break the line's framing is an error of the step."""
    data = bytearray()
    marks: list[Mark] = []
    secrets: set[str] = set()
    for part in template.parts:
        if isinstance(part, str):
            data += to_bytes(part)
        else:
            _append_value(data, part, scope, marks, secrets)
    is_bare = bool(secrets) and not _without(data, marks).strip(b" ")
    return Line(bytes(data) + eol, tuple(marks), frozenset(secrets), is_bare, replies)


def _append_value(
    out: bytearray, part: Placeholder, scope: Scope, marks: list[Mark], secrets: set[str], *, is_stuffed: bool = False
) -> None:
    value = scope.value(part)
    for char, shown in (("\r", "CR"), ("\n", "LF"), ("\0", "NUL")):
        if char in value.text:
            raise erred(f"the value of '{part.name}' holds a {shown}, which can't be in a line")
    start = len(out)
    (_append_stuffed if is_stuffed else bytearray.extend)(out, to_bytes(value.text))
    if value.secrets:
        marks.append(Mark(start, len(out), "+".join(value.secrets)))
        secrets.update(value.secrets)


def _without(data: bytearray, marks: list[Mark]) -> bytes:
    kept, at = b"", 0
    for mark in marks:
        kept += data[at : mark.start]
        at = mark.end
    return kept + data[at:]


def encode_line(head: Line, template: Template, scope: Scope, eol: bytes, replies: int | None = None) -> Line:
    """Fill a response and put it behind `head`, base64-encoded as a whole; CR, LF and NUL are data here."""
    value = scope.text(template)
    names = ", ".join(dict.fromkeys(part.name for part in template.placeholders))
    literal = "".join(part for part in template.parts if isinstance(part, str)).strip(" ")
    line = encoded(head.data, to_bytes(value.text), value.secrets, names, eol)
    return Line(
        line.data,
        (*head.marks, *line.marks),
        head.secrets | line.secrets,
        is_bare_secret=bool(value.secrets) and not literal and not head.data,
        replies=replies,
    )


def encoded(head: bytes, raw: bytes, secrets: tuple[str, ...], names: str, eol: bytes) -> Line:
    """Return a response in base64 on one line, marked as what it was made of (RFC 4954 section 4).

    Behind an AUTH line's `head` an empty one is `=`.
    """
    if not raw:
        return Line(head + (b"=" if head else b"") + eol)
    data = head + base64.b64encode(raw)
    marks: tuple[Mark, ...] = ()
    if secrets or names:
        marks = (Mark(len(head), len(data), "+".join(secrets) or names, is_secret=bool(secrets)),)
    return Line(data + eol, marks, frozenset(secrets))


def fill_message(template: Template, scope: Scope) -> Line:
    """Fill a message for the wire: lines end with CRLF, dots are stuffed, the closing dot is there (RFC 5321 4.5.2)."""
    out = bytearray()
    marks: list[Mark] = []
    secrets: set[str] = set()
    for part in template.parts:
        if isinstance(part, str):
            _append_lines(out, part)
        else:
            _append_value(out, part, scope, marks, secrets, is_stuffed=True)
    if out and not out.endswith(b"\r\n"):
        out += b"\r\n"
    return Line(bytes(out + b".\r\n"), tuple(marks), frozenset(secrets))


def _append_lines(out: bytearray, text: str) -> None:
    first, *rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    _append_stuffed(out, to_bytes(first))
    for line in rest:
        out += b"\r\n"
        _append_stuffed(out, to_bytes(line))


def _append_stuffed(out: bytearray, piece: bytes) -> None:
    if piece.startswith(b".") and (not out or out.endswith(b"\n")):
        out += b"."
    out += piece
