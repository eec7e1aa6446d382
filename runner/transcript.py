"""What went over one session's wire, with times, and the one way to show it.

Recording appends a tuple and no more: bytes stay bytes until somebody looks. Showing redacts first (sent bytes
by position and by search, received ones by search over all of them, so chunk and line borders hide nothing),
then escapes, then shortens. Memory is bounded: what no report would show anyway is dropped in large strides.
This module must not know protocols, results or reports.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from dataclasses import field, replace
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Literal

from runner.dataclass import dataclass
from runner.errors import escape
from runner.redaction import Mark, Redactor

# Of what one side sends without a word from the other this much is kept: a report shows 25 lines of it, and
# the rest serves the search for secrets.
RUN_FIRST = 64 * 1024
RUN_LAST = 16 * 1024
# Of a whole transcript: the beginning tells how it came about, the end what went wrong.
WHOLE_FIRST = 128 * 1024
WHOLE_LAST = 256 * 1024
# A tuple with its time and the header of a bytes object weighs about so much.
EVENT_COST = 100
# How much may come in before the limits are applied again.
STRIDE = 128 * 1024

FIRST_LINES = 20
LAST_LINES = 5
# Where one side sends several literals in a row they share that; of each so many lines are shown at either end.
LITERAL_ENDS = 2
LINE_WIDTH = 400
# How a TAB is shown: folded headers begin with one.
TAB = "→"
# How much of an auto-encoded value is shown, so that it can be found in a server's log.
ENCODED_WIDTH = 8

Who = Literal["C", "S", "*"]

# SMTP (RFC 4954), POP3 (RFC 5034) and IMAP (RFC 9051): a challenge in base64.
_CHALLENGE = re.compile(rb"(?:334|\+) ([A-Za-z0-9+/]+={0,2})")


# The end of a line that a literal follows (RFC 9051 section 4.3, RFC 5804 section 4).
_ANNOUNCED = re.compile(rb"\{([0-9]{1,20})(\+?)\}\r?\n")


@dataclass(frozen=True, slots=True)
class Line:
    """One line to be shown: redacted, escaped, shortened.

    `at` is in seconds since the transcript's first event. `who` is `C` for what was sent, `S` for what was
    received, `*` for what the tool says itself; put it before the text, so that none begins with a server's.
    `is_literal`: all of it are octets of a literal.
    """

    at: float
    who: Who
    text: str
    is_literal: bool = False

    def __str__(self) -> str:
        return f"{self.who}: {self.text}"


@dataclass(frozen=True, slots=True)
class RenderedTranscript:
    """A transcript as it is shown; it holds no secret."""

    session: str
    lines: tuple[Line, ...]


class Transcript:
    """The timed bytes of one session; `started` is the clock's reading at the first event, None before it.

    With `has_literals` lines may end with a mark such as `{342}`, and so many octets follow (RFC 9051 section 4.3).
    With `has_lf_ends` a line may as well end with LF alone.
    A pickled one takes only its rendered lines along; the copy shows them and records no more.
    """

    __slots__ = (
        "_events",
        "_has_lf_ends",
        "_has_literals",
        "_redactor",
        "_rendered",
        "_room",
        "_settled",
        "session",
        "started",
    )

    def __init__(
        self,
        session: str = "main",
        redactor: Redactor | None = None,
        *,
        has_literals: bool = False,
        has_lf_ends: bool = False,
    ) -> None:
        self.session = session
        self.started: float | None = None
        self._redactor = redactor or Redactor()
        self._has_literals = has_literals
        self._has_lf_ends = has_lf_ends
        self._events: list[_Event] = []
        self._room = 0
        self._settled = 0
        self._rendered: RenderedTranscript | None = None

    def __repr__(self) -> str:
        return f"<Transcript {self.session}: {len(self._events)} events>"

    def __reduce__(self) -> tuple[object, ...]:
        return restored, (self.rendered(), self.started)

    def sent(self, now: float, data: bytes, marks: tuple[Mark, ...] = ()) -> None:
        """Record what was sent at `now` (seconds); `marks` are the stretches that placeholders made."""
        self._events.append((now, "C", data, marks, 0))
        self._room -= len(data) + EVENT_COST
        if self._room < 0:
            self._make_room()

    def received(self, now: float, data: bytes) -> None:
        """Record what came at `now` (seconds), in any chunks, decrypted."""
        self._events.append((now, "S", data, (), 0))
        self._room -= len(data) + EVENT_COST
        if self._room < 0:
            self._make_room()

    def note(self, now: float, text: str) -> None:
        """Record what is no data: a connection, a handshake, a close."""
        self._events.append((now, "*", text.encode("utf-8", "backslashreplace"), (), 0))
        self._room -= len(text) + EVENT_COST
        if self._room < 0:
            self._make_room()

    def lines(self, origin: float = 0.0) -> list[Line]:
        """Return the transcript as it may be shown; `origin` is the first event's time on the caller's scale."""
        lines = self._rendered.lines if self._rendered else self._render()
        return [replace(line, at=line.at + origin) for line in lines] if origin else list(lines)

    def rendered(self) -> RenderedTranscript:
        """Return what may travel and be kept."""
        return self._rendered or RenderedTranscript(self.session, tuple(self._render()))

    def _make_room(self) -> None:
        """Apply the limits, now that another stride came in; the very first event only opens one."""
        if self.started is None:
            self.started = self._events[0][0]
            self._room += STRIDE
            if self._room >= 0:
                return
        within = _within_limits(self._events[self._settled :])
        self._events = _ends(self._events[: self._settled] + within)
        self._settled = _last_run(self._events)
        self._room = STRIDE

    def _render(self) -> list[Line]:
        runs = _runs(self._events, has_lf_ends=self._has_lf_ends)
        for segment in _segments(runs):
            _redact(segment, self._redactor)
        if self._has_literals:
            _find_literals(runs)
        lines = [line for run in runs for line in _run_lines(run, self._redactor)]
        # Escapes, names and notes could spell a secret, too: nothing leaves that the search would find.
        texts = self._redactor.mask("\n".join(line.text for line in lines)).split("\n")
        start = self.started or 0.0
        return [
            Line(line.at - start, line.who, text, line.is_literal)
            for line, text in zip(lines, texts, strict=bool(lines))
        ]


def restored(rendered: RenderedTranscript, started: float | None) -> Transcript:
    """Return a transcript that shows these lines and records no more; `started` is that of the one they are from."""
    transcript = Transcript(rendered.session)
    transcript.started = started
    transcript._rendered = rendered  # noqa: SLF001 - no other way in, for nothing is recorded
    return transcript


# Time, side, bytes, marks, and how many bytes were left out just before these: of this side; of both, where it is `*`.
_Event = tuple[float, Who, bytes, tuple[Mark, ...], int]


def _side(event: _Event) -> Who:
    return event[1]


def _within_limits(events: list[_Event]) -> list[_Event]:
    kept: list[_Event] = []
    for who, run in groupby(events, key=_side):
        chunks = list(run)
        if who == "S":
            chunks = _joined(chunks)
        kept += chunks if who == "*" else _shortened(chunks)
    return kept


def _last_run(events: list[_Event]) -> int:
    """Return where the run begins that may still grow; what lies before is within the limits."""
    place = len(events) - 1
    while place and events[place - 1][1] == events[-1][1]:
        place -= 1
    return place


def _joined(run: list[_Event]) -> list[_Event]:
    """Join chunks that end no line with the one that follows: a dripping server costs no more than another."""
    groups: list[list[_Event]] = []
    for event in run:
        if groups and not event[4] and b"\n" not in groups[-1][-1][2]:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [(group[-1][0], "S", b"".join(event[2] for event in group), (), group[0][4]) for group in groups]


def _shortened(run: list[_Event]) -> list[_Event]:
    """Keep both ends of what one side sent in a row."""
    size = sum(len(event[2]) for event in run)
    if size <= RUN_FIRST + RUN_LAST:
        return run
    gaps = sum(event[4] for event in run[1:])
    first = _part(run, 0, RUN_FIRST)
    last = _part(run, size - RUN_LAST, size)
    now, who, data, marks, _ = last[0]
    last[0] = (now, who, data, marks, size - RUN_FIRST - RUN_LAST + gaps)
    return [*(_without_gap(event) if place else event for place, event in enumerate(first)), *last]


def _without_gap(event: _Event) -> _Event:
    return (*event[:4], 0)


def _part(run: list[_Event], start: int, end: int) -> list[_Event]:
    """Return the bytes `start` to `end` of a run as events of their own."""
    part: list[_Event] = []
    at = 0
    for now, who, data, marks, gap in run:
        low, high = max(start - at, 0), min(end - at, len(data))
        if low < high:
            part.append((now, who, data[low:high], tuple(_clipped(marks, low, high)), gap))
        at += len(data)
    return part


def _clipped(marks: tuple[Mark, ...] | list[Mark], start: int, end: int) -> list[Mark]:
    return [
        Mark(max(mark.start, start) - start, min(mark.end, end) - start, mark.name, mark.is_secret)
        for mark in marks
        if mark.start < end and mark.end > start
    ]


def _ends(events: list[_Event]) -> list[_Event]:
    """Keep the beginning and the end of a whole transcript."""
    weights = list(accumulate((len(event[2]) + EVENT_COST for event in events), initial=0))
    if weights[-1] <= WHOLE_FIRST + WHOLE_LAST:
        return events
    first = bisect_right(weights, WHOLE_FIRST) - 1
    last = min(bisect_left(weights, weights[-1] - WHOLE_LAST), len(events) - 1)
    while first and events[first - 1][1] == "*" and events[first - 1][4]:
        first -= 1  # what was left out before is told together
    gap = sum(len(event[2]) + event[4] for event in events[first:last])
    return [*events[:first], (events[last][0], "*", b"", (), gap), *events[last:]]


@dataclass(slots=True)
class _Run:
    """What one side sent in a row, or one note; only `data[first:last]` is shown.

    `gap` bytes were left out before it; `is_headless` and `is_cut` tell that its side's stream is torn
    before or behind it.
    """

    who: Who
    data: bytes = field(repr=False)
    times: list[tuple[int, float]]
    marks: list[Mark]
    gap: int
    is_headless: bool = False
    is_cut: bool = False
    has_lf_ends: bool = False
    first: int = 0
    last: int = field(init=False)
    #: Where the octets of literals lie.
    literals: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last = len(self.data)

    def arrived(self, end: int) -> float:
        """Return when the byte before `end` came."""
        return self.times[bisect_left(self.times, (end,))][1]

    def is_literal(self, start: int, end: int) -> bool:
        """Whether all of a line are octets of a literal."""
        at = bisect_right(self.literals, start, key=itemgetter(0))
        return at > 0 and end <= self.literals[at - 1][1]


def _runs(events: list[_Event], *, has_lf_ends: bool = False) -> list[_Run]:
    """Join what one side sent in a row; a note and a gap begin anew."""
    runs: list[_Run] = []
    group: list[_Event] = []
    for event in events:
        if group and (event[1] != group[0][1] or event[1] == "*" or event[4]):
            runs.append(_run(group, has_lf_ends=has_lf_ends))
            group = []
        group.append(event)
    return [*runs, _run(group, has_lf_ends=has_lf_ends)] if group else runs


def _run(events: list[_Event], *, has_lf_ends: bool) -> _Run:
    times: list[tuple[int, float]] = []
    marks: list[Mark] = []
    size = 0
    for now, _, data, placed, _ in events:
        marks += [Mark(mark.start + size, mark.end + size, mark.name, mark.is_secret) for mark in placed]
        size += len(data)
        times.append((size, now))
    data = b"".join(event[2] for event in events)
    return _Run(events[0][1], data, times, marks, events[0][4], has_lf_ends=has_lf_ends)


def _find_literals(runs: list[_Run]) -> None:
    """Find where literals lie, over the borders of runs; a client's counts once the server has asked for it."""
    left: dict[Who, int] = {"C": 0, "S": 0}
    announced = 0  # of the client, and not asked for
    for run in runs:
        if run.who == "*":
            if run.gap:
                left["C"] = left["S"] = announced = 0  # of which side how much is missing nobody knows
            continue
        if run.who == "C":
            left["C"], announced = max(left["C"] - run.gap, 0), 0
        else:
            left["C"] += announced * _has_go_ahead(run.data)
            left["S"] = max(left["S"] - run.gap, 0)
        at = 0
        while True:
            if left[run.who]:
                end = min(at + left[run.who], len(run.data))
                run.literals.append((at, end))
                left[run.who] -= end - at
                at = end
            mark = _ANNOUNCED.search(run.data, at)
            if mark is None:
                break
            at = mark.end()
            if run.who == "C" and not mark[2] and at == len(run.data):
                announced = int(mark[1])
            else:
                left[run.who] = int(mark[1])


