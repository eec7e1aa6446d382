"""Rules over credentials in a file: passwords as they are, and what somebody pasted in base64."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.authoring.lint.flow import followed
from runner.authoring.lint.outcomes import Known, outcome_of
from runner.authoring.lint.responses import password_finding
from runner.authoring.lint.rules import Finding, rule
from runner.authoring.lint.subject import Placed, Subject
from runner.language.model import Auth, Send
from runner.language.nodes import Mapping, Node, Scalar, Sequence
from runner.language.reading import items, pairs
from runner.language.template import GAP

# A name that says what it is; one that is to be refused on purpose is none.
_SECRET_NAME = re.compile(r"(?i)(?:.*[_-])?(?:pass(?:word|wd|phrase)?|pwd|token|api_?key)\d*\Z")
_ON_PURPOSE = re.compile(r"(?i)wrong|bad|invalid|false|fake|unknown|other")
_SECRET_PARTS = ("password", "token")


@rule(
    "literal-password",
    says="A password or token is written into a file.",
    why="Files are copied, committed and shown; what was in one is known, and has to be changed.",
    example="""
name: A user may log in
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - auth: {mechanism: PLAIN, username: alice@example.com, password: correct-horse}
""",
    remedy="""
name: A user may log in
secrets: [password]
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - auth: {mechanism: PLAIN, username: alice@example.com, password: '${password}'}
""",
)
def _passwords(subject: Subject) -> Iterator[Finding]:
    yield from _named(subject.root.get("vars"), in_project=subject.is_project)
    if subject.is_project:
        for _, target in pairs(subject.root.get("targets")):
            yield from _named(target.get("vars") if isinstance(target, Mapping) else None, in_project=True)
    matrix = subject.root.get("matrix")
    for row in matrix.items if isinstance(matrix, Sequence) else (matrix,):
        yield from _named(row)
    for placed in subject.all_steps():
        step = placed.step
        if isinstance(step, Auth) and outcome_of(step) is not Known.NO:
            yield from _parts(placed, step)
        elif isinstance(step, Send) and outcome_of(subject.pairs.answered(step)) is not Known.NO:
            yield from _in_command(placed, step)
        elif placed.node is not None and "with" in placed.node.items:
            yield from _named(placed.node.get("with"), placed.step.span.line)
    yield from followed(subject, "literal-password")


def _named(node: Node | None, step: int = 0, *, in_project: bool = False) -> Iterator[Finding]:
    """Find values under the name of a secret; empty ones and placeholders are none."""
    if isinstance(node, Mapping) and "file" in node.items:
        return
    for key, value in pairs(node):
        if not _SECRET_NAME.fullmatch(key.text) or _ON_PURPOSE.search(key.text):
            continue
        for one in items(value):
            if isinstance(one, Scalar) and one.text and "${" not in one.text and not _ON_PURPOSE.search(one.text):
                what = f"'{key.text}' is written into the file"
                yield password_finding(one.span, what, key.text, step, in_project=in_project)


def _parts(placed: Placed, step: Auth) -> Iterator[Finding]:
    written = placed.node.get("auth") if placed.node is not None else None
    for part in _SECRET_PARTS:
        template = step.parts.get(part)
        value = written.get(part) if isinstance(written, Mapping) else None
        if template is not None and value is not None and template.is_literal and template.flat:
            yield password_finding(value.span, f"the {part} is written into the file", part, step.span.line)


def _in_command(placed: Placed, step: Send) -> Iterator[Finding]:
    """Find the password of IMAP's LOGIN, of POP3's PASS."""
    pattern, flat = placed.machine.password_at, step.line.flat
    match = pattern.match(flat) if pattern is not None else None
    if match is not None and GAP not in match[1] and not flat.upper().startswith("APOP") and match[1] not in ('""', ""):
        span = placed.line_place(match.start(1), len(match[1]))
        yield password_finding(span, "the password is written into the file", "password", step.span.line)


@rule(
    "pasted-base64",
    says="A response in an AUTH exchange is pasted in base64.",
    why="Nobody sees what it says; a response with a placeholder is encoded by itself.",
    example="""
name: A user is asked for the password
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - send: AUTH LOGIN
    expect: 334
  - send: YWxpY2VAZXhhbXBsZS5jb20=
    expect: 334
""",
    remedy="""
name: A user is asked for the password
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
  - send: AUTH LOGIN
    expect: 334
  - send: ${username}
    expect: 334
""",
)
def _pasted(subject: Subject) -> Iterator[Finding]:
    return followed(subject, "pasted-base64")
