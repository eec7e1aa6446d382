"""A reply against an expectation: verdict, captures, and what differs.

Pure: it knows replies and patterns, nothing of time, sockets or files. A *wrong code* is told apart from every
other mismatch, because after one the two sides are out of step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass
from runner.matching.alternatives import (
    Alternative,
    ExpectationError,
    Given,
    Short,
    ValueOf,
    Word,
    both,
    code_fits,
    either,
    status_fits,
)
from runner.matching.glob import Glob
from runner.matching.lines import Block, BlockLine, nearest_line
from runner.matching.pattern import Match, Pattern, TooLong
from runner.matching.wishes import CapabilityWish, Comparison
from runner.protocol.base import LineReply, Reply

if TYPE_CHECKING:
    from runner.matching.message import MessageExpectation
    from runner.protocol.fetched import Fetched

__all__ = [
    "Alternative",
    "Block",
    "BlockLine",
    "CapabilityWish",
    "Capture",
    "Comparison",
    "Expectation",
    "ExpectationError",
    "Given",
    "Judgement",
    "Mismatch",
    "Short",
    "Until",
    "Word",
    "best_fit",
    "code_fits",
    "either",
    "find_untagged",
    "judge",
    "latencies",
    "status_fits",
]


@dataclass(frozen=True, slots=True)
class Capture:
    """A variable taken from a reply: `code`, `status`, `text`, or what a regex finds in the whole reply."""

    name: str
    what: Literal["code", "status", "text"] | Pattern


@dataclass(frozen=True, slots=True)
class Until:
    """How a reply ends that does not say it itself: by its last line, by how many there are, by a pause (seconds)."""

    pattern: Pattern | None = None
    lines: int = 1
    silence: float = 0.0

    def fill(self, value_of: ValueOf) -> Until:
        """Return it with its placeholders' values in it."""
        return replace(self, pattern=self.pattern.fill(value_of)) if self.pattern is not None else self


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that a step asks of one reply. `within` is in seconds, `silence` how long nothing may come.

    `untagged` are what untagged lines are to be, in any order. `until` is None where a reply says itself where it
    ends, or is one line.
    """

    alternatives: tuple[Alternative, ...]
    has: tuple[Pattern, ...] = ()
    lacks: tuple[Pattern, ...] = ()
    lines: int | None = None
    capabilities: tuple[CapabilityWish, ...] = ()
    within: float | None = None
    captures: tuple[Capture, ...] = ()
    silence: float | None = None
    is_warning: bool = False
    untagged: tuple[Pattern, ...] = ()
    message: MessageExpectation | None = None
    until: Until | None = None
    #: The code if that is all that is asked, so that most replies are judged by one comparison.
    only_code: str | None = field(default=None, init=False, compare=False)
    has_slots: bool = field(default=False, init=False, compare=False)
    #: How a slot's value is shown; `str`, as the author wrote it, until the slots are filled.
    slot_text: ValueOf = field(default=str, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "only_code", self._only_code())
        object.__setattr__(self, "has_slots", any(self._has_slots()))

    def _only_code(self) -> str | None:
        one = self.alternatives[0] if len(self.alternatives) == 1 else None
        if not isinstance(one, Short) or one.status or one.text is not None or "x" in one.code:
            return None
        asks_more = (
            any((self.has, self.lacks, self.capabilities, self.captures, self.untagged, self.message, self.until))
            or self.lines is not None
            or self.within is not None
        )
        return None if asks_more else one.code

    def _has_slots(self) -> Iterator[bool]:
        for one in self.alternatives:
            if isinstance(one, Block):
                yield any(line.text is not None and line.text.slots for line in one.lines)
            elif not isinstance(one, Word):
                yield isinstance(one, Given) or (one.text is not None and bool(one.text.slots))
        for pattern in (*self.has, *self.lacks, *self.untagged, *(one.what for one in self.captures)):
            yield not isinstance(pattern, str) and bool(pattern.slots)
        yield self.until is not None and self.until.pattern is not None and bool(self.until.pattern.slots)
        yield self.message is not None and self.message.has_slots

    def fill(self, value_of: ValueOf, slot_text: ValueOf = str) -> Expectation:
        """Return the expectation with its placeholders' values in it; `slot_text` is how they may be shown.

        Raises:
            ExpectationError: a value can't stand where its placeholder does.
        """
        if not self.has_slots:
            return self
        return replace(
            self,
            alternatives=tuple(one if isinstance(one, Word) else one.fill(value_of) for one in self.alternatives),
            has=tuple(pattern.fill(value_of) for pattern in self.has),
            lacks=tuple(pattern.fill(value_of) for pattern in self.lacks),
            captures=tuple(
                one if isinstance(one.what, str) else replace(one, what=one.what.fill(value_of))
                for one in self.captures
            ),
            untagged=tuple(pattern.fill(value_of) for pattern in self.untagged),
            message=self.message.fill(value_of, slot_text) if self.message is not None else None,
            until=self.until.fill(value_of) if self.until is not None else None,
            slot_text=slot_text,
        )

    def wants(self, word: Word) -> bool:
        """Whether the word is one of the alternatives."""
        return word in self.alternatives

    def __str__(self) -> str:
        return either(self.alternatives, self.slot_text)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that differs: which part, what was expected and what came, in the same notation."""

    part: str
    expected: str
    actual: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of judging one reply. `is_wrong_code`: no alternative has the reply's code."""

    mismatches: tuple[Mismatch, ...] = ()
    is_wrong_code: bool = False
    captures: Mapping[str, str] = field(default_factory=dict)


