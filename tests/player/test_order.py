"""Order: what is owed, what nobody asked for, pipelines, groups and conditions."""

from __future__ import annotations

import pytest
from memory import EOF, RESET
from playing import shown

from runner.player.link import Link
from runner.protocol import Limits
from runner.protocol.smtp import Smtp
from runner.results import Outcome
from runner.transcript import Transcript

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
EXTRA = b"250 extra\r\n"
EHLO = b"250-mx.example\r\n250-SIZE 1000\r\n250 AUTH PLAIN\r\n"
BYE = (b"221 bye\r\n", EOF)


# Replies that were not owed.


@pytest.mark.parametrize(
    ("step", "label"),
    [
        ("{send: RSET, expect: 250}", "send RSET"),
        ("{starttls: , expect: 220}", "starttls"),
        ("tls:", "tls"),
        ("{auth: {mechanism: PLAIN, username: a, password: b}}", "auth PLAIN"),
        ("close: quit", "close quit"),
        ("pipeline: [{send: RSET, expect: 250}]", "send RSET"),
    ],
    ids=["send", "starttls", "tls", "auth", "close", "pipeline"],
)
@pytest.mark.parametrize(("extra", "quoted"), [(EXTRA, "250 extra"), (b"250 ex", "'250 ex'")], ids=["whole", "half"])
def test_a_surplus_reply(run, step, label, extra, quoted):
    """A reply that was not owed, or a part of one, fails the next step that sends, and nothing is sent."""
    played = run(f"  - expect: 220\n  - {{send: NOOP, expect: 250}}\n  - {step}", HELLO, OK + extra)
    reason = shown(played.result)[2]
    assert reason.startswith("failed: unexpected data before")
    assert reason.endswith(f": {quoted}")
    assert played.sent[0].startswith(b"NOOP\r\n")
    assert b"RSET" not in played.sent[0]
    assert b"STARTTLS" not in played.sent[0]


def test_a_surplus_reply_after_the_last_step(run):
    """A reply that was not owed fails the case after its last step, when it comes before the goodbye."""
    result = run("  - expect: 220", (HELLO + EXTRA,)).result
    assert ["passed"] == shown(result)
    assert (Outcome.FAILED, "after the last step: something came that was not owed: 250 extra") == (
        result.outcome,
        result.reason,
    )


@pytest.mark.parametrize("answer", [b"221 bye\r\n", b"500 what\r\n"], ids=["221", "500"])
def test_a_surplus_reply_behind_the_goodbyes(run, answer):
    """The end is read out: what comes behind the answer to the goodbye fails the case."""
    result = run("  - expect: 220", HELLO, (answer + EXTRA, EOF)).result
    assert "after the last step: something came that was not owed: 250 extra" == result.reason
    result = run("  - expect: 220\n  - {send: QUIT, expect: any}", HELLO, (answer + EXTRA, EOF)).result
    assert "after the last step: something came that was not owed: 250 extra" == result.reason


def test_half_a_reply_after_the_goodbye(run):
    """Bytes behind the answer to QUIT fail the case even if they are no whole line."""
    result = run("  - expect: 220\n  - {send: QUIT, expect: 221}", HELLO, (b"221 bye\r\n", b"25", EOF)).result
    assert "after the last step: something came that was not owed: '25'" == result.reason


@pytest.mark.parametrize("turn", [OK, None, EOF], ids=["came", "did not come", "close"])
def test_a_reply_that_no_step_expects(run, turn):
    """A reply owed at the end fails the case, in the same words whether it has come or not."""
    result = run("  - expect: 220\n  - send: NOOP", HELLO, turn).result
    assert (Outcome.FAILED, "after the last step: no step expected the reply to NOOP") == (
        result.outcome,
        result.reason,
    )


def test_several_replies_that_no_step_expects(run):
    """All that is owed is named, in order."""
    result = run("  - expect: 220\n  - send: NOOP\n  - send: 'VRFY x'", HELLO, OK).result
    assert "after the last step: no step expected the replies to NOOP, VRFY" == result.reason


def test_a_later_step_reads_what_is_owed(run):
    """A `send` without an `expect` leaves its reply to a later step."""
    steps = "  - expect: 220\n  - send: NOOP\n  - expect: 250\n  - {send: RSET, expect: 250}"
    assert Outcome.PASSED is run(steps, HELLO, OK, OK).result.outcome


