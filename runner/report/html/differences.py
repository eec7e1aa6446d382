"""What a step did otherwise, as a list of terms: expected above got, then hint and because.

This module must not know how a step is judged. What is shown is bounded as it is on a terminal.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from runner.report.details import (
    FIRST_LINES,
    LAST_LINES,
    MOST_DIFFERENCES,
    PLAIN_PARTS,
    PROSE_LIMIT,
    is_told_by_differences,
)
from runner.report.html.markup import text
from runner.report.layout import counted, ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.results import Difference, StepResult


def render_finding(number: int, step: StepResult) -> str:
    """Return what is to be said of a step that failed, erred or differed."""
    used_at = "".join(f", used at {text(str(place))}" for place in step.used_at)
    parts = [f"<div class=finding><p>step {number}, {text(str(step.place))}{used_at}</p><dl>"]
    if step.reason and not is_told_by_differences(step):
        parts.append(_prose("reason", step.reason))
    parts += _differences(step.differences)
    if step.because:
        parts.append(_prose("because", step.because))
    return "".join([*parts, "</dl></div>"])


def _differences(differences: tuple[Difference, ...]) -> Iterator[str]:
    """Iterate over what differs; what came is shown once for all that it is compared with."""
    groups = groupby(differences[:MOST_DIFFERENCES], key=lambda one: one.actual)
    for number, (actual, group) in enumerate(groups):
        alike = list(group)
        if number:
            yield "</dl><dl>"
        yield from (_exact("expected", "want", one.expected) for one in alike)
        yield _exact("got", "got", actual)
        for one in alike:
            if one.part not in PLAIN_PARTS and not one.expected.startswith(one.part):
                yield _prose("differs", one.part)
            if one.hint:
                yield _prose("hint", one.hint)
    if (more := len(differences) - MOST_DIFFERENCES) > 0:
        yield f"<dt>besides<dd>{counted(more, 'more difference')}"


def _exact(label: str, kind: str, value: str) -> str:
    """Return a text that is compared, line by line, its beginning and its end if it is long."""
    return f"<dt>{label}<dd class={kind}>" + "\n".join(text(line) or "''" for line in _shown(value))


def _prose(label: str, value: str) -> str:
    lines = (line for line in _shown(value.rstrip("\n")) if line.strip())
    return f"<dt>{label}<dd>" + "\n".join(text(line, PROSE_LIMIT) for line in lines)


def _shown(value: str) -> list[str]:
    first, gap, last = ends(value, FIRST_LINES, LAST_LINES)
    return [*first, f"… {counted(gap, 'line')} left out", *last] if gap else first
