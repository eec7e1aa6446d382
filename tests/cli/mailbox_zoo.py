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
from base64 import b64decode, b64encode
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
  - {{send: 'FETCH 1 BODY[]', expect: OK}}
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
_TAG = re.compile(rb"A[0-9]+(?= )")


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


def at_once(data):
    """Return what sends bytes uncut: what comes too early must not be taken for what is due later."""
    return lambda conn: conn.send(data)


def says(*turns):
    """Return a handler that says these turns: each is bytes, or what is called with the connection, or several."""

    def handler(conn):
        tag = b""
        for number, turn in enumerate(turns):
            if number:
                if not (line := conn.line()):
                    return
                conn.last = line
                tag = found[0] if (found := _TAG.match(line)) else tag
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


def scram(form, end=b""):
    """Return what answers a client's first SCRAM message; `form` is how a challenge is written, `end` goes behind."""

    def first(conn):
        found = re.search(rb'([A-Za-z0-9+/=]+)"?\r\n\Z', conn.last)
        nonce = b64decode(found[1]).rpartition(b"r=")[2]
        say(conn, form % b64encode(b"r=%bx,s=c2FsdA==,i=4096" % nonce) + end)

    return first


PROOF = b64encode(b"v=" + b64encode(b"x" * 32))


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
    "imap-tag-twice": Beast("imap", says(IMAP, lambda conn: conn.send(b"A1 OK done\r\n" * 2)), "x"),
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
    "imap-tls-alert": Beast("imap", says((b"\x15\x03\x01\x00\x02\x02\x46", close)), "x"),
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
    "imap-bye-after-greeting": Beast("imap", says((at_once(IMAP + b"* BYE going down\r\n"), close)), "x"),
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
    "imap-starttls-stripped": Beast(
        "offered-imap", says(b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK, b"<tag> BAD what\r\n"), "x"
    ),
    "imap-starttls-early-ok": Beast("tls-imap", says(at_once(IMAP + b"A1 OK go\r\n")), "x"),
    "imap-starttls-untagged-before": Beast("tls-imap", imap_tls(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK, secure, close), "x"),
    "imap-starttls-untagged-after": Beast("tls-imap", imap_tls(OK + b"* OK [ALERT] injected\r\n", secure), INJECTION),
    "imap-starttls-tagged-after": Beast("tls-imap", imap_tls(OK + b"A2 OK injected\r\n", secure), INJECTION),
    "imap-starttls-half-after": Beast("tls-imap", imap_tls(OK + b"A2 OK inj", secure), INJECTION),
    "imap-starttls-half-star-after": Beast("tls-imap", imap_tls(OK + b"* OK inj", secure), INJECTION),
    "imap-starttls-half-before": Beast("tls-imap", says(at_once(IMAP + b"* OK inj"), (b"\r\n" + OK, close)), "x", "x"),
    "imap-starttls-hangs": Beast("stalls-tls-imap", imap_tls(OK), "x"),
    "imap-starttls-closes": Beast("tls-imap", imap_tls(OK, close), "x"),
    "imap-starttls-clear-text": Beast("tls-imap", imap_tls(OK, lambda conn: conn.socket.recv(9), floods(b"* OK x\r\n" * 99)), "x"),
    "imap-tls-no-close-notify": Beast("tls-imap", says(IMAP, (OK, secure), (b"* OK hal", cut_off)), "x"),
    "imap-greets-in-tls": Beast("tls-imap", says(IMAP, (OK, secure, IMAP), OK, b"* BYE\r\n" + OK), "x", "x"),
    # SASL
    "imap-scram-no-proof": Beast("auth-imap", says(IMAP, b"+ \r\n", scram(b"+ %b\r\n"), OK), "x"),
    "imap-scram-wrong-proof": Beast(
        "auth-imap", says(IMAP, b"+ \r\n", scram(b"+ %b\r\n"), b"+ " + PROOF + b"\r\n", OK), "x"
    ),
    "imap-scram-after-client": Beast("auth-imap", says(IMAP, b"+ \r\n", OK), "x"),
    "imap-scram-at-once": Beast("auth-imap", says(IMAP, OK), "x"),
    "imap-challenge-no-base64": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ !!!\x1b[2J\r\n"), "x"),
    "imap-challenge-huge": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ " + b64encode(b"x" * 45000) + b"\r\n"), "x"),
    "imap-challenge-too-long": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ " + b64encode(b"x" * 90000) + b"\r\n"), "x"),
    "imap-challenges-for-ever": Beast("auth-imap", says(IMAP, *[b"+ \r\n"] * 20), "x"),
    "imap-auth-bye": Beast("auth-imap", says(IMAP, (b"+ \r\n* BYE no\r\n", close)), "x"),
}

