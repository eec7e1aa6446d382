"""Any line protocol: a line is a reply, in whatever pieces it comes, and each client line earns one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import PROTOCOLS, Limits, Malformed
from runner.protocol.base import LineReply
from runner.protocol.tcp import Tcp
from tests.protocol.feeding import LIMITS, bytewise, cut, owed, read, reply_to, write

SMALL = Limits(line=20, reply=12, lines=5)
WIRE = st.lists(st.sampled_from([b"+PONG", b"\r\n", b"\n", b"\r", b"x" * 9]) | st.binary(max_size=3), max_size=24).map(
    b"".join
)


def opened(limits: Limits = LIMITS) -> Tcp:
    """Return a machine whose connection stands."""
    made = Tcp(limits)
    made.opened()
    return made


def test_it_is_registered():
    """Its name is what `protocol` says."""
    assert PROTOCOLS["tcp"] is Tcp


@pytest.mark.parametrize(
    ("data", "line"),
    [
        pytest.param(b"+PONG\r\n", b"+PONG", id="CRLF"),
        pytest.param(b"+PONG\n", b"+PONG", id="LF"),
        pytest.param(b"+PONG\r\r\n", b"+PONG\r", id="one CR belongs to the end"),
        pytest.param(b"a\rb\r\n", b"a\rb", id="a CR inside is text"),
        pytest.param(b"a\rb\n", b"a\rb", id="the same before a bare LF"),
        pytest.param(b"\r\n", b"", id="an empty line"),
        pytest.param(b"\n", b"", id="nothing but an LF"),
        pytest.param(b"220-x\r\n", b"220-x", id="what is another protocol's"),
        pytest.param(b"\x00\xff\x1b[2J\n", b"\x00\xff\x1b[2J", id="any byte"),
    ],
)
def test_a_line_is_a_reply(data, line):
    """It has no code and all of its text; no line end is odd."""
    made = opened()
    made.sent(b"PING\r\n")
    reply = reply_to(made, data)
    assert (reply.code, reply.lines, str(reply.owed)) == ("", [line], "a client line")
    assert (reply.head_at, reply.enhanced, reply.is_challenge) == (None, "", False)
    assert reply.searched == reply.texts
    assert made.lenient_line_ends == 0
    assert not Tcp.is_refusal(reply)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"PING", 0, id="half a line"),
        pytest.param(b"PING\r\n", 1, id="CRLF"),
        pytest.param(b"PING\n", 1, id="LF"),
        pytest.param(b"\r\n\n", 2, id="empty lines"),
        pytest.param(b"a\rb", 0, id="a CR ends none"),
        pytest.param(b"a\r\nb\r\nc", 2, id="two and a half"),
    ],
)
def test_each_client_line_earns_one(data, count):
    """However it is written."""
    for pieces in ([data], bytewise(data)):
        made = opened()
        write(made, pieces)
        assert owed(made) == ["a client line"] * count


def test_the_first_line_before_anything_was_sent_is_a_greeting():
    """It is no surplus; what follows before the client has spoken is."""
    made = opened()
    assert (owed(made), made.greeted) == ([], False)
    first, second = read(made, b"hello\r\nworld\r\n")
    assert (str(first.owed), second.owed, made.greeted) == ("greeting", None, True)


def test_who_speaks_first_waits_for_no_greeting():
    """The first line is then the answer, if it comes late as if it is one."""
    made = opened()
    made.sent(b"PING\r\n")
    assert made.greeted
    first, second = read(made, b"+PONG\r\n+PONG\r\n")
    assert (str(first.owed), second.owed) == ("a client line", None)


def test_half_a_line_that_was_sent_is_no_greetings_time():
    """Whatever was sent, the server may answer it."""
    made = opened()
    made.sent(b"\x16\x03")
    assert reply_to(made, b"what?\r\n").owed is None


def test_lines_beyond_the_clients_answer_nothing():
    """The rest of an answer of several lines is for the step that reads it; pipelined lines are answered in order."""
    made = opened()
    made.sent(b"a\r\nb\r\n")
    events = read(made, b"1\n2\n3\n")
    assert [event.owed is not None for event in events] == [True, True, False]


def test_the_authors_word_for_what_is_owed():
    """Lines of one request may earn a single reply."""
    made = opened()
    for line in (b"request=smtpd_access_policy\n", b"sender=a@example.com\n"):
        counted = len(made.owed)
        made.sent(line)
        made.owe(0, counted)
    made.sent(b"\n")
    assert owed(made) == ["a client line"]


def test_what_it_has_not():
    """No capabilities, no exchange, no goodbye, no code that could be asked for; advice stands in their place."""
    made = opened()
    read(made, b"hello\r\n")
    made.sent(b"AUTH PLAIN\r\n")
    read(made, b"+\r\n")
    assert (made.capabilities, made.in_auth, made.challenge) == (None, False, None)
    assert (made.goodbye, made.may_say_goodbye, made.has_codes, made.knows_ends) == (b"", False, False, False)
    assert "" not in {Tcp.going_away_code, Tcp.challenge_code, Tcp.authenticated_code, Tcp.starttls_code}
    assert all(grammar.search("250 x") is None for grammar in (Tcp.code_grammar, Tcp.status_grammar, Tcp.auth_command))
    assert {"auth", "starttls", "capabilities", "message", "untagged"} <= set(Tcp.foreign)
    assert not {"until", "send", "bytes", "tls", "expect"} & set(Tcp.foreign)


def test_a_tls_handshake_forgets_what_was_received():
    """Half a line in clear text is not glued to the first one inside TLS; what is owed stays so."""
    made = opened()
    made.sent(b"STARTTLS\r\n")
    read(made, b"injec")
    assert (made.pending, made.is_amid_reply) == (b"injec", True)
    made.secured()
    assert (made.pending, owed(made)) == (b"", ["a client line"])
    assert reply_to(made, b"ok\r\n").lines == [b"ok"]


@pytest.mark.parametrize(
    ("limits", "good", "bad", "reason"),
    [
        pytest.param(
            Limits(line=6), b"1234\r\n", b"12345\r\n", "a line of more than 6 bytes (limit 'line')", id="line"
        ),
        pytest.param(
            Limits(reply=4), b"1234\n", b"12345\n", "a reply of more than 4 bytes (limit 'reply')", id="reply"
        ),
    ],
)
def test_limits(limits, good, bad, reason):
    """What is as long as allowed passes; one more is refused, in any pieces, and names the limit."""
    assert isinstance(read(opened(limits), good)[0], LineReply)
    (event,) = read(opened(limits), bad + b"more\n")
    assert isinstance(event, Malformed)
    assert event.reason == reason
    assert read(opened(limits), *bytewise(bad)) == [event]


@settings(deadline=None)
@given(WIRE, st.integers(0, 5), st.data())
def test_events_do_not_depend_on_pieces(wire, lines, data):
    """All at once, byte by byte and cut anywhere, any bytes give the same events, and none raises."""
    whole = opened(SMALL)
    whole.sent(b"x\r\n" * lines)
    expected = read(whole, wire)
    assert all(isinstance(event, LineReply) for event in expected[:-1])
    for pieces in (bytewise(wire), cut(wire, *data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))):
        made = opened(SMALL)
        made.sent(b"x\r\n" * lines)
        assert read(made, *pieces) == expected
        assert (made.pending, owed(made)) == (whole.pending, owed(whole))
        assert len(made.pending) <= SMALL.line
