"""What is known of an AUTH exchange when a file is read."""

import pytest
from compiling import problems_in, steps_of

from runner.language.auth_state import is_base64
from runner.language.model import Exchange, Send, Step

ENCODED = "this line is base64-encoded as a whole, and '| base64' would encode it twice"
EARLY = "a line after AUTH, but the reply that says how the server reads it is not expected before it"


def raw(text: str) -> str:
    return f"'{text}' is a response in an AUTH exchange, and not base64"


def messages(steps: str) -> list[str]:
    return [problem.message for problem in problems_in(f"name: x\nsteps:\n{steps}")]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", True),
        ("*", True),
        ("=", True),
        ("dXNlcg==", True),
        ("dXNlcg", False),
        ("user name", False),
        ("dXNl cg==", False),
        ("é", False),
        ("alice", False),
        ("abcd", True),
    ],
)
def test_a_literal_response_is_base64_or_cancels(text, verdict):
    """RFC 4954 section 4: base64, `*`, `=`; strictly, as a server reads it."""
    assert verdict is is_base64(text)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("  - {send: AUTH LOGIN, expect: 334}\n  - {send: dXNlcg==, expect: 334}\n  - {send: '*', expect: 501}\n", []),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - send: alice\n", [raw("alice")]),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - {send: alice, encode: base64}\n", []),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - {send: alice, encode: none}\n", []),
        ("  - {send: auth  login, expect: 334 Username*}\n  - send: alice\n", [raw("alice")]),
        ("  - {send: AUTH LOGIN, expect: [334, 3xx]}\n  - send: alice\n", [raw("alice")]),
        ("  - {send: AUTH LOGIN, expect: [334, close]}\n  - send: alice\n", [raw("alice")]),
        ("  - {send: AUTH LOGIN, expect: [334, 235]}\n  - send: alice\n", []),
        ("  - {send: AUTH LOGIN, expect: '${reply}'}\n  - send: alice\n", []),
        ("  - {send: AUTH LOGIN, expect: any}\n  - send: alice\n", []),
        ("  - {send: AUTH LOGIN, expect: 504}\n  - send: NOOP or so\n", []),
        ("  - send: AUTH LOGIN\n  - expect: 334\n  - send: alice\n", [raw("alice")]),
        ("  - send: AUTH LOGIN\n    expect: |\n      334 VXNlcm5hbWU6\n  - send: alice\n", [raw("alice")]),
        ("  - send: AUTH LOGIN\n  - send: '${user}'\n", [EARLY]),
        ("  - send: AUTH LOGIN\n  - {send: '${user}', encode: base64}\n", []),
        ("  - send: AUTH LOGIN\n  - {send: '${user}', encode: none}\n", []),
        ("  - send: AUTH LOGIN\n  - send: dXNlcg==\n", []),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - send: '${user | base64}'\n", [ENCODED]),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - {send: '${user | base64}', encode: none}\n", []),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - send: '${user | upper}'\n", []),
        ("  - send: AUTH PLAIN \\0${user | base64}\n", [ENCODED]),
        ("  - send: AUTH PLAIN a b\n", [raw("a b")]),
        ("  - send: AUTH PLAIN AGEAYg==\n", []),
        ("  - send: AUTH EXTERNAL =\n", []),
        ("  - send: AUTH\n  - send: a b\n", []),
        ("  - {send: AUTH LOGIN, encode: base64}\n", ["no response follows the mechanism"]),
        (
            (
                "  - {send: AUTH LOGIN, expect: 334}\n  - {send: dXNlcg==, expect: 334}\n"
                "  - {send: cGFzcw==, expect: 235}\n  - {send: 'MAIL FROM:<a@b>', expect: 250}\n"
            ),
            [],
        ),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - connect:\n  - send: a b\n", []),
        ("  - {send: AUTH LOGIN, expect: 334}\n  - close: fin\n  - send: a b\n", []),
        ("  - {send: AUTH LOGIN, expect: 334, when: {tls: true}}\n  - send: a b\n", []),
        ("  - when: {tls: true}\n    talk: |\n      C: AUTH LOGIN\n      S: 334\n  - send: a b\n", []),
        ("  - talk: |\n      C: AUTH LOGIN\n      S: 334\n      C: a b\n", [raw("a b")]),
        (
            (
                "  - when: {tls: true}\n    steps: [{send: AUTH LOGIN, expect: 334}]\n    else: [{send: NOOP}]\n"
                "  - send: a b\n"
            ),
            [],
        ),
        ("  - steps: [{send: AUTH LOGIN, expect: 334}]\n  - send: a b\n", [raw("a b")]),
        ("  - pipeline: [{send: AUTH LOGIN, expect: 334}, {send: '${user}', expect: 334}]\n", [EARLY]),
        ("  - pipeline: [{send: NOOP, expect: 250}, {send: AUTH LOGIN, expect: 334}]\n  - send: a b\n", [raw("a b")]),
        ("  - pipeline: [{send: AUTH LOGIN}, {send: NOOP}]\n  - send: a b\n", []),
        (
            (
                "  - pipeline: [{send: AUTH LOGIN}, {send: dXNlcg==}, {send: cGFzcw==}]\n"
                "  - expect: 334\n  - expect: 334\n  - expect: 235\n  - send: 'MAIL FROM:<a@b>'\n"
            ),
            [],
        ),
    ],
)
def test_a_line_of_an_exchange_is_judged_as_far_as_it_is_certain(steps, expected):
    """What only the server decides is left to the conversation; nothing outside an exchange is refused."""
    assert expected == messages(steps)


