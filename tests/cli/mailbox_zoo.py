"""A zoo of hostile and broken servers of IMAP, POP3, ManageSieve and of lines: what `zoo` is for SMTP.

Each beast names the scenario that meets it. Its server says one turn, then one more after each line of the client's,
and at last waits until the client leaves. In a turn `<tag>` is the tag of the line before.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import socket
import ssl
import struct
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from fake_server import Conn, FakeServer, certificates
from zoo import LONG, SHORT

PASSWORD = "hunter2-Zq/+='x"  # noqa: S105
USER = "tim"

HEAD = """\
name: {name}
protocol: {protocol}
timeout: {timeout}
requires: {{target_tag: {name}}}
"""
LOGIN = "  - {send: 'LOGIN ${username | quoted} ${password | quoted}', expect: OK}\n"
# What each scenario asks; the last word of its name is the protocol.
STEPS = {
    "imap": f"""\
secrets: [password]
steps:
  - expect: OK
{LOGIN}\
  - {{send: FETCH 1 BODY[], expect: OK}}
  - {{send: LOGOUT, expect: OK}}
""",
    "tls-imap": f"""\
secrets: [password]
steps:
  - expect: OK
  - starttls:
{LOGIN}\
  - {{send: LOGOUT, expect: OK}}
""",
    "offered-imap": f"""\
secrets: [password]
steps:
  - expect: OK
  - {{send: CAPABILITY, expect: OK, capabilities: [STARTTLS]}}
  - starttls:
{LOGIN}\
""",
    "idle-imap": """\
steps:
  - expect: [OK, PREAUTH]
  - {send: IDLE, expect: +}
  - {expect: untagged, untagged: '* EXISTS'}
  - {send: DONE, expect: OK}
""",
    "auth-imap": """\
secrets: [password]
steps:
  - expect: OK
  - auth: SCRAM-SHA-256
""",
    "append-imap": """\
steps:
  - expect: [OK, PREAUTH]
  - {send: APPEND INBOX, literal: 'Subject: x', expect: OK}
""",
    "pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - {send: 'PASS ${password}', expect: +OK}
  - {send: LIST, expect: +OK}
  - {send: RETR 1, expect: +OK}
  - {send: QUIT, expect: +OK}
""",
    "tls-pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - starttls:
  - {send: 'PASS ${password}', expect: +OK}
""",
    "capa-pop3": """\
steps:
  - expect: +OK
  - {send: CAPA, expect: +OK, capabilities: [STLS]}
""",
    "auth-pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - auth: SCRAM-SHA-256
""",
    "apop-pop3": """\
secrets: [password]
steps:
  - expect: +OK
  - auth: APOP
""",
    "sieve": """\
secrets: [password]
steps:
  - expect: OK
  - auth: PLAIN
  - {send: LISTSCRIPTS, expect: OK}
  - {send: GETSCRIPT "x", expect: OK}
  - {send: LOGOUT, expect: OK}
""",
    "tls-sieve": """\
secrets: [password]
steps:
  - expect: OK
  - starttls:
  - auth: PLAIN
""",
    "offered-sieve": """\
secrets: [password]
steps:
  - {expect: OK, capabilities: [STARTTLS]}
  - starttls:
  - auth: PLAIN
""",
    "auth-sieve": """\
secrets: [password]
steps:
  - expect: OK
  - auth: SCRAM-SHA-256
""",
    "tcp": """\
steps:
  - expect: hello
  - {send: LIST, expect: '*', until: '/^end/'}
  - {send: BYE, expect: bye}
""",
}


def _scenarios():
    """Return the scenarios by file name; those with `stalls-` in front have no time for what will not come."""
    files = {}
    for kind, steps in STEPS.items():
        for lead, timeout in (("", LONG), ("stalls-", SHORT)):
            head = HEAD.format(name=lead + kind, protocol=kind.rpartition("-")[2], timeout=timeout)
            files[f"{lead}{kind}.yaml"] = head + steps
    return files


SCENARIOS = _scenarios()
WHOLE, BYTEWISE = "whole", "bytewise"


@dataclass(frozen=True)
class Beast:
    """One server: the scenario that meets it, its handler, and what comes of it. A scheme may be another than usual."""

    kind: str
    handler: Callable[[Conn], None]
    reason: str
    outcome: str = "failed"
    scheme: str = ""


