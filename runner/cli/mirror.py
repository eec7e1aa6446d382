"""`mailproof mirror`: play a scenario's server, so that the scenario can be tried, or a client tested."""

from __future__ import annotations

import argparse
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.streams import show, tell
from runner.dataclass import dataclass
from runner.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
    InputError,
    Problem,
    UsageError,
    escape,
)

if TYPE_CHECKING:
    from queue import SimpleQueue

    from runner.language.case import Given, Skip
    from runner.language.model import Row, Scenario
    from runner.language.project import Project, SecretRef
    from runner.mirror.acts import CertificateWish
    from runner.mirror.alone import Playing
    from runner.mirror.faults import Plan, Wish
    from runner.mirror.machine import Mirror
    from runner.mirror.preparing import Prepared
    from runner.mirror.server import MirrorServer, Stage
    from runner.scheduler import Entry

HELP = "play the server of a scenario, to try it, test a client or rehearse a failure"
DESCRIPTION = """\
Plays the server's half of scenarios on this machine until Ctrl-C: greets,
answers each line as the scenario expects, shows the capabilities that it
wants, makes certificates that fit. Each scenario has a port of its own. A
client that says something else is told what was expected. NTLM and GSSAPI
can't be mirrored; TLS needs the extra 'demo'.

  mailproof mirror relay.yaml                    prints where it listens
  mailproof mirror relay.yaml --fault 4=451      answers step 4 with 451
  mailproof run --mirror relay.yaml              both halves at once"""

# Each mirror has a listener for each of its sessions.
MOST_MIRRORS = 2_000
_LAST_PORT = 0xFFFF
CLIENT = "client.mirror.example"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.selection import repeatable  # noqa: PLC0415

    parser.add_argument(
        "paths", nargs="+", metavar="SCENARIO", help="scenario files and folders, or pack: for the bundled ones"
    )
    parser.add_argument(
        "--port", type=_port, default=0, metavar="N", help="port of the first scenario (default: free ones)"
    )
    add_fault_argument(parser)
    parser.add_argument(
        "--once", action="store_true", help="end after one conversation of each: 0 if the client did its part, else 1"
    )
    values = parser.add_argument_group("values")
    repeatable(values, "--var", "variables", "NAME=VALUE", "a variable; what nobody gives is made up")
    repeatable(values, "--secret", "secrets", "NAME=env:VARIABLE", "a secret; also NAME=file:PATH, or NAME alone")


def add_fault_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that lets a mirror do what a scenario does not expect."""
    parser.add_argument(
        "--fault",
        dest="faults",
        action="append",
        type=_fault,
        default=[],
        metavar="STEP=FAULT",
        help="what a mirror does at a step (its number in a report, :LINE or name): close, reset, delay:5s, a code "
        "such as 451, garbage, half, silence, wrong-tls; '*N' behind it for the first N times; repeatable",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"'{text}' is no port: 1 to {_LAST_PORT}")
    return int(text)


def _fault(text: str) -> Wish:
    from runner.mirror.faults import parse_fault  # noqa: PLC0415

    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# What is mirrored.


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The scenarios that a command line names, and the values that it gives."""

    scenarios: list[Scenario]
    project: Project | None
    given: Given


@dataclass(frozen=True, slots=True)
class _Part:
    """One row of a scenario, ready to be mirrored: the case and the plan of its faults."""

    prepared: Prepared
    plan: Callable[[], Plan]
    has_tls: bool


def _chosen(options: argparse.Namespace, *, words: list[str], tags: list[str] | None) -> _Chosen:
    """Read the scenarios; with `tags` None those that are named are all meant, intrusive ones too."""
    from runner.cli.selection import choose, read_scenarios, scenario_files  # noqa: PLC0415
    from runner.language.project import find_project, load_project  # noqa: PLC0415
    from runner.mirror.preparing import protocol_of  # noqa: PLC0415
    from runner.surroundings import SecretStore, parse_secret, parse_variable, surroundings  # noqa: PLC0415

    problems: list[Problem] = []
    path = find_project(Path.cwd())
    project = load_project(path, problems, os.path.relpath(path)) if path is not None else None
    known = project.targets if project is not None else {}

    def speaks(session: str, target: str) -> str:
        return known[target].protocol if target in known else protocol_of(session, target)

    files = scenario_files(options.paths, path.parent if path is not None else None)
    scenarios = read_scenarios(files, problems, speaks)
    if problems:
        raise InputError(problems)
    if tags is not None:
        scenarios = choose(scenarios, words, tags)
    secrets: dict[str, SecretRef] = dict(map(parse_secret, options.secrets))
    store = SecretStore()
    given = surroundings(project, dict(map(parse_variable, options.variables)), secrets, store)
    return _Chosen(scenarios, project, given)


