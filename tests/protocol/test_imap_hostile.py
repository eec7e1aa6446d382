"""IMAP servers that break the rules: a clear reason, bounded memory, and nothing read after it."""

import time
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import Limits, Malformed, Reply
from runner.protocol.imap import Imap
from tests.protocol.feeding import LIMITS, bytewise, read
from tests.protocol.imap_dialogue import greeted, say, told, ways_to_cut

SMALL = Limits(line=60, reply=200, lines=6, literal=500)

BROKEN = [
    pytest.param(b"+ go\r\n", "a '+' that nothing asked for (RFC 9051 section 7.6)", id="a request for nothing"),
    pytest.param(b"+go\r\n", "not a response: a blank is due after '+' (RFC 9051 section 7.6)", id="a plus, no blank"),
    pytest.param(
        b"A9 OK\r\n", "a tag that no command waits for, the next is A1 (RFC 9051 section 2.2.2)", id="a wrong tag"
    ),
    pytest.param(
        b"a1 OK\r\n", "a tag that no command waits for, the next is A1 (RFC 9051 section 2.2.2)", id="the other case"
    ),
    pytest.param(
        b"A1 BYE\r\n", "no completion: OK, NO or BAD is due after a tag (RFC 9051 section 7.1)", id="a tagged BYE"
    ),
    pytest.param(b"A1\r\n", "no completion: OK, NO or BAD is due after a tag (RFC 9051 section 7.1)", id="a tag alone"),
    pytest.param(
        b"A1 OKAY\r\n", "no completion: OK, NO or BAD is due after a tag (RFC 9051 section 7.1)", id="no status word"
    ),
    pytest.param(
        b"250 mx\r\n", "not a response: '* ', '+' or a command's tag is due (RFC 9051 section 2.2.2)", id="SMTP"
    ),
    pytest.param(
        b"*OK\r\n",
        "not a response: '* ', '+' or a command's tag is due (RFC 9051 section 2.2.2)",
        id="a star, no blank",
    ),
    pytest.param(b"\r\n", "not a response: '* ', '+' or a command's tag is due (RFC 9051 section 2.2.2)", id="empty"),
    pytest.param(
        b"(x OK\r\n", "not a response: '* ', '+' or a command's tag is due (RFC 9051 section 2.2.2)", id="no tag at all"
    ),
    pytest.param(b"* \r\n", "not a response: data is due after '* ' (RFC 9051 section 2.2.2)", id="no data"),
    pytest.param(
        b"* X {4294967295}\r\n", "a literal of more than 67108864 octets (limit 'literal')", id="a huge literal"
    ),
    pytest.param(
        b"* X {" + b"9" * 20 + b"}\r\n", "a literal of more than 67108864 octets (limit 'literal')", id="20 digits"
    ),
    pytest.param(
        b"* X {" + b"1" * 23 + b"}\r\n", "a literal of more than 67108864 octets (limit 'literal')", id="23 digits"
    ),
    pytest.param(b"* X {-1}\r\n", "a literal whose size is no number of octets (RFC 9051 section 4.3)", id="minus one"),
    pytest.param(b"* X ({abc}\r\n", "a literal whose size is no number of octets (RFC 9051 section 4.3)", id="letters"),
    pytest.param(b"* X {}\r\n", "a literal whose size is no number of octets (RFC 9051 section 4.3)", id="no size"),
    pytest.param(b"* 1 EXISTS\n", "a line that ends with a bare LF (RFC 9051 section 2.2)", id="a bare LF"),
    pytest.param(b"* 1\rEXISTS\r\n", "a bare CR inside a line (RFC 9051 section 2.2)", id="a bare CR"),
]


@pytest.mark.parametrize(("answer", "reason"), BROKEN)
def test_what_is_no_response(answer, reason):
    """It is told with the bytes, wherever they are cut, and nothing after it is read."""
    for pieces in ways_to_cut(answer):
        made = greeted()
        say(made, b"NOOP")
        (event,) = read(made, *pieces, b"A1 OK\r\n")
        assert isinstance(event, Malformed)
        assert event.reason == reason
        assert event.raw == answer[: len(event.raw)]
        assert str(event.owed) == "NOOP"
        assert not made.may_say_goodbye


