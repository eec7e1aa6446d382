"""Lines with literals, both ways, whatever they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.protocol.base import Event, Limits
from runner.protocol.literals import LiteralMachine
from runner.protocol.reply import Literal, Owed
from tests.protocol.feeding import bytewise, cut, owed

LIMITS = Limits(line=40, reply=60, lines=4, literal=90)


class Folding(LiteralMachine):
    """A machine whose replies are folded lines; it notes the client's lines."""

    name = "folding"
    goodbye = b""
    capabilities = None
    may_say_goodbye = False

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(limits)
        self.lines: list[tuple[bytes, bool, bool]] = []

    def next(self) -> Event | None:
        raise NotImplementedError

    def opened(self) -> None:
        raise NotImplementedError

    def secured(self) -> None:
        raise NotImplementedError

    def _is_text(self, line: bytes) -> bool:
        return line.startswith(b"text")

    def _line_sent(self, line: bytes, *, is_begun: bool, awaits_go_ahead: bool) -> None:
        self.lines.append((line, is_begun, awaits_go_ahead))
        self.owed += [] if is_begun else [Owed(line.decode("latin-1"))]
        self._is_undecided = awaits_go_ahead


def folded(made: Folding, *pieces: bytes, is_each_a_reply: bool = True) -> list[object]:
    """Feed the pieces; return the folded lines, and the reason where they end."""
    found: list[object] = []
    for piece in pieces:
        made.receive(piece)
        while (line := made._folded_line()) is not None:
            found.append(line)
            if is_each_a_reply:
                made._release_all()
    if made._refused is not None:
        found.append(made._refused.reason)
        made._refused = None
    return found


NO_SIZE = "a literal whose size is no number of octets (RFC 9051 section 4.3)"
TOO_LARGE = "a literal of more than 90 octets (limit 'literal')"

READ = [
    pytest.param(b"a\r\n\r\nb\r\n", [(b"a", []), (b"", []), (b"b", [])], id="no literals"),
    pytest.param(b"a {3}\r\nx\r\n\r\n", [(b"a {3}", [Literal(3, b"x\r\n", 0, 5)])], id="one at the end"),
    pytest.param(b"a {1}\r\nx)\r\n", [(b"a {1})", [Literal(1, b"x", 0, 5)])], id="a line that goes on"),
    pytest.param(b"{0}\r\n\r\n", [(b"{0}", [Literal(0, b"", 0, 3)])], id="one of no octets"),
    pytest.param(
        b"({2+}\r\nab ~{03}\r\n{1})\r\n",
        [(b"({2+} ~{03})", [Literal(2, b"ab", 0, 5), Literal(3, b"{1}", 0, 11)])],
        id="two",
    ),
    pytest.param(b"{1}\r\na{1}\r\nb\r\n", [(b"{1}{1}", [Literal(1, b"a", 0, 3), Literal(1, b"b", 0, 6)])], id="glued"),
    pytest.param(
        b"a{3}\r\na {3} \r\n{1 2}\r\n{{1}\r\n",
        [(b"a{3}", []), (b"a {3} ", []), (b"{1 2}", []), (b"{{1}", [])],
        id="none",
    ),
    pytest.param(b"text {3}\r\ntext {x}\r\n", [(b"text {3}", []), (b"text {x}", [])], id="text"),
    pytest.param(b"a {-1}\r\n", [NO_SIZE], id="minus one"),
    pytest.param(b"a {}\r\n", [NO_SIZE], id="nothing"),
    pytest.param(b"a {x}\r\n", [NO_SIZE], id="letters"),
    pytest.param("a {\u0663}\r\n".encode(), [NO_SIZE], id="digits of Unicode"),
    pytest.param(b"a {" + b"1" * 23 + b"}\r\n", [TOO_LARGE], id="23 digits"),
    pytest.param(
        b"a {" + b"0" * 19 + b"1}\r\nx\r\n", [(b"a {" + b"0" * 19 + b"1}", [Literal(1, b"x", 0, 24)])], id="zeros"
    ),
    pytest.param(b"a {91}\r\n", [TOO_LARGE], id="too large"),
    pytest.param(b"b\r\na {" + b"9" * 20 + b"}\r\n", [(b"b", []), TOO_LARGE], id="far too large"),
    pytest.param(b"a {90}\r\n" + b"x" * 90 + b")\r\n", [(b"a {90})", [Literal(90, b"x" * 54, 0, 6)])], id="cut"),
    pytest.param(b"x {0}\r\n" + b" {0}\r\n" * 4, ["a reply of more than 4 literals"], id="too many"),
    pytest.param(b"x" * 40 + b"\r\n", ["a line of more than 40 bytes (limit 'line')"], id="too long a part"),
    pytest.param(
        b"x" * 34 + b" {0}\r\n" + b"y" * 30 + b"\r\n", ["a reply of more than 60 bytes (limit 'reply')"], id="too long"
    ),
    pytest.param(
        b"a {1}\r\nx\n", ["a line that ends with a bare LF (RFC 5321 section 2.3.8)"], id="a bare LF behind one"
    ),
]


