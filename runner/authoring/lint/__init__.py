"""What is valid and still most likely not meant: rules over checked files, each with an id, a reason and a remedy.

Pure: files in, findings out. `RULES` is the registry; a rule is one function in a module of this package.
"""

from __future__ import annotations

from dataclasses import replace

from runner.authoring.lint import encoded, expected, flowing, naming, style, timing, writing
from runner.authoring.lint.allowing import allowed
from runner.authoring.lint.rules import RULES, Edit, Finding, Rule, in_order
from runner.authoring.lint.subject import Subject, subject_of
from runner.language.nodes import without_excerpt

__all__ = ["RULES", "Edit", "Finding", "Rule", "Subject", "in_order", "lint", "subject_of"]

# Rules whose advice quotes the line.
_QUOTING = frozenset({"double-quotes", "swallowed-comment"})
_MODULES = (encoded, expected, flowing, naming, style, timing, writing)


def lint(subject: Subject, *, is_pedantic: bool = False) -> list[Finding]:
    """Return what the rules find in a file and no comment in it allows, in the order of its lines."""
    asked = [rule for rule in RULES.values() if is_pedantic or not rule.is_pedantic]
    found = list(dict.fromkeys(finding for rule in asked for finding in rule.check(subject)))
    kept = allowed(subject, _discreet(found), {rule.id for rule in asked})
    return sorted(kept, key=lambda one: (one.span.line, one.span.column, one.rule))


def _discreet(found: list[Finding]) -> list[Finding]:
    """Return the findings with nothing shown of a line that a password is on."""
    lines = {finding.span.line for finding in found if not finding.span.source.text}
    return [_hidden(finding) if finding.span.line in lines else finding for finding in found]


def _hidden(finding: Finding) -> Finding:
    advice = "" if finding.rule in _QUOTING else finding.advice
    return replace(finding, span=without_excerpt(finding.span), advice=advice)
