"""Known issues and what failed in the cleanup, as the table's report shows them."""

from __future__ import annotations

from runner.report import Style, render_run
from runner.results import CaseResult, Outcome, Place, RunResult, StepResult

PASSED = CaseResult("a passes", "mx", Outcome.PASSED, elapsed=0.01, endpoint="smtp://mx:25")
KNOWN = CaseResult(
    "b is known", "mx", Outcome.KNOWN, "known (ticket 42): send X: expected 250, got 550 no", elapsed=0.01
)


def test_known():
    """A known case is a row and a number, and turns nothing red."""
    run = RunResult((PASSED, KNOWN), 0.02)
    text = render_run(run, Style())
    assert run.is_passed
    assert "b is known  known    0.01 s  known (ticket 42): " in text
    assert "1 passed, 0 failed, 1 known in 0.02 s" in text


def test_known_alone():
    """Nothing passed."""
    run = RunResult((KNOWN,), 0.02)
    assert not run.is_passed
    assert "nothing passed: not a pass" in render_run(run, Style())


def test_cleanup():
    """What failed in the cleanup is told where it stands, as a warning, once; the case is what it was."""
    place = Place("a.yaml", 9, 5)
    reason = "expected 250, got 550 no such thing"
    step = StepResult("cleanup: send DELETE", place, Outcome.FAILED, 0.1, 0.1, reason=reason, is_cleanup=True)
    case = CaseResult("a", "mx", Outcome.PASSED, steps=(step,), warnings=(f"cleanup: send DELETE: {reason}",))
    text = render_run(RunResult((case,)), Style())
    assert "PASSED  a · mx" in text
    assert "a.yaml:9:5: warning: cleanup: send DELETE" in text
    assert 1 == text.count("550 no such thing")
    assert "1 passed, 0 failed, 1 warning" in text
