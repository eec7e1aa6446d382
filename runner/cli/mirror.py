"""`mailproof mirror`: play a scenario's server, so that the scenario can be tried, or a client tested."""

from __future__ import annotations

import argparse
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.signals import handled_by
from runner.cli.streams import show, tell
from runner.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PASSED, EXIT_TERMINATED, UsageError, escape

if TYPE_CHECKING:
    from queue import SimpleQueue

    from runner.cli.reports import Reports
    from runner.cli.selection import Selection
    from runner.language.model import Row, Scenario
    from runner.mirror.faults import Wish
    from runner.mirror.machine import Mirror
    from runner.mirror.server import Stage
    from runner.mirror.workshop import Part, Workshop
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


def _selected(options: argparse.Namespace, *, allows_intrusive: bool = False) -> Selection:
    """Return what the command line means; its scenarios need no targets, for each has a mirror."""
    from runner.cli.selection import select  # noqa: PLC0415
    from runner.mirror.preparing import protocol_of  # noqa: PLC0415

    return select(options, needs_target=False, allows_intrusive=allows_intrusive, speaks=protocol_of)


# `run --mirror`.


@contextmanager
def mirrored(options: argparse.Namespace, reports: Reports) -> Iterator[tuple[Entry, ...]]:
    """While it is open, there is a mirror for each play that the command line asks for.

    Raises:
        UsageError, InputError: what is asked for can't be.
    """
    from runner.cli.selection import given_by  # noqa: PLC0415
    from runner.mirror.server import MirrorServer  # noqa: PLC0415
    from runner.mirror.workshop import Workshop  # noqa: PLC0415
    from runner.net import SPARE_FILES, allow_files  # noqa: PLC0415

    _refuse_targets(options)
    selected = _selected(options)
    reports.refuse_inputs(selected.secret_files)
    rows = [(scenario, row) for scenario in selected.scenarios for row in scenario.rows or (None,)]
    count = len(rows) * options.repeat
    if count > MOST_MIRRORS:
        raise UsageError(f"--mirror: {count} cases, each with a mirror of its own, are more than {MOST_MIRRORS}")
    allow_files(count * 4 + SPARE_FILES)
    with MirrorServer() as server:
        with given_by(selected) as given:
            workshop = Workshop(server, given, selected.project, options.faults)
            entries = [_entry(*one, workshop) for one in rows for _ in range(options.repeat)]
        workshop.refuse_idle_faults()
        server.start()
        yield tuple(entries)
    if server.crash is not None:
        raise server.crash


def _entry(scenario: Scenario, row: Row | None, workshop: Workshop) -> Entry:
    """Return one play, and let its mirror wait for it."""
    from runner.language.case import Skip  # noqa: PLC0415
    from runner.scheduler import Entry  # noqa: PLC0415

    stage = workshop.server.stage(scenario.sessions)
    part = workshop.part(scenario, row, stage)
    if isinstance(part, Skip):
        stage.close()
        return Entry(scenario, None, part)
    stage.begin(workshop.maker([part], are_marked=False))
    case = part.prepared.case
    debugging.remember(case.secrets.values())
    return Entry(scenario, case.target, case)


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


