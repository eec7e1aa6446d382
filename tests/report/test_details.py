"""What is told of one case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import BEGUN, CONVERSATION, DELIVERED, NOT_BEGUN, NOTED, OWED, RELAYED, SKIPPED, place, transcript

from runner.matching.expectation import Expectation
from runner.matching.pattern import compile_pattern
from runner.matching.untagged import find_untagged
from runner.report import Style
from runner.report.details import render_details
from runner.results import Answer, CaseResult, Difference, Outcome, StepResult


def details(case, **style):
    return "\n".join(render_details(case, Style(**style)))


def one_step(*differences, reason="", outcome=Outcome.FAILED):
    step = StepResult("EHLO", place(3), outcome, reason=reason, differences=differences)
    return CaseResult("a", "mx", outcome, f"EHLO: {reason}", steps=(step,))


def test_nothing_is_said_of_what_passed_or_was_never_played():
    """The table has said it; only `verbose` shows a transcript."""
    assert [[], [], []] == [render_details(case, Style()) for case in (DELIVERED, SKIPPED, NOT_BEGUN)]


def test_verbose_shows_the_whole_transcript_of_a_case_that_passed():
    """All lines are there, also those that a failure would not show."""
    case = replace(DELIVERED, transcripts=(transcript(*CONVERSATION),))
    assert "transcript\n     0.000  *: connected" in details(case, verbosity="verbose")


def test_a_reason_that_the_differences_tell_is_not_repeated():
    """Expected above actual says the same and better."""
    told = details(one_step(Difference("code", "550", "250 Ok"), reason="expected 550, got 250 Ok"))
    assert "  expected  550\n  got       250 Ok\n" in told
    assert "reason" not in told


def test_a_recipients_reason_is_not_repeated():
    """What was said to one of several is told by its difference, too."""
    told = details(
        one_step(Difference("code for b@x", "250", "452"), reason="expected 250, got to message for b@x 452")
    )
    assert "  differs   code for b@x\n" in told
    assert "reason" not in told


def test_a_reason_that_says_more_than_the_differences_is_shown():
    """Of a reply that never came whole, what was waited for is as good to know as what came."""
    told = details(one_step(Difference("time", "550", "nothing"), reason="no whole reply within 30 s"))
    assert "  reason    no whole reply within 30 s\n  expected  550\n  got       nothing\n" in told


def test_a_case_that_failed_after_its_last_step_says_so_itself():
    """The place is the scenario's, for no step is to blame."""
    assert "scenarios/counted.yaml:1:1: after the last step: a reply is still owed, to MAIL\n    FROM\n" in details(
        OWED
    )


def test_what_came_is_shown_once_for_all_that_it_is_compared_with():
    """Two patterns that a long reply lacks do not show it twice."""
    told = details(one_step(Difference("has", "has *A*", "250-x\n250 y"), Difference("has", "has *B*", "250-x\n250 y")))
    assert "  expected  has *A*\n  expected  has *B*\n  got       250-x\n            250 y\n" in told


def test_blanks_at_the_end_of_a_line_can_be_seen():
    """Else `250 Ok` and `250 Ok ` would differ in nothing that meets the eye."""
    assert "  got       250 Ok\\x20\n" in details(one_step(Difference("text", "250 Ok", "250 Ok ")))


def test_an_empty_text_can_be_seen():
    """Nothing is shown as a pair of quotes."""
    assert "  got       ''\n" in details(one_step(Difference("text", "250 Ok", "")))


def test_a_long_text_shows_its_beginning_and_its_end():
    """Of 100 lines 8 and 4, and how many are missing."""
    told = details(one_step(Difference("lines", "...", "\n".join(f"250-{number}" for number in range(100)))))
    assert "            250-7\n  …         88 lines left out\n            250-96\n" in told


def test_a_warning_that_a_step_shows_is_not_listed_again():
    """The other warnings are."""
    told = details(NOTED)
    assert 1 == told.count("220 mx1 Postfix 3.7 (Debian)")
    assert "  warning   the certificate was not verified (verify: false)" in told


def test_steps_that_were_not_reached_are_counted():
    """They are not passed, so they are named."""
    assert "\n  2 steps not run\n" in details(RELAYED)


def test_the_line_that_failed_a_step_is_marked():
    """It is the one that came as the step ended and that is in what differs."""
    marked = [line for line in details(RELAYED).split("\n") if line.startswith("  >")]
    assert ["  >  0.120  S: 250 2.1.5 Ok"] == marked


