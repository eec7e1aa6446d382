"""Rules over names: given and never used, or used for two things."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from runner.authoring.lint.rules import Edit, Finding, rule
from runner.authoring.lint.subject import Subject
from runner.errors import Span
from runner.language.model import Exchange, Repeat, Scenario, Step, When
from runner.language.nodes import Mapping as MappingNode
from runner.language.nodes import Node, Scalar, Sequence
from runner.language.reading import BUILT_INS, all_pairs, pairs
from runner.language.template import Placeholder

_USED_IN_TEXT = re.compile(r"\$\{ *([A-Za-z_][A-Za-z0-9_.-]*)")


def names_in(value: object) -> Iterator[str]:
    """Yield the names that a part of the model uses."""
    if isinstance(value, Placeholder):
        yield value.name
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from names_in(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from names_in(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type | Span):
        if isinstance(value, When):
            yield value.variable
        for one in dataclasses.fields(value):
            if one.compare:
                yield from names_in(getattr(value, one.name))


def _used_names(subject: Subject, scenario: Scenario) -> set[str]:
    """Return every name that the scenario uses, or that the project file's values may."""
    found = {placeholder.name for placeholder in scenario.all_placeholders}
    found.update(scenario.requires.variable)
    if subject.project is not None and subject.project.source is not None:
        found.update(_USED_IN_TEXT.findall(subject.project.source.text))
    return found


@rule(
    "unused-variable",
    says="A variable, a column of a matrix or a loop's variable is given and never used.",
    why="It looks as if it changed something; often the name is misspelt where it should stand.",
    example="""
name: A mailbox takes mail
vars: {to: alice@example.com}
steps:
  - expect: 220
""",
    remedy="""
name: A mailbox takes mail
vars: {to: alice@example.com}
steps:
  - expect: 220
  - send: VRFY ${to}
    expect: 2xx
""",
)
def _variables(subject: Subject) -> Iterator[Finding]:
    scenario = subject.scenario
    if scenario is None:
        return
    if scenario.variables or scenario.columns:
        used = _used_names(subject, scenario)
        for key, _ in pairs(subject.root.get("vars")):
            if key.text not in used:
                yield _unused("unused-variable", key.span, f"the variable '{key.text}'")
        for name, span in _columns(subject.root.get("matrix")):
            if name not in used:
                yield _unused("unused-variable", span, f"the column '{name}'")
    for placed in subject.all_steps():
        step = placed.step
        if isinstance(step, Repeat) and step.variable and step.variable not in set(names_in(step.steps)):
            yield _unused("unused-variable", placed.step.span, f"the loop's variable '{step.variable}'", placed.step)


def _columns(node: Node | None) -> Iterator[tuple[str, Span]]:
    """Yield the columns that a file's own matrix gives; those of another file may be for others."""
    if isinstance(node, MappingNode) and "file" not in node.items:
        yield from ((key.text, key.span) for key, _ in pairs(node))
    for row in node.items[:1] if isinstance(node, Sequence) else ():
        yield from ((key.text, key.span) for key, _ in pairs(row))


def _unused(rule_id: str, span: Span, what: str, step: Step | None = None, advice: str = "") -> Finding:
    line = step.span.line if step is not None else 0
    return Finding(rule_id, span, f"{what} is never used", advice or "use it, or take it out", line)


@rule(
    "unused-secret",
    says="A scenario demands a secret that it does not use.",
    why="Whoever runs it must give the secret for nothing, and the fewer have it the better.",
    example="""
name: The server greets
secrets: [password]
steps:
  - expect: 220
""",
    remedy="""
name: The server greets
steps:
  - expect: 220
""",
)
def _secrets(subject: Subject) -> Iterator[Finding]:
    node = subject.root.get("secrets")
    if subject.scenario is None or not isinstance(node, Sequence):
        return
    used = _used_names(subject, subject.scenario)
    listed = [item for item in node.items if isinstance(item, Scalar)]
    for item in listed:
        if item.text not in used:
            finding = _unused("unused-secret", item.span, f"the secret '{item.text}'")
            edit = _without(subject, node, item) if len(node.items) == len(listed) else None
            yield dataclasses.replace(finding, edit=edit, mended=f"took out the secret '{item.text}'" if edit else "")


def _without(subject: Subject, node: Sequence, item: Scalar) -> Edit | None:
    """Return the edit that takes a name out of a list on one line, with the key if it is the only one."""
    key = subject.root.items["secrets"][0]
    line = subject.source.line(key.line)
    whole = re.fullmatch(r"secrets: *\[([^\[\]#]*)\] *", line)
    if whole is None or any("#" in line or (isinstance(one, Scalar) and one.line != key.line) for one in node.items):
        return None
    names = [one.strip() for one in whole[1].split(",") if one.strip()]
    if len(names) != len(node.items):
        return None
    at = next(number for number, one in enumerate(node.items) if one is item)
    rest = names[:at] + names[at + 1 :]
    text = f"secrets: [{', '.join(rest)}]" if rest else ""
    return Edit(key.line, 1, len(line), text, takes_line=not rest)


