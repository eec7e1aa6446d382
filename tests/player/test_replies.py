"""Replies: codes, words, conditions on text, captures, warnings, and what a reason says."""

from __future__ import annotations

import pytest
from memory import EOF, RAGGED_EOF, RESET
from playing import everything, shown

from runner.protocol import Limits
from runner.results import Outcome
from runner.wire import Fault, FaultKind

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
EHLO = b"250-mx.example\r\n250-SIZE 1000\r\n250 AUTH PLAIN\r\n"


def test_a_wrong_code_ends_the_case(run):
    """A wrong code fails its step, the rest is not run, and the goodbye is said."""
    played = run(
        "  - expect: 220\n  - {send: NOOP, expect: 250}\n  - {send: RSET, expect: 250}", HELLO, b"502 5.5.1 no\r\n"
    )
    assert ["passed", "failed: expected 250, got 502 5.5.1 no", "not run"] == shown(played.result)
    assert "send NOOP: expected 250, got 502 5.5.1 no" == played.result.reason
    assert played.sent[0] == b"NOOP\r\nQUIT\r\n"
    difference = played.result.steps[1].differences[0]
    assert ("code", "250", "502 5.5.1 no") == (difference.part, difference.expected, difference.actual)


def test_another_mismatch_lets_the_case_go_on(run):
    """Whatever differs but the code is recorded, and the conversation goes on."""
    played = run("  - expect: 220\n  - {send: NOOP, expect: 250 2.1.5}\n  - {send: RSET, expect: 250}", HELLO, OK, OK)
    assert ["passed", "failed: expected 250 2.1.5, got 250 2.0.0 ok", "passed"] == shown(played.result)
    assert Outcome.FAILED is played.result.outcome


def test_several_differences_in_one_step(run):
    """One reply can differ in more than one way; all are told, the first is the reason."""
    step = "{send: 'EHLO x', expect: 250, lines: 2, has: '*PIPELINING*', capabilities: {SIZE: absent}}"
    result = run(f"  - expect: 220\n  - {step}", HELLO, EHLO).result
    assert ["lines", "has", "capabilities"] == [one.part for one in result.steps[1].differences]
    assert "failed: expected 2 lines, got 3 lines" == shown(result)[1]


@pytest.mark.parametrize("severity", ["", ", severity: warning"], ids=["error", "warning"])
def test_severity(run, severity):
    """With `severity: warning` what differs is noted, also a wrong code, and the case goes on and can pass."""
    steps = f"  - expect: 220\n  - {{send: NOOP, expect: 250{severity}}}\n  - {{send: RSET, expect: 250}}"
    result = run(steps, HELLO, b"502 no\r\n", OK).result
    if severity:
        assert ["passed", "passed", "passed"] == shown(result)
        assert ("send NOOP: expected 250, got 502 no",) == result.warnings
        assert Outcome.PASSED is result.outcome
    else:
        assert Outcome.FAILED is result.outcome


def test_because(run):
    """The author's `because` is in the step's result."""
    result = run("  - {expect: 220, because: mail is urgent}", b"554 no\r\n").result
    assert "mail is urgent" == result.steps[0].because


def test_any(run):
    """`any` takes whatever reply comes."""
    assert Outcome.PASSED is run("  - expect: any", b"554 go away\r\n").result.outcome


@pytest.mark.parametrize("end", [EOF, RAGGED_EOF, RESET], ids=["eof", "ragged", "reset"])
def test_expected_close(run, end):
    """`close` is met when the server hangs up, however; what it owed is then owed no more."""
    played = run("  - expect: 220\n  - {send: QUIT, expect: close}", HELLO, end)
    assert Outcome.PASSED is played.result.outcome


def test_close_inside_a_reply(run):
    """An end inside a reply is not the `close` that was expected."""
    result = run("  - expect: 220\n  - {send: QUIT, expect: [221, close]}", HELLO, (b"221 by", EOF)).result
    assert "failed: the server closed the connection inside a reply" == shown(result)[1]
    assert "221 by (incomplete), then close" == result.steps[1].differences[0].actual


def test_close_by_our_own_fault(run):
    """A failure on this side is no `close`, and no verdict on the server."""
    fault = Fault(FaultKind.LOCAL, "no buffer space")
    result = run("  - expect: 220\n  - {send: QUIT, expect: close}", HELLO, fault).result
    assert "error: the connection failed where a reply was due: local error: no buffer space" == shown(result)[1]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        pytest.param((EOF,), "the server closed the connection before its greeting", id="eof before the greeting"),
        pytest.param((RESET,), "the server reset the connection before its greeting", id="reset before the greeting"),
        pytest.param((b"22", EOF), "the server closed the connection inside a reply", id="eof in the greeting"),
    ],
)
def test_an_end_in_place_of_a_greeting(run, turns, reason):
    """A server that accepts and then hangs up has done otherwise: failed."""
    assert [f"failed: {reason}"] == shown(run("  - expect: 220", turns).result)


