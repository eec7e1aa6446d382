"""Header sections, parts and attachments of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.mime import DEEPEST, MOST_HEADER_LINES, MOST_PARTS, read_content, read_header_section

MIXED = "Content-Type: multipart/mixed; boundary=b\n\n"


def content(text, **options):
    """Return what is found in a message, whose lines end with CRLF."""
    return read_content(text.replace("\n", "\r\n").encode(), **options)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_headers(end):
    """Folded lines are one with a blank between, encoded words are decoded and kept as they came, too."""
    text = "Received: from a\n\tby b;\n   today\nSUBJECT :  =?utf-8?q?=C3=BC?= \nX-Empty:\n\nbody: no"
    section = read_header_section(text.replace("\n", end).encode())
    expected = [("Received", ("from a by b; today",)), ("SUBJECT", ("ü", "=?utf-8?q?=C3=BC?=")), ("X-Empty", ("",))]
    assert expected == [(header.name, header.views) for header in section.headers]
    assert ["ü"] == [header.text for header in section.named("Subject")]
    assert (True, "", "") == (section.is_ended, section.refused, section.fault)
    assert text[-len("body: no") :].encode() == text.replace("\n", end).encode()[section.end :]


@pytest.mark.parametrize(
    ("data", "names", "end", "is_ended"),
    [
        (b"", [], 0, False),
        (b"\r\nA: b", [], 2, True),
        (b"\nA: b", [], 1, True),
        (b"A: b", ["A"], 4, False),
        (b"A: b\r\n", ["A"], 6, False),
        (b"A: b\n\r\nB: c\n\n", ["A"], 7, True),
        (b"A: b\r\nB: c\n\nC: d\r\n\r\n", ["A", "B"], 12, True),
    ],
)
def test_where_headers_end(data, names, end, is_ended):
    """The first empty line ends them, with either line end."""
    section = read_header_section(data)
    assert (names, end, is_ended) == ([one.name for one in section.headers], section.end, section.is_ended)


@pytest.mark.parametrize(
    ("line", "number"), [(" A: b", 1), ("A: b\n>From alice Mon", 2), ("A: b\nA B: c", 2), (": c", 1), ("x", 1)]
)
def test_a_line_that_is_no_header(line, number):
    """Which one is told; those after it are read."""
    section = read_header_section(f"{line}\nX: y\n\n".encode())
    assert ("X", f"number {number} of its headers is none") == (section.headers[-1].name, section.fault)


def test_too_many_headers():
    """They are not read, and why is told."""
    data = b"A: b\n" * (MOST_HEADER_LINES + 1)
    assert ((), "more than 10,000 header lines") == (
        read_header_section(data).headers,
        read_header_section(data).refused,
    )
    assert "more than 10,000 header lines" == read_content(data).refused


def test_one_text():
    """A message without a word on MIME is text; empty lines at its end don't count."""
    found = content("Subject: x\n\nHello\n\nAlice\n\n")
    assert (["Hello\n\nAlice"], [], []) == (found.texts, found.attachments, found.broken)


def test_without_its_header():
    """A body that was fetched alone is one text as it came."""
    assert ["A: b\n\n=20"] == content("A: b\n\n=20\n", has_header=False).texts


def test_alternatives_and_attachments():
    """Texts in parts of parts are the body, decoded; attachments have their names, as written and decoded."""
    found = content(f"""{MIXED}ignored
--b
Content-Type: multipart/alternative; boundary="b c"

--b c
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe
--b c
content-type: text/HTML; charset=utf-8
Content-Transfer-Encoding: base64

PGI+SGVsbG88L2I+
--b c--
--b \t
Content-Type: application/pdf; name=a.pdf
Content-Disposition: attachment;
 filename="a b.pdf"

%PDF
--b
Content-Disposition: attachment; filename*0*=utf-8''%C3%BC; filename*1=.txt

inner
--b
Content-Type: image/png; name="=?utf-8?q?=C3=BC=2Epng?="

x
--b
Content-Type: application/octet-stream

x
--b--
ignored
""")
    assert ["Grüße", "<b>Hello</b>"] == found.texts
    assert ["inner"] == found.inner
    names = [("a b.pdf", "a.pdf"), ("ü.txt",), ("ü.png", "=?utf-8?q?=C3=BC=2Epng?="), ()]
    assert names == found.attachments
    assert ([], []) == (found.broken, found.faults)


