"""What a server owes for what was sent: the queue follows the wire, in whatever pieces it was written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import Limits
from runner.protocol.smtp import Smtp
from tests.protocol.feeding import bytewise, cut, machine, owed, read, reply_to, write

EHLO = b"250-mx\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SIZE 1000\r\n"


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"EHLO c\r\n", ["EHLO"], id="a command"),
        pytest.param(b"ehlo c\r\n", ["EHLO"], id="in lower case"),
        pytest.param(b"StartTls\r\n", ["STARTTLS"], id="in mixed case"),
        pytest.param(b"RSET\n", ["RSET"], id="a bare LF ends a line for most servers"),
        pytest.param(b"RSET\r\r\n", ["RSET"], id="two CRs"),
        pytest.param(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n", ["MAIL", "RCPT", "DATA"], id="pipelined"),
        pytest.param(b"\r\n", ["a client line"], id="an empty line"),
        pytest.param(b"FOO bar\r\n", ["a client line"], id="an unknown command, whose words are not shown"),
        pytest.param(b"MAILFROM\r\n", ["a client line"], id="a command with something glued to it"),
        pytest.param(b"\xff\xfe\r\n", ["a client line"], id="not even ASCII"),
        pytest.param(b"NOOP", [], id="half a line"),
        pytest.param(b"BDAT 3 LAST\r\nabc", ["message"], id="a last chunk"),
        pytest.param(b"BDAT 3\r\nabcNOOP\r\n", ["BDAT", "NOOP"], id="a chunk, and a command behind it"),
        pytest.param(b"bdat 5\r\n\r\n.\r", [], id="a chunk that is not whole"),
        pytest.param(b"BDAT 5\r\nQUIT\nBDAT 2\r\n\r\nRSET\r\n", ["BDAT", "BDAT", "RSET"], id="chunks of any octets"),
        pytest.param(b"BDAT 0\r\nBDAT 0 last\r\n", ["BDAT", "message"], id="chunks of no octets"),
        pytest.param(b"BDAT\r\nBDAT x\r\nBDAT -1\r\nBDAT 1 FIRST\r\n", ["BDAT"] * 4, id="no chunk at all"),
        pytest.param(b"BDAT " + b"9" * 30 + b"\r\nNOOP\r\n", ["BDAT", "NOOP"], id="a size beyond all bounds"),
        pytest.param(b"DATA\r\nx\r\n.\r\nQUIT\r\n", ["DATA"], id="what follows DATA waits for its reply"),
        pytest.param(b"AUTH LOGIN\r\nabc\r\n", ["AUTH"], id="what follows AUTH waits for its reply"),
    ],
)
def test_what_is_owed_for_what_was_sent(data, replies):
    """One reply for each command and chunk, cut anywhere."""
    whole = machine()
    whole.sent(data)
    assert owed(whole) == replies
    for pieces in (bytewise(data), *(cut(data, place) for place in range(len(data) + 1))):
        made = machine()
        write(made, pieces)
        assert owed(made) == replies


# A message.

GO = b"354 go\r\n"
BODY = b"Subject: x\r\n\r\n..dots\r\n.x\r\nQUIT\r\n"


@pytest.mark.parametrize(
    ("message", "replies"),
    [
        pytest.param(BODY + b".\r\n", ["message"], id="a message"),
        pytest.param(b".\r\n", ["message"], id="an empty one"),
        pytest.param(BODY + b".\r\nNOOP\r\nQUIT\r\n", ["message", "NOOP", "QUIT"], id="commands behind it"),
        pytest.param(BODY, [], id="without its end"),
        pytest.param(BODY + b".\n", [], id="a dot that a bare LF ends"),
        pytest.param(b"x\n.\r\nNOOP\r\n", [], id="a dot behind a bare LF"),
        pytest.param(b"x\r.\r\n", [], id="a dot behind a bare CR"),
        pytest.param(b"x\r\n.\r\r\n", [], id="a dot with two CRs"),
    ],
)
def test_after_354_the_lines_are_the_message(message, replies):
    """They owe nothing until CRLF.CRLF, wherever the writes are cut."""
    for place in range(len(message) + 1):
        made = machine()
        made.sent(b"DATA\r\n")
        reply_to(made, GO)
        write(made, cut(message, place))
        assert (owed(made), made.in_message) == (replies, not replies)


@pytest.mark.parametrize(
    ("reply", "replies", "in_message"),
    [
        pytest.param(GO, ["message", "NOOP"], False, id="354: a message"),
        pytest.param(b"503 no\r\n", ["a client line"] * 3 + ["NOOP"], False, id="5xx: commands"),
        pytest.param(b"250 what\r\n", ["a client line"] * 3 + ["NOOP"], False, id="another reply: commands"),
    ],
)
def test_lines_behind_data_are_read_once_its_reply_came(reply, replies, in_message):
    """What was sent behind DATA is a message after 354, else commands, each of which owes a reply."""
    made = machine()
    write(made, bytewise(b"DATA\r\nSubject: x\r\n\r\n.\r\nNOOP\r\n"))
    assert owed(made) == ["DATA"]
    reply_to(made, reply)
    assert (owed(made), made.in_message) == (replies, in_message)


def test_a_message_behind_a_pipelined_data():
    """RFC 2920: MAIL, RCPT and DATA in one write; the replies come in order, then the message."""
    made = machine()
    made.sent(b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n")
    events = read(made, b"250 a\r\n250 b\r\n354 go\r\n")
    assert [str(event.owed) for event in events] == ["MAIL", "RCPT", "DATA"]
    assert made.in_message
    made.sent(b"x\r\n.\r\n")
    assert str(reply_to(made, b"250 ok\r\n").owed) == "message"


def test_two_messages_sent_blindly():
    """What waits behind the first DATA holds the second; each 354 lets it read on."""
    made = machine()
    made.sent(b"DATA\r\nx\r\n.\r\nDATA\r\ny\r\n.\r\nQUIT\r\n")
    events = read(made, b"354 go\r\n250 one\r\n354 go\r\n250 two\r\n221 bye\r\n")
    assert [str(event.owed) for event in events] == ["DATA", "message", "DATA", "message", "QUIT"]
    assert made.said_goodbye


def test_an_early_final_reply_counts_as_the_messages():
    """A refusal while the message is being written is its reply; the dot then owes none."""
    made = machine()
    made.sent(b"DATA\r\n")
    reply_to(made, GO)
    made.sent(b"a large message\r\n")
    assert str(reply_to(made, b"552 too large\r\n").owed) == "message"
    assert made.in_message
    made.sent(b"goes on\r\n.\r\nRSET\r\n")
    assert (owed(made), made.in_message) == (["RSET"], False)


def test_a_message_has_one_early_reply_at_most():
    """The second one is not owed, nor is another go-ahead."""
    made = machine()
    made.sent(b"DATA\r\n")
    events = read(made, GO + b"354 go\r\n552 no\r\n421 bye\r\n")
    assert [str(event.owed) for event in events] == ["DATA", "None", "message", "None"]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r"], ids=repr)
def test_a_server_that_ends_a_message_at_an_odd_dot(end):
    """Its reply shows that it did: what follows is read as commands, as the server reads it."""
    made = machine()
    made.sent(b"DATA\r\n")
    reply_to(made, GO)
    made.sent(b"x" + end)
    assert made.in_message
    assert str(reply_to(made, b"250 queued\r\n").owed) == "message"
    assert not made.in_message
    made.sent(b"QUIT\r\n")
    assert owed(made) == ["QUIT"]


def test_a_smuggled_message_owes_nothing():
    """What a server answers to commands inside a message is not owed (SMTP smuggling)."""
    made = machine()
    made.sent(b"DATA\r\n")
    reply_to(made, GO)
    made.sent(b"x\r\n\n.\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ny\r\n.\r\n")
    events = read(made, b"250 queued\r\n250 ok\r\n")
    assert [str(event.owed) for event in events] == ["message", "None"]


def test_an_early_reply_to_a_chunk_counts_as_its_reply():
    """A chunk that is refused before it is whole owes nothing at its end."""
    made = machine()
    made.sent(b"BDAT 10\r\nabc")
    assert str(reply_to(made, b"503 no\r\n").owed) == "BDAT"
    made.sent(b"defghijRSET\r\n")
    assert owed(made) == ["RSET"]


# AUTH.


def test_an_auth_exchange():
    """It is open from the AUTH line to the final reply; a challenge waits from when it came until it is answered."""
    made = machine()
    made.sent(b"auth login\r\n")
    assert (made.in_auth, made.challenge) == (True, None)
    reply = reply_to(made, b"334 VXNlcm5hbWU6\r\n")
    assert (reply.is_challenge, reply.decoded) == (True, "Username:")
    assert (made.in_auth, made.challenge, owed(made)) == (True, b"VXNlcm5hbWU6", [])
    made.sent(b"YQ==\r\n")
    assert (made.in_auth, made.challenge, owed(made)) == (True, None, ["AUTH response"])
    assert reply_to(made, b"334\r\n").is_challenge
    assert made.challenge == b""
    made.sent(b"\r\n")
    reply = reply_to(made, b"235 2.7.0 ok\r\n")
    assert (reply.is_challenge, str(reply.owed)) == (False, "AUTH response")
    assert (made.in_auth, made.challenge, owed(made)) == (False, None, [])


@pytest.mark.parametrize("code", [b"235", b"535", b"504", b"421", b"250"])
def test_auth_with_an_initial_response(code):
    """Any reply but 334 ends the exchange."""
    made = machine()
    made.sent(b"AUTH PLAIN AGEAYg==\r\n")
    reply = reply_to(made, code + b" x\r\n")
    assert (str(reply.owed), reply.is_challenge, made.in_auth, made.challenge) == ("AUTH", False, False, None)


def test_a_cancelled_exchange():
    """`*` is a response too, and its 501 ends the exchange (RFC 4954 section 4)."""
    made = machine()
    made.sent(b"AUTH LOGIN\r\n")
    reply_to(made, b"334 VXNlcm5hbWU6\r\n")
    made.sent(b"*\r\n")
    assert str(reply_to(made, b"501 cancelled\r\n").owed) == "AUTH response"
    made.sent(b"NOOP\r\n")
    assert (owed(made), made.in_auth) == (["NOOP"], False)


def test_responses_sent_blindly_are_read_one_a_challenge():
    """Lines behind AUTH are responses as long as challenges come; a response named QUIT ends nothing."""
    made = machine()
    made.sent(b"AUTH LOGIN\r\nQUIT\r\nYg==\r\nNOOP\r\n")
    events = read(made, b"334 a\r\n334 b\r\n235 ok\r\n250 noop\r\n")
    assert [str(event.owed) for event in events] == ["AUTH", "AUTH response", "AUTH response", "NOOP"]
    assert not made.said_goodbye


def test_responses_behind_a_refused_auth_are_commands():
    """So the server reads them; what they say is not shown, as it could not be masked."""
    made = machine()
    made.sent(b"AUTH LOGIN\r\nc2VjcmV0\r\n")
    reply_to(made, b"504 no\r\n")
    assert owed(made) == ["a client line"]


def test_a_334_outside_auth_is_no_challenge():
    """Only within AUTH is text after 334 base64."""
    made = machine()
    made.sent(b"NOOP\r\n")
    assert not reply_to(made, b"334 VXNlcm5hbWU6\r\n").is_challenge
    assert (made.in_auth, made.challenge) == (False, None)


# What is known of the server.


def test_capabilities_are_those_of_the_last_hello_that_was_accepted():
    """None before any; a refused EHLO changes nothing, a new one replaces them, HELO shows none."""
    made = machine()
    assert made.capabilities is None
    made.sent(b"EHLO c\r\n")
    reply_to(made, EHLO)
    assert made.capabilities == {"STARTTLS": (), "AUTH": ("PLAIN",), "SIZE": ("1000",)}
    made.sent(b"EHLO c\r\n")
    reply_to(made, b"503 not now\r\n")
    assert "STARTTLS" in made.capabilities
    made.sent(b"ehlo c\r\n")
    reply_to(made, b"250-STARTTLS\r\n250 DSN\r\n")
    assert made.capabilities == {"DSN": ()}
    made.sent(b"HELO c\r\n")
    reply_to(made, b"250-mx\r\n250 SIZE\r\n")
    assert made.capabilities == {}


def test_an_ehlo_reply_of_one_line_shows_no_capability():
    """They were read, and there are none."""
    made = machine()
    made.sent(b"EHLO c\r\n")
    reply_to(made, b"250 STARTTLS\r\n")
    assert made.capabilities == {}


def test_a_tls_handshake_makes_all_forgotten():
    """Capabilities, a challenge, half a line, bytes that wait: nothing of the clear text is left (RFC 3207)."""
    made = machine()
    made.sent(b"EHLO c\r\nAUTH LOGIN\r\n")
    read(made, EHLO + b"334 VXNlcm5hbWU6\r\n250-left\r\n25")
    made.secured()
    assert (made.capabilities, made.challenge, made.in_auth, made.pending) == (None, None, False, b"")
    made.sent(b"EHLO c\r\n")
    assert str(reply_to(made, b"250 mx\r\n").owed) == "EHLO"


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        pytest.param(b"DATA\r\n", GO, id="a message"),
        pytest.param(b"DATA\r\nx\r\n", b"", id="lines behind DATA"),
        pytest.param(b"BDAT 5\r\nab", b"", id="a chunk"),
        pytest.param(b"AUTH LOGIN\r\n", b"334 YQ==\r\n", id="an exchange"),
        pytest.param(b"NO", b"", id="half a line"),
    ],
)
def test_after_a_handshake_a_command_is_a_command(said, heard):
    """Whatever was open in clear text is not any more."""
    made = machine()
    made.sent(said)
    read(made, heard)
    made.owed.clear()
    made.secured()
    made.sent(b"AUTH LOGIN\r\n")
    assert owed(made) == ["AUTH"]
    reply_to(made, b"504 no\r\n")
    assert (owed(made), made.may_say_goodbye) == ([], True)


def test_a_handshake_before_the_greeting_leaves_it_owed():
    """With TLS from the start the greeting comes after it."""
    made = Smtp(Limits())
    made.opened()
    made.secured()
    assert owed(made) == ["greeting"]


@pytest.mark.parametrize("code", [b"221", b"250"])
def test_quit_answered_is_goodbye(code):
    """After it nothing but the end is due."""
    made = machine()
    made.sent(b"quit\r\n")
    assert (made.may_say_goodbye, made.said_goodbye) == (False, False)
    reply_to(made, code + b" bye\r\n")
    assert (made.may_say_goodbye, made.said_goodbye) == (False, True)


def test_quit_refused_is_no_goodbye():
    """The conversation goes on."""
    made = machine()
    made.sent(b"QUIT\r\n")
    reply_to(made, b"500 what\r\n")
    assert (made.may_say_goodbye, made.said_goodbye) == (True, False)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        pytest.param(b"NOOP\r\n", b"", id="a reply is owed"),
        pytest.param(b"NOO", b"", id="half a line"),
        pytest.param(b"DATA\r\n", GO, id="a message"),
        pytest.param(b"BDAT 5\r\nab", b"", id="a chunk"),
        pytest.param(b"BDAT 5\r\nab", b"503 no\r\n", id="a chunk that was refused early"),
        pytest.param(b"AUTH LOGIN\r\n", b"334 a\r\n", id="a challenge"),
        pytest.param(b"STARTTLS\r\n", b"220 go\r\n", id="a handshake is due"),
        pytest.param(b"", b"rubbish\r\n", id="no reply came"),
    ],
)
def test_no_goodbye_where_it_would_not_be_read_as_one(said, heard):
    """It must never end a message, answer a challenge or join another line."""
    made = machine()
    assert made.may_say_goodbye
    made.sent(said)
    read(made, heard)
    assert not made.may_say_goodbye


def test_the_authors_word_for_what_is_owed():
    """`owe` cuts the count short, and what waited for a reply that never comes is no longer waited for."""
    made = machine()
    made.sent(b"NOOP\r\n")
    made.sent(b"DATA\r\nx\r\n")
    made.owe(0, 1)
    assert owed(made) == ["NOOP"]
    made.sent(b"RSET\r\nAUTH LOGIN\r\n")
    assert owed(made)[1:] == ["RSET", "AUTH"]
    read(made, b"250 noop\r\n250 rset\r\n504 auth\r\n")
    assert owed(made) == []


def test_the_authors_word_beyond_the_count():
    """`owe` fills the count up with replies of no known command."""
    made = machine()
    made.sent(b"NOOP\r\n")
    made.owe(3, 0)
    assert owed(made) == ["NOOP", "a client line", "a client line"]


def test_the_authors_word_keeps_what_a_command_means():
    """A DATA that is said to earn one reply still opens the message with its 354."""
    made = machine()
    made.sent(b"DATA\r\n")
    made.owe(1, 0)
    read(made, GO)
    assert made.in_message
    made.sent(b"x\r\n.\r\n")
    assert owed(made) == ["message"]


@pytest.mark.parametrize(
    ("replies", "left"),
    [
        pytest.param(1, [], id="fewer"),
        pytest.param(2, ["message"], id="as many"),
        pytest.param(3, ["message", "NOOP"], id="as many again"),
        pytest.param(4, ["message", "NOOP", "a client line"], id="more"),
    ],
)
def test_the_authors_word_for_what_a_reply_decides(replies, left):
    """What follows a DATA in the same write is counted when its reply comes, and then takes the promised places."""
    made = machine()
    made.sent(b"DATA\r\nx\r\n.\r\nNOOP\r\n")
    made.owe(replies, 0)
    assert owed(made) == ["DATA", *["a client line"] * (replies - 1)]
    read(made, GO)
    assert owed(made) == left
    assert not made.in_message
    made.sent(b"RSET\r\n")
    assert owed(made) == [*left, "RSET"]


def test_the_authors_word_does_not_decide_what_data_does():
    """An earlier DATA is still unanswered: what is sent later waits for its reply all the same."""
    made = machine()
    made.sent(b"DATA\r\n")
    made.sent(b"?")
    made.owe(1, 1)
    made.sent(b"x\r\n.\r\n")
    assert owed(made) == ["DATA", "a client line"]
    events = read(made, GO + b"250 word\r\n250 message\r\n")
    assert [str(event.owed) for event in events] == ["DATA", "a client line", "message"]


SENT = st.lists(
    st.sampled_from(
        [
            b"EHLO c\r\n",
            b"data\r\n",
            b"AUTH LOGIN\r\n",
            b"BDAT 4\r\n",
            b"BDAT 2 LAST\r\n",
            b"QUIT\r\n",
            b".\r\n",
            b"\r\n",
        ]
    )
    | st.binary(max_size=5),
    max_size=10,
)
HEARD = st.lists(
    st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"334 YQ==\r\n", b"235 ok\r\n", b"550 no\r\n", b"221 bye\r\n"]),
    max_size=6,
)


@settings(deadline=None)
@given(st.lists(st.tuples(SENT, HEARD), max_size=4), st.data())
def test_the_queue_does_not_depend_on_writes(talk, data):
    """Whatever is said and answered, how it was cut into writes and reads changes nothing (property 2)."""
    one, other = machine(), machine()
    for said, heard in talk:
        sent, received = b"".join(said), b"".join(heard)
        one.sent(sent)
        write(other, cut(sent, *data.draw(st.lists(st.integers(0, len(sent)), max_size=4))))
        assert owed(other) == owed(one)
        expected = read(one, received)
        assert read(other, *bytewise(received)) == expected
        state = [(made.in_auth, made.in_message, made.challenge, made.may_say_goodbye) for made in (one, other)]
        assert (owed(other), state[1]) == (owed(one), state[0])


class Counted(bytes):
    """What was sent, counting how many bytes are copied out of it."""

    copied = 0

    def __getitem__(self, key):
        piece = super().__getitem__(key)
        type(self).copied += len(piece)
        return piece


def test_a_large_pipeline_is_read_without_copying_it_again_and_again():
    """Each byte of a write is copied once, however many lines there are."""
    Counted.copied = 0
    made = machine()
    data = Counted(b"RCPT TO:<someone@example.com>\r\n" * 2000)
    made.sent(data)
    assert len(made.owed) == 2000
    assert Counted.copied <= len(data)
