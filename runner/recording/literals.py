"""Literals that are typed: octets whose number stands in the line before, or lines up to a dot that are counted here.

Pure. Where the server is to ask for a literal, it waits for that.
"""

from __future__ import annotations

import re

from runner.authoring.conversation import ClientLine, ClientLiteral
from runner.recording.commands import RefusedError
from runner.recording.lines import literal_text, octets_of
from runner.recording.speech import Speech, Who, counted

_MARK = re.compile(r"\{([0-9]{1,20})(\+?)\}\Z")
_OPEN_MARK = re.compile(r"\{(\+?)\}\Z")


class Literals:
    """The literal that is under way, if there is one.

    `is_due` says that a line stands that ends with `{}` and has no size yet; `left` octets are to be typed of a
    literal whose size was.
    """

    def __init__(self, speech: Speech) -> None:
        self.is_due = False
        self.left = 0
        self._speech = speech
        self._begun = ""  # the line that ends with {}
        self._parts: list[str] = []
        self._waiting = b""
        self._must_be_asked = False  # the server is to ask for it first

    @property
    def is_amid(self) -> bool:
        """Whether what is typed next is a part of it."""
        return self.is_due or self.left > 0

    @property
    def goes_on_unasked(self) -> bool:
        """Whether its octets are to be typed, and the server need not ask for them."""
        return self.left > 0 and not self._must_be_asked

    @property
    def has_waiting(self) -> bool:
        """Whether the server has asked for the literal that waits."""
        return self._must_be_asked and self._speech.has_go_ahead and not self.left

    def open(self, text: str, who: Who) -> bool:
        """Begin one without a size, if the line ends so; return whether it does."""
        mark = _OPEN_MARK.search(text) if self._speech.machine.has_literals else None
        if mark is None:
            return False
        self.is_due, self._begun = True, text[: mark.start()]
        self._speech.show(who, [text])
        self._speech.note("the literal; a line with a single dot ends it, or /data FILE")
        return True

    def note_size(self, text: str) -> None:
        """Begin one whose size stands at the line's end, if there is any."""
        if mark := _MARK.search(text) if self._speech.machine.has_literals else None:
            self.left, self._must_be_asked = int(mark[1]), not mark[2]

    def answered(self) -> None:
        """Take note of a reply: but for a go-ahead it ends what was under way."""
        if not self._speech.has_go_ahead:
            self.left, self._parts, self._waiting, self._must_be_asked = 0, [], b"", False

    def type_line(self, text: str, who: Who) -> bytes:
        """Take a line of one that has no size yet; the dot ends it."""
        self._speech.show(who, [text])
        if text != ".":
            self._parts.append(text)
            return b""
        return self.send(octets_of("".join(f"{line}\r\n" for line in self._parts)), "")

    def send(self, octets: bytes, name: str) -> bytes:
        """Return a line that ends with `{}` and the literal that is due, whose size is now known.

        Where the server is to ask for it, it waits for that: see `go_on`.

        Raises:
            RefusedError: none is due.
        """
        if not self.is_due:
            raise RefusedError("no literal is due; a line that ends with {} wants one")
        self.is_due, self._parts = False, []
        machine = self._speech.machine
        if name:
            self._speech.note(f"{counted(len(octets), 'octet')} of {name}")
        is_sync = machine.has_tags
        mark = machine.literal_mark(len(octets), is_sync=is_sync).decode("ascii")
        data = self._speech.send(self._begun + mark, "client")
        self._must_be_asked, self._waiting = is_sync, octets
        return data if is_sync else data + self.go_on()

    def go_on(self) -> bytes:
        """Return the literal that the server has asked for."""
        octets, self._waiting = self._waiting, b""
        self._keep(octets, "")
        self._must_be_asked = self._speech.has_go_ahead = False
        self._speech.machine.sent(octets + b"\r\n")
        return octets + b"\r\n"

    def type_octets(self, text: str, who: Who) -> bytes:
        """Take a line of one whose size was typed: its line's end counts, too."""
        self._speech.show(who, [text])
        data = octets_of(text) + b"\r\n"
        part, rest = data[: self.left], data[self.left :]
        self._parts.append(part.decode("utf-8", "surrogateescape"))
        self.left -= len(part)
        if not self.left:
            behind = rest.removesuffix(b"\r\n").decode("utf-8", "surrogateescape")
            self._keep(octets_of("".join(self._parts)), behind if rest else None)
            self._parts, self._speech.has_go_ahead, self._must_be_asked = [], not rest, False
        self._speech.machine.sent(data)
        return data

    def _keep(self, octets: bytes, behind: str | None) -> None:
        """Keep a literal and what its line goes on with, None where that is yet to be typed."""
        kept = self._speech.kept
        kept.add(ClientLiteral(literal_text(octets), is_sync=self._must_be_asked))
        if behind is not None:
            kept.add(ClientLine(behind))
