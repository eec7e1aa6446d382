"""`data`, `bdat` and `bytes`: what they put on the wire, and how it gets there when it is much, or slow.

What fits one write leaves in one. More is made and written piece by piece, each once the one before has left, so that
no size costs memory; between pieces time may have to pass. A message that was answered before its end is written on,
for a server reads to the end (RFC 5321 section 4.1.1.4), but one that takes no more is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.language.model import Bdat, Bytes, Send
from runner.matching.expectation import Word
from runner.player.ending import TimedOut, erred, failed
from runner.player.expectations import expect
from runner.player.expecting import settle
from runner.player.filling import Line, fill_lines, fill_message, fill_octets
from runner.player.opening import begun
from runner.player.writing import admit, has_met_close, put, require_clear, require_standing

if TYPE_CHECKING:
    from runner.language.body import Body
    from runner.language.model import Data
    from runner.player.filling import Scope
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.redaction import Mark

# The most that leaves in one write. A kernel takes about so much at once, and a transcript keeps less.
PIECE = 64 * 1024
# Under a rate a piece is what may leave in this many seconds.
BEAT = 0.1
# How long, once a message is answered, a server may take nothing more of it, in seconds.
PATIENCE = 2.0

Steps = Generator[None, None, None]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a step sends: the first part, with all the secrets in it, and those that are made as they are written."""

    first: Line
    rest: Iterable[Line] = ()

    @property
    def fits_one_write(self) -> bool:
        """Whether it is known to be so little that it leaves in one write."""
        return not self.rest and len(self.first.data) <= PIECE


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast octets leave: at most `piece` in one write, and `seconds` for each before the next."""

    piece: int = PIECE
    seconds: float = 0.0


AT_ONCE = Pace()


def at_rate(rate: int) -> Pace:
    """Return the pace of so many octets a second; 0 is as fast as it goes."""
    return Pace(max(1, min(PIECE, int(rate * BEAT))), 1 / rate) if rate else AT_ONCE


# Verbs.


def send_message(player: Player, step: Data) -> Steps:
    """`data`: write the message alone, after a 354."""
    link = player.links.get(player.session) or (yield from begun(player))
    is_refused = link.is_closed and not link.is_dropped and bool(link.events) and link.may_write_message
    if not is_refused:  # a refusal came early, and the end with it: what is left is to judge it
        require_clear(player, link, step)
        if not link.may_write_message:
            raise failed(
                "no message was written: no 354 was read before it; 'send: DATA' with 'expect: 354' goes before"
            )
        part = message(step, player.scope)
        if step.rate or not part.fits_one_write:
            yield from _write_one(player, link, part, at_rate(step.rate), step)
        else:
            put(player, link, part.first)
    if step.expect is not None:
        yield from expect(player, link, step.expect)


def send_octets(player: Player, step: Bytes | Bdat) -> Steps:
    """`bytes` and `bdat`: write octets, whatever the server is about to read them as."""
    link = player.links.get(player.session) or (yield from begun(player))
    if has_met_close(link, step):
        settle(player, link, step.expect, Word.CLOSE)  # type: ignore[arg-type]
        return
    require_clear(player, link, step)
    pace = Pace(1, step.pause) if isinstance(step, Bytes) and step.pause else AT_ONCE
    yield from _write_one(player, link, outgoing(step, player.scope), pace, step)
    if step.expect is not None:
        yield from expect(player, link, step.expect)


def write_whole(player: Player, link: Link, part: Outgoing, step: Send) -> Steps:
    """Write a client line with the octets that end it, or these alone; then read what is expected."""
    yield from _write_one(player, link, part, AT_ONCE, step)
    if step.expect is not None:
        yield from expect(player, link, step.expect)


def _write_one(player: Player, link: Link, part: Outgoing, pace: Pace, step: Data | Bytes | Bdat | Send) -> Steps:
    """Write what a step sends; a connection that ends before it has all left is judged by its `expect`."""
    is_message = not isinstance(step, Bytes)
    if is_message and not part.fits_one_write:
        player.allow_message_time()
    is_written = yield from write(player, link, [part], pace, is_message=is_message)
    judges = step.expect or step.each or step.line_expected
    if not (is_written or judges or link.events):
        require_standing(player, link)


# What they put on the wire.


def outgoing(step: Bytes | Bdat, scope: Scope) -> Outgoing:
    """Return what `bytes` or `bdat` sends."""
    if isinstance(step, Bdat):
        return _chunk(step, scope)
    body = step.body
    first = fill_octets(body.head, scope, step.replies) if body.head else Line(b"", replies=step.replies)
    if body.is_whole:
        return Outgoing(first)
    others = None if step.replies is None else 0
    return Outgoing(first, (Line(data, replies=others) for data in body.rest(len(first.data))))


def _chunk(step: Bdat, scope: Scope) -> Outgoing:
    """Return a BDAT command with its octets (RFC 3030 section 2); lines end with CRLF, no dot is doubled."""
    head = head_of(step.body, scope, is_stuffed=False)
    before = len(head.data)
    command = b"BDAT %d%b\r\n" % (before + step.body.rest_size(before), b" LAST" if step.is_last else b"")
    rest = () if step.body.is_whole else map(Line, step.body.rest(before))
    return Outgoing(joined(Line(command), head), rest)


def message(step: Data, scope: Scope) -> Outgoing:
    """Return a message with its end: CRLF lines, stuffed unless the author says, ended as the author says."""
    body = step.body
    if body.is_whole and step.is_stuffed and step.end is None and body.head is not None:
        return Outgoing(fill_message(body.head, scope))
    head = head_of(body, scope, is_stuffed=step.is_stuffed)
    end = fill_octets(step.end, scope) if step.end is not None else None
    if body.is_whole:
        return Outgoing(joined(*_ended([head], end)))
    rest = crlf_lines(body.rest(len(head.data)))
    if step.is_stuffed:
        rest = stuffed(rest, is_at_start=not head.data or head.data.endswith(b"\n"))
    secrets = head.secrets | (end.secrets if end is not None else frozenset())
    end = replace(end, secrets=frozenset()) if end is not None else None
    return Outgoing(Line(b"", secrets=secrets), _ended(chain((_open(head),), map(Line, rest)), end))


def head_of(body: Body, scope: Scope, *, is_stuffed: bool) -> Line:
    """Return the text that a body begins with, filled; its lines end with CRLF."""
    if body.head is None:
        return Line(b"")
    head = fill_lines(body.head, scope, is_stuffed=is_stuffed)
    if body.rest_size(len(head.data)) < 0:
        raise erred(f"the header fields take {len(head.data)} octets, more than the message may have")
    return head


def _open(line: Line) -> Line:
    """Return a part of something larger, whose secrets were admitted with the whole."""
    return Line(line.data, line.marks, replies=line.replies, is_line=line.is_line, has_tag=line.has_tag)


def joined(*lines: Line) -> Line:
    """Return lines as one that leaves as a whole."""
    data = bytearray()
    marks: list[Mark] = []
    for line in lines:
        marks += (replace(mark, start=mark.start + len(data), end=mark.end + len(data)) for mark in line.marks)
        data += line.data
    first = lines[0]
    secrets: frozenset[str] = frozenset().union(*(line.secrets for line in lines))
    return Line(bytes(data), tuple(marks), secrets, replies=first.replies, is_line=first.is_line, has_tag=first.has_tag)


def crlf_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Make CRLF of CR LF, LF and CR alike, wherever the pieces are cut; no CRLF is cut in what comes out."""
    held = b""
    for piece in pieces:
        data = held + piece
        held = b"\r" if data.endswith(b"\r") else b""  # the next piece may begin with its LF
        whole = data[:-1] if held else data
        yield whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if held:
        yield b"\r\n"


