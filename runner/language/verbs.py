"""The verbs of steps: a mapping of the file becomes a step of the model.

`VERBS` is the one registry: a verb is an entry here (what it compiles to) and one in the player (what it does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from runner.errors import Span
from runner.language import auth_state
from runner.language.auth_state import AuthState
from runner.language.expecting import compile_expectation
from runner.language.filters import to_bytes
from runner.language.loader import Mapping, Node, Scalar
from runner.language.model import (
    MAIN,
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
#: What any step may have beside its verb; most have none of it.
_COMMON = ("name", "because", "session", "when", "timeout")
_NOTHING_GIVEN = {"because": "", "session": MAIN, "when": None, "timeout": None}


@dataclass(slots=True)
class StepCompiler:
    """Compiles steps in the order in which they happen; `auth` is what is known of the AUTH exchange so far."""

    reading: Reading
    auth: AuthState = AuthState.CLOSED
    #: In a pipeline every line leaves before any reply is read.
    in_pipeline: bool = False
    #: What a group gives to the steps inside that do not say it themselves, and its name.
    given: dict[str, Any] = field(default_factory=lambda: _NOTHING_GIVEN)
    group: str = ""

    def steps(self, node: Node | None) -> tuple[Step, ...]:
        """Compile a list of steps; what is wrong in one does not hide the others."""
        found = (self.step(item) for item in items(node) if isinstance(item, Mapping))
        return tuple(step for step in found if step is not None)

    def step(self, node: Mapping) -> Step | None:
        """Compile one step; None if its verb can't be told (the schema check has said so)."""
        verbs = [key for key in node.items if key in VERBS]
        if len(verbs) > 1 or not (verbs or "expect" in node.items):
            return None
        before = self.auth
        step = (VERBS[verbs[0]] if verbs else _expect_alone)(self, node)
        if "when" in node.items and "steps" not in node.items:
            self.may_be_skipped(before)
        return step

    def may_be_skipped(self, otherwise: AuthState) -> None:
        """Join what is known on one way with what is known on the other, where the server decides which it goes."""
        if self.auth is not otherwise:
            self.auth = AuthState.UNKNOWN

    def common(self, node: Mapping, label: str) -> dict[str, Any]:
        """Return what every step may have, as keyword arguments of the model's classes."""
        reading = self.reading
        span = next(iter(node.items.values()))[0].span if node.items else node.span
        if node.items.keys().isdisjoint(_COMMON):
            return self.inner(span, label)
        timeout = reading.duration(node.get("timeout"))
        return {
            "span": span,
            "label": self._named(reading.text(node.get("name")) or shorten(label)),
            "because": reading.text(node.get("because")) or self.given["because"],
            "session": reading.session(node.get("session")),
            "when": self.condition(node.get("when")),
            "timeout": self.given["timeout"] if timeout is None else timeout,
        }

    def inner(self, span: Span, label: str) -> dict[str, Any]:
        """Return what a step has that says nothing of it: what its group gives."""
        return {"span": span, "label": self._named(shorten(label)), **self.given}

    def _named(self, label: str) -> str:
        return f"{self.group}: {label}" if self.group else label

    @contextmanager
    def within(self, node: Mapping, common: dict[str, Any]) -> Iterator[None]:
        """Compile a group's steps: what it says of `because`, `session` and `timeout` holds inside; its name leads."""
        before = self.given, self.group
        self.given = {**_NOTHING_GIVEN, **{key: common[key] for key in ("because", "session", "timeout")}}
        self.group = common["label"] if "name" in node.items else self.group
        try:
            yield
        finally:
            self.given, self.group = before

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
            reply=reading.alternatives(node.get("reply"), with_connect_words=True),
            tls=reading.boolean(node.get("tls")),
            variable=reading.variable(node.get("var")),
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
        if not self.in_pipeline:
            self.auth = auth_state.after_expect(self.auth, step.expect, self.reading.machine)
        return step

    def send(self, line: Template, **given: Any) -> Send:
        """Make a client line: split off an AUTH line's response, and check a response as far as it is certain."""
        encode = given.get("encode", "auto")
        response, flat = None, line.flat
        if "\n" in flat or "\r" in flat or "\0" in flat:
            advice = "one 'send' is one line; for a message there is 'data'"
            self.reading.fail(line.span, "a client line holds no CR, LF or NUL", advice)
        if match := self.reading.machine.auth_command.match(flat):
            head, tail = line.split(match.end())
            if not tail.flat and encode == "base64":
                self.reading.fail(line.span, "no response follows the mechanism", "there is nothing to encode here")
            elif tail.flat and (encode == "base64" or (encode == "auto" and not tail.is_literal)):
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
                "a line after AUTH, but the reply that says how the server reads it is not expected before it",
                f"expect: {self.reading.machine.challenge_code} before this line, "
                "or say encode: base64 (a response) or encode: none",
            )
            self.auth = AuthState.UNKNOWN
        is_ready = response is None and line.is_literal and encode != "base64"
        ready = to_bytes(line.flat) + given.get("eol", b"\r\n") if is_ready else b""
        return Send(line=line, response=response, ready=ready, **given)

    def _check_literal(self, line: Template) -> None:
        if not auth_state.is_base64(line.flat):
            self.reading.fail(
                line.span,
                f"'{shorten(line.flat)}' is a response in an AUTH exchange, and not base64",
                "add encode: base64 to have it encoded, or encode: none to send it as it stands",
            )

    def _check_encoded(self, line: Template) -> None:
        if twice := auth_state.encoded_twice(line):
            self.reading.fail(
                twice.span,
                "this line is base64-encoded as a whole, and '| base64' would encode it twice",
                "leave out '| base64', or add encode: none",
            )


