"""The standard library's parser of messages (RFC 5322, RFC 2046), kept within bounds.

Messages are hostile: before and while one is parsed, its lines, multiparts, parts and header lines are counted, and one
that has more of them than any program makes is refused. For the octets that are kept of a fetched message by default,
1 MiB, that takes less than a second and 20 MiB, whatever they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from email import errors
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from email.utils import collapse_rfc2231_value
from typing import ClassVar

from runner.protocol.reply import decode

MOST_LINES = 100_000
"""Lines of a message; of one of more than 4 MB, one for 40 octets."""
MOST_HEADER_LINES = 10_000
"""Lines of all header sections of a message."""
MOST_PARTS = 1_000
"""Parts of a message, at all levels."""
DEEPEST = 50
"""Levels of parts in parts."""
LONGEST_MIME_HEADER = 2048
"""Characters of a header that tells what a part is."""
MOST_PARAMETERS = 32
"""Parameters of such a header."""

_OCTETS_OF_A_LINE = 40
# RFC 2046 section 5.1.1 wants no more than 70.
_LONGEST_BOUNDARY = 256
_MULTIPART = re.compile(rb"multipart/", re.IGNORECASE)
# Reports for people and programs alike, which are text (RFC 3464, RFC 8098, RFC 6533).
_REPORT = re.compile(r"message/(?:global-)?(?:delivery-status|disposition-notification)")
TOO_DEEP = f"parts more than {DEEPEST} levels deep"
_NO_HEADER = "a line among its headers that is none"
_DEFECTS = {
    errors.NoBoundaryInMultipartDefect: "a multipart that names no boundary",
    errors.StartBoundaryNotFoundDefect: "a multipart without a part: its boundary doesn't occur",
    errors.CloseBoundaryNotFoundDefect: "a multipart that doesn't end: its last boundary is missing",
    errors.MissingHeaderBodySeparatorDefect: f"{_NO_HEADER}: it was read as the start of the body",
    errors.FirstHeaderLineIsContinuationDefect: _NO_HEADER,
    errors.InvalidHeaderDefect: _NO_HEADER,
    errors.MisplacedEnvelopeHeaderDefect: _NO_HEADER,
    # Told by another one, or of no consequence.
    errors.MultipartInvariantViolationDefect: "",
    errors.InvalidMultipartContentTransferEncodingDefect: "",
}


class Refused(Exception):  # noqa: N818  it is the message that is at fault
    """A message that is not read, and why."""


class _Part(Message):
    """A message, or a part of one, as the library's parser makes it."""

    def __init__(self, policy: _Policy) -> None:
        super().__init__(policy)
        policy.count("parts", 1, MOST_PARTS)

    def get_content_type(self) -> str:
        """Return what it is; the parser would take a report apart as if it were messages."""
        kind = super().get_content_type()
        return "text/plain" if _REPORT.fullmatch(kind) else kind

    def get_boundary(self, _: object = None) -> str | None:  # type: ignore[override]
        """Return a multipart's boundary; None if it is empty or overlong, or the library fails at it."""
        boundary = parameter(self, "boundary", "Content-Type").rstrip()
        return boundary if 0 < len(boundary) <= _LONGEST_BOUNDARY else None


class _Policy(Compat32):
    """Keeps headers as `Header.raw` is, counts what there is of them and of parts in one message."""

    counts: ClassVar[Counter[str]] = Counter()

    def count(self, what: str, more: int, most: int) -> None:
        """Refuse a message that has more than the most."""
        self.counts[what] += more
        if self.counts[what] > most:
            raise Refused(f"more than {most:,} {what}")

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Return a header's name and its value, unfolded."""
        self.count("header lines", len(sourcelines), MOST_HEADER_LINES)
        name, _, value = sourcelines[0].partition(":")
        value = " ".join(line.strip(" \t\r\n") for line in (value, *sourcelines[1:]))
        return name, decode(value.encode("ascii", "surrogateescape")).strip(" \t")

    def header_fetch_parse(self, _: str, value: str) -> str:
        """Return a header's value for the library to read: its time with an overlong one is not bounded."""
        return "" if is_overlong(value) else value


def is_overlong(value: str) -> bool:
    """Whether the library is not asked about a header, whose value this is."""
    return len(value) > LONGEST_MIME_HEADER or value.count(";") > MOST_PARAMETERS


def parameter(part: Message, name: str, header: str) -> str:
    """Return a parameter's value, also one in parts or with a charset (RFC 2231); empty if there is none."""
    try:
        return collapse_rfc2231_value(part.get_param(name, "", header))
    except (ValueError, TypeError, LookupError):  # what the library does not foresee
        return ""


def parse(data: bytes, parser: type[BytesParser]) -> Message:
    """Let the library read a message, by its parser of messages or of headers.

    Raises:
        Refused: its lines, multiparts, parts, header lines or levels are too many.
    """
    ends, pairs = data.count(b"\r"), data.count(b"\r\n")
    lines, most = data.count(b"\n") + ends - pairs, max(MOST_LINES, len(data) // _OCTETS_OF_A_LINE)
    if lines > most:
        raise Refused(f"more than {most:,} lines")
    multiparts = sum(1 for _ in _MULTIPART.finditer(data))
    # The parser compares each line with the boundaries of all multiparts around it.
    if lines * multiparts > most * DEEPEST:
        raise Refused(f"{lines:,} lines and up to {multiparts:,} multiparts: too many to compare each with each")
    try:
        # A policy takes values for all attributes that its class has.
        policy = _Policy(message_factory=_Part, counts=Counter())  # type: ignore[arg-type, call-arg]
        part: Message = parser(policy=policy).parsebytes(data)
    except RecursionError:
        raise Refused(TOO_DEEP) from None
    if ends > pairs:
        part.defects.append(errors.MessageDefect("a CR without LF, which some programs take for a line end"))
    return part


def defects_of(part: Message) -> Iterator[str]:
    """Iterate over what the parser has found wrong with a part's headers and structure."""
    return filter(None, (_DEFECTS.get(type(one), str(one) or type(one).__name__) for one in part.defects))
