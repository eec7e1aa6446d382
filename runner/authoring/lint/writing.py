"""Rules over how texts are written: comments that took something along, or were none, and quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.authoring.formatting.scalars import quoted
from runner.authoring.lint.rules import Edit, Finding, rule
from runner.authoring.lint.subject import Subject
from runner.errors import Span
from runner.language.model import Data
from runner.language.nodes import Scalar

# A number or status that stands alone behind the sign was a part of the text; a remark has words.
_NUMBER = re.compile(r"# ?[0-9]+(?:\.[0-9x*]+)*[.:]?\Z")
_PAIRS = {"(": ")", "<": ">", '"': '"', "[": "]", "{": "}"}
_IN_TALK = re.compile(r"^([CS]): (.*?)( +# .*)$")


@rule(
    "swallowed-comment",
    says="A comment most likely took a part of the text before it.",
    why="In YAML a blank and `#` end a text that has no quotes.",
    example="""
name: A ticket is closed
steps:
  - expect: 220
    because: the greeting is fixed since ticket # 4711
""",
    remedy="""
name: A ticket is closed
steps:
  - expect: 220
    because: 'the greeting is fixed since ticket # 4711'
""",
)
def _swallowed(subject: Subject) -> Iterator[Finding]:
    if "#" not in subject.source.text:
        return
    comments = {comment.line: comment for comment in subject.comments if not comment.is_alone}
    for scalar in subject.scalars() if comments else ():
        comment = comments.get(scalar.line)
        if comment is None or scalar.style or not scalar.text or not scalar.width:
            continue
        between = subject.source.line(scalar.line)[scalar.column - 1 + scalar.width : comment.column - 1]
        if between == " " and (_NUMBER.match(comment.text) or _is_cut(scalar.text, comment.text)):
            whole = f"{scalar.text} {comment.text}"
            span = Span(subject.source, comment.line, comment.column, len(comment.text))
            advice = f"write {quoted(whole)} if it belongs to the text; a remark has two blanks before its '#'"
            yield Finding("swallowed-comment", span, "the text ends here, and this is a comment", advice)


def _is_cut(text: str, comment: str) -> bool:
    """Whether a bracket that the text opens is closed in the comment."""
    for opening, closing in _PAIRS.items():
        is_open = text.count(opening) % 2 if opening == closing else text.count(opening) > text.count(closing)
        if is_open and closing in comment:
            return True
    return False


@rule(
    "comment-in-talk",
    says="A line of a `talk` ends with what looks like a comment, and is none.",
    why="A talk is one text: ` # …` behind a command is sent, and behind a reply it is expected.",
    example="""
name: The server greets
steps:
  - talk: |
      S: 220
      C: NOOP
      S: 250 # alive
""",
    remedy="""
name: The server greets
steps:
  - talk: |
      S: 220
      C: NOOP
      # alive
      S: 250
""",
)
def _in_talk(subject: Subject) -> Iterator[Finding]:
    if " # " not in subject.source.text:
        return
    messages = _message_lines(subject)
    for placed in subject.all_steps():
        talk = placed.node.get("talk") if placed.node is not None else None
        for offset, line in _lines(talk) if isinstance(talk, Scalar) else ():
            match = _IN_TALK.match(line)
            if match is None or not isinstance(talk, Scalar):
                continue
            span = talk.span_at(offset + match.start(3) + match[3].index("#"), len(match[3].strip()))
            if span.line in messages:
                continue
            does = "sent" if match[1] == "C" else "expected"
            advice = "in a talk a comment is a line of its own that begins with '#'"
            yield Finding("comment-in-talk", span, f"this is no comment: it is {does} as it stands", advice)


def _message_lines(subject: Subject) -> set[int]:
    """Return the lines of messages in talks, which may hold anything."""
    found: set[int] = set()
    for placed in subject.all_steps():
        if isinstance(placed.step, Data) and placed.node is None and placed.step.body.head is not None:
            first = placed.step.span.line
            found.update(range(first, first + placed.step.body.head.flat.count("\n")))
    return found


def _lines(scalar: Scalar) -> Iterator[tuple[int, str]]:
    offset = 0
    for line in scalar.text.split("\n"):
        yield offset, line
        offset += len(line) + 1


@rule(
    "double-quotes",
    says="A text stands in double quotes and needs none.",
    why="In double quotes YAML itself reads backslashes, before any pattern or `bytes` sees them.",
    example="""
name: "The server greets"
steps:
  - expect: 220
""",
    remedy="""
name: 'The server greets'
steps:
  - expect: 220
""",
)
def _double(subject: Subject) -> Iterator[Finding]:
    if '"' not in subject.source.text:
        return
    for scalar in subject.scalars():
        if scalar.style != '"' or not scalar.width or not scalar.text.isprintable():
            continue
        raw = subject.source.line(scalar.line)[scalar.column - 1 :][: scalar.width]
        if raw != f'"{scalar.text}"':
            continue  # an escape in it, or an anchor before it
        edit = Edit(scalar.line, scalar.column, scalar.width, quoted(scalar.text))
        advice = f"write {quoted(scalar.text)}" if len(scalar.text) <= 60 else "write it in single quotes"
        yield Finding(
            "double-quotes", scalar.span, "double quotes", advice, edit=edit, mended="single quotes in place of double"
        )
