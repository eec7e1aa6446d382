"""`mailproof demo`: the bundled scenarios against the embedded server."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.cli import debugging
from runner.cli.output import add_output_arguments
from runner.cli.reports import Reports
from runner.cli.streams import show, tell
from runner.errors import InputError, Problem, escape

if TYPE_CHECKING:
    from runner.demo import DemoDoor, DemoServer, DemoSettings
    from runner.language.model import Scenario
    from runner.language.project import Target
    from runner.scheduler import Entry

HELP = "run the bundled scenarios against an embedded server"
DESCRIPTION = """\
Starts an embedded mail server on this machine, runs the bundled scenarios
against it and shows the table. It has five doors: one that is an MX and for
submission, one for submission with AUTH over TLS only, one each for LMTP,
IMAP and ManageSieve; all with STARTTLS, a certificate made on the spot, one
local domain and the same mailboxes. A scenario is run at each door that it is
for. There is no door for POP3, as Python has no small, well-kept server of it:
those scenarios are told as not run. Needs the extra 'demo'."""

#: The doors by the names that the table shows: settings, and the roles by which scenarios choose.
DOORS: Mapping[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "demo": ({}, ("mx", "submission", "starttls")),
    "demo-tls": ({"auth_requires_tls": True}, ("submission", "starttls", "tls-only-auth")),
    "demo-lmtp": ({"protocol": "lmtp"}, ("starttls",)),
    "demo-imap": ({"protocol": "imap"}, ("starttls",)),
    "demo-sieve": ({"protocol": "sieve"}, ("starttls",)),
}
#: The first door once more, for scenarios to which SMTP is any line protocol.
LINES = "demo-tcp"
#: Why a scenario of a protocol without a door is not run.
NOT_SPOKEN = {"pop3": "the embedded server speaks no POP3: Python has no small, well-kept one"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_output_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.run import play  # noqa: PLC0415
    from runner.cli.selection import read_scenarios, scenario_files  # noqa: PLC0415
    from runner.demo import DemoServer, DemoSettings, load_demo  # noqa: PLC0415

    reports = Reports(options.reports)
    load_demo()
    problems: list[Problem] = []
    scenarios = read_scenarios(scenario_files(["pack:"], None), problems, lambda _, target: target)
    if problems:
        raise InputError(problems)
    with DemoServer(*(DemoSettings(**settings) for settings, _ in DOORS.values())) as server:
        debugging.remember([server.password])
        code = play(_plan(filter(_is_spoken, scenarios), server), options, reports, is_embedded=True)
    # Where a report is on standard output it stands there alone.
    say = show if reports.standard is None else tell
    for line in _not_run(scenarios):
        say(line)
    return code


def _plan(scenarios: Iterable[Scenario], server: DemoServer) -> tuple[Entry, ...]:
    from runner.language.case import Given  # noqa: PLC0415
    from runner.language.project import Project, SecretRef  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415
    from runner.surroundings import full_host_name  # noqa: PLC0415

    given = Given(
        variables=server.variables,
        secrets={"password": SecretRef("prompt", "password")},
        client_name=full_host_name(),
        secret=lambda _: server.password,
    )
    targets = _targets(server)
    # A session finds its door by the protocol's name.
    project = Project(targets={target.protocol: target for target in reversed(targets)})
    return plan(scenarios, targets, project, given)


def _is_spoken(scenario: Scenario) -> bool:
    """Return whether there is a door for each of a scenario's sessions."""
    return not any(session.protocol in NOT_SPOKEN for session in scenario.sessions.values())


def _not_run(scenarios: Iterable[Scenario]) -> Iterator[str]:
    """Tell which scenarios no door can play, and why."""
    missed = [scenario for scenario in scenarios if not _is_spoken(scenario)]
    for scenario in missed:
        yield f"not run here: {escape(scenario.name)}"
    for protocol in dict.fromkeys(session.protocol for scenario in missed for session in scenario.sessions.values()):
        if protocol in NOT_SPOKEN:
            yield f"  {NOT_SPOKEN[protocol]}"


def _targets(server: DemoServer) -> list[Target]:
    found = [
        _target(name, door, str(server.ca), tags)
        for (name, (_, tags)), door in zip(DOORS.items(), server.doors, strict=True)
    ]
    first = found[0]
    return [*found, replace(first, name=LINES, url=first.url.replace("smtp:", "tcp:"), protocol="tcp")]


def _target(name: str, door: DemoDoor, ca: str, tags: tuple[str, ...]) -> Target:
    from runner.language.project import parse_target  # noqa: PLC0415

    target = parse_target(door.url)
    return replace(target, name=name, tags=tags, tls=replace(target.tls, ca=ca))


def roles(settings: DemoSettings) -> tuple[str, ...]:
    """Return what the embedded server is, in the words that the bundled scenarios ask for."""
    found = []
    if settings.protocol == "smtp":
        found.append("mx")
        if settings.tls != "none":
            found.append("submission")
    if settings.tls == "starttls":
        found.append("starttls")
    if settings.auth_requires_tls:
        found.append("tls-only-auth")
    return tuple(found)
