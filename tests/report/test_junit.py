"""The JUnit report: XML for any bytes, read back by two parsers, valid, and never greener than the run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from generated_runs import RUNS, SNIPPETS, texts
from hypothesis import HealthCheck, given, settings
from junitparser import JUnitXml
from lxml import etree
from report_samples import (
    BEGUN,
    DELIVERED,
    HOSTILE,
    MIXED,
    NOT_BEGUN,
    NOTED,
    RELAYED,
    REPEATED,
    SKIPPED,
    TWO_TARGETS,
    place,
    transcript,
)

from runner.errors import escape
from runner.report import Style, render_run
from runner.report.junit import render_junit
from runner.results import CaseResult, Difference, Outcome, RunResult, StepResult

HERE = Path(__file__).parent
SCHEMA = etree.XMLSchema(etree.parse(HERE / "junit.xsd"))
KNOWN = replace(RELAYED, outcome=Outcome.KNOWN, reason=f"known (ticket #42): {RELAYED.reason}")
BEGAN = "2026-01-02T03:04:05.678901+00:00"

PAGES = {
    "mixed": replace(MIXED, cases=(*MIXED.cases, KNOWN), began=BEGAN),
    "two-targets": TWO_TARGETS,
    "hostile": RunResult((HOSTILE,), 0.1),
    "interrupted": RunResult((DELIVERED, NOT_BEGUN), 0.5, "SIGINT"),
    "all-skipped": RunResult((SKIPPED,), 0.01),
    "no-case": RunResult(()),
    "repeated": REPEATED,
}


def parsed(run):
    """The report as the standard library's parser has it."""
    return ET.fromstring(render_junit(run).encode())


def only_case(*cases):
    return parsed(RunResult(cases)).find("testsuite/testcase")


@pytest.mark.parametrize("name", PAGES)
def test_a_run_reads_exactly_like_this(name):
    """Each run gives the text of its golden file; MAILPROOF_UPDATE_GOLDEN=1 writes them anew, to be read."""
    golden = HERE / "golden" / f"{name}.xml"
    if os.environ.get("MAILPROOF_UPDATE_GOLDEN"):
        golden.write_text(render_junit(PAGES[name]), "utf-8")
    assert golden.read_text("utf-8") == render_junit(PAGES[name])


def test_no_golden_text_is_without_its_run():
    """A text whose run is gone would never be compared."""
    assert set(PAGES) == {path.stem for path in (HERE / "golden").glob("*.xml")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RUNS)
def test_any_run_is_valid_and_counts_as_the_run_does(run):
    """It is well-formed and valid, has no DTD and no CDATA, counts every case, and is red where the run is."""
    text = render_junit(run)
    assert "<!" not in text
    SCHEMA.assertValid(etree.fromstring(text.encode()))
    read = JUnitXml.fromstring(text.encode())
    fault = len([suite for suite in read if suite.name == "mailproof"])
    counted = (
        run.count(Outcome.FAILED),
        run.count(Outcome.ERROR) + run.count(Outcome.NOT_RUN) + fault,
        run.count(Outcome.SKIPPED) + run.count(Outcome.KNOWN),
        len(run.cases) + fault,
    )
    suites = [(suite.failures, suite.errors, suite.skipped, suite.tests) for suite in read]
    assert counted == tuple(map(sum, zip(*suites, strict=True)))
    assert (counted[3], counted[0], counted[1]) == (read.tests, read.failures, read.errors)
    results = [result for suite in read for case in suite for result in case.result]
    assert counted[:3] == tuple(
        sum(type(one).__name__ == name for one in results) for name in ("Failure", "Error", "Skipped")
    )
    assert run.is_passed == (read.failures + read.errors == 0)


@settings(max_examples=200, deadline=None)
@given(texts(2))
def test_the_text_gives_the_escaped_original_back(text):
    """What a server said comes out of the parser as it stands in the table: escaped, nothing lost, nothing added."""
    said = text.replace("\n", "")
    difference = Difference("code", "250", said)
    step = StepResult("EHLO", place(3), Outcome.FAILED, differences=(difference,))
    case = CaseResult("a", "mx", Outcome.FAILED, said, steps=(step,))
    bare = said.rstrip(" ")
    shown = (escape(bare) + "\\x20" * (len(said) - len(bare))).replace("[[ATTACHMENT", "[\\x5bATTACHMENT")
    failure = only_case(case).find("failure")
    assert (shown or "failed") == failure.get("message")
    assert f"  got       {shown or repr('')}" in failure.text.split("\n")


@pytest.mark.parametrize("snippet", SNIPPETS, ids=ascii)
def test_a_transcript_gives_the_escaped_original_back(snippet):
    """Also what went over the wire, and what a file that was read held in its place."""
    line = snippet.replace("\r", "").replace("\n", " ").encode("utf-8", "replace")
    case = replace(HOSTILE, transcripts=(transcript((0.1, "S", b"250 " + line + b" end\r\n")),))
    table = render_run(RunResult((case,)), Style(10_000))
    told = next(line for line in table.split("\n") if "S: 250" in line)
    assert told.replace("[[ATTACHMENT", "[\\x5bATTACHMENT") in only_case(case).find("failure").text.split("\n")


def test_a_forged_transcript_is_escaped():
    """A transcript that was read from somebody's file and holds what none has is escaped like the rest."""
    forged = transcript((0.1, "S", b"250 x\r\n"))
    made = forged.rendered()
    line = replace(made.lines[0], text="250 \x00\x1b[31m\ufffe\ud800")
    again = forged.__reduce__()[0](replace(made, lines=(line,)), BEGUN)
    text = only_case(replace(RELAYED, transcripts=(again,))).find("failure").text
    assert "S: 250 \\x00\\x1b[31m\\ufffe\\ud800" in text


