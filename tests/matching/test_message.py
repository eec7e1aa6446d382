"""A fetched message against what a step asks of it."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.message import AttachmentWish, Bound, HeaderWish, MessageExpectation, judge_message
from runner.matching.pattern import Slot, compile_pattern
from runner.protocol.fetched import Fetched

PLAIN = (
    "Received: from a\n\tby b\nReceived: from c by d\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHello\nthis is a test.\n"
)
MIXED = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b\n\nWorld\n"
PDF = "--b\nContent-Type: application/pdf; name=report.pdf\n\n--b\nContent-Type: image/png\n\n--b--\n"
OCTETS = 1 << 20


def patterns(*texts):
    return tuple(compile_pattern((text,)) for text in texts)


def header(name, asks, *texts):
    """Return an expectation of the headers of one name."""
    return MessageExpectation(headers=(HeaderWish(name, asks, patterns(*texts)),))


def judged(expectation, text, **fetched):
    """Return what differs: part, expected, actual, hint."""
    data = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode()
    options = {"size": len(data), "has_header": True, "has_body": True} | fetched
    mismatches, _ = judge_message(expectation, Fetched(data, **options))
    return [(one.part, one.expected, one.actual, one.hint) for one in mismatches]


# Headers.


def test_lacks_wants_all_header_fields():
    """What is lacking in some of them may be in the others."""
    asked = MessageExpectation(lacks=patterns("*X-Spam*"))
    found = judged(asked, "Subject: x\n\n", fields=frozenset({"SUBJECT"}), has_body=False, is_part=True)
    assert ["lacks"] == [one[0] for one in found]


@pytest.mark.parametrize(
    ("name", "asks", "is_good"),
    [("X-Spam", "absent", False), ("X-Spam", "lacks", False), ("To", "absent", True), ("to", "lacks", True)],
)
def test_what_was_not_fetched_is_not_absent(name, asks, is_good):
    """Of header fields that nobody asked for it can't be said that there are none."""
    asked = header(name, asks, *(["*"] if asks == "lacks" else []))
    found = judged(asked, "Subject: x\n\n", fields=frozenset({"SUBJECT", "TO"}), has_body=False)
    assert is_good == (found == [])
    assert is_good or "only some header fields were fetched" in found[0][3]


@pytest.mark.parametrize(
    ("name", "asks", "texts"),
    [
        ("received", "fits", ["from a by b"]),
        ("Received", "fits", ["from c*", "*by b"]),
        ("Received", "lacks", ["*x*", "/y$/"]),
        ("Received", "present", []),
        ("X-Received", "absent", []),
        ("X-Received", "lacks", ["*"]),
        ("Subject", "fits", ["Grüße"]),
        ("Subject", "fits", ["=?utf-8?q?*"]),
        ("Subject", "fits", ["/^Gr..e$/"]),
    ],
)
def test_headers_that_are_as_asked(name, asks, texts):
    """Any header of a name may fit, none may be what it lacks; the name's case and folds don't count."""
    assert [] == judged(header(name, asks, *texts), PLAIN)


RECEIVED = "Received: from a by b\nReceived: from c by d"


@pytest.mark.parametrize(
    ("name", "asks", "texts", "expected"),
    [
        ("Received", "fits", ["from c"], ("Received: from c", RECEIVED, "line 2: the text goes on; end with ` *`")),
        ("Received", "lacks", ["*by d"], ("no Received: *by d", RECEIVED, "")),
        ("Subject", "fits", ["grüße"], ("Subject: grüße", "Subject: Grüße", "only the case differs, and case counts")),
        ("Subject", "lacks", ["*=C3*"], ("no Subject: *=C3*", "Subject: Grüße", "")),
        ("Subject", "lacks", ["*ß*"], ("no Subject: *ß*", "Subject: Grüße", "")),
        ("Subject", "absent", [], ("no header Subject", "Subject: Grüße", "")),
        ("Subjects", "fits", ["*"], ("Subjects: *", "no such header", "there is a header 'Subject'")),
        ("Resent-Bcc", "present", [], ("a header Resent-Bcc", "no such header", "")),
    ],
)
def test_headers_that_are_not(name, asks, texts, expected):
    """All headers of the name are shown, and what nearly fits."""
    assert [(f"header {name}", *expected)] == judged(header(name, asks, *texts), PLAIN)


