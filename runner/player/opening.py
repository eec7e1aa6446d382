"""Opening a session's connection: by itself at the session's first step, or by `connect`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.language.model import Connect, ProxyOptions, TlsOptions
from runner.language.reaching import make_proxy
from runner.matching.expectation import Expectation, Word
from runner.player.ending import StepEnded, TimedOut, erred, failed
from runner.player.expectations import next_whole_reply
from runner.player.expecting import fill, settle
from runner.player.finishing import drop, leave
from runner.player.tls_expecting import judge_handshake, require_judgeable, settle_failure
from runner.wire import TLS_VERSIONS, Endpoint, FaultKind, Open, ProxyHeader, TlsWish

if TYPE_CHECKING:
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.wire import Fault

# What can come in place of a connection.
_WORDS = {FaultKind.REFUSED: Word.REFUSED, FaultKind.RESET: Word.RESET}
_CONNECT_WORDS = (Word.REFUSED, Word.RESET, Word.TIMEOUT)

Steps = Generator[None, None, None]


def connect(player: Player, step: Connect) -> Steps:
    """Open the session's connection; one that is open is closed first, as at a case's end."""
    before = player.links.get(player.session)
    if before is not None and before.has_begun:
        wrong = yield from leave(player, before)
        player.begin_step(step)
        if wrong:
            raise failed(f"on the connection before: {wrong}")
    link = player.new_link(player.session)
    wanted = fill(player, step.expect) if step.expect is not None else None
    endpoint = _endpoint(player, step)
    require_judgeable(step.tls_expect, endpoint.tls)
    try:
        is_open = yield from _open(player, link, endpoint, wanted)
    except StepEnded as ended:
        settle_failure(player, link, step.tls_expect, ended)
        return
    judge_handshake(player, link, step.tls_expect, is_warning=wanted is not None and wanted.is_warning)
    if is_open and wanted is not None:
        yield from _expect_greeting(player, link, wanted)


def begun(player: Player) -> Generator[None, None, Link]:
    """Return the session's connection, opened if this is the session's first step."""
    link = player.links.get(player.session)
    if link is None:
        link = player.new_link(player.session)
        yield from _open(player, link, _endpoint(player, None), None)
    return link


def _open(player: Player, link: Link, endpoint: Endpoint, wanted: Expectation | None) -> Generator[None, None, bool]:
    """Open a connection, or take what comes in its place if that was wanted; return whether it stands."""
    link.has_begun = True
    player.act(Open(link.sid, endpoint))
    while not link.is_open:
        try:
            yield from player.wait()
        except TimedOut as late:
            drop(player, link, "reset")
            word = None if player.is_case_over else Word.TIMEOUT
            _settle_unopened(link, wanted, word, f"{_missing(endpoint)} {late}", is_tls=False)
            return False
        if link.fault is not None:
            is_tls = link.fault.kind.name.startswith("TLS_")
            missing = _missing(endpoint) if link.fault.kind is FaultKind.RESET else f"no connection to {endpoint}"
            if is_tls:
                missing = f"the TLS handshake with {endpoint} failed"
            reason = f"{missing}: {told(link.fault)}"
            _settle_unopened(link, wanted, _WORDS.get(link.fault.kind), reason, is_tls=is_tls)
            return False
    player.note_addresses(link, player.session)
    return True


def told(fault: Fault) -> str:
    """Return what a fault is, and what to do about a certificate whose issuer is not known here."""
    advice = "; a CA of your own is named by --ca FILE, or tls: {ca: FILE} at the target"
    return f"{fault}{advice}" if fault.kind is FaultKind.TLS_UNTRUSTED else str(fault)


def _missing(endpoint: Endpoint) -> str:
    """Say what did not come about; with implicit TLS it may be the connection or the handshake on it."""
    if endpoint.tls is None:
        return f"no connection to {endpoint}"
    return f"no connection with a finished TLS handshake to {endpoint}"


def _settle_unopened(link: Link, wanted: Expectation | None, word: Word | None, reason: str, *, is_tls: bool) -> None:
    if wanted is not None and word is not None and wanted.wants(word):
        link.last = word
        return
    is_test_of_it = wanted is not None and word is not None and any(map(wanted.wants, _CONNECT_WORDS))
    raise failed(f"expected {wanted}, got {reason}") if is_test_of_it else (failed if is_tls else erred)(reason)


def _expect_greeting(player: Player, link: Link, wanted: Expectation) -> Steps:
    got = yield from next_whole_reply(player, link, wanted)
    is_reset = got is Word.CLOSE and link.fault is not None and link.fault.kind is FaultKind.RESET
    settle(player, link, wanted, Word.RESET if is_reset and wanted.wants(Word.RESET) else got)


def _endpoint(player: Player, connect: Connect | None) -> Endpoint:
    target = player.target
    if target.is_domain:
        what = f"'{target.name}' are the mail exchangers of {target.host}"
        raise erred(f"{what}, and a session is with one: name its url")
    options = connect.tls if connect is not None else TlsOptions()
    source = player.scope.text(connect.source_address).text if connect is not None else ""
    family = connect.family if connect is not None else ""
    return Endpoint(
        host=target.host,
        port=target.port,
        path=target.path,
        tls=tls_wish(player, options) if target.implicit_tls else None,
        source_address=source or target.source_address,
        family=family or target.family,
        proxy=_proxy(player, connect.proxy) if connect is not None and connect.proxy is not None else target.proxy,
        command=target.command,
    )


def _proxy(player: Player, options: ProxyOptions) -> ProxyHeader | None:
    if options.version is None:
        return None
    ends = (player.scope.text(end).text for end in (options.source, options.destination))
    try:
        return make_proxy(options.version, *ends)
    except ValueError as error:
        raise erred(f"proxy_protocol: {player.findings.quote(str(error))}") from error


def tls_wish(player: Player, options: TlsOptions) -> TlsWish:
    """Return the target's TLS options with what the step says over them."""
    target = player.target
    wish = target.tls
    minimum, maximum = tls_versions(wish, options)
    name = player.scope.text(options.server_name)
    if name.secrets:
        raise erred(f"the secret '{name.secrets[0]}' was not sent: a handshake tells the server's name in clear text")
    return TlsWish(
        verify=wish.verify if options.verify is None else options.verify,
        ca=wish.ca if options.ca is None else options.ca,
        server_name=name.text or wish.server_name or target.host,
        certificate=wish.certificate if options.certificate is None else options.certificate,
        key=wish.key if options.certificate is None else options.key or "",
        minimum=minimum,
        maximum=maximum,
    )


def tls_versions(wish: TlsWish, options: TlsOptions) -> tuple[str, str]:
    """Return the versions that a step asks for; the end of the range that it leaves out gives way to what it says."""
    minimum, maximum = options.minimum or wish.minimum, options.maximum or wish.maximum
    if maximum and TLS_VERSIONS.index(maximum) < TLS_VERSIONS.index(minimum):
        return (minimum, "") if options.maximum is None else (maximum, maximum)
    return minimum, maximum
