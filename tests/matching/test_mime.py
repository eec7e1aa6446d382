"""Header sections, parts and attachments of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.bounded_parser import MOST_HEADER_LINES
from runner.matching.mime import read_content, read_header_section

MIXED = "Content-Type: multipart/mixed; boundary=b\n\n"
UNENDED = "a multipart that doesn't end: its last boundary is missing"
NO_HEADER = "a line among its headers that is none"


def content(text, **options):
    """Return what is found in a message, whose lines end with CRLF."""
    return read_content(text.replace("\n", "\r\n").encode(), **options)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_headers(end):
    """Folded lines are one with a blank between, encoded words are decoded and kept as they came, too."""
    text = "Received: from a\n\tby b;\n   today\nSUBJECT:  =?utf-8?q?=C3=BC?= \nX-Empty:\n\nbody: no"
    section = read_header_section(text.replace("\n", end).encode())
    expected = [("Received", ("from a by b; today",)), ("SUBJECT", ("ü", "=?utf-8?q?=C3=BC?=")), ("X-Empty", ("",))]
    assert expected == [(header.name, header.views) for header in section.headers]
    assert ["ü"] == [header.text for header in section.named("Subject")]
    assert (True, "", "") == (section.is_ended, section.refused, section.fault)


@pytest.mark.parametrize(
    ("data", "names", "is_ended"),
    [
        (b"", [], False),
        (b"\r\nA: b", [], True),
        (b"\nA: b", [], True),
        (b"A: b", ["A"], False),
        (b"A: b\r\n", ["A"], False),
        (b"A: b\n\r\nB: c\n\n", ["A"], True),
        (b"A: b\r\nB: c\n\nC: d\r\n\r\n", ["A", "B"], True),
    ],
)
def test_where_headers_end(data, names, is_ended):
    """The first empty line ends them, with either line end."""
    section = read_header_section(data)
    assert (names, is_ended) == ([one.name for one in section.headers], section.is_ended)


@pytest.mark.parametrize("line", [" A: b", ": c", "A: b\nFrom alice Mon", ":\n x"])
def test_a_line_that_is_no_header(line):
    """It is told; those after it are read."""
    section = read_header_section(f"{line}\nX: y\n\n".encode())
    assert ("X", NO_HEADER) == (section.headers[-1].name, section.fault)


@pytest.mark.parametrize("line", ["A: b\n>From alice Mon", "A: b\nA B: c", "A: b\nX : y", "A: b\nx"])
def test_a_line_that_ends_the_headers(line):
    """It is told; what follows is body."""
    section = read_header_section(f"{line}\nX: y\n\n".encode())
    assert (["A"], True) == ([one.name for one in section.headers], section.is_ended)
    assert f"{NO_HEADER}: it was read as the start of the body" == section.fault


def test_a_bare_cr_among_headers():
    """Whether it ends a line is not known: what it may hide is told."""
    section = read_header_section(b"A: b\rBcc: c\r\rX: y\n\n")
    assert ["A", "Bcc"] == [one.name for one in section.headers]
    assert "a CR without LF, which some programs take for a line end" == section.fault


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
    fault = f"part 2.1: {UNENDED}"
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
        (f"{MIXED}--b\n\nHello", UNENDED),
        (f"{MIXED}--b\n\nHello\n--b--\n--b\n\nmore", "a multipart that goes on after its last boundary"),
        (f"Content-Type: text/plain\n{MIXED}--b\n\nHello\n--b--", "2 headers Content-Type"),
        (f"Content-Type: text/plain; a={'x' * 3000}\n\nHello", "an overlong Content-Type"),
        (f"Content-Disposition: x{';' * 33}\n\nHello", "an overlong Content-Disposition"),
        (
            f"Content-Type: multipart/mixed; boundary={'b' * 300}\n\n--{'b' * 300}--\n",
            "a multipart that names no boundary",
        ),
        ("Content-Type: multipart/mixed; boundary*=a%00b''x\n\n--x--\n", "a multipart that names no boundary"),
        ("no header\n\nHello", f"{NO_HEADER}: it was read as the start of the body"),
        ("A: b\n\nHello\r\ragain", "a CR without LF, which some programs take for a line end"),
    ],
)
def test_broken_structure(text, broken):
    """What hides parts from a reader is told."""
    assert [f"the message: {broken}"] == content(text).broken


def test_a_line_from_before_the_headers():
    """The line of a mailbox file is none of the message."""
    found = content("From alice Mon\nA: b\n\nHello")
    assert (["A"], ["Hello"], []) == ([one.name for one in found.headers], found.texts, found.broken)


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ("Content-Transfer-Encoding: base64", "its base64 is broken"),
        ("Content-Transfer-Encoding: x-y", "the transfer encoding 'x-y' is not known"),
        ("Content-Type: text/plain; charset=x-y", "the charset 'x-y' is not known"),
        ("Content-Transfer-Encoding: x-uuencode", "the transfer encoding 'x-uuencode' is not known"),
        (f"Content-Transfer-Encoding: {'x' * 50}", "the transfer encoding is not known"),
        ("Content-Type: text/plain; charset*=a%00b''x", ""),
        ("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "a message in it is encoded"),
    ],
)
def test_texts_that_cannot_be_read(headers, fault):
    """Why is told, and no part is lost for it."""
    found = content(f"{headers}\n\nHello!")
    assert ([], [f"the message: {fault}"] if fault else []) == (found.broken, found.faults)


@pytest.mark.parametrize(
    ("encoding", "data", "text", "fault"),
    [
        ("", "a=3D", "a=3D", ""),
        ("8BIT; x", "\xff", "ÿ", ""),
        ("Quoted-Printable", "a=3Db=\nc =C3=BC", "a=bc ü", ""),
        ("base64", "SGVs\nbG8=\n", "Hello", ""),
        ("BASE64", "", "", ""),
        ("base64", "SGVsbG8=\n-- \nA footer", "Hello", "its base64 is broken"),
        ("base64", "SGVs!bG8", "Hello", "its base64 is broken"),
        ("base64", "SGVsbG8AA", "SGVsbG8AA", "its base64 is broken"),
        ("base64", "=", "", "its base64 is broken"),
    ],
)
def test_transfer_encodings(encoding, data, text, fault):
    """What can be decoded is, and what is wrong is told; the encoding's case does not count."""
    found = content(f"Content-Transfer-Encoding: {encoding}\n\n{data}")
    assert ([text], [f"the message: {fault}"] if fault else []) == (found.texts, found.faults)


