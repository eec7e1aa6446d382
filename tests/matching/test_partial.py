"""One line of a reply against a pattern."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.partial import LineExpectation
from runner.matching.pattern import PatternError, Slot, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "line", "is_fit"),
    [
        ("220-*", "220-please wait", True),
        ("220-*", "220 mx.example", False),
        ("220 *", "220 mx.example", True),
        ("220*", "220", True),
        ("/^220-.*wait/", "220-please wait", True),
        ("/220-$/", "220-please wait", False),
    ],
)
def test_the_line_is_seen_with_its_code(pattern, line, is_fit):
    """A glob must fit the whole line, a regex is searched in it."""
    wrong, _ = LineExpectation(compile_pattern((pattern,))).judge(line)
    assert is_fit == (wrong is None)


def test_groups_and_hints():
    """Named groups are what was found; a miss has its hint, and a line too long for a regex is none."""
    expectation = LineExpectation(compile_pattern((r"/^220-(?P<word>\w+)/",)))
    assert (None, {"word": "please"}) == expectation.judge("220-please wait")
    wrong, _ = expectation.judge("220-" + "x" * 5000)
    assert wrong is not None
    assert "a regex sees at most 4 KiB" in wrong.hint
    wrong, _ = LineExpectation(compile_pattern(("220-please",))).judge("220-please wait")
    assert wrong is not None
    assert "the text goes on" in wrong.hint


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_pattern_judges_any_line(written, value, line):
    """Nothing raises, whatever was written, filled in and received."""
    try:
        pattern = compile_pattern((written, Slot("${x}")))
    except PatternError:
        return
    filled = LineExpectation(pattern).fill(lambda _: value, lambda _: "shown")
    wrong, _ = filled.judge(line)
    assert wrong is None or "shown" in wrong.expected


@given(st.text(st.sampled_from("*?\\/${}()[]+.|^ab\r\n\0"), max_size=8))
def test_a_value_is_itself(value):
    """Whatever characters a value has, in a glob it fits itself alone."""
    filled = LineExpectation(compile_pattern(("220-", Slot("${x}")))).fill(lambda _: value)
    assert filled.judge(f"220-{value}")[0] is None
    assert filled.judge(f"220-{value}!")[0] is not None
