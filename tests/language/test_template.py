"""Placeholders: how they are written, filled once, and never parsed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Problem, SourceFile, Span
from runner.language.filters import FilterError
from runner.language.nodes import Scalar
from runner.language.template import MissingValueError, Template, Value, did_you_mean, parse_template

ODD_VALUES = [
    "${x}",
    "$${x}",
    "{{ x }}",
    "*",
    "?",
    "/.*/i",
    "a\r\nb",
    "\0",
    "\udcff",
    "\\",
    'it\'s "so"',
    "${x | upper}",
]


def parsed(text: str, problems: list[Problem] | None = None) -> Template:
    found: list[Problem] = [] if problems is None else problems
    template = parse_template(Scalar.at(Span(SourceFile("x", text), 1, 1, max(1, len(text))), text, ""), found)
    assert problems is not None or [] == found
    return template


def filled(text: str, **values: str) -> str:
    return parsed(text).fill(lookup(values)).text


def lookup(values: dict[str, str], secrets: tuple[str, ...] = ()):
    def find(name: str) -> Value:
        if name not in values:
            raise MissingValueError(f"no {name}")
        return Value(values[name], (name,) if name in secrets else ())

    return find


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("MAIL FROM:<${x}>", "MAIL FROM:<v>"),
        ("${ x }", "v"),
        ("${x}${x}", "vv"),
        ("$${x}", "${x}"),
        ("$$${x}", "$${x}"),
        ("a $ b $$ c", "a $ b $$ c"),
        ("costs $5", "costs $5"),
        ("$x {x} $(x)", "$x {x} $(x)"),
        ("${x", None),
        ("${none:-default}", "default"),
        ("${x:-default}", "v"),
        ("${empty:-default}", "default"),
        ("${none:-}", ""),
        ("${none:- a b }", " a b "),
        ("${none:-a | upper}", "A"),
        ("${none:-a|upper}", "A"),
        ("${x | upper}", "V"),
        ("${x|base64|hex}", "64673d3d"),
        ("${x | repeat(3)}", "vvv"),
        ("${x | repeat( 0 )}", ""),
        ("$${none:-$${x}}", "${none:-${x}}"),
    ],
)
def test_a_placeholder_is_filled_as_it_is_written(text, expected):
    """Defaults stand for unset and empty, filters go from left to right, `$${` is itself, a lone `$` too."""
    if expected is None:
        problems: list[Problem] = []
        parsed(text, problems)
        assert ["'${' without its '}'"] == [problem.message for problem in problems]
    else:
        assert expected == filled(text, x="v", empty="")


@pytest.mark.parametrize("value", ODD_VALUES)
def test_a_value_is_never_parsed_again(value):
    """Whatever a value looks like, it comes out as it went in."""
    assert f"<{value}>" == filled("<${x}>", x=value)


def test_a_default_is_no_template():
    """What stands after `:-` is a text as written."""
    assert "$x" == filled("${none:-$x}")


def test_a_name_without_a_value_is_missing():
    """Without a default nothing is made up."""
    with pytest.raises(MissingValueError):
        filled("${none | upper}")


def test_secrecy_travels_with_a_value():
    """A text is made of every secret in it, each named once, whatever filters it went through."""
    find = lookup({"password": "hunter2", "token": "t", "user": "u"}, secrets=("password", "token"))
    template = parsed("${user} ${password | base64} ${token} ${password}")
    assert ("password", "token") == template.fill(find).secrets
    assert () == parsed("${user} x").fill(find).secrets


def test_a_value_is_not_in_its_repr():
    """A traceback or a log shows whose value it was, not the value."""
    assert "Value(secrets=('password',))" == repr(Value("hunter2", ("password",)))


def test_a_filter_that_fails_does_not_show_the_value():
    """The message names the placeholder and the filter."""
    with pytest.raises(FilterError) as caught:
        filled("${password | base64_decode}", password="hunter2!")
    assert "the value of 'password' is not base64 of UTF-8 text (filter 'base64_decode')" == str(caught.value)


@pytest.mark.parametrize("text", ["a ${x | repeat(0)} b", "${x:-d | upper | hex}", "$${x}", "plain", "${a.b:-}"])
def test_a_template_shows_as_it_was_written(text):
    """Labels and messages show the text of the file, never a value."""
    assert text == str(parsed(text))


@pytest.mark.parametrize(
    ("offset", "before", "after", "start"),
    [(0, "", "ab ${x} cd", 0), (1, "a", "b ${x} cd", 1), (4, "ab ${x}", " cd", 7), (7, "ab ${x} cd", "", 10)],
)
def test_a_template_is_cut_around_its_placeholders(offset, before, after, start):
    """An offset counts a placeholder as one; the second half knows where it began in the file."""
    halves = parsed("ab ${x} cd").split(offset)
    assert (before, after, start) == (str(halves[0]), str(halves[1]), halves[1].start)


def test_a_place_after_an_escape_counts_what_was_written():
    """`$${` takes three characters of the file and two of the text."""
    assert 4 == parsed("$${a").split(3)[1].start


def test_a_template_in_a_message_may_hold_other_braces():
    """A mail may be about `{{ x }}`; a line of the protocol is not."""
    text, problems = "see {{ x }}", []
    scalar = Scalar.at(Span(SourceFile("x", text), 1, 1, 1), text, "")
    assert text == str(parse_template(scalar, problems, is_message=True))
    assert [] == problems
    parse_template(scalar, problems)
    assert ["'{{ x }}' is no placeholder"] == [problem.message for problem in problems]


@pytest.mark.parametrize("text", ["$${{ x }}", "{{}}", "{{ 1 }}", "{ {x} }"])
def test_not_all_braces_are_the_slip(text):
    """After `$$`, and where no name stands in them, they are the author's."""
    assert text.replace("$$", "$") == filled(text)