def test_a_mark_of_an_attachment_is_none():
    """Jenkins and GitLab would fetch the file that a server names."""
    case = replace(NOTED, warnings=("[[ATTACHMENT|/etc/passwd]] [[[ATTACHMENT|x]]",))
    assert "[[ATTACHMENT" not in render_junit(RunResult((case,)))


def test_outcomes_have_their_elements():
    """What has no verdict is an error, also what was not run; what is known is skipped with its reason."""
    outcomes = {outcome: only_case(replace(DELIVERED, outcome=outcome, reason="why")) for outcome in Outcome}
    told = {
        outcome: [(one.tag, one.get("type"), one.get("message")) for one in case] for outcome, case in outcomes.items()
    }
    assert {
        Outcome.PASSED: [],
        Outcome.FAILED: [("failure", "failed", "why")],
        Outcome.ERROR: [("error", "error", "why")],
        Outcome.SKIPPED: [("skipped", "skipped", "why")],
        Outcome.KNOWN: [("skipped", "known", "why")],
        Outcome.NOT_RUN: [("error", "not run", "not run: why")],
    } == told


def test_a_known_failure_is_told_as_one():
    """Its text has what was expected, what came and why that is wrong."""
    text = only_case(KNOWN).find("skipped").text
    assert "  expected  550 5.7.*\n  got       250 2.1.5 Ok\n" in text
    assert "  because:  RFC 5321 section 3.6.2" in text


@pytest.mark.parametrize(
    ("run", "message"),
    [
        pytest.param(RunResult(()), "nothing passed: not a pass", id="no case"),
        pytest.param(RunResult((SKIPPED,)), "nothing passed: not a pass", id="all skipped"),
        pytest.param(RunResult((KNOWN,)), "nothing passed: not a pass", id="all known"),
        pytest.param(RunResult((DELIVERED,), 1, "SIGTERM"), "the run was interrupted: SIGTERM", id="interrupted"),
    ],
)
def test_what_no_case_tells_is_an_error(run, message):
    """A run that isn't green has a red test case even if every case of its own is none."""
    last = parsed(run).findall("testsuite/testcase")[-1]
    assert ("mailproof", "the run", message) == (
        last.get("classname"),
        last.get("name"),
        last.find("error").get("message"),
    )


def test_what_cases_tell_is_told_once():
    """Where nothing passed because something failed, the failure is enough."""
    assert ["mx"] == [suite.get("name") for suite in parsed(RunResult((RELAYED, SKIPPED)))]


def test_targets_are_suites_and_packages():
    """A scenario is another test against another target, for readers of suites and for those of classes."""
    suites = parsed(TWO_TARGETS).findall("testsuite")
    assert ["mx", "backup"] == [suite.get("name") for suite in suites]
    case = replace(RELAYED, place=place(1, 1, "./pack/relay.v2.yml"), target="smtp://mx.example:25")
    package, _, name = only_case(case).get("classname").rpartition(".")
    assert ("smtp://mx.example:25", "_/pack/relay_v2") == (package, name)


def test_names_are_given_once_in_a_suite():
    """A failure beside a success of the same name is not taken for a test that passed when it was tried again."""
    names = [
        case.get("name") for case in parsed(RunResult((RELAYED, RELAYED, replace(RELAYED, row="x")))).iter("testcase")
    ]
    assert ["relay refused", "relay refused (2)", "relay refused [x]"] == names


def test_a_name_that_looks_numbered_stays_apart():
    """A scenario may be called like the second of another name."""
    cases = [replace(DELIVERED, scenario=name) for name in ("a", "a (2)", "a", "a")]
    names = [case.get("name") for case in parsed(RunResult(tuple(cases))).iter("testcase")]
    assert 4 == len(set(names))


def test_the_place_is_in_the_scenarios_file():
    """A step of a fragment that failed stands at the step that uses it, so that results are of one file."""
    step = replace_step(
        RELAYED, place=place(3, 5, "fragments/rcpt.yaml"), used_at=(place(9, 5, "fragments/all.yaml"), place(21))
    )
    case = only_case(replace(RELAYED, steps=(step,)))
    assert ("scenarios/relay-refused.yaml", "21") == (case.get("file"), case.get("line"))
    assert "fragments/rcpt.yaml:3:5: RCPT TO" in case.find("failure").text


def test_what_failed_in_the_cleanup_is_no_place():
    """It failed no case."""
    step = replace_step(RELAYED, is_cleanup=True)
    assert "1" == only_case(replace(RELAYED, steps=(step,))).get("line")


def replace_step(case, **changes):
    step = next(step for step in case.steps if step.outcome is Outcome.FAILED)
    return StepResult(
        **{
            "label": step.label,
            "place": step.place,
            "outcome": step.outcome,
            "reason": step.reason,
            "differences": step.differences,
            **changes,
        }
    )


def test_the_zone_of_the_time_is_left_out():
    """All readers take the time as UTC, and one schema takes no zone; what is no time is left out."""
    assert ["2026-01-02T03:04:05", None] == [
        parsed(RunResult((DELIVERED,), began=began)).find("testsuite").get("timestamp")
        for began in (BEGAN, "yesterday")
    ]


def test_the_embedded_server_is_told():
    """Nobody shall take a rehearsal for a test of a server."""
    told = parsed(RunResult((DELIVERED,), is_embedded=True)).find("testsuite/properties/property[@name='server']")
    assert "the server was mailproof's own: this says nothing of yours" == told.get("value")
