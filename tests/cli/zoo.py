"""A zoo of hostile and broken servers, each with the scenario that meets it and what is to come of it.

`Beast.outcome` is what the case ends with, `reason` a regular expression that its reason matches. The servers
that stall do so until the client leaves; so a scenario's timeout decides how long it takes.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from commands import polite
from fake_server import Conn, FakeServer, refusing_port

# Some stall, and what they are waited for is waste; the others may have all the time of a busy machine.
SHORT = "400ms"
LONG = "10s"

PLAIN = """\
name: {name}
timeout: {timeout}
requires: {{target_tag: {name}}}
steps:
  - expect: 220
  - send: EHLO client.example.org
    expect: 250
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: QUIT
    expect: 221
"""
TLS = PLAIN.replace("  - send: MAIL FROM:<alice@example.com>\n    expect: 250\n", "  - starttls:\n")
SCENARIOS = {
    "plain.yaml": PLAIN.format(name="plain", timeout=LONG),
    "plain-stalls.yaml": PLAIN.format(name="plain-stalls", timeout=SHORT),
    "tls.yaml": TLS.format(name="tls", timeout=LONG),
    "tls-stalls.yaml": TLS.format(name="tls-stalls", timeout=SHORT),
}
CHUNK = b"250-" + b"x" * 60 + b"\r\n"


@dataclass(frozen=True)
class Beast:
    """One server: its handler (None: nobody listens), the tag of its scenario, and what comes of it."""

    handler: Callable[[Conn], None] | None
    outcome: str
    reason: str
    tag: str = "plain"


def flood(conn, data):
    """Send for ever, until the client is gone."""
    with contextlib.suppress(OSError):
        for _ in itertools.repeat(None):
            conn.send(data * 64)


def after(number, *then, say=b"250 ok\r\n"):
    """Return a handler: greet, answer `number` lines, then do `then`: send bytes, or call with the connection."""

    def handler(conn):
        conn.send(b"220 mx ESMTP\r\n")
        for _ in range(number):
            conn.line()
            conn.send(say)
        if number >= 0:
            conn.line()
        for what in then:
            if isinstance(what, bytes):
                conn.send(what)
            else:
                what(conn)

    return handler


def at_once(*then):
    """Return a handler that does not greet, but does `then`."""

    def handler(conn):
        for what in then:
            if isinstance(what, bytes):
                conn.send(what)
            else:
                what(conn)

    return handler


def stall(conn):
    """Say nothing more until the client leaves."""
    conn.wait_for_eof()


def close(conn):
    """End the connection."""
    conn.close()


def reset(conn):
    """Break the connection."""
    conn.reset()


def drip(conn):
    """Send a byte now and then, and never a line's end."""
    conn.socket.settimeout(0.02)
    with contextlib.suppress(OSError):
        for byte in itertools.cycle(b"220 drip drip "):
            conn.send(bytes([byte]))
            time.sleep(0.02)


def offer_tls(*then):
    """Return a handler that offers STARTTLS and, asked for it, does `then`."""
    return after(1, *then, say=b"250-mx\r\n250 STARTTLS\r\n")


_LINE = r"a line of more than 65536 bytes \(limit 'line'\)"
_NO_REPLY = "not a reply: three digits from 200 to 599 are due"
_SURPLUS = "after the last step: something came that was not owed"