FLOODS = {
    "many": (EXTRA * 5000, "more than 10000 replies that nothing waited for"),
    "long": (
        b"250 " + b"x" * 50000 + b"\r\n",
        "more than 1048576 bytes of replies that nothing waited for (limit 'reply')",
    ),
}


@pytest.mark.parametrize(("data", "reason"), FLOODS.values(), ids=FLOODS)
def test_a_flood_is_bounded(data, reason):
    """What nothing waits for is not kept without end: the first of it is, and that there was too much."""
    link = Link(0, Smtp(Limits()), Transcript())
    link.machine.opened()
    for piece in (HELLO + data, *[data] * 40):
        link.received(piece, 1.0)
    (greeting, extra, flood) = [event for event, _ in link.events]
    assert (b"mx.example ESMTP", None, reason) == (greeting.lines[0], extra.owed, flood.reason)


def test_a_flood_is_told_by_its_first_reply(run):
    """Much that nobody asked for is told as little is: it makes no difference how much of it has come yet."""
    steps = "  - expect: 220\n  - wait: 5s\n  - {send: NOOP, expect: 250}"
    results = [run(steps, (HELLO, *[EXTRA * 5000] * count)).result for count in (1, 40)]
    assert ["failed: unexpected data before 'send NOOP': 250 extra"] * 2 == [shown(one)[2] for one in results]


# Pipelines.

PIPELINE = """
  - expect: 220
  - pipeline:
      - {send: 'MAIL FROM:<a@example.com>', expect: 250}
      - {send: 'RCPT TO:<b@example.org>', expect: 250}
      - {send: DATA, expect: 354}
  - {send: RSET, expect: 250}
"""


def test_a_pipeline(run):
    """A pipeline's lines leave in one write, and each reply is judged beside its line."""
    steps = PIPELINE.replace("DATA, expect: 354", "NOOP, expect: 250")
    played = run(steps, HELLO, (OK + OK, OK), OK)
    assert ["passed"] * 5 == shown(played.result)
    assert b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nNOOP\r\n" == played.actions[1].data


def test_a_pipeline_with_one_wrong_code(run):
    """After a wrong code the other replies are read and shown, then the case ends."""
    played = run(PIPELINE, HELLO, (OK, b"550 5.1.1 unknown\r\n", b"554 5.5.1 no recipients\r\n"))
    assert [
        "passed",
        "passed",
        "failed: expected 250, got 550 5.1.1 unknown",
        "failed: expected 354, got 554 5.5.1 no recipients",
        "not run",
    ] == shown(played.result)
    assert played.sent[0].endswith(b"DATA\r\nQUIT\r\n")


def test_a_pipeline_with_a_missing_reply(run):
    """A reply that does not come fails its own line, and the lines behind it are not run."""
    result = run(PIPELINE, HELLO, OK).result
    assert ["passed", "passed", "failed: no reply to RCPT within 30 s", "not run", "not run"] == shown(result)


@pytest.mark.parametrize("end", [EOF, RESET, None], ids=["eof", "reset", "silence"])
def test_a_pipeline_cut_short(run, end):
    """Behind a first failure a reply that does not come is no second one, however the server goes on."""
    result = run(PIPELINE, HELLO, (b"421 4.3.2 bye\r\n", end)).result
    assert ["passed", "failed: expected 250, got 421 4.3.2 bye", "not run", "not run", "not run"] == shown(result)


def test_a_pipeline_with_bytes_that_are_no_reply(run):
    """After bytes that are no reply nothing is waited for."""
    played = run(PIPELINE, HELLO, (OK + b"what\r\n" + OK))
    assert ["passed", "passed"] == shown(played.result)[:2]
    assert shown(played.result)[2].startswith("failed: the server broke the protocol: not a reply")
    assert ["not run", "not run"] == shown(played.result)[3:]
    assert played.now < 1003


def test_a_pipeline_without_an_expect(run):
    """Lines without an `expect` leave their replies to later steps."""
    steps = "  - expect: 220\n  - pipeline:\n      - send: NOOP\n      - {send: RSET, expect: '250 one'}\n  - expect: '250 two'"
    assert Outcome.PASSED is run(steps, HELLO, (b"250 one\r\n", b"250 two\r\n")).result.outcome


