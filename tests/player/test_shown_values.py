"""What a report shows of placeholders: what was written, and what it came to; a secret by its name."""

from __future__ import annotations

import pytest
from playing import everything, shown

from runner.results import Outcome

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
NO = b"550 5.7.1 no\r\n"
VALUES = {"external": "carol@example.net", "code": "250", "word": "queued"}


def last_step(run, step, *turns, **given):
    given = {"variables": VALUES, **given}
    return run(f"  - expect: 220\n  - {step}", HELLO, *turns, **given).result.steps[-1]


# The label.


@pytest.mark.parametrize(
    ("step", "label"),
    [
        pytest.param("{send: 'RCPT TO:<${external}>', expect: 250}", "send RCPT TO:<carol@example.net>", id="send"),
        pytest.param(
            "talk: |\n      C: RCPT TO:<${external}>\n      S: 250", "C: RCPT TO:<carol@example.net>", id="talk"
        ),
        pytest.param("{send: 'RCPT TO:<${external}>', name: carol, expect: 250}", "carol", id="a name of its own"),
        pytest.param(
            "{name: relay, steps: [{send: 'RCPT TO:<${external}>', expect: 250}]}",
            "relay: send RCPT TO:<carol@example.net>",
            id="in a group",
        ),
        pytest.param(
            "{pipeline: [{send: 'RCPT TO:<${external}>', expect: 250}]}",
            "send RCPT TO:<carol@example.net>",
            id="in a pipeline",
        ),
        pytest.param("{send: 'NOOP $${external}', expect: 250}", "send NOOP $${external}", id="no placeholder"),
        pytest.param(
            "{send: 'NOOP ${word | repeat(20)}', expect: 250}", f"send NOOP {'queued' * 8}q…", id="a long value"
        ),
    ],
)
def test_a_step_that_fails_is_called_by_what_was_sent(run, step, label):
    """Its label is filled, and so is the reason of the case."""
    assert label == last_step(run, step, NO).label


def test_the_reason_of_the_case(run):
    """At night one wants the address."""
    steps = "  - expect: 220\n  - {send: 'RCPT TO:<${external}>', expect: 250}"
    result = run(steps, HELLO, NO, variables=VALUES).result
    assert "send RCPT TO:<carol@example.net>: expected 250, got 550 5.7.1 no" == result.reason


def test_a_step_that_passes_is_called_as_it_is_written(run):
    """Labels of what is right stay the same from run to run; so do those of what was not reached."""
    steps = "  - expect: 220\n  - {send: 'NOOP ${unique}', expect: 250}\n  - {send: X, expect: 250}\n"
    result = run(f"{steps}  - send: RSET ${{unique}}", HELLO, OK, NO).result
    assert ["send NOOP ${unique}", "send RSET ${unique}"] == [result.steps[1].label, result.steps[3].label]


def test_a_warning_is_called_by_what_was_sent_too(run):
    """What is noted is read like what fails."""
    steps = "  - expect: 220\n  - {send: 'RCPT TO:<${external}>', expect: 250 2.1.5, severity: warning}"
    result = run(steps, HELLO, OK, variables=VALUES).result
    assert ("send RCPT TO:<carol@example.net>: expected 250 2.1.5, got 250 2.0.0 ok",) == result.warnings


def test_a_value_that_is_not_there(run):
    """What has no value is shown as it is written."""
    steps = (
        "  - {expect: 220, capture: {id: '/queued (.+)/'}, severity: warning}\n  - {send: 'NOOP ${id}', expect: 250}"
    )
    step = run(steps, HELLO).result.steps[-1]
    assert ("send NOOP ${id}", Outcome.ERROR) == (step.label, step.outcome)


def test_a_mechanism(run):
    """The label of `auth` names the mechanism, not the variable."""
    given = {"variables": {"how": "PLAIN", "username": "alice"}, "secrets": {"password": "pa55word"}}
    assert "auth PLAIN" == last_step(run, "auth: ${how}", b"535 no\r\n", **given).label


@pytest.mark.parametrize("secret", ["pa55word", "p5"], ids=["long", "short"])
def test_a_secret_in_a_label_and_in_a_pattern(run, secret):
    """It is shown by its name, also one that is too short to be looked for."""
    step = "{send: 'X ${password}', expect: '250 *${password}', has: '${password | upper}'}"
    played = run(f"  - expect: 220\n  - {step}", HELLO, OK, secrets={"password": secret})
    last = played.result.steps[-1]
    assert "send X ⟨password⟩" == last.label
    assert "250 *${password} (filled: 250 *⟨password⟩)" == last.differences[0].expected
    assert "a line with ${password | upper} (filled: ⟨password⟩)" == last.differences[1].expected
    texts = [line.partition("secrets=")[0] for line in everything(played.result).splitlines()]
    assert [] == [text for text in texts if secret in text or secret.upper() in text]


