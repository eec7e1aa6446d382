"""What a file says about TLS, made into values: the options of a handshake, and what `tls_expect` asks of it.

The project file's targets read their versions here, too, so that both refuse the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from runner.language.loader import Mapping, Node, Scalar
from runner.language.model import Failing, KeyWish, TlsExpectation, TlsOptions
from runner.language.reading import items, texts
from runner.language.values import parse_boolean, parse_lifetime
from runner.wire import TLS_VERSIONS

if TYPE_CHECKING:
    from runner.language.reading import Reading
    from runner.language.template import Template

_AT_LEAST = re.compile(r">= *(\S+)")
_KEY = re.compile(r"(RSA|EC) *>= *(\d{3,5})|(Ed25519|Ed448)", re.ASCII)
# What a verified certificate alone can fail by.
_BY_CERTIFICATE = ("expired", "untrusted", "name")


def compile_tls_options(reading: Reading, node: Node | None) -> TlsOptions:
    """Compile the options of a handshake."""
    if not isinstance(node, Mapping):
        return TlsOptions()
    if (wrong := wrong_tls_options(node)) is not None:
        reading.fail(wrong[0].span, *wrong[1:])
    return TlsOptions(
        verify=reading.boolean(node.get("verify")),
        ca=reading.path(node.get("ca")),
        server_name=reading.template(node.get("server_name")),
        minimum=reading.text(node.get("min")) or None,
        maximum=reading.text(node.get("max")) or None,
        certificate=reading.path(node.get("cert")),
        key=reading.path(node.get("key")),
    )


def wrong_tls_options(node: Mapping) -> tuple[Node, str, str] | None:
    """Return where options contradict each other, why, and what would be right."""
    oldest, newest = (_scalar(node.get(key)) for key in ("min", "max"))
    if oldest in TLS_VERSIONS and newest in TLS_VERSIONS and TLS_VERSIONS.index(newest) < TLS_VERSIONS.index(oldest):
        return node.items["max"][1], f"max {newest} is older than min {oldest}", "min is the older of the two"
    if "key" in node.items and "cert" not in node.items:
        return node.items["key"][0], "a 'key' without a 'cert'", "name the certificate that it belongs to: cert: …"
    return None


def compile_tls_expectation(reading: Reading, step: Mapping, options: Node | None) -> TlsExpectation | None:
    """Compile `tls_expect` of a step whose handshake has these options."""
    key, node = step.items.get("tls_expect", (None, None))
    if key is None or not isinstance(node, Mapping):
        return None
    fails = reading.text(node.get("fails"))
    if fails:
        _check_failing(reading, step, node, options)
    versions, version = _versions(reading, node.get("version"))
    return TlsExpectation(
        span=key.span,
        versions=versions,
        version=version,
        cipher=reading.pattern(node.get("cipher")),
        issuer=reading.pattern(node.get("issuer")),
        names=tuple(_names(reading, node.get("names"))),
        valid_for=_lifetime(reading, node.get("valid_for")),
        public_keys=tuple(_keys(reading, node.get("public_key"))),
        same_certificate_as=_other_session(reading, node.get("same_certificate_as")),
        fails=cast("Failing", fails),
    )


def _check_failing(reading: Reading, step: Mapping, node: Mapping, options: Node | None) -> None:
    fails = node.items["fails"][1]
    for key, (where, _) in node.items.items():
        if key != "fails":
            advice = "leave out one of the two"
            reading.fail(where.span, f"'{key}' has nothing to judge where the handshake must fail", advice)
    if "connect" in step.items and "expect" in step.items:
        advice = "leave out 'expect'"
        reading.fail(step.items["expect"][0].span, "no greeting comes where the handshake must fail", advice)
    verify = _scalar(options.get("verify")) if isinstance(options, Mapping) else ""
    if reading.text(fails) in _BY_CERTIFICATE and verify and _is_off(verify):
        advice = "leave out verify: false"
        reading.fail(fails.span, "a certificate that is not verified can't fail the handshake", advice)


def _is_off(text: str) -> bool:
    try:
        return not parse_boolean(text)
    except ValueError:
        return False


def _versions(reading: Reading, node: Node | None) -> tuple[tuple[str, ...], str]:
    """Return the versions that are good enough, and how the author wrote them."""
    found: list[str] = []
    for item in items(node):
        text = reading.text(item)
        at_least = _AT_LEAST.fullmatch(text)
        name = at_least[1] if at_least else text
        if name not in TLS_VERSIONS:
            advice = f"the versions are {', '.join(TLS_VERSIONS)}; or '>= TLSv1.2'"
            reading.fail(item.span, f"'{text}' is no version of TLS", advice)
            continue
        at = TLS_VERSIONS.index(name)
        found += TLS_VERSIONS[at:] if at_least else (name,)
    return tuple(dict.fromkeys(found)), " or ".join(texts(node))


def _names(reading: Reading, node: Node | None) -> list[Template]:
    found: list[Template] = []
    for item in items(node):
        name = reading.template(item)
        if name is None:
            continue
        if "*" in name.flat:
            advice = "write a name that it must be good for; a certificate's own wildcard covers it"
            reading.fail(item.span, f"'{name.flat}' is no name: these are not patterns", advice)
        elif name.is_literal and not name.flat.isascii():
            reading.fail(item.span, f"'{name.flat}' is not in ASCII", "write it as '${name | idna}' gives it: xn--…")
        found.append(name)
    return found


def _lifetime(reading: Reading, node: Node | None) -> float | None:
    if not isinstance(node, Scalar) or node.is_empty:
        return None
    try:
        return parse_lifetime(node.text)
    except ValueError as error:
        reading.fail(node.span, *error.args)
        return None


def _keys(reading: Reading, node: Node | None) -> list[KeyWish]:
    found: list[KeyWish] = []
    for item in items(node):
        match = _KEY.fullmatch(reading.text(item))
        if match is None:
            advice = "write 'RSA >= 2048', 'EC >= 256', Ed25519 or Ed448"
            reading.fail(item.span, f"'{reading.text(item)}' is no demand on a key", advice)
        else:
            found.append(KeyWish(match[1] or match[3], int(match[2] or 0)))
    return found


def _other_session(reading: Reading, node: Node | None) -> str:
    if node is None:
        return ""
    before = len(reading.problems)
    name, member = reading.session_of(node)
    if len(reading.problems) > before:
        return ""
    if member is not None or reading.sessions[name].count:
        reading.fail(node.span, f"'{name}' has several connections", "name a session that is one connection")
    elif name == reading.session:
        reading.fail(node.span, f"'{name}' is this step's own session", "name the other session")
    return name


def _scalar(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""
