"""`mailproof serve`: keep the embedded server up, for those who write scenarios."""

from __future__ import annotations

import argparse
import re
import signal
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

from runner.cli import debugging
from runner.cli.demo import roles
from runner.cli.run import positive
from runner.cli.signals import handled_by
from runner.cli.streams import show, tell
from runner.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, ToolError, UsageError, escape

if TYPE_CHECKING:
    from runner.demo import DemoServer, DemoSettings

HELP = "keep the embedded server up, to write scenarios against"
DESCRIPTION = """\
Keeps the embedded server up until Ctrl-C and prints how to reach it, as lines
for mailproof.yaml. What it takes for a local mailbox is found there by IMAP,
at a door of its own, with Sieve scripts by ManageSieve at another; elsewhere
it delivers nothing. Needs the extra 'demo'."""

# Where `serve` tells to put a password that it has made.
OWN_SOURCE = "{env: MAILPROOF_PASSWORD}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    for protocol, name in (("imap", "IMAP"), ("sieve", "ManageSieve")):
        parser.add_argument(
            f"--{protocol}-port", type=_port, default=0, metavar="PORT", help=f"port for {name} (default: a free one)"
        )
    parser.add_argument("--protocol", choices=("smtp", "lmtp"), default="smtp", help="how it takes mail (default smtp)")
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
        "--size-limit", type=positive, default=1_000_000, metavar="BYTES", help="largest message (default 1000000)"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 0x10000):
        raise argparse.ArgumentTypeError(f"'{text}' is no port: 0 to 65535")
    return int(text)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.demo import ListenError, load_demo  # noqa: PLC0415

    load_demo()
    _refuse(options)
    settings = _settings(options)
    debugging.remember(settings.users.values())
    doors = (settings, *mailbox_doors(settings, imap_port=options.imap_port, sieve_port=options.sieve_port))
    try:
        return _serve(doors, options.users)
    except ListenError as error:
        is_other = error.setting == "port" and error.settings.protocol != settings.protocol
        option = f"{error.settings.protocol}-port" if is_other else error.setting
        raise ToolError(f"--{option} {getattr(error.settings, error.setting)}: {error.reason}") from error


def _refuse(options: argparse.Namespace) -> None:
    """Refuse what contradicts itself or would do nothing."""
    if bool(options.certificate) != bool(options.key):
        raise UsageError("--certificate and --key go together")
    if options.certificate and options.tls == "none":
        raise UsageError("--certificate does nothing with --tls none")
    if options.protocol == "lmtp" and options.tls == "implicit":
        raise UsageError("--tls implicit: with --protocol lmtp TLS begins by STARTTLS, or not at all")


def _settings(options: argparse.Namespace) -> DemoSettings:
    from runner.demo import DemoSettings  # noqa: PLC0415

    return DemoSettings(
        host=options.host,
        port=options.port,
        protocol=options.protocol,
        domain=options.domain,
        users=dict(map(_user, options.users)),
        tls=options.tls,
        certificate=options.certificate,
        key=options.key,
        auth_requires_tls=options.auth_requires_tls,
        size_limit=options.size_limit,
    )


def mailbox_doors(settings: DemoSettings, *, imap_port: int = 0, sieve_port: int = 0) -> tuple[DemoSettings, ...]:
    """Return the doors beside that of the settings; ManageSieve has TLS by STARTTLS only."""
    sieve_tls: Literal["starttls", "none"] = "none" if settings.tls == "none" else "starttls"
    return (
        replace(settings, protocol="imap", port=imap_port),
        replace(settings, protocol="sieve", port=sieve_port, tls=sieve_tls),
    )


def _serve(doors: tuple[DemoSettings, ...], users: list[str]) -> int:
    """Keep the server up until a signal ends it; what it has made on the disk goes with it."""
    from runner.demo import DemoServer  # noqa: PLC0415

    caught: list[int] = []
    server = DemoServer(*doors)

    def stop(number: int, _: FrameType | None) -> None:
        caught.append(number)
        server.stop()

    with handled_by(stop, signal.SIGINT, signal.SIGTERM, signal.SIGHUP), server:
        if not caught:
            show(_describe(server, is_own_user=bool(users), source=_source(users)))
            server.wait()
    return EXIT_INTERRUPTED if caught[-1:] == [signal.SIGINT] else EXIT_TERMINATED


def _user(text: str) -> tuple[str, str]:
    from runner.language.case import SecretError  # noqa: PLC0415
    from runner.surroundings import SecretStore, parse_secret_source  # noqa: PLC0415

    name, equals, source = text.partition("=")
    if not (name and equals):
        raise UsageError("--user: write it as NAME=env:VARIABLE or NAME=file:PATH")
    store = SecretStore()
    try:
        password = store.get(parse_secret_source(f"--user {name}", source))
    except SecretError as error:
        raise UsageError(f"--user {name}: {error}") from error
    for warning in store.warnings:
        tell(f"mailproof: warning: {escape(warning)}")
    return name, password


def _source(users: list[str]) -> str:
    """Return where the first user's password comes from, as a project file says it."""
    if not users:
        return OWN_SOURCE
    kind, _, value = users[0].partition("=")[2].partition(":")
    return f"{{{kind}: {_quoted(value if kind == 'env' else str(Path(value).absolute()))}}}"


def _describe(server: DemoServer, *, is_own_user: bool, source: str = OWN_SOURCE) -> str:
    """Return how to reach the server, as a project file; a password made on the spot is told, it is nowhere else."""
    lines = [f"# the embedded server is up at {server.url}; Ctrl-C ends it"]
    if not is_own_user:
        lines.append(f"# its password: export MAILPROOF_PASSWORD='{server.password}'")
    lines.append("targets:")
    for door in server.doors:
        name = "demo" if door is server.doors[0] else door.settings.protocol
        lines += [f"  {name}:", f"    url: {_quoted(door.url)}"]
        lines.append(f"    tags: [{', '.join(roles(door.settings))}]")
        if door.settings.tls != "none":
            lines.append(f"    tls: {{ca: {_quoted(str(server.ca))}}}")
    lines.append("vars:")
    lines += [f"  {name}: {_quoted(value)}" for name, value in server.variables.items()]
    lines.append(f"secrets: {{password: {source}}}")
    return "\n".join(lines)


# What YAML reads as it stands, also within braces.
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9@._/+:-]*[A-Za-z0-9]")


def _quoted(text: str) -> str:
    """Return a text as a scalar of YAML.

    >>> _quoted("alice@example.com"), _quoted("o'hara # 1")
    ('alice@example.com', "'o''hara # 1'")
    """
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"
