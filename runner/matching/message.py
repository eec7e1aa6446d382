"""A message that was fetched from a mailbox, against what a step asks of it.

Pure: it knows octets and patterns, neither protocols nor how they were fetched. What can't be read or was not kept
is never taken for good: a judgement that depends on it fails, and tells why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from runner.matching.alternatives import both
from runner.matching.glob import Glob
from runner.matching.lines import nearest_line
from runner.matching.message_wishes import (
    AttachmentWish,
    Bound,
    HeaderWish,
    MessageExpectation,
    Relation,
)
from runner.matching.mime import Content, Header, HeaderSection, read_content, read_header_section
from runner.matching.mismatch import Mismatch
from runner.matching.pattern import Match, Pattern, TooLong
from runner.protocol.fetched import Fetched
from runner.protocol.reply import decode

__all__ = [
    "AttachmentWish",
    "Bound",
    "HeaderWish",
    "MessageExpectation",
    "Relation",
    "judge_message",
]

_MISSING = "the server has no such text (NIL)"
# So many lines of a body, headers of a name or file names are told; a report shows fewer.
_TOLD = 20
# So many things that can't be read.
_TOLD_FAULTS = 3
_LONGEST_LINE = 4096
# A longer name is not like any that somebody wrote.
_LONGEST_NAME = 76
# So many names are compared, and so alike must one be.
_COMPARED_NAMES = 200
_NEAR = 0.75


def judge_message(expectation: MessageExpectation, message: Fetched) -> tuple[list[Mismatch], Mapping[str, str]]:
    """Return what of a message is not as asked, and what named groups have found; no slots are left.

    Never raises, whatever the message is; time and memory are in proportion to its length.
    """
    judging = _Judging(expectation, message)
    judging.judge()
    return judging.mismatches, judging.captures


class _Judging:
    """One message being judged."""

    def __init__(self, expectation: MessageExpectation, message: Fetched) -> None:
        self.mismatches: list[Mismatch] = []
        self.captures: dict[str, str] = {}
        self._asks = expectation
        self._message = message

    def judge(self) -> None:
        """Judge all that is asked."""
        asks, message = self._asks, self._message
        if asks.headers:
            self._judge_headers()
        if asks.body or asks.lacks or asks.attachments is not None:
            is_readable = message.is_whole and message.has_body
            content = read_content(message.data, has_header=message.has_header) if is_readable else Content()
            self._judge_body(content)
            self._judge_attachments(content)
            self._judge_lacks(content)
        if asks.size is not None and (message.is_missing or not asks.size.fits(message.size)):
            hint = "only part of the message was fetched" if message.is_part else ""
            self._miss("size", f"size {asks.size}", _MISSING if message.is_missing else f"size {message.size}", hint)

    def _miss(self, part: str, expected: str, actual: str, *hints: str) -> None:
        hint = "; ".join(dict.fromkeys(hint for hint in hints if hint))
        self.mismatches.append(Mismatch(part, expected, actual, hint))

    def _shown(self, pattern: Pattern) -> str:
        return both(pattern, self._asks.slot_text)

    def _not_kept(self) -> str:
        """Return that not all was kept; an empty text if it was."""
        message = self._message
        if message.is_whole:
            return ""
        return f"only {len(message.data):,} of the message's {message.size:,} octets were kept (limit 'reply')"

    # Headers.

    def _judge_headers(self) -> None:
        section = read_header_section(self._message.data) if self._message.has_header else HeaderSection(())
        unread = self._unread_headers(section)
        for wish in self._asks.headers:
            for expected, pattern in self._demands(wish):
                if unread:
                    self._miss(f"header {wish.name}", expected, unread)
                else:
                    self._judge_header(wish, expected, pattern, section)

    def _demands(self, wish: HeaderWish) -> Iterator[tuple[str, Pattern | None]]:
        """Iterate over what is asked of the headers of a name, as it is told."""
        match wish.asks:
            case "present":
                yield f"a header {wish.name}", None
            case "absent":
                yield f"no header {wish.name}", None
            case "fits":
                yield from ((f"{wish.name}: {self._shown(pattern)}", pattern) for pattern in wish.patterns)
            case "lacks":
                yield from ((f"no {wish.name}: {self._shown(pattern)}", pattern) for pattern in wish.patterns)

    def _unread_headers(self, section: HeaderSection) -> str:
        """Return why no header can be judged, or an empty text."""
        if self._message.is_missing:
            return _MISSING
        if not self._message.has_header:
            return "the header was not fetched"
        if section.refused:
            return f"the message has {section.refused}"
        if not section.is_ended and not self._message.is_whole:
            return f"{self._not_kept()}, which end within its header"
        if not section.is_ended and self._message.is_part:
            return "only part of the message was fetched, which ends within its header"
        return ""

    def _judge_header(self, wish: HeaderWish, expected: str, pattern: Pattern | None, section: HeaderSection) -> None:
        found = section.named(wish.name)
        match, reason = None, ""
        if pattern is not None:
            match, reason = _search(pattern, (view for header in found for view in header.views), _match_value)
        unread = [section.fault] if section.fault else []
        unread += [header.fault for header in found if header.fault and wish.asks == "lacks"]
        if not self._message.has_every(wish.name):
            unread.append("only some header fields were fetched, and not this one; BODY.PEEK[HEADER] has them all")
        match wish.asks:
            case "fits":
                is_good = match is not None
                self.captures.update(match.named if match is not None else {})
            case "present":
                is_good = bool(found)
            case "absent":
                is_good = not found and not unread
            case "lacks":
                is_good = match is None and not reason and not unread
        if not is_good:
            wants_one = wish.asks in ("fits", "present")
            hints = _near_header(pattern, wish.name, found, section) if wants_one else unread[:_TOLD_FAULTS]
            none = "no such header" if self._message.has_every(wish.name) else "nothing: it was not fetched"
            actual = _listed(map(str, found)) or none
            self._miss(f"header {wish.name}", expected, actual, reason, *hints)

    # What wants the whole message.

    def _judge_body(self, content: Content) -> None:
        unread = self._unread(content, is_part_good=True)
        lines = [line for text in content.texts for line in _first_lines(text)]
        shown = _listed(lines) or "no text"
        for pattern in self._asks.body:
            expected = f"a body with {self._shown(pattern)}"
            if unread:
                self._miss("body", expected, unread)
                continue
            match, reason = _search(pattern, content.texts, _match_text)
            if match is not None:
                self.captures.update(match.named)
                continue
            near = _near(pattern, lines)
            self._miss("body", expected, shown, reason, near, *self._doubts(content))

    def _doubts(self, content: Content) -> Iterator[str]:
        """Iterate over why a body may hold more than was seen."""
        if not self._message.has_header:
            yield "the header was not fetched, without which no encoding is known"
        if self._message.is_part:
            yield "only part of the message was fetched"
        else:
            yield from content.broken[:_TOLD_FAULTS]
        yield from content.faults[:_TOLD_FAULTS]

    def _judge_attachments(self, content: Content) -> None:
        wish = self._asks.attachments
        if wish is None:
            return
        unread = self._unread(content, wants_header=True)
        actual, doubts = _attachments(content), content.broken[:_TOLD_FAULTS]
        if wish.count is not None:
            expected = f"{wish.count} attachment{'' if str(wish.count) == '1' else 's'}"
            if unread:
                self._miss("attachments", expected, unread)
            elif doubts or not wish.count.fits(len(content.attachments)):
                self._miss("attachments", expected, actual, *doubts)
        names = [name for names in content.attachments for name in names]
        wanted = [(pattern, True) for pattern in wish.names] + [(pattern, False) for pattern in wish.lacks]
        for pattern, is_wanted in wanted:
            match, reason = _search(pattern, names, _match_value)
            expected = f"{'an' if is_wanted else 'no'} attachment {self._shown(pattern)}"
            if unread:
                self._miss("attachments", expected, unread)
            elif is_wanted and match is not None:
                self.captures.update(match.named)
            elif is_wanted or match is not None or reason or doubts:
                near = _near(pattern, names) if is_wanted else ""
                self._miss("attachments", expected, actual, reason, near, *doubts)

    def _judge_lacks(self, content: Content) -> None:
        if not self._asks.lacks:
            return
        if not self._message.has_body:
            section = read_header_section(self._message.data)
            broken = [f"the message: {section.fault}"] if section.fault else []
            content = Content(list(section.headers), broken=broken, refused=section.refused)
        unread = self._unread(content, wants_header=True, wants_body=False)
        doubts = [*content.broken, *content.faults, *(one.fault for one in content.headers if one.fault)]
        texts = [] if unread else _all_texts(self._message.data, content)
        for pattern in self._asks.lacks:
            expected = f"no line of the message with {self._shown(pattern)}"
            if unread:
                self._miss("lacks", expected, unread)
                continue
            match, reason = _search(pattern, texts, _match_line)
            if match is not None or reason or doubts:
                actual = "a message that can't be searched whole" if match is None else match.text or "an empty line"
                self._miss("lacks", expected, actual, reason, *doubts[:_TOLD_FAULTS])

    def _unread(
        self, content: Content, *, wants_header: bool = False, wants_body: bool = True, is_part_good: bool = False
    ) -> str:
        """Return why what wants the whole message can't be judged, or an empty text."""
        message = self._message
        if message.is_missing:
            return _MISSING
        if wants_body and not message.has_body:
            return "the body was not fetched"
        if wants_header and not message.has_header:
            return "the header was not fetched, without which the body can't be read"
        if not message.is_whole:
            return self._not_kept()
        if message.is_part and not is_part_good:
            return "only part of the message was fetched"
        return f"the message has {content.refused}" if content.refused else ""


