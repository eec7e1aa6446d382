"""What a rule is, what it finds, and the registry that the rules put themselves into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import Problem, Span

if TYPE_CHECKING:
    from runner.authoring.lint.subject import Subject


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a file's text: `width` characters at a place (1-based) become `text`.

    With `takes_line` nothing is left of the line.
    """

    line: int
    column: int
    width: int
    text: str
    takes_line: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of a place: what is wrong and what would be right.

    `step` is the line that the step begins on, 0 outside of steps. `edit` mends it, where that is safe, and `mended`
    says what was done.
    """

    rule: str
    span: Span
    message: str
    advice: str = ""
    step: int = 0
    edit: Edit | None = None
    mended: str = ""

    def render(self) -> str:
        """Return it as errors are shown, with its rule."""
        return Problem(self.span, f"{self.message} [{self.rule}]", self.advice).render()


Check = Callable[["Subject"], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: `says` is one sentence, `example` a file that it finds something in, `remedy` the same put right.

    A pedantic one runs only when asked for.
    """

    id: str
    says: str
    why: str
    example: str
    remedy: str
    check: Check
    is_pedantic: bool = False


RULES: dict[str, Rule] = {}


def in_order() -> list[Rule]:
    """Return the rules as they are shown, the pedantic ones last."""
    return sorted(RULES.values(), key=lambda one: (one.is_pedantic, one.id))


def rule(
    rule_id: str, *, says: str, why: str, example: str, remedy: str, is_pedantic: bool = False
) -> Callable[[Check], Check]:
    """Return the decorator that registers a check as a rule."""

    def register(check: Check) -> Check:
        RULES[rule_id] = Rule(rule_id, says, why, example.lstrip("\n"), remedy.lstrip("\n"), check, is_pedantic)
        return check

    return register
