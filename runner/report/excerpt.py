"""The transcripts of a case as one conversation: its end, and the lines at which a step failed.

Transcripts come redacted, escaped and shortened already. This module must not know what was expected or why.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import escape
from runner.language.model import MAIN
from runner.report.layout import LINE_LIMIT, counted, cut, ends, hang, pad, plain, width
from runner.transcript import FIRST_LINES, LAST_LINES

if TYPE_CHECKING:
    from runner.report.layout import Style
    from runner.results import CaseResult, StepResult
    from runner.transcript import Line

# The end of a conversation that still fits on a screen together with what it is shown for.
END_LINES = 12
# Of so many failed steps (the first ones) the lines that led to the failure are marked, and shown in any case.
MOST_STEPS = 12
STEP_LINES = 4
# Of a message that is longer only this much of its beginning and its end is shown: what was said to it counts for more.
MESSAGE_LINES = 6
MESSAGE_HEAD = 2
MESSAGE_TAIL = 2
# So much of a line tells which it is; transcripts cut them not much later.
COMPARED = 200
# So many lines are looked through for a reply: it came last, or other sessions and a goodbye came after it.
SEARCHED = 500
# A session's name is to tell lines apart, not to take their room.
NAME_WIDTH = 12
# Two readings of one clock, added and taken away again, differ by no more than this (seconds).
ROUNDING = 1e-6

# What a client says before the octets of a chunk (RFC 3030 section 2), or to have a message (RFC 1939 section 5), and
# how a transcript tells what it left out.
_CHUNK = re.compile(r"BDAT [0-9]+", re.IGNORECASE)
_RETRIEVAL = re.compile(r"(?:RETR|TOP) ", re.IGNORECASE)
_OMISSION = re.compile(r"… ([0-9]+) (lines|bytes) left out …")
_GO_AHEAD = "354"
_END = (".", ".\\x0a")
_POP_REPLY = re.compile(r"(?:\+OK|-ERR|\+)(?: |\Z)")
# A transcript has IMAP's tags, or a star in their place; what is told of a reply begins with its code.
_TAG = re.compile(r"\A(?:\*|[^\s*+]{1,32}) (?=(?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z))", re.IGNORECASE)
# A challenge decoded, a line end that is none.
_ADDED = re.compile(r"(?<=[A-Za-z0-9+/=]) ⟨.*⟩$|\\x0a$| \(no line end\)$")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of one of the transcripts, on the case's time scale."""

    line: Line
    session: str


def render_transcripts(case: CaseResult, style: Style, *, is_whole: bool) -> list[str]:
    """Return what went over the wire, merged by time; a line that made a step fail is marked with `>`."""
    entries, count = _merged(case, is_whole=is_whole)
    if not entries:
        return []
    failed = [step for step in case.steps if step.outcome.is_failure] if case.started is not None else []
    answers = [_answers(entries, step) for step in failed[:MOST_STEPS]]
    marked = {place for places in answers for place in places}
    kept = range(len(entries)) if is_whole else _kept(entries, failed, answers)
    names = {entry.session for entry in entries}
    longest = min(max(width(plain(name)) for name in names), NAME_WIDTH) if len(names) > 1 else 0
    lines = [_title(len(kept), count)]
    before = -1
    for place in kept:
        if place > before + 1:
            lines.append(f"  …         {counted(place - before - 1, 'line')}")
        lines += _rendered(entries[place], style, is_marked=place in marked, names_wide=longest, is_whole=is_whole)
        before = place
    return lines


def _merged(case: CaseResult, *, is_whole: bool) -> tuple[list[_Entry], int]:
    """Return the lines of all transcripts by time, messages shortened unless all are wanted; and how many there are."""
    starts = [transcript.started for transcript in case.transcripts if transcript.started is not None]
    origin = case.started if case.started is not None else min(starts, default=0.0)
    entries: list[_Entry] = []
    count = 0
    for transcript in case.transcripts:
        lines = transcript.lines((transcript.started or origin) - origin)
        count += len(lines)
        shown = lines if is_whole else _with_short_messages(lines)
        entries += [_Entry(line, transcript.session) for line in shown]
    return sorted(entries, key=_at), count


def _at(entry: _Entry) -> float:
    return entry.line.at


def _title(shown: int, whole: int) -> str:
    return "  transcript" if shown == whole else f"  transcript, {shown} of {whole} lines"


def _with_short_messages(lines: Iterable[Line]) -> list[Line]:
    """Return a session's lines with the middle of long messages and literals left out."""
    shown: list[Line] = []
    body: list[Line] = []
    bodies = _Bodies()
    for line in lines:
        if bodies.has(line):
            body.append(line)
            continue
        shown += [*_shortened(body), line]
        body = []
    return [*shown, *_shortened(body)]