# The command.


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from queue import SimpleQueue  # noqa: PLC0415

    from runner.cli.selection import given_by  # noqa: PLC0415
    from runner.mirror.server import MirrorServer  # noqa: PLC0415
    from runner.mirror.workshop import Workshop  # noqa: PLC0415

    options.target, options.sessions, options.words, options.tags = [], [], [], []
    selected = _selected(options, allows_intrusive=True)
    told: SimpleQueue[str | None] = SimpleQueue()
    kept: dict[str, bool] = {}
    code: list[int] = []

    def caught(number: int, _: FrameType | None) -> None:
        code.append(EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TERMINATED)
        told.put(None)

    with MirrorServer(ended=lambda: told.put(None)) as server:
        with given_by(selected) as given:
            # A client's name is its own; the mirror's expectation needs one to find it by.
            named = replace(given, client_name=given.client_name or CLIENT)
            workshop = Workshop(server, named, selected.project, options.faults)
            stages = _set_up(options, selected.scenarios, workshop, told, kept)
        workshop.refuse_idle_faults()
        if not stages:
            raise UsageError("none of the scenarios can be mirrored")
        server.start()
        with handled_by(caught, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            show("# Ctrl-C ends it")
            while (line := told.get()) is not None:
                show(line)
                if options.once and all(stage.done.is_set() for stage in stages):
                    break
    if server.crash is not None:
        raise server.crash
    if code:
        return code[0]
    return EXIT_PASSED if kept and all(kept.values()) else EXIT_FAILED


def _set_up(
    options: argparse.Namespace,
    scenarios: list[Scenario],
    workshop: Workshop,
    told: SimpleQueue[str | None],
    kept: dict[str, bool],
) -> list[Stage]:
    """Open a stage for each scenario and say how to reach it."""
    from runner.language.case import Skip  # noqa: PLC0415

    stages: list[Stage] = []
    for scenario in scenarios:
        port = options.port + len(stages) if options.port else 0
        if port > _LAST_PORT:
            raise UsageError(f"--port {options.port}: there is no port left for '{scenario.name}'")
        stage = workshop.server.stage(scenario.sessions, port)
        parts: list[Part] = []
        for row in scenario.rows or (None,):
            part = workshop.part(scenario, row, stage)
            if isinstance(part, Skip):
                tell(f"mailproof: {escape(scenario.name)}: {escape(part.reason)}")
            else:
                parts.append(part)
        if not parts:
            stage.close()
            continue
        stages.append(stage)
        for line in _how_to(scenario, parts[0], workshop.server.ca, options):
            show(line)
        stage.begin(
            workshop.maker(parts, are_marked=True),
            _teller(scenario, told, kept),
            times=len(parts) if options.once else math.inf,
        )
    return stages


def _how_to(scenario: Scenario, part: Part, ca: str, options: argparse.Namespace) -> Iterator[str]:
    """Iterate over the lines that say how to reach a mirror."""
    from shlex import join, quote  # noqa: PLC0415

    from runner.language.model import MAIN  # noqa: PLC0415

    case, prepared = part.prepared.case, part.prepared
    yield f"# {escape(scenario.name)} ({escape(scenario.source.name)})"
    for name, party in case.sessions.items():
        whose = "" if name == MAIN else f" (session {name})"
        yield f"#   {party.target.url}{whose}"
    if len(scenario.rows) > 1:
        yield f"#   its {len(scenario.rows)} rows in turn, one a conversation"
    for name, value in prepared.secrets.items():
        yield f"export {_variable(name)}={quote(value)}"
    yield join(_command(scenario, part, ca, options))


def _variable(name: str) -> str:
    return f"MAILPROOF_{name.upper().replace('-', '_')}"


def _command(scenario: Scenario, part: Part, ca: str, options: argparse.Namespace) -> list[str]:
    from runner.cli.selection import INTRUSIVE, PACK  # noqa: PLC0415
    from runner.language.model import MAIN  # noqa: PLC0415

    case, prepared = part.prepared.case, part.prepared
    name = scenario.source.name
    words = ["mailproof", "run", *([PACK, "-k", scenario.name] if name.startswith(PACK) else [name])]
    for session, party in case.sessions.items():
        words += ["--target", party.target.url] if session == MAIN else ["--session", f"{session}={party.target.url}"]
    for tag in scenario.requires.target_tag:
        words += ["--target-tag", tag]
    if INTRUSIVE in scenario.tags:
        words += ["--tag", INTRUSIVE]
    words += [word for key, value in prepared.values.items() for word in ("--var", f"{key}={value}")]
    words += [word for text in options.variables for word in ("--var", text)]
    words += [word for key in prepared.secrets for word in ("--secret", f"{key}=env:{_variable(key)}")]
    words += [word for text in options.secrets for word in ("--secret", text)]
    if part.has_tls:
        words += ["--ca", ca]
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