class _Seen:
    """Which faults meant a step, and which have struck in a rehearsal; and the names of the steps there were."""

    def __init__(self, faults: Sequence[Wish]) -> None:
        self._faults = faults
        self._meant = [0] * len(faults)
        self._struck = [0] * len(faults)
        self._labels: dict[str, None] = {}
        self._most = 0

    def note(self, plain: Playing, plan: Plan | None) -> None:
        """Take note of a rehearsal without faults, and of what has struck in the one with them."""
        from runner.mirror.faults import places_of  # noqa: PLC0415

        self._labels.update(dict.fromkeys(row.label for row in plain.rows))
        self._most = max(self._most, len(plain.rows))
        for number, wish in enumerate(self._faults):
            self._meant[number] += len(places_of(wish.step, plain.rows))
            self._struck[number] += plan.struck[number] if plan is not None else 0

    def refuse(self) -> None:
        """Refuse a fault that would do nothing: who gives one must not believe that it did.

        Raises:
            UsageError: there is one.
        """
        from runner.language.template import did_you_mean  # noqa: PLC0415

        for wish, meant, struck in zip(self._faults, self._meant, self._struck, strict=True):
            if struck:
                continue
            if meant:
                raise UsageError(f"--fault {wish.step}=…: {_why_never(wish)}")
            advice = did_you_mean(wish.step, self._labels, "") or f"the steps have numbers from 1 to {self._most}"
            raise UsageError(f"--fault {wish.step}=…: there is no such step; {advice}")


def _why_never(wish: Wish) -> str:
    if wish.fault.kind == "wrong-tls":
        return "that step makes no TLS handshake"
    return "that step reads no reply, so that nothing can take its place"


@dataclass(frozen=True, slots=True)
class _Workshop:
    """What mirrors are made with: the scenarios that are meant, the server, and the faults."""

    chosen: _Chosen
    server: MirrorServer
    seen: _Seen
    faults: Sequence[Wish]


def _part(workshop: _Workshop, scenario: Scenario, row: Row | None, stage: Stage) -> _Part | Skip:
    """Return what a row of a scenario needs to be mirrored, or why it can't be."""
    from datetime import datetime  # noqa: PLC0415

    from runner.language.case import Seed, Skip  # noqa: PLC0415
    from runner.mirror.alone import planned, play_alone  # noqa: PLC0415
    from runner.mirror.preparing import Doors, Prepared, prepare  # noqa: PLC0415

    problems: list[Problem] = []
    seed = Seed(os.urandom(8).hex(), datetime.now().astimezone())
    chosen, server, faults = workshop.chosen, workshop.server, workshop.faults
    doors = Doors(stage.ports, server.ca)
    prepared = prepare(scenario, doors, chosen.given, chosen.project, seed=seed, problems=problems, row=row)
    if problems:
        raise InputError(problems)
    if not isinstance(prepared, Prepared):
        assert prepared is not None
        return prepared
    wished: list[CertificateWish] = []

    def certify(wish: CertificateWish) -> bytes:
        wished.append(wish)
        return server.certificates.der(wish)

    try:
        plain = play_alone(prepared.case, certify=certify)
    except UsageError as error:  # an extra is missing
        return Skip(f"can't be mirrored: {error}", prepared.case.row)
    if plain.result is None:
        return Skip(f"can't be mirrored: {plain.stuck}", prepared.case.row)
    make = planned(plain, faults)
    plan = make()
    if faults:
        play_alone(prepared.case, plan, certify)
    workshop.seen.note(plain, plan)
    return _Part(prepared, make, bool(wished))