class _Bodies:
    """Tells of each line of a session whether it is of a message or of a literal, whatever is said meanwhile."""

    def __init__(self) -> None:
        self._who = ""  # whose body the lines are
        self._is_literal = False
        self._asked: list[bool] = []  # of POP3, for each line without its reply: whether it is for a message

    def has(self, line: Line) -> bool:
        """Whether this line is of one."""
        if line.is_literal or (self._is_literal and _OMISSION.fullmatch(line.text)):
            self._is_literal = True
            return True
        self._is_literal = False
        if self._who and (line.who == self._who or _OMISSION.fullmatch(line.text)):
            if line.text in _END:
                self._who = ""
            return True
        if line.who == "S":
            self._heard(line.text)
        else:
            self._said(line)
        return False

    def _heard(self, text: str) -> None:
        if text.startswith(_GO_AHEAD):
            self._who = "C"
        elif _POP_REPLY.match(text) and self._asked:
            self._who = "S" if self._asked.pop(0) and text.startswith("+OK") else ""
        elif text[:1] not in ("4", "5"):
            # A reply to a message that is not at its end yet does not end it, but one to a chunk does.
            self._who = ""

    def _said(self, line: Line) -> None:
        self._who = "C" if line.who == "C" and _CHUNK.match(line.text) else ""
        if line.who == "C":
            self._asked.append(_RETRIEVAL.match(line.text) is not None)


def _shortened(body: list[Line]) -> list[Line]:
    if len(body) <= MESSAGE_LINES:
        return body
    last = len(body) - MESSAGE_TAIL
    left_out = body[MESSAGE_HEAD:last]
    sizes = {"lines": 0, "bytes": 0}
    for line in left_out:
        found = _OMISSION.fullmatch(line.text) if line.who == "*" else None
        number, unit = (int(found[1]), found[2]) if found is not None else (1, "lines")
        sizes[unit] += number
    more = f" and {counted(sizes['bytes'], 'byte')}" if sizes["bytes"] else ""
    what = "a literal" if body[0].is_literal else "the message"
    text = f"… {counted(sizes['lines'], 'line')}{more} of {what} …"
    return [*body[:MESSAGE_HEAD], replace(left_out[-1], who="*", text=text), *body[last:]]


def _kept(entries: list[_Entry], failed: list[StepResult], answers: list[set[int]]) -> list[int]:
    """Return the last lines, and those that led to the first failures: of a reply to blame no more than its end."""
    kept = set(range(max(len(entries) - END_LINES, 0), len(entries)))
    for step in failed[:MOST_STEPS]:
        end = _end(entries, step.started + step.elapsed)
        kept.update(range(max(end - STEP_LINES, 0), end))
    for places in answers:
        told = sorted(places)[-STEP_LINES:]
        kept.update(told)
        kept.update(range(max(told[-1] + 1 - STEP_LINES, 0), told[-1]) if told else ())
    return sorted(kept)


def _end(entries: list[_Entry], moment: float) -> int:
    """Return the place after the last line that had come at a moment."""
    return bisect_right(entries, moment + ROUNDING, key=_at)


def _answers(entries: list[_Entry], step: StepResult) -> set[int]:
    """Return the places of the lines that made a step fail; others may share their moment."""
    session = step.session or MAIN
    told = [(answer.text, answer.at) for answer in step.answers]
    if not told:
        ended = step.started + step.elapsed
        told = [(text, ended) for text in {one.actual for one in step.differences}]
    return {place for text, moment in told for place in _places(entries, session, text, moment)}


def _places(entries: list[_Entry], session: str, text: str, moment: float) -> Iterator[int]:
    """Iterate backwards over the lines of a text, the last of which had come at a moment or before."""
    first, _, last = ends(text, FIRST_LINES, LAST_LINES)
    wanted = {_comparable(escape(line)) for line in (*first, *last)}
    came: float | None = None
    end = _end(entries, moment)
    for place in range(end - 1, max(end - SEARCHED, 0) - 1, -1):
        entry = entries[place]
        if entry.session != session or entry.line.who == "*":
            continue
        shown = entry.line.text
        forms = {_comparable(shown), _comparable(_TAG.sub("", shown, count=1))}
        is_wanted = entry.line.who == "S" and not wanted.isdisjoint(forms)
        if came is None and is_wanted:
            came = entry.line.at
        if came is None:
            continue
        # What was sent ends the replies that came together; a long one may have come in parts.
        is_apart = entry.line.at < came - ROUNDING and (len(wanted) == 1 or not is_wanted)
        if entry.line.who == "C" or is_apart:
            return
        if is_wanted:
            yield place


def _comparable(text: str) -> str:
    """Return a reply's line as if it were its last and without what a transcript adds at its end."""
    bare = _ADDED.sub("", text)
    return f"{bare[:3]} {bare[4:]}"[:COMPARED].rstrip(" ")


def _rendered(entry: _Entry, style: Style, *, is_marked: bool, names_wide: int, is_whole: bool) -> list[str]:
    name = pad(cut(plain(entry.session), names_wide), names_wide) + " " if names_wide else ""
    head = f"  {'>' if is_marked else ' '}{entry.line.at:7.3f}  {name}{entry.line.who}: "
    text = entry.line.text if is_whole else cut(entry.line.text, LINE_LIMIT)
    return hang(head, text, style)