# POP3

POP = b"+OK ready <1896.697170952@example.com>\r\n"
MESSAGE = b"+OK\r\nSubject: x\r\n\r\nhello\r\n.\r\n"


def lists(*what):
    """Return a POP3 server that is polite until LIST."""
    return says(POP, b"+OK\r\n", what)


def retrieves(*what):
    """Return a POP3 server that is polite until RETR."""
    return says(POP, b"+OK\r\n", b"+OK\r\n1 99\r\n.\r\n", what, b"+OK bye\r\n")


POP3_BEASTS = {
    "pop3-message-100-mb": Beast("pop3", retrieves(b"+OK\r\n", floods(b"x" * 998 + b"\r\n", 100_000), b".\r\n"), "x"),
    "pop3-message-60-mb": Beast(
        "pop3", retrieves(b"+OK\r\n", floods((b"x" * 998 + b"\r\n") * 60, 1000), b".\r\n"), "^$", "passed"
    ),
    "pop3-message-for-ever": Beast("pop3", retrieves(b"+OK\r\n", floods(b"..\r\n" * 10000)), "x"),
    "pop3-message-of-dots": Beast("pop3", retrieves(b"+OK\r\n", floods(b"." * 60000)), "x"),
    "pop3-message-never-ends": Beast("stalls-pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n"), "x"),
    "pop3-message-closes": Beast("pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n", close), "x"),
    "pop3-message-closes-at-dot": Beast("pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n.", close), "x"),
    "pop3-message-resets": Beast("pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n", reset), "x"),
    "pop3-message-with-replies": Beast(
        "pop3", retrieves(b"+OK\r\n-ERR no\r\n+OK\r\n..\r\n.\n.\r.\r\n+ \r\n.\r\n"), "^$", "passed"
    ),
    "pop3-message-bare-lf": Beast("stalls-pop3", retrieves(b"+OK\r\nSubject: x\n\nhello\n.\n"), "x"),
    "pop3-message-refused": Beast("pop3", retrieves(b"-ERR no such message\r\n"), "x"),
    "pop3-list-100000": Beast("pop3", lists(b"+OK\r\n" + b"1 2\r\n" * 100_000 + b".\r\n"), "x"),
    "pop3-list-for-ever": Beast("pop3", lists(b"+OK\r\n", floods(b"1 2\r\n" * 10000)), "x"),
    "pop3-list-never-ends": Beast("stalls-pop3", lists(b"+OK 2 messages\r\n1 99\r\n"), "x"),
    "pop3-list-refused-with-lines": Beast("pop3", lists(b"-ERR no\r\n1 99\r\n.\r\n"), "x"),
    "pop3-pass-with-lines": Beast("pop3", says(POP, at_once(b"+OK\r\n1 99\r\n.\r\n")), "x"),
    "pop3-line-64k": Beast("pop3", says(b"+OK " + b"x" * 66000 + b"\r\n"), "x"),
    "pop3-line-for-ever": Beast("pop3", says(floods(b"x" * 60000)), "x"),
    "pop3-zeros": Beast("pop3", says(POP, floods(b"\0" * 60000)), "x"),
    "pop3-capa-100000": Beast("capa-pop3", says(POP, b"+OK\r\n" + b"X\r\n" * 100_000 + b".\r\n"), "x"),
    "pop3-capa-none": Beast("capa-pop3", says(POP, b"-ERR unknown command\r\n"), "x"),
    "pop3-capa-stripped": Beast("capa-pop3", says(POP, b"+OK\r\nUSER\r\n.\r\n"), "x"),
    "pop3-slow-drip": Beast("stalls-pop3", says(drips(b"+OK drip drip ")), "x", "error"),
    "pop3-plus": Beast("pop3", says(POP, b"+ go\r\n"), "x"),
    "pop3-lower-case": Beast("pop3", says(b"+ok ready\r\n"), "x"),
    "pop3-glued": Beast("pop3", says(b"+OKready\r\n"), "x"),
    "pop3-code-never-closed": Beast("pop3", says(POP, b"-ERR [AUTH no such user\r\n"), "x"),
    "pop3-refused": Beast("pop3", says(POP, b"-ERR [AUTH] \x1b[2Jno\x00\xff\r\n"), "x"),
    "pop3-nul": Beast("pop3", says(POP, b"\0\r\n"), "x"),
    "pop3-eight-bit": Beast("pop3", says(b"+OK \xff\xfe\0\r\n", b"+OK \0\r\n", b"+OK\r\n\0\xff\r\n.\r\n", MESSAGE, b"+OK \xff\r\n"), "^$", "passed"),
    "pop3-bare-lf": Beast("pop3", says(b"+OK ready\n"), "x"),
    "pop3-utf-16": Beast("pop3", says("+OK ready\r\n".encode("utf-16")), "x"),
    "pop3-http": Beast("pop3", says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "x"),
    "pop3-smtp": Beast("pop3", says(b"220 mx.example.org ESMTP\r\n"), "x"),
    "pop3-imap": Beast("pop3", says(IMAP), "x"),
    "pop3-tls-on-clear-port": Beast("stalls-pop3", lambda conn: secure(conn), "x", "error"),
    "pop3-clear-on-tls-port": Beast("pop3", says(POP), "x", scheme="pop3s"),
    "pop3-greets-err": Beast("pop3", says((b"-ERR [SYS/TEMP] too busy\r\n", close)), "x"),
    "pop3-closes-at-once": Beast("pop3", close, "x"),
    "pop3-closes-at-pass": Beast("pop3", says(POP, close), "x"),
    "pop3-resets-at-pass": Beast("pop3", says(POP, reset), "x"),
    "pop3-never-greets": Beast("stalls-pop3", says(b""), "x", "error"),
    "pop3-too-early": Beast("pop3", says(at_once(POP + b"+OK\r\n")), "x"),
    "pop3-after-quit": Beast("pop3", says(POP, b"+OK\r\n", b"+OK\r\n.\r\n", MESSAGE, b"+OK bye\r\n+OK more\r\n"), "x"),
    "pop3-floods-after-quit": Beast("pop3", says(POP, b"+OK\r\n", b"+OK\r\n.\r\n", MESSAGE, (b"+OK bye\r\n", floods(b"+OK\r\n" * 999))), "x"),
    "pop3-starttls-refused": Beast("tls-pop3", says(POP, b"-ERR not now\r\n"), "x"),
    "pop3-starttls-after": Beast("tls-pop3", says(POP, (b"+OK go\r\n+OK injected\r\n", secure)), INJECTION),
    "pop3-starttls-half-after": Beast("tls-pop3", says(POP, (b"+OK go\r\n+OK inj", secure)), INJECTION),
    "pop3-starttls-early": Beast("tls-pop3", says(at_once(POP + b"+OK go\r\n"), (b"", secure)), "x"),
    "pop3-starttls-closes": Beast("tls-pop3", says(POP, (b"+OK go\r\n", close)), "x"),
    "pop3-tls-no-close-notify": Beast("tls-pop3", says(POP, (b"+OK go\r\n", secure), (b"+OK hal", cut_off)), "x"),
    "pop3-scram-no-proof": Beast("auth-pop3", says(POP, scram(b"+ %b\r\n"), b"+OK\r\n"), "x"),
    "pop3-scram-wrong-proof": Beast(
        "auth-pop3", says(POP, scram(b"+ %b\r\n"), b"+ " + PROOF + b"\r\n", b"+OK\r\n"), "x"
    ),
    "pop3-challenge-no-base64": Beast("auth-pop3", says(POP, b"+ !!!\r\n"), "x"),
    "pop3-challenges-for-ever": Beast("auth-pop3", says(POP, *[b"+ \r\n"] * 20), "x"),
    "pop3-apop-no-timestamp": Beast("apop-pop3", says(b"+OK ready\r\n"), "x"),
    "pop3-apop-refused": Beast("apop-pop3", says(POP, b"-ERR no\r\n"), "x"),
}

