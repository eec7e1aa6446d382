"""`expect: untagged`: lines that a server sends when it likes (RFC 9051 section 7), as while a client idles.

They are looked for among those that came since the last step, in the order of the wire: those that are a part of a
reply which no step has read yet come before those that are a part of none. What was found is taken, up to the last
line that was needed; so it makes no difference how the bytes were cut, nor whether a reply has come behind the lines.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.matching.expectation import Word
from runner.matching.pattern import Pattern, TooLong
from runner.matching.untagged import find_untagged
from runner.player.ending import StepEnded, TimedOut, failed
from runner.player.expecting import broken, capture, closing, gist_of, judge_latency, pending_text, tell_answer
from runner.protocol import Malformed, Reply
from runner.protocol.base import LineReply

if TYPE_CHECKING:
    from runner.matching.expectation import Expectation
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]


class _Search:
    """Which patterns have met their line yet; each line is looked at once, however slowly they come."""

    def __init__(self, wanted: Expectation) -> None:
        self.missing: list[Pattern] = list(wanted.untagged)
        self.seen = 0
        self.needed = 0  # so many lines were needed for the patterns that have met theirs

    def go_on(self, lines: Sequence[str]) -> None:
        """Look at the lines that have come since."""
        for line in lines:
            self.seen += 1
            left = [pattern for pattern in self.missing if not _fits(pattern, line)]
            if len(left) < len(self.missing):
                self.missing, self.needed = left, self.seen


def _fits(pattern: Pattern, line: str) -> bool:
    try:
        return pattern.match_line(line) is not None
    except TooLong:
        return False


def expect_untagged(player: Player, link: Link, wanted: Expectation) -> Steps:
    """Wait until each pattern of `untagged` has its line; a whole reply before that ends the step."""
    search = _Search(wanted)
    while True:
        search.go_on(_lines(link, search.seen))
        if not search.missing:
            _take(player, link, wanted, search.needed)
            return
        if link.events:
            _settle_reply(player, link, _without_met(wanted, search))
            return
        if link.is_closed:
            _settle_close(player, link, _without_met(wanted, search))
            return
        try:
            yield from player.wait()
        except TimedOut as late:
            raise _too_late(player, link, _without_met(wanted, search), str(late)) from None


def _without_met(wanted: Expectation, search: _Search) -> Expectation:
    """Return the expectation with those of the patterns that have not met their line."""
    return replace(wanted, untagged=tuple(search.missing))


def _lines(link: Link, first: int) -> list[str]:
    """Return the untagged lines that come next, from one on: of the next reply, or of none yet."""
    if not link.events:
        return link.machine.untagged(first)
    event = link.events[0][0]
    return event.untagged[first:] if isinstance(event, LineReply) else []


def _take(player: Player, link: Link, wanted: Expectation, needed: int) -> None:
    """Take the lines that were needed, with what their patterns' named groups have found."""
    lines = _lines(link, 0)[:needed]
    if link.events:
        event = link.events[0][0]
        assert isinstance(event, LineReply)
        link.replace_next(_without(event, needed))
    else:
        link.machine.drop_untagged(needed)
    link.last = Word.UNTAGGED
    capture(player, find_untagged(wanted, lines).captures)
    since = player.step_started if link.written is None else max(player.step_started, link.written)
    judge_latency(player, wanted, max(0.0, player.now - since))


def _without(reply: LineReply, count: int) -> LineReply:
    """Return a reply without the first of its untagged lines."""
    head = len(reply.lines) if reply.head_at is None else reply.head_at % len(reply.lines)
    gone = [at for at, line in enumerate(reply.lines) if at != head and line.startswith(b"* ")][:count]
    places = {at: new for new, at in enumerate(sorted(set(range(len(reply.lines))) - set(gone)))}
    literals = tuple(replace(one, at=places[one.at]) for one in reply.literals if one.at in places)
    return replace(reply, lines=[reply.lines[at] for at in places], literals=literals)


# What else may come.


def _settle_reply(player: Player, link: Link, wanted: Expectation) -> None:
    """Take a whole reply that came before all the lines: it is wrong."""
    event = link.take()
    if not isinstance(event, Reply):
        assert isinstance(event, Malformed)
        raise broken(player, _told(wanted), event)
    link.last = event
    tell_answer(player, event, link.arrived)
    _differ(player, wanted, event.untagged if isinstance(event, LineReply) else [], str(event), gist_of(event))
    if not wanted.is_warning:
        advice = ""
        if event.code == link.machine.challenge_code and event.owed is not None:
            advice = f"; add expect: {event.code} to the step that sends {event.owed}"
        raise failed(f"expected {_told(wanted)}, got {player.findings.quote(gist_of(event))}{advice}", event.code)


def _settle_close(player: Player, link: Link, wanted: Expectation) -> None:
    link.last = Word.CLOSE
    came = _came(player, link)
    _differ(player, wanted, _lines(link, 0), "\n".join([*came, "then close"]), "close")
    if not wanted.is_warning:
        raise closing(player, link, f"where {_told(wanted)} {'was' if len(wanted.untagged) == 1 else 'were'} due")


def _too_late(player: Player, link: Link, wanted: Expectation, limit: str) -> StepEnded:
    # Where nothing is owed no reply is missing, and the conversation could go on.
    link.gave_up = bool(link.machine.owed)
    came, missing = _came(player, link), f"no {_told(wanted).removeprefix('an ')} {limit}"
    _differ(player, wanted, _lines(link, 0), "\n".join(came) or "none")
    if not came:
        return failed(missing)
    player.findings.answered("\n".join(came), player.now - player.step_started)
    last = player.redactor.mask("\n".join(came)).rpartition("\n")[2]
    return failed(f"{missing}; what came last: '{player.findings.quote(last)}'")


def _differ(player: Player, wanted: Expectation, lines: list[str], actual: str, gist: str = "") -> None:
    """Record each pattern that has not met its line."""
    for one in find_untagged(wanted, lines).mismatches:
        player.findings.differ(one.part, one.expected, actual, one.hint, is_warning=wanted.is_warning, gist=gist)


def _told(wanted: Expectation) -> str:
    """Return what was waited for: the patterns say more than the word."""
    patterns = " and ".join(pattern.show(wanted.slot_text) for pattern in wanted.untagged)
    return f"an untagged line {patterns}" if len(wanted.untagged) == 1 else f"untagged lines {patterns}"


def _came(player: Player, link: Link) -> list[str]:
    """Return the untagged lines that nothing was found in, and what came of another."""
    lines = [f"* {line}" for line in _lines(link, 0)]
    return [*lines, f"{pending_text(player, link)} (incomplete)"] if link.pending else lines