ZOO = {
    "refuses": Beast(None, "error", "no connection to 127.0.0.1:.*: connection refused"),
    "never-greets": Beast(at_once(stall), "error", "no greeting within 0.4 s", "plain-stalls"),
    "closes-at-once": Beast(at_once(close), "failed", "the server closed the connection before its greeting"),
    "closes-at-ehlo": Beast(after(0, close), "failed", "EHLO.*closed the connection where a reply was due"),
    "closes-at-mail": Beast(after(1, close), "failed", "MAIL.*closed the connection where a reply was due"),
    "closes-at-quit": Beast(after(2, close), "failed", "QUIT.*closed the connection where a reply was due"),
    "resets-at-once": Beast(at_once(reset), "failed", "reset the connection before its greeting"),
    "resets-at-ehlo": Beast(after(0, reset), "failed", "EHLO.*reset the connection where a reply was due"),
    "garbage-greeting": Beast(at_once(b"\x00\xff\x1b[2J garbage\r\n", stall), "failed", f"220.*{_NO_REPLY}"),
    "garbage-reply": Beast(after(0, b"\xff\xfe\x00 250 ok\r\n", stall), "failed", f"EHLO.*{_NO_REPLY}"),
    "http": Beast(at_once(b"HTTP/1.1 400 Bad Request\r\n\r\n", close), "failed", "220.*'HTTP/1.1 400 Bad Request'"),
    "endless-reply": Beast(after(0, lambda conn: flood(conn, CHUNK)), "failed", "a reply of more than 10000 lines"),
    "endless-line": Beast(after(0, lambda conn: flood(conn, b"x" * 64)), "failed", _LINE),
    "endless-digits": Beast(at_once(lambda conn: flood(conn, b"220-")), "failed", _LINE),
    "endless-zeros": Beast(at_once(lambda conn: flood(conn, b"\0" * 64)), "failed", _LINE),
    "half-a-line": Beast(
        after(0, b"250 hal", stall), "failed", "within 0.4 s, only 7 bytes: '250 hal'", "plain-stalls"
    ),
    "half-a-reply": Beast(after(0, b"250-one\r\n", stall), "failed", "no whole reply to EHLO within", "plain-stalls"),
    "drip": Beast(drip, "error", "no whole greeting within 0.4 s, only .* bytes: '220 drip", "plain-stalls"),
    "two-codes": Beast(after(0, b"250-a\r\n550 b\r\n", stall), "failed", "different codes, 250 and 550"),
    "too-early": Beast(after(0, b"250 a\r\n250 b\r\n", stall), "failed", "unexpected data before 'send MAIL.*250 b"),
    "too-late": Beast(after(2, b"221 bye\r\n250 more\r\n", close), "failed", f"{_SURPLUS}: 250 more"),
    "421": Beast(after(0, b"421 4.3.2 too busy\r\n", close), "failed", "421 4.3.2 too busy"),
    "421-unasked": Beast(after(1, b"421 4.3.2 going down\r\n", close), "failed", "421 4.3.2 going down"),
    "floods-after-quit": Beast(after(2, b"221 bye\r\n", lambda conn: flood(conn, CHUNK)), "failed", _SURPLUS),
    "tls-unknown": Beast(after(1, b"502 no\r\n", stall), "failed", "starttls: expected 220, got 502 no", "tls"),
    "tls-refused": Beast(offer_tls(b"454 4.7.0 not now\r\n", stall), "failed", "454 4.7.0 not now", "tls"),
    "tls-hangs": Beast(offer_tls(b"220 go\r\n", stall), "failed", "handshake was not done within", "tls-stalls"),
    "tls-closes": Beast(offer_tls(b"220 go\r\n", close), "failed", "closed during the TLS handshake", "tls"),
    "tls-garbage": Beast(
        offer_tls(b"220 go\r\n", lambda conn: conn.socket.recv(9), lambda conn: flood(conn, b"250 x\r\n")),
        "failed",
        "the server speaks clear text here, not TLS: '250 x'",
        "tls",
    ),
    "tls-injection": Beast(offer_tls(b"220 go\r\n250 injected\r\n", stall), "failed", "injection.*250 injected", "tls"),
    "tls-half-injection": Beast(offer_tls(b"220 go\r\n250 inj", stall), "failed", "injection.*250 inj", "tls"),
    "healthy": Beast(polite, "passed", "^$"),
    "healthy-too": Beast(polite, "passed", "^$"),
}
# The servers that send without end.
FLOODS = (*tuple(name for name in ZOO if name.startswith(("endless-", "floods-"))), "tls-garbage")


class Zoo:
    """The zoo, or some of its beasts, as servers; `files` are the scenarios and the project file."""

    def __init__(self, *names):
        self.names = names or tuple(ZOO)
        self.files = {}
        self._stack = ExitStack()

    def __enter__(self):
        ports = {}
        for name in self.names:
            beast = ZOO[name]
            if beast.handler is None:
                ports[name] = self._stack.enter_context(refusing_port())
            else:
                ports[name] = self._stack.enter_context(FakeServer(beast.handler)).port
        lines = [
            f"  {name}: {{url: 'smtp://127.0.0.1:{port}', tags: [{ZOO[name].tag}]}}" for name, port in ports.items()
        ]
        self.files = {**SCENARIOS, "mailproof.yaml": "\n".join(["targets:", *lines, ""])}
        return self

    def __exit__(self, *error):
        self._stack.__exit__(*error)


def verdicts(run):
    """Return outcome and reason of each case, by target."""
    return {case.target: (case.outcome.value, case.reason) for case in run.cases if case.outcome.value != "skipped"}


def differences(found):
    """Return what came otherwise than it should."""
    return {
        name: (outcome, reason)
        for name, (outcome, reason) in found.items()
        if not (re.fullmatch(ZOO[name].outcome, outcome) and re.search(ZOO[name].reason, reason, re.DOTALL))
    }
