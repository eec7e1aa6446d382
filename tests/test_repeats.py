"""A case that was run again and again, made one result."""

from __future__ import annotations

import pytest

from runner.results import MOST_WARNINGS, CaseResult, Outcome, RunResult, fold_repeats

WORDS = {"p": Outcome.PASSED, "f": Outcome.FAILED, "e": Outcome.ERROR, "s": Outcome.SKIPPED, "k": Outcome.KNOWN}
WORDS["n"] = Outcome.NOT_RUN


def result(word="p", reason="", elapsed=1.0, **given):
    return CaseResult("a", "mx", WORDS[word], reason, elapsed=elapsed, **given)


def folded(*results):
    (case,) = fold_repeats(RunResult(results, 9.0), len(results)).cases
    return case


def test_results_are_folded_case_by_case():
    """In the order of the input, and nothing else of the run changes."""
    run = RunResult(tuple(CaseResult(name, "mx", Outcome.PASSED) for name in "aaabbb"), 9.0, "SIGINT")
    found = fold_repeats(run, 3)
    assert (["a", "b"], 9.0, "SIGINT") == ([case.scenario for case in found.cases], found.elapsed, found.interrupted)
    assert ["3 of 3"] * 2 == [str(case.repeats) for case in found.cases]


@pytest.mark.parametrize(
    ("words", "expected", "passed"),
    [
        ("pppp", "p", 4),
        ("pppf", "f", 3),
        ("pppe", "f", 3),
        ("ffff", "f", 0),
        ("eeee", "e", 0),
        ("effe", "f", 0),
        ("ssss", "s", 0),
        ("ppss", "f", 2),
        ("sses", "f", 0),
        ("nnnn", "n", 0),
        ("ppnn", "n", 2),
        ("ssnn", "n", 0),
        ("ffnn", "f", 0),
        ("ppfn", "f", 2),
        ("eenn", "e", 0),
        ("kkkk", "k", 0),
        ("kkff", "k", 0),
        ("kkee", "e", 0),
        ("kknn", "n", 0),
    ],
)
def test_only_a_case_that_always_passed_has_passed(words, expected, passed):
    """What happens at times can't be relied upon; what was not run is not passed."""
    case = folded(*map(result, words))
    assert (WORDS[expected], passed, len(words)) == (case.outcome, case.repeats.passed, case.repeats.runs)


def test_each_reason_is_told_with_its_first_result():
    """The most frequent first; a token or a time in it makes no other reason."""
    results = [
        result("f", "expected 250, got 450 try k1a2x", case_id="k1a2"),
        result("p"),
        result("f", "no reply within 1.02 s"),
        result("f", "expected 250, got 450 try m3c4y", case_id="m3c4"),
        result("f", "no reply within 1.10 s"),
        result("e", "no reply within 1.10 s"),
        result("f", "no reply within 1.30 s"),
    ]
    case = folded(*results)
    assert ((3, results[2]), (2, results[0]), (1, results[5])) == case.repeats.others
    assert "3 times: no reply within 1.02 s (and 2 other reasons)" == case.reason


@pytest.mark.parametrize(
    ("words", "expected"),
    [("pp", ""), ("pf", "once: why"), ("ff", "2 times: why"), ("nn", "2 times: why")],
)
def test_the_reason_says_how_often(words, expected):
    """A single reason needs no more."""
    assert expected == folded(*(result(word, "why" if word != "p" else "") for word in words)).reason


@pytest.mark.parametrize(("times", "expected"), [((1, 9, 2), 2), ((1, 9, 2, 4), 3), ((5,), 5)])
def test_the_time_is_the_median(times, expected):
    """One that hung says little of how long it takes; one that was not run nothing."""
    case = folded(*(result(elapsed=seconds) for seconds in times), result("n", elapsed=0.0))
    assert expected == case.elapsed


def test_warnings_are_kept_once():
    """And not more of them than anybody reads."""
    results = [result(warnings=("same", f"new {number}")) for number in range(200)]
    warnings = folded(*results).warnings
    assert (("same", "new 0", "new 1"), MOST_WARNINGS) == (warnings[:3], len(warnings))
