"""A case's conversation in the page: steps and lines in order, failures where they happened, TLS and AUTH marked."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from report import report_samples as samples

from runner.report.html.dialogue import MOST_LINES, MOST_LINES_PASSED, render_dialogue
from runner.report.html.latency import bar, sorted_into_buckets, span
from runner.results import CaseResult, Difference, Outcome, StepResult


def read(case):
    """The conversation line by line: the classes of a line in brackets, then its text."""
    markup = render_dialogue(case)
    markup = re.sub(r"<svg.*?</svg>", " ", markup)
    markup = re.sub(r'<p class="?([a-z -]+)"?>', r"\n[\1] ", markup)
    markup = re.sub(r"<(p|dt)>", "\n", markup)
    markup = re.sub(r"<div class=([a-z]+)>", r"\n{\1}", markup)
    markup = re.sub(r"<(dd|i)[^>]*>", " ", markup).replace("</b>", " ").replace("</i>", " ")
    lines = unescape(re.sub(r"<[^>]*>", "", markup)).split("\n")
    return [" ".join(line.split()) for line in lines if line.strip()]


def conversation(*events, steps, **more):
    """A case that said and heard these (seconds, side, bytes)."""
    return CaseResult(
        "a case",
        "mx",
        more.pop("outcome", Outcome.PASSED),
        place=samples.place(1),
        steps=tuple(steps),
        transcripts=more.pop("transcripts", (samples.transcript(*events),)),
        started=samples.BEGUN,
        **more,
    )


def step(label, started, elapsed, outcome=Outcome.PASSED, line=11, **more):
    return StepResult(label, samples.place(line), outcome, started, elapsed, **more)


def test_a_failure_is_told_where_it_happened():
    """Each step stands before its lines, the failed one's lines are marked and its finding follows them."""
    assert [
        "{talk}",
        "[s] 1 greeting :11 0.020",
        "[n] 0.010 connected to 192.0.2.1",
        "0.020 S: 220 mx1.example ESMTP",
        "[s] 2 EHLO ${client.name} :12 0.010",
        "[c] C: EHLO client.example",
        "0.030 S: 250-mx1.example",
        "S: 250-SIZE 10240000",
        "S: 250-8BITMIME",
        "S: 250-PIPELINING",
        "S: 250 DSN",
        "[s] 3 MAIL FROM:<${sender}> :13 0.010",
        "[c] 0.040 C: MAIL FROM:<a@client.example>",
        "0.050 S: 250 2.1.0 Ok",
        "[s failed] 4 RCPT TO:<${external}> failed :14 0.070",
        "[c] C: RCPT TO:<x@elsewhere.example>",
        "[x] 0.120 S: 250 2.1.5 Ok",
        "{finding}",
        "step 4, scenarios/relay-refused.yaml:14:7",
        "expected 550 5.7.*",
        "got 250 2.1.5 Ok",
        "because RFC 5321 section 3.6.2: a relay that serves everybody will be used by everybody",
        "[s not-run] 5 DATA :16 not run",
        "[s not-run] 6 QUIT :18 not run",
        "[s after] after the last step",
        "[c] C: QUIT",
        "0.130 S: 221 2.0.0 Bye",
        "[n] the server closed the connection",
    ] == read(samples.RELAYED)


def test_a_finding_has_hint_and_what_differs():
    """What came is shown once for all that it is compared with, then hints; each further comparison begins anew."""
    lines = read(samples.MANY_DIFFERENCES)
    start = lines.index("expected a line with *VRFY*")
    assert [
        "expected a line with *VRFY*",
        "got 250-mx1.example greets you",
        "250-SIZE 10240000",
        "250 8BITMIME",
        "differs lines",
        "hint no line fits '250-STARTTLS'",
        "expected STARTTLS offered",
        "got STARTTLS not offered",
        "hint offered: SIZE, 8BITMIME",
    ] == lines[start : start + 9]


def test_without_a_transcript_steps_and_findings_are_left():
    """A case that could not connect has its steps, and the reason of the one that erred."""
    assert [
        "{talk}",
        "[s error] 1 connect error :4 0.002",
        "{finding}",
        "step 1, scenarios/tls.yaml:4:7",
        "reason connection refused",
        "[s not-run] 2 EHLO :5 not run",
    ] == read(samples.REFUSED)


def test_a_warning_is_no_failure():
    """A step that passed but differed is called a warning, and its finding is shown."""
    lines = read(samples.NOTED)
    assert "[s warning] 1 greeting warning :4 0.010" in lines
    assert "hint the text goes on; end with ` *`" in lines


