"""How long `mailproof --version` takes beside a Python that does nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from common import Figure, milliseconds, program, run, side_by_side, spread

RUNS = 41


def measure() -> Iterator[Figure]:
    command = [program("mailproof"), "--version"]
    pairs = side_by_side(RUNS, lambda: run(command), lambda: run([sys.executable, "-c", "pass"]))
    yield Figure(
        "mailproof --version",
        "python3 -c pass",
        spread([ours.wall / theirs.wall for ours, theirs in pairs]),
        "<= 2.5",
        milliseconds([ours.wall for ours, _ in pairs]),
        milliseconds([theirs.wall for _, theirs in pairs]),
    )
