"""The page for a browser: valid, self-contained, inert, and saying what the run says."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report import report_samples as samples

from runner.report.html import cases as html_cases
from runner.report.html import page, render_html
from runner.report.verdict import EMBEDDED
from runner.results import CaseResult, Difference, Outcome, RunResult, SessionFacts, StepResult

KNOWN = replace(samples.RELAYED, scenario="an old bug", outcome=Outcome.KNOWN, reason="the relay is open until Friday")
RUNS = {
    "mixed": replace(samples.MIXED, began="2026-11-25T03:40:21Z"),
    "two targets": samples.TWO_TARGETS,
    "rows": samples.WITH_ROWS,
    "sessions": RunResult((samples.TWO_SESSIONS, samples.MANY_DIFFERENCES, KNOWN), 1.0),
    "repeated": samples.REPEATED,
    "hostile": RunResult((samples.HOSTILE,), 0.1, interrupted="\x1b<b>", began="<i>"),
    "nothing": RunResult(()),
}
every_run = pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
# Whatever a page may hold besides its line feeds.
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Reader(HTMLParser):
    """A page taken apart: its tags in order, its attributes, its text, the content of each script and style."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.attributes, self.parts, self.raw = [], [], [], {}
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        self.tags.append(f"/{tag}")

    def handle_data(self, data):
        if self.tags and self.tags[-1] in ("style", "script"):
            self.raw[self.tags[-1]] = data
        else:
            self.parts.append(data)

    @property
    def text(self):
        return "".join(self.parts)


def text_of(markup):
    """The text between tags, without style and script."""
    return Reader(markup).text


@every_run
def test_a_page_is_valid(run):
    """A parser that follows the standard to the letter finds no error."""
    parser = html5lib.HTMLParser(strict=True)
    assert parser.parse(render_html(run)) is not None


@every_run
def test_a_page_asks_nobody(run):
    """Every link stays in the page, the icon is in the page, and nothing else has an address or a handler."""
    found = Reader(render_html(run)).attributes
    addresses = [value for _, name, value in found if name in ("href", "src", "action", "srcset", "data", "poster")]
    assert addresses
    assert [] == [value for value in addresses if not value.startswith(("#", "data:image/svg+xml,"))]
    assert [] == [name for _, name, _ in found if name.startswith("on") or name == "style"]


@every_run
def test_links_lead_somewhere(run):
    """Every link has the place it leads to, and every id is there once."""
    found = Reader(render_html(run)).attributes
    ids = [value for _, name, value in found if name == "id"]
    links = {value[1:] for tag, name, value in found if tag == "a" and name == "href"}
    assert sorted(set(ids)) == sorted(ids)
    assert set() == links - set(ids)


def test_the_policy_names_style_and_script_by_their_hash():
    """The policy allows what the page holds, and nothing else (CSP 3)."""
    reader = Reader(render_html(samples.MIXED))
    policy = next(value for _, name, value in reader.attributes if name == "content" and "default-src" in value)
    digests = {
        tag: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for tag, content in reader.raw.items()
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digests['style']}'",
        f"script-src 'sha256-{digests['script']}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert reader.tags.count("style") == reader.tags.count("script") == 1


@every_run
def test_no_control_character_gets_in(run):
    """What moves a cursor, turns text around or can't be seen is escaped, as on a terminal."""
    assert HARMFUL.search(render_html(run)) is None


def test_server_text_is_told_as_on_a_terminal():
    """Control characters, bidi marks and invalid UTF-8 are shown by their numbers."""
    wire = samples.transcript((0.01, "S", b"220 <script>\xff]]>\x1b[2J\xe2\x80\xae ::error:: | &amp;\r\n"))
    text = text_of(render_html(RunResult((replace(samples.NOTED, transcripts=(wire,)),))))
    assert "S: 220 <script>\\xff]]>\\x1b[2J\\u202e ::error:: | &amp;" in text


def case_of(words):
    """A case with a text from outside in every place that takes one; none of them is empty or begins as another."""
    step = StepResult(
        label=f"label {words}.",
        place=samples.place(3, file=f"file {words}."),
        outcome=Outcome.FAILED,
        because=f"because {words}.",
        reason=f"reason {words}.",
        differences=(Difference(f"part {words}.", f"expected {words}.", f"actual {words}.", f"hint {words}."),),
        session=f"session {words}.",
        used_at=(samples.place(4, file=f"user {words}."),),
    )
    lines = "".join(f"250-{line}\n" for line in words.split("\n")).encode("utf-8", "surrogatepass")
    return CaseResult(
        scenario=f"scenario {words}.",
        target=f"target {words}.",
        outcome=Outcome.FAILED,
        reason=f"why {words}.",
        place=samples.place(1, file=f"file {words}."),
        endpoint=f"endpoint {words}.",
        tls=f"tls {words}.",
        description=f"description {words}.",
        steps=(step, StepResult(f"unrun {words}.", samples.place(5, file=f"other {words}."), Outcome.NOT_RUN)),
        warnings=(f"warning {words}.",),
        row=f"row {words}.",
        sessions=(SessionFacts(f"name {words}.", f"target {words}.", f"endpoint {words}."),),
        transcripts=(samples.transcript((0.01, "S", lines), session=f"wire {words}."),),
        started=samples.BEGUN,
    )


