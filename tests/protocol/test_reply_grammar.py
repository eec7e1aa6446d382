"""What is a reply and what is none, in whatever pieces it comes, and how much of it is allowed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import Limits, Malformed, Reply
from runner.protocol.lmtp import Lmtp
from runner.protocol.smtp import Smtp
from tests.protocol.feeding import LIMITS, bytewise, cut, machine, owed, read, reply_to

SMALL = Limits(line=40, reply=90, lines=6)
NOT_A_CODE = "not a reply: three digits from 200 to 599 are due (RFC 5321 section 4.2)"
NO_SEPARATOR = "not a reply: a blank or a hyphen is due after the code (RFC 5321 section 4.2)"
BARE_LF = "a line that ends with a bare LF (RFC 5321 section 2.3.8)"
BARE_CR = "a bare CR inside a line (RFC 5321 section 2.3.8)"

CODES = st.integers(200, 599).map(str)
TEXTS = st.binary(max_size=12).filter(lambda text: b"\r" not in text and b"\n" not in text)
REPLIES = st.tuples(CODES, st.lists(TEXTS, min_size=1, max_size=5))
# Near enough to replies that both outcomes are common.
WIRE = st.lists(
    st.sampled_from([b"250", b"250-", b"250 ", b"354 go", b"2", b"5", b"0", b"-", b" ", b"\r\n", b"\n", b"\r", b"x"])
    | st.binary(max_size=3),
    max_size=24,
).map(b"".join)


def written(code: str, lines: list[bytes]) -> bytes:
    """Return a reply as a server writes it."""
    last = len(lines) - 1
    return b"".join(
        code.encode() + (b" " if number == last else b"-") + text + b"\r\n" for number, text in enumerate(lines)
    )


@pytest.mark.parametrize(
    ("data", "code", "lines"),
    [
        pytest.param(b"250 Ok\r\n", "250", [b"Ok"], id="one line"),
        pytest.param(b"250\r\n", "250", [b""], id="a code alone"),
        pytest.param(b"250 \r\n", "250", [b""], id="a code and a blank"),
        pytest.param(b"250  two\r\n", "250", [b" two"], id="one blank is the separator"),
        pytest.param(b"250-a\r\n250 b\r\n", "250", [b"a", b"b"], id="two lines"),
        pytest.param(b"250-a\r\n250\r\n", "250", [b"a", b""], id="a last line without text"),
        pytest.param(b"250-\r\n250-\r\n250 -\r\n", "250", [b"", b"", b"-"], id="empty lines"),
        pytest.param(b"200 a\r\n", "200", [b"a"], id="the least code"),
        pytest.param(b"599 a\r\n", "599", [b"a"], id="the greatest code"),
        pytest.param(b"250 \x00\x1b[2J\xff\r\n", "250", [b"\x00\x1b[2J\xff"], id="any byte in a text"),
        pytest.param(b"250 250-x\r\n", "250", [b"250-x"], id="a text that looks like a line"),
    ],
)
def test_a_reply(data, code, lines):
    """Code, separator and text as RFC 5321 section 4.2 has them; `NNN` alone is a last line."""
    made = machine()
    made.sent(b"NOOP\r\n")
    reply = reply_to(made, data)
    assert (reply.code, reply.lines, str(reply.owed)) == (code, lines, "NOOP")
    assert made.next() is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"25 Ok\r\n", NOT_A_CODE, id="two digits"),
        pytest.param(b"2500 Ok\r\n", NO_SEPARATOR, id="four digits"),
        pytest.param(b"199 Ok\r\n", NOT_A_CODE, id="class 1"),
        pytest.param(b"650 Ok\r\n", NOT_A_CODE, id="class 6"),
        pytest.param(b"2x0 Ok\r\n", NOT_A_CODE, id="a letter"),
        pytest.param(b" 250 Ok\r\n", NOT_A_CODE, id="a blank in front"),
        pytest.param("\uff12\uff15\uff10 Ok\r\n".encode(), NOT_A_CODE, id="digits that are not ASCII"),
        pytest.param(b"\r\n", NOT_A_CODE, id="an empty line"),
        pytest.param(b"+OK\r\n", NOT_A_CODE, id="another protocol"),
        pytest.param(b"250Ok\r\n", NO_SEPARATOR, id="no separator"),
        pytest.param(b"250\tOk\r\n", NO_SEPARATOR, id="a tab"),
        pytest.param(b"250_Ok\r\n", NO_SEPARATOR, id="another sign"),
        pytest.param(b"250 Ok\n", BARE_LF, id="a bare LF"),
        pytest.param(b"\n", BARE_LF, id="a bare LF alone"),
        pytest.param(b"250 O\rk\r\n", BARE_CR, id="a bare CR"),
        pytest.param(b"250 Ok\r\r\n", BARE_CR, id="two CRs at the end"),
        pytest.param(b"250 O\rk\n", BARE_LF, id="both"),
    ],
)
def test_what_is_no_reply(data, reason):
    """It is refused by name, quoted, with what it came in place of, and nothing after it is read."""
    made = machine()
    made.sent(b"NOOP\r\n")
    (event,) = read(made, data + b"250 Ok\r\n")
    assert isinstance(event, Malformed)
    assert (event.reason, str(event.owed)) == (reason, "NOOP")
    assert data.startswith(event.raw)
    assert read(made, b"250 Ok\r\n") == []
    assert made.pending == b""


def test_lines_of_one_reply_carry_one_code():
    """A reply that changes its code on the way is named with both."""
    (event,) = read(machine(), b"250-a\r\n250-b\r\n550 c\r\n")
    assert event == Malformed(b"550 c", "a reply whose lines carry different codes, 250 and 550")


@pytest.mark.parametrize(
    ("data", "texts", "count"),
    [
        pytest.param(b"250 Ok\n", [b"Ok"], 1, id="a bare LF ends a line"),
        pytest.param(b"250\n", [b""], 1, id="a code alone"),
        pytest.param(b"250-a\n250 b\r\n", [b"a", b"b"], 1, id="mixed"),
        pytest.param(b"250 O\rk\r\n", [b"O\rk"], 1, id="a CR inside is text"),
        pytest.param(b"250 Ok\r\r\n", [b"Ok"], 1, id="CRs before the LF belong to the end"),
        pytest.param(b"250 Ok \t\n", [b"Ok \t"], 1, id="blanks at the end are text"),
        pytest.param(b"250\r\r\n", [b""], 1, id="also where no text is"),
        pytest.param(b"250 Ok\r\n", [b"Ok"], 0, id="nothing odd"),
    ],
)
def test_a_lenient_reader_takes_odd_line_ends(data, texts, count):
    """With `lenient` the LF alone ends a line; every line that is odd is counted."""
    made = machine(lenient=True)
    assert reply_to(made, data).lines == texts
    assert made.lenient_line_ends == count


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"250 2.1.0 Ok\r\n", "2.1.0", id="usual"),
        pytest.param(b"250 2.1.0\r\n", "2.1.0", id="nothing after it"),
        pytest.param(b"450-4.7.111 a\r\n450 4.7.111 b\r\n", "4.7.111", id="several lines"),
        pytest.param(b"550 5.123.456 x\r\n", "5.123.456", id="three digits"),
        pytest.param(b"550 5.1234.1 x\r\n", "", id="four digits"),
        pytest.param(b"250 5.1.0 Ok\r\n", "", id="another class"),
        pytest.param(b"334 3.1.0 x\r\n", "", id="a class that has none"),
        pytest.param(b"250 2.1.0Ok\r\n", "", id="glued to the text"),
        pytest.param(b"250 2.1 Ok\r\n", "", id="two parts"),
        pytest.param(b"250 Ok 2.1.0\r\n", "", id="not in front"),
        pytest.param(b"250\r\n", "", id="no text"),
    ],
)
def test_the_enhanced_status_code(data, status):
    """It begins the text, ends with a blank or the line, and is of the code's class (RFC 2034 section 4)."""
    assert reply_to(machine(), data).enhanced == status


