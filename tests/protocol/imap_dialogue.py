"""What the tests of the IMAP machine share: a machine that is greeted, and dialogues as RFCs print them."""

from collections.abc import Callable, Iterable

from runner.protocol import Limits, Malformed, Reply
from runner.protocol.imap import Imap
from tests.protocol.feeding import LIMITS, bytewise, cut, read

Pieces = Callable[[bytes], Iterable[bytes]]


def greeted(limits: Limits = LIMITS, *, greeting: bytes = b"* OK ready\r\n", lenient: bool = False) -> Imap:
    """Return a machine whose connection stands and that has read a greeting."""
    made = Imap(limits, lenient=lenient)
    made.opened()
    (event,) = read(made, greeting)
    assert isinstance(event, Reply)
    return made


def say(made: Imap, *lines: bytes) -> None:
    """Send client lines, each with its tag if it has one."""
    for line in lines:
        made.sent(made.lead(line) + line + b"\r\n")


def asked(made: Imap, command: bytes, answer: bytes) -> list[Reply | Malformed]:
    """Send a command and return what the answer makes."""
    say(made, command)
    return read(made, answer)


def whole(data: bytes) -> list[bytes]:
    """Return the data in one piece."""
    return [data]


def ways_to_cut(data: bytes) -> list[list[bytes]]:
    """Return the data whole, byte by byte, and cut at every position."""
    return [[data], bytewise(data), *(cut(data, place) for place in range(1, len(data)))]


def play(dialogue: str, pieces: Pieces = whole) -> list[Reply | Malformed]:
    """Play a dialogue from the opening on: `C: ` lines are sent, `S: ` lines that follow each other come together."""
    made = Imap(LIMITS)
    made.opened()
    events: list[Reply | Malformed] = []
    server = b""
    for line in [*dialogue.strip().splitlines(), "C:"]:
        who, _, text = line.strip().partition(":")
        data = text[1:].encode()
        if who == "S":
            server += data + b"\r\n"
            continue
        events += read(made, *pieces(server))
        server = b""
        if line != "C:":
            say(made, data)
    return events


def told(event: Reply | Malformed) -> str:
    """Return an event with what it answers, short."""
    if isinstance(event, Malformed):
        return f"malformed: {event.reason}"
    mark = " (challenge)" if event.is_challenge else ""
    return f"{event.owed}{mark}: {event}"