def test_a_pipeline_that_cannot_be_sent(run):
    """What stops a pipeline before it is written counts once, at its first line."""
    steps = "  - expect: 220\n  - pipeline:\n      - {send: NOOP, expect: 250}\n      - {send: 'X ${x}', expect: 250}"
    result = run(steps, HELLO, variables={"x": "a\nb"}).result
    assert ["passed", "error: the value of 'x' holds a LF, which can't be in a line", "not run"] == shown(result)


def test_a_pipelines_own_timeouts(run):
    """A line of a pipeline has its own timeout, else the pipeline's."""
    steps = "  - expect: 220\n  - timeout: 9s\n    pipeline:\n      - {send: NOOP, expect: 250, timeout: 4s}"
    assert "failed: no reply to NOOP within 4 s" == shown(run(steps, HELLO).result)[1]
    assert "failed: no reply to NOOP within 9 s" == shown(run(steps.replace(", timeout: 4s", ""), HELLO).result)[1]


# LMTP.


def test_lmtp_reads_a_reply_for_each_recipient(run):
    """After a message LMTP owes a reply for each accepted recipient; the reason names whose it was."""
    steps = """
  - expect: 220
  - {send: 'LHLO x', expect: 250}
  - {send: 'MAIL FROM:<a@example.com>', expect: 250}
  - {send: 'RCPT TO:<b@example.org>', expect: 250}
  - {send: 'RCPT TO:<c@example.org>', expect: 250}
  - {send: DATA, expect: 354}
  - {data: hello, expect: 250}
  - expect: 250"""
    turns = (HELLO, EHLO, OK, OK, OK, b"354 go\r\n")
    given = {"top": "protocol: lmtp", "url": "lmtp://127.0.0.1:24"}
    result = run(steps, *turns, (OK, b"452 full\r\n"), **given).result
    assert "failed: expected 250, got to message for c@example.org 452 full" == shown(result)[7]
    played = run(steps, *turns, (b"452 full\r\n", OK), **given)
    assert shown(played.result)[6].startswith("failed: expected 250, got to message for b@example.org 452 full")
    assert played.sent[0].endswith(b".\r\nQUIT\r\n"), "the reply that was owed yet is read before the goodbye"
    result = run(steps, *turns, OK, **given).result
    assert (
        "failed: no reply to the message for c@example.org within 300 s; "
        "delivery unknown: the message was sent and not answered" == shown(result)[7]
    )


# Conditions and groups.


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("{capability: size}", True),
        ("{capability: STARTTLS}", False),
        ("{not: {capability: STARTTLS}}", True),
        ("{reply: 2xx}", True),
        ("{reply: '250 mx*'}", True),
        ("{reply: 5xx}", False),
        ("{reply: [450, 2xx]}", True),
        ("{reply: [450, 5xx]}", False),
        ("{tls: false}", True),
        ("{tls: true}", False),
        ("{var: given}", True),
        ("{var: empty}", False),
        ("{var: never}", False),
        ("{var: given, is: 'v*'}", True),
        ("{var: given, is: '/^w/'}", False),
        ("{capability: SIZE, reply: 5xx}", False),
        ("{capability: SIZE, not: {reply: 5xx}}", True),
    ],
)
def test_conditions(run, when, holds):
    """All that a condition says must hold; a step whose condition does not is skipped."""
    steps = f"""
  - expect: 220
  - {{send: 'EHLO x', expect: 250}}
  - {{when: {{reply: 5xx}}, send: X, expect: 250, capture: {{never: text}}}}
  - {{when: {when}, send: '${{given}}${{empty}}', expect: 250}}"""
    played = run(steps, HELLO, EHLO, OK, variables={"given": "value", "empty": ""})
    assert ("passed" if holds else "skipped: its condition does not hold") == shown(played.result)[3]
    assert (b"value\r\n" in played.sent[0]) is holds
    assert Outcome.PASSED is played.result.outcome


