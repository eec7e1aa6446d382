"""What each verb does. `PERFORM` is the one registry: a step's class and the generator that performs it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.language.model import (
    Auth,
    Bdat,
    Bytes,
    Connect,
    Data,
    Exchange,
    Handshake,
    Hangup,
    Pipeline,
    Send,
    StartTls,
    Step,
    Wait,
)
from runner.matching.expectation import Word
from runner.player.auth import authenticate
from runner.player.bodies import Outgoing, outgoing, send_message, send_octets, write
from runner.player.ending import CaseEnded, StepEnded, erred, failed
from runner.player.expectations import expect
from runner.player.expecting import settle
from runner.player.filling import Line, encode_line, fill_line
from runner.player.finishing import FAREWELL_SECONDS, drop, read_out, say_goodbye
from runner.player.literals import in_one_write, send_with_literal
from runner.player.opening import begun, connect
from runner.player.partial import expect_line
from runner.player.quoting import may_want_quotes, wants_quotes
from runner.player.recipients import expect_each
from runner.player.tls import handshake, start_tls
from runner.player.writing import has_met_close, put, put_ready, require_clear, require_no_surplus
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]
# What is left to do of a step, with its waits.
Doing = Iterable[None]


# Client lines.


def _line(player: Player, link: Link, step: Send) -> Line:
    """Return a client line as it goes out, its end included unless a literal follows it."""
    if step.ready and step.literal is None:
        line = Line(step.ready, replies=step.replies, is_line=True)
    else:
        line = _filled(player, link, step, step.eol if step.literal is None else b"")
    return line if step.has_tag else replace(line, has_tag=False)


def _filled(player: Player, link: Link, step: Send, eol: bytes) -> Line:
    scope, machine = player.scope, link.machine
    if step.response is not None:
        head = fill_line(step.line, scope)
        return encode_line(machine, head, step.response, scope, eol=eol, replies=step.replies)
    answers = step.encode == "auto" and link.answers_challenge and not step.line.is_literal
    if answers or step.encode == "base64":
        return encode_line(machine, Line(b""), step.line, scope, eol=eol, replies=step.replies)
    return fill_line(step.line, scope, eol, step.replies)


def _send(player: Player, step: Send) -> Doing:
    """Send a line and read the reply; where the connection stands the line leaves at once, and only `expect` waits."""
    link = player.links.get(player.session)
    return _send_first(player, step) if link is None else _send_on(player, link, step)


def _send_first(player: Player, step: Send) -> Steps:
    yield from _send_on(player, (yield from begun(player)), step)


def _send_on(player: Player, link: Link, step: Send) -> Doing:
    if link.is_closed and has_met_close(link, step):
        settle(player, link, step.expect, Word.CLOSE)  # type: ignore[arg-type]
        return ()
    require_clear(player, link, step)
    still_open = link.machine.still_open
    if still_open is not None or may_want_quotes(link.machine, step):
        return _explained(_put_and_expect(player, link, step), player, step, still_open)
    return _put_and_expect(player, link, step)


def _put_and_expect(player: Player, link: Link, step: Send) -> Doing:
    if step.literal is not None:
        return send_with_literal(player, link, step, _line(player, link, step))
    if step.ready and step.replies is None:
        put_ready(player, link, step.ready, has_tag=step.has_tag)
    else:
        put(player, link, _line(player, link, step))
    return expect(player, link, step.expect) if step.expect is not None else ()


def _explained(doing: Doing, player: Player, step: Send, still_open: tuple[str, str] | None) -> Steps:
    """Do what a line's step does; where it ends before its time, say what of the line may be the reason."""
    try:
        yield from doing
    except StepEnded as ended:
        if still_open is not None and step.line.flat.upper() != still_open[1]:
            command, end = still_open
            raise ended.with_more(f"; {command} was still open: send: {end} before this line") from ended
        if name := wants_quotes(player.scope, step):
            advice = f"the value of '{name}' holds characters that want ${{{name} | quoted}}"
            raise ended.with_more(f"; {advice}") from ended
        raise


def _expect(player: Player, step: Exchange) -> Steps:
    link = player.links.get(player.session) or (yield from begun(player))
    if link.is_dropped:
        raise erred("nothing can be read: an earlier step closed the connection; 'connect' opens another")
    if step.expect is not None:
        yield from expect(player, link, step.expect)