def stuffed(pieces: Iterable[bytes], *, is_at_start: bool) -> Iterator[bytes]:
    """Double a dot at the start of a line (RFC 5321 section 4.5.2)."""
    for piece in pieces:
        if not piece:
            continue
        yield (b"." if is_at_start and piece.startswith(b".") else b"") + piece.replace(b"\r\n.", b"\r\n..")
        is_at_start = piece.endswith(b"\n")


def _ended(lines: Iterable[Line], end: Line | None) -> Iterator[Line]:
    """Put the end behind a message's lines: it takes the place of the last line's CRLF and the closing dot's line."""
    held, is_empty = b"", True
    for line in lines:
        if not line.data:
            continue
        data, is_empty = held + line.data, False
        marks = tuple(replace(mark, start=mark.start + len(held), end=mark.end + len(held)) for mark in line.marks)
        held = b"\r\n" if data.endswith(b"\r\n") else b""
        yield replace(line, data=data[:-2] if held else data, marks=marks)
    yield end if end is not None else Line(b".\r\n" if is_empty else b"\r\n.\r\n")


# How it gets there.


def write(
    player: Player, link: Link, parts: list[Outgoing], pace: Pace = AT_ONCE, *, is_message: bool = False
) -> Generator[None, None, bool]:
    """Write what steps send, in one write if it fits one; nothing if a secret in it must not leave.

    Returns:
        Whether all was written: not if the connection ended, or if a message was answered and no more of it taken.

    Raises:
        StepEnded: something must not be sent, or the server did not take it in time.
    """
    firsts = [part.first for part in parts]
    is_little = all(part.fits_one_write for part in parts) and sum(len(line.data) for line in firsts) <= PIECE
    if is_little and pace is AT_ONCE:
        put(player, link, *firsts)
        return True
    admit(player, link, firsts)
    lines = chain.from_iterable(chain((_open(part.first),), part.rest) for part in parts)
    stream = batches(lines, lambda: PIECE if is_message and link.events else pace.piece)
    batch, due = next(stream), player.now
    for following in stream:
        put(player, link, *batch, more=True)
        if pace.seconds and not (is_message and link.events):
            seconds = pace.seconds * sum(len(line.data) for line in batch)
            player.allow_more(seconds)
            due += seconds
        if not (yield from _has_left(player, link, due, is_message=is_message)):
            return False
        batch = following
    put(player, link, *batch)
    return True