def test_each_pattern_of_a_list():
    """Each is judged by itself."""
    wrong = judged(header("Received", "fits", "from a*", "from x*", "from y*"), PLAIN)
    assert ["Received: from x*", "Received: from y*"] == [expected for _, expected, _, _ in wrong]


NO_HEADER = "a line among its headers that is none: it was read as the start of the body"


@pytest.mark.parametrize("asks", ["absent", "lacks"])
def test_a_line_that_is_no_header(asks):
    """What could hide a header lets nothing pass that wants it to be missing."""
    text = "Subject: x\nX: y\n z\nbad\nZ: no header any more\n\n"
    wrong = judged(header("Y", asks, *(["*"] if asks == "lacks" else [])), text)
    assert [NO_HEADER] == [hint for *_, hint in wrong]
    assert [] == judged(header("X", "fits", "y z"), text)
    assert [NO_HEADER] == [hint for *_, hint in judged(header("Z", "present"), text)]


def test_an_encoded_word_that_cannot_be_read():
    """It may hide what must not be there."""
    text = "Subject: =?x-y?q?abc?=\n\n"
    fault = "the charset 'x-y' is not known"
    assert [fault] == [hint for *_, hint in judged(header("Subject", "lacks", "*secret*"), text)]
    assert [] == judged(header("Subject", "absent"), "X: =?x-y?q?abc?=\n\n")
    assert fault in judged(header("Subject", "fits", "*secret*"), text)[0][3]


@pytest.mark.parametrize("asks", ["fits", "lacks"])
def test_a_header_too_long_for_a_regex(asks):
    """It is not searched, and that fails the step; a header beside it may still fit."""
    text = f"X: {'x' * 5000}\nX: y\n\n"
    ((_, _, _, hint),) = judged(header("X", asks, "/z/"), text)
    assert hint.startswith("a regex sees at most 4 KiB of a line")
    assert [] == judged(header("X", "fits", "/y/", "*xxx*"), text)


def test_more_headers_than_a_regex_sees():
    """All headers of a name together are bounded."""
    ((_, _, _, hint),) = judged(header("X", "lacks", "/y/"), f"X: {'x' * 4000}\n" * 17 + "\n")
    assert hint == "a regex sees at most 64 KiB, and this is longer; a glob sees all"


# Bodies.


@pytest.mark.parametrize(
    "text", ["Hello", "*is a test.", "Hello*test.", "/a test\\.$/", "/Hello\\nthis/", "/^this/m", "*"], ids=range(7)
)
def test_bodies_that_are_as_asked(text):
    """A glob fits one line or all of it, a regex is searched."""
    assert [] == judged(MessageExpectation(body=patterns(text)), PLAIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hell", ("a body with Hell", "Hello\nthis is a test.", "line 1: the text goes on; end with `*`")),
        ("/hello/", ("a body with /hello/", "Hello\nthis is a test.", "line 1: only the case differs; the flag i after the last '/' ignores it")),
        ("Subject*", ("a body with Subject*", "Hello\nthis is a test.", "line 1: ")),
    ],
)  # fmt: skip
def test_bodies_that_are_not(text, expected):
    """The first lines are shown, and the nearest miss."""
    ((*shown, hint),) = judged(MessageExpectation(body=patterns(text)), PLAIN)
    assert ["body", *expected[:2]] == shown
    assert hint == expected[2] or text.startswith("Subject")


def test_each_text_is_looked_at():
    """A glob fits within one text part; a long body is shown by its first lines."""
    text = MIXED + "x\n" * 30 + "--b--"
    assert [] == judged(MessageExpectation(body=patterns("World", "Hello")), text)
    ((_, _, actual, _),) = judged(MessageExpectation(body=patterns("Hello*World")), text)
    assert ["Hello", "World", *["x"] * 18, "…"] == actual.split("\n")


