"""Rules over what steps expect: what holds for every reply, and what holds for none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.authoring.lint.conversation import SMTP
from runner.authoring.lint.outcomes import codes_of
from runner.authoring.lint.rules import Edit, Finding, rule
from runner.authoring.lint.subject import Placed, Subject
from runner.errors import Span
from runner.language.model import Exchange, Send
from runner.language.nodes import Node, Scalar
from runner.language.reading import items, pairs
from runner.matching.expectation import Alternative, Block, CapabilityWish, Expectation, Given, Short, Word, code_fits
from runner.matching.glob import Glob, Wild
from runner.matching.pattern import Pattern
from runner.matching.regex import Regex
from runner.matching.regex_tree import Choice, Edge, Group, Repeat, Sequence, shortest
from runner.matching.regex_tree import Node as RegexNode

# ` *` at the end of a short form, which says no more than nothing.
_STAR_AT_END = re.compile(r" +\*+$")
_PATTERN_KEYS = ("has", "lacks")


def _expecting(subject: Subject) -> Iterator[tuple[Placed, Exchange, Expectation]]:
    for placed in subject.all_steps():
        step = placed.step
        if isinstance(step, Exchange) and step.expect is not None:
            yield placed, step, step.expect


def _written(placed: Placed, key: str) -> list[Node]:
    return list(items(placed.node.get(key))) if placed.node is not None else []


def _at(placed: Placed, written: list[Node], number: int) -> Span:
    return written[number].span if number < len(written) else placed.step.span


# Everything matches.


def matches_everything(pattern: Pattern) -> bool:
    """Whether a pattern fits any text; one that names a group takes something from it and is not meant."""
    if isinstance(pattern, Glob):
        return bool(pattern.tokens) and all(token is Wild.RUN for token in pattern.tokens)
    return isinstance(pattern, Regex) and not pattern.groups and _is_always_there(pattern.syntax.root)


def _is_always_there(node: RegexNode) -> bool:
    """Whether a regex is found in every text: it needs no character, and its edges are everywhere."""
    if isinstance(node, Edge):
        return node in (Edge.START, Edge.LINE_START, Edge.END, Edge.LINE_END)
    if isinstance(node, Sequence):
        # `^.*$` is everywhere as long as dots lie between; `^$` only where nothing is.
        edges = [item for item in node.items if isinstance(item, Edge)]
        most = 2 if any(map(_is_any_run, node.items)) else 1
        return len(edges) <= most and all(map(_is_always_there, node.items))
    if isinstance(node, Choice):
        return any(map(_is_always_there, node.branches))
    if isinstance(node, Group):
        return _is_always_there(node.item)
    return isinstance(node, Repeat) and node.least == 0


def _is_any_run(node: RegexNode) -> bool:
    if isinstance(node, Group):
        return _is_any_run(node.item)
    return isinstance(node, Repeat) and node.least == 0 and node.most is None


@rule(
    "matches-everything",
    says="A pattern matches every text.",
    why="It looks like a demand and asks nothing; a wrong text would pass.",
    example="""
name: The greeting is ours
steps:
  - expect: 220 *
""",
    remedy="""
name: The greeting is ours
steps:
  - expect: 220 mail.example.com *
""",
)
def _everything(subject: Subject) -> Iterator[Finding]:
    for placed, _, expectation in _expecting(subject):
        written = _written(placed, "expect")
        for number, one in enumerate(expectation.alternatives):
            if not isinstance(one, Short | Given) or one.text is None or not placed.machine.has_codes:
                continue  # where there are no codes, `*` is how any line is asked for
            if matches_everything(one.text):
                yield _everything_in(placed, one, written[number] if number < len(written) else None)
        for number, pattern in enumerate(expectation.has):
            if matches_everything(pattern):
                place = _at(placed, _written(placed, "has"), number)
                yield Finding(
                    "matches-everything",
                    place,
                    f"'{pattern}' is in every reply",
                    "say what must be there, or leave 'has' out",
                    placed.step.span.line,
                )


def _everything_in(placed: Placed, one: Short | Given, node: Node | None) -> Finding:
    scalar = node if isinstance(node, Scalar) else None
    head = str(one).removesuffix(str(one.text)).strip()
    place = scalar.span if scalar is not None else placed.reply_place()
    written = scalar.text if scalar is not None else place.source.line(place.line)[place.column - 1 :].rstrip()
    edit = None
    if star := _STAR_AT_END.search(written):
        stars = star[0].lstrip(" ")
        at = star.end() - len(stars)
        place = scalar.span_at(at, len(stars)) if scalar is not None else _moved(place, at, len(stars))
        if place.source.line(place.line)[place.column - 1 :].startswith(stars):
            edit = Edit(place.line, place.column - (len(star[0]) - len(stars)), len(star[0]), "")
    message, advice = f"'{one.text}' matches every text", f"write {head} alone, or what the text must be"
    mended = f"'{one}' is '{head}' now" if edit else ""
    return Finding("matches-everything", place, message, advice, placed.step.span.line, edit, mended)


def _moved(place: Span, offset: int, width: int) -> Span:
    return Span(place.source, place.line, place.column + offset, width)


# Nothing matches.


@rule(
    "never-matches",
    says="A regex can match no text.",
    why="The step always fails (or, in `lacks`, always holds), whatever the server does.",
    example="""
