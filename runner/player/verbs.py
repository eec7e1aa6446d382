"""What each verb does. `PERFORM` is the one registry: a step's class and the generator that performs it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.language.model import (
    MESSAGE_TIMEOUT,
    Auth,
    Connect,
    Data,
    Exchange,
    Handshake,
    Hangup,
    Pipeline,
    Send,
    StartTls,
    Step,
    TlsOptions,
    Wait,
)
from runner.player.auth import authenticate
from runner.player.ending import CaseEnded, StepEnded, TimedOut, erred, failed
from runner.player.expecting import expect, fill, first_line, next_event, settle
from runner.player.filling import Line, encode_line, fill_line, fill_message, join
from runner.player.finishing import FAREWELL_SECONDS, drop, read_reply, write_goodbye
from runner.player.opening import begun, connect, tls_wish
from runner.player.writing import check_surplus, put, require_open
from runner.protocol import Reply
from runner.wire import Secure

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]


# Lines and messages.


def _line(player: Player, link: Link, step: Send) -> Line:
    """Return a client line as it goes out, its end included."""
    if step.ready:
        return Line(step.ready)
    encodes = step.encode == "base64" or (
        step.encode == "auto" and link.machine.challenge is not None and not step.line.is_literal
    )
    if step.response is not None:
        line = _joined(fill_line(step.line, player.scope), encode_line(step.response, player.scope))
    elif encodes:
        line = encode_line(step.line, player.scope)
    else:
        line = fill_line(step.line, player.scope)
    return replace(line, data=line.data + step.eol)


def _joined(head: Line, response: Line) -> Line:
    if not response.data:
        response = Line(b"=")  # RFC 4954 section 4: an empty initial response
    line = join(head.data, response)
    return Line(line.data, (*head.marks, *line.marks), head.secrets | line.secrets)


def _send(player: Player, step: Send) -> Steps:
    link = yield from begun(player, step)
    require_open(link)
    check_surplus(link, step)
    line = _line(player, link, step)
    put(player, link, line, replies=step.replies)
    if step.expect is not None:
        yield from expect(player, link, step.expect)


def _data(player: Player, step: Data) -> Steps:
    link = yield from begun(player, step)
    require_open(link)
    check_surplus(link, step)
    if not link.machine.in_message:
        raise failed("there was no 354, so no message was written; expect: 354 after DATA comes before 'data'")
    put(player, link, fill_message(step.message, player.scope))
    _allow_message_time(player, step)
    if step.expect is not None:
        yield from expect(player, link, step.expect)


def _allow_message_time(player: Player, step: Exchange) -> None:
    if step.timeout is None and player.case.timeout is None:
        player.set_timeout(MESSAGE_TIMEOUT)


def _expect(player: Player, step: Exchange) -> Steps:
    link = yield from begun(player, step)
    if step.expect is None:
        return
    if (
        link.machine.owed
        and link.machine.owed[0].to == "message"
        and step.timeout is None
        and player.case.timeout is None
    ):
        player.set_timeout(MESSAGE_TIMEOUT)
    yield from expect(player, link, step.expect)


def _pipeline(player: Player, step: Pipeline) -> Steps:
    """Write all lines at once, then read and judge each reply beside its line; a wrong code ends the case after all."""
    link = yield from begun(player, step)
    require_open(link)
    check_surplus(link, step)
    put(player, link, *(_line(player, link, one) for one in step.steps if isinstance(one, Send)))
    ended: StepEnded | None = None
    for number, one in enumerate(step.steps):
        player.differences = []
        failure = (yield from _judged(player, link, one)) if one.expect is not None else None
        player.record(one, failure)
        ended = ended or failure
        if failure is not None and (link.is_closed or player.is_late):
            for left in step.steps[number + 1 :]:
                player.not_run(left)
            break
    if ended is not None:
        raise CaseEnded from ended


def _judged(player: Player, link: Link, step: Exchange) -> Generator[None, None, StepEnded | None]:
    assert step.expect is not None
    try:
        yield from expect(player, link, step.expect)
    except StepEnded as ended:
        return ended
    return None


# TLS.


def _starttls(player: Player, step: StartTls) -> Steps:
    link = yield from begun(player, step)
    require_open(link)
    check_surplus(link, step)
    _check_nothing_owed(link, "STARTTLS")
    assert step.expect is not None
    put(player, link, Line(link.machine.starttls_command))
    wanted = fill(player, step.expect)
    got = yield from next_event(player, link, wanted)
    settle(player, link, wanted, got)
    if isinstance(got, Reply) and got.code == link.machine.starttls_code:
        yield from _secure(player, link, step.options)


def _handshake(player: Player, step: Handshake) -> Steps:
    link = yield from begun(player, step)
    require_open(link)
    check_surplus(link, step)
    if link.machine.greeted:
        _check_nothing_owed(link, "the TLS handshake")
    yield from _secure(player, link, step.options)


def _check_nothing_owed(link: Link, before: str) -> None:
    link.pump()
    if link.events:
        raise failed(f"a reply was not expected before {before}: {first_line(str(link.events[0]))}")
    if link.machine.owed:
        raise failed(f"a reply is still owed before {before}: to {link.machine.owed[0]}")


def _secure(player: Player, link: Link, options: TlsOptions) -> Steps:
    """Make the handshake. Clear text that waits, or comes before it, is injection (RFC 3207 section 6)."""
    if link.tls is not None:
        raise erred("the connection is encrypted already")
    link.pump()
    waiting = len(link.pending) + sum(1 for _ in link.events)
    if waiting:
        raise _injected(player, link)
    link.is_securing = True
    player.act(Secure(link.sid, tls_wish(player, options)))
    while link.tls is None:
        if link.plaintext:
            raise _injected(player, link)
        if link.fault is not None:
            raise failed(f"the TLS handshake failed: {link.fault}")
        if link.is_closed:
            raise failed("the server closed the connection during the TLS handshake")
        try:
            yield from player.wait()
        except TimedOut:
            raise failed(f"the TLS handshake was not done within {player.step_seconds:g} s") from None
    link.is_securing = False


def _injected(player: Player, link: Link) -> StepEnded:
    drop(player, link, "reset")
    return failed(
        "response injection: clear text came behind the go-ahead and before the TLS handshake (RFC 3207 section 6)"
    )


# Ending, and letting time pass.


def _hangup(player: Player, step: Hangup) -> Steps:
    link = yield from begun(player, step)
    if step.how == "quit" and link.is_open and not link.is_closed:
        check_surplus(link, step)
        write_goodbye(player, link)
        if step.expect is not None:
            yield from expect(player, link, step.expect)
        else:
            player.set_timeout(FAREWELL_SECONDS)
            yield from read_reply(player, link)
    drop(player, link, "reset" if step.how == "reset" else "fin")
    link.machine.owed.clear()
    link.events.clear()


def _wait(player: Player, step: Wait) -> Steps:
    until = player.now + step.seconds
    player.case_deadline += step.seconds
    player.set_timeout(step.seconds + 1)
    while player.now < until:
        yield from player.wait(until)


Performer = Callable[["Player", Any], Steps]

PERFORM: dict[type[Step], Performer] = {
    Connect: connect,
    Send: _send,
    Data: _data,
    Auth: authenticate,
    StartTls: _starttls,
    Handshake: _handshake,
    Hangup: _hangup,
    Exchange: _expect,
    Pipeline: _pipeline,
    Wait: _wait,
}
