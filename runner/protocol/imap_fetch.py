"""What FETCH data holds of messages (RFC 9051 section 7.5.2, RFC 3501 section 7.4.2, RFC 3516 section 4.3).

Data is hostile: what is not understood is passed over, nothing raises, and nesting is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runner.protocol.fetched import Fetched
from runner.protocol.reply import LineReply, Literal, decode

_FETCH = re.compile(rb"\* [0-9]+ (?:UID)?FETCH \(", re.IGNORECASE)
# A quoted string, a parenthesis, a literal's mark, or an item's name with its section: BODY[HEADER.FIELDS (TO)]<0>.
# What is not closed goes to the end, so that nothing is read twice.
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*+"?|[()]|~?\{[0-9]+\+?\}|'
    rb'[^ "(){\[]++(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*+")*+\]?)?(?:<[0-9]+>)?',
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(
    rb"(?:BODY|BINARY)\[([0-9.]*)(HEADER|TEXT|MIME|)(?:(?<=HEADER)(\.FIELDS.*))?\](<[0-9]+>)?", re.DOTALL
)
_FIELD = re.compile(rb'"[^"]*"|[^ ()"]+')
# RFC 3501 has these beside BODY[...].
_OLD_SECTIONS = {b"RFC822": b"BODY[]", b"RFC822.HEADER": b"BODY[HEADER]", b"RFC822.TEXT": b"BODY[TEXT]"}


def read_fetched(reply: LineReply) -> list[Fetched]:
    """Return what the untagged FETCH lines of a reply hold of messages, in their order."""
    literals: dict[int, list[Literal]] = {}
    for one in reply.literals:
        literals.setdefault(one.at, []).append(one)
    found: list[Fetched] = []
    for at, line in enumerate(reply.lines[:-1]):  # the last one is tagged
        if start := _FETCH.match(line):
            for name, value in _items(line, start.end(), literals.get(at, ())):
                if (fetched := _fetched(name, value)) is not None:
                    found.append(fetched)
    return found


def _items(line: bytes, start: int, literals: Sequence[Literal]) -> Iterator[tuple[bytes, bytes | Literal]]:
    """Iterate over names in upper case and values, which are literals or as they stand; of a list it is `(`."""
    by_place = {one.offset: one for one in literals}
    name, depth = b"", 1
    for token in _TOKEN.finditer(line, start):
        text = token[0]
        if text == b")":
            depth -= 1
        elif depth == 1 and not name:
            name = text.upper() if text != b"(" else name
        elif depth == 1:
            yield name, by_place.get(token.end(), text)
            name = b""
        depth += text == b"("
        if not depth:
            return


def _fetched(name: bytes, value: bytes | Literal) -> Fetched | None:
    section = _SECTION.fullmatch(_OLD_SECTIONS.get(name, name))
    if section is None:
        return None
    part, kind, listed, partial = section.groups()
    fields = _fields(listed) if listed is not None else None
    has_header = kind in (b"HEADER", b"MIME") or not (kind or part)
    has_body = kind in (b"TEXT", b"")
    is_part = bool(part or partial or listed)
    if partial and partial != b"<0>":
        has_header = False  # what it begins with nobody knows
    if isinstance(value, Literal):
        return Fetched(value.data, value.size, has_header, has_body, is_part, fields=fields)
    if value.startswith(b'"'):
        data = _ESCAPED.sub(rb"\1", value[1:-1])
        return Fetched(data, len(data), has_header, has_body, is_part, fields=fields)
    if value.upper() == b"NIL":
        return Fetched(b"", 0, has_header, has_body, is_part, is_missing=True)
    return None


def _fields(listed: bytes) -> frozenset[str]:
    """Return the fields that a section lists; HEADER.FIELDS.NOT lists those that are left out."""
    names = () if listed.startswith(b".FIELDS.NOT") else _FIELD.findall(listed.removeprefix(b".FIELDS"))
    return frozenset(decode(name.strip(b'"')) for name in names)
