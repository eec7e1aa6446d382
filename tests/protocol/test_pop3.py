"""POP3: what is a reply, which have more lines, messages as they stream, and what is owed for what was sent."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import PROTOCOLS, Limits, Malformed, Owed, Reply
from runner.protocol.base import LineReply
from runner.protocol.pop3 import Pop3, apop
from tests.protocol.feeding import LIMITS, bytewise, cut, owed, read, reply_to, write

SMALL = Limits(line=40, reply=60, lines=4, literal=100)
GREETING = b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"
NOT_A_REPLY = "not a reply: '+OK' or '-ERR' is due, in upper case, then a blank or the line's end (RFC 1939 section 3)"
STRAY = "a '+' where no AUTH exchange is open (RFC 5034 section 4)"
STRAY_STATUS = "a status line inside a listing (RFC 1939 section 3)"
BARE_LF = "a line that ends with a bare LF (RFC 1939 section 3)"
BARE_CR = "a bare CR inside a line (RFC 1939 section 3)"


def greeted(*commands: bytes, limits: Limits = LIMITS, lenient: bool = False) -> Pop3:
    """Return a machine that was greeted and has sent these commands."""
    made = Pop3(limits, lenient=lenient)
    made.opened()
    assert isinstance(reply_to(made, b"+OK\r\n"), Reply)
    for command in commands:
        made.sent(command + b"\r\n")
    return made


def message_of(reply: Reply) -> tuple[int, bytes]:
    """Return size and kept octets of the one message in a reply."""
    assert isinstance(reply, LineReply)
    (literal,) = reply.literals
    return literal.size, literal.data


def test_it_is_registered():
    """Its name is what `protocol` says."""
    assert PROTOCOLS["pop3"] is Pop3


# Status lines.


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        pytest.param(b"+OK dewey POP3 server ready\r\n", "+OK", b"dewey POP3 server ready", id="usual"),
        pytest.param(b"-ERR no such message\r\n", "-ERR", b"no such message", id="a refusal"),
        pytest.param(b"+OK\r\n", "+OK", b"", id="alone"),
        pytest.param(b"-ERR \r\n", "-ERR", b"", id="with a blank"),
        pytest.param(b"+OK  two\r\n", "+OK", b" two", id="one blank is the separator"),
        pytest.param(b"+OK .\r\n", "+OK", b".", id="a dot is text"),
        pytest.param(b"-ERR \x00\x1b[2J\xff\r\n", "-ERR", b"\x00\x1b[2J\xff", id="any byte"),
    ],
)
def test_a_status_line(data, code, text):
    """Code and text as RFC 1939 section 3 has them; nothing follows what asks for no more."""
    reply = reply_to(greeted(b"NOOP"), data)
    assert (reply.code, reply.lines, str(reply.owed)) == (code, [text], "NOOP")
    assert (reply.head_at, reply.literals, reply.is_challenge) == (0, (), False)
    assert Pop3.is_refusal(reply) == (code == "-ERR")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"+ok\r\n", NOT_A_REPLY, id="lower case"),
        pytest.param(b"+OKAY\r\n", NOT_A_REPLY, id="a longer word"),
        pytest.param(b"+OK\tx\r\n", NOT_A_REPLY, id="a tab"),
        pytest.param(b" +OK\r\n", NOT_A_REPLY, id="a blank in front"),
        pytest.param(b"-ERROR\r\n", NOT_A_REPLY, id="-ERROR"),
        pytest.param(b"OK\r\n", NOT_A_REPLY, id="without its sign"),
        pytest.param(b"* OK ready\r\n", NOT_A_REPLY, id="IMAP"),
        pytest.param(b"220 mx\r\n", NOT_A_REPLY, id="SMTP"),
        pytest.param(b"\r\n", NOT_A_REPLY, id="an empty line"),
        pytest.param(b".\r\n", NOT_A_REPLY, id="a lone dot"),
        pytest.param(b"++\r\n", NOT_A_REPLY, id="two signs"),
        pytest.param(b"+\r\n", STRAY, id="a challenge"),
        pytest.param(b"+ YQ==\r\n", STRAY, id="a challenge with text"),
        pytest.param(b"+OK x\n", BARE_LF, id="a bare LF"),
        pytest.param(b"+OK x\ry\r\n", BARE_CR, id="a bare CR"),
        pytest.param(b"+OK x\r\r\n", BARE_CR, id="two CRs"),
    ],
)
def test_what_is_no_reply(data, reason):
    """It is refused by name, quoted, with what it came in place of, and nothing after it is read."""
    made = greeted(b"NOOP")
    (event,) = read(made, data + b"+OK\r\n")
    assert isinstance(event, Malformed)
    assert (event.reason, str(event.owed)) == (reason, "NOOP")
    assert data.startswith(event.raw)
    assert read(made, b"+OK\r\n") == []
    assert (made.pending, made.is_amid_reply, made.may_say_goodbye) == (b"", False, False)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(b"[IN-USE] Do you have another POP session running?", "[IN-USE]", id="RFC 2449"),
        pytest.param(b"[LOGIN-DELAY] minimum time", "[LOGIN-DELAY]", id="the other one"),
        pytest.param(b"[AUTH] Authentication failed", "[AUTH]", id="RFC 3206"),
        pytest.param(b"[SYS/TEMP] later", "[SYS/TEMP]", id="levels"),
        pytest.param(b"[UTF8]", "[UTF8]", id="RFC 6856, alone"),
        pytest.param(b"[AUTH]no", "[AUTH]", id="no blank is due after it (RFC 2449 section 3)"),
        pytest.param(b"[A b] c", "[A b]", id="a blank inside"),
        pytest.param(b"x [AUTH] y", "", id="not in front"),
        pytest.param(b" [AUTH] y", "", id="behind a blank"),
        pytest.param(b"[AUTH", "", id="not closed"),
        pytest.param(b"[] x", "", id="empty"),
        pytest.param(b"[ A] x", "", id="a blank in front of it"),
        pytest.param(b"[A[B]] x", "", id="brackets in it"),
    ],
)
def test_the_response_code(text, code):
    """It begins the text, in brackets, whatever the code; its grammar is that of expectations."""
    for status in (b"+OK ", b"-ERR "):
        reply = reply_to(greeted(b"PASS x"), status + text + b"\r\n")
        assert reply.enhanced == code
        assert reply.said == text.decode()[len(code) :].lstrip(" ") or not code
    assert bool(Pop3.status_grammar.fullmatch(code)) == bool(code)


def test_hostile_bytes_in_a_response_code_are_shown():
    """What is not UTF-8 comes as the text has it."""
    assert reply_to(greeted(b"NOOP"), b"-ERR [A\xff] x\r\n").enhanced == "[A\\xff]"


def test_the_grammar_of_codes():
    """Three codes, in upper case as servers must write them."""
    grammar = Pop3.code_grammar
    assert [grammar.match(text)[0] for text in ("+OK x", "-ERR [AUTH]", "+", "+ x")] == ["+OK", "-ERR", "+", "+"]
    assert [grammar.match(text) for text in ("OK", "-err", "250", "[AUTH]")] == [None] * 4
    assert [Pop3.status_like.match(text)[0] for text in ("[AUTH] x", "[AUTH x", "[]")] == ["[AUTH]", "[AUTH x", "[]"]
    assert Pop3.going_away_code not in {"+OK", "-ERR", "+", ""}


# Answers of several lines.

LIST = b"+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n"


@pytest.mark.parametrize(
    ("command", "is_listing"),
    [
        pytest.param(b"LIST", True, id="LIST"),
        pytest.param(b"list", True, id="in lower case"),
        pytest.param(b"LIST ", True, id="with a blank"),
        pytest.param(b"LIST 1", False, id="LIST of one"),
        pytest.param(b"UIDL", True, id="UIDL"),
        pytest.param(b"UIDL 1", False, id="UIDL of one"),
        pytest.param(b"CAPA", True, id="CAPA"),
        pytest.param(b"AUTH", True, id="AUTH alone"),
        pytest.param(b"AUTH PLAIN AGEAYg==", False, id="AUTH"),
        pytest.param(b"LANG", True, id="LANG"),
        pytest.param(b"LANG *", False, id="LANG of one"),
        pytest.param(b"STAT", False, id="STAT"),
        pytest.param(b"DELE 1", False, id="DELE"),
        pytest.param(b"UTF8", False, id="UTF8"),
        pytest.param(b"XTND", False, id="an unknown command"),
        pytest.param(b"", False, id="an empty line"),
    ],
)
def test_which_answers_have_several_lines(command, is_listing):
    """The command says it, and its argument; a refusal is always one line."""
    made = greeted(command)
    assert len(read(made, b"+OK\r\n")) == (not is_listing)
    assert made.is_amid_reply == made.has_half_line == is_listing
    made = greeted(command, b"NOOP")
    refusal, _ = read(made, b"-ERR [AUTH] no\r\n+OK\r\n")
    assert (refusal.code, refusal.lines, owed(made)) == ("-ERR", [b"[AUTH] no"], [])


def test_a_listing():
    """The status line and the others; the dot that ends them is none of them."""
    reply = reply_to(greeted(b"LIST"), LIST)
    assert (reply.code, str(reply.owed)) == ("+OK", "LIST")
    assert reply.lines == [b"2 messages (320 octets)", b"1 120", b"2 200"]
    assert str(reply) == "+OK 2 messages (320 octets)\n1 120\n2 200"
    assert reply.searched == ["+OK 2 messages (320 octets)", "1 120", "2 200"]


@pytest.mark.parametrize(
    ("wire", "lines"),
    [
        pytest.param(b".\r\n", [], id="none"),
        pytest.param(b"\r\n.\r\n", [b""], id="an empty one"),
        pytest.param(b"..\r\n.\r\n", [b"."], id="a dot"),
        pytest.param(b"...\r\n.\r\n", [b".."], id="two dots"),
        pytest.param(b".x\r\n.\r\n", [b"x"], id="a dot that need not be stuffed"),
        pytest.param(b"a.\r\n. \r\n.\r\n", [b"a.", b" "], id="dots elsewhere"),
        pytest.param(b"+OKAY\r\n+ x\r\n.\r\n", [b"+OKAY", b"+ x"], id="what looks like replies"),
    ],
)
def test_the_dots_of_a_listing(wire, lines):
    """A dot in front is taken off (RFC 1939 section 3)."""
    assert reply_to(greeted(b"UIDL"), b"+OK\r\n" + wire).lines == [b"", *lines]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param(b"+OK\r\n1 120\n.\r\n", BARE_LF, id="a bare LF"),
        pytest.param(b"+OK\r\n1\r120\r\n.\r\n", BARE_CR, id="a bare CR"),
    ],
)
def test_line_ends_of_a_listing_are_strict(wire, reason):
    """As of any line that is no message's."""
    (event,) = read(greeted(b"LIST"), wire)
    assert event.reason == reason


