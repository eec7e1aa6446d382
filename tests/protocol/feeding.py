"""What the tests of the protocol machines share: feeding bytes, in whatever pieces, and reading the queue."""

from collections.abc import Iterable
from itertools import pairwise

from runner.protocol import Limits, Machine, Malformed, Reply
from runner.protocol.smtp import Smtp

LIMITS = Limits()


def machine(limits: Limits = LIMITS, *, lenient: bool = False, kind: type[Machine] = Smtp) -> Machine:
    """Return a machine whose connection stands and is greeted."""
    made = kind(limits, lenient=lenient)
    made.opened()
    made.receive(b"220 mx\r\n")
    assert isinstance(made.next(), Reply)
    return made


def cut(data: bytes, *places: int) -> list[bytes]:
    """Return the data cut at these places."""
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def bytewise(data: bytes) -> list[bytes]:
    """Return the data in pieces of one byte."""
    return [data[at : at + 1] for at in range(len(data))]


def read(made: Machine, *pieces: bytes) -> list[Reply | Malformed]:
    """Feed the pieces, and return all events."""
    events = []
    for piece in pieces:
        made.receive(piece)
        while (event := made.next()) is not None:
            events.append(event)
    return events


def reply_to(made: Machine, data: bytes) -> Reply:
    """Feed one whole reply and return it."""
    (event,) = read(made, data)
    assert isinstance(event, Reply)
    return event


def owed(made: Machine) -> list[str]:
    """Return what the server owes, in order."""
    return [str(one) for one in made.owed]


def write(made: Machine, pieces: Iterable[bytes]) -> None:
    """Tell the machine that the pieces were sent."""
    for piece in pieces:
        made.sent(piece)
