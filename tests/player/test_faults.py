"""Properties: a fault at every step, a stop at every point, any cutting of the bytes, the same result every time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import EOF, RESET, STALL, STOP, MemoryDriver, play
from playing import compile_case, everything, shown

from runner.player import Player
from runner.results import Outcome
from runner.wire import Close, Done, Fault, FaultKind, Open

STEPS = """
  - expect: 220
  - {send: 'EHLO x', expect: 250, capabilities: [STARTTLS]}
  - starttls:
  - {send: 'EHLO x', expect: 250}
  - {auth: LOGIN, expect: 235}
  - pipeline:
      - {send: 'MAIL FROM:<a@example.com>', expect: 250}
      - {send: 'RCPT TO:<b@example.org>', expect: 250}
      - {send: DATA, expect: 354}
  - {data: "hello\\n", expect: 250, capture: {id: '/as (\\w+)/'}}
  - {when: {reply: 2xx}, steps: [{send: 'NOOP ${id}', expect: 250}], else: [{send: RSET, expect: 250}]}
  - {send: QUIT, expect: 221}"""
ROWS = 12
GIVEN = {"variables": {"username": "alice"}, "secrets": {"password": "correct horse"}}
TURNS = [
    (b"220 mx.example ESMTP\r\n",),
    (b"250-mx.example\r\n", b"250-SIZE 1000\r\n250 STARTTLS\r\n"),
    (b"220 go\r\n",),
    (b"250 mx.example\r\n",),
    (b"334 VXNlcm5hbWU6\r\n",),
    (b"334 UGFzc3dvcmQ6\r\n",),
    (b"235 2.7.0 ok\r\n",),
    (b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n", b"354 go\r\n"),
    (b"250 2.0.0 queued as ABC\r\n",),
    (b"250 2.0.0 ok\r\n",),
    (b"221 bye\r\n", EOF),
]
PIECES = sum(len(turn) for turn in TURNS)


def server(turns):
    def generator():
        for turn in turns:  # noqa: UP028 -- a list can't be sent to
            yield turn

    return generator


def with_fault(place, fault):
    """Return the turns with a fault in place of the piece at `place`."""
    pieces = [(number, piece) for number, turn in enumerate(TURNS) for piece in turn]
    kept = [*pieces[:place], (pieces[place][0], fault)]
    return [tuple(piece for number, piece in kept if number == turn) for turn in range(kept[-1][0] + 1)]


def played(turns, driver=MemoryDriver, **given):
    return driver(server(turns)).play(Player(compile_case(STEPS, **{**GIVEN, **given})))


def check_closed(actions):
    """Every connection that was opened is closed once, and Done is the last action and the only one."""
    assert [action.sid for action in actions if isinstance(action, Open)] == [
        action.sid for action in actions if isinstance(action, Close)
    ]
    assert [isinstance(action, Done) for action in actions].index(True) == len(actions) - 1


def test_the_whole_conversation():
    """Without a fault the conversation of these tests passes: each step has its row."""
    result = played(TURNS).result
    assert Outcome.PASSED is result.outcome, result.reason
    assert ["passed"] * 10 + ["skipped: the condition of its 'else' holds", "passed"] == shown(result)


@pytest.mark.parametrize(
    "fault",
    [EOF, RESET, STALL, b"25", b"550 no\r\n", b"what\r\n"],
    ids=["eof", "reset", "stall", "short read", "refusal", "no reply"],
)
@pytest.mark.parametrize("place", range(PIECES - 1))
def test_a_fault_at_every_step(place, fault):
    """Whatever happens in place of the k-th piece: one step fails, what is behind it is not run, all is closed."""
    done = played(with_fault(place, fault))
    outcomes = [step.outcome for step in done.result.steps]
    at = next(number for number, outcome in enumerate(outcomes) if outcome.is_failure)
    assert all(outcome in (Outcome.PASSED, Outcome.SKIPPED) for outcome in outcomes[:at])
    assert all(outcome in (Outcome.NOT_RUN, Outcome.SKIPPED) for outcome in outcomes[at + 1 :])
    assert ROWS == len(outcomes)
    assert done.result.outcome is outcomes[at]
    assert done.result.reason == f"{done.result.steps[at].label}: {done.result.steps[at].reason}"
    check_closed(done.actions)


@pytest.mark.parametrize("kind", list(FaultKind), ids=lambda kind: kind.name)
@pytest.mark.parametrize("place", [0, 3, 8])
def test_every_kind_of_fault(place, kind):
    """Each kind of fault ends the case with a reason that names it, or as the server's hanging up."""
    done = played(with_fault(place, Fault(kind, "some detail")))
    assert done.result.outcome.is_failure
    assert "some detail" in done.result.reason or kind is FaultKind.RESET
    check_closed(done.actions)


