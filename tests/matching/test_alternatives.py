"""What can come in place of a reply: how it is filled, shown, and whether codes and statuses fit."""

import re

import pytest

from runner.matching.alternatives import ExpectationError, Given, Short, Word, code_fits, either, status_fits
from runner.matching.lines import Block, BlockLine
from runner.matching.pattern import Slot, compile_glob
from runner.protocol.smtp import Smtp

SLOT = Slot("${reply}")
GRAMMAR = re.compile(f"(?:{Smtp.code_grammar.pattern})(?: +(?:{Smtp.status_grammar.pattern}))?")


@pytest.mark.parametrize(
    ("wanted", "code", "fits"),
    [
        ("250", "250", True),
        ("250", "251", False),
        ("25x", "250", True),
        ("25x", "260", False),
        ("2xx", "299", True),
        ("2xx", "550", False),
        ("x50", "550", True),
        ("xxx", "421", True),
        ("250", "2500", False),
        ("25x", "25", False),
        ("OK", "OK", True),
    ],
)
def test_codes(wanted, code, fits):
    """`x` is any digit; a code is compared whole, never as a prefix."""
    assert code_fits(wanted, code) == fits


@pytest.mark.parametrize(
    ("wanted", "status", "fits"),
    [
        ("5.7.1", "5.7.1", True),
        ("5.7.1", "5.7.10", False),
        ("5.7.1", "5.7.2", False),
        ("5.7", "5.7.1", True),
        ("5.7", "5.1.7", False),
        ("5.x", "5.7.1", True),
        ("5.x.1", "5.7.1", True),
        ("5.*.1", "5.7.0", False),
        ("x.7.1", "4.7.1", True),
        ("*.*.*", "2.0.0", True),
        ("5.7.1", "", False),
        ("x.x.x", "", False),
    ],
)
def test_statuses(wanted, status, fits):
    """`x` and `*` are any part, trailing parts may be left out; a reply without a status fits none."""
    assert status_fits(wanted, status) == fits


@pytest.mark.parametrize(
    ("value", "short"),
    [
        ("250", Short("250")),
        ("550 5.7.1", Short("550", "5.7.1")),
        (" 550   5.7.1 ", Short("550", "5.7.1")),
        ("2xx", Short("2xx")),
        ("55x 5.x", Short("55x", "5.x")),
    ],
)
def test_a_value_in_place_of_a_code(value, short):
    """A placeholder may stand for a code with or without its status, blanks around it dropped."""
    assert Given(SLOT, GRAMMAR).fill(lambda _: value) == short


@pytest.mark.parametrize("value", ["", "close", "25", "2500", "250 Ok", "250 2.1.0 Ok", "250-x", "250\n", "/250/"])
def test_a_value_that_is_no_code(value):
    """The value is data: nothing but a code and a status can stand there, no text and no pattern."""
    with pytest.raises(ExpectationError) as caught:
        Given(SLOT, GRAMMAR).fill(lambda _: value)
    assert str(caught.value) == (
        f"the value of ${{reply}} is '{value.strip(' ')}', where a code such as '250' or '550 5.7.1' is due"
    )


def test_the_text_behind_a_value_is_filled_too():
    """TEXT may follow the placeholder and have placeholders itself."""
    given = Given(SLOT, GRAMMAR, compile_glob(("Hello ", Slot("${name}"), "*")))
    assert str(given) == "${reply} Hello ${name}*"
    values = {"${reply}": "250", "${name}": "*"}
    short = given.fill(lambda slot: values[str(slot)])
    assert short.code == "250"
    assert short.text.match_line("Hello * there") is not None
    assert short.text.match_line("Hello x there") is None


def test_alternatives_are_shown_as_they_are_written():
    """Codes, words and blocks, joined by `or`."""
    block = Block(
        (BlockLine("250", compile_glob(("mx *",))), BlockLine("", None), BlockLine("250", compile_glob(("",))))
    )
    shorts = (Short("550", "5.1.1", compile_glob(("no *",))), Short("550"), Word.CLOSE, Given(SLOT, GRAMMAR))
    assert either(shorts) == "550 5.1.1 no * or 550 or close or ${reply}"
    assert str(block) == "250 mx *\n...\n250"


def test_a_form_without_placeholders_is_filled_with_itself():
    """Nothing is asked of the values."""
    short = Short("250", "2.1.0", compile_glob(("Ok",)))
    assert short.fill({}.__getitem__) == short
    assert Short("250").fill({}.__getitem__) == Short("250")
