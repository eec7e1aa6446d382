"""What the language has, each against a mirror: the mirror finds out by itself what makes the steps pass."""

from __future__ import annotations

import pytest
from mirroring import alone, over_sockets, said, scenario_of, told

from runner.results import Outcome

HELLO = """\
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
"""
IMAP = "protocol: imap\nsecrets: [password]"
POP3 = "protocol: pop3\nsecrets: [password]"
SIEVE = "protocol: sieve\nsecrets: [password]"
LOGIN = "  - expect: OK\n  - send: LOGIN ${username} ${password}\n    expect: OK\n"

FEATURES = {
    "any digit": ("", HELLO + "  - send: NOOP\n    expect: 2xx\n"),
    "refusal of any kind": ("", HELLO + "  - send: VRFY x\n    expect: 5xx\n"),
    "status parts": ("", HELLO + "  - send: RCPT TO:<x>\n    expect: 550 5.1.x *\n"),
    "status short": ("", HELLO + "  - send: RCPT TO:<x>\n    expect: 4xx 4.x\n"),
    "glob": ("", HELLO + "  - send: NOOP\n    expect: 250 2.0.0 queued as * by ?x\\*\n"),
    "regex": ("", HELLO + "  - send: NOOP\n    expect: 250 /^queued as [A-F0-9]{8}-(?:x|y)+$/i\n"),
    "alternatives": ("", HELLO + "  - send: NOOP\n    expect: [550 5.1.1, 250, close]\n"),
    "block": ("", "  - expect: |\n      220-mx *\n      ...\n      220 last\n    lines: 5\n"),
    "has and lacks": ("", HELLO + "  - send: HELP\n    expect: 214\n    has: [AUTH *, /\\d+ commands/]\n    lacks: 'done'\n"),
    "lines": ("", HELLO + "  - send: HELP\n    expect: 214\n    lines: 7\n"),
    "within": ("", HELLO + "  - send: NOOP\n    expect: 250\n    within: 1s\n"),
    "captures": (
        "",
        HELLO + "  - send: NOOP\n    expect: 250\n    capture: {id: '/id=(\\w+)/', code: code, status: status, all: text}\n"
        "  - send: VRFY ${id} ${code} ${status} ${all}\n    expect: 252\n",
    ),
    "named groups": (
        "",
        HELLO + "  - send: NOOP\n    expect: 250 /id (?P<id>\\w+)/\n  - send: VRFY ${id}\n    expect: 252\n",
    ),
    "capability sizes": (
        "",
        ("  - expect: 220\n  - send: EHLO x\n    expect: 250\n"
        "    capabilities: {SIZE: '>= 10MB', AUTH: [PLAIN, X], HELP: absent, X-EXACT: {exactly: [a, b]}, STARTTLS: required}\n"),
    ),
    "captured capability": (
        "",
        ("  - expect: 220\n  - send: EHLO x\n    expect: 250\n    capture: {limit: '/^SIZE *(\\d*)/m'}\n"
        "  - send: MAIL FROM:<a@b> SIZE=${limit}0\n    expect: 552\n"),
    ),
    "placeholder code": ("vars: {reply: 553 5.7.1}", HELLO + "  - send: RCPT TO:<x>\n    expect: ${reply} *\n"),
    "made-up code": ("", HELLO + "  - send: RCPT TO:<x>\n    expect: ${reply}\n"),
    "when else": (
        "",
        HELLO + "  - when: {capability: X}\n    steps:\n      - send: NOOP\n        expect: 250\n"
        "    else:\n      - send: RSET\n        expect: 250\n      - send: NOOP\n        expect: 250\n",
    ),
    "when reply": (
        "",
        HELLO + "  - send: MAIL FROM:<a@b>\n    expect: [530, 250]\n"
        "  - when: {reply: 250}\n    send: RCPT TO:<c@d>\n    expect: 250\n",
    ),
    "when captured": (
        "",
        HELLO + "  - send: NOOP\n    expect: 250\n    capture: {n: '/n=(\\d+)/'}\n"
        "  - when: {var: n, is: '/^[1-9]/'}\n    send: VRFY ${n}\n    expect: 252\n",
    ),
    "repeat": ("", HELLO + "  - repeat: 3\n    steps:\n      - send: NOOP ${index}\n        expect: 250\n"),
    "each keeps going": (
        "",
        HELLO + "  - repeat: {each: [a, b], as: x}\n    keep_going: true\n    steps:\n"
        "      - send: RCPT TO:<${x}>\n        expect: [5xx, 4xx]\n",
    ),
    "retry": (
        "",
        HELLO + "  - retry: {every: 10s, for: 1m}\n    steps:\n      - send: NOOP ${attempt}\n        expect: 250\n",
    ),
    "connect again": ("", HELLO + "  - connect:\n    expect: 220\n  - send: EHLO x\n    expect: 250\n"),
    "connect refused": ("", "  - connect:\n    expect: refused\n"),
    "connect reset": ("", "  - connect:\n    expect: reset\n"),
    "connect banned": ("", "  - connect:\n    expect: [timeout, 421, refused]\n"),
    "no greeting": ("", "  - connect:\n    expect: silence\n    for: 2s\n  - close: fin\n"),
    "wait": ("", HELLO + "  - wait: 1h\n  - send: NOOP\n    expect: 250\n"),
    "silence": ("", HELLO + "  - expect: silence\n    for: 1m\n  - send: NOOP\n    expect: 250\n"),
    "close": ("", HELLO + "  - send: QUIT\n    expect: 221\n  - expect: close\n"),
    "close words": ("", HELLO + "  - send: QUIT\n    expect: [221, close]\n  - connect:\n    expect: 220\n"),
    "hang up": ("", HELLO + "  - close: quit\n    expect: 221\n  - connect:\n    expect: 220\n  - close: fin\n"),
    "any": ("", HELLO + "  - send: NOOP\n    expect: any\n"),
    "later reply": ("", "  - send: NOOP\n  - expect: 220\n  - expect: 250\n"),
    "unread replies": ("", HELLO + "  - send: NOOP\n  - send: RSET\n  - close: quit\n"),
    "reply while time passes": ("", HELLO + "  - send: NOOP\n  - wait: 10s\n  - expect: 250 ok *\n    within: 2s\n"),
    "first line of a block": (
        "",
        "  - expect_line: 220-*\n  - wait: 1s\n  - expect: |\n      220-please wait\n      220 mx.example *\n",
    ),
    "first line": ("", "  - connect:\n    expect_line: 220-*\n  - expect: 220\n    lines: 3\n"),
    "pipeline": (
        "",
        HELLO + "  - pipeline:\n      - send: MAIL FROM:<a@b>\n        expect: 250\n      - send: RCPT TO:<>\n"
        "        expect: 5xx\n      - send: DATA\n        expect: 354\n  - data: x\n    expect: 250 /as (?P<q>\\w+)/\n",
    ),
    "data": (
        "",
        HELLO + "  - talk: |\n      C: MAIL FROM:<a@b>\n      S: 250\n      C: RCPT TO:<c@d>\n      S: 250\n      C: DATA\n"
        "      S: 354\n  - data: {size: 300KB}\n    expect: 250\n",
    ),
    "bdat": ("", HELLO + "  - bdat: abc\n    expect: 250\n  - bdat: def\n    last: true\n    expect: 250\n"),
    "bytes": ("", HELLO + "  - bytes: 'NOOP\\r\\nNOOP\\r\\n'\n    replies: 2\n    expect: 250\n  - expect: 250\n"),
    "no smuggling": (
        "",
        HELLO + "  - send: DATA\n    expect: 354\n  - bytes: 'x\\n.\\nNOOP\\r\\n'\n    expect: [silence, 5xx, close]\n"
        "    for: 3s\n  - when: {reply: silence}\n    steps:\n      - bytes: '\\r\\n.\\r\\n'\n        expect: [250, 5xx]\n",
    ),
    "auth by hand": (
        "secrets: [password]",
        HELLO + "  - send: AUTH LOGIN\n    expect: '334 Username:'\n  - send: ${username}\n"
        "    expect: 334 UGFzc3dvcmQ6\n  - send: ${password}\n    expect: 235 2.7.0 *\n",
    ),
    "auth in the line": ("secrets: [password]", HELLO + "  - send: AUTH PLAIN \\0${username}\\0${password}\n    expect: 235\n"),
    "auth cancelled": ("", HELLO + "  - send: AUTH PLAIN\n    expect: 334\n  - send: '*'\n    expect: 501\n"),
    "auth best": ("secrets: [password]", HELLO.replace("expect: 250", "expect: 250") + "  - auth: best\n"),
    "auth refused": ("secrets: [password]", HELLO + "  - auth: {mechanism: SCRAM-SHA-1, password: no}\n    expect: 535\n"),
    "auth token": ("secrets: [token]", HELLO + "  - auth: XOAUTH2\n  - connect:\n  - expect: 220\n  - auth: OAUTHBEARER\n"),
    "auth external": ("", HELLO + "  - auth: EXTERNAL\n"),
    "warning": ("", HELLO + "  - send: NOOP\n    expect: 250\n    severity: warning\n"),
    "cleanup": ("cleanup:\n  - expect: 220\n  - send: EHLO x\n    expect: 250", HELLO),
    "requires": ("requires: {capability: X-OURS, target_tag: special, var: thing}", HELLO),
    "lmtp each": (
        "protocol: lmtp",
        ("  - expect: 220\n  - send: LHLO x\n    expect: 250\n  - send: MAIL FROM:<a@b>\n    expect: 250\n"
        "  - send: RCPT TO:<c@d>\n    expect: 250\n  - send: RCPT TO:<e@f>\n    expect: 250\n  - send: DATA\n"
        "    expect: 354\n  - data: x\n    expect_each: ['250', 452 4.2.2]\n"),
    ),
    "untagged": (IMAP, LOGIN + "  - send: SELECT INBOX\n    expect: OK [READ-WRITE]\n    untagged: ['* EXISTS', /^FLAGS \\((.*)\\)/]\n"),
    "imap block": (
        "protocol: imap",
        "  - expect: OK\n  - talk: |\n      C: CAPABILITY\n      S: * CAPABILITY *IMAP4rev1 *\n      S: OK *\n",
    ),
    "idle": (
        IMAP,
        LOGIN + "  - send: IDLE\n    expect: +\n  - expect: untagged\n    untagged: /(?P<n>\\d+) EXISTS/\n    within: 5s\n"
        "  - send: DONE\n    expect: OK\n  - send: FETCH ${n} FLAGS\n    expect: OK\n",
    ),
    "literals": (
        IMAP,
        LOGIN + "  - send: APPEND INBOX\n    literal: |\n      Subject: x\n\n      y\n    expect: OK [APPENDUID * 2]\n"
        "  - send: APPEND INBOX\n    literal: {text: abc, sync: false}\n    expect: NO [TOOBIG]\n",
    ),
    "message": (
        IMAP,
        LOGIN + "  - send: UID FETCH 17 (FLAGS BODY.PEEK[])\n    expect: OK\n    untagged: '* FETCH (*\\\\Seen*'\n    message:\n"
        "      headers: {Subject: 'Re: *', Received: [/from a/, 'by *'], X-No: absent, DKIM-Signature: present, "
        "To: {lacks: '*nobody*'}}\n      body: ['*hello*', /n=\\d+/]\n      lacks: virus\n      size: '>= 2000'\n"
        "      attachments: [a.pdf, '*.zip']\n",
    ),
    "small message": (IMAP, LOGIN + "  - send: FETCH 1 BODY[]\n    expect: OK\n    message: {size: '< 40', attachments: 0}\n"),
    "header fields": (
        IMAP,
        LOGIN + "  - send: FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\n    expect: OK\n    lacks: 'From: *'\n"
        "    message: {headers: {Subject: x*}}\n",
    ),
    "imap capabilities": (
        IMAP,
        ("  - expect: OK\n    capabilities: [IDLE, AUTH=PLAIN]\n  - send: CAPABILITY\n    expect: OK\n"
        "    capabilities: {AUTH: [SCRAM-SHA-256], APPENDLIMIT: '>= 1MB', LOGINDISABLED: absent}\n  - auth: SCRAM-SHA-256\n"),
    ),
    "imap login by hand": (
        IMAP,
        "  - expect: OK\n  - send: AUTHENTICATE PLAIN\n    expect: +\n  - send: \\0${username}\\0${password}\n    expect: OK\n",
    ),
    "preauth": ("protocol: imap", "  - expect: PREAUTH\n  - send: NOOP\n    expect: OK\n"),
    "bye": ("protocol: imap", "  - expect: BYE *\n"),
    "pop3": (
        POP3,
        ("  - expect: +OK\n  - send: CAPA\n    expect: +OK\n    capabilities: {SASL: [PLAIN], UIDL: required}\n"
        "  - auth: CRAM-MD5\n  - send: LIST\n    expect: +OK\n    has: /^1 \\d+$/m\n    lines: 4\n  - send: RETR 1\n"
        "    expect: +OK\n    message: {headers: {Subject: '.x'}, body: .dot}\n  - send: DELE 9\n    expect: -ERR [SYS/TEMP] *\n"),
    ),
    "apop": (POP3, "  - expect: +OK *<1896.697170952@dbc.mtview.ca.us>\n  - auth: APOP\n"),
    "pop3 by hand": (POP3, "  - expect: +OK\n  - send: USER ${username}\n    expect: +OK\n  - send: PASS ${password}\n    expect: +OK\n"),
    "sieve": (
        SIEVE,
        ("  - expect: OK\n    capabilities: {SIEVE: [fileinto], SASL: required}\n  - auth: SCRAM-SHA-1\n"
        '  - send: PUTSCRIPT "x"\n    literal: keep;\n    expect: OK (WARNINGS) *\n  - send: LISTSCRIPTS\n    expect: OK\n'
        "    has: ['\"x\" ACTIVE', '\"y\"']\n  - send: GETSCRIPT \"x\"\n    expect: OK\n    has: 'require [\"fileinto\"];'\n"
        '  - send: SETACTIVE "z"\n    expect: NO (NONEXISTENT) *\n'),
    ),
    "tcp lines": ("protocol: tcp", "  - send: PING\n    expect: PONG *\n  - send: STATS\n    expect: STAT *\n    until: {lines: 3}\n"),
    "tcp end": ("protocol: tcp", "  - send: X\n    expect: a*\n    until: /^END$/\n    has: [b, /c\\d/]\n"),
    "tcp pause": ("protocol: tcp", "  - send: X\n    expect: a*\n    until: {silence: 2s}\n"),
    "sessions": (
        "sessions: {inbox: imap, many: {target: smtp, count: 3}}",
        HELLO + '  - session: inbox\n    steps:\n      - expect: OK\n      - send: SEARCH SUBJECT "${unique}"\n        expect: OK\n'
        "        capture: {n: '/^\\* SEARCH (\\d+)/m'}\n  - session: many\n    expect: 220\n  - session: 'many[2]'\n    send: NOOP\n"
        "    expect: 250\n",
    ),
    "proxy": ("", "  - connect: {proxy_protocol: v2}\n    expect: 220\n"),
    "lower case": ("", "  - expect: 220\n  - send: ehlo x\n    expect: 250\n    capabilities: [STARTTLS]\n"),
}  # fmt: skip

