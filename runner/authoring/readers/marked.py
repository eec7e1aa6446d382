"""Dialogues that say who said each line.

RFCs print them so, others with `Client:` and `Server:`; mailproof's own have times, the names of sessions, and names
in place of what is secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from runner.authoring.conversation import Conversation
from runner.authoring.readers.asking import Asker, Line, quoted
from runner.authoring.readers.dialogue import Dialogue
from runner.authoring.readers.screen import check_length
from runner.authoring.readers.unmarked import DIALOGUES, check_number, protocol_of
from runner.wire import TlsFacts

_MARKED = re.compile(
    r"(?P<lead>\s*(?:\(?\d{1,4}[.):]?\s+)?)(?P<who>[CS]|[Cc]lient|[Ss]erver|CLIENT|SERVER)\s?:(?P<text>.*)\Z"
)
# As reports show them: a mark of the step that failed, seconds, the session.
_TIMED = re.compile(r"\s*(?:> +)?(?P<at>\d+\.\d{3})\s+(?:(?P<session>\S+)\s+)?(?P<who>[CS*]): ?(?P<text>.*)\Z")
_NAMED = re.compile(r"(?:[A-Za-z0-9+/=]{0,16}… ?)?⟨([A-Za-z_]\w{0,99})⟩")
_LEFT_OUT = re.compile(r"… .*(?:lines|bytes|octets).*|.*…\Z")
# As the player notes it.
_HANDSHAKE = re.compile(r"(TLSv[\d.]+|SSLv\d) (\S+), (.*)\Z")
_WIDEST_TITLE = 80


@dataclass(frozen=True, slots=True)
class _Said:
    who: str
    line: Line
    column: int = 0
    template: str = ""


@dataclass(slots=True)
class _Part:
    """What belongs to one conversation, and what stands above it."""

    said: list[_Said] = field(default_factory=list)
    title: str = ""


def is_marked(text: str) -> bool:
    """Whether a line says who said it."""
    return bool(_MARKED.match(text) or _TIMED.match(text))


def read_marked(lines: Sequence[Line], asker: Asker, protocol: str = "") -> list[Conversation]:
    """Return the conversations of a text whose lines are marked.

    Raises:
        UnclearError: a line has no mark and belongs to none, or it is none that its side could have said.
    """
    found: list[Conversation] = []
    for part in _parts(lines, asker):
        said, title = part.said, part.title
        while any(one.who != "*" for one in said):
            check_number(len(found) + 1, said[0].line, asker)
            texts = (Line(one.line.number, f"{one.who}: {one.line.text}") for one in said if one.who != "*")
            name = protocol or protocol_of(texts, asker)
            dialogue = DIALOGUES[name](asker)
            taken = _read(dialogue, said)
            dialogue.finish()
            found.append(dialogue.conversation(title=title))
            said, title = said[taken:], ""
    return found


def _read(dialogue: Dialogue, said: Sequence[_Said]) -> int:
    """Read one conversation; return how many lines it took."""
    if next((one.who for one in said if one.who != "*"), "S") == "C":
        dialogue.imply_greeting()
    for number, one in enumerate(said):
        is_over = dialogue.has_said_goodbye and not dialogue.owed and not dialogue.is_in_reply
        if is_over and one.who == "S" and dialogue.is_greeting(one.line.text):
            return number
        if one.who == "*":
            _told(dialogue, one.line.text)
        elif one.who == "C":
            _check_turn(dialogue, one)
            dialogue.client(one.line, one.template)
        else:
            dialogue.server(one.line)
    return len(said)


def _told(dialogue: Dialogue, text: str) -> None:
    """Take what the tool says itself: a handshake, an end."""
    if found := _HANDSHAKE.match(text):
        dialogue.secured(TlsFacts(found[1], found[2], verified=found[3] == "certificate verified"))
    elif text.startswith("the server closed the connection"):
        dialogue.end("server")


def _check_turn(dialogue: Dialogue, one: _Said) -> None:
    if dialogue.is_in_reply and not dialogue.is_in_text and dialogue.protocol != "imap":
        raise dialogue.asker.question(
            one.line,
            "the server's reply before is not at its end",
            "is a line of it missing, or marked as the client's?",
        )


def _parts(lines: Sequence[Line], asker: Asker) -> Iterator[_Part]:
    if any(_TIMED.match(line.text) for line in lines):
        yield from _timed_parts(lines, asker)
        return
    part, heading, has_gap = _Part(), "", False
    for line in lines:
        found = _MARKED.match(line.text)
        if found is None:
            has_gap |= not line.text.strip()
            heading = _unmarked(line, part, heading, asker, has_gap=has_gap)
            continue
        said = _marked(line, found)
        if has_gap and heading and part.said:
            yield _dedented(part)
            part = _Part(title=heading)
        elif not part.said:
            part.title = heading
        heading, has_gap = "", False
        part.said.append(said)
    if heading and part.said:
        number = lines[-1].number
        if _looks_said(heading):
            raise _nobody(Line(number, heading), asker)
    if part.said:
        yield _dedented(part)


def _looks_said(text: str) -> bool:
    return re.match(r"[2-5]\d\d[ -]|\+OK|-ERR|\* |[A-Z]{4,}(?: |\Z)", text) is not None


def _nobody(line: Line, asker: Asker) -> Exception:
    return asker.question(
        line,
        f"who said {quoted(line.text)}? it has no mark",
        "begin it with C: or S:, or with # if it is a comment",
    )


def _unmarked(line: Line, part: _Part, heading: str, asker: Asker, *, has_gap: bool) -> str:
    """Take a line without a mark: the rest of the one before, a comment, or what stands above a dialogue."""
    text = line.text.strip()
    if not text or text.startswith("#"):
        return heading
    if part.said and not has_gap:
        last = part.said[-1]
        if len(line.text) - len(line.text.lstrip()) <= last.column:
            raise _nobody(line, asker)
        joined = Line(last.line.number, f"{last.line.text.rstrip()} {text}")
        check_length(joined, asker, is_secret=True)
        part.said[-1] = _Said(last.who, joined, last.column)
        return heading
    if _looks_said(text):
        raise _nobody(line, asker)
    return text.strip("=-*:#> ") if len(text) <= _WIDEST_TITLE else ""


def _marked(line: Line, found: re.Match[str]) -> _Said:
    text = found["text"].removeprefix(" ")
    return _Said(found["who"][0].upper(), Line(line.number, text, line.text), found.start("who"))


def _dedented(part: _Part) -> _Part:
    """Take off the blanks that all lines have in common, as RFCs line them up."""
    texts = [one.line.text for one in part.said if one.line.text.strip()]
    common = min((len(text) - len(text.lstrip(" ")) for text in texts), default=0)
    said = [
        _Said(one.who, replace(one.line, text=one.line.text[common:].rstrip() if common else one.line.text), one.column)
        for one in part.said
    ]
    return _Part(said, part.title)


# mailproof's own.


def _timed_parts(lines: Sequence[Line], asker: Asker) -> Iterator[_Part]:
    """Return what each session said; several are told apart by their names."""
    parts: dict[str, _Part] = {}
    for line in lines:
        found = _TIMED.match(line.text)
        if found is None:
            continue
        text = found["text"].replace("→", "\t")
        if _LEFT_OUT.fullmatch(text) and not _NAMED.search(text):
            raise asker.question(
                line, "the report has shortened this line", "take the transcript from its JSON or HTML"
            )
        template = (
            _NAMED.sub(r"${\1}", text.replace("${", "$${")) if found["who"] == "C" and _NAMED.search(text) else ""
        )
        said = _Said(found["who"], Line(line.number, text, line.text), template=template)
        parts.setdefault(found["session"] or "", _Part()).said.append(said)
    yield from parts.values()
