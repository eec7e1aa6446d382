"""Before a client line leaves: nothing may wait unread, the connection must stand, secrets must be safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.player.ending import erred, failed
from runner.player.expecting import shown
from runner.wire import Write

if TYPE_CHECKING:
    from runner.language.model import Step
    from runner.player.filling import Line
    from runner.player.link import Link
    from runner.player.player import Player


def require_open(link: Link) -> None:
    """End the step if nothing can be sent.

    Raises:
        StepEnded: the connection is not open.
    """
    if link.is_open and not link.is_closed:
        return
    surplus = link.surplus or next(iter(link.events), None)
    said = f", after the server had said: {shown(surplus)}" if surplus is not None else ""
    if link.fault is not None:
        raise failed(f"nothing can be sent: {link.fault}{said}")
    raise failed(f"nothing can be sent: the connection is closed{said}")


def check_surplus(link: Link, step: Step) -> None:
    """End the step if a reply waits that was not owed.

    Raises:
        StepEnded: unexpected data.
    """
    surplus = link.surplus
    if surplus is not None:
        raise failed(f"unexpected data before '{step.label}': {shown(surplus)}")


def check_secrets(player: Player, link: Link, line: Line) -> None:
    """End the step rather than send a secret where it could be read, or where no challenge asked for it.

    Raises:
        StepEnded: the line must not be sent.
    """
    if not line.secrets:
        return
    name = min(line.secrets)
    target = player.case.target
    if not (link.may_carry_secrets or target.plaintext_secrets):
        raise erred(
            f"the secret '{name}' was not sent: the connection is not encrypted and {target.host} is not this machine; "
            "use starttls first, or set plaintext_secrets: allow on the target"
        )
    if not line.is_bare_secret:
        return
    if link.machine.challenge is None:
        raise erred(
            f"the secret '{name}' was not sent: a line of nothing but a secret answers a challenge, and none waits"
        )
    if name in link.auth_secrets:
        raise erred(f"the secret '{name}' was not sent: it was sent once in this AUTH exchange already")
    link.auth_secrets.add(name)


def put(player: Player, link: Link, *lines: Line, replies: int | None = None) -> None:
    """Send lines in one write; the protocol machine counts what is owed for them, or `replies` says it.

    Raises:
        StepEnded: a line must not be sent.
    """
    for line in lines:
        check_secrets(player, link, line)
    machine = link.machine
    if link.auth_secrets and not machine.in_auth:
        link.auth_secrets.clear()
    for line in lines:
        owed = len(machine.owed)
        machine.sent(line.data)
        if replies is not None:
            while len(machine.owed) > owed:
                machine.owed.pop()
            machine.owe(replies)
        link.transcript.sent(player.now, line.data, line.marks)
    player.act(Write(link.sid, lines[0].data if len(lines) == 1 else b"".join(line.data for line in lines)))
    link.written = player.now
