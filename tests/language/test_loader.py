"""The loader, its advice on slips, and the golden texts of broken files."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import InputError, Problem, SourceFile, Span
from runner.language import loader, slips
from runner.language.compile import read_scenario
from runner.language.loader import Mapping, Scalar, Sequence, load, plain, read_file

GOLDEN = Path(__file__).parents[1] / "golden" / "errors"
GOOD = """\
# a comment
name: Relaying needs AUTH
tags: [relay, 'auth']
vars: {sender: alice@example.com, empty: ''}
steps:
  - expect: 220
  - send: EHLO ${client.name}
    expect: '250'
    capabilities: {AUTH: [LOGIN]}
  - talk: |
      C: NOOP
      S: 250
  - data: >
      folded
      text
  - send: "QUIT"
    expect: [221, close]
"""


def problems_of(path: Path) -> list[Problem]:
    """Return all problems of a scenario file; the one place that knows how a file is read."""
    problems: list[Problem] = []
    read_scenario(path, path.name, path.parent, problems)
    return problems


def nodes(text: str) -> Mapping:
    problems: list[Problem] = []
    root = load(SourceFile("x.yaml", text), problems)
    assert problems == []
    assert root is not None
    return root


def messages(text: str) -> list[str]:
    problems: list[Problem] = []
    load(SourceFile("x.yaml", text), problems)
    return [problem.message for problem in problems]


def scalar(text: str) -> Scalar:
    node = nodes(text).get("a")
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_broken_file_is_told_in_exactly_these_words(path):
    """Each `NAME.yaml` gives the errors in `NAME.txt`; MAILPROOF_UPDATE_GOLDEN=1 writes them anew, to be read."""
    told = "\n\n".join(problem.render() for problem in problems_of(path)) + "\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("MAILPROOF_UPDATE_GOLDEN"):
        golden.write_text(told, "utf-8")
    assert golden.read_text("utf-8") == told


def test_no_golden_text_is_without_its_file():
    """A text whose file is gone would never be compared."""
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == {path.stem for path in GOLDEN.glob("*.txt")}


@pytest.mark.parametrize(
    "text", ["0250", "no", "2.10", "0123456", "22:22", "1e3", "~", "null", "2001-01-01", "0x10", "4_2525", "=", ".inf"]
)
def test_a_plain_scalar_is_the_text_as_written(text):
    """Nothing is resolved to a number, a boolean, a date or nothing."""
    assert {"a": text} == plain(nodes(f"a: {text}"))


def test_nodes_hold_texts_lists_and_mappings():
    """A whole file becomes plain data, with None only where nothing was written."""
    expected = {
        "name": "Relaying needs AUTH",
        "tags": ["relay", "auth"],
        "vars": {"sender": "alice@example.com", "empty": ""},
        "steps": [
            {"expect": "220"},
            {"send": "EHLO ${client.name}", "expect": "250", "capabilities": {"AUTH": ["LOGIN"]}},
            {"talk": "C: NOOP\nS: 250\n"},
            {"data": "folded text\n"},
            {"send": "QUIT", "expect": ["221", "close"]},
        ],
    }
    assert expected == plain(nodes(GOOD))
    assert plain(nodes("a:\nb: [,]\n".replace("[,]", "\n  -"))) == {"a": None, "b": [None]}


@pytest.mark.parametrize("text", [GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace("\n", "\r")], ids=["lf", "crlf", "cr"])
def test_spans_lead_to_what_is_written_there(text):
    """A node's line and column are those of its first character, whatever ends the lines."""
    steps = nodes(text).get("steps")
    assert isinstance(steps, Sequence)
    assert [(step.span.line, step.span.column) for step in steps.items] == [(6, 5), (7, 5), (10, 5), (13, 5), (16, 5)]
    step = steps.items[1]
    assert isinstance(step, Mapping)
    key, value = step.items["send"]
    assert tuple((n.span.line, n.span.column, n.span.width) for n in (key, value)) == ((7, 5, 4), (7, 11, 19))


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        ("a: EHLO x", 5, (1, 9)),
        ("a: 'it''s ${x}'", 5, (1, 11)),
        ('a: "say ${x}"', 4, (1, 9)),
        ("a: |\n  one\n   two\n", 5, (3, 4)),
        ("a: |\n\n  one\n  ${x}\n", 5, (4, 3)),
        ("a: |2\n   one\n", 1, (2, 4)),
        ('a: "\\x41 ${x}"', 2, (1, 4)),
        ("a: >\n  one\n  two\n", 5, (1, 4)),
        ("a: one\n  two", 5, (1, 4)),
        ("a:\n  one two", 4, (2, 7)),
    ],
    ids=[
        "plain",
        "single",
        "double",
        "literal",
        "blank line",
        "indicator",
        "escape",
        "folded",
        "two lines",
        "next line",
    ],
)
def test_a_character_of_a_text_has_its_place(text, offset, place):
    """Exact for one-liners and literal blocks; else the scalar's own place, never a wrong one."""
    span = scalar(text).span_at(offset)
    assert place == (span.line, span.column)


