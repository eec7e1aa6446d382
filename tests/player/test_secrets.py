"""Secrets: where they may go, and that nothing shows them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import EOF, PEER
from playing import everything, run_steps, shown

from runner.player.filling import Line
from runner.results import Outcome
from runner.transcript import _runs
from runner.wire import Fault, FaultKind, Open, Peer, Secure

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
AWAY = Peer("192.0.2.1", "192.0.2.25", is_loopback=False)
SECRET = "s3cr3t-horse/battery"
GIVEN = {"variables": {"username": "alice"}, "secrets": {"password": SECRET}, "url": "smtp://mx.example"}
LOGIN = """
  - expect: 220
  - {send: AUTH LOGIN, expect: 334}
  - {send: '${username}', expect: 334}
  - {send: '${password}', expect: 235}"""
PROMPT = b"334 VXNlcm5hbWU6\r\n"
CLEAR = (
    "error: the secret 'password' was not sent: the connection is not encrypted and mx.example is not this machine; "
    "use starttls first, or set plaintext_secrets: allow on the target"
)


def test_no_secret_in_clear_text(run):
    """A secret does not leave over an unencrypted connection to another machine."""
    played = run(LOGIN, HELLO, PROMPT, PROMPT, peer=AWAY, **GIVEN)
    assert CLEAR == shown(played.result)[3]
    assert base64.b64encode(SECRET.encode()) not in played.sent[0]


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
def test_a_secret_over_lines_that_are_judged_alone(run, cut):
    """`expect_line` shows a line with what is hidden in it of a secret that the reply has cut."""
    first, second = SECRET[:cut], SECRET[cut:]
    turn = f"220-x{first}\r\n220-{second}y\r\n220 z\r\n".encode()
    steps = "  - expect_line: no\n  - expect_line: no\n  - expect: 220 z"
    result = run(steps, turn, **GIVEN).result
    assert ["220-x⟨password⟩", "220-⟨password⟩y"] == [step.differences[0].actual for step in result.steps[:2]]


def test_what_leaves_is_not_in_its_repr(run):
    """Neither an action nor what a transcript keeps shows the bytes of a secret when it is printed."""
    played = run("  - expect: 220\n  - {send: 'X ${password}', expect: 250}", HELLO, OK, peer=PEER, **GIVEN)
    assert SECRET.encode() in played.sent[0]
    kept = [_runs(one._events) for one in played.result.transcripts]
    assert SECRET not in f"{played.actions} {kept} {Line(SECRET.encode())}"


@pytest.mark.parametrize(
    "step",
    ["connect: {tls: {server_name: 'x.${password}'}}", "starttls: {server_name: 'x.${password}'}"],
    ids=["implicit TLS", "starttls"],
)
def test_a_handshake_tells_no_secret(run, step):
    """The name that a client asks for (RFC 6066 section 3) is readable on the way, and so no secret goes into it."""
    given = {**GIVEN, "url": "smtps://mx.example" if "connect" in step else GIVEN["url"]}
    first = "" if "connect" in step else "  - expect: 220\n"
    played = run(f"{first}  - {step}\n", HELLO, b"220 go\r\n", peer=AWAY, **given)
    reason = "error: the secret 'password' was not sent: a handshake tells the server's name in clear text"
    assert reason == shown(played.result)[-1]
    assert not [action for action in played.actions if isinstance(action, Secure | Open) and SECRET in repr(action)]


def test_no_credential_at_all_in_clear_text(run):
    """`auth` does not even begin where the secret could be read."""
    played = run("  - expect: 220\n  - auth: LOGIN", HELLO, PROMPT, peer=AWAY, **GIVEN)
    assert CLEAR == shown(played.result)[1]
    assert played.sent[0] == b"QUIT\r\n"


@pytest.mark.parametrize(
    ("steps", "given"),
    [
        pytest.param("", {"peer": PEER}, id="loopback"),
        pytest.param("", {"peer": AWAY, "plaintext_secrets": True}, id="allowed"),
        pytest.param("", {"peer": AWAY, "url": "smtps://mx.example"}, id="implicit TLS"),
    ],
)
def test_where_a_secret_may_go(run, steps, given):
    """Over TLS, on this machine, and where the target allows it."""
    assert Outcome.PASSED is run(LOGIN, HELLO, PROMPT, PROMPT, b"235 ok\r\n", **{**GIVEN, **given}).result.outcome


def test_after_starttls(run):
    """After STARTTLS a secret may leave."""
    steps = LOGIN.replace("expect: 220", "expect: 220\n  - starttls:", 1)
    assert (
        Outcome.PASSED
        is run(steps, HELLO, b"220 go\r\n", PROMPT, PROMPT, b"235 ok\r\n", peer=AWAY, **GIVEN).result.outcome
    )


def test_an_invented_password_may_leave(run):
    """What is written in the scenario is no secret."""
    steps = "  - expect: 220\n  - {auth: {mechanism: PLAIN, username: a, password: wrong}, expect: 535}"
    assert Outcome.PASSED is run(steps, HELLO, b"535 no\r\n", peer=AWAY, url="smtp://mx.example").result.outcome


@pytest.mark.parametrize(
    "line", ["'${password}'", "'${password}', encode: base64", "' ${password} '"], ids=["auto", "base64", "blanks"]
)
def test_a_bare_secret_only_answers_a_challenge(run, line):
    """A line of nothing but a secret does not leave where no challenge waits."""
    played = run(f"  - expect: 220\n  - {{send: {line}, expect: any}}", HELLO, **GIVEN)
    reason = "the secret 'password' was not sent: a line of nothing but a secret answers a challenge, and none waits"
    assert f"error: {reason}" == shown(played.result)[1]
    assert played.sent[0] == b"QUIT\r\n"


@pytest.mark.parametrize("turn", [PROMPT, None], ids=["came", "did not come"])
def test_a_challenge_that_no_step_has_read(run, turn):
    """A challenge counts once a step has read it, not when it happens to have come."""
    steps = (
        "  - expect: 220\n  - send: AUTH LOGIN\n  - wait: 1s\n  - {send: '${password}', encode: base64, expect: any}"
    )
    assert shown(run(steps, HELLO, turn, **GIVEN).result)[3].endswith("answers a challenge, and none waits")


def test_a_bare_secret_only_once_in_an_exchange(run):
    """A server that asks again does not get the secret again; a new exchange may."""
    steps = LOGIN.replace("235", "334") + "\n  - {send: '${password}', expect: 235}"
    result = run(steps, HELLO, PROMPT, PROMPT, PROMPT, **GIVEN).result
    assert (
        "error: the secret 'password' was not sent: it was sent once in this AUTH exchange already" == shown(result)[4]
    )
    again = LOGIN.replace("235", "535") + LOGIN.replace("- expect: 220\n", "- {send: NOOP, expect: 250}\n")
    assert (
        Outcome.PASSED
        is run(again, HELLO, PROMPT, PROMPT, b"535 no\r\n", OK, PROMPT, PROMPT, b"235 ok\r\n", **GIVEN).result.outcome
    )


def test_a_secret_within_a_line(run):
    """A secret among other words is no bare one, and is masked by its place."""
    played = run("  - expect: 220\n  - {send: 'XPASS ${username} ${password}', expect: 250}", HELLO, OK, **GIVEN)
    assert f"XPASS alice {SECRET}\r\n".encode() in played.sent[0]
    assert "C: XPASS alice ⟨password⟩" in everything(played.result)
    assert SECRET not in everything(played.result)


FORMS = {
    "raw": SECRET,
    "upper": SECRET.upper(),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 behind one": base64.b64encode(b"x" + SECRET.encode()).decode(),
    "base64 behind two": base64.b64encode(b"xy" + SECRET.encode()).decode(),
    "hex": SECRET.encode().hex(),
    "url": SECRET.replace("/", "%2F"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("place", ["difference", "reason", "warning", "surplus", "half", "malformed", "421", "banner"])
def test_an_echo_is_masked_everywhere(run, form, place):
    """What the server echoes of a secret shows nowhere in a result."""
    echo = f"you said {form} indeed".encode()
    turns = {
        "difference": (HELLO, b"250-" + echo + b"\r\n250 x\r\n"),
        "reason": (HELLO, b"550 " + echo + b"\r\n"),
        "warning": (HELLO, b"550 " + echo + b"\r\n"),
        "surplus": (HELLO, b"250 ok\r\n250 " + echo + b"\r\n"),
        "half": (HELLO, b"250 " + echo),
        "malformed": (HELLO, b"99 " + echo + b"\r\n"),
        "421": (HELLO, (OK, b"421 " + echo + b"\r\n", EOF)),
        "banner": (b"220 " + echo + b"\r\n", b"500 no\r\n"),
    }[place]
    keys = ", severity: warning" if place == "warning" else ", has: '*nothing*'" if place == "difference" else ""
    steps = f"  - expect: 220\n  - {{send: 'X ${{password}}', expect: 250{keys}}}\n  - wait: 1s\n  - {{send: NOOP, expect: 250}}"
    text = everything(run(steps, *turns, **GIVEN).result)
    assert form not in text
    assert form[4:] not in text, "nor what is left of it"
    assert "⟨password⟩" in text


def test_an_echo_over_a_cut(run):
    """Where a long text is cut a secret is masked first, so that no half of it is left."""
    for size in range(60, 90):
        echo = b"x" * size + SECRET.encode()
        for turn in (b"250 " + echo, b"what " + echo + b"\r\n", b"what " + b"y" * 420 + echo + b"\r\n"):
            assert "s3cr3t" not in everything(
                run("  - expect: 220\n  - {send: 'X ${password}', expect: 250}", HELLO, turn, **GIVEN).result
            )


def test_a_filtered_secret_is_masked(run):
    """What a filter makes of a secret is a form of it, in a line, in a variable and echoed."""
    steps = "  - expect: 220\n  - {send: 'X ${password | xtext} ${derived}', expect: 250}"
    top = "vars: {derived: '${password | quoted | hex}'}"
    quoted = f'"{SECRET}"'.encode().hex()
    xtext = "a+20b" + SECRET
    result = run(steps, HELLO, f"550 {xtext} {quoted}\r\n".encode(), top=top, **GIVEN).result
    text = everything(result)
    assert SECRET not in text
    assert quoted not in text


def test_a_capture_that_overlaps_a_secret(run):
    """A capture that holds a secret is as secret: it is masked, and not sent in clear text."""
    steps = "  - {expect: 220, capture: {word: '/ (\\S+)$/'}}\n  - {send: 'NOOP ${word}', expect: 250}"
    played = run(steps, f"220 mx {SECRET}x\r\n".encode(), peer=AWAY, **GIVEN)
    assert CLEAR == shown(played.result)[1]
    assert SECRET not in everything(played.result)


def test_labels_and_reasons_of_the_author_are_masked(run):
    """A secret that the author wrote into a label or a reason does not show either."""
    steps = f"  - {{name: with {SECRET}, because: 'for {SECRET}', expect: 250}}"
    text = everything(run(steps, HELLO, top=f"description: about {SECRET}", **GIVEN).result)
    assert SECRET not in text
    assert "with ⟨password⟩" in text


def test_a_short_secret_warns(run):
    """A secret under four characters is masked where it is sent, and a warning says so."""
    steps = "  - expect: 220\n  - {send: 'X ${password}', expect: 250}"
    result = run(steps, HELLO, OK, secrets={"password": "abc"}).result
    assert ("the secret 'password' is short: it is masked only where mailproof sends it",) == result.warnings
    assert "C: X ⟨password⟩" in everything(result)


def test_a_fault_that_quotes_a_secret(run):
    """The system's words are redacted as well."""
    fault = Fault(FaultKind.TLS_OTHER, f"bad record: {SECRET}")
    assert SECRET not in everything(run(LOGIN, HELLO, fault, **GIVEN).result)


