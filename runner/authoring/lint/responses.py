"""Credentials as they are written: what is said of a password, and what a response pasted in base64 holds.

No message shows one, nor the line that it is on.
"""

from __future__ import annotations

import base64
import binascii

from runner.authoring.lint.outcomes import Known
from runner.authoring.lint.rules import Edit, Finding
from runner.authoring.lint.subject import Placed
from runner.dataclass import dataclass
from runner.errors import Span
from runner.language.nodes import without_excerpt

_ADVICE = "write ${{{name}}}, list it under secrets:, and give it by --secret {name}=env:NAME or in mailproof.yaml"
_PROJECT_ADVICE = "write it under secrets: {{{name}: {{env: NAME}}}}, where it comes from another place than this file"
# What stands where RFC 4954 has a response and is no credential.
_SIGNS = frozenset({"", "*", "="})


def password_finding(span: Span, what: str, name: str, step: int = 0, *, in_project: bool = False) -> Finding:
    """Return what is said of a password; nothing of its line is shown."""
    advice = (_PROJECT_ADVICE if in_project else _ADVICE).format(name=name)
    return Finding("literal-password", without_excerpt(span), what, advice, step)


@dataclass(frozen=True, slots=True)
class Response:
    """A response of an AUTH exchange as it is written: the `number`th (from 0), at `offset` of its line."""

    placed: Placed
    mechanism: str
    number: int
    text: str
    offset: int

    @property
    def span(self) -> Span:
        """Its place."""
        return self.placed.line_place(self.offset, len(self.text))

    @property
    def step(self) -> int:
        """The line that its step begins on."""
        return self.placed.step.span.line


def judge_response(response: Response, outcome: Known) -> Finding | None:
    """Return what is said of a response without placeholders, if it is base64; `outcome` is what is expected of it."""
    said = None if response.text in _SIGNS else _decoded(response.text)
    if said is None:
        return None
    is_refused = outcome is Known.NO
    if response.mechanism == "PLAIN" and said.count("\0") == 2:
        return _of_plain(response, said.split("\0")[1], is_refused=is_refused)
    if response.mechanism == "LOGIN":
        return _of_password(response, is_refused=is_refused) if response.number == 1 else _of_name(response, said)
    return _pasted(response, "a response pasted in base64", "write it with its placeholders")


def _of_plain(response: Response, username: str, *, is_refused: bool) -> Finding:
    if is_refused:
        advice = rf"write \0{username}\0${{wrong_password}} in its place: it is encoded by itself"
        return _pasted(response, "a pasted SASL PLAIN response", advice)
    message = f"a pasted SASL PLAIN response with the password of '{username}'"
    head = "AUTHENTICATE" if response.placed.machine.has_tags else "AUTH"
    write = rf"{head} PLAIN \0${{username}}\0${{password}}"
    advice = f"write {write}, with secrets: [password]; what was in a file has to be changed"
    return Finding("literal-password", without_excerpt(response.span), message, advice, response.step)


def _of_password(response: Response, *, is_refused: bool) -> Finding:
    message = "a password pasted in base64"
    if is_refused:
        return _pasted(response, message, "write the text itself, with encode: base64")
    return password_finding(response.span, message, "password", response.step)


def _of_name(response: Response, name: str) -> Finding:
    span = response.span
    return Finding(
        "pasted-base64",
        span,
        "a user name pasted in base64",
        f"write ${{username}}: it is encoded by itself; this says '{name}'",
        response.step,
        Edit(span.line, span.column, span.width, "${username}"),
        f"'{name}' is ${{username}} now",
    )


def _pasted(response: Response, message: str, advice: str) -> Finding:
    """Return what is said of a pasted response whose line is not shown."""
    return Finding("pasted-base64", without_excerpt(response.span), message, advice, response.step)


def _decoded(text: str) -> str | None:
    """Return the text that base64 says; None if it says none."""
    try:
        found = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return found if found.replace("\0", "").isprintable() else None
