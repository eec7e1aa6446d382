"""`# lint: allow ID`: what an author has looked at and wants so.

It counts for its own line, or alone on a line for the next one below that is no comment; above a step for all of the
step's own keys, and above everything for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.authoring.comments import Comment, with_plain_line_ends
from runner.authoring.lint.rules import RULES, Edit, Finding, rule
from runner.authoring.lint.subject import Subject
from runner.dataclass import dataclass
from runner.errors import Span
from runner.language.template import did_you_mean

UNKNOWN = "unknown-rule"
UNUSED = "unused-allow"
_ALLOW = re.compile(r"# *lint: *allow\b *(.*)")
_ID = re.compile(r"[^\s,]+")
# In a talk the comments are lines of its text.
_IN_TALK = re.compile(r"^ *# *lint: *allow\b.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Allow:
    """One id of one comment; `line` is what it counts for, 0 for the whole file."""

    rule: str
    span: Span
    line: int
    is_alone: bool
    comment: Comment


def allowed(subject: Subject, findings: list[Finding], asked: set[str]) -> list[Finding]:
    """Return the findings that no comment allows, and what is wrong with those comments."""
    if "lint:" not in subject.source.text:
        return findings
    allows = list(_allows(subject))
    kept = [finding for finding in findings if not any(_covers(allow, finding) for allow in allows)]
    gone = [finding for finding in findings if finding not in kept]
    for allow in allows:
        if allow.rule not in RULES:
            advice = did_you_mean(allow.rule, RULES, "mailproof lint --list shows them") if allow.rule else ""
            kept.append(Finding(UNKNOWN, allow.span, f"there is no rule '{allow.rule}'", advice.split(": ")[0]))
        elif allow.rule in asked and not any(_covers(allow, finding) for finding in gone):
            kept.append(_unused(allow))
    return kept


def _unused(allow: _Allow) -> Finding:
    edit, comment = None, allow.comment
    if len(_ID.findall(_ids(comment))) == 1:
        edit = Edit(comment.line, comment.column, len(comment.text), "", takes_line=comment.is_alone)
    where = "in this file" if not allow.line else "here"
    message = f"nothing {where} is found by '{allow.rule}'"
    return Finding(UNUSED, allow.span, message, "take the comment out", edit=edit, mended="removed the comment")


def _covers(allow: _Allow, finding: Finding) -> bool:
    if allow.rule != finding.rule:
        return False
    return allow.line in (0, finding.span.line) or (allow.is_alone and allow.line == finding.step > 0)


def _ids(comment: Comment) -> str:
    match = _ALLOW.match(comment.text)
    return match[1] if match else ""


def _allows(subject: Subject) -> Iterator[_Allow]:
    source, text = subject.source, with_plain_line_ends(subject.source.text)
    lines = text.split("\n")
    comments = {comment.line: comment for comment in (*_in_talks(text), *subject.comments)}
    top = next((number for number, line in enumerate(lines, 1) if line.strip() and number not in comments), 0)
    for comment in comments.values():
        match = _ALLOW.match(comment.text)
        if match is None:
            continue
        line = comment.line
        if comment.is_alone:
            line = 0 if line < top else _below(comment.line, lines, comments)
        for found in _ID.finditer(match[1]):
            span = Span(source, comment.line, comment.column + match.start(1) + found.start(), len(found[0]))
            yield _Allow(found[0], span, line, comment.is_alone, comment)


def _in_talks(text: str) -> Iterator[Comment]:
    for match in _IN_TALK.finditer(text):
        column = len(match[0]) - len(match[0].lstrip(" ")) + 1
        yield Comment(text.count("\n", 0, match.start()) + 1, column, match[0].strip(), is_alone=True)


def _below(number: int, lines: list[str], comments: dict[int, Comment]) -> int:
    """Return the next line that says something."""
    for below in range(number + 1, len(lines) + 1):
        comment = comments.get(below)
        if lines[below - 1].strip() and not (comment is not None and comment.is_alone):
            return below
    return number


_WRONG = """
name: The server greets
steps:
  - expect: 220 *  # lint: allow {}
"""


@rule(
    UNKNOWN,
    says="A `# lint: allow` names a rule that does not exist.",
    why="It allows nothing, and whoever reads it believes that it does.",
    example=_WRONG.format("match-all, matches-everything"),
    remedy=_WRONG.format("matches-everything"),
)
@rule(
    UNUSED,
    says="A `# lint: allow` stands where its rule finds nothing.",
    why="What it was for has gone; it would hide the next finding of this kind.",
    example="""
name: The server greets
steps:
  - expect: 220  # lint: allow matches-everything
""",
    remedy="""
name: The server greets
steps:
  - expect: 220
""",
)
def _told_by_allowed(subject: Subject) -> Iterator[Finding]:
    """Find nothing: what is allowed is known only when all other rules have been asked."""
    del subject
    return iter(())
