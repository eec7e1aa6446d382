"""`expect_line`: one line of a reply that may not be whole yet."""

from __future__ import annotations

import pytest
from memory import EOF, STALL
from playing import shown

from runner.results import Outcome

TEASER, REST = b"220-please wait\r\n", b"220 mx.example ready\r\n"
GREETED = "  - expect_line: 220-*\n  - expect: |\n      220-please wait\n      220 mx.example *\n"


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param((TEASER, REST), id="in two"),
        pytest.param((TEASER + REST,), id="at once"),
        pytest.param((TEASER[:7], TEASER[7:] + REST[:1], REST[1:]), id="cut"),
        pytest.param(tuple((TEASER + REST)[at : at + 1] for at in range(len(TEASER + REST))), id="bytewise"),
    ],
)
def test_the_line_and_then_the_whole(run, turn):
    """The line stays a part of its reply, which a later step reads whole; how it is cut makes no difference."""
    result = run(GREETED, turn).result
    assert ["passed", "passed"] == shown(result)
    assert "expect_line 220-*" == result.steps[0].label


def test_it_is_judged_before_the_reply_is_whole(run):
    """The step ends with the line, and what comes next is up to the next step."""
    steps = "  - expect_line: 220-*\n  - send: EHLO early\n  - expect: 220\n  - expect: 554"
    assert Outcome.PASSED is run(steps, TEASER, REST + b"554 you spoke too early\r\n").result.outcome


MIXED = "a reply whose lines carry different codes, 220 and 521"
TORN = b"521 5.5.1 you spoke too early\r\n"


def test_a_greeting_that_is_given_up(run):
    """Postfix's postscreen begins a greeting and then says something else: read line by line, that is the next reply."""
    steps = "  - expect_line: 220-*\n  - {send: EHLO early, expect: 521}"
    assert ["passed", "passed"] == shown(run(steps, TEASER, TORN).result)


@pytest.mark.parametrize(
    "turn", [(TEASER + TORN, EOF), (TEASER, TORN, EOF), (TEASER[:5], TEASER[5:] + TORN[:5], TORN[5:], EOF)]
)
@pytest.mark.parametrize(
    ("steps", "outcomes"),
    [
        pytest.param("  - expect_line: 220-*\n  - expect: 521", ["passed", "passed"], id="read"),
        pytest.param("  - expect_line: 220-*\n  - expect_line: '521 *'\n  - expect: 521", ["passed"] * 3, id="read on"),
        pytest.param(
            "  - expect: 220",
            [f"failed: the server broke the protocol: {MIXED}: '521 5.5.1 you spoke too early'"],
            id="not read",
        ),
    ],
)
def test_a_greeting_that_is_given_up_however_it_is_cut(run, turn, steps, outcomes):
    """It is a fault of the server, but for those who have read each of its lines."""
    assert outcomes == shown(run(steps, turn).result)


def test_a_wrong_line(run):
    """It is recorded with its hint, and the reply is judged all the same."""
    result = run("  - expect_line: '220-Please'\n  - expect: 220", (TEASER, REST)).result
    assert ["failed: expected 220-Please, got 220-please wait", "passed"] == shown(result)
    assert "line" == result.steps[0].differences[0].part


def test_a_reply_of_one_line(run):
    """A last line has a blank after its code, so `220-*` tells a server that does not let wait."""
    result = run("  - expect_line: 220-*\n  - expect: 220", REST).result
    assert ["failed: expected 220-*, got 220 mx.example ready", "passed"] == shown(result)


def test_several_lines(run):
    """Each step takes the next line; beyond the last there is none."""
    steps = "  - expect_line: 220-please *\n  - expect_line: 220 mx*\n  - expect_line: 220*\n  - expect: 220"
    result = run(steps, (TEASER, REST)).result
    assert ["passed", "passed", "failed: expected 220*, got no further line: the reply has ended", "passed"] == shown(
        result
    )


