"""A history as a page for a browser: every case with a tick for each run and a line for how long it took.

What a plot shows stands beside it in numbers, or in its label. The page's frame, its policy and the door for texts
from outside are those of the HTML report.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from runner.history.words import day, moment, span, states, title
from runner.report.html.markup import kind, seconds, text
from runner.report.html.page import page
from runner.report.layout import counted
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.history.facts import CaseHistory, Entry, History, Record, Sample

# A page has so many cases, the worst first, and plots so many runs, the newest.
MOST_CASES = 1000
MOST_RUNS = 100
MOST_NOTES = 50
# Of a strip so many stretches are told in words.
MOST_STRETCHES = 8
# Heights of a tick in a plot of 10: an outcome shows by it without its colour.
_HEIGHTS = {Outcome.PASSED: 4, Outcome.KNOWN: 6, Outcome.SKIPPED: 1, Outcome.NOT_RUN: 8}
_HEIGHT = 10
_CLASSES = {"failing": "failed", "not run": "not-run", "steady": "passed", "fixed": "passed"}


def render_page(history: History) -> str:
    """Return the page in HTML (the living standard), with a line feed at its end."""
    bad = [f"{history.states[state]} {state}" for state in ("failing", "not run", "flaky") if state in history.states]
    said = ", ".join(bad) or ("Nothing failing" if history.entries else "No case")
    is_green = bool(history.entries) and not bad
    notes = "".join(f"<li>{text(note)}" for note in history.notes[:MOST_NOTES])
    header = (
        f"<header><p class=tool>mailproof history</p><h1 class={'passed' if is_green else 'failed'}>{said}</h1>"
        f"<p class=facts>{span(history)} · {states(history)}</p>{f'<ul class=warnings>{notes}</ul>' if notes else ''}"
        "<nav aria-label=Contents><ul><li><a href=#cases>Cases</a><li><a href=#runs>Runs</a></ul></nav></header>"
    )
    body = f"{_section('cases', 'Cases', _cases(history))}\n{_section('runs', 'Runs', _runs(history))}"
    return page(f"{said} · mailproof history", header, body, is_green=is_green)


def _section(name: str, heading: str, content: str) -> str:
    return f"<section aria-labelledby={name}><h2 id={name}>{heading}</h2>{content}</section>"


def _cases(history: History) -> str:
    heads = "".join(
        f"<th scope=col{' class=number' * is_number}>{head}"
        for head, is_number in (
            ("case", False), ("state", False), ("outcomes", False), ("passed", True), ("since", False),
            ("time", False), ("median", True), ("90 %", True), ("last", True),
        )
    )  # fmt: skip
    rows = "\n".join(_row(entry, history) for entry in history.entries[:MOST_CASES])
    left_out = len(history.entries) - MOST_CASES
    more = f"<p class=n>… and {counted(left_out, 'more case')}" if left_out > 0 else ""
    newest = f" of the last {MOST_RUNS} runs" if len(history.runs) > MOST_RUNS else ""
    return (
        f"<p class=legend>A tick is a run{newest}, the oldest first: a full one failed or erred, a low one passed. "
        "The line is how long it took, each from zero to its own longest; a dot is a run that was slower than usual."
        f"<div class='wide matrix' role=region aria-label=Cases tabindex=0><table><thead><tr>{heads}<tbody>\n{rows}"
        f"</table></div>{more}"
    )


def _row(entry: Entry, history: History) -> str:
    case = entry.case
    target = f" <small>{text(case.key[2])}</small>" if case.key[2] else ""
    rate = f"{case.passed}/{case.plays} <i>{_percent(case.passed, case.plays)}</i>" if case.plays else ""
    times = case.times
    last = seconds(times[-1][1]) if times else ""
    middle = [seconds(case.median), seconds(case.ninetieth)] if times else ["", ""]
    cells = "".join(f"<td class=number>{value}" for value in (*middle, last))
    state = _CLASSES.get(entry.state, "warned")
    return (
        f"<tr><th scope=row>{text(title(case))}{target}<td class={state}><b>{entry.state}</b>"
        f"<td>{_ticks(case.samples[-MOST_RUNS:])}<td class=number>{rate}<td>{day(history.runs[case.since])}"
        f"<td>{_line(case, entry.slow)}{cells}"
    )


def _percent(part: int, whole: int) -> str:
    """Return a part in hundredths, never rounded up to all of it."""
    return f"{100 * part // whole} %" if whole else ""


def _ticks(samples: tuple[Sample | None, ...]) -> str:
    """Return a tick for each run, those that ended alike in one path; a run without the case is a gap."""
    places: dict[Outcome, list[int]] = {}
    for at, sample in enumerate(samples):
        if sample:
            places.setdefault(sample.outcome, []).append(at)
    paths = "".join(
        f'<path class={kind(outcome)} d="{"".join(_tick(at, outcome) for at in found)}"/>'
        for outcome, found in places.items()
    )
    label = f"oldest first: {_stretches(samples)}"
    head = f'<svg class=runs role=img aria-label="{label}" viewBox="0 0 {len(samples)} {_HEIGHT}"'
    return f"{head} preserveAspectRatio=none>{paths}</svg>"


def _tick(at: int, outcome: Outcome) -> str:
    return f"M{at}.5 {_HEIGHT}v-{_HEIGHTS.get(outcome, _HEIGHT)}"


def _stretches(samples: tuple[Sample | None, ...]) -> str:
    words = [sample.outcome.value if sample else "absent" for sample in samples]
    told = [f"{len(list(alike))} {word}" for word, alike in groupby(words)]
    return ("…, " if len(told) > MOST_STRETCHES else "") + ", ".join(told[-MOST_STRETCHES:])


def _line(case: CaseHistory, slow: frozenset[int]) -> str:
    """Return how long each run took, from zero to the longest; one run alone is a dash."""
    first = max(len(case.samples) - MOST_RUNS, 0)
    times = [(at, elapsed) for at, elapsed in case.times if at >= first]
    most = max((elapsed for _, elapsed in times), default=0.0)
    if most <= 0:
        return ""
    points = {at: f"{at - first}.5 {19 - 18 * max(elapsed, 0.0) / most:.1f}" for at, elapsed in times}
    line = "L".join(points.values())
    dots = "".join(f"M{points[at]}h0" for at in sorted(slow) if at in points)
    dotted = f'<path class=slow d="{dots}"/>' if dots else ""
    said = f"{seconds(min(elapsed for _, elapsed in times))} to {seconds(most)}, last {seconds(times[-1][1])}"
    label = f"{said}{', slower than usual' * (times[-1][0] in slow)}"
    size = f'viewBox="0 0 {len(case.samples) - first} 20" preserveAspectRatio=none'
    return f'<svg class=times role=img aria-label="{label}" {size}><path d="M{line}h.01"/>{dotted}</svg>'


def _runs(history: History) -> str:
    outcomes = [outcome for outcome in Outcome if any(run.count(outcome) for run in history.runs)]
    heads = "".join(f"<th scope=col class=number>{outcome.value}" for outcome in outcomes)
    shown = history.runs[-MOST_RUNS:]
    rows = "\n".join(_run(run, outcomes) for run in reversed(shown))
    left_out = len(history.runs) - len(shown)
    more = f"<p class=n>… and {counted(left_out, 'older run')}" if left_out else ""
    return (
        f"{_rates(shown)}<div class=wide role=region aria-label=Runs tabindex=0><table><thead><tr><th scope=col>began "
        f"(UTC)<th scope=col>file{heads}<th scope=col class=number>passed<th scope=col class=number>took<tbody>\n"
        f"{rows}</table></div>{more}"
    )


def _rates(runs: tuple[Record, ...]) -> str:
    """Return the part of all cases that passed, a column for each run; the table below has the numbers."""
    bars = "".join(
        f"M{at}.5 {_HEIGHT}v-{_HEIGHT * run.count(Outcome.PASSED) / len(run.samples):.2f}"
        for at, run in enumerate(runs)
        if run.count(Outcome.PASSED)
    )
    size = f'viewBox="0 0 {len(runs)} {_HEIGHT}" preserveAspectRatio=none'
    return (
        f'<svg class="runs rates" role=img aria-label="the part of cases that passed in each run, oldest first; the '
        f'table has the numbers" {size}><path class=passed d="{bars}"/></svg>'
    )


def _run(run: Record, outcomes: list[Outcome]) -> str:
    counts = "".join(
        f"<td class={kind(outcome) if (count := run.count(outcome)) else 'none'}><b>{count}</b>" for outcome in outcomes
    )
    passed = _percent(run.count(Outcome.PASSED), len(run.samples))
    cut = f" <i>interrupted ({text(run.interrupted)})</i>" if run.interrupted else ""
    return (
        f"<tr><th scope=row>{moment(run)}<td>{text(run.name)}{cut}{counts}"
        f"<td class=number>{passed}<td class=number>{seconds(run.elapsed)}"
    )