name: The greeting is ours
steps:
  - expect: 220 /mail.example.com$ ESMTP/
""",
    remedy="""
name: The greeting is ours
steps:
  - expect: 220 /mail.example.com ESMTP/
""",
)
def _nothing(subject: Subject) -> Iterator[Finding]:
    for placed, _, expectation in _expecting(subject):
        texts = [one.text for one in expectation.alternatives if isinstance(one, Short | Given) and one.text]
        for key, patterns in (("expect", texts), ("has", expectation.has), ("lacks", expectation.lacks)):
            for pattern in patterns:
                if isinstance(pattern, Regex) and _is_impossible(pattern.syntax.root):
                    message = f"nothing matches '{pattern}': there is text before its start or behind its end"
                    advice = "'^' and '$' stand at the ends; the signs themselves are '\\^' and '\\$'"
                    yield Finding("never-matches", placed.place(key), message, advice, placed.step.span.line)


def _is_impossible(node: RegexNode) -> bool:
    """Whether an end of the text stands before what takes a character, or a start behind it."""
    if isinstance(node, Group):
        return _is_impossible(node.item)
    if isinstance(node, Choice):
        return all(map(_is_impossible, node.branches))
    if isinstance(node, Repeat):
        return node.least > 0 and _is_impossible(node.item)
    if not isinstance(node, Sequence):
        return False
    if any(map(_is_impossible, node.items)):
        return True
    ends = [at for at, item in enumerate(node.items) if item is Edge.END]
    starts = [at for at, item in enumerate(node.items) if item is Edge.START]
    behind = any(shortest(item) for at in ends[:1] for item in node.items[at + 1 :])
    before = any(shortest(item) for at in starts[-1:] for item in node.items[:at])
    return behind or before


@rule(
    "contradiction",
    says="A step asks for two things that no reply can be at once.",
    why="It always fails, whatever the server does.",
    example="""
name: STARTTLS is offered
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
    has: STARTTLS
    lacks: STARTTLS
""",
    remedy="""
name: STARTTLS is offered
steps:
  - expect: 220
  - send: EHLO client.example.com
    expect: 250
    has: STARTTLS
""",
)
def _contradiction(subject: Subject) -> Iterator[Finding]:
    for placed, _, expectation in _expecting(subject):
        for place, message, advice in _contradictions(placed, expectation):
            yield Finding("contradiction", place, message, advice, placed.step.span.line)


def _contradictions(placed: Placed, expectation: Expectation) -> Iterator[tuple[Span, str, str]]:
    has = {str(pattern) for pattern in expectation.has}
    for number, pattern in enumerate(expectation.lacks):
        place = _at(placed, _written(placed, "lacks"), number)
        if str(pattern) in has:
            yield place, f"'{pattern}' must be there and must not", "leave it out of 'has' or of 'lacks'"
        elif matches_everything(pattern):
            yield place, f"'{pattern}' is in every reply, and none may have it", "say what must not be there"
    yield from _capability_contradictions(placed, expectation.capabilities)
    if expectation.lines is not None:
        for one in expectation.alternatives if len(expectation.alternatives) == 1 else ():
            least = sum(line.text is not None for line in one.lines) if isinstance(one, Block) else 0
            is_open = isinstance(one, Block) and any(line.text is None for line in one.lines)
            if least and (expectation.lines < least if is_open else expectation.lines != least):
                advice = "leave 'lines' out: the block says how many there are"
                yield placed.place("lines"), f"{expectation.lines} lines, and the block has {least}", advice


def _capability_contradictions(placed: Placed, wishes: tuple[CapabilityWish, ...]) -> Iterator[tuple[Span, str, str]]:
    """Names ignore case, so that one may stand twice in a mapping; `AUTH=X` is offered only where AUTH is."""
    absent = {wish.name for wish in wishes if wish.asks == "absent"}
    written = list(pairs(placed.node.get("capabilities"))) if placed.node is not None else []
    for wish in wishes:
        name = wish.name if wish.name in absent else wish.name.partition("=")[0]
        if wish.asks == "absent" or name not in absent:
            continue
        place = next((key.span for key, _ in written if key.text.upper() == wish.name), placed.step.span)
        yield place, f"{wish.name} must be offered, and {name} must not", "leave one of them out"


# Alternatives.


@rule(
    "shadowed-alternative",
    says="An alternative stands behind one that takes all that it would.",
    why="It changes nothing; most likely the one before it is too wide, or a slip.",
    example="""
name: Relaying is refused
steps:
  - expect: 220
  - send: RCPT TO:<bob@example.net>
    expect: [5xx, 550 5.7.1]
