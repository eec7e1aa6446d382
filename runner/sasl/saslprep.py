"""SASLprep (RFC 4013): one form for user names and passwords, so that equal ones compare equal.

Unicode 3.2 throughout, as RFC 3454 has it. Error texts name the rule and never the character: it may be
part of a password.
"""

from __future__ import annotations

import stringprep
import unicodedata

# RFC 4013, section 2.3.
_PROHIBITED = (
    (stringprep.in_table_c12, "a space other than U+0020"),
    (stringprep.in_table_c21_c22, "a control character"),
    (stringprep.in_table_c3, "a private use character"),
    (stringprep.in_table_c4, "a code point that is no character"),
    (stringprep.in_table_c5, "half a surrogate pair"),
    (stringprep.in_table_c6, "a replacement or annotation character"),
    (stringprep.in_table_c7, "an ideographic description character"),
    (stringprep.in_table_c8, "a deprecated or direction-changing character"),
    (stringprep.in_table_c9, "a tagging character"),
)


def prepare(text: str, *, allow_unassigned: bool = False) -> str:
    r"""Return `text` prepared by the SASLprep profile.

    `allow_unassigned` makes it a "query" (RFC 3454, section 7), which may hold code points that Unicode 3.2
    does not assign; else it is a "stored string". Raises `ValueError` with the rule that `text` breaks.

    >>> prepare("I\u00adX"), prepare("\u2168")
    ('IX', 'IX')
    """
    if text.isascii() and text.isprintable():
        return text
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", _map(text))
    _check_prohibited(prepared)
    _check_direction(prepared)
    if not allow_unassigned and any(map(stringprep.in_table_a1, prepared)):
        raise ValueError("a code point that Unicode 3.2 does not assign")
    return prepared


def _map(text: str) -> str:
    """Map spaces to U+0020 and what is commonly mapped to nothing to nothing (section 2.1)."""
    kept = (char for char in text if not stringprep.in_table_b1(char))
    return "".join(" " if stringprep.in_table_c12(char) else char for char in kept)


def _check_prohibited(text: str) -> None:
    for is_prohibited, what in _PROHIBITED:
        if any(map(is_prohibited, text)):
            raise ValueError(what)


def _check_direction(text: str) -> None:
    """Refuse text that mixes directions (RFC 3454, section 6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise ValueError("right-to-left and left-to-right characters mixed")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("right-to-left text that does not begin and end with a right-to-left character")