# ManageSieve

SIEVE = b'"IMPLEMENTATION" "x"\r\n"SASL" "PLAIN"\r\n"STARTTLS"\r\nOK "ready"\r\n'


def scripts(*what):
    """Return a ManageSieve server that is polite until LISTSCRIPTS."""
    return says(SIEVE, b"OK\r\n", what)


def script(*what):
    """Return a ManageSieve server that is polite until GETSCRIPT."""
    return says(SIEVE, b"OK\r\n", b"OK\r\n", what, b"OK\r\n")


SIEVE_BEASTS = {
    "sieve-literal-4g": Beast("sieve", script(b"{4294967295}\r\nx"), "x"),
    "sieve-literal-negative": Beast("sieve", script(b"{-1}\r\nx\r\nOK\r\n"), "x"),
    "sieve-literal-23-digits": Beast("sieve", script(b"{" + b"9" * 23 + b"}\r\nx"), "x"),
    "sieve-literal-letters": Beast("sieve", script(b"{abc}\r\nx\r\nOK\r\n"), "x"),
    "sieve-literal-hangs": Beast("stalls-sieve", script(b"{342}\r\nrequire"), "x"),
    "sieve-literal-closes": Beast("sieve", script(b"{342}\r\nrequire", close), "x"),
    "sieve-literal-resets": Beast("sieve", script(b"{342}\r\nrequire", reset), "x"),
    "sieve-literal-with-replies": Beast("sieve", script(b"{15}\r\nOK\r\nNO\r\nBYE \"x\"\r\nOK\r\n"), "^$", "passed"),
    "sieve-literal-large": Beast("sieve", script(b"{67108864}\r\n", floods(b"x" * 65536, 1024), b"\r\nOK\r\n"), "^$", "passed"),
    "sieve-literals-for-ever": Beast("sieve", script(floods(b"{5}\r\nabcde\r\n" * 1000)), "x"),
    "sieve-list-100000": Beast("sieve", scripts(b'"x"\r\n' * 100_000 + b"OK\r\n"), "x"),
    "sieve-list-never-ends": Beast("stalls-sieve", scripts(b'"x"\r\n'), "x"),
    "sieve-capabilities-100000": Beast("sieve", says(b'"X"\r\n' * 100_000 + b"OK\r\n"), "x"),
    "sieve-line-64k": Beast("sieve", scripts(b'"' + b"x" * 66000 + b'"\r\nOK\r\n'), "x"),
    "sieve-line-for-ever": Beast("sieve", scripts(b'"', floods(b"x" * 60000)), "x"),
    "sieve-zeros": Beast("sieve", scripts(floods(b"\0" * 60000)), "x"),
    "sieve-string-never-ends": Beast("sieve", scripts(b'"x\r\nOK\r\n'), "x"),
    "sieve-code-never-closed": Beast("sieve", says(SIEVE, b'NO (QUOTA "full"\r\n'), "x"),
    "sieve-refused": Beast("sieve", says(SIEVE, b'NO (AUTH-TOO-WEAK) "\x1b[2Jno\x00\xff"\r\n'), "x"),
    "sieve-refused-by-literal": Beast("sieve", says(SIEVE, b"NO {11}\r\nno\r\nOK \x1b[2J\r\n"), "x"),
    "sieve-nul": Beast("sieve", scripts(b"\0\r\n"), "x"),
    "sieve-eight-bit": Beast("sieve", scripts(b"\xff\xfe\r\n"), "x"),
    "sieve-bare-lf": Beast("sieve", says(b"OK\n"), "x"),
    "sieve-utf-16": Beast("sieve", says("OK\r\n".encode("utf-16")), "x"),
    "sieve-http": Beast("sieve", says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "x"),
    "sieve-smtp": Beast("sieve", says(b"220 mx.example.org ESMTP\r\n"), "x"),
    "sieve-imap": Beast("sieve", says(IMAP), "x"),
    "sieve-imap-tagged": Beast("sieve", says(SIEVE, b"A1 OK\r\n"), "x"),
    "sieve-tls-on-clear-port": Beast("stalls-sieve", lambda conn: secure(conn), "x", "error"),
    "sieve-greets-no": Beast("sieve", says((b'NO "too busy"\r\n', close)), "x"),
    "sieve-greets-bye": Beast("sieve", says((b'BYE "too busy"\r\n', close)), "x"),
    "sieve-bye-referral": Beast("sieve", says((b'BYE (REFERRAL "sieve://mx.example.net") "moved"\r\n', close)), "x"),
    "sieve-bye-after-greeting": Beast("sieve", says((at_once(SIEVE + b'BYE "going down"\r\n'), close)), "x"),
    "sieve-bye-in-auth": Beast("sieve", says(SIEVE, (b'BYE "too many failures"\r\n', close)), "x"),
    "sieve-bye-in-list": Beast("sieve", scripts(b'"x"\r\nBYE "going down"\r\n', close), "x"),
    "sieve-bye-in-literal": Beast("sieve", script(b'{50}\r\nBYE "going down"\r\n', close), "x"),
    "sieve-bye-at-logout": Beast("sieve", says(SIEVE, b"OK\r\n", b"OK\r\n", b"OK\r\n", (b"BYE\r\n", close)), "x", "x"),
    "sieve-closes-at-once": Beast("sieve", close, "x"),
    "sieve-resets-in-auth": Beast("sieve", says(SIEVE, reset), "x"),
    "sieve-never-greets": Beast("stalls-sieve", says(b""), "x", "error"),
    "sieve-never-greets-whole": Beast("stalls-sieve", says(b'"IMPLEMENTATION" "x"\r\n'), "x", "error"),
    "sieve-slow-drip": Beast("stalls-sieve", says(drips(b'"drip" "drip" ')), "x", "error"),
    "sieve-too-early": Beast("sieve", says(at_once(SIEVE + b"OK\r\n")), "x"),
    "sieve-floods-after-logout": Beast("sieve", says(SIEVE, b"OK\r\n", b"OK\r\n", b"OK\r\n", (b"OK\r\n", floods(b"OK\r\n" * 999))), "x"),
    "sieve-starttls-refused": Beast("tls-sieve", says(SIEVE, b'NO "not now"\r\n'), "x"),
    "sieve-starttls-bye": Beast("tls-sieve", says(SIEVE, (b'BYE "not now"\r\n', close)), "x"),
    "sieve-starttls-stripped": Beast("offered-sieve", says(b'"SASL" "PLAIN"\r\nOK\r\n', b"NO\r\n"), "x"),
    "sieve-starttls-before": Beast("tls-sieve", says(SIEVE, (b'"SASL" "PLAIN"\r\nOK\r\n', secure, SIEVE, close)), "x", "x"),
    "sieve-starttls-after": Beast("tls-sieve", says(SIEVE, (b"OK\r\n" + SIEVE, secure)), INJECTION),
    "sieve-starttls-half-after": Beast("tls-sieve", says(SIEVE, (b'OK\r\n"SASL', secure)), INJECTION),
    "sieve-starttls-early": Beast("tls-sieve", says(at_once(SIEVE + b"OK\r\n"), (b"", secure)), "x"),
    "sieve-starttls-closes": Beast("tls-sieve", says(SIEVE, (b"OK\r\n", close)), "x"),
    "sieve-starttls-no-greeting": Beast("stalls-tls-sieve", says(SIEVE, (b"OK\r\n", secure)), "x"),
    "sieve-starttls-greets-no": Beast("tls-sieve", says(SIEVE, (b"OK\r\n", secure, b'NO "x"\r\n')), "x"),
    "sieve-tls-no-close-notify": Beast("tls-sieve", says(SIEVE, (b"OK\r\n", secure, b'"SASL" "PL', cut_off)), "x"),
    "sieve-scram-no-proof": Beast("auth-sieve", says(SIEVE, scram(b'"%b"\r\n'), b"OK\r\n"), "x"),
    "sieve-scram-at-once": Beast("auth-sieve", says(SIEVE, b"OK\r\n"), "x"),
    "sieve-scram-wrong-proof": Beast(
        "auth-sieve", says(SIEVE, scram(b'"%b"\r\n'), b'OK (SASL "' + PROOF + b'")\r\n'), "x"
    ),
    "sieve-scram-no-base64": Beast(
        "auth-sieve", says(SIEVE, scram(b'"%b"\r\n'), b'OK (SASL "!!!")\r\n'), "x"
    ),
    "sieve-challenge-no-base64": Beast("auth-sieve", says(SIEVE, b'"!!!"\r\n'), "x"),
    "sieve-challenge-huge": Beast("auth-sieve", says(SIEVE, b"{60000}\r\n" + b"x" * 60000 + b"\r\n"), "x"),
    "sieve-challenge-too-large": Beast("auth-sieve", says(SIEVE, (b"{60000000}\r\n", floods(b"x" * 60000, 1000), b"\r\n")), "x"),
    "sieve-challenges-for-ever": Beast("auth-sieve", says(SIEVE, *[b'""\r\n'] * 20), "x"),
}