# Pieces.


@settings(deadline=None)
@given(st.lists(REPLIES, min_size=1, max_size=4), st.data())
def test_a_valid_reply_comes_back_as_it_is(replies, data):
    """Written and read, in any pieces, replies give themselves (property 3)."""
    wire = b"".join(written(code, lines) for code, lines in replies)
    places = data.draw(st.lists(st.integers(0, len(wire)), max_size=6))
    events = read(machine(), *cut(wire, *places))
    assert [(event.code, event.lines) for event in events] == replies


@given(CODES, CODES, st.lists(TEXTS, min_size=2, max_size=4), st.data())
def test_another_code_in_one_line_is_never_read_as_a_reply(code, other, lines, data):
    """Changing the code of one line always gives an error (property 3)."""
    if code == other:
        other = "421" if code != "421" else "250"
    changed = data.draw(st.integers(0, len(lines) - 1))
    wire = bytearray(written(code, lines))
    at = sum(len(text) + 6 for text in lines[:changed])
    wire[at : at + 3] = other.encode()
    (event,) = read(machine(), bytes(wire))
    assert isinstance(event, Malformed)
    assert event.reason.startswith("a reply whose lines carry different codes")


@settings(deadline=None)
@given(WIRE, st.booleans(), st.data())
def test_events_do_not_depend_on_pieces(wire, lenient, data):
    """All at once, byte by byte and cut anywhere, any bytes give the same events (properties 1 and 2)."""
    whole = machine(SMALL, lenient=lenient)
    expected = read(whole, wire)
    places = data.draw(st.lists(st.integers(0, len(wire)), max_size=6))
    for pieces in (bytewise(wire), cut(wire, *places)):
        made = machine(SMALL, lenient=lenient)
        assert read(made, *pieces) == expected
        assert (made.pending, made.lenient_line_ends) == (whole.pending, whole.lenient_line_ends)


