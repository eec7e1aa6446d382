"""`mailproof demo`: the bundled scenarios against the embedded server."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.output import add_output_arguments
from runner.errors import InputError, Problem

if TYPE_CHECKING:
    from runner.demo import DemoSettings

NAME = "demo"
HELP = "run the bundled scenarios against an embedded server"
DESCRIPTION = """\
Starts an embedded mail server on this machine (STARTTLS with a certificate made on the spot, AUTH, one local domain,
relaying only after AUTH), runs the bundled scenarios against it and shows the table. Needs the extra 'demo'."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_output_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.run import play  # noqa: PLC0415
    from runner.cli.selection import read_scenarios, scenario_files  # noqa: PLC0415
    from runner.demo import DemoServer, load_demo  # noqa: PLC0415
    from runner.language.case import Given  # noqa: PLC0415
    from runner.language.project import SecretRef, parse_target  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415
    from runner.surroundings import full_host_name  # noqa: PLC0415

    load_demo()
    problems: list[Problem] = []
    scenarios = read_scenarios(scenario_files(["pack:"], None), problems)
    if problems:
        raise InputError(problems)
    with DemoServer() as server:
        debugging.remember([server.password])
        target = parse_target(server.url)
        target = replace(target, name="demo", tags=roles(server.settings), tls=replace(target.tls, ca=str(server.ca)))
        given = Given(
            variables=server.variables,
            secrets={"password": SecretRef("prompt", "password")},
            client_name=full_host_name(),
            secret=lambda _: server.password,
        )
        return play(plan(scenarios, [target], None, given), options, is_embedded=True)


def roles(settings: DemoSettings) -> tuple[str, ...]:
    """Return what the embedded server is, in the words that the bundled scenarios ask for."""
    found = ["mx"]
    if settings.tls != "none":
        found.append("submission")
    if settings.tls == "starttls":
        found.append("starttls")
    if settings.auth_requires_tls:
        found.append("tls-only-auth")
    return tuple(found)