@pytest.mark.parametrize("place", range(PIECES))
def test_a_stop_at_every_point(place):
    """A case that is stopped gives a result that says so and closes at once, without a goodbye."""
    pieces = [(number, piece) for number, turn in enumerate(TURNS) for piece in turn]
    last = pieces[place - 1][0] if place else 0
    kept = [*pieces[:place], (last, STOP)]
    done = played([tuple(piece for number, piece in kept if number == turn) for turn in range(last + 1)])
    assert Outcome.ERROR is done.result.outcome
    assert "interrupted" in done.result.reason
    assert ROWS == len(done.result.steps)
    check_closed(done.actions)


def test_a_stop_before_the_start():
    """A case that is stopped before it began has a result with nothing run."""
    player = Player(compile_case(STEPS, **GIVEN))
    (done,) = player.stop("interrupted", 7.0)
    assert (Outcome.ERROR, "interrupted", 0.0) == (done.result.outcome, done.result.reason, done.result.elapsed)
    assert ["not run"] * ROWS == shown(done.result)
    assert () == player.start(8.0) == player.tick(9.0)


def test_a_stop_while_the_message_is_unanswered():
    """A stop after the dot says that delivery is unknown."""
    done = played([*TURNS[:8], (STOP,)])
    assert done.result.reason.endswith("interrupted; delivery unknown: the message was sent and not answered")


def test_a_stop_in_the_farewell():
    """A case that is stopped while it says goodbye has not passed: its end was not read."""
    done = play(Player(compile_case("  - expect: 220")), server([b"220 a\r\n", STOP]))
    assert (Outcome.ERROR, "interrupted") == (done.result.outcome, done.result.reason)
    check_closed(done.actions)


def test_two_stops():
    """A second stop changes nothing."""
    player = Player(compile_case(STEPS, **GIVEN))
    player.start(1.0)
    assert isinstance(player.stop("interrupted", 2.0)[-1], Done)
    assert () == player.stop("again", 3.0)


def recut(turns, cuts):
    """Return the turns with their bytes cut elsewhere; what is no bytes stays between them."""
    cut_turns = []
    for turn in turns:
        pieces, run = [], b""
        for piece in (*turn, None):
            if isinstance(piece, bytes):
                run += piece
                continue
            places = sorted({0, len(run), *(cut % (len(run) + 1) for cut in cuts)})
            pieces += [run[start:end] for start, end in itertools.pairwise(places)]
            pieces += [piece] if piece is not None else []
            run = b""
        cut_turns.append(tuple(pieces))
    return cut_turns


def verdict(result):
    """Return what of a result must not depend on how bytes were cut."""
    return (
        result.outcome,
        result.reason,
        [(step.label, step.outcome, step.reason, step.differences) for step in result.steps],
    )


REPLIES = [
    b"250 2.0.0 ok\r\n",
    b"250-a\r\n250 b\r\n",
    b"421 bye\r\n",
    b"550 no\r\n",
    b"354 go\r\n",
    b"334 VXNlcg==\r\n",
    b"235 ok\r\n",
    b"what\r\n",
    b"25",
    b"250 a\n",
    b"\r\n",
]


@given(
    place=st.integers(0, len(TURNS) - 1),
    instead=st.lists(st.sampled_from(REPLIES), max_size=3),
    end=st.sampled_from([None, EOF, RESET]),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_segments_do_not_matter(place, instead, end, cuts):
    """However the server's bytes are cut, the verdict and every reason are the same."""
    turn = (b"".join(instead), end) if end is not None else (b"".join(instead),)
    turns = [*TURNS[:place], turn, *TURNS[place + 1 :]]
    has_surplus = len(instead) > 1  # which step is blamed for it may vary
    one, other = played(turns).result, played(recut(turns, cuts)).result
    assert one.outcome is other.outcome
    if not has_surplus:
        assert verdict(one) == verdict(other)


@given(data=st.binary(max_size=200), place=st.integers(0, len(TURNS) - 1))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data, place):
    """Whatever bytes a server sends, the case ends with a result whose rows add up, in bounded time."""
    done = played([*TURNS[:place], (data,), *TURNS[place + 1 :]])
    assert ROWS == len(done.result.steps)
    assert done.now < 1000 + 400
    check_closed(done.actions)


def test_the_same_every_time():
    """Twenty runs against one hostile server give one result, to the last character."""
    turns = [*TURNS[:7], (b"250 2.1.0 ok\r\n", b"550-no\r\n550 \xff\x1b[2J\r\n503 no\r\n", EOF)]
    results = {everything(played(turns).result) for _ in range(20)}
    assert 1 == len(results)
