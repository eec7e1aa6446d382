"""Verbs of the connection itself: `connect`, `starttls`, `tls`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from runner.language.auth_state import AuthState
from runner.language.expecting import compile_expectation
from runner.language.loader import Mapping
from runner.language.model import Connect, Handshake, StartTls, Step
from runner.language.reaching import compile_proxy
from runner.language.tls import compile_tls_expectation, compile_tls_options
from runner.language.verbs.compiler import StepCompiler

if TYPE_CHECKING:
    from runner.wire import Family


def connect(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `connect`; its `expect` may also say refused, reset or timeout."""
    compiler.auth = AuthState.CLOSED
    options = node.get("connect")
    inner = options if isinstance(options, Mapping) else None
    tls_options = inner.get("tls") if inner else None
    return Connect(
        **compiler.common(node, "connect"),
        expect=compile_expectation(compiler.reading, node, with_connect_words=True),
        tls=compile_tls_options(compiler.reading, tls_options),
        tls_expect=compile_tls_expectation(compiler.reading, node, tls_options),
        source_address=compiler.reading.template(inner.get("source_address") if inner else None),
        family=cast("Family", compiler.reading.text(inner.get("family") if inner else None)),
        proxy=compile_proxy(compiler.reading, inner.get("proxy_protocol") if inner else None),
    )


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
