"""`expect_line`: one line of a reply that may not be whole yet, such as the `220-` of a server that lets wait.

The line is judged as soon as it is there and stays a part of its reply, which a later step reads whole: a wrong
line does not put the two sides out of step, and the case goes on.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.matching.expectation import Word
from runner.player.ending import TimedOut
from runner.player.expecting import broken, capture, closing, judge_latency, latency_of, too_late
from runner.protocol import Malformed, decode

if TYPE_CHECKING:
    from runner.matching.partial import LineExpectation
    from runner.player.link import Link
    from runner.player.player import Player

# A secret that is cut over lines is looked for in so many before and behind the one that is shown.
NEAR = 20

Steps = Generator[None, None, None]
Line = Generator[None, None, tuple[str, float] | None]


def expect_line(player: Player, link: Link, expectation: LineExpectation) -> Steps:
    """Read the next line, whether its reply is whole or not, and judge it."""
    wanted = expectation.fill(player.scope.of_slot, player.scope.shown_slot)
    differ, is_warning = player.findings.differ, wanted.is_warning
    found = yield from _next_line(player, link, wanted)
    if found is None:
        differ("line", str(wanted), "no further line: the reply has ended", is_warning=is_warning)
        return
    line, arrived = found
    wrong, named = wanted.judge(line)
    if wrong is not None:
        shown = _shown(player, link, line)
        player.findings.answered(shown, arrived - player.step_started)
        differ(wrong.part, wrong.expected, shown, wrong.hint if shown == line else "", is_warning=is_warning)
    capture(player, named)
    judge_latency(player, wanted, latency_of(player, link, arrived))


def _shown(player: Player, link: Link, line: str) -> str:
    """Return the line that was read last with the secrets hidden that began before it or go on behind it."""
    at = link.lines_read - 1
    first = max(0, at - NEAR)
    lines = link.lines_known(first, at + NEAR + 1)
    if not 0 <= at - first < len(lines):
        return line
    return player.redactor.mask("\n".join(map(decode, lines))).split("\n")[at - first]


def _next_line(player: Player, link: Link, wanted: LineExpectation) -> Line:
    """Wait for a line that no step has read; None if the reply that comes next has no more of them.

    Raises:
        StepEnded: what came is no reply, or nothing came in time.
    """
    if link.awaits_delivery:
        player.allow_message_time()
    while True:
        try:
            found = link.next_line()
        except IndexError:
            return None
        if found is not None:
            link.lines_read += 1
            link.drop_torn()
            line, arrived = found
            return decode(line), arrived
        if link.events and isinstance(event := link.take(), Malformed):
            raise broken(player, wanted, event)
        if link.is_closed:
            link.last = Word.CLOSE
            raise closing(player, link)
        try:
            yield from player.wait()
        except TimedOut as late:
            raise too_late(player, link, wanted, str(late)) from None