def test_a_failed_cleanup_is_a_warning():
    """What fails in the cleanup fails no case."""
    broken = step("DELE 1", 0.0, 0.1, Outcome.FAILED, is_cleanup=True, reason="got -ERR")
    lines = read(conversation((0.0, "C", b"DELE 1\r\n"), (0.1, "S", b"-ERR no\r\n"), steps=[broken]))
    assert "[s warning] 1 DELE 1 warning :11 0.100" in lines
    assert "reason got -ERR" in lines


def test_pipelined_steps_stand_together_before_their_lines():
    """Commands that left in one write have one moment: their steps come first, their findings behind the replies."""
    steps = [
        step("send MAIL", 0.0, 0.1),
        step("send RCPT", 0.0, 0.1, Outcome.FAILED, differences=(Difference("code", "250", "550 no"),)),
        step("send DATA", 0.0, 0.1),
        step("QUIT", 0.1, 0.1),
    ]
    case = conversation(
        (0.0, "C", b"MAIL\r\nRCPT\r\nDATA\r\n"),
        (0.1, "S", b"250 ok\r\n550 no\r\n554 no\r\n"),
        (0.1, "C", b"QUIT\r\n"),
        (0.2, "S", b"221 bye\r\n"),
        steps=steps,
        outcome=Outcome.FAILED,
    )
    assert [
        "{talk}",
        "[s] 1 send MAIL :11 0.100",
        "[s failed] 2 send RCPT failed :11 0.100",
        "[s] 3 send DATA :11 0.100",
        "[c] 0.000 C: MAIL",
        "[c] C: RCPT",
        "[c] C: DATA",
        "0.100 S: 250 ok",
        "[x] S: 550 no",
        "S: 554 no",
        "{finding}",
        "step 2, scenarios/relay-refused.yaml:11:7",
        "expected 250",
        "got 550 no",
        "[s] 4 QUIT :11 0.100",
        "[c] C: QUIT",
        "0.200 S: 221 bye",
    ] == read(case)


def test_tls_and_auth_are_marked():
    """What went through TLS stands in a block of its own; an exchange is marked from AUTH to its outcome."""
    case = conversation(
        (0.0, "C", b"STARTTLS\r\n"),
        (0.1, "S", b"220 go\r\n"),
        (0.2, "*", "TLSv1.3 TLS_AES_256_GCM_SHA384, certificate verified"),
        (0.2, "C", b"AUTH LOGIN\r\n"),
        (0.3, "S", b"334 VXNlcm5hbWU6\r\n"),
        (0.3, "C", b"eA==\r\n"),
        (0.4, "S", b"535 no\r\n"),
        (0.4, "C", b"NOOP\r\n"),
        (0.5, "S", b"250 ok\r\n"),
        steps=[step("all", 0.0, 0.5)],
    )
    assert [
        "{talk}",
        "[s] 1 all :11 0.500",
        "[c] 0.000 C: STARTTLS",
        "0.100 S: 220 go",
        "{tls}",
        "[n] 0.200 TLSv1.3 TLS_AES_256_GCM_SHA384, certificate verified",
        "[c a] C: AUTH LOGIN",
        "[a] 0.300 S: 334 VXNlcm5hbWU6 ⟨Username:⟩",
        "[c a] C: eA==",
        "[a] 0.400 S: 535 no",
        "[c] C: NOOP",
        "0.500 S: 250 ok",
    ] == read(case)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"a1 AUTHENTICATE PLAIN\r\n", [b"+ \r\n", b"* CAPABILITY IMAP4rev1\r\na1 OK done\r\n"]),
        (b"auth plain\r\n", [b"+ \r\n", b"+OK done\r\n"]),
        (b'AUTHENTICATE "SCRAM-SHA-1"\r\n', [b'"cj0="\r\n', b"OK\r\n"]),
    ],
    ids=["IMAP", "POP3", "ManageSieve"],
)
def test_auth_is_known_in_every_protocol(said, heard):
    """Challenges keep an exchange going in each protocol's own form; its outcome ends it."""
    events = [(0.0, "C", said), (0.1, "S", heard[0]), (0.1, "C", b"AHgAeQ==\r\n"), (0.2, "S", heard[1])]
    case = conversation(*events, (0.2, "C", b"NOOP\r\n"), (0.3, "S", b"OK\r\n"), steps=[step("all", 0.0, 0.3)])
    lines = read(case)
    marked = [line for line in lines if line.startswith(("[a]", "[c a]"))]
    assert marked == lines[2 : 2 + len(marked)]
    assert ["[c] C: NOOP", "0.300 S: OK"] == lines[2 + len(marked) :]