def say(conn, data):
    """Send bytes cut as the zoo has it: whole, byte by byte, or at places that a seed gives."""
    cutting = getattr(conn, "cutting", WHOLE)
    if cutting == WHOLE or len(data) > 4096:
        conn.send(data)
        return
    conn.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if cutting == BYTEWISE:
        places = range(len(data) + 1)
    else:
        chance = random.Random(cutting)  # noqa: S311 -- no secret
        places = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(5))})
    for start, end in itertools.pairwise(places):
        conn.send(data[start:end])


def says(*turns):
    """Return a handler that says these turns: each is bytes, or what is called with the connection, or several."""

    def handler(conn):
        for number, turn in enumerate(turns):
            tag = b""
            if number:
                if not (line := conn.line()):
                    return
                tag = line.split()[0] if line.split() else b""
            for what in turn if isinstance(turn, tuple) else (turn,):
                if isinstance(what, bytes):
                    say(conn, what.replace(b"<tag>", tag))
                else:
                    what(conn)
        conn.wait_for_eof()

    return handler


def close(conn):
    """End the connection in order; what the client has said is read, so that it sees no reset."""
    with contextlib.suppress(OSError):
        conn.end()
        conn.wait_for_eof()


def reset(conn):
    """Break the connection."""
    conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def secure(conn):
    """Do the server's half of a handshake."""
    conn.secure(certificates().context())


def cut_off(conn):
    """End TLS without a word of TLS."""
    conn.socket.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError):
        conn.wait_for_eof()


def floods(data, times=None):
    """Return what sends this for ever, or so many times."""

    def flood(conn):
        with contextlib.suppress(OSError):
            for _ in itertools.repeat(None) if times is None else range(times):
                conn.send(data)

    return flood


def drips(data, every=0.02):
    """Return what sends a byte now and then."""

    def drip(conn):
        conn.socket.settimeout(every)
        with contextlib.suppress(OSError):
            for byte in itertools.cycle(data):
                conn.send(bytes([byte]))
                time.sleep(every)

    return drip


def http(conn):
    """Answer a line as a web server does."""
    conn.line()
    conn.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    close(conn)


def scram(form, last):
    """Return a handler's turns of a SCRAM server that knows no password; `form` writes a challenge."""

    def first(conn):
        pass

    return first


# IMAP

OK = b"<tag> OK done\r\n"
IMAP = b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n"
FETCH = b"* 1 FETCH (BODY[] "


def fetches(*what):
    """Return an IMAP server that is polite until FETCH."""
    return says(IMAP, OK, what)


def imap_tls(*what):
    """Return an IMAP server that is asked for STARTTLS."""
    return says(IMAP, what)