@pytest.mark.parametrize("kind", [Smtp, Lmtp], ids=["smtp", "lmtp"])
def test_a_conversation_cut_at_each_place(kind):
    """Greeting, a reply of several lines, an error at last: cut at each place the events are the same."""
    wire = b"220-mx\r\n220 hi\r\n250-a\r\n250-b\r\n250 2.1.0 c\r\n354 go\r\n25x bad\r\n"
    expected = read(machine(kind=kind), wire)
    assert [str(event)[:3] for event in expected[:-1]] == ["220", "250", "354"]
    for place in range(len(wire) + 1):
        assert read(machine(kind=kind), *cut(wire, place)) == expected


def test_what_came_of_an_unfinished_reply_is_pending():
    """Whole lines count too: nothing that waits before a TLS handshake may go unseen."""
    made = machine()
    assert read(made, b"250-one\r\n250-two\r\n25") == []
    assert made.pending == b"250-one\r\n250-two\r\n25"
    assert reply_to(made, b"0 three\r\n").lines == [b"one", b"two", b"three"]
    assert made.pending == b""


def test_replies_that_nobody_took_are_pending():
    """Bytes are pending until `next` gives them out."""
    made = machine()
    made.receive(b"250 a\r\n250 b\r\n")
    assert made.pending == b"250 a\r\n250 b\r\n"
    assert made.next() == Reply("250", [b"a"])
    assert made.pending == b"250 b\r\n"


# Limits.


