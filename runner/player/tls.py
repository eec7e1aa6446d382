"""`starttls` and `tls`: the handshake on a connection that stands, and what must not come before it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.matching.expectation import Expectation, Short
from runner.player.ending import StepEnded, TimedOut, erred, failed
from runner.player.expectations import expect
from runner.player.expecting import name_of, pending_text, shown
from runner.player.finishing import drop
from runner.player.opening import begun, tls_wish, told
from runner.player.tls_expecting import judge_handshake, require_judgeable, settle_failure
from runner.player.writing import put_ready, require_clear
from runner.protocol import Reply, decode
from runner.wire import FaultKind, Secure

if TYPE_CHECKING:
    from runner.language.model import Handshake, StartTls, TlsExpectation, TlsOptions
    from runner.player.link import Link
    from runner.player.player import Player

Steps = Generator[None, None, None]


def start_tls(player: Player, step: StartTls) -> Steps:
    """Send the command, judge the go-ahead, and if it is one make the handshake (RFC 3207); read what greets then."""
    link = yield from begun(player)
    require_clear(player, link, step)
    _require_settled(player, link, "STARTTLS")
    put_ready(player, link, link.machine.starttls_command)
    assert step.expect is not None
    yield from expect(player, link, step.expect)
    goes_on = isinstance(link.last, Reply) and link.last.code == link.machine.starttls_code
    if goes_on:
        _require_no_login(player, link)
        yield from _secure(player, link, step.options, step.tls_expect)
    if link.is_dropped:
        return
    judge_handshake(player, link, step.tls_expect, is_warning=step.expect.is_warning)
    if goes_on and link.machine.greets_after_tls:
        yield from expect(player, link, Expectation((Short(link.machine.starttls_code),)))


def handshake(player: Player, step: Handshake) -> Steps:
    """Make the handshake alone; before a greeting (implicit TLS by hand) that is what stays owed."""
    link = yield from begun(player)
    require_clear(player, link, step)
    if not link.awaits_greeting:
        _require_settled(player, link, "the TLS handshake")
    yield from _secure(player, link, step.options, step.tls_expect)
    if not link.is_dropped:
        judge_handshake(player, link, step.tls_expect)


def _require_no_login(player: Player, link: Link) -> None:
    """End the step where the server greeted with PREAUTH: that was said in clear text, by whoever stands between."""
    if link.machine.is_preauthenticated:
        drop(player, link)
        already = "the connection is authenticated already (PREAUTH)"
        raise failed(f"{already}, and the server lets TLS begin on it all the same (RFC 9051 section 6.2.1)")


def _require_settled(player: Player, link: Link, before: str) -> None:
    if link.events:
        raise failed(f"no step expected a reply that came before {before}: {shown(player, link.events[0][0])}")
    if link.machine.owed:
        raise failed(f"a reply is still owed before {before}: to {name_of(link.machine.owed[0])}")


def _secure(player: Player, link: Link, options: TlsOptions, wanted: TlsExpectation | None) -> Steps:
    """Make the handshake. Clear text that waits, or comes before it, is injection (RFC 3207 section 6)."""
    wish = tls_wish(player, options)
    require_judgeable(wanted, wish)
    if link.tls is not None:
        raise erred("the connection is encrypted already")
    if link.events:
        raise _injected(player, link, shown(player, link.events[0][0]))
    # Untagged lines that came before the last reply are a part of it; these came after the go-ahead.
    if lines := link.machine.untagged():
        raise _injected(player, link, f"'* {player.findings.quote(lines[0])}'")
    if link.pending:
        raise _injected(player, link, f"'{pending_text(player, link)}'")
    link.is_securing = True
    player.act(Secure(link.sid, wish))
    while link.tls is None:
        if link.plaintext:
            raise _injected(player, link, f"'{player.findings.quote(decode(link.plaintext).rstrip())}'")
        if link.fault is not None:
            settle_failure(player, link, wanted, _broken(link))
            return
        if link.is_closed:
            raise failed("the server closed the connection during the TLS handshake")
        try:
            yield from player.wait()
        except TimedOut as late:
            link.gave_up = True
            raise failed(f"the TLS handshake was not done {late}") from None
    link.is_securing = False


def _injected(player: Player, link: Link, text: str) -> StepEnded:
    drop(player, link, "reset")
    if link.awaits_greeting:
        return failed(f"the server speaks clear text where the TLS handshake was due: {text}")
    return failed(f"response injection: clear text before the TLS handshake (RFC 3207 section 6): {text}")


def _broken(link: Link) -> StepEnded:
    assert link.fault is not None
    reason = f"the TLS handshake failed: {told(link.fault)}"
    return erred(reason) if link.fault.kind is FaultKind.LOCAL else failed(reason)
