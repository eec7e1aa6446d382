"""What is to be said of one case: each step that isn't as it should be, and the end of what went over the wire.

A step is told as errors of files are: where, what was expected above what came, the nearest miss. All of it is
bounded, so that a hostile server fills no screen. This module must not know how a step is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from runner.report.excerpt import Moment, render_transcripts
from runner.report.layout import LINE_LIMIT, Colour, Style, hang, plain, wrap
from runner.results import CaseResult, Difference, Outcome, Place, StepResult

if TYPE_CHECKING:
    from runner.report.layout import Style

COLOURS = {
    Outcome.PASSED: Colour.GREEN,
    Outcome.FAILED: Colour.RED,
    Outcome.ERROR: Colour.RED,
    Outcome.SKIPPED: Colour.YELLOW,
    Outcome.NOT_RUN: Colour.YELLOW,
}

# Of a long text its beginning says what it is, its end how it came to a stop.
FIRST_LINES = 8
LAST_LINES = 4
# Prose may be longer than a line on the wire.
PROSE_LIMIT = 1000
# So many differences of a step, and so many lines on all steps of a case: then nobody reads on.
MOST_DIFFERENCES = 12
MOST_LINES = 160
# Where the texts begin that are to be compared.
MARGIN = 12

# Of these parts the texts themselves tell which part it is.
_PLAIN_PARTS = ("code", "reply", "time")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "warning"), counted(2, "step")
    ('1 warning', '2 steps')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
