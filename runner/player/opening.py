"""Opening a session's connection: by itself at the session's first step, or by `connect`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.language.model import Connect, Step, TlsOptions
from runner.matching.expectation import Expectation, Word
from runner.player.ending import TimedOut, erred, failed
from runner.player.expecting import fill, next_reply, settle
from runner.player.finishing import drop, leave
from runner.wire import Endpoint, FaultKind, Open, TlsWish

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player

# What can come in place of a connection.
_WORDS = {FaultKind.REFUSED: Word.REFUSED, FaultKind.RESET: Word.RESET}
_CONNECT_WORDS = (Word.REFUSED, Word.RESET, Word.TIMEOUT)

Steps = Generator[None, None, None]


def connect(player: Player, step: Connect) -> Steps:
    """Open the session's connection; one that is open is closed first, as at a case's end."""
    before = player.links.get(step.session)
    if before is not None and before.has_begun:
        wrong = yield from leave(player, before)
        player.begin_step(step)
        if wrong:
            raise failed(f"on the connection before: {wrong}")
    link = player.new_link(step.session)
    wanted = fill(player, step.expect) if step.expect is not None else None
    is_open = yield from _open(player, link, step, _endpoint(player, step), wanted)
    if is_open and wanted is not None:
        yield from _expect_greeting(player, link, wanted)


def begun(player: Player, step: Step) -> Generator[None, None, Link]:
    """Return the session's connection, opened if this is the session's first step."""
    link = player.links.get(step.session)
    if link is None:
        link = player.new_link(step.session)
        yield from _open(player, link, step, _endpoint(player, None), None)
    return link


def _open(
    player: Player, link: Link, step: Step, endpoint: Endpoint, wanted: Expectation | None
) -> Generator[None, None, bool]:
    """Open a connection, or take what comes in its place if that was wanted; return whether it stands."""
    link.has_begun = True
    player.act(Open(link.sid, endpoint))
    while not link.is_open:
        try:
            yield from player.wait()
        except TimedOut as late:
            drop(player, link, "reset")
            word = None if player.is_case_over else Word.TIMEOUT
            _settle_unopened(link, wanted, word, f"no connection to {endpoint} {late}", is_tls=False)
            return False
        if link.fault is not None:
            is_tls = link.fault.kind.name.startswith("TLS_")
            reason = f"no connection to {endpoint}: {link.fault}"
            _settle_unopened(link, wanted, _WORDS.get(link.fault.kind), reason, is_tls=is_tls)
            return False
    player.note_addresses(link, step.session)
    return True


def _settle_unopened(link: Link, wanted: Expectation | None, word: Word | None, reason: str, *, is_tls: bool) -> None:
    if wanted is not None and word is not None and wanted.wants(word):
        link.last = word
        return
    is_test_of_it = wanted is not None and word is not None and any(map(wanted.wants, _CONNECT_WORDS))
    raise failed(f"expected {wanted}, got {reason}") if is_test_of_it else (failed if is_tls else erred)(reason)


def _expect_greeting(player: Player, link: Link, wanted: Expectation) -> Steps:
    got = yield from next_reply(player, link, wanted)
    is_reset = got is Word.CLOSE and link.fault is not None and link.fault.kind is FaultKind.RESET
    settle(player, link, wanted, Word.RESET if is_reset and wanted.wants(Word.RESET) else got)


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
