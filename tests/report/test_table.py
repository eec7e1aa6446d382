"""The report for a terminal: its words, its bounds, and that nothing from outside can break it."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from generated_runs import runs_with
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import (
    DELIVERED,
    HOSTILE,
    MANY_DIFFERENCES,
    MIXED,
    NOT_BEGUN,
    RELAYED,
    REPEATED,
    SKIPPED,
    TWO_SESSIONS,
    TWO_TARGETS,
    WITH_ROWS,
    place,
    transcript,
)

from runner.report import Style, render_run
from runner.results import CaseResult, Difference, Outcome, RunResult, StepResult

GOLDEN = Path(__file__).parent / "golden"
COLOURS = re.compile(r"\x1b\[(?:0|31|32|33)m")
HARMLESS = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*")

PAGES = {
    "mixed": (MIXED, Style()),
    "mixed-60-columns": (MIXED, Style(60)),
    "mixed-quiet": (MIXED, Style(verbosity="quiet")),
    "mixed-colour": (MIXED, Style(has_colour=True)),
    "two-targets-verbose": (TWO_TARGETS, Style(100, verbosity="verbose")),
    "differences": (RunResult((MANY_DIFFERENCES,), 31.5), Style()),
    "hostile": (RunResult((HOSTILE,), 0.1), Style()),
    "all-passed": (RunResult((DELIVERED, DELIVERED), 0.06, is_embedded=True), Style()),
    "all-skipped": (RunResult((SKIPPED,), 0.01), Style()),
    "interrupted": (RunResult((DELIVERED, NOT_BEGUN), 0.5, "SIGINT"), Style()),
    "no-case": (RunResult(()), Style()),
    "rows": (WITH_ROWS, Style()),
    "sessions": (RunResult((TWO_SESSIONS,), 0.2), Style()),
    "repeated": (REPEATED, Style()),
    "repeated-verbose": (REPEATED, Style(100, verbosity="verbose")),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_run_reads_exactly_like_this(name):
    """Each run gives the text of its golden file; MAILPROOF_UPDATE_GOLDEN=1 writes them anew, to be read."""
    told = render_run(*PAGES[name]).replace("\x1b", "\\e")
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("MAILPROOF_UPDATE_GOLDEN"):
        golden.write_text(told, "utf-8")
    assert golden.read_text("utf-8") == told


def test_no_golden_text_is_without_its_run():
    """A text whose run is gone would never be compared."""
    assert set(PAGES) == {path.stem for path in GOLDEN.glob("*.txt")}


# Texts of all sorts, with those that have harmed terminals more often than chance would give them.
NASTY = st.sampled_from(
    ["\x1b[31m", "\n", "\r", "\x9b", "\u202e", "\u2028", "郵便", "e\u0301", " ", "\ud800", "\t", "a" * 90]
)
texts = st.lists(st.one_of(NASTY, st.text(max_size=8)), max_size=12).map("".join)
runs = runs_with(texts, st.just(""))
verbosities = st.sampled_from(["quiet", "normal", "verbose"])
generated = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def columns(line):
    """How wide a terminal shows a line."""
    marks = sum(unicodedata.category(char) in ("Mn", "Me") for char in line)
    return len(line) - marks + sum(unicodedata.east_asian_width(char) in "WF" for char in line)


@generated
@given(runs, verbosities, st.integers(60, 140))
def test_a_report_is_harmless_and_no_line_is_too_wide(run, verbosity, wide):
    """Property 7: no control character whatever the texts are, and each line fits."""
    told = render_run(run, Style(wide, verbosity=verbosity))
    assert HARMLESS.fullmatch(told)
    assert [line for line in told.split("\n") if columns(line) > wide] == []


@generated
@given(runs, verbosities)
def test_colour_only_adds_colour(run, verbosity):
    """Without its colours a coloured report is the plain one: they carry no meaning alone."""
    plain = render_run(run, Style(verbosity=verbosity))
    coloured = render_run(run, Style(has_colour=True, verbosity=verbosity))
    assert plain == COLOURS.sub("", coloured)


@generated
@given(st.lists(st.sampled_from(Outcome), max_size=30))
def test_the_summary_counts_every_case_once(outcomes):
    """The numbers add up to the cases, each under its own word, and the table has a line for each."""
    run = RunResult(tuple(CaseResult("a", "mx", outcome) for outcome in outcomes))
    summary = render_run(run, Style(200, verbosity="quiet")).split(" in ")[0]
    counts = {word.replace("errors", "error"): int(number) for number, word in re.findall(r"(\d+) ([a-z ]+)", summary)}
    assert {outcome.value: outcomes.count(outcome) for outcome in Outcome if outcome in outcomes} == {
        word: number for word, number in counts.items() if number
    }


@pytest.mark.parametrize("verbosity", ["normal", "verbose"])
def test_no_line_begins_with_what_a_server_said(verbosity):
    """A server that says `::error` or `FAILED` on a line of its own finds it indented."""
    said = "::error\n::error \n" + "::error " * 60
    difference = Difference("text", "550", said, f"hint {said}")
    step = StepResult("EHLO", place(3), Outcome.FAILED, reason=f"the server said {said}", differences=(difference,))
    wire = transcript((0.1, "S", said.encode().replace(b"\n", b"\r\n")))
    case = CaseResult("a", "mx", Outcome.FAILED, f"EHLO: {said}", steps=(step,), warnings=(said,), transcripts=(wire,))
    lines = render_run(RunResult((case,)), Style(verbosity=verbosity)).split("\n")
    assert [line for line in lines if line.startswith("::error")] == []
    assert any("::error" in line for line in lines)


def test_a_hostile_case_stays_within_a_few_hundred_lines():
    """Megabytes of differences, hundreds of failed steps and long lines are cut down, and it is told how much."""
    huge = "250-" + "\x1b" * 2000 + "\n" + "250-x\n" * 170_000
    one = Difference("text", huge, huge + "end", "h\n" * 1000)
    step = StepResult(
        "s" * 5000, place(3), Outcome.FAILED, because="b\n" * 999, reason="r" * 9999, differences=(one,) * 40
    )
    wire = transcript(*((number, "S", b"\x1b" * 3000 + b"\r\n") for number in range(200)))
    case = replace(
        RELAYED, steps=(step,) * 300, warnings=("w" * 3000,) * 500, transcripts=(wire,), description="d\n" * 5000
    )
    told = render_run(RunResult((case,)), Style())
    assert told.count("\n") < 500
    assert "299 more steps failed or differed" in told
    assert "28 more differences" in told
    assert "488 more warnings" in told
    assert "169990 lines left out" in told


def test_hundreds_of_cases_take_a_line_each():
    """The table of a large run has a header, a rule and one line a case, and nothing follows but the summary."""
    run = RunResult(tuple(replace(DELIVERED, scenario=f"case {number} " + "long " * 40) for number in range(300)))
    assert 300 + 2 + 2 == render_run(run, Style()).count("\n")


def test_a_reason_gives_up_its_step_before_it_is_cut():
    """Where room is scarce, what was wrong counts for more than where: that stands below."""
    run = RunResult((RELAYED,))
    assert "failed   0.13 s  RCPT TO:<${external}>: expected 550 5.7.*, got 250 2.1.5 Ok" in render_run(run, Style(120))
    assert "failed   0.13 s  expected 550 5.7.*, got 250 2.1.5 Ok" in render_run(run, Style(80))


def test_wide_characters_keep_the_columns_straight():
    """A name of 8 characters that take 16 columns is filled like one of 16."""
    run = RunResult((replace(DELIVERED, scenario="郵便郵便郵便郵便"), replace(DELIVERED, scenario="sixteen columns!")))
    lines = render_run(run, Style()).split("\n")[2:4]
    assert ["郵便郵便郵便郵便  passed   0.03 s", "sixteen columns!  passed   0.03 s"] == lines


def test_colour_ends_with_its_word():
    """The blanks behind the last column are left off whether it is coloured or not."""
    run = RunResult((CaseResult("", "", Outcome.PASSED),))
    assert COLOURS.sub("", render_run(run, Style(has_colour=True))) == render_run(run, Style())


def test_what_tells_rows_apart_is_seen_however_many_columns_there_are():
    """Where room is scarce a row is its values that differ, each with its share of the room."""
    users = ("alice.wonderland@example.com", "bob.the.builder@example.com")
    rows = [
        f"tls=yes mechanism={mechanism} user={user} text='a b'" for mechanism in ("PLAIN", "LOGIN") for user in users
    ]
    run = RunResult(tuple(replace(RELAYED, scenario="a", row=row) for row in rows))
    lines = render_run(run, Style()).split("\n")[2:6]
    assert ["PLAIN alice", "PLAIN bob", "LOGIN alice", "LOGIN bob"] == [
        re.search(r"(?:PLAIN|LOGIN) [a-z]+", line)[0] for line in lines
    ]
    assert not any("tls" in line for line in lines)


def test_a_row_that_has_room_is_shown_whole():
    """Nothing is left out without need."""
    run = RunResult(tuple(replace(DELIVERED, scenario="a", row=f"tls=yes user={user}") for user in "ab"))
    assert ["tls=yes user=a", "tls=yes user=b"] == re.findall(r"tls=yes user=\w", render_run(run, Style()))


@pytest.mark.parametrize(
    ("endpoints", "shown"),
    [
        (["smtp://127.0.0.1:1", "smtp://127.0.0.1:1"], "target mirror (smtp://127.0.0.1:1)"),
        (["smtp://127.0.0.1:1", "imap://127.0.0.1:2"], "target mirror"),
    ],
    ids=["one", "many"],
)
def test_an_endpoint_of_many_is_not_that_of_all(endpoints, shown):
    """Each scenario has a mirror of its own, of one name: the summary names where that is only if it is one."""
    cases = tuple(CaseResult("x", "mirror", Outcome.PASSED, endpoint=one) for one in endpoints)
    assert f"2 passed, 0 failed in 1.00 s, {shown}" == render_run(RunResult(cases, 1.0)).splitlines()[-1]
