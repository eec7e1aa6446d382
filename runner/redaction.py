r"""Hide secrets in whatever goes out, in each form in which a server or a report may show them.

A secret is searched raw, as base64 at its three alignments, as hex and as digest, without regard to case
(servers echo commands in upper case). Each text is searched as it is and again through views of it: line ends
taken out, reply codes with them, `%41`, `&#65;` and `\x41` read as the characters they stand for. So no mixture
of quoting needs a form of its own. All forms are literals and `str.find` is linear: a hostile text costs no
more than its length. This module must not know what a transcript or a report is.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from runner.dataclass import dataclass
from runner.errors import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A shorter secret would be found in every other word; it is masked by position only.
SHORTEST_SEARCHED = 4
# A text with more of them is hostile, and hidden whole: a megabyte of nothing but secrets would take seconds.
MOST_HITS = 5000
# A reply prefix that a cut leaves half (`CRLF 250-2.1.`) may be this long.
_PREFIX_ROOM = 32

_LINE_END = re.compile(r"[\r\n]+")
_IN_LINE = re.compile(r"[^\r\n]+")
# A line's end, also one that was escaped for showing, a transcript's `S: ` and a reply code (RFC 5321 4.2).
_CODE = r"(?:\r\n?|\n|\\(?:r\\n|n|x0d\\x0a|x0a))(?:[CS*]: )?(?:[2-5]\d\d[- ])?"
# The same with a soft break (RFC 2045 6.7), blanks and an enhanced code (RFC 2034).
_FOLD = (
    r"(?:\r\n?|\n|=(?<!==)\r?\n|\\(?:r\\n|n|x0d\\x0a|x0a))"
    r"(?:[CS*]: )?[ \t]*(?:[2-5]\d\d[- ](?:[245]\.\d{1,3}\.\d{1,3} ?)?)?"
)
_BREAKS = (r"[\r\n]+", _CODE, _FOLD)
_BLANKS = rf"{_FOLD}|[ \t]+"
_QUOTES = {
    "%": r"%[0-9A-Fa-f]{2}",
    "&": r"&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});",
    "\\": r"(?:\\u[0-9A-Fa-f]{4})+|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}|\\[0-7]{3}|\\[^\r\n&%]",
}
_CONTROLS = {"r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_DIGESTS = ("md5", "sha1", "sha256")
_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of bytes or characters that is not shown as it is.

    With `is_secret` only the name is shown. Without it the stretch is what auto-encoding made of a
    placeholder: the transcript shows how it begins, and the name.
    """

    start: int
    end: int
    name: str
    is_secret: bool = True


class _Form(NamedTuple):
    """One look of a secret; `before`/`after`: the base64 character there holds some of its bits, too."""

    name: str
    before: bool = False
    after: bool = False


class _Piece(NamedTuple):
    """Where a stretch of a view comes from; a decoded one is shorter than its source."""

    at: int
    size: int
    start: int
    end: int


class _View(NamedTuple):
    """A way to read a text: what is taken out, or replaced by what it stands for."""

    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = ""

    def replaced(self, match: re.Match[str]) -> str:
        return self.replacement if isinstance(self.replacement, str) else self.replacement(match)


class _Hit(NamedTuple):
    start: int
    end: int
    size: int
    name: str


_NO_LETTERS: frozenset[str] = frozenset()


