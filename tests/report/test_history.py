"""A history: what many runs say of a case, in which order it is told, and that no text of a server gets through."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations

import html5lib
import pytest

from runner.history import history_of, record_of, render_history, render_page
from runner.history import table as history_table
from runner.report import Style
from runner.results import CaseResult, Outcome, Repeats, RunResult

OUTCOMES = dict(zip("PFKESN", map(Outcome, ("passed", "failed", "known", "error", "skipped", "not run")), strict=True))
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\n\"'|"


def runs_of(**strips):
    """Runs on successive days; each case is a name with a letter for each day, `-` where it is not there."""
    days = max(map(len, strips.values()))
    cases = [
        tuple(CaseResult(name, "mx", OUTCOMES[s[at]], elapsed=0.1) for name, s in strips.items() if s[at] != "-")
        for at in range(days)
    ]
    return [RunResult(some, 1.0, began=f"2026-11-{at + 1:02}T03:40:21.5Z") for at, some in enumerate(cases)]


def history(runs):
    """The history of runs, each in a file of its own."""
    return history_of(record_of(run, f"{at}.json") for at, run in enumerate(runs))


def timed(*times, outcome=Outcome.PASSED):
    """The one case of runs that took so long."""
    cases = [CaseResult("slow", "mx", outcome, elapsed=time) for time in times]
    runs = [RunResult((case,), began=f"2026-11-{at + 1:02}T00:00:00Z") for at, case in enumerate(cases)]
    (entry,) = history(runs).entries
    return entry


@pytest.mark.parametrize(
    ("strip", "state", "since", "passed", "plays"),
    [
        ("PPP", "steady", 0, 3, 3),
        ("PPF", "failing", 2, 2, 3),
        ("PEE", "failing", 1, 1, 3),
        ("PFP", "flaky", 2, 2, 3),
        ("FPPSP", "fixed", 4, 3, 4),
        ("FP-P", "fixed", 1, 2, 3),
        ("PPN", "not run", 2, 2, 2),
        ("PF-", "failing", 1, 1, 2),
        ("KKK", "known", 0, 0, 3),
        ("SSS", "skipped", 0, 0, 0),
    ],
)
def test_the_state_of_a_case(strip, state, since, passed, plays):
    """What is worst is told; broken or mended once is not flaky, and what came to no verdict counts for nothing."""
    (entry,) = [one for one in history(runs_of(it=strip, other="P" * len(strip))).entries if one.case.key[0] == "it"]
    assert (state, since, passed, plays) == (entry.state, entry.case.since, entry.case.passed, entry.case.plays)


def test_a_run_that_was_cut_short_makes_no_server_flaky():
    """What erred in it may have done so for that reason; what failed has failed."""
    runs = runs_of(erred="PEP", failed="PFP")
    runs[1] = replace(runs[1], interrupted="SIGINT")
    found = {entry.case.key[0]: (entry.state, entry.case.plays) for entry in history(runs).entries}
    assert {"erred": ("steady", 2), "failed": ("flaky", 3)} == found
    erred = CaseResult("it", "mx", Outcome.ERROR, "interrupted")
    cut = replace(erred, repeats=Repeats(3, 2, ((1, erred),)))
    (sample,) = record_of(RunResult((cut,), interrupted="SIGINT"), "x").samples.values()
    assert (Outcome.NOT_RUN, 2, 2) == (sample.outcome, sample.plays, sample.passed)


def test_the_worst_comes_first():
    """Failing, not run, flaky, fixed, steady; of those alike, the one that passed least."""
    runs = runs_of(steady="PPPP", fixed="FPPP", flaky="PFPP", worse="FPFP", cut="PPPN", broken="PPPF")
    assert ["broken", "cut", "worse", "flaky", "fixed", "steady"] == [one.case.key[0] for one in history(runs).entries]


def test_runs_are_sorted_by_when_they_began():
    """The order of the files is no matter."""
    runs = runs_of(it="PFF")
    shown = {render_history(history_of(record_of(run, "x") for run in some), Style()) for some in permutations(runs)}
    assert 1 == len(shown)
    assert "P F F" in shown.pop()


def test_zones_are_respected():
    """A run that began later by its offset is the later one."""
    (first,), (second,) = (run.cases for run in runs_of(it="FP"))
    runs = [
        RunResult((second,), began="2026-11-01T01:00:00+00:00"),
        RunResult((first,), began="2026-11-01T01:30:00+02:00"),
    ]
    assert "fixed" == history(runs).entries[0].state


def test_a_run_that_is_given_twice_counts_once():
    """It is noted, and changes nothing; another run of the same second is another run."""
    one, two = runs_of(it="PP")
    told = history([one, two, one])
    assert ("'2.json' is the run of '0.json' again: counted once",) == told.notes
    assert 2 == len(told.runs)
    other = RunResult(runs_of(it="F")[0].cases, 1.0, began=one.began)
    assert 2 == len(history([one, other]).runs)


@pytest.mark.parametrize("began", ["", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_a_run_without_a_time(began):
    """It is taken for the oldest, which is noted."""
    late, undated = runs_of(it="PF")
    told = history([late, RunResult(undated.cases, began=began)])
    assert "fixed" == told.entries[0].state
    assert "1 run without a time of its own: taken for the oldest, in the order given" in told.notes
    assert "no time" in render_page(told)


def test_repetitions_that_differ_are_flaky_at_once():
    """One run is enough where a case was played again and again."""
    failed = CaseResult("it", "mx", Outcome.FAILED)
    case = CaseResult("it", "mx", Outcome.FAILED, repeats=Repeats(10, 8, ((2, failed),)))
    (entry,) = history([RunResult((case,))]).entries
    assert (True, 8, 10) == (entry.case.is_flaky, entry.case.passed, entry.case.plays)


@pytest.mark.parametrize(
    ("times", "state"),
    [
        ((0.1, 0.1, 0.1, 0.1, 0.21), "slow"),
        ((0.1, 0.1, 0.1, 0.21), "steady"),
        ((0.01, 0.01, 0.01, 0.01, 0.05), "steady"),
        ((0.1, 0.1, 0.1, 0.1, 0.9, 0.1), "steady"),
        ((0.1, 0.1, 0.1, 0.1, *[0.9] * 12), "steady"),
    ],
    ids=["twice as long", "too few before", "a moment", "once", "usual by now"],
)
def test_slower_than_usual(times, state):
    """Twice the median of the runs before, of which there are enough, and not by a few milliseconds."""
    assert state == timed(*times).state


def test_times():
    """Median, 90th percentile by the nearest rank, and the last one."""
    case = timed(*[number / 10 for number in range(1, 11)]).case
    assert (0.55, 0.9, 1.0) == (pytest.approx(case.median), case.ninetieth, case.times[-1][1])


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_of_the_table_is_too_wide(columns):
    """At any width that is taken; names are cut, and a strip has the newest runs."""
    shown = render_history(history(runs_of(**{"x" * 300: "PF" * 14, HOSTILE: "P" * 28})), Style(columns=columns))
    assert columns >= max(map(len, shown.splitlines()))
    assert None is HARMFUL.search(shown)
    assert None is not re.search(r"P F P F\n", shown)


def test_the_table_is_bounded(monkeypatch):
    """What is left out is counted; `verbose` has more, `quiet` the sum alone."""
    monkeypatch.setattr(history_table, "MOST_CASES", 2)
    told = history(runs_of(a="P", b="P", c="F"))
    assert "… 1 more case, see --verbose" in render_history(told, Style())
    assert "more case" not in render_history(told, Style(verbosity="verbose"))
    assert "1 run, 2026-11-01 03:40 UTC: 1 failing, 2 steady\n" == render_history(told, Style(verbosity="quiet"))


PAGES = {
    "mixed": runs_of(steady="PPPP", flaky="PFPP", gone="PE--", known="KKSN"),
    "hostile": runs_of(**{HOSTILE: "PF"}),
    "nothing": [RunResult((), began="2026-11-01T00:00:00Z", interrupted=HOSTILE)],
}


@pytest.mark.parametrize("runs", PAGES.values(), ids=list(PAGES))
def test_the_page_is_valid_and_inert(runs):
    """A parser that follows the standard finds no error, nothing from outside is markup, nothing asks anybody."""
    shown = render_page(history(runs))
    assert None is not html5lib.HTMLParser(strict=True).parse(shown)
    assert None is HARMFUL.search(shown)
    assert 1 == shown.count("<script>")
    assert [] == re.findall(r'(?:href|src)="?+(?!#|data:)', re.sub(r"<script>.*?</script>", "", shown, flags=re.DOTALL))


def test_plots_are_told_in_words():
    """Each plot has a label with what it shows, and is an image to a screen reader."""
    shown = render_page(history(runs_of(it="PPFF")))
    assert 'role=img aria-label="oldest first: 2 passed, 2 failed"' in shown
    assert 'role=img aria-label="0.10 s to 0.10 s, last 0.10 s"' in shown


@pytest.mark.parametrize(("strip", "said"), [("FP", "Nothing failing"), ("PF", "1 failing"), ("PN", "1 not run")])
def test_the_heading_says_what_is_wrong_now(strip, said):
    """It is green only if the last run of every case is no failure."""
    shown = render_page(history(runs_of(it=strip)))
    kind = "passed" if said.startswith("Nothing") else "failed"
    assert f"<h1 class={kind}>{said}</h1>" in shown
