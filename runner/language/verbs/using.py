"""`use`: a fragment's steps, compiled where they are used, so that AUTH exchange, captures and protocol go on.

Also a fragment on its own: what can be judged of it before anybody uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.language.auth_state import AuthState
from runner.language.fragments import MAX_DEPTH, MAX_USES, Fragment, find_from, name_from
from runner.language.loader import Mapping, Node, Scalar
from runner.language.model import MAIN, Session, Step, Use
from runner.language.reading import FindFile, Reading, all_pairs, pairs
from runner.language.template import Template, did_you_mean
from runner.language.verbs.compiler import StepCompiler
from runner.protocol import PROTOCOLS

if TYPE_CHECKING:
    from runner.errors import Problem

# Groups around a fragment, in whatever files: together with those in its own file no more than recursion bears.
MAX_GROUPS = 32
# Of a fragment on its own nobody knows how many connections a session has.
_ANY_COUNT = 1000


def use(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `use`."""
    reading, value = compiler.reading, node.get("use")
    common = compiler.common(node, f"use {reading.text(value)}")
    given = {key.text: (key, reading.template(one)) for key, one in pairs(node.get("with"))}
    path = reading.path(value)
    if path is None or not isinstance(value, Scalar) or not _may_be_used(compiler, value, path):
        return None
    fragment = reading.fragments.get(path, name_from(value.source, value.text), reading.problems)
    if fragment is None:
        return None
    _check_protocol(reading, value, fragment)
    parameters = _parameters(reading, node, fragment, given)
    reading.fragments.open.append(path)
    with compiler.within(node, common), reading.apart(fragment.parameters, find_from(reading.find_file, value.text)):
        steps = compiler.steps(fragment.steps)
    reading.fragments.open.pop()
    return Use(**common, steps=steps, parameters=parameters)


def _may_be_used(compiler: StepCompiler, value: Scalar, path: str) -> bool:
    reading, library = compiler.reading, compiler.reading.fragments
    library.uses += 1
    if path in library.open:
        reading.fail(value.span, f"'{value.text}' uses itself", "a fragment can't be inside itself")
    elif len(library.open) >= MAX_DEPTH:
        reading.fail(value.span, f"more than {MAX_DEPTH} fragments inside one another", "use the inner ones directly")
    elif compiler.depth > MAX_GROUPS:
        reading.fail(value.span, f"a fragment inside more than {MAX_GROUPS} groups", "use it further out")
    elif library.uses > MAX_USES:
        reading.fail(value.span, f"more than {MAX_USES} uses of fragments in one scenario", "split the scenario")
    else:
        return True
    return False


def _check_protocol(reading: Reading, value: Scalar, fragment: Fragment) -> None:
    if fragment.protocol in PROTOCOLS and PROTOCOLS[fragment.protocol] is not reading.machine:
        speaks = f"this session speaks {reading.machine.name}"
        reading.fail(value.span, f"'{value.text}' is for {fragment.protocol}, and {speaks}")


def _parameters(
    reading: Reading, node: Mapping, fragment: Fragment, given: dict[str, tuple[Scalar, Template | None]]
) -> dict[str, Template]:
    """Return what each parameter stands for; tell those that are not given, and what is given and is none."""
    wanted = ", ".join(fragment.parameters) or "none"
    for name, (key, _) in given.items():
        if name not in fragment.parameters:
            advice = did_you_mean(name, fragment.parameters, "its parameters are") or "it has none"
            reading.fail(key.span, f"'{name}' is no parameter of {fragment.source.name}", advice)
    if missing := [name for name in fragment.parameters if name not in given]:
        place = node.items["with"][0].span if "with" in node.items else node.items["use"][1].span
        names = " and ".join(f"'{name}'" for name in missing)
        verb = "is" if len(missing) == 1 else "are"
        advice = f"give them with: {{…}}; the parameters of {fragment.source.name} are: {wanted}"
        reading.fail(place, f"{names} {verb} missing", advice)
    return {name: template for name, (_, template) in given.items() if template is not None}


def check_alone(fragment: Fragment, find_file: FindFile, problems: list[Problem]) -> tuple[str, tuple[Step, ...]]:
    """Add what is wrong with a fragment whoever uses it; return the protocol that it was judged for, and its steps.

    One that does not say what it is for may be for any protocol: something is wrong with it where none will do.
    """
    known = [fragment.protocol] if fragment.protocol in PROTOCOLS else list(PROTOCOLS)
    first: list[Problem] | None = None
    for protocol in known:
        found: list[Problem] = []
        steps = _check_for(protocol, fragment, find_file, found)
        if not found:
            return protocol, steps
        first = found if first is None else first
    problems += first or ()
    return "", ()


def _check_for(protocol: str, fragment: Fragment, find_file: FindFile, problems: list[Problem]) -> tuple[Step, ...]:
    """Add what is wrong with a fragment where a session uses it that speaks this; of others nobody knows what."""
    if fragment.steps is None:
        return ()
    span = fragment.steps.span
    named = {text.partition("[")[0]: "[" in text for text in _sessions(fragment.steps)}
    sessions = {MAIN: Session(MAIN, span, protocol)}
    for name, has_members in named.items():
        sessions.setdefault(name, Session(name, span, "", count=_ANY_COUNT if has_members else 0))
    reading = Reading(machine=PROTOCOLS[protocol], find_file=find_file, problems=problems, sessions=sessions)
    # Where it is used an AUTH exchange may be open.
    compiler = StepCompiler(reading, dict.fromkeys(sessions, AuthState.UNKNOWN))
    with reading.apart(fragment.parameters, find_file):
        return compiler.steps(fragment.steps)


def _sessions(node: Node | None) -> Iterator[str]:
    """Iterate over what steps, and those inside them, name as their session."""
    for key, value in all_pairs(node):
        if key.text == "session" and isinstance(value, Scalar):
            yield value.text
