"""What is known of a reply that a step did not want: when it came and what it answers; where a fragment is used."""

from __future__ import annotations

import pytest
from playing import run_steps, shown

from runner.results import Answer

HELLO = b"220 mx.example ESMTP\r\n"


def failed_step(steps, *turns, **given):
    """Return the first step that failed."""
    result = run_steps(steps, *turns, **given).result
    return next(step for step in result.steps if step.outcome.is_failure)


def test_when_it_came():
    """It is known of a reply that it came before the step ended."""
    steps = "  - expect: 220\n  - {wait: 5s}\n  - {send: NOOP, expect: 550}\n"
    step = failed_step(steps, HELLO, b"250 ok\r\n")
    assert (Answer("250 ok", step.started + step.elapsed, "NOOP"),) == step.answers


@pytest.mark.parametrize(
    "part",
    ["lines: 2", "has: '*b*'", "lacks: '*ok*'", "capture: {x: '/nope/'}"],
    ids=["lines", "has", "lacks", "capture"],
)
def test_whatever_differs(part):
    """The whole reply is known, also where it is a part of it that differs."""
    steps = f"  - expect: 220\n  - {{send: NOOP, expect: '250 ok', {part}}}\n"
    assert ["250 ok"] == [answer.text for answer in failed_step(steps, HELLO, b"250 ok\r\n").answers]


def test_a_server_that_goes_away():
    """A 421 that nobody asked for is what is wrong."""
    steps = "  - expect: 220\n  - {send: NOOP, expect: 250}\n  - {send: RSET, expect: 250}\n"
    step = failed_step(steps, HELLO, b"250 ok\r\n421 bye\r\n")
    assert (["421 bye"], "send RSET") == ([answer.text for answer in step.answers], step.label)


def test_what_passes_keeps_none():
    """A reply that fits is nobody's concern."""
    result = run_steps("  - expect: 220\n", HELLO).result
    assert [()] == [step.answers for step in result.steps]


OUT_OF_STEP = """
  - expect: 220
  - {send: 'MAIL FROM:<a@b>'}
  - {send: 'RCPT TO:<c@d>'}
"""
LATE_PIPELINE = """
  - expect: 220
  - {send: 'MAIL FROM:<a@b>'}
  - {pipeline: [{send: 'RCPT TO:<c@d>', expect: 550}, {send: NOOP, expect: 250}]}
"""


@pytest.mark.parametrize(
    ("steps", "turns", "hint"),
    [
        (OUT_OF_STEP + "  - expect: 550\n", (b"250 a\r\n550 b\r\n",), "this is the reply to MAIL"),
        (
            OUT_OF_STEP + "  - {send: RSET, expect: 220}\n",
            (b"250 a\r\n550 b\r\n250 c\r\n",),
            "this is the reply to MAIL",
        ),
        ("  - {send: EHLO x, expect: 250}\n", (b"250 x\r\n",), "this is the greeting"),
        (
            LATE_PIPELINE,
            (b"250 a\r\n550 b\r\n250 c\r\n",),
            "this is the reply to MAIL",
        ),
        (
            "  - expect: 220\n  - {send: DATA, expect: 354}\n  - {data: {size: 300}}\n  - expect: 250\n",
            (b"354 go\r\n", b"552 b\r\n"),
            "this is the reply to the message",
        ),
        ("  - expect: 220\n  - {send: NOOP, expect: 550}\n", (b"250 a\r\n",), ""),
        ("  - expect: 250\n", (), ""),
    ],
    ids=["alone", "behind a line", "the greeting", "in a pipeline", "a message", "its own", "the greeting alone"],
)
def test_a_reply_to_another_command(steps, turns, hint):
    """Where both sides are out of step it is told whose reply was judged."""
    assert hint == failed_step(steps, HELLO, *turns).differences[0].hint


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("smtp://127.0.0.1:465", "smtps://127.0.0.1:465"),
        ("submission://[::1]:465", "submissions://[::1]:465"),
        ("lmtp://127.0.0.1:24", ""),
    ],
    ids=["smtp", "submission", "lmtp"],
)
def test_silence_where_tls_may_be_due(url, hint):
    """A server of implicit TLS waits for the client; of LMTP there is no such scheme."""
    protocol = url.partition(":")[0].replace("submission", "smtp")
    result = run_steps("  - expect: 220\n", None, url=url, top=f"protocol: {protocol}").result
    more = f"; a server of implicit TLS is silent until the handshake: {hint}?" if hint else ""
    assert f"expect 220: no greeting within 30 s{more}" == result.reason


def test_nothing_is_owed():
    """Who waits for a reply too many is told so; an open message is another reason."""
    known = "no reply within 30 s, and none was owed: "
    steps = "  - expect: 220\n  - expect: 250\n"
    assert f"failed: {known}every line sent has had its reply" == shown(run_steps(steps, HELLO, None).result)[1]
    steps = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - expect: 250\n"
    result = run_steps(steps, HELLO, b"354 go\r\n", None).result
    assert f"failed: {known}the message is not at its end" == shown(result)[2]


def test_where_a_fragment_is_used(tmp_path):
    """A step of a fragment knows the steps that use it, the innermost first; those outside know of none."""
    (tmp_path / "inner.yaml").write_text("fragment: {params: []}\nsteps:\n  - {send: NOOP, expect: 550}\n")
    outer = f"fragment: {{params: []}}\nsteps:\n  - use: {tmp_path}/inner.yaml\n"
    (tmp_path / "outer.yaml").write_text(outer)
    steps = f"  - expect: 220\n  - use: {tmp_path}/outer.yaml\n"
    result = run_steps(steps, HELLO, b"250 ok\r\n").result
    used_at = [[(place.file.rpartition("/")[2], place.line) for place in step.used_at] for step in result.steps]
    assert [[], [("outer.yaml", 3), ("test.yaml", 5)]] == used_at
