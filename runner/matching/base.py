"""What both kinds of pattern have in common: slots, the errors, a match, and the interface.

A pattern is compiled once; where the author wrote a placeholder it has a *slot*, and a value that is filled
into a slot is matched literally. This module knows neither placeholders nor replies: a slot's key is opaque.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from runner.dataclass import dataclass

# What stands where a secret would.
_SECRET_NAME = re.compile(r"(⟨[^⟨⟩]*⟩)")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where a value goes in at run time; `str(key)` is how the author wrote it and is never secret."""

    key: object

    def __str__(self) -> str:
        return str(self.key)


Source = tuple[str | Slot, ...]
"""A pattern as the author wrote it: literal text, its escapes not yet read, and slots."""

Unit = str | Slot
"""One character of a source, or a slot."""


class PatternError(Exception):
    """A pattern that is wrong as written.

    `offset` is the place in the source (0-based, a slot counts as one character), `advice` says what would
    be right.
    """

    def __init__(self, message: str, offset: int, advice: str = "") -> None:
        super().__init__(message, offset, advice)
        self.message = message
        self.offset = offset
        self.advice = advice

    def __str__(self) -> str:
        return self.message


class TooLong(Exception):  # noqa: N818  it is the text that is at fault, and `raise TooLong` says so
    """A regex isn't tried on this text: the step fails with `reason`, it never passes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Match:
    """What a pattern found: `text` is group 1 if it took part, else the whole match.

    `named` holds the named groups that took part. Neither is in the `repr`: a server may echo a secret.
    """

    text: str = field(repr=False)
    named: Mapping[str, str] = field(default_factory=dict, repr=False)


class Pattern(ABC):
    """A glob or a regex. Frozen, comparable, and fit to be pickled if its slots' keys are."""

    __slots__ = ()

    source: Source
    """The pattern as the author wrote it, also after `fill`."""

    @property
    @abstractmethod
    def is_regex(self) -> bool:
        """True for `/regex/flags`."""

    @property
    @abstractmethod
    def slots(self) -> tuple[Slot, ...]:
        """The slots that are still to be filled, in order."""

    @property
    @abstractmethod
    def groups(self) -> tuple[str, ...]:
        """The names of the named groups, in order; empty for a glob."""

    @abstractmethod
    def fill(self, value: Callable[[Slot], str]) -> Pattern:
        """Return the pattern with `value(slot)`, taken literally, in place of each slot."""

    @abstractmethod
    def match_line(self, line: str) -> Match | None:
        """Match one line: a glob must match it whole, a regex is searched.

        Raises:
            TooLong: a regex met more than it may see (docs/language.md, patterns).
            ValueError: a slot isn't filled.
        """

    @abstractmethod
    def search_text(self, text: str) -> Match | None:
        """Match a whole reply, lines joined by LF: a glob one of its lines, a regex anywhere.

        Raises:
            TooLong: a regex met more than it may see (docs/language.md, patterns).
            ValueError: a slot isn't filled.
        """

    @abstractmethod
    def show(self, slot_text: Callable[[Slot], str]) -> str:
        """Return the pattern, each slot shown by `slot_text`: by `str` as written, else as the literal text it is."""

    def __str__(self) -> str:
        return self.show(str)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self)!r}>"


def units_of(source: Source) -> list[Unit]:
    """Return the source's characters and slots, so that an index is a `PatternError.offset`."""
    return list(_units(source))


def _units(source: Source) -> Iterator[Unit]:
    for part in source:
        if isinstance(part, Slot):
            yield part
        else:
            yield from part


def source_of(units: list[Unit]) -> Source:
    """Return the source with these units, neighbouring characters joined."""
    parts: list[Unit] = []
    run: list[str] = []
    for unit in units:
        if isinstance(unit, str):
            run.append(unit)
            continue
        parts += ["".join(run), unit] if run else [unit]
        run = []
    return (*parts, "".join(run)) if run else tuple(parts)


def show_source(source: Source, slot_text: Callable[[Slot], str], special: re.Pattern[str] | None = None) -> str:
    r"""Return the source as text, each slot shown by `slot_text`.

    Unless that is `str`, it gives literal values: what is `special` gets a `\` before it. The name of a secret, which
    stands in the secret's place, is left as it is.
    """
    if slot_text is str or special is None:
        return "".join(slot_text(part) if isinstance(part, Slot) else part for part in source)
    return "".join(_literal(slot_text(part), special) if isinstance(part, Slot) else part for part in source)


def _literal(value: str, special: re.Pattern[str]) -> str:
    parts = _SECRET_NAME.split(value)
    parts[::2] = (special.sub(r"\\\g<0>", part) for part in parts[::2])
    return "".join(parts)


def slots_in(source: Source) -> tuple[Slot, ...]:
    """Return the slots of a source, in order."""
    return tuple(part for part in source if isinstance(part, Slot))