def test_a_message_that_speaks_of_passwords_is_no_auth():
    """A line of a message may begin as a command does."""
    case = conversation(
        (0.0, "C", b"DATA\r\n"),
        (0.1, "S", b"354 go\r\n"),
        (0.1, "C", b"Subject: x\r\n\r\nLogin and\r\npass it on\r\n.\r\n"),
        (0.2, "S", b"250 ok\r\n"),
        steps=[step("DATA", 0.0, 0.2)],
    )
    assert [] == [line for line in read(case) if line.startswith(("[a]", "[c a]"))]


def test_sessions_are_named_where_there_are_several():
    """Each line tells its session, and TLS in one of them is not TLS in the other."""
    secured = samples.transcript(
        (0.0, "*", "TLSv1.2 X, not verified"), (0.2, "C", b"NOOP\r\n"), (0.3, "S", b"250 a\r\n"), session="inner"
    )
    case = conversation(
        steps=[step("all", 0.0, 0.4)],
        transcripts=(samples.transcript((0.1, "S", b"220 b\r\n"), (0.4, "S", b"250 c\r\n")), secured),
    )
    assert [
        "{talk}",
        "[s] 1 all :11 0.400",
        "{tls}",
        "[n] 0.000 inner TLSv1.2 X, not verified",
        "0.100 main S: 220 b",
        "{tls}",
        "[c] 0.200 inner C: NOOP",
        "0.300 inner S: 250 a",
        "0.400 main S: 250 c",
    ] == read(case)


@pytest.mark.parametrize(
    ("outcome", "most"), [(Outcome.PASSED, MOST_LINES_PASSED), (Outcome.FAILED, MOST_LINES)], ids=["passed", "failed"]
)
def test_a_long_conversation_keeps_both_ends_and_what_failed(outcome, most):
    """The middle is counted; a line that made a step fail is shown wherever it is."""
    events = [(n / 100, who, b"%d %d\r\n" % (250, n)) for n in range(800) for who in "CS"]
    at_fault = Difference("code", "251", "250 330", is_warning=outcome is Outcome.PASSED)
    steps = [step("all", 0.0, 3.3, outcome, differences=(at_fault,)), step("rest", 3.31, 5)]
    lines = read(conversation(*events, steps=steps, outcome=outcome))
    shown = [line for line in lines if re.search("[CS]: 250", line)]
    assert most < len(shown) < most + 8
    assert "[x] S: 250 330" in lines
    left_out = [int(found[1]) for line in lines if (found := re.search(r"… (\d+) lines? left out", line))]
    assert 1600 == sum(left_out) + len(shown)


def test_a_steps_bar_shows_when_it_was_under_way():
    """A bar lies within the plot, and is seen however short the step was."""
    assert '<svg aria-hidden=true><path d="M50 4h25"/></svg>' == span(0.5, 0.25, 1.0)
    assert '<svg aria-hidden=true><path d="M99 4h1"/></svg>' == span(1.0, 0.0, 1.0)
    assert '<svg aria-hidden=true><path d="M0 4h1"/></svg>' == span(0.0, 0.0, 0.0)
    assert '<svg aria-hidden=true><path d="M0 4h100"/></svg>' == span(0.0, 5e-324, 5e-324)
    assert "h100" in bar(2.0, 2.0)
    assert "" == bar(0, 5)


def test_times_are_sorted_into_ranges():
    """Ranges reach from the first that has any to the last."""
    assert [("under 1 ms", 1), ("1–3 ms", 0), ("3–10 ms", 1)] == sorted_into_buckets([0.0005, 0.005])
    assert [("0.3–1 s", 1)] == sorted_into_buckets([0.5])
    assert [("over 100 s", 1)] == sorted_into_buckets([1000.0])
    assert [] == sorted_into_buckets([])


def test_the_place_of_a_step_in_another_file_is_told_whole():
    """A step of a fragment names its file, one of the scenario only its line."""
    elsewhere = replace(step("NOOP", 0.0, 0.1), place=samples.place(3, file="parts/login.yaml"))
    lines = read(conversation(steps=[elsewhere, step("QUIT", 0.1, 0.1)], transcripts=()))
    assert ["[s] 1 NOOP parts/login.yaml:3 0.100", "[s] 2 QUIT :11 0.100"] == lines[1:]
