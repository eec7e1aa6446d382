"""How a located problem is shown."""

from __future__ import annotations

from runner.errors import Problem, SourceFile, Span


def advice_of(advice):
    """Return the rows of a problem that tell its advice."""
    source = SourceFile("a.yaml", "name: x\n")
    return Problem(Span(source, 1, 1, 4), "wrong", advice).render().split("\n")[4:]


def test_long_advice_is_wrapped():
    """No row is wider than a terminal, and what goes on stands below what it belongs to."""
    rows = advice_of(f"{' '.join(['allowed'] * 12)}\nsecond")
    assert [f"  = {' '.join(['allowed'] * 9)}", "    allowed allowed allowed", "  = second"] == rows


def test_what_has_no_blank_stays_whole():
    """A URL that was cut could not be copied."""
    url = "https://" + "x" * 100
    assert ["  = see", f"    {url}", "    for more"] == advice_of(f"see {url} for more")
