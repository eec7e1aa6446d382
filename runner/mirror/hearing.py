"""A client's lines against those that are expected of it: values that only the client knows are learnt from them.

Pure. The mirror plays with values of its own, such as a token for `${unique}`; each is a mark that is found again in
what is expected. Where a mark stands the client's line may have any text, and from then on that text. Nothing goes back
further than one stretch between two gaps, as in a glob, so that no client's line costs more than reading it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from runner.dataclass import dataclass
from runner.language.filters import to_bytes

# What may be base64 of something with marks in it; less than that holds none.
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")
#: The announcement of a literal at a line's end, and the size in a BDAT line.
SIZE = re.compile(rb"(?<=\{)[0-9]+(?=\+?\}\Z)|(?<=\ABDAT )[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Gap:
    """Where a line may differ: at a mark, at base64 of a text with marks (`inner`), or at a size (neither)."""

    mark: bytes = b""
    inner: bytes = b""


class Hearing:
    """What the mirror knows of the client's values. Without `marks` every line is expected as it is."""

    def __init__(self, marks: Mapping[str, str]) -> None:
        ordered = sorted((to_bytes(text) for text in marks if text), key=len, reverse=True)
        self.learnt: dict[bytes, bytes] = {}
        self._any = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None

    @property
    def is_exact(self) -> bool:
        """Whether the client's values are the mirror's own."""
        return self._any is None

    def translate(self, text: str) -> str:
        """Return a text with the client's values in the place of the mirror's, as far as they are known."""
        if self._any is None or not self.learnt:
            return text
        data = self._any.sub(lambda found: self.learnt.get(found[0], found[0]), to_bytes(text))
        return data.decode("utf-8", "surrogateescape")

    def takes(self, expected: bytes, heard: bytes, *, has_tag: bool = False) -> bool:
        """Whether a line (without its end) is the one that is expected; then its values are learnt.

        The case of letters that are expected does not count. With `has_tag` each begins with a tag of its own.
        """
        if expected == heard:
            return True
        if self._any is None:
            return False
        if has_tag:
            _, _, expected = expected.partition(b" ")
            tag, blank, heard = heard.partition(b" ")
            if not (tag and blank):
                return False
        found = self._values(expected, heard)
        if found is None:
            return False
        for mark, value in found.items():
            self.learnt.setdefault(mark, value)
        return True

    def learn_from(self, expected: bytes, heard: bytes) -> None:
        """Learn what can be learnt from a message, whose other lines may be any."""
        for one, other in zip(expected.split(b"\r\n"), heard.split(b"\r\n"), strict=False):
            self.takes(one, other)

    def _values(self, expected: bytes, heard: bytes) -> dict[bytes, bytes] | None:
        """Return what stands in a line for each mark, None if the line is another one."""
        literals, gaps = self._cut(expected)
        texts = _between(literals, heard)
        if texts is None:
            return None
        found: dict[bytes, bytes] = {}
        for gap, text in zip(gaps, texts, strict=True):
            if not self._fills(gap, text, found):
                return None
        return found

    def _fills(self, gap: _Gap, text: bytes, found: dict[bytes, bytes]) -> bool:
        """Whether a text can stand in a gap; what is learnt by it goes into `found`."""
        if gap.inner:
            try:
                raw = binascii.a2b_base64(text, strict_mode=True)
            except binascii.Error:
                return False
            inside = {} if raw == gap.inner else self._values(gap.inner, raw)
            found.update(inside or {})
            return inside is not None
        if not gap.mark:
            return text.isdigit()
        return found.setdefault(gap.mark, self.learnt.get(gap.mark, text)) == text

    def _cut(self, expected: bytes) -> tuple[list[bytes], list[_Gap]]:
        """Return what is certain of a line, and the gaps between those stretches: one less than they are."""
        literals, gaps, at = [], [], 0
        for start, end, gap in self._gaps(expected):
            literals.append(expected[at:start])
            gaps.append(gap)
            at = end
        return [*literals, expected[at:]], gaps

    def _gaps(self, expected: bytes) -> Iterator[tuple[int, int, _Gap]]:
        assert self._any is not None
        at = 0
        marks = [found.span() for found in self._any.finditer(expected)]
        for start, end in [*marks, (len(expected), len(expected))]:
            yield from self._gaps_without_marks(expected, at, start)
            if end > start:
                yield start, end, _Gap(expected[start:end])
            at = end

    def _gaps_without_marks(self, expected: bytes, start: int, end: int) -> Iterator[tuple[int, int, _Gap]]:
        """Iterate over gaps where no mark stands in clear: what is base64 may have some inside."""
        assert self._any is not None
        size = SIZE.search(expected)
        for found in _BASE64.finditer(expected, start, end):
            if self._any.search(raw := _decoded(found[0])):
                yield found.start(), found.end(), _Gap(inner=raw)
        if size is not None and start <= size.start() < end:
            yield size.start(), size.end(), _Gap()


def _decoded(text: bytes) -> bytes:
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return b""
    return raw if base64.b64encode(raw) == text else b""


def _between(literals: list[bytes], heard: bytes) -> list[bytes] | None:
    """Return what stands between literals in a line, None if they don't.

    The first is at the line's start, the last at its end, each between at its leftmost place.
    """
    folded = heard.lower()
    if len(literals) == 1:
        return [] if folded == literals[0].lower() else None
    first, *middle, last = (literal.lower() for literal in literals)
    end = len(folded) - len(last)
    if not folded.startswith(first) or not folded.endswith(last) or end < len(first):
        return None
    texts, at = [], len(first)
    for literal in middle:
        place = folded.find(literal, at, end)
        if place < 0:
            return None
        texts.append(heard[at:place])
        at = place + len(literal)
    return [*texts, heard[at:end]]