@pytest.mark.parametrize(
    "line",
    [
        b"* CAPABILITY X",
        b"OK hi",
        b"* NO hi",
        b"* BAD hi",
        b"* OKAY",
        b"+OK",
        b"220 mx ESMTP",
        b"A1 OK",
        b"*",
        b"* X {5}",
    ],
)
def test_what_is_no_greeting(line):
    """Only OK, PREAUTH and BYE begin a session (RFC 9051 section 7.1)."""
    made = Imap(LIMITS)
    made.opened()
    (event,) = read(made, line + b"\r\n")
    assert event.reason == "not a greeting: '* OK', '* PREAUTH' or '* BYE' is due (RFC 9051 section 7.1)"
    assert not made.greeted


def test_a_lenient_reader_takes_bare_line_ends():
    """They are counted; literals keep theirs."""
    made = greeted(lenient=True)
    say(made, b"NOOP")
    (reply,) = read(made, b"* 1 FETCH (X {2}\n\r\n)\nA1 OK\r\r\n")
    assert (told(reply), reply.literals[0].data) == ("NOOP: * 1 FETCH (X {2})\nOK", b"\r\n")
    assert made.lenient_line_ends == 3


# Limits.


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"* x\r\n" * 7, "more than 6 untagged lines, with no tagged one between them", id="lines"),
        pytest.param(b"* " + b"x" * 48 + b"\r\n", None, id="a long line"),
        pytest.param(b"* " + b"x" * 60 + b"\r\n", "a line of more than 60 bytes (limit 'line')", id="a line"),
        pytest.param((b"* " + b"x" * 46 + b"\r\n") * 4, None, id="all the bytes there may be"),
        pytest.param((b"* " + b"x" * 48 + b"\r\n") * 5, "a reply of more than 200 bytes (limit 'reply')", id="bytes"),
        pytest.param(b"* x" + b" {0}\r\n" * 6 + b"\r\n", None, id="all the literals there may be"),
        pytest.param(b"* x" + b" {0}\r\n" * 7 + b"\r\n", "a reply of more than 6 literals", id="literals"),
        pytest.param(b"* {501}\r\n", "a literal of more than 500 octets (limit 'literal')", id="a literal"),
        pytest.param(b"* {500}\r\n" + b"x" * 500 + b")\r\n", None, id="all the octets there may be"),
    ],
)
def test_a_limit(answer, reason):
    """What is more than allowed is told with the limit's name; room is given back with each reply."""
    made = greeted(SMALL)
    for round_ in range(1, 4):
        say(made, b"NOOP")
        events = read(made, answer, b"A%d OK\r\n" % round_)
        if reason is not None:
            assert [event.reason for event in events] == [reason]
            return
        assert [event.code for event in events] == ["OK"]


def test_room_that_a_step_gives_back():
    """What has been read is not counted."""
    made = greeted(SMALL)
    for _ in range(20):
        assert read(made, b"* 1 FETCH (X {90}\r\n" + b"x" * 90 + b")\r\n", b"* x\r\n" * 5) == []
        made.drop_untagged(6)
    read(made, b"* 1 FETCH (X {90}\r\n" + b"x" * 90 + b")\r\n")
    say(made, b"NOOP")
    (reply,) = read(made, b"A1 OK\r\n")
    assert reply.literals[0].is_whole


def test_literals_are_kept_up_to_the_limit():
    """What is more is counted; lines have room all the same."""
    made = greeted(SMALL)
    say(made, b"FETCH 1:3 BODY[]")
    answer = b"".join(
        b"* %d FETCH (X {%d}\r\n%b)\r\n" % (at, size, b"x" * size) for at, size in ((1, 150), (2, 90), (3, 9))
    )
    (reply,) = read(made, answer, b"A1 OK done\r\n")
    assert [(one.size, one.is_whole) for one in reply.literals] == [(150, True), (90, False), (9, False)]
    assert sum(len(one.data) for one in reply.literals) <= SMALL.reply
    assert reply.lines[-1] == b"done"


