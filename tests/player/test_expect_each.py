"""`expect_each`: a reply for each accepted recipient, in order or by address; LMTP, and PRDR after its 353."""

from __future__ import annotations

import pytest
from memory import EOF
from playing import everything, shown

from runner.results import Outcome

LMTP = {"top": "protocol: lmtp", "url": "lmtp://127.0.0.1:24"}
ENVELOPE = (b"220 mx\r\n", b"250 hello\r\n", b"250 from\r\n")
GO = b"354 go\r\n"
BOB, CAROL = b"250 2.0.0 bob has it\r\n", b"552 5.2.2 carol is full\r\n"


def transaction(*recipients: str, replies: str = "250") -> str:
    """Return the steps up to the 354; `replies` is what each RCPT expects."""
    lines = ["LHLO c", "MAIL FROM:<s@x>", *(f"RCPT TO:<{one}>" for one in recipients)]
    expected = ["250", "250", *[replies] * len(recipients)]
    steps = [f"  - {{send: '{line}', expect: {code}}}" for line, code in zip(lines, expected, strict=True)]
    return "\n".join(["  - expect: 220", *steps, "  - {send: DATA, expect: 354}"])


def message(each: str) -> str:
    """Return the message with this `expect_each`, and a step after it."""
    return f"  - data: hello\n    expect_each: {each}\n  - {{send: NOOP, expect: 250}}"


@pytest.fixture
def deliver(run):
    """Return a function that plays a message to two recipients, whose replies come in these pieces."""

    def play(each, *said, accepted=(b"250 a\r\n", b"250 b\r\n"), recipients=("bob@Example.com", "carol@x"), **given):
        steps = transaction(*recipients, replies="any") + "\n" + message(each)
        turns = (*ENVELOPE, *accepted, GO, said, b"250 noop\r\n")
        return run(steps, *turns, **{**LMTP, **given}).result

    return play


IN_ORDER = "[250 2.0.0, 552 5.2.2 *full]"


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(IN_ORDER, id="in order"),
        pytest.param("{carol@x: 552, bob@Example.com: 250}", id="by address"),
        pytest.param("{carol@X: 552, bob@eXAMPLE.com: 250}", id="the domain in another case"),
        pytest.param("[[450, 250], [552 5.2.2, close]]", id="alternatives"),
        pytest.param("[any, any]", id="any"),
        pytest.param("['${code}', '552 5.2.2 ${who}*']", id="placeholders"),
        pytest.param("\n      '${user}@Example.com': 250\n      carol@x: 552", id="a placeholder in an address"),
    ],
)
@pytest.mark.parametrize(
    "said", [(BOB + CAROL,), (BOB, CAROL), (BOB[:9], BOB[9:] + CAROL[:2], CAROL[2:])], ids=["at once", "each", "cut"]
)
def test_all_as_expected(deliver, each, said):
    """Each recipient's reply is judged by its own form, however the bytes are cut."""
    result = deliver(each, *said, variables={"code": "250 2.0.0", "who": "carol", "user": "bob"})
    assert Outcome.PASSED is result.outcome, shown(result)


def test_a_wrong_code(deliver):
    """The others are read and judged too, then the case ends; the reason and the difference name the recipient."""
    result = deliver("[550, 550]", BOB, CAROL)
    step, after = result.steps[-2:]
    assert "expected 550, got to message for bob@Example.com 250 2.0.0 bob has it" == step.reason
    assert ["code for bob@Example.com", "code for carol@x"] == [one.part for one in step.differences]
    assert Outcome.NOT_RUN is after.outcome