def test_silence(run):
    """`silence` is met when nothing comes for as long as it says, even beyond the step's timeout."""
    played = run("  - expect: 220\n  - {send: X, eol: none, expect: silence, for: 45s}\n  - close: reset", HELLO)
    assert Outcome.PASSED is played.result.outcome
    assert 45 <= played.result.elapsed < 46


@pytest.mark.parametrize(
    ("turns", "outcome"),
    [
        pytest.param((), Outcome.PASSED, id="nothing"),
        pytest.param((b"421 bye\r\n", EOF), Outcome.PASSED, id="a reply"),
        pytest.param((EOF,), Outcome.PASSED, id="the end"),
        pytest.param((b"250 ok\r\n",), Outcome.FAILED, id="another reply"),
        pytest.param((b"42",), Outcome.FAILED, id="half a reply"),
    ],
)
def test_silence_or_something_else(run, turns, outcome):
    """A list may hold `silence`: then nothing for so long is right, and so is what else it names."""
    steps = "  - expect: 220\n  - {send: X, eol: none}\n  - {expect: [silence, 421, close], for: 45s}\n  - close: reset"
    assert outcome is run(steps, HELLO, turns).result.outcome


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        pytest.param("{send: QUIT, expect: close, within: 1s}", Outcome.PASSED, id="in time"),
        pytest.param("{send: QUIT, expect: close, within: 1ms}", Outcome.FAILED, id="late"),
        pytest.param("{send: QUIT, expect: close, within: 1ms, severity: warning}", Outcome.PASSED, id="noted"),
        pytest.param("{send: QUIT, expect: [221, close], within: 1ms}", Outcome.FAILED, id="in place of a reply"),
    ],
)
def test_within_holds_for_the_end_too(run, step, outcome):
    """The end of a connection that was expected may come too late like a reply."""
    result = run(f"  - expect: 220\n  - {step}", HELLO, EOF, elapses=0.01).result
    assert outcome is result.outcome
    assert outcome is Outcome.PASSED or "within" == result.steps[1].differences[0].part


def test_named_groups_of_a_capture(run):
    """A regex under `capture` gives its own name group 1, and each named group its name."""
    steps = (
        "  - expect: 220\n  - {send: X, expect: 250, capture: {whole: '/(2.0.0) (?P<word>ok)/'}}\n"
        "  - {send: '${whole} ${word}', expect: 250}"
    )
    played = run(steps, HELLO, OK, OK)
    assert played.sent[0].startswith(b"X\r\n2.0.0 ok\r\n")


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        pytest.param(b"250 ok\r\n", "expected silence, got 250 ok", id="reply"),
        pytest.param(EOF, "the server closed the connection where a reply was due", id="eof"),
        pytest.param(b"2", "no whole reply to a client line within 30 s, only 1 bytes: '2'", id="one byte"),
        pytest.param(b"250-a\r\n", "no whole reply to a client line within 30 s, only 7 bytes: '250-a'", id="one line"),
    ],
)
def test_silence_is_broken(run, turn, reason):
    """Any byte breaks a silence, and so does the end of the connection."""
    result = run("  - expect: 220\n  - {send: FOO, expect: silence, for: 2s}", HELLO, turn).result
    assert f"failed: {reason}" == shown(result)[1]


def test_captures(run):
    """What a reply gives is used in later lines and expectations."""
    steps = """
  - expect: '220 /^(?P<host>\\S+)/'
  - {send: NOOP, expect: 250, capture: {code: code, status: status, text: text, word: '/ok (\\w+)/'}}
  - {send: 'X ${host} ${code} ${status} ${word}', expect: '250 ${text}'}"""
    played = run(steps, HELLO, b"250 2.0.0 ok then\r\n", b"250 2.0.0 ok then\r\n")
    assert Outcome.PASSED is played.result.outcome
    assert played.sent[0] == b"NOOP\r\nX mx.example 250 2.0.0 then\r\nQUIT\r\n"


def test_a_capture_that_never_ran(run):
    """What a capture would have given is an error of the step that wants it; a default covers it."""
    steps = """
  - expect: 220
  - {when: {reply: 5xx}, send: A, expect: 250, capture: {id: text}}
  - {send: 'B ${id:-none}', expect: 250}
  - {send: 'C ${id}', expect: 250}"""
    played = run(steps, HELLO, OK)
    assert "error: '${id}' was not captured: the step that captures it did not run or match" == shown(played.result)[3]
    assert played.sent[0] == b"B none\r\nQUIT\r\n"


