"""How lines of the client go out: heard by the protocol's machine, kept for the scenario, and shown without secrets.

Pure. What a line means is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from runner.authoring.conversation import ClientLine
from runner.protocol import Machine
from runner.recording.kept import Kept
from runner.recording.lines import octets_of
from runner.redaction import Redactor

#: Who says what is shown: the server, the client as typed, the client by itself, the recorder.
Who = Literal["server", "typed", "client", "note"]
Tell = Callable[[Who, str], None]


class Speech:
    """What one dialogue's parts share.

    `has_go_ahead` says that the last reply asks for more, and nothing was said since.
    """

    def __init__(self, machine: Machine, tell: Tell, redactor: Redactor) -> None:
        self.machine = machine
        self.kept = Kept()
        self.redactor = redactor
        self.has_go_ahead = False
        self._tell = tell

    def send(self, text: str, who: Who) -> bytes:
        """Return the bytes of a line; it is kept and shown."""
        data = octets_of(text) + b"\r\n"
        lead = self.machine.lead(data)
        self.has_go_ahead = False
        self.kept.add(ClientLine(lead.decode("ascii") + text))
        self.machine.sent(lead + data)
        self.show(who, [lead.decode("ascii") + text])
        return lead + data

    def show(self, who: Who, lines: Sequence[str]) -> None:
        """Show lines, if there are any."""
        if lines:
            self._tell(who, self.redactor.mask("\n".join(lines)))

    def note(self, text: str) -> None:
        """Show what the recorder has to say."""
        self._tell("note", self.redactor.mask(text))


def counted(number: int, noun: str) -> str:
    """Return how many there are, in words.

    >>> counted(1, "line"), counted(2, "line")
    ('1 line', '2 lines')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
