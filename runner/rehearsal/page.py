"""The lines of a dialogue as they are laid out: who speaks, what is said about it, how deep it stands."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Literal

from runner.dataclass import dataclass
from runner.transcript import show_text

# Remarks are wrapped here; what is sent and expected is not, so that it can be copied.
WIDTH = 80
_STEP = "  "
# Below the text of a line, not below its speaker.
_ASIDE = "   "


@dataclass(slots=True)
class Page:
    """A dialogue under way. `speaker` stands before the lines of a session, where there are several."""

    lines: list[str] = field(default_factory=list)
    depth: int = 0
    speaker: str = ""

    def say(self, who: Literal["C", "S", "*"], text: str) -> None:
        """Add a line: the client's, the server's, or (`*`) of what happens besides. The text is shown as it is."""
        self.lines.append(f"{self._lead}{who}: {text}".rstrip(" "))

    def expect(self, text: str) -> None:
        """Add what the server is to say."""
        self.say("S", show_text(text))

    def happen(self, text: str) -> None:
        """Add what happens besides, wrapped."""
        first, *others = self._wrapped(f"*: {show_text(text)}", "*: ")
        self.lines += [self._lead + first, *(f"{' ' * len(self._lead)}{line}" for line in others)]

    def aside(self, texts: Iterable[str]) -> None:
        """Add remarks on the line above."""
        for text in texts:
            lead = " " * len(self._lead) + _ASIDE
            self.lines += [lead + line for line in self._wrapped(show_text(text), _ASIDE)]

    def head(self, text: str) -> None:
        """Add a line of its own that says of what follows what it is."""
        self.lines += [_STEP * self.depth + line for line in self._wrapped(show_text(text), "")]

    @contextmanager
    def inside(self, text: str) -> Iterator[None]:
        """While it is open, lines stand under a heading."""
        self.head(text)
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    @property
    def _lead(self) -> str:
        return _STEP * self.depth + (f"{self.speaker} " if self.speaker else "")

    def _wrapped(self, text: str, lead: str) -> list[str]:
        width = max(WIDTH - len(self._lead) - len(lead), WIDTH // 2)
        wrapped = textwrap.wrap(
            text,
            width,
            subsequent_indent=" " * len(lead) if text.startswith(lead.strip() or "\0") else "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        return wrapped or [""]