@pytest.mark.parametrize("wire", [b"+OK 2 messages\r\n1 120\r\n.\r\n", b"1 120\r\n-ERR\r\n"], ids=["ok", "err"])
def test_a_status_line_in_a_listing(wire):
    """A reply too many that is taken for the beginning of this one is told from the one that was due."""
    (event,) = read(greeted(b"LIST"), b"+OK\r\n" + wire)
    assert event.reason == STRAY_STATUS


def test_how_far_a_message_has_come():
    """Its octets are counted as they come, unstuffed, until its end is there."""
    made = greeted(b"RETR 1")
    assert (read(made, b"+OK\r\n..x\r\nab"), made.progress) == ([], "6 octets of a message")
    assert (len(read(made, b"\r\n.\r\n")), made.progress) == (1, "")


def test_a_lenient_reader_takes_odd_line_ends():
    """With `lenient` the LF alone ends a line; every line that is odd is counted."""
    made = greeted(b"LIST", lenient=True)
    assert reply_to(made, b"+OK\n1 120\r\r\n..\n.\n").lines == [b"", b"1 120", b"."]
    assert made.lenient_line_ends == 4


# Messages.

MESSAGES = [
    pytest.param(b".\r\n", b"", id="an empty one"),
    pytest.param(b"\r\n.\r\n", b"\r\n", id="an empty line"),
    pytest.param(b"a: b\r\n\r\nc\r\n.\r\n", b"a: b\r\n\r\nc\r\n", id="header and body"),
    pytest.param(b"..\r\n.\r\n", b".\r\n", id="a dot, the first"),
    pytest.param(b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n", id="a dot"),
    pytest.param(b"a\r\n....b\r\n.c\r\n.\r\n", b"a\r\n...b\r\nc\r\n", id="dots in front"),
    pytest.param(b"a.\r\n.\r\n", b"a.\r\n", id="a dot at a line's end"),
    pytest.param(b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", id="a dot between bare LFs"),
    pytest.param(b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", id="a dot between bare CRs"),
    pytest.param(b"a\n.\r\n.\r\n", b"a\n.\r\n", id="a dot behind a bare LF"),
    pytest.param(b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", id="a dot before a bare LF"),
    pytest.param(b"a\r\n.\r\r\n.\r\n", b"a\r\n\r\r\n", id="a dot before two CRs"),
    pytest.param(b"a\r\r\n.\r\n", b"a\r\r\n", id="two CRs"),
    pytest.param(b"\x00\xff" * 40 + b"\r\n.\r\n", b"\x00\xff" * 40 + b"\r\n", id="a line longer than lines may be"),
]


@pytest.mark.parametrize("command", [b"RETR 1", b"retr 1", b"TOP 1 10"], ids=repr)
@pytest.mark.parametrize(("wire", "data"), MESSAGES)
def test_a_message(command, wire, data):
    """What came between status line and dot, unstuffed; only CRLF ends a line; in any pieces."""
    wire = b"+OK 120 octets\r\n" + wire + b"+OK\r\n"
    for pieces in ([wire], bytewise(wire), *(cut(wire, place) for place in range(len(wire)))):
        made = greeted(command, b"NOOP", limits=Limits(line=40))
        reply, following = read(made, *pieces)
        assert (reply.code, reply.lines, following.code) == ("+OK", [b"120 octets"], "+OK")
        assert message_of(reply) == (len(data), data)
        assert reply.logical(0) == b"+OK 120 octets\r\n" + data
        assert (owed(made), made.pending) == ([], b"")


def test_a_message_is_searched_by_its_lines():
    """They come after the status line; shown is only that."""
    reply = reply_to(greeted(b"RETR 1"), b"+OK 1 octets\r\nSubject: x\r\n\r\n..body\r\n.\r\n")
    assert reply.searched == ["+OK 1 octets", "Subject: x", "", ".body"]
    assert str(reply) == "+OK 1 octets"


@pytest.mark.parametrize(
    ("command", "has_body", "is_part"),
    [
        pytest.param(b"RETR 1", True, False, id="RETR"),
        pytest.param(b"TOP 1 3", True, True, id="TOP"),
        pytest.param(b"top 1 0", False, False, id="TOP of no lines"),
    ],
)
def test_what_was_fetched(command, has_body, is_part):
    """RETR gives a message, TOP the header and some lines of the body, or none."""
    made = greeted(command)
    reply = reply_to(made, b"+OK\r\nSubject: x\r\n\r\n.\r\n")
    assert str(reply.owed) == command[:4].strip().upper().decode()
    (fetched,) = made.fetched(reply)
    assert (fetched.data, fetched.size) == (b"Subject: x\r\n\r\n", 14)
    assert (fetched.has_header, fetched.has_body, fetched.is_part) == (True, has_body, is_part)


def test_where_nothing_was_fetched():
    """Neither a refusal nor a listing holds a message."""
    assert greeted().fetched(reply_to(greeted(b"RETR 9"), b"-ERR no such message\r\n")) == []
    assert greeted().fetched(reply_to(greeted(b"LIST"), LIST)) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\r\n"], ids=repr)
def test_a_lenient_reader_takes_a_message_as_its_status_line(end):
    """Where that has an odd end, the message's lines may too, and so may its dot; sizes are those of CRLF lines."""
    wire = end.join([b"+OK", b"a", b"..", b"b\rc", b"", b".", b"+OK", b""])
    for pieces in ([wire], bytewise(wire)):
        made = greeted(b"RETR 1", b"NOOP", lenient=True)
        reply, _ = read(made, *pieces)
        assert message_of(reply) == (13, b"a\r\n.\r\nb\rc\r\n\r\n")
        assert made.lenient_line_ends == 7


def test_a_lenient_reader_takes_a_strict_servers_message_as_it_is():
    """Bare LFs in it are its own."""
    made = greeted(b"RETR 1", lenient=True)
    assert message_of(reply_to(made, b"+OK\r\na\n.\nb\r\n.\r\n"))[1] == b"a\n.\nb\r\n"
    assert made.lenient_line_ends == 0


def test_of_a_long_message_the_beginning_is_kept():
    """As much as a reply may have, and the size of all."""
    data = b"0123456789\r\n" * 4
    made = greeted(b"RETR 1", limits=Limits(reply=20))
    assert message_of(reply_to(made, b"+OK\r\n" + data + b".\r\n")) == (48, data[:20])


def test_a_message_is_bounded():
    """One as long as a literal may be passes; one more octet is refused, in any pieces, and names the limit."""
    good, bad = (
        b"+OK x\r\n" + b"1234567\r\n" * 10 + b"12345678\r\n.\r\n",
        b"+OK x\r\n" + b"12345678\r\n" * 10 + b"x\r\n",
    )
    assert message_of(reply_to(greeted(b"RETR 1", limits=SMALL), good))[0] == SMALL.literal
    (event,) = read(greeted(b"RETR 1", limits=SMALL), bad + b".\r\n+OK\r\n")
    assert (event.raw, event.reason) == (b"+OK x", "a message of more than 100 octets (limit 'literal')")
    assert str(event.owed) == "RETR"
    assert read(greeted(b"RETR 1", limits=SMALL), *bytewise(bad)) == [event]
    odd = greeted(b"RETR 1", limits=SMALL, lenient=True)
    assert read(odd, bad.replace(b"\r", b"") + b".\n+OK\n") == [event]


@pytest.mark.parametrize(
    ("command", "wire", "pending"),
    [
        pytest.param(b"LIST", b"+OK\r\n1 120\r\n2 2", b"+OK \r\n1 120\r\n2 2", id="a listing"),
        pytest.param(b"LIST", b"+OK\r\n", b"+OK \r\n", id="its status line"),
        pytest.param(b"RETR 1", b"+OK x\r\na\r\n..b\r\n.\r", b"+OK x\r\na\r\n.b\r\n.\r", id="a message"),
        pytest.param(b"RETR 1", b"+OK x\r\n", b"+OK x\r\n", id="its status line alone"),
    ],
)
def test_what_came_of_an_unfinished_reply_is_pending(command, wire, pending):
    """Whole lines count too, and make the connection amid a reply: the server isn't silent."""
    for pieces in ([wire], bytewise(wire)):
        made = greeted(command)
        assert read(made, *pieces) == []
        assert (made.pending, made.is_amid_reply, made.has_half_line) == (pending, True, True)
        assert owed(made) == [command[:4].decode()]


def test_a_large_message_is_streamed():
    """64 MiB in pieces of 64 KiB cost the memory of what is kept and some pieces, and time in proportion."""
    line = b"." + b"x" * 61 + b"\r\n"
    piece, count = line * 1024, 1024
    made = greeted(b"RETR 1")
    read(made, b"+OK\r\n")
    tracemalloc.start()
    for _ in range(count):
        made.receive(piece)
        assert made.next() is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size, data = message_of(reply_to(made, b".\r\n"))
    assert (size, len(data)) == (count * 1024 * 63, LIMITS.reply)
    assert peak < 3 * LIMITS.reply


class Counting(bytearray):
    """A buffer that counts how many bytes were looked at."""

    looked = 0

    def find(self, sub, start=0):
        """Find, and count."""
        end = super().find(sub, start)
        self.looked += (end if end >= 0 else len(self)) - start
        return end


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        pytest.param(b"RETR 1", b"x" * 30_000 + b"\r\n..\r\n" * 3_000, id="a message"),
        pytest.param(b"RETR 1", b"\r\n.\r" * 8_000, id="a message of beginnings of its end"),
        pytest.param(b"LIST", b"1 1\r\n" * 9_000, id="a listing"),
    ],
)
def test_reading_is_linear(command, wire):
    """Byte by byte few bytes are looked at twice, and no more is held than a line."""
    made = greeted(command)
    read(made, b"+OK\r\n")
    made._buffer = counting = Counting(made._buffer)
    for piece in bytewise(wire):
        made.receive(piece)
        assert len(counting) <= 6
        assert made.next() is None
    assert counting.looked <= 6 * len(wire)


# Limits of the rest.


@pytest.mark.parametrize(
    ("limits", "good", "bad", "reason"),
    [
        pytest.param(
            Limits(line=12),
            b"+OK 123456\r\n.\r\n",
            b"+OK 1234567\r\n.\r\n",
            "a line of more than 12 bytes (limit 'line')",
            id="status line",
        ),
        pytest.param(
            Limits(line=6),
            b"+OK\r\n1 12\r\n.\r\n",
            b"+OK\r\n1 123\r\n.\r\n",
            "a line of more than 6 bytes (limit 'line')",
            id="line",
        ),
        pytest.param(
            Limits(reply=9),
            b"+OK\r\n1 1\r\n2 1\r\n.\r\n",
            b"+OK\r\n1 1\r\n2 11\r\n.\r\n",
            "a reply of more than 9 bytes (limit 'reply')",
            id="reply",
        ),
        pytest.param(
            Limits(reply=9),
            b"+OK 12345\r\n.\r\n",
            b"+OK 123456\r\n.\r\n",
            "a reply of more than 9 bytes (limit 'reply')",
            id="one",
        ),
        pytest.param(
            Limits(lines=3),
            b"+OK\r\n1\r\n2\r\n.\r\n",
            b"+OK\r\n1\r\n2\r\n3\r\n.\r\n",
            "a reply of more than 3 lines",
            id="lines",
        ),
    ],
)
def test_limits(limits, good, bad, reason):
    """What is as long as allowed passes; one more is refused, in any pieces, and names the limit."""
    assert isinstance(read(greeted(b"LIST", limits=limits), good)[0], Reply)
    (event,) = read(greeted(b"LIST", limits=limits), bad + b"+OK what follows is not quoted\r\n")
    assert event.reason == reason
    assert read(greeted(b"LIST", limits=limits), *bytewise(bad)) == [event]


# What is owed for what was sent.


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"USER a\r\nPASS b\r\nSTAT\r\n", ["USER", "PASS", "STAT"], id="pipelined"),
        pytest.param(b"Retr 1\r\ntop 1 0\r\nTOP 1 1\r\n", ["RETR", "TOP", "TOP"], id="in any case"),
        pytest.param(b"NOOP\n", ["NOOP"], id="a bare LF ends a line for most servers"),
        pytest.param(b"NOOP\r\r\n", ["NOOP"], id="two CRs"),
        pytest.param(b"\r\n", ["a client line"], id="an empty line"),
        pytest.param(b"FOO bar\r\n", ["a client line"], id="an unknown command, whose words are not shown"),
        pytest.param(b"\xff\xfe\r\n", ["a client line"], id="not even ASCII"),
        pytest.param(b"NOOP", [], id="half a line"),
        pytest.param(b"AUTH PLAIN\r\nYQ==\r\nQUIT\r\n", ["AUTH", "a client line", "QUIT"], id="what follows AUTH"),
    ],
)
def test_what_is_owed_for_what_was_sent(data, replies):
    """One reply for each line, cut anywhere."""
    for pieces in ([data], bytewise(data), *(cut(data, place) for place in range(len(data)))):
        made = greeted()
        write(made, pieces)
        assert owed(made) == replies


