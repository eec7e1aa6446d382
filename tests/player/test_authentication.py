"""AUTH: by `auth`, and by hand with auto-encoding."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from memory import EOF
from playing import everything, shown
from scramp import ScramMechanism

from runner.protocol import Limits
from runner.results import Outcome

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
DONE = b"235 2.7.0 ok\r\n"
NO = b"535 5.7.8 wrong\r\n"
PASSWORD = "correct horse"
GIVEN = {"variables": {"username": "alice"}, "secrets": {"password": PASSWORD, "token": "tok-123456"}}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode())


def challenge(data):
    return b"334 " + b64(data) + b"\r\n"


def scram(verdict, *, proves=True, name="SCRAM-SHA-256"):
    """Return a server that speaks SCRAM and knows the password."""

    def server():
        mechanism = ScramMechanism(name)
        data = mechanism.make_auth_info(PASSWORD)
        exchange = mechanism.make_server(lambda _: data)
        line = yield HELLO
        exchange.set_client_first(base64.b64decode(line.split()[2]).decode())
        line = yield challenge(exchange.get_server_first())
        exchange.set_client_final(base64.b64decode(line).decode())
        if proves:
            line = yield challenge(exchange.get_server_final())
            assert line == b"\r\n"
        yield verdict
        yield (b"221 bye\r\n", EOF)

    return server


CRAM = hmac.new(PASSWORD.encode(), b"<1.2@mx>", hashlib.md5).hexdigest()
OAUTH = "n,a=alice,\x01host=127.0.0.1\x01port=25\x01auth=Bearer tok-123456\x01\x01"
XOAUTH = "user=alice\x01auth=Bearer tok-123456\x01\x01"
EXCHANGES = [
    ("PLAIN", (), b"AUTH PLAIN " + b64(f"\0alice\0{PASSWORD}") + b"\r\n"),
    (
        "LOGIN",
        (challenge("User"), challenge("Pass")),
        b"AUTH LOGIN\r\n" + b64("alice") + b"\r\n" + b64(PASSWORD) + b"\r\n",
    ),
    ("CRAM-MD5", (challenge("<1.2@mx>"),), b"AUTH CRAM-MD5\r\n" + b64(f"alice {CRAM}") + b"\r\n"),
    ("XOAUTH2", (), b"AUTH XOAUTH2 " + b64(XOAUTH) + b"\r\n"),
    ("OAUTHBEARER", (), b"AUTH OAUTHBEARER " + b64(OAUTH) + b"\r\n"),
    ("EXTERNAL", (), b"AUTH EXTERNAL =\r\n"),
    ("{mechanism: EXTERNAL, authzid: bob}", (), b"AUTH EXTERNAL Ym9i\r\n"),
    ("{mechanism: PLAIN, authzid: bob}", (), b"AUTH PLAIN " + b64(f"bob\0alice\0{PASSWORD}") + b"\r\n"),
    ("{mechanism: PLAIN, initial: false}", (b"334 \r\n",), b"AUTH PLAIN\r\n" + b64(f"\0alice\0{PASSWORD}") + b"\r\n"),
    ("{mechanism: EXTERNAL, initial: false}", (b"334\r\n",), b"AUTH EXTERNAL\r\n\r\n"),
]


@pytest.mark.parametrize(("auth", "challenges", "sent"), EXCHANGES, ids=[one[0] for one in EXCHANGES])
def test_mechanisms(run, auth, challenges, sent):
    """Each mechanism's lines on the wire; success passes, and nothing shows the secrets."""
    played = run(f"  - expect: 220\n  - auth: {auth}", HELLO, *challenges, DONE, **GIVEN)
    assert ["passed", "passed"] == shown(played.result)
    assert sent + b"QUIT\r\n" == played.sent[0]
    text = everything(played.result)
    for secret in (PASSWORD, "tok-123456", CRAM, b64(PASSWORD).decode(), b64(f"\0alice\0{PASSWORD}").decode()[12:-4]):
        assert secret not in text


