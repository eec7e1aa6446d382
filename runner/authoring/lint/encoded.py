"""Rules over credentials in a file: passwords as they are, and what somebody pasted in base64.

No message shows one, nor the line that it is on.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from runner.authoring.lint.outcomes import Known, outcome_of
from runner.authoring.lint.rules import Edit, Finding, rule
from runner.authoring.lint.subject import Placed, Subject
from runner.dataclass import dataclass
from runner.errors import Span
from runner.language.model import Auth, Send
from runner.language.nodes import Mapping, Node, Scalar, Sequence, without_excerpt
from runner.language.reading import items, pairs
from runner.language.template import GAP

# A name that says what it is; one that is to be refused on purpose is none.
_SECRET_NAME = re.compile(r"(?i)(?:.*[_-])?(?:pass(?:word|wd|phrase)?|pwd|token|api_?key)\d*\Z")
_ON_PURPOSE = re.compile(r"(?i)wrong|bad|invalid|false|fake|unknown|other")
_SECRET_PARTS = ("password", "token")
ADVICE = "write ${{{name}}}, list it under secrets:, and give it by --secret {name}=env:NAME or in mailproof.yaml"
PROJECT_ADVICE = "write it under secrets: {{{name}: {{env: NAME}}}}, where it comes from another place than this file"
# What stands where RFC 4954 has a response and is no credential.
_SIGNS = frozenset({"", "*", "="})


@dataclass(frozen=True, slots=True)
class Response:
    """A response of an AUTH exchange as it is written: the `number`th (from 0), at `offset` of its line."""

    placed: Placed
    mechanism: str
    number: int
    text: str
    offset: int


def password_finding(span: Span, what: str, name: str, step: int = 0, *, in_project: bool = False) -> Finding:
    """Return what is said of a password; nothing of its line is shown."""
    advice = (PROJECT_ADVICE if in_project else ADVICE).format(name=name)
    return Finding("literal-password", without_excerpt(span), what, advice, step)


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
        elif isinstance(step, Send) and outcome_of(step) is not Known.NO:
            yield from _in_command(placed, step)
        elif placed.node is not None and "with" in placed.node.items:
            yield from _named(placed.node.get("with"), placed.step.span.line)
    yield from (finding for finding in subject.flow if finding.rule == "literal-password")


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
    yield from (finding for finding in subject.flow if finding.rule == "pasted-base64")


def judge_response(response: Response, outcome: Known) -> Iterator[Finding]:
    """Find what a response without placeholders holds; `outcome` is what is expected of it."""
    text = response.text
    decoded = _decoded(text)
    if text in _SIGNS or decoded is None:
        return
    span = response.placed.line_place(response.offset, len(text))
    step, mechanism = response.placed.step.span.line, response.mechanism
    is_refused = outcome is Known.NO
    if mechanism == "PLAIN" and decoded.count("\0") == 2:
        _, username, _ = decoded.split("\0")
        message = f"a pasted SASL PLAIN response with the password of '{username}'"
        if is_refused:
            advice = rf"write \0{username}\0${{wrong_password}} in its place: it is encoded by itself"
            yield _pasted_at(without_excerpt(span), "a pasted SASL PLAIN response", advice, step)
        else:
            head = "AUTHENTICATE" if response.placed.machine.has_tags else "AUTH"
            write = rf"{head} PLAIN \0${{username}}\0${{password}}"
            advice = f"write {write}, with secrets: [password]; what was in a file has to be changed"
            yield Finding("literal-password", without_excerpt(span), message, advice, step)
    elif mechanism == "LOGIN" and response.number == 1:
        if is_refused:
            advice = "write the text itself, with encode: base64"
            yield _pasted_at(without_excerpt(span), "a password pasted in base64", advice, step)
        else:
            yield password_finding(span, "a password pasted in base64", "password", step)
    elif mechanism == "LOGIN":
        edit = Edit(span.line, span.column, span.width, "${username}")
        advice = f"write ${{username}}: it is encoded by itself; this says '{decoded}'"
        found = _pasted_at(span, "a user name pasted in base64", advice, step)
        yield Finding(found.rule, span, found.message, advice, step, edit, f"'{decoded}' is ${{username}} now")
    else:
        yield _pasted_at(without_excerpt(span), "a response pasted in base64", "write it with its placeholders", step)


def _pasted_at(span: Span, message: str, advice: str, step: int) -> Finding:
    return Finding("pasted-base64", span, message, advice, step)


def _decoded(text: str) -> str | None:
    """Return the text that base64 says; None if it says none."""
    try:
        found = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return found if found.replace("\0", "").isprintable() else None
