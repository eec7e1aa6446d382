"""The lines of a text that was copied from a terminal, or kept by script(1), as the screen showed them."""

from __future__ import annotations

import re

from runner.authoring.readers.asking import Asker, Line

# A transcript is read whole; these are far beyond what anybody has typed.
MOST_CHARACTERS = 16 * 1024 * 1024
MOST_LINES = 200_000
LONGEST_LINE = 64 * 1024
# Nobody's terminal is narrower, so that a shorter line was never wrapped.
NARROWEST = 40

# ECMA-48: control sequences, operating system commands (a window's title), two-character escapes.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()*+][0-9A-Z]|[ -/]?[0-~])?")
_IGNORED = re.compile(r"[\x00-\x07\x0b-\x1f\x7f]")
# Control characters that no terminal is sent; random octets have one in ten of them, a text a stray one.
_UNPRINTED = re.compile(r"[\x01-\x06\x0e-\x1a\x1c-\x1f\x7f]+")
_MOST_ODD = 3
_ADVICE_ON_BINARY = "copy the conversation as text; of UTF-16 a file must begin with a byte order mark"
_ADVICE = "cut out the conversation that matters"


def lines_of(text: str, asker: Asker) -> list[Line]:
    """Return what a screen would show of a text, line by line.

    Raises:
        UnclearError: it is too large to be a conversation that somebody has had, or no text.
    """
    if len(text) > MOST_CHARACTERS:
        raise asker.question(Line(1, ""), f"more than {MOST_CHARACTERS // 2**20} MiB: no transcript", _ADVICE)
    if _is_binary(text):
        raise asker.question(Line(1, ""), "this is no text but binary data: no transcript", _ADVICE_ON_BINARY)
    text = text.removeprefix("\ufeff")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    if text.count("\n") >= MOST_LINES:
        raise asker.question(Line(MOST_LINES, ""), f"more than {MOST_LINES:,} lines: no transcript", _ADVICE)
    lines = [Line(number, _shown(raw)) for number, raw in enumerate(text.split("\n"), 1)]
    for line in lines:
        check_length(line, asker)
    return lines


def _is_binary(text: str) -> bool:
    """Whether a text is none, by how much of it no text has, in whichever encoding."""
    zeros = text.count("\0")
    odd = sum(map(len, _UNPRINTED.findall(text)))
    return (zeros > _MOST_ODD and zeros * 4 > len(text)) or (odd > _MOST_ODD and odd * 50 > len(text))


def check_length(line: Line, asker: Asker, *, is_secret: bool = False) -> None:
    """Check that a line, as it was shown or joined again, is not longer than any; `is_secret`: nothing of it is shown.

    Raises:
        UnclearError: it is.
    """
    if len(line.text) > LONGEST_LINE:
        start = Line(line.number, line.text[:200])
        message = f"a line of more than {LONGEST_LINE // 1024} KiB"
        raise asker.question(start, message, _ADVICE, is_secret=is_secret)


def _shown(raw: str) -> str:
    raw = raw.rstrip("\r")
    if raw.isprintable():
        return raw
    raw = _ESCAPES.sub("", raw).rstrip("\r")
    if "\r" in raw:  # what came after it was written over what was there
        raw = raw.rsplit("\r", 1)[1]
    if "\b" in raw:
        raw = _typed_over(raw)
    return _IGNORED.sub("", raw)


def _typed_over(raw: str) -> str:
    """Move the cursor as the terminal did: a backspace goes back by one, and what follows overwrites."""
    cells: list[str] = []
    at = 0
    for char in raw:
        if char == "\b":
            at = max(0, at - 1)
        else:
            cells[at : at + 1] = char
            at += 1
    return "".join(cells).rstrip(" ")
