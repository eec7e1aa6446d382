"""Literals and fetched messages in a transcript: of long ones the ends are shown, and a tag hides no failure."""

from __future__ import annotations

import pytest
from report_samples import BEGUN, place

from runner.redaction import Redactor
from runner.report.details import render_details
from runner.report.layout import Style
from runner.results import Answer, CaseResult, Outcome, StepResult
from runner.transcript import Transcript

BODY = b"".join(b"line %d\r\n" % number for number in range(100))


def lines(*events, **how):
    """Return the lines that are shown, without their times."""
    return [line[2:3].strip() + line[12:].rstrip() for line in told(*events, **how)[1:]]


def told(*events, answer="", is_verbose=False, has_literals=True):
    """Return what is shown of (side, bytes), a second apart; `answer` is what made the last step fail."""
    made = Transcript("main", Redactor({}), has_literals=has_literals)
    for at, (who, data) in enumerate(events):
        (made.sent if who == "C" else made.received)(BEGUN + at, data)
    answers = (Answer(answer, float(len(events))),) if answer else ()
    step = StepResult("s", place(3), Outcome.FAILED, 0.0, float(len(events)), answers=answers)
    case = CaseResult("a", "mx", Outcome.FAILED, steps=(step,), transcripts=(made,), started=BEGUN)
    shown = render_details(case, Style(verbosity="verbose" if is_verbose else "normal"))
    start = next(number for number, line in enumerate(shown) if "transcript" in line)
    return shown[start:]


def test_a_literal_of_the_server():
    """It ends where its octets do; what follows it on its line is shown."""
    fetched = b"* 1 FETCH (BODY[] {%d}\r\n%b FLAGS ())\r\nA1 OK done\r\n" % (len(BODY), BODY)
    assert [
        "C: A1 FETCH 1 BODY[]",
        f"S: * 1 FETCH (BODY[] {{{len(BODY)}}}",
        *["S: line 0", "S: line 1", "*: … 96 lines of a literal …", "S: line 98", "S: line 99"],
        *["S:  FLAGS ())", "S: A1 OK done"],
    ] == lines(("C", b"A1 FETCH 1 BODY[]\r\n"), ("S", fetched))


def test_two_literals():
    """Each has its ends; in one of them a line looks like the beginning of another."""
    first = b"* 1 FETCH (BODY[] {64}\r\n%b)\r\n" % BODY[:64]
    second = b"* 2 FETCH (BODY[] {57}\r\nx {999}\r\n%b)\r\n" % BODY[:48]
    shown = lines(("C", b"A1 FETCH 1:2 BODY[]\r\n"), ("S", first + second), ("C", b"A2 NOOP\r\n"))
    assert [
        *["*: … 4 lines of a literal …", "S: line 6", "S: line 7", "S: )", "S: * 2 FETCH (BODY[] {57}"],
        *["S: x {999}", "S: line 0", "*: … 3 lines of a literal …", "S: line 4", "S: line 5"],
        *["S: )", "C: A2 NOOP"],
    ] == shown[-12:]


def test_several_messages_are_folded_one_by_one():
    """Each has its own ends and its own count, and the header counts all lines that there were."""
    data = b"".join(b"* %d FETCH (BODY[] {%d}\r\n%b)\r\n" % (at, len(BODY), BODY) for at in (1, 2, 3))
    events = (("C", b"A1 FETCH 1:3 BODY[]\r\n"), ("S", data + b"A1 NO x\r\n"))
    ends = ["S: line 0", "S: line 1", "*: … 96 lines of a literal …", "S: line 98", "S: line 99"]
    assert [
        *["…106 lines", "*: … 96 lines of a literal …", "S: line 98", "S: line 99", "S: )"],
        *[f"S: * 3 FETCH (BODY[] {{{len(BODY)}}}", *ends, "S: )", ">S: A1 NO x"],
    ] == lines(*events, answer="NO x")
    assert "  transcript, 10 of 308 lines" == told(*events, answer="NO x")[0]


@pytest.mark.parametrize(
    "events",
    [
        [("C", b"A1 APPEND a {%d}\r\n" % len(BODY)), ("S", b"* 1 EXISTS\r\n+ go\r\n"), ("C", BODY + b"\r\n")],
        [("C", b"A1 APPEND a {%d+}\r\n%b\r\n" % (len(BODY), BODY))],
    ],
    ids=["asked for", "at once"],
)
def test_a_literal_of_the_client(events):
    """After the go-ahead or at once."""
    shown = lines(*events, ("S", b"A1 OK\r\n"))
    at = shown.index("C: line 0")
    assert [
        *["C: line 0", "C: line 1", "*: … 96 lines of a literal …", "C: line 98", "C: line 99"],
        *["C:", "S: A1 OK"],
    ] == shown[at:]


def test_a_refused_literal():
    """What follows a refusal is another command."""
    shown = lines(("C", b"A1 APPEND a {900}\r\n"), ("S", b"A1 NO\r\n"), ("C", b"A2 NOOP\r\n" * 9))
    assert not any("literal" in line for line in shown)


def test_a_fetched_message():
    """A message of POP3 goes to its dot; a listing is none, and replies in a row are told apart."""
    shown = lines(
        ("S", b"+OK hello\r\n"),
        ("C", b"LIST\r\nRETR 1\r\n"),
        ("S", b"+OK\r\n1 9\r\n2 9\r\n.\r\n"),
        ("S", b"+OK 900 octets\r\n" + b"x\r\n" * 12 + b".\r\n"),
        ("C", b"QUIT\r\n"),
        has_literals=False,
    )
    assert ["S: +OK 900 octets", "S: x", "S: x", "*: … 9 lines of the message …", "S: x", "S: .", "C: QUIT"] == shown[
        -7:
    ]


def test_all_of_it_is_there():
    """A whole transcript folds nothing."""
    fetched = b"* 1 FETCH (BODY[] {70}\r\n%b)\r\nA1 OK done\r\n" % BODY[:70]
    shown = lines(("C", b"A1 FETCH 1 BODY[]\r\n"), ("S", fetched), is_verbose=True)
    assert "S: line 5" in shown


@pytest.mark.parametrize(
    ("said", "answer", "marked"),
    [
        (b"* 1 EXISTS\r\nA1 NO [LIMIT] too many\r\n", "* 1 EXISTS\nNO [LIMIT] too many", 1),
        (b"* BYE over\r\n", "BYE over", 1),
        (b"A1 NO [X] no\r\n", "NO [X] no", 1),
        (b"A1 NO [X] no\r\n", "NO [Y] no", 0),
    ],
    ids=["untagged", "bye", "tagged", "another"],
)
def test_the_line_that_failed_is_marked(said, answer, marked):
    """A reply is told without its tag, and found in the transcript all the same."""
    shown = lines(("S", b"* OK hi\r\n"), ("C", b"A1 NOOP\r\n"), ("S", said), answer=answer)
    assert marked == sum(line.startswith(">") for line in shown)
