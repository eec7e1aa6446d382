"""`auth` over IMAP, POP3 and ManageSieve: how each writes the exchange, and what it says at its end."""

from __future__ import annotations

import base64

import pytest
from mailboxes import GREETINGS, converse, transcript
from memory import EOF
from playing import everything, shown
from scramp import ScramMechanism

from runner.results import Outcome

PASSWORD = "correct horse"
GIVEN = {"variables": {"username": "alice"}, "secrets": {"password": PASSWORD}}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode())


PLAIN = b64(f"\0alice\0{PASSWORD}")


def test_imap_without_an_initial_response():
    """Where the server does not take one in the line, it answers the empty challenge; only the line has a tag."""
    played = converse("imap", "  - {expect: OK}\n  - auth: PLAIN", b"+ \r\n", b"A1 OK\r\n", **GIVEN)
    assert b"A1 AUTHENTICATE PLAIN\r\n" + PLAIN + b"\r\nA2 LOGOUT\r\n" == played.sent[0]
    assert ["passed"] * 2 == shown(played.result)
    assert "C: ⟨password⟩" in transcript(played)


def test_imap_with_an_initial_response():
    """With SASL-IR it stands in the line, and its mark behind the tag."""
    greeting = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n"
    played = converse(
        "imap", "  - {expect: OK}\n  - auth: best", greeting, b"* 1 EXISTS\r\nA1 OK\r\n", greets=False, **GIVEN
    )
    assert b"A1 AUTHENTICATE PLAIN " + PLAIN + b"\r\nA2 LOGOUT\r\n" == played.sent[0]
    assert "C: A1 AUTHENTICATE PLAIN ⟨password⟩" in transcript(played)


def test_a_first_challenge_that_is_not_empty():
    """A response that was held back answers the empty challenge and no other."""
    result = converse("imap", "  - {expect: OK}\n  - auth: PLAIN", b"+ " + b64("who?") + b"\r\n", **GIVEN).result
    assert "failed: PLAIN: the client speaks first, but the first challenge is not empty" == shown(result)[1]


def test_a_long_initial_response():
    """POP3's lines are short: what does not fit answers the challenge (RFC 5034 section 4)."""
    secret = "x" * 300
    played = converse(
        "pop3",
        "  - {expect: +OK}\n  - auth: PLAIN",
        b"+ \r\n",
        b"+OK\r\n",
        variables={"username": "alice"},
        secrets={"password": secret},
    )
    assert b"AUTH PLAIN\r\n" + b64(f"\0alice\0{secret}") + b"\r\nQUIT\r\n" == played.sent[0]


@pytest.mark.parametrize(
    ("protocol", "opening", "challenge", "done", "lines"),
    [
        ("imap", "AUTHENTICATE LOGIN", b"+ %b\r\n", b"A1 OK\r\n", b"A1 AUTHENTICATE LOGIN\r\n%b\r\n%b\r\n"),
        ("pop3", "AUTH LOGIN", b"+ %b\r\n", b"+OK\r\n", b"AUTH LOGIN\r\n%b\r\n%b\r\n"),
        ("sieve", 'AUTHENTICATE "LOGIN"', b'"%b"\r\n', b"OK\r\n", b'AUTHENTICATE "LOGIN"\r\n"%b"\r\n"%b"\r\n'),
    ],
    ids=["imap", "pop3", "sieve"],
)
@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "auth"])
def test_login(by_hand, protocol, opening, challenge, done, lines):
    """The exchange by hand is encoded and written as that of `auth`."""
    code = "+OK" if protocol == "pop3" else "OK"
    steps = f"  - {{expect: {code}}}\n" + (
        f"  - {{send: '{opening}', expect: '+ Username:'}}\n"
        "  - {send: '${username}', expect: '+ Password:'}\n"
        f"  - {{send: '${{password}}', expect: {code}}}"
        if by_hand
        else "  - auth: LOGIN"
    )
    turns = (challenge % b64("Username:"), challenge % b64("Password:"), done)
    played = converse(protocol, steps, *turns, **GIVEN)
    assert Outcome.PASSED is played.result.outcome, shown(played.result)
    assert played.sent[0].startswith(lines % (b64("alice"), b64(PASSWORD)))
    assert "⟨password⟩" in "\n".join(transcript(played))
    assert PASSWORD not in everything(played.result)
    assert b64(PASSWORD).decode() not in everything(played.result)