def _search(
    pattern: Pattern, texts: Iterable[str], match: Callable[[Pattern, str], Match | None]
) -> tuple[Match | None, str]:
    """Return what a pattern finds in the first text that it fits, or why it was not tried on all of them."""
    reason, room = "", _room(pattern)
    for text in texts:
        room -= len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if room < 0:
            return None, "a regex sees at most 64 KiB, and this is longer; a glob sees all"
        try:
            found = match(pattern, text)
        except TooLong as error:
            reason = reason or error.reason
            continue
        if found is not None:
            return found, ""
    return None, reason


def _room(pattern: Pattern) -> float:
    """Return how many octets a pattern may see of all texts together."""
    if not pattern.is_regex:
        return math.inf
    from runner.matching.regex import TEXT_LIMIT  # noqa: PLC0415 -- start-up counts, and most patterns are globs

    return TEXT_LIMIT


def _match_value(pattern: Pattern, text: str) -> Match | None:
    return pattern.match_line(text)


def _match_line(pattern: Pattern, text: str) -> Match | None:
    """Match a text: a glob one of its lines, a regex anywhere."""
    if not isinstance(pattern, Glob):
        return pattern.search_text(text)
    return next((match for line in _lines_with(_literal(pattern), text) if (match := pattern.match_line(line))), None)


