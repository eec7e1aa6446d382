"""What lint mends: the least that is needed, every other character as it was, and never a file that is wrong."""

from __future__ import annotations

import pytest

from runner.authoring.lint import Edit, lint
from runner.authoring.lint.mending import edited, mend
from tests.authoring.linting import subject


def _mended(text: str) -> tuple[str, list[str]]:
    after, made = mend(text, lint(subject(text)), lambda _: True)
    return after, [finding.mended for finding in made]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param("- expect: 220 *  # hi", "- expect: 220  # hi", ["'220 *' is '220' now"], id="star"),
        pytest.param("- expect: '220  *'", "- expect: '220'", ["'220 *' is '220' now"], id="in quotes"),
        pytest.param(
            "- expect: [220 *, 421 4 *]", "- expect: [220, 421 4 *]", ["'220 *' is '220' now"], id="in a list"
        ),
        pytest.param(
            "- talk: |\n      S: 220 2.0 *",
            "- talk: |\n      S: 220 2.0",
            ["'220 2.0 *' is '220 2.0' now"],
            id="in a talk",
        ),
        pytest.param('- expect: "220"', "- expect: '220'", ["single quotes in place of double"], id="quotes"),
        pytest.param(
            '- name: "it\'s"\n    wait: 1s',
            "- name: 'it''s'\n    wait: 1s",
            ["single quotes in place of double"],
            id="a quote inside",
        ),
        pytest.param("- expect: 220 /.*/", "- expect: 220 /.*/", [], id="a regex is for its author"),
    ],
)
def test_mended_step(before: str, after: str, said: list[str]) -> None:
    """A step's text is mended where it stands."""
    text = "name: x\nsteps:\n  {}\n  - expect: 250\n"
    assert (text.format(after), said) == _mended(text.format(before))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("secrets: [a]\n", "", id="the only one"),
        pytest.param("secrets: [a, used]\n", "secrets: [used]\n", id="the first"),
        pytest.param("secrets: [used, a]\n", "secrets: [used]\n", id="the last"),
        pytest.param("secrets: [a, used]  # why\n", "secrets: [a, used]  # why\n", id="a remark would go with it"),
        pytest.param("secrets:\n  - a\n", "secrets:\n  - a\n", id="over lines"),
    ],
)
def test_unused_secret_is_taken_out(before: str, after: str) -> None:
    """With the key where it is the only one; where more would go with it, it stays told."""
    text = "name: x\n{}steps:\n  - expect: 220 ${{used:-y}}\n"
    assert text.format(after) == _mended(text.format(before))[0]


def test_pasted_user_becomes_a_placeholder() -> None:
    """It is encoded by itself then."""
    text = "name: x\nsteps:\n  - send: AUTH LOGIN\n    expect: 334\n  - send: {}\n    expect: 334\n"
    after, said = _mended(text.format("YWxpY2U="))
    assert (text.format("${username}"), ["'alice' is ${username} now"]) == (after, said)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("  # lint: allow too-early\n  - expect: 220\n", "  - expect: 220\n", id="alone"),
        pytest.param("  - expect: 220  # lint: allow too-early\n", "  - expect: 220\n", id="behind"),
        pytest.param(
            "  - expect: 220  # lint: allow too-early, never-matches\n",
            "  - expect: 220  # lint: allow too-early, never-matches\n",
            id="two rules",
        ),
    ],
)
def test_unused_allow_goes(before: str, after: str) -> None:
    """A comment that allows nothing is taken out with its line, or its blanks."""
    assert f"name: x\nsteps:\n{after}" == _mended(f"name: x\nsteps:\n{before}")[0]


def test_an_edit_that_would_make_a_file_wrong_is_left() -> None:
    """Others of the same file are made."""
    text = "name: x\nsteps:\n  - expect: 220 *\n  - expect: [250 *, 251]\n"
    after, made = mend(text, lint(subject(text)), lambda changed: "- expect: 220\n" not in changed)
    assert text.replace("[250 *,", "[250,") == after
    assert ["'250 *' is '250' now"] == [finding.mended for finding in made]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_line_ends_stay(end: str) -> None:
    """Whatever they are."""
    text = "name: x\nsteps:\n  - expect: 220 *\n".replace("\n", end)
    assert (text.replace(" *", ""), ["'220 *' is '220' now"]) == _mended(text)


def test_an_edit_beyond_the_end_does_nothing() -> None:
    """A text has so many lines."""
    assert "a\n" == edited("a\n", Edit(3, 1, 1, "b"))
