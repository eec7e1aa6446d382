"""`# lint: allow`: what an author wants so is not told, and a comment that does nothing is."""

from __future__ import annotations

import pytest

from tests.authoring.linting import findings, told


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("name: x\nsteps:\n  - expect: 220 *  # lint: allow matches-everything\n", id="on the line"),
        pytest.param("name: x\nsteps:\n  # lint: allow matches-everything\n  - expect: 220 *\n", id="above it"),
        pytest.param(
            "name: x\nsteps:\n  # lint: allow matches-everything\n  # said so\n\n  - expect: 220 *\n",
            id="above remarks",
        ),
        pytest.param(
            "name: x\nsteps:\n  # lint: allow matches-everything\n  - name: y\n    expect: 220 *\n", id="above its step"
        ),
        pytest.param("# lint: allow matches-everything\nname: x\nsteps:\n  - expect: 220 *\n", id="for the file"),
        pytest.param(
            "# a remark\n# lint: allow matches-everything\n\nname: x\nsteps:\n  - expect: 220 *\n", id="below a remark"
        ),
        pytest.param(
            "name: x\nsteps:\n  - talk: |\n      # lint: allow matches-everything\n      S: 220 *\n", id="in a talk"
        ),
        pytest.param('name: "x"  #lint:allow double-quotes\nsteps:\n  - expect: 220\n', id="without blanks"),
        pytest.param(
            'name: x\nsteps:\n  - expect: "220 *"  # lint: allow matches-everything, double-quotes\n', id="two rules"
        ),
    ],
)
def test_allowed(text: str) -> None:
    """It counts for its line, the next one below, the step below, or from the top for the file."""
    assert [] == told(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "name: x\nsteps:\n  - expect: 220 *\n  # lint: allow matches-everything\n  - send: X\n",
            ["3 matches-everything", "4 unused-allow"],
            id="below it",
        ),
        pytest.param(
            "name: x\nsteps:\n  - name: y  # lint: allow matches-everything\n    expect: 220 *\n",
            ["3 unused-allow", "4 matches-everything"],
            id="behind another key",
        ),
        pytest.param(
            "name: x  # lint: allow nonsense\nsteps:\n  - expect: 220\n", ["1 unknown-rule"], id="an unknown rule"
        ),
        pytest.param(
            "name: x\nsteps:\n  - expect: 220 *  # lint: allow matches-everything, never-matches\n",
            ["3 unused-allow"],
            id="one of two",
        ),
        pytest.param(
            "# lint: allow too-early\nname: x\nsteps:\n  - expect: 220\n", ["1 unused-allow"], id="for the file"
        ),
        pytest.param("name: 'x # lint: allow too-early'\nsteps:\n  - expect: 220\n", [], id="in a text"),
    ],
)
def test_not_allowed(text: str, expected: list[str]) -> None:
    """What stands elsewhere allows nothing, and is told itself."""
    assert expected == told(text)


def test_an_unknown_rule_has_a_nearest_one() -> None:
    """A misspelt id is told with what was meant."""
    found = findings("name: x  # lint: allow match-everything\nsteps:\n  - expect: 220\n")
    assert ["there is no rule 'match-everything'"] == [finding.message for finding in found]
    assert "did you mean 'matches-everything'?" == found[0].advice


def test_a_pedantic_rule_may_be_allowed_always() -> None:
    """Where it isn't asked, nothing is said of its comment; where it is, the comment counts."""
    text = "# lint: allow missing-tags\nname: x\ndescription: y\nsteps:\n  - expect: 220\n    because: z\n"
    assert [[], []] == [told(text), told(text, is_pedantic=True)]