def test_a_line_is_not_marked_when_its_time_is_unknown():
    """Without the moment at which the case began, a mark would be a guess."""
    assert "  >" not in details(replace(RELAYED, started=None))


def test_of_replies_that_came_together_only_the_wrong_one_is_marked():
    """Pipelined replies share their moment; the text tells them apart, whatever stands after the code."""
    wire = transcript((0.1, "S", b"250 a\r\n550-b\r\n550 c\r\n250 d\r\n"))
    step = StepResult(
        "RCPT", place(3), Outcome.FAILED, 0.0, 0.1, differences=(Difference("code", "250", "550-b\n550 c"),)
    )
    case = CaseResult("a", "mx", Outcome.FAILED, steps=(step,), transcripts=(wire,), started=BEGUN)
    marked = [line[12:] for line in render_details(case, Style()) if line.startswith("  >")]
    assert ["S: 550 c"] == marked


def test_the_line_that_failed_is_shown_however_long_the_conversation_went_on():
    """A mismatch that does not end the case lies far above the end; both are shown, and the gap between them."""
    wire = transcript(*CONVERSATION, *((number, "S", b"250 later %d\r\n" % number) for number in range(1, 100)))
    told = details(replace(RELAYED, transcripts=(wire,)))
    assert "  >  0.120  S: 250 2.1.5 Ok\n     0.120  C: QUIT\n  …         " in told
    assert "    99.000  S: 250 later 99" in told
    assert "    50.000  S: 250 later 50" not in told


def test_sessions_are_merged_by_time_and_named():
    """With two of them each line says whose it is, in a column of its own."""
    wires = (
        transcript((0.1, "C", b"NOOP\r\n"), (0.3, "S", b"250 Ok\r\n")),
        transcript((0.2, "C", b"a IDLE\r\n"), session="watcher"),
    )
    told = details(CaseResult("a", "mx", Outcome.FAILED, transcripts=wires, started=BEGUN))
    assert "     0.100  main    C: NOOP\n     0.200  watcher C: a IDLE\n     0.300  main    S: 250 Ok" in told


def answered(wire, *answers, differences=(), elapsed=0.5):
    """What is told of a step that failed by these answers: the lines with a mark."""
    step = StepResult("DATA", place(3), Outcome.FAILED, 0.0, elapsed, differences=differences, answers=answers)
    case = CaseResult("a", "mx", Outcome.FAILED, steps=(step,), transcripts=(wire,), started=BEGUN)
    return [line[12:] for line in render_details(case, Style()) if line.startswith("  >")]


def test_a_reply_is_marked_that_came_before_the_step_ended():
    """A server may refuse a message while it is being sent."""
    wire = transcript((0.1, "S", b"354 go\r\n"), (0.2, "S", b"552 big\r\n"), (0.4, "C", b"x\r\n.\r\n"))
    assert ["S: 552 big"] == answered(wire, Answer("552 big", 0.2))


def test_a_reply_is_marked_whatever_part_of_it_differs():
    """The number of lines says nothing of the reply's own words; the line that ends it stands for it."""
    wire = transcript((0.1, "S", b"250-mx\r\n250-X\r\n"), (0.3, "S", b"250 Y\r\n"), (0.4, "S", b"250 Y\r\n"))
    difference = Difference("lines", "2 lines", "3 lines")
    told = answered(wire, Answer("250-mx\n250-X\n250 Y", 0.3), differences=(difference,))
    assert ["S: 250 Y"] == told


def test_a_reply_is_marked_that_is_long_or_escaped():
    """A transcript has it escaped and cut, with a challenge decoded."""
    wire = transcript((0.1, "S", b"334 VXNlcm5hbWU6\r\n250 \x07" + b"z" * 900 + b"\r\n"))
    told = answered(wire, Answer("334 VXNlcm5hbWU6", 0.1), Answer("250 \x07" + "z" * 900, 0.1))
    assert ["S: 334 VXNlcm5hbWU6 ⟨Username:⟩", "S: 250 \\x07" + "z" * 57] == told


def test_only_the_reply_of_the_step_itself_is_marked():
    """An earlier one that reads the same is none of its business."""
    wire = transcript((0.1, "S", b"250 a\r\n"), (0.2, "C", b"NOOP\r\n"), (0.3, "S", b"250 a\r\n"))
    assert ["S: 250 a"] == answered(wire, Answer("250 a", 0.3))


