"""A scenario file, from text to model: read, checked by the schema, compiled, with every problem that can be found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runner.errors import InputError, Problem, SourceFile
from runner.language.fragments import KEY as FRAGMENT
from runner.language.fragments import read_fragment
from runner.language.loader import Mapping, Node, Scalar, load, read_file
from runner.language.matrix import compile_matrix
from runner.language.model import KnownIssue, Requires, Scenario
from runner.language.paths import find_root, resolve_inside
from runner.language.reading import FindFile, Reading, items, pairs, texts
from runner.language.schema import check_scenario, place_of
from runner.language.sessions import ProtocolOf, compile_sessions
from runner.language.template import PLAIN_NAME, Template, parse_template
from runner.language.verbs import StepCompiler
from runner.language.verbs.using import check_alone
from runner.protocol import PROTOCOLS

DEFAULT_PROTOCOL = "smtp"


def read_scenario(
    path: Path, name: str, root: Path, problems: list[Problem], protocol_of: ProtocolOf | None = None
) -> Scenario | None:
    """Read and compile the scenario file at `path`, which messages call `name`.

    `root` is the folder that its files may lie in where no project file is found above it; `protocol_of` knows
    what the targets of its sessions speak, see `compile_sessions`.

    Returns:
        The scenario, or None if anything is wrong; then `problems` has grown. None too for a fragment without a
        mistake, which is no scenario.
    """
    try:
        source = read_file(path, name)
    except InputError as error:
        problems += error.problems
        return None

    def find_file(text: str) -> str:
        return resolve_inside(find_root(path, root), path.parent, text)

    return compile_scenario(source, find_file, problems, protocol_of)


def compile_scenario(
    source: SourceFile, find_file: FindFile, problems: list[Problem], protocol_of: ProtocolOf | None = None
) -> Scenario | None:
    """Compile a scenario's text; the same contract as `read_scenario`."""
    found: list[Problem] = []
    root = load(source, found)
    slips = {place_of(problem) for problem in found}
    scenario = None
    if root is not None and FRAGMENT in root.items:
        check_alone(read_fragment(source, root, found), find_file, found)
    elif root is not None:
        check_scenario(root, found)
        scenario = _compile(source, root, find_file, found, protocol_of)
    problems += _in_order(found, source, slips)
    return scenario if not found else None


def _in_order(found: list[Problem], source: SourceFile, slips: set[tuple[str, int, int]]) -> list[Problem]:
    """Sort by place, the file's own before those of what it uses, and keep one problem of a kind for a place.

    Where YAML was slipped with, nothing else is told; but the advice is that on the mended text if that is wrong, too.
    """
    unique: dict[tuple[bool, str, int, int, str], Problem] = {}
    for problem in found:
        span = problem.span
        message = "" if place_of(problem) in slips else problem.message
        key = (span.source.name != source.name, span.source.name, span.line, span.column, message)
        if not message and key in unique:
            if problem.advice and unique[key].advice.startswith("write: "):
                unique[key] = replace(unique[key], advice=f"{problem.message}: {problem.advice}")
            continue
        if key not in unique or not unique[key].advice:
            unique[key] = problem
    return [unique[key] for key in sorted(unique)]


def _compile(
    source: SourceFile, root: Mapping, find_file: FindFile, problems: list[Problem], protocol_of: ProtocolOf | None
) -> Scenario:
    protocol = _text(root.get("protocol")) or DEFAULT_PROTOCOL
    variables = _variables(root.get("vars"), problems)
    secrets = {item.text: item.span for item in items(root.get("secrets")) if isinstance(item, Scalar)}
    matrix = compile_matrix(root.get("matrix"), find_file, problems)
    secrets = {**matrix.secrets, **secrets}
    reading = Reading(
        machine=PROTOCOLS.get(protocol, PROTOCOLS[DEFAULT_PROTOCOL]),
        find_file=find_file,
        problems=problems,
        own_names=frozenset({*variables, *secrets}),
        columns=matrix.columns,
        sessions=compile_sessions(root, protocol, protocol_of, problems),
    )
    # What a step may say depends on the protocol; an unknown one the schema check has told.
    steps = StepCompiler(reading).steps(root.get("steps")) if protocol in PROTOCOLS else ()
    cleanup = StepCompiler(reading).steps(root.get("cleanup")) if protocol in PROTOCOLS else ()
    name_key = root.items.get("name")
    return Scenario(
        source=source,
        span=name_key[0].span if name_key else root.span,
        name=_text(root.get("name")),
        protocol=protocol,
        steps=steps,
        description=_text(root.get("description")),
        tags=texts(root.get("tags")),
        variables=variables,
        secrets=secrets,
        requires=_requires(root.get("requires"), reading),
        known_issue=_known_issue(root.get("known_issue"), reading),
        cleanup=cleanup,
        timeout=reading.duration(root.get("timeout")),
        deadline=reading.duration(root.get("deadline")),
        used={session: tuple(found) for session, found in reading.placeholders.items()},
        capture_spans=reading.captures,
        sessions=reading.sessions,
        rows=matrix.rows,
        columns=matrix.columns,
        implicit=reading.implicit,
    )


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _variables(node: Node | None, problems: list[Problem]) -> dict[str, Template]:
    """Parse the templates of a mapping of variables."""
    found: dict[str, Template] = {}
    for key, value in pairs(node):
        if not PLAIN_NAME.fullmatch(key.text):
            advice = "names are letters, digits, '_' and '-'"
            problems.append(Problem(key.span, f"'{key.text}' is no name for a variable", advice))
        elif isinstance(value, Scalar):
            found[key.text] = parse_template(value, problems)
    return found


def _known_issue(node: Node | None, reading: Reading) -> KnownIssue | None:
    if isinstance(node, Mapping):
        return KnownIssue(reading.text(node.get("why")), reading.date(node.get("until")))
    return KnownIssue(reading.text(node)) if reading.text(node) else None


def _requires(node: Node | None, reading: Reading) -> Requires:
    if not isinstance(node, Mapping):
        return Requires()
    return Requires(
        capability=tuple(reading.capability(item) for item in items(node.get("capability"))),
        target_tag=texts(node.get("target_tag")),
        variable=tuple(reading.name(item) for item in items(node.get("var"))),
        span=node.span,
    )
