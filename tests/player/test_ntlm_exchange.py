"""`auth: NTLM` over AUTH, against pyspnego's own server side."""

from __future__ import annotations

import base64
import builtins

import pytest
import spnego
from fake_server import FakeServer
from memory import EOF
from playing import everything, shown
from running import described, run_case

from runner.results import Outcome

HELLO = b"220 mail.example.com ESMTP\r\n"
PASSWORD = "correct horse"
GIVEN = {"variables": {"username": r"EXAMPLE\alice"}, "secrets": {"password": PASSWORD}}


@pytest.fixture(autouse=True)
def users(monkeypatch, tmp_path):
    """The users that the server knows."""
    path = tmp_path / "users"
    path.write_text(f"EXAMPLE:alice:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(path))


def acceptor():
    return spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)


def b64(data):
    return base64.b64encode(data)


def exchange(words=b"", echo=b""):
    """Return a server that speaks NTLM; `words` is its answer to a bare AUTH, `echo` stands in its last reply."""

    def server():
        context = acceptor()
        line = yield HELLO
        if line == b"AUTH NTLM\r\n":
            line = b"AUTH NTLM " + (yield b"334 " + words + b"\r\n")
        line = yield b"334 " + b64(context.step(base64.b64decode(line.split()[2]))) + b"\r\n"
        try:
            context.step(base64.b64decode(line))
        except spnego.exceptions.SpnegoError:
            yield b"535 5.7.3 unsuccessful " + echo + b"\r\n"
        else:
            yield b"235 2.7.0 welcome " + echo + b"\r\n"
        yield (b"221 bye\r\n", EOF)

    return server


@pytest.mark.parametrize("words", [b"", b"ntlm supported", b"NTLM supported"])
def test_without_an_initial_response(run, words):
    """Servers answer a bare AUTH with nothing or with words (MS-SMTPNTLM); both ask for the first message."""
    result = run("  - expect: 220\n  - auth: {mechanism: NTLM, initial: false}", exchange(words), **GIVEN).result
    assert ["passed", "passed"] == shown(result)


def test_with_an_initial_response(run):
    """The first message goes with the AUTH line."""
    played = run("  - expect: 220\n  - auth: ntlm", exchange(), **GIVEN)
    assert ["passed", "passed"] == shown(played.result)
    assert played.sent[0].startswith(b"AUTH NTLM TlRMTVNTUAAB")


def test_a_wrong_password(run):
    """The server's refusal is the verdict."""
    given = {**GIVEN, "secrets": {"password": "another one"}}
    result = run("  - expect: 220\n  - auth: NTLM", exchange(), **given).result
    assert "failed: expected 235, got 535 5.7.3 unsuccessful" in shown(result)[1]


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD.encode(),
        PASSWORD.encode("utf-16-le"),
        b64(PASSWORD.encode("utf-16-le")),
        b64(b"x" + PASSWORD.encode("utf-16-le")),
        PASSWORD.encode("utf-16-le").hex().encode(),
    ],
    ids=["UTF-8", "UTF-16", "base64", "base64, shifted", "hex"],
)
def test_an_echo_of_the_password(run, echo):
    """It is masked also as NTLM writes texts, in two bytes for each letter."""
    steps = "  - expect: 220\n  - {auth: NTLM, expect: 999 x}".replace("999 x", "535")
    shown_all = everything(run(steps, exchange(echo=echo), **GIVEN).result)
    text = echo.decode()
    assert text not in shown_all
    assert text.replace("\0", "\\x00") not in shown_all
    assert "⟨password⟩" in shown_all


def test_a_challenge_that_is_none(run):
    """It fails the step, and the password's answer is not sent."""
    steps = "  - expect: 220\n  - auth: NTLM"
    played = run(steps, HELLO, b"334 " + b64(b"NTLMSSP\0\2\0\0\0junk") + b"\r\n", **GIVEN)
    assert "failed: NTLM: the server's challenge can't be read" in shown(played.result)[1]
    assert 1 == played.sent[0].count(b"\r\n") - played.sent[0].count(b"QUIT\r\n")


def test_without_the_extra(run, monkeypatch):
    """The step is an error that names it, and nothing was sent."""
    real = builtins.__import__

    def absent(name, *rest):
        if name == "spnego":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    played = run("  - expect: 220\n  - auth: NTLM", HELLO, **GIVEN)
    expected = "error: AUTH can't begin: NTLM needs the extra 'ntlm': pip install 'mailproof[ntlm]'"
    assert expected == shown(played.result)[1]
    assert b"AUTH" not in played.sent.get(0, b"")


def test_best_does_not_choose_what_an_extra_brings(run):
    """What needs an extra is used when it is named."""
    server = (HELLO, b"250-mail.example.com\r\n250 AUTH NTLM GSSAPI PLAIN\r\n", b"235 2.7.0 welcome\r\n")
    played = run("  - expect: 220\n  - {send: EHLO x, expect: 250}\n  - auth: best", *server, **GIVEN)
    assert b"AUTH PLAIN " in played.sent[0]


def test_on_a_socket(tmp_path):
    """The whole way, by the real driver."""

    def handler(conn):
        context = acceptor()
        conn.send(HELLO)
        conn.send(b"334 " + b64(context.step(base64.b64decode(conn.line().split()[2]))) + b"\r\n")
        context.step(base64.b64decode(conn.line()))
        assert "EXAMPLE\\alice" == context.client_principal
        conn.send(b"235 2.7.0 welcome\r\n")
        conn.line()
        conn.send(b"221 bye\r\n")

    path = tmp_path / "ntlm.yaml"
    path.write_text("name: NTLM\nsteps:\n  - expect: 220\n  - auth: NTLM\n  - close: quit\n")
    with FakeServer(handler) as server:
        result = run_case(path, f"smtp://127.0.0.1:{server.port}", GIVEN["variables"], PASSWORD)
    assert Outcome.PASSED is result.outcome, described(result)