def _has_go_ahead(data: bytes) -> bool:
    """Whether what a server says to a literal's announcement is that it may come: untagged data may be before that."""
    return next((line.startswith(b"+") for line in data.split(b"\n") if not line.startswith(b"* ")), False)


def _segments(runs: list[_Run]) -> list[list[_Run]]:
    """Return, for each side, the runs between two gaps: secrets are searched over all of them at once."""
    segments: dict[tuple[Who, int], list[_Run]] = {}
    gaps: dict[Who, int] = {"C": 0, "S": 0}
    for run in runs:
        for side in gaps:
            gaps[side] += run.gap > 0 and run.who in (side, "*")
        if run.who != "*":
            segments.setdefault((run.who, gaps[run.who]), []).append(run)
    for (who, number), segment in segments.items():
        segment[0].is_headless = number > 0
        segment[-1].is_cut = number < gaps[who]
    return list(segments.values())


def _redact(segment: list[_Run], redactor: Redactor) -> None:
    """Add marks where the search finds secrets, and hide what a gap may have left of one."""
    data = b"".join(run.data for run in segment)
    found = redactor.find(data)
    at = place = 0
    for run in segment:
        end = at + len(run.data)
        while place < len(found) and found[place].end <= at:
            place += 1
        stop = bisect_left(found, end, key=lambda mark: mark.start)
        shifted = [Mark(max(mark.start, at) - at, min(mark.end, end) - at, mark.name) for mark in found[place:stop]]
        run.marks = _merged([*run.marks, *shifted])
        at = end
    if segment[0].is_headless:
        _hide(segment, redactor.reach(data, from_end=False))
    if segment[-1].is_cut:
        _hide_end(segment, redactor.reach(data, from_end=True))


