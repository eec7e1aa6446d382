"""A reply against an expectation: verdict, captures, and what differs.

Pure: it knows replies and patterns, nothing of time, sockets or files. A *wrong code* is told apart from every
other mismatch, because after one the two sides are out of step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass
from runner.matching.alternatives import Alternative, Short, ValueOf, Word, both, code_fits, either, status_fits
from runner.matching.expectation import Expectation
from runner.matching.glob import Glob
from runner.matching.lines import Block, nearest_line
from runner.matching.mismatch import Mismatch
from runner.matching.pattern import Match, Pattern, TooLong
from runner.matching.untagged import find_untagged
from runner.matching.wishes import CapabilityWish
from runner.protocol.base import LineReply, Reply

if TYPE_CHECKING:
    from runner.protocol.fetched import Fetched


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
    if reply.not_kept:
        return Mismatch("lines", both(block, slot_text), str(reply), reply.not_kept)
    if block.fits(texts) or (isinstance(reply, LineReply) and any(map(block.fits, reply.views()))):
        return {}
    return Mismatch("lines", both(block, slot_text), str(reply), block.miss(texts))


def _near(pattern: Pattern, reply: Reply) -> str:
    if (decoded := reply.decoded) is not None:
        return f"the challenge decodes to '{decoded}'"
    return nearest_line(pattern, [reply.bare(text) for text in reply.texts])


def _judge_lines(expectation: Expectation, reply: Reply, captures: dict[str, str]) -> list[Mismatch]:
    found: list[Mismatch] = []
    if expectation.lines is not None and (expectation.lines != (count := reply.line_count) or reply.not_kept):
        least = "at least " if reply.not_kept else ""
        found.append(Mismatch("lines", _counted(expectation.lines), f"{least}{_counted(count)}", reply.not_kept))
    for pattern in expectation.has:
        match, hint = _search(pattern, reply)
        if match is None:
            wanted = f"a line with {both(pattern, expectation.slot_text)}"
            found.append(Mismatch("has", wanted, str(reply), hint or reply.not_kept or _near(pattern, reply)))
        else:
            captures.update(match.named)
    for pattern in expectation.lacks:
        match, hint = _search(pattern, reply)
        hint = hint or ("" if match is not None else reply.not_kept)
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
            expected = f"{wanted} to capture '{capture.name}'"
            missing.append(Mismatch("capture", expected, str(reply), hint or reply.not_kept))
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


def _judge_message(
    expectation: Expectation, messages: Sequence[Fetched], captures: dict[str, str]
) -> tuple[Mismatch, ...]:
    if expectation.message is None:
        return ()
    if len(messages) != 1:
        many = f"{len(messages)} messages, or parts of one: fetch BODY.PEEK[] of one message"
        return (Mismatch("message", "one message", many if messages else "nothing of a message: fetch BODY.PEEK[]"),)
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
