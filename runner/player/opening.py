"""Opening a session's connection: by itself at the session's first step, or by `connect`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.language.model import Connect, Step, TlsOptions
from runner.matching.expectation import Word
from runner.player.ending import StepEnded, TimedOut, erred, failed
from runner.player.expecting import fill, next_event, settle
from runner.player.finishing import drop, leave
from runner.wire import Endpoint, FaultKind, Open, TlsWish

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]


def connect(player: Player, step: Connect) -> Steps:
    """Open the session's connection; one that is open is closed first, as at a case's end."""
    link = player.links.get(step.session)
    if link is not None and link.has_begun:
        yield from leave(player, link)
        player.begin_step(step)
    link = player.new_link(step.session)
    yield from open_link(player, link, step, step)


def begun(player: Player, step: Step) -> Generator[None, None, Link]:
    """Return the session's connection, opened if this is the session's first step."""
    link = player.link(step.session)
    if not link.has_begun:
        yield from open_link(player, link, step, None)
    return link


def open_link(player: Player, link: Link, step: Step, connect: Connect | None) -> Steps:
    """Open a connection and, for a `connect` that expects something, judge what comes."""
    link.has_begun = True
    wanted = fill(player, connect.expect) if connect is not None and connect.expect is not None else None
    endpoint = _endpoint(player, connect)
    player.act(Open(link.sid, endpoint))
    word: Word | None = None
    while not link.is_open and link.fault is None:
        try:
            yield from player.wait()
        except TimedOut:
            drop(player, link, "reset")
            if wanted is None or not wanted.wants(Word.TIMEOUT):
                raise erred(f"no connection to {endpoint} within {player.step_seconds:g} s") from None
            word = Word.TIMEOUT
            break
    if link.is_open:
        player.note_addresses(link, step.session)
    if link.fault is not None:
        kinds = {FaultKind.REFUSED: Word.REFUSED, FaultKind.RESET: Word.RESET}
        word = kinds.get(link.fault.kind)
        if word is None or wanted is None or not wanted.wants(word):
            raise _not_opened(link, endpoint)
    if wanted is None:
        return
    if word is None:
        assert connect is not None
        yield from _greeting(player, link, connect)
    else:
        link.last = word


def _greeting(player: Player, link: Link, connect: Connect) -> Steps:
    assert connect.expect is not None
    wanted = fill(player, connect.expect)
    got = yield from next_event(player, link, wanted)
    is_reset = got is Word.CLOSE and link.fault is not None and link.fault.kind is FaultKind.RESET
    settle(player, link, wanted, Word.RESET if is_reset and wanted.wants(Word.RESET) else got)


def _not_opened(link: Link, endpoint: Endpoint) -> StepEnded:
    assert link.fault is not None
    reason = f"{endpoint}: {link.fault}"
    return failed(reason) if link.fault.kind.name.startswith("TLS_") else erred(reason)


def _endpoint(player: Player, connect: Connect | None) -> Endpoint:
    target = player.case.target
    options = connect.tls if connect is not None else TlsOptions()
    source = player.scope.text(connect.source_address).text if connect is not None else ""
    return Endpoint(
        host=target.host,
        port=target.port,
        path=target.path,
        tls=tls_wish(player, options) if target.implicit_tls else None,
        source_address=source or target.source_address,
    )


def tls_wish(player: Player, options: TlsOptions) -> TlsWish:
    """Return the target's TLS options with what the step says over them."""
    target = player.case.target
    wish = target.tls
    return TlsWish(
        verify=wish.verify if options.verify is None else options.verify,
        ca=wish.ca if options.ca is None else options.ca,
        server_name=player.scope.text(options.server_name).text or wish.server_name or target.host,
        minimum=wish.minimum if options.minimum is None else options.minimum,
    )