@given(
    secret=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=12),
    before=st.binary(max_size=6),
    cut=st.integers(0, 30),
)
@settings(max_examples=60, deadline=None)
def test_no_leak(secret, before, cut):
    """Whatever a server builds from a secret, the result does not show it."""
    raw = secret.encode()
    line = b"550 " + base64.b64encode(before + raw) + b" " + raw + b" " + raw.hex().encode() + b"\r\n"
    turn = tuple(part for part in (line[:cut], line[cut:]) if part)
    steps = "  - expect: 220\n  - {send: 'X ${password}', expect: 250}"
    text = everything(run_steps(steps, HELLO, turn, secrets={"password": secret}).result)
    frame = everything(run_steps(steps, HELLO, b"550 x\r\n", secrets={"password": "q" * 20}).result)
    assert secret in frame or secret not in text
    assert raw.hex() not in text


def test_an_echo_over_the_cut_of_a_reason(run):
    """A reason quotes at most 400 characters, and a secret is masked before they are counted."""
    for size in range(370, 402):
        line = b"what " + b"y" * (size - 5) + SECRET.encode() + b"\r\n"
        result = run("  - expect: 220\n  - {send: 'X ${password}', expect: 250}", HELLO, line, **GIVEN).result
        assert "s3cr" not in everything(result)
