"""What a mirror's handshake is to be like, as steps expect it: values, certificates are made elsewhere. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.language.model import Connect, Handshake, StartTls, TlsExpectation
from runner.language.walking import all_steps
from runner.mirror.acts import CertificateWish, TlsOffer
from runner.mirror.samples import texts
from runner.wire import TLS_VERSIONS, Fault, FaultKind, TlsFacts, TlsWish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.language.case import Case
    from runner.language.model import Step
    from runner.matching.pattern import Pattern
    from runner.mirror.shadow import Shadow

OWN_NAMES = ("127.0.0.1", "localhost", "mirror.example")
DAY = 86_400
_DAYS = 30.0
# What OpenSSL has for each version that it speaks; the first is what is chosen unless one is asked for.
_CIPHERS_1_3 = ("TLS_AES_256_GCM_SHA384",)
_CIPHERS_1_2 = (
    "ECDHE-{}-AES256-GCM-SHA384",
    "ECDHE-{}-AES128-GCM-SHA256",
    "ECDHE-{}-CHACHA20-POLY1305",
    "ECDHE-{}-AES256-SHA384",
)
_CIPHERS_OLD = ("ECDHE-{}-AES256-SHA", "ECDHE-{}-AES128-SHA")
_NEWEST, _LAST_WITH_CHOICE = "TLSv1.3", "TLSv1.2"
_FAULTS = {
    "expired": FaultKind.TLS_EXPIRED,
    "untrusted": FaultKind.TLS_UNTRUSTED,
    "name": FaultKind.TLS_NAME,
    "protocol": FaultKind.TLS_PROTOCOL,
}
# Distinguished names as RFC 4514 sections 2.4 and 3 write them, and so `runner.certificate` reads them: what has a
# meaning in them stands behind a backslash, and so do a blank at either end and a hash at the beginning.
_CHAR = r"(?:[^\0\ud800-\udfff,+\"\\<>;]|\\[,+\"\\<>;]|\\00)"
_VALUE = rf"(?:(?![ #]){_CHAR}|\\[ #])(?:{_CHAR}*(?:(?! ){_CHAR}|\\ ))?"
# Most of those that have no name here, and DC, are ASCII alone.
_KINDS = r"(?:CN|OU|O|L|ST|STREET|UID|(?:DC|[0-9]+(?:\.[0-9]+)+)(?==[\x01-\x2b\x2d-\x7f]+(?:,|\Z)))"
_PAIR = rf"(?:{_KINDS}={_VALUE}|C=[A-Za-z]{{2}})"
_NAME = re.compile(rf"{_PAIR}(?:[,+]{_PAIR})*")
# Those that are tried before what is made of a pattern.
_ISSUERS = (
    "CN=mirror's own CA",
    "CN=mirror's own CA,O=Mirror,C=XX",
    "CN=mirror's own CA,OU=Tests,O=Mirror,L=Here,ST=Here,C=XX",
)


class CantShowError(Exception):
    """No handshake is found that is as a step wants it."""


def offer_for(case: Case, shadow: Shadow, step: Step | None, wish: TlsWish, fails: str = "") -> tuple[TlsOffer, str]:
    """Return how the handshake of a step is to be made, and how the client's side of it is to fail (empty: not)."""
    own = step.tls_expect if isinstance(step, StartTls | Handshake | Connect) else None
    fails = fails or (own.fails if own is not None else "")
    certificate = _certificate(case, shadow, wish, own)
    if fails == "expired":
        certificate = replace(certificate, days=-1.0)
    elif fails == "untrusted":
        certificate = replace(certificate, is_trusted=False)
    elif fails == "name":
        certificate = replace(certificate, names=("another.example",))
    if fails == "protocol":
        return _beyond(certificate, wish), fails
    return _versions_for(certificate, own, wish, shadow), fails


def _expectations(case: Case) -> Iterator[TlsExpectation]:
    for step in all_steps((*case.scenario.steps, *case.scenario.cleanup)):
        if isinstance(step, StartTls | Handshake | Connect) and step.tls_expect is not None:
            yield step.tls_expect


