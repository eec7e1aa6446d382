"""What a message is made of: its header section, its text parts and its attachments (RFC 5322, RFC 2045, RFC 2046).

Messages are hostile: nothing here raises, and a message of more lines, parts or levels than any program makes is not
read but refused, with the reason. The library's own parser makes an object for each line and fails at deep nesting;
here parts are looked for by place, and the library reads what is within one header. What is wrong with a message is
told (`faults`), for a judgement that something is *not* there is none about what nobody can read.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.matching.encoded import decode_charset, decode_transfer, decode_words, is_encoded
from runner.protocol.reply import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

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

# Lines that look like a boundary, of all levels: no message with so many is read.
_MOST_DELIMITERS = 10 * MOST_PARTS
_HEADER = re.compile(rb"([^\x00-\x20:\x7f]+)[ \t]*:(.*)", re.DOTALL)
_DELIMITER_END = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_ABOUT_PARTS = ("Content-Type", "Content-Disposition", "Content-Transfer-Encoding")
# Reports for people and programs alike, which are text (RFC 3464, RFC 8098, RFC 6533).
_TEXTUAL = re.compile(r"text/.*|message/(?:global-)?(?:delivery-status|disposition-notification)", re.DOTALL)
_MESSAGES = ("message/rfc822", "message/global")


@dataclass(frozen=True, slots=True)
class Header:
    """A header, unfolded: a line end and the blanks around it are one blank. `text` has its encoded words decoded.

    `fault` says why one of them could not be.
    """

    name: str
    raw: str
    text: str
    fault: str = ""

    @property
    def views(self) -> tuple[str, ...]:
        """Its value in every way in which a pattern may see it."""
        return (self.text,) if self.text == self.raw else (self.text, self.raw)

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class HeaderSection:
    """The headers at the start of a message or part; `end` is where its body begins.

    `is_ended`: the empty line after it is there. `refused` says why it was not read, `fault` which line of it is no
    header.
    """

    headers: tuple[Header, ...]
    end: int
    is_ended: bool = True
    refused: str = ""
    fault: str = ""

    def named(self, name: str) -> list[Header]:
        """Return the headers of a name, whose case does not count."""
        return [header for header in self.headers if header.name.lower() == name.lower()]


@dataclass(slots=True)
class Content:
    """What was found in a message.

    `texts` are those of its body, lines joined by LF; `inner` those of attachments and of messages in it.
    `attachments` are the names of each attachment in every way in which they can be read, none if it has none.
    `faults` are what can't be read, `broken` says what of its structure. `refused`: why nothing was read.
    """

    headers: list[Header] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    attachments: list[tuple[str, ...]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """The message, or a part of it: from where to where, and its number as IMAP counts (RFC 9051 section 6.4.5.1).

    `default` is what it is if it doesn't say so; `is_inner`: it belongs to a message in this one.
    """

    start: int
    end: int
    path: tuple[int, ...] = ()
    default: str = "text/plain"
    is_inner: bool = False

    def __str__(self) -> str:
        return f"part {'.'.join(map(str, self.path))}" if self.path else "the message"


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A boundary line: where the part before it ends, where the next begins, whether it is the last."""

    before: int
    after: int
    is_last: bool


class _Refused(Exception):  # noqa: N818  it is the message that is at fault
    """A message that is not read, and why."""


def read_header_section(
    data: bytes, start: int = 0, end: int | None = None, most: int = MOST_HEADER_LINES
) -> HeaderSection:
    """Read the header section that begins at `start`; one of more than `most` lines is refused."""
    end = len(data) if end is None else end
    stop, body, is_ended = _header_end(data, start, end)
    if data.count(b"\n", start, stop) > most:
        return HeaderSection((), body, is_ended, refused=f"more than {MOST_HEADER_LINES:,} header lines")
    found: list[Header] = []
    fault = ""
    for number, line in enumerate(_unfolded(data[start:stop]), 1):
        match = _HEADER.fullmatch(line)
        if match is None:
            fault = fault or f"number {number} of its headers is none"
            continue
        raw = decode(match[2].strip(b" \t"))
        found.append(Header(decode(match[1]), raw, *decode_words(raw)))
    return HeaderSection(tuple(found), body, is_ended, fault=fault)


def _header_end(data: bytes, start: int, end: int) -> tuple[int, int, bool]:
    """Return where the headers end, where the body begins, and whether there is an empty line between."""
    for empty in (b"\n", b"\r\n"):
        if data.startswith(empty, start, end):
            return start, start + len(empty), True
    ends = [(at + 1, at + len(mark)) for mark in (b"\n\n", b"\n\r\n") if (at := data.find(mark, start, end)) >= 0]
    return (*min(ends), True) if ends else (end, end, False)


def _unfolded(section: bytes) -> Iterator[bytes]:
    parts: list[bytes] = []
    for line in section.removesuffix(b"\n").split(b"\n") if section else ():
        bare = line.removesuffix(b"\r")
        if parts and bare[:1] in (b" ", b"\t"):
            parts.append(bare.strip(b" \t"))
            continue
        if parts:
            yield b" ".join(parts)
        parts = [bare.rstrip(b" \t")]
    if parts:
        yield b" ".join(parts)


def read_content(data: bytes, *, has_header: bool = True) -> Content:
    """Read the parts of a message; without its header, it is one text as it came."""
    if not has_header:
        return Content(texts=[_lines(decode(data))])
    reader = _Reader(data)
    try:
        reader.read(_Part(0, len(data)))
    except _Refused as error:
        return Content(refused=str(error))
    return reader.content