class Redactor:
    """Knows the secrets of one case and hides them; more may be learnt while the case runs.

    >>> Redactor({"password": "hunter2"}).mask("535 no hunter2, no aHVudGVyMg==")
    '535 no ⟨password⟩, no ⟨password⟩'
    """

    __slots__ = ("_forms", "_letters", "_longest", "_pending", "_secrets", "short")

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets = secrets or {}
        self._pending: list[tuple[str, str | bytes, bool]] = [(*item, True) for item in self._secrets.items()]
        self._forms: dict[str, _Form] = {}
        self._letters = _NO_LETTERS
        self._longest = 0
        self.short: tuple[str, ...] = tuple(name for name, value in self._secrets.items() if value and _is_short(value))
        """Names of secrets under four characters: they are masked by position only."""

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._secrets)} secrets>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a redactor holds secrets and is not pickled")

    def learn(self, name: str, value: bytes | str) -> None:
        """Mask what was derived from secret `name`, too: a SASL response, the answer to a challenge."""
        self._pending.append((name, value, False))

    def mask(self, text: str) -> str:
        """Return `text` with `⟨name⟩` in place of every secret; masking twice changes nothing."""
        if not (self._forms or self._pending):
            return text
        # A mask may end what looked like a reply prefix, and so join two parts anew: until nothing is found.
        while marks := self.find(text):
            text = self._replaced(text, marks)
        return text

    def find(self, data: str | bytes) -> list[Mark]:
        """Return where secrets lie: in order, apart from each other, none over a line end."""
        if not self._known():
            return []
        text = data.decode("latin-1") if isinstance(data, bytes) else data
        hits = sorted(islice(self._hits(text), MOST_HITS))
        if len(hits) == MOST_HITS:
            hits = [_Hit(0, len(text), len(text), hits[0].name)]
        return [mark for hit in _merged(hits) for mark in _per_line(text, hit)] if hits else []

    def overlaps(self, text: str) -> str:
        """Return the name of the secret that `text` contains in any form or is a part of; else ''."""
        if marks := self.find(text):
            return marks[0].name
        if not _is_short(text):
            lowered = _lower(text)
            for name, value in self._secrets.items():
                if lowered in _lower(value):
                    return name
        return ""

    def marker(self, name: str) -> str:
        """Return what is shown in place of secret `name`: `⟨name⟩`, unless that itself held a secret."""
        self._known()
        if not self._letters & {"⟨", "⟩"}:
            for word in (escape(name), "secret", "•"):
                if next(self._hits(word), None) is None:
                    return f"⟨{word}⟩"
        return next(char for char in map(chr, range(0x2580, 0x11000)) if char not in self._letters)

    def reach(self, data: bytes, *, from_end: bool) -> int:
        """Return how many bytes at an end of `data` may belong to a secret that was cut there."""
        if not self._known():
            return 0
        pieces = _pieces(data.decode("latin-1"), _view(_FOLD, "|".join(_QUOTES.values())))
        size = pieces[-1].at + pieces[-1].size if pieces else 0
        reach = self._longest + _PREFIX_ROOM
        if reach >= size:
            return len(data)
        if from_end:
            return len(data) - next(_sources(pieces, size - reach, size))[0]
        return list(_sources(pieces, 0, reach))[-1][1]

    def _known(self) -> dict[str, _Form]:
        """Return all forms by their text, those of newly learnt values included."""
        if not self._pending:
            return self._forms
        letters: set[str] = set()
        for name, value, is_secret in self._pending:
            for text, before, after in _secret_forms(value) if is_secret else tuple(_forms(value)):
                self._forms.setdefault(text, _Form(name, before, after))
                letters.update(text)
                self._longest = max(self._longest, len(text))
        self._letters |= letters
        self._pending.clear()
        return self._forms

    def _hits(self, text: str) -> Iterator[_Hit]:
        for view in self._views(text):
            lowered = _lower(view.pattern.sub(view.replacement, text) if view else text)
            if forms := [form for form in self._forms if form in lowered]:
                pieces = _pieces(text, view)
                for form in forms:
                    yield from self._hits_of(form, lowered, pieces)

    def _hits_of(self, form: str, view: str, pieces: list[_Piece]) -> Iterator[_Hit]:
        meaning, size = self._forms[form], len(form)
        for at in _occurrences(view, form):
            start, end = _widened(view, at, at + size, meaning)
            for source in _sources(pieces, start, end):
                yield _Hit(*source, size, meaning.name)

    def _views(self, text: str) -> Iterator[_View | None]:
        """Yield the ways to read `text` that can make a difference; None is as it stands."""
        quotes = ["", *(quote for start, quote in _QUOTES.items() if start in text)]
        # A secret may hold what looks like one quoting and come in another: each alone, then all at once.
        if len(quotes) > 2:
            quotes.append("|".join(quotes[1:]))
        breaks = ["", *_BREAKS] if "\n" in text or "\r" in text or "\\" in text else [""]
        if len(breaks) > 1 and not self._letters.isdisjoint(" \t"):
            breaks.append(_BLANKS)
        for line_break in breaks:
            for quote in quotes:
                yield _view(line_break, quote) if line_break or quote else None

    def _replaced(self, text: str, marks: list[Mark]) -> str:
        parts, at = [], 0
        for mark in marks:
            parts += [text[at : mark.start], self.marker(mark.name)]
            at = mark.end
        return "".join([*parts, text[at:]])


