"""The next reply and what is made of it: what fails, what is noted, what is captured.

Which of the ways to read a step takes is for `expectations` to say.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.language.model import MAIN
from runner.language.template import Value
from runner.matching.expectation import Expectation, ExpectationError, Word
from runner.matching.judging import best_fit, judge, latencies
from runner.player.ending import CaseSkipped, StepEnded, TimedOut, erred, failed
from runner.player.findings import first_line
from runner.protocol import Malformed, Reply, decode
from runner.protocol.base import QUOTED_BYTES, LineReply
from runner.wire import FaultKind

if TYPE_CHECKING:
    from runner.matching.partial import LineExpectation
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.protocol import Owed

# How many characters of a reply that is not whole are shown.
SHOWN = 512
# What a server owes, as a reason calls it; the rest are commands.
_NAMES = {"greeting": "the greeting", "message": "the message"}
_RESPONSE = " response"

Steps = Generator[None, None, None]
Met = Generator[None, None, Reply | Word]


def fill(player: Player, expectation: Expectation) -> Expectation:
    """Return the expectation with its placeholders' values in it."""
    try:
        return expectation.fill(player.scope.of_slot, player.scope.shown_slot)
    except ExpectationError as error:
        raise erred(str(error)) from error


def next_reply(player: Player, link: Link, wanted: Expectation) -> Met:
    """Wait for the next reply, or for what can come in its place.

    Raises:
        StepEnded: what came is no reply, or nothing came in time.
    """
    silent_at = None
    if wanted.silence is not None:
        silent_at = player.now + wanted.silence
        player.allow_until(silent_at)
        before = len(link.machine.untagged())
    if link.awaits_delivery:
        player.allow_message_time()
    while (event := link.take()) is None:
        if link.is_closed:
            return Word.CLOSE
        is_silent = silent_at is not None and not link.has_unread
        if is_silent and link.machine.has_tags and len(said := link.machine.untagged()) > before:
            raise _not_silent(player, wanted, said[before:])
        if is_silent and silent_at is not None and player.now >= silent_at:
            return Word.SILENCE
        try:
            yield from player.wait(silent_at if is_silent else None)
        except TimedOut as late:
            raise too_late(player, link, wanted, str(late)) from None
    if isinstance(event, Malformed):
        raise broken(player, wanted, event)
    if link.machine.lenient_line_ends:
        player.findings.warn("lines of the server hold a bare LF or CR; accepted because line_ends is lenient")
    if player.required.names and player.session == MAIN and (missing := player.required.missing(link.machine, event)):
        raise CaseSkipped(f"requires {missing}, which the server does not offer")
    return event


def _not_silent(player: Player, wanted: Expectation, lines: Sequence[str]) -> StepEnded:
    """Return how a step ends that wants silence and has met lines which are no reply."""
    text = "\n".join(f"* {line}" for line in lines)
    player.findings.differ("reply", str(wanted), text)
    player.findings.answered(text, player.now - player.step_started)
    return failed(f"expected {wanted}, got {player.findings.quote(text)}")


def broken(player: Player, wanted: object, event: Malformed) -> StepEnded:
    """Return how a step ends that got what is no reply; `wanted` is shown as what was expected."""
    text = malformed_text(player, event)
    player.findings.differ("reply", str(wanted), text)
    tell_answer(player, event, player.now)
    quoted = f": '{player.findings.quote(text)}'" if text else ""
    return failed(f"the server broke the protocol: {event.reason}{quoted}")


def tell_answer(player: Player, event: Reply | Malformed, arrived: float) -> None:
    """Record that this came, then or before, and is not what the step wants."""
    text = str(event) if isinstance(event, Reply) else malformed_text(player, event)
    player.findings.answered(text, arrived - player.step_started, event.owed.to if event.owed is not None else "")


