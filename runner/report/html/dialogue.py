"""A case's conversation: its steps in order, below each what went over the wire then, client and server apart.

Times are in seconds since the case began. Transcripts come redacted and shortened already; here they are bounded
once more. Elements are short (`<p>` is a line, `<i>` a number), for a page may hold a hundred thousand of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.report.excerpt import MOST_STEPS, STEP_LINES, blamed_places, merged_lines
from runner.report.html.differences import render_finding
from runner.report.html.latency import span
from runner.report.html.markup import kind, moment, text, wire
from runner.report.html.placing import end_of_steps, step_places
from runner.report.layout import counted
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.report.excerpt import Entry
    from runner.results import CaseResult, StepResult

# Of a conversation so many lines are shown, half of them from its beginning and half from its end.
MOST_LINES = 400
# Where nothing failed fewer will do.
MOST_LINES_PASSED = 120

# What the tool notes when a session has become a TLS one: version, cipher, and whether the certificate was verified.
_SECURED = re.compile(r"TLSv[0-9.]+ \S+, ")
# What opens an authentication, with IMAP's tag or without (RFC 4954, 5034, 9051, 5804).
_AUTH = re.compile(r"(?:[^\s*+]{1,32} )?(?:AUTH|AUTHENTICATE|LOGIN|USER|PASS|APOP)(?: |\Z)", re.IGNORECASE)
# After these an authentication goes on: challenges, and what IMAP tells besides.
_GOES_ON = re.compile(r'334(?: |-|\Z)|[+*](?: |\Z)|"|\{')


def render_dialogue(case: CaseResult) -> str:
    """Return the steps of a case with their lines; each that failed or differed is followed by its finding."""
    entries, _ = merged_lines(case, is_whole=False)
    end = end_of_steps(entries, case.steps)
    blamed = _blamed(case, entries)
    kept = _kept(len(entries), blamed, MOST_LINES_PASSED if case.outcome is Outcome.PASSED else MOST_LINES)
    rows = _rows(case, entries, end)
    lines = _Lines(has_names=len({entry.session for entry in entries}) > 1)
    parts = ["<div class=talk><div>"]
    left_out = 0
    for place, entry in enumerate(entries):
        if place in rows:
            parts += [_omission(left_out), *rows[place]]
            left_out = 0
        line = lines.rendered(entry, is_blamed=place in blamed)
        if place in kept:
            parts += [_omission(left_out), *line]
            left_out = 0
        else:
            left_out += entry.count
    return "".join([*parts, _omission(left_out), *rows.get(len(entries), ()), "</div></div>"])


def _blamed(case: CaseResult, entries: list[Entry]) -> set[int]:
    """Return the places of the lines that made a step fail or differ."""
    if case.started is None:
        return set()
    looked_at = [step for step in case.steps if step.outcome.is_failure or step.differences]
    return {place for step in looked_at[:MOST_STEPS] for place in blamed_places(entries, step)}


def _kept(count: int, blamed: set[int], most: int) -> range | set[int]:
    if count <= most:
        return range(count)
    around = (near for place in blamed for near in range(max(place + 1 - STEP_LINES, 0), place + 1))
    return {*range(most // 2), *range(count - most // 2, count), *around}


def _omission(count: int) -> str:
    return f"<p class=n>… {counted(count, 'line')} left out" if count else ""


def _rows(case: CaseResult, entries: Sequence[Entry], end: int) -> dict[int, list[str]]:
    """Return what stands between the lines, by the place of the line that it stands before."""
    rows: dict[int, list[str]] = {}
    findings: list[str] = []
    place = 0
    whole = max((step.started + step.elapsed for step in case.steps), default=0.0)
    places = step_places(entries, case.steps, end)
    for number, (step, its_place) in enumerate(zip(case.steps, places, strict=True), 1):
        here = rows.setdefault(its_place, [])
        # A finding comes behind the lines of its step.
        if its_place > place or not entries or step.outcome is Outcome.NOT_RUN:
            here += findings
            findings = []
        place = its_place
        here.append(_step(case, number, step, whole))
        if step.outcome.is_failure or step.differences:
            findings.append(render_finding(number, step))
    last = rows.setdefault(end, [])
    last += findings
    if any(entry.line.who != "*" for entry in entries[end:]) and case.steps:
        last.append('<p class="s after"><b></b><span>after the last step</span>')
    return rows


def _step(case: CaseResult, number: int, step: StepResult, whole: float) -> str:
    own_file = (case.place or case.steps[0].place).file
    elsewhere = text(step.place.file) if step.place.file != own_file else ""
    line = f"<i>{elsewhere}:{step.place.line}</i>"
    label = text(step.label)
    if step.outcome is Outcome.NOT_RUN:
        return f'<p class="s not-run"><b>{number}</b><span>{label}</span>{line}<em>not run</em>'
    plot = f"{span(step.started, step.elapsed, whole)}<i>{moment(step.elapsed)}</i>"
    is_warning = step.is_cleanup and step.outcome.is_failure
    word = "warning" if is_warning or (step.differences and not step.outcome.is_failure) else kind(step.outcome)
    if word == "passed":
        return f"<p class=s><b>{number}</b><span>{label}</span>{line}{plot}"
    return f'<p class="s {word}"><b>{number}</b><span>{label} <strong>{word}</strong></span>{line}{plot}'


@dataclass(slots=True)
class _Session:
    """What is known of a session while its lines go by."""

    is_secure: bool = False
    is_authenticating: bool = False
    who: str = ""


@dataclass(slots=True)
class _Lines:
    """Turns lines into markup, and tells for each whether it went through TLS and whether it is of an AUTH."""

    has_names: bool
    sessions: dict[str, _Session] = field(default_factory=dict)
    is_secure: bool = False
    time: str = ""

    def rendered(self, entry: Entry, *, is_blamed: bool) -> Iterator[str]:
        """Iterate over the markup of one line, which has to be the next one; a time is told once."""
        session = self.sessions.setdefault(entry.session, _Session())
        is_auth = _heard(session, entry)
        return self._pieces(entry, session, is_auth=is_auth, is_blamed=is_blamed)

    def _pieces(self, entry: Entry, session: _Session, *, is_auth: bool, is_blamed: bool) -> Iterator[str]:
        if session.is_secure is not self.is_secure:
            self.is_secure = session.is_secure
            yield "</div><div class=tls>" if self.is_secure else "</div><div>"
        line = entry.line
        names = "c" * (line.who == "C") + "n" * (line.who == "*")
        words = [word for word in (names, "a" * is_auth, "x" * is_blamed) if word]
        yield "<p>" if not words else f"<p class={words[0]}>" if len(words) == 1 else f'<p class="{" ".join(words)}">'
        time = moment(line.at)
        if time != self.time:
            self.time = time
            yield f"<i>{time}</i>"
        said = wire(line.text) if line.who == "*" else f"{line.who}: {wire(line.text)}"
        name = f"<em>{text(entry.session)}</em> " if self.has_names else ""
        yield f"{name}<mark>{said}</mark>" if is_blamed else name + said


def _heard(session: _Session, entry: Entry) -> bool:
    """Take notice of a line; return whether it is of an authentication."""
    line = entry.line
    if line.who == "*":
        session.is_secure = session.is_secure or _SECURED.match(line.text) is not None
    elif line.who == "C" and session.who != "C" and _AUTH.match(line.text):
        session.is_authenticating = True
    is_auth = session.is_authenticating and line.who != "*"
    if line.who == "S" and not _GOES_ON.match(line.text):
        session.is_authenticating = False
    session.who = line.who
    return is_auth
