"""The short form of an expectation: codes, statuses, texts, words and blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Problem, SourceFile, Span
from runner.language.nodes import Scalar
from runner.language.short_form import ShortFormReader
from runner.language.template import parse_template
from runner.matching.expectation import Alternative, Block, Given, Short, Word
from runner.protocol import PROTOCOLS


def scalar_of(text: str) -> Scalar:
    style = "|" if "\n" in text else ""
    return Scalar.at(Span(SourceFile("x", text), 0 if style else 1, 1, max(1, len(text))), text, style)


def read(text: str, problems: list[Problem], *, with_connect_words: bool = False) -> Alternative | None:
    scalar = scalar_of(text)
    template = parse_template(scalar, problems)
    reader = ShortFormReader(PROTOCOLS["smtp"], problems, scalar.span_at)
    return reader.read(template, with_connect_words=with_connect_words)


def right(text: str, *, with_connect_words: bool = False) -> Alternative:
    problems: list[Problem] = []
    one = read(text, problems, with_connect_words=with_connect_words)
    assert [] == problems
    assert one is not None
    return one


def wrong(text: str) -> tuple[str, str, int]:
    problems: list[Problem] = []
    assert read(text, problems) is None
    (problem,) = problems
    return problem.message, problem.advice, problem.span.column


@pytest.mark.parametrize(
    ("text", "code", "status", "pattern"),
    [
        ("250", "250", "", ""),
        ("  250  ", "250", "", ""),
        ("2xx", "2xx", "", ""),
        ("25x", "25x", "", ""),
        ("xxx", "xxx", "", ""),
        ("x5x", "x5x", "", ""),
        ("550 5.7.1", "550", "5.7.1", ""),
        ("550 5.7.x", "550", "5.7.x", ""),
        ("550 5.x", "550", "5.x", ""),
        ("550 5.*.1", "550", "5.*.1", ""),
        ("550 *.7.1", "550", "*.7.1", ""),
        ("550 x.x", "550", "x.x", ""),
        ("x50 4.7.1", "x50", "4.7.1", ""),
        ("235 2.7.0 *", "235", "2.7.0", "*"),
        ("250   2.1.0   Ok", "250", "2.1.0", "Ok"),
        ("334 VXNlcm5hbWU6", "334", "", "VXNlcm5hbWU6"),
        ("334 Username:", "334", "", "Username:"),
        ("220 mx.example.com ESMTP *", "220", "", "mx.example.com ESMTP *"),
        ("250 5", "250", "", "5"),
        ("250 *.example.com", "250", "", "*.example.com"),
        ("250 2.1.0, ok", "250", "", "2.1.0, ok"),
        (r"250 \/usr/bin", "250", "", r"\/usr/bin"),
        ("250 /queued as (?P<id>\\w+)/i", "250", "", "/queued as (?P<id>\\w+)/i"),
        ("250 2.0.0 /a b/", "250", "2.0.0", "/a b/"),
        ("250 ${x} *", "250", "", "${x} *"),
        ("550 5.7.${x}", "550", "", "5.7.${x}"),
        ("250 close", "250", "", "close"),
        ("250 $${x}", "250", "", "${x}"),
    ],
)
def test_a_short_form_is_code_status_text(text, code, status, pattern):
    """A status is taken off the text only where it is one; what holds a placeholder is text."""
    one = right(text)
    assert isinstance(one, Short)
    assert (code, status, pattern) == (one.code, one.status, str(one.text) if one.text is not None else "")


@pytest.mark.parametrize("word", ["close", "silence", "any"])
def test_a_word_is_the_whole_text(word):
    """Blanks around it don't count."""
    assert Word(word) is right(f" {word} ")


@pytest.mark.parametrize("word", ["refused", "reset", "timeout"])
def test_words_of_a_connection_are_for_connect(word):
    """Elsewhere they are refused."""
    assert Word(word) is right(word, with_connect_words=True)
    assert (f"'{word}' is for the expect of 'connect'", "an ended connection is 'close'", 1) == wrong(word)


@pytest.mark.parametrize(
    ("text", "shown", "values"),
    [
        ("${reply}", "${reply}", ("250", "550 5.7.1", "2xx")),
        ("${reply} Ok *", "${reply} Ok *", ("250", "250 2.1.0")),
        ("${reply:-250}", "${reply:-250}", ("250",)),
    ],
)
def test_a_placeholder_stands_for_code_and_status(text, shown, values):
    """Its value must be just that, so that a value never brings a pattern."""
    one = right(text)
    assert isinstance(one, Given)
    assert shown == str(one)
    assert all(one.grammar.fullmatch(value) for value in values)
    assert not any(one.grammar.fullmatch(value) for value in ("", "any", "250 Ok", "250-x", "250 *", "250\n", "/./"))