def test_the_greeting_is_owed_first():
    """An opened connection owes its greeting; before that nothing is known."""
    made = Pop3(LIMITS)
    made.opened()
    assert (owed(made), made.greeted, made.may_say_goodbye) == (["greeting"], False, False)
    assert str(reply_to(made, b"-ERR [SYS/TEMP] go away\r\n").owed) == "greeting"
    assert (owed(made), made.greeted, made.may_say_goodbye) == ([], True, True)


def test_a_reply_that_nothing_asked_for_answers_nothing():
    """What is not owed says so, and is one line."""
    first, second = read(greeted(b"STAT"), b"+OK 0 0\r\n+OK\r\n")
    assert (str(first.owed), second.owed) == ("STAT", None)


def test_pipelined_answers_of_several_lines_are_told_apart():
    """Each is read as its command wants (RFC 2449 section 6.6)."""
    made = greeted(b"CAPA", b"LIST", b"RETR 1", b"UIDL 1", b"QUIT")
    wire = b"+OK\r\nTOP\r\n.\r\n-ERR no\r\n+OK\r\n+OK\r\n.\r\n+OK 1 x\r\n+OK bye\r\n"
    for pieces in ([wire], bytewise(wire)):
        made = greeted(b"CAPA", b"LIST", b"RETR 1", b"UIDL 1", b"QUIT")
        events = read(made, *pieces)
        assert [str(event.owed) for event in events] == ["CAPA", "LIST", "RETR", "UIDL", "QUIT"]
        assert made.said_goodbye


