"""The parser of the command line, and what every command has in common: errors to exit codes, never a traceback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from runner import __version__
from runner.cli.exit_codes import told_codes
from runner.cli.streams import OutputError, prepare, show, tell
from runner.errors import EXIT_INTERRUPTED, EXIT_TOOL, EXIT_USAGE, InputError, MailproofError, escape

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# What messages call a URL's place that is in no file.
COMMAND_LINE = "<command line>"
# In the order of the help. Each command is a module of this package with its name, unless another stands behind it.
COMMANDS = {
    "run": "",
    "validate": "",
    "show": "",
    "lint": "",
    "fmt": "",
    "new": "",
    "import": "importing",
    "record": "",
    "probe": "",
    "mirror": "",
    "baseline": "",
    "compare": "",
    "history": "",
    "demo": "",
    "serve": "",
    "base64": "base64_command",
    "schema": "",
    "completion": "",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        tell(f"{_fitted(f'{self.prog}: {escape(message)}')}\n{self.prog} --help tells more")
        sys.exit(EXIT_USAGE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of an argument's choices, with the one that is near; argparse itself names them all."""
        if action.choices is not None and value not in action.choices:
            from runner.language.template import did_you_mean  # noqa: PLC0415

            if near := did_you_mean(str(value), map(str, action.choices), ""):
                raise argparse.ArgumentError(action, f"invalid choice: '{value}'; {near}")
        super()._check_value(action, value)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Print help or version; argparse itself passes over what can't be written."""
        if message and file is not sys.stderr:
            show(message.rstrip("\n"))


def _fitted(text: str) -> str:
    """Return a text in lines of a terminal's width, which would break it inside of words; elsewhere as it is."""
    if not sys.stderr.isatty():
        return text
    from textwrap import fill  # noqa: PLC0415 -- wrong usage is rare

    from runner.cli.output import terminal_columns  # noqa: PLC0415

    width = terminal_columns(sys.stderr)
    return fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def load_command(name: str) -> Any:
    """Return a command's module: `HELP`, `DESCRIPTION`, `add_arguments(parser)`, `perform(options) -> exit code`."""
    return import_module(f"runner.cli.{COMMANDS[name] or name}")


def make_parser(command_name: str = "") -> argparse.ArgumentParser:
    """Return the parser of all commands, or of the one that is named: each costs a millisecond."""
    parser = _Parser(
        prog="mailproof",
        description="Replays conversations with mail servers from YAML scenarios\nand says in a table what passed.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.epilog = told_codes("", parser)
    parser.add_argument("-V", "--version", action="version", version=f"mailproof {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in [command_name] if command_name else COMMANDS:
        command = load_command(name)
        added = commands.add_parser(
            name,
            help=command.HELP,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # An option that is added one day must not change what a script's abbreviation means.
            allow_abbrev=False,
        )
        added.add_argument("--debug", action="store_true", help="show where in mailproof an internal error arose")
        command.add_arguments(added)
        added.epilog = told_codes(name, added)
        added.set_defaults(perform=command.perform, parser=added)
    return parser


def run_command(words: Sequence[str]) -> int:
    """Parse and perform; every error becomes a message on standard error and an exit code.

    A monitor is told on standard output that there is no result, and by a code of its own.
    """
    is_debug = "--debug" in words
    try:
        prepare()
        options = _parse(words)
        code: int = options.perform(options)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else EXIT_USAGE
        return _fail(words, code, "wrong usage") if code else code
    except KeyboardInterrupt:
        tell("mailproof: interrupted")
        return _fail(words, EXIT_INTERRUPTED, "interrupted")
    except InputError as error:
        tell(f"{error}\n\n{_count(error)}; nothing was connected")
        return _fail(words, error.exit_code, str(error))
    except MailproofError as error:
        if not (isinstance(error, OutputError) and error.is_gone):
            tell(f"mailproof: {escape(str(error))}")
        return _fail(words, error.exit_code, str(error))
    except OSError as error:
        place = f"'{escape(str(error.filename))}': " if error.filename else ""
        reason = (error.strerror or str(error)).lower()
        tell(f"mailproof: {place}{reason}")
        return _fail(words, EXIT_TOOL, reason)
    except Exception as error:  # noqa: BLE001 -- the last line of defence: one line, not a traceback
        return _fail(words, _internal(error, is_debug=is_debug), "internal error")
    return code


def _fail(words: Sequence[str], code: int, reason: str) -> int:
    from runner.cli.reports import fail_plugin, is_plugin_asked_for  # noqa: PLC0415

    return fail_plugin(reason) if is_plugin_asked_for(words) else code


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = make_parser(words[0] if words and words[0] in COMMANDS else "")
    if not words:
        parser.error(f"which command? {', '.join(COMMANDS)}")
    options, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-") and word != "-"]
    if unknown or (rest and not hasattr(options, "paths")):
        options.parser.error(_unknown((unknown or rest)[0], options.parser))
    if rest:
        # argparse takes positional arguments in one piece only; between options they are meant all the same.
        options.paths = [*options.paths, *rest]
    return options


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    from runner.language.template import did_you_mean  # noqa: PLC0415

    name = word.partition("=")[0]
    if not name.startswith("--"):
        return f"unknown {'option' if name.startswith('-') else 'argument'} '{name}'"
    actions = parser._actions  # noqa: SLF001 -- there is no other way to ask
    known = [option for action in actions for option in action.option_strings]
    if name in known:
        return f"'{name}' goes behind the command: {parser.prog} {name}"
    # A beginning is what argparse itself would have taken.
    advice = did_you_mean(name, [option for option in known if option.startswith(name)] or known, "")
    return f"unknown option '{name}'" + (f"; {advice}" if advice.startswith("did") else "")


def _count(error: InputError) -> str:
    files = {problem.span.source.name for problem in error.problems} - {COMMAND_LINE}
    problems = "1 problem" if len(error.problems) == 1 else f"{len(error.problems)} problems"
    if not files:
        return problems
    return f"{problems} in {'1 file' if len(files) == 1 else f'{len(files)} files'}"


def _internal(error: Exception, *, is_debug: bool) -> int:
    from runner.cli.debugging import describe  # noqa: PLC0415

    tell(f"mailproof: internal error: {describe(error, is_debug=is_debug)}")
    return EXIT_TOOL
