"""Verbs of the connection itself: `connect`, `starttls`, `tls`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from runner.language.auth_state import AuthState
from runner.language.expecting import compile_expectation
from runner.language.loader import Mapping, Node
from runner.language.model import Connect, Handshake, StartTls, Step
from runner.language.reaching import compile_proxy
from runner.language.tls import compile_tls_expectation, compile_tls_options
from runner.language.values import parse_address
from runner.language.verbs.compiler import StepCompiler

if TYPE_CHECKING:
    from runner.language.reading import Reading
    from runner.language.template import Template
    from runner.wire import Family


def connect(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `connect`; its `expect` may also say refused, reset or timeout."""
    compiler.auth = AuthState.CLOSED
    options = node.get("connect")
    inner = options if isinstance(options, Mapping) else None
    tls_options = inner.get("tls") if inner else None
    if "tls_expect" in node.items and not compiler.conditions:
        compiler.reading.implicit.setdefault(compiler.reading.session, node.items["tls_expect"][0].span)
    return Connect(
        **compiler.common(node, "connect"),
        expect=compile_expectation(compiler.reading, node, with_connect_words=True),
        tls=compile_tls_options(compiler.reading, tls_options),
        tls_expect=compile_tls_expectation(compiler.reading, node, tls_options),
        source_address=_address(compiler.reading, inner.get("source_address") if inner else None),
        family=cast("Family", compiler.reading.text(inner.get("family") if inner else None)),
        proxy=compile_proxy(compiler.reading, inner.get("proxy_protocol") if inner else None),
    )


def _address(reading: Reading, node: Node | None) -> Template | None:
    template = reading.template(node)
    if node is not None and template is not None and template.is_literal:
        try:
            parse_address(template.flat)
        except ValueError as error:
            reading.fail(node.span, str(error), "the address of an interface of this machine, such as 192.0.2.7")
    return template


def starttls(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `starttls`; without an `expect` it demands the go-ahead."""
    return StartTls(
        **compiler.common(node, "starttls"),
        expect=compile_expectation(compiler.reading, node, default=compiler.reading.machine.starttls_code),
        options=compile_tls_options(compiler.reading, node.get("starttls")),
        tls_expect=compile_tls_expectation(compiler.reading, node, node.get("starttls")),
    )


def tls(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `tls`, the handshake alone."""
    return Handshake(
        **compiler.common(node, "tls"),
        options=compile_tls_options(compiler.reading, node.get("tls")),
        tls_expect=compile_tls_expectation(compiler.reading, node, node.get("tls")),
    )
