"""Hostile and broken servers of IMAP, POP3, ManageSieve and of lines, one connection each.

Each names the scenario of `mailbox_zoo` that meets it. Its server says one turn, then one more after each line of the
client's, and ends at the first line too many. In a turn `<tag>` is the tag of the client's last command.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import socket
import struct
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass

from fake_server import Conn, certificates

WHOLE, BYTEWISE = "whole", "bytewise"
_TAG = re.compile(rb"A[0-9]+(?= )")


@dataclass(frozen=True)
class Beast:
    """One server: the scenario that meets it, its handler, and the scheme if that is not the protocol's own."""

    kind: str
    handler: Callable[[Conn], None]
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
        chance = random.Random(cutting)
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
        conn.line()
        close(conn)

    return handler


def stall(conn):
    """Say nothing more until the client leaves."""
    conn.wait_for_eof()


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


def slowly(data, every=0.005):
    """Return what sends all of this, a byte now and then."""

    def slow(conn):
        for byte in data:
            conn.send(bytes([byte]))
            time.sleep(every)

    return slow


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
    "imap-literal-4g": Beast("imap", fetches(FETCH + b"{4294967295}\r\nx")),
    "imap-literal-negative": Beast("imap", fetches(FETCH + b"{-1}\r\nx)\r\n" + OK)),
    "imap-literal-23-digits": Beast("imap", fetches(FETCH + b"{" + b"9" * 23 + b"}\r\nx")),
    "imap-literal-letters": Beast("imap", fetches(FETCH + b"{abc}\r\nx)\r\n" + OK)),
    "imap-literal-empty": Beast("imap", fetches(FETCH + b"{}\r\nx)\r\n" + OK)),
    "imap-literal-hangs": Beast("stalls-imap", fetches(FETCH + b"{342}\r\nFrom: a")),
    "imap-literal-closes": Beast("imap", fetches(FETCH + b"{342}\r\nFrom: a", close)),
    "imap-literal-resets": Beast("imap", fetches(FETCH + b"{342}\r\nFrom: a", reset)),
    "imap-literal-endless": Beast("stalls-imap", fetches(FETCH + b"{60000000}\r\n", drips(b"x"))),
    "imap-literal-with-tags": Beast(
        "imap",
        says(
            IMAP,
            OK,
            FETCH + b"{42}\r\nA2 OK done\r\n* BYE gone\r\n+ go\r\nA2 BAD no\r\n)\r\n" + OK,
            b"* BYE x\r\n" + OK,
        ),
    ),
    "imap-literal-large": Beast(
        "imap",
        says(IMAP, OK, (FETCH + b"{67108864}\r\n", floods(b"x" * 65536, 1024), b")\r\n", OK), b"* BYE x\r\n" + OK),
    ),
    "imap-literal-too-large": Beast("imap", fetches(FETCH + b"{67108865}\r\n", floods(b"x" * 65536))),
    "imap-literals-without-end": Beast("imap", fetches(floods(b"* 1 FETCH (X {5}\r\nabcde)\r\n" * 1000))),
    "imap-literals-in-one-line": Beast("imap", fetches(b"* 1 FETCH (", floods(b"X {0}\r\n " * 1000))),
    # tags and lines
    "imap-wrong-tag": Beast("imap", fetches(b"Z9 OK done\r\n")),
    "imap-tag-again": Beast("imap", fetches(b"A1 OK done\r\n")),
    "imap-tag-twice": Beast("imap", says(IMAP, lambda conn: conn.send(b"A1 OK done\r\n" * 2))),
    "imap-untagged-ok": Beast("stalls-imap", fetches(b"* OK done\r\n")),
    "imap-plus": Beast("imap", fetches(b"+ go on\r\n")),
    "imap-plus-glued": Beast("imap", fetches(b"+go on\r\n")),
    "imap-tagged-data": Beast("imap", fetches(b"<tag> FETCH (FLAGS ())\r\n")),
    "imap-tagged-preauth": Beast("imap", fetches(b"<tag> PREAUTH hi\r\n")),
    "imap-lower-case": Beast("imap", says(IMAP, b"<tag> ok done\r\n", b"<tag> ok\r\n", b"* bye\r\n<tag> ok\r\n")),
    "imap-nothing-after-star": Beast("imap", fetches(b"* \r\n" + OK)),
    "imap-code-never-closed": Beast("imap", says(IMAP, OK, b"<tag> OK [" + b"x" * 3000 + b"\r\n", b"* BYE x\r\n" + OK)),
    "imap-no-code-closed": Beast("imap", says(IMAP, b"<tag> NO [AUTHENTICATIONFAILED no such user\r\n")),
    "imap-refused": Beast("imap", says(IMAP, b"<tag> NO [AUTHENTICATIONFAILED] \x1b[2Jno\x00\xff\r\n")),
    "imap-bad": Beast("imap", says(IMAP, b"* BAD line too long\r\n<tag> BAD no\r\n")),
    "imap-referral": Beast("imap", says(IMAP, b"<tag> NO [REFERRAL imap://user@mx.example.net/] elsewhere\r\n")),
    # floods
    "imap-untagged-100000": Beast("imap", fetches(b"* 1 EXISTS\r\n" * 100_000 + OK)),
    "imap-untagged-for-ever": Beast("imap", fetches(floods(b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 1000))),
    "imap-untagged-then-silence": Beast("stalls-imap", fetches(b"* 1 EXISTS\r\n" * 100)),
    "imap-line-64k": Beast("imap", fetches(b"* SEARCH " + b"1 " * 40000 + b"\r\n" + OK)),
    "imap-line-for-ever": Beast("imap", fetches(b"* SEARCH", floods(b" 1" * 30000))),
    "imap-zeros": Beast("imap", fetches(floods(b"\0" * 60000))),
    "imap-capabilities-100000": Beast("imap", says(b"* OK [CAPABILITY " + b"X " * 100_000 + b"] hi\r\n")),
    "imap-capability-lines": Beast("imap", says(IMAP, floods(b"* CAPABILITY " + b"X=Y " * 15000 + b"\r\n"))),
    "imap-floods-after-logout": Beast(
        "imap", says(IMAP, OK, OK, (b"* BYE x\r\n" + OK, floods(b"* 1 EXISTS\r\n" * 1000)))
    ),
    "imap-slow-drip": Beast("stalls-imap", says(drips(b"* OK drip drip "))),
    # garbage
    "imap-nul": Beast("imap", fetches(b"\0\r\n")),
    "imap-eight-bit": Beast("imap", fetches(b"\xff\xfe\xfd\r\n")),
    "imap-eight-bit-within": Beast(
        "imap", says(b"* OK \0\xff\r\n", b"<tag> OK \0\xff\r\n", b"* \0\xff\r\n" + OK, b"* BYE \0\r\n" + OK)
    ),
    "imap-bare-lf": Beast("imap", fetches(b"* 1 EXISTS\n" + OK)),
    "imap-bare-cr": Beast("imap", fetches(b"* 1 EX\rISTS\r\n" + OK)),
    "imap-utf-16": Beast("imap", says("* OK hi\r\n".encode("utf-16"))),
    "imap-http": Beast("imap", says(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")),
    "imap-http-waits": Beast("stalls-imap", http),
    "imap-smtp": Beast("imap", says(b"220 mx.example.org ESMTP\r\n")),
    "imap-pop3": Beast("imap", says(b"+OK ready\r\n")),
    "imap-sieve": Beast("imap", says(b'"IMPLEMENTATION" "x"\r\nOK\r\n')),
    "imap-tls-on-clear-port": Beast("stalls-imap", secure),
    "imap-tls-alert": Beast("imap", says((b"\x15\x03\x01\x00\x02\x02\x46", close))),
    "imap-clear-on-tls-port": Beast("imap", says(IMAP), scheme="imaps"),
    # greetings
    "imap-greets-no": Beast("imap", says(b"* NO go away\r\n")),
    "imap-greets-bye": Beast("imap", says((b"* BYE too many connections\r\n", close))),
    "imap-greets-tagged": Beast("imap", says(b"A1 OK hi\r\n")),
    "imap-greets-data": Beast("imap", says(b"* CAPABILITY IMAP4rev1\r\n" + IMAP)),
    "imap-preauth": Beast("imap", says(b"* PREAUTH welcome\r\n")),
    "imap-preauth-tls": Beast("tls-imap", says(b"* PREAUTH welcome\r\n")),
    "imap-closes-at-once": Beast("imap", close),
    "imap-resets-at-once": Beast("imap", reset),
    "imap-never-greets": Beast("stalls-imap", says(b"")),
    "imap-slow-greeting": Beast("imap", says(slowly(IMAP), OK, OK, b"* BYE\r\n" + OK)),
    "imap-http-on-tls-port": Beast("imap", http, scheme="imaps"),
    # BYE
    "imap-bye-after-greeting": Beast("imap", says((at_once(IMAP + b"* BYE going down\r\n"), close))),
    "imap-bye-at-login": Beast("imap", says(IMAP, (b"* BYE too many failures\r\n", close))),
    "imap-bye-and-no": Beast("imap", says(IMAP, (b"* BYE too many failures\r\n<tag> NO failed\r\n", close))),
    "imap-bye-in-fetch": Beast("imap", fetches(FETCH + b"{5}\r\nhello)\r\n* BYE going down\r\n", close)),
    "imap-bye-in-literal": Beast("imap", fetches(FETCH + b"{50}\r\n* BYE going down\r\n", close)),
    "imap-bye-at-starttls": Beast("tls-imap", imap_tls(b"* BYE no TLS\r\n", close)),
    "imap-bye-after-go-ahead": Beast("tls-imap", imap_tls(OK + b"* BYE no TLS\r\n", close)),
    "imap-bye-in-tls": Beast("tls-imap", imap_tls(OK, secure, b"* BYE going down\r\n", close)),
    "imap-bye-in-idle": Beast("idle-imap", says(IMAP, (b"+ idling\r\n* BYE going down\r\n", close))),
    "imap-bye-in-idle-2": Beast("idle-imap", says(IMAP, b"+ idling\r\n* 1 EXISTS\r\n", (b"* BYE bye\r\n", close))),
    "imap-bye-at-logout-only": Beast("imap", says(IMAP, OK, OK, (b"* BYE bye\r\n", close))),
    "imap-bye-twice": Beast("imap", says(IMAP, OK, OK, (b"* BYE bye\r\n* BYE bye\r\n" + OK, close))),
    "imap-bye-referral": Beast("imap", says((b"* BYE [REFERRAL imap://mx.example.net/] moved\r\n", close))),
    # literals of ours
    "imap-append-refused": Beast("append-imap", says(IMAP, b"<tag> NO [OVERQUOTA] full\r\n")),
    "imap-append-bye": Beast("append-imap", says(IMAP, (b"* BYE full\r\n", close))),
    "imap-append-ok-early": Beast("append-imap", says(IMAP, b"<tag> OK done\r\n")),
    "imap-append-plus-twice": Beast("append-imap", says(IMAP, b"+ go\r\n+ go\r\n")),
    "imap-append-never": Beast("stalls-append-imap", says(IMAP, b"")),
    "imap-idle-refused": Beast("idle-imap", says(IMAP, b"<tag> BAD no\r\n")),
    "imap-idle-ok-at-once": Beast("idle-imap", says(IMAP, b"+ idling\r\n<tag> OK done\r\n")),
    "imap-idle-silent": Beast("stalls-idle-imap", says(IMAP, b"+ idling\r\n* OK still here\r\n")),
    # STARTTLS
    "imap-starttls-refused": Beast("tls-imap", imap_tls(b"<tag> NO not now\r\n")),
    "imap-starttls-bad": Beast("tls-imap", imap_tls(b"<tag> BAD unknown command\r\n")),
    "imap-starttls-stripped": Beast(
        "offered-imap", says(b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK, b"<tag> BAD what\r\n")
    ),
    "imap-starttls-early-ok": Beast("tls-imap", says(at_once(IMAP + b"A1 OK go\r\n"))),
    "imap-starttls-untagged-before": Beast(
        "tls-imap", imap_tls(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + OK, secure, close)
    ),
    "imap-starttls-untagged-after": Beast("tls-imap", imap_tls(OK + b"* OK [ALERT] injected\r\n")),
    "imap-starttls-tagged-after": Beast("tls-imap", imap_tls(OK + b"A2 OK injected\r\n")),
    "imap-starttls-half-after": Beast("tls-imap", imap_tls(OK + b"A2 OK inj")),
    "imap-starttls-half-star-after": Beast("tls-imap", imap_tls(OK + b"* OK inj")),
    "imap-starttls-half-before": Beast("tls-imap", says(at_once(IMAP + b"* OK inj"), (b"\r\n" + OK, close))),
    "imap-starttls-hangs": Beast("stalls-tls-imap", imap_tls(OK, stall)),
    "imap-starttls-closes": Beast("tls-imap", imap_tls(OK, close)),
    "imap-starttls-clear-text": Beast(
        "tls-imap", imap_tls(OK, lambda conn: conn.socket.recv(9), floods(b"* OK x\r\n" * 99))
    ),
    "imap-tls-no-close-notify": Beast("tls-imap", says(IMAP, (OK, secure), (b"* OK hal", cut_off))),
    "imap-greets-in-tls": Beast("tls-imap", says(IMAP, (OK, secure, IMAP), OK, b"* BYE\r\n" + OK)),
    # SASL
    "imap-scram-no-proof": Beast("auth-imap", says(IMAP, b"+ \r\n", scram(b"+ %b\r\n"), OK)),
    "imap-scram-wrong-proof": Beast(
        "auth-imap", says(IMAP, b"+ \r\n", scram(b"+ %b\r\n"), b"+ " + PROOF + b"\r\n", OK)
    ),
    "imap-scram-after-client": Beast("auth-imap", says(IMAP, b"+ \r\n", OK)),
    "imap-scram-at-once": Beast("auth-imap", says(IMAP, OK)),
    "imap-challenge-no-base64": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ !!!\x1b[2J\r\n")),
    "imap-challenge-huge": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ " + b64encode(b"x" * 45000) + b"\r\n")),
    "imap-challenge-too-long": Beast("auth-imap", says(IMAP, b"+ \r\n", b"+ " + b64encode(b"x" * 90000) + b"\r\n")),
    "imap-challenges-for-ever": Beast("auth-imap", says(IMAP, *[b"+ \r\n"] * 20)),
    "imap-auth-bye": Beast("auth-imap", says(IMAP, (b"+ \r\n* BYE no\r\n", close))),
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
    "pop3-message-100-mb": Beast("pop3", retrieves(b"+OK\r\n", floods(b"x" * 998 + b"\r\n", 100_000), b".\r\n")),
    "pop3-message-60-mb": Beast("pop3", retrieves(b"+OK\r\n", floods((b"x" * 998 + b"\r\n") * 60, 1000), b".\r\n")),
    "pop3-message-for-ever": Beast("pop3", retrieves(b"+OK\r\n", floods(b"..\r\n" * 10000))),
    "pop3-message-of-dots": Beast("pop3", retrieves(b"+OK\r\n", floods(b"." * 60000))),
    "pop3-message-never-ends": Beast("stalls-pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n")),
    "pop3-message-closes": Beast("pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n", close)),
    "pop3-message-closes-at-dot": Beast("pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n.", close)),
    "pop3-message-resets": Beast("pop3", retrieves(b"+OK\r\nSubject: x\r\n\r\nhello\r\n", reset)),
    "pop3-message-with-replies": Beast("pop3", retrieves(b"+OK\r\n-ERR no\r\n+OK\r\n..\r\n.\n.\r.\r\n+ \r\n.\r\n")),
    "pop3-message-bare-lf": Beast("stalls-pop3", retrieves(b"+OK\r\nSubject: x\n\nhello\n.\n")),
    "pop3-message-refused": Beast("pop3", retrieves(b"-ERR no such message\r\n")),
    "pop3-list-100000": Beast("pop3", lists(b"+OK\r\n" + b"1 2\r\n" * 100_000 + b".\r\n")),
    "pop3-list-for-ever": Beast("pop3", lists(b"+OK\r\n", floods(b"1 2\r\n" * 10000))),
    "pop3-list-never-ends": Beast("stalls-pop3", lists(b"+OK 2 messages\r\n1 99\r\n")),
    "pop3-list-refused-with-lines": Beast("pop3", lists(b"-ERR no\r\n1 99\r\n.\r\n")),
    "pop3-pass-with-lines": Beast("pop3", says(POP, at_once(b"+OK\r\n1 99\r\n.\r\n"))),
    "pop3-line-64k": Beast("pop3", says(b"+OK " + b"x" * 66000 + b"\r\n")),
    "pop3-line-for-ever": Beast("pop3", says(floods(b"x" * 60000))),
    "pop3-zeros": Beast("pop3", says(POP, floods(b"\0" * 60000))),
    "pop3-capa-100000": Beast("capa-pop3", says(POP, b"+OK\r\n" + b"X\r\n" * 100_000 + b".\r\n")),
    "pop3-capa-none": Beast("capa-pop3", says(POP, b"-ERR unknown command\r\n")),
    "pop3-capa-stripped": Beast("capa-pop3", says(POP, b"+OK\r\nUSER\r\n.\r\n")),
    "pop3-slow-drip": Beast("stalls-pop3", says(drips(b"+OK drip drip "))),
    "pop3-plus": Beast("pop3", says(POP, b"+ go\r\n")),
    "pop3-lower-case": Beast("pop3", says(b"+ok ready\r\n")),
    "pop3-glued": Beast("pop3", says(b"+OKready\r\n")),
    "pop3-code-never-closed": Beast("pop3", says(POP, b"-ERR [AUTH no such user\r\n")),
    "pop3-refused": Beast("pop3", says(POP, b"-ERR [AUTH] \x1b[2Jno\x00\xff\r\n")),
    "pop3-nul": Beast("pop3", says(POP, b"\0\r\n")),
    "pop3-eight-bit": Beast(
        "pop3", says(b"+OK \xff\xfe\0\r\n", b"+OK \0\r\n", b"+OK\r\n\0\xff\r\n.\r\n", MESSAGE, b"+OK \xff\r\n")
    ),
    "pop3-bare-lf": Beast("pop3", says(b"+OK ready\n")),
    "pop3-utf-16": Beast("pop3", says("+OK ready\r\n".encode("utf-16"))),
    "pop3-http": Beast("pop3", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    "pop3-smtp": Beast("pop3", says(b"220 mx.example.org ESMTP\r\n")),
    "pop3-imap": Beast("pop3", says(IMAP)),
    "pop3-tls-on-clear-port": Beast("stalls-pop3", secure),
    "pop3-clear-on-tls-port": Beast("pop3", says(POP), scheme="pop3s"),
    "pop3-greets-err": Beast("pop3", says((b"-ERR [SYS/TEMP] too busy\r\n", close))),
    "pop3-closes-at-once": Beast("pop3", close),
    "pop3-closes-at-pass": Beast("pop3", says(POP, close)),
    "pop3-resets-at-pass": Beast("pop3", says(POP, reset)),
    "pop3-never-greets": Beast("stalls-pop3", says(b"")),
    "pop3-too-early": Beast("pop3", says(at_once(POP + b"+OK\r\n"))),
    "pop3-after-quit": Beast("pop3", says(POP, b"+OK\r\n", b"+OK\r\n.\r\n", MESSAGE, b"+OK bye\r\n+OK more\r\n")),
    "pop3-floods-after-quit": Beast(
        "pop3", says(POP, b"+OK\r\n", b"+OK\r\n.\r\n", MESSAGE, (b"+OK bye\r\n", floods(b"+OK\r\n" * 999)))
    ),
    "pop3-starttls-refused": Beast("tls-pop3", says(POP, b"-ERR not now\r\n")),
    "pop3-starttls-after": Beast("tls-pop3", says(POP, (b"+OK go\r\n+OK injected\r\n",))),
    "pop3-starttls-half-after": Beast("tls-pop3", says(POP, (b"+OK go\r\n+OK inj",))),
    "pop3-starttls-early": Beast("tls-pop3", says(at_once(POP + b"+OK go\r\n"))),
    "pop3-starttls-closes": Beast("tls-pop3", says(POP, (b"+OK go\r\n", close))),
    "pop3-tls-no-close-notify": Beast("tls-pop3", says(POP, (b"+OK go\r\n", secure), (b"+OK hal", cut_off))),
    "pop3-scram-no-proof": Beast("auth-pop3", says(POP, scram(b"+ %b\r\n"), b"+OK\r\n")),
    "pop3-scram-wrong-proof": Beast("auth-pop3", says(POP, scram(b"+ %b\r\n"), b"+ " + PROOF + b"\r\n", b"+OK\r\n")),
    "pop3-challenge-no-base64": Beast("auth-pop3", says(POP, b"+ !!!\r\n")),
    "pop3-challenges-for-ever": Beast("auth-pop3", says(POP, *[b"+ \r\n"] * 20)),
    "pop3-apop-no-timestamp": Beast("apop-pop3", says(b"+OK ready\r\n")),
    "pop3-apop-refused": Beast("apop-pop3", says(POP, b"-ERR no\r\n")),
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
    "sieve-literal-4g": Beast("sieve", script(b"{4294967295}\r\nx")),
    "sieve-literal-negative": Beast("sieve", script(b"{-1}\r\nx\r\nOK\r\n")),
    "sieve-literal-23-digits": Beast("sieve", script(b"{" + b"9" * 23 + b"}\r\nx")),
    "sieve-literal-letters": Beast("sieve", script(b"{abc}\r\nx\r\nOK\r\n")),
    "sieve-literal-hangs": Beast("stalls-sieve", script(b"{342}\r\nrequire")),
    "sieve-literal-closes": Beast("sieve", script(b"{342}\r\nrequire", close)),
    "sieve-literal-resets": Beast("sieve", script(b"{342}\r\nrequire", reset)),
    "sieve-literal-with-replies": Beast("sieve", script(b'{15}\r\nOK\r\nNO\r\nBYE "x"\r\nOK\r\n')),
    "sieve-literal-large": Beast("sieve", script(b"{67108864}\r\n", floods(b"x" * 65536, 1024), b"\r\nOK\r\n")),
    "sieve-literals-for-ever": Beast("sieve", script(floods(b"{5}\r\nabcde\r\n" * 1000))),
    "sieve-list-100000": Beast("sieve", scripts(b'"x"\r\n' * 100_000 + b"OK\r\n")),
    "sieve-list-never-ends": Beast("stalls-sieve", scripts(b'"x"\r\n')),
    "sieve-capabilities-100000": Beast("sieve", says(b'"X"\r\n' * 100_000 + b"OK\r\n")),
    "sieve-line-64k": Beast("sieve", scripts(b'"' + b"x" * 66000 + b'"\r\nOK\r\n')),
    "sieve-line-for-ever": Beast("sieve", scripts(b'"', floods(b"x" * 60000))),
    "sieve-zeros": Beast("sieve", scripts(floods(b"\0" * 60000))),
    "sieve-string-never-ends": Beast("sieve", scripts(b'"x\r\nOK\r\n')),
    "sieve-code-never-closed": Beast("sieve", says(SIEVE, b'NO (QUOTA "full"\r\n')),
    "sieve-refused": Beast("sieve", says(SIEVE, b'NO (AUTH-TOO-WEAK) "\x1b[2Jno\x00\xff"\r\n')),
    "sieve-refused-by-literal": Beast("sieve", says(SIEVE, b"NO {11}\r\nno\r\nOK \x1b[2J\r\n")),
    "sieve-nul": Beast("sieve", scripts(b"\0\r\n")),
    "sieve-eight-bit": Beast("sieve", scripts(b"\xff\xfe\r\n")),
    "sieve-bare-lf": Beast("sieve", says(b"OK\n")),
    "sieve-utf-16": Beast("sieve", says("OK\r\n".encode("utf-16"))),
    "sieve-http": Beast("sieve", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    "sieve-smtp": Beast("sieve", says(b"220 mx.example.org ESMTP\r\n")),
    "sieve-imap": Beast("sieve", says(IMAP)),
    "sieve-imap-tagged": Beast("sieve", says(SIEVE, b"A1 OK\r\n")),
    "sieve-tls-on-clear-port": Beast("stalls-sieve", secure),
    "sieve-greets-no": Beast("sieve", says((b'NO "too busy"\r\n', close))),
    "sieve-greets-bye": Beast("sieve", says((b'BYE "too busy"\r\n', close))),
    "sieve-bye-referral": Beast("sieve", says((b'BYE (REFERRAL "sieve://mx.example.net") "moved"\r\n', close))),
    "sieve-bye-after-greeting": Beast("sieve", says((at_once(SIEVE + b'BYE "going down"\r\n'), close))),
    "sieve-bye-in-auth": Beast("sieve", says(SIEVE, (b'BYE "too many failures"\r\n', close))),
    "sieve-bye-in-list": Beast("sieve", scripts(b'"x"\r\nBYE "going down"\r\n', close)),
    "sieve-bye-in-literal": Beast("sieve", script(b'{50}\r\nBYE "going down"\r\n', close)),
    "sieve-bye-at-logout": Beast("sieve", says(SIEVE, b"OK\r\n", b"OK\r\n", b"OK\r\n", (b"BYE\r\n", close))),
    "sieve-closes-at-once": Beast("sieve", close),
    "sieve-resets-in-auth": Beast("sieve", says(SIEVE, reset)),
    "sieve-never-greets": Beast("stalls-sieve", says(b"")),
    "sieve-never-greets-whole": Beast("stalls-sieve", says(b'"IMPLEMENTATION" "x"\r\n')),
    "sieve-slow-drip": Beast("stalls-sieve", says(drips(b'"drip" "drip" '))),
    "sieve-too-early": Beast("sieve", says(at_once(SIEVE + b"OK\r\n"))),
    "sieve-floods-after-logout": Beast(
        "sieve", says(SIEVE, b"OK\r\n", b"OK\r\n", b"OK\r\n", (b"OK\r\n", floods(b"OK\r\n" * 999)))
    ),
    "sieve-starttls-refused": Beast("tls-sieve", says(SIEVE, b'NO "not now"\r\n')),
    "sieve-starttls-bye": Beast("tls-sieve", says(SIEVE, (b'BYE "not now"\r\n', close))),
    "sieve-starttls-stripped": Beast("offered-sieve", says(b'"SASL" "PLAIN"\r\nOK\r\n', b"NO\r\n")),
    "sieve-starttls-before": Beast("tls-sieve", says(SIEVE, (b'"SASL" "PLAIN"\r\nOK\r\n', secure, SIEVE, close))),
    "sieve-starttls-after": Beast("tls-sieve", says(SIEVE, (b"OK\r\n" + SIEVE,))),
    "sieve-starttls-half-after": Beast("tls-sieve", says(SIEVE, (b'OK\r\n"SASL',))),
    "sieve-starttls-early": Beast("tls-sieve", says(at_once(SIEVE + b"OK\r\n"))),
    "sieve-starttls-closes": Beast("tls-sieve", says(SIEVE, (b"OK\r\n", close))),
    "sieve-starttls-no-greeting": Beast("stalls-tls-sieve", says(SIEVE, (b"OK\r\n", secure))),
    "sieve-starttls-greets-no": Beast("tls-sieve", says(SIEVE, (b"OK\r\n", secure, b'NO "x"\r\n'))),
    "sieve-tls-no-close-notify": Beast("tls-sieve", says(SIEVE, (b"OK\r\n", secure, b'"SASL" "PL', cut_off))),
    "sieve-scram-no-proof": Beast("auth-sieve", says(SIEVE, scram(b'"%b"\r\n'), b"OK\r\n")),
    "sieve-scram-at-once": Beast("auth-sieve", says(SIEVE, b"OK\r\n")),
    "sieve-scram-wrong-proof": Beast("auth-sieve", says(SIEVE, scram(b'"%b"\r\n'), b'OK (SASL "' + PROOF + b'")\r\n')),
    "sieve-scram-no-base64": Beast("auth-sieve", says(SIEVE, scram(b'"%b"\r\n'), b'OK (SASL "!!!")\r\n')),
    "sieve-challenge-no-base64": Beast("auth-sieve", says(SIEVE, b'"!!!"\r\n')),
    "sieve-challenge-huge": Beast("auth-sieve", says(SIEVE, b"{60000}\r\n" + b"x" * 60000 + b"\r\n")),
    "sieve-challenge-too-large": Beast(
        "auth-sieve", says(SIEVE, (b"{60000000}\r\n", floods(b"x" * 60000, 1000), b"\r\n"))
    ),
    "sieve-challenges-for-ever": Beast("auth-sieve", says(SIEVE, *[b'""\r\n'] * 20)),
}

# Lines

TCP_BEASTS = {
    "tcp-lines-100000": Beast("tcp", says(b"hello\r\n", b"x\r\n" * 100_000)),
    "tcp-lines-for-ever": Beast("tcp", says(b"hello\r\n", floods(b"x\r\n" * 10000))),
    "tcp-line-64k": Beast("tcp", says(b"hello\r\n", b"x" * 66000 + b"\r\n")),
    "tcp-line-for-ever": Beast("tcp", says(b"hello\r\n", floods(b"x" * 60000))),
    "tcp-zeros": Beast("tcp", says(b"hello\r\n", floods(b"\0" * 60000))),
    "tcp-never-ends": Beast("stalls-tcp", says(b"hello\r\n", b"one\r\ntwo\r\nhal")),
    "tcp-closes": Beast("tcp", says(b"hello\r\n", (b"one\r\nhal", close))),
    "tcp-resets": Beast("tcp", says(b"hello\r\n", (b"one\r\n", reset))),
    "tcp-never-greets": Beast("stalls-tcp", says(b"")),
    "tcp-closes-at-once": Beast("tcp", close),
    "tcp-garbage": Beast("tcp", says((b"\0\xff\x1b[2J\r\n", close))),
    "tcp-eight-bit": Beast("tcp", says(b"hello\r\n", b"\0\xff\r\nend\n", b"bye\n")),
    "tcp-too-early": Beast("tcp", says(at_once(b"hello\r\nmore\r\n"))),
    "tcp-too-late": Beast("tcp", says(b"hello\r\n", b"end\r\n", b"bye\r\nmore\r\n")),
    "tcp-utf-16": Beast("tcp", says("hello\r\n".encode("utf-16"))),
    "tcp-slow-drip": Beast("stalls-tcp", says(drips(b"drip drip "))),
    "tcp-floods-at-end": Beast("tcp", says(b"hello\r\n", b"end\r\n", (b"bye\r\n", floods(b"more\r\n" * 999)))),
}


# Those that send without end, or far too much.
FLOODS = tuple(
    name
    for name in (*IMAP_BEASTS, *POP3_BEASTS, *SIEVE_BEASTS, *TCP_BEASTS)
    if re.search(
        "100000|for-ever|without-end|in-one-line|zeros|floods|flood|large|-mb$|dots|clear-text|capability", name
    )
)
# Those that behave: what the others do must cost them nothing.
HEALTHY = {
    "imap-healthy": Beast("imap", says(IMAP, OK, FETCH + b"{2}\r\nhi)\r\n" + OK, b"* BYE\r\n" + OK)),
    "pop3-healthy": Beast("pop3", says(POP, b"+OK\r\n", b"+OK\r\n.\r\n", MESSAGE, b"+OK\r\n")),
    "sieve-healthy": Beast("sieve", says(SIEVE, b"OK\r\n", b"OK\r\n", b"OK\r\n", b"OK\r\n")),
    "tcp-healthy": Beast("tcp", says(b"hello\r\n", b"one\r\nend\r\n", b"bye\r\n")),
}
ZOO = {**IMAP_BEASTS, **POP3_BEASTS, **SIEVE_BEASTS, **TCP_BEASTS, **HEALTHY}