_FITS = Judgement()


def judge(
    expectation: Expectation,
    reply: Reply,
    capabilities: Mapping[str, tuple[str, ...]] | None = None,
    latency: float = 0.0,
    messages: Sequence[Fetched] = (),
) -> Judgement:
    """Judge a whole reply; `expectation` has no slots left.

    `capabilities` are those that the server shows now, None if none were read; `latency` is in seconds; `messages`
    are those that the reply holds. After a wrong code only the latency is judged besides: what else was asked was
    asked of another reply.
    """
    if reply.code == expectation.only_code:
        return _FITS
    fit = best_fit(expectation.alternatives, reply, expectation.slot_text)
    mismatches = list(fit.mismatches)
    captures = dict(fit.captures)
    if not fit.is_wrong_code:
        mismatches += _judge_lines(expectation, reply, captures)
        mismatches += _judge_untagged(expectation, reply, captures)
        mismatches += _judge_capabilities(expectation.capabilities, capabilities)
        mismatches += _judge_message(expectation, messages, captures)
        mismatches += _take(expectation, reply, captures)
    if expectation.within is not None and latency > expectation.within:
        mismatches.append(Mismatch("within", *latencies(expectation.within, latency)))
    return Judgement(tuple(mismatches), fit.is_wrong_code, captures)


def latencies(within: float, latency: float) -> tuple[str, str]:
    """Return how a latency that is too long is shown, and what was expected; both are in seconds."""
    return f"within {within:g} s", f"after {math.ceil(latency * 1000) / 1000:.3f} s"


def best_fit(alternatives: tuple[Alternative, ...], reply: Reply, slot_text: ValueOf = str) -> Judgement:
    """Return the judgement of the alternative that fits, else of those that come closest.

    Those without the reply's code are left out unless all are; one whose status fits is closer than one whose
    status doesn't.
    """
    misses: list[Mismatch] = []
    for one in alternatives:
        found = _judge_alternative(one, reply, slot_text)
        if isinstance(found, Mismatch):
            misses.append(found)
        elif found is not None:
            return Judgement(captures=found)
    if not misses:
        return Judgement((Mismatch("code", either(alternatives, slot_text), str(reply)),), is_wrong_code=True)
    closest = [miss for miss in misses if miss.part != "status"] or misses
    expected = " or ".join(miss.expected for miss in closest)
    hint = next((miss.hint for miss in closest if miss.hint), "")
    return Judgement((replace(closest[0], expected=expected, hint=hint),))


