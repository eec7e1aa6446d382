"""A fault at every step of a conversation by POP3, IMAP, ManageSieve and lines, and any cutting of their bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailboxes import converse
from memory import EOF, RESET, STALL
from playing import everything, shown

from runner.results import Outcome
from runner.wire import Close, Done, Fault, FaultKind, Open

LITERAL = b"* 1 FETCH (BODY[] {17}\r\nA6 OK x\r\n\r\n* BYE\n)\r\n"
# Of each protocol: its steps, what the server says to each of the client's writes, in pieces, and further keys.
CONVERSATIONS = {
    "imap": (
        """
  - expect: OK
  - {send: CAPABILITY, expect: OK, capabilities: [STARTTLS]}
  - starttls:
  - auth: PLAIN
  - {send: SELECT INBOX, expect: 'OK [READ-WRITE]', untagged: '* EXISTS'}
  - send: APPEND INBOX
    literal: hello
    expect: OK [APPENDUID]
  - {send: 'FETCH 1 BODY[]', expect: OK, has: '* BYE'}
  - {send: IDLE, expect: +}
  - {expect: untagged, untagged: 3 EXISTS}
  - {send: DONE, expect: OK}
  - {send: LOGOUT, expect: OK}""",
        [
            (b"* OK hello\r\n",),
            (b"* CAPABILITY IMAP4rev1 STARTTLS\r\n", b"A1 OK\r\n"),
            (b"A2 OK go\r\n",),
            (b"+ \r\n",),
            (b"A3 OK in\r\n",),
            (b"* 2 EXISTS\r\n", b"A4 OK [READ-WRITE] in\r\n"),
            (b"+ go\r\n",),
            (b"A5 OK [APPENDUID 1 2] stored\r\n",),
            (LITERAL[:30], LITERAL[30:], b"A6 OK\r\n"),
            (b"+ idling\r\n", b"* 3 EXISTS\r\n"),
            (b"A7 OK\r\n",),
            (b"* BYE\r\n", b"A8 OK\r\n", EOF),
        ],
        {},
    ),
    "pop3": (
        """
  - expect: +OK
  - {send: CAPA, expect: +OK, capabilities: [STLS]}
  - starttls:
  - auth: PLAIN
  - {send: UIDL, expect: +OK, has: 1 x}
  - {send: RETR 1, expect: +OK, has: .}
  - {send: QUIT, expect: +OK}""",
        [
            (b"+OK hello\r\n",),
            (b"+OK\r\n", b"STLS\r\nSASL PLAIN\r\n.\r\n"),
            (b"+OK go\r\n",),
            (b"+OK in\r\n",),
            (b"+OK\r\n1 x\r\n", b".\r\n"),
            (b"+OK\r\nSubject: x\r\n", b"\r\n..\r\n-ERR\r\n", b".\r\n"),
            (b"+OK bye\r\n", EOF),
        ],
        {},
    ),
    "sieve": (
        """
  - {expect: OK, capabilities: [STARTTLS]}
  - starttls:
  - auth: PLAIN
  - send: PUTSCRIPT "x"
    literal: keep;
    expect: OK
  - {send: GETSCRIPT "x", expect: OK, has: keep;}
  - {send: LOGOUT, expect: OK}""",
        [
            (b'"SASL" "PLAIN"\r\n', b'"STARTTLS"\r\nOK\r\n'),
            (b"OK go\r\n",),
            (b'"SASL" "PLAIN"\r\n', b"OK\r\n"),
            (b"OK in\r\n",),
            (b"OK stored\r\n",),
            (b"{13}\r\nOK\r\n", b"NO\r\nkeep;\r\n", b"OK\r\n"),
            (b"OK bye\r\n", EOF),
        ],
        {"greets_after_tls": True},
    ),
    "tcp": (
        """
  - expect: hello*
  - {send: LIST, expect: '*', until: '/^end/'}
  - {send: ITEM, expect: '*', until: {lines: 2}}
  - {send: BYE, expect: bye}
  - expect: close""",
        [
            (b"hello there\r\n",),
            (b"one\r\ntw", b"o\nend\r\n"),
            (b"a\r\n", b"b\r\n"),
            (b"bye\r\n", EOF),
        ],
        {},
    ),
}
GIVEN = {"variables": {"username": "alice"}, "secrets": {"password": "correct horse"}}


def play(protocol, turns):
    """Play a protocol's conversation with these turns."""
    steps, _, more = CONVERSATIONS[protocol]

    def server():
        for turn in turns:  # noqa: UP028 -- a list can't be sent to
            yield turn

    return converse(protocol, steps, server, **GIVEN, **more)


def pieces_of(protocol):
    return [(number, piece) for number, turn in enumerate(CONVERSATIONS[protocol][1]) for piece in turn]


def turns_of(kept):
    return [tuple(piece for number, piece in kept if number == turn) for turn in range(kept[-1][0] + 1)]


