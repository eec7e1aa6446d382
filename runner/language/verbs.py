"""The verbs of steps: a mapping of the file becomes a step of the model.

`VERBS` is the one registry: a verb is an entry here (what it compiles to) and one in the player (what it does).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from runner.language import auth_state
from runner.language.auth_state import AuthState
from runner.language.expecting import compile_expectation
from runner.language.filters import to_bytes
from runner.language.loader import Mapping, Node, Scalar
from runner.language.model import (
    Auth,
    Connect,
    Data,
    Exchange,
    Group,
    Handshake,
    Hangup,
    Pipeline,
    Send,
    StartTls,
    Step,
    TlsOptions,
    Wait,
    When,
)
from runner.language.reading import Reading, items
from runner.language.template import Placeholder, Template, did_you_mean

EOLS = {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r", "none": b""}
# How much of a step's text its label shows.
LABEL_WIDTH = 60


@dataclass(slots=True)
class StepCompiler:
    """Compiles steps in the order in which they happen; `auth` is what is known of the AUTH exchange so far."""

    reading: Reading
    auth: AuthState = AuthState.CLOSED

    def steps(self, node: Node | None) -> tuple[Step, ...]:
        """Compile a list of steps; what is wrong in one does not hide the others."""
        found = (self.step(item) for item in items(node) if isinstance(item, Mapping))
        return tuple(step for step in found if step is not None)

    def step(self, node: Mapping) -> Step | None:
        """Compile one step; None if its verb can't be told (the schema check has said so)."""
        verbs = [name for name in VERBS if name in node.items]
        if len(verbs) > 1 or not (verbs or "expect" in node.items):
            return None
        return (VERBS[verbs[0]] if verbs else expect_alone)(self, node)

    def common(self, node: Mapping, label: str) -> dict[str, Any]:
        """Return what every step may have, as keyword arguments of the model's classes."""
        reading = self.reading
        return {
            "span": next(iter(node.items.values()))[0].span if node.items else node.span,
            "label": reading.text(node.get("name")) or shorten(label),
            "because": reading.text(node.get("because")),
            "session": reading.session(node.get("session")),
            "when": self.condition(node.get("when")),
            "timeout": reading.duration(node.get("timeout")),
        }

    def condition(self, node: Node | None) -> When | None:
        """Compile a `when`."""
        if not isinstance(node, Mapping):
            return None
        reading = self.reading
        if "is" in node.items and "var" not in node.items:
            reading.fail(node.items["is"][0].span, "'is' judges a variable", "name it: var: …")
        return When(
            span=node.span,
            capability=reading.text(node.get("capability")).upper(),
            reply=reading.alternatives(node.get("reply")),
            tls=reading.boolean(node.get("tls")),
            variable=reading.text(node.get("var")),
            matches=reading.pattern(node.get("is")),
            negated=self.condition(node.get("not")),
        )

    def tls(self, node: Node | None) -> TlsOptions:
        """Compile TLS options."""
        if not isinstance(node, Mapping):
            return TlsOptions()
        reading = self.reading
        return TlsOptions(
            verify=reading.boolean(node.get("verify")),
            ca=reading.path(node.get("ca")),
            server_name=reading.template(node.get("server_name")),
            minimum=reading.text(node.get("min")) or None,
        )

    def after(self, step: Exchange) -> Exchange:
        """Follow the AUTH exchange over the reply that a step reads."""
        self.auth = auth_state.after_expect(self.auth, step.expect, self.reading.machine)
        return step

    def send(self, line: Template, **given: Any) -> Send:
        """Make a client line: split off an AUTH line's response, and check a response as far as it is certain."""
        encode = given.get("encode", "auto")
        response = None
        if match := self.reading.machine.auth_command.match(line.flat):
            head, tail = line.split(match.end())
            if tail.flat and (encode == "base64" or (encode == "auto" and not tail.is_literal)):
                line, response = head, _with_nul(tail)
                self._check_encoded(tail)
            elif tail.flat and encode == "auto":
                self._check_literal(tail)
            self.auth = AuthState.SENT
        elif self.auth is AuthState.CHALLENGED:
            if encode == "auto":
                self._check_literal(line) if line.is_literal else self._check_encoded(line)
            self.auth = AuthState.SENT
        elif self.auth is AuthState.SENT and encode == "auto" and not line.is_literal:
            self.reading.fail(
                line.span,
                "a line after AUTH, and the reply that decides how it is read is not expected before it",
                "expect: 334 before this line, or say encode: base64 or encode: none",
            )
            self.auth = AuthState.UNKNOWN
        is_ready = response is None and line.is_literal and encode != "base64"
        ready = to_bytes(line.flat) + given.get("eol", b"\r\n") if is_ready else b""
        return Send(line=line, response=response, ready=ready, **given)

    def _check_literal(self, line: Template) -> None:
        if not auth_state.is_base64(line.flat):
            self.reading.fail(
                line.span,
                f"'{shorten(line.flat)}' answers a challenge and is not base64",
                "add encode: base64 to have it encoded, or use a placeholder, which is encoded by itself",
            )

    def _check_encoded(self, line: Template) -> None:
        if auth_state.encodes_twice(line):
            self.reading.fail(
                line.span,
                "this line is base64-encoded as a whole, and '| base64' would encode it twice",
                "leave out '| base64', or add encode: none",
            )


