"""What operators have kept of conversations with mail servers, read: transcripts of terminals, swaks, RFCs, probes.

A text goes in, conversations come out; where a text leaves open who said what, a question comes out in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from runner.authoring.conversation import Conversation
from runner.authoring.draft import Draft
from runner.authoring.readers.asking import Asker, Line, UnclearError
from runner.authoring.readers.blackbox import is_blackbox, read_blackbox
from runner.authoring.readers.marked import is_marked, read_marked
from runner.authoring.readers.screen import lines_of
from runner.authoring.readers.swaks import is_hinted, read_swaks
from runner.authoring.readers.unmarked import DIALOGUES, WHICH_PROTOCOL, read_unmarked

__all__ = ["FORMATS", "PROTOCOLS", "Format", "UnclearError", "read", "recognise"]

Format = Literal["telnet", "swaks", "marked", "blackbox"]
FORMATS: tuple[Format, ...] = get_args(Format)
PROTOCOLS = tuple(DIALOGUES)

_NOTHING = "there is no conversation in it"
_FORMATS_TOLD = "--format telnet, swaks, marked or blackbox says what it is"


def read(
    text: str,
    name: str,
    *,
    source: str = "",
    kind: Format | None = None,
    protocol: str = "",
) -> list[Conversation | Draft]:
    """Return the conversations of a text, in its order.

    Args:
        text: what a file says, with any line ends.
        name: what messages call the file.
        source: what scenarios say they were made from; the name, if empty.
        kind: what the text is; None to recognise it.
        protocol: smtp, lmtp, pop3, imap or sieve; empty to tell it from the text.

    Raises:
        UnclearError: something can't be told from the text; with the question, and how to answer it.
        InputError: a configuration of blackbox_exporter is no YAML.
    """
    asker = Asker(name, source or name)
    lines = lines_of(text, asker)
    kind = kind or recognise(lines)
    found: Sequence[Conversation | Draft]
    if kind == "blackbox":
        found = read_blackbox(text.removeprefix("\ufeff"), asker)
    elif kind == "swaks":
        found = read_swaks(lines, asker, protocol)
    elif kind == "marked":
        found = read_marked(lines, asker, protocol)
    else:
        found = read_unmarked(lines, asker, protocol)
    if not found:
        first = next((line for line in lines if line.text.strip()), Line(1, ""))
        raise asker.question(first, _NOTHING, f"{_FORMATS_TOLD}; {WHICH_PROTOCOL}")
    return list(found)


def recognise(lines: Sequence[Line]) -> Format:
    """Return what a text is, by what most of its lines begin with."""
    texts = [line.text for line in lines if line.text.strip()]
    if is_blackbox(texts):
        return "blackbox"
    hinted = [text for text in texts if is_hinted(text)]
    if len(hinted) * 2 > len(texts) and not all(text.startswith(("===", "***")) for text in hinted):
        return "swaks"
    marked = sum(is_marked(text) for text in texts)
    return "marked" if marked >= 2 and marked * 2 > len(texts) else "telnet"