def _judge_alternative(one: Alternative, reply: Reply, slot_text: ValueOf) -> Mapping[str, str] | Mismatch | None:
    """Return the captures if it fits, what differs if only its code does, else None.

    A word but `any` never fits a reply.
    """
    if isinstance(one, Word):
        return {} if one is Word.ANY else None
    if isinstance(one, Block):
        return _judge_block(one, reply, slot_text)
    assert isinstance(one, Short), "the expectation was not filled"
    if not code_fits(one.code, reply.code):
        return None
    if one.status and not status_fits(one.status, reply.enhanced):
        return Mismatch("status", both(one, slot_text), str(reply))
    if one.text is None:
        return {}
    try:
        match = _match_text(one.text, reply, with_status=not one.status)
    except TooLong as error:
        return Mismatch("text", both(one, slot_text), str(reply), error.reason)
    if match is not None:
        return match.named
    return Mismatch("text", both(one, slot_text), str(reply), _near(one.text, reply))


def _match_text(pattern: Pattern, reply: Reply, *, with_status: bool) -> Match | None:
    """Match TEXT: one line must match, without its status, and where none was asked for also with it."""
    if (decoded := reply.decoded) is not None:
        return pattern.match_line(decoded) or _match_raw(pattern, reply)
    if isinstance(reply, LineReply):
        matches = map(pattern.match_line, reply.texts_without_code(with_status=with_status))
        return next((match for match in matches if match is not None), None)
    for text in reply.texts:
        bare = reply.bare(text)
        if (match := pattern.match_line(bare)) or (
            with_status and bare != text and (match := pattern.match_line(text))
        ):
            return match
    return None


def _match_raw(pattern: Pattern, reply: Reply) -> Match | None:
    """Match a challenge that decodes also as it came, if it is written out in full."""
    raw = reply.texts[0]
    is_written_out = isinstance(pattern, Glob) and pattern.stretches == (raw,)
    return Match(raw) if is_written_out else None


def _judge_block(block: Block, reply: Reply, slot_text: ValueOf) -> Mapping[str, str] | Mismatch | None:
    if any(line.code and not code_fits(line.code, reply.code) for line in block.lines):
        return None
    texts = reply.texts
    if block.fits(texts) or (isinstance(reply, LineReply) and any(map(block.fits, reply.views()))):
        return {}
    return Mismatch("lines", both(block, slot_text), str(reply), block.miss(texts))


def _near(pattern: Pattern, reply: Reply) -> str:
    if (decoded := reply.decoded) is not None:
        return f"the challenge decodes to '{decoded}'"
    return nearest_line(pattern, [reply.bare(text) for text in reply.texts])


def _judge_lines(expectation: Expectation, reply: Reply, captures: dict[str, str]) -> list[Mismatch]:
    found: list[Mismatch] = []
    if expectation.lines is not None and expectation.lines != (count := reply.line_count):
        found.append(Mismatch("lines", _counted(expectation.lines), _counted(count)))
    for pattern in expectation.has:
        match, hint = _search(pattern, reply)
        if match is None:
            wanted = f"a line with {both(pattern, expectation.slot_text)}"
            found.append(Mismatch("has", wanted, str(reply), hint or _near(pattern, reply)))
        else:
            captures.update(match.named)
    for pattern in expectation.lacks:
        match, hint = _search(pattern, reply)
        if match is not None or hint:
            actual = match.text if match is not None and match.text else str(reply)
            found.append(Mismatch("lacks", f"no line with {both(pattern, expectation.slot_text)}", actual, hint))
    return found


