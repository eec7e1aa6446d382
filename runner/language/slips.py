"""The classic slips of writing lines of a protocol in YAML, and what would be right.

Works on the text of a line and on PyYAML's marks; knows nothing of nodes. A line that only lacks quotes
comes with its mended form, so that the reader can go on below it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import Problem, SourceFile, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    import yaml

# `{{ name }}`, the placeholder of other tools.
BRACES = re.compile(r"\{\{-? *([A-Za-z_][\w.]*) *-?\}\}")
# The rules look at a line from many places; on a longer one (no scenario's) the parser's own words must do.
MAX_LINE = 500
GLUED_COMMENT = "a '#' after a blank begins a comment"

_GLUED = re.compile(r"[ \t](#+)(?=[^\s#])")
# What stands before a value: `- `, `key: `, or both.
_BEFORE_VALUE = re.compile(r"""\s*(?:- +)*(?:(?:[^\s'"{\[#][^:#]*?|'[^']*'|"[^"]*") *:(?: +|$))?""")
# A text up to its comment; in quotes that begin a word there is none.
_BEFORE_COMMENT = re.compile(r"""(?:(?<!\S)(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")(?!\S)|(?!\s+#(?:\s|$)).)*""")
_IN_QUOTES = re.compile(r"""'[^']*'|"[^"]*"|\$\{[^{}]*\}""")
# One value of a flow collection with a placeholder in it: from after `[`, `,` or `key: ` to before `,` or `]`.
_BARE_PLACEHOLDER = re.compile(
    r"""(?<![^\s\[{,])(?:(?!:\s)[^\[\]{},'"\s])(?:(?!:\s)[^\[\]{},'"])*(?:\{[^{}'"]*\}[^\[\]{},'"]*)+"""
)

WANTS_QUOTES = {sign: f"a text that starts with '{sign}' wants quotes" for sign in "*&!@%|>?[]{},"}
WANTS_QUOTES |= {
    "`": "a text that starts with a backtick wants quotes",
    "-": "a text that starts with '- ' wants quotes",
}


@dataclass(frozen=True, slots=True)
class Slip:
    """A syntax error explained; `mended` is its line as it should be, if that is certain enough."""

    problem: Problem
    mended: str = ""


def quote(text: str) -> str:
    """Return the text as a single-quoted scalar, the house's style."""
    return "'" + text.replace("'", "''") + "'"


def glued_comments(text: str) -> dict[int, int]:
    """Return the first place on each line (1-based line and column) of a ` #` that no blank follows.

    Whether it ends a plain text, which is the slip, or stands inside a quoted one only the nodes can tell.
    """
    if " #" not in text and "\t#" not in text:
        return {}
    found: dict[int, int] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if "#" in line and (match := _GLUED.search(line)):
            found[number] = match.start(1) + 1
    return found


def glued_comment_advice(value: str, line: str, column: int) -> str:
    """Return what to write for a text cut short by ` #5.1.1`."""
    rest = line[column - 1 :].rstrip()
    whole = f"{value} {rest}" if value else rest
    return f"write {quote(whole)} if it belongs to the text, '# ' with a blank if it is a comment"


def quoted_line(line: str) -> str:
    """Return the line with its value quoted, or nothing if it has none that a quote would mend.

    >>> quoted_line("  - send: Subject: x")
    "  - send: 'Subject: x'"
    """
    match = _BEFORE_VALUE.match(line)
    start = match.end() if match else 0
    value = _without_comment(line[start:])
    if not value or value[0] in "'\"":
        return ""
    return line[:start] + quote(value) + line[start:][len(value) :].rstrip()


def _without_comment(text: str) -> str:
    """Return what a line says, without the comment and the blanks behind it."""
    match = _BEFORE_COMMENT.match(text)
    return match[0].rstrip() if match else ""


def quoted_value(source: SourceFile, span: Span) -> str:
    """Return the advice to quote what stands at `span` to the end of its line, outside of `{ }` and `[ ]`."""
    line = source.line(span.line)
    match = _BEFORE_VALUE.match(line) if len(line) <= MAX_LINE else None
    if match is None or match.end() != span.column - 1:
        return ""
    sign = line[span.column - 1]
    return _write(WANTS_QUOTES.get(sign, "the text wants quotes"), quoted_line(line))


def _write(why: str, line: str) -> str:
    parts = (why, f"write: {line.strip()}" if line else "")
    return "\n".join(part for part in parts if part)


def explain(source: SourceFile, text: str, error: yaml.MarkedYAMLError) -> Slip:
    """Turn a syntax error of the parser into what the operator most likely did.

    `text` is what was parsed: the source's own text, but for lines mended before.
    """
    parsed = SourceFile(source.name, text)
    last = max(1, len(text.rstrip().splitlines()))

    def place(mark: yaml.Mark | None) -> tuple[int, int]:
        if mark is None:
            return 1, 1
        # The end of the file is where its last text ends, not an empty line below that.
        return (mark.line + 1, mark.column + 1) if mark.line < last else (last, len(parsed.line(last).rstrip()) + 1)

    number, column = place(error.problem_mark or error.context_mark)
    context = str(error.context or "")
    opening = place(error.context_mark)
    fault = _Fault(source, parsed, str(error.problem or ""), context, opening, number, column, parsed.line(number))
    for rule in _RULES if len(fault.line) <= MAX_LINE else ():
        slip = rule(fault)
        if slip is not None:
            return slip
    return _unknown(fault)


@dataclass(frozen=True, slots=True)
class _Fault:
    source: SourceFile
    parsed: SourceFile
    problem: str
    context: str
    opening: tuple[int, int]
    number: int
    column: int
    line: str

    @property
    def value_column(self) -> int:
        match = _BEFORE_VALUE.match(self.line)
        return (match.end() if match else 0) + 1

    def slip(self, column: int, width: int, message: str, advice: str, mended: str = "") -> Slip:
        span = Span(self.source, self.number, column, max(1, width))
        return Slip(Problem(span, message, advice), mended)

    def rest_of_line(self, number: int, column: int) -> Span:
        """Return the span from a place to the end of its line."""
        width = len(self.parsed.line(number).rstrip()) - column + 1
        return Span(self.source, number, column, max(1, width))

    def unquoted(self, message: str) -> Slip:
        """Say that the line's value wants quotes, and how it looks with them."""
        mended = quoted_line(self.line)
        column = self.value_column
        width = len(_without_comment(self.line[column - 1 :]))
        return self.slip(column, width, message, f"write: {mended.strip()}" if mended else "", mended)


def _tab(fault: _Fault) -> Slip | None:
    indent = fault.line[: len(fault.line) - len(fault.line.lstrip())]
    if "\t" not in indent:
        return None
    mended = indent.expandtabs(2) + fault.line.lstrip()
    return fault.slip(indent.index("\t") + 1, 1, "a tab as indentation", "indent with blanks, two a level", mended)


def _braces(fault: _Fault) -> Slip | None:
    match = BRACES.search(fault.line)
    if match is None:
        return None
    mended = BRACES.sub(r"${\1}", fault.line)
    message = f"'{match[0]}' is no placeholder"
    return fault.slip(match.start() + 1, len(match[0]), message, f"write: {mended.strip()}", mended)


def _colon(fault: _Fault) -> Slip | None:
    if "mapping values are not allowed" not in fault.problem:
        return None
    value = _without_comment(fault.line[fault.value_column - 1 :])
    if fault.column < fault.value_column or not value:
        advice = "line it up with the key that it belongs beside, or quote the text that it goes on"
        return fault.slip(fault.column, 1, "this line is indented as if it went on with the text above", advice)
    sign = "with ':' at its end" if value.endswith(":") and ": " not in value else "with ': ' in it"
    return fault.unquoted(f"a text {sign} wants quotes")


def _start(fault: _Fault) -> Slip | None:
    sign = fault.line[fault.value_column - 1 : fault.value_column]
    is_start = "cannot start any token" in fault.problem
    is_start = is_start or (sign in "*&!|>%" and _starts_wrongly(fault))
    is_start = is_start or (sign == "-" and "sequence entries are not allowed" in fault.problem)
    if not sign or sign not in WANTS_QUOTES or not is_start:
        return None
    return fault.unquoted(WANTS_QUOTES[sign])


def _starts_wrongly(fault: _Fault) -> bool:
    whiles = ("scanning an alias", "scanning an anchor", "scanning a block scalar", "scanning a tag", "directive")
    follows = fault.column > fault.value_column and "parsing a block" in fault.context
    return follows or any(words in fault.context for words in whiles)


def _bare_placeholder(fault: _Fault) -> Slip | None:
    line = fault.line
    bare = [match for match in _BARE_PLACEHOLDER.finditer(line) if _is_in_flow(line[: match.start()])]
    if not bare or bare[0].start() > fault.column:
        return None
    for match in reversed(bare):
        word = match[0].rstrip()
        line = line[: match.start()] + quote(word) + line[match.start() + len(word) :]
    message = "a placeholder inside '{ }' or '[ ]' wants quotes"
    width = len(bare[0][0].rstrip())
    return fault.slip(bare[0].start() + 1, width, message, f"write: {line.strip()}", line)


def _colon_in_flow(fault: _Fault) -> Slip | None:
    if "unexpected ':'" not in fault.problem:
        return None
    start = max(fault.line.rfind(sign, 0, fault.column - 1) for sign in "[{,") + 1
    start += len(fault.line[start:]) - len(fault.line[start:].lstrip())
    end = min((at for sign in ",]}" if (at := fault.line.find(sign, fault.column)) > 0), default=len(fault.line))
    word = fault.line[start:end].rstrip()
    mended = fault.line[:start] + quote(word) + fault.line[start + len(word) :]
    message = "a text with ':' at its end wants quotes"
    return fault.slip(start + 1, len(word), message, f"write: {mended.strip()}", mended)


def _is_in_flow(before: str) -> bool:
    bare = _IN_QUOTES.sub("", before)
    return (
        "'" not in bare and '"' not in bare and (bare.count("[") > bare.count("]") or bare.count("{") > bare.count("}"))
    )


def _escape_sign(fault: _Fault) -> Slip | None:
    if "escape character" not in fault.problem:
        return None
    advice = "use single quotes: a backslash is itself there"
    return fault.slip(fault.column, 1, "a backslash in double quotes begins an escape", advice)


def _open_quote(fault: _Fault) -> Slip | None:
    if "scanning a quoted scalar" not in fault.context:
        return None
    span = fault.rest_of_line(*fault.opening)
    sign = fault.parsed.line(span.line)[span.column - 1 : span.column]
    return Slip(Problem(span, f"the quote {sign} that opens here is never closed", "end the text with the same quote"))


def _after_quote(fault: _Fault) -> Slip | None:
    before = fault.line[: fault.column - 1].rstrip()
    sign = before[-1:]
    if sign not in ("'", '"') or not fault.line[fault.column - 1 :].strip() or "parsing a" not in fault.context:
        return None
    width = len(fault.line.rstrip()) - fault.column + 1
    if before.count(sign) > 1:
        advice = "quote the whole text; a ' inside single quotes is written ''"
        return fault.slip(fault.column, width, f"text after the closing quote {sign}", advice)
    advice = "look for a quote above that is never closed"
    return fault.slip(len(before), 1, f"this quote {sign} ends a text that began on a line above", advice)


def _unclosed(fault: _Fault) -> Slip | None:
    if "parsing a flow" not in fault.context:
        return None
    line, column, opening = _opening(fault)
    closing = "]" if opening == "[" else "}"
    advice = f"close it; a text that starts with '{opening}', or has brackets or ',' inside '[ ]', wants quotes"
    if line == fault.number:
        return fault.slip(fault.column, 1, f"',' or '{closing}' is due here", advice)
    span = Span(fault.source, line, column)
    return Slip(Problem(span, f"the '{opening}' that opens here is not closed by line {fault.number}", advice))


def _opening(fault: _Fault) -> tuple[int, int, str]:
    """Return line, column and sign of the bracket that is not closed.

    Where a value is missing the parser tells the place of that, and not of the bracket around it.
    """
    if "node" not in fault.context:
        return *fault.opening, "[" if "sequence" in fault.context else "{"
    closed = 0
    for number in range(fault.number, 0, -1):
        line = fault.parsed.line(number)
        text = _IN_QUOTES.sub(
            lambda match: " " * len(match[0]), line[: fault.column - 1] if number == fault.number else line
        )
        for at in range(len(_without_comment(text)) - 1, -1, -1):
            closed += (text[at] in "]}") - (text[at] in "[{")
            if closed < 0:
                return number, at + 1, text[at]
    return *fault.opening, "{"


def _no_key(fault: _Fault) -> Slip | None:
    if "could not find expected ':'" not in fault.problem:
        return None
    span = fault.rest_of_line(*fault.opening)
    return Slip(Problem(span, "neither 'key: value' nor '- item'", "a text that goes on wants deeper indentation"))


def _indentation(fault: _Fault) -> Slip | None:
    if "parsing a block" not in fault.context:
        return None
    what = "mapping" if "mapping" in fault.context else "list"
    advice = f"it continues neither the {what} that begins on line {fault.opening[0]} nor what is around it"
    return fault.slip(fault.column, 1, "this line doesn't fit here; look at its indentation", advice)


def _unknown(fault: _Fault) -> Slip:
    if "nesting depth" in fault.problem:
        return fault.slip(fault.column, 1, "too many brackets inside one another", "")
    words = " ".join(part for part in (fault.context, fault.problem) if part).lower()
    return fault.slip(fault.column, 1, f"not valid YAML: {words}", "")


_RULES: tuple[Callable[[_Fault], Slip | None], ...] = (
    _tab,
    _braces,
    _colon,
    _colon_in_flow,
    _bare_placeholder,
    _start,
    _escape_sign,
    _open_quote,
    _after_quote,
    _unclosed,
    _no_key,
    _indentation,
)
