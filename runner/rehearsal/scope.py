"""What names stand for in a rehearsal: what has no value yet stands for itself, as it is written."""

from __future__ import annotations

from runner.dataclass import dataclass
from runner.language.filters import FilterError
from runner.language.template import MissingValueError, Placeholder, Template, Value
from runner.player.filling import Scope

_OPEN = "${"


@dataclass(slots=True)
class RehearsalScope(Scope):
    """A scope that has a text for every placeholder."""

    def value(self, part: Placeholder) -> Value:
        """Return a placeholder's value; as written, filters included, if it is known only in a conversation."""
        try:
            value = part.value(self.lookup)
            is_open = bool(part.filters) and _OPEN in self.lookup(part.name).text
        except (MissingValueError, FilterError):
            return _as_written(part)
        return _as_written(part) if is_open and not value.secrets else value

    def shown(self, part: Placeholder) -> str:
        """Return how a placeholder is shown: a secret by its name."""
        return self.value(part).shown

    def told(self, template: Template) -> str:
        """Return a template as it is shown."""
        return "".join(part if isinstance(part, str) else self.shown(part) for part in template.parts)


def _as_written(part: Placeholder) -> Value:
    """Return a placeholder without blanks: it is one word of a line, as its value will be."""
    return Value(str(part) if part.default is not None else str(part).replace(" ", ""))


def is_open(text: str) -> bool:
    """Whether something in a text is known only in a conversation."""
    return _OPEN in text
