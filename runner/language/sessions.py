"""`sessions`: the conversations that a scenario holds beside its own, each with a target of its own.

What a target speaks the project file says, which is not read here: a function that knows is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.errors import Problem
from runner.language.model import MAIN, Session
from runner.language.nodes import Mapping, Scalar
from runner.language.reading import pairs
from runner.language.target import SCHEMES
from runner.language.template import PLAIN_NAME
from runner.language.values import parse_count
from runner.protocol import PROTOCOLS

if TYPE_CHECKING:
    from runner.language.nodes import Node

#: Returns what the target of a session speaks, by the session's name and its target's; empty where nobody knows.
ProtocolOf = Callable[[str, str], str]
# Connections of one session, all of which may stand at once: enough for any server's limit, and for any machine's.
MOST_CONNECTIONS = 1000


def compile_sessions(
    root: Mapping, protocol: str, protocol_of: ProtocolOf | None, problems: list[Problem]
) -> dict[str, Session]:
    """Return the sessions of a scenario by name, its own first.

    A session that does not say its protocol speaks its target's. Where `protocol_of` does not know that one, it is
    empty, and nothing can be said of the session's steps; without `protocol_of` it is the scenario's. A target that is
    called like a scheme speaks what the scheme says.
    """
    known = protocol if protocol in PROTOCOLS else next(iter(PROTOCOLS))
    found = {MAIN: Session(MAIN, root.span, known)}
    for key, value in pairs(root.get("sessions")):
        if _is_name(key, problems):
            found[key.text] = _session(key, value, known, protocol_of, problems)
    return found


def _is_name(key: Scalar, problems: list[Problem]) -> bool:
    if key.text == MAIN:
        advice = "it is at the target that the scenario is run against; call another one otherwise"
        problems.append(Problem(key.span, f"'{MAIN}' is the scenario's own session", advice))
        return False
    # What is no name at all the schema check has told.
    return PLAIN_NAME.fullmatch(key.text) is not None


def _session(key: Scalar, value: Node, usual: str, protocol_of: ProtocolOf | None, problems: list[Problem]) -> Session:
    options = value if isinstance(value, Mapping) else Mapping(key.source, key.line, key.column, key.width, {})
    name = options.get("target") if isinstance(value, Mapping) else value
    target, place = (name.text, name.span) if isinstance(name, Scalar) else ("", key.span)
    if "://" in target:
        advice = f"give it a name under targets: in mailproof.yaml, or by --session {key.text}={target}"
        problems.append(Problem(place, "a session's target is named, not written out", advice))
    said = options.get("protocol")
    protocol = said.text if isinstance(said, Scalar) else ""
    if protocol not in PROTOCOLS:
        protocol = protocol_of(key.text, target) if protocol_of is not None else ""
        protocol = protocol or _guessed(target, usual if protocol_of is None or not target else "")
    return Session(key.text, place, protocol, target, _count(options.get("count"), problems))


def _guessed(target: str, usual: str) -> str:
    return SCHEMES[target].protocol if target in SCHEMES else usual


def _count(node: Node | None, problems: list[Problem]) -> int:
    if not isinstance(node, Scalar) or node.is_empty:
        return 0
    try:
        count = parse_count(node.text)
    except ValueError:
        return 0  # the schema check has told it
    if not 0 < count <= MOST_CONNECTIONS:
        problems.append(Problem(node.span, f"'{node.text}' is no number of connections", f"1 to {MOST_CONNECTIONS}"))
        return 0
    return count
