"""`mailproof new`: a commented first scenario of a kind, or a project file."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from runner.authoring.kinds import KINDS, PROJECT
from runner.authoring.modeline import Kind
from runner.cli.files import add_file_arguments
from runner.cli.streams import show, tell
from runner.errors import EXIT_PASSED, UsageError, escape

HELP = "write a commented first scenario"
DESCRIPTION = """\
Writes a commented first scenario of a kind, or a project file; without KIND it
lists the kinds. Each is right as it stands and passes with a server that does
what it should, such as the one of 'mailproof serve'.

  mailproof new project -o mailproof.yaml
  mailproof new relay -o scenarios/relay.yaml"""
# As wide as the longest name of a kind, and a gap.
_WIDTH = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("kind", nargs="?", default="", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    add_file_arguments(parser, "it")


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.editing import fitted  # noqa: PLC0415
    from runner.cli.files import deliver  # noqa: PLC0415
    from runner.resources import template  # noqa: PLC0415

    if not options.kind:
        _list(options)
        return EXIT_PASSED
    if options.kind not in KINDS:
        raise UsageError(_unknown(options.kind))
    text = template(options.kind).read_text("utf-8")
    kind: Kind = "project" if options.kind == PROJECT else "scenario"
    if deliver(fitted(text, options.output, kind), options):
        tell("\n".join(_next(options.kind, options.output)))
    return EXIT_PASSED


def _list(options: argparse.Namespace) -> None:
    if options.output != "-":
        raise UsageError(f"which kind is '{escape(options.output)}' to be? {', '.join(KINDS)}")
    lines = [f"{name:<{_WIDTH}}{kind.about}" for name, kind in KINDS.items()]
    show("\n".join(lines))
    tell("\nnext: mailproof new relay -o relay.yaml")


def _unknown(kind: str) -> str:
    from runner.language.template import did_you_mean  # noqa: PLC0415

    near = did_you_mean(kind, KINDS, "")
    return f"there is no kind '{escape(kind)}'; {near or 'the kinds are ' + ', '.join(KINDS)}"


def _next(kind: str, path: str) -> list[str]:
    """Return what was written, and which commands come next."""
    from runner.cli.editing import schema_advice  # noqa: PLC0415

    told = [f"wrote {escape(path)}"]
    if kind == PROJECT:
        told += ["put your server into it, then run the scenarios that come with mailproof:"]
        told += ["next: mailproof run pack:mx --target mx"]
    else:
        told += [f"next: {_run(kind, path)}"]
    if advice := schema_advice(path, "project" if kind == PROJECT else "scenario"):
        told.append(f"for completion in an editor: {advice}")
    return told


def _run(kind: str, path: str) -> str:
    """Return the command that runs a scenario: with the project's targets, or with all that it needs."""
    from runner.language.project import find_project, load_project  # noqa: PLC0415

    words, known = ["mailproof run", quote(path)], KINDS[kind]
    if (found := find_project(Path.cwd())) is not None:
        project = load_project(found, [])  # what is wrong with it is for the command that comes next
        if known.session and (project is None or known.session_target not in project.targets):
            words.append(f"--session {known.session}")
        return " ".join(words)
    words.append(f"--target {known.url}")
    if known.session:
        words.append(f"--session {known.session}")
    words += [f"--var {name}={'ADDRESS' if name != 'username' else 'USER'}" for name in known.variables]
    if known.has_password:
        words.append("--secret password")
    return " ".join(words)