def test_the_advice_names_the_way_out():
    """A literal can be encoded, or sent as it stands."""
    (problem,) = problems_in("name: x\nsteps:\n  - {send: AUTH LOGIN, expect: 334}\n  - send: alice\n")
    assert "add encode: base64 to have it encoded, or encode: none to send it as it stands" == problem.advice


def send_of(step: Step) -> Send:
    assert isinstance(step, Send)
    return step


@pytest.mark.parametrize(
    ("step", "line", "response"),
    [
        ("{send: 'AUTH PLAIN \\0${u}\\0${p}'}", "AUTH PLAIN ", "\\0${u}\\0${p}"),
        ("{send: 'AUTH PLAIN AGEAYg=='}", "AUTH PLAIN AGEAYg==", None),
        ("{send: 'AUTH PLAIN ${u | base64}', encode: none}", "AUTH PLAIN ${u | base64}", None),
        ("{send: 'AUTH PLAIN \\0a\\0b', encode: base64}", "AUTH PLAIN ", "\\0a\\0b"),
        ("{send: 'AUTH ${m} ${u}'}", "AUTH ${m} ", "${u}"),
        ("{send: 'AUTH ${m}'}", "AUTH ${m}", None),
        ("{send: 'AUTH   LOGIN   ${u}'}", "AUTH   LOGIN   ", "${u}"),
        ("{send: '${line}'}", "${line}", None),
        ("{send: 'EHLO \\0'}", "EHLO \\0", None),
    ],
)
def test_an_auth_line_is_split_on_the_template(step, line, response):
    r"""What follows the mechanism is the response; a value is never split."""
    send = send_of(steps_of(f"  - {step}\n")[0])
    assert (line, response) == (str(send.line), None if send.response is None else str(send.response))


@pytest.mark.parametrize(
    ("step", "ready"),
    [
        ("{send: NOOP}", b"NOOP\r\n"),
        ("{send: ''}", b"\r\n"),
        ("{send: NOOP, eol: lf}", b"NOOP\n"),
        ("{send: NOOP, eol: none}", b"NOOP"),
        ("{send: 'VRFY é'}", b"VRFY \xc3\xa9\r\n"),
        ("{send: 'NOOP ${x}'}", b""),
        ("{send: abc, encode: base64}", b""),
        ("{send: 'AUTH PLAIN AGEAYg=='}", b"AUTH PLAIN AGEAYg==\r\n"),
    ],
)
def test_a_line_without_a_value_is_ready(step, ready):
    """Its bytes are made once, when the file is read."""
    assert ready == send_of(steps_of(f"  - {step}\n")[0]).ready


def test_a_pipelined_line_keeps_its_expect():
    """Following the exchange changes no step."""
    (pipeline,) = steps_of("  - pipeline: [{send: NOOP, expect: 250}, {expect: 251}]\n")
    inner = getattr(pipeline, "steps", ())
    assert ["250", "251"] == [str(step.expect) for step in inner if isinstance(step, Exchange)]