def test_another_mismatch(deliver):
    """What differs besides the code is told with its recipient, and the case goes on."""
    result = deliver("[250 2.1.5, 552]", BOB, CAROL)
    step, after = result.steps[-2:]
    assert "expected 250 2.1.5, got to message for bob@Example.com 250 2.0.0 bob has it" == step.reason
    assert ["status for bob@Example.com"] == [one.part for one in step.differences]
    assert Outcome.PASSED is after.outcome


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        pytest.param("[250]", "expected 1 accepted recipient, got 2: bob@Example.com, carol@x", id="too few"),
        pytest.param("[250, 552, 250]", "expected 3 accepted recipients, got 2: bob@Example.com, carol@x", id="many"),
        pytest.param(
            "{bob@Example.com: 250, carol@x: 552, dave@x: 250}",
            "expected dave@x accepted, got no such accepted recipient",
            id="unknown address",
        ),
        pytest.param(
            "{Bob@Example.com: 250, carol@x: 552}",
            "expected Bob@Example.com accepted, got no such accepted recipient",
            id="the local part in another case",
        ),
        pytest.param(
            "{bob@Example.com: 250}", "expected none but bob@Example.com, got carol@x accepted", id="one more"
        ),
    ],
)
def test_other_recipients_than_expected(deliver, each, reason):
    """Who was accepted and is not named, or named and not accepted, fails the step; all replies are read."""
    result = deliver(each, BOB, CAROL)
    step, after = result.steps[-2:]
    assert (Outcome.FAILED, reason) == (step.outcome, step.reason)
    assert Outcome.PASSED is after.outcome


def test_an_accepted_list_is_told(deliver):
    """The hint says who was accepted."""
    result = deliver("{bob@Example.com: 250, dave@x: 250}", BOB, accepted=(b"250 a\r\n", b"550 b\r\n"))
    assert "accepted: bob@Example.com" == result.steps[-2].differences[0].hint


def test_one_recipient_twice(deliver):
    """As many RCPTs, as many replies: by address both are judged by the one form."""
    twice = {"recipients": ("bob@x", "bob@x")}
    assert Outcome.PASSED is deliver("{bob@x: 250}", BOB, BOB, **twice).outcome
    assert Outcome.PASSED is deliver("[250, 552]", BOB, CAROL, **twice).outcome
    assert Outcome.FAILED is deliver("{bob@x: 250}", BOB, CAROL, **twice).outcome


def test_one_address_twice(deliver):
    """Two keys that come to the same address are an error of the step."""
    result = deliver("{bob@Example.com: 250, '${again}': 250}", BOB, CAROL, variables={"again": "bob@example.com"})
    assert Outcome.ERROR is result.steps[-2].outcome
    assert "expect_each names one recipient twice: '${again}' is the same as another" in result.steps[-2].reason


def test_the_server_hangs_up(deliver):
    """What comes in place of a reply is told, and the rest is not waited for."""
    result = deliver("[250, 250]", BOB, EOF)
    assert "the server closed the connection where a reply was due" in result.steps[-2].reason
    assert Outcome.PASSED is deliver("[250, close]", BOB, EOF).steps[-2].outcome


def test_a_reply_is_missing(deliver):
    """The reason names whose reply did not come."""
    result = deliver("[250, 552]", BOB)
    assert "no reply to the message for carol@x within 300 s" in result.steps[-2].reason


def test_one_is_warned_of(run):
    """`severity: warning` holds for all, also for who was accepted."""
    steps = transaction("bob@x") + "\n" + message("[250, 250]") + "\n"
    steps = steps.replace("expect_each: [250, 250]", "expect_each: [250, 250]\n    severity: warning")
    result = run(steps, *ENVELOPE, b"250 a\r\n", GO, BOB, b"250 noop\r\n", **LMTP).result
    assert Outcome.PASSED is result.outcome
    assert ("data: expected 2 accepted recipients, got 1: bob@x",) == result.warnings


def test_within(run):
    """Each reply must be there in time, counted from the last byte of the message."""
    steps = transaction("bob@x") + "\n  - data: hello\n    expect_each: [250]\n    within: 1ms"
    result = run(steps, *ENVELOPE, b"250 a\r\n", GO, BOB, elapses=0.01, **LMTP).result
    assert "within for bob@x" == result.steps[-1].differences[0].part


def test_alone(run):
    """`expect_each` may be a step of its own, after the bytes that ended the message."""
    steps = transaction("bob@x", "carol@x") + "\n  - send: hello\n  - send: .\n  - expect_each: [250, 552]"
    result = run(steps, *ENVELOPE, b"250 a\r\n", b"250 b\r\n", GO, BOB + CAROL, **LMTP).result
    assert Outcome.PASSED is result.outcome, shown(result)