def check_closed(actions):
    """Every connection that was opened is closed once, and Done is the last action and the only one."""
    assert [action.sid for action in actions if isinstance(action, Open)] == [
        action.sid for action in actions if isinstance(action, Close)
    ]
    assert [isinstance(action, Done) for action in actions].index(True) == len(actions) - 1


@pytest.mark.parametrize("protocol", CONVERSATIONS)
def test_the_whole_conversation(protocol):
    """Without a fault each conversation passes."""
    result = play(protocol, CONVERSATIONS[protocol][1]).result
    assert Outcome.PASSED is result.outcome, result.reason
    assert {"passed"} == set(shown(result))


# What comes in place of a piece; the last is how each protocol says no.
FAULTS = {
    "eof": EOF,
    "reset": RESET,
    "stall": STALL,
    "failure": Fault(FaultKind.LOCAL, "no route"),
    "zeros": b"\0\0",
    "half a line": b"* OK [X",
    "half a literal": b"* 1 FETCH ({99}\r\nx",
    "no reply": b"what is this\r\n",
    "bye": {"imap": b"* BYE\r\n", "sieve": b"BYE\r\n", "pop3": b"-ERR no\r\n"},
}
# Where a reply has no code any line is one, and a wrong text ends no case.
FAULTS_OF_LINES = ("eof", "reset", "stall", "failure", "zeros", "half a line")


@pytest.mark.parametrize(
    ("protocol", "place", "name"),
    [
        (protocol, place, name)
        for protocol in CONVERSATIONS
        for place in range(len(pieces_of(protocol)) - 1)
        for name in (FAULTS_OF_LINES if protocol == "tcp" else FAULTS)
    ],
)
def test_a_fault_at_every_step(protocol, place, name):
    """Whatever happens in place of the k-th piece: one step fails, what is behind it is not run, all is closed."""
    pieces = pieces_of(protocol)
    fault = FAULTS[name][protocol] if isinstance(FAULTS[name], dict) else FAULTS[name]
    done = play(protocol, turns_of([*pieces[:place], (pieces[place][0], fault)]))
    outcomes = [step.outcome for step in done.result.steps]
    at = next(number for number, outcome in enumerate(outcomes) if outcome is not Outcome.PASSED)
    assert outcomes[at].is_failure
    assert {Outcome.NOT_RUN} >= set(outcomes[at + 1 :])
    assert done.result.outcome is outcomes[at]
    assert done.result.reason == f"{done.result.steps[at].label}: {done.result.steps[at].reason}"
    assert "correct horse" not in everything(done.result)
    check_closed(done.actions)


REPLIES = st.sampled_from(
    [
        b"* OK hello\r\n",
        b"* BYE\r\n",
        b"* 1 FETCH (X {3}\r\nA1 ",
        b"A1 OK\r\n",
        b"+ \r\n",
        b"+OK\r\n",
        b"-ERR\r\n",
        b".\r\n",
        b"OK\r\n",
        b'"x"\r\n',
        b"{2}\r\n",
        b"end\n",
        b"\r\n",
        b"\0",
    ]
)


def recut(turn, cuts):
    """Return a turn with its bytes cut elsewhere; what is no bytes is its end."""
    data = b"".join(piece for piece in turn if isinstance(piece, bytes))
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return (*(data[start:end] for start, end in itertools.pairwise(places)), *turn[len(turn) - (turn[-1:] == (EOF,)) :])


@pytest.mark.parametrize("protocol", CONVERSATIONS)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_segments_do_not_matter(protocol, data):
    """Whatever a server says, however it is cut, the verdict is the same, and but for a surplus its reason."""
    turns = CONVERSATIONS[protocol][1]
    place = data.draw(st.integers(0, len(turns) - 1))
    said = data.draw(st.lists(REPLIES, max_size=3))
    end = data.draw(st.sampled_from([(), (EOF,)]))
    cuts = data.draw(st.lists(st.integers(0, 60), max_size=6))
    turns = [*turns[:place], (b"".join(said), *end), *turns[place + 1 :]]
    one = play(protocol, turns).result
    other = play(protocol, [recut(turn, cuts) for turn in turns]).result
    assert one.outcome is other.outcome, (one.reason, other.reason)
    if len(b"".join(said).splitlines()) < 2:
        assert shown(one) == shown(other)


@pytest.mark.parametrize("protocol", CONVERSATIONS)
@given(data=st.binary(max_size=100), place=st.integers(0, 11))
@settings(max_examples=60, deadline=None)
def test_any_bytes(protocol, data, place):
    """Whatever bytes a server sends, the case ends with a result whose rows add up, in bounded time."""
    turns = CONVERSATIONS[protocol][1]
    done = play(protocol, [*turns[: place % len(turns)], (data,), *turns[place % len(turns) + 1 :]])
    assert len(play(protocol, turns).result.steps) == len(done.result.steps)
    assert done.now < 1000 + 600
    check_closed(done.actions)
