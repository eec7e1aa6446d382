"""Verbs that send octets: `data`, `bdat`, `bytes`, and where these come from.

`KINDS` is the one registry of what can stand in place of a text; a kind is an entry here and one in the schema.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from runner.errors import InputError, SourceFile, Span
from runner.language.auth_state import AuthState
from runner.language.body import (
    FILE_LIMIT,
    LEAST_SIZE,
    SAMPLES,
    SIZE_LIMIT,
    Body,
    Generated,
    Octets,
    Sample,
    check_escapes,
    unescape,
)
from runner.language.expecting import compile_expectation, refuse_unasked
from runner.language.loader import Mapping, Node, Scalar, read_file, read_octets
from runner.language.model import Bdat, Bytes, Data, SentLiteral, Step
from runner.language.reading import Reading
from runner.language.template import Placeholder, Template, parse_text
from runner.language.verbs.compiler import StepCompiler


def data(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `data`, the message alone."""
    reading, value = compiler.reading, node.get("data")
    body = _message(reading, value)
    common, expectation = compiler.common(node, _label("data", value)), compile_expectation(reading, node)
    if node.items.keys().isdisjoint(("dot_stuffing", "end", "rate")):
        return Data(**common, body=body, expect=expectation) if body is not None else None
    is_stuffed = reading.boolean(node.get("dot_stuffing")) is not False
    end, rate = _escaped(reading, node.get("end")), reading.rate(node.get("rate")) or 0
    if body is None:
        return None
    return Data(**common, body=body, expect=expectation, is_stuffed=is_stuffed, end=end, rate=rate)


def bdat(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `bdat`, one chunk of a message."""
    reading, value = compiler.reading, node.get("bdat")
    body, is_last = _message(reading, value), reading.boolean(node.get("last")) is True
    common = compiler.common(node, _label("bdat", value) + (" last" if is_last else ""))
    expectation = compile_expectation(reading, node)
    return Bdat(**common, body=body, is_last=is_last, expect=expectation) if body is not None else None


def octets(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `bytes`, exactly these."""
    reading, value = compiler.reading, node.get("bytes")
    body: Body | None
    if isinstance(value, Mapping):
        body = _of_kind(reading, value)
    else:
        template = _escaped(reading, value)
        body = Body(template) if template is not None else None
    label = f"bytes {value.text}" if isinstance(value, Scalar) else _label("bytes", value)
    common, expectation = compiler.common(node, label), compile_expectation(reading, node)
    refuse_unasked(reading, node, expectation)
    pause, replies = reading.duration(node.get("pause")) or 0.0, reading.count(node.get("replies"))
    if compiler.in_pipeline and "pause" in node.items:
        reading.fail(node.items["pause"][0].span, "'pause' in a pipeline, which leaves in one write", "leave it out")
    if compiler.auth is not AuthState.CLOSED or "AUTH" in reading.text(value).upper():
        compiler.auth = AuthState.UNKNOWN  # how the server reads what was sent is not for this file to say
    if body is None:
        return None
    return compiler.after(Bytes(**common, body=body, pause=pause, replies=replies, expect=expectation))


def literal(compiler: StepCompiler, node: Mapping) -> SentLiteral | None:
    """Compile `literal`, the octets that end a client line."""
    reading, value = compiler.reading, node.get("literal")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        body = _message(reading, value)
    elif "text" in value.items:
        body = _message(reading, value.get("text"))
        if other := next((key for key in value.items if key in KINDS), ""):
            reading.fail(value.items[other][0].span, f"'text' and '{other}' in one {{ }}", "it comes from one of them")
    else:
        body = _of_kind(reading, value)
    is_sync = reading.machine.has_tags
    if isinstance(value, Mapping) and "sync" in value.items:
        is_sync = reading.boolean(value.get("sync")) is not False
        if not reading.machine.has_tags:
            advice = "leave it out: the octets leave at once"
            reading.fail(value.items["sync"][0].span, "'sync' is for IMAP; here nothing is waited for", advice)
    if compiler.in_pipeline and is_sync:
        advice = "with a server that offers LITERAL+: {text: …, sync: false}"
        reading.fail(node.items["literal"][0].span, "in a pipeline no go-ahead can be waited for", advice)
    return SentLiteral(body, is_sync) if body is not None else None


def _label(verb: str, value: Node | None) -> str:
    """Return how reports call a step: a text is not shown, where it comes from is."""
    found = value.items if isinstance(value, Mapping) else {}
    shown = (f"{kind} {item.text}" for kind, (_, item) in found.items() if kind in KINDS and isinstance(item, Scalar))
    return " ".join((verb, *shown))


def _message(reading: Reading, node: Node | None) -> Body | None:
    if isinstance(node, Mapping):
        return _of_kind(reading, node)
    template = reading.template(node, is_message=True)
    return Body(template) if template is not None else None


def _escaped(reading: Reading, node: Node | None) -> Template | None:
    """Parse a text with the escapes of `bytes`."""
    if not isinstance(node, Scalar) or node.is_empty:
        return None
    before = len(reading.problems)
    check_escapes(node, lambda at, width, message, advice: reading.fail(node.span_at(at, width), message, advice))
    template = reading.template(node)
    return unescape(template) if template is not None and len(reading.problems) == before else None


# Kinds.


def _of_kind(reading: Reading, node: Mapping) -> Body | None:
    kinds = [key for key in node.items if key in KINDS]
    if len(kinds) > 1:
        advice = f"it comes from one of {', '.join(kinds)}"
        reading.fail(node.items[kinds[1]][0].span, f"'{kinds[0]}' and '{kinds[1]}' in one {{ }}", advice)
        return None
    if "fill" in node.items and kinds != ["file"]:
        reading.fail(node.items["fill"][0].span, "'fill' fills placeholders in a file", "add file: …")
        return None
    value = node.get(kinds[0]) if kinds else None
    if not isinstance(value, Scalar) or value.is_empty:
        return None
    return KINDS[kinds[0]](reading, node, value)


def _file(reading: Reading, node: Mapping, value: Scalar) -> Body | None:
    """Read a file now, so that nothing of it can be wrong once a conversation runs."""
    path = reading.path(value)
    if path is None:
        return None
    if reading.boolean(node.get("fill")):
        return _filled(reading, value, Path(path))
    try:
        return Octets(data=read_octets(Path(path), FILE_LIMIT))
    except OSError as error:
        reading.fail(value.span, f"'{value.text}' can't be read: {(error.strerror or str(error)).lower()}")
    except ValueError as error:
        reading.fail(value.span, f"'{value.text}' can't be sent: {error}", "a large message: {size: 100MB}")
    return None


def _filled(reading: Reading, value: Scalar, path: Path) -> Body | None:
    """Parse a file as a message's template; what is wrong in it is located there."""
    name = posixpath.normpath(posixpath.join(posixpath.dirname(value.source.name), value.text))
    try:
        source = read_file(path, name)
    except InputError as error:
        reading.problems += error.problems
        return None
    text = source.text.replace("\r\n", "\n").replace("\r", "\n")
    span_at = _places(source, text)
    before = len(reading.problems)
    template = parse_text(text, span_at, span_at(0, 1), reading.problems, is_message=True)
    return Body(reading.noted(template)) if len(reading.problems) == before else None


def _places(source: SourceFile, text: str) -> Callable[[int, int], Span]:
    """Return what leads from an offset of a file's text to its place."""
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))

    def span_at(at: int, width: int) -> Span:
        line = bisect_right(starts, at)
        return Span(source, line, at - starts[line - 1] + 1, width)

    return span_at


