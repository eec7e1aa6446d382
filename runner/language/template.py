"""Texts with placeholders: `${name}`, `${name:-default}`, `${name | filter | filter(3)}`, `$${` for a literal `${`.

A template is parsed once, when the file is read. Filling is one pass: a value is never parsed again, not as a
template, a pattern or protocol. Secrecy travels with a value, through filters and through variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from runner.errors import Problem, Span
from runner.language.filters import FILTERS, FilterError
from runner.language.loader import Scalar

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*"
NAME = re.compile(_NAME)
#: Names that a file may give to a variable, a secret or a capture: no dots, these are the built-ins'.
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_OPENING = re.compile(r"\$\$\{|\$\{")
_BODY = re.compile(rf" *({_NAME}) *(?::-([^|{{}}]*))?((?:\|[^|{{}}]*)*)\}}")
_FILTER = re.compile(r" *([A-Za-z_][A-Za-z0-9_]*) *(?:\( *([0-9]{1,7}) *\))? *")
_BRACES = re.compile(r"\{\{ *([A-Za-z_][\w.]*) *\}\}")


class MissingValueError(Exception):
    """A placeholder has no value here; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """What stands for a placeholder: its text, and the names of the secrets it was made from."""

    text: str = field(repr=False)
    secrets: tuple[str, ...] = ()


Lookup = Callable[[str], Value]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A named gap in a template. `filters` are names with their number (0 where none is taken)."""

    name: str
    default: str | None
    filters: tuple[tuple[str, int], ...]
    span: Span

    def value(self, lookup: Lookup) -> Value:
        """Return what stands for it.

        Raises:
            MissingValueError: it has no value and no default.
            FilterError: a filter can't take its value.
        """
        try:
            value = lookup(self.name)
        except MissingValueError:
            if self.default is None:
                raise
            value = Value("")
        if not value.text and self.default is not None:
            value = Value(self.default)
        text = value.text
        for name, number in self.filters:
            try:
                text = FILTERS[name].apply(text, number)
            except FilterError as error:
                raise FilterError(f"the value of '{self.name}' {error} (filter '{name}')") from error
        return Value(text, value.secrets) if self.filters else value

    def __str__(self) -> str:
        default = f":-{self.default}" if self.default is not None else ""
        filters = "".join(f" | {name}({number})" if number else f" | {name}" for name, number in self.filters)
        return f"${{{self.name}{default}{filters}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and placeholders in order. `span` is where the text begins in its file."""

    parts: tuple[str | Placeholder, ...]
    span: Span

    @property
    def is_literal(self) -> bool:
        """Whether it has no placeholders."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def placeholders(self) -> Iterator[Placeholder]:
        """Its placeholders, in order."""
        return (part for part in self.parts if isinstance(part, Placeholder))

    def pieces(self, lookup: Lookup) -> list[tuple[str, Value | None, str]]:
        """Return (text, value, name) for each part; value is None and name empty for what the author wrote.

        Raises:
            MissingValueError, FilterError: as `Placeholder.value`.
        """
        filled: list[tuple[str, Value | None, str]] = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append((part, None, ""))
            else:
                value = part.value(lookup)
                filled.append((value.text, value, part.name))
        return filled

    def fill(self, lookup: Lookup) -> Value:
        """Return the whole as one value; it is as secret as its parts.

        Raises:
            MissingValueError, FilterError: as `Placeholder.value`.
        """
        pieces = self.pieces(lookup)
        secrets = dict.fromkeys(name for _, value, _ in pieces if value for name in value.secrets)
        return Value("".join(text for text, _, _ in pieces), tuple(secrets))

    def split(self, offset: int) -> tuple[Template, Template]:
        """Cut at an offset of `flat`; a placeholder is never cut."""
        before: list[str | Placeholder] = []
        after: list[str | Placeholder] = []
        for part in self.parts:
            size = len(part) if isinstance(part, str) else 1
            if isinstance(part, str) and 0 < offset < size:
                before.append(part[:offset])
                after.append(part[offset:])
            else:
                (before if offset > 0 else after).append(part)
            offset -= size
        return Template(tuple(before), self.span), Template(tuple(after), self.span)

    @property
    def flat(self) -> str:
        """Its text with one U+FFFC for each placeholder: what the author wrote, without any value."""
        return "".join(part if isinstance(part, str) else "\ufffc" for part in self.parts)

    def __str__(self) -> str:
        return "".join(part.replace("${", "$${") if isinstance(part, str) else str(part) for part in self.parts)


def parse_template(scalar: Scalar, problems: list[Problem], *, is_message: bool = False) -> Template:
    """Parse a scalar's text. What is wrong is added to `problems`, located; the rest is still a template.

    In a message `{{ x }}` may be meant as it stands; elsewhere it is the slip for `${x}`.
    """
    return parse_text(scalar.text, scalar.span_at, scalar.span, problems, is_message=is_message)


def parse_text(
    text: str,
    span_at: Callable[[int, int], Span],
    span: Span,
    problems: list[Problem],
    *,
    is_message: bool = False,
) -> Template:
    """Parse a text whose characters lie in a file where `span_at(offset, width)` says."""
    if "${" not in text and "{{" not in text:
        return Template((text,), span)
    if not is_message and (braces := _BRACES.search(text)):
        place = span_at(braces.start(), len(braces[0]))
        problems.append(Problem(place, f"'{braces[0]}' is no placeholder", f"write ${{{braces[1]}}}"))
    return Template(tuple(_parts(text, span_at, problems)), span)


def _parts(text: str, span_at: Callable[[int, int], Span], problems: list[Problem]) -> list[str | Placeholder]:
    parts: list[str | Placeholder] = []
    literal, at = "", 0
    while opening := _OPENING.search(text, at):
        literal += text[at : opening.start()]
        at = opening.end()
        if opening[0] == "$${":
            literal += "${"
            continue
        if literal:
            parts.append(literal)
            literal = ""
        body = _BODY.match(text, at)
        if body is None:
            problems.append(_broken(text, opening.start(), span_at))
            return parts
        at = body.end()
        place = span_at(opening.start(), at - opening.start())
        parts.append(Placeholder(body[1], body[2], _filters(body[3], place, problems), place))
    literal += text[at:]
    return [*parts, literal] if literal or not parts else parts


def _broken(text: str, at: int, span_at: Callable[[int, int], Span]) -> Problem:
    end = text.find("}", at)
    if end < 0:
        return Problem(span_at(at, 2), "'${' without its '}'", "a literal '${' is written '$${'")
    return Problem(
        span_at(at, end + 1 - at),
        f"'{text[at : end + 1]}' is no placeholder",
        "write ${name}, ${name:-default} or ${name | filter}; a literal '${' is written '$${'",
    )


def _filters(text: str, place: Span, problems: list[Problem]) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for word in text.split("|")[1:]:
        match = _FILTER.fullmatch(word)
        spec = FILTERS.get(match[1]) if match else None
        if match is None or spec is None:
            problems.append(Problem(place, f"unknown filter '{word.strip()}'", _nearest_filter(word.strip())))
        elif spec.takes_number != (match[2] is not None):
            usage = f"{match[1]}(3)" if spec.takes_number else match[1]
            problems.append(Problem(place, f"the filter '{match[1]}' is written '{usage}'"))
        else:
            found.append((match[1], int(match[2] or 0)))
    return tuple(found)


def _nearest_filter(word: str) -> str:
    return did_you_mean(word, FILTERS, "the filters are")


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return advice for a misspelt word: the nearest known one, else all of them."""
    names = list(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"{otherwise}: {', '.join(sorted(names))}" if names and otherwise else ""
