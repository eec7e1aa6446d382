"""The parser of the command line, and what every command has in common: errors to exit codes, never a traceback."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from runner import __version__
from runner.cli import demo, run, serve, validate
from runner.errors import EXIT_INTERRUPTED, EXIT_TOOL, EXIT_USAGE, InputError, MailproofError

COMMANDS = (run, validate, demo, serve)
_EXIT_CODES = """\
exit codes: 0 passed · 1 something failed or erred, or nothing passed · 2 wrong usage or an invalid file, and nothing
was connected · 3 mailproof or its surroundings failed · 130 interrupted · 143 terminated"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\n{self.prog} --help tells more", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="mailproof",
        description="Replays conversations with mail servers from YAML scenarios and says in a table what passed.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"mailproof {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        added = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=_EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.add_argument("--debug", action="store_true", help="show where in mailproof an internal error arose")
        command.add_arguments(added)
        added.set_defaults(perform=command.perform)
    return parser


def run_command(words: Sequence[str]) -> int:
    """Parse and perform; every error becomes a message on standard error and an exit code."""
    try:
        options = make_parser().parse_args(words)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_USAGE
    try:
        code: int = options.perform(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except InputError as error:
        print(f"{error}\n\n{_count(error)}; nothing was connected", file=sys.stderr)
        return error.exit_code
    except MailproofError as error:
        print(f"mailproof: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output is gone; what was not shown can't count as shown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_TOOL
    except OSError as error:
        print(f"mailproof: {(error.strerror or str(error)).lower()}: the output can't be written", file=sys.stderr)
        return EXIT_TOOL
    except Exception as error:  # noqa: BLE001 -- the last line of defence: one line, not a traceback
        return _internal(error, debug=options.debug)
    return code


def _count(error: InputError) -> str:
    files = {problem.span.source.name for problem in error.problems}
    problems = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
    return f"{problems} in {'1 file' if len(files) == 1 else f'{len(files)} files'}"


def _internal(error: Exception, *, debug: bool) -> int:
    from runner.cli.debugging import describe  # noqa: PLC0415

    print(f"mailproof: internal error: {describe(error, debug=debug)}", file=sys.stderr)
    return EXIT_TOOL
