"""The report in Markdown, read back by a CommonMark parser."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hostile_runs import MARK, NEVER_GREEN, runs
from hypothesis import given, settings
from markdown_it import MarkdownIt
from report_samples import DELIVERED, HOSTILE, MIXED, NOTED, RELAYED, REPEATED, SKIPPED, TWO_TARGETS, transcript

from runner.errors import escape
from runner.report.markdown import render_markdown
from runner.results import Difference, Outcome, RunResult, StepResult

GITHUB_BYTES = 1024 * 1024
OWN_HTML = re.compile(
    r"<details><summary>(transcript(, \d+ of \d+ lines)?|all \d+ cases)</summary>\n|</details>\n?",
)
OWN_TOKENS = {
    f"{name}_{side}"
    for name in (
        "heading",
        "paragraph",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "strong",
        "bullet_list",
        "list_item",
    )
    for side in ("open", "close")
} | {"inline", "text", "code_inline", "fence", "html_block"}


def tokens(text):
    """All tokens, those within lines in place of them."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return [inner for token in parser.parse(text) for inner in (token, *(token.children or ()))]


def rows(text):
    """The cells of each row of all tables, as text."""
    found = []
    for line in MarkdownIt("commonmark").enable("table").parse(text):
        if line.type == "tr_open":
            found.append([])
        elif line.type == "inline" and found and line.level >= 4:
            found[-1].append("".join(child.content for child in line.children))
    return [row for row in found if row]


def headings(text):
    found = tokens(text)
    return [
        "".join(child.content for child in after.children)
        for token, after in pairwise(found)
        if token.type == "heading_open"
    ]


def test_headline_has_the_verdict_and_counts():
    """The first lines say what came of it all."""
    text = render_markdown(RunResult((DELIVERED, RELAYED, SKIPPED), 1.5))
    assert text.startswith("## mailproof: failed\n\n**1 passed, 1 failed, 1 skipped in 1.50 s**\n\n")


def test_table_has_a_line_for_each_case():
    """Scenario, target, outcome, time and reason, in the order of the input; no row's column without a row."""
    assert [
        ["scenario", "target", "outcome", "time", "reason"],
        ["delivery to a local mailbox", "mx", "passed", "0.03 s", ""],
        ["delivery to a local mailbox", "backup", "passed", "0.03 s", ""],
        ["relay refused", "mx", "failed", "0.13 s", "RCPT TO:<${external}>: expected 550 5.7.*, got 250 2.1.5 Ok"],
    ] == rows(render_markdown(TWO_TARGETS))


def test_failure_is_told_with_its_step():
    """Place and name, expected above what came, and the end of the conversation behind a click."""
    text = render_markdown(RunResult((RELAYED,)))
    assert "`scenarios/relay-refused.yaml:14:7`: `RCPT TO:<${external}>`" in text
    first, second = [token.content for token in tokens(text) if token.type == "fence"]
    assert "expected  550 5.7.*\ngot       250 2.1.5 Ok\n" in first
    assert ">  0.120  S: 250 2.1.5 Ok\n" in second
    assert re.search(r"<details><summary>transcript, [0-9]+ of 15 lines</summary>\n\n```text\n", text)


def test_fence_is_longer_than_any_within():
    """Backticks of a server do not end the block."""
    said = "250 ```` and `````\n```"
    step = StepResult("EHLO", RELAYED.steps[0].place, Outcome.FAILED, differences=(Difference("code", "550", said),))
    text = render_markdown(RunResult((replace(RELAYED, steps=(step,), transcripts=()),)))
    assert "\n``````text\n" in text
    [block] = [token for token in tokens(text) if token.type == "fence"]
    assert "250 ```` and `````\n" in block.content


def test_repeated_case_tells_each_reason():
    """Each reason has how often it came and its own conversation."""
    text = render_markdown(REPEATED)
    assert "failed 3 of 20 times:" in text
    assert "error 1 of 20 times:" in text
    assert ["relay refused", "mx", "failed", "16 of 20"] == rows(text)[2][:4]


def test_warnings_are_listed():
    """Also those of cases that passed."""
    text = render_markdown(RunResult((NOTED,)))
    assert "- `the banner tells nothing · mx`: `the certificate was not verified (verify: false)`" in text
    assert "What failed" not in text


def test_many_cases_show_first_what_did_not_pass():
    """With more than 50 cases the whole table is behind a click."""
    text = render_markdown(RunResult((*[DELIVERED] * 60, SKIPPED)))
    assert ["skipped", *["passed"] * 60, "skipped"] == [row[2] for row in rows(text) if row[0] != "scenario"]
    assert "<details><summary>all 61 cases</summary>" in text


def test_it_stays_under_the_limit():
    """GitHub takes 1 MiB or nothing: what does not fit is counted."""
    long = transcript(*((0.01 * number, "S", b"250-" + b"\xff" * 300 + b"\r\n") for number in range(40)))
    case = replace(HOSTILE, transcripts=(long,), warnings=("w" * 400,) * 3)
    text = render_markdown(RunResult(tuple([case] * 3000)))
    assert GITHUB_BYTES * 0.85 > len(text.encode())
    told = re.findall(r"… ([0-9]+) more (case|failure|warning)s left out", text)
    assert ["case", "failure", "warning", "case"] == [noun for _, noun in told]
    shown = sum(heading.startswith("hostile") for heading in headings(text))
    assert 3000 == shown + int(told[1][0])


@pytest.mark.parametrize("run", NEVER_GREEN.values(), ids=NEVER_GREEN)
def test_never_green_by_mistake(run):
    """What was cut short, left out, or did not pass is not headed as passed."""
    assert headings(render_markdown(run))[0] in (
        "mailproof: failed",
        "mailproof: interrupted",
        "mailproof: nothing passed",
        "mailproof: not run",
    )


def test_embedded_server_is_told():
    """It says nothing about a server of the reader's."""
    assert "The server was mailproof's own: this says nothing of yours." in render_markdown(
        replace(MIXED, is_embedded=True)
    )


@settings(max_examples=80, deadline=None)
@given(runs)
def test_hostile_text_makes_no_element(run):
    """Text from outside stands in code and nowhere else; there are just the elements that the report makes."""
    text = render_markdown(run)
    assert all(line == escape(line) for line in text.split("\n"))
    found = tokens(text)
    assert {token.type for token in found} <= OWN_TOKENS
    for token in found:
        if token.type not in ("code_inline", "fence", "inline"):
            assert MARK not in token.content
        if token.type == "html_block":
            assert OWN_HTML.fullmatch(token.content)
    assert len(run.cases) + bool(run.cases) == len(rows(text))
    assert len({len(row) for row in rows(text)}) <= 1
    failed = sum(case.outcome.is_failure for case in run.cases)
    assert 1 + failed + (failed > 0) + (run.warnings > 0) == len(headings(text))
    assert run.is_passed == (headings(text)[0] == "mailproof: passed")
