"""The report for Nagios, Icinga and whatever else runs monitoring plugins: a status line, and the code for it.

Form and codes are those of the Monitoring Plugins' development guidelines (sections 2 and 4). What means something to
a monitoring server, its web pages or the shell of a notification is written full width, and so is lost nowhere: Nagios
would take it out of what it sends. This module must not know who runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.report import telling
from runner.report.details import PROSE_LIMIT
from runner.report.layout import plain
from runner.report.verdict import EMBEDDED, distinct, fault, summary
from runner.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.results import CaseResult, RunResult

OK = 0
WARNING = 1
CRITICAL = 2
UNKNOWN = 3
_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

# Nagios reads 8 KiB of a plugin's output (MAX_PLUGIN_OUTPUT_LENGTH), line ends included.
MOST_BYTES = 8000
# Of these the status line has so many characters, its performance data so many bytes: a telephone shows the first.
STATUS_WIDTH = 300
PERFORMANCE_BYTES = 4000
LABEL_WIDTH = 60

# Nagios' illegal_macro_output_chars but for `~`, and the backslash, which `printf %b` of its notifications takes.
_INERT = {ord(char): ord(char) + 0xFEE0 for char in "|<>&$`\"'\\"}
# What is told first: what a server did wrong, then what could not be found out.
_ORDER = (Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN, Outcome.KNOWN)
_IDLE = (Outcome.SKIPPED, Outcome.NOT_RUN)


def nagios_code(run: RunResult) -> int:
    """Return the code that a plugin ends with: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    CRITICAL if a case failed, or erred, for a server that can't be reached must wake somebody; but what erred in a
    run that was interrupted may have done so for that reason. UNKNOWN without a failure where a case was not run, or
    nothing was. WARNING where all went well but there is a warning, or where nothing passed but known issues.
    """
    has_failed = run.count(Outcome.FAILED) > 0
    if has_failed or (run.count(Outcome.ERROR) and not run.interrupted):
        return CRITICAL
    if run.is_passed:
        return WARNING if run.warnings else OK
    is_undecided = run.interrupted or run.count(Outcome.NOT_RUN) or not run.count(Outcome.KNOWN)
    return UNKNOWN if is_undecided else WARNING


def render_nagios(run: RunResult) -> str:
    """Return the status line with performance data, and a line for each case that is not as it should be."""
    status = f"MAILPROOF {_STATES[nagios_code(run)]} - {_status(run)}"
    first = f"{status} | {' '.join(_performance(run))}"
    return "\n".join([first, *_bounded(list(_lines(run)), MOST_BYTES - _size(first))]) + "\n"


def render_unknown(reason: str) -> str:
    """Return the status line where there is no run to report, as with a wrong file: the code is `UNKNOWN`."""
    return f"MAILPROOF UNKNOWN - {_inert(plain(reason, STATUS_WIDTH))}\n"


def _status(run: RunResult) -> str:
    embedded = EMBEDDED if run.is_embedded else ""
    told = [fault(run), summary(run), embedded, *(_told(case) for case in _notable(run)[:1])]
    return _inert(plain("; ".join(text for text in told if text), STATUS_WIDTH))


def _notable(run: RunResult) -> list[CaseResult]:
    """Return the cases that are not as they should be, the worst first."""
    return [case for outcome in _ORDER for case in run.cases if case.outcome is outcome]


def _told(case: CaseResult) -> str:
    return f"{_name(case)}: {telling.reason(case)}"


def _name(case: CaseResult) -> str:
    return telling.name(case) + (f" · {plain(case.target)}" if case.target else "")


def _lines(run: RunResult) -> Iterator[str]:
    for case in _notable(run):
        yield _inert(f"{case.outcome.value}: {_name(case)}: {telling.reason(case).removeprefix('not run: ')}")
    for case in run.cases:
        for text in case.warnings:
            yield _inert(f"warning: {_name(case)}: {plain(text, PROSE_LIMIT)}")


def _bounded(lines: list[str], room: int) -> list[str]:
    """Return the lines that fit into so many bytes, and how many don't."""
    note = "… {} more lines left out"
    room -= _size(note) + 8
    for number, line in enumerate(lines):
        room -= _size(line)
        if room < 0:
            return [*lines[:number], note.format(len(lines) - number)]
    return lines


def _size(line: str) -> int:
    return len(line.encode()) + 1


def _inert(text: str) -> str:
    return text.translate(_INERT)


def _performance(run: RunResult) -> list[str]:
    """Return the counts with their limits, and how long each case took: as many as fit, in the order of the input.

    A limit of 0 is a range: more than 0 is outside.
    """
    total = len(run.cases)
    counts = {outcome.value.replace(" ", "_"): run.count(outcome) for outcome in Outcome}
    limits = {"failed": ";;0", "error": ";;0"}
    values = [f"{label}={number}{limits.get(label, ';;')};0;{total}" for label, number in counts.items()]
    values += [f"warnings={run.warnings};0;;0", f"time={run.elapsed:.3f}s;;;0"]
    room = PERFORMANCE_BYTES - _size(" ".join(values))
    cases = [case for case in run.cases if case.outcome not in _IDLE]
    labels = distinct(_labels(cases), lambda label, number: f"{label}_{number}", [*counts, "warnings", "time"])
    for label, case in zip(labels, cases, strict=True):
        value = f"'{label}'={case.elapsed:.3f}s;;;0"
        room -= _size(value)
        if room < 0:
            break
        values.append(value)
    return values


def _labels(cases: Iterable[CaseResult]) -> list[str]:
    cases = list(cases)
    has_targets = len({case.target for case in cases}) > 1
    named = (" ".join([case.target if has_targets else "", case.scenario, case.row]) for case in cases)
    return [_label(text) for text in named]


def _label(text: str) -> str:
    """Return a name without what a label may not have, or what graphs have no file name for."""
    kept = "".join(char if char.isalnum() or char in "-.@+" else " " for char in text[: 4 * LABEL_WIDTH])
    return "_".join(kept.split())[:LABEL_WIDTH] or "case"
