"""Meeting an expectation: each way to read what comes next, and which of them a step takes."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.matching.expectation import Word
from runner.player.expecting import fill, next_reply, settle
from runner.player.gathering import gathered
from runner.player.untagged import expect_untagged
from runner.protocol import Reply

if TYPE_CHECKING:
    from runner.matching.expectation import Expectation
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]
Met = Generator[None, None, Reply | Word]


def expect(player: Player, link: Link, expectation: Expectation) -> Steps:
    """Read the next reply and judge it. A wrong code ends the step, and with it the case."""
    wanted = fill(player, expectation) if expectation.has_slots else expectation
    if wanted.untagged and wanted.wants(Word.UNTAGGED):
        yield from expect_untagged(player, link, wanted)
        return
    got = yield from next_reply(player, link, wanted)
    if type(got) is Reply and got.code == wanted.only_code:  # all that most steps ask
        link.last = got
        return
    if wanted.until is not None and isinstance(got, Reply):
        got = yield from gathered(player, link, wanted, wanted.until, got)
    settle(player, link, wanted, got)


def next_whole_reply(player: Player, link: Link, wanted: Expectation) -> Met:
    """Wait for the next reply, to the end that the step gives it, or for what can come in its place.

    Raises:
        StepEnded: what came is no reply, or nothing came in time.
    """
    got = yield from next_reply(player, link, wanted)
    if wanted.until is not None and isinstance(got, Reply):
        return (yield from gathered(player, link, wanted, wanted.until, got))
    return got
