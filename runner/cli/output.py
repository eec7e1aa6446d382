"""What the commands print: reports in the terminal's width, progress while a run goes on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Literal, Protocol

from runner.cli.reports import add_report_argument

if TYPE_CHECKING:
    from runner.report import Style
    from runner.results import CaseResult

FALLBACK_COLUMNS = 80
# A terminal shows ^C behind the progress, and must not begin a new line with it.
CONTROL_COLUMNS = 8
# ECMA-48 8.3.41: to the line's beginning, and erase to its end.
ERASED = "\r\x1b[K"


def add_output_arguments(
    parser: argparse.ArgumentParser,
    *,
    add_files: Callable[[argparse._ActionsContainer], None] | None = add_report_argument,
    verbose: str = "show the conversation of every case",
) -> None:
    """Add the arguments that say how much is shown, and how.

    `add_files` adds those that name files to write. `verbose` is what `-v` does.
    """
    output = parser.add_argument_group("output")
    if add_files is not None:
        add_files(output)
    amount = output.add_mutually_exclusive_group()
    amount.add_argument("-v", "--verbose", action="store_true", help=verbose)
    amount.add_argument("-q", "--quiet", action="store_true", help="show the summary alone")
    add_colour_argument(output)


def add_colour_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that says whether there are colours."""
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="default: on a terminal, unless NO_COLOR is set",
    )


def has_colour(options: argparse.Namespace, stream: IO[str]) -> bool:
    """Return whether there are to be colours on a stream."""
    is_auto = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return options.color == "always" or (options.color == "auto" and is_auto)


def style(options: argparse.Namespace) -> Style:
    """Return how reports are to look on standard output."""
    from runner.report import Style  # noqa: PLC0415

    verbosity: Literal["quiet", "normal", "verbose"] = "normal"
    if options.verbose:
        verbosity = "verbose"
    elif options.quiet:
        verbosity = "quiet"
    return Style(columns=terminal_columns(sys.stdout), has_colour=has_colour(options, sys.stdout), verbosity=verbosity)


def file_style(options: argparse.Namespace) -> Style:
    """Return how the table is to look in a file: what is quiet on a terminal need not be so there."""
    from runner.report import Style  # noqa: PLC0415

    return Style(columns=FALLBACK_COLUMNS, verbosity="verbose" if options.verbose else "normal")


def terminal_columns(stream: IO[str]) -> int:
    """Return the width of the terminal behind a stream.

    As `shutil.get_terminal_size` does; that module costs 3 ms to import.
    """
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told[:6]):
        return int(told[:6])
    try:
        return os.get_terminal_size(stream.fileno()).columns or FALLBACK_COLUMNS
    except (OSError, ValueError):
        return FALLBACK_COLUMNS


def now(timespec: str = "seconds") -> str:
    """Return the time as files have it: UTC, ISO 8601."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.now(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


class Progress(Protocol):
    """Shows how far a run is; where it can't be shown the run goes on without."""

    def advance(self, result: CaseResult) -> None:
        """Count one case that has ended."""

    def close(self) -> None:
        """Take the progress off the screen."""


class _Silent:
    def advance(self, result: CaseResult) -> None:
        """Show nothing: nobody watches."""

    def close(self) -> None:
        """Nothing was shown."""


class _Counter:
    def __init__(self, total: int) -> None:
        self._done, self._failed, self._total = 0, 0, total

    def advance(self, result: CaseResult) -> None:
        """Count one case that has ended."""
        self._done += 1
        self._failed += result.outcome.is_failure
        failed = f", {self._failed} not passed" if self._failed else ""
        with suppress(OSError):
            print(f"\r{self._done}/{self._total}{failed} ", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the counter off the screen."""
        with suppress(OSError):
            print(ERASED, end="", file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, total: int, make: Callable[..., object]) -> None:
        self._bar: object = make(total=total, unit="case", leave=False, file=sys.stderr, ncols=_bar_columns())

    def advance(self, result: CaseResult) -> None:  # noqa: ARG002 -- the interface's
        """Count one case that has ended."""
        with suppress(OSError):
            self._bar.update()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Take the bar off the screen."""
        with suppress(OSError):
            self._bar.close()  # type: ignore[attr-defined]
            print(ERASED, end="", file=sys.stderr, flush=True)


def _bar_columns() -> int:
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        columns = 0
    return max((columns or FALLBACK_COLUMNS) - CONTROL_COLUMNS, CONTROL_COLUMNS)


def progress(total: int, options: argparse.Namespace, *, is_hidden: bool = False) -> Progress:
    """Return a progress display for standard error; a silent one where that is no terminal."""
    if is_hidden or options.quiet or total < 2 or not sys.stderr.isatty():
        return _Silent()
    try:
        from tqdm import tqdm  # noqa: PLC0415 -- the extra `tty`
    except ImportError:
        return _Counter(total)
    return _Bar(total, tqdm)
