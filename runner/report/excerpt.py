"""The transcripts of a case as one conversation: its end, and the lines at which a step failed.

Transcripts come redacted, escaped and shortened already. This module must not know what was expected or why.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.language.model import MAIN
from runner.report.layout import LINE_LIMIT, counted, cut, ends, hang, pad, plain, width
from runner.transcript import FIRST_LINES, LAST_LINES, show_text

if TYPE_CHECKING:
    from runner.report.layout import Style
    from runner.results import CaseResult, Difference, StepResult
    from runner.transcript import Line

# The end of a conversation that still fits on a screen together with what it is shown for.
END_LINES = 12
# Of so many failed steps (the first ones) the lines that led to the failure are marked, and shown in any case.
MOST_STEPS = 12
STEP_LINES = 4
# Goodbyes that are longer than the first are told in a line; what is longer than the second, by a session, is none.
GOODBYE_LINES = 2
LONGEST_GOODBYE = 4
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
_OMISSION = re.compile(r"… ([0-9]+) (line|byte)s? left out …")
_FOLDED = re.compile(r"… ([0-9]+) lines?(?: and [0-9]+ bytes?)? (?:left out|of a literal|of the message) …")
_GO_AHEAD = "354"
_END = (".", ".\\x0a")
_POP_REPLY = re.compile(r"(?:\+OK|-ERR|\+)(?: |\Z)")
# A transcript has IMAP's tags, or a star in their place; what is told of a reply begins with its code.
_TAG = re.compile(r"\A(?:\*|[^\s*+]{1,32}) (?=(?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z))", re.IGNORECASE)
# How a client takes its leave (RFC 5321, RFC 1939; RFC 9051, RFC 5804).
_GOODBYE = re.compile(r"(?:[^\s*+]{1,32} )?(?:QUIT|LOGOUT)", re.IGNORECASE)
# How a transcript's note on a new connection begins.
_CONNECTED = "connect"
# A hint tells which line of what came is nearest to what was wanted.
_NEAREST = re.compile(r"(?:\A|; )line ([0-9]{1,6}): ")
_WORD_BREAK = re.compile(r'[\s="\[\]()]+')
_SMTP_CODE = re.compile(r"\A[0-9]{3}[ -]")
# A challenge decoded, a line end that is none.
_ADDED = re.compile(r"(?<=[A-Za-z0-9+/=]) ⟨.*⟩$|\\x0a$| \(no line end\)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of one of a case's transcripts; `line.at` is in seconds since the case began."""

    line: Line
    session: str

    @property
    def is_omission(self) -> bool:
        """Whether it only tells what is left out."""
        return self.line.who == "*" and (_OMISSION.fullmatch(self.line.text) or self._folded) is not None

    @property
    def count(self) -> int:
        """How many lines it is, or stands for; bytes that were left out are none."""
        if self._folded is not None:
            return int(self._folded[1])
        return 0 if self.is_omission else 1

    @property
    def _folded(self) -> re.Match[str] | None:
        return _FOLDED.fullmatch(self.line.text) if self.line.who == "*" else None


def render_transcripts(case: CaseResult, style: Style, *, is_whole: bool) -> list[str]:
    """Return what went over the wire, merged by time; a line that made a step fail is marked with `>`."""
    entries, count = merged_lines(case, is_whole=is_whole)
    if not entries:
        return []
    failed = [step for step in case.steps if step.outcome.is_failure] if case.started is not None else []
    answers = [blamed_places(entries, step) for step in failed[:MOST_STEPS]]
    marked = {place for places in answers for place in places}
    goodbyes = frozenset() if is_whole else _goodbyes(entries, failed, marked)
    kept = range(len(entries)) if is_whole else _kept(entries, failed, answers, goodbyes)
    names = {entry.session for entry in entries}
    longest = min(max(width(plain(name)) for name in names), NAME_WIDTH) if len(names) > 1 else 0
    lines = [_title(sum(not entries[place].is_omission for place in kept), count)]
    before = -1
    for place in kept:
        gap = [entries[between] for between in range(before + 1, place) if between not in goodbyes]
        if gap:
            lines.append(f"  …         {counted(sum(entry.count for entry in gap), 'line')}")
        lines += _rendered(entries[place], style, is_marked=place in marked, names_wide=longest, is_whole=is_whole)
        before = place
    return [*lines, _told_goodbyes(entries, goodbyes)] if goodbyes else lines