TLS = {
    "starttls": ("", HELLO + "  - starttls:\n  - send: EHLO x\n    expect: 250\n    capabilities: {STARTTLS: absent}\n"),
    "refused": ("", HELLO + "  - starttls:\n    expect: 454\n"),
    "version": ("", HELLO + "  - starttls:\n    tls_expect: {version: TLSv1.2}\n"),
    "cipher": ("", HELLO + "  - starttls:\n    tls_expect: {cipher: ECDHE-*-AES128-GCM-*}\n"),
    "names": ("", HELLO + "  - starttls: {server_name: mx.example.com}\n    tls_expect: {names: [mx.example.com, mail.example.com]}\n"),
    "issuer": ("", HELLO + "  - starttls:\n    tls_expect: {issuer: 'CN=Our own CA*'}\n"),
    "issuer with escapes": ("", HELLO + "  - starttls:\n    tls_expect: {issuer: 'CN=Testing CA #x,OU=\\\"a\\+b\\\",O=Foo\\, Inc.,C=us'}\n"),
    "part of an issuer with a comma": ("", HELLO + "  - starttls:\n    tls_expect: {issuer: '*, Inc*'}\n"),
    "issuer with an address": ("", HELLO + "  - starttls:\n    tls_expect: {issuer: '1.2.840.113549.1.9.1=ca@example.org,CN=*,DC=org'}\n"),
    "whole issuer": ("", HELLO + "  - starttls:\n    tls_expect: {issuer: '*O=*'}\n"),
    "validity": ("", HELLO + "  - starttls:\n    tls_expect: {valid_for: 400d}\n"),
    "key": ("", HELLO + "  - starttls:\n    tls_expect: {public_key: 'RSA >= 2048'}\n"),
    "another key": ("", HELLO + "  - starttls:\n    tls_expect: {public_key: ['EC >= 384', Ed25519]}\n"),
    "expired": ("", HELLO + "  - starttls:\n    tls_expect: {fails: expired}\n"),
    "untrusted": ("", HELLO + "  - starttls:\n    tls_expect: {fails: untrusted}\n"),
    "name": ("", HELLO + "  - starttls: {server_name: other.example.com}\n    tls_expect: {fails: name}\n"),
    "protocol": ("", HELLO + "  - starttls: {min: TLSv1.2, max: TLSv1.2}\n    tls_expect: {fails: protocol}\n"),
    "implicit": ("", "  - connect:\n    expect: 220\n    tls_expect: {version: TLSv1.3}\n"),
    "by hand": ("", HELLO + "  - send: STARTTLS\n    expect: 220\n  - tls:\n"),
    "binding": (
        "secrets: [password]",
        HELLO + "  - starttls: {max: TLSv1.2}\n  - auth: SCRAM-SHA-256-PLUS\n",
    ),
    "end point": ("secrets: [password]", HELLO + "  - starttls:\n  - auth: SCRAM-SHA-1-PLUS\n"),
    "same certificate": (
        "sessions: {other: smtp}",
        HELLO + "  - starttls:\n  - session: other\n    steps:\n      - expect: 220\n      - starttls:\n"
        "        tls_expect: {same_certificate_as: main}\n",
    ),
    "sieve greets again": (SIEVE, "  - expect: OK\n  - starttls:\n  - auth: PLAIN\n"),
    "pop3": (POP3, "  - expect: +OK\n  - starttls:\n  - send: CAPA\n    expect: +OK\n    capabilities: {STLS: absent}\n"),
    "own ca": ("", HELLO + "  - starttls: {verify: true}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FEATURES)
def test_passes(name):
    """A mirror makes the steps pass, all that can run among them."""
    top, steps = FEATURES[name]
    playing = alone(steps, top=top)
    assert playing.result is not None, playing.stuck
    assert Outcome.PASSED is playing.result.outcome, told(playing)
    assert () == playing.result.warnings


@pytest.mark.parametrize("name", TLS)
def test_passes_with_tls(name):
    """So it does where TLS and a certificate of some kind are expected."""
    top, steps = TLS[name]
    playing = alone(steps, top=top)
    assert playing.result is not None, playing.stuck
    assert Outcome.PASSED is playing.result.outcome, told(playing)


@pytest.mark.parametrize("name", TLS)
def test_passes_with_real_tls(name):
    """The handshakes are so in truth, and not only in the mirror's mind."""
    top, steps = TLS[name]
    result = over_sockets(scenario_of(steps, top))
    assert Outcome.PASSED is result.outcome, result.reason


class TestChoice:
    """Which of several replies a mirror gives."""

    def test_most_steps_run(self):
        """Of alternatives the one is said after which most steps run, else the first."""
        playing = alone(FEATURES["when reply"][1])
        assert "250 done\r\n" == said(playing)[2]
        assert "550 5.1.1 done\r\n" == said(alone(FEATURES["alternatives"][1]))[2]

    def test_larger_branch(self):
        """A capability that a condition hangs on is shown if more steps run so."""
        playing = alone(FEATURES["when else"][1])
        assert ["220", "250", "250", "250"] == [one.code for one in playing.said]
        assert "X" not in said(playing)[1].split()

    def test_plausible(self):
        """What is not asked for is what a server would say."""
        playing = alone(HELLO)
        assert "220 mirror.example ready\r\n" == said(playing)[0]
        expected = ["mirror.example", "PIPELINING", "SIZE 10485760", "8BITMIME", "ENHANCEDSTATUSCODES"]
        assert expected == [line[4:] for line in said(playing)[1].splitlines()]

    def test_retry_passes_at_once(self):
        """Attempts pass at the first one."""
        assert 3 == len(alone(FEATURES["retry"][1]).said)


STUCK = {
    "timeout": ("", "  - connect:\n    expect: timeout\n", "comes to nothing in time"),
    "after refused": ("", "  - connect:\n    expect: refused\n  - connect:\n    expect: 220\n", "after one that was refused"),
    "ntlm": ("secrets: [password]", HELLO + "  - auth: NTLM\n", "NTLM can't be mirrored"),
    "gssapi": ("secrets: [password]", HELLO + "  - auth: GSSAPI\n", "can't be mirrored"),
    "contradiction": ("", HELLO + "  - send: NOOP\n    expect: 250 abc\n    lacks: '*b*'\n", "no text is found that fits 250 abc"),
    "more than a regex sees": ("", HELLO + "  - send: NOOP\n    expect: 250 /^a{999}b{999}c{999}d{999}e{999}$/\n", "no text is found"),
    "cipher": ("", HELLO + "  - starttls:\n    tls_expect: {cipher: NO-SUCH-*}\n", "no cipher is found that fits NO-SUCH-*"),
}  # fmt: skip


@pytest.mark.parametrize("name", STUCK)
def test_says_what_it_cant(name):
    """What no server could say, or none here, is told with its place and step; nothing is said in its stead."""
    top, steps, expected = STUCK[name]
    playing = alone(steps, top=top)
    assert playing.result is None
    assert expected in playing.stuck
    assert playing.stuck.startswith("test.yaml:")
