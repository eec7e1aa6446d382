"""What a reader wants to know first: how the run ended, against what, what failed and what took long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.report.html.cases import anchor, name, reason
from runner.report.html.latency import bar, sorted_into_buckets
from runner.report.html.markup import kind, moment, seconds, text
from runner.report.layout import counted
from runner.report.verdict import EMBEDDED
from runner.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.results import CaseResult, RunResult

# How ISO 8601 joins date and time, and says UTC; people read blanks and letters.
_ISO = re.compile(r"\A([0-9-]{10})T([0-9:]{8})(?:\.[0-9]+)?(?:Z|\+00:00)\Z", re.ASCII)
_PLAIN_ISO = r"\1 \2 UTC"

MOST_FAILURES = 50
MOST_WARNINGS = 20
MOST_SLOW = 10
# Of the endpoints and TLS versions of a target so many are named.
MOST_NAMED = 3


def verdict(run: RunResult) -> str:
    """Return in a few words how the run ended; it is "Passed" for a green run alone."""
    if run.is_passed:
        return "Passed"
    has_failed = any(case.outcome.is_failure for case in run.cases)
    if run.interrupted:
        return f"Interrupted ({text(run.interrupted)}){', and failed' * has_failed}"
    if has_failed:
        return "Failed"
    if not run.cases:
        return "No case was run: not a pass"
    return "Not all was run: not a pass" if run.count(Outcome.PASSED) else "Nothing passed: not a pass"


def render_summary(run: RunResult) -> str:
    """Return the counts, and what else makes a run what it is."""
    counts = "".join(_count(outcome, run.count(outcome)) for outcome in Outcome if _is_told(run, outcome))
    warned = f"<li class=warned><b>{run.warnings}</b> {'warning' if run.warnings == 1 else 'warnings'}"
    targets = len({case.target for case in run.cases if case.target})
    facts = [counted(len(run.cases), "case"), counted(targets, "target"), seconds(run.elapsed)]
    if run.began:
        facts.append(f"begun {text(_ISO.sub(_PLAIN_ISO, run.began))}")
    if times := max((case.repeats.runs for case in run.cases if case.repeats), default=0):
        facts.append(f"each case {times} times")
    embedded = f"<p class=warning>{EMBEDDED[0].upper()}{EMBEDDED[1:]}." if run.is_embedded else ""
    return (
        f"<p class=facts>{' · '.join(facts)}</p>{_proportions(run)}"
        f"<ul class=counts>{counts}{warned * (run.warnings > 0)}</ul>{embedded}"
    )


def _is_told(run: RunResult, outcome: Outcome) -> bool:
    return run.count(outcome) > 0 or outcome in (Outcome.PASSED, Outcome.FAILED)


def _count(outcome: Outcome, number: int) -> str:
    none = "" if number else " none"
    return f'<li class="{kind(outcome)}{none}"><b>{number}</b> {outcome.value}'


def _proportions(run: RunResult) -> str:
    """Return one bar of all cases, a stretch for each outcome; the counts below say the same."""
    order = (Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN, Outcome.KNOWN, Outcome.SKIPPED, Outcome.PASSED)
    at = 0
    stretches = []
    for outcome in order:
        if number := run.count(outcome):
            stretches.append(f'<path class={kind(outcome)} d="M{at} 4h{number}"/>')
            at += number
    plot = "".join(stretches)
    head = f'<svg class=all aria-hidden=true viewBox="0 0 {at} 8" preserveAspectRatio=none>'
    return f"{head}{plot}</svg>" if at else ""


def render_targets(cases: Sequence[CaseResult]) -> str:
    """Return each target with its server and how its cases ended."""
    targets: dict[str, list[CaseResult]] = {}
    for case in cases:
        targets.setdefault(case.target, []).append(case)
    outcomes = [outcome for outcome in Outcome if any(case.outcome is outcome for case in cases)]
    heads = "".join(f"<th scope=col class=number>{outcome.value}" for outcome in outcomes)
    rows = "\n".join(_target(target, alike, outcomes) for target, alike in targets.items())
    return (
        "<div class=wide role=region aria-label=Targets tabindex=0><table><thead><tr><th scope=col>target"
        f"<th scope=col>endpoint<th scope=col>TLS{heads}<th scope=col class=number>median<tbody>\n{rows}</table></div>"
    )


def _target(target: str, cases: Sequence[CaseResult], outcomes: Sequence[Outcome]) -> str:
    endpoints = _named([case.endpoint for case in cases])
    tls = _named([case.tls for case in cases])
    counts = "".join(_number(sum(case.outcome is outcome for case in cases), outcome) for outcome in outcomes)
    times = sorted(case.elapsed for case in cases if case.elapsed)
    median = seconds(times[len(times) // 2]) if times else ""
    return (
        f"<tr><th scope=row>{text(target) or 'no target'}<td><code>{endpoints}</code><td>{tls}{counts}"
        f"<td class=number>{median}"
    )


def _named(values: Sequence[str]) -> str:
    different = [text(value) for value in dict.fromkeys(values) if value]
    more = "…" if len(different) > MOST_NAMED else ""
    return "<br>".join([*different[:MOST_NAMED], *([more] if more else [])])


def _number(count: int, outcome: Outcome) -> str:
    return f"<td class={kind(outcome) if count else 'none'}><b>{count}</b>"


def render_failures(cases: Sequence[CaseResult]) -> str:
    """Return what is not as it should be, each with its reason and a link to its conversation."""
    wanted = (Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN)
    failed = [(number, case) for number, case in enumerate(cases) if case.outcome in wanted]
    rows = "\n".join(_failure(number, case) for number, case in failed[:MOST_FAILURES])
    left_out = len(failed) - MOST_FAILURES
    more = f"<p class=n>… and {counted(left_out, 'more case')}: see below" if left_out > 0 else ""
    return f"<ul class=failures>{rows}</ul>{more}" if failed else ""


def _failure(number: int, case: CaseResult) -> str:
    target = f" <small>{text(case.target)}</small>" if case.target else ""
    link = f"<a href=#{anchor(number)}>{name(case)}</a>{target}"
    return f"<li class={kind(case.outcome)}><b>{case.outcome.value}</b> {link}<p>{reason(case)}"


def render_warnings(cases: Sequence[CaseResult]) -> str:
    """Return each warning once, with how many cases carry it."""
    counts: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        for warning in dict.fromkeys(case.warnings):
            counts.setdefault(warning, []).append(number)
    rows = "\n".join(
        f"<li>{text(warning)} <small><a href=#{anchor(numbers[0])}>{counted(len(numbers), 'case')}</a></small>"
        for warning, numbers in list(counts.items())[:MOST_WARNINGS]
    )
    left_out = len(counts) - MOST_WARNINGS
    more = f"<p class=n>… and {counted(left_out, 'more')}" if left_out > 0 else ""
    return f"<ul class=warnings>{rows}</ul>{more}" if counts else ""


def render_latency(cases: Sequence[CaseResult]) -> str:
    """Return the slowest cases, and how long steps took in all."""
    parts = list(_slowest(cases))
    ranges = sorted_into_buckets([step.elapsed for case in cases for step in case.steps if step.elapsed])
    most = max((count for _, count in ranges), default=0)
    rows = "\n".join(
        f"<tr><th scope=row>{label}<td class=plot>{bar(count, most)}<td class=number>{count}" for label, count in ranges
    )
    if rows:
        parts.append(f"<table class=plots><caption>How long steps took</caption><tbody>\n{rows}</table>")
    return f"<div class=pair>{''.join(parts)}</div>" if parts else ""


def _slowest(cases: Sequence[CaseResult]) -> Iterator[str]:
    timed = [(number, case) for number, case in enumerate(cases) if case.elapsed]
    slowest = sorted(timed, key=lambda one: -one[1].elapsed)[:MOST_SLOW]
    if not slowest:
        return
    most = slowest[0][1].elapsed
    rows = "\n".join(
        f"<tr><th scope=row><a href=#{anchor(number)}>{name(case)}</a> <small>{text(case.target)}</small>"
        f"<td class=plot>{bar(case.elapsed, most)}<td class=number>{moment(case.elapsed)} s"
        for number, case in slowest
    )
    yield f"<table class=plots><caption>Slowest cases</caption><tbody>\n{rows}</table>"
