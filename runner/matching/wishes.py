"""What is asked of a server's capabilities, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from runner.dataclass import dataclass

Comparison = Literal["required", "absent", "at least", "exactly", "lacks", ">=", "<=", ">", "<", "="]

# More digits than any size has; int() of very many is slow, and more than 4300 raise.
_SIZE_DIGITS = 20


@dataclass(frozen=True, slots=True)
class CapabilityWish:
    """What is asked of one capability: that it is there, that it is not, or what its parameters are.

    `parameters` are as written; with a comparison by size `size` is the number of bytes.
    """

    name: str
    asks: Comparison = "required"
    parameters: tuple[str, ...] = ()
    size: int = 0

    def fits(self, parameters: tuple[str, ...] | None) -> bool:
        """Whether the capability is as asked; `parameters` are None where it isn't offered.

        All but `absent` want it to be offered. Parameters are compared without regard to (ASCII) case and order.
        """
        if parameters is None or self.asks == "absent":
            return parameters is None and self.asks == "absent"
        asked, got = _folded(self.parameters), _folded(parameters)
        match self.asks:
            case "required":
                return True
            case "at least":
                return asked <= got
            case "exactly":
                return asked == got
            case "lacks":
                return not asked & got
            case _:
                return self._size_fits(parameters)

    def _size_fits(self, parameters: tuple[str, ...]) -> bool:
        """Compare the first parameter by size; none, or 0, says that there is no fixed limit (RFC 1870 section 4)."""
        text = parameters[0] if parameters else "0"
        if not (text.isascii() and text.isdigit() and len(text) <= _SIZE_DIGITS):
            return False
        size = int(text)
        has_no_limit = size == 0
        match self.asks:
            case ">=":
                return has_no_limit or size >= self.size
            case ">":
                return has_no_limit or size > self.size
            case "<=":
                return not has_no_limit and size <= self.size
            case "<":
                return not has_no_limit and size < self.size
            case _:
                return size == self.size

    def __str__(self) -> str:
        if self.asks in ("required", "absent"):
            return f"{self.name} offered" if self.asks == "required" else f"{self.name} not offered"
        asks = "" if self.asks == "at least" else f"{self.asks} "
        return f"{self.name} {asks}{' '.join(self.parameters)}"


def _folded(words: Iterable[str]) -> set[str]:
    """Return the words in one case; a letter that Unicode folds into ASCII stays what it is."""
    return {word.upper() if word.isascii() else word for word in words}
