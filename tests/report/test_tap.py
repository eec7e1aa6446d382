"""The TAP report: version 14, read back by two harnesses that know less, and never greener than the run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from generated_runs import RUNS, texts
from hypothesis import HealthCheck, given, settings
from report_samples import DELIVERED, HOSTILE, MIXED, NOT_BEGUN, NOTED, RELAYED, REPEATED, SKIPPED
from tap.parser import Parser
from test_junit import KNOWN

from runner.errors import escape
from runner.report.tap import render_tap
from runner.results import CaseResult, Outcome, RunResult

GOLDEN = Path(__file__).parent / "golden"
# TAP 14, "Directive": what follows the first `#` that is not escaped and has blanks around it.
POINT = re.compile(
    r"(?P<status>ok|not ok) (?P<number>\d+) - (?P<description>(?:[^\\#]|\\[\\#])*?)(?: # (?P<word>SKIP|TODO) (?P<why>.*))?"
)

PAGES = {
    "mixed": replace(MIXED, cases=(*MIXED.cases, KNOWN)),
    "hostile": RunResult((HOSTILE,), 0.1),
    "interrupted": RunResult((DELIVERED, NOT_BEGUN), 0.5, "SIGINT"),
    "all-skipped": RunResult((SKIPPED,), 0.01),
    "no-case": RunResult(()),
    "repeated": REPEATED,
}


def lines_of(run):
    """The report as tap.py reads it, without the version."""
    first, *lines = Parser().parse_text(render_tap(run))
    assert ("version", 14) == (first.category, first.version)
    return lines


def points_of(text):
    return [match for line in text.split("\n") if (match := POINT.fullmatch(line))]


def unescaped(text):
    return re.sub(r"\\([\\#])", r"\1", text)


def blocks_of(text):
    """The YAML blocks, found as TAP 14 says and read by PyYAML."""
    return [yaml.safe_load(block) for block in re.findall(r"^  ---\n(.*?)^  \.\.\.$", text, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("name", PAGES)
def test_a_run_reads_exactly_like_this(name):
    """Each run gives the text of its golden file; MAILPROOF_UPDATE_GOLDEN=1 writes them anew, to be read."""
    golden = GOLDEN / f"{name}.tap"
    if os.environ.get("MAILPROOF_UPDATE_GOLDEN"):
        golden.write_text(render_tap(PAGES[name]), "utf-8")
    assert golden.read_text("utf-8") == render_tap(PAGES[name])


def test_no_golden_text_is_without_its_run():
    """A text whose run is gone would never be compared."""
    assert set(PAGES) == {path.stem for path in GOLDEN.glob("*.tap")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RUNS)
def test_any_run_is_read_as_the_run_it_is(run):
    """Each case is one point with its outcome, nothing is forged, and the whole is red where the run is."""
    plan, *lines = lines_of(run)
    points = [line for line in lines if line.category == "test"]
    bails = [line for line in lines if line.category == "bail"]
    comments = [line.text for line in lines if line.category == "diagnostic"]
    assert ["# the server was mailproof's own: this says nothing of yours"] * run.is_embedded == comments
    assert len(points) + len(bails) + len(comments) == len(lines)
    assert bool(run.interrupted) == bool(bails)
    assert list(range(1, plan.expected_tests + 1)) == [point.number for point in points]
    fault = len(points) - len(run.cases)
    expected = [
        (
            case.outcome in (Outcome.PASSED, Outcome.SKIPPED),
            case.outcome is Outcome.SKIPPED,
            case.outcome is Outcome.KNOWN,
        )
        for case in run.cases
    ]
    assert expected + [(False, False, False)] * fault == [(point.ok, point.skip, point.todo) for point in points]
    assert run.is_passed == (not bails and all(point.ok or point.todo for point in points))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RUNS)
def test_any_block_is_yaml(run):
    """Each case to be looked at has a block, which says its outcome; no line is outside of what TAP knows."""
    text = render_tap(run)
    told = [
        case.outcome.value
        for case in run.cases
        if case.warnings or case.outcome not in (Outcome.PASSED, Outcome.SKIPPED)
    ]
    assert told == [block["outcome"] for block in blocks_of(text)]
    outside = re.sub(r"^  ---\n.*?^  \.\.\.\n", "", text, flags=re.MULTILINE | re.DOTALL).split("\n")[2:-1]
    assert len(points_of(text)) + bool(run.interrupted) + run.is_embedded == len(outside)


@settings(max_examples=200, deadline=None)
@given(texts(2), texts(2))
def test_texts_come_back_escaped(name, why):
    """A reader that knows the escapes gets name and reason as the table shows them."""
    case = CaseResult(f"a{name}z".replace("\n", ""), "", Outcome.SKIPPED, f"a{why}z".replace("\n", ""))
    [point] = points_of(render_tap(RunResult((case, DELIVERED))))[:1]
    shown = escape(case.scenario).replace("#", "\\x23")
    assert (shown, "SKIP", escape(case.reason)) == (
        unescaped(point["description"]),
        point["word"],
        unescaped(point["why"]),
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        pytest.param("ticket #42", "ticket \\#42", id="a number"),
        pytest.param("a\\b", "a\\\\b", id="a backslash"),
        pytest.param("x # SKIP y", "x \\\\x23 SKIP y", id="like a directive"),
        pytest.param("x #todo", "x \\\\x23todo", id="like another"),
    ],
)
def test_a_name_makes_no_directive(name, written):
    """`#` is escaped as TAP has it; where a reader without escapes would find a directive, it is not there at all."""
    text = render_tap(RunResult((replace(RELAYED, scenario=name, target=""),)))
    [point] = [line for line in lines_of(RunResult((replace(RELAYED, scenario=name),))) if line.category == "test"]
    assert f"not ok 1 - {written}" in text.split("\n")
    assert not point.skip
    assert not point.todo


def test_a_block_tells_what_the_table_tells():
    """It has message, place and details; a line each, as the table has it, one blank further in."""
    [block] = blocks_of(render_tap(RunResult((RELAYED,))))
    assert {"file": "scenarios/relay-refused.yaml", "line": 14, "column": 7} == block["at"]
    assert (RELAYED.reason, 130) == (block["message"], block["duration_ms"])
    assert {"   expected  550 5.7.*", "   got       250 2.1.5 Ok", "   >  0.120  S: 250 2.1.5 Ok"} < set(
        block["details"]
    )


def test_an_interrupted_run_bails_out():
    """Its reason is in a point that is not ok too, for readers that don't know `Bail out!`."""
    *_, point, bail = lines_of(RunResult((DELIVERED,), 1, "SIGINT"))
    assert ("bail", "the run was interrupted: SIGINT") == (bail.category, bail.reason)
    assert (False, "- the run was interrupted: SIGINT") == (point.ok, point.description)


