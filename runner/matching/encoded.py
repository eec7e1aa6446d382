"""What a message's text is wrapped in, taken off: charsets and encoded words (RFC 2045, RFC 2047).

Every function takes any octets, raises nothing and needs time and memory in proportion to them. Each gives back, beside
the text, why that may not be all that a mail program would show, or an empty text.
"""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header
from encodings.aliases import aliases
from functools import cache

from runner.protocol.reply import decode

MOST_WORDS = 1_000
"""Encoded words of a header: the library's time grows with their square."""

_UTF_8 = frozenset({"", "utf_8", "utf8", "ascii", "us_ascii"})
# No charsets, though the library has them under such names: their time isn't bounded, or they make no text.
_NO_CHARSETS = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs"}
)
# Charsets of mail that the library has under no other name than its own, or under another than mail's.
_MORE_CHARSETS = {"koi8_u": "koi8_u", "windows_874": "cp874", "cp874": "cp874", "iso_8859_8_i": "iso8859_8"}
# Encoded words, `=?charset*language?encoding?text?=`, with nothing but blanks between them; blanks in the text are
# wrong and seen all the same.
_WORD = r"=\?[^?*\s]{1,40}(?:\*[^?\s]{0,40})?\?[BbQq]\?[^?]*\?="
_RUN = re.compile(rf"{_WORD}(?:[ \t]*{_WORD})*+")
_BROKEN = "an encoded word is broken"
# No charset has a longer name.
_LONGEST_NAME = 40


def decode_charset(data: bytes, charset: str) -> tuple[str, str]:
    r"""Return the text of octets in a charset; what isn't known or isn't in it is shown as `\xNN`.

    Without one, and where ASCII is claimed, it is UTF-8, which holds ASCII.

    >>> decode_charset(b"gr\xfc\xdfe", "iso-8859-1")[0], decode_charset(b"\xfc", "x-unknown")
    ('grüße', ('\\xfc', "the charset 'x-unknown' is not known"))
    """
    name = re.sub(r"[^0-9a-z]", "_", charset.lower()) if len(charset) <= _LONGEST_NAME else "?"
    if name in _UTF_8:
        return decode(data), ""
    codec = _codecs().get(name)
    try:
        if codec is not None:
            return data.decode(codec, "backslashreplace"), ""
    except (ValueError, LookupError):
        pass  # some of the library's decoders can't show what isn't theirs
    # A name is shown whole or not at all: a secret that is cut isn't known for one.
    shown = f" '{charset}'" if len(charset) <= _LONGEST_NAME else ""
    fault = f"its text is no '{codec}'" if codec else f"the charset{shown} is not known"
    return data.decode("ascii", "backslashreplace"), fault


@cache
def _codecs() -> dict[str, str]:
    """Return the library's codecs that are charsets, by every name: no other name that a message says is looked up."""
    known = {name: codec for name, codec in aliases.items() if codec not in _NO_CHARSETS}
    return known | {codec: codec for codec in known.values()} | _MORE_CHARSETS


def decode_words(text: str) -> tuple[str, str]:
    """Return a header's text with its encoded words decoded (RFC 2047); those that can't be stay as they are.

    >>> decode_words("=?utf-8?q?gr=C3=BC?= =?utf-8?b?w58=?= dich")[0]
    'grüß dich'
    """
    if text.count("=?") > MOST_WORDS:
        return text, f"more than {MOST_WORDS:,} encoded words"
    faults: list[str] = []

    def decoded(run: re.Match[str]) -> str:
        pieces = [decode_charset(data, charset) for data, charset in _decode_run(run[0])]
        wrong = [fault for _, fault in pieces if fault] if pieces else [_BROKEN]
        faults.extend(wrong)
        return run[0] if wrong else "".join(piece for piece, _ in pieces)

    return _RUN.sub(decoded, text), faults[0] if faults else ""


def _decode_run(run: str) -> list[tuple[bytes, str]]:
    """Return octets and charset of each of some encoded words, those in one charset joined; nothing if one is broken.

    The library gets nothing else of a header: plain text comes out of it changed, and with what looks like the start of
    many words its time is not bounded.
    """
    try:
        found = decode_header(run)
    except HeaderParseError:
        return []
    words = [(data, charset.partition("*")[0]) for data, charset in found if charset and isinstance(data, bytes)]
    return words if len(words) == len(found) else []
