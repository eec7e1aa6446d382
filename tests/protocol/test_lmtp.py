"""LMTP: a reply for each accepted recipient after the message (RFC 2033)."""

import pytest

from runner.protocol import PROTOCOLS
from runner.protocol.lmtp import Lmtp
from tests.protocol.feeding import bytewise, cut, owed, read, reply_to, write
from tests.protocol.feeding import machine as smtp_machine

ENVELOPE = b"MAIL FROM:<s@example.com>\r\nRCPT TO:<a@x>\r\nrcpt to: <b@x> NOTIFY=NEVER\r\nRCPT TO:<c@x>\r\n"
ACCEPTED = b"250 ok\r\n250 a\r\n550 b\r\n251 c\r\n"


def machine():
    return smtp_machine(kind=Lmtp)


def test_it_is_registered():
    """A scenario's `protocol` finds it."""
    assert PROTOCOLS["lmtp"] is Lmtp


def test_a_recipient_is_named():
    """The reply to a RCPT says whose it is; without brackets it can't be told."""
    made = machine()
    made.sent(ENVELOPE + b"RCPT TO:d@x\r\nRCPT\r\nRCPT TO:<\xffe@x>\r\n")
    assert owed(made) == [
        "MAIL",
        "RCPT for a@x",
        "RCPT for b@x",
        "RCPT for c@x",
        "RCPT",
        "RCPT",
        "RCPT for \\xffe@x",
    ]


def test_one_reply_for_each_accepted_recipient():
    """Those that were refused get none; the order is that of the RCPTs."""
    message = b"DATA\r\nx\r\n.\r\nQUIT\r\n"
    for pieces in ([ENVELOPE + message], bytewise(ENVELOPE + message)):
        made = machine()
        write(made, pieces)
        read(made, ACCEPTED + b"354 go\r\n")
        assert owed(made) == ["message for a@x", "message for c@x", "QUIT"]
        events = read(made, b"250 a\r\n452 c\r\n221 bye\r\n")
        assert [(event.code, str(event.owed)) for event in events] == [
            ("250", "message for a@x"),
            ("452", "message for c@x"),
            ("221", "QUIT"),
        ]


def test_a_recipient_twice_has_two_replies():
    """Even for the same forward-path there are as many replies as RCPTs (RFC 2033 section 4.2)."""
    made = machine()
    made.sent(b"MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<a@x>\r\nRCPT TO:d@x\r\n")
    read(made, b"250 1\r\n250 2\r\n250 3\r\n250 4\r\n")
    made.sent(b"DATA\r\n.\r\n")
    read(made, b"354 go\r\n")
    assert owed(made) == ["message for a@x", "message for a@x", "message"]
    assert made.recipients_due == ("a@x", "a@x", "")


@pytest.mark.parametrize("end", [b"DATA\r\n.\r\n", b"BDAT 0 LAST\r\n"], ids=["message", "last chunk"])
def test_the_recipients_that_are_due(end):
    """They are known before the first of their replies comes, and those that have come are due no more."""
    made = machine()
    made.sent(ENVELOPE)
    assert made.recipients_due == ()
    read(made, ACCEPTED)
    made.sent(end)
    if end.startswith(b"DATA"):
        read(made, b"354 go\r\n")
    assert made.recipients_due == ("a@x", "c@x")
    read(made, b"250 a\r\n")
    assert made.recipients_due == ("c@x",)
    read(made, b"250 c\r\n")
    assert made.recipients_due == ()


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param((b"RSET\r\n", b"250 ok\r\n"), id="RSET"),
        pytest.param((b"LHLO c\r\n", b"250 mx\r\n"), id="LHLO"),
        pytest.param((b"MAIL FROM:<t@x>\r\n", b"250 ok\r\n"), id="MAIL"),
        pytest.param((b"DATA\r\nx\r\n.\r\n", b"354 go\r\n250 a\r\n250 c\r\n"), id="a message"),
        pytest.param((b"BDAT 0 LAST\r\n", b"250 a\r\n250 c\r\n"), id="a last chunk"),
    ],
)
def test_a_transaction_ends(ending):
    """After it only the recipients of the new one count."""
    made = machine()
    made.sent(ENVELOPE)
    read(made, ACCEPTED)
    made.sent(ending[0])
    read(made, ending[1])
    assert owed(made) == []
    made.sent(b"RCPT TO:<d@x>\r\nDATA\r\n")
    read(made, b"250 d\r\n354 go\r\n")
    made.sent(b"y\r\n.\r\n")
    assert owed(made) == ["message for d@x"]


