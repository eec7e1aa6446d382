"""Standard output and standard error as they may be: closed, full, gone, or in an encoding without our characters.

What can't be shown is an error of the surroundings (exit 3), never a traceback and never a pass.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import IO

from runner.errors import ToolError

_STANDARD_FILES = (0, 1, 2)


class OutputError(ToolError):
    """Standard output can't be written; `is_gone`: whoever read it has left, and nobody need be told."""

    def __init__(self, message: str, *, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone


def prepare() -> None:
    """Make the standard streams fit for any text; to be called before anything is opened.

    Raises:
        OutputError: standard output is closed, or can't be written.
    """
    for number in _STANDARD_FILES:
        try:
            os.fstat(number)
        except OSError:
            # Else the next socket would get the number, and with it what is printed.
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 -- as long as the process
    if sys.stdout is None:
        raise OutputError("standard output is closed; send it to /dev/null if nobody is to read it")
    if isinstance(sys.stdout, io.TextIOWrapper):
        try:
            sys.stdout.reconfigure(errors="backslashreplace")
        except OSError as error:  # what was printed before is still to be written
            raise _unwritable(error) from error


def show(text: str) -> None:
    """Print on standard output, at once.

    Raises:
        OutputError: it can't be written.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        raise _unwritable(error) from error


def show_octets(data: bytes) -> None:
    """Write octets on standard output as they are, at once.

    Raises:
        OutputError: they can't be written.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> OutputError:
    _discard(sys.stdout)
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"the output can't be written: {reason}", is_gone=isinstance(error, BrokenPipeError))


def tell(text: str) -> None:
    """Print on standard error, at once; where that can't be written, nobody can be told."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: IO[str]) -> None:
    """Let what is left go nowhere: written again at the end, it would change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
