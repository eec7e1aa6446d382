"""The canonical form, rule by rule; a file that is in it stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.authoring.comments import Comment, comments_in
from runner.authoring.formatting import ChangedMeaningError, canonical
from runner.errors import SourceFile
from tests.authoring.linting import inside, nowhere

ROOT = Path(__file__).parents[2]


def _formatted(text: str) -> str:
    return canonical(SourceFile("x.yaml", text), nowhere)


def _steps(text: str) -> str:
    """Return steps as they are formatted."""
    return _formatted(f"name: x\nsteps:\n{text}").partition("steps:\n")[2]


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.yaml")), ids=lambda path: path.stem)
def test_bundled_scenarios_are_in_their_form(path: Path) -> None:
    """The pack shows what the form is."""
    text = path.read_bytes().decode()
    assert text == canonical(SourceFile(str(path), text), inside(path.parent))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "runner/authoring/templates").glob("*.yaml")), ids=lambda path: path.stem
)
def test_what_new_writes_is_in_its_form(path: Path) -> None:
    """Comments that are aligned stay so."""
    text = path.read_text("utf-8")
    assert text == canonical(SourceFile(str(path), text), nowhere)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("steps:\n  - expect: 220\nname: x\n", "name: x\nsteps:\n  - expect: 220\n", id="top"),
        pytest.param(
            "deadline: 1m\nsecrets: [a]\ntags: [b]\nname: x\nsteps:\n  - expect: 220\n",
            "name: x\ntags: [b]\nsecrets: [a]\ndeadline: 1m\nsteps:\n  - expect: 220\n",
            id="all keys",
        ),
        pytest.param(
            "steps:\n  - expect: 220\nprotocol: smtp\nfragment: {params: []}\n",
            "fragment: {params: []}\nprotocol: smtp\nsteps:\n  - expect: 220\n",
            id="fragment",
        ),
        pytest.param(
            "vars: {b: c, a: d}\ntargets:\n  mx: smtp://h\nclient_name: y\n",
            "client_name: y\ntargets:\n  mx: smtp://h\nvars: {b: c, a: d}\n",
            id="project file",
        ),
    ],
)
def test_order_at_the_top(before: str, after: str) -> None:
    """What it is comes first, what it does last; an author's own names keep their order."""
    assert after == _formatted(before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "  - because: y\n    send: NOOP\n    timeout: 1s\n    expect: 250\n    name: z\n",
            "  - name: z\n    send: NOOP\n    expect: 250\n    timeout: 1s\n    because: y\n",
            id="send",
        ),
        pytest.param(
            "  - steps:\n      - expect: 220\n    when: {tls: true}\n    because: y\n",
            "  - when: {tls: true}\n    because: y\n    steps:\n      - expect: 220\n",
            id="a group",
        ),
        pytest.param(
            "  - expect: 250\n    lacks: b\n    has: a\n    capabilities: [SIZE]\n",
            "  - expect: 250\n    capabilities: [SIZE]\n    has: a\n    lacks: b\n",
            id="demands",
        ),
    ],
)
def test_order_in_a_step(before: str, after: str) -> None:
    """Verb, then what must come, then why; what is said of a group stands above its steps."""
    assert after == _steps(before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param('"250"', "250", id="a code in double quotes"),
        pytest.param("'250'", "250", id="a code in single quotes"),
        pytest.param("'334 Username:'", "'334 Username:'", id="needed"),
        pytest.param('"334 Username:"', "'334 Username:'", id="needed, double"),
        pytest.param("'250 a*'", "'250 a*'", id="signs of a pattern stay quoted"),
        pytest.param("250 a*", "250 a*", id="and stay bare"),
        pytest.param('"250 a\\tb"', '"250 a\\tb"', id="an escape"),
        pytest.param("250 it's", "250 it's", id="a quote inside"),
    ],
)
def test_quotes(before: str, after: str) -> None:
    """Single ones where they are needed or help; none around plain words; double ones for escapes alone."""
    assert f"  - expect: {after}\n" == _steps(f"  - expect: {before}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("'no'", "'no'", id="a truth value elsewhere"),
        pytest.param("no", "no", id="as it was written"),
        pytest.param("'0123'", "'0123'", id="a number elsewhere"),
        pytest.param("'word'", "word", id="a word"),
        pytest.param("''", "''", id="nothing"),
    ],
)
def test_quotes_that_other_readers_need(before: str, after: str) -> None:
    """Around what another reader of YAML takes for no text they stay."""
    text = "name: x\nvars:\n  a: {}\nsteps:\n  - expect: 220\n"
    assert text.format(after) == _formatted(text.format(before))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("tags:\n- a\n-  b\n", "tags: [a, b]\n", id="short lists"),
        pytest.param("tags: [ a,b ]\n", "tags: [a, b]\n", id="blanks"),
        pytest.param("tags:\n  - a  # why\n  - b\n", "tags:\n  - a  # why\n  - b\n", id="with a comment"),
        pytest.param("tags: [a, # why\n  b]\n", "tags:\n  - a     # why\n  - b\n", id="a comment in brackets"),
        pytest.param("tags: [a,b] # why\n", "tags: [a, b]  # why\n", id="a comment behind brackets"),
        pytest.param("vars: {a: b,\n  c: d}\n", "vars: {a: b, c: d}\n", id="over lines"),
        pytest.param("vars:\n    a: b\n", "vars:\n  a: b\n", id="a block stays one"),
        pytest.param("vars: {a: '${x}', b: 'c d'}\n", "vars: {a: '${x}', b: c d}\n", id="braces need quotes there"),
        pytest.param(f"tags: [{'a' * 60}, {'b' * 60}]\n", f"tags:\n  - {'a' * 60}\n  - {'b' * 60}\n", id="too long"),
        pytest.param("secrets: []\n", "secrets: []\n", id="empty"),
    ],
)
def test_lists_and_mappings(before: str, after: str) -> None:
    """Short ones in brackets, others by lines, two blanks to the right."""
    text = "name: x\n{}steps:\n  - expect: 220\n"
    assert text.format(after) == _formatted(text.format(before))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("|\n        a\n         b\n", "|\n    a\n     b\n", id="literal"),
        pytest.param("|\n      a\n\n\n", "|\n    a\n\n", id="blank lines after it"),
        pytest.param("|-\n      a\n", "|-\n    a\n", id="without the last line's end"),
        pytest.param("|2\n        a\n      b\n", "|2\n      a\n    b\n", id="with blanks in front"),
        pytest.param("|+\n      a\n\n", "|+\n    a\n\n", id="blank lines that count"),
        pytest.param('"a\\nb\\n"\n', "|\n    a\n    b\n", id="escapes"),
        pytest.param(">\n     a\n     b\n", ">\n    a\n    b\n", id="folded"),
    ],
)
def test_blocks(before: str, after: str) -> None:
    """Texts of several lines are literal blocks, two blanks deeper than their key; folded ones stay folded."""
    head = "  - data: "
    assert f"{head}{after.replace('    ', '      ')}  - expect: 250\n" == _steps(f"{head}{before}  - expect: 250\n")


