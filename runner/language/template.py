"""Texts with placeholders: `${name}`, `${name:-default}`, `${name | filter | filter(3)}`, `$${` for a literal `${`.

A template is parsed once, when the file is read. Filling is one pass: a value is never parsed again, not as a
template, a pattern or protocol. Secrecy travels with a value, through filters and through variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field

from runner.dataclass import dataclass
from runner.errors import Problem, Span
from runner.language.filters import FILTERS, FilterError
from runner.language.loader import Scalar

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*"
NAME = re.compile(_NAME)
#: Names that a file may give to a variable, a secret or a capture: no dots, these are the built-ins'.
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
#: Stands for a placeholder in `Template.flat`.
GAP = "\ufffc"
_OPENING = re.compile(r"\$\$\{|\$\{")
_BODY = re.compile(rf" *({_NAME}) *(?::-([^|{{}}]*))?((?:\|[^|{{}}]*)*)\}}")
_FILTER = re.compile(r" *([A-Za-z_][A-Za-z0-9_]*) *(?:\(([^()]*)\))? *")
# A filter's number; no text can be repeated more often (`filters.REPEAT_LIMIT`).
_NUMBER = re.compile(r" *([0-9]{1,7}) *")
# The placeholder of other tools, also with a dollar in front; after `$$` it is meant as it stands.
_BRACES = re.compile(r"(?<!\$)\$?\{\{ *([A-Za-z_][\w.]*) *\}\}")
# What looks like a placeholder is quoted in a message up to this width.
_QUOTED_WIDTH = 60


class MissingValueError(Exception):
    """A placeholder has no value here; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """What stands for a placeholder: its text, and the names of the secrets it was made from."""

    text: str = field(repr=False)
    secrets: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """How it may be shown: a secret by its name."""
        return f"⟨{'+'.join(self.secrets)}⟩" if self.secrets else self.text


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
        filters = "".join(
            f" | {name}({number})" if FILTERS[name].takes_number else f" | {name}" for name, number in self.filters
        )
        return f"${{{self.name}{default}{filters}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and placeholders in order. `span` is where the text begins in its file.

    `start` is how many characters of that text, as written, stand before the first part: not 0 after a split.
    """

    parts: tuple[str | Placeholder, ...]
    span: Span
    start: int = field(default=0, compare=False)

    @property
    def is_literal(self) -> bool:
        """Whether it has no placeholders."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def placeholders(self) -> Iterator[Placeholder]:
        """Its placeholders, in order."""
        return (part for part in self.parts if isinstance(part, Placeholder))

    def fill(self, lookup: Lookup) -> Value:
        """Return the whole as one value; it is as secret as its parts.

        Raises:
            MissingValueError, FilterError: as `Placeholder.value`.
        """
        values = [Value(part) if isinstance(part, str) else part.value(lookup) for part in self.parts]
        secrets = dict.fromkeys(name for value in values for name in value.secrets)
        return Value("".join(value.text for value in values), tuple(secrets))

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
        head = Template(tuple(before), self.span, self.start)
        return head, Template(tuple(after), self.span, self.start + head.written_width)

    @property
    def flat(self) -> str:
        """Its text with a `GAP` for each placeholder: what the author wrote, without any value."""
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        return "".join([part if isinstance(part, str) else GAP for part in self.parts])

    @property
    def written_width(self) -> int:
        """How many characters it takes in its file, as long as nothing there is escaped."""
        return sum(map(_written_width, self.parts))

    def __str__(self) -> str:
        return "".join(part.replace("${", "$${") if isinstance(part, str) else str(part) for part in self.parts)


def _written_width(part: str | Placeholder) -> int:
    return len(part) + part.count("${") if isinstance(part, str) else part.span.width


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
        return Template((text,), span)
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
            continue
        at = body.end()
        place = span_at(opening.start(), at - opening.start())
        default = body[2].rstrip(" ") if body[2] and body[3] else body[2]
        parts.append(Placeholder(body[1], default, _filters(body[3], place, problems), place))
    literal += text[at:]
    return [*parts, literal] if literal or not parts else parts


def _broken(text: str, at: int, span_at: Callable[[int, int], Span]) -> Problem:
    end = text.find("}", at) + 1
    written = text[at:end]
    if not written or len(written) > _QUOTED_WIDTH or "\n" in written:
        return Problem(span_at(at, 2), "'${' without its '}'", "write ${name}; a literal '${' is written '$${'")
    return Problem(
        span_at(at, len(written)),
        f"'{written}' is no placeholder",
        "write ${name}, ${name:-default} or ${name | filter}; a literal '${' is written '$${'",
    )


def _filters(text: str, place: Span, problems: list[Problem]) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for word in text.split("|")[1:]:
        match = _FILTER.fullmatch(word)
        spec = FILTERS.get(match[1]) if match else None
        number = _NUMBER.fullmatch(match[2]) if match and match[2] is not None else None
        if match is None or spec is None:
            problems.append(_unknown_filter(word.strip(" "), place))
        elif spec.takes_number and number is None:
            advice = f"write {match[1]}(3); the number has at most seven digits"
            problems.append(Problem(place, f"the filter '{match[1]}' wants a number", advice))
        elif not spec.takes_number and match[2] is not None:
            problems.append(Problem(place, f"the filter '{match[1]}' takes nothing in brackets", f"write {match[1]}"))
        else:
            found.append((match[1], int(number[1]) if number else 0))
    return tuple(found)


def _unknown_filter(word: str, place: Span) -> Problem:
    if not word:
        return Problem(place, "no filter after '|'", f"the filters are: {', '.join(sorted(FILTERS))}")
    name, colon, default = word.partition(":-")
    if colon:
        advice = f"write ${{name:-{default} | {name.strip(' ')}}}"
        return Problem(place, "a default stands before the filters", advice)
    return Problem(place, f"unknown filter '{word}'", did_you_mean(word, FILTERS, "the filters are"))


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return advice for a misspelt word: the nearest known one, else all of them."""
    from difflib import get_close_matches  # noqa: PLC0415 -- few runs need it

    names = list(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"{otherwise}: {', '.join(sorted(names))}" if names and otherwise else ""