@pytest.mark.parametrize("how", ["send", "pipeline"])
def test_beside_a_line(run, how):
    """It judges what the dot of a message sent by hand earns."""
    step = "{send: ., expect_each: [250, 552]}"
    end = f"  - {step}" if how == "send" else f"  - pipeline: [{step}, {{send: NOOP, expect: 250}}]"
    after = (BOB + CAROL,) if how == "send" else (BOB + CAROL + b"250 noop\r\n",)
    steps = transaction("bob@x", "carol@x") + "\n  - send: hello\n" + end
    result = run(steps, *ENVELOPE, b"250 a\r\n", b"250 b\r\n", GO, *after, **LMTP).result
    assert Outcome.PASSED is result.outcome, shown(result)


def test_the_last_chunk(run):
    """BDAT with LAST has its replies per recipient as well, also where the RCPTs left in the same write."""
    steps = """\
  - expect: 220
  - {send: LHLO c, expect: 250}
  - pipeline:
      - {send: 'MAIL FROM:<s@x>', expect: 250}
      - {send: 'RCPT TO:<bob@x>', expect: 250}
      - {send: 'RCPT TO:<carol@x>', expect: 250}
  - bdat: hello
    last: true
    expect_each: [250, 552]
"""
    turns = (b"220 mx\r\n", b"250 hello\r\n", b"250 1\r\n250 2\r\n250 3\r\n", BOB + CAROL)
    result = run(steps, *turns, **LMTP).result
    assert Outcome.PASSED is result.outcome, shown(result)


def test_single_expects_still_work(run):
    """Without it each reply is taken by a step of its own."""
    steps = transaction("bob@x", "carol@x") + "\n  - {data: hello, expect: 250}\n  - expect: 552"
    result = run(steps, *ENVELOPE, b"250 a\r\n", b"250 b\r\n", GO, BOB + CAROL, **LMTP).result
    assert Outcome.PASSED is result.outcome, shown(result)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        pytest.param(
            "  - expect_each: [250]",
            "no reply for a recipient is owed next, but the reply to the greeting",
            id="the greeting is next",
        ),
        pytest.param(
            "  - expect: 220\n  - expect_each: [250]",
            "no reply for a recipient is owed: no message was sent, or all that were owed were read",
            id="nothing is owed",
        ),
        pytest.param(
            "  - expect: 220\n  - {send: DATA, expect: 354}\n  - {data: x, expect_each: [250]}",
            "expected a reply for each recipient, got one for all: 250 ok",
            id="one for all",
        ),
    ],
)
def test_no_recipient_is_due(run, steps, reason):
    """Where the next reply is no recipient's, the step fails at once and says what is due."""
    assert reason == run(steps, b"220 mx\r\n", GO, b"250 ok\r\n").result.steps[-1].reason


PRDR = """\
  - expect: 220
  - {send: 'MAIL FROM:<s@x> PRDR', expect: 250}
  - {send: 'RCPT TO:<bob@x>', expect: 250}
  - {send: 'RCPT TO:<carol@x>', expect: 250}
  - {send: DATA, expect: 354}
  - {data: hello, expect: 353}
  - expect_each: {bob@x: 250, carol@x: 552}
  - expect: 250
"""


def test_prdr(run):
    """After the 353 each recipient has a reply, and the message a last one."""
    turns = (b"220 mx\r\n", b"250 ok\r\n", b"250 a\r\n", b"250 b\r\n", GO)
    result = run(PRDR, *turns, b"353 each\r\n" + BOB + CAROL + b"250 queued\r\n").result
    assert Outcome.PASSED is result.outcome, shown(result)
    result = run(PRDR, *turns, b"353 each\r\n" + BOB + BOB + b"250 queued\r\n").result
    assert "expected 552, got to message for carol@x 250 2.0.0 bob has it" == result.steps[-2].reason


def test_a_secret_address(run):
    """A recipient that is a secret is shown by its name."""
    steps = transaction("${who}") + "\n" + message("{'${who}': 552, other@x: 250}")
    given = {**LMTP, "secrets": {"who": "hidden@example.org"}}
    result = run(steps, *ENVELOPE, b"250 a\r\n", GO, BOB, b"250 noop\r\n", **given).result
    assert Outcome.FAILED is result.outcome
    assert "hidden@example.org" not in everything(result)