def test_a_scalar_from_the_command_line_has_places_too():
    """`Scalar.at` makes a value that no file holds."""
    source = SourceFile("<command line>", "user=it's ${x}")
    value = Scalar.at(Span(source, 1, 6, 9), "it's ${x}", "")
    assert (value.text, 11) == ("it's ${x}", value.span_at(5).column)
    assert not value.is_empty


@pytest.mark.parametrize(("text", "is_empty"), [("a:", True), ("a: ''", False), ('a: ""', False), ("a: |\n", False)])
def test_only_what_was_not_written_is_empty(text, is_empty):
    """`key:` is empty; a quoted or block text of no characters is a text."""
    assert is_empty is scalar(text).is_empty


def test_an_alias_is_the_anchored_node():
    """A few aliases are fine, and nothing is copied."""
    root = nodes("a: &x [one]\nb: *x\n")
    assert root.get("a") is root.get("b")


def test_an_anchored_empty_text_stays_empty():
    """`''` under an anchor is a text of its own, not the anchor's name."""
    assert plain(nodes("a: &x ''\nb: *x\n")) == {"a": "", "b": ""}


def test_a_byte_order_mark_is_no_text(tmp_path):
    """A BOM is dropped, and columns don't count it."""
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_file(path, "bom.yaml").text == "name: x\n"


@pytest.mark.parametrize("kind", ["folder", "missing", "fifo", "device", "large", "latin-1", "utf-16", "nul"])
def test_what_is_no_text_file_is_refused_by_name(tmp_path, kind):
    """A folder, a FIFO that nobody writes to, too large a file: one located message, and no hang."""
    path = tmp_path / "x.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "large":
        path.write_bytes(b"#" * (loader.MAX_FILE_BYTES + 1))
    elif kind == "latin-1":
        path.write_bytes(b"name: x\nwhat: caf\xe9\n")
    elif kind == "utf-16":
        path.write_bytes("name: x".encode("utf-16"))
    elif kind == "nul":
        path = tmp_path / "\0"
    with pytest.raises(InputError) as caught:
        read_file(path, "x.yaml")
    expected = {
        "folder": "x.yaml:1:1: cannot be read: it is a folder",
        "missing": "x.yaml:1:1: cannot be read: no such file or directory",
        "fifo": "x.yaml:1:1: cannot be read: it is no regular file",
        "device": "x.yaml:1:1: cannot be read: it is no regular file",
        "large": "x.yaml:1:1: cannot be read: it is larger than 1024 KiB, the limit for a file of this kind",
        "latin-1": "x.yaml:2:10: not UTF-8: byte 0xe9",
        "utf-16": "x.yaml:1:1: not UTF-8: byte 0xff",
        "nul": "x.yaml:1:1: cannot be read: embedded null byte",
    }
    assert expected[kind] == str(caught.value).splitlines()[0]


def test_a_file_of_the_largest_size_is_read(tmp_path):
    """The limit itself is still allowed."""
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * loader.MAX_FILE_BYTES)
    assert len(read_file(path, "x.yaml").text) == loader.MAX_FILE_BYTES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [" + "b, " * loader.MAX_NODES + "]", "more than 100,000 values"),
        ("a: " + "[" * 70 + "]" * 70, "deeper than 64 levels"),
        ("a: " + "[" * 200_000, "too many brackets inside one another"),
        ("a: &x b\nc: [" + "*x, " * 17 + "]", "more than 16 aliases"),
        (
            "a: &a [" + "x," * 3000 + "]\nb: &b [" + "*a," * 7 + "]\nc: [" + "*b," * 7 + "]",
            "the aliases stand for too much text",
        ),
        ("a: &a '" + "x" * 900_000 + "'\nb: [" + "*a," * 7 + "]", "the aliases stand for too much text"),
        (
            "".join(f"a{i}: &a{i} {'[' * 40}{f'*a{i - 1}' if i else 'x'}{']' * 40}\n" for i in range(3)),
            "the alias leads deeper than 64 levels",
        ),
        ("a: 1\n" * 1000, "more than 50 problems; the rest of the file was not read"),
    ],
    ids=["nodes", "depth", "open depth", "aliases", "bomb", "text bomb", "alias depth", "problems"],
)
def test_a_file_that_would_grow_is_stopped(text, message):
    """Every count has its limit, and the limit its message."""
    assert message == messages(text)[-1] or message in messages(text)


def test_what_follows_a_slip_is_still_checked():
    """A line that only lacks quotes is mended in memory, so that errors below it come in the same run."""
    text = "a: - b\nc: x: y\nd: @e\nf: [${g}]\nh: 1\nh: 2\n"
    assert messages(text) == [
        "a text that starts with '- ' wants quotes",
        "a text with ': ' in it wants quotes",
        "a text that starts with '@' wants quotes",
        "a placeholder inside '{ }' or '[ ]' wants quotes",
        "key 'h' stands here twice",
    ]


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        ("  - send: Subject: x", "  - send: 'Subject: x'"),
        ("  - send: it's: x  # why", "  - send: 'it''s: x'  # why"),
        ("  - expect: 334 Username:", "  - expect: '334 Username:'"),
        ("    - *star", "    - '*star'"),
        ("  - send: 'quoted'", ""),
        ("  - send:", ""),
    ],
)
def test_the_advice_quotes_the_value_alone(line, quoted):
    """What stands before a value and a comment after it are left as they are."""
    assert quoted == slips.quoted_line(line)