class _Reader:
    """Reads one message. What it has found so far, and how much of it."""

    def __init__(self, data: bytes) -> None:
        self.content = Content()
        self._data = data
        self._parts = 0
        self._delimiters = 0

    def read(self, part: _Part) -> None:
        """Read a message or part and what is in it."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _Refused(f"more than {MOST_PARTS:,} parts")
        if len(part.path) > DEEPEST:
            raise _Refused(f"parts more than {DEEPEST} levels deep")
        section = read_header_section(self._data, part.start, part.end, MOST_HEADER_LINES - len(self.content.headers))
        if section.refused:
            raise _Refused(section.refused)
        self.content.headers += section.headers
        self._tell_broken(part, *([section.fault] if section.fault else ()))
        about = self._about(section, part)
        body = replace(part, start=section.end)
        if about.get_content_maintype() == "multipart":
            self._read_parts(body, about)
        else:
            self._read_leaf(body, about)

    def _tell_broken(self, part: _Part, *faults: str) -> None:
        """Note what is wrong with a part's structure; that of a message in this one is that message's."""
        into = self.content.faults if part.is_inner else self.content.broken
        into += [f"{part}: {fault}" for fault in faults]

    def _about(self, section: HeaderSection, part: _Part) -> Message:
        """Return what the headers say of a part, for the library to read."""
        from email.message import Message  # noqa: PLC0415 -- start-up counts, and few steps judge a message

        about = Message()
        about.set_default_type(part.default)
        for name in _ABOUT_PARTS:
            found = section.named(name)
            if len(found) > 1:
                self._tell_broken(part, f"{len(found)} headers {name}")
            if found and (len(found[0].raw) > LONGEST_MIME_HEADER or found[0].raw.count(";") > MOST_PARAMETERS):
                self._tell_broken(part, f"an overlong {name}")
            elif found:
                about[name] = found[0].raw
        return about

    # Multiparts.

    def _read_parts(self, part: _Part, about: Message) -> None:
        boundary = _parameter(about, "boundary", "Content-Type").rstrip()
        if not boundary:
            self._tell_broken(part, "a multipart that names no boundary")
            return
        found = self._find_delimiters(part, b"--" + boundary.encode("utf-8", "surrogatepass"))
        closing = next((at for at, one in enumerate(found) if one.is_last), len(found))
        if closing == 0:
            self._tell_broken(part, "a multipart without a part: its boundary doesn't occur")
        elif closing == len(found):
            self._tell_broken(part, "a multipart that doesn't end: its last boundary is missing")
        elif closing < len(found) - 1:
            self._tell_broken(part, "a multipart that goes on after its last boundary")
        default = "message/rfc822" if about.get_content_subtype() == "digest" else "text/plain"
        for number, one in enumerate(found[:closing]):
            end = found[number + 1].before if number + 1 < len(found) else part.end
            path = (*part.path, number + 1)
            self.read(_Part(one.after, max(one.after, end), path, default, is_inner=part.is_inner))

    def _find_delimiters(self, part: _Part, mark: bytes) -> list[_Delimiter]:
        data, start, end = self._data, part.start, part.end
        found: list[_Delimiter] = []
        at = data.find(mark, start, end)
        while at >= 0:
            self._delimiters += 1
            if self._delimiters > _MOST_DELIMITERS:
                raise _Refused(f"more than {_MOST_DELIMITERS:,} boundaries")
            match = _DELIMITER_END.match(data, at + len(mark), end)
            if match and (at == start or data.startswith(b"\n", at - 1)):
                # The line end before a boundary is the boundary's (RFC 2046 section 5.1.1).
                before = at - 2 if data.startswith(b"\r\n", max(at - 2, start), at) else at - 1
                found.append(_Delimiter(max(before, start), match.end(), match[1] is not None))
            at = data.find(mark, at + len(mark), end)
        return found

    # What is no multipart.

    def _read_leaf(self, part: _Part, about: Message) -> None:
        kind, names = about.get_content_type(), _file_names(about)
        is_text = _TEXTUAL.fullmatch(kind) is not None
        is_attachment = bool(names) or not is_text or about.get_content_disposition() == "attachment"
        if is_attachment and not part.is_inner:
            self.content.attachments.append(names)
        encoding = str(about.get("Content-Transfer-Encoding", "")).partition(";")[0].strip()
        if is_text:
            is_inner = part.is_inner or is_attachment
            text = self._text(part, encoding, _parameter(about, "charset", "Content-Type"))
            (self.content.inner if is_inner else self.content.texts).append(text)
        elif kind in _MESSAGES and is_encoded(encoding):
            self.content.faults.append(f"{part}: a message in it is encoded")
        elif kind in _MESSAGES:
            self.read(_Part(part.start, part.end, (*part.path, 1), is_inner=True))

    def _text(self, part: _Part, encoding: str, charset: str) -> str:
        data, wrapped = decode_transfer(self._data[part.start : part.end], encoding)
        text, unknown = decode_charset(data, charset)
        self.content.faults += [f"{part}: {fault}" for fault in (wrapped, unknown) if fault]
        return _lines(text)


def _parameter(about: Message, name: str, header: str) -> str:
    """Return a parameter's value, also one in parts or with a charset (RFC 2231); empty if there is none."""
    from email.utils import collapse_rfc2231_value  # noqa: PLC0415 -- see above

    try:
        return collapse_rfc2231_value(about.get_param(name, "", header))
    except (ValueError, TypeError, LookupError):  # what the library does not foresee
        return ""


def _file_names(about: Message) -> tuple[str, ...]:
    """Return a part's file names: each as it is written and with its encoded words decoded, which many send."""
    written = [_parameter(about, "filename", "Content-Disposition"), _parameter(about, "name", "Content-Type")]
    return tuple(dict.fromkeys(name for one in written if one for name in (decode_words(one)[0], one)))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip("\n")