def too_late(player: Player, link: Link, wanted: object, limit: str) -> StepEnded:
    """Return how a step ends whose time is over; `wanted` is shown as what was expected."""
    link.gave_up = True
    due = _due(link)
    is_greeted = link.machine.greeted
    text = partial_text(player, link)
    if not text:
        if is_greeted:
            player.findings.differ("time", str(wanted), "nothing")
        reason = f"no {due} {limit}{_why_nothing(player, link)}"
    else:
        size = len(link.pending) + sum(len(line) + len("* \r\n") for line in link.machine.untagged())
        came = link.machine.progress or f"{size} bytes"
        player.findings.differ("time", str(wanted), f"{text} (incomplete, {came})")
        player.findings.answered(text, player.now - player.step_started)
        *before, last = text.split("\n")
        reason = f"no whole {due} {limit}, only {came}{', the last line' if before else ''}: '{first_line(last)}'"
    return failed(reason) if is_greeted else erred(reason)


def _why_nothing(player: Player, link: Link) -> str:
    """Return what may be the reason where nothing at all came, to be put behind it."""
    machine = link.machine
    if not machine.greeted:
        return player.target.advice_if_silent if link.tls is None else ""
    if machine.owed:
        return ""
    why = "the message is not at its end" if machine.in_message else "every line sent has had its reply"
    return f", and none was owed: {why}"


def _due(link: Link) -> str:
    if not link.machine.owed:
        return "reply"
    owed = link.machine.owed[0]
    if owed.to == "greeting":
        return "greeting after the TLS handshake" if link.machine.greeted else "greeting"
    return f"reply to {name_of(owed)}"


def name_of(owed: Owed) -> str:
    """Return what a reply is owed to, as a reason calls it."""
    name = f"the {owed.to}" if owed.to.endswith(_RESPONSE) else _NAMES.get(owed.to, owed.to)
    return f"{name} for {owed.recipient}" if owed.recipient else name


def pending_text(player: Player, link: Link) -> str:
    """Return the end of what came of a reply that is not whole, redacted before it is cut."""
    return _end_of(player.redactor.mask(decode(link.pending)).replace("\r\n", "\n").rstrip("\n"))


def _end_of(text: str) -> str:
    """Return the end of a text that may be long."""
    return text if len(text) <= SHOWN else f"…{text[-SHOWN:]}"


def partial_text(player: Player, link: Link) -> str:
    """Return what came of a reply that is not whole, the untagged lines that would join it included."""
    said = link.machine.untagged()
    if not said:
        return pending_text(player, link)
    text = player.redactor.mask("\n".join([*(f"* {line}" for line in said), decode(link.pending)]))
    return _end_of(text.replace("\r\n", "\n").rstrip("\n"))


def malformed_text(player: Player, event: Malformed) -> str:
    """Return what came where a reply was due; the protocol machine may have cut it within a secret."""
    raw = event.raw
    is_cut = len(raw) >= QUOTED_BYTES
    return decode(raw[: len(raw) - player.redactor.reach(raw, from_end=True)] + b" ..." if is_cut else raw)


def settle(player: Player, link: Link, wanted: Expectation, got: Reply | Word) -> None:
    """Judge what came, record what differs, take captures; raise if the case can't go on."""
    link.last = got
    if isinstance(got, Word):
        _settle_word(player, link, wanted, got)
    elif got.code != wanted.only_code:
        _settle_reply(player, link, wanted, got)


def _settle_word(player: Player, link: Link, wanted: Expectation, got: Word) -> None:
    is_torn = got is Word.CLOSE and (bool(link.pending) or not _hung_up(link))
    if wanted.wants(got) and not is_torn:
        if link.is_closed:
            link.machine.owed.clear()  # the end is what came in place of the replies
        if got is Word.CLOSE:
            judge_latency(player, wanted, latency_of(player, link, link.ended))
        return
    actual = _ending_text(player, link) if got is Word.CLOSE else got.value
    player.findings.differ("reply", str(wanted), actual, is_warning=wanted.is_warning)
    if not wanted.is_warning:
        raise closing(player, link) if got is Word.CLOSE else failed(f"expected {wanted}, got {got.value}")


def _hung_up(link: Link) -> bool:
    """Whether it was the server that ended the connection."""
    return link.fault is None or link.fault.kind is FaultKind.RESET


