"""Changes in a run's results, and as a table."""

from baseline_samples import case, changes, heard, step

from runner.baseline import grouped, mark, render_changes
from runner.baseline.table import summary
from runner.report import Style, render_run
from runner.report.layout import width
from runner.results import Outcome, RunResult


def marked(before, after):
    return mark(RunResult((after,)), changes(before, after))


def test_a_changed_case_has_failed():
    """Its step shows before and after; the run is red."""
    run = marked(case(step(heard("250", "Ok"))), case(step(heard("250", "Fine"))))
    (result,) = run.cases
    assert (Outcome.FAILED, False) == (result.outcome, run.is_passed)
    assert "send EHLO: changed since the baseline: text: Ok → Fine" == result.reason
    assert [("text since the baseline", "Ok", "Fine")] == [
        (d.part, d.expected, d.actual) for d in result.steps[0].differences
    ]
    assert "changed since the baseline" in render_run(run, Style(columns=200))


def test_a_case_that_failed_keeps_its_reason():
    """What a scenario says of it comes first."""
    after = case(
        step(heard("550"), outcome=Outcome.FAILED, reason="expected 250"), outcome=Outcome.FAILED, reason="expected 250"
    )
    (result,) = marked(case(step(heard("250"))), after).cases
    assert ("expected 250", 1) == (result.reason, len(result.steps[0].differences))


def test_an_unchanged_case_stays_as_it_is():
    """The very same result."""
    one = case(step(heard()))
    assert one is marked(one, one).cases[0]


def test_a_case_without_a_baseline_has_failed():
    """Nothing that was not compared is green."""
    run = mark(RunResult((case(step(heard())),)), changes((), (case(step(heard())),)))
    assert (Outcome.FAILED, True) == (run.cases[0].outcome, run.cases[0].reason.startswith("not in the baseline"))


def test_one_change_in_many_places_is_one_row():
    """With the first place and how many there are besides."""
    before = tuple(case(step(heard("250", "Ok")), scenario=f"s{at}") for at in range(9))
    after = tuple(case(step(heard("250", "Fine")), scenario=f"s{at}") for at in range(9))
    groups = grouped(changes(before, after))
    text = "\n".join(render_changes(groups, Style(columns=80)))
    assert "1 change in 9 places" == summary(groups)
    assert ("s0" in text, "and 8 more places" in text, "s1" in text) == (True, True, False)


def test_table_fits_and_is_harmless():
    """Hostile text is escaped, bounded, and no line is wider than the terminal."""
    long = [f"\x1b[2J{at}" + "x" * 500 for at in range(50)]
    lines = render_changes(
        grouped(changes(case(step(heard("250"))), case(step(heard("250", *long))))), Style(columns=60)
    )
    assert 60 >= max(map(width, lines))
    assert "\x1b" not in "".join(lines)
    assert 300 > len(lines)
