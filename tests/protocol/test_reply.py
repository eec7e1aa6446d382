"""Replies as values: their texts, their status, a challenge decoded."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.protocol import Malformed, Owed, Reply, decode
from runner.protocol.reply import decode_challenge


def test_a_reply_reads_as_the_server_wrote_it():
    """Every line but the last has a hyphen; a reply without text is its code alone."""
    assert str(Reply("250", [b"mx", b"", b"DSN"])) == "250-mx\n250-\n250 DSN"
    assert str(Reply("250", [b""])) == "250"


def test_other_bytes_than_utf8_are_shown_as_escapes():
    r"""A text that is no UTF-8 keeps its good characters and has the others as \xNN."""
    assert Reply("250", ["Grüße ".encode() + b"\xff\xc3"]).texts == ["Grüße \\xff\\xc3"]
    assert Malformed(b"\x80hi", "why").text == "\\x80hi"


@given(st.binary(max_size=40))
def test_decoding_never_raises(data):
    """Whatever the bytes, a text comes of them, and UTF-8 comes out as it is."""
    text = decode(data)
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    ("enhanced", "text", "bare"),
    [
        pytest.param("2.1.5", "2.1.5 Ok", "Ok", id="status and text"),
        pytest.param("2.1.5", "2.1.5", "", id="status alone"),
        pytest.param("2.1.5", "2.1.5  two blanks", "two blanks", id="more blanks"),
        pytest.param("2.1.5", "2.1.50 Ok", "2.1.50 Ok", id="a longer status is another one"),
        pytest.param("2.1.5", "2.1.6 Ok", "2.1.6 Ok", id="another status"),
        pytest.param("2.1.5", "Ok", "Ok", id="no status in this line"),
        pytest.param("", "2.1.5 Ok", "2.1.5 Ok", id="the reply has no status"),
        pytest.param("", "", "", id="nothing"),
    ],
)
def test_bare_drops_the_replys_own_status(enhanced, text, bare):
    """Only the reply's status, whole and in front, is left out of a text."""
    assert Reply("250", [text.encode()], enhanced=enhanced).bare(text) == bare


def test_an_owed_reply_names_its_recipient():
    """In LMTP several replies answer one message; each names whose it is."""
    assert str(Owed("message", "a@example.com")) == "message for a@example.com"
    assert str(Owed("MAIL")) == "MAIL"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param(b"VXNlcm5hbWU6", "Username:", id="the usual one"),
        pytest.param(base64.b64encode("Grüße".encode()), "Grüße", id="UTF-8"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"VXNlcm5hbWU6=", None, id="padding too much"),
        pytest.param(b"YQ", None, id="padding too little"),
        pytest.param(b"YR==", None, id="bits left over"),
        pytest.param(b"VXNl cm5hbWU6", None, id="a blank inside"),
        pytest.param(b"Username:", None, id="plain text"),
        pytest.param(b"/w==", None, id="not UTF-8"),
        pytest.param(b"\xff\xff\xff\xff", None, id="not even ASCII"),
    ],
)
def test_a_challenge_is_decoded_only_if_canonical(line, text):
    """Base64 in its one canonical form, of UTF-8 text, is decoded; all else is judged as it came."""
    assert decode_challenge(line) == text
    assert Reply("334", [line], is_challenge=True).decoded == text


def test_a_reply_that_is_no_challenge_is_not_decoded():
    """Base64 outside AUTH is just text."""
    assert Reply("334", [b"VXNlcm5hbWU6"]).decoded is None


@given(st.binary(max_size=30))
def test_decoding_a_challenge_is_the_inverse_of_encoding(data):
    """What is decoded encodes to the very same bytes."""
    text = decode_challenge(base64.b64encode(data))
    assert text is None or text.encode() == data
