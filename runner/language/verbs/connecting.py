"""Verbs of the connection itself: `connect`, `starttls`, `tls`."""

from __future__ import annotations

from runner.language.auth_state import AuthState
from runner.language.expecting import compile_expectation
from runner.language.loader import Mapping
from runner.language.model import Connect, Handshake, StartTls, Step
from runner.language.verbs.compiler import StepCompiler


def connect(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `connect`; its `expect` may also say refused, reset or timeout."""
    compiler.auth = AuthState.CLOSED
    options = node.get("connect")
    inner = options if isinstance(options, Mapping) else None
    return Connect(
        **compiler.common(node, "connect"),
        expect=compile_expectation(compiler.reading, node, with_connect_words=True),
        tls=compiler.tls(inner.get("tls") if inner else None),
        source_address=compiler.reading.template(inner.get("source_address") if inner else None),
    )


def starttls(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `starttls`; without an `expect` it demands the go-ahead."""
    return StartTls(
        **compiler.common(node, "starttls"),
        expect=compile_expectation(compiler.reading, node, default=compiler.reading.machine.starttls_code),
        options=compiler.tls(node.get("starttls")),
    )


def tls(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `tls`, the handshake alone."""
    return Handshake(**compiler.common(node, "tls"), options=compiler.tls(node.get("tls")))