def test_a_literal_that_never_ends():
    """It is counted and not kept; at the end of the connection its line is what is pending."""
    made = greeted(SMALL)
    say(made, b"FETCH 1 BODY[]")
    assert read(made, b"* 1 FETCH (BODY[] {500}\r\n", *[b"x" * 9] * 50) == []
    assert made.pending == b"* 1 FETCH (BODY[] {500}"


def test_replies_that_are_held_are_bounded():
    """Completions out of order have together no more room than one reply."""
    made = greeted(SMALL)
    say(made, *[b"NOOP"] * 4)
    line = b"* " + b"x" * 40 + b"\r\n"
    (event,) = read(made, *(line * 2 + b"A%d OK\r\n" % at for at in range(2, 5)))
    assert event.reason == "more than 200 bytes of replies that came before an earlier one (limit 'reply')"


FLOODS = [
    pytest.param(b"* 1 EXISTS\r\n", 100_000, "more than 10000 untagged lines", id="untagged lines"),
    pytest.param(b"* 1 FETCH (X {0}\r\n Y {0}\r\n)\r\n", 50_000, "a reply of more than 10000 literals", id="literals"),
    pytest.param(
        b"* " + b"x" * 60_000 + b"\r\n", 100, "a reply of more than 1048576 bytes (limit 'reply')", id="long lines"
    ),
    pytest.param(b"* X {60000000}\r\n" + b"y" * 60_000, 990, None, id="a literal"),
    pytest.param(b" {0}\r\n", 100_000, "not a response", id="literals without a line"),
]


@pytest.mark.parametrize(("piece", "times", "reason"), FLOODS)
def test_a_flood(piece, times, reason):
    """It ends in a clear reason and takes little room."""
    made = greeted()
    say(made, b"NOOP")
    tracemalloc.start()
    events = [event for _ in range(times) for event in read(made, piece)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [event.reason.startswith(reason) for event in events] == ([True] if reason else [])
    assert peak < 6_000_000


def test_a_line_of_many_literals_is_read_once():
    """Its parts are joined at its end."""
    limits = Limits(lines=40_000)
    made = greeted(limits)
    say(made, b"NOOP")
    began = time.process_time()
    (reply,) = read(made, b"* x" + b" {1}\r\nx" * 40_000 + b"\r\n", b"A1 OK\r\n")
    assert len(reply.literals) == 40_000
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 9_999, id="lines"),
        pytest.param(b"* 1 FETCH (BODY[] {300000}\r\n" + b"x" * 300_000 + b")\r\n", id="a literal"),
        pytest.param(b"* 1 FETCH (BODY[] {3}\r\nxyz)\r\n" * 9_000, id="literals"),
    ],
)
def test_a_reply_byte_by_byte(data):
    """The time is linear in the size, and opening it is, too."""
    made = greeted()
    say(made, b"NOOP")
    began = time.process_time()
    (reply,) = read(made, *bytewise(data), b"A1 OK\r\n")
    assert len(reply.untagged) == data.count(b"FETCH")
    assert time.process_time() - began < 5


# Properties (for any bytes and any way to cut them).

