"""The command line: one file a command. It reads files, prints and exits; the logic is below.

Start-up counts, so each command imports what it needs when it runs.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

# So many new objects between two searches for cycles: what is imported and read stays, and looking through it all again
# and again is a twentieth of a short run.
OBJECTS = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the entry point of `mailproof`.

    Without `arguments` they are the process's, and the process ends here.
    """
    if arguments is not None:
        return _run(list(arguments))
    gc.set_threshold(OBJECTS)
    code = _run(sys.argv[1:])
    _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process without taking the interpreter apart: that takes a seventh of the time of a short run."""
    atexit._run_exitfuncs()  # noqa: SLF001 -- what others asked for at the end must still be done
    for stream in filter(None, (sys.stdout, sys.stderr)):  # none where it was closed from the start
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 3  # what was not written was not told
    os._exit(code)


def _run(words: list[str]) -> int:
    if words in (["--version"], ["-V"]):
        from runner import __version__  # noqa: PLC0415

        # Where that fails, the parser does the same once more and says why it can't.
        with suppress(OSError):
            print(f"mailproof {__version__}", flush=True)
            return 0
    try:
        from runner.cli.command_line import run_command  # noqa: PLC0415

        return run_command(words)
    except KeyboardInterrupt:
        return 130