def _certificate(case: Case, shadow: Shadow, wish: TlsWish, own: TlsExpectation | None) -> CertificateWish:
    """Return the certificate of a case: one for all its handshakes, as far as they agree."""
    every = [one for one in _expectations(case) if not one.fails]
    first = [own] if own is not None and not own.fails else []
    named = [shadow.scope.text(name).text for one in every for name in one.names]
    hosts = [party.target.host for party in case.sessions.values()]
    issuer = next((one.issuer for one in (*first, *every) if one.issuer is not None), None)
    keys = next((one.public_keys for one in (*first, *every) if one.public_keys), ())
    days = max((one.valid_for / DAY + 1 for one in every if one.valid_for is not None), default=_DAYS)
    kind, bits = (keys[0].kind, keys[0].bits) if keys else ("EC", 256)
    names = dict.fromkeys(name for name in (*OWN_NAMES, *hosts, wish.server_name, *named) if name)
    filled = "" if issuer is None else _issuer(issuer.fill(shadow.scope.of_slot))
    return CertificateWish(tuple(names), filled, max(_DAYS, days), kind, bits)


def _issuer(pattern: Pattern) -> str:
    """Return the name of an issuer that is as a pattern wants it."""
    from runner.certificate import escaped  # noqa: PLC0415 -- few cases use TLS

    made = texts(pattern)
    parts = [f"CN={one}" for text in made for one in (text, escaped(text))]
    for name in (*_ISSUERS, *made, *parts):
        if _NAME.fullmatch(name) and pattern.match_line(name) is not None:
            return name
    raise CantShowError(f"no issuer is found that fits {pattern}")


def _range(wish: TlsWish) -> list[str]:
    last = TLS_VERSIONS.index(wish.maximum) if wish.maximum else len(TLS_VERSIONS) - 1
    return list(TLS_VERSIONS[TLS_VERSIONS.index(wish.minimum) : last + 1])


def _beyond(certificate: CertificateWish, wish: TlsWish) -> TlsOffer:
    """Return an offer of versions that the client does not speak."""
    spoken = _range(wish)
    if _NEWEST not in spoken:
        return TlsOffer(certificate, minimum=_NEWEST)
    below = TLS_VERSIONS.index(spoken[0])
    if not below:
        raise CantShowError("the client speaks every version of TLS: none is left to fail by")
    return TlsOffer(certificate, maximum=TLS_VERSIONS[below - 1])


def _versions_for(certificate: CertificateWish, own: TlsExpectation | None, wish: TlsWish, shadow: Shadow) -> TlsOffer:
    if own is None or not (own.versions or own.cipher):
        return TlsOffer(certificate)
    versions = [one for one in reversed(_range(wish)) if not own.versions or one in own.versions]
    if not versions:
        raise CantShowError(f"the client speaks no {own.version}")
    if own.cipher is None:
        return TlsOffer(certificate, versions[0], versions[0])
    pattern = own.cipher.fill(shadow.scope.of_slot)
    for version in versions:
        for cipher in _ciphers(version, certificate):
            if pattern.match_line(cipher) is not None:
                return TlsOffer(certificate, version, version, "" if version == _NEWEST else cipher)
    raise CantShowError(f"no cipher is found that fits {own.cipher}")


def _ciphers(version: str, certificate: CertificateWish) -> tuple[str, ...]:
    if version == _NEWEST:
        return _CIPHERS_1_3
    key = "RSA" if certificate.kind == "RSA" else "ECDSA"
    known = (*_CIPHERS_1_2, *_CIPHERS_OLD) if version == _LAST_WITH_CHOICE else _CIPHERS_OLD
    return tuple(one.format(key) for one in known)


def fault_of(fails: str) -> Fault:
    """Return how a handshake fails on the client's side."""
    return Fault(_FAULTS[fails], "rehearsed")


def facts_of(facts: TlsFacts, wish: TlsWish) -> TlsFacts:
    """Return a handshake's facts as the client sees them."""
    return replace(facts, verified=wish.verify, client_certificate=bool(wish.certificate))


def imagined(offer: TlsOffer, wish: TlsWish, certificate: bytes) -> TlsFacts:
    """Return the facts of a handshake that nobody has made."""
    from runner.certificate import read_certificate  # noqa: PLC0415 -- few cases use TLS

    version = offer.maximum or _range(wish)[-1]
    cipher = offer.ciphers or _ciphers(version, offer.certificate)[0]
    moment = max(0.0, read_certificate(certificate).not_before + 2)
    return TlsFacts(version, cipher, wish.verify, certificate, moment=moment)