@pytest.mark.parametrize(("data", "found"), READ)
def test_what_is_read(data, found):
    """Whole lines with their literals beside them, wherever the network cuts."""
    for pieces in ([data], bytewise(data), *(cut(data, place) for place in range(1, len(data)))):
        assert folded(Folding(), *pieces) == found


def test_nothing_is_kept_of_a_broken_line():
    """What was refused leaves no room taken."""
    made = Folding()
    folded(made, b"a {9}\r\n123456789 {x}\r\n")
    assert (made.pending, made.is_amid_reply, made._kept, made._literals) == (b"", False, 0, [])


def test_what_is_pending():
    """A line that is not whole: its literals are marks, what came of the last one is not shown."""
    made = Folding()
    folded(made, b"x\r\na {1}\r\nx b {3}\r\nxx")
    assert (made.pending, made.is_amid_reply, made.has_half_line) == (b"a {1} b {3}", True, True)
    assert made.progress == "2 of the 3 octets of a literal"
    folded(made, b"x c")
    assert (made.pending, made.progress) == (b"a {1} b {3} c", "")


def test_literals_share_the_room_of_a_reply():
    """The first are kept; lines have their own room, and all is given back with the reply."""
    made = Folding()
    (first, second) = folded(made, b"a {50}\r\n" + b"x" * 50 + b"\r\nb {9}\r\n123456789\r\n", is_each_a_reply=False)
    assert [len(one.data) for one in (*first[1], *second[1])] == [50, 0]
    made._release_all()
    ((_, (literal,)),) = folded(made, b"a {9}\r\n123456789\r\n")
    assert literal.is_whole


def test_room_that_is_given_back():
    """A line that is taken out makes room for another."""
    made = Folding()
    for _ in range(9):
        ((line, literals),) = folded(made, b"a {40}\r\n" + b"x" * 40 + b"\r\n", is_each_a_reply=False)
        assert literals[0].is_whole
        made._release(len(line), literals)


# To the server.


@pytest.mark.parametrize(
    ("data", "lines", "is_amid"),
    [
        pytest.param(b"a\r\nb\n", [(b"a", False, False), (b"b", False, False)], False, id="lines"),
        pytest.param(b"a", [], True, id="half a line"),
        pytest.param(b"a {2+}\r\n\r\nb\r\n", [(b"a {2+}", False, False), (b"b", True, False)], False, id="a literal"),
        pytest.param(b"a {2+}\r\nx", [(b"a {2+}", False, False)], True, id="half a literal"),
        pytest.param(b"a {0+}\r\n", [(b"a {0+}", False, False)], True, id="a line that goes on"),
        pytest.param(b"a {0}\r\n\r\nb\r\n", [(b"a {0}", False, True)], True, id="one that waits"),
    ],
)
def test_what_is_sent(data, lines, is_amid):
    """Octets of literals are passed over, however the line is written."""
    for pieces in ([data], bytewise(data), *(cut(data, place) for place in range(1, len(data)))):
        made = Folding()
        for piece in pieces:
            made.sent(piece)
        assert (made.lines, made.is_amid_line) == (lines, is_amid)


def test_a_literal_that_was_refused():
    """What had been sent behind it is read as lines, once that is known."""
    made = Folding()
    made.sent(b"a {3}\r\nb\r\nc\r\n")
    made._forget_literal()
    made._decided()
    assert made.lines[1:] == [(b"b", False, False), (b"c", False, False)]


def test_a_literal_that_was_asked_for():
    """What had been sent behind it is its octets first."""
    made = Folding()
    made.sent(b"a {3}\r\nb\r\nc\r\n")
    made._decided()
    assert made.lines[1:] == [(b"c", True, False)]


def test_what_the_author_promised_for_what_was_put_off():
    """Once it is read, what it earns is what is owed in place of promises, and no more than those."""
    made = Folding()
    made.sent(b"a {3}\r\n123\r\nb\r\nc\r\n")
    made.owe(2, 0)
    assert owed(made) == ["a {3}", "a client line"]
    made._decided()
    assert owed(made) == ["a {3}", "b"]


PART = st.sampled_from(
    [b"a", b" ", b"{3}", b" {0}", b" {3}", b"~{2+}", b"\r\n", b"\r\n", b"{x}", b"(", b"xyz", b"\xff"]
)


@given(st.lists(PART, max_size=20).map(b"".join), st.lists(st.integers(0, 60), max_size=4))
def test_any_bytes_in_any_pieces(data, places):
    """The lines are the same, and what is kept is bounded."""
    pieces = cut(data, *(min(place, len(data)) for place in places))
    made = Folding()
    assert folded(made, *pieces) == folded(Folding(), data) == folded(Folding(), *bytewise(data))
    assert len(made.pending) <= LIMITS.reply + LIMITS.line
