"""Faults on purpose: how they are written, where they strike, what comes of them."""

from __future__ import annotations

import pytest
from mirroring import CERTIFICATES, alone, over_sockets, prepared, scenario_of, told

from runner.errors import UsageError
from runner.mirror.alone import planned, play_alone
from runner.mirror.faults import Fault, Known, Tally, Wish, parse_fault
from runner.mirror.shadow import Place
from runner.results import Outcome

STEPS = """\
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
  - name: hello again
    send: EHLO again
    expect: 250
    within: 1s
  - wait: 1s
  - send: QUIT
    expect: 221
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4=451", Wish("4", Fault("reply", code="451"))),
        ("4=550 5.7.1 no = no", None),
        ("send EHLO=close", Wish("send EHLO", Fault("close"))),
        (":14=delay:500ms", Wish(":14", Fault("delay", seconds=0.5))),
        ("a=b=reset*3", Wish("a=b", Fault("reset"), 3)),
        ("1=wrong-tls", Wish("1", Fault("wrong-tls", tls="untrusted"))),
        ("1=wrong-tls:expired", Wish("1", Fault("wrong-tls", tls="expired"))),
        ("2=-ERR [SYS/TEMP] later", Wish("2", Fault("reply", code="-ERR", text="[SYS/TEMP] later"))),
        ("2=NO", Wish("2", Fault("reply", code="NO"))),
    ],
)
def test_written(text, expected):
    """A fault is the step, `=`, what happens, and how often; the last `=` counts."""
    if expected is None:
        with pytest.raises(ValueError, match="is no fault"):
            parse_fault(text)
        return
    assert expected == parse_fault(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("close", "'close' is no fault: write STEP=FAULT, such as 4=451"),
        ("=close", "is no fault: write STEP=FAULT"),
        ("4=clos", "'clos' is no fault: did you mean 'close'?"),
        ("4=delay:x", "'x'"),
        ("4=wrong-tls:bad", "a certificate is wrong by expired, untrusted, name, protocol"),
        ("4=close*0", "strikes never"),
        ("4=999", "'999' is no fault"),
    ],
)
def test_written_wrong(text, message):
    """What is no fault is told, with what would be right."""
    with pytest.raises(ValueError, match=r"fault|no duration|strikes") as caught:
        parse_fault(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("3=451", "expected 250, got 451 rehearsed"),
        ("3=550 5.1.1 no such user", "expected 250, got 550 5.1.1 no such user"),
        ("3=221", "expected 250, got 221-mirror.example …"),
        ("3=close", "the server closed the connection where a reply was due"),
        ("3=reset", "the server reset the connection where a reply was due"),
        ("3=garbage", "the server broke the protocol"),
        ("3=half", "the server closed the connection inside a reply"),
        ("3=silence", "no reply to EHLO within 30 s"),
        ("3=delay:2s", "expected within 1 s, got after 2.001 s"),
        (":7=451", "expected 250, got 451 rehearsed"),
        ("hello again=451", "expected 250, got 451 rehearsed"),
        ("HELLO=451", "expected 250, got 451 rehearsed"),
    ],
)
def test_strikes(fault, expected):
    """The step that is meant fails, by number, line or name, and says what a user would read."""
    playing = alone(STEPS, fault)
    red = [(number, step.reason) for number, step in enumerate(playing.result.steps, 1) if step.outcome.is_failure]
    assert 1 == len(red), told(playing)
    assert 3 == red[0][0]
    assert expected in red[0][1]
    assert (1,) == playing.struck


def test_several_at_once():
    """Faults can be as many as there are steps."""
    playing = alone(STEPS, "3=delay:3s", "5=500")
    red = [number for number, step in enumerate(playing.result.steps, 1) if step.outcome.is_failure]
    assert [3, 5] == red


RETRY = """\
  - expect: 220
  - retry: {every: 5s, for: 30s}
    steps:
      - send: RCPT TO:<a@b>
        expect: 250