def _is_short(value: str | bytes) -> bool:
    line_ends = (b"\r", b"\n") if isinstance(value, bytes) else ("\r", "\n")
    return len(value) - sum(map(value.count, line_ends)) < SHORTEST_SEARCHED  # type: ignore[arg-type]


def _lower(text: str) -> str:
    """Lower ASCII letters only: the length stays, and no letter depends on its neighbours."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


@lru_cache(maxsize=256)
def _secret_forms(value: str | bytes) -> tuple[tuple[str, bool, bool], ...]:
    return (*_forms(value), *(() if _is_short(value) else _digests(value)))


def _forms(value: str | bytes) -> Iterator[tuple[str, bool, bool]]:
    """Yield each look of a value, in lower case, with its half-determined base64 neighbours."""
    if _is_short(value):
        return
    for text in _texts(value):
        for form in _respelt(_lower(text)):
            if not _is_short(form):
                yield form, False, False
    for octets in _encodings(value):
        yield octets.hex(), False, False
        for offset in range(3):
            yield from _base64(octets, offset)


def _respelt(text: str) -> set[str]:
    """Return the spellings that no view brings back to the value."""
    escaped = text.replace("\\", "\\\\")
    return {
        text,
        escaped,  # a backslash before `x41` would be read as an escape's
        escaped.replace('"', '\\"'),
        text.replace(" ", "+"),  # application/x-www-form-urlencoded
        _LINE_END.sub("", text),
        "".join(text.split()),  # a server wraps at a blank, and the blank is lost
    }


def _digests(value: str | bytes) -> Iterator[tuple[str, bool, bool]]:
    import hashlib  # noqa: PLC0415 -- 3 ms, and a run that shows nothing of a case needs no digest

    for octets in _encodings(value):
        for algorithm in _DIGESTS:
            digest = hashlib.new(algorithm, octets, usedforsecurity=False).digest()
            yield digest.hex(), False, False
            yield from _base64(digest, 0)


def _base64(octets: bytes, offset: int) -> Iterator[tuple[str, bool, bool]]:
    """Yield the characters that depend on `octets` alone when `offset` bytes stand before them."""
    bits = 8 * (offset + len(octets))
    encoded = base64.b64encode(bytes(offset) + octets).decode("ascii")
    core = encoded[-(-8 * offset // 6) : bits // 6]
    for text in {core, core.translate(_URL_SAFE)}:
        yield text.lower(), offset > 0, bits % 6 > 0


def _encodings(value: str | bytes) -> list[bytes]:
    """Return the bytes that a text may be on the wire: UTF-8, and Latin-1 where it differs."""
    if isinstance(value, bytes):
        return [value]
    try:
        found = [value.encode("utf-8", "surrogateescape")]
    except UnicodeEncodeError:
        found = [value.encode("utf-8", "surrogatepass")]
    if not value.isascii() and all(ord(char) < 0x100 for char in value):
        found.append(value.encode("latin-1"))
    return found


def _texts(value: str | bytes) -> set[str]:
    """Return how a value looks in decoded text and in bytes that are read as Latin-1."""
    texts = {octets.decode("latin-1") for octets in _encodings(value)}
    if isinstance(value, str):
        return texts | {value}
    try:
        return texts | {value.decode("utf-8")}
    except UnicodeDecodeError:
        return texts


@lru_cache(maxsize=64)
def _view(line_break: str, quote: str) -> _View:
    pattern = re.compile("|".join(filter(None, (line_break, quote))))
    return _View(pattern, _decoded) if quote else _View(pattern)


def _pieces(text: str, view: _View | None) -> list[_Piece]:
    """Return where the parts of a view of `text` come from."""
    spans = [(*match.span(), view.replaced(match)) for match in view.pattern.finditer(text)] if view else []
    pieces: list[_Piece] = []
    size = kept = 0
    for start, end, replacement in [*spans, (len(text), len(text), "")]:
        for length, source in ((start - kept, (kept, start)), (len(replacement), (start, end))):
            if length:
                pieces.append(_Piece(size, length, *source))
                size += length
        kept = end
    return pieces


def _decoded(match: re.Match[str]) -> str:
    r"""Return what `%41`, `&#65;`, `\x41`, `\u0041` or `\n` stands for, and nothing for a line's end."""
    quoted = match.group()
    if quoted.startswith("%"):
        return chr(int(quoted[1:], 16))
    if quoted.startswith("&"):
        import html  # noqa: PLC0415 -- 1 ms, and a server rarely quotes so

        return html.unescape(quoted)
    if not quoted.startswith("\\") or re.fullmatch(_FOLD, quoted):
        return ""
    kind, digits = quoted[1], quoted[2:]
    if kind == "u" and digits:
        return bytes.fromhex(quoted.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
    if kind in "xU" and digits:
        return chr(min(int(digits, 16), 0x10FFFF))
    return chr(int(quoted[1:], 8)) if digits else _CONTROLS.get(kind, kind)


def _occurrences(text: str, form: str) -> Iterator[int]:
    """Yield starts whose stretches together cover all occurrences, in two steps for each length passed."""
    size = len(form)
    start = text.find(form)
    while start >= 0:
        yield start
        overlapping = text.rfind(form, start + 1, start + 2 * size - 1)
        start = overlapping if overlapping >= 0 else text.find(form, start + size)


def _widened(text: str, start: int, end: int, form: _Form) -> tuple[int, int]:
    """Take in the base64 characters beside a hit that hold some bits of the secret, and the padding."""
    if form.before and start and _is_base64(text[start - 1]):
        start -= 1
    if form.after:
        if end < len(text) and _is_base64(text[end]):
            end += 1
        while text.startswith("=", end):
            end += 1
    return start, end


def _is_base64(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char in "+/-_")


def _sources(pieces: list[_Piece], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of the original that positions `start` to `end` of a view come from."""
    index = bisect_right(pieces, start, key=lambda piece: piece.at) - 1
    first = last = -1
    while index < len(pieces) and pieces[index].at < end:
        piece = pieces[index]
        low, high = piece.start, piece.end
        if piece.size == high - low:
            low, high = low + max(0, start - piece.at), low + min(piece.size, end - piece.at)
        if low != last:
            if first >= 0:
                yield first, last
            first = low
        last = high
        index += 1
    if first >= 0:
        yield first, last


def _merged(hits: list[_Hit]) -> list[_Hit]:
    """Join hits that overlap; the longest form gives the name."""
    merged = hits[:1]
    for hit in hits[1:]:
        held = merged[-1]
        if hit.start < held.end:
            name = hit.name if hit.size > held.size else held.name
            merged[-1] = _Hit(held.start, max(held.end, hit.end), max(held.size, hit.size), name)
        else:
            merged.append(hit)
    return merged


def _per_line(text: str, hit: _Hit) -> Iterator[Mark]:
    for part in _IN_LINE.finditer(text, hit.start, hit.end):
        yield Mark(part.start(), part.end(), hit.name)