def test_a_placeholder_in_place_of_a_code(run):
    """`expect: ${reply}` takes the value as CODE and STATUS, and nothing else."""
    steps = "  - expect: 220\n  - {send: NOOP, expect: '${reply}'}"
    assert Outcome.PASSED is run(steps, HELLO, OK, variables={"reply": "250 2.0.0"}).result.outcome
    result = run(steps, HELLO, OK, variables={"reply": "250 any text"}).result
    assert (
        "error: the value of ${reply} is '250 any text', where a code such as '250' or '550 5.7.1' is due"
        == shown(result)[1]
    )


def test_capabilities_before_any_were_read(run):
    """Asking for capabilities before a reply showed some is an error, not a failure of the server."""
    result = run("  - {expect: 220, capabilities: [SIZE]}", HELLO).result
    assert (
        "error: no capabilities were read since the connection or its last handshake: send EHLO first"
        == shown(result)[0]
    )


def test_a_refusal_where_capabilities_were_asked_for(run):
    """A server that shows none since it says no has failed, and its words are the reason."""
    result = run("  - expect: 220\n  - {send: EHLO c, expect: 250, capabilities: [SIZE]}", HELLO, b"502 no\r\n").result
    assert "failed: expected 250, got 502 no" == shown(result)[1]


@pytest.mark.parametrize(("after", "outcome"), [(0.9, Outcome.PASSED), (1.1, Outcome.FAILED)], ids=["in time", "late"])
def test_within(run, after, outcome):
    """`within` is measured from the last byte sent to the reply's last, whenever the step reads it."""
    steps = "  - expect: 220\n  - send: NOOP\n  - wait: 10s\n  - {expect: 250, within: 2s}"
    assert outcome is run(steps, HELLO, OK, elapses=after).result.outcome


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (
            b"SSH-2.0-OpenSSH_9.6\r\n",
            "not a reply: three digits from 200 to 599 are due (RFC 5321 section 4.2): 'SSH-2.0-OpenSSH_9.6'",
        ),
        (b"220-a\r\n221 b\r\n", "a reply whose lines carry different codes, 220 and 221: '221 b'"),
        (b"220 a\n", "a line that ends with a bare LF (RFC 5321 section 2.3.8): '220 a'"),
        (b"220 " + b"x" * 100 + b"\r\n", "a line of more than 80 bytes (limit 'line'): '220 " + "x" * 76 + "'"),
        (b"220-a\r\n" * 50, "a reply of more than 100 bytes (limit 'reply'): '220-a'"),
    ],
    ids=["no reply", "two codes", "bare LF", "long line", "long reply"],
)
def test_what_is_no_reply(run, greeting, reason):
    """Bytes that are no reply fail the step at once, with the rule and the bytes."""
    result = run("  - expect: 220\n  - {send: NOOP, expect: 250}", greeting, limits=Limits(80, 100)).result
    assert [f"failed: the server broke the protocol: {reason}", "not run"] == shown(result)


def test_lenient_line_ends(run):
    """With lenient line ends a bare LF is accepted, and a warning says so."""
    result = run("  - expect: 220", b"220 a\n", is_lenient=True).result
    assert Outcome.PASSED is result.outcome
    assert ("lines of the server hold a bare LF or CR; accepted because line_ends is lenient",) == result.warnings


def test_bytes_that_are_no_text(run):
    r"""Text that is no UTF-8 is matched and shown as `\\xNN`."""
    result = run("  - expect: '220 ok'", b"220 \xff\xfe\r\n").result
    assert "failed: expected 220 ok, got 220 \\xff\\xfe" == shown(result)[0]


@pytest.mark.parametrize("closes", [True, False], ids=["with close", "without close"])
def test_421_in_place_of_a_reply(run, closes):
    """A 421 where another reply was due is the reason, whether a close follows or not."""
    turn = (b"421 4.3.2 shutting down\r\n", EOF) if closes else b"421 4.3.2 shutting down\r\n"
    result = run("  - expect: 220\n  - {send: NOOP, expect: 250}", HELLO, turn).result
    assert "failed: expected 250, got 421 4.3.2 shutting down" == shown(result)[1]


@pytest.mark.parametrize("closes", [True, False], ids=["with close", "without close"])
def test_421_that_nothing_asked_for(run, closes):
    """A 421 between two steps is in the reason of the failure that follows."""
    turn = (OK, b"421 4.4.2 idle\r\n", EOF) if closes else (OK, b"421 4.4.2 idle\r\n")
    steps = "  - expect: 220\n  - {send: NOOP, expect: 250}\n  - wait: 1s\n  - {send: RSET, expect: 250}"
    reason = shown(run(steps, HELLO, turn).result)[3]
    if closes:
        assert (
            "failed: nothing can be sent: the server has closed the connection; it had said: 421 4.4.2 idle" == reason
        )
    else:
        assert "failed: unexpected data before 'send RSET': 421 4.4.2 idle" == reason


