"""Deadlines: of a step, of a message, of the case; what a reason says when time is over."""

from __future__ import annotations

import pytest
from memory import STALL
from playing import shown

from runner.results import Outcome
from runner.wire import Write

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
MESSAGE = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - {data: hello, expect: 250}"
UNKNOWN = "; delivery unknown: the message was sent and not answered"


@pytest.mark.parametrize(
    ("turn", "reason", "came"),
    [
        pytest.param(None, "no reply to NOOP within 30 s", "nothing", id="nothing"),
        pytest.param(
            b"250 par",
            "no whole reply to NOOP within 30 s, only 7 bytes: '250 par'",
            "250 par (incomplete, 7 bytes)",
            id="half a line",
        ),
        pytest.param(
            b"250-a\r\n250-b\r\n",
            "no whole reply to NOOP within 30 s, only 14 bytes, the last line: '250-b'",
            "250-a\n250-b (incomplete, 14 bytes)",
            id="half a reply",
        ),
    ],
)
def test_a_reply_that_does_not_come(run, turn, reason, came):
    """A timeout says what was awaited, how long, and shows what came of it."""
    result = run("  - expect: 220\n  - {send: NOOP, expect: 250}\n  - {send: RSET}", HELLO, turn).result
    assert ["passed", f"failed: {reason}", "not run"] == shown(result)
    assert came == result.steps[1].differences[0].actual


def test_no_greeting(run):
    """No greeting in time is no verdict: error."""
    hint = "a server of implicit TLS is silent until the handshake: smtps://127.0.0.1:25?"
    assert [f"error: no greeting within 30 s; {hint}"] == shown(run("  - expect: 220", None).result)
    assert ["error: no whole greeting within 30 s, only 2 bytes: '22'"] == shown(run("  - expect: 220", b"22").result)


@pytest.mark.parametrize(
    ("step", "top", "seconds"),
    [("", "", 30), (", timeout: 500ms", "", 0.5), ("", "timeout: 7s", 7), (", timeout: 1m30s", "timeout: 7s", 90)],
    ids=["default", "step", "scenario", "both"],
)
def test_which_timeout(run, step, top, seconds):
    """A step's own timeout comes first, then the scenario's, then 30 s."""
    played = run(f"  - expect: 220\n  - {{send: NOOP, expect: 250{step}}}", HELLO, top=top)
    assert f"failed: no reply to NOOP within {seconds:g} s" == shown(played.result)[1]
    assert seconds <= played.result.steps[1].elapsed < seconds + 0.1


def test_new_bytes_do_not_restart_the_deadline(run):
    """A server that drips is as late as one that says nothing."""
    drip = tuple(b"250-x\r\n" for _ in range(50))
    result = run("  - expect: 220\n  - {send: NOOP, expect: 250}", HELLO, drip, elapses=1.0).result
    assert shown(result)[1].startswith("failed: no whole reply to NOOP within 30 s")
    assert result.steps[1].elapsed < 32


def test_a_slow_reply_that_is_whole(run):
    """A reply in many pieces passes if it is whole in time."""
    pieces = tuple(bytes([byte]) for byte in OK)
    assert (
        Outcome.PASSED
        is run("  - expect: 220\n  - {send: NOOP, expect: 250}", HELLO, pieces, elapses=1.0).result.outcome
    )


@pytest.mark.parametrize(
    ("top", "seconds"), [("", 300), ("timeout: 20s", 20)], ids=["default", "the scenario's timeout"]
)
def test_the_reply_to_a_message(run, top, seconds):
    """A message's reply may take five minutes unless the author says otherwise; without it delivery is unknown."""
    played = run(MESSAGE, HELLO, b"354 go\r\n", top=top)
    assert f"failed: no reply to the message within {seconds} s{UNKNOWN}" == shown(played.result)[2]
    assert played.sent[0].endswith(b"hello\r\n.\r\n"), "nothing is sent behind it"
    assert 1 == sum(isinstance(action, Write) and action.data.endswith(b".\r\n") for action in played.actions)


def test_the_reply_to_a_message_in_a_step_of_its_own(run):
    """The longer time counts too where the reply is expected later, or the message is written by hand."""
    steps = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - data: hello\n  - expect: 250"
    assert f"failed: no reply to the message within 300 s{UNKNOWN}" == shown(run(steps, HELLO, b"354 go\r\n").result)[3]
    steps = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - {send: ., expect: 250}"
    assert f"failed: no reply to the message within 300 s{UNKNOWN}" == shown(run(steps, HELLO, b"354 go\r\n").result)[2]


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (
            (b"354 go\r\n", b"what\r\n"),
            "the server broke the protocol: not a reply: three digits from 200 to 599 are due (RFC 5321 section 4.2): 'what'",
        ),
    ],
    ids=["no reply"],
)
def test_delivery_unknown_for_other_reasons(run, turn, reason):
    """Whatever comes in place of a message's reply, the reason says that delivery is unknown."""
    result = run(MESSAGE, HELLO, turn[0], turn[1]).result
    assert f"failed: {reason}{UNKNOWN}" == shown(result)[2]


def test_a_message_that_was_refused_is_no_unknown_delivery(run):
    """Once the message was answered, delivery is known."""
    assert "failed: expected 250, got 554 no" == shown(run(MESSAGE, HELLO, b"354 go\r\n", b"554 no\r\n").result)[2]


def test_the_cases_deadline(run):
    """A case has a deadline of its own, and a reason says when it was that one."""
    steps = "  - expect: 220\n  - {send: NOOP, expect: 250, timeout: 20s}\n  - {send: RSET, expect: 250, timeout: 20s}"
    played = run(steps, HELLO, (STALL, OK), top="deadline: 15s")
    assert "failed: no reply to NOOP before the case's deadline of 15 s" == shown(played.result)[1]
    assert played.now < 1018


def test_a_wait_is_not_on_the_cases_time(run):
    """What `wait` asks for is added to the deadline, and no more."""
    steps = "  - expect: 220\n  - wait: 60s\n  - {send: NOOP, expect: 250}"
    played = run(steps, HELLO, top="deadline: 15s")
    assert "failed: no reply to NOOP before the case's deadline of 15 s" == shown(played.result)[2]
    assert 75 <= played.result.elapsed < 76


def test_the_farewell_has_its_own_time(run):
    """A case whose time is over still says goodbye, within two seconds."""
    played = run("  - expect: 220 nobody", HELLO, top="deadline: 1s", elapses=0.4)
    assert () == played.result.warnings
    assert played.sent[0] == b"QUIT\r\n"
