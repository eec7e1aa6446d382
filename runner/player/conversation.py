"""A case from its first step to its last: played once, or again while its target defers it; then its cleanup.

How steps run is for `player` and `groups`; this module knows in which order the parts of a case come.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.language.model import MAIN
from runner.player.ending import CaseEnded, CaseSkipped, Stopped, TimedOut
from runner.player.finishing import drop, finish
from runner.player.groups import attempts
from runner.protocol import PROTOCOLS
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.player.findings import Findings
    from runner.player.player import Player

# Greylisting servers want a client to come back after one to five minutes; asking more often costs little, and of
# a short time a tenth is still a fair number of attempts.
GREYLISTING_PAUSE = 30.0
GREYLISTING_PART = 10
# What a scenario leaves behind is removed in this time; an operator who interrupts a run waits less long.
CLEANUP_SECONDS = 60.0
STOPPED_CLEANUP_SECONDS = 5.0
CLEANUP = "cleanup: "
_DEFERRED = "4"

Steps = Generator[None, None, None]


def converse(player: Player) -> Steps:
    """Play a case to its end, whatever happens."""
    try:
        yield  # until the driver says start
    except Stopped as stopped:
        player.left_out(player.case.scenario.steps, Outcome.NOT_RUN)
        _stopped(player, stopped)
        return
    if player.case.target.greylisting is None:
        yield from _play(player)
    else:
        yield from _play_deferred(player, player.case.target.greylisting)
    if player.findings.outcome is Outcome.PASSED and not player.findings.steps.has_passed:
        player.findings.end(Outcome.SKIPPED, "no step ran: the condition of none holds")
    player.required.settle(player.findings, PROTOCOLS[player.case.sessions[MAIN].protocol].capability_command)
    if player.case.scenario.cleanup:
        yield from _clean_up(player)


def _play(player: Player) -> Generator[None, None, CaseEnded | None]:
    """Play the steps once and close what is open; return how it ended before its time."""
    end = None
    try:
        yield from player.run_steps(player.case.scenario.steps)
    except CaseEnded as ended:
        end = ended
    except CaseSkipped as skipped:
        player.findings.end(Outcome.SKIPPED, str(skipped))
    except Stopped as stopped:
        _stopped(player, stopped)
    player.note_end()
    try:
        yield from finish(player)
    except Stopped as stopped:
        _stopped(player, stopped)
    return end


def _stopped(player: Player, stopped: Stopped) -> None:
    player.is_stopped = True
    player.findings.end(Outcome.ERROR, str(stopped))
    for link in player.links.values():
        drop(player, link)


# Greylisting.


def _play_deferred(player: Player, seconds: float) -> Steps:
    """Play a case again, from its start, while the server puts it off and there is time."""
    report, started, until = player.findings, player.now, 0.0
    number = 0
    while True:
        number += 1
        attempt = player.findings = report.draft()
        ended = yield from _play(player)
        if ended is None or not ended.code.startswith(_DEFERRED) or player.is_stopped:
            break
        if number == 1:
            until = player.now + seconds
            player.case_deadline += seconds
        if player.now >= until:
            break
        pause = min(GREYLISTING_PAUSE, seconds / GREYLISTING_PART)
        if not (yield from _pause(player, min(player.now + pause, until))):
            break
        player.begin_anew()
    player.findings = report
    said = attempts(number, player.now - started)
    if number > 1 and attempt.outcome is Outcome.PASSED:
        report.warn(f"greylisted: passed after {said}")
    report.adopt(attempt, f" (after {said}, greylisted)" if number > 1 else "")


def _pause(player: Player, until: float) -> Generator[None, None, bool]:
    player.begin_pause()
    try:
        yield from player.sleep(until)
    except TimedOut:
        return False
    except Stopped as stopped:
        # Whether the server would have accepted it in the end nobody knows.
        findings = player.findings
        findings.outcome, findings.reason = Outcome.ERROR, f"{stopped} while greylisted: {findings.reason}"
        player.is_stopped = True
        return False
    return True


# Cleanup.


def _clean_up(player: Player) -> Steps:
    """Run the cleanup on fresh connections, in a time of its own; what fails is a warning."""
    seconds = STOPPED_CLEANUP_SECONDS if player.is_stopped else CLEANUP_SECONDS
    report = player.findings
    found = player.findings = report.draft(lead=CLEANUP)
    player.begin_cleanup(seconds)
    try:
        with suppress(CaseEnded, CaseSkipped):
            yield from player.run_steps(player.case.scenario.cleanup)
        player.end_cleanup()
        yield from finish(player)
    except Stopped as stopped:
        _stopped(player, stopped)
    player.findings = report
    _warn(report, found)


def _warn(report: Findings, found: Findings) -> None:
    report.adopt_cleanup(found)
    told = {f"{step.label}: {step.reason}" for step in found.steps}
    if found.outcome is not Outcome.PASSED and found.reason not in told:
        report.warn(f"{CLEANUP}{found.reason}")
