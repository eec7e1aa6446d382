"""Text from outside as markup may hold it, and numbers as people read them: the only door into a page.

Whatever a server, a scenario or a file name says passes `text` or `wire`: invisible and control characters are
escaped as on a terminal, then what HTML would take for its own. None of it ever becomes a name, an id or a class.
"""

from __future__ import annotations

from html import escape as escape_markup

from runner.errors import escape
from runner.report.layout import LINE_LIMIT, plain
from runner.results import Outcome
from runner.transcript import cut_line


def text(value: str, limit: int = LINE_LIMIT) -> str:
    r"""Return one line from outside, bounded, for an element's content or a quoted attribute.

    >>> text("550 <b>\x1b")
    '550 &lt;b&gt;\\x1b'
    """
    return escape_markup(plain(value, limit))


def wire(value: str) -> str:
    """Return a transcript's line: blanks at its end stay, for the transcript has said all about line ends."""
    return escape_markup(cut_line(escape(value)))


def kind(outcome: Outcome) -> str:
    """Return an outcome as a class in markup; its word may hold a blank."""
    word: str = outcome.value
    return word.replace(" ", "-")


def seconds(value: float) -> str:
    """Return how long a case or a run took.

    >>> seconds(0.126), seconds(75.0)
    ('0.13 s', '75.00 s')
    """
    return f"{value:.2f} s"


def moment(value: float) -> str:
    """Return a time within a case, in seconds, as exactly as a transcript has it."""
    return f"{value:.3f}"