def batches(lines: Iterable[Line], size: Callable[[], int]) -> Iterator[list[Line]]:
    """Put lines together to what leaves in one write, each of as many octets as `size` says then."""
    held: list[Line] = []
    room = size()
    for line in lines:
        at = 0
        while len(line.data) - at > room:
            yield [*held, _part(line, at, at + room)] if room else held
            at += room
            held, room = [], size()
        held.append(_part(line, at, len(line.data)))
        room -= len(line.data) - at
    yield held


def _part(line: Line, start: int, end: int) -> Line:
    """Return a stretch of a line; the replies that it earns are those of its beginning."""
    if end - start == len(line.data):
        return line
    marks = tuple(
        replace(mark, start=max(mark.start, start) - start, end=min(mark.end, end) - start)
        for mark in line.marks
        if mark.start < end and mark.end > start
    )
    replies = line.replies if not start or line.replies is None else 0
    is_line = line.is_line and not start
    return Line(line.data[start:end], marks, replies=replies, is_line=is_line, has_tag=line.has_tag)


def _has_left(player: Player, link: Link, due: float, *, is_message: bool) -> Generator[None, None, bool]:
    """Wait until what was written has left, and until `due`; return whether more can be written."""
    patience = None
    while link.can_send:
        is_answered = is_message and bool(link.events)
        if link.is_drained and (is_answered or player.now >= due):
            return True
        if is_answered:
            patience = player.now + PATIENCE if patience is None else patience
            if player.now >= patience:
                return False
        try:
            yield from player.wait(due if link.is_drained else patience)
        except TimedOut as late:
            link.gave_up = True
            why = "" if link.is_drained else ": the server takes no more"
            raise failed(f"not all of it was written {late}{why}") from None
    return False