def _literal(glob: Glob) -> str:
    """Return the longest literal text of a glob: what a line must have that fits."""
    stretches = glob.stretches or ()
    runs = [run for one in stretches for run in ((one,) if isinstance(one, str) else (text for _, text in one.runs))]
    return max(runs, key=len, default="")


def _lines_with(literal: str, text: str) -> Iterator[str]:
    """Iterate over the lines of a text that have a literal in them; no list of all is made."""
    at = text.find(literal)
    while at >= 0:
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[start:end]
        at = text.find(literal, end + 1)


def _match_text(pattern: Pattern, text: str) -> Match | None:
    """Match a text as `_match_line`, or by a glob as a whole."""
    match = _match_line(pattern, text)
    return match if match is not None or pattern.is_regex or "\n" not in text else pattern.match_line(text)


def _all_texts(data: bytes, content: Content) -> list[str]:
    """Return all that is text in a message: as it came, its headers unfolded, what is encoded in it decoded."""
    headers = [f"{header.name}: {view}" for header in content.headers for view in header.views]
    return [decode(data).replace("\r\n", "\n"), "\n".join(headers), *content.texts, *content.inner]


def _near(pattern: Pattern, lines: list[str]) -> str:
    """Return why the line that comes closest misses a pattern; nothing where to find out would cost too much."""
    told = lines[:_TOLD]
    return nearest_line(pattern, told) if all(len(line) <= _LONGEST_LINE for line in told) else ""


def _near_header(pattern: Pattern | None, name: str, found: list[Header], section: HeaderSection) -> Iterator[str]:
    """Iterate over what may explain that no header of a name is as asked."""
    if pattern is not None:
        yield _near(pattern, [header.text for header in found])
    yield from (header.fault for header in found[:_TOLD_FAULTS])
    yield section.fault
    if not found:
        from difflib import get_close_matches  # noqa: PLC0415 -- start-up counts

        names = {one.name.lower(): one.name for one in section.headers if len(one.name) <= _LONGEST_NAME}
        near = get_close_matches(name.lower(), list(names)[:_COMPARED_NAMES], 1, _NEAR)
        yield f"there is a header '{names[near[0]]}'" if near else ""


def _attachments(content: Content) -> str:
    count = len(content.attachments)
    shown = [f"'{names[0]}'" if names else "one without a name" for names in content.attachments[:_TOLD]]
    more = ["…"] if count > _TOLD else []
    return f"{count} attachment{'' if count == 1 else 's'}" + (f": {', '.join(shown + more)}" if shown else "")


def _first_lines(text: str) -> list[str]:
    return text.split("\n", _TOLD)[: _TOLD + 1] if text else []


def _listed(texts: Iterable[str]) -> str:
    """Return the first of some texts, a line each, and whether there are more."""
    shown = list(islice(texts, _TOLD + 1))
    return "\n".join([*shown[:_TOLD], "…"] if len(shown) > _TOLD else shown)