def _pipeline(player: Player, step: Pipeline) -> Steps:
    """Write all lines at once, then judge each reply beside its line; a wrong code ends the case after all were read.

    Once something is wrong, lines whose reply does not come are not run: whether a server closes at once or
    a moment later makes no difference.
    """
    link = player.links.get(player.session) or (yield from begun(player))
    require_clear(player, link, step)
    parts = [_part(player, link, one) for one in step.steps if isinstance(one, Send | Bytes | Bdat)]
    if parts:
        yield from write(player, link, parts)
    first = yield from _judge_all(player, link, step)
    if first is not None:
        raise CaseEnded from first


def _part(player: Player, link: Link, step: Send | Bytes | Bdat) -> Outgoing:
    if not isinstance(step, Send):
        return outgoing(step, player.scope)
    line = _line(player, link, step)
    return Outgoing(line) if step.literal is None else in_one_write(player, link, step, line)


def _judge_all(player: Player, link: Link, step: Pipeline) -> Generator[None, None, StepEnded | None]:
    """Judge each reply of a pipeline and return how the first wrong one ended."""
    allowed = player.step_seconds
    first: StepEnded | None = None
    for number, one in enumerate(step.steps):
        player.set_timeout(allowed if one.timeout is None else one.timeout)
        try:
            if one.expect is not None:
                yield from expect(player, link, one.expect)
            yield from _expect_others(player, one)
        except StepEnded as ended:
            is_missing = link.gave_up or link.last is Word.CLOSE
            is_told = first is None or not is_missing
            if is_told:
                player.record(one, ended)
            first = first or ended
            if is_missing or link.is_broken or ended.outcome is Outcome.ERROR:
                player.findings.left_out(step.steps[number + 1 if is_told else number :], Outcome.NOT_RUN)
                break
        else:
            player.record(one)
    return first


# Ending, and letting time pass.


def _hangup(player: Player, step: Hangup) -> Steps:
    link = player.links.get(player.session) or (yield from begun(player))
    require_no_surplus(player, link, step)
    wrong = ""
    if step.how == "quit" and not link.is_dropped:
        wrong = yield from _quit(player, link, step)
    drop(player, link, "reset" if step.how == "reset" else "fin")
    link.machine.owed.clear()
    link.events.clear()
    if wrong:
        raise failed(wrong)


def _quit(player: Player, link: Link, step: Hangup) -> Generator[None, None, str]:
    if amid := link.machine.amid:
        raise erred(f"the goodbye was not sent: the server would read it as part of {amid}")
    if link.can_send and link.machine.goodbye:
        say_goodbye(player, link)
    if step.expect is not None:
        yield from expect(player, link, step.expect)
    player.step_deadline = min(player.step_deadline, player.now + FAREWELL_SECONDS)
    player.step_seconds = FAREWELL_SECONDS
    return (yield from read_out(player, link))


def _wait(player: Player, step: Wait) -> Steps:
    until = player.now + step.seconds
    player.case_deadline += step.seconds
    player.allow_until(until)
    while player.now < until:
        yield from player.wait(until)


def perform(player: Player, step: Step) -> Doing:
    """Do what a step says, and read what it expects."""
    doing = PERFORM[type(step)](player, step)
    # Most steps expect one whole reply, which the verb itself reads: no generator more for them.
    if isinstance(step, Exchange) and not (step.each is None and step.line_expected is None):
        return _and_then(doing, _expect_others(player, step))
    return doing


def _and_then(doing: Doing, expecting: Steps) -> Steps:
    yield from doing
    yield from expecting


def _expect_others(player: Player, step: Exchange) -> Steps:
    if step.each is not None:
        yield from expect_each(player, player.links[player.session], step.each)
    elif step.line_expected is not None:
        yield from expect_line(player, player.links[player.session], step.line_expected)


Performer = Callable[["Player", Any], Doing]

PERFORM: dict[type[Step], Performer] = {
    Connect: connect,
    Send: _send,
    Data: send_message,
    Bdat: send_octets,
    Bytes: send_octets,
    Auth: authenticate,
    StartTls: start_tls,
    Handshake: handshake,
    Hangup: _hangup,
    Exchange: _expect,
    Pipeline: _pipeline,
    Wait: _wait,
}