def scram(last):
    """Return a ManageSieve server that speaks SCRAM and tells its proof beside the OK, as `last` makes it."""

    def server():
        mechanism = ScramMechanism("SCRAM-SHA-256")
        data = mechanism.make_auth_info(PASSWORD)
        exchange = mechanism.make_server(lambda _: data)
        line = yield GREETINGS["sieve"]
        exchange.set_client_first(base64.b64decode(line.split(b'"')[3]).decode())
        line = yield b'"' + b64(exchange.get_server_first()) + b'"\r\n'
        exchange.set_client_final(base64.b64decode(line.strip(b'"\r\n')).decode())
        yield last(b64(exchange.get_server_final()))
        yield (b"OK\r\n", EOF)

    return server


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (lambda proof: b'OK (SASL "%b") in\r\n' % proof, "passed"),
        (lambda _: b"OK in\r\n", "failed: SCRAM-SHA-256: the server reported success without proving that it knows"),
        (lambda _: b'OK (SASL "%b")\r\n' % b64("v=" + "A" * 43 + "="), "failed: SCRAM-SHA-256: "),
        (lambda _: b'OK (SASL "!!")\r\n', "failed: the challenge is not base64: '!!'"),
    ],
    ids=["proof", "no proof", "wrong proof", "rubbish"],
)
def test_a_proof_beside_the_success(last, outcome):
    """What a server says last is judged, also where it comes with its success (RFC 5804 section 1.3)."""
    result = converse("sieve", "  - {expect: OK}\n  - auth: SCRAM-SHA-256", scram(last), **GIVEN).result
    assert shown(result)[1].startswith(outcome)


# APOP.

APOP = {"variables": {"username": "mrose"}, "secrets": {"password": "tanstaaf"}}
DIGEST = "c4c9334bac560ecc979e58001b3e22fb"


def test_apop():
    """RFC 1939's example; what is made of the password is as secret, also when the server says it."""
    played = converse(
        "pop3", "  - {expect: +OK}\n  - {auth: APOP, expect: -ERR}", f"-ERR {DIGEST}?\r\n".encode(), **APOP
    )
    assert f"APOP mrose {DIGEST}\r\n".encode() in played.sent[0]
    assert "C: APOP mrose ⟨password⟩" in transcript(played)
    assert "S: -ERR ⟨password⟩?" in transcript(played)
    assert ["passed"] * 2 == shown(played.result)


@pytest.mark.parametrize(
    ("greeting", "reply", "reason"),
    [
        (b"+OK hi\r\n", b"+OK\r\n", "failed: APOP can't begin: the greeting has no timestamp"),
        (GREETINGS["pop3"], b"-ERR no\r\n", "failed: expected +OK, got -ERR no"),
    ],
    ids=["no timestamp", "refused"],
)
def test_apop_fails(greeting, reply, reason):
    """A server without APOP fails the step; nothing is sent."""
    played = converse("pop3", "  - {expect: +OK}\n  - auth: APOP", greeting, reply, greets=False, **APOP)
    assert shown(played.result)[1].startswith(reason)


@pytest.mark.parametrize(
    ("protocol", "code", "command"),
    [("imap", "OK", "CAPABILITY"), ("pop3", "+OK", "CAPA"), ("sieve", "OK", "CAPABILITY")],
)
def test_capabilities_that_were_not_read(protocol, code, command):
    """Whoever asks too early is told the command of the protocol."""
    greeting = b"OK\r\n" if protocol == "sieve" else GREETINGS[protocol]
    steps = f"  - {{expect: '{code}'}}\n  - {{auth: best}}"
    reason = shown(converse(protocol, steps, greeting, greets=False, **GIVEN).result)[1]
    assert protocol == "sieve" or reason.endswith(f"send {command} first")
    steps = "  - connect:\n  - {when: {capability: X}, send: NOOP, expect: any}"
    reason = shown(converse(protocol, steps, greeting, greets=False, **GIVEN).result)[1]
    assert reason.endswith(f"send {command} first")
