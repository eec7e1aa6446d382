"""The library's parser within bounds."""

from __future__ import annotations

from email.parser import BytesHeaderParser, BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.bounded_parser import (
    DEEPEST,
    MOST_HEADER_LINES,
    MOST_LINES,
    MOST_PARTS,
    Refused,
    defects_of,
    parse,
)
from runner.matching.mime import read_content

MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"


def nested(levels):
    """Return the start of multiparts in multiparts."""
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(levels))


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"Content-Type: message/rfc822\n\n" * (DEEPEST + 2), "parts more than 50 levels deep"),
        (b"Content-Type: message/rfc822\n\n" * 30_000, "parts more than 50 levels deep"),
        (nested(DEEPEST + 1) + b"\n", "parts more than 50 levels deep"),
        (MIXED + b"--b\n\nx\n" * MOST_PARTS, "more than 1,000 parts"),
        (b"A: b\n" * (MOST_HEADER_LINES + 1), "more than 10,000 header lines"),
        (b"A: b\n" + b" c\n" * MOST_HEADER_LINES, "more than 10,000 header lines"),
        (MIXED + (b"--b\n" + b"A: b\n" * 6_000 + b"\n") * 2, "more than 10,000 header lines"),
        (b"\n" * (MOST_LINES + 1), "more than 100,000 lines"),
        (b"\r\n" + b"a\r" * MOST_LINES, "more than 100,000 lines"),
        (nested(100) + b"x\n" * 60_000, "60,300 lines and up to 100 multiparts: too many to compare each with each"),
    ],
    ids=[
        "messages",
        "many messages",
        "multiparts",
        "parts",
        "headers",
        "folds",
        "inner headers",
        "lines",
        "CRs",
        "both",
    ],
)
def test_bounds(data, refused):
    """A message of more than any program makes is not read."""
    found = read_content(data)
    assert (refused, [], []) == (found.refused, found.texts, found.attachments)


def test_within_the_bounds():
    """What is just within them is read."""
    assert "" == read_content(nested(DEEPEST) + b"\n" + b"x" * 40 * MOST_LINES).refused
    assert "" == read_content(b"\n" + b"x" * 39 + (b"\n" + b"x" * 39) * (MOST_LINES + 10)).refused
    assert "" == read_content(MIXED + b"--b\n\nx\n" * (MOST_PARTS - 1)).refused


def test_headers_alone():
    """No part is made of a body, whatever it is."""
    part = parse(MIXED + b"--b\n\nx\n" * 2 * MOST_PARTS, BytesHeaderParser)
    assert (["Content-Type"], []) == (part.keys(), list(defects_of(part)))


def test_one_message_does_not_count_for_another():
    """What is counted is counted for each message anew."""
    for _ in range(2):
        parse(b"A: b\n" * MOST_HEADER_LINES, BytesParser)


@given(st.lists(st.sampled_from([MIXED, b"\n--b", b"--", b"\r", b"\n", b"Content-Type: message/x\n", b"a: b", b" "])))
def test_a_body_is_kept_as_it_came(pieces):
    """All octets of a body are there, with the line ends that they had."""
    data = b"\n" + b"".join(pieces)
    assert data[1:] == parse(data, BytesParser).get_payload(decode=True)


def test_a_defect_that_is_not_known():
    """One that a later library finds is told by its name."""
    part = parse(b"\n", BytesParser)
    part.defects.append(type("NewDefect", (Exception,), {})())
    assert ["NewDefect"] == list(defects_of(part))


def test_refused_is_raised():
    """Who parses must say what is wrong with a message."""
    with pytest.raises(Refused, match=r"^more than 100,000 lines$"):
        parse(b"\n" * (MOST_LINES + 1), BytesParser)