@pytest.mark.parametrize("answer", [b"+OK bye\r\n", b"-ERR some deleted messages not removed\r\n"], ids=repr)
def test_quit_answered_is_goodbye(answer):
    """Whatever the answer, the server closes (RFC 1939 section 6)."""
    made = greeted(b"QUIT")
    assert not made.said_goodbye
    reply_to(made, answer)
    assert (made.said_goodbye, made.may_say_goodbye) == (True, False)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        pytest.param(b"NOOP\r\n", b"", id="a reply is owed"),
        pytest.param(b"LIST\r\n", b"+OK\r\n1 1\r\n", id="a listing is under way"),
        pytest.param(b"NOO", b"", id="half a line was sent"),
        pytest.param(b"AUTH PLAIN\r\n", b"+ \r\n", id="an exchange is open"),
        pytest.param(b"STLS\r\n", b"+OK go\r\n", id="a handshake is due"),
    ],
)
def test_no_goodbye_where_it_would_not_be_read_as_one(said, heard):
    """It waits until both sides know where they are."""
    made = greeted()
    assert made.may_say_goodbye
    made.sent(said)
    read(made, heard)
    assert not made.may_say_goodbye


def test_the_authors_word_for_what_is_owed():
    """It fills up or cuts short what was counted, and half a line is none."""
    made = greeted(b"LIST")
    made.sent(b"XTND XLST\r\nFOO")
    made.owe(3, 1)
    assert owed(made) == ["LIST", *["a client line"] * 3]
    made.sent(b"AUTH PLAIN\r\n")
    assert (owed(made)[-1], made.in_auth) == ("AUTH", True)
    made.owe(0, 4)
    assert (len(made.owed), made.in_auth) == (4, False)
    assert [str(event.owed) for event in read(made, LIST + b"+OK\r\n")] == ["LIST", "a client line"]