def test_every_failure_has_its_mark():
    """Not only the first few."""
    wire = transcript(*((at, "S", b"250 no %d\r\n" % at) for at in range(1, 41)))
    steps = tuple(
        StepResult(f"s{at}", place(at), Outcome.FAILED, at, 0.0, answers=(Answer(f"250 no {at}", at),))
        for at in range(1, 11)
    )
    case = CaseResult("a", "mx", Outcome.FAILED, steps=steps, transcripts=(wire,), started=BEGUN)
    assert 10 == sum(line.startswith("  >") for line in render_details(case, Style()))


def test_of_a_long_message_the_ends_are_shown():
    """It must not push aside what the server said to it; `verbose` shows all that there is."""
    body = b"".join(b"line %d\r\n" % number for number in range(100))
    wire = transcript(
        (0.1, "C", b"DATA\r\n"),
        (0.2, "S", b"354 go\r\n"),
        (0.3, "C", body),
        (0.4, "S", b"552 big\r\n"),
        (0.5, "C", body + b".\r\n"),
        (0.6, "C", b"QUIT\r\n"),
    )
    step = StepResult("data", place(3), Outcome.FAILED, 0.2, 0.3, answers=(Answer("552 big", 0.4),))
    case = CaseResult("a", "mx", Outcome.FAILED, steps=(step,), transcripts=(wire,), started=BEGUN)
    shown = [line[12:] for line in details(case).split("\n")]
    assert [
        "C: line 0",
        "C: line 1",
        "*: … 96 lines of the message …",
        "C: line 98",
        "C: line 99",
        "S: 552 big",
        "C: line 0",
        "C: line 1",
        "*: … 97 lines of the message …",
        "C: line 99",
        "C: .",
        "C: QUIT",
    ] == shown[-12:]
    assert "C: line 15" in details(case, verbosity="verbose")


def test_a_step_of_a_fragment_says_where_that_is_used():
    """The place is the fragment's, and many may use it."""
    step = StepResult("EHLO", place(3), Outcome.FAILED, used_at=(place(8, 5, "inner.yaml"), place(9, 5, "a.yaml")))
    told = details(CaseResult("a", "mx", Outcome.FAILED, steps=(step,)))
    assert "  used at   inner.yaml:8:5, a.yaml:9:5\n" in told


def test_marked_lines_fill_no_screen():
    """However long the replies and however many the failures are, what is shown of them is bounded."""
    reply = "\n".join(f"250-{number}" for number in range(25))
    wire = transcript(*((at, "S", reply.replace("\n", "\r\n").encode() + b"\r\n") for at in range(1, 60)))
    steps = tuple(
        StepResult(f"s{at}", place(at), Outcome.FAILED, at, 0.0, answers=(Answer(reply, at),) * 3)
        for at in range(1, 60)
    )
    case = CaseResult("a", "mx", Outcome.FAILED, steps=steps, transcripts=(wire,), started=BEGUN)
    assert 130 > sum("  S: 250-" in line for line in render_details(case, Style()))


def test_a_long_text_that_came_is_shown_once():
    """Whatever keys it is compared with, in whatever order; a part of it is not shown again either."""
    whole = "* 1 EXISTS\n* FLAGS ()\nOK done"
    differences = (
        Difference("has", "a line with *A*", whole),
        Difference("capabilities", "IDLE offered", "IDLE not offered"),
        Difference("untagged", "an untagged line B", "* 1 EXISTS\n* FLAGS ()"),
        Difference("capture", "/c/ to capture 'c'", whole),
        Difference("lacks", "no line with EXISTS", "* 1 EXISTS"),
    )
    told = details(one_step(*differences))
    assert 1 == told.count("FLAGS")
    assert 2 == told.count("  got       the same reply\n")
    assert "  expected  no line with EXISTS\n  got       * 1 EXISTS\n" in told


REPLY = "* CAPABILITY IMAP4rev1 AUTH=PLAIN\n* 1 EXISTS\n* 0 RECENT\nOK [READ-WRITE] done"