def test_a_body_too_long_for_a_regex():
    """It is searched as far as whole texts go; beyond that the step fails."""
    text = MIXED + "x\n" * 40_000 + "--b--"
    assert [] == judged(MessageExpectation(body=patterns("/Hello/", "*World*")), text)
    ((_, _, _, hint),) = judged(MessageExpectation(body=patterns("/World/")), text)
    assert hint.startswith("a regex sees at most 64 KiB, and this is longer")


def test_no_text():
    """A body of nothing is shown as that, and what of it is broken."""
    expected = ("body", "a body with x", "no text", "the message: a multipart that names no boundary")
    assert [expected] == judged(MessageExpectation(body=patterns("x")), "Content-Type: multipart/mixed\n\nx\n")


# What must be nowhere.


@pytest.mark.parametrize(
    ("text", "pattern", "actual"),
    [
        (PLAIN, "*by b", "\tby b"),
        (PLAIN, "Received: from a by b", "Received: from a by b"),
        (PLAIN, "Subject: Gr*", "Subject: Grüße"),
        (PLAIN, "/test/", "test"),
        ("Content-Transfer-Encoding: base64\n\nSGVsbG8=", "Hello", "Hello"),
        (MIXED + "--b\nContent-Disposition: attachment; filename=x\nContent-Transfer-Encoding: base64\n\nSGVsbG8=\n--b--",
         "*ello*", "Hello"),
        ("Content-Type: message/rfc822\n\nContent-Transfer-Encoding: base64\n\nSGVsbG8=", "Hello", "Hello"),
    ],
)  # fmt: skip
def test_what_must_not_be_there(text, pattern, actual):
    """It is looked for in the message as it came, its headers, and all texts in it decoded."""
    expected = ("lacks", f"no line of the message with {pattern}", actual, "")
    assert [expected] == judged(MessageExpectation(lacks=patterns(pattern)), text)
    assert [] == judged(MessageExpectation(lacks=patterns("*nowhere*", "Hello*test*", "/nowhere/")), text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Content-Type: text/plain; charset=x-y\n\na", "the message: the charset 'x-y' is not known"),
        ("Content-Transfer-Encoding: base64\n\n!", "the message: its base64 is broken"),
        ("Content-Type: multipart/mixed\n\n", "the message: a multipart that names no boundary"),
        ("Subject: =?x-y?q?a?=\n\n", "the charset 'x-y' is not known"),
        ("bad\n\n", f"the message: {NO_HEADER}"),
        (b"\na\rb\r\n", "the message: a CR without LF, which some programs take for a line end"),
    ],
)
def test_what_may_hide_it(text, hint):
    """Nothing is taken for missing where something can't be read."""
    actual = "a message that can't be searched whole"
    assert [("lacks", "no line of the message with x?", actual, hint)] == judged(
        MessageExpectation(lacks=patterns("x?")), text
    )


def test_a_message_too_long_for_a_regex():
    """What was not searched is not missing."""
    ((_, _, _, hint),) = judged(MessageExpectation(lacks=patterns("/x/")), "\n" + "a\n" * 40_000)
    assert hint.startswith("a regex sees at most 64 KiB")


# Attachments and size.


def attachments(count=None, names=(), lacks=()):
    return MessageExpectation(attachments=AttachmentWish(count, patterns(*names), patterns(*lacks)))


@pytest.mark.parametrize(
    ("relation", "number", "is_good"),
    [("=", 2, True), ("=", 1, False), (">=", 2, True), (">=", 3, False), ("<=", 2, True), ("<=", 1, False),
     (">", 1, True), (">", 2, False), ("<", 3, True), ("<", 2, False)],
)  # fmt: skip
def test_how_many_attachments(relation, number, is_good):
    """Their number is compared; what is wrong shows their names."""
    bound = Bound(relation, number, str(number))
    wrong = judged(attachments(bound), MIXED + PDF)
    expected = f"{'' if relation == '=' else relation + ' '}{number} attachment{'s' if str(bound) != '1' else ''}"
    actual = "2 attachments: 'report.pdf', one without a name"
    assert ([] if is_good else [("attachments", expected, actual, "")]) == wrong


