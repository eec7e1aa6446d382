"""Judging a handshake and the server's certificate by `tls_expect`.

What differs is recorded, and the conversation goes on: the handshake stands. A handshake that had to fail, and did
not or otherwise, ends the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runner.certificate import Certificate, CertificateError, date_of, read_certificate
from runner.matching.base import TooLong
from runner.player.ending import StepEnded, erred, failed
from runner.player.finishing import drop
from runner.wire import FaultKind

if TYPE_CHECKING:
    from runner.language.model import TlsExpectation
    from runner.matching.pattern import Pattern
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.wire import TlsFacts, TlsWish

_FAILURES = {
    "expired": FaultKind.TLS_EXPIRED,
    "untrusted": FaultKind.TLS_UNTRUSTED,
    "name": FaultKind.TLS_NAME,
    "protocol": FaultKind.TLS_PROTOCOL,
}
_DAY, _HOUR = 86_400, 3_600


class _Differs(NamedTuple):
    part: str
    expected: str
    actual: str


def require_judgeable(wanted: TlsExpectation | None, wish: TlsWish | None) -> None:
    """End the step rather than make a handshake that `tls_expect` could not judge.

    Raises:
        StepEnded: there is none, or it can't fail as it must.
    """
    if wanted is None:
        return
    if wish is None:
        raise erred("there is no TLS handshake here to judge: the target's scheme is not one of implicit TLS")
    if wanted.fails and _FAILURES[wanted.fails].is_certificate and not wish.verify:
        raise erred(f"the handshake can't fail by '{wanted.fails}': the certificate is not verified (verify: false)")


def settle_failure(player: Player, link: Link, wanted: TlsExpectation | None, ended: StepEnded) -> None:
    """Take it that a handshake failed, if it had to and in this way; the connection is gone then.

    Raises:
        StepEnded: `ended`, or that in its own words.
    """
    fault = link.fault
    if wanted is None or not wanted.fails or fault is None or not fault.kind.name.startswith("TLS_"):
        raise ended
    if fault.kind is not _FAILURES[wanted.fails]:
        raise failed(f"expected the TLS handshake to fail ({_FAILURES[wanted.fails].value}), got: {fault}")
    drop(player, link, "reset")


def judge_handshake(player: Player, link: Link, wanted: TlsExpectation | None, *, is_warning: bool = False) -> None:
    """Judge what a handshake brought, and record what differs.

    Raises:
        StepEnded: it had to fail, or can't be judged.
    """
    if wanted is None:
        return
    facts = link.tls
    if facts is None:
        raise failed("no TLS handshake was made, and 'tls_expect' judges one")
    if wanted.fails:
        what = _FAILURES[wanted.fails].value
        raise failed(f"expected the TLS handshake to fail ({what}), got {facts.version} {facts.cipher}")
    for one in _differences(player, wanted, facts):
        player.findings.differ(one.part, one.expected, one.actual, is_warning=is_warning)


def _differences(player: Player, wanted: TlsExpectation, facts: TlsFacts) -> Iterator[_Differs]:
    if wanted.versions and facts.version not in wanted.versions:
        yield _Differs("TLS version", wanted.version, facts.version)
    if wanted.cipher is not None and not _fits(player, wanted.cipher, facts.cipher):
        yield _Differs("cipher", f"cipher {wanted.cipher}", f"cipher {facts.cipher}")
    if wanted.same_certificate_as:
        yield from _of_other_session(player, wanted.same_certificate_as, facts)
    if not (wanted.issuer or wanted.names or wanted.valid_for is not None or wanted.public_keys):
        return
    try:
        certificate = read_certificate(facts.certificate)
    except CertificateError as error:
        yield _Differs("certificate", "a certificate that can be read", str(error))
    else:
        yield from _of_certificate(player, wanted, certificate, facts.moment)


def _fits(player: Player, pattern: Pattern, text: str) -> bool:
    try:
        return pattern.fill(player.scope.of_slot).match_line(text) is not None
    except TooLong:
        return False


def _of_other_session(player: Player, session: str, facts: TlsFacts) -> Iterator[_Differs]:
    link = player.links.get(session)
    if link is None or link.tls is None:
        raise erred(f"the session '{session}' has no TLS yet whose certificate could be compared")
    ours, theirs = facts.certificate, link.tls.certificate
    if ours != theirs or not ours:
        yield _Differs("certificate", f"that of '{session}': {_fingerprint(theirs)}", _fingerprint(ours))


def _fingerprint(certificate: bytes) -> str:
    import hashlib  # noqa: PLC0415 -- few cases need it, and start-up counts

    return f"SHA-256 {hashlib.sha256(certificate).hexdigest()}" if certificate else "none"


def _of_certificate(
    player: Player, wanted: TlsExpectation, certificate: Certificate, moment: float
) -> Iterator[_Differs]:
    if wanted.issuer is not None and not _fits(player, wanted.issuer, certificate.issuer):
        yield _Differs("issuer", f"issuer {wanted.issuer}", f"issuer {certificate.issuer}")
    missing = [name for name in _names(player, wanted) if not certificate.covers(name)]
    if missing:
        names = ", ".join((*certificate.names, *certificate.addresses))
        yield _Differs("names", f"a certificate for {', '.join(missing)}", f"one for {names or 'no name'}")
    left = certificate.not_after - moment
    if wanted.valid_for is not None and (left < wanted.valid_for or certificate.not_before > moment):
        yield _Differs("valid_for", f"valid for {_span(wanted.valid_for)}", _validity(certificate, moment))
    key = certificate.public_key
    if wanted.public_keys and not any(key.kind == one.kind and key.bits >= one.bits for one in wanted.public_keys):
        yield _Differs("public_key", f"public key {' or '.join(map(str, wanted.public_keys))}", f"public key {key}")


def _names(player: Player, wanted: TlsExpectation) -> list[str]:
    names = [player.scope.text(template).text for template in wanted.names]
    for name in names:
        if not name or not name.isascii():
            raise erred(f"'{name}' is no name that a certificate could have; write it as '${{name | idna}}' gives it")
    return names


def _validity(certificate: Certificate, moment: float) -> str:
    if certificate.not_before > moment:
        return f"valid from {_date(certificate.not_before)} on"
    left = certificate.not_after - moment
    until = _date(certificate.not_after)
    return f"valid for {_span(left)}, until {until}" if left >= 0 else f"expired {_span(-left)} ago, on {until}"


def _span(seconds: float) -> str:
    """Return a time in days and hours, cut short; less than an hour is `0h`."""
    days, rest = divmod(int(seconds), _DAY)
    hours = rest // _HOUR
    return f"{days}d{hours}h" if days and hours else f"{days}d" if days else f"{hours}h"


def _date(moment: float) -> str:
    return date_of(moment).strftime("%Y-%m-%d %H:%M UTC")
