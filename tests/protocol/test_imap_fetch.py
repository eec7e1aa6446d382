"""What is found of messages in FETCH data, well-formed or not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.protocol import Limits
from runner.protocol.fetched import Fetched
from runner.protocol.imap_fetch import read_fetched
from runner.protocol.reply import LineReply, Reply
from runner.protocol.smtp import Smtp
from tests.protocol.feeding import read
from tests.protocol.imap_dialogue import greeted, say

BOTH, HEADER, BODY = (True, True), (True, False), (False, True)


def fetched(line: bytes) -> list[Fetched]:
    """Return what one line of FETCH data, its literals in their places, holds."""
    made = greeted()
    say(made, b"FETCH 1 X")
    (reply,) = read(made, line + b"\r\nA1 OK done\r\n")
    return made.fetched(reply)


@pytest.mark.parametrize(
    ("item", "has", "is_part"),
    [
        pytest.param(b"BODY[]", BOTH, False, id="a message"),
        pytest.param(b"body[]", BOTH, False, id="in lower case"),
        pytest.param(b"RFC822", BOTH, False, id="as RFC 3501 has it"),
        pytest.param(b"BINARY[]", BOTH, False, id="binary"),
        pytest.param(b"BODY[]<0>", BOTH, True, id="some octets"),
        pytest.param(b"BODY[HEADER]", HEADER, False, id="the header"),
        pytest.param(b"RFC822.HEADER", HEADER, False, id="the header, as RFC 3501 has it"),
        pytest.param(b"BODY[TEXT]", BODY, False, id="the body"),
        pytest.param(b"RFC822.TEXT", BODY, False, id="the body, as RFC 3501 has it"),
        pytest.param(b"BODY[1]", BODY, True, id="a part"),
        pytest.param(b"BINARY[1.2]<0>", BODY, True, id="a part's part"),
        pytest.param(b"BODY[1.MIME]", HEADER, True, id="a part's MIME header"),
        pytest.param(b"BODY[4.1.HEADER]", HEADER, True, id="the header of a message in it"),
        pytest.param(b"BODY[4.TEXT]", BODY, True, id="the body of a message in it"),
    ],
)
def test_an_item(item, has, is_part):
    """Its name says what it has; it is a literal, a quoted string or NIL."""
    assert fetched(b"* 1 FETCH (" + item + b" {3}\r\na\r\n)") == [Fetched(b"a\r\n", 3, *has, is_part)]
    assert fetched(b"* 1 FETCH (" + item + b' "a\\"b")') == [Fetched(b'a"b', 3, *has, is_part)]
    assert fetched(b"* 1 FETCH (" + item + b" nil)") == [Fetched(b"", 0, *has, is_part, is_missing=True)]


@pytest.mark.parametrize(
    ("item", "fields", "is_part"),
    [
        pytest.param(b"BODY[HEADER.FIELDS (DATE From)]", {"DATE", "FROM"}, True, id="some"),
        pytest.param(b'BODY[HEADER.FIELDS ("X]" "Y")]', {"X]", "Y"}, True, id="quoted"),
        pytest.param(b"BODY[HEADER.FIELDS.NOT (DATE)]<7>", set(), True, id="all but some"),
    ],
)
def test_fields_that_were_asked_for(item, fields, is_part):
    """Of others nobody knows whether there are any."""
    (one,) = fetched(b"* 1 FETCH (" + item + b" {3}\r\na\r\n)")
    has_header = b"<" not in item  # from an octet further on nobody knows what it begins with
    assert one == Fetched(b"a\r\n", 3, has_header, False, is_part, fields=frozenset(fields))


@pytest.mark.parametrize(
    ("line", "data"),
    [
        pytest.param(b"* 1 FETCH (FLAGS (\\Seen) BODY[] {1}\r\na UID 7)", [b"a"], id="among others"),
        pytest.param(b"* 1 FETCH (BODY[HEADER] {1}\r\na BODY[TEXT] {2}\r\nbc)", [b"a", b"bc"], id="two"),
        pytest.param(b"* 1 FETCH (BODY[HEADER] {0}\r\n BODY[TEXT] ~{1}\r\n\0)", [b"", b"\0"], id="none, and a binary"),
        pytest.param(b"* 1 UIDFETCH (BODY[] {1}\r\na)", [b"a"], id="by UID alone (RFC 9586)"),
        pytest.param(b"* 1 fetch (BODY[] {1}\r\na)", [b"a"], id="in lower case"),
        pytest.param(
            b'* 1 FETCH (ENVELOPE ("x) BODY[]" (NIL {1}\r\n( NIL)) BODY[] {1}\r\na)', [b"a"], id="behind a list"
        ),
        pytest.param(b'* 1 FETCH (BODY ("BODY[]" "x" NIL) BODYSTRUCTURE (BODY[] "x"))', [], id="a structure"),
        pytest.param(b"* 1 FETCH (RFC822.SIZE 5 BINARY.SIZE[1] 3)", [], id="sizes"),
        pytest.param(b"* 1 FETCH (FLAGS (\\Seen))", [], id="flags"),
        pytest.param(b"* 1 EXISTS", [], id="other data"),
        pytest.param(b"* LIST () NIL (BODY[] {1}\r\na)", [], id="other data like it"),
        pytest.param(b"* 1 FETCH (BODY[] 7)", [], id="a number"),
        pytest.param(b"* 1 FETCH (BODY[] (x) BODY[] {1}\r\na)", [b"a"], id="a list in its place"),
        pytest.param(b"* 1 FETCH ((x) BODY[] {1}\r\na)", [b"a"], id="a list without a name"),
        pytest.param(b"* 1 FETCH (BODY[] {1}\r\na) BODY[] {1}\r\nb", [b"a"], id="behind the end"),
        pytest.param(b"* 1 FETCH (BODY[X] {1}\r\na BODY[1 {1}\r\nb)", [], id="unknown sections"),
        pytest.param(b"* 1 FETCH (BODY[]", [], id="no end"),
    ],
)
def test_a_line(line, data):
    """Items are found where they stand and nowhere else."""
    assert [one.data for one in fetched(line)] == data


def test_several_messages():
    """They come in the order of the lines."""
    line = b"* 1 FETCH (BODY[] {1}\r\na)\r\n* 2 EXISTS\r\n* 2 FETCH (BODY[] {2}\r\nbc)"
    assert [one.data for one in fetched(line)] == [b"a", b"bc"]


def test_what_was_left_out_is_counted():
    """The size is what the server said."""
    made = greeted(Limits(reply=100))
    say(made, b"FETCH 1 X")
    (reply,) = read(made, b"* 1 FETCH (BODY[] {90}\r\n" + b"x" * 90 + b")\r\nA1 OK done\r\n")
    (one,) = made.fetched(reply)
    assert (one.size, one.is_whole, len(one.data)) == (90, False, 78)
    assert one.data is reply.literals[0].data


def test_a_protocol_without_messages():
    """Its replies hold none."""
    assert Smtp(Limits()).fetched(Reply("250", [b"* 1 FETCH (BODY[] NIL)"])) == []
    assert greeted().fetched(Reply("250", [b"* 1 FETCH (BODY[] NIL)", b""])) == []


@pytest.mark.parametrize("unit", [b"a[", b'"\\', b"(", b"{1} ", b'"x', b'a["', b"<1"], ids=repr)
def test_odd_data_takes_linear_time(unit):
    """Nothing is read twice."""
    reply = LineReply("OK", [b"* 1 FETCH (BODY[] " + unit * 300_000, b"done"], head_at=-1)
    began = time.process_time()
    read_fetched(reply)
    assert time.process_time() - began < 2


@given(
    st.lists(st.sampled_from([b"BODY[", b"]", b"(", b")", b" ", b'"', b"\\", b"{3}", b"NIL", b"<0>", b"\xff"])).map(
        b"".join
    )
)
def test_any_data_is_read(data):
    """Nothing raises, and without a literal nothing is made up."""
    reply = LineReply("OK", [b"* 1 FETCH (" + data, b"done"], head_at=-1)
    assert all(len(one.data) <= len(data) for one in read_fetched(reply))