def _hide(segment: list[_Run], size: int) -> None:
    for run in segment:
        run.first = min(size, len(run.data))
        size -= run.first


def _hide_end(segment: list[_Run], size: int) -> None:
    for run in reversed(segment):
        run.last = max(len(run.data) - size, run.first)
        size = max(size - len(run.data), 0)


def _merged(marks: list[Mark]) -> list[Mark]:
    """Join marks that overlap; a secret wins over what is none."""
    merged: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if merged and mark.start < merged[-1].end:
            held = merged[-1]
            winner = mark if mark.is_secret and not held.is_secret else held
            merged[-1] = replace(winner, start=held.start, end=max(held.end, mark.end))
        elif mark.start < mark.end:
            merged.append(mark)
    return merged


def _run_lines(run: _Run, redactor: Redactor) -> list[Line]:
    if run.who == "*":
        text = redactor.mask(run.data.decode())
        lines = [] if run.gap else [Line(run.times[0][1], "*", cut_line(escape(text)))]
    else:
        lines = _data_lines(run, redactor)
    if run.gap:
        lines.insert(0, Line(run.times[0][1], "*", f"… {run.gap} bytes left out …"))
    return lines


def _data_lines(run: _Run, redactor: Redactor) -> list[Line]:
    """Return the lines of a run; where they are many the ends, both of it and of each literal in it."""
    spans = _spans(run)
    lines: list[Line] = []
    before = -1
    for place in [*_shown_places(run, spans), len(spans)]:
        if skipped := place - before - 1:
            at = run.arrived(spans[min(place, len(spans) - 1)][1])
            lines.append(Line(at, "*", f"… {skipped} {'line' if skipped == 1 else 'lines'} left out …"))
        if place < len(spans):
            lines.append(_line(run, spans[place], redactor))
        before = place
    return lines