@pytest.mark.parametrize(("auth", "challenges", "sent"), EXCHANGES, ids=[one[0] for one in EXCHANGES])
def test_a_refused_password(run, auth, challenges, sent):
    """A refusal fails the step with the server's words; the same can be expected."""
    result = run(f"  - expect: 220\n  - auth: {auth}", HELLO, *challenges, NO, **GIVEN).result
    assert "failed: expected 235, got 535 5.7.8 wrong" == shown(result)[1]
    result = run(f"  - expect: 220\n  - {{auth: {auth}, expect: 535}}", HELLO, *challenges, NO, **GIVEN).result
    assert Outcome.PASSED is result.outcome


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_scram(run, name):
    """SCRAM against another implementation: the server's proof comes as a challenge."""
    assert Outcome.PASSED is run(f"  - expect: 220\n  - auth: {name}", scram(DONE, name=name), **GIVEN).result.outcome


def test_scram_without_the_servers_proof(run):
    """Success without the server's proof is a failure."""
    result = run("  - expect: 220\n  - auth: SCRAM-SHA-256", scram(DONE, proves=False), **GIVEN).result
    assert (
        "failed: SCRAM-SHA-256: the server reported success without proving that it knows the password"
        == shown(result)[1]
    )


def test_a_refusal_inside_the_exchange(run):
    """What OAUTHBEARER says of its refusal within the exchange is in the reason."""
    error = '{"status":"invalid_token"}'
    played = run("  - expect: 220\n  - auth: OAUTHBEARER", HELLO, challenge(error), NO, **GIVEN)
    assert f"failed: expected 235, got 535 5.7.8 wrong; within the exchange it said: {error}" == shown(played.result)[1]
    assert b"\r\nAQ==\r\n" in played.sent[0]
    result = run("  - expect: 220\n  - auth: OAUTHBEARER", HELLO, challenge(error), DONE, **GIVEN).result
    assert shown(result)[1].startswith("failed: OAUTHBEARER: the server reported success after it had refused")


@pytest.mark.parametrize(
    ("auth", "turn", "reason"),
    [
        ("LOGIN", b"334 ???\r\n", "the challenge is not base64: '???'"),
        ("LOGIN", b"334 \r\n", "LOGIN: the challenge that asks for the username is empty, a prompt was due"),
        ("LOGIN", b"334-VXNlcg==\r\n334 VXNlcg==\r\n", "the challenge has 2 lines, where one is due: 334-VXNlcg== …"),
        (
            "LOGIN",
            b"334 " + b"QUFB" * 400 + b"\r\n",
            "the server broke the protocol: a line of more than 1000 bytes (limit 'line')",
        ),
        ("PLAIN", challenge("more?"), "PLAIN: the server sent a challenge where only success or failure can follow"),
        (
            "CRAM-MD5",
            challenge("hello"),
            "CRAM-MD5: the challenge does not have the form '<…@host>' (RFC 2195, section 2)",
        ),
        ("CRAM-MD5", DONE, "CRAM-MD5: the server reported success before the exchange was complete"),
        ("LOGIN", EOF, "the server closed the connection where a reply was due"),
    ],
    ids=["no base64", "empty", "two lines", "huge", "too many", "malformed", "too early", "eof"],
)
def test_a_server_that_does_not_keep_to_the_mechanism(run, auth, turn, reason):
    """A challenge that can't be answered fails the step; the exchange is left without a goodbye."""
    played = run(f"  - expect: 220\n  - auth: {auth}\n  - {{send: NOOP}}", HELLO, turn, limits=Limits(1000), **GIVEN)
    assert shown(played.result)[1].startswith(f"failed: {reason}")
    assert "not run" == shown(played.result)[2]


def test_challenges_without_end(run):
    """No more than ten rounds are played."""
    turns = [challenge("<1.2@mx>")] * 40
    assert shown(run("  - expect: 220\n  - auth: CRAM-MD5", HELLO, *turns, **GIVEN).result)[1].startswith("failed: ")


def test_values_that_a_mechanism_cannot_carry(run):
    """What can't be sent is an error before anything leaves."""
    played = run('  - expect: 220\n  - auth: {mechanism: PLAIN, password: "a\\0b"}', HELLO, **GIVEN)
    assert shown(played.result)[1].startswith("error: AUTH can't begin: PLAIN: the password has a NUL character")
    assert played.sent[0] == b"QUIT\r\n"


# By hand.

LOGIN = """
  - expect: 220
  - {send: AUTH LOGIN, expect: '334 Username:'}
  - {send: '${username}', expect: '334 Password:'}
  - {send: '${password}', expect: 235}"""
PROMPTS = (challenge("Username:"), challenge("Password:"))


