"""The report for harnesses that read the Test Anything Protocol, version 14 (testanything.org).

A test point for each case, and below those to be looked at a YAML block. It is written so that readers of version 13,
and those that know no escapes, take nothing for better than it is. This module must not know how anything is judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.errors import escape
from runner.report import telling
from runner.report.layout import plain
from runner.report.verdict import EMBEDDED, untold_fault
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.results import CaseResult, RunResult

_DIRECTIVES = {Outcome.SKIPPED: "SKIP", Outcome.KNOWN: "TODO"}
_OK = (Outcome.PASSED, Outcome.SKIPPED)
# What a reader without escapes would take for a directive.
_LIKE_DIRECTIVE = re.compile(r"#\s*(?:skip|todo)", re.IGNORECASE)


def render_tap(run: RunResult) -> str:
    """Return the run as TAP 14, with the plan first.

    A run that was interrupted or in which nothing passed has one more test point, which is not ok; `Bail out!` ends
    what was interrupted.
    """
    fault = untold_fault(run)
    lines = ["TAP version 14", f"1..{len(run.cases) + bool(fault)}"]
    if run.is_embedded:
        lines.append(f"# {EMBEDDED}")
    for number, case in enumerate(run.cases, 1):
        lines += _test_point(number, case)
    if fault:
        lines.append(f"not ok {len(run.cases) + 1} - {_description(fault)}")
    if run.interrupted:
        lines.append(f"Bail out! {_escaped(fault)}")
    return "\n".join(lines) + "\n"


def _test_point(number: int, case: CaseResult) -> list[str]:
    status = "ok" if case.outcome in _OK else "not ok"
    word = _DIRECTIVES.get(case.outcome)
    target = f" · {plain(case.target)}" if case.target else ""
    description = _description(telling.name(case) + target, has_directive=word is not None)
    directive = f" # {word} {_escaped(telling.reason(case))}" if word else ""
    return [f"{status} {number} - {description}{directive}", *_diagnostics(case)]


def _description(text: str, *, has_directive: bool = False) -> str:
    r"""Return a text with `#` escaped; as `\x23` where a reader without escapes would find a wrong directive."""
    if has_directive or _LIKE_DIRECTIVE.search(text):
        text = text.replace("#", "\\x23")
    return _escaped(text)


def _escaped(text: str) -> str:
    """Return a text as TAP 14 has it (section Escaping)."""
    return text.replace("\\", "\\\\").replace("#", "\\#")


def _diagnostics(case: CaseResult) -> list[str]:
    """Return the YAML block of a case that must be looked at; nothing for one that passed or was skipped."""
    if case.outcome in _OK and not case.warnings:
        return []
    reason = telling.reason(case)
    facts = {"message": reason, "outcome": case.outcome.value, "endpoint": plain(case.endpoint), "tls": plain(case.tls)}
    lines = [f"{key}: {_scalar(value)}" for key, value in facts.items() if value]
    if place := telling.place(case):
        lines += ["at:", f"  file: {_scalar(escape(place.file))}", f"  line: {place.line}", f"  column: {place.column}"]
    lines.append(f"duration_ms: {case.elapsed * 1000:.0f}")
    if (details := telling.details(case)) and details != [reason]:
        lines += ["details:", *(f"  - {_entry(line)}" for line in details)]
    return ["  ---", *(f"  {line}" for line in lines), "  ..."]


def _entry(line: str) -> str:
    """Return a line as an entry of a list; a blank leads, for Perl's TAP::Parser takes `'word: …'` for a mapping."""
    bare = line.lstrip(" ")
    shown = f"\\x3a{bare[1:]}" if bare.startswith(":") else bare
    return _scalar(f"{' ' * (len(line) - len(bare) + 1)}{shown}" if line else "")


def _scalar(text: str) -> str:
    """Return an escaped text in single quotes (YAML 1.2 section 7.3.2): on one line, it needs nothing else."""
    return "'" + text.replace("'", "''") + "'"
