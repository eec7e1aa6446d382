"""What is made of a run's results before they are shown."""

from __future__ import annotations

import pytest

from runner.results import CaseResult, Difference, Outcome, RunResult, without_spare_skips


def run(*cases):
    return RunResult(tuple(CaseResult(name, target, Outcome(outcome), row=row) for name, target, outcome, row in cases))


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        pytest.param([("a", "x", "passed", ""), ("a", "y", "skipped", "")], [1], id="passed elsewhere"),
        pytest.param([("a", "x", "skipped", ""), ("a", "y", "failed", "")], [0], id="failed elsewhere"),
        pytest.param([("a", "x", "skipped", ""), ("a", "y", "error", "")], [0], id="error elsewhere"),
        pytest.param([("a", "x", "skipped", ""), ("a", "y", "skipped", "")], [], id="skipped everywhere"),
        pytest.param([("a", "x", "skipped", ""), ("a", "y", "not run", "")], [], id="not run elsewhere"),
        pytest.param([("a", "x", "skipped", ""), ("b", "x", "passed", "")], [], id="another scenario"),
        pytest.param([("a", "x", "skipped", "r=1"), ("a", "y", "passed", "r=2")], [], id="another row"),
    ],
)
def test_a_skip_is_spared_where_the_scenario_ran_elsewhere(given, left_out):
    """What ran against one target need not be told as skipped with another; all else stays, in its order."""
    expected = run(*(case for number, case in enumerate(given) if number not in left_out))
    assert expected == without_spare_skips(run(*given))


@pytest.mark.parametrize(
    ("difference", "gist", "expected"),
    [
        (Difference("code", "250", "550 no"), "", "expected 250, got 550 no"),
        (Difference("has", "*A*", "250-x\n250 y"), "", "expected *A*, got 250-x …"),
        (Difference("has", "*A*\n*B*", "250-x\n250 y"), "250 y", "expected *A* …, got 250 y"),
        (Difference("code for bob@x", "250", "452 full"), "", "expected 250, got to message for bob@x 452 full"),
    ],
    ids=["one line", "more lines", "gist", "recipient"],
)
def test_a_difference_is_a_sentence(difference, gist, expected):
    """On one line; a recipient's reply says whose it is."""
    assert expected == difference.sentence(gist)
