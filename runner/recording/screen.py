"""How a dialogue is shown, line by line: whose line it is stands in front, and what the server says is harmless."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from runner.recording.speech import Who
from runner.report.layout import Colour, Style
from runner.transcript import show_text

_LEADS = {"server": "S: ", "client": "C: ", "typed": "C: ", "note": "* "}
# Of ECMA-48 8.3.41: to the line's beginning, and erase to its end.
_ERASED = "\r\x1b[K"
_REFUSALS = ("4", "5", "-ERR", "NO", "BAD", "BYE")
_CONSENTS = ("2", "3", "+", "OK", "*")


class Screen:
    """Where a dialogue is shown. What is typed at a terminal is on it already, and is shown only elsewhere.

    `stream` gives the stream anew each time, for a prompt may stand in its place. `prompt` returns what stands on the
    terminal's last line, to be written again behind what is shown.
    """

    def __init__(self, stream: Callable[[], TextIO], *, has_colour: bool, is_typed_shown: bool) -> None:
        self._stream = stream
        self._style = Style(has_colour=has_colour)
        self._is_typed_shown = is_typed_shown
        self._lock = threading.Lock()
        self.prompt: Callable[[], str] = str

    def tell(self, who: Who, text: str) -> None:
        """Show what somebody says; one line for each of its own."""
        if who == "typed" and not self._is_typed_shown:
            return
        lines = [f"{_LEADS[who]}{show_text(line)}".rstrip(" ") for line in text.split("\n")]
        colour = Colour.YELLOW if who == "note" else _colour(text.rsplit("\n", 1)[-1]) if who == "server" else None
        self.write("\n".join(self._style.paint(line, colour) for line in lines))

    def write(self, text: str) -> None:
        """Show a text as it is; where nobody can read it, nobody does."""
        with self._lock, suppress(OSError, ValueError):
            prompt = self.prompt()
            print(f"{_ERASED if prompt else ''}{text}\n{prompt}", end="", file=self._stream(), flush=True)


def _colour(line: str) -> Colour | None:
    """Return red for a refusal and green for a consent; IMAP's tag does not count."""
    words = line.split(" ", 2)
    code = words[1] if len(words) > 1 and words[1] in ("OK", "NO", "BAD") else words[0]
    if code.startswith(_REFUSALS):
        return Colour.RED
    return Colour.GREEN if code.startswith(_CONSENTS) else None


def standard_output() -> TextIO:
    """Return standard output as it is now."""
    return sys.stdout


def standard_error() -> TextIO:
    """Return standard error as it is now."""
    return sys.stderr