def _shown_places(run: _Run, spans: list[tuple[int, int]]) -> list[int]:
    """Return which lines of a run are shown: beside a gap only those on its far side."""
    first, last = _shares(FIRST_LINES, LAST_LINES, is_headless=run.is_headless, is_cut=run.is_cut)
    places = list(range(len(spans)))
    if len(spans) <= first + last:
        return places
    inside = [run.is_literal(*span) for span in spans]
    outside = [place for place in places if not inside[place]]
    if len(outside) > first + last:
        head = outside[first - 1] + 1 if first else 0
        tail = outside[-last] if last else len(spans)
        places = [*places[:head], *places[tail:]]
    blocks = [(is_literal, list(block)) for is_literal, block in groupby(places, key=inside.__getitem__)]
    literals = sum(is_literal for is_literal, _ in blocks) or 1
    ends = max(FIRST_LINES // literals, LITERAL_ENDS), max(LAST_LINES // literals, LITERAL_ENDS)
    shown: list[int] = []
    for is_literal, block in blocks:
        is_headless, is_cut = run.is_headless and block[0] == 0, run.is_cut and block[-1] + 1 == len(spans)
        first, last = _shares(*ends, is_headless=is_headless, is_cut=is_cut)
        is_folded = is_literal and len(block) > first + last
        shown += [*block[:first], *block[len(block) - last :]] if is_folded else block
    return shown


def _shares(first: int, last: int, *, is_headless: bool, is_cut: bool) -> tuple[int, int]:
    """Return how many lines are shown at the beginning and at the end of what may be torn there."""
    if is_headless:
        return 0, last
    return first, 0 if is_cut else last


def _spans(run: _Run) -> list[tuple[int, int]]:
    """Return where the lines lie, ends included."""
    spans = []
    start = run.first
    while start < run.last:
        end = run.data.find(b"\n", start, run.last) + 1 or run.last
        spans.append((start, end))
        start = end
    return spans


def _line(run: _Run, span: tuple[int, int], redactor: Redactor) -> Line:
    start, end = span
    line = run.data[start:end]
    content = line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line
    marks = _marks_within(run.marks, start, start + len(content)) if run.marks else []
    text = cut_line(_spliced(content, marks, redactor))
    if run.who == "S" and not marks:
        text += _challenge(content, redactor)
    if not (run.has_lf_ends and line.endswith(b"\n")):
        text += _line_end(line, is_cut=run.is_cut and end == run.last)
    return Line(run.arrived(end), run.who, text, run.is_literal(start, end))


def _marks_within(marks: list[Mark], start: int, end: int) -> list[Mark]:
    low = bisect_right(marks, start, key=lambda mark: mark.end)
    high = bisect_left(marks, end, key=lambda mark: mark.start)
    return _clipped(marks[low:high], start, end)


def _line_end(line: bytes, *, is_cut: bool) -> str:
    """Say what is odd about a line's end (RFC 5321 2.3.8: CR LF and nothing else)."""
    if line.endswith(b"\r\n"):
        return ""
    if line.endswith(b"\n"):
        return "\\x0a"
    return "…" if is_cut else " (no line end)"


def _spliced(content: bytes, marks: list[Mark], redactor: Redactor) -> str:
    if not marks:
        return _shown(content)
    parts, at = [], 0
    for mark in marks:
        parts += [_shown(content[at : mark.start]), _placeholder(content, mark, redactor)]
        at = mark.end
    return "".join([*parts, _shown(content[at:])])


def _placeholder(content: bytes, mark: Mark, redactor: Redactor) -> str:
    marker = redactor.marker(mark.name)
    if mark.is_secret:
        return marker
    encoded = content[mark.start : mark.end]
    more = "…" if len(encoded) > ENCODED_WIDTH else ""
    return f"{_shown(encoded[:ENCODED_WIDTH])}{more} {marker}"


def _shown(data: bytes) -> str:
    return show_text(data.decode("utf-8", "backslashreplace"))


def show_text(text: str) -> str:
    r"""Return a line's text as a transcript shows it: harmless, and with TABs that can be seen.

    >>> show_text("\tby mx\x07")
    '→by mx\\x07'
    """
    return TAB.join(map(escape, text.split("\t")))


def _challenge(content: bytes, redactor: Redactor) -> str:
    """Return a challenge decoded, if it is canonical base64 of printable text; else nothing."""
    match = _CHALLENGE.fullmatch(content)
    if not match:
        return ""
    try:
        decoded = base64.b64decode(match[1], validate=True)
        text = decoded.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    if base64.b64encode(decoded) != match[1] or not text.isprintable():
        return ""
    return f" ⟨{cut_line(escape(redactor.mask(text)))}⟩"


def cut_line(text: str) -> str:
    """Return a line as it is shown: what is beyond `LINE_WIDTH` is counted, if that is shorter."""
    left_out = len(text) - LINE_WIDTH
    if left_out <= 0:
        return text
    note = f"… {left_out} characters left out"
    return text if left_out <= len(note) else text[:LINE_WIDTH] + note