@pytest.mark.parametrize("command", [b"RSET\r\n", b"MAIL FROM:<t@x>\r\n"], ids=["RSET", "MAIL"])
def test_a_refused_command_ends_no_transaction(command):
    """The recipients stand."""
    made = machine()
    made.sent(ENVELOPE + command)
    read(made, ACCEPTED + b"503 no\r\n")
    made.sent(b"DATA\r\n.\r\n")
    read(made, b"354 go\r\n")
    assert owed(made) == ["message for a@x", "message for c@x"]


def test_a_handshake_ends_the_transaction():
    """As all that was said in clear text it is forgotten."""
    made = machine()
    made.sent(ENVELOPE)
    read(made, ACCEPTED)
    made.secured()
    made.sent(b"DATA\r\n.\r\n")
    read(made, b"354 go\r\n")
    assert owed(made) == ["message"]


def test_a_message_without_an_accepted_recipient_has_one_reply():
    """A server that says 354 to it all the same can still refuse it."""
    made = machine()
    made.sent(b"MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nDATA\r\n.\r\n")
    read(made, b"250 ok\r\n550 no\r\n354 go\r\n")
    assert owed(made) == ["message"]


def test_early_replies_name_their_recipients():
    """While the message is being written the first reply is the first recipient's; the rest is owed at the dot."""
    made = machine()
    made.sent(ENVELOPE + b"DATA\r\n")
    events = read(made, ACCEPTED + b"354 go\r\n452 a is full\r\n")
    assert str(events[-1].owed) == "message for a@x"
    made.sent(b"x\r\n.\r\n")
    assert owed(made) == ["message for c@x"]


def test_a_message_ended_at_an_odd_dot_owes_all_its_replies():
    """The first reply shows that the server took the end; the second is owed then."""
    made = machine()
    made.sent(ENVELOPE + b"DATA\r\n")
    read(made, ACCEPTED + b"354 go\r\n")
    made.sent(b"x\n.\n")
    assert str(reply_to(made, b"250 a\r\n").owed) == "message for a@x"
    assert (owed(made), made.in_message) == (["message for c@x"], False)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"BDAT 3\r\nabcBDAT 2 LAST\r\nde", id="octets"),
        pytest.param(b"BDAT 5\r\nabcdeBDAT 0 LAST\r\n", id="none in the last"),
    ],
)
def test_a_last_chunk_has_a_reply_for_each_recipient(chunks):
    """The others have one each (RFC 2033 section 4.3); pipelined with the RCPTs they count all the same."""
    for place in range(len(chunks) + 1):
        made = machine()
        write(made, cut(ENVELOPE + chunks + b"QUIT\r\n", len(ENVELOPE) + place))
        events = read(made, ACCEPTED + b"250 chunk\r\n250 a\r\n250 c\r\n221 bye\r\n")
        assert [str(event.owed) for event in events][4:] == ["BDAT", "message for a@x", "message for c@x", "QUIT"]
        assert owed(made) == []


def test_a_last_chunk_that_is_refused_early():
    """The first reply comes while it is being written; the others are owed at its end."""
    made = machine()
    made.sent(ENVELOPE)
    read(made, ACCEPTED)
    made.sent(b"BDAT 10 LAST\r\nabc")
    assert str(reply_to(made, b"452 full\r\n").owed) == "message for a@x"
    assert owed(made) == []
    made.sent(b"defghijNOOP\r\n")
    assert owed(made) == ["message for c@x", "NOOP"]


def test_a_last_chunk_of_three_recipients_is_answered_in_order():
    """The order of the RCPTs is that of the replies, counted late or not."""
    made = machine()
    made.sent(ENVELOPE + b"BDAT 1 LAST\r\nx")
    events = read(made, b"250 ok\r\n250 a\r\n250 b\r\n250 c\r\n250 a\r\n250 b\r\n250 c\r\n")
    assert [str(event.owed) for event in events][4:] == ["message for a@x", "message for b@x", "message for c@x"]


def test_lhlo_shows_capabilities():
    """As EHLO does in SMTP."""
    made = machine()
    made.sent(b"lhlo c\r\n")
    reply_to(made, b"250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n")
    assert made.capabilities == {"PIPELINING": (), "SIZE": ()}
