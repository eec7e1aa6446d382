"""What is to be said of one case: each step that isn't as it should be, and the end of what went over the wire.

A step is told as errors of files are: where, what was expected above what came, the nearest miss. All of it is
bounded, so that a hostile server fills no screen. This module must not know how a step is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from runner.report.excerpt import render_transcripts
from runner.report.layout import Colour, counted, ends, hang, plain
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.report.layout import Style
    from runner.results import CaseResult, Difference, Place, Repeats, StepResult

COLOURS = {
    Outcome.PASSED: Colour.GREEN,
    Outcome.FAILED: Colour.RED,
    Outcome.ERROR: Colour.RED,
    Outcome.SKIPPED: Colour.YELLOW,
    Outcome.KNOWN: Colour.YELLOW,
    Outcome.NOT_RUN: Colour.YELLOW,
}

# Of a long text its beginning says what it is, its end how it came to a stop.
FIRST_LINES = 8
LAST_LINES = 4
# Prose may be longer than a line on the wire.
PROSE_LIMIT = 500
# So many differences of a step, and so many lines of them; after so many lines no further step is shown.
MOST_DIFFERENCES = 12
MOST_WARNINGS = 12
# So many reasons of a case that was repeated are shown, each with its conversation.
MOST_REASONS = 4
MOST_LINES = 120
# What came is shown again where it is one line and not longer.
SHORT = 60
# Where the texts begin that are to be compared.
MARGIN = 12

# Of these parts the texts themselves tell which part it is.
PLAIN_PARTS = ("code", "reply", "time", "has", "lacks", "capabilities")


def render_details(case: CaseResult, style: Style) -> list[str]:
    """Return all that the table can't say of a case; nothing where there is nothing."""
    is_whole = style.verbosity == "verbose"
    if not (case.outcome.is_failure or case.warnings or (is_whole and case.transcripts)):
        return []
    if case.repeats and case.outcome.is_failure:
        blocks = [*_repeats(case.repeats, style), _warnings(case, style)]
    else:
        blocks = [*_conversation(case, style), _warnings(case, style)]
        if case.outcome.is_failure or is_whole:
            blocks.append(render_transcripts(case, style, is_whole=is_whole))
    if case.outcome.is_failure:
        blocks.append(_prose("about", case.description, style))
    return [*_heading(case, style), *_joined(blocks)]


def _joined(blocks: Iterable[list[str]]) -> list[str]:
    """Join blocks with an empty line between them."""
    return [line for block in blocks if block for line in ("", *block)][1:]


def _heading(case: CaseResult, style: Style) -> list[str]:
    word = case.outcome.value.upper()
    row = f" [{plain(case.row)}]" if case.row else ""
    target = f" · {plain(case.target)}" if case.target else ""
    repeats = f": {case.repeats} passed" if case.repeats else ""
    first, *rest = hang(f"{word}  ", f"{plain(case.scenario)}{row}{target}{repeats}", style)
    return [style.paint(word, COLOURS[case.outcome]) + first.removeprefix(word), *rest]


def _conversation(case: CaseResult, style: Style) -> list[list[str]]:
    return [render_case_reason(case, style), *_steps(case, style)]


def _repeats(repeats: Repeats, style: Style) -> list[list[str]]:
    """Return the first result for each reason, and how often it came."""
    blocks: list[list[str]] = []
    for count, one in repeats.others[:MOST_REASONS]:
        times = "once:" if count == 1 else f"{count} times, first:" if count < repeats.runs else "every time, first:"
        head = hang("", f"{one.outcome.value} {times}", style)
        first, *rest = [block for block in _conversation(one, style) if block] or [_prose("reason", one.reason, style)]
        blocks += [[*head, *first], *rest, render_transcripts(one, style, is_whole=style.verbosity == "verbose")]
    if (left_out := len(repeats.others) - MOST_REASONS) > 0:
        often = sum(count for count, _ in repeats.others[MOST_REASONS:])
        blocks.append([f"  …         {counted(left_out, 'more reason')}, {counted(often, 'time')}"])
    return blocks


def render_case_reason(case: CaseResult, style: Style) -> list[str]:
    """Return the case's reason where no step tells it: it failed after the last one, or before the first."""
    told = {text for step in case.steps for text in (step.reason, f"{step.label}: {step.reason}")}
    if not case.outcome.is_failure or not case.reason or case.reason in told:
        return []
    lines = _located(case.place, case.reason, style) if case.place else _prose("reason", case.reason, style)
    return [*lines, *hang("  = ", f"{_target(case)}, after {case.elapsed:.2f} s", style)]


def _steps(case: CaseResult, style: Style) -> list[list[str]]:
    """Return the steps to be looked at, a block each, and how many there are besides."""
    blocks: list[list[str]] = []
    numbered = enumerate(case.steps, 1)
    looked_at = [(number, step) for number, step in numbered if step.outcome.is_failure or step.differences]
    for number, step in looked_at:
        if sum(map(len, blocks)) > MOST_LINES:
            break
        blocks.append(render_step(case, number, step, style, has_target=not blocks))
    ends = []
    if len(blocks) < len(looked_at):
        ends.append(f"  {counted(len(looked_at) - len(blocks), 'more step')} failed or differed")
    if not_run := sum(step.outcome is Outcome.NOT_RUN for step in case.steps):
        ends.append(f"  {counted(not_run, 'step')} not run")
    return [*blocks[:-1], [*blocks[-1], *ends]] if blocks else [ends]


