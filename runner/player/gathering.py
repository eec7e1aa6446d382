"""`until`: where a reply does not say itself where it ends, the lines that make one are gathered and judged as a whole.

It ends with a line that fits, with a number of lines, or with a pause; a pause is also where the server hangs up.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.matching.pattern import TooLong
from runner.player.ending import StepEnded, TimedOut, failed
from runner.player.expecting import broken, closing, pending_text
from runner.protocol import Malformed, Reply, decode
from runner.protocol.base import LineReply

if TYPE_CHECKING:
    from runner.matching.expectation import Expectation, Until
    from runner.player.link import Link
    from runner.player.player import Player


def gathered(
    player: Player, link: Link, wanted: Expectation, until: Until, first: Reply
) -> Generator[None, None, LineReply]:
    """Return the reply that begins with `first`.

    Raises:
        StepEnded: its end did not come, or it is too long.
    """
    gathering = _Gathering(player, link, wanted, until, first)
    return (yield from gathering.run())


class _Gathering:
    def __init__(self, player: Player, link: Link, wanted: Expectation, until: Until, first: Reply) -> None:
        self._player, self._link, self._wanted, self._until = player, link, wanted, until
        self._owed = first.owed
        self._lines = list(first.lines)
        self._size = sum(map(len, first.lines))
        self._is_backlog = bool(link.events)  # what is there already was not watched as it came

    def run(self) -> Generator[None, None, LineReply]:
        if self._until.silence:
            self._player.allow_until(self._player.now + self._until.silence)
        while not self._is_at_end():
            event = yield from self._next()
            if event is None:
                break
            self._lines += event.lines
            self._size += sum(map(len, event.lines))
            self._check_limits()
        return LineReply("", self._lines, self._owed)

    def _is_at_end(self) -> bool:
        until = self._until
        if until.pattern is not None:
            try:
                return until.pattern.match_line(decode(self._lines[-1])) is not None
            except TooLong as error:
                raise failed(f"whether the reply is at its end can't be told: {error.reason}") from error
        return not until.silence and len(self._lines) >= until.lines

    def _next(self) -> Generator[None, None, Reply | None]:
        """Wait for a line; None if a pause comes in its place."""
        player, link, pause = self._player, self._link, self._until.silence
        while not link.events:
            self._is_backlog = False
            if link.is_closed:
                if pause and link.fault is None and not link.pending:
                    return None
                raise self._cut_off()
            # Half a line is no pause: its end is due.
            quiet_at = link.arrived + pause if pause and not link.has_unread else None
            if quiet_at is not None and player.now >= quiet_at:
                return None
            try:
                yield from player.wait(quiet_at)
            except TimedOut as late:
                raise self._too_late(str(late)) from None
        if self._is_backlog and pause and link.events[0][1] - link.arrived > pause:
            return None
        event = link.take()
        if isinstance(event, Reply):
            return event
        assert isinstance(event, Malformed)
        raise broken(player, self._wanted, event)

    def _check_limits(self) -> None:
        limits = self._link.machine.limits
        if self._size > limits.reply:
            fault = f"a reply of more than {limits.reply} bytes (limit 'reply')"
        elif len(self._lines) > limits.lines:
            fault = f"a reply of more than {limits.lines} lines"
        else:
            return
        self._link.is_broken = True
        raise broken(self._player, self._wanted, Malformed(self._lines[-1], fault, self._owed))

    # How it can fail to end.

    def _cut_off(self) -> StepEnded:
        self._differ("reply", "then close")
        return closing(self._player, self._link, "inside a reply")

    def _too_late(self, limit: str) -> StepEnded:
        self._link.gave_up = True
        self._differ("time", "and nothing that ends it")
        until, count = self._until, len(self._lines)
        came = f"{count} line{'' if count == 1 else 's'}"
        last = self._player.findings.quote(decode(self._lines[-1]))
        if until.pattern is not None:
            pattern = until.pattern.show(self._wanted.slot_text)
            return failed(f"no line {pattern}, which ends the reply, {limit}, only {came}, the last: '{last}'")
        if until.silence:
            return failed(f"no pause of {until.silence:g} s, which ends the reply, {limit}; {came}, the last: '{last}'")
        return failed(f"only {count} of {until.lines} lines {limit}, the last: '{last}'")

    def _differ(self, part: str, how: str) -> None:
        """Record what came of the reply, and how it went on."""
        findings, link = self._player.findings, self._link
        text = "\n".join(map(decode, self._lines))
        if link.pending:
            text += f"\n{pending_text(self._player, link)} (incomplete)"
        findings.answered(text, link.arrived - self._player.step_started)
        findings.differ(part, str(self._wanted), f"{text}\n{how}")