def test_421_that_a_step_had_taken(run):
    """A 421 that a step accepted is told again when the connection then turns out to be gone."""
    steps = "  - expect: 220\n  - {send: NOOP, expect: [250, 421]}\n  - {send: RSET, expect: 250}"
    result = run(steps, HELLO, (b"421 4.3.2 bye\r\n", EOF)).result
    assert (
        "failed: the server closed the connection where a reply was due; it had said: 421 4.3.2 bye" == shown(result)[2]
    )


def test_421_after_an_idle_time_can_be_expected(run):
    """An `expect` alone may read a reply that nothing was sent for: that is how an idle timeout is tested."""
    steps = "  - expect: 220\n  - {expect: 421, timeout: 6m}\n  - expect: close"
    assert Outcome.PASSED is run(steps, (HELLO, b"421 idle\r\n", EOF)).result.outcome


def test_requires_capability(run):
    """A scenario whose server lacks what it requires is skipped at the first reply that shows capabilities."""
    steps = "  - expect: 220\n  - {send: 'EHLO x', expect: 250}\n  - {send: NOOP, expect: 250}"
    result = run(steps, HELLO, EHLO, top="requires: {capability: STARTTLS}").result
    reason = "requires STARTTLS, which the server does not offer"
    assert (Outcome.SKIPPED, reason) == (result.outcome, result.reason)
    assert ["passed", f"skipped: {reason}", "not run"] == shown(result)
    result = run(steps, HELLO, EHLO, OK, top="requires: {capability: SIZE}").result
    assert Outcome.PASSED is result.outcome


def test_a_failure_is_not_hidden_by_a_skip(run):
    """A case that had failed before it would be skipped stays failed."""
    steps = "  - expect: 220 nobody\n  - {send: 'EHLO x', expect: 250}"
    result = run(steps, HELLO, EHLO, top="requires: {capability: STARTTLS}").result
    assert Outcome.FAILED is result.outcome


def test_a_long_reply_is_shortened(run):
    """A difference shows the first and last lines of a long reply, and none of them whole if it is very long."""
    reply = b"".join(b"250-%05d %s\r\n" % (number, b"x" * 900) for number in range(200)) + b"250 end\r\n"
    step = "{send: HELP, expect: 250, has: ['*a*', '*b*', '*c*', '*d*']}"
    result = run(f"  - expect: 220\n  - {step}", HELLO, reply).result
    actual = result.steps[1].differences[0].actual
    assert len(actual) < 12_000
    assert "… 176 lines, 160336 characters left out …" in actual
    assert actual.endswith("250 end")
    assert len(everything(result)) < 100_000
    assert len(result.steps[1].reason) < 600


def test_a_long_line_is_cut_once(run):
    """The reason counts what is left out as the difference does."""
    result = run("  - expect: 250", b"220 " + b"x" * 1000 + b"\r\n").result
    (step,) = result.steps
    assert f"expected 250, got {step.differences[0].actual}" == step.reason
    assert step.reason.endswith("x… 604 characters left out")


@pytest.mark.parametrize(
    ("server", "outcome"),
    [
        pytest.param(Fault(FaultKind.REFUSED), Outcome.ERROR, id="refused"),
        pytest.param(Fault(FaultKind.UNRESOLVED), Outcome.ERROR, id="unresolved"),
        pytest.param(Fault(FaultKind.UNREACHABLE), Outcome.ERROR, id="unreachable"),
        pytest.param(Fault(FaultKind.TLS_EXPIRED), Outcome.FAILED, id="certificate"),
        pytest.param(Fault(FaultKind.TLS_PLAINTEXT), Outcome.FAILED, id="clear text"),
    ],
)
def test_failed_or_error_without_a_connection(run, server, outcome):
    """No connection is no verdict; a certificate that does not verify is one."""
    result = run("  - expect: 220", lambda: server).result
    assert outcome is result.outcome
    is_tls = server.kind.name.startswith("TLS_")
    what = "the TLS handshake with 127.0.0.1:25 failed" if is_tls else "no connection to 127.0.0.1:25"
    assert f"{what}: {server}" == result.steps[0].reason


def test_the_servers_fault_outweighs_ours(run):
    """A case that both failed and erred is failed: the server did otherwise, whatever else."""
    steps = "  - expect: 220 nobody\n  - {send: 'A ${id}', expect: 250}\n  - {when: {reply: 5xx}, send: B, expect: 250, capture: {id: text}}"
    result = run(steps, HELLO).result
    assert Outcome.FAILED is result.outcome
    assert "expect 220 nobody: expected 220 nobody, got 220 mx.example ESMTP" == result.reason