def test_lines_are_counted_anew_for_each_reply(run):
    """What was read of one reply is not read of the next."""
    steps = (
        "  - expect_line: 220-*\n  - expect: 220\n  - send: EHLO c\n  - expect_line: 250-mx\n  - expect: 250\n"
        "  - {send: HELP, expect_line: '214-*'}\n  - expect: 214"
    )
    result = run(steps, TEASER + REST, (b"250-mx\r\n", b"250 SIZE\r\n"), (b"214-a\r\n", b"214 b\r\n")).result
    assert Outcome.PASSED is result.outcome, shown(result)


def test_after_connect(run):
    """Beside `connect` it reads the greeting's first line."""
    result = run("  - connect:\n    expect_line: 220-*\n  - expect: 220", (TEASER, REST)).result
    assert ["passed", "passed"] == shown(result)


def test_a_regex_and_its_groups(run):
    """A regex sees the line with its code; its named groups become variables."""
    steps = "  - expect_line: /^220-(?P<word>\\w+)/\n  - expect: 220\n  - {send: 'NOOP ${word}', expect: 250}"
    played = run(steps, (TEASER, REST), b"250 ok\r\n")
    assert played.sent[0].startswith(b"NOOP please\r\n")


def test_placeholders(run):
    """A value fits as it is, and is shown beside what was written."""
    result = run("  - expect_line: 220-${word}*\n  - expect: 220", (TEASER, REST), variables={"word": "?"}).result
    assert "failed: expected 220-${word}* (filled: 220-\\?*), got 220-please wait" == shown(result)[0]


def test_silence_after_a_line(run):
    """What a step has read of a reply does not break the silence that follows it."""
    steps = "  - expect_line: 220-*\n  - {expect: silence, for: 5s}\n  - expect: 220"
    assert Outcome.PASSED is run(steps, (TEASER, STALL, REST)).result.outcome
    result = run(steps, (TEASER, b"2", STALL, REST[1:])).result
    assert Outcome.PASSED is not result.outcome


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        pytest.param("  - {expect_line: 220-*, within: 10ms}\n  - expect: 220", Outcome.PASSED, id="in time"),
        pytest.param("  - {expect_line: 220-*, within: 1ms}\n  - expect: 220", Outcome.FAILED, id="late"),
        pytest.param(
            "  - {expect_line: 220-*, within: 1ms, severity: warning}\n  - expect: 220", Outcome.PASSED, id="noted"
        ),
        pytest.param("  - expect_line: 220-*\n  - {expect: 220, within: 3ms}", Outcome.FAILED, id="the whole"),
    ],
)
def test_within(run, steps, outcome):
    """The latency is that of the line, not of the reply, also where the step looks at it later."""
    assert outcome is run(steps, (TEASER, REST), elapses=0.004).result.outcome


def test_the_latency_of_a_line_that_was_there_before(run):
    """A line that came early is not late because a step gets to it late."""
    steps = "  - connect:\n  - wait: 3s\n  - {expect_line: 220-*, within: 1s}\n  - expect: 220"
    assert Outcome.PASSED is run(steps, (TEASER, REST)).result.outcome


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        pytest.param((b"220-pl",), "error: no whole greeting within 30 s, only 6 bytes: '220-pl'", id="half a line"),
        pytest.param((b"220-pl", EOF), "failed: the server closed the connection inside a reply", id="eof"),
        pytest.param((EOF,), "failed: the server closed the connection before its greeting", id="eof at once"),
        pytest.param((b"hello\r\n",), "failed: the server broke the protocol: not a reply", id="no reply"),
    ],
)
def test_no_line_comes(run, turn, reason):
    """What comes in its place is told as an `expect` would tell it."""
    assert shown(run("  - expect_line: 220-*", turn).result)[0].startswith(reason)


def test_the_reply_stays_owed(run):
    """A reply of which only lines were read was not read."""
    result = run("  - expect_line: 220-*", (TEASER, REST)).result
    assert "after the last step: no step expected the reply to the greeting" == result.reason