# Lines

TCP_BEASTS = {
    "tcp-lines-100000": Beast("tcp", says(b"hello\r\n", b"x\r\n" * 100_000), "x"),
    "tcp-lines-for-ever": Beast("tcp", says(b"hello\r\n", floods(b"x\r\n" * 10000)), "x"),
    "tcp-line-64k": Beast("tcp", says(b"hello\r\n", b"x" * 66000 + b"\r\n"), "x"),
    "tcp-line-for-ever": Beast("tcp", says(b"hello\r\n", floods(b"x" * 60000)), "x"),
    "tcp-zeros": Beast("tcp", says(b"hello\r\n", floods(b"\0" * 60000)), "x"),
    "tcp-never-ends": Beast("stalls-tcp", says(b"hello\r\n", b"one\r\ntwo\r\nhal"), "x"),
    "tcp-closes": Beast("tcp", says(b"hello\r\n", (b"one\r\nhal", close)), "x"),
    "tcp-resets": Beast("tcp", says(b"hello\r\n", (b"one\r\n", reset)), "x"),
    "tcp-never-greets": Beast("stalls-tcp", says(b""), "x", "x"),
    "tcp-closes-at-once": Beast("tcp", close, "x"),
    "tcp-garbage": Beast("tcp", says((b"\0\xff\x1b[2J\r\n", close)), "x"),
    "tcp-eight-bit": Beast("tcp", says(b"hello\r\n", b"\0\xff\r\nend\n", b"bye\n"), "^$", "passed"),
    "tcp-too-early": Beast("tcp", says(at_once(b"hello\r\nmore\r\n")), "x"),
    "tcp-too-late": Beast("tcp", says(b"hello\r\n", b"end\r\n", b"bye\r\nmore\r\n"), "x"),
    "tcp-utf-16": Beast("tcp", says("hello\r\n".encode("utf-16")), "x"),
    "tcp-slow-drip": Beast("stalls-tcp", says(drips(b"drip drip ")), "x", "x"),
    "tcp-floods-at-end": Beast("tcp", says(b"hello\r\n", b"end\r\n", (b"bye\r\n", floods(b"more\r\n" * 999))), "x"),
}