@pytest.mark.parametrize(
    ("text", "difference", "marked"),
    [
        (REPLY, Difference("code", "NO", REPLY), "S: A1 OK [READ-WRITE] done"),
        (REPLY, Difference("capabilities", "AUTH lacks PLAIN", "AUTH PLAIN"), "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN"),
        (REPLY, Difference("capabilities", "IDLE offered", "no"), "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN"),
        (REPLY, Difference("lacks", "no line with *RECENT*", "* 0 RECENT"), "S: * 0 RECENT"),
        ("+OK\nTOP\nSASL PLAIN", Difference("lines", "2 lines", "3 lines"), "S: +OK"),
        ("250-a\n250-SIZE 1\n250 X", Difference("capabilities", "SIZE >= 2", "SIZE 1"), "S: 250-SIZE 1"),
    ],
    ids=["code", "parameters", "not offered", "lacks", "head comes first", "smtp"],
)
def test_of_a_long_reply_the_line_that_differs_is_marked(text, difference, marked):
    """Else the one with the code; the others are as they should be."""
    *rest, head = text.split("\n")
    wire = transcript((0.1, "S", "".join(f"{line}\r\n" for line in [*rest, head.replace("OK [", "A1 OK [")]).encode()))
    assert [marked] == answered(wire, Answer(text, 0.1), differences=(difference,))


@pytest.mark.parametrize("start", [0, 1], ids=["by its number", "the only one"])
def test_the_nearest_line_is_marked(start):
    """What the judge of replies calls the nearest is found in the transcript."""
    lines = [b"1 EXISTS", b"FLAGS (\\Seen)", b"0 RECENT"][start : 3 - start]
    wanted = Expectation((), untagged=(compile_pattern(("FLAGS ()",)),))
    differences = [
        Difference(one.part, one.expected, one.actual, one.hint)
        for one in find_untagged(wanted, [line.decode() for line in lines]).mismatches
    ]
    text = "".join(f"* {line.decode()}\n" for line in lines) + "OK done"
    wire = transcript((0.1, "S", text.replace("OK", "A1 OK").replace("\n", "\r\n").encode() + b"\r\n"))
    assert ["S: * FLAGS (\\Seen)"] == answered(wire, Answer(text, 0.1), differences=tuple(differences))


def farewells(*said, sessions=("a", "b")):
    """What is shown of a failure after 20 lines, and of what the sessions said after it."""
    wires = [transcript(*((0.1, "S", b"250 %d\r\n" % number) for number in range(20)), (0.2, "S", b"550 no\r\n"))]
    wires += [transcript(*((0.3, who, what) for who, what in said), session=name) for name in sessions]
    step = StepResult("s", place(3), Outcome.FAILED, 0.0, 0.2, answers=(Answer("550 no", 0.2),))
    case = CaseResult("a", "mx", Outcome.FAILED, steps=(step,), transcripts=tuple(wires), started=BEGUN)
    shown = render_details(case, Style())
    start = next(number for number, line in enumerate(shown) if "transcript" in line)
    return [line[12:].strip() for line in shown[start + 1 :]]


@pytest.mark.parametrize(
    "said",
    [
        [("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n"), ("*", "the server closed the connection")],
        [("C", b"A9 LOGOUT\r\n"), ("S", b"* BYE\r\nA9 OK\r\n"), ("*", "closed")],
        [("*", "closed"), ("*", "closed")],
    ],
    ids=["smtp", "imap", "close"],
)
def test_goodbyes_take_no_room(said):
    """What led to the failure is worth more than that the sessions ended as they should."""
    lines = sum(what.count(b"\n") if who != "*" else 1 for who, what in said)
    shown = farewells(*said)
    assert ["9 lines", *(f"main S: 250 {number}" for number in range(10, 20)), "main S: 550 no"] == [
        shown[0].replace("10 lines", "9 lines"),
        *shown[1:-1],
    ]
    assert f"goodbyes of 2 sessions, {2 * lines} lines" == shown[-1]


def test_goodbyes_before_the_cleanup_take_no_room():
    """Whoever comes back later has taken its leave all the same."""
    again = [("*", "connected to 192.0.2.1"), ("S", b"220 hi\r\n"), ("C", b"NOOP\r\n"), ("S", b"250 Ok\r\n")]
    shown = farewells(("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n"), ("*", "closed"), *again, sessions=["a"])
    assert [f"a    {line}" for line in ("*: connected to 192.0.2.1", "S: 220 hi", "C: NOOP", "S: 250 Ok")] == shown[
        -5:-1
    ]
    assert "the goodbye, 3 lines" == shown[-1]


def test_what_is_no_goodbye_is_shown():
    """Neither what a session did after the failure nor a server's many words to a goodbye."""
    assert "a    C: NOOP" in farewells(("C", b"NOOP\r\n"), ("S", b"250 Ok\r\n"))
    assert "a    S: 250 x" in farewells(("C", b"QUIT\r\n"), ("S", b"250 x\r\n" * 5), sessions=["a"])
    assert "a    C: QUIT" in farewells(("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n"), sessions=["a"])
