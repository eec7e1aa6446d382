"""What a server owes, and what came: a whole reply, or bytes that are none.

Values only; they know no protocol. Text stays bytes until somebody wants to see it.
"""

from __future__ import annotations

import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import field
from operator import attrgetter

from runner.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Owed:
    """A reply that the server owes: to which command or event, and where each recipient has one, for whom.

    `recipient` is None where the reply is for all, and empty where the address could not be read.
    """

    to: str
    recipient: str | None = None

    def __str__(self) -> str:
        return f"{self.to} for {self.recipient}" if self.recipient else self.to


def decode(data: bytes) -> str:
    r"""Return the text of a server: UTF-8, any other byte as `\xNN`. Never raises.

    >>> decode(b'Gr\xc3\xbc\xdfe')
    'Grü\\xdfe'
    """
    return data.decode("utf-8", "backslashreplace")


def decode_challenge(line: bytes) -> str | None:
    """Return the text of a challenge if it is canonical base64 (RFC 4648 section 3.5) of UTF-8 text, else None.

    >>> decode_challenge(b"VXNlcm5hbWU6")
    'Username:'
    """
    try:
        raw = binascii.a2b_base64(line, strict_mode=True)
        text = raw.decode("utf-8")
    except ValueError:
        return None
    return text if raw and binascii.b2a_base64(raw, newline=False) == line else None


@dataclass(slots=True)
class Reply:
    """A whole reply. `lines` are the texts after code and separator; `owed` is what it answers, None if nothing was.

    `enhanced` is the enhanced status code that the text begins with (RFC 2034), or empty.
    `is_challenge` is true for a server challenge within AUTH (RFC 4954 section 4: base64 text).
    Nobody changes one; it isn't frozen because that would triple the cost of making it, once for each reply.
    """

    code: str
    lines: list[bytes]
    owed: Owed | None = None
    enhanced: str = ""
    is_challenge: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts decoded, the enhanced status code included."""
        return [decode(line) for line in self.lines]

    @property
    def searched(self) -> list[str]:
        """The lines as patterns that are searched in the whole reply see them."""
        return self.texts

    @property
    def line_count(self) -> int:
        """How many lines it has."""
        return len(self.lines)

    @property
    def not_kept(self) -> str:
        """What of it can't be judged, for it was not kept; empty if all of it was."""
        return ""

    @property
    def said(self) -> str:
        """What it says, without code and enhanced status code."""
        return "\n".join(map(self.bare, self.texts))

    def views(self) -> Iterator[list[str]]:
        """Iterate over the ways in which a glob may see the lines: as they are searched, then with less in front."""
        texts = self.texts
        yield texts
        if self.enhanced:
            yield [self.bare(text) for text in texts]

    def bare(self, text: str) -> str:
        """Return `text` (one of `texts`) without the enhanced status code in front."""
        status, _, rest = text.partition(" ")
        return rest.lstrip(" ") if self.enhanced and status == self.enhanced else text

    def line(self, at: int) -> bytes:
        """Return a line with its code, as the server wrote it but for its end; the first is 0."""
        separator = b"-" if at < len(self.lines) - 1 else b" "
        return self.code.encode("ascii") + separator + self.lines[at]

    @property
    def decoded(self) -> str | None:
        """The challenge decoded, if it is canonical base64 of UTF-8 text; else None."""
        return decode_challenge(self.lines[0]) if self.is_challenge else None

    def __str__(self) -> str:
        """The reply as the server wrote it, lines joined by LF."""
        last = len(self.lines) - 1
        return "\n".join(
            f"{self.code}{' ' if number == last else '-'}{text}".rstrip(" ") for number, text in enumerate(self.texts)
        )