WORDS = [
    b"* ", b"+ ", b"+", b"A1 ", b"A2 ", b"A3 ", b"OK", b"NO ", b"BAD", b"BYE", b"PREAUTH", b" [CAPABILITY X=Y] ", b' [A "]" b] ',
    b"CAPABILITY A B", b"1 FETCH (BODY[] ", b"{0}\r\n", b"{3}\r\n", b"{3+}\r\n", b"{600}\r\n", b"{-1}", b"\r\n", b"\r\n", b"\n", b"\r",
    b"x", b"x" * 30, b"(", b")", b'"', b"\\", b"\xff", b"\x00",
]  # fmt: skip
ANSWERS = [
    b"* 1 EXISTS\r\n", b"* 1 FETCH (BODY[] {3}\r\nabc X {0}\r\n)\r\n", b"* X {300}\r\n", b"* OK [CAPABILITY X] y\r\n",
    b"+ abc\r\n", b"+\r\n", b"A1 OK\r\n", b"A2 NO [X] y\r\n", b"A3 BAD\r\n", b"A4 OK\r\n", b"* BYE\r\n", b"* BAD\r\n",
]  # fmt: skip
SERVER = st.one_of(
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=30).map(b"".join),
    st.lists(st.sampled_from(ANSWERS) | st.sampled_from(WORDS), max_size=12).map(b"".join),
    st.lists(st.sampled_from(ANSWERS), max_size=12).map(b"".join),
)
LINES = st.lists(
    st.sampled_from(
        [b"NOOP", b"IDLE", b"DONE", b"AUTHENTICATE PLAIN", b"abc", b"*", b"APPEND x {3}", b"abc", b"APPEND x {3+}", b"",
         b"LOGOUT", b"XTALK", b"FETCH 1 BODY[]"]
    ),
    max_size=5,
)  # fmt: skip


def events_of(lines, pieces):
    made = Imap(SMALL)
    made.opened()
    events = read(made, b"* OK hi\r\n")
    say(made, *lines)
    for piece in pieces:
        events += read(made, piece)
        assert len(made.pending) <= SMALL.reply + SMALL.line + 30
        assert len(made.untagged()) <= SMALL.lines
    for event in events:
        if isinstance(event, Reply):
            assert (len(event.searched), len(made.fetched(event))) >= (1, 0)
    return events


@settings(max_examples=150, deadline=None)
@given(LINES, SERVER, st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_give_the_same_events_in_any_pieces(lines, data, places):
    """A reply, nothing yet, or a named error; never an exception, never another for another cut."""
    whole = events_of(lines, [data])
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    assert events_of(lines, [data[start:end] for start, end in pairwise(edges)]) == whole
    assert events_of(lines, bytewise(data)) == whole
    assert all(isinstance(event, Reply) for event in whole[:-1])


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=4), st.lists(SERVER, max_size=4), st.integers(0, 3))
def test_any_conversation_is_followed(turns, answers, replies):
    """Whatever is said in whatever order, owed replies and commands stay in step."""
    made = Imap(SMALL)
    made.opened()
    read(made, b"* OK hi\r\n")
    for at, lines in enumerate(turns):
        counted = len(made.owed)
        say(made, *lines)
        if at == replies:
            made.owe(replies, counted)
        if at < len(answers):
            read(made, answers[at])
        assert len(made._queue) == len(made.owed)
        assert all(one.owed is owed for one, owed in zip(made._queue, made.owed, strict=True))
        assert not (made.may_say_goodbye and made.owed)


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.encode)
DATA = st.one_of(
    TEXT.map(lambda text: (b"* 1 X " + text.replace(b"}", b""), ())),
    st.binary(max_size=40).map(lambda octets: (b"* 1 FETCH (BODY[] {%d})" % len(octets), (octets,))),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(DATA, max_size=4), st.sampled_from([b"OK", b"NO", b"BAD"]), TEXT)
def test_a_valid_reply_gives_itself(data, code, text):
    """Lines and literals come out as they went in."""
    written = b"".join(
        line.replace(b"})", b"}\r\n" + octets[0] + b")") + b"\r\n" if octets else line + b"\r\n"
        for line, octets in data
    )
    made = greeted()
    say(made, b"NOOP")
    (reply,) = read(made, written, b"A1 " + code + b" " + text + b"\r\n")
    assert (reply.code.encode(), reply.lines) == (code, [*(line for line, _ in data), text])
    assert [one.data for one in reply.literals] == [octets for _, pair in data for octets in pair]
