"""The questions that a transcript raises: where, what can't be told, and how to tell it.

No question shows a password: what may be one is masked in the line that it quotes.
"""

from __future__ import annotations

import re

from runner.authoring.turns import COMMANDS
from runner.dataclass import dataclass
from runner.errors import InputError, Problem, SourceFile, Span, fitting

MASK = "⟨…⟩"
# What stands in place of a whole line.
_MASKED_LINE = "⟨hidden: it may be a password⟩"
# What follows these may be a password, whichever protocol it is.
TELLING = re.compile(
    r"((?:\A|[ \t])(?:AUTH[ \t]+\S+|PASS|LOGIN[ \t]+(?:\"[^\"]*\"|\S+)|AUTHENTICATE[ \t]+\S+|APOP[ \t]+\S+)[ \t]+)\S.*",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"[A-Za-z0-9+/]{6,}={0,2}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript as it was on the screen, with its number in the file, from 1."""

    number: int
    text: str
    #: The line as the file has it, where that is more.
    whole: str = ""


class UnclearError(InputError):
    """A transcript that leaves open who said what; the advice says how to tell."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes questions about the file of this name; `source` is what a scenario says it comes from."""

    name: str
    source: str = ""

    def question(self, line: Line, message: str, advice: str = "", *, is_secret: bool = False) -> UnclearError:
        """Return a question about a line, to be raised; `is_secret`: nothing of the line may be shown."""
        shown = _MASKED_LINE if is_secret else shown_text(line.text)
        if line.whole.endswith(line.text):
            shown = line.whole.removesuffix(line.text) + shown
        source = SourceFile(self.name, "\n" * (line.number - 1) + shown)
        span = Span(source, line.number, len(shown) - len(shown.lstrip()) + 1, max(1, len(shown.strip())))
        return UnclearError([Problem(span, message, advice)])


def shown_text(text: str) -> str:
    """Return a line as a message may quote it.

    >>> shown_text("a1 LOGIN alice secret"), shown_text("bXlQQVNTV09SRA=="), shown_text("starttls")
    ('a1 LOGIN alice ⟨…⟩', '⟨hidden: it may be a password⟩', 'starttls')
    """
    masked = TELLING.sub(lambda found: found[1] + MASK, text)
    bare = masked.strip()
    is_encoded = _ENCODED.fullmatch(bare) and len(bare) % 4 == 0 and bare.upper() not in COMMANDS
    return _MASKED_LINE if is_encoded else masked


def quoted(text: str, width: int = 60) -> str:
    """Return a line in quotes, within a message."""
    text = shown_text(text.strip())
    shown = fitting(text, width)
    return f"'{text}'" if shown == text else f"'{fitting(text, width - 1)}…'"