def test_a_condition_on_a_word(run):
    """`when: reply` knows the word that the last `expect` met, on the session's connection before too."""
    steps = "  - {connect: , expect: [220, refused]}\n  - {when: {reply: refused}, wait: 1s}\n  - {when: {reply: 220}, wait: 1s}"
    result = run(steps, HELLO).result
    assert ["passed", "skipped: its condition does not hold", "passed"] == shown(result)


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("{capability: SIZE}", "whether SIZE is offered is not known: no capabilities were read yet; send EHLO first"),
        ("{reply: 2xx}", "there is no reply yet that 'when: reply' could judge"),
    ],
    ids=["capability", "reply"],
)
def test_a_condition_that_cannot_be_known(run, when, reason):
    """A condition on what was not read yet is an error, also of a group, and never skips."""
    assert [f"error: {reason}", "not run"] == shown(
        run(f"  - {{when: {when}, send: X}}\n  - expect: 220", HELLO).result
    )
    result = run(f"  - name: maybe\n    when: {when}\n    steps:\n      - expect: 220", HELLO).result
    assert [("maybe", f"error: {reason}"), ("maybe: expect 220", "not run")] == [
        (step.label, text) for step, text in zip(result.steps, shown(result), strict=True)
    ]


@pytest.mark.parametrize(
    "steps",
    [
        "  - name: hello\n    because: it must\n    steps: [{expect: 250}]",
        "  - name: hello\n    because: it must\n    talk: |\n      S: 250",
        "  - name: hello\n    because: it must\n    pipeline: [{expect: 250}]",
        "  - name: hello\n    because: not shown\n    steps: [{expect: 250, because: it must}]",
    ],
    ids=["steps", "talk", "pipeline", "a step's own"],
)
def test_what_a_group_says_of_its_steps(run, steps):
    """A failed step inside a group is shown with the group's name and reason, unless it has a reason of its own."""
    (step,) = run(steps, HELLO).result.steps
    assert "it must" == step.because
    assert step.label.startswith("hello: ")
    assert Outcome.FAILED is step.outcome


def test_a_groups_time(run):
    """A group's timeout is for all its steps together, and each of them may take as long."""
    inside = "{send: NOOP, expect: 250}"
    steps = f"  - expect: 220\n  - name: slow\n    timeout: 50s\n    steps: [{inside}, {inside}]\n  - {inside}"
    assert ["passed"] * 4 == shown(run(steps, HELLO, OK, OK, OK).result)
    assert "failed: no reply to NOOP within the 50 s of 'slow'" == shown(run(steps, HELLO, OK).result)[2]
    assert "failed: no reply to NOOP within 30 s" == shown(run(steps, HELLO, OK, OK).result)[3]


@pytest.mark.parametrize("offers", [True, False], ids=["when", "else"])
def test_a_group_and_its_else(run, offers):
    """Of a group and its `else` one runs; each step of both has its row, in the order of the file."""
    steps = """
  - expect: 220
  - {send: 'EHLO x', expect: 250}
  - when: {capability: SIZE}
    steps:
      - {send: A, expect: 250}
    else:
      - {send: B, expect: 250}
  - {send: C, expect: 250}"""
    result = run(steps, HELLO, EHLO if offers else b"250 mx\r\n", OK, OK).result
    taken = "passed", "skipped: the condition of its 'else' holds"
    other = "skipped: its condition does not hold", "passed"
    assert ["passed", "passed", *(taken if offers else other), "passed"] == shown(result)
    assert ["send A", "send B"] == [step.label for step in result.steps[2:4]]


def test_a_failure_inside_a_group(run):
    """A wrong code inside a group ends the case, not the group alone."""
    steps = "  - expect: 220\n  - steps:\n      - {send: A, expect: 250}\n      - {send: B, expect: 250}\n  - {send: C}"
    assert ["passed", "failed: expected 250, got 500 no", "not run", "not run"] == shown(
        run(steps, HELLO, b"500 no\r\n").result
    )


def test_talk(run):
    """A `talk` is a group of lines and replies, the message after a 354 included."""
    steps = """
  - talk: |
      S: 220
      C: EHLO x
      S: 250-mx.example
      S: ...
      S: 250 AUTH *
      C: DATA
      S: 354
      C: Subject: x
      C:
      C: .dot
      C: .
      S: 250"""
    played = run(steps, HELLO, EHLO, b"354 go\r\n", OK)
    assert ["passed"] * 4 == shown(played.result)
    assert b"Subject: x\r\n\r\n..dot\r\n.\r\n" in played.sent[0]
