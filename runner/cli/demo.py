"""`mailproof demo`: the bundled scenarios against the embedded server."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner.cli import debugging
from runner.cli.output import add_output_arguments
from runner.errors import InputError, Problem

if TYPE_CHECKING:
    from runner.demo import DemoServer, DemoSettings
    from runner.language.project import Target

NAME = "demo"
HELP = "run the bundled scenarios against an embedded server"
DESCRIPTION = """\
Starts an embedded mail server on this machine, runs the bundled scenarios
against it and shows the table. It has three doors: one that is an MX and for
submission, one for submission with AUTH over TLS only, one for LMTP; each
with STARTTLS, a certificate made on the spot and one local domain. A scenario
is run at each door that it is for. Needs the extra 'demo'."""

#: The doors by the names that the table shows: settings, and the roles by which scenarios choose.
DOORS: Mapping[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "demo": ({}, ("mx", "submission", "starttls")),
    "demo-tls": ({"auth_requires_tls": True}, ("submission", "starttls", "tls-only-auth")),
    "demo-lmtp": ({"protocol": "lmtp"}, ("starttls",)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_output_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.run import play  # noqa: PLC0415
    from runner.cli.selection import read_scenarios, scenario_files  # noqa: PLC0415
    from runner.demo import load_demo  # noqa: PLC0415
    from runner.language.case import Given  # noqa: PLC0415
    from runner.language.project import SecretRef  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415
    from runner.surroundings import full_host_name  # noqa: PLC0415

    load_demo()
    problems: list[Problem] = []
    scenarios = read_scenarios(scenario_files(["pack:"], None), problems)
    if problems:
        raise InputError(problems)
    with ExitStack() as stack:
        servers = _open(stack)
        first = servers["demo"]
        debugging.remember([first.password])
        given = Given(
            variables=first.variables,
            secrets={"password": SecretRef("prompt", "password")},
            client_name=full_host_name(),
            secret=lambda _: first.password,
        )
        targets = [_target(name, server) for name, server in servers.items()]
        return play(plan(scenarios, targets, None, given), options, is_embedded=True)


def _open(stack: ExitStack) -> dict[str, DemoServer]:
    """Start a server for each door; all have the first one's user."""
    from runner.demo import DemoServer, DemoSettings  # noqa: PLC0415

    users: dict[str, str] = {}
    found: dict[str, DemoServer] = {}
    for name, (settings, _) in DOORS.items():
        server = stack.enter_context(DemoServer(DemoSettings(users=users, **settings)))
        found[name] = server
        users = {server.username: server.password}
    return found


def _target(name: str, server: DemoServer) -> Target:
    from runner.language.project import parse_target  # noqa: PLC0415

    target = parse_target(server.url)
    return replace(target, name=name, tags=DOORS[name][1], tls=replace(target.tls, ca=str(server.ca)))


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