@pytest.mark.parametrize(
    ("text", "message", "advice", "column"),
    [
        (
            "250-STARTTLS",
            "'250-' begins a reply's line; expect judges the whole reply",
            "for a capability: expect: 250 and capabilities: [STARTTLS]\nfor all lines, a block: expect: |",
            1,
        ),
        ("250OK", "a blank is due after '250'", "write '250 OK'", 1),
        ("250,251", "a blank is due after '250'", "one of several codes is a list: [250, 251]; text is '250 ,251'", 1),
        ("any 250", "nothing follows the word 'any'", "write '250' or 'any'", 1),
        ("close now", "nothing follows the word 'close'", "write 'close' alone", 1),
        ("silence 2s", "nothing follows the word 'silence'", "write 'silence' alone, and for: 2s beside it", 1),
        (
            "250 /usr/bin",
            "unknown flag 'b'",
            "the flags after the last '/' are i, m and s; a glob that begins with '/' is written '\\/'",
            10,
        ),
        (
            "250 5.1.1 no",
            "'5.1.1' looks like an enhanced status code but is none for 250",
            "its class is the code's first digit, 2; as text, write it as a regex: /5\\.1\\.1/",
            5,
        ),
        (
            "354 2.0.0",
            "'2.0.0' looks like an enhanced status code but is none for 354",
            "a 3xx reply has none; as text, write it as a regex: /2\\.0\\.0/",
            5,
        ),
        (
            "550 5.7.1.2",
            "'5.7.1.2' looks like an enhanced status code but is none for 550",
            (
                "one is a class (2, 4 or 5) and two numbers, such as 5.7.1 or 5.7.x; "
                r"as text, write it as a regex: /5\.7\.1\.2/"
            ),
            5,
        ),
        ("650", "'650' is no reply code of smtp", "codes are 200 to 599; x is any digit", 1),
        ("25", "'25' is no reply code of smtp", "write a code such as 250, 2xx or 25x", 1),
        ("2501", "'2501' is no reply code of smtp", "write a code such as 250, 2xx or 25x", 1),
        ("2XX", "'2XX' is no reply code of smtp", "write '2xx'", 1),
        ("CLOSE", "'CLOSE' is no reply code of smtp", "write 'close'", 1),
        ("clsoe", "'clsoe' is no reply code of smtp", "did you mean 'close'?", 1),
        ("25${x}", "'25${x}' is no reply code of smtp", "a placeholder stands for the whole code, such as ${reply}", 1),
        ("${a}${b}", "a blank is due after '${a}'", "write '${a} ${b}'", 1),
        ("", "an empty expectation", "write a code such as 250, 2xx or 25x, a word such as close, or any", 1),
        (" \n ", "an empty expectation", "write a code such as 250, 2xx or 25x, a word such as close, or any", 1),
        ("250 2.0.0 /(/", "'(' without ')'", r"write '\(' for the character", 12),
    ],
)
def test_a_slip_has_its_advice(text, message, advice, column):
    """One message, at its place, that says what would be right."""
    assert (message, advice, column) == wrong(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("250-mx Hello *\n...\n250 HELP\n", [("250", "mx Hello *"), ("", None), ("250", "HELP")]),
        ("250-mx\n250 HELP", [("250", "mx"), ("250", "HELP")]),
        ("mx Hello *\n...", [("", "mx Hello *"), ("", None)]),
        ("250\n", [("250", "")]),
        ("250-\n250 x\n", [("250", ""), ("250", "x")]),
        ("250-/a/\n", [("250", "/a/")]),
        ("2023 was\n25x y\n", [("", "2023 was"), ("", "25x y")]),
        ("250-a\r\n250 b\r\n", [("250", "a"), ("250", "b")]),
        ("250 ${x}\n", [("250", "${x}")]),
        ("250-a\n\n250 b\n", [("250", "a"), ("", ""), ("250", "b")]),
    ],
)
def test_a_block_is_line_by_line(text, lines):
    """Each line is a glob on the text after the code; `...` stands for any number of lines."""
    block = right(text)
    assert isinstance(block, Block)
    assert lines == [(line.code, None if line.text is None else str(line.text)) for line in block.lines]
    assert not any(line.text.is_regex for line in block.lines if line.text is not None)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("250-a\n...\n251 b\n", "the lines of a reply carry one code, not 250 and 251", 3),
        ("250-a\n999 b\n", "'999' is no reply code of smtp", 2),
    ],
)
def test_a_block_is_wrong_at_its_line(text, message, line):
    """The place is the line's own."""
    problems: list[Problem] = []
    assert read(text, problems) is None
    assert [(message, line, 1)] == [(one.message, one.span.line, one.span.column) for one in problems]


@given(
    st.text(st.sampled_from("25x40.*? -/\\\n\r${}ab[]()+i"), max_size=25)
    | st.from_regex(r"[2-5x][0-9x]{2}[ -]([245x]\.[0-9x]\.[0-9x] )?(.|\n)*", fullmatch=True).map(lambda t: t[:60])
)
def test_any_text_is_an_expectation_or_told_once(text):
    """Reading never raises, and what is refused has a reason."""
    problems: list[Problem] = []
    template = parse_template(scalar_of(text), problems)
    if not problems:
        one = ShortFormReader(PROTOCOLS["smtp"], problems, scalar_of(text).span_at).read(template)
        assert (one is None) == bool(problems)
        assert problems or str(one)
