"""Reading the next reply and judging it: what fails, what is noted, what is captured."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.language.template import Value
from runner.matching.expectation import Expectation, ExpectationError, Judgement, Word, judge
from runner.player.ending import CaseSkipped, TimedOut, erred, failed
from runner.protocol import Malformed, Reply, decode
from runner.wire import FaultKind

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player

# How much of a reply that is not whole is shown.
SHOWN_BYTES = 512

Steps = Generator[None, None, None]


def next_event(
    player: Player, link: Link, expectation: Expectation | None = None
) -> Generator[None, None, Reply | Word]:
    """Wait for the next reply, or for what can come in its place.

    Raises:
        StepEnded: what came is no reply, or nothing came in time.
    """
    silent_at = None
    if expectation is not None and expectation.silence is not None:
        silent_at = player.now + expectation.silence
    while True:
        event = link.take()
        if isinstance(event, Reply):
            return _checked(player, link, event)
        if event is not None:
            player.differ("reply", _wanted(expectation), event.text)
            raise failed(f"the server broke the protocol: {event.reason}")
        if link.is_closed:
            return Word.CLOSE
        try:
            yield from player.wait(silent_at if silent_at is not None and not link.pending else None)
        except TimedOut:
            raise _timed_out(player, link, expectation) from None
        if silent_at is not None and player.now >= silent_at and not (link.pending or link.is_closed):
            link.pump()
            if not link.events:
                return Word.SILENCE


def _checked(player: Player, link: Link, reply: Reply) -> Reply:
    """Note a lenient line end; end a case whose server lacks what the scenario requires."""
    if link.machine.lenient_line_ends:
        player.warn_once("lines of the server hold a bare LF or CR; accepted because line_ends is lenient")
    required = player.required_capabilities
    if required and link.machine.capabilities is not None:
        missing = [name for name in required if name not in link.machine.capabilities]
        player.required_capabilities = ()
        if missing:
            raise CaseSkipped(f"requires the capability {missing[0]}, which the server does not offer")
    return reply


def _wanted(expectation: Expectation | None) -> str:
    return str(expectation) if expectation is not None else "a reply"


def _timed_out(player: Player, link: Link, expectation: Expectation | None) -> Exception:
    owed = link.machine.owed[0] if link.machine.owed else None
    awaited = f"the reply to {owed}" if owed and owed.to != "greeting" else "the greeting" if owed else "a reply"
    reason = f"no whole reply within {player.step_seconds:g} s: waited for {awaited}"
    if owed is not None and owed.to.startswith("message"):
        reason += "; delivery unknown: the message was sent and not answered"
    pending = link.pending
    if not link.machine.greeted and not pending:
        return erred(reason)
    text = decode(pending[:SHOWN_BYTES])
    came = f"{text} (incomplete, {len(pending)} bytes)" if pending else "nothing"
    player.differ("time", _wanted(expectation), came)
    return failed(reason)


def expect(player: Player, link: Link, expectation: Expectation) -> Steps:
    """Read the next reply and judge it. A wrong code ends the step, and with it the case."""
    wanted = fill(player, expectation)
    got = yield from next_event(player, link, wanted)
    settle(player, link, wanted, got)


def fill(player: Player, expectation: Expectation) -> Expectation:
    """Return the expectation with its placeholders' values in it."""
    if not expectation.has_slots:
        return expectation
    try:
        return expectation.fill(player.scope.of_slot)
    except ExpectationError as error:
        raise erred(str(error)) from error


def settle(player: Player, link: Link, wanted: Expectation, got: Reply | Word) -> None:
    """Judge what came, record what differs, take captures; raise if the case can't go on."""
    link.last = got
    if isinstance(got, Word):
        if not wanted.wants(got):
            actual = closing_text(link) if got is Word.CLOSE else got.value
            player.differ("reply", str(wanted), actual, is_warning=wanted.is_warning)
            if not wanted.is_warning:
                raise closing(link) if got is Word.CLOSE else failed(f"expected {wanted}, got {got.value}")
        return
    capabilities = link.machine.capabilities
    if wanted.capabilities and capabilities is None:
        raise erred("no capabilities were read since the connection or its last handshake: send EHLO first")
    latency = player.now - max(link.written, player.step_started)
    judgement = judge(wanted, got, capabilities, latency)
    for one in judgement.mismatches:
        player.differ(one.part, one.expected, one.actual, one.hint, is_warning=wanted.is_warning)
    for name, text in judgement.captures.items():
        player.scope.captured[name] = captured(player, text)
    if judgement.is_wrong_code and not wanted.is_warning:
        raise failed(_reason(got, judgement))


def captured(player: Player, text: str) -> Value:
    """Return what a server's text gives a variable; one that overlaps a secret is as secret."""
    secret = player.redactor.overlaps(text)
    return Value(text, (secret,) if secret else ())


def _reason(reply: Reply, judgement: Judgement) -> str:
    to = f" to {reply.owed}" if reply.owed is not None and reply.owed.recipient else ""
    return f"expected {first_line(judgement.mismatches[0].expected)}, got{to} {first_line(str(reply))}"


def shown(event: Reply | Malformed) -> str:
    """Return what came, on one line."""
    return first_line(str(event)) if isinstance(event, Reply) else f"{event.text} ({event.reason})"


def first_line(text: str) -> str:
    """Return the first line of a reply, with a mark where there are more."""
    line, _, rest = text.partition("\n")
    return f"{line} …" if rest else line


def closing(link: Link) -> Exception:
    """Return how a step ends whose connection ended where a reply was due."""
    reason = "the connection ended where a reply was due"
    if link.fault is not None and link.fault.kind is not FaultKind.RESET:
        reason = f"the connection failed: {link.fault}"
    elif link.fault is not None:
        reason = "the server reset the connection where a reply was due"
    elif not link.machine.greeted:
        reason = "the server closed the connection before its greeting"
    if link.machine.owed and link.machine.owed[0].to == "message":
        reason += "; delivery unknown: the message was sent and not answered"
    return failed(reason)


def closing_text(link: Link) -> str:
    """Return what came at the end of a connection, in the notation of expectations."""
    pending = link.pending
    if not pending:
        return Word.CLOSE.value
    text = decode(pending[:SHOWN_BYTES])
    how = "close without close_notify" if link.is_truncated else "close"
    return f"{text} (incomplete), then {how}"