# AUTH (RFC 5034).


@pytest.mark.parametrize("challenge", [b"+\r\n", b"+ \r\n"], ids=repr)
def test_an_auth_exchange(challenge):
    """It is open from the AUTH line to the final reply; a challenge waits from when it came until it is answered."""
    made = greeted()
    made.sent(b"auth plain\r\n")
    assert (made.in_auth, made.challenge, owed(made)) == (True, None, ["AUTH"])
    reply = reply_to(made, challenge)
    assert (reply.code, reply.lines, reply.is_challenge, reply.enhanced) == ("+", [b""], True, "")
    assert (made.in_auth, made.challenge, owed(made)) == (True, b"", [])
    made.sent(b"dGVzdAB0ZXN0AHRlc3Q=\r\n")
    assert (made.in_auth, made.challenge, owed(made)) == (True, None, ["AUTH response"])
    reply = reply_to(made, b"+OK Maildrop locked and ready\r\n")
    assert (reply.is_challenge, str(reply.owed)) == (False, "AUTH response")
    assert (made.in_auth, made.challenge) == (False, None)


def test_an_auth_exchange_of_several_rounds():
    """Each challenge is text in base64."""
    made = greeted(b"AUTH LOGIN")
    for challenge, text in ((b"VXNlcm5hbWU6", "Username:"), (b"UGFzc3dvcmQ6", "Password:")):
        reply = reply_to(made, b"+ " + challenge + b"\r\n")
        assert (reply.decoded, made.challenge) == (text, challenge)
        made.sent(b"QUIT\r\n")  # is base64, too
        assert owed(made) == ["AUTH response"]
    assert reply_to(made, b"-ERR [AUTH] no\r\n").enhanced == "[AUTH]"
    assert (made.in_auth, made.said_goodbye) == (False, False)


