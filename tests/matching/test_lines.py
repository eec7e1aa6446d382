"""Blocks against the lines of a reply, and the line that nearly fits."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.lines import Block, BlockLine, nearest_line
from runner.matching.pattern import Slot, compile_glob, compile_pattern

ORDER = "every line has its like, but not in this order and number; '...' stands for any lines"


def block(*lines: str) -> Block:
    return Block(tuple(BlockLine("", None if line == "..." else compile_glob((line,))) for line in lines))


@pytest.mark.parametrize(
    ("lines", "texts", "fits"),
    [
        pytest.param(["a", "b"], ["a", "b"], True, id="line by line"),
        pytest.param(["a", "b"], ["a"], False, id="too few"),
        pytest.param(["a"], ["a", "b"], False, id="too many"),
        pytest.param(["b", "a"], ["a", "b"], False, id="another order"),
        pytest.param(["a*", "?"], ["abc", "d"], True, id="globs"),
        pytest.param(["A"], ["a"], False, id="case counts"),
        pytest.param(["..."], ["a", "b"], True, id="any lines"),
        pytest.param(["a", "..."], ["a"], True, id="any lines may be none"),
        pytest.param(["...", "b"], ["a", "a", "b"], True, id="any lines in front"),
        pytest.param(["a", "...", "b", "..."], ["a", "x", "b", "y"], True, id="any lines between"),
        pytest.param(["...", "b", "...", "a"], ["a", "b"], False, id="order counts between them"),
        pytest.param(["...", "a", "b"], ["a", "a", "b"], True, id="the first like is not the one"),
        pytest.param(["...", "a", "...", "a"], ["a"], False, id="a line counts once"),
        pytest.param(["...", "..."], ["a"], True, id="any lines twice"),
        pytest.param([""], [""], True, id="an empty line"),
    ],
)
def test_blocks(lines, texts, fits):
    """A block is the whole reply; `...` is any number of lines."""
    assert block(*lines).fits(texts) == fits


@given(
    st.lists(st.sampled_from(["a", "b", "..."]), min_size=1, max_size=6), st.lists(st.sampled_from("ab"), max_size=6)
)
def test_any_lines_are_to_lines_what_a_star_is_to_characters(lines, texts):
    """A block of single letters fits as the glob of its letters does."""
    glob = "".join("*" if line == "..." else line for line in lines)
    assert block(*lines).fits(texts) == bool(re.match(fnmatch.translate(glob), "".join(texts)))


@pytest.mark.parametrize(
    ("lines", "texts", "miss"),
    [
        pytest.param(["mx *", "..."], ["host", "DSN"], "no line fits 'mx *'", id="no line is like it"),
        pytest.param(
            ["...", "starttls"],
            ["mx", "STARTTLS"],
            "no line fits 'starttls'; line 2: only the case differs, and case counts",
            id="a line is nearly like it",
        ),
        pytest.param(
            ["mx", "..."],
            ["mx Hello", "DSN"],
            "no line fits 'mx'; line 1: the text goes on; end with ` *`",
            id="the end is missing",
        ),
        pytest.param(["b", "a"], ["a", "b"], ORDER, id="another order"),
        pytest.param(["a"], ["a", "a"], ORDER, id="another number"),
    ],
)
def test_what_a_block_misses(lines, texts, miss):
    """It names the first line that no line of the reply fits, else says that the order differs."""
    assert block(*lines).miss(texts) == miss


def test_a_block_is_filled():
    """Values go into its lines literally; `...` stays."""
    made = Block((BlockLine("250", compile_glob((Slot("${name}"), " *"))), BlockLine("", None)))
    filled = made.fill(lambda _: "m*x")
    assert filled.fits(["m*x hello"])
    assert not filled.fits(["mmx hello"])
    assert str(filled) == "250 ${name} *\n..."


@pytest.mark.parametrize(
    ("pattern", "texts", "hint"),
    [
        pytest.param("Ok", ["Ok: queued"], "the text goes on; end with `*`", id="one line"),
        pytest.param(
            "Ok", ["No", "ok"], "line 2: only the case differs, and case counts", id="the closest by its start"
        ),
        pytest.param("Ok", ["No", "Nay"], "", id="none is close"),
        pytest.param("*x", ["a", "b"], "", id="a star says nothing of the start"),
        pytest.param(
            "/ok/",
            ["No", "OK then"],
            "line 2: only the case differs; the flag i after the last '/' ignores it",
            id="regex",
        ),
        pytest.param("/ok/", ["No", "Nay"], "", id="a regex that nothing is like"),
        pytest.param("Ok", ["x"] * 100 + ["ok"], "", id="far down it is not looked for"),
    ],
)
def test_the_nearest_line(pattern, texts, hint):
    """Of several lines the one that begins most like the pattern says why it misses."""
    assert nearest_line(compile_pattern((pattern,)), texts) == hint


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=8)), min_size=1, max_size=5),
    st.lists(st.text(max_size=8), max_size=6),
)
def test_any_block_judges_any_lines(written, texts):
    """Nothing raises, and of a block that does not fit something can be told."""
    made = Block(tuple(BlockLine("", None if one is None else compile_glob((one,))) for one in written))
    assert made.fits(texts) or made.miss(texts)


@given(st.text(st.sampled_from("*?\\/${}.\r\n\0ab"), max_size=8), st.lists(st.text("ab*", max_size=3), max_size=3))
def test_a_value_in_a_block_is_itself(value, others):
    """A value in a line of a block neither becomes a wildcard nor several lines."""
    made = Block((BlockLine("", compile_glob((Slot("${x}"),))), BlockLine("", None))).fill(lambda _: value)
    assert made.fits([value, *others])
    assert not made.fits([f"{value}!", *others])