def _generated(reading: Reading, _: Mapping, value: Scalar) -> Body | None:
    size = reading.size(value)
    if size is None:
        return None
    if not LEAST_SIZE <= size <= SIZE_LIMIT:
        advice = f"from {LEAST_SIZE} bytes (its header fields) to {SIZE_LIMIT // 1024**3} GiB"
        reading.fail(value.span, f"a message of '{value.text}' can't be generated", advice)
        return None
    return Generated(_head(reading, value.span, f"{size} octets"), size)


def _sample(reading: Reading, _: Mapping, value: Scalar) -> Body | None:
    if value.text not in SAMPLES:
        return None  # the schema check has told it
    return Sample(_head(reading, value.span, f"sample {value.text}", SAMPLES[value.text].fields), value.text)


def _head(reading: Reading, span: Span, what: str, fields: str = "") -> Template:
    """Return the header fields of a message that nobody wrote."""
    now, unique = (Placeholder(name, None, (), span) for name in ("now", "unique"))
    return reading.noted(Template(("Date: ", now, f"\nSubject: {what} ", unique, f"\n{fields}\n"), span))


def _hex(reading: Reading, _: Mapping, value: Scalar) -> Body | None:
    try:
        return Octets(data=bytes.fromhex(value.text))
    except ValueError:
        reading.fail(value.span, f"'{value.text}' is no hex", "two hexadecimal digits for each byte: 0d0a 2e")
        return None


def _base64(reading: Reading, _: Mapping, value: Scalar) -> Body | None:
    try:
        return Octets(data=base64.b64decode("".join(value.text.split()), validate=True))
    except (binascii.Error, ValueError):
        reading.fail(value.span, f"'{value.text}' is no base64", "letters, digits, + and /, with = at the end: DQou")
        return None


KINDS: dict[str, Callable[[Reading, Mapping, Scalar], Body | None]] = {
    "file": _file,
    "size": _generated,
    "sample": _sample,
    "hex": _hex,
    "base64": _base64,
}