# `run --mirror`.


@contextmanager
def mirrored(options: argparse.Namespace) -> Iterator[tuple[Entry, ...]]:
    """While it is open, there is a mirror for each play that the command line asks for.

    Raises:
        UsageError, InputError: what is asked for can't be.
    """
    from runner.language.case import Skip  # noqa: PLC0415
    from runner.mirror.server import MirrorServer  # noqa: PLC0415
    from runner.net import SPARE_FILES, allow_files  # noqa: PLC0415
    from runner.scheduler import Entry  # noqa: PLC0415

    _refuse_targets(options)
    chosen = _chosen(options, words=options.words, tags=options.tags)
    count = sum(len(scenario.rows or (None,)) for scenario in chosen.scenarios) * options.repeat
    if count > MOST_MIRRORS:
        raise UsageError(f"--mirror: {count} cases, each with a mirror of its own, are more than {MOST_MIRRORS}")
    allow_files(count * 4 + SPARE_FILES)
    server = MirrorServer()
    entries: list[Entry] = []
    workshop = _Workshop(chosen, server, _Seen(options.faults), options.faults)
    try:
        for scenario, row in [(one, row) for one in chosen.scenarios for row in one.rows or (None,)]:
            for _ in range(options.repeat):
                stage = server.stage(scenario.sessions)
                part = _part(workshop, scenario, row, stage)
                if isinstance(part, Skip):
                    stage.close()
                    entries.append(Entry(scenario, None, part))
                    continue
                case = part.prepared.case
                stage.begin(_maker([part], server, are_marked=False))
                debugging.remember(case.secrets.values())
                entries.append(Entry(scenario, case.target, case))
        workshop.seen.refuse()
        server.write_roots()
    except BaseException:
        server.close()
        raise
    with server:
        yield tuple(entries)
    if server.crash is not None:
        raise server.crash


def _refuse_targets(options: argparse.Namespace) -> None:
    """Refuse options that would do nothing."""
    given = {
        "--target": options.target,
        "--session": options.sessions,
        "--target-tag": options.target_tags,
        "--ca": options.ca,
        "--no-verify": options.no_verify,
        "--baseline": options.baseline,
    }
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} does nothing with --mirror: each scenario has its own mirror as target")


def _maker(parts: Sequence[_Part], server: MirrorServer, *, are_marked: bool) -> Callable[[], Mirror]:
    """Return what makes the mirror of the next conversation: of each row in turn."""
    from runner.mirror.machine import Mirror  # noqa: PLC0415

    number = -1

    def make() -> Mirror:
        nonlocal number
        number = (number + 1) % len(parts)
        part = parts[number]
        marks = part.prepared.marks if are_marked else None
        return Mirror(part.prepared.case, part.plan(), marks=marks, certify=server.certificates.der)

    return make


# The command.


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from queue import SimpleQueue  # noqa: PLC0415

    from runner.mirror.server import MirrorServer  # noqa: PLC0415

    chosen = _chosen(options, words=[], tags=None)
    # A client's name is its own; the mirror's expectation needs one to find it by.
    given = replace(chosen.given, client_name=chosen.given.client_name or CLIENT)
    chosen = replace(chosen, given=given)
    server = MirrorServer()
    told: SimpleQueue[str | None] = SimpleQueue()
    kept: dict[str, bool] = {}
    try:
        stages = _set_up(options, chosen, server, told, kept)
        server.write_roots()
    except BaseException:
        server.close()
        raise
    if not stages:
        server.close()
        raise UsageError("none of the scenarios can be mirrored")
    show("# Ctrl-C ends it")
    with server, _signals(told) as code:
        while (line := told.get()) is not None:
            show(line)
            if server.crash is not None:
                raise server.crash
            if options.once and all(stage.done.is_set() for stage in stages):
                break
    if options.once and not code:
        return EXIT_PASSED if kept and all(kept.values()) else EXIT_FAILED
    return code[0] if code else EXIT_PASSED