def test_a_dialogue_is_always_a_block() -> None:
    """However it was written."""
    assert "  - talk: |\n      C: NOOP\n      S: 250\n" == _steps('  - talk: "C: NOOP\\nS: 250\\n\\n"\n')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("# a\n\n\n\nname: x\n", "# a\n\nname: x\n", id="many"),
        pytest.param("\n\nname: x\n", "name: x\n", id="at the top"),
        pytest.param("---\nname: x\n", "name: x\n", id="a document's start"),
        pytest.param(
            "# b\n# yaml-language-server: $schema=s\nname: x\n",
            "# yaml-language-server: $schema=s\n# b\nname: x\n",
            id="modeline",
        ),
    ],
)
def test_the_top(before: str, after: str) -> None:
    """The modeline is first, and between two things is one blank line at most."""
    rest = "steps:\n  - expect: 220\n"
    assert after + rest == _formatted(before + rest)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "  - expect: 220\n\n\n  - expect: 250\n\n", "  - expect: 220\n\n  - expect: 250\n", id="between steps"
        ),
        pytest.param("\n  - expect: 220\n", "  - expect: 220\n", id="before the first"),
        pytest.param("  - send: NOOP\n\n    expect: 250\n", "  - send: NOOP\n    expect: 250\n", id="in a step"),
        pytest.param("  - expect: 220   \n", "  - expect: 220\n", id="at a line's end"),
    ],
)
def test_blank_lines(before: str, after: str) -> None:
    """An author's own stay between steps, one at a time; nowhere else."""
    assert after == _steps(before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("- expect: 220 # a\n", "  - expect: 220  # a\n", id="behind"),
        pytest.param("# a\n- expect: 220\n", "  # a\n  - expect: 220\n", id="above"),
        pytest.param(
            "- expect: 220     # a\n- wait: 1s        # b\n",
            "  - expect: 220   # a\n  - wait: 1s      # b\n",
            id="aligned",
        ),
        pytest.param("- # a\n  expect: 220\n", "  # a\n  - expect: 220\n", id="behind a dash"),
        pytest.param("- send: X\n# a\n  expect: 250\n", "  - send: X\n    # a\n    expect: 250\n", id="between keys"),
        pytest.param(
            "- because: y\n  # a\n  send: X\n",
            "  # a\n  - send: X\n    because: y\n",
            id="goes with its key",
        ),
        pytest.param(
            "- steps:\n  - expect: 220\n    # deep\n  # middle\n# last\n",
            "  - steps:\n      - expect: 220\n        # deep\n      # middle\n  # last\n",
            id="at the ends, by their indentation",
        ),
        pytest.param("- expect:  # a\n  - 250\n  - 251\n", "  - expect: [250, 251]  # a\n", id="behind a key"),
    ],
)
def test_comments(before: str, after: str) -> None:
    """Each stays with what it is about."""
    assert after == _steps(before)