def test_login_by_hand(run):
    """A response with a placeholder is encoded as a whole; the challenge is judged decoded."""
    played = run(LOGIN, HELLO, *PROMPTS, DONE, **GIVEN)
    assert ["passed"] * 4 == shown(played.result)
    assert b"AUTH LOGIN\r\n" + b64("alice") + b"\r\n" + b64(PASSWORD) + b"\r\nQUIT\r\n" == played.sent[0]
    transcript = "\n".join(map(str, played.result.transcripts[0].lines()))
    assert "C: YWxpY2U= ⟨username⟩" in transcript
    assert "C: ⟨password⟩" in transcript


def test_a_response_of_several_parts(run):
    r"""In an AUTH line the response is all behind the mechanism, and `\\0` means NUL there."""
    played = run(
        "  - expect: 220\n  - {send: 'AUTH PLAIN \\0${username}\\0${password}', expect: 235}", HELLO, DONE, **GIVEN
    )
    assert b"AUTH PLAIN " + b64(f"\0alice\0{PASSWORD}") + b"\r\nQUIT\r\n" == played.sent[0]
    assert "C: AUTH PLAIN ⟨password⟩" in everything(played.result)


def test_plain_by_hand_as_the_answer_to_a_challenge(run):
    r"""`\\0` is NUL in a response on a line of its own, too."""
    steps = (
        "  - expect: 220\n  - {send: AUTH PLAIN, expect: 334}\n  - {send: '\\0${username}\\0${password}', expect: 235}"
    )
    played = run(steps, HELLO, b"334 \r\n", DONE, **GIVEN)
    assert b64(f"\0alice\0{PASSWORD}") + b"\r\n" in played.sent[0]


def test_an_initial_response_that_is_empty(run):
    """An initial response of nothing is `=`."""
    played = run("  - expect: 220\n  - {send: 'AUTH EXTERNAL ${who}', expect: 235}", HELLO, DONE, variables={"who": ""})
    assert b"AUTH EXTERNAL =\r\nQUIT\r\n" == played.sent[0]


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("send: YWxpY2U=", b"YWxpY2U="),
        ("send: '*'", b"*"),
        ("send: '='", b"="),
        ("send: ''", b""),
        ("send: alice, encode: base64", b"YWxpY2U="),
        ("send: 'alice', encode: none", b"alice"),
        ("send: '${username}', encode: none", b"alice"),
        ("send: '${username | base64}', encode: none", b"YWxpY2U="),
        ("send: '${username}', encode: base64", b"YWxpY2U="),
    ],
)
def test_what_is_encoded(run, line, sent):
    """A literal response goes out as written, and `encode` overrides."""
    played = run(
        f"  - expect: 220\n  - {{send: AUTH LOGIN, expect: 334}}\n  - {{{line}, expect: 501}}",
        HELLO,
        PROMPTS[0],
        b"501 cancelled\r\n",
        **GIVEN,
    )
    assert Outcome.PASSED is played.result.outcome
    assert b"AUTH LOGIN\r\n" + sent + b"\r\nQUIT\r\n" == played.sent[0]


def test_outside_an_exchange_nothing_is_encoded(run):
    """After the final reply a line is a line again."""
    steps = LOGIN.replace("235", "535") + "\n  - {send: 'NOOP ${username}', expect: 250}"
    assert run(steps, HELLO, *PROMPTS, NO, OK, **GIVEN).sent[0].endswith(b"NOOP alice\r\nQUIT\r\n")


@pytest.mark.parametrize("value", ["a\r\nb", "nul\0", "b\u00e4r"], ids=["CRLF", "NUL", "non-ASCII"])
def test_encoded_values_are_exact(run, value):
    """In an encoded response any character is data."""
    played = run(LOGIN, HELLO, *PROMPTS, DONE, variables={"username": value}, secrets={"password": PASSWORD})
    assert b"AUTH LOGIN\r\n" + b64(value) + b"\r\n" in played.sent[0]


def test_a_raw_challenge_can_be_expected(run):
    """The challenge in base64, written exactly, matches too; else the hint shows what it decodes to."""
    steps = "  - expect: 220\n  - {send: AUTH LOGIN, expect: '334 VXNlcm5hbWU6'}\n  - {send: '*', expect: 501}"
    assert Outcome.PASSED is run(steps, HELLO, PROMPTS[0], b"501 no\r\n").result.outcome
    result = run(steps, HELLO, challenge("User Name"), b"501 no\r\n").result
    assert "the challenge decodes to 'User Name'" == result.steps[1].differences[0].hint