@rule(
    "unused-parameter",
    says="A fragment has a parameter that it does not use.",
    why="Whoever uses the fragment must give it, and believes that it matters.",
    example="""
fragment: {params: [to, subject]}
steps:
  - send: RCPT TO:<${to}>
    expect: 250
""",
    remedy="""
fragment: {params: [to]}
steps:
  - send: RCPT TO:<${to}>
    expect: 250
""",
)
def _parameters(subject: Subject) -> Iterator[Finding]:
    if subject.fragment is None or not subject.steps:
        return
    used = {*names_in(subject.steps), *_USED_IN_TEXT.findall(subject.source.text)}
    for name, span in subject.fragment.parameters.items():
        if name not in used:
            yield _unused("unused-parameter", span, f"the parameter '{name}'")


@rule(
    "unused-capture",
    says="A `capture` takes a value that nothing uses.",
    why="What is captured is shown nowhere; if the text itself must be so, `has` or `expect` says it.",
    example="""
name: A message gets a number
steps:
  - expect: 220
    capture: {greeting: text}
""",
    remedy="""
name: A message gets a number
steps:
  - expect: 220
""",
)
def _captures(subject: Subject) -> Iterator[Finding]:
    if subject.scenario is None:
        return  # what a fragment captures comes out, and is for those that use it
    used: set[str] | None = None
    for placed in subject.all_steps():
        node = placed.node.get("capture") if placed.node is not None else None
        if node is None or not isinstance(placed.step, Exchange):
            continue
        used = _used_names(subject, subject.scenario) if used is None else used
        for key, _ in pairs(node):
            if key.text not in used:
                yield _unused("unused-capture", key.span, f"the capture '{key.text}'", placed.step)


@rule(
    "unused-session",
    says="A session is named at the top, and no step is of it.",
    why="A target must be given for it, and nothing is asked of that server.",
    example="""
name: A message arrives
sessions: {inbox: imap}
steps:
  - expect: 220
""",
    remedy="""
name: A message arrives
sessions: {inbox: imap}
steps:
  - expect: 220
  - session: inbox
    expect: OK
""",
)
def _sessions(subject: Subject) -> Iterator[Finding]:
    if len(subject.sessions) < 2 or any(key.text == "use" for key in subject.scalars()):
        return
    used = {placed.step.session for placed in subject.all_steps()} | _named_sessions(subject)
    for key, _ in pairs(subject.root.get("sessions")):
        if key.text not in used:
            yield _unused("unused-session", key.span, f"the session '{key.text}'")


def _named_sessions(subject: Subject) -> set[str]:
    keys = ("session", "same_certificate_as")
    named = (value for key, value in all_pairs(subject.root) if key.text in keys)
    return {value.text.partition("[")[0] for value in named if isinstance(value, Scalar)}


@rule(
    "shadowed-built-in",
    says="A variable has the name of a built-in one.",
    why="`${unique}` or `${now}` would be something else in this file than everywhere else.",
    example="""
name: A message is taken
vars: {unique: abc}
steps:
  - send: NOOP ${unique}
    expect: 250
""",
    remedy="""
name: A message is taken
vars: {word: abc}
steps:
  - send: NOOP ${word}
    expect: 250
""",
)
def _built_in(subject: Subject) -> Iterator[Finding]:
    given = [*pairs(subject.root.get("vars"))]
    names = [(key.text, key.span) for key, _ in given] + list(_columns(subject.root.get("matrix")))
    for name, span in names:
        if name in BUILT_INS:
            message = f"'{name}' is the name of a built-in variable"
            yield Finding("shadowed-built-in", span, message, "choose another name")


@rule(
    "duplicate-name",
    says="Two scenarios of a run have one name.",
    why="In reports and baselines nobody can tell which of them failed.",
    example="""
name: The server greets
steps:
  - expect: 220
""",
    remedy="""
name: The server greets with its own name
steps:
  - expect: 220 mail.example.com *
""",
)
def _duplicate(subject: Subject) -> Iterator[Finding]:
    scenario = subject.scenario
    first = subject.first_names.get(scenario.name) if scenario is not None else None
    if scenario is None or first is None or first.source.name == subject.source.name:
        return
    value = subject.root.get("name")
    place = value.span if value is not None else scenario.span
    yield Finding(
        "duplicate-name", place, f"another scenario is called '{scenario.name}'", f"it is {first.place}; rename one"
    )