def test_a_message_in_the_message():
    """It is one attachment; its texts are not the body's, its faults no fault of the message around it."""
    found = content(f"""{MIXED}--b
Content-Type: message/delivery-status

Status: 5.1.1
--b
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/mixed; boundary=c

--c

Hello
--c
Content-Type: application/pdf; name=x.pdf

--b--
""")
    assert (["Status: 5.1.1"], ["Hello"], [()]) == (found.texts, found.inner, found.attachments)
    fault = "part 2.1: a multipart that doesn't end: its last boundary is missing"
    assert ([], [fault]) == (found.broken, found.faults)
    assert "inner" in [header.text for header in found.headers]


def test_a_digest():
    """Its parts are messages if they don't say otherwise (RFC 2046 section 5.1.5)."""
    found = content("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nHello\n--b--\n")
    assert ([], ["Hello"], [()]) == (found.texts, found.inner, found.attachments)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("Content-Type: multipart/mixed\n\nHello", "a multipart that names no boundary"),
        (f"{MIXED}Hello", "a multipart without a part: its boundary doesn't occur"),
        (f"{MIXED}--b--\nHello", "a multipart without a part: its boundary doesn't occur"),
        (f"{MIXED}--b\n\nHello", "a multipart that doesn't end: its last boundary is missing"),
        (f"{MIXED}--b\n\nHello\n--b--\n--b\n\nmore", "a multipart that goes on after its last boundary"),
        (f"Content-Type: text/plain\n{MIXED}--b\n\nHello\n--b--", "2 headers Content-Type"),
        (f"Content-Type: text/plain; a={'x' * 3000}\n\nHello", "an overlong Content-Type"),
        (f"Content-Disposition: x{';' * 33}\n\nHello", "an overlong Content-Disposition"),
        ("no header\n\nHello", "number 1 of its headers is none"),
    ],
)
def test_broken_structure(text, broken):
    """What hides parts from a reader is told."""
    assert [f"the message: {broken}"] == content(text).broken


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ("Content-Transfer-Encoding: base64", "its base64 is broken"),
        ("Content-Transfer-Encoding: x-y", "the transfer encoding 'x-y' is not known"),
        ("Content-Type: text/plain; charset=x-y", "the charset 'x-y' is not known"),
        ("Content-Type: text/plain; charset*=a%00b''x", ""),
        ("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "a message in it is encoded"),
    ],
)
def test_texts_that_cannot_be_read(headers, fault):
    """Why is told, and no part is lost for it."""
    found = content(f"{headers}\n\nHello!")
    assert ([], [f"the message: {fault}"] if fault else []) == (found.broken, found.faults)


def test_boundary_lines():
    """Only a whole line that begins with the boundary is one; one boundary may begin another."""
    found = content(f"{MIXED}--b\n\na --b\n--bc\n--b--\n")
    assert (["a --b\n--bc"], []) == (found.texts, found.broken)


def test_parts_are_numbered_as_imap_does():
    """A fault is told with the part that it is in."""
    inner = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--c\nContent-Type: text/x; charset=y\n\n--c--\n"
    assert ["part 2.2: the charset 'y' is not known"] == content(f"{MIXED}--b\n\n{inner}--b--").faults


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"Content-Type: message/rfc822\n\n" * (DEEPEST + 2), "parts more than 50 levels deep"),
        (MIXED.encode() + b"--b\n" * (MOST_PARTS + 1), "more than 1,000 parts"),
        (MIXED.encode() + b"--b\n" * 10_001, "more than 10,000 boundaries"),
        (MIXED.encode() + (b"--b\n" + b"A: b\n" * 6_000 + b"\n") * 2, "more than 10,000 header lines"),
    ],
    ids=["deep", "parts", "boundaries", "headers"],
)
def test_bounds(data, refused):
    """A message of more than any program makes is not read."""
    found = read_content(data)
    assert (refused, [], []) == (found.refused, found.texts, found.attachments)


PIECES = st.sampled_from(
    [b"Content-Type: ", b"multipart/mixed; boundary=b", b"message/rfc822", b"text/plain; charset=", b"\r\n", b"\n", b"--b",
     b"--", b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename", b"*0*=utf-8''%", b"=?",
     b"utf-8?q?=", b"\x00", b"\xff", b";", b'"', b" ", b"\n\n"]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=5), max_size=60).map(b"".join))
def test_any_message_can_be_read(data):
    """Nothing raises, and all names are texts."""
    assert all(isinstance(name, str) for names in read_content(data).attachments for name in names)
