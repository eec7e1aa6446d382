"""What groups do with the steps inside them. `GROUPS` is the one registry: a group's class and what performs it.

Steps inside record themselves; a group records something only where it can't go on by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Generator, Iterator
from typing import TYPE_CHECKING, Any

from runner.language.model import Connect, Group, Repeat, Retry, Step, Use, Wait
from runner.language.values import format_duration
from runner.player.ending import CaseEnded, CaseSkipped, StepEnded, Stopped, TimedOut
from runner.player.finishing import leave
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.language.template import Value
    from runner.player.findings import Findings
    from runner.player.link import Link
    from runner.player.player import Player

# How much of a value stands before the steps of its round.
VALUE_WIDTH = 40

Steps = Generator[None, None, None]
Answer = Generator[None, None, bool]


def _group(player: Player, group: Group) -> Steps:
    yield from player.run_steps(group.steps)


def _use(player: Player, group: Use) -> Steps:
    """Run a fragment's steps; of what is known only around it they see nothing but what is passed on."""
    with player.telling(group):
        values = {name: player.scope.text(template) for name, template in group.parameters.items()}
    with player.scope.apart(values), player.findings.used_by(group):
        yield from player.run_steps(group.steps)


# Rounds.


def _repeat(player: Player, group: Repeat) -> Steps:
    """Run rounds; with `keep_going` a wrong code ends its round only, as long as both sides know where they are."""
    with player.telling(group):
        values = [player.scope.text(template) for template in group.each]
    for number in range(1, group.count + 1):
        with player.telling(group):
            yield from player.begin_round(group)
        local = {group.variable: values[number - 1]} if values else {}
        try:
            with player.findings.led_by(_lead(player, number, local)), player.scope.inside(local, "index", number):
                yield from player.run_steps(group.steps)
        except (CaseEnded, CaseSkipped, Stopped) as ended:
            if not group.keep_going or not (yield from _goes_on(player, group, ended)):
                _leave_out_rounds(player, group, number + 1)
                raise


def _lead(player: Player, number: int, local: dict[str, Value]) -> str:
    """Return what stands before the name of each step of a round: its value, or else its number."""
    for value in local.values():
        if value.secrets:
            return f"[{value.shown}] "
        line, end, _ = player.redactor.mask(value.text).partition("\n")
        return f"[{line[:VALUE_WIDTH]}…] " if end or len(line) > VALUE_WIDTH else f"[{line}] "
    return f"[{number}] "


def _leave_out_rounds(player: Player, group: Repeat, first: int) -> None:
    if first <= group.count:
        rounds = f"{first}" if first == group.count else f"{first}…{group.count}"
        with player.findings.led_by(f"[{rounds}] "):
            player.left_out(group.steps, Outcome.NOT_RUN)


def _goes_on(player: Player, group: Group, ended: Exception) -> Answer:
    """Return whether another round can begin after this: a wrong code, and both sides in step or connected anew."""
    if not isinstance(ended, CaseEnded) or not ended.code or player.findings.ends_at_failure:
        return False
    renewed = _renewed(group.steps)
    for link in _links(player, renewed):
        if not link.is_in_step:
            yield from leave(player, link)
    return all(map(_is_fit, _links(player, _sessions(group.steps) - renewed)))


# Attempts.


def _retry(player: Player, group: Retry) -> Steps:
    """Run attempts until one passes or the time is over; what an attempt found and captured goes with it."""
    captured, started = player.scope.captured, player.now
    until = started + group.lasting
    player.case_deadline += group.lasting
    number = 0
    is_over = False
    while not is_over:
        number += 1
        player.scope.captured = dict(captured)
        attempt, ended = yield from _attempt(player, group, number)
        is_over = ended is None or player.now >= until or not (yield from _may_try_again(player, group, attempt))
        if not is_over:
            is_over = not (yield from _pause(player, group, min(player.now + group.every, until), attempt.reason))
    elapsed = player.now - started
    player.case_deadline -= max(0.0, group.lasting - elapsed)
    said = attempts(number, elapsed)
    if ended is not None:
        player.scope.captured = captured
        player.findings.adopt(attempt, f" (after {said})")
        raise CaseEnded from ended.__cause__
    player.findings.adopt(attempt)
    if number > 1:
        player.findings.note(group, f"passed after {said}")


