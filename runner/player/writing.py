"""Before a client line leaves: nothing may wait unread, the connection must stand, secrets must be safe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.matching.expectation import Word
from runner.player.ending import StepEnded, erred, failed
from runner.player.expecting import last_words, pending_text, shown, tell_answer
from runner.player.filling import Line
from runner.redaction import Mark
from runner.wire import FaultKind, Write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.language.model import Exchange, Step
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.protocol import Machine

# What a password is called that is no declared secret.
_PASSWORD = "password"  # noqa: S105


def require_clear(player: Player, link: Link, step: Step) -> None:
    """End the step if nothing can be sent, or if something came that was not owed.

    Raises:
        StepEnded: the connection is not open, or unexpected data waits.
    """
    if link.is_closed or not link.is_open:
        raise _closed(player, link)
    if link.events or link.machine.is_amid_reply:
        require_no_surplus(player, link, step)


def require_standing(player: Player, link: Link) -> None:
    """End the step if nothing can be sent.

    Raises:
        StepEnded: the connection is not open.
    """
    if not link.can_send:
        raise _closed(player, link)


def has_met_close(link: Link, step: Exchange) -> bool:
    """Whether the server closed before the line, which makes no difference to who expects that it closes after."""
    return (
        link.is_closed
        and not (link.is_dropped or link.events or link.pending)
        and step.expect is not None
        and step.expect.wants(Word.CLOSE)
    )


def require_no_surplus(player: Player, link: Link, step: Step) -> None:
    """End the step if something came that was not owed.

    Raises:
        StepEnded: unexpected data.
    """
    machine = link.machine
    if (surplus := link.surplus) is not None:
        tell_answer(player, surplus, player.now)
        raise failed(f"unexpected data before '{step.label}': {shown(player, surplus)}")
    if link.has_half_reply and not (machine.owed or machine.in_message or link.events):
        raise failed(f"unexpected data before '{step.label}': '{pending_text(player, link)}'")


def _closed(player: Player, link: Link) -> StepEnded:
    if link.is_dropped:
        return erred("nothing can be sent: an earlier step closed the connection; 'connect' opens another")
    said = last_words(player, link)
    if link.fault is None:
        return failed(f"nothing can be sent: the server has closed the connection{said}")
    reason = f"nothing can be sent: {link.fault}{said}"
    return erred(reason) if link.fault.kind is FaultKind.LOCAL else failed(reason)


def require_privacy(player: Player, link: Link, secrets: Iterable[str]) -> None:
    """End the step rather than send a secret where it could be read.

    Raises:
        StepEnded: the secrets must not be sent.
    """
    name = min(secrets, default="")
    target = player.target
    if name and not (link.may_carry_secrets or target.plaintext_secrets):
        raise erred(
            f"the secret '{name}' was not sent: the connection is not encrypted and {target.host} is not this machine; "
            "use starttls first, or set plaintext_secrets: allow on the target"
        )


def _check_bare(link: Link, line: Line) -> None:
    """End the step rather than send a line of nothing but a secret where no challenge asked for it, or twice."""
    name = min(line.secrets)
    if not link.answers_challenge:
        raise erred(
            f"the secret '{name}' was not sent: a line of nothing but a secret answers a challenge, and none waits"
        )
    if line.secrets & link.auth_secrets:
        raise erred(f"the secret '{name}' was not sent: it was sent once in this AUTH exchange already")
    link.auth_secrets |= line.secrets


def admit(player: Player, link: Link, lines: Iterable[Line]) -> None:
    """End the step rather than send a line whose secrets must not leave.

    Raises:
        StepEnded: a line must not be sent.
    """
    for line in lines:
        if line.secrets:
            require_privacy(player, link, line.secrets)
            if line.is_bare_secret:
                _check_bare(link, line)


def put(player: Player, link: Link, *lines: Line, more: bool = False) -> None:
    """Send lines in one write; the protocol machine counts what is owed for them, unless a line says it.

    With `more` the link tells by `is_drained` that it has left.

    Raises:
        StepEnded: a line must not be sent; then none is.
    """
    machine = link.machine
    admit(player, link, lines)
    is_as_filled = not machine.has_tags and machine.password_at is None
    written: list[bytes] = []
    for filled in lines:
        line = filled if is_as_filled or not filled.is_line else _led(machine, filled)
        counted = len(machine.owed)
        machine.sent(line.data)
        if line.replies is not None:
            machine.owe(line.replies, counted)
        link.transcript.sent(player.now, line.data, line.marks)
        written.append(line.data)
    link.is_drained = not more
    player.act(Write(link.sid, b"".join(written), more))
    link.written = player.now


def _led(machine: Machine, line: Line) -> Line:
    """Return a client line with what the protocol puts in front of it, and with the password in it marked.

    It is made when the lines before it are sent already: what goes in front may depend on them.
    """
    lead = machine.lead(line.data) if line.has_tag else b""
    marks = with_password(machine, line)
    if lead:
        marks = tuple(replace(mark, start=mark.start + len(lead), end=mark.end + len(lead)) for mark in marks)
    return replace(line, data=lead + line.data, marks=marks)


def with_password(machine: Machine, line: Line) -> tuple[Mark, ...]:
    """Return a line's marks, with one more where the protocol has a password; a secret in it gives its name."""
    text = line.data.rstrip(b"\r\n").decode("latin-1")
    found = machine.password_at.match(text) if machine.password_at is not None else None
    if found is None:
        return line.marks
    start, end = found.span(1)
    within = (mark.name for mark in line.marks if mark.is_secret and mark.start < end and mark.end > start)
    return (*line.marks, Mark(start, end, next(within, _PASSWORD)))


def put_ready(player: Player, link: Link, data: bytes, *, has_tag: bool = True) -> None:
    """Send a line in which nothing depends on a value, and so nothing is secret; most lines are so."""
    machine = link.machine
    if machine.has_tags or machine.password_at is not None:
        put(player, link, Line(data, is_line=True, has_tag=has_tag))
        return
    machine.sent(data)
    link.transcript.sent(player.now, data)
    player.act(Write(link.sid, data))
    link.written = player.now
