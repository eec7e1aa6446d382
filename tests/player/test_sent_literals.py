"""`literal` beside `send`: what is announced, when it leaves, and what may come in its place."""

from __future__ import annotations

import pytest
from mailboxes import GREETINGS, converse, transcript
from memory import EOF
from playing import everything, shown

from runner.results import Outcome
from runner.wire import Peer, Write

APPEND = "  - {expect: OK}\n  - {send: 'APPEND INBOX (\\Seen)', literal: %s%s}"
FAR = Peer("192.0.2.1", "192.0.2.7", is_loopback=False)


def append(*turns, literal="hello", expect=", expect: OK", **given):
    """Return what came of an APPEND."""
    return converse("imap", APPEND % (literal, expect), *turns, **given)


def test_a_literal_is_asked_for():
    """The line with the size, the go-ahead, the octets with CRLF as they are, the line's end."""
    played = append(b"* 3 EXISTS\r\n+ go\r\n", b"A1 OK\r\n", literal='"Subject: x\\n\\n.dot ${unique}\\n"')
    assert ["passed"] * 2 == shown(played.result)
    writes = [action.data for action in played.actions if isinstance(action, Write)]
    message = b"Subject: x\r\n\r\n.dot t0123456789\r\n"
    assert [b"A1 APPEND INBOX (\\Seen) {%d}\r\n" % len(message), message + b"\r\n"] == writes[:2]


def test_a_literal_at_once():
    """Without `sync` all of it leaves in one write."""
    played = append(b"A1 OK\r\n", literal="{text: 'héllo', sync: false}")
    writes = [action.data for action in played.actions if isinstance(action, Write)]
    assert "A1 APPEND INBOX (\\Seen) {6+}\r\nhéllo\r\n".encode() == writes[0]
    assert ["passed"] * 2 == shown(played.result)


@pytest.mark.parametrize(
    ("expect", "said", "outcome"),
    [
        (", expect: OK", b"A1 NO [OVERQUOTA] full\r\n", "failed: expected OK, got NO [OVERQUOTA] full"),
        (", expect: 'NO [OVERQUOTA]'", b"* 1 EXISTS\r\nA1 NO [OVERQUOTA] full\r\n", "passed"),
        ("", b"A1 NO full\r\n", "failed: the literal was not sent: expected +, got NO full"),
        (", expect: OK", b"A1 OK stored\r\n", "failed: the literal was not sent: expected +, got OK stored"),
        (", expect: OK", b"* BYE gone\r\n", "failed: expected OK, got BYE gone"),
        (", expect: close", EOF, "passed"),
        ("", EOF, "failed: the server closed the connection where a reply was due"),
        (", expect: OK, timeout: 1s", None, "failed: no reply to APPEND within 1 s"),
        (", expect: OK", b"+ go\r\n+ go\r\n", None),
    ],
    ids=[
        "refused",
        "refusal expected",
        "no expect",
        "success",
        "bye",
        "close expected",
        "close",
        "silence",
        "asked twice",
    ],
)
def test_no_go_ahead(expect, said, outcome):
    """What comes in place of the go-ahead is the reply to the line; the octets do not leave."""
    played = append(said, expect=expect)
    if outcome is None:
        assert Outcome.FAILED is played.result.steps[1].outcome
        return
    assert outcome == shown(played.result)[1]
    assert b"hello" not in played.sent[0]


def test_a_connection_that_ends_after_the_go_ahead():
    """Where nothing can be sent any more the close is what the step has met."""
    assert "failed: the server closed the connection where a reply was due" == shown(append((b"+\r\n", EOF)).result)[1]
    result = append((b"+\r\n", EOF), literal="{size: 1MB}", expect="").result
    assert "failed: nothing can be sent: the server has closed the connection" == shown(result)[1]


@pytest.mark.parametrize("sync", ["true", "false"])
def test_much_leaves_in_pieces(sync):
    """A large literal is written piece by piece, each once the one before has left, and has its exact size."""
    mark = b"{1000000}\r\n" if sync == "true" else b"{1000000+}\r\n"

    def server():
        heard = yield GREETINGS["imap"]
        if sync == "true":
            heard += yield b"+ go\r\n"
        while len(heard) < heard.index(mark) + len(mark) + 1_000_002:
            heard += yield None
        assert b"A2 LOGOUT\r\n" == (yield b"A1 OK\r\n")
        yield (b"* BYE\r\nA2 OK\r\n", EOF)

    played = append(server, literal=f"{{size: 1MB, sync: {sync}}}")
    writes = [action for action in played.actions if isinstance(action, Write)]
    assert max(len(action.data) for action in writes) <= 64 * 1024 + 10
    assert "passed" == shown(played.result)[1]


def test_an_answer_before_its_end():
    """A literal that was answered meanwhile is written on, and the answer is the step's."""
    played = append(b"+ go\r\n", b"A1 NO full\r\n", literal="{size: 1MB}")
    assert "failed: expected OK, got NO full" == shown(played.result)[1]
    assert len(played.sent[0]) > 1_000_000


@pytest.mark.parametrize("literal", ["'x ${password}'", "{text: 'x ${password}', sync: false}"])
def test_a_secret_in_a_literal(literal):
    """It is hidden where it stands; in clear text over a network not even the line before it leaves."""
    secret = {"secrets": {"password": "abc"}}
    turns = [b"A1 OK\r\n"] if "sync" in literal else [b"+\r\n", b"A1 OK\r\n"]
    played = append(*turns, literal=literal, **secret)
    assert "C: x ⟨password⟩" in transcript(played)
    assert "x abc" not in everything(played.result)
    played = append(*turns, literal=literal, peer=FAR, url="imap://mail.example", **secret)
    assert Outcome.ERROR is played.result.steps[1].outcome
    assert b"APPEND" not in played.sent.get(0, b"")


def test_in_a_pipeline():
    """A literal that needs no go-ahead goes with the others, each line with its tag."""
    played = converse(
        "imap",
        """
  - {expect: OK}
  - pipeline:
    - {send: 'APPEND a', literal: {text: x, sync: false}, expect: OK}
    - {send: NOOP, expect: OK}""",
        b"A1 OK\r\nA2 OK\r\n",
    )
    assert b"A1 APPEND a {1+}\r\nx\r\nA2 NOOP\r\nA3 LOGOUT\r\n" == played.sent[0]
    assert ["passed"] * 3 == shown(played.result)


def test_a_script():
    """ManageSieve's literals are never asked for."""
    played = converse(
        "sieve", '  - {expect: OK}\n  - {send: \'PUTSCRIPT "a"\', literal: "keep;\\n", expect: OK}', b"OK\r\n"
    )
    assert b'PUTSCRIPT "a" {7+}\r\nkeep;\r\n\r\nLOGOUT\r\n' == played.sent[0]
