"""A reply before a protocol has given it its form, and how each protocol writes it.

Pure. `FORMS` is the one registry: a protocol's name and what writes its replies. A value in a text may differ for the
client from what it is for the mirror itself; so a reply is written from its parts each time, literals measured anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.dataclass import dataclass
from runner.language.filters import to_bytes

CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class Octets:
    """A line that holds a literal: what is before it, its text (lines end with LF), what is behind it."""

    before: str
    text: str
    after: str = ""


Line = str | Octets


@dataclass(frozen=True, slots=True)
class Spoken:
    """A reply: `code`, the text of the line that carries it, and the other lines.

    In SMTP each line has the code, and `text` is the first; in POP3 it is the first, in IMAP and ManageSieve the last.
    IMAP's other lines are untagged and begin with `* `. Without `is_whole` there is no line with a code: untagged data
    alone. `has_end` says that an answer of POP3 is of several lines.
    """

    code: str
    text: str = ""
    lines: tuple[Line, ...] = ()
    is_whole: bool = True
    has_end: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """For whom a reply is written: the tag of the command, and what stands for the mirror's own values."""

    tag: str = ""
    translate: Callable[[str], str] = str


def written(protocol: str, spoken: Spoken, writing: Writing) -> bytes:
    """Return a reply as it goes over the wire."""
    return FORMS[protocol](spoken, writing)


def as_text(protocol: str, text: str) -> str:
    """Return what a server says to people as the text of a reply: a string in ManageSieve (RFC 5804 section 4)."""
    return f'"{text}"' if protocol == "sieve" else text


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _smtp(spoken: Spoken, writing: Writing) -> bytes:
    """Write `NNN-text` and a last `NNN text` (RFC 5321 section 4.2)."""
    lines = [spoken.text, *(line for line in spoken.lines if isinstance(line, str))]
    last = len(lines) - 1
    parts = [
        to_bytes(f"{spoken.code}{' ' if at == last and spoken.is_whole else '-'}{writing.translate(line)}")
        for at, line in enumerate(lines)
    ]
    return CRLF.join([*parts, b""])


def _pop3(spoken: Spoken, writing: Writing) -> bytes:
    """Write the status line, and for an answer of several lines those, dots stuffed (RFC 1939 section 3)."""
    head = to_bytes(writing.translate(_joined(spoken.code, spoken.text)))
    if not spoken.has_end:
        return head + CRLF
    lines = [to_bytes(writing.translate(line)) for line in spoken.lines if isinstance(line, str)]
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    return CRLF.join([head, *stuffed, b".", b""])


def _lines_with_literals(spoken: Spoken, writing: Writing) -> list[bytes]:
    return [_with_literal(line, writing) for line in spoken.lines]


def _with_literal(line: Line, writing: Writing) -> bytes:
    if isinstance(line, str):
        return to_bytes(writing.translate(line))
    text = to_bytes(writing.translate(line.text)).replace(b"\n", CRLF)
    before, after = to_bytes(writing.translate(line.before)), to_bytes(writing.translate(line.after))
    return b"%b{%d}\r\n%b%b" % (before, len(text), text, after)


def _imap(spoken: Spoken, writing: Writing) -> bytes:
    """Write untagged lines, then the tagged one, or `+` (RFC 9051 section 7)."""
    lines = _lines_with_literals(spoken, writing)
    if spoken.is_whole and spoken.code == "+":
        lines.append(to_bytes(writing.translate(f"+ {spoken.text}")))
    elif spoken.is_whole:
        lines.append(to_bytes(writing.translate(_joined(writing.tag or "*", spoken.code, spoken.text))))
    return CRLF.join([*lines, b""])


def _sieve(spoken: Spoken, writing: Writing) -> bytes:
    """Write strings, then the line that says OK, NO or BYE (RFC 5804 section 4); a challenge is a string alone."""
    lines = _lines_with_literals(spoken, writing)
    if spoken.code == "+":
        lines.append(to_bytes(f'"{writing.translate(spoken.text)}"'))
    else:
        lines.append(to_bytes(writing.translate(_joined(spoken.code, spoken.text))))
    return CRLF.join([*lines, b""])


def _tcp(spoken: Spoken, writing: Writing) -> bytes:
    lines = [to_bytes(writing.translate(line)) for line in spoken.lines if isinstance(line, str)]
    return CRLF.join([*lines, b""])


FORMS: Mapping[str, Callable[[Spoken, Writing], bytes]] = {
    "smtp": _smtp,
    "lmtp": _smtp,
    "pop3": _pop3,
    "imap": _imap,
    "sieve": _sieve,
    "tcp": _tcp,
}
