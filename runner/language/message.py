"""The key `message` of a step: what it asks of a message that was fetched, made into a MessageExpectation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from runner.language.nodes import Mapping, Scalar, Sequence
from runner.language.reading import pairs
from runner.language.values import parse_count, parse_size
from runner.matching.message_wishes import AttachmentWish, Bound, HeaderWish, MessageExpectation, Relation

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.language.nodes import Node
    from runner.language.reading import Reading
    from runner.matching.pattern import Pattern

_BOUND = re.compile(r"(>=|<=|>|<|=|) *([^<>= ].*)")
# What a header's name is made of (RFC 5322 section 2.2).
_NAME = re.compile(r"[!-9;-~]+")
# What is written for `present` and `absent` by mistake; no header has it as its whole value.
_MEANT = {"required": "present", "exists": "present", "missing": "absent", "none": "absent"}
_MEANT |= {word: word for word in ("present", "absent")}


def compile_message(reading: Reading, step: Mapping) -> MessageExpectation | None:
    """Return what a step asks of the message that its reply holds; None if it asks nothing, or the kind is wrong."""
    node = step.get("message")
    if not isinstance(node, Mapping):
        return None
    wishes = [_header(reading, key, value) for key, value in pairs(node.get("headers"))]
    return MessageExpectation(
        headers=tuple(wish for wish in wishes if wish is not None),
        body=_patterns(reading, node.get("body")),
        lacks=reading.patterns(node.get("lacks")),
        size=_bound(reading, node.get("size"), parse_size, "a bound is written '<= 10MB'"),
        attachments=_attachments(reading, node.get("attachments")),
    )


def _patterns(reading: Reading, node: Node | None) -> tuple[Pattern, ...]:
    """Compile patterns whose named groups become variables."""
    patterns = reading.patterns(node)
    if node is not None:
        for name in (name for pattern in patterns for name in pattern.groups):
            reading.capture(name, node.span)
    return patterns


def _header(reading: Reading, key: Scalar, value: Node) -> HeaderWish | None:
    name = key.text
    if "${" in name:
        reading.fail(key.span, "no placeholder can stand in a header's name", "write the name out")
        return None
    if not _NAME.fullmatch(name):
        bare = name.partition(":")[0].strip()
        is_name = _NAME.fullmatch(bare) is not None and bare != name
        advice = f"write {bare}" if is_name else "a name is ASCII without blanks and colons, such as Subject"
        reading.fail(key.span, f"'{name}' is no header's name", advice)
        return None
    if isinstance(value, Mapping):
        return HeaderWish(name, "lacks", reading.patterns(value.get("lacks")))
    if isinstance(value, Scalar) and (meant := _MEANT.get(value.text.lower())) is not None:
        return _presence(reading, name, value, meant)
    return HeaderWish(name, "fits", _patterns(reading, value))


def _presence(reading: Reading, name: str, value: Scalar, meant: str) -> HeaderWish | None:
    if value.text == "present":
        return HeaderWish(name, "present")
    if value.text == "absent":
        return HeaderWish(name, "absent")
    advice = f"write {meant}; where this is the header's whole value, ['{value.text}']"
    reading.fail(value.span, f"'{value.text}' says neither that {name} is present nor that it is absent", advice)
    return None


def _attachments(reading: Reading, node: Node | None) -> AttachmentWish | None:
    if isinstance(node, Mapping):
        return AttachmentWish(lacks=reading.patterns(node.get("lacks")))
    if isinstance(node, Sequence):
        return AttachmentWish(names=_patterns(reading, node))
    if not isinstance(node, Scalar) or not node.text:
        return None
    advice = f"a count such as 2 or '>= 1'; file names are a list: ['{node.text}']"
    return AttachmentWish(count=_bound(reading, node, parse_count, advice))


def _bound(reading: Reading, node: Node | None, parse: Callable[[str], int], advice: str) -> Bound | None:
    if not isinstance(node, Scalar) or not node.text:
        return None
    match = _BOUND.fullmatch(node.text)
    try:
        number = parse(match[2] if match else node.text)
    except ValueError as error:
        reading.fail(node.span, str(error), advice)
        return None
    return Bound(cast("Relation", (match[1] if match else "") or "="), number, match[2] if match else node.text)
