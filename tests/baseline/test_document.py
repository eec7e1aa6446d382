"""The file: what is written is read as it was, whatever a server has said; what is no baseline is refused in place."""

from dataclasses import replace

import pytest
import yaml
from baseline_samples import case, facts, heard, step
from hypothesis import given
from hypothesis import strategies as st

from runner.baseline import Baseline, learn, read_baseline, write_baseline
from runner.baseline.masks import compile_mask
from runner.errors import InputError, SourceFile

HOSTILE = [
    "'quoted' \"twice\"",
    "a: b # c",
    "\x1b[2J",
    "\u202egnp",
    "- x",
    "{{a}}",
    "!tag",
    "%d",
    "⟨varies⟩",
    "é\u2028",
    "*x",
    "",
]


def kept(*cases):
    return Baseline(
        facts(*cases), {"mx": "smtp://mx.example.org:25"}, ("scenarios",), made_by="mailproof 1", made_at="now", runs=3
    )


def again(baseline):
    return read_baseline(SourceFile("a.baseline", write_baseline(baseline)))


def problems(text):
    with pytest.raises(InputError) as caught:
        read_baseline(SourceFile("a.baseline", text))
    return [(one.span.line, one.message) for one in caught.value.problems]


def test_round_trip():
    """All of it comes back, hostile text included."""
    before = kept(case(step(heard("250", *HOSTILE), capabilities={"'x: y": ("#",)}), row="a='1'"))
    before = replace(before, masks=(compile_mask("ticket", "/ref-'[0-9]/i"),))
    assert before == again(before)


@given(st.lists(st.text(max_size=50), min_size=1, max_size=5), st.text(max_size=30))
def test_any_text(lines, name):
    """No text breaks the file or changes in it, and a YAML reader of others reads the same."""
    before = kept(case(step(heard("250", *lines), capabilities={name: ()}), scenario=name))
    assert before == again(before)
    assert "250" == yaml.safe_load(write_baseline(before))["cases"][0]["steps"][0]["code"]


def test_written_the_same():
    """Two files of one state are the same, in whatever order the cases ended."""
    one, two = case(step(heard()), scenario="a"), case(step(heard()), scenario="b")
    assert write_baseline(kept(one, two)) == write_baseline(kept(two, one))


def test_a_fact_a_line():
    """What changed in the file is what `diff` shows."""
    old, new = (write_baseline(kept(case(step(heard(code), capabilities={"DSN": ()})))) for code in ("250", "251"))
    assert [("        code: '250'", "        code: '251'")] == [
        pair for pair in zip(old.splitlines(), new.splitlines(), strict=True) if pair[0] != pair[1]
    ]


def test_learnt_is_kept():
    """What varies is seen in the file."""
    runs = [facts(case(step(heard("250", f"load {load}")))) for load in (1, 2)]
    assert "- 'load ⟨varies⟩'" in write_baseline(Baseline(learn(runs)))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no baseline"),
        ("- a\n", 1, "no baseline"),
        ("name: x\n", 1, "no baseline"),
        ("baseline: 2\n", 1, "a baseline of version '2'"),
        ("baseline: 1\nwhat: x\n", 2, "unknown key 'what'"),
        ("baseline: 1\nmasks:\n  ticket: x\n", 3, "'x' is no regex"),
        ("baseline: 1\ncases:\n  - row: x\n", 3, "a case without 'scenario'"),
        ("baseline: 1\ncases: {a: b}\n", 2, "a list is due here"),
        ("baseline: 1\nbaseline: 1\n", 2, "the key 'baseline' is here twice"),
        ("baseline: 1\nruns: many\n", 2, "'many' is no number"),
        ("baseline: 1\ncases: &a [*a]\n", 2, "aliases are not taken here"),
        ("baseline: 1\ncases: " + "[" * 50, 2, "deeper than a baseline is"),
        ("baseline: [\n", 2, "no YAML: "),
        ("baseline: 1\n? [a]\n: b\n", 2, "a text is due here"),
    ],
    ids=[
        "empty",
        "list",
        "another",
        "newer",
        "key",
        "mask",
        "case",
        "mapping",
        "twice",
        "number",
        "alias",
        "deep",
        "yaml",
        "odd key",
    ],
)
def test_refused(text, line, message):
    """Each fault with its place."""
    found = problems(text)
    assert (line, message) == (found[0][0], found[0][1][: len(message)])


def test_case_that_stands_twice():
    """A merge that went wrong is told."""
    text = write_baseline(kept(case(step(heard()))))
    assert ["the case 'Relay' stands here twice"] == [
        one for _, one in problems(text + text[text.index("  - scenario") :])
    ]
