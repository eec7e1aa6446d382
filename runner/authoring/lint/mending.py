"""What findings mend by themselves: edits of a text that leave every other character as it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from runner.authoring.lint.rules import Edit, Finding

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")


def mend(text: str, findings: list[Finding], is_right: Callable[[str], bool]) -> tuple[str, list[Finding]]:
    """Return a text with the edits of its findings, and which were made.

    Each is made only if the file is right afterwards, as `is_right` judges.
    """
    made: list[Finding] = []
    for finding in sorted(findings, key=_place, reverse=True):
        if finding.edit is None or any(_overlap(finding.edit, other.edit) for other in made if other.edit):
            continue
        changed = edited(text, finding.edit)
        if changed != text and is_right(changed):
            text = changed
            made.append(finding)
    return text, made[::-1]


def _place(finding: Finding) -> tuple[int, int]:
    return (finding.edit.line, finding.edit.column) if finding.edit is not None else (0, 0)


def _overlap(one: Edit, other: Edit) -> bool:
    return one.line == other.line and one.column + one.width > other.column


def edited(text: str, edit: Edit) -> str:
    r"""Return a text with one edit.

    >>> edited("a: 1\nb: 2 *\n", Edit(2, 5, 2, ""))
    'a: 1\nb: 2\n'
    """
    lines = [line for line in _LINE.findall(text) if line]
    if edit.line > len(lines):
        return text
    line = lines[edit.line - 1]
    body = line.rstrip("\r\n")
    end = line[len(body) :]
    body = body[: edit.column - 1] + edit.text + body[edit.column - 1 + edit.width :]
    if not edit.text:
        body = body.rstrip()
    lines[edit.line - 1] = "" if edit.takes_line and not body.strip() else body + end
    return "".join(lines)
