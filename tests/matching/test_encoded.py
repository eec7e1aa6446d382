"""Charsets and encoded words of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.encoded import MOST_WORDS, decode_charset, decode_words

BROKEN_WORD = "an encoded word is broken"


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("", b"gr\xc3\xbcn \xff", "grün \\xff"),
        ("us-ascii", b"gr\xc3\xbcn", "grün"),
        ("UTF-8", b"gr\xc3\xbcn", "grün"),
        ("ISO-8859-15", b"\xa4", "€"),
        ("windows-1252", b"\x80 \x81", "€ \\x81"),
        ("KOI8-U", b"\xa4", "є"),
        ("iso-2022-jp", b"\x1b$B$3$s\x1b(B", "こん"),
        ("gb2312", b"\xc4\xe3", "你"),
        ("utf-16le", b"a\0b\0", "ab"),
    ],
)
def test_charsets(charset, data, text):
    """The charsets of mail are known; octets that are none of theirs are shown."""
    assert (text, "") == decode_charset(data, charset)


@pytest.mark.parametrize(
    "charset", ["x-unknown", "bz2", "rot13", "hex", "punycode", "idna", "undefined", "unicode_escape", "a\0b", "é"]
)
def test_what_is_no_charset(charset):
    """Codecs of the library that are no charsets are none here; the octets are shown."""
    assert ("a\\xfc", f"the charset '{charset}' is not known") == decode_charset(b"a\xfc", charset)


def test_a_long_name_is_not_told():
    """A name that would have to be cut could be a secret that is then not known for one."""
    assert "the charset is not known" == decode_charset(b"", "x" * 41)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?gr=C3=BC=C3=9Fe_dich?=", "grüße dich"),
        ("=?UTF-8?B?Z3LDvMOfZQ==?= <a@example.com>", "grüße <a@example.com>"),
        ("=?utf-8?b?w7w=?=  =?utf-8?q?=C3=9F?=", "üß"),
        ("=?utf-8?b?ww==?= =?UTF-8?b?vA==?=", "ü"),
        ("=?iso-8859-1?q?=FC?= =?utf-8?q?=C3=9F?= =?iso-8859-1?q?=FC?=", "üßü"),
        ("a =?utf-8*de?q?=C3=BC?= b", "a ü b"),
        ("=?utf-8?q?a b?=", "a b"),
        ("=?utf-8?q??=", ""),
        (r"C:\users =?utf-8?q?=C3=BC?= \u20ac €", r"C:\users ü \u20ac €"),
        ("=?utf-8?x?a?= =? =?utf-8?q", "=?utf-8?x?a?= =? =?utf-8?q"),
    ],
)
def test_encoded_words(text, expected):
    """Words are decoded; blanks between them don't count, and a character may be cut in two."""
    assert (expected, "") == decode_words(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a =?x-unknown?q?b?= =?x-unknown?q?c?= d", "the charset 'x-unknown' is not known"),
        ("a =?utf-8?b?w7!?= d", BROKEN_WORD),
        ("a =?utf-8?q?b\u2028c?= d", BROKEN_WORD),
        ("a =?utf-8?b?YQ==?= =?utf-8?b?Y?= d", BROKEN_WORD),
    ],
)
def test_words_that_cannot_be_decoded(text, fault):
    """They stay as they are, with those beside them, and why is told."""
    assert (text, fault) == decode_words(text)


def test_too_many_words():
    """They are left as they are, and that is told."""
    assert "a" * MOST_WORDS == decode_words("=?utf-8?q?a?= " * MOST_WORDS)[0].strip()
    text = "=?utf-8?q?a?= " * (MOST_WORDS + 1)
    assert (text, "more than 1,000 encoded words") == decode_words(text)


@given(st.text(alphabet="=?qbQ_utf-8ISO1w7w \tüA") | st.text())
def test_any_text_can_be_asked(text):
    """Nothing raises, and what has no encoded word is itself."""
    decoded, _ = decode_words(text)
    assert decoded == text or "=?" in text


@given(st.binary(), st.text() | st.sampled_from(["hz", "utf-7", "utf-16", "iso-2022-kr", "big5hkscs", "euc_jisx0213"]))
def test_any_octets_have_a_text(data, name):
    """Whatever a message claims to be, nothing raises."""
    assert isinstance(decode_charset(data, name)[0], str)
