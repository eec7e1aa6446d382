"""What of a server's text a draft makes a star: what the house knows to vary, and what looks like it.

The second is a guess, and is said to be one. Nothing here knows patterns or YAML.
"""

from __future__ import annotations

import re

from runner.dataclass import dataclass
from runner.matching.varying import VARYING

# A longer line varies somewhere; its start is enough to know it.
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a text that varies: from `start` to `end`, what it is, and whether that is a guess."""

    start: int
    end: int
    what: str
    is_guess: bool = False


_OCTETS = "(?:bytes?|octets?)"
_CERTAIN = (
    ("queue id", re.compile(r"\b[0-9a-f]{8}(?= Message accepted)")),
    ("address", re.compile(r"\b[x\d]{1,3}(?:\.[x\d]{1,3}){3}\b")),
    ("duration", re.compile(r"\b\d+ bytes in \d+\.\d+(?:, \d+(?:\.\d+)? ?[KM]B/sec)?")),
    # How much of a message has come: Postfix (BDAT, and Dovecot, which hands on by it), Exim, Exchange, RFC 3030.
    # A limit, such as that of a 552, is the server's own and is not meant.
    ("size", re.compile(rf"(?i)\b\d+(?= {_OCTETS},? (?:queued|received|accepted|stored|saved|read)\b)")),
    ("size", re.compile(rf"(?i)(?:(?<=\bok: )|(?<=received ok, )|(?<=chunk ok, ))\d+(?= {_OCTETS}\Z)")),
    (
        "size",
        re.compile(rf"(?i)(?:(?<=received )|(?<=accepted )|(?<=received \()|(?<=accepted \())\d+(?= {_OCTETS}\b)"),
    ),
    ("size", re.compile(r"(?i)\b\d+(?= byte chunk\b)|(?<= byte chunk, total )\d+")),
    ("date", re.compile(r"\b\d{1,2}:\d{2}:\d{2}(?: ?[+-]\d{4})?\b")),
)
_GUESSED = (
    ("a message id", re.compile(r"(?<=<)[^<>\s@]{6,250}@[^<>\s@]{1,250}(?=>)")),
    ("an id", re.compile(r"(?<![\w.@-])(?=[0-9A-Za-z]*[A-Za-z])(?=(?:[A-Za-z]*\d){3})[0-9A-Za-z]{10,}(?![\w@])")),
    ("an id", re.compile(r"(?<![\w.@-])(?=[0-9A-F]*[A-F])(?=[A-F]*\d)[0-9A-F]{8,}(?![\w.@-])")),
    ("an id", re.compile(r"(?<![\w.@-])(?=[0-9a-f]*[a-f])(?=[a-f]*\d)[0-9a-f]{8,}(?![\w.@-])")),
    ("an id", re.compile(r"(?<![\w-])[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}(?![\w-])")),
    ("a number", re.compile(r"(?<![\w.])\d{7,}(?![\w.])")),
)
_NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?![A-Za-z])")
_HOST = re.compile(r"(?i:(?<=hostname=)|(?<=host=))[\w.-]+")


def varying(text: str, hosts: tuple[str, ...], *, counts: bool = False) -> list[Stretch]:
    """Find what varies in one line, apart from each other and in order.

    `hosts` are names of this server and of the client; with `counts` every number is one of a mailbox.
    """
    found: list[Stretch] = []
    for host in hosts:
        pattern = re.compile(rf"(?<![\w.@-]){re.escape(host)}(?![\w-]|\.\w)", re.IGNORECASE | re.ASCII)
        _add(found, text, "a host's name", pattern)
    for rule in VARYING:
        _add(found, text, rule.name, rule.pattern)
    for what, pattern in _CERTAIN:
        _add(found, text, what, pattern)
    _add(found, text, "a host's name", _HOST)
    if counts:
        _add(found, text, "a count", _NUMBER)
    for what, pattern in _GUESSED:
        _add(found, text, what, pattern, is_guess=True)
    return sorted(found, key=lambda one: one.start)


def _add(found: list[Stretch], text: str, what: str, pattern: re.Pattern[str], *, is_guess: bool = False) -> None:
    for match in pattern.finditer(text):
        start, end = match.span()
        if start < end and not any(start < one.end and one.start < end for one in found):
            found.append(Stretch(start, end, what, is_guess))