def attempts(number: int, elapsed: float) -> str:
    """Return how many attempts there were and how long it took (in seconds)."""
    took = format_duration(math.ceil(elapsed * 1000) / 1000)
    return f"{number} attempt{'' if number == 1 else 's'} in {took}"


def _attempt(player: Player, group: Retry, number: int) -> Generator[None, None, tuple[Findings, CaseEnded | None]]:
    """Run the steps once; return what was found, and how it ended before its time."""
    report = player.findings
    attempt = player.findings = report.draft(ends_at_failure=True)
    try:
        with player.scope.inside({}, "attempt", number):
            yield from player.run_steps(group.steps)
    except CaseEnded as ended:
        return attempt, ended
    except (CaseSkipped, Stopped):
        report.adopt(attempt)
        raise
    finally:
        player.findings = report
    return attempt, None


def _may_try_again(player: Player, group: Retry, attempt: Findings) -> Answer:
    """Let go of the connections that the next attempt opens anew; return whether the others are fit for it."""
    report, player.findings = player.findings, attempt
    renewed = _renewed(group.steps)
    try:
        for link in _links(player, renewed):
            yield from leave(player, link)
    finally:
        player.findings = report
    others = _links(player, _sessions(group.steps) - renewed)
    return all(_is_fit(link) and not link.is_closed for link in others)


def _pause(player: Player, group: Retry, until: float, why: str) -> Answer:
    """Let time pass between two attempts; return whether there is time for another."""
    player.begin_step(group)
    try:
        yield from player.sleep(until)
    except TimedOut:
        return False
    except Stopped as stopped:
        player.record(group, StepEnded(Outcome.ERROR, f"{stopped}, between two attempts; the last one: {why}"))
        player.left_out(group.steps, Outcome.NOT_RUN)
        raise
    return True


# Connections of a group's steps.


def _sessions(steps: tuple[Step, ...]) -> set[str]:
    return {session for session, _ in _firsts(steps, is_certain=True)}


def _renewed(steps: tuple[Step, ...]) -> set[str]:
    """Return the sessions whose first step in a group opens a new connection, whatever happens."""
    first: dict[str, bool] = {}
    for session, is_opening in _firsts(steps, is_certain=True):
        first.setdefault(session, is_opening)
    return {session for session, is_opening in first.items() if is_opening}


def _firsts(steps: tuple[Step, ...], *, is_certain: bool) -> Iterator[tuple[str, bool]]:
    """Iterate over what steps need a connection: of which session, and whether they certainly open it anew."""
    for step in steps:
        runs = is_certain and step.when is None and step.member is None
        if isinstance(step, Group):
            yield from _firsts(step.steps, is_certain=runs)
            yield from _firsts(step.otherwise, is_certain=False)
        elif not isinstance(step, Wait):
            yield step.session, runs and isinstance(step, Connect)


def _is_fit(link: Link) -> bool:
    """Whether the conversation can go on here: both sides are in step, and the server is not going away."""
    return link.is_in_step and link.last_words is None


def _links(player: Player, sessions: Collection[str]) -> list[Link]:
    """Return the connections of some sessions; of the one whose turn it is, that one."""
    here = player.session.partition("[")[0]
    found = []
    for name, link in player.links.items():
        session = name.partition("[")[0]
        if session in sessions and (session != here or name == player.session) and link.has_begun:
            found.append(link)
    return found


Performer = Callable[["Player", Any], Steps]

GROUPS: dict[type[Step], Performer] = {
    Group: _group,
    Use: _use,
    Repeat: _repeat,
    Retry: _retry,
}