def shorten(text: str) -> str:
    """Return a text fit for a label: one line, cut where it is long."""
    line = text.partition("\n")[0]
    return line if len(line) <= LABEL_WIDTH else line[: LABEL_WIDTH - 1] + "…"


def _with_nul(response: Template) -> Template:
    r"""In an AUTH line's response the two characters `\0` mean NUL (RFC 4616)."""
    parts = tuple(part.replace("\\0", "\0") if isinstance(part, str) else part for part in response.parts)
    return Template(parts, response.span)


Verb = Callable[[StepCompiler, Mapping], Step | None]


def _expect_alone(compiler: StepCompiler, node: Mapping) -> Step | None:
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
        expect=compile_expectation(compiler.reading, node, with_connect_words=True),
        tls=compiler.tls(inner.get("tls") if inner else None),
        source_address=compiler.reading.template(inner.get("source_address") if inner else None),
    )


def _send(compiler: StepCompiler, node: Mapping) -> Step | None:
    reading = compiler.reading
    line = reading.template(node.get("send"))
    given = compiler.common(node, f"send {line}")
    given["expect"] = compile_expectation(reading, node)
    if not node.items.keys().isdisjoint(("eol", "encode", "replies")):
        given["eol"] = EOLS.get(reading.text(node.get("eol")) or "crlf", b"\r\n")
        given["encode"] = reading.text(node.get("encode")) or "auto"
        given["replies"] = reading.count(node.get("replies"))
    if line is None:
        compiler.auth = AuthState.UNKNOWN
        return None
    return compiler.after(compiler.send(line, **given))


def _data(compiler: StepCompiler, node: Mapping) -> Step | None:
    message = compiler.reading.template(node.get("data"), is_message=True)
    common, expectation = compiler.common(node, "data"), compile_expectation(compiler.reading, node)
    return Data(**common, message=message, expect=expectation) if message is not None else None


def _auth(compiler: StepCompiler, node: Mapping) -> Step | None:
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
        expect=expectation,
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
    common = compiler.common(node, "pipeline")
    before = compiler.auth
    inner: list[Exchange] = []
    compiler.in_pipeline = True
    with compiler.within(node, common):
        for item in items(node.get("pipeline")):
            step = _pipelined(compiler, item) if isinstance(item, Mapping) else None
            if step is not None:
                inner.append(step)
    compiler.in_pipeline = False
    if compiler.auth is not before:
        # Which reply answers the AUTH line is known where it is the last of the pipeline.
        last = inner[-1] if inner else None
        is_last = isinstance(last, Send) and compiler.reading.machine.auth_command.match(last.line.flat) is not None
        compiler.auth = AuthState.SENT if is_last else AuthState.UNKNOWN
        if is_last and last is not None:
            compiler.after(last)
    return Pipeline(**common, steps=tuple(inner))


def _pipelined(compiler: StepCompiler, node: Mapping) -> Exchange | None:
    for verb in VERBS:
        if verb in node.items and verb != "send":
            span, advice = node.items[verb][0].span, "a pipeline holds send and expect"
            compiler.reading.fail(span, f"'{verb}' can't be in a pipeline", advice)
            return None
    if (when := node.items.get("when")) is not None:
        compiler.reading.fail(when[0].span, "'when' can't stand inside a pipeline", "put it on the pipeline")
    return cast("Exchange | None", compiler.step(node))


def _group(compiler: StepCompiler, node: Mapping) -> Step | None:
    common = compiler.common(node, "steps")
    before = compiler.auth
    with compiler.within(node, common):
        steps = compiler.steps(node.get("steps"))
        after = compiler.auth
        compiler.auth = before
        otherwise = compiler.steps(node.get("else"))
    if "when" in node.items:
        compiler.may_be_skipped(after)
    else:
        compiler.auth = after
        if "else" in node.items:
            compiler.reading.fail(node.items["else"][0].span, "'else' without a 'when'", "add when: …")
    return Group(**common, steps=steps, otherwise=otherwise)


def _talk(compiler: StepCompiler, node: Mapping) -> Step | None:
    from runner.language.talk import compile_talk  # noqa: PLC0415 -- talk builds on this module

    value, common = node.get("talk"), compiler.common(node, "talk")
    if not isinstance(value, Scalar) or value.is_empty:
        return None
    with compiler.within(node, common):
        return Group(**common, steps=compile_talk(compiler, value))


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
