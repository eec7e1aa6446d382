"""What a message is made of: its header section, its text parts and its attachments (RFC 5322, RFC 2045, RFC 2046).

The standard library's parser takes it apart; here is gathered what there is to judge. Nothing raises: a message that is
refused says why, and what is wrong with one is told (`faults`), for a judgement that something is *not* there is none
about what nobody can read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser

from runner.dataclass import dataclass
from runner.matching.bounded_parser import DEEPEST, TOO_DEEP, Refused, defects_of, is_overlong, parameter, parse
from runner.matching.encoded import decode_charset, decode_words
from runner.protocol.reply import decode

_HEADER_END = re.compile(rb"(?:\A|\n)\r?\n")
_ABOUT_PARTS = ("Content-Type", "Content-Disposition", "Content-Transfer-Encoding")
# The first hold octets as they are (RFC 2045 section 6.2).
_AS_IT_IS = ("", "7bit", "8bit", "binary")
_TRANSFER_ENCODINGS = (*_AS_IT_IS, "base64", "quoted-printable")
# No encoding has a longer name.
_LONGEST_NAME = 40


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
    """The headers at the start of a message.

    `is_ended`: the empty line after it is there. `refused` says why it was not read, `fault` what of it is no header.
    """

    headers: tuple[Header, ...]
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


def read_header_section(data: bytes) -> HeaderSection:
    """Read the header section of a message, and nothing of its body."""
    end = _HEADER_END.search(data)
    try:
        part = parse(data[: end.end()] if end else data, BytesHeaderParser)
    except Refused as error:
        return HeaderSection((), end is not None, refused=str(error))
    return HeaderSection(tuple(_headers(part)), end is not None, fault=next(defects_of(part), ""))


def _headers(part: Message) -> Iterator[Header]:
    return (Header(name, raw, *decode_words(raw)) for name, raw in part.raw_items())


def read_content(data: bytes, *, has_header: bool = True) -> Content:
    """Read the parts of a message; without its header, it is one text as it came."""
    if not has_header:
        return Content(texts=[_lines(decode(data))])
    reader = _Reader()
    try:
        reader.read(parse(data, BytesParser))
    except Refused as error:
        return Content(refused=str(error))
    return reader.content


class _Reader:
    """Reads what was parsed: the message or a part, and what is in it.

    `path` is a part's number as IMAP counts (RFC 9051 section 6.4.5.1); `is_inner`: it belongs to a message in this
    one.
    """

    def __init__(self) -> None:
        self.content = Content()

    def read(self, part: Message, path: tuple[int, ...] = (), *, is_inner: bool = False) -> None:
        """Read a message or part and what is in it."""
        if len(path) > DEEPEST:
            raise Refused(TOO_DEEP)
        self.content.headers += _headers(part)
        faults = [*defects_of(part), *_about_faults(part)]
        if part.get_content_maintype() == "multipart":
            faults += ["a multipart that goes on after its last boundary"] if _goes_on(part) else []
            self._read_inside(part, path, is_inner=is_inner)
        else:
            self._read_leaf(part, path, is_inner=is_inner)
        # What is wrong with a message in this one is no fault of this one's structure.
        into = self.content.faults if is_inner else self.content.broken
        into += [f"{_place(path)}: {fault}" for fault in faults]

    def _read_inside(self, part: Message, path: tuple[int, ...], *, is_inner: bool) -> None:
        payload = part.get_payload()
        for number, one in enumerate(payload if isinstance(payload, list) else (), 1):
            self.read(one, (*path, number), is_inner=is_inner)

    def _read_leaf(self, part: Message, path: tuple[int, ...], *, is_inner: bool) -> None:
        kind, names = part.get_content_maintype(), _file_names(part)
        is_attachment = bool(names) or kind != "text" or part.get_content_disposition() == "attachment"
        if is_attachment and not is_inner:
            self.content.attachments.append(names)
        if kind == "text":
            text, faults = _text(part)
            (self.content.inner if is_inner or is_attachment else self.content.texts).append(text)
            self.content.faults += [f"{_place(path)}: {fault}" for fault in faults]
        elif kind == "message" and _encoding(part) not in _AS_IT_IS:
            self.content.faults.append(f"{_place(path)}: a message in it is encoded")
        elif kind == "message":
            self._read_inside(part, path, is_inner=True)


def _place(path: tuple[int, ...]) -> str:
    return f"part {'.'.join(map(str, path))}" if path else "the message"


def _about_faults(part: Message) -> Iterator[str]:
    for name in _ABOUT_PARTS:
        found = [value for one, value in part.raw_items() if one.lower() == name.lower()]
        if len(found) > 1:
            yield f"{len(found)} headers {name}"
        if found and is_overlong(found[0]):
            yield f"an overlong {name}"


def _goes_on(part: Message) -> bool:
    """Whether a multipart's boundary occurs after its end: the parser passes over what other programs show."""
    mark = re.escape(f"--{part.get_boundary()}")
    return re.search(rf"^{mark}(--)?[ \t]*\r?$", part.epilogue or "", re.MULTILINE) is not None


def _text(part: Message) -> tuple[str, list[str]]:
    """Return a part's text and why that may not be all that a mail program would show."""
    encoding, faults = _encoding(part), []
    del part["Content-Transfer-Encoding"]
    if encoding in _TRANSFER_ENCODINGS:
        part["Content-Transfer-Encoding"] = encoding
    else:
        # A name that would have to be cut is not told: a secret that is cut isn't known for one.
        shown = f" '{encoding}'" if len(encoding) <= _LONGEST_NAME else ""
        faults.append(f"the transfer encoding{shown} is not known")
    known = len(part.defects)
    data = part.get_payload(decode=True)
    text, unknown = decode_charset(bytes(data), parameter(part, "charset", "Content-Type"))
    faults += ["its base64 is broken"] if len(part.defects) > known else []
    return _lines(text), [*faults, unknown] if unknown else faults


def _encoding(part: Message) -> str:
    return str(part.get("Content-Transfer-Encoding", "")).partition(";")[0].strip().lower()


def _file_names(part: Message) -> tuple[str, ...]:
    """Return a part's file names: each as it is written and with its encoded words decoded, which many send."""
    written = [parameter(part, "filename", "Content-Disposition"), parameter(part, "name", "Content-Type")]
    return tuple(dict.fromkeys(name for one in written if one for name in (decode_words(one)[0], one)))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip("\n")