def shorten(text: str) -> str:
    """Return a text fit for a label: one line, cut where it is long."""
    line = " ".join(text.split("\n", 1)[0].split(" "))
    return line if len(line) <= LABEL_WIDTH else line[: LABEL_WIDTH - 1] + "…"


def _with_nul(response: Template) -> Template:
    r"""In an AUTH line's response the two characters `\0` mean NUL (RFC 4616)."""
    parts = tuple(part.replace("\\0", "\0") if isinstance(part, str) else part for part in response.parts)
    return Template(parts, response.span)


Verb = Callable[[StepCompiler, Mapping], Step | None]


def expect_alone(compiler: StepCompiler, node: Mapping) -> Step | None:
    """`expect`: the next reply that is owed."""
    expectation = compile_expectation(compiler.reading, node)
    label = f"expect {expectation}" if expectation is not None else "expect"
    return compiler.after(Exchange(**compiler.common(node, label), expect=expectation))


def _connect(compiler: StepCompiler, node: Mapping) -> Step | None:
    compiler.auth = AuthState.CLOSED
    options = node.get("connect")
    inner = options if isinstance(options, Mapping) else None
    return Connect(
        **compiler.common(node, "connect"),
        expect=compile_expectation(compiler.reading, node, is_connect=True),
        tls=compiler.tls(inner.get("tls") if inner else None),
        source_address=compiler.reading.template(inner.get("source_address") if inner else None),
    )


def _send(compiler: StepCompiler, node: Mapping) -> Step | None:
    line = compiler.reading.template(node.get("send"))
    if line is None:
        return None
    if any(char in line.flat for char in "\r\n\0"):
        compiler.reading.fail(
            line.span, "a client line holds no CR, LF or NUL", "one 'send' is one line; for a message there is 'data'"
        )
        return None
    step = compiler.send(
        line,
        **compiler.common(node, f"send {line}"),
        eol=EOLS.get(compiler.reading.text(node.get("eol")) or "crlf", b"\r\n"),
        encode=cast(Literal["auto", "none", "base64"], compiler.reading.text(node.get("encode")) or "auto"),
        replies=compiler.reading.count(node.get("replies")),
        expect=compile_expectation(compiler.reading, node),
    )
    return compiler.after(step)


def _data(compiler: StepCompiler, node: Mapping) -> Step | None:
    message = compiler.reading.template(node.get("data"), is_message=True)
    if message is None:
        return None
    expectation = compile_expectation(compiler.reading, node)
    return Data(**compiler.common(node, "data"), message=message, expect=expectation)


def _auth(compiler: StepCompiler, node: Mapping) -> Step | None:
    value, reading = node.get("auth"), compiler.reading
    inner = value if isinstance(value, Mapping) else None
    mechanism = reading.template(inner.get("mechanism") if inner else value)
    if mechanism is None:
        return None
    compiler.auth = AuthState.CLOSED
    return Auth(
        **compiler.common(node, f"auth {mechanism}"),
        expect=compile_expectation(reading, node, default=reading.machine.authenticated_code),
        mechanism=mechanism,
        initial=reading.boolean(inner.get("initial") if inner else None) is not False,
        parts=_auth_parts(reading, mechanism, inner),
    )