@pytest.mark.parametrize("cases", [(), (SKIPPED,), (KNOWN,)], ids=["no case", "all skipped", "all known"])
def test_a_run_without_a_pass_is_not_ok(cases):
    """`1..0` and skipped points alone would be green."""
    last = lines_of(RunResult(cases))[-1]
    assert (False, "- nothing passed: not a pass") == (last.ok, last.description)


def test_a_pass_has_no_block():
    """Nothing is to be looked at; with a warning there is."""
    assert "---" not in render_tap(RunResult((DELIVERED,)))
    [block] = blocks_of(render_tap(RunResult((NOTED,))))
    assert ("passed", "2 warnings") == (block["outcome"], block["message"])


def test_the_embedded_server_is_told():
    """Nobody shall take a rehearsal for a test of a server."""
    _, comment, _ = lines_of(RunResult((DELIVERED,), is_embedded=True))
    assert ("diagnostic", "# the server was mailproof's own: this says nothing of yours") == (
        comment.category,
        comment.text,
    )


@pytest.mark.skipif(shutil.which("perl") is None, reason="TAP::Parser comes with Perl")
def test_perls_harness_reads_it():
    """Perl's TAP::Parser, which reads a part of YAML only, finds every point and no error."""
    colon = replace(NOTED, warnings=(": x", "key: 'value'", "a: # b"))
    run = RunResult((*MIXED.cases, HOSTILE, KNOWN, colon, *REPEATED.cases))
    script = (
        "use TAP::Parser; local $/; my $p = TAP::Parser->new({tap => <STDIN>});"
        "while (my $r = $p->next) { print join(' ', $r->number, $r->is_actual_ok ? 'ok' : 'not', lc $r->directive), qq{\\n}"
        " if $r->is_test; die $r->raw if $r->is_unknown } print $p->parse_errors"
    )
    # Before 3.48 it refused version 14.
    text = render_tap(run).replace("TAP version 14", "TAP version 13")
    told = subprocess.run(["perl", "-e", script], input=text.encode(), capture_output=True, check=False)
    words = {
        Outcome.PASSED: "ok",
        Outcome.SKIPPED: "ok skip",
        Outcome.KNOWN: "not todo",
    }
    expected = [f"{number} {words.get(case.outcome, 'not')}" for number, case in enumerate(run.cases, 1)]
    assert ("", expected) == (told.stderr.decode(), [line.strip() for line in told.stdout.decode().splitlines()])