# Those that behave: what the others do must cost them nothing.
HEALTHY = {
    "imap-healthy": Beast("imap", says(IMAP, OK, FETCH + b"{2}\r\nhi)\r\n" + OK, b"* BYE\r\n" + OK), "^$", "passed"),
    "pop3-healthy": Beast("pop3", says(POP, b"+OK\r\n", b"+OK\r\n.\r\n", MESSAGE, b"+OK\r\n"), "^$", "passed"),
    "sieve-healthy": Beast("sieve", says(SIEVE, b"OK\r\n", b"OK\r\n", b"OK\r\n", b"OK\r\n"), "^$", "passed"),
    "tcp-healthy": Beast("tcp", says(b"hello\r\n", b"one\r\nend\r\n", b"bye\r\n"), "^$", "passed"),
}
ZOO = {**IMAP_BEASTS, **POP3_BEASTS, **SIEVE_BEASTS, **TCP_BEASTS, **HEALTHY}


class Zoo:
    """The zoo, or some of its beasts, as servers; `files` are the scenarios and the project file."""

    def __init__(self, *names, cutting=WHOLE):
        self.names = names or tuple(ZOO)
        self.cutting = cutting
        self.files = {}
        self._stack = ExitStack()

    def __enter__(self):
        lines = [f"  {name}: {{url: '{self._url(name)}', tags: [{ZOO[name].kind}], tls: {{ca: roots.pem}}}}" for name in self.names]
        roots = certificates().authority.cert_pem.bytes().decode()
        project = "\n".join(["targets:", *lines, ""])
        self.files = {**SCENARIOS, "roots.pem": roots, "mailproof.yaml": project}
        return self

    def _url(self, name):
        beast = ZOO[name]

        def handler(conn):
            conn.cutting = self.cutting
            beast.handler(conn)

        port = self._stack.enter_context(FakeServer(handler)).port
        return f"{beast.scheme or beast.kind.rpartition('-')[2]}://127.0.0.1:{port}"

    def __exit__(self, *error):
        self._stack.__exit__(*error)


def differences(found):
    """Return what came otherwise than it should."""
    return {
        name: (outcome, reason)
        for name, (outcome, reason) in found.items()
        if not (outcome == ZOO[name].outcome and re.search(ZOO[name].reason, reason, re.DOTALL))
    }