def test_boundary_lines():
    """Only a whole line that begins with the boundary is one; one boundary may begin another."""
    found = content(f"{MIXED}--b\n\na --b\n--bc\n--b--\n")
    assert (["a --b\n--bc"], []) == (found.texts, found.broken)


def test_an_end_right_after_a_boundary():
    """It is passed over as if it were the same boundary again; all that follows is looked at as parts."""
    found = content(f"{MIXED}--b\n--b--\nContent-Type: application/x; name=a.exe\n\n--b--\n")
    assert [("a.exe",)] == found.attachments
    assert [f"the message: {UNENDED}"] == content(f"{MIXED}--b\n\nx\n--b\n--b--\n").broken


def test_parts_are_numbered_as_imap_does():
    """A fault is told with the part that it is in."""
    inner = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--c\nContent-Type: text/x; charset=y\n\n--c--\n"
    assert ["part 2.2: the charset 'y' is not known"] == content(f"{MIXED}--b\n\n{inner}--b--").faults


PIECES = st.sampled_from(
    [b"Content-Type: ", b"multipart/mixed; boundary=b", b"message/rfc822", b"text/plain; charset=", b"\r\n", b"\n", b"--b",
     b"--", b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename", b"*0*=utf-8''%", b"=?",
     b"utf-8?q?=", b"\x00", b"\xff", b";", b'"', b" ", b"\n\n"]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=5), max_size=60).map(b"".join))
def test_any_message_can_be_read(data):
    """Nothing raises, and all names are texts."""
    assert all(isinstance(name, str) for names in read_content(data).attachments for name in names)
