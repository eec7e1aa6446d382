"""The end of a case: what is still owed or left over fails it, and every connection is closed in order.

A connection that is open is closed with the protocol's goodbye if it was greeted and nothing is owed, else dropped;
never by ending a message.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Literal

from runner.player.ending import TimedOut
from runner.player.expecting import SHOWN_BYTES, shown
from runner.player.filling import Line
from runner.player.writing import put
from runner.protocol import decode
from runner.results import Outcome
from runner.wire import Close

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player

# A goodbye and its answer have this many seconds of their own, whatever time the case has left.
FAREWELL_SECONDS = 2.0

Steps = Generator[None, None, None]


def finish(player: Player, *, is_hasty: bool = False) -> Steps:
    """Close every connection; with `is_hasty` at once."""
    for link in player.links.values():
        if is_hasty:
            drop(player, link)
        else:
            yield from leave(player, link)


def drop(player: Player, link: Link, how: Literal["fin", "reset"] = "fin") -> None:
    """Close a connection without a word."""
    if link.has_begun and not link.is_dropped:
        player.act(Close(link.sid, how))
    link.is_open, link.is_closed, link.is_dropped = False, True, True


def leave(player: Player, link: Link) -> Steps:
    """Close a connection as at a case's end. What the server owes or sent too much fails a case that has passed."""
    player.step_started = player.now
    player.set_timeout(FAREWELL_SECONDS)
    player.case_deadline = max(player.case_deadline, player.step_deadline)
    if player.outcome is Outcome.PASSED and link.has_begun and not link.is_dropped:
        _check_owed(player, link)
    if link.is_open and not link.is_closed and link.machine.may_say_goodbye and not link.events:
        write_goodbye(player, link)
        yield from read_reply(player, link)
    if link.is_open and link.machine.said_goodbye:
        yield from _read_out(player, link)
    drop(player, link)


def write_goodbye(player: Player, link: Link) -> None:
    """Send the protocol's goodbye."""
    put(player, link, Line(link.machine.goodbye))


def read_reply(player: Player, link: Link) -> Steps:
    """Read one reply, or the end of the connection, within the farewell's time."""
    while not link.is_closed:
        if link.take() is not None:
            return
        try:
            yield from player.wait()
        except TimedOut:
            return


def _read_out(player: Player, link: Link) -> Steps:
    """After the goodbye's answer nothing but the end is due."""
    while True:
        link.pump()
        if link.events or link.pending:
            text = shown(link.events[0]) if link.events else decode(link.pending[:SHOWN_BYTES])
            if player.outcome is Outcome.PASSED:
                player.fail(f"after the last step: a reply that was not owed: {text}")
            return
        if link.is_closed:
            return
        try:
            yield from player.wait()
        except TimedOut:
            return


def _check_owed(player: Player, link: Link) -> None:
    link.pump()
    if link.events:
        event = link.events[0]
        what = f"the reply to {event.owed} was never expected" if event.owed else "a reply that was not owed"
        player.fail(f"after the last step: {what}: {shown(event)}")
    elif link.machine.owed:
        count = len(link.machine.owed)
        replies = "a reply is" if count == 1 else f"{count} replies are"
        player.fail(f"after the last step: {replies} still owed, to {', '.join(map(str, link.machine.owed))}")
    elif link.pending:
        player.fail(f"after the last step: bytes that nothing owed: {decode(link.pending[:SHOWN_BYTES])}")
