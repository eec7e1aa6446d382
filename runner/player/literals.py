"""`literal` beside `send`: a client line that ends with octets, for which the server may have to ask first.

How a literal is announced is the protocol's business; here is the order of things (RFC 9051 section 4.3): the line up
to the announcement, the server's go-ahead unless none is needed, the octets, the line's end. A refusal in place of the
go-ahead is the reply to the whole line.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import chain
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.matching.expectation import Expectation, Short, Word
from runner.player.bodies import Outgoing, head_of, joined, write_whole
from runner.player.ending import StepEnded, erred, failed
from runner.player.expecting import closing, fill, gist_of, next_reply, settle, tell_answer
from runner.player.filling import Line
from runner.player.writing import put, require_privacy
from runner.protocol import Reply

if TYPE_CHECKING:
    from runner.language.model import Send
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]


@dataclass(frozen=True, slots=True)
class _Announced:
    """A line up to its literal's announcement, the octets with the line's end, and whether these must be asked for."""

    line: Line
    octets: Outgoing
    is_sync: bool


def send_with_literal(player: Player, link: Link, step: Send, line: Line) -> Steps:
    """Send a line and its literal, and read the reply."""
    announced = _announced(player, link, step, line)
    if not announced.is_sync:
        yield from write_whole(player, link, _as_one(announced), step)
        return
    require_privacy(player, link, announced.octets.first.secrets)
    put(player, link, announced.line)
    if not (yield from _is_asked_for(player, link, step)):
        return
    yield from write_whole(player, link, announced.octets, step)


def in_one_write(player: Player, link: Link, step: Send, line: Line) -> Outgoing:
    """Return a line with its literal, for a pipeline.

    Raises:
        StepEnded: the server would have to ask for the literal.
    """
    announced = _announced(player, link, step, line)
    if announced.is_sync:
        raise erred(
            f"'{step.label}' can't be in a pipeline: its literal waits until the server asks for it; "
            "write {text: …, sync: false}"
        )
    return _as_one(announced)


def _announced(player: Player, link: Link, step: Send, line: Line) -> _Announced:
    assert step.literal is not None
    body = step.literal.body
    head = head_of(body, player.scope, is_stuffed=False)
    before = len(head.data)
    mark = link.machine.literal_mark(before + body.rest_size(before), is_sync=step.literal.is_sync)
    blank = b"" if not line.data or line.data.endswith(b" ") else b" "
    # What the author says is owed for all of it is counted with the line.
    replies = None if step.replies is None else 0
    head, end = _owing(head, replies), Line(step.eol, replies=replies)
    octets = Outgoing(joined(head, end))
    if not body.is_whole:
        rest = (Line(data, replies=replies) for data in body.rest(before))
        octets = Outgoing(head, chain(rest, (end,)))
    return _Announced(joined(line, Line(blank + mark + b"\r\n")), octets, is_sync=not mark.endswith(b"+}"))


def _owing(line: Line, replies: int | None) -> Line:
    return Line(line.data, line.marks, line.secrets, replies=replies)


def _as_one(announced: _Announced) -> Outgoing:
    return Outgoing(joined(announced.line, announced.octets.first), announced.octets.rest)


def _is_asked_for(player: Player, link: Link, step: Send) -> Generator[None, None, bool]:
    """Wait for the go-ahead; what comes in its place is what the step expects, or fails it.

    No server can have done what it was asked before it has the octets; what says so is no refusal, and wrong.
    """
    go_ahead = Expectation((Short(link.machine.challenge_code),))
    got = yield from next_reply(player, link, go_ahead)
    if isinstance(got, Reply) and got.code == link.machine.challenge_code:
        return True
    if step.expect is None or (isinstance(got, Reply) and not link.machine.is_refusal(got)):
        raise _refused(player, link, go_ahead, got)
    settle(player, link, fill(player, step.expect), got)
    return False


def _refused(player: Player, link: Link, go_ahead: Expectation, got: Reply | Word) -> StepEnded:
    link.last = got
    if isinstance(got, Word):
        player.findings.differ("reply", str(go_ahead), got.value)
        return closing(player, link)
    tell_answer(player, got, link.arrived)
    player.findings.differ("code", str(go_ahead), str(got), gist=gist_of(got))
    return failed(f"the literal was not sent: expected {go_ahead}, got {player.findings.quote(gist_of(got))}", got.code)