"""


def test_retry_survives_some():
    """A fault that strikes a number of times is what `retry` is for."""
    playing = alone(RETRY, "2=451*3")
    assert Outcome.PASSED is playing.result.outcome, told(playing)
    assert "passed after 4 attempts in 15" in playing.result.steps[-1].reason


def test_retry_gives_up():
    """Without a number it strikes at every attempt."""
    playing = alone(RETRY, "2=451")
    assert "7 attempts in 30" in playing.result.reason


ROUNDS = """\
  - expect: 220
  - repeat: {each: [a, b, c], as: x}
    keep_going: true
    steps:
      - name: rcpt
        send: RCPT TO:<${x}>
        expect: 550
"""


@pytest.mark.parametrize(("fault", "expected"), [("3=250", [3]), ("rcpt=250*2", []), (":8=250", [2, 3, 4])])
def test_rounds(fault, expected):
    """A number is one round, a line is each."""
    playing = alone(ROUNDS, fault)
    red = [number for number, step in enumerate(playing.result.steps, 1) if step.outcome.is_failure]
    assert expected == red, told(playing)


@pytest.mark.parametrize("kind", ["untrusted", "expired", "name", "protocol"])
def test_wrong_tls(kind):
    """A handshake fails as wished, over sockets as in the mirror's mind."""
    words = {
        "untrusted": "certificate not trusted",
        "expired": "certificate expired",
        "name": "certificate is for another name",
        "protocol": "no common TLS version",
    }
    steps = "  - expect: 220\n  - send: EHLO x\n    expect: 250\n  - starttls:\n"
    fault = f"starttls=wrong-tls:{kind}"
    assert words[kind] in alone(steps, fault).result.reason
    scenario = scenario_of(steps)
    plan = planned(play_alone(prepared(scenario).case, certify=CERTIFICATES.der), [parse_fault(fault)])()
    result = over_sockets(scenario, plan=plan)
    assert words[kind] in result.reason


@pytest.mark.parametrize("fault", ["3=451", "3=close", "3=reset", "3=garbage", "3=half", "3=delay:1100ms"])
def test_the_same_over_sockets(fault):
    """What a fault comes to over sockets is what the mirror has foreseen."""
    scenario = scenario_of(STEPS)
    case = prepared(scenario).case
    make = planned(play_alone(case), [parse_fault(fault)])
    foreseen = [step.outcome for step in play_alone(case, make()).result.steps]
    result = over_sockets(scenario, plan=make())
    assert foreseen == [step.outcome for step in result.steps]
    assert Outcome.FAILED is result.outcome


def rows(*labels):
    """Return rows of a report with these names."""
    return [Known(number, label, Place("x.yaml", number, 1, 1)) for number, label in enumerate(labels, 1)]


@pytest.mark.parametrize(
    ("step", "labels", "advice"),
    [
        ("send FOO", ["greeting", "send QUIT"], "from 1 to 2 and are called 'greeting', 'send QUIT'"),
        ("send QIUT", ["greeting", "send QUIT"], "did you mean 'send QUIT'?"),
        ("3", ["greeting", "send QUIT"], "the steps have numbers from 1 to 2"),
        (":9", ["greeting", "send QUIT"], "the steps have numbers from 1 to 2"),
        ("foo", list("abcdefghij"), "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more"),
        ("foo", ["x" * 99], f"are called '{'x' * 39}…'"),
        ("foo", ["a", "a"], "from 1 to 2 and are called 'a'"),
    ],
    ids=["nothing near", "a slip", "a number", "a line", "many", "long", "twice"],
)
def test_no_such_step(step, labels, advice):
    """A step that there is not is refused, with the one that is near or the names that there are, not too many."""
    tally = Tally([parse_fault(f"{step}=close")])
    tally.note(rows(*labels), [0])
    with pytest.raises(UsageError) as raised:
        tally.refuse()
    assert str(raised.value).startswith(f"--fault {step}=…: there is no such step; ")
    assert str(raised.value).endswith(advice)
