"""A scenario that is drafted: what is asked for, where it is, how to run it, and what was guessed."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from runner.cli.files import write_whole
from runner.cli.streams import show, tell
from runner.errors import escape

if TYPE_CHECKING:
    from runner.authoring.draft import Draft

# Variables that a draft leaves to be given.
_GIVEN = ("username", "authzid")


def add_draft_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a scenario that is drafted is called, and what it expects."""
    parser.add_argument("--name", default="", metavar="TITLE", help="the scenario's name")
    parser.add_argument(
        "--expect",
        choices=("texts", "status", "codes"),
        default="texts",
        help="what the scenario expects of replies: their texts, with what varies left open (default), status codes, "
        "or codes alone, for other servers",
    )


def tls_words(options: argparse.Namespace) -> list[str]:
    """Return what a command line says of TLS, for the next one."""
    return [*(["--ca", options.ca] if options.ca else []), *(["--no-verify"] if options.no_verify else [])]


def run_command(
    path: str,
    target: str,
    made: Draft,
    *,
    more: Iterable[str] = (),
    variables: Container[str] = (),
    secrets: Container[str] = (),
    given: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the command that runs a drafted scenario, harmless on a terminal.

    `more` are words of it; `variables` and `secrets` are the names that need not be given. `given` says how secrets
    were, by name.
    """
    words = ["mailproof", "run", path, "--target", target, *more]
    for name, value in made.variables.items():
        if name.startswith(_GIVEN) and name not in variables:
            words += ["--var", f"{name}={value}"]
    for name in made.missing:
        if name not in variables:
            words += ["--var", f"{name}={name.upper()}"]
    for name in made.secrets:
        if name in given or name not in secrets:
            words += ["--secret", given.get(name, name)]
    return escape(shlex.join(words))


def keep_elsewhere(text: str) -> None:
    """Keep a recording whose own place can't be written: in a temporary file, else on standard output; tell where."""
    import os  # noqa: PLC0415 -- few recordings come to that
    import tempfile  # noqa: PLC0415
    from contextlib import suppress  # noqa: PLC0415

    path = ""
    try:
        descriptor, path = tempfile.mkstemp(prefix="mailproof-recording-", suffix=".yaml")
        os.close(descriptor)
        write_whole(path, text, is_private=True)
    except OSError:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 -- there may be none
        tell("the recording follows on standard output")
        show(text.removesuffix("\n"))
        return
    tell(f"the recording is kept in {path}")


def advise(path: str, command: str, guesses: Iterable[str], *, is_first: bool = True) -> None:
    """Tell that a scenario is written, what to type next (of the first: what for), and what was guessed."""
    what_for = "; run it with:" if is_first else ""
    tell(f"{escape(path)} is written{what_for}\n  {command}")
    for guess in guesses:
        tell(f"  guessed: {escape(guess)}")