@dataclass(frozen=True, slots=True)
class Literal:
    """Octets that a reply holds beside its lines: an IMAP or ManageSieve literal, the body of a POP3 message.

    `size` is how many there were, `data` what is kept of them (the first, up to limit 'reply'). `at` is the place in
    the reply's `lines` of the line that it belongs to, `offset` where in that line its octets would go in: in a
    message of POP3, behind the line's end.
    """

    size: int
    data: bytes = field(repr=False)
    at: int = 0
    offset: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it is kept."""
        return len(self.data) == self.size

    @property
    def lines(self) -> bytes:
        """What is kept of it, but for a line that is cut."""
        return self.data if self.is_whole else self.data[: self.data.rfind(b"\n") + 1]


class CutLine(str):
    """A line that holds a literal of which not all is kept: what it is as a whole nobody knows."""

    __slots__ = ()


_PLACE = attrgetter("at")


@dataclass(slots=True)
class LineReply(Reply):
    """A reply of which one line carries the code, `lines[head_at]`; there `lines` has only what follows the code.

    The other lines are whole, as they came: a POP3 body, untagged data of IMAP, a listing of ManageSieve. Without a
    code (`head_at` is None) all are. Of a literal `lines` has the marker, such as `{342}`; its octets are in
    `literals`, in order.
    """

    head_at: int | None = None
    literals: tuple[Literal, ...] = ()

    def line(self, at: int) -> bytes:
        """See `Reply.line`; a tag is left out."""
        if self.head_at is None or at % len(self.lines) != self.head_at % len(self.lines):
            return self.lines[at]
        return b" ".join(part for part in (self.code.encode("ascii"), self.lines[at]) if part)

    def literals_of(self, at: int) -> tuple[Literal, ...]:
        """Return the literals of a line."""
        first = bisect_left(self.literals, at, key=_PLACE)
        return self.literals[first : bisect_right(self.literals, at, first, key=_PLACE)]

    def logical(self, at: int) -> bytes:
        """Return a line with its literals in their places."""
        line = self.line(at)
        lead = len(line) - len(self.lines[at])
        parts: list[bytes] = []
        done = 0
        for literal in self.literals_of(at):
            parts += [line[done : lead + literal.offset], b"\r\n", literal.lines]
            done = lead + literal.offset
        return b"".join([*parts, line[done:]])

    @staticmethod
    def _opened(line: bytes) -> list[str]:
        """Cut a line where its literals have line ends; the end of the last one ends the line, too."""
        return [decode(one.removesuffix(b"\r")) for one in line.removesuffix(b"\r\n").split(b"\n")]

    @property
    def searched(self) -> list[str]:
        """See `Reply.searched`: the lines as they came, a tag left out, literals opened to lines."""
        if not self.literals:
            return [decode(self.line(at)) for at in range(len(self.lines))]
        return [text for at in range(len(self.lines)) for text in self._opened(self.logical(at))]

    @property
    def texts(self) -> list[str]:
        """The lines decoded, literals opened to lines; of the one with the code, what follows the code."""
        found: list[str] = []
        for at, line in enumerate(self.lines):
            opened = self._opened(self.logical(at)) if self.literals else [decode(self.line(at))]
            if self.head_at is not None and at == self.head_at % len(self.lines):
                opened[0] = decode(line) if len(opened) == 1 else opened[0][len(self.code) + 1 :]
            found += opened
        return found

    @property
    def line_count(self) -> int:
        """See `Reply.line_count`; lines of literals count."""
        return len(self.searched) if self.literals else len(self.lines)

    @property
    def not_kept(self) -> str:
        """See `Reply.not_kept`: the octets of a literal beyond limit 'reply'."""
        cut = next((one for one in self.literals if not one.is_whole), None)
        return f"only {len(cut.data):,} of {cut.size:,} octets were kept (limit 'reply')" if cut is not None else ""

    @property
    def said(self) -> str:
        """See `Reply.said`: of the line with the code only."""
        if self.head_at is None:
            return "\n".join(self.texts)
        return self.bare(decode(self.lines[self.head_at]))

    @property
    def untagged(self) -> list[str]:
        """The untagged lines of IMAP without the `* ` in front, literals in their places, their line ends as LF."""
        head = None if self.head_at is None else self.head_at % len(self.lines)
        return [self._untagged(at) for at, line in enumerate(self.lines) if at != head and line.startswith(b"* ")]

    def _untagged(self, at: int) -> str:
        text = decode(self.logical(at)[2:]).replace("\r\n", "\n")
        return text if all(one.is_whole for one in self.literals_of(at)) else CutLine(text)

    @property
    def head(self) -> str:
        """The line with the code, as `str()` has it; the last one where none has a code."""
        return decode(self.line((-1 if self.head_at is None else self.head_at) % len(self.lines))).rstrip(" ")

    def views(self) -> Iterator[list[str]]:
        """See `Reply.views`: with the code, without it, without the response code either."""
        yield self.searched
        if self.head_at is not None:
            texts = self.texts
            yield texts
            if self.enhanced:
                yield [self.bare(text) for text in texts]

    def texts_without_code(self, *, with_status: bool) -> Iterator[str]:
        """Iterate over the lines as TEXT may see them, those with least in front first."""
        views = list(self.views())[self.head_at is not None :]
        skipped = bool(self.enhanced) and not with_status
        for view in reversed(views[skipped:]):
            yield from view

    def bare(self, text: str) -> str:
        """See `Reply.bare`."""
        return text[len(self.enhanced) :].lstrip(" ") if self.enhanced and text.startswith(self.enhanced) else text

    def __str__(self) -> str:
        """See `Reply.__str__`; of literals only the markers stand."""
        return "\n".join(decode(self.line(at)).rstrip(" ") for at in range(len(self.lines)))


@dataclass(frozen=True, slots=True)
class Malformed:
    """What a server sent where a reply was due, and why it is none. The machine reads nothing after it."""

    raw: bytes
    reason: str
    owed: Owed | None = None

    @property
    def text(self) -> str:
        """The bytes as text, for a report (escaped there)."""
        return decode(self.raw)


@dataclass(frozen=True, slots=True)
class Torn(Malformed):
    """A greeting that was begun and not ended: what follows is another reply, which the machine reads.

    Postfix's postscreen does so to a client that speaks too early. `lines` are the greeting's, as received.
    """

    lines: tuple[bytes, ...] = ()


Event = Reply | Malformed
