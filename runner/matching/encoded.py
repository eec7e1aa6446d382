"""What a message's text is wrapped in, taken off: transfer encodings, charsets and encoded words (RFC 2045, RFC 2047).

Every function takes any octets, raises nothing and needs time and memory in proportion to them. Each gives back, beside
the text, why that may not be all that a mail program would show, or an empty text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import cache

from runner.protocol.reply import decode

_BLANKS = b" \t\r\n"
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
# These hold octets as they are (RFC 2045 section 6.2).
_AS_IT_IS = ("", "7bit", "8bit", "binary")
_UTF_8 = frozenset({"", "utf_8", "utf8", "ascii", "us_ascii"})
# No charsets, though the library has them under such names: their time isn't bounded, or they make no text.
_NO_CHARSETS = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs"}
)
# Charsets of mail that the library has under no other name than its own, or under another than mail's.
_MORE_CHARSETS = {"koi8_u": "koi8_u", "windows_874": "cp874", "cp874": "cp874", "iso_8859_8_i": "iso8859_8"}
# `=?charset*language?encoding?text?=`; blanks in the text are wrong and seen all the same.
_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([BbQq])\?([^?]*)\?=")
# No charset and no encoding has a longer one.
_LONGEST_NAME = 40


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, str]:
    """Return what a part's octets stand for by its Content-Transfer-Encoding, and what is wrong.

    >>> decode_transfer(b"Z3LDvMOf", "base64")[0].decode()
    'grüß'
    """
    match encoding.lower():
        case "base64":
            return _decode_base64(data)
        case "quoted-printable":
            return binascii.a2b_qp(data), ""
        case _:
            return data, f"the transfer encoding{_quoted(encoding)} is not known" if is_encoded(encoding) else ""


def is_encoded(encoding: str) -> bool:
    """Whether a Content-Transfer-Encoding is one of those that change the octets, or is not known."""
    return encoding.lower() not in _AS_IT_IS


def _quoted(name: str) -> str:
    """Return a name to be shown: whole or not at all, for a secret that is cut isn't known for one."""
    return f" '{name}'" if len(name) <= _LONGEST_NAME else ""


def _decode_base64(data: bytes) -> tuple[bytes, str]:
    bare = data.translate(None, _BLANKS)
    try:
        return binascii.a2b_base64(bare, strict_mode=True), ""
    except ValueError:
        first = _NOT_BASE64.sub(b"", bare.partition(b"=")[0])
        whole = first[:-1] if len(first) % 4 == 1 else first
        return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)), "its base64 is broken"


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
    fault = f"its text is no '{codec}'" if codec else f"the charset{_quoted(charset)} is not known"
    return data.decode("ascii", "backslashreplace"), fault


@cache
def _codecs() -> dict[str, str]:
    """Return the library's codecs that are charsets, by every name: no other name that a message says is looked up."""
    known = {name: codec for name, codec in aliases.items() if codec not in _NO_CHARSETS}
    return known | {codec: codec for codec in known.values()} | _MORE_CHARSETS


def decode_words(text: str) -> tuple[str, str]:
    """Return a header's text with its encoded words decoded (RFC 2047); one that can't be stays as it is.

    >>> decode_words("=?utf-8?q?gr=C3=BC?= =?utf-8?b?w58=?= dich")[0]
    'grüß dich'
    """
    if "=?" not in text:
        return text, ""
    pieces: list[str] = []
    faults: list[str] = []
    for charset, data, written in _runs(text):
        if data is None:
            faults += ["the base64 of an encoded word is broken"] if charset else []
            pieces.append(written)
            continue
        piece, unknown = decode_charset(data, charset)
        faults += [unknown] if unknown else []
        pieces.append(written if unknown else piece)
    return "".join(pieces), faults[0] if faults else ""


def _runs(text: str) -> Iterator[tuple[str, bytes | None, str]]:
    """Iterate over charset, octets and how it is written; plain text has neither, a broken word no octets.

    Blanks between encoded words don't count. Words in one charset are one run: some senders cut in a character.
    """
    charset, start, end = "", 0, 0
    run: list[bytes | None] = []
    for match in _WORD.finditer(text):
        data, between = _decode_word(match[2], match[3]), text[end : match.start()]
        is_next = bool(charset) and not between.strip(" \t")
        if is_next and match[1].lower() == charset:
            run.append(data)
        else:
            if charset:
                yield charset, _joined(run), text[start:end]
            if between and not is_next:
                yield "", None, between
            charset, run, start = match[1].lower(), [data], match.start()
        end = match.end()
    if charset:
        yield charset, _joined(run), text[start:end]
    yield "", None, text[end:]


def _joined(run: list[bytes | None]) -> bytes | None:
    whole = [data for data in run if data is not None]
    return b"".join(whole) if len(whole) == len(run) else None


def _decode_word(encoding: str, text: str) -> bytes | None:
    """Return the octets of an encoded word; None if its base64 is broken."""
    data = text.encode("utf-8", "surrogatepass")
    if encoding in "Qq":
        return binascii.a2b_qp(data, header=True)
    decoded, fault = _decode_base64(data)
    return None if fault else decoded
