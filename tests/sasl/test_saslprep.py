"""SASLprep: the examples of RFC 4013, its rules, and scramp's preparation as an oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramException
from scramp.utils import saslprep as oracle

from runner.sasl.saslprep import prepare


@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")],
    ids=["soft hyphen", "no change", "case kept", "feminine ordinal", "roman nine"],
)
def test_examples_of_rfc_4013(text, prepared):
    """The examples of RFC 4013, section 3, that have an output."""
    assert prepared == prepare(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\u0007", "a control character"),
        ("\u06271", "right-to-left text that does not begin and end with a right-to-left character"),
        ("\u0627a\u0627", "right-to-left and left-to-right characters mixed"),
        ("a\x7f", "a control character"),
        ("\ue000", "a private use character"),
        ("\ufdd0", "a code point that is no character"),
        ("\ud800", "half a surrogate pair"),
        ("\ufffd", "a replacement or annotation character"),
        ("\u2ff0", "an ideographic description character"),
        ("\u200e", "a deprecated or direction-changing character"),
        ("\U000e0001", "a tagging character"),
        ("\u0221", "a code point that Unicode 3.2 does not assign"),
        ("\U0001f600", "a code point that Unicode 3.2 does not assign"),
    ],
    ids=ascii,
)
def test_what_is_prohibited_has_a_reason(text, reason):
    """Each rule that a text breaks has its own words; the first two are RFC 4013's examples."""
    with pytest.raises(ValueError, match=f"^{reason}$"):
        prepare(text)


def test_a_query_may_hold_unassigned_code_points():
    """A query string keeps code points that Unicode 3.2 does not know."""
    assert prepare("\u0221", allow_unassigned=True) == "\u0221"


def test_other_spaces_become_a_space():
    """Spaces beyond ASCII are mapped to U+0020 (RFC 4013, section 2.1)."""
    assert prepare("a\u00a0b\u2003c") == "a b c"


def test_right_to_left_text_passes():
    """Text that is right-to-left throughout, with a digit inside, is allowed."""
    assert prepare("\u06271\u0628") == "\u06271\u0628"


@given(st.text(max_size=12))
def test_scramp_prepares_the_same(text):
    """Any text is prepared, or refused, as scramp does it."""
    try:
        expected = oracle(text)
    except ScramException:
        expected = None
    try:
        actual = prepare(text)
    except ValueError:
        actual = None
    assert expected == actual
