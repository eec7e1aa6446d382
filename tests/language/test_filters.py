"""The filters of placeholders."""

import base64
import builtins
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ToolError
from runner.language.filters import FILTERS, REPEAT_LIMIT, FilterError, to_bytes


def apply(name: str, text: str, number: int = 0) -> str:
    return FILTERS[name].apply(text, number)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("base64", "Username:", "VXNlcm5hbWU6"),
        ("base64", "é", "w6k="),
        ("base64", "\udcff", "/w=="),
        ("base64", "", ""),
        ("base64_decode", "VXNlcm5hbWU6", "Username:"),
        ("base64_decode", "", ""),
        ("hex", "é\r\n", "c3a90d0a"),
        ("upper", "aé", "AÉ"),
        ("lower", "AÉ", "aé"),
        ("trim", " \t a b\r\n", "a b"),
        ("sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("xtext", "a+b=c d@é", "a+2Bb+3Dc+20d@+C3+A9"),
        ("xtext", "!~", "!~"),
        ("quoted", 'a "b" \\c', '"a \\"b\\" \\\\c"'),
        ("quoted", "", '""'),
        ("idna", "bücher.example", "xn--bcher-kva.example"),
        ("idna", "alice@Bücher.example", "alice@xn--bcher-kva.example"),
        ("idna", "example.com", "example.com"),
        ("idna", "", ""),
    ],
)
def test_a_filter_gives(name, text, expected):
    """Each filter, on usual and odd texts."""
    if name == "idna":
        pytest.importorskip("idna")
    assert expected == apply(name, text)


def test_every_filter_of_the_language_is_there():
    """The names are the language's; one alone takes a number."""
    names = {"base64", "base64_decode", "hex", "upper", "lower", "trim", "sha256", "xtext", "quoted", "idna", "repeat"}
    assert names == set(FILTERS)
    assert ["repeat"] == [name for name, spec in FILTERS.items() if spec.takes_number]


@pytest.mark.parametrize(
    ("name", "text", "number", "message"),
    [
        ("base64_decode", "hunter2", 0, "is not base64 of UTF-8 text"),
        ("base64_decode", "hunt er=", 0, "is not base64 of UTF-8 text"),
        ("base64_decode", "/w==", 0, "is not base64 of UTF-8 text"),
        ("base64_decode", "pässword", 0, "is not base64 of UTF-8 text"),
        ("idna", "a..b", 0, "is no domain name that IDNA can encode"),
        ("idna", "x@" + "a" * 64, 0, "is no domain name that IDNA can encode"),
        ("idna", "\udcff.example", 0, "is no domain name that IDNA can encode"),
        ("repeat", "ab", 524289, "would be longer than 1048576 characters when repeated 524289 times"),
    ],
)
def test_what_a_filter_cannot_do_is_said_without_the_value(name, text, number, message):
    """The value may be a secret."""
    if name == "idna":
        pytest.importorskip("idna")
    with pytest.raises(FilterError) as caught:
        apply(name, text, number)
    assert message == str(caught.value)


def test_a_repeat_may_be_as_long_as_its_limit():
    """The limit itself is allowed."""
    assert REPEAT_LIMIT == len(apply("repeat", "a", REPEAT_LIMIT))


def test_a_missing_extra_is_named(monkeypatch):
    """Without the package the message says what to install."""
    usual = builtins.__import__

    def without_idna(name, *args, **kwargs):
        if name == "idna":
            raise ImportError(name)
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_idna)
    with pytest.raises(ToolError, match=r"the filter 'idna' needs the extra 'dns': pip install 'mailproof\[dns\]'"):
        apply("idna", "example.com")


@given(st.text())
def test_base64_goes_both_ways_on_one_line(text):
    """No line feed is ever in it, and decoding gives the text back."""
    encoded = apply("base64", text)
    assert "\n" not in encoded
    assert base64.b64decode(encoded) == to_bytes(text)
    assert text == apply("base64_decode", encoded)


@given(st.text())
def test_xtext_is_printable_and_can_be_undone(text):
    """RFC 3461 section 4: printable ASCII without blanks, and nothing is lost."""
    encoded = apply("xtext", text)
    assert all("!" <= char <= "~" for char in encoded)
    head, *escaped = encoded.split("+")
    data = head.encode() + b"".join(bytes.fromhex(one[:2]) + one[2:].encode() for one in escaped)
    assert to_bytes(text) == data


@given(st.sampled_from(sorted(FILTERS)), st.text(st.characters(), max_size=30), st.integers(0, 5))
def test_a_filter_gives_a_text_or_a_filter_error(name, text, number):
    """No other exception, whatever the value."""
    if name == "idna":
        pytest.importorskip("idna")
    with suppress(FilterError):
        assert isinstance(apply(name, text, number), str)
