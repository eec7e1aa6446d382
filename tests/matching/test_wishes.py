"""What is asked of capabilities."""

import pytest

from runner.matching.wishes import CapabilityWish


@pytest.mark.parametrize(
    ("asks", "wanted", "shown", "fits"),
    [
        pytest.param("required", [], [], True, id="required, bare"),
        pytest.param("required", [], ["x"], True, id="required, with parameters"),
        pytest.param("required", [], None, False, id="required, not offered"),
        pytest.param("absent", [], None, True, id="absent, not offered"),
        pytest.param("absent", [], [], False, id="absent, offered"),
        pytest.param("at least", ["LOGIN"], ["PLAIN", "LOGIN"], True, id="at least, more"),
        pytest.param("at least", ["login", "PLAIN"], ["Plain", "Login"], True, id="at least, any case and order"),
        pytest.param("at least", ["LOGIN"], ["PLAIN"], False, id="at least, another"),
        pytest.param("at least", ["LOGIN"], [], False, id="at least, none"),
        pytest.param("at least", ["LOGIN"], None, False, id="at least, not offered"),
        pytest.param("at least", ["PLAIN"], ["PLA\u0131N"], False, id="at least, alike only to Unicode"),
        pytest.param("exactly", ["a", "b"], ["B", "A"], True, id="exactly"),
        pytest.param("exactly", ["a"], ["a", "b"], False, id="exactly, more"),
        pytest.param("exactly", ["a", "b"], ["a"], False, id="exactly, less"),
        pytest.param("exactly", [], [], True, id="exactly none"),
        pytest.param("exactly", [], None, False, id="exactly none, not offered"),
        pytest.param("lacks", ["PLAIN"], ["LOGIN"], True, id="lacks"),
        pytest.param("lacks", ["PLAIN", "X"], ["x"], False, id="lacks, one is there"),
        pytest.param("lacks", ["PLAIN"], None, False, id="lacks, not offered"),
    ],
)
def test_parameters(asks, wanted, shown, fits):
    """Case and order don't count; all but `absent` want the capability to be there."""
    parameters = None if shown is None else tuple(shown)
    assert CapabilityWish("AUTH", asks, tuple(wanted)).fits(parameters) == fits


SIZES = ["9", "10", "11", "0", "", None, "x", "-1", "1e3", "\u0661\u0660", "9" * 21]


@pytest.mark.parametrize(
    ("asks", "fitting"),
    [
        (">=", ["10", "11", "0", ""]),
        (">", ["11", "0", ""]),
        ("<=", ["9", "10"]),
        ("<", ["9"]),
        ("=", ["10"]),
    ],
)
def test_sizes(asks, fitting):
    """No size, or 0, is no limit (RFC 1870); rubbish fits nothing and raises nothing."""
    wish = CapabilityWish("SIZE", asks, ("10",), 10)
    shown = {text: None if text is None else ((text,) if text else ()) for text in SIZES}
    assert [text for text in SIZES if wish.fits(shown[text])] == fitting


def test_no_limit_can_be_asked_for():
    """`= 0` is a server without a fixed limit."""
    wish = CapabilityWish("SIZE", "=", ("0",), 0)
    assert (wish.fits(("0",)), wish.fits(()), wish.fits(("10",))) == (True, True, False)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (CapabilityWish("STARTTLS"), "STARTTLS offered"),
        (CapabilityWish("STARTTLS", "absent"), "STARTTLS not offered"),
        (CapabilityWish("AUTH", "at least", ("PLAIN", "LOGIN")), "AUTH PLAIN LOGIN"),
        (CapabilityWish("AUTH", "exactly", ("PLAIN",)), "AUTH exactly PLAIN"),
        (CapabilityWish("AUTH", "lacks", ("PLAIN",)), "AUTH lacks PLAIN"),
        (CapabilityWish("SIZE", ">=", ("10MB",), 10_000_000), "SIZE >= 10MB"),
    ],
)
def test_how_a_wish_is_shown(wish, text):
    """As in the scenario, so far as one line can."""
    assert str(wish) == text
