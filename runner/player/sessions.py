"""Which connection a step is for: that of its session, one of several by number, or each of them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.language.reading import member_number
from runner.player.ending import erred

if TYPE_CHECKING:
    from runner.language.model import Step
    from runner.player.player import Player


def connections(player: Player, step: Step) -> Iterator[tuple[str, int]]:
    """Iterate over the connections that a step runs on: each with its name and its number (0 for a lone one).

    Inside a group that is for one of several, that one is meant.

    Raises:
        StepEnded: there is no such connection.
    """
    session, count = step.session, player.case.sessions[step.session].count
    if not count:
        yield session, 0
        return
    number = player.number_of(session) if step.member is None else _number(player, step, count)
    for one in (number,) if number else range(1, count + 1):
        yield f"{session}[{one}]", one


def _number(player: Player, step: Step, count: int) -> int:
    text = player.scope.text(step.member).text
    number = member_number(text, count)
    if number is None:
        shown = player.findings.quote(text)
        raise erred(f"'{step.session}[{shown}]' is none of the {count} connections {step.session}[1] to [{count}]")
    return number