def test_names_of_attachments():
    """Each pattern must fit a name, or none."""
    assert [] == judged(attachments(names=["*.pdf", "/report/"], lacks=["*.exe"]), MIXED + PDF)
    actual = "2 attachments: 'report.pdf', one without a name"
    assert [
        ("attachments", "an attachment report.PDF", actual, "only the case differs, and case counts"),
        ("attachments", "no attachment *.pdf", actual, ""),
    ] == judged(attachments(names=["report.PDF"], lacks=["*.pdf"]), MIXED + PDF)


def test_attachments_of_a_broken_message():
    """What can't be read may be one: only what was found passes."""
    hint = "the message: a multipart that doesn't end: its last boundary is missing"
    text = MIXED + PDF.removesuffix("--b--\n")
    assert [] == judged(attachments(names=["*.pdf"]), text)
    wrong = judged(attachments(Bound("=", 2, "2"), lacks=["*.exe"]), text)
    assert [hint, hint] == [hint for *_, hint in wrong]


def test_many_attachments():
    """Not all are told."""
    part = "--b\nContent-Type: application/pdf; name=x.pdf\n\n"
    ((_, _, actual, _),) = judged(attachments(Bound("=", 0, "0")), MIXED + part * 25 + "--b--")
    assert actual == f"25 attachments: {', '.join([repr('x.pdf')] * 20)}, …"


@pytest.mark.parametrize(("text", "number", "is_good"), [("10MB", 10**7, False), ("3", 3, True)])
def test_size(text, number, is_good):
    """It is that of all octets, kept or not, and shown as it was asked."""
    wrong = judged(MessageExpectation(size=Bound("=", number, text)), b"abc")
    assert ([] if is_good else [("size", f"size {text}", "size 3", "")]) == wrong
    assert [] == judged(MessageExpectation(size=Bound(">=", number, text)), b"abc", size=10**8)


# What was not fetched, or not kept.

ALL = MessageExpectation(
    headers=(HeaderWish("A", "present"), HeaderWish("B", "absent")),
    body=patterns("x*"),
    lacks=patterns("y"),
    attachments=AttachmentWish(Bound("=", 0, "0"), (), patterns("*.exe")),
)
PARTS = ("header A", "header B", "body", "attachments", "attachments", "lacks")
CUT = "only 12 of the message's 5,000 octets were kept (limit 'reply')"
PART = "only part of the message was fetched"


@pytest.mark.parametrize(
    ("text", "fetched", "actual"),
    [
        ("A: b\n\nxyz\n", {}, {}),
        ("A: b\n\nxyz", {"size": 5000}, dict.fromkeys(PARTS[2:], CUT.replace("12", "11"))),
        ("A: b\nB: xyz", {"size": 5000}, dict.fromkeys(PARTS[2:], CUT.replace("12", "12")) | dict.fromkeys(PARTS[:2], f"{CUT}, which end within its header")),
        ("A: b\n\n", {"has_body": False}, dict.fromkeys(PARTS[2:5], "the body was not fetched")),
        ("xyz", {"has_header": False}, dict.fromkeys(PARTS[:2], "the header was not fetched") | dict.fromkeys(PARTS[3:], "the header was not fetched, without which the body can't be read")),
        ("A: b\n\nxyz", {"is_part": True}, dict.fromkeys(PARTS[3:], PART)),
        ("A: b\nB:", {"is_part": True}, dict.fromkeys(PARTS[:2], f"{PART}, which ends within its header") | {"body": "no text"} | dict.fromkeys(PARTS[3:], PART)),
        ("", {"is_missing": True}, dict.fromkeys(PARTS, "the server has no such text (NIL)")),
    ],
    ids=["whole", "cut", "cut in header", "header", "body", "part", "part of header", "missing"],
)  # fmt: skip
def test_what_is_not_there(text, fetched, actual):
    """What can't be known fails and says why; what can be known is judged."""
    wrong = judged(ALL, text, **fetched)
    assert actual == {part: told for part, _, told, _ in wrong}