def _auth_parts(reading: Reading, mechanism: Template, inner: Mapping | None) -> dict[str, Template]:
    """Return the parts of the credentials: as written, else `${username}` and the like where they are wanted."""
    from runner.sasl import MECHANISMS  # noqa: PLC0415 -- hashes and json: only where a scenario uses auth

    known = MECHANISMS.get(mechanism.flat.upper())
    if known is None and mechanism.is_literal:
        advice = did_you_mean(mechanism.flat.upper(), MECHANISMS, "the mechanisms are")
        reading.fail(mechanism.span, f"unknown mechanism '{mechanism.flat}'", advice)
    parts: dict[str, Template] = {}
    for part in ("username", "password", "token", "authzid"):
        written = reading.template(inner.get(part)) if inner else None
        if written is not None:
            parts[part] = written
        elif part != "authzid" and (known is None or part in known.wants):
            default = None if known is not None else ""
            implied = Placeholder(part, default, (), mechanism.span)
            parts[part] = reading.noted(Template((implied,), mechanism.span))
    return parts


def _starttls(compiler: StepCompiler, node: Mapping) -> Step | None:
    return StartTls(
        **compiler.common(node, "starttls"),
        expect=compile_expectation(compiler.reading, node, default=compiler.reading.machine.starttls_code),
        options=compiler.tls(node.get("starttls")),
    )


def _tls(compiler: StepCompiler, node: Mapping) -> Step | None:
    return Handshake(**compiler.common(node, "tls"), options=compiler.tls(node.get("tls")))


def _close(compiler: StepCompiler, node: Mapping) -> Step | None:
    how = compiler.reading.text(node.get("close")) or "quit"
    if how != "quit" and "expect" in node.items:
        compiler.reading.fail(node.items["expect"][0].span, f"after 'close: {how}' no reply can come", "leave it out")
    compiler.auth = AuthState.CLOSED
    return Hangup(
        **compiler.common(node, f"close {how}"),
        how=cast(Literal["quit", "fin", "reset"], how),
        expect=compile_expectation(compiler.reading, node),
    )


def _wait(compiler: StepCompiler, node: Mapping) -> Step | None:
    seconds = compiler.reading.duration(node.get("wait"))
    if seconds is None:
        return None
    return Wait(**compiler.common(node, f"wait {compiler.reading.text(node.get('wait'))}"), seconds=seconds)


def _pipeline(compiler: StepCompiler, node: Mapping) -> Step | None:
    inner: list[Exchange] = []
    for item in items(node.get("pipeline")):
        step = compiler.step(item) if isinstance(item, Mapping) else None
        if isinstance(step, Send) or type(step) is Exchange:
            if step.when is not None:
                compiler.reading.fail(step.when.span, "'when' can't stand inside a pipeline", "put it on the pipeline")
            inner.append(step)
        elif step is not None:
            compiler.reading.fail(
                step.span, f"'{step.label}' can't be in a pipeline", "a pipeline holds send and expect"
            )
    return Pipeline(**compiler.common(node, "pipeline"), steps=tuple(inner))


def _group(compiler: StepCompiler, node: Mapping) -> Step | None:
    common = compiler.common(node, "steps")
    before = compiler.auth
    steps = compiler.steps(node.get("steps"))
    after = compiler.auth
    compiler.auth = before
    otherwise = compiler.steps(node.get("else"))
    if common["when"] is None and node.get("else") is not None:
        compiler.reading.fail(node.items["else"][0].span, "'else' without a 'when'", "add when: …")
    if common["when"] is not None and compiler.auth is not after:
        compiler.auth = AuthState.UNKNOWN
    elif common["when"] is None:
        compiler.auth = after
    return Group(**common, steps=steps, otherwise=otherwise)


def _talk(compiler: StepCompiler, node: Mapping) -> Step | None:
    from runner.language.talk import compile_talk  # noqa: PLC0415 -- talk builds on this module

    value = node.get("talk")
    if not isinstance(value, Scalar):
        return None
    common = compiler.common(node, "talk")
    return Group(**common, steps=compile_talk(compiler, value, common["session"], common["timeout"]))


VERBS: dict[str, Verb] = {
    "connect": _connect,
    "send": _send,
    "data": _data,
    "auth": _auth,
    "starttls": _starttls,
    "tls": _tls,
    "close": _close,
    "talk": _talk,
    "pipeline": _pipeline,
    "steps": _group,
    "wait": _wait,
}