@pytest.mark.parametrize("line", [b"AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", b"AUTH EXTERNAL ="], ids=repr)
@pytest.mark.parametrize("answer", [b"+OK Maildrop locked and ready\r\n", b"-ERR no\r\n"], ids=repr)
def test_auth_with_an_initial_response(line, answer):
    """It may be over with the first reply."""
    made = greeted(line)
    reply = reply_to(made, answer)
    assert (str(reply.owed), reply.is_challenge, made.in_auth, made.challenge) == ("AUTH", False, False, None)


def test_a_cancelled_exchange():
    """`*` is a response too, and its refusal ends the exchange (RFC 5034 section 4)."""
    made = greeted(b"AUTH PLAIN")
    reply_to(made, b"+ \r\n")
    made.sent(b"*\r\n")
    assert str(reply_to(made, b"-ERR cancelled\r\n").owed) == "AUTH response"
    assert not made.in_auth


def test_responses_sent_blindly_are_read_one_a_challenge():
    """What was sent behind AUTH answers the challenge that comes; what is left after the final reply are commands."""
    made = greeted(b"AUTH LOGIN", b"YQ==", b"LIST", b"LIST")
    assert made.in_auth
    assert reply_to(made, b"+ VXNlcm5hbWU6\r\n").is_challenge
    assert (owed(made), made.challenge, made.in_auth) == (["AUTH response", "LIST", "LIST"], None, True)
    assert reply_to(made, b"+ UGFzc3dvcmQ6\r\n").is_challenge
    assert owed(made) == ["AUTH response", "LIST"]
    assert reply_to(made, b"+OK\r\n").code == "+OK"
    assert (owed(made), made.in_auth) == (["LIST"], False)
    assert len(reply_to(made, LIST).lines) == 3


def test_lines_behind_a_refused_auth_are_commands():
    """Another AUTH may be among them."""
    made = greeted(b"AUTH X", b"STAT", b"AUTH PLAIN", b"YQ==")
    events = read(made, b"-ERR unknown\r\n+OK 0 0\r\n+ \r\n+OK\r\n")
    assert [str(event.owed) for event in events] == ["AUTH", "STAT", "AUTH", "AUTH response"]
    assert (made.in_auth, made.challenge) == (False, None)


def test_the_author_promises_no_response():
    """What was promised and not sent does not answer a challenge."""
    made = greeted(b"AUTH PLAIN")
    made.owe(2, 0)
    reply_to(made, b"+ \r\n")
    assert (made.challenge, owed(made)) == (b"", ["a client line"])


def test_a_listing_of_mechanisms_has_no_challenge():
    """AUTH alone opens no exchange."""
    made = greeted(b"AUTH")
    assert not made.in_auth
    assert reply_to(made, b"+OK\r\nPLAIN\r\n.\r\n").lines == [b"", b"PLAIN"]
    made.sent(b"AUTH \r\n")
    assert read(made, b"+ \r\n")[0].reason == STRAY


def test_a_challenge_answers_nothing_but_auth():
    """What is owed before it can't be skipped."""
    made = greeted(b"NOOP", b"AUTH PLAIN")
    assert read(made, b"+ \r\n")[0].reason == STRAY


def test_the_auth_line():
    """It has no more than 255 octets, whatever the mechanism (RFC 5034 section 4)."""
    made = greeted()
    assert [made.takes_initial(size) for size in (0, 227, 228)] == [True, True, False]
    assert len(made.auth_head("X" * 20) + b" " + b"x" * 227 + b"\r\n") == 255
    assert (made.response(b"", is_initial=True), made.response(b"", is_initial=False)) == (b"=", b"")
    match = Pop3.auth_command.match("AUTH PLAIN \0a\0b")
    assert match
    assert match.end() == 11
    assert [Pop3.auth_command.match(line) for line in ("AUTH", "AUTH ", "XAUTH A")] == [None] * 3


# APOP (RFC 1939 section 7).


def test_apop():
    """The RFC's example."""
    made = Pop3(LIMITS)
    made.opened()
    read(made, GREETING)
    assert made.timestamp == b"<1896.697170952@dbc.mtview.ca.us>"
    line = b"APOP mrose c4c9334bac560ecc979e58001b3e22fb"
    assert apop(made, b"mrose", b"tanstaaf") == line
    assert Pop3.own_mechanisms["APOP"](made, b"mrose", b"tanstaaf") == line
    made.sent(line + b"\r\n")
    assert str(reply_to(made, b"+OK maildrop has 1 message (369 octets)\r\n").owed) == "APOP"
    made.secured()
    assert made.timestamp


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(b"+OK ready\r\n", id="none"),
        pytest.param(b"+OK <ready>\r\n", id="no at sign"),
        pytest.param(b"+OK <a b@c>\r\n", id="a blank"),
        pytest.param(b"+OK <a\x01@c>\r\n", id="a control character"),
        pytest.param(b"+OK <a\xff@c>\r\n", id="not ASCII"),
        pytest.param(b"+OK <a@b\r\n", id="not closed"),
        pytest.param(b"-ERR <a@b>\r\n", id="a refusal"),
    ],
)
def test_no_apop_without_a_timestamp(greeting):
    """A challenge that is no msg-id is not answered: it may be made to find the password out."""
    made = Pop3(LIMITS)
    made.opened()
    read(made, greeting)
    with pytest.raises(ValueError, match="the greeting has no timestamp"):
        apop(made, b"mrose", b"tanstaaf")