def merged_lines(case: CaseResult, *, is_whole: bool) -> tuple[list[Entry], int]:
    """Return the lines of all transcripts by time, messages shortened unless all are wanted; and how many there are."""
    starts = [transcript.started for transcript in case.transcripts if transcript.started is not None]
    origin = case.started if case.started is not None else min(starts, default=0.0)
    entries: list[Entry] = []
    count = 0
    for transcript in case.transcripts:
        lines = transcript.lines((transcript.started or origin) - origin)
        count += sum(Entry(line, transcript.session).count for line in lines)
        shown = lines if is_whole else _with_short_messages(lines)
        entries += [Entry(line, transcript.session) for line in shown]
    return sorted(entries, key=_at), count


def _at(entry: Entry) -> float:
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
    sizes = {"line": 0, "byte": 0}
    for line in left_out:
        found = _OMISSION.fullmatch(line.text) if line.who == "*" else None
        number, unit = (int(found[1]), found[2]) if found is not None else (1, "line")
        sizes[unit] += number
    more = f" and {counted(sizes['byte'], 'byte')}" if sizes["byte"] else ""
    what = "a literal" if body[0].is_literal else "the message"
    text = f"… {counted(sizes['line'], 'line')}{more} of {what} …"
    return [*body[:MESSAGE_HEAD], replace(left_out[-1], who="*", text=text), *body[last:]]


def _goodbyes(entries: list[Entry], failed: list[StepResult], marked: set[int]) -> frozenset[int]:
    """Return where sessions do no more after the first failure than take their leave, if not all can be shown."""
    moment = min((step.started + step.elapsed for step in failed), default=math.inf)
    sessions: dict[str, list[int]] = {}
    # A goodbye may share its moment with what was said last in another session.
    for place in range(bisect_left(entries, moment - ROUNDING, key=_at), len(entries)):
        sessions.setdefault(entries[place].session, []).append(place)
    leaves = (leave for places in sessions.values() for leave in _leaves(entries, places))
    found = frozenset(
        place for leave in leaves if len(leave) <= LONGEST_GOODBYE and marked.isdisjoint(leave) for place in leave
    )
    return found if len(entries) > END_LINES and len(found) > GOODBYE_LINES else frozenset()


def _leaves(entries: list[Entry], places: list[int]) -> list[list[int]]:
    """Return the goodbyes among the lines of one session: from the client's word for it on, or its last notes alone."""
    leaves: list[list[int]] = []
    notes: list[int] = []
    is_leaving = False
    for place in places:
        line = entries[place].line
        if line.who == "C" and _GOODBYE.fullmatch(line.text):
            leaves.append([])
            is_leaving = True
        elif line.who == "C" or (line.who == "*" and line.text.startswith(_CONNECTED)):
            is_leaving = False
        if is_leaving:
            leaves[-1].append(place)
        notes = [*notes, place] if line.who == "*" and not is_leaving else []
    return [*leaves, notes]


def _told_goodbyes(entries: list[Entry], goodbyes: frozenset[int]) -> str:
    sessions = len({entries[place].session for place in goodbyes})
    whose = f"goodbyes of {sessions} sessions" if sessions > 1 else "the goodbye"
    return f"  …         {whose}, {counted(len(goodbyes), 'line')}"