@pytest.mark.parametrize(
    ("limits", "good", "bad", "reason"),
    [
        pytest.param(
            Limits(line=12),
            b"250 123456\r\n",
            b"250 1234567\r\n",
            "a line of more than 12 bytes (limit 'line')",
            id="line, its end included",
        ),
        pytest.param(
            Limits(reply=20),
            b"250-123456\r\n250 123456\r\n",
            b"250-123456\r\n250 1234567\r\n",
            "a reply of more than 20 bytes (limit 'reply')",
            id="reply",
        ),
        pytest.param(
            Limits(reply=9),
            b"250 12345\r\n",
            b"250 123456\r\n",
            "a reply of more than 9 bytes (limit 'reply')",
            id="one",
        ),
        pytest.param(
            Limits(lines=2),
            b"250-\r\n250 \r\n",
            b"250-\r\n250-\r\n250 \r\n",
            "a reply of more than 2 lines",
            id="lines",
        ),
    ],
)
def test_limits(limits, good, bad, reason):
    """What is as long as allowed passes; one more is refused, in any pieces, and names the limit."""
    assert isinstance(read(machine(limits), good)[0], Reply)
    (event,) = read(machine(limits), bad + b"250 what follows is not quoted\r\n")
    assert event.reason == reason
    assert read(machine(limits), *bytewise(bad)) == [event]


def test_a_refused_line_is_quoted_in_part():
    """Of a line without end the first 512 bytes are kept."""
    (event,) = read(machine(), b"250 " + b"x" * 100_000)
    assert event.raw == b"250 " + b"x" * 508


class Counting(bytearray):
    """A buffer that counts how many bytes were looked at."""

    looked = 0

    def find(self, sub, start=0):
        """Find, and count."""
        end = super().find(sub, start)
        self.looked += (end if end >= 0 else len(self)) - start
        return end


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"2" * 70_000, id="a line without end"),
        pytest.param(b"250-\r\n" * 12_000, id="a reply without end"),
        pytest.param(b"250 " + b"x" * 60_000 + b"\r\n250 b\r\n", id="a long line"),
    ],
)
def test_reading_is_linear(wire):
    """Byte by byte no byte is looked at twice, and no more is held than a line and one read."""
    made = machine()
    made._buffer = counting = Counting()
    held = 0
    for piece in bytewise(wire):
        made.receive(piece)
        held = max(held, len(counting))
        while made.next() is not None:
            pass
    assert counting.looked <= len(wire)
    assert held <= LIMITS.line + 1


def test_a_buffer_is_bounded_while_nothing_is_read():
    """A server that floods where nobody waits is stopped at the reply limit and one read, and told so."""
    made = machine(Limits(line=100, reply=1000))
    held = []
    for _ in range(50):
        made.receive(b"250 flooding\r\n" * 30)
        held.append(len(made.pending))
    assert max(held) == 3 * 420
    event = made.next()
    assert event.reason == "more than 1000 bytes that nothing waited for (limit 'reply')"
    assert event.raw.startswith(b"250 flooding\r\n")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"250-x\r\n", b"250 y\r\n"]), max_size=40))
def test_no_bytes_raise_and_the_buffer_is_bounded(pieces):
    """For any bytes there is a reply, a named error or nothing yet; the buffer never outgrows its limit (property 1)."""
    made = machine(SMALL)
    for piece in pieces:
        made.receive(piece)
        assert len(made._buffer) <= SMALL.line + len(piece)
        while (event := made.next()) is not None:
            assert isinstance(event, Reply) or event.reason
        assert len(made.pending) <= SMALL.reply + SMALL.lines * 6 + SMALL.line


def test_the_greeting_is_owed_first():
    """An opened connection owes its greeting, whatever its code; before that nothing is known."""
    made = Smtp(LIMITS)
    made.opened()
    assert (owed(made), made.greeted, made.may_say_goodbye) == (["greeting"], False, False)
    assert str(reply_to(made, b"554 go away\r\n").owed) == "greeting"
    assert (owed(made), made.greeted, made.may_say_goodbye) == ([], True, True)


def test_a_reply_that_nothing_asked_for_answers_nothing():
    """What is not owed says so."""
    assert reply_to(machine(), b"421 timeout\r\n").owed is None