INJECTION = "response injection: clear text before the TLS handshake"
IMAP_BEASTS = {
    # literals
    "imap-literal-4g": Beast("imap", fetches(FETCH + b"{4294967295}\r\nx"), "LITERAL4G"),
    "imap-literal-negative": Beast("imap", fetches(FETCH + b"{-1}\r\nx)\r\n" + OK), "x"),
    "imap-literal-23-digits": Beast("imap", fetches(FETCH + b"{" + b"9" * 23 + b"}\r\nx"), "x"),
    "imap-literal-letters": Beast("imap", fetches(FETCH + b"{abc}\r\nx)\r\n" + OK), "x"),
    "imap-literal-empty": Beast("imap", fetches(FETCH + b"{}\r\nx)\r\n" + OK), "x"),
    "imap-literal-hangs": Beast("stalls-imap", fetches(FETCH + b"{342}\r\nFrom: a"), "x"),
    "imap-literal-closes": Beast("imap", fetches(FETCH + b"{342}\r\nFrom: a", close), "x"),
    "imap-literal-resets": Beast("imap", fetches(FETCH + b"{342}\r\nFrom: a", reset), "x"),
    "imap-literal-endless": Beast("stalls-imap", fetches(FETCH + b"{60000000}\r\n", drips(b"x")), "x"),
    "imap-literal-with-tags": Beast(
        "imap",
        says(IMAP, OK, FETCH + b"{42}\r\nA2 OK done\r\n* BYE gone\r\n+ go\r\nA2 BAD no\r\n)\r\n" + OK, b"* BYE x\r\n" + OK),
        "^$",
        "passed",
    ),
    "imap-literal-large": Beast(
        "imap",
        says(IMAP, OK, (FETCH + b"{67108864}\r\n", floods(b"x" * 65536, 1024), b")\r\n", OK), b"* BYE x\r\n" + OK),
        "^$",
        "passed",
    ),
    "imap-literal-too-large": Beast("imap", fetches(FETCH + b"{67108865}\r\n", floods(b"x" * 65536)), "x"),
    "imap-literals-without-end": Beast("imap", fetches(floods(b"* 1 FETCH (X {5}\r\nabcde)\r\n" * 1000)), "x"),
    "imap-literals-in-one-line": Beast("imap", fetches(b"* 1 FETCH (", floods(b"X {0}\r\n " * 1000)), "x"),
    # tags and lines
    "imap-wrong-tag": Beast("imap", fetches(b"Z9 OK done\r\n"), "x"),
    "imap-tag-again": Beast("imap", fetches(b"A1 OK done\r\n"), "x"),
    "imap-tag-twice": Beast("imap", says(IMAP, OK + OK), "x"),
    "imap-untagged-ok": Beast("stalls-imap", fetches(b"* OK done\r\n"), "x"),
    "imap-plus": Beast("imap", fetches(b"+ go on\r\n"), "x"),
    "imap-plus-glued": Beast("imap", fetches(b"+go on\r\n"), "x"),
    "imap-tagged-data": Beast("imap", fetches(b"<tag> FETCH (FLAGS ())\r\n"), "x"),
    "imap-tagged-preauth": Beast("imap", fetches(b"<tag> PREAUTH hi\r\n"), "x"),
    "imap-lower-case": Beast("imap", says(IMAP, b"<tag> ok done\r\n", b"<tag> ok\r\n", b"* bye\r\n<tag> ok\r\n"), "^$", "passed"),
    "imap-nothing-after-star": Beast("imap", fetches(b"* \r\n" + OK), "x"),
    "imap-code-never-closed": Beast("imap", says(IMAP, OK, b"<tag> OK [" + b"x" * 3000 + b"\r\n", b"* BYE x\r\n" + OK), "^$", "passed"),
    "imap-no-code-closed": Beast("imap", says(IMAP, b"<tag> NO [AUTHENTICATIONFAILED no such user\r\n"), "x"),
    "imap-refused": Beast("imap", says(IMAP, b"<tag> NO [AUTHENTICATIONFAILED] \x1b[2Jno\x00\xff\r\n"), "x"),
    "imap-bad": Beast("imap", says(IMAP, b"* BAD line too long\r\n<tag> BAD no\r\n"), "x"),
    "imap-referral": Beast("imap", says(IMAP, b"<tag> NO [REFERRAL imap://user@mx.example.net/] elsewhere\r\n"), "x"),
    # floods
    "imap-untagged-100000": Beast("imap", fetches(b"* 1 EXISTS\r\n" * 100_000 + OK), "x"),
    "imap-untagged-for-ever": Beast("imap", fetches(floods(b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 1000)), "x"),
    "imap-untagged-then-silence": Beast("stalls-imap", fetches(b"* 1 EXISTS\r\n" * 100), "x"),
    "imap-line-64k": Beast("imap", fetches(b"* SEARCH " + b"1 " * 40000 + b"\r\n" + OK), "x"),
    "imap-line-for-ever": Beast("imap", fetches(b"* SEARCH", floods(b" 1" * 30000)), "x"),
    "imap-zeros": Beast("imap", fetches(floods(b"\0" * 60000)), "x"),
    "imap-capabilities-100000": Beast("imap", says(b"* OK [CAPABILITY " + b"X " * 100_000 + b"] hi\r\n"), "x"),
    "imap-capability-lines": Beast("imap", says(IMAP, floods(b"* CAPABILITY " + b"X=Y " * 15000 + b"\r\n")), "x"),
    "imap-floods-after-logout": Beast("imap", says(IMAP, OK, OK, (b"* BYE x\r\n" + OK, floods(b"* 1 EXISTS\r\n" * 1000))), "x"),
    "imap-slow-drip": Beast("stalls-imap", says(drips(b"* OK drip drip ")), "x", "error"),
    # garbage
    "imap-nul": Beast("imap", fetches(b"\0\r\n"), "x"),
    "imap-eight-bit": Beast("imap", fetches(b"\xff\xfe\xfd\r\n"), "x"),
    "imap-eight-bit-within": Beast("imap", says(b"* OK \0\xff\r\n", b"<tag> OK \0\xff\r\n", b"* \0\xff\r\n" + OK, b"* BYE \0\r\n" + OK), "^$", "passed"),
    "imap-bare-lf": Beast("imap", fetches(b"* 1 EXISTS\n" + OK), "x"),
    "imap-bare-cr": Beast("imap", fetches(b"* 1 EX\rISTS\r\n" + OK), "x"),
    "imap-utf-16": Beast("imap", says("* OK hi\r\n".encode("utf-16")), "x"),
    "imap-http": Beast("imap", says(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"), "x"),
    "imap-http-waits": Beast("stalls-imap", http, "x", "error"),
    "imap-smtp": Beast("imap", says(b"220 mx.example.org ESMTP\r\n"), "x"),
    "imap-pop3": Beast("imap", says(b"+OK ready\r\n"), "x"),
    "imap-sieve": Beast("imap", says(b'"IMPLEMENTATION" "x"\r\nOK\r\n'), "x"),
    "imap-tls-on-clear-port": Beast("stalls-imap", lambda conn: secure(conn), "x", "error"),
    "imap-alert": Beast("imap", says(b"\x15\x03\x01\x00\x02\x02\x46", ), "x", "x"),
    "imap-clear-on-tls-port": Beast("imap", says(IMAP), "x", scheme="imaps"),
    # greetings
    "imap-greets-no": Beast("imap", says(b"* NO go away\r\n"), "x"),
    "imap-greets-bye": Beast("imap", says((b"* BYE too many connections\r\n", close)), "x"),
    "imap-greets-tagged": Beast("imap", says(b"A1 OK hi\r\n"), "x"),
    "imap-greets-data": Beast("imap", says(b"* CAPABILITY IMAP4rev1\r\n" + IMAP), "x"),
    "imap-preauth": Beast("imap", says(b"* PREAUTH welcome\r\n"), "x"),
    "imap-preauth-tls": Beast("tls-imap", says(b"* PREAUTH welcome\r\n"), "x"),
    "imap-closes-at-once": Beast("imap", close, "x"),
    "imap-resets-at-once": Beast("imap", reset, "x"),
    "imap-never-greets": Beast("stalls-imap", says(b""), "x", "error"),
    # BYE
    "imap-bye-after-greeting": Beast("imap", says((IMAP + b"* BYE going down\r\n", close)), "x"),
    "imap-bye-at-login": Beast("imap", says(IMAP, (b"* BYE too many failures\r\n", close)), "x"),
    "imap-bye-and-no": Beast("imap", says(IMAP, (b"* BYE too many failures\r\n<tag> NO failed\r\n", close)), "x"),
    "imap-bye-in-fetch": Beast("imap", fetches(FETCH + b"{5}\r\nhello)\r\n* BYE going down\r\n", close), "x"),
    "imap-bye-in-literal": Beast("imap", fetches(FETCH + b"{50}\r\n* BYE going down\r\n", close), "x"),
    "imap-bye-at-starttls": Beast("tls-imap", imap_tls(b"* BYE no TLS\r\n", close), "x"),
    "imap-bye-after-go-ahead": Beast("tls-imap", imap_tls(OK + b"* BYE no TLS\r\n", close), INJECTION),
    "imap-bye-in-tls": Beast("tls-imap", imap_tls(OK, secure, b"* BYE going down\r\n", close), "x"),
    "imap-bye-in-idle": Beast("idle-imap", says(IMAP, (b"+ idling\r\n* BYE going down\r\n", close)), "x"),
    "imap-bye-in-idle-2": Beast("idle-imap", says(IMAP, b"+ idling\r\n* 1 EXISTS\r\n", (b"* BYE bye\r\n", close)), "x"),
    "imap-bye-at-logout-only": Beast("imap", says(IMAP, OK, OK, (b"* BYE bye\r\n", close)), "x"),
    "imap-bye-twice": Beast("imap", says(IMAP, OK, OK, (b"* BYE bye\r\n* BYE bye\r\n" + OK, close)), "^$", "passed"),
    "imap-bye-referral": Beast("imap", says((b"* BYE [REFERRAL imap://mx.example.net/] moved\r\n", close)), "x"),
    # literals of ours
    "imap-append-refused": Beast("append-imap", says(IMAP, b"<tag> NO [OVERQUOTA] full\r\n"), "x"),
    "imap-append-bye": Beast("append-imap", says(IMAP, (b"* BYE full\r\n", close)), "x"),
    "imap-append-ok-early": Beast("append-imap", says(IMAP, b"<tag> OK done\r\n"), "x", "x"),
    "imap-append-plus-twice": Beast("append-imap", says(IMAP, b"+ go\r\n+ go\r\n"), "x"),
    "imap-append-never": Beast("stalls-append-imap", says(IMAP, b""), "x"),
    "imap-idle-refused": Beast("idle-imap", says(IMAP, b"<tag> BAD no\r\n"), "x"),
    "imap-idle-ok-at-once": Beast("idle-imap", says(IMAP, b"+ idling\r\n<tag> OK done\r\n"), "x", "x"),
    "imap-idle-silent": Beast("stalls-idle-imap", says(IMAP, b"+ idling\r\n* OK still here\r\n"), "x"),
    # STARTTLS
    "imap-starttls-refused": Beast("tls-imap", imap_tls(b"<tag> NO not now\r\n"), "x"),
    "imap-starttls-bad": Beast("tls-imap", imap_tls(b"<tag> BAD unknown command\r\n"), "x"),
    "imap-starttls-stripped": Beast("offered-imap", says(b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK), "x"),
    "imap-starttls-early-ok": Beast("tls-imap", says(IMAP + b"A1 OK go\r\n"), "x"),
    "imap-starttls-untagged-before": Beast("tls-imap", imap_tls(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK, secure, close), "x"),
    "imap-starttls-untagged-after": Beast("tls-imap", imap_tls(OK + b"* OK [ALERT] injected\r\n", secure), INJECTION),
    "imap-starttls-tagged-after": Beast("tls-imap", imap_tls(OK + b"A2 OK injected\r\n", secure), INJECTION),
    "imap-starttls-half-after": Beast("tls-imap", imap_tls(OK + b"A2 OK inj", secure), INJECTION),
    "imap-starttls-half-star-after": Beast("tls-imap", imap_tls(OK + b"* OK inj", secure), INJECTION),
    "imap-starttls-half-before": Beast("tls-imap", says(IMAP + b"* OK inj", b"\r\n" + OK), "x", "x"),
    "imap-starttls-hangs": Beast("stalls-tls-imap", imap_tls(OK), "x"),
    "imap-starttls-closes": Beast("tls-imap", imap_tls(OK, close), "x"),
    "imap-starttls-clear-text": Beast("tls-imap", imap_tls(OK, lambda conn: conn.socket.recv(9), floods(b"* OK x\r\n" * 99)), "x"),
    "imap-tls-no-close-notify": Beast("tls-imap", says(IMAP, (OK, secure), (b"* OK hal", cut_off)), "x"),
    "imap-greets-in-tls": Beast("tls-imap", says(IMAP, (OK, secure, IMAP), OK, b"* BYE\r\n" + OK), "x", "x"),
    # SASL
    "imap-scram-no-proof": Beast("auth-imap", says(IMAP, b"+ \r\n", OK), "x"),
    "imap-scram-at-once": Beast("auth-imap", says(IMAP, OK), "x"),
    "imap-challenge-no-base64": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ !!!\x1b[2J\r\n"), "x"),
    "imap-challenge-huge": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ " + b64encode(b"x" * 45000) + b"\r\n"), "x"),
    "imap-challenge-too-long": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ " + b64encode(b"x" * 90000) + b"\r\n"), "x"),
    "imap-challenges-for-ever": Beast("auth-imap", says(IMAP, *[b"+ \r\n"] * 20), "x"),
    "imap-auth-bye": Beast("auth-imap", says(IMAP, (b"+ \r\n* BYE no\r\n", close)), "x"),
}
