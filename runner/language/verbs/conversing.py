"""Verbs that send and expect: `expect` alone, `send`, `auth`, `close`, `wait`."""

from __future__ import annotations

from typing import Literal, cast

from runner.language.auth_state import AuthState
from runner.language.expecting import compile_expectation, refuse_unasked
from runner.language.loader import Mapping
from runner.language.model import Auth, Exchange, Hangup, Step, Wait
from runner.language.reading import Reading
from runner.language.template import Placeholder, Template, did_you_mean
from runner.language.verbs.bodies import literal
from runner.language.verbs.compiler import StepCompiler

EOLS = {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r", "none": b""}


# The parts of credentials that a mechanism takes beside those that it wants.
_BESIDES: dict[str, tuple[str, ...]] = {
    "PLAIN": ("authzid",),
    "EXTERNAL": ("authzid",),
    "OAUTHBEARER": ("authzid",),
    "SCRAM-SHA-1": ("authzid",),
    "SCRAM-SHA-256": ("authzid",),
    "SCRAM-SHA-1-PLUS": ("authzid",),
    "SCRAM-SHA-256-PLUS": ("authzid",),
    "GSSAPI": ("username", "password", "authzid"),
    "LOGIN": (),
    "CRAM-MD5": (),
    "NTLM": (),
    "XOAUTH2": (),
}


def expect_alone(compiler: StepCompiler, node: Mapping) -> Step | None:
    """`expect`, `expect_each`, `expect_line`: what is read next."""
    expectation = compile_expectation(compiler.reading, node)
    label = f"expect {expectation}" if expectation is not None else "expect"
    if "expect_each" in node.items:
        label = "expect_each"
    elif (line := compiler.reading.text(node.get("expect_line"))) and expectation is None:
        label = f"expect_line {line}"
    return compiler.after(Exchange(**compiler.common(node, label), expect=expectation))


def send(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `send`, one client line."""
    reading = compiler.reading
    line = reading.template(node.get("send"))
    given = compiler.common(node, f"send {line}")
    given["expect"] = compile_expectation(reading, node)
    refuse_unasked(reading, node, given["expect"])
    if not node.items.keys().isdisjoint(("eol", "encode", "replies")):
        given["eol"] = EOLS.get(reading.text(node.get("eol")) or "crlf", b"\r\n")
        given["encode"] = reading.text(node.get("encode")) or "auto"
        given["replies"] = reading.count(node.get("replies"))
    if "literal" in node.items:
        given["literal"] = literal(compiler, node)
    if "tag" in node.items:
        given["has_tag"] = False
    if line is None:
        compiler.auth = AuthState.UNKNOWN
        return None
    return compiler.after(compiler.send(line, **given))


def auth(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `auth`; without an `expect` it demands success."""
    value, reading = node.get("auth"), compiler.reading
    inner = value if isinstance(value, Mapping) else None
    mechanism = reading.template(inner.get("mechanism") if inner else value)
    compiler.auth = AuthState.CLOSED
    common = compiler.common(node, f"auth {mechanism}")
    expectation = compile_expectation(reading, node, default=reading.machine.authenticated_code)
    if mechanism is None:
        return None
    return Auth(
        **common,
        said=compiler.said(common["label"], "auth ", mechanism),
        expect=expectation,
        mechanism=mechanism,
        initial=reading.boolean(inner.get("initial") if inner else None) is not False,
        parts=_auth_parts(reading, mechanism, inner),
        channel_binding=_channel_binding(reading, mechanism, inner),
    )


def _auth_parts(reading: Reading, mechanism: Template, inner: Mapping | None) -> dict[str, Template]:
    """Return the parts of the credentials: as written, else `${username}` and the like where they are wanted."""
    from runner.sasl import MECHANISMS  # noqa: PLC0415 -- hashes and json: only where a scenario uses auth

    name, own = mechanism.flat.upper(), reading.machine.own_mechanisms
    known = MECHANISMS.get(name)
    wants = known.wants if known is not None else ("username", "password") if name in own else None
    if wants is None and mechanism.is_literal and name != "BEST":
        advice = did_you_mean(name, (*MECHANISMS, *own, "best"), "the mechanisms are")
        reading.fail(mechanism.span, f"unknown mechanism '{mechanism.flat}'", advice)
    taken = (*wants, *_BESIDES.get(name, ())) if wants is not None else None
    parts: dict[str, Template] = {}
    for part in ("username", "password", "token", "authzid"):
        written = reading.template(inner.get(part)) if inner else None
        if inner and taken is not None and part in inner.items and part not in taken:
            advice = f"it takes {', '.join(taken)}" if taken else "it takes none of them"
            reading.fail(inner.items[part][0].span, f"{name} takes no '{part}'", advice)
        if written is not None:
            parts[part] = written
        elif part != "authzid" and (wants is None or part in wants):
            default = None if wants is not None else ""
            implied = Placeholder(part, default, (), mechanism.span)
            parts[part] = reading.noted(Template((implied,), mechanism.span))
    return parts


def _channel_binding(reading: Reading, mechanism: Template, inner: Mapping | None) -> str:
    node = inner.get("channel_binding") if inner else None
    name = mechanism.flat.upper()
    if node is not None and mechanism.is_literal and not (name.endswith("-PLUS") or name == "BEST"):
        reading.fail(node.span, f"'{mechanism.flat}' binds to nothing", "a channel binding goes with SCRAM-…-PLUS")
    return reading.text(node)


def close(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `close`."""
    how = compiler.reading.text(node.get("close")) or "quit"
    if how != "quit" and "expect" in node.items:
        compiler.reading.fail(node.items["expect"][0].span, f"after 'close: {how}' no reply can come", "leave it out")
    compiler.auth = AuthState.CLOSED
    return Hangup(
        **compiler.common(node, f"close {how}"),
        how=cast(Literal["quit", "fin", "reset"], how),
        expect=compile_expectation(compiler.reading, node),
    )


def wait(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `wait`."""
    seconds = compiler.reading.duration(node.get("wait"))
    if seconds is None:
        return None
    return Wait(**compiler.common(node, f"wait {compiler.reading.text(node.get('wait'))}"), seconds=seconds)