""",
    remedy="""
name: Relaying is refused
steps:
  - expect: 220
  - send: RCPT TO:<bob@example.net>
    expect: 550 5.7.1
""",
)
def _shadowed(subject: Subject) -> Iterator[Finding]:
    for placed, _, expectation in _expecting(subject):
        written = _written(placed, "expect")
        for number, one in enumerate(expectation.alternatives):
            wider = next((other for other in expectation.alternatives[:number] if _covers(other, one)), None)
            if wider is not None:
                place = _at(placed, written, number)
                message = f"'{_shown(one)}' is met by '{_shown(wider)}' before it"
                advice = f"leave it out, or leave out '{_shown(wider)}'"
                if _shown(one) == _shown(wider):
                    message, advice = f"'{_shown(one)}' stands here twice", "leave one of them out"
                yield Finding("shadowed-alternative", place, message, advice, placed.step.span.line)


def _shown(one: Alternative) -> str:
    return one.value if isinstance(one, Word) else str(one).strip()


def _covers(wide: Alternative, narrow: Alternative) -> bool:
    if isinstance(wide, Word) or isinstance(narrow, Word):
        return wide is narrow or (wide is Word.ANY and not isinstance(narrow, Word))
    if not (isinstance(wide, Short) and isinstance(narrow, Short)):
        return str(wide) == str(narrow)
    has_wider_code = bool(wide.code) and code_fits(wide.code, narrow.code)
    return has_wider_code and _status_covers(wide.status, narrow.status) and _text_covers(wide.text, narrow.text)


def _status_covers(wide: str, narrow: str) -> bool:
    if not wide or wide == narrow:
        return True
    parts, others = wide.split("."), narrow.split(".")
    if wide[0] in "[(" or not narrow or len(others) < len(parts):
        return False
    return all(one in ("x", "*", other) for one, other in zip(parts, others, strict=False))


def _text_covers(wide: Pattern | None, narrow: Pattern | None) -> bool:
    if wide is None or matches_everything(wide):
        return True
    return narrow is not None and str(wide) == str(narrow)


# Commands and their replies.

_NOT_FOR_COMMANDS = frozenset({"220", "221", "235", "334", "354"})
_PLAIN_COMMAND = re.compile(r"(?:EHLO|HELO|LHLO|MAIL FROM:|RCPT TO:|RSET\Z|NOOP)", re.IGNORECASE)
_DATA = re.compile(r"DATA *\Z", re.IGNORECASE)
_BARE_AUTH = re.compile(r"AUTH +(LOGIN|PLAIN|CRAM-MD5|DIGEST-MD5|SCRAM-\S+) *\Z", re.IGNORECASE)


@rule(
    "impossible-reply",
    says="A command is expected to be answered by a code that no server answers it with.",
    why="DATA is answered with 354 and AUTH LOGIN with 334 before anything succeeds; the 250 or 235 comes later.",
    example="""
name: A message is taken
steps:
  - talk: |
      S: 220
      C: EHLO client.example.com
      S: 250
      C: MAIL FROM:<${sender}>
      S: 250
      C: RCPT TO:<${recipient}>
      S: 250
  - send: DATA
    expect: 250
""",
    remedy="""
name: A message is taken
steps:
  - talk: |
      S: 220
      C: EHLO client.example.com
      S: 250
      C: MAIL FROM:<${sender}>
      S: 250
      C: RCPT TO:<${recipient}>
      S: 250
  - send: DATA
    expect: 354
  - data: This is a test.
    expect: 250
""",
)
def _impossible(subject: Subject) -> Iterator[Finding]:
    for placed in subject.all_steps():
        step = placed.step
        if placed.machine.name not in SMTP or not isinstance(step, Send) or step.response is not None:
            continue
        reader = subject.pairs.reader(step)
        if reader is None or reader.expect is None:
            continue
        codes = [code for one in reader.expect.alternatives for code in codes_of(one)]
        if len(codes) == len(reader.expect.alternatives) and (fault := _wrong_reply(step.line.flat, codes)):
            at = subject.placed(reader if reader.span.source.name == subject.source.name else step)
            yield Finding("impossible-reply", at.place("expect"), *fault, at.step.span.line)


def _wrong_reply(line: str, codes: list[str]) -> tuple[str, str] | None:
    shown = " or ".join(codes)
    is_success = all(code[0] == "2" for code in codes)
    if _DATA.match(line) and is_success:
        return f"DATA is answered with 354, not {shown}", f"expect: 354 here; {shown} comes after the message"
    if (auth := _BARE_AUTH.match(line)) and is_success:
        return f"AUTH {auth[1]} alone is answered with 334, not {shown}", f"expect: 334 here; {shown} comes at the end"
    if (command := _PLAIN_COMMAND.match(line)) and _NOT_FOR_COMMANDS.issuperset(codes):
        return f"{command[0].strip().split(' ')[0].upper()} is not answered with {shown}", "a success is 250"
    return None
