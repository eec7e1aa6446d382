"""What a step asks of a message: values.

Nothing is judged here but whether a number is as asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from typing import Literal

from runner.dataclass import dataclass
from runner.matching.alternatives import ValueOf
from runner.matching.pattern import Pattern

Relation = Literal[">=", "<=", ">", "<", "="]


@dataclass(frozen=True, slots=True)
class Bound:
    """A demand on a number; `text` is the number as written, such as `10MB`."""

    relation: Relation
    number: int
    text: str

    def fits(self, number: int) -> bool:
        """Whether a number is as asked."""
        match self.relation:
            case ">=":
                return number >= self.number
            case "<=":
                return number <= self.number
            case ">":
                return number > self.number
            case "<":
                return number < self.number
            case _:
                return number == self.number

    def __str__(self) -> str:
        return self.text if self.relation == "=" else f"{self.relation} {self.text}"


@dataclass(frozen=True, slots=True)
class HeaderWish:
    """What is asked of the headers of one name: that there is one or none, that each pattern fits one or none."""

    name: str
    asks: Literal["fits", "lacks", "present", "absent"]
    patterns: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachmentWish:
    """What is asked of the attachments: how many there are, which file names one has and which none has."""

    count: Bound | None = None
    names: tuple[Pattern, ...] = ()
    lacks: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageExpectation:
    """All that a step asks of a message."""

    headers: tuple[HeaderWish, ...] = ()
    body: tuple[Pattern, ...] = ()
    lacks: tuple[Pattern, ...] = ()
    size: Bound | None = None
    attachments: AttachmentWish | None = None
    has_slots: bool = field(default=False, init=False, compare=False)
    #: How a slot's value is shown; `str`, as the author wrote it, until the slots are filled.
    slot_text: ValueOf = field(default=str, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_slots", any(pattern.slots for pattern in self._patterns()))

    def _patterns(self) -> Iterator[Pattern]:
        for wish in self.headers:
            yield from wish.patterns
        yield from (*self.body, *self.lacks)
        if self.attachments is not None:
            yield from (*self.attachments.names, *self.attachments.lacks)

    def fill(self, value_of: ValueOf, slot_text: ValueOf = str) -> MessageExpectation:
        """Return the expectation with its placeholders' values in it; `slot_text` is how they may be shown."""
        if not self.has_slots:
            return self

        def filled(patterns: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
            return tuple(pattern.fill(value_of) for pattern in patterns)

        wish = self.attachments
        return replace(
            self,
            headers=tuple(replace(one, patterns=filled(one.patterns)) for one in self.headers),
            body=filled(self.body),
            lacks=filled(self.lacks),
            attachments=wish and replace(wish, names=filled(wish.names), lacks=filled(wish.lacks)),
            slot_text=slot_text,
        )
