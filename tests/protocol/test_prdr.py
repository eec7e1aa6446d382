"""PRDR: after a 353 to the message a reply for each accepted recipient, and a last one (draft-hall-prdr-00)."""

import pytest

from tests.protocol.feeding import bytewise, cut, machine, owed, read, write

ENVELOPE = b"MAIL FROM:<s@x> PRDR\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n"
ACCEPTED = b"250 ok\r\n250 a\r\n550 b\r\n250 c\r\n"
MESSAGE = b"DATA\r\nx\r\n.\r\n"
GO = b"354 go\r\n"
EACH = b"353 each follows\r\n"


def in_transaction(envelope=ENVELOPE, accepted=ACCEPTED):
    made = machine()
    made.sent(envelope)
    read(made, accepted)
    return made


def test_a_reply_for_each_and_a_last_one():
    """Those that were refused get none; the last reply is for the message as a whole."""
    said = GO + EACH + b"250 a\r\n550 c\r\n250 queued\r\n221 bye\r\n"
    for pieces in [[said], bytewise(said), *(cut(said, place) for place in range(1, len(said)))]:
        made = in_transaction()
        write(made, [MESSAGE, b"QUIT\r\n"])
        events = read(made, *pieces)
        assert ["DATA", "message", "message for a@x", "message for c@x", "message", "QUIT"] == [
            str(event.owed) for event in events
        ]
        assert [] == owed(made)


def test_who_is_due():
    """Nobody until the 353, then those that were accepted."""
    made = in_transaction()
    made.sent(MESSAGE)
    read(made, GO)
    assert () == made.recipients_due
    read(made, EACH)
    assert ("a@x", "c@x") == made.recipients_due
    read(made, b"250 a\r\n250 c\r\n")
    assert () == made.recipients_due
    assert ["message"] == owed(made)


def test_the_last_chunk():
    """A BDAT with LAST is answered like the dot."""
    made = in_transaction()
    made.sent(b"BDAT 2 LAST\r\nxy")
    read(made, EACH)
    assert ["message for a@x", "message for c@x", "message"] == owed(made)


@pytest.mark.parametrize("reply", [b"250 queued\r\n", b"554 no\r\n"], ids=["accepted", "refused"])
def test_one_reply_for_all(reply):
    """A server may answer for all at once, as if PRDR had not been asked for (section 4.4)."""
    made = in_transaction()
    made.sent(MESSAGE)
    read(made, GO + reply)
    assert [] == owed(made)


def test_it_must_be_asked_for():
    """Without the parameter a 353 is the message's reply like any other, and RCPTs are not told apart."""
    made = in_transaction(ENVELOPE.replace(b" PRDR", b" SIZE=3"))
    made.sent(MESSAGE)
    read(made, GO + EACH)
    assert [] == owed(made)


def test_it_holds_for_one_transaction():
    """The next MAIL asks anew, or doesn't."""
    made = in_transaction()
    made.sent(MESSAGE)
    read(made, GO + EACH + b"250 a\r\n250 c\r\n250 queued\r\n")
    made.sent(b"MAIL FROM:<s@x>\r\nRCPT TO:<a@x>\r\n" + MESSAGE)
    read(made, b"250 ok\r\n250 a\r\n" + GO + EACH)
    assert [] == owed(made)


def test_pipelined_transactions():
    """Which transaction a 353 belongs to is up to the replies, not to what was sent since."""
    made = machine()
    made.sent(ENVELOPE + b"BDAT 1 LAST\r\nx" + b"MAIL FROM:<s@x>\r\nRCPT TO:<d@x>\r\n")
    read(made, ACCEPTED + EACH)
    assert ["message for a@x", "message for c@x", "message", "MAIL", "RCPT"] == owed(made)


@pytest.mark.parametrize("command", [b"RSET\r\n", b"EHLO c\r\n"], ids=["RSET", "EHLO"])
def test_a_transaction_that_was_dropped(command):
    """Its recipients don't count any more."""
    made = in_transaction()
    made.sent(command + ENVELOPE)
    read(made, b"250 ok\r\n250 ok\r\n550 a\r\n250 b\r\n550 c\r\n")
    made.sent(MESSAGE)
    read(made, GO + EACH)
    assert ("b@x",) == made.recipients_due