@pytest.mark.parametrize("name", [b"", b"a b", b"a\r\nDELE 1", b"a\0", b"a\x7f"], ids=repr)
def test_a_user_name_that_apop_cant_hold(name):
    """It is refused, and not shown: it may be secret."""
    made = Pop3(LIMITS)
    made.opened()
    read(made, GREETING)
    with pytest.raises(ValueError, match="the user name is empty or has blanks") as caught:
        apop(made, name, b"secret")
    assert "DELE" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        pytest.param("PASS tan staaf", "tan staaf", id="all after PASS"),
        pytest.param("pass x\r\n", "x", id="in any case"),
        pytest.param("APOP mrose c4c9", "c4c9", id="a digest"),
        pytest.param("USER mrose", None, id="no password"),
        pytest.param("PASS", None, id="none given"),
    ],
)
def test_where_a_password_is(line, secret):
    """It is shown by its name."""
    match = Pop3.password_at.match(line)
    assert (match[1] if match else None) == secret


# Capabilities.

CAPA = (
    b"+OK Capability list follows\r\nTOP\r\nUSER\r\nSASL CRAM-MD5 KERBEROS_V4\r\nRESP-CODES\r\nLOGIN-DELAY 900\r\n"
    b"PIPELINING\r\nEXPIRE 60\r\nUIDL\r\nIMPLEMENTATION Shlemazle-Plotz-v302\r\n.\r\n"
)


def test_capabilities():
    """Those of CAPA (RFC 2449 section 5); SASL counts as AUTH, too."""
    made = greeted(b"CAPA")
    assert made.capabilities is None
    reply_to(made, CAPA)
    assert made.capabilities == {
        "TOP": (),
        "USER": (),
        "SASL": ("CRAM-MD5", "KERBEROS_V4"),
        "RESP-CODES": (),
        "LOGIN-DELAY": ("900",),
        "PIPELINING": (),
        "EXPIRE": ("60",),
        "UIDL": (),
        "IMPLEMENTATION": ("Shlemazle-Plotz-v302",),
        "AUTH": ("CRAM-MD5", "KERBEROS_V4"),
    }


def test_capabilities_are_those_of_the_last_capa_that_was_accepted():
    """A refusal changes nothing, nor does a listing of mechanisms; the next list takes the place of all."""
    made = greeted(b"AUTH", b"CAPA", b"CAPA", b"CAPA")
    read(made, b"+OK\r\nLOGIN\r\n.\r\n")
    assert made.capabilities is None
    read(made, CAPA + b"-ERR no\r\n")
    assert "SASL" in made.capabilities
    read(made, b"+OK\r\n.\r\n")
    assert made.capabilities == {}


def test_rubbish_in_capabilities_raises_nothing():
    """Case, blanks, doubles, empty lines and any bytes."""
    made = greeted(b"CAPA")
    read(made, b"+OK\r\n\r\n sasl  plain PLAIN \r\nSASLX\r\nSASL\r\n\xff \xfe\r\n..\r\n.\r\n")
    assert made.capabilities == {"SASL": ("plain",), "SASLX": (), "\\xff": ("\\xfe",), ".": (), "AUTH": ("plain",)}


def test_a_tls_handshake_makes_all_forgotten():
    """What was learnt and received in clear text is gone; what is owed stays (RFC 2595 section 4)."""
    made = greeted(b"CAPA", b"STLS")
    read(made, CAPA + b"+OK Begin TLS negotiation\r\n")
    made.sent(b"NOO")
    read(made, b"+OK injec")
    made.secured()
    assert (made.capabilities, made.pending, made.in_auth, made.may_say_goodbye) == (None, b"", False, True)
    made.sent(b"RETR 1\r\n")
    read(made, b"+OK\r\nhalf a message\r\n")
    made.secured()
    assert (made.pending, made.is_amid_reply, owed(made)) == (b"", False, ["RETR"])


def test_a_handshake_before_the_greeting_leaves_it_owed():
    """Implicit TLS by hand."""
    made = Pop3(LIMITS)
    made.opened()
    made.secured()
    assert str(reply_to(made, GREETING).owed) == "greeting"


def test_foreign_verbs_and_keys_have_advice():
    """What POP3 has not; messages are judged."""
    assert {"data", "bdat", "expect_each", "expect_line", "literal", "tag", "untagged", "until"} == set(Pop3.foreign)


# The examples of the RFCs, cut anywhere.

RFC_1939 = [
    (b"", GREETING),
    (b"APOP mrose c4c9334bac560ecc979e58001b3e22fb", b"+OK mrose's maildrop has 2 messages (320 octets)\r\n"),
    (b"STAT", b"+OK 2 320\r\n"),
    (b"LIST", LIST),
    (b"RETR 1", b"+OK 120 octets\r\nSubject: one\r\n\r\n..\r\n.\r\n"),
    (b"DELE 1", b"+OK message 1 deleted\r\n"),
    (b"RETR 2", b"+OK 200 octets\r\nSubject: two\r\n\r\n.\r\n"),
    (b"DELE 2", b"+OK message 2 deleted\r\n"),
    (b"UIDL", b"+OK\r\n1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n.\r\n"),
    (b"UIDL 3", b"-ERR no such message, only 2 messages in maildrop\r\n"),
    (b"TOP 1 10", b"+OK\r\nSubject: one\r\n\r\n.\r\n"),
    (b"TOP 100 3", b"-ERR no such message\r\n"),
    (b"QUIT", b"+OK dewey POP3 server signing off (maildrop empty)\r\n"),
]
RFC_2449 = [
    (b"", b"+OK\r\n"),
    (b"CAPA", CAPA),
    (b"CAPA", b"-ERR I don't know CAPA\r\n"),
    (b"APOP tester 1ad7", b"-ERR [IN-USE] Do you have another POP session running?\r\n"),
    (b"STLS", b"+OK Begin TLS negotiation now\r\n"),
]
RFC_5034 = [
    (b"", b"+OK pop.example.com BlurdyBlurp POP3 server ready\r\n"),
    (b"CAPA", b"+OK List of capabilities follows\r\nSASL DIGEST-MD5 GSSAPI ANONYMOUS\r\nSTLS\r\n.\r\n"),
    (b"AUTH DIGEST-MD5", b"+ cmVhbG09ImVsd29vZC5pbm5vc29mdC5jb20iLG5vbmNlPSJPQTZNRzl0\r\n"),
    (b"Y2hhcnNldD11dGYtOCx1c2VybmFtZT0iY2hyaXMi", b"+ cnNwYXV0aD1lYTQwZjYwMzM1YzQyN2I1NTI3Yjg0ZGJhYmNkZmZmZA==\r\n"),
    (b"", b"+OK Maildrop locked and ready\r\n"),
    (b"AUTH PLAIN", b"+\r\n"),
    (b"*", b"-ERR cancelled\r\n"),
    (b"AUTH EXTERNAL =", b"+OK Maildrop locked and ready\r\n"),
]