def _settle_reply(player: Player, link: Link, wanted: Expectation, reply: Reply) -> None:
    capabilities = link.machine.capabilities
    if wanted.capabilities and capabilities is None and not best_fit(wanted.alternatives, reply).is_wrong_code:
        command = link.machine.capability_command
        raise erred(f"no capabilities were read since the connection or its last handshake: send {command} first")
    messages = link.machine.fetched(reply) if wanted.message is not None else ()
    latency = latency_of(player, link, link.arrived)
    judgement = judge(wanted, reply, capabilities, latency, messages)
    if judgement.mismatches:
        tell_answer(player, reply, link.arrived)
    owed = reply.owed
    whose = f" for {owed.recipient}" if owed is not None and owed.to == "message" and owed.recipient else ""
    gist, whole = (gist_of(reply), str(reply)) if judgement.mismatches else ("", "")
    for one in judgement.mismatches:
        told = gist if one.actual == whole else ""  # what is shown of a message is told by its own first line
        player.findings.differ(
            one.part + whose, one.expected, one.actual, one.hint, is_warning=wanted.is_warning, gist=told
        )
    capture(player, judgement.captures)
    if judgement.is_wrong_code and not wanted.is_warning:
        first = player.findings.differences[-len(judgement.mismatches)]
        raise failed(player.findings.sentence(first), reply.code)


def gist_of(reply: Reply) -> str:
    """Return what a reply is told by where there is room for one line: where only one has a code, that one."""
    if not isinstance(reply, LineReply) or reply.head_at in (None, 0):
        return str(reply)
    return reply.head


def judge_latency(player: Player, wanted: Expectation | LineExpectation, latency: float) -> None:
    """Record that something came later than it should; `latency` is in seconds."""
    if wanted.within is not None and latency > wanted.within:
        expected, actual = latencies(wanted.within, latency)
        player.findings.differ("within", expected, actual, is_warning=wanted.is_warning)


def latency_of(player: Player, link: Link, arrived: float) -> float:
    """Return the seconds from the last byte sent, else from the step's start."""
    return arrived - (player.step_started if link.written is None else link.written)


def capture(player: Player, found: Mapping[str, str]) -> None:
    """Let variables stand for what a server's text gives them; what overlaps a secret is as secret."""
    for name, text in found.items():
        secret = player.redactor.overlaps(text)
        player.scope.captured[name] = Value(text, (secret,) if secret else ())


def shown(player: Player, event: Reply | Malformed) -> str:
    """Return what came, on one line."""
    if isinstance(event, Reply):
        return player.findings.quote(gist_of(event))
    return f"'{player.findings.quote(malformed_text(player, event))}' ({event.reason})"


def closing(player: Player, link: Link, where: str = "") -> StepEnded:
    """Return how a step ends whose connection ended where a reply was due, or as `where` says."""
    due = where or ("where a reply was due" if link.machine.greeted else "before its greeting")
    if link.pending:
        progress = link.machine.progress
        due = f"inside a reply, after {progress}" if progress else "inside a reply"
    said = last_words(player, link)
    if not (said or where) and (lines := link.machine.untagged()):
        said = f"; it had said: '* {player.findings.quote(lines[-1])}'"
    fault = link.fault
    if fault is None:
        return failed(f"the server closed the connection {due}{said}")
    if fault.kind is FaultKind.RESET:
        return failed(f"the server reset the connection {due}{said}")
    reason = f"the connection failed {due}: {fault}{said}"
    return erred(reason) if fault.kind is FaultKind.LOCAL else failed(reason)


def last_words(player: Player, link: Link) -> str:
    """Return, to be put behind a reason, what a server that is going away had said, or what nobody has read."""
    event = link.last_words or next((event for event, _ in link.events), None)
    if event is None:
        return ""
    tell_answer(player, event, player.now)
    return f"; it had said: {shown(player, event)}"


def _ending_text(player: Player, link: Link) -> str:
    """Return what came at the end of a connection, in the notation of expectations."""
    how = "close without close_notify" if link.is_truncated else Word.CLOSE.value
    return f"{pending_text(player, link)} (incomplete), then {how}" if link.pending else how