def render_step(case: CaseResult, number: int, step: StepResult, style: Style, *, has_target: bool) -> list[str]:
    """Return what is to be said of a step: where it is written and its name, then the rest, two blanks in."""
    is_warning = step.is_cleanup or not step.outcome.is_failure
    lines = _located(step.place, f"warning: {step.label}" if is_warning else step.label, style)
    lines += _prose("used at", ", ".join(map(str, step.used_at)), style)
    lines += _prose("because", step.because, style)
    if not is_told_by_differences(step):
        lines += _prose("reason", step.reason, style)
    lines += _differences(step.differences, style)
    target = f"{_target(case)}, " if has_target else ""
    target += _session(case, step.session)
    after = f"step {number} of {len(case.steps)}, after {step.started + step.elapsed:.2f} s"
    return [*lines, *hang("  = ", target + after, style)]


def _located(place: Place, text: str, style: Style) -> list[str]:
    head = f"{plain(place.file)}:{place.line}:{place.column}: "
    return hang("", head + plain(text, PROSE_LIMIT), style, indent=4)


def _target(case: CaseResult) -> str:
    endpoint = case.endpoint if case.endpoint != case.target else ""
    facts = ", ".join(plain(fact) for fact in (endpoint, case.tls) if fact)
    return f"target {plain(case.target)}" + (f" ({facts})" if facts else "")


def _session(case: CaseResult, name: str) -> str:
    """Return which session a step belongs to, and with which server that is; nothing for the scenario's own."""
    if not name:
        return ""
    facts = next((one for one in case.sessions if one.name == name.partition("[")[0]), None)
    if facts is None or facts.endpoint == case.endpoint:
        return f"session {plain(name)}, "
    endpoint = f" ({plain(facts.endpoint)})" if facts.endpoint != facts.target else ""
    return f"session {plain(name)} at {plain(facts.target)}{endpoint}, "


def is_told_by_differences(step: StepResult) -> bool:
    """Whether the reason repeats what stands below it, expected above actual."""
    return any(step.reason == one.sentence() for one in step.differences)


def _differences(differences: tuple[Difference, ...], style: Style) -> list[str]:
    """Return what differs, one after another; what came is shown once for all that it is compared with."""
    lines: list[str] = []
    shown: list[str] = []
    for actual, group in groupby(differences[:MOST_DIFFERENCES], key=lambda one: one.actual):
        alike = list(group)
        for one in alike:
            lines += _text("expected", one.expected, Colour.GREEN, style)
        is_seen = ("\n" in actual or len(actual) > SHORT) and any(_is_part(actual, whole) for whole in shown)
        lines += _prose("got", "the same reply", style) if is_seen else _text("got", actual, Colour.RED, style)
        shown.append(actual)
        for one in alike:
            if one.part not in PLAIN_PARTS and not one.expected.startswith(one.part):
                lines += _prose("differs", one.part, style)
            lines += _prose("hint", one.hint, style)
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"  …         {counted(len(lines) - MOST_LINES, 'line')} left out"]
    if len(differences) > MOST_DIFFERENCES:
        lines.append(f"  …         {counted(len(differences) - MOST_DIFFERENCES, 'more difference')}")
    return lines


def _is_part(text: str, whole: str) -> bool:
    """Whether all lines of a text are lines of another, in the same order and with none between."""
    return f"\n{text}\n" in f"\n{whole}\n"


def _text(label: str, text: str, colour: Colour, style: Style) -> list[str]:
    """Return a text that is compared: line by line as it is, its beginning and its end if it is long."""
    first, gap, last = ends(text, FIRST_LINES, LAST_LINES)
    lines = [row for line in first for row in _exact(line, style)]
    if gap:
        lines += [
            f"  …         {counted(gap, 'line')} left out",
            *(row for line in last for row in _exact(line, style)),
        ]
    lines[0] = _label(label) + lines[0][MARGIN:]
    return [style.paint(line, colour) for line in lines]


def _exact(line: str, style: Style) -> list[str]:
    return hang(" " * MARGIN, plain(line) or "''", style, indent=MARGIN + 2)


def _prose(label: str, text: str, style: Style) -> list[str]:
    """Return an explanation with its label; nothing if there is none."""
    first, gap, last = ends(text.rstrip("\n"), FIRST_LINES, LAST_LINES)
    shown = [*first, f"… {counted(gap, 'line')} left out", *last] if gap else first
    written = [line.rstrip() for line in shown if line.strip()]
    heads = [_label(label), *[" " * MARGIN] * len(written)]
    return [
        row for head, line in zip(heads, written, strict=False) for row in hang(head, plain(line, PROSE_LIMIT), style)
    ]


def _label(word: str) -> str:
    """Return a label as wide as the margin; `because` has a colon, as it has in a scenario."""
    return f"  {word}".ljust(MARGIN) if word != "because" else "  because:".ljust(MARGIN)


def _warnings(case: CaseResult, style: Style) -> list[str]:
    """Return the warnings that no step above has told."""
    told = {f"{step.label}: {one.sentence()}" for step in case.steps for one in step.differences if one.is_warning}
    told.update(f"{step.label}: {step.reason}" for step in case.steps if step.is_cleanup)
    warnings = [text for text in case.warnings if text not in told]
    lines = [row for text in warnings[:MOST_WARNINGS] for row in _prose("warning", text, style)]
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"  …         {counted(len(warnings) - MOST_WARNINGS, 'more warning')}")
    return lines
