"""Every case: one line that tells how it ended, and behind it its conversation.

Without script a line opens by itself (`details`). What is not passed comes first into the room that conversations
have in a page; what finds none is told as left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.report.details import MOST_REASONS, MOST_WARNINGS, PROSE_LIMIT
from runner.report.html.dialogue import render_dialogue
from runner.report.html.markup import kind, moment, seconds, text
from runner.report.layout import counted, ends
from runner.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.results import CaseResult, Repeats

# All conversations of a page together have so many bytes: a browser opens that in a second or two.
ROOM = 8_000_000
# So many cases that are not passed are open from the start.
MOST_OPEN = 10
# Of a description or a reason so many lines are shown.
PROSE_LINES = 8

_LEFT_OUT = "<p class=n>The conversation is left out, for the page would become too long. The JSON report has it."


def render_cases(cases: Sequence[CaseResult]) -> str:
    """Return all cases in the order of the run."""
    bodies = _bodies(cases)
    opened = {number for number, case in enumerate(cases) if case.outcome.is_failure}
    first = sorted(opened)[:MOST_OPEN]
    return "\n".join(
        _case(number, case, body, is_open=number in first)
        for number, (case, body) in enumerate(zip(cases, bodies, strict=True))
    )


def anchor(number: int) -> str:
    """Return the id of a case; what stands there is inside of what a browser opens when it goes there."""
    return f"c{number + 1}"


def reason(case: CaseResult, limit: int = PROSE_LIMIT) -> str:
    """Return why a case did not pass, on one line."""
    first, _, more = case.reason.partition("\n")
    return text(f"{first} …" if more else first, limit)


def name(case: CaseResult) -> str:
    """Return what a case is called, with its row."""
    return text(case.scenario) + (f" <small>{text(case.row)}</small>" if case.row else "")


def _bodies(cases: Sequence[CaseResult]) -> list[str]:
    """Return what lies behind each line; who failed has precedence."""
    bodies = [""] * len(cases)
    room = ROOM
    for number in sorted(range(len(cases)), key=lambda number: not cases[number].outcome.is_failure):
        body = _body(cases[number]) if room else ""
        size = len(body.encode())
        if size >= room:
            room = size = 0
            body = _facts(cases[number]) + _LEFT_OUT
        room -= size
        bodies[number] = body
    return bodies


def _case(number: int, case: CaseResult, body: str, *, is_open: bool) -> str:
    took = f"<i>{seconds(case.elapsed)}</i>" if case.elapsed else "<i></i>"
    warned = f"<em>{counted(len(case.warnings), 'warning')}</em>" if case.warnings else ""
    why = f"<em>{reason(case)}</em>" if case.reason else warned
    return (
        f"<details class={kind(case.outcome)}{' open' * is_open}><summary><b>{case.outcome.value}</b>"
        f"<h3>{name(case)}</h3><span>{text(case.target)}</span>{took}{why}</summary>"
        f"<div id={anchor(number)}>{body}</div></details>"
    )


def _body(case: CaseResult) -> str:
    parts = [_facts(case), _description(case), _warnings(case.warnings)]
    if case.repeats:
        parts.append(f"<p>{case.repeats} repetitions passed.")
    if case.repeats and case.repeats.others and case.outcome is not Outcome.PASSED:
        parts += _repeats(case.repeats)
    else:
        parts.append(_whole_reason(case) + render_dialogue(case))
    return "".join(parts)


def _facts(case: CaseResult) -> str:
    """Return where a case is written and with whom it spoke."""
    endpoint = case.endpoint if case.endpoint != case.target else ""
    place = str(case.place) if case.place else ""
    facts = [text(fact) for fact in (place, case.target, endpoint, case.tls) if fact]
    facts += [f"session {text(one.name)} at {text(one.target)} ({text(one.endpoint)})" for one in case.sessions]
    return f"<p class=facts>{' · '.join(facts)}" if facts else ""


def _description(case: CaseResult) -> str:
    return f"<p class=about>{_prose(case.description)}" if case.description.strip() else ""


def _prose(value: str) -> str:
    first, gap, _ = ends(value.strip(), PROSE_LINES, 0)
    lines = [*first, f"… {counted(gap, 'line')} left out"] if gap else first
    return "<br>".join(text(line, PROSE_LIMIT) for line in lines)


def _warnings(warnings: Sequence[str]) -> str:
    shown = "".join(f"<p class=warning>warning: {text(one, PROSE_LIMIT)}" for one in warnings[:MOST_WARNINGS])
    left_out = len(warnings) - MOST_WARNINGS
    return shown + (f"<p class=n>… {counted(left_out, 'more warning')}" if left_out > 0 else "")


def _whole_reason(case: CaseResult) -> str:
    """Return a reason of several lines, of which the summary has the first alone."""
    return f"<p class=reason>{_prose(case.reason)}" if "\n" in case.reason.strip() else ""


def _repeats(repeats: Repeats) -> Iterable[str]:
    """Iterate over the first result for each reason, and how often it came."""
    for count, one in repeats.others[:MOST_REASONS]:
        times = "once" if count == 1 else f"{count} times, of which this was the first"
        yield f"<h4>{one.outcome.value} {times}: {reason(one)} <small>{moment(one.elapsed)} s</small></h4>"
        yield render_dialogue(one)
    if (left_out := len(repeats.others) - MOST_REASONS) > 0:
        often = sum(count for count, _ in repeats.others[MOST_REASONS:])
        yield f"<p class=n>… {counted(left_out, 'more reason')}, {counted(often, 'time')}"