# What was expected.


@pytest.mark.parametrize(
    ("expecting", "expected"),
    [
        pytest.param("expect: '250 *${word}*'", "250 *${word}* (filled: 250 *queued*)", id="glob"),
        pytest.param("expect: '250 /${word}/i'", "250 /${word}/i (filled: 250 /queued/i)", id="regex"),
        pytest.param("expect: '${code} x'", "${code} x (filled: 250 x)", id="in place of a code"),
        pytest.param(
            "expect: ['250 ${word}', 250 x]", "250 ${word} (filled: 250 queued) or 250 x", id="one alternative of two"
        ),
        pytest.param(
            "expect: |\n      250-${word}\n      250 x",
            "250 ${word}\n250 x\n(filled: 250 queued\n250 x)",
            id="block",
        ),
        pytest.param("expect: 250\n    has: '${word}'", "a line with ${word} (filled: queued)", id="has"),
        pytest.param("expect: 250\n    lacks: '*${ok}*'", "no line with *${ok}* (filled: *ok*)", id="lacks"),
        pytest.param(
            "expect: 250\n    capture: {x: '/${word}/'}",
            "/${word}/ (filled: /queued/) to capture 'x'",
            id="capture",
        ),
        pytest.param("expect: 250 queued", "250 queued", id="no placeholder"),
    ],
)
def test_what_was_expected_is_shown_filled_too(run, expecting, expected):
    """The pattern as it was written, and what it came to."""
    step = last_step(run, f"send: NOOP\n    {expecting}", OK, variables={**VALUES, "ok": "ok"})
    assert expected == step.differences[0].expected


def test_a_wrong_code_and_a_missing_reply(run):
    """The same where no reply came, or one with another code."""
    step = last_step(run, "{send: NOOP, expect: '${code}'}", NO)
    assert "expected ${code} (filled: 250), got 550 5.7.1 no" == step.reason
    assert "${code} (filled: 250)" == last_step(run, "{send: NOOP, expect: '${code}'}").differences[0].expected


def test_what_a_value_shows_is_not_read_again(run):
    """Nothing that a value holds counts as a placeholder when it is shown."""
    step = last_step(run, "{send: 'X ${word}', expect: '250 ${word}'}", OK, variables={"word": "${code}*"})
    assert ("send X ${code}*", r"250 ${word} (filled: 250 ${code}\*)") == (step.label, step.differences[0].expected)


def test_reasons_of_steps_that_pass_have_no_values(run):
    """A case that passes shows nothing of all this."""
    assert ["passed", "passed"] == shown(
        run("  - expect: 220\n  - {send: 'X ${word}', expect: '${code}'}", HELLO, OK, variables=VALUES).result
    )


@pytest.mark.parametrize(
    ("expected", "value", "filled"),
    [
        ("500 *${a}*", "f*o", r"500 *f\*o*"),
        ("500 ${a}", "/x", r"500 \/x"),
        ("500 /${a}nope/", ".*", r"500 /\.\*nope/"),
        ("500 ${a}", "a\\b", "500 a\\b"),
    ],
    ids=["a glob", "no regex", "a regex", "a backslash that escapes nothing"],
)
def test_a_value_is_shown_as_the_literal_text_that_it_is(run, expected, value, filled):
    """What a filled pattern comes to is in the pattern's own notation: copied, it would mean the same."""
    step = last_step(run, f"{{send: X, expect: '{expected}'}}", b"500 other\r\n", variables={"a": value})
    assert f"{expected} (filled: {filled})" == step.differences[0].expected


def test_a_secret_in_a_pattern_is_masked_before_it_is_escaped(run):
    """Escaped, it would no longer be found."""
    given = {"variables": {"a": "x s.e*cret y"}, "secrets": {"password": "s.e*cret"}}
    for expected in ("250 ${a}", "250 /${a}/", "250 /${password}/"):
        played = run(f"  - expect: 220\n  - {{send: X, expect: '{expected}'}}", HELLO, OK, **given)
        assert "⟨password⟩" in played.result.steps[-1].differences[0].expected
        assert "cret" not in everything(played.result)