def test_hints_where_something_is_missing():
    """A body that is not found may be in what was not fetched, or encoded."""
    asks = MessageExpectation(body=patterns("z"), size=Bound(">", 99, "99"))
    assert [PART, PART] == [hint.split("; ")[-1] for *_, hint in judged(asks, "\nabc", is_part=True)]
    ((*_, hint), _) = judged(asks, "abc", has_header=False)
    assert hint.endswith("the header was not fetched, without which no encoding is known")
    assert ("size", "size > 99", "the server has no such text (NIL)", "") == judged(asks, "", is_missing=True)[-1]


def test_lacks_in_a_header_alone():
    """Where the header was fetched and nothing else, it is all that is searched."""
    asks = MessageExpectation(lacks=patterns("*x*", "*y*"))
    assert ["X: y"] == [actual for _, _, actual, _ in judged(asks, "X: =?utf-8?q?=79?=\n\n", has_body=False)]
    refused = judged(asks, "A: b\n" * 10_001 + "\n", has_body=False)
    assert {"the message has more than 10,000 header lines"} == {actual for _, _, actual, _ in refused}


# Placeholders and groups.


def test_placeholders():
    """They are filled, matched literally, and shown beside what was written."""
    slot = Slot("${x}")
    asks = MessageExpectation(
        headers=(HeaderWish("Subject", "fits", (compile_pattern(("*", slot)),)),),
        body=(compile_pattern((slot,)),),
        lacks=(compile_pattern((slot, "?")),),
        attachments=AttachmentWish(None, (compile_pattern((slot, ".pdf")),), (compile_pattern((slot,)),)),
    )
    assert asks.has_slots
    filled = asks.fill(lambda _: "a*", lambda _: "⟨v⟩")
    assert not filled.has_slots
    wrong = judged(filled, "Subject: xa*\n\na*b")
    assert ["a body with ${x} (filled: ⟨v⟩)", "no line of the message with ${x}? (filled: ⟨v⟩?)"] == [
        expected for part, expected, _, _ in wrong if part != "attachments"
    ]
    without = header("X", "present")
    assert without is without.fill(str)


def test_groups_are_captured():
    """Named groups of what fits are variables; those of what must be missing are not."""
    asks = MessageExpectation(
        headers=(
            HeaderWish("Subject", "fits", patterns(r"/(?P<subject>\w+)/")),
            *header("X", "lacks", "/(?P<no>x)/").headers,
        ),
        body=patterns(r"/(?P<body>\d+)/"),
        lacks=patterns(r"/(?P<none>zzz)/"),
        attachments=AttachmentWish(None, patterns(r"/(?P<stem>.*)\.pdf/")),
    )
    text = "Subject: test\n" + MIXED.replace("World", "World 42") + PDF
    data = text.encode()
    wrong, captures = judge_message(asks, Fetched(data, len(data), has_header=True, has_body=True))
    assert ([], {"subject": "test", "body": "42", "stem": "report"}) == (wrong, captures)


# Hostile messages.

EVERYTHING = MessageExpectation(
    headers=(
        HeaderWish("Subject", "fits", patterns("hello *world?x*", "/(a|b)*c.*d.*e/")),
        HeaderWish("X", "lacks", patterns("/x.*y.*z$/")),
    ),
    body=patterns("*nope?here*", "/.*a.*b.*c/"),
    lacks=patterns("*zzzz?z*", "/.*q.*r.*s/"),
    size=Bound("<", 1, "1"),
    attachments=AttachmentWish(Bound("=", 0, "0"), patterns("*.pdf"), patterns("*.exe")),
)
BOUNDARY = b"Content-Type: multipart/mixed; boundary=b\n\n"