@pytest.mark.parametrize("talk", [RFC_1939, RFC_2449, RFC_5034], ids=["RFC 1939", "RFC 2449", "RFC 5034"])
def test_an_example_of_the_rfcs(talk):
    """Each reply answers its line, and the events are the same in whatever pieces they come."""
    heard = b"".join(reply for _, reply in talk)

    def opened() -> Pop3:
        made = Pop3(LIMITS)
        made.opened()
        write(made, [line + b"\r\n" for line, _ in talk[1:]])
        return made

    step_by_step, events = Pop3(LIMITS), []
    step_by_step.opened()
    for number, (line, reply) in enumerate(talk):
        if number:
            step_by_step.sent(line + b"\r\n")
        events.append(reply_to(step_by_step, reply))
    assert [event.code for event in events] == [reply.split()[0].decode() for _, reply in talk]
    for pieces in ([heard], bytewise(heard), *(cut(heard, place) for place in range(len(heard)))):
        assert read(opened(), *pieces) == events


# Any bytes.

COMMANDS = st.lists(
    st.sampled_from(
        [b"LIST", b"RETR 1", b"TOP 1 0", b"CAPA", b"NOOP", b"AUTH", b"AUTH PLAIN", b"YQ==", b"STLS", b"QUIT"]
    ),
    max_size=5,
)
# Near enough to replies that all outcomes are common.
WIRE = st.lists(
    st.sampled_from(
        [b"+OK\r\n", b"-ERR x\r\n", b"+ YQ==\r\n", b"+OK", b"\r\n", b".", b"..", b"\r\n.\r\n", b"\r", b"\n"]
    )
    | st.binary(max_size=3),
    max_size=24,
).map(b"".join)


@settings(deadline=None)
@given(COMMANDS, WIRE, st.booleans(), st.data())
def test_events_do_not_depend_on_pieces(commands, wire, lenient, data):
    """All at once, byte by byte and cut anywhere, any bytes give the same events (properties 1 and 2)."""
    whole = greeted(*commands, limits=SMALL, lenient=lenient)
    expected = read(whole, wire)
    assert all(isinstance(event, LineReply) for event in expected[:-1])
    places = data.draw(st.lists(st.integers(0, len(wire)), max_size=6))
    for pieces in (bytewise(wire), cut(wire, *places)):
        made = greeted(*commands, limits=SMALL, lenient=lenient)
        assert read(made, *pieces) == expected
        state = [(one.pending, owed(one), one.in_auth, one.challenge, one.lenient_line_ends) for one in (whole, made)]
        assert state[0] == state[1]


@settings(deadline=None)
@given(COMMANDS, st.lists(st.binary(max_size=30) | st.sampled_from([b"+OK\r\n", b"x\r\n"]), max_size=40), st.booleans())
def test_no_bytes_raise_and_what_is_held_is_bounded(commands, pieces, lenient):
    """For any bytes there is a reply, a named error or nothing yet, and no more is held than may be (property 1)."""
    made = greeted(*commands, limits=SMALL, lenient=lenient)
    for piece in pieces:
        made.receive(piece)
        while (event := made.next()) is not None:
            assert isinstance(event, Reply) or event.reason
        assert len(made._buffer) <= SMALL.line
        assert len(made.pending) <= SMALL.reply + SMALL.line * 2 + SMALL.lines * 6


LINES = st.lists(st.binary(max_size=6).filter(lambda line: b"\r\n" not in line and line[-1:] != b"\r"), max_size=8)


@settings(deadline=None)
@given(LINES, st.data())
def test_a_message_comes_back_as_it_is(lines, data):
    """Stuffed, sent and read, in any pieces, a message gives itself (property 3)."""
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    wire = b"+OK\r\n" + stuffed + b".\r\n"
    (reply,) = read(greeted(b"RETR 1"), *cut(wire, *data.draw(st.lists(st.integers(0, len(wire)), max_size=6))))
    assert message_of(reply) == (len(message), message)


@settings(deadline=None)
@given(st.lists(st.tuples(COMMANDS, WIRE), max_size=3), st.data())
def test_the_queue_does_not_depend_on_writes(talk, data):
    """Whatever is said and answered, how it was cut into writes and reads changes nothing (property 2)."""
    one, other = greeted(), greeted()
    for said, heard in talk:
        sent = b"".join(line + b"\r\n" for line in said)
        one.sent(sent)
        write(other, cut(sent, *data.draw(st.lists(st.integers(0, len(sent)), max_size=4))))
        assert owed(other) == owed(one)
        assert read(other, *bytewise(heard)) == read(one, heard)
        state = [(owed(made), made.in_auth, made.challenge, made.may_say_goodbye) for made in (one, other)]
        assert state[0] == state[1]


def test_a_long_pipeline_is_read_in_proportion():
    """Thousands of lines in one write, and their replies, take no time to speak of."""
    made = greeted()
    began = time.process_time()
    made.sent(b"DELE 1\r\n" * 20_000)
    assert made.owed == [Owed("DELE")] * 20_000
    assert len(read(made, b"+OK\r\n" * 20_000)) == 20_000
    assert time.process_time() - began < 5
