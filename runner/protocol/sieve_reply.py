"""What a ManageSieve server says (RFC 5804 section 4): strings, response codes, and a reply made of them.

A line is folded here: a literal is its mark, such as `{31}`, and its octets are beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runner.dataclass import dataclass
from runner.protocol.reply import LineReply, Literal, decode

# More than that is no quoted string (RFC 5804 section 4).
QUOTED_LIMIT = 1024
_ITEM = re.compile(rb'"((?:[^"\\]|\\.)*+)"|(\{[0-9]+\+?\})|([^\x00-\x20"(){\\\x7f-\xff]+)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_UNQUOTABLE = re.compile(rb"[\0\r\n]")
_SPECIAL = re.compile(rb'["\\]')
# Parts of a response code; nothing fits a quoted string that does not end.
_CODE_PART = re.compile(rb'"(?:[^"\\]|\\.)*+"|[()]|[^"()]++', re.DOTALL)
_SASL = re.compile(rb"\( *SASL +(.+)\)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """A string's content, or an atom."""

    content: bytes
    is_string: bool


def read_items(line: bytes, literals: Sequence[Literal] = (), start: int = 0) -> list[Item]:
    """Read strings and atoms with blanks between them, from `start` to the line's end.

    There are none if something else stands among them. Of a literal what was kept is read.

    >>> [item.content for item in read_items(b'"main script" ACTIVE')]
    [b'main script', b'ACTIVE']
    """
    items: list[Item] = []
    waiting = list(reversed(literals))
    at, end = start, len(line.rstrip(b" "))
    while at < end:
        found = _ITEM.match(line, at)
        if found is None:
            return []
        quoted, mark, atom = found.groups()
        if mark is not None:
            # A mark that is followed by more of its own line announces nothing.
            if not waiting or waiting[-1].offset != found.end():
                return []
            items.append(Item(waiting.pop().data, is_string=True))
        else:
            items.append(Item(atom or unescape(quoted or b""), is_string=atom is None))
        at = found.end()
        if at < end and line[at : at + 1] != b" ":
            return []
        while line[at : at + 1] == b" ":
            at += 1
    return items


def unescape(quoted: bytes) -> bytes:
    r"""Return the content of a quoted string, without the backslashes before `"` and `\`."""
    return _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted


def quote(content: bytes) -> bytes:
    """Return a quoted string."""
    return b'"%b"' % _SPECIAL.sub(rb"\\\g<0>", content)


def response_code_size(text: bytes) -> int:
    """Return the size of the response code that a text begins with, parentheses included; 0 if there is none.

    >>> response_code_size(b'(TAG "a)b") "Done"')
    11
    """
    at = depth = 0
    while part := _CODE_PART.match(text, at):
        at = part.end()
        depth += {b"(": 1, b")": -1}.get(part[0], 0)
        if depth <= 0:
            return at if text[:1] == b"(" else 0
    return 0


def text_start(head: bytes) -> int:
    """Return where the human text begins, in what follows a code."""
    return len(head) - len(head[response_code_size(head) :].lstrip(b" "))


def quote_literals(text: bytes, literals: list[Literal]) -> tuple[bytes, list[Literal]]:
    """Return a text whose response code has quoted strings for its literals, so that it reads in one way.

    Where one can't be quoted, all are left.
    """
    end = response_code_size(text)
    inside = [one for one in literals if one.offset <= end]
    if any(not one.is_whole or _UNQUOTABLE.search(one.data) for one in inside):
        return text, literals
    parts: list[bytes] = []
    done = 0
    for one in inside:
        parts += [text[done : text.rindex(b"{", 0, one.offset)], quote(one.data)]
        done = one.offset
    parts.append(text[done:])
    quoted = b"".join(parts)
    moved = len(quoted) - len(text)
    return quoted, [Literal(one.size, one.data, one.at, one.offset + moved) for one in literals[len(inside) :]]


class SieveReply(LineReply):
    """A reply of ManageSieve. `said`, `bare` and `views` have the human text's content: unquoted, or the literal's.

    Lines of a script list, capabilities and scripts stay as they came.
    """

    __slots__ = ()

    @property
    def _rest(self) -> bytes:
        """What follows code and response code."""
        head = self.lines[-1]
        return head[text_start(head) :]

    @property
    def _content(self) -> bytes | None:
        """What its human text says, None if there is no string, or more than one."""
        head, last = self.lines[-1], len(self.lines) - 1
        start = text_start(head)
        items = read_items(head, [one for one in self.literals_of(last) if one.offset > start], start)
        return items[0].content if len(items) == 1 and items[0].is_string else None

    @property
    def said(self) -> str:
        """See `Reply.said`: the human text, its line ends as LF."""
        content = None if self.is_challenge else self._content
        if content is None:
            return decode(self.lines[0] if self.is_challenge else self._rest)
        return decode(content).replace("\r\n", "\n").removesuffix("\n")

    @property
    def head(self) -> str:
        """See `LineReply.head`: a human text that came as a literal is opened, for it says what the reply means."""
        if self.is_challenge or not self._rest.startswith(b"{") or self._content is None:
            return super().head
        return " ".join(part for part in (self.code, self.enhanced, self.said) if part)

    def __str__(self) -> str:
        """See `Reply.__str__`; of literals only the markers stand, but for the human text."""
        others = (decode(self.line(at)).rstrip(" ") for at in range(len(self.lines) - 1))
        return "\n".join([*others, self.head])

    def bare(self, text: str) -> str:
        """See `Reply.bare`: of the line with the code what a quoted string says; of all others the text itself."""
        if self.is_challenge or text != decode(self.lines[-1]):
            return text
        rest = self._rest
        return self.said if rest[:1] == b'"' else decode(rest)

    def views(self) -> Iterator[list[str]]:
        """See `Reply.views`: with the code, without it, without the response code, and the human text unquoted."""
        texts = self.texts
        yield self.searched
        yield texts
        if self.is_challenge:
            return
        lines_of_head = len(self._opened(self.logical(len(self.lines) - 1)))
        others, head = texts[:-lines_of_head], texts[-lines_of_head:]
        if self.enhanced:
            yield [*others, decode(self._rest), *head[1:]]
        if self._content is not None:
            yield [*others, *self.said.split("\n")]


def sasl_data(reply: LineReply) -> bytes | None:
    """Return what the response code SASL holds (RFC 5804 section 1.3), None if there is none."""
    head = reply.lines[-1]
    found = _SASL.fullmatch(head[: response_code_size(head)])
    items = read_items(found[1]) if found else []
    return items[0].content if len(items) == 1 and items[0].is_string else None
