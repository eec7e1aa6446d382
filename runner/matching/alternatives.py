"""What can come where a reply is due: a code with or without status and text, a block of lines, or a word.

Values as the author wrote them; nothing is judged here but whether a code and a status fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import field, replace
from enum import Enum

from runner.dataclass import dataclass
from runner.matching.lines import Block
from runner.matching.pattern import Pattern, Slot

ValueOf = Callable[[Slot], str]
"""What goes into a slot, or how a slot is shown."""


class Word(Enum):
    """What can come in place of a reply; the values are the words of the language."""

    ANY = "any"
    CLOSE = "close"
    SILENCE = "silence"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    UNTAGGED = "untagged"


class ExpectationError(Exception):
    """A placeholder's value can't stand where the expectation has it."""


@dataclass(frozen=True, slots=True)
class Short:
    """`CODE [STATUS] [TEXT]`: `x` in the code is any digit, `x` or `*` in the status any part."""

    code: str
    status: str = ""
    text: Pattern | None = None
    #: The placeholder that the code and the status were the value of.
    given: Slot | None = field(default=None, compare=False)

    def fill(self, value_of: ValueOf) -> Short:
        """Return the form with its placeholders' values in it."""
        return replace(self, text=self.text.fill(value_of)) if self.text is not None else self

    def show(self, slot_text: ValueOf) -> str:
        """Return the form as written, each slot shown by `slot_text`."""
        head = (self.code, self.status) if self.given is None else (slot_text(self.given),)
        text = "" if self.text is None else self.text.show(slot_text)
        return " ".join(part for part in (*head, text) if part)

    def __str__(self) -> str:
        return self.show(str)


@dataclass(frozen=True, slots=True)
class Given:
    """A placeholder in place of `CODE [STATUS]`; `grammar` is what its value must be, whole, and `told` says it."""

    slot: Slot
    grammar: re.Pattern[str]
    text: Pattern | None = None
    told: str = "a code such as '250' or '550 5.7.1'"

    def fill(self, value_of: ValueOf) -> Short:
        """Return the short form that the placeholder's value makes.

        Raises:
            ExpectationError: the value is no code with an optional status.
        """
        value = value_of(self.slot).strip(" ")
        if not self.grammar.fullmatch(value):
            raise ExpectationError(f"the value of {self.slot} is '{value}', where {self.told} is due")
        code, _, status = value.partition(" ")
        if self.grammar.flags & re.IGNORECASE:
            code = code.upper()
        text = self.text.fill(value_of) if self.text is not None else None
        return Short(code, status.strip(" "), text, self.slot)

    def show(self, slot_text: ValueOf) -> str:
        """Return the form as written, each slot shown by `slot_text`."""
        return Short("", text=self.text, given=self.slot).show(slot_text)

    def __str__(self) -> str:
        return self.show(str)


Alternative = Word | Short | Given | Block


def either(alternatives: Iterable[Alternative], slot_text: ValueOf = str) -> str:
    """Return the alternatives as they are shown, in one line where they are."""
    return " or ".join(one.value if isinstance(one, Word) else both(one, slot_text) for one in alternatives)


def both(one: Short | Given | Block | Pattern, slot_text: ValueOf) -> str:
    """Return what was written and, where that has placeholders, what it comes to with them filled.

    `slot_text` shows a slot's value; it is `str` where there are none.
    """
    written, filled = one.show(str), one.show(slot_text)
    if written == filled:
        return written
    mark = "\n" if "\n" in written else " "
    return f"{written}{mark}(filled: {filled})"


def code_fits(wanted: str, code: str) -> bool:
    """Whether a code fits; `x` stands for any character.

    >>> code_fits("25x", "250"), code_fits("2xx", "550")
    (True, False)
    """
    return wanted == code or (
        len(wanted) == len(code) and all(one in ("x", other) for one, other in zip(wanted, code, strict=True))
    )


def status_fits(wanted: str, status: str) -> bool:
    """Whether a status fits; trailing parts may be left out.

    Of an enhanced status code (RFC 3463) `x` and `*` are any part. The parts of a response code in brackets are its
    words (RFC 9051 section 7.1), `*` is any of them, case does not count; a name's own parts are between its slashes
    (RFC 2449 section 8, RFC 5804 section 1.3).

    >>> status_fits("5.7", "5.7.1"), status_fits("5.x.1", "5.7.0")
    (True, False)
    >>> status_fits("[APPENDUID]", "[APPENDUID 7 2]"), status_fits("(quota)", "(QUOTA/MAXSIZE)")
    (True, True)
    """
    if wanted[:1] in ("[", "("):
        return status[:1] == wanted[:1] and _words_fit(wanted[1:-1].upper().split(), status[1:-1].upper().split())
    asked, got = wanted.split("."), status.split(".")
    return bool(status) and all(one in ("x", "*", other) for one, other in zip(asked, got, strict=False))


def _words_fit(asked: list[str], got: list[str]) -> bool:
    if not asked or len(asked) > len(got):
        return False
    is_named = asked[0] == got[0] or got[0].startswith(f"{asked[0]}/")
    return is_named and all(one in ("*", other) for one, other in zip(asked[1:], got[1:], strict=False))
