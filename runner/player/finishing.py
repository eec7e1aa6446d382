"""The end of a connection: what is still owed or left over is wrong, and it is closed in order.

A connection that is open is closed with the protocol's goodbye if it was greeted and nothing is owed, else dropped;
never by ending a message.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Literal

from runner.language.model import MAIN
from runner.player.ending import TimedOut
from runner.player.expecting import name_of, pending_text, shown
from runner.player.writing import put_ready
from runner.protocol import Malformed
from runner.results import Outcome
from runner.wire import Close

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.protocol import Owed, Reply

# A goodbye and its answer have this many seconds of their own, whatever time the case has left.
FAREWELL_SECONDS = 2.0
# Once it is answered only the end is due; a server that keeps the connection open all the same is not waited for. Where
# no goodbye is known, what comes within that time is still told.
CLOSING_SECONDS = 0.5

Steps = Generator[None, None, None]
Wrong = Generator[None, None, str]


def finish(player: Player) -> Steps:
    """Close every connection; what is wrong at its end fails a case that has passed so far.

    The goodbyes leave at once and their answers have one time together: so many connections end as one does.
    """
    links = {name: link for name, link in player.links.items() if link.has_begun and not link.is_dropped}
    begin_farewell(player)
    until = player.step_deadline
    found = {name: _unsettled(player, link) for name, link in links.items()}
    settled = [name for name, link in links.items() if not (link.events or link.gave_up or link.is_broken)]
    told = [name for name in settled if _may_say_goodbye(links[name])]
    for name in told:
        say_goodbye(player, links[name])
    for name, link in links.items():
        player.step_deadline = until
        late = yield from _end(player, link, is_told=name in told)
        wrong = found[name] or late
        if wrong and player.findings.outcome is Outcome.PASSED:
            whose = f", session {name}" if name != MAIN else ""
            player.findings.end(Outcome.FAILED, f"after the last step{whose}: {wrong}")


def drop(player: Player, link: Link, how: Literal["fin", "reset"] = "fin") -> None:
    """Close a connection without a word."""
    if link.has_begun and not link.is_dropped:
        player.act(Close(link.sid, how))
    link.is_open, link.is_closed, link.is_dropped = False, True, True


def leave(player: Player, link: Link) -> Wrong:
    """Close a connection as at a case's end; return what the server owes or sent too much, or an empty text."""
    if not link.has_begun or link.is_dropped:
        return ""
    begin_farewell(player)
    wrong = _unsettled(player, link)
    late = yield from _end(player, link)
    return wrong or late


def begin_farewell(player: Player) -> None:
    """Give the end of connections a time of its own, from now."""
    player.step_started = player.now
    player.set_timeout(FAREWELL_SECONDS)
    player.case_deadline = max(player.case_deadline, player.step_deadline)


def _end(player: Player, link: Link, *, is_told: bool = False) -> Wrong:
    """Close a connection, to which the goodbye may have been said; return what came that was not owed, or nothing."""
    late = ""
    if link.can_send and not (link.gave_up or link.is_broken):
        late = yield from _say_farewell(player, link, is_told=is_told)
    drop(player, link)
    return late


def _say_farewell(player: Player, link: Link, *, is_told: bool) -> Wrong:
    """Read what is owed yet (it belongs in the transcript, whatever the verdict), say goodbye, read to the end."""
    if not is_told and link.machine.still_open is None:
        late = yield from read_out(player, link, until_settled=True)
        if link.gave_up or late:
            return late
        is_told = _may_say_goodbye(link)
        if is_told:
            say_goodbye(player, link)
    if link.machine.still_open is not None:
        return ""  # its reply comes when it is ended, which no step did
    if is_told or link.machine.said_goodbye or link.machine.owed or not link.machine.goodbye:
        return (yield from read_out(player, link))
    return ""


def _may_say_goodbye(link: Link) -> bool:
    return link.can_send and link.machine.may_say_goodbye and not link.has_half_reply


def say_goodbye(player: Player, link: Link) -> None:
    """Send the protocol's goodbye."""
    put_ready(player, link, link.machine.goodbye)


def read_out(player: Player, link: Link, *, until_settled: bool = False) -> Wrong:
    """Read what is owed and then, unless `until_settled`, to the end; return what is wrong with what came.

    That is what was not owed, and a refusal that no step has read. It ends with the step's time. A server that
    does not even answer a goodbye gets a warning.
    """
    wrong, closing_at = "", math.inf
    while True:
        while (event := link.take()) is not None:
            if event.owed is None or isinstance(event, Malformed):
                return f"something came that was not owed: {shown(player, event)}"
            wrong = wrong or _unread_refusal(player, link, event, event.owed)
        if link.is_closed or (until_settled and not link.machine.owed) or link.machine.still_open is not None:
            break
        if link.machine.said_goodbye or not link.machine.goodbye:
            closing_at = min(closing_at, player.now + CLOSING_SECONDS)
            player.step_deadline = min(player.step_deadline, closing_at)
        try:
            yield from player.wait()
        except TimedOut as late:
            if link.machine.owed:
                link.gave_up = True
                limit = f"within {CLOSING_SECONDS:g} s" if player.now >= closing_at else str(late)
                player.findings.warn(f"at the end the server did not answer {name_of(link.machine.owed[0])} {limit}")
            break
    if link.has_half_reply and not link.machine.owed:
        return f"something came that was not owed: '{pending_text(player, link)}'"
    return wrong


def _unread_refusal(player: Player, link: Link, reply: Reply, owed: Owed) -> str:
    """Return what is said of a refusal that no step has read.

    That of the goodbye itself is no more than a warning, unless something is lost by it.
    """
    if not link.machine.is_refusal(reply) or player.findings.outcome is not Outcome.PASSED:
        return ""
    text = f"no step read the reply to {name_of(owed)}: {shown(player, reply)}"
    machine = link.machine
    if machine.goodbye and not machine.goodbye_commits and machine.goodbye.startswith(owed.to.encode()):
        player.findings.warn(text)
        return ""
    return text


def _unsettled(player: Player, link: Link) -> str:
    """Return what a scenario has left open, or an empty text; the same whether a reply has come yet or not."""
    if (surplus := link.surplus) is not None:
        return f"something came that was not owed: {shown(player, surplus)}"
    command, end = link.machine.still_open or ("", "")
    if command and not link.events:
        return f"{command} is still open; end it with send: {end}"
    left = [name_of(event.owed) for event, _ in link.events if event.owed is not None]
    # A command whose go-ahead no step has read is named by that.
    left += [name_of(owed) for owed in link.machine.owed if owed.to != command]
    if left:
        return f"no step expected the {'reply' if len(left) == 1 else 'replies'} to {', '.join(left)}"
    if link.has_half_reply:
        return f"something came that was not owed: '{pending_text(player, link)}'"
    return ""
