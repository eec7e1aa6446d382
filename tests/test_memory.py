"""The driver in memory keeps the order and the strictness that its users count on."""

from __future__ import annotations

import pytest
from memory import EOF, RESET, STALL, STOP, play

from runner.wire import Close, Done, Endpoint, Fault, FaultKind, Flow, Open, Secure, TlsFacts, TlsWish, Write

HERE = Endpoint("127.0.0.1", 25)


class Listed:
    """A player that answers from a list, one answer a call, and then by Done with the calls so far."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []
        self.deadline = 1030.0

    def __getattr__(self, name):
        def call(*what):
            if name == "tick" and self.calls and self.calls[-1] == ("ended",):
                return ()
            self.calls.append((name, *what[:-1]))
            if self.answers:
                return self.answers.pop(0)
            calls = tuple(self.calls)
            self.calls.append(("ended",))
            return (Done(calls),)

        return call


def names(played):
    return [call[0] for call in played.result]


def test_conversation():
    """The server hears what the player writes, and its segments arrive one by one."""
    heard = []

    def server():
        heard.append((yield b"220 hello\r\n"))
        heard.append((yield (b"250-mx\r\n", b"250 SIZE\r\n", EOF)))

    write = (Write(0, b"EHLO "), Write(0, b"x\r\n"))
    played = play(Listed((Open(0, HERE),), (), write, (), ()), server)
    assert names(played) == ["start", "opened", "received", "received", "received", "eof"]
    assert heard == [b"EHLO x\r\n"]
    assert played.sent == {0: b"EHLO x\r\n"}


@pytest.mark.parametrize(
    ("said", "call"),
    [
        pytest.param(EOF, ("eof", 0, True), id="eof"),
        pytest.param(RESET, ("broke", 0, RESET), id="reset"),
        pytest.param(STOP, ("stop", "interrupted"), id="stop"),
        pytest.param(STALL, ("tick",), id="stall"),
        pytest.param(None, ("tick",), id="silence"),
    ],
)
def test_marks(said, call):
    """Each mark is the call that it stands for."""

    def server():
        yield said

    played = play(Listed((Open(0, HERE),), ()), server)
    assert call == played.result[-1]
    assert (played.now >= 1030.0) == (call == ("tick",))


def test_handshake_comes_after_injected_text():
    """Clear text that the server sent before the handshake is received before it."""

    def server():
        yield (b"220 go\r\n", b"250 injected\r\n")

    played = play(Listed((Open(0, HERE),), (), (Secure(0, TlsWish()),), ()), server)
    assert names(played) == ["start", "opened", "received", "received", "secured"]
    assert isinstance(played.result[-1][2], TlsFacts)


def test_failing_handshake():
    """A fault in place of the facts breaks the connection, with implicit TLS as the only answer."""
    fault = Fault(FaultKind.TLS_EXPIRED)
    endpoint = Endpoint("mx.example", 465, tls=TlsWish())
    played = play(Listed((Open(0, endpoint),)), lambda: iter(()), tls=fault)
    assert ("broke", 0, fault) == played.result[-1]


def test_nothing_leaks_into_a_reopened_session():
    """What the former connection had left to say is not heard after Close and Open."""
    servers = iter([(b"old\r\n", b"older\r\n"), (b"new\r\n",)])

    def server():
        yield next(servers)

    again = (Close(0), Open(0, HERE))
    played = play(Listed((Open(0, HERE),), (), again, ()), server)
    assert [call[:3] if call[0] == "received" else call[:2] for call in played.result[2:]] == [
        ("received", 0, b"old\r\n"),
        ("opened", 0),
        ("received", 0, b"new\r\n"),
    ]


def test_paused_reading_holds_text_back():
    """What comes while the player does not read comes when it reads again."""

    def server():
        yield (b"one", b"two", EOF)

    answers = ((Open(0, HERE),), (), (Flow(0, read=False),), (Flow(0, read=True),), ())
    assert names(play(Listed(*answers), server)) == ["start", "opened", "received", "tick", "received", "eof"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        pytest.param(((Open(0, HERE), Write(0, b"x")),), "a write to what is not open", id="early write"),
        pytest.param(((),) * 9, "a tick at the deadline 1030.0 changed nothing", id="idle tick"),
    ],
)
def test_players_mistakes(answers, words):
    """What no player may do is an assertion's failure."""
    with pytest.raises(AssertionError, match=words):
        play(Listed(*answers), lambda: iter(()))