def _set_up(
    options: argparse.Namespace,
    chosen: _Chosen,
    server: MirrorServer,
    told: SimpleQueue[str | None],
    kept: dict[str, bool],
) -> list[Stage]:
    """Open a stage for each scenario and say how to reach it."""
    workshop = _Workshop(chosen, server, _Seen(options.faults), options.faults)
    stages: list[Stage] = []
    for scenario in chosen.scenarios:
        port = options.port + len(stages) if options.port else 0
        if port > _LAST_PORT:
            raise UsageError(f"--port {options.port}: there is no port left for '{scenario.name}'")
        stage = server.stage(scenario.sessions, port)
        found = [_part(workshop, scenario, row, stage) for row in scenario.rows or (None,)]
        parts = [part for part in found if isinstance(part, _Part)]
        for part in found:
            if not isinstance(part, _Part):
                tell(f"mailproof: {escape(scenario.name)}: {escape(part.reason)}")
        if not parts:
            stage.close()
            continue
        stages.append(stage)
        for line in _how_to(scenario, parts[0], server, options):
            show(line)
        stage.begin(
            _maker(parts, server, are_marked=True),
            _teller(scenario, told, kept),
            times=len(parts) if options.once else math.inf,
        )
    workshop.seen.refuse()
    return stages


def _how_to(scenario: Scenario, part: _Part, server: MirrorServer, options: argparse.Namespace) -> Iterator[str]:
    """Iterate over the lines that say how to reach a mirror."""
    from shlex import join, quote  # noqa: PLC0415

    case, prepared = part.prepared.case, part.prepared
    yield f"# {escape(scenario.name)} ({escape(scenario.source.name)})"
    for name, party in case.sessions.items():
        whose = "" if name == "main" else f" (session {name})"
        yield f"#   {party.target.url}{whose}"
    is_rowed = len(scenario.rows) > 1
    if is_rowed:
        yield f"#   its {len(scenario.rows)} rows in turn, one a conversation"
    for name, value in prepared.secrets.items():
        yield f"export {_variable(name)}={quote(value)}"
    yield join(_command(scenario, part, server, options))


def _variable(name: str) -> str:
    return f"MAILPROOF_{name.upper().replace('-', '_')}"


def _command(scenario: Scenario, part: _Part, server: MirrorServer, options: argparse.Namespace) -> list[str]:
    case, prepared = part.prepared.case, part.prepared
    name = scenario.source.name
    words = ["mailproof", "run", *(["pack:", "-k", scenario.name] if name.startswith("pack:") else [name])]
    for session, party in case.sessions.items():
        words += ["--target", party.target.url] if session == "main" else ["--session", f"{session}={party.target.url}"]
    for tag in scenario.requires.target_tag:
        words += ["--target-tag", tag]
    if "intrusive" in scenario.tags:
        words += ["--tag", "intrusive"]
    words += [word for key, value in prepared.values.items() for word in ("--var", f"{key}={value}")]
    words += [word for text in options.variables for word in ("--var", text)]
    words += [word for key in prepared.secrets for word in ("--secret", f"{key}=env:{_variable(key)}")]
    words += [word for text in options.secrets for word in ("--secret", text)]
    if part.has_tls:
        words += ["--ca", server.ca]
    return words


def _teller(scenario: Scenario, told: SimpleQueue[str | None], kept: dict[str, bool]) -> Callable[[Mirror], None]:
    """Return what says of a conversation how it went; it is called in the server's thread."""
    count = 0

    def ended(mirror: Mirror) -> None:
        nonlocal count
        count += 1
        kept[scenario.source.name] = kept.get(scenario.source.name, True) and mirror.is_kept
        name = f"{escape(scenario.name)}, conversation {count}"
        how = "the client did its part" if mirror.is_kept else "the client did otherwise"
        how = how if mirror.notes or mirror.is_kept else escape(mirror.stuck)
        told.put("\n".join(f"{name}: {line}" for line in (*map(escape, mirror.notes), how)))

    return ended


@contextmanager
def _signals(told: SimpleQueue[str | None]) -> Iterator[list[int]]:
    """While it is open, SIGINT and SIGTERM end the waiting; the list then holds the exit code."""
    code: list[int] = []

    def caught(number: int, _: FrameType | None) -> None:
        code.append(EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TERMINATED)
        told.put(None)

    before = {number: signal.signal(number, caught) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
