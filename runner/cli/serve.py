"""`mailproof serve`: keep the embedded server up, for those who write scenarios."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from runner.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, UsageError

if TYPE_CHECKING:
    from runner.demo import DemoServer

NAME = "serve"
HELP = "keep the embedded server up, to write scenarios against"
DESCRIPTION = """\
Keeps the embedded server up until Ctrl-C and prints how to reach it, as lines for mailproof.yaml.
It delivers nothing anywhere. Needs the extra 'demo'."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--domain", default="example.com", help="the one local domain (default example.com)")
    parser.add_argument(
        "--user",
        dest="users",
        action="append",
        default=[],
        metavar="NAME=env:VARIABLE",
        help="a user and the source of the password, also NAME=file:PATH; default: alice with one made on the spot",
    )
    parser.add_argument(
        "--tls", choices=("starttls", "implicit", "none"), default="starttls", help="how TLS is offered"
    )
    parser.add_argument("--certificate", default="", metavar="FILE", help="PEM file (default: made on the spot)")
    parser.add_argument("--key", default="", metavar="FILE", help="PEM file of the certificate's key")
    parser.add_argument("--auth-requires-tls", action="store_true", help="offer AUTH only over TLS")
    parser.add_argument(
        "--size-limit", type=int, default=1_000_000, metavar="BYTES", help="largest message (default 1000000)"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= 65535):
        raise argparse.ArgumentTypeError(f"'{text}' is no port: 0 to 65535")
    return int(text)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.demo import DemoServer, DemoSettings, load_demo  # noqa: PLC0415

    load_demo()
    if bool(options.certificate) != bool(options.key):
        raise UsageError("--certificate and --key go together")
    settings = DemoSettings(
        host=options.host,
        port=options.port,
        domain=options.domain,
        users=dict(map(_user, options.users)),
        tls=options.tls,
        certificate=options.certificate,
        key=options.key,
        auth_requires_tls=options.auth_requires_tls,
        size_limit=options.size_limit,
    )
    caught: list[int] = []
    with DemoServer(settings) as server:

        def stop(number: int, _: FrameType | None) -> None:
            caught.append(number)
            server.stop()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        print(_describe(server, is_own_user=bool(options.users)), flush=True)
        server.wait()
    return EXIT_TERMINATED if caught[-1:] == [signal.SIGTERM] else EXIT_INTERRUPTED


def _user(text: str) -> tuple[str, str]:
    from runner.language.case import SecretError  # noqa: PLC0415
    from runner.surroundings import SecretStore, parse_secret_source  # noqa: PLC0415

    name, _, source = text.partition("=")
    store = SecretStore()
    try:
        password = store.get(parse_secret_source(f"--user {name}", name, source))
    except SecretError as error:
        raise UsageError(f"--user {name}: {error}") from error
    for warning in store.warnings:
        print(f"mailproof: warning: {warning}", file=sys.stderr)
    return name, password


def _describe(server: DemoServer, *, is_own_user: bool) -> str:
    """Return how to reach the server, as a project file; a password made on the spot is told, it is nowhere else."""
    lines = [f"# the embedded server is up at {server.url}; Ctrl-C ends it"]
    if not is_own_user:
        lines.append(f"# its password: export MAILPROOF_PASSWORD='{server.password}'")
    lines += ["targets:", "  demo:", f"    url: {server.url}"]
    if server.settings.tls != "none":
        lines.append(f"    tls: {{ca: {server.ca}}}")
    lines.append("    vars:")
    lines += [f"      {name}: {value}" for name, value in server.variables.items()]
    lines.append("    secrets: {password: {env: MAILPROOF_PASSWORD}}")
    return "\n".join(lines)