@pytest.fixture
def pure_parser(monkeypatch):
    """As on a Python whose PyYAML was built without libyaml."""
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@pytest.mark.usefixtures("pure_parser")
def test_the_pure_parser_gives_the_same_nodes():
    """Without libyaml a file is read slower, not otherwise."""
    test_nodes_hold_texts_lists_and_mappings()
    test_spans_lead_to_what_is_written_there(GOOD)


@pytest.mark.usefixtures("pure_parser")
@pytest.mark.parametrize(
    "name", ["tab", "colon-in-text", "first-sign", "bare-placeholder", "double-braces", "glued-comment", "merge-key"]
)
def test_the_pure_parser_gives_the_same_advice(name):
    """The classic slips are known by the line, not by a parser's words for them."""
    golden = (GOLDEN / f"{name}.txt").read_text("utf-8")
    assert golden == "\n\n".join(problem.render() for problem in problems_of(GOLDEN / f"{name}.yaml")) + "\n"


def assert_loads_or_says_where(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    problems: list[Problem] = []
    try:
        root = load(read_file(path, "x.yaml"), problems)
    except InputError as error:
        root, problems = None, list(error.problems)
    assert root is not None or problems
    for problem in problems:
        rendered = problem.render()
        assert rendered.startswith("x.yaml:")
        assert 1 <= problem.span.line <= data.count(b"\n") + data.count(b"\r") + 1
        assert problem.span.column >= 1


@settings(max_examples=150, deadline=1000)
@given(
    data=st.binary(max_size=200)
    | st.text(st.sampled_from(":-[]{}'\"#&*!|>%@` \n\tab$?,<~"), max_size=60).map(str.encode)
)
def test_any_bytes_become_nodes_or_located_problems(tmp_path_factory, data):
    """Loading is total: no other exception, and every message has a place."""
    assert_loads_or_says_where(data, tmp_path_factory.getbasetemp() / "any.yaml")


@settings(max_examples=150, deadline=1000)
@given(
    at=st.integers(0, len(GOOD)),
    cut=st.integers(0, 12),
    put=st.sampled_from(
        [
            "",
            ":",
            ": ",
            "'",
            '"',
            "\t",
            "{",
            "[",
            "]",
            "- ",
            "${x}",
            "{{ x }}",
            " #5",
            "*",
            "&a ",
            "!t ",
            "\n",
            "\x00",
            "|",
            "é",
        ]
    ),
)
def test_a_good_file_changed_anywhere_loads_or_says_where(tmp_path_factory, at, cut, put):
    """What a slip of the hand makes of a good file is nodes or located problems."""
    assert_loads_or_says_where(
        (GOOD[:at] + put + GOOD[at + cut :]).encode(), tmp_path_factory.getbasetemp() / "mutated.yaml"
    )


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        pytest.param("steps: [", (1, 9), "',' or ']' is due here", id="a list"),
        pytest.param("steps: {", (1, 9), "',' or '}' is due here", id="a mapping"),
        pytest.param("steps: [{a: b}, ", (1, 16), "',' or ']' is due here", id="one is closed"),
        pytest.param("steps: [a, {b: ", (1, 15), "',' or '}' is due here", id="the innermost"),
        pytest.param("steps: ['{', ", (1, 13), "',' or ']' is due here", id="a sign in quotes"),
        pytest.param(
            "steps: [ # {\n  a, ", (1, 8), "the '[' that opens here is not closed by line 2", id="lines above"
        ),
    ],
)
def test_a_bracket_that_is_not_closed(text, place, message):
    """What is due is the sign that closes the bracket which is open."""
    problems: list[Problem] = []
    load(SourceFile("x.yaml", text), problems)
    assert [(*place, message)] == [(one.span.line, one.span.column, one.message) for one in problems]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        pytest.param("name: &n 'x # y'", "&n 'x # y'", id="single"),
        pytest.param('name: &n "x # y"', '&n "x # y"', id="double"),
        pytest.param("name: &n 'it''s # y' # note", "&n 'it''s # y'", id="a comment behind it"),
        pytest.param("name: !t 'x # y'", "!t 'x # y'", id="a tag"),
        pytest.param("name: &n don't # it's", "&n don't", id="no quotes"),
    ],
)
def test_a_line_that_is_advised_is_right(line, meant):
    """What is to be written is YAML, and says what stands there; a '#' in quotes begins no comment."""
    problems: list[Problem] = []
    load(SourceFile("x.yaml", line), problems)
    advised = problems[0].advice.partition("write: ")[2]
    assert {"name": meant} == yaml.safe_load(advised)
