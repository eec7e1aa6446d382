"""Whether a step's `when` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.language.template import MissingValueError
from runner.matching.expectation import ExpectationError, Word
from runner.matching.judging import best_fit
from runner.player.ending import erred
from runner.protocol import PROTOCOLS

if TYPE_CHECKING:
    from runner.language.model import When
    from runner.player.link import Link
    from runner.player.player import Player


def holds(player: Player, when: When, link: Link | None) -> bool:
    """Return whether all that the condition says is so.

    Raises:
        StepEnded: it can't be known.
    """
    if when.capability and not _has_capability(player, when.capability, link):
        return False
    if when.tls is not None and when.tls != (link is not None and link.tls is not None):
        return False
    if when.reply and not _last_fits(player, when, link):
        return False
    if when.variable and not _variable_fits(player, when):
        return False
    return when.negated is None or not holds(player, when.negated, link)


def _has_capability(player: Player, name: str, link: Link | None) -> bool:
    capabilities = link.machine.capabilities if link is not None else None
    if capabilities is None:
        command = PROTOCOLS[player.party.protocol].capability_command
        raise erred(f"whether {name} is offered is not known: no capabilities were read yet; send {command} first")
    return name in capabilities


def _last_fits(player: Player, when: When, link: Link | None) -> bool:
    last = link.last if link is not None else None
    if last is None:
        raise erred("there is no reply yet that 'when: reply' could judge")
    if isinstance(last, Word):
        return last in when.reply
    try:
        wanted = tuple(one if isinstance(one, Word) else one.fill(player.scope.of_slot) for one in when.reply)
    except ExpectationError as error:
        raise erred(str(error)) from error
    return not best_fit(wanted, last).mismatches


def _variable_fits(player: Player, when: When) -> bool:
    try:
        value = player.scope.lookup(when.variable)
    except MissingValueError:
        return False
    if when.matches is None:
        return bool(value.text)
    return when.matches.fill(player.scope.of_slot).match_line(value.text) is not None