def _kept(
    entries: list[Entry], failed: list[StepResult], answers: list[set[int]], goodbyes: frozenset[int]
) -> list[int]:
    """Return the last lines, and those that led to the first failures: of a reply to blame no more than its end."""
    others = [place for place in range(len(entries)) if place not in goodbyes]
    kept = set(others[-END_LINES + bool(goodbyes) :])
    for step in failed[:MOST_STEPS]:
        kept.update(_before(others, _end(entries, step.started + step.elapsed)))
    for places in answers:
        told = sorted(places)[-STEP_LINES:]
        kept.update(told)
        kept.update(_before(others, told[-1] + 1) if told else ())
    return sorted(kept)


def _before(places: list[int], end: int) -> list[int]:
    """Return the last places before one, which lead there."""
    at = bisect_left(places, end)
    return places[max(at - STEP_LINES, 0) : at]


def _end(entries: list[Entry], moment: float) -> int:
    """Return the place after the last line that had come at a moment."""
    return bisect_right(entries, moment + ROUNDING, key=_at)


def blamed_places(entries: list[Entry], step: StepResult) -> set[int]:
    """Return the places of the lines that made a step fail; others may share their moment."""
    session = step.session or MAIN
    told = [(answer.text, answer.at) for answer in step.answers]
    if not told:
        ended = step.started + step.elapsed
        told = [(text, ended) for text in dict.fromkeys(one.actual for one in step.differences)]
    alone = step.differences if len(told) == 1 else ()
    found: set[int] = set()
    for text, moment in told:
        differences = alone or [one for one in step.differences if one.actual == text]
        found.update(_places(entries, session, text, _blamed(text, differences), moment))
    return found


def _blamed(text: str, differences: Iterable[Difference]) -> list[str]:
    """Return the lines of a reply that differences are about; else the one that has the code, or the last that has."""
    lines = text.split("\n")
    found = [line for one in differences for line in _nearest(one, lines)] if len(lines) > 1 else []
    return found or [lines[0] if _POP_REPLY.match(lines[0]) else lines[-1]]


def _nearest(one: Difference, lines: list[str]) -> list[str]:
    """Return the lines of a reply that come nearest to what was wanted, or that must not be there."""
    if one.part == "capabilities":
        name = one.expected.partition(" ")[0].upper()
        named = [(line, _WORD_BREAK.split(_SMTP_CODE.sub("", line).upper())) for line in lines]
        offers = [line for line, words in named if name in words]
        return offers or [line for line, words in named if "CAPABILITY" in words]
    if one.part == "lacks":
        return [line for line in lines if one.actual in line]
    came = one.actual.split("\n")
    hint = _NEAREST.search(one.hint)
    number = int(hint[1]) if hint is not None else int(len(came) == 1 and one.hint != "")
    return [came[number - 1]] if 0 < number <= min(len(came), FIRST_LINES) and came[number - 1] in lines else []


def _places(entries: list[Entry], session: str, text: str, blamed: Iterable[str], moment: float) -> Iterator[int]:
    """Iterate backwards over lines to blame, of a text the last line of which had come at a moment or before."""
    first, _, last = ends(text, FIRST_LINES, LAST_LINES)
    wanted = {_comparable(show_text(line)) for line in (*first, *last)}
    left = {_comparable(show_text(line)) for line in blamed}
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
        if not left or entry.line.who == "C" or is_apart:
            return
        if not left.isdisjoint(forms):
            left -= forms
            yield place


def _comparable(text: str) -> str:
    """Return a reply's line as if it were its last and without what a transcript adds at its end."""
    bare = _ADDED.sub("", text)
    return f"{bare[:3]} {bare[4:]}"[:COMPARED].rstrip(" ")


def _rendered(entry: Entry, style: Style, *, is_marked: bool, names_wide: int, is_whole: bool) -> list[str]:
    name = pad(cut(plain(entry.session), names_wide), names_wide) + " " if names_wide else ""
    head = f"  {'>' if is_marked else ' '}{entry.line.at:7.3f}  {name}{entry.line.who}: "
    text = entry.line.text if is_whole else cut(entry.line.text, LINE_LIMIT)
    return hang(head, text, style)
