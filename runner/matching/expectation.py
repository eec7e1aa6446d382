"""All that a step asks of one reply: frozen values, with placeholders or filled. Judging is for `judging`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass
from runner.matching.alternatives import (
    Alternative,
    ExpectationError,
    Given,
    Short,
    ValueOf,
    Word,
    code_fits,
    either,
    status_fits,
)
from runner.matching.lines import Block, BlockLine
from runner.matching.pattern import Pattern
from runner.matching.wishes import CapabilityWish, Comparison

if TYPE_CHECKING:
    from runner.matching.message_wishes import MessageExpectation

__all__ = [
    "Alternative",
    "Block",
    "BlockLine",
    "CapabilityWish",
    "Capture",
    "Comparison",
    "Expectation",
    "ExpectationError",
    "Given",
    "Short",
    "Until",
    "Word",
    "code_fits",
    "either",
    "status_fits",
]


@dataclass(frozen=True, slots=True)
class Capture:
    """A variable taken from a reply: `code`, `status`, `text`, or what a regex finds in the whole reply."""

    name: str
    what: Literal["code", "status", "text"] | Pattern


@dataclass(frozen=True, slots=True)
class Until:
    """How a reply ends that does not say it itself: by its last line, by how many there are, by a pause (seconds)."""

    pattern: Pattern | None = None
    lines: int = 1
    silence: float = 0.0

    def fill(self, value_of: ValueOf) -> Until:
        """Return it with its placeholders' values in it."""
        return replace(self, pattern=self.pattern.fill(value_of)) if self.pattern is not None else self


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that a step asks of one reply. `within` is in seconds, `silence` how long nothing may come.

    `untagged` are what untagged lines are to be, in any order. `until` is None where a reply says itself where it
    ends, or is one line.
    """

    alternatives: tuple[Alternative, ...]
    has: tuple[Pattern, ...] = ()
    lacks: tuple[Pattern, ...] = ()
    lines: int | None = None
    capabilities: tuple[CapabilityWish, ...] = ()
    within: float | None = None
    captures: tuple[Capture, ...] = ()
    silence: float | None = None
    is_warning: bool = False
    untagged: tuple[Pattern, ...] = ()
    message: MessageExpectation | None = None
    until: Until | None = None
    #: The code if that is all that is asked, so that most replies are judged by one comparison.
    only_code: str | None = field(default=None, init=False, compare=False)
    has_slots: bool = field(default=False, init=False, compare=False)
    #: How a slot's value is shown; `str`, as the author wrote it, until the slots are filled.
    slot_text: ValueOf = field(default=str, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "only_code", self._only_code())
        object.__setattr__(self, "has_slots", any(self._has_slots()))

    def _only_code(self) -> str | None:
        one = self.alternatives[0] if len(self.alternatives) == 1 else None
        if not isinstance(one, Short) or one.status or one.text is not None or "x" in one.code:
            return None
        asks_more = (
            any((self.has, self.lacks, self.capabilities, self.captures, self.untagged, self.message, self.until))
            or self.lines is not None
            or self.within is not None
        )
        return None if asks_more else one.code

    def _has_slots(self) -> Iterator[bool]:
        for one in self.alternatives:
            if isinstance(one, Block):
                yield any(line.text is not None and line.text.slots for line in one.lines)
            elif not isinstance(one, Word):
                yield isinstance(one, Given) or (one.text is not None and bool(one.text.slots))
        for pattern in (*self.has, *self.lacks, *self.untagged, *(one.what for one in self.captures)):
            yield not isinstance(pattern, str) and bool(pattern.slots)
        yield self.until is not None and self.until.pattern is not None and bool(self.until.pattern.slots)
        yield self.message is not None and self.message.has_slots

    def fill(self, value_of: ValueOf, slot_text: ValueOf = str) -> Expectation:
        """Return the expectation with its placeholders' values in it; `slot_text` is how they may be shown.

        Raises:
            ExpectationError: a value can't stand where its placeholder does.
        """
        if not self.has_slots:
            return self
        return replace(
            self,
            alternatives=tuple(one if isinstance(one, Word) else one.fill(value_of) for one in self.alternatives),
            has=tuple(pattern.fill(value_of) for pattern in self.has),
            lacks=tuple(pattern.fill(value_of) for pattern in self.lacks),
            captures=tuple(
                one if isinstance(one.what, str) else replace(one, what=one.what.fill(value_of))
                for one in self.captures
            ),
            untagged=tuple(pattern.fill(value_of) for pattern in self.untagged),
            message=self.message.fill(value_of, slot_text) if self.message is not None else None,
            until=self.until.fill(value_of) if self.until is not None else None,
            slot_text=slot_text,
        )

    def wants(self, word: Word) -> bool:
        """Whether the word is one of the alternatives."""
        return word in self.alternatives

    def __str__(self) -> str:
        return either(self.alternatives, self.slot_text)
