"""The command line: one file a command. It reads files, prints and exits; the logic is below.

Start-up counts, so each command imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the entry point of `mailproof`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
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