HOSTILE = {
    "nested": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(20_000)),
    "nested messages": b"Content-Type: message/rfc822\n\n" * 20_000,
    "nested long": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(45)) + b"x" * OCTETS,
    "empty lines": b"\n" * OCTETS,
    "short lines": b"\n" + b"ab\n" * (OCTETS // 3),
    "near lines": b"\n" + b"zzzz\n" * (OCTETS // 5),
    "lines": b"\n" + b"zzzz zzzz\n" * 99_000,
    "boundaries": BOUNDARY + b"--b\n" * 250_000,
    "parts": BOUNDARY + (b"--b\n\n" + b"x" * 1000 + b"\n") * 990 + b"--b--",
    "deep lines": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(49)) + b"\n" + b"--xxxxxxx\n" * 99_000,
    "deep boundaries": b"".join(b"Content-Type: multipart/mixed; boundary=%0240d\n\n--%0240d\n" % (at, at) for at in range(400)) + (b"-" * 240 + b"\n") * 2_500,
    "near boundaries": BOUNDARY + b"--bx\n" * 9_000 + b"--b\n\n",
    "parameters": BOUNDARY + (b"--b\nContent-Type: text/plain" + b';a="' * 30 + b"\nContent-Disposition: x" + b";" * 32 + b"\n\n") * 990,
    "headers": b"S: abc\n" * 100_000,
    "same headers": (b"Subject: " + b"a" * 95 + b"\n") * 9_999 + b"\n",
    "long header": b"Subject: " + b"a" * OCTETS + b"\n\n",
    "words": b"Subject: " + b"=?utf-8?q?=C3=BC?= " * (OCTETS // 19) + b"\n\n",
    "mixed words": b"Subject: " + b"=?iso-8859-1?b?/w==?= =?utf-8?b?/w==?= " * (OCTETS // 40) + b"\n\n",
    "many words": (b"Subject: " + b"=?utf-8?q?=C3=BC?= " * 1_000 + b"\n") * 55 + b"\n",
    "no words": b"Subject: " + b"=?a?q?" * (OCTETS // 6) + b"\n\n",
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"A" * OCTETS + b"!",
    "octets": b"\n" + b"\xff" * OCTETS,
    "wide": b"\n" + b"a" * (OCTETS - 5) + "😀".encode(),
    "charset": b"Content-Type: text/plain; charset=hz\n\n" + b"~{" * (OCTETS // 2),
    "names": b"".join(b"Subjec%d: x\n" % at for at in range(9_990)) + b"\n",
    "regex": b"Subject: " + b"a" * 4_000 + b"\n\n" + b"ab" * 32_000,
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_messages(data):
    """Each is judged or refused; without the bounds, some would take minutes."""
    assert judged(EVERYTHING, data)


@pytest.mark.parametrize(
    "name", ["nested long", "lines", "headers", "parts", "same headers", "long header", "wide", "regex"]
)
def test_memory_of_hostile_messages(name):
    """A message takes no more than twenty times its size."""
    tracemalloc.start()
    try:
        judged(EVERYTHING, HOSTILE[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * OCTETS


PIECES = st.sampled_from(
    [b"Content-Type: ", b"multipart/mixed; boundary=b", b"message/rfc822", b"text/plain; charset=x", b"\r\n", b"\n--b",
     b"--", b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename=a.pdf", b"Subject: ",
     b"=?utf-8?q?=", b"\x00", b"\xff", b";", b"\n\n", b"zzzz", "ü".encode()]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=8), max_size=40).map(b"".join), st.integers(0, 99), *[st.booleans()] * 4)
def test_any_octets_are_judged(data, more, has_header, has_body, is_part, is_missing):
    """Whatever was fetched, nothing raises, and each thing that differs says what came."""
    message = Fetched(data, len(data) + more, has_header, has_body, is_part, is_missing)
    mismatches, _ = judge_message(EVERYTHING, message)
    assert all(one.part and one.expected and one.actual for one in mismatches)
    if more or is_part or is_missing or not has_header:
        assert {"lacks", "attachments"} <= {one.part for one in mismatches}