def test_a_message_quotes_a_placeholder_only_if_it_is_short():
    """A `${` whose `}` comes a page later is told as unclosed."""
    for text in ("${a\n}", "${" + "a " * 40 + "}"):
        problems: list[Problem] = []
        parsed(text, problems)
        assert ["'${' without its '}'"] == [problem.message for problem in problems]


def test_the_rest_of_a_text_is_parsed_after_a_mistake():
    """Both mistakes of a line come at once, each at its place."""
    problems: list[Problem] = []
    parsed("${a b} ${x | upcase}", problems)
    assert [("'${a b}' is no placeholder", 1), ("unknown filter 'upcase'", 8)] == [
        (problem.message, problem.span.column) for problem in problems
    ]


@pytest.mark.parametrize(
    ("word", "otherwise", "advice"),
    [("sendr", "", "did you mean 'sender'?"), ("x", "", ""), ("x", "names", "names: queue_id, sender")],
)
def test_a_misspelt_word_is_told_with_its_nearest(word, otherwise, advice):
    """Nothing near: all of them, if that is wanted."""
    assert advice == did_you_mean(word, ["sender", "queue_id"], otherwise)


@given(st.text(st.sampled_from("${}|:- abx.()03\n*/\\"), max_size=40) | st.text(max_size=60))
def test_any_text_is_a_template_or_a_located_problem(text):
    """Parsing never raises; a template without problems shows, cuts and fills without loss."""
    problems: list[Problem] = []
    template = parsed(text, problems)
    assert all(1 <= problem.span.column <= len(text) for problem in problems)
    for offset in range(len(template.flat) + 1):
        before, after = template.split(offset)
        assert template.flat == before.flat + after.flat
        assert template.flat[:offset] == before.flat
        if not problems:
            assert before.written_width == after.start


@given(st.lists(st.sampled_from(["${x}", "$${", "$", "{x}", "a", " "]), max_size=8), st.text(max_size=10))
def test_filling_is_one_pass(parts, value):
    """The result is the literal parts and the values side by side, whatever a value holds."""
    text = "".join(parts)
    problems: list[Problem] = []
    template = parsed(text, problems)
    if not problems:
        expected = "".join(part if isinstance(part, str) else value for part in template.parts)
        assert expected == template.fill(lambda _: Value(value)).text