def test_line_ends_and_the_last_one() -> None:
    """CRLF becomes LF, and the last line has an end."""
    assert "name: x\nsteps:\n  - expect: 220\n" == _formatted("name: x\r\nsteps:\r\n  - expect: 220")


def test_anchors_keep_their_places() -> None:
    """Where there are some nothing moves: an alias stands below its anchor."""
    text = "steps:\n  - expect: &code 220\n  - expect: *code\nname: x\n"
    assert text == _formatted(text)


def test_a_changed_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the writer never reaches a file."""
    monkeypatch.setattr(
        "runner.authoring.formatting.formatter.write_tree", lambda *_: "name: y\nsteps:\n  - expect: 220\n"
    )
    with pytest.raises(ChangedMeaningError, match="would mean something else"):
        _formatted("name: x\nsteps:\n  - expect: 220\n")


def test_a_lost_comment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a changed meaning is."""
    monkeypatch.setattr(
        "runner.authoring.formatting.formatter.write_tree", lambda *_: "name: x\nsteps:\n  - expect: 220\n"
    )
    with pytest.raises(ChangedMeaningError, match="would lose a comment"):
        _formatted("name: x\nsteps:\n  - expect: 220  # a\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: b # c\n", [Comment(1, 6, "# c", False)], id="behind"),
        pytest.param("# c\na: b\n", [Comment(1, 1, "# c", True)], id="alone"),
        pytest.param("a: 'b # c'\n", [], id="in quotes"),
        pytest.param(
            "a: |  # c\n  d # e\n# f\n", [Comment(1, 7, "# c", False), Comment(3, 1, "# f", True)], id="block"
        ),
        pytest.param("a: b#c\n", [], id="in a word"),
        pytest.param("a: [b, # c\n  d]\n", [Comment(1, 8, "# c", False)], id="in brackets"),
        pytest.param("a: |\n  # b", [], id="a block at the end"),
    ],
)
def test_what_a_comment_is(text: str, expected: list[Comment]) -> None:
    """What the parser passes over, and nothing of a text."""
    assert expected == comments_in(text)