def _counted(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def _search(pattern: Pattern, reply: Reply) -> tuple[Match | None, str]:
    """Look for a pattern in a whole reply: a glob on one line (with or without its status), a regex on all of it.

    A challenge is looked at decoded, as TEXT does. The second value says why a regex could not be tried.
    """
    try:
        if (decoded := reply.decoded) is not None:
            return pattern.search_text(decoded) or _match_raw(pattern, reply), ""
        if pattern.is_regex:
            return pattern.search_text("\n".join(reply.searched)), ""
        matches = (pattern.search_text("\n".join(view)) for view in reply.views())
        return next((match for match in matches if match is not None), None), ""
    except TooLong as error:
        return None, error.reason


def _take(expectation: Expectation, reply: Reply, into: dict[str, str]) -> list[Mismatch]:
    missing: list[Mismatch] = []
    for capture in expectation.captures:
        value, wanted, hint = _captured(capture.what, reply, into)
        if value is None:
            if isinstance(capture.what, Pattern):
                wanted = both(capture.what, expectation.slot_text)
            missing.append(Mismatch("capture", f"{wanted} to capture '{capture.name}'", str(reply), hint))
        else:
            into[capture.name] = value
    return missing


def _captured(
    what: Literal["code", "status", "text"] | Pattern, reply: Reply, into: dict[str, str]
) -> tuple[str | None, str, str]:
    """Return a capture's value (None if the reply has none), what was wanted, and why it could not be found.

    What a regex's named groups have found goes into `into`.
    """
    if what == "code":
        return reply.code, "a code", ""
    if what == "text":
        decoded = reply.decoded
        return reply.said if decoded is None else decoded, "a text", ""
    if what == "status":
        wanted = "a response code" if isinstance(reply, LineReply) else "an enhanced status code"
        return reply.enhanced or None, wanted, ""
    assert isinstance(what, Pattern)
    match, hint = _search(what, reply)
    into.update(match.named if match is not None else {})
    return match.text if match is not None else None, "", hint


def _judge_untagged(expectation: Expectation, reply: Reply, captures: dict[str, str]) -> list[Mismatch]:
    if not expectation.untagged:
        return []
    found = find_untagged(expectation, reply.untagged if isinstance(reply, LineReply) else [])
    captures.update(found.captures)
    return list(found.mismatches)


@dataclass(frozen=True, slots=True)
class Untagged:
    """What became of a search in untagged lines: what is missing, captures, and how many lines were needed for it."""

    mismatches: tuple[Mismatch, ...]
    captures: Mapping[str, str]
    needed: int


def find_untagged(expectation: Expectation, lines: Sequence[str]) -> Untagged:
    """Look for a line for each pattern of `untagged`, in any order; one line may fit several."""
    missing: list[Mismatch] = []
    captures: dict[str, str] = {}
    needed = 0
    for pattern in expectation.untagged:
        hint = ""
        for number, line in enumerate(lines, 1):
            try:
                match = pattern.match_line(line)
            except TooLong as error:
                hint = error.reason
                continue
            if match is not None:
                captures.update(match.named)
                needed = max(needed, number)
                break
        else:
            wanted = f"an untagged line {both(pattern, expectation.slot_text)}"
            hint = hint or nearest_line(pattern, lines)
            missing.append(Mismatch("untagged", wanted, "\n".join(f"* {line}" for line in lines) or "none", hint))
    return Untagged(tuple(missing), captures, needed)


def _judge_message(
    expectation: Expectation, messages: Sequence[Fetched], captures: dict[str, str]
) -> tuple[Mismatch, ...]:
    if expectation.message is None:
        return ()
    if len(messages) != 1:
        return (Mismatch("message", "one message", f"{len(messages)} messages" if messages else "no message"),)
    from runner.matching.message import judge_message  # noqa: PLC0415 -- few scenarios look into a message

    mismatches, found = judge_message(expectation.message, messages[0])
    captures.update(found)
    return tuple(mismatches)


def _judge_capabilities(
    wishes: tuple[CapabilityWish, ...], shown: Mapping[str, tuple[str, ...]] | None
) -> list[Mismatch]:
    if shown is None:
        return [Mismatch("capabilities", str(wish), "none were read") for wish in wishes]
    found = []
    for wish in wishes:
        parameters = shown.get(wish.name)
        if wish.fits(parameters):
            continue
        if parameters is None:
            offered = "offered: " + (", ".join(shown) or "nothing")
            found.append(Mismatch("capabilities", str(wish), f"{wish.name} not offered", offered))
        else:
            found.append(Mismatch("capabilities", str(wish), " ".join((wish.name, *parameters))))
    return found
