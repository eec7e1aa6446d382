"""What is read from EHLO keyword lines, well-formed or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.protocol import decode
from runner.protocol.capabilities import parse_capabilities


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([b"STARTTLS", b"SIZE 1000"], {"STARTTLS": (), "SIZE": ("1000",)}, id="usual"),
        pytest.param([b"starttls", b"Size 1000"], {"STARTTLS": (), "SIZE": ("1000",)}, id="names in any case"),
        pytest.param([b"AUTH Plain login"], {"AUTH": ("Plain", "login")}, id="parameters as written"),
        pytest.param([b"  SIZE   1000  "], {"SIZE": ("1000",)}, id="blanks"),
        pytest.param([b"SIZE\t1000"], {"SIZE": ("1000",)}, id="a tab is a blank"),
        pytest.param([b"DSN", b"DSN"], {"DSN": ()}, id="twice"),
        pytest.param([b"AUTH PLAIN", b"AUTH plain LOGIN"], {"AUTH": ("PLAIN", "LOGIN")}, id="parameters once each"),
        pytest.param([b"AUTH LOGIN", b"AUTH=PLAIN"], {"AUTH": ("LOGIN", "PLAIN"), "AUTH=PLAIN": ()}, id="old form"),
        pytest.param(
            [b"auth=Plain LOGIN"], {"AUTH": ("Plain", "LOGIN"), "AUTH=PLAIN": ("LOGIN",)}, id="old form with more"
        ),
        pytest.param([b"AUTH="], {"AUTH": (), "AUTH=": ()}, id="old form with nothing"),
        pytest.param([b"AUTHX=PLAIN"], {"AUTHX=PLAIN": ()}, id="not the old form"),
        pytest.param([b"", b"   "], {}, id="empty lines"),
        pytest.param([b"\xff\xfe x"], {"\\xff\\xfe": ("x",)}, id="not UTF-8"),
        pytest.param(["SIZE\u00a01000".encode()], {"SIZE\u00a01000": ()}, id="a blank of Unicode is none"),
        pytest.param(["\u017fize 1".encode()], {"\u017fIZE": ("1",)}, id="a letter that is S only to Unicode"),
        pytest.param([b"SIZE " + b"9" * 400], {"SIZE": ("9" * 400,)}, id="a rubbish value"),
    ],
)
def test_keyword_lines(lines, found):
    """Names without regard to case, parameters in their order, nothing lost and nothing invented."""
    assert parse_capabilities(lines) == found


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"AUTH=X y", b"auth x", b"SIZE 1"]), max_size=6))
def test_no_line_raises(lines):
    """Any bytes give names, each of which the server wrote in some case, or AUTH."""
    said = {decode(word.upper()) for line in lines for word in line.split()[:1]}
    assert set(parse_capabilities(lines)) - {"AUTH"} == said - {"AUTH"}