MARKUP = [
    "<script>",
    "</style>",
    "</dl>",
    "-->",
    "<!--",
    "<![CDATA[",
    "]]>",
    "&lt;",
    '"',
    "'",
    "\x1b[2J",
    "\u202e",
    "\n",
]
hostile_words = st.lists(st.one_of(st.sampled_from(MARKUP), st.text(max_size=8)), max_size=8).map("".join)


@given(hostile_words)
def test_hostile_text_makes_no_markup(words):
    """The tags of a page are the same whatever the texts say (only the number of their lines counts)."""
    harmless = re.sub(r"[^\n]", "x", words)
    hostile_run = RunResult((case_of(words),), 1.0, f"signal {words}.", began=f"began {words}.")
    harmless_run = RunResult((case_of(harmless),), 1.0, f"signal {harmless}.", began=f"began {harmless}.")
    assert Reader(render_html(harmless_run)).tags == Reader(render_html(hostile_run)).tags


def test_hostile_text_stays_out_of_attributes():
    """No attribute holds a word from outside, and what is in an id or a class the page made itself."""
    attributes = Reader(render_html(RunResult((case_of("ZQX"),), 1.0, "ZQX", began="ZQX"))).attributes
    assert [] == [one for one in attributes if "zqx" in one[2].lower()]
    assert ["c1"] == [value for tag, name, value in attributes if tag == "div" and name == "id"]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (RunResult((samples.DELIVERED,)), "Passed"),
        (RunResult((samples.DELIVERED, samples.SKIPPED, KNOWN)), "Passed"),
        (samples.MIXED, "Failed"),
        (RunResult((samples.DELIVERED, samples.REFUSED)), "Failed"),
        (RunResult((samples.DELIVERED,), interrupted="SIGINT"), "Interrupted (SIGINT)"),
        (RunResult((samples.RELAYED,), interrupted="SIGTERM"), "Interrupted (SIGTERM), and failed"),
        (RunResult((samples.DELIVERED, samples.NOT_BEGUN)), "Not all was run: not a pass"),
        (RunResult((samples.SKIPPED,)), "Nothing passed: not a pass"),
        (RunResult(()), "No case was run: not a pass"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_a_green_run_is_called_passed(run, said):
    """The heading says how the run ended; its class and the page's title say the same."""
    markup = render_html(run)
    assert f"<h1 class={'passed' if run.is_passed else 'failed'}>{said}</h1>" in markup
    assert f"<title>{said} · mailproof</title>" in markup


@every_run
def test_the_counts_are_those_of_the_run(run):
    """Each outcome that anybody had is counted in the summary, and its cases are below."""
    markup = render_html(run)
    told = re.findall(r'<li class="[a-z -]+"><b>(\d+)</b> ([a-z ]+)', markup)
    expected = {one.value: run.count(one) for one in Outcome if run.count(one)}
    assert expected == {word: int(number) for number, word in told if int(number)}
    shown = re.findall(r"<details class=(?!matrix)[a-z-]+(?: open)?><summary><b>([a-z ]+)</b>", markup)
    assert [case.outcome.value for case in run.cases] == shown


def test_what_did_not_pass_is_listed_with_its_reason():
    """Failed, erred and not run cases are listed on top, each with a link to its conversation."""
    markup = render_html(samples.MIXED)
    listed = re.findall(r"<li class=\S+><b>([a-z ]+)</b> <a href=#(c\d+)>.*<p>(.*)", markup)
    assert [
        ("failed", "c2", "RCPT TO:&lt;${external}&gt;: expected 550 5.7.*, got 250 2.1.5 Ok"),
        ("error", "c3", "connect: connection refused"),
        ("failed", "c4", "after the last step: a reply is still owed, to MAIL FROM"),
        ("not run", "c7", "the run was interrupted"),
    ] == [(word, place, why.partition("</ul>")[0]) for word, place, why in listed]


def test_many_failures_are_cut_short_in_the_list():
    """The list on top is bounded, and says how many cases it leaves to the conversations."""
    run = RunResult((samples.REFUSED,) * 57)
    assert "… and 7 more cases: see below" in text_of(render_html(run))


def test_warnings_are_told_once_with_how_many_cases_have_them():
    """An unverified certificate is seen on top, not only inside a case that passed."""
    text = text_of(render_html(RunResult((samples.NOTED, samples.NOTED))))
    assert "the certificate was not verified (verify: false) 2 cases" in text


def test_the_embedded_server_is_named():
    """A run against the embedded server says so."""
    text = text_of(render_html(RunResult((samples.DELIVERED,), is_embedded=True)))
    assert EMBEDDED[1:] in text


def test_when_a_run_began_is_written_for_people():
    """ISO 8601 is taken apart; what is no such time is shown as it is."""
    assert "begun 2026-11-25 03:40:21 UTC" in text_of(
        render_html(RunResult((samples.DELIVERED,), began="2026-11-25T03:40:21.5+00:00"))
    )
    assert "begun yesterday" in text_of(render_html(RunResult((samples.DELIVERED,), began="yesterday")))


def matrix_of(run):
    """The rows of the matrix: heading, then the text of each cell."""
    table = re.search(r"<details class=matrix.*?</table>", render_html(run), re.DOTALL)[0]
    rows = re.findall(r"<tr[^>]*>(.*?)(?=<tr|<tbody|</table>)", table, re.DOTALL)
    return [[text_of(cell).strip() for cell in re.split(r"<t[hd][^>]*>", row)[1:]] for row in rows]


def test_the_matrix_has_scenarios_rows_and_targets():
    """Each cell says the outcome in a word; a scenario with rows has them below its name, and an empty cell is empty."""
    other = replace(samples.WITH_ROWS.cases[1], target="backup")
    rows = matrix_of(RunResult((samples.DELIVERED, *samples.WITH_ROWS.cases[:2], other)))
    assert [
        ["scenario", "mx", "backup"],
        ["delivery to a local mailbox", "passed 0.03", ""],
        ["Who may send as whom"],
        ["user=alice@example.com from=alice@example.com", "passed 0.03", ""],
        ["user=alice@example.com from=bob@example.com", "failed 0.13", "failed 0.13"],
    ] == rows


def test_the_matrix_loses_no_case():
    """Two scenarios of one name share a cell, and both are in it."""
    rows = matrix_of(RunResult((samples.DELIVERED, replace(samples.DELIVERED, outcome=Outcome.FAILED))))
    assert ["delivery to a local mailbox", "passed 0.03failed 0.03"] == rows[1]


def test_a_long_matrix_is_closed_at_first():
    """A long matrix does not stand between a reader and the rest."""
    many = RunResult(tuple(replace(samples.DELIVERED, scenario=str(number)) for number in range(61)))
    assert "<details class=matrix open>" in render_html(samples.MIXED)
    assert "<details class=matrix>" in render_html(many)


def test_the_slowest_cases_are_plotted():
    """The plot's numbers are in the table beside it, the slowest case first."""
    text = text_of(render_html(samples.MIXED))
    slowest = text[text.index("Slowest cases") : text.index("How long steps took")]
    assert ["2.000 s", "0.130 s", "0.030 s", "0.020 s", "0.002 s"] == re.findall(r"\d\.\d{3} s", slowest)


def test_repetitions_are_told_apart():
    """Each reason of a case that was run again and again has its count and its first conversation."""
    text = text_of(render_html(samples.REPEATED))
    assert "16 of 20 repetitions passed." in text
    assert "failed 3 times, of which this was the first: RCPT TO:<${external}>" in text
    assert "error once: connect: connection refused" in text
    assert "each case 20 times" in text


def test_failures_have_precedence_where_room_is_scarce(monkeypatch):
    """A page is bounded; what failed is shown before what passed, and what is left out is said."""
    monkeypatch.setattr(html_cases, "ROOM", 4500)
    passed = replace(samples.RELAYED, outcome=Outcome.PASSED, scenario="passed one", reason="")
    markup = render_html(RunResult((passed, passed, passed, samples.RELAYED)))
    bodies = re.findall(r"<div id=c\d+>(.*?)</details>", markup, re.DOTALL)
    assert ["class=talk" in body for body in bodies] == [True, False, False, True]
    assert ["The conversation is left out" in body for body in bodies] == [False, True, True, False]


def test_only_the_first_failures_are_open():
    """A page with many failures is still read from its top."""
    markup = render_html(RunResult((samples.DELIVERED, *[samples.REFUSED] * 12)))
    opened = re.findall(r"<details class=(?:passed|error)( open)?>", markup)
    assert ["", *[" open"] * 10, "", ""] == opened


def test_a_large_run_makes_a_bounded_page():
    """A case that passed takes less than 5 kB, so that 2,000 of them stay under 10 MB."""
    case = replace(samples.RELAYED, outcome=Outcome.PASSED, steps=samples.RELAYED.steps[:3] * 4, reason="")
    few, many = (len(render_html(RunResult((case,) * count)).encode()) for count in (100, 200))
    assert (many - few) / 100 < 5000


def test_style_and_script_end_nowhere_early():
    """Neither asset holds what would end its element."""
    for name in ("page.css", "page.js"):
        assert "</" not in page._asset(name)
