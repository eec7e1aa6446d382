"""`mailproof completion`: a script by which a shell completes commands, options, files and targets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from runner.cli.streams import show
from runner.errors import EXIT_PASSED, InputError, ToolError, UsageError, escape

HELP = "print a script by which the shell completes"
DESCRIPTION = """\
Prints a script by which a shell completes commands, options, files and names of
targets. Needs the extra 'completion'.

  mailproof completion bash > ~/.local/share/bash-completion/completions/mailproof
  mailproof completion zsh > ~/.zfunc/_mailproof
  mailproof completion fish > ~/.config/fish/completions/mailproof.fish
  mailproof completion tcsh > ~/.mailproof.csh"""
SHELLS = ("bash", "zsh", "fish", "tcsh")
# What an argument's name in the help says of its values.
_FILES = ("FILE", "PATH")
_ONE_OF = "one of "
_TARGETS = ("NAME|URL", "TARGET")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("shell", nargs="?", default="", metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    parser.add_argument(
        "--targets", action="store_true", help="print the names of the project's targets, as the script asks for them"
    )


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    if options.targets:
        show("\n".join(_targets()))
        return EXIT_PASSED
    if options.shell not in SHELLS:
        shell = f"there is no completion for '{escape(options.shell)}'" if options.shell else "for which shell"
        raise UsageError(f"{shell}; there is one for {', '.join(SHELLS)}")
    show(_script(options.shell).removesuffix("\n"))
    return EXIT_PASSED


def _targets() -> list[str]:
    """Return the names of the project file's targets; of one that is wrong none."""
    from runner.errors import Problem  # noqa: PLC0415
    from runner.language.project import find_project, load_project  # noqa: PLC0415

    problems: list[Problem] = []
    path = find_project(Path.cwd())
    try:
        project = load_project(path, problems) if path is not None else None
    except InputError:
        return []
    return list(project.targets) if project is not None else []


def _script(shell: str) -> str:
    from runner.cli.command_line import make_parser  # noqa: PLC0415 -- it loads this module

    try:
        import shtab  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise ToolError("completion needs the extra 'completion': pip install 'mailproof[completion]'") from error
    parser = make_parser()
    _tell_kinds(parser, shtab)
    text: str = shtab.complete(parser, shell=shell)
    return text


def _tell_kinds(parser: argparse.ArgumentParser, shtab: Any) -> None:
    """Say of each argument what it takes, by its name in the help."""
    for action in parser._actions:  # noqa: SLF001 -- there is no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                _tell_kinds(command, shtab)
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _TARGETS and action.option_strings:
            action.complete = shtab.cmd("mailproof completion --targets 2>/dev/null")  # type: ignore[attr-defined]
        elif (action.help or "").startswith(_ONE_OF):
            # Which words these are the command itself checks, with better advice than argparse has.
            action.choices = (action.help or "").removeprefix(_ONE_OF).split(", ")
