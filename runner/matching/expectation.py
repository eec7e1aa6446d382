"""A reply against an expectation: verdict, captures, and what differs.

Pure: it knows replies and patterns, nothing of time, sockets or files. A *wrong code* is told apart from every
other mismatch, because after one the two sides are out of step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from runner.matching.pattern import Match, Pattern, Slot, TooLong, nearest_miss
from runner.protocol.base import Reply

ValueOf = Callable[[Slot], str]


class Word(Enum):
    """What can come in place of a reply; the values are the words of the language."""

    ANY = "any"
    CLOSE = "close"
    SILENCE = "silence"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"


class ExpectationError(Exception):
    """A placeholder's value can't stand where the expectation has it."""


@dataclass(frozen=True, slots=True)
class Short:
    """`CODE [STATUS] [TEXT]`: `x` in the code is any digit, `x` or `*` in the status any part."""

    code: str
    status: str = ""
    text: Pattern | None = None

    def fill(self, value_of: ValueOf) -> Short:
        """Return the form with its placeholders' values in it."""
        return replace(self, text=self.text.fill(value_of)) if self.text is not None else self

    def __str__(self) -> str:
        return " ".join(part for part in (self.code, self.status, str(self.text or "")) if part)


@dataclass(frozen=True, slots=True)
class Given:
    """A placeholder in place of `CODE [STATUS]`; `grammar` is what its value must be, whole."""

    slot: Slot
    grammar: re.Pattern[str]
    text: Pattern | None = None

    def fill(self, value_of: ValueOf) -> Short:
        """Return the short form that the placeholder's value makes.

        Raises:
            ExpectationError: the value is no code with an optional status.
        """
        value = value_of(self.slot).strip(" ")
        if not self.grammar.fullmatch(value):
            raise ExpectationError(
                f"the value of {self.slot} is {value!r}, where a code such as '250' or '550 5.7.1' is due"
            )
        code, _, status = value.partition(" ")
        return Short(code, status.strip(" "), self.text.fill(value_of) if self.text is not None else None)

    def __str__(self) -> str:
        return f"{self.slot} {self.text}" if self.text is not None else str(self.slot)


@dataclass(frozen=True, slots=True)
class BlockLine:
    """One line of a block: a code (or none) and a glob on the text after it (None: any number of lines, `...`)."""

    code: str
    text: Pattern | None

    def __str__(self) -> str:
        if self.text is None:
            return "..."
        return f"{self.code} {self.text}".strip(" ")


@dataclass(frozen=True, slots=True)
class Block:
    """A whole reply, line by line. The character after the code is not compared."""

    lines: tuple[BlockLine, ...]

    def fill(self, value_of: ValueOf) -> Block:
        """Return the block with its placeholders' values in it."""
        return Block(
            tuple(line if line.text is None else replace(line, text=line.text.fill(value_of)) for line in self.lines)
        )

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self.lines)


Alternative = Word | Short | Given | Block

Comparison = Literal["required", "absent", "at least", "exactly", "lacks", ">=", "<=", ">", "<", "="]


@dataclass(frozen=True, slots=True)
class CapabilityWish:
    """What is asked of one capability: that it is there, that it is not, or what its parameters are.

    `parameters` are as written; with a comparison by size `size` is the number of bytes.
    """

    name: str
    asks: Comparison = "required"
    parameters: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Capture:
    """A variable taken from a reply: `code`, `status`, `text`, or what a regex finds in the whole reply."""

    name: str
    what: Literal["code", "status", "text"] | Pattern


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that a step asks of one reply. `within` is in seconds, `silence` how long nothing may come."""

    alternatives: tuple[Alternative, ...]
    has: tuple[Pattern, ...] = ()
    lacks: tuple[Pattern, ...] = ()
    lines: int | None = None
    capabilities: tuple[CapabilityWish, ...] = ()
    within: float | None = None
    captures: tuple[Capture, ...] = ()
    silence: float | None = None
    is_warning: bool = False
    #: The code if that is all that is asked, so that most replies are judged by one comparison.
    only_code: str = field(default="", compare=False)
    has_slots: bool = field(default=False, compare=False)

    def fill(self, value_of: ValueOf) -> Expectation:
        """Return the expectation with its placeholders' values in it.

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
            has_slots=False,
        )

    def wants(self, word: Word) -> bool:
        """Whether the word is one of the alternatives."""
        return word in self.alternatives

    def __str__(self) -> str:
        return " or ".join(one.value if isinstance(one, Word) else str(one) for one in self.alternatives)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that differs: which part, what was expected and what came, in the same notation."""

    part: str
    expected: str
    actual: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of judging one reply. `is_wrong_code`: no alternative has the reply's code."""

    mismatches: tuple[Mismatch, ...] = ()
    is_wrong_code: bool = False
    captures: Mapping[str, str] = field(default_factory=dict)


_FITS = Judgement()


def code_fits(wanted: str, code: str) -> bool:
    """Whether a code fits; `x` stands for any character.

    >>> code_fits("25x", "250"), code_fits("2xx", "550")
    (True, False)
    """
    return wanted == code or (
        len(wanted) == len(code) and all(one in ("x", other) for one, other in zip(wanted, code, strict=True))
    )


def status_fits(wanted: str, status: str) -> bool:
    """Whether an enhanced status code fits; `x` and `*` are any part, trailing parts may be left out (RFC 3463).

    >>> status_fits("5.7", "5.7.1"), status_fits("5.x.1", "5.7.0")
    (True, False)
    """
    asked, got = wanted.split("."), status.split(".")
    return bool(status) and all(one in ("x", "*", other) for one, other in zip(asked, got, strict=False))


def judge(
    expectation: Expectation,
    reply: Reply,
    capabilities: Mapping[str, tuple[str, ...]] | None = None,
    latency: float = 0.0,
) -> Judgement:
    """Judge a whole reply; `expectation` has no slots left.

    `capabilities` are those that the server shows now; `latency` is in seconds.
    """
    if reply.code == expectation.only_code:
        return _FITS
    fit = best_fit(expectation.alternatives, reply)
    mismatches = list(fit.mismatches)
    captures = dict(fit.captures)
    if not fit.is_wrong_code:
        mismatches += _judge_lines(expectation, reply, captures)
        mismatches += _judge_capabilities(expectation.capabilities, capabilities or {})
        mismatches += _take(expectation.captures, reply, captures)
    if expectation.within is not None and latency > expectation.within:
        mismatches.append(Mismatch("within", f"within {expectation.within:g} s", f"after {latency:.3f} s"))
    return Judgement(tuple(mismatches), fit.is_wrong_code, captures)


def best_fit(alternatives: tuple[Alternative, ...], reply: Reply) -> Judgement:
    """Return the judgement of the alternative that comes closest: one that fits, else one whose code does."""
    best: Judgement | None = None
    for one in alternatives:
        judgement = _judge_alternative(one, reply)
        if judgement is None:
            continue
        if not judgement.mismatches:
            return judgement
        if best is None and not judgement.is_wrong_code:
            best = judgement
    if best is not None:
        return best
    wanted = " or ".join(one.value if isinstance(one, Word) else str(one) for one in alternatives)
    return Judgement((Mismatch("code", wanted, str(reply)),), is_wrong_code=True)


def _judge_alternative(one: Alternative, reply: Reply) -> Judgement | None:
    """Judge by one alternative; None where its code does not fit (a word but `any` never fits a reply)."""
    if isinstance(one, Word):
        return _FITS if one is Word.ANY else None
    if isinstance(one, Block):
        return _judge_block(one, reply)
    assert isinstance(one, Short)
    if not code_fits(one.code, reply.code):
        return None
    if one.status and not status_fits(one.status, reply.enhanced):
        return Judgement((Mismatch("status", str(one), str(reply)),))
    if one.text is None:
        return _FITS
    try:
        match = _match_text(one.text, reply, with_status=not one.status)
    except TooLong as error:
        return Judgement((Mismatch("text", str(one), str(reply), str(error)),))
    if match is None:
        return Judgement((Mismatch("text", str(one), str(reply), _near(one.text, reply)),))
    return Judgement(captures=match.named)


def _match_text(pattern: Pattern, reply: Reply, *, with_status: bool) -> Match | None:
    """Match TEXT: one line must match, without its status, and where none was asked for also with it."""
    decoded = reply.decoded
    if decoded is not None:
        return pattern.match_line(decoded) or (Match(decoded) if str(pattern) == reply.texts[0] else None)
    for text in reply.texts:
        bare = reply.bare(text)
        if (match := pattern.match_line(bare)) or (
            with_status and bare != text and (match := pattern.match_line(text))
        ):
            return match
    return None


def _near(pattern: Pattern, reply: Reply) -> str:
    if reply.decoded is not None:
        return f"the challenge decodes to {reply.decoded!r}"
    hints = (nearest_miss(pattern, reply.bare(text)) for text in reply.texts)
    return next((hint for hint in hints if hint), "")


def _judge_block(block: Block, reply: Reply) -> Judgement | None:
    codes = [line.code for line in block.lines if line.code]
    if any(not code_fits(code, reply.code) for code in codes):
        return None
    if _lines_fit(block.lines, reply.texts):
        return _FITS
    return Judgement((Mismatch("lines", str(block), str(reply), _first_difference(block.lines, reply.texts)),))


def _lines_fit(wanted: tuple[BlockLine, ...], texts: list[str]) -> bool:
    """Match lines with `...` as a glob does characters: on a mismatch go back to the last `...` only."""
    at, text, star, resume = 0, 0, -1, 0
    while text < len(texts):
        pattern = wanted[at].text if at < len(wanted) else None
        if at < len(wanted) and pattern is None:
            star, resume = at, text
            at += 1
        elif pattern is not None and pattern.match_line(texts[text]):
            at, text = at + 1, text + 1
        elif star >= 0:
            resume += 1
            at, text = star + 1, resume
        else:
            return False
    return all(line.text is None for line in wanted[at:])


def _first_difference(wanted: tuple[BlockLine, ...], texts: list[str]) -> str:
    """Name the first line of the block that no line of the reply can be."""
    for line in wanted:
        if line.text is not None and not any(line.text.match_line(text) for text in texts):
            near = next((hint for hint in (nearest_miss(line.text, text) for text in texts) if hint), "")
            return f"no line fits {str(line)!r}" + (f": {near}" if near else "")
    return "every line has its like, but not in this order and number; '...' stands for any lines"


def _judge_lines(expectation: Expectation, reply: Reply, captures: dict[str, str]) -> list[Mismatch]:
    found: list[Mismatch] = []
    if expectation.lines is not None and expectation.lines != len(reply.lines):
        found.append(Mismatch("lines", f"{expectation.lines} lines", f"{len(reply.lines)} lines"))
    for pattern in expectation.has:
        match, hint = _search(pattern, reply)
        if match is None:
            found.append(Mismatch("has", f"has {pattern}", str(reply), hint))
        else:
            captures.update(match.named)
    for pattern in expectation.lacks:
        match, hint = _search(pattern, reply)
        if match is not None or hint:
            found.append(Mismatch("lacks", f"lacks {pattern}", match.text if match else str(reply), hint))
    return found


def _search(pattern: Pattern, reply: Reply) -> tuple[Match | None, str]:
    """Look for a pattern in a whole reply: a glob on one line (with or without its status), a regex on all of it."""
    texts = reply.texts
    try:
        match = pattern.search_text("\n".join(texts))
    except TooLong as error:
        return None, str(error)
    if match is None and not pattern.is_regex and reply.enhanced:
        match = pattern.search_text("\n".join(reply.bare(text) for text in texts))
    return match, ""


def _take(captures: tuple[Capture, ...], reply: Reply, into: dict[str, str]) -> list[Mismatch]:
    missing: list[Mismatch] = []
    for capture in captures:
        if capture.what == "code":
            into[capture.name] = reply.code
        elif capture.what == "text":
            decoded = reply.decoded
            into[capture.name] = "\n".join(map(reply.bare, reply.texts)) if decoded is None else decoded
        elif capture.what == "status":
            if reply.enhanced:
                into[capture.name] = reply.enhanced
            else:
                missing.append(Mismatch("capture", "an enhanced status code to capture", str(reply)))
        else:
            match, hint = _search(capture.what, reply)
            if match is not None:
                into[capture.name] = match.text
            else:
                missing.append(Mismatch("capture", f"{capture.what} to capture '{capture.name}'", str(reply), hint))
    return missing


def _judge_capabilities(wishes: tuple[CapabilityWish, ...], shown: Mapping[str, tuple[str, ...]]) -> list[Mismatch]:
    found = []
    for wish in wishes:
        parameters = shown.get(wish.name)
        if not _capability_fits(wish, parameters):
            actual = " ".join((wish.name, *parameters)) if parameters is not None else "not offered"
            hint = "" if parameters is not None else "offered: " + (", ".join(shown) or "nothing")
            found.append(Mismatch("capabilities", _wish_text(wish), actual, hint if wish.asks != "absent" else ""))
    return found


def _wish_text(wish: CapabilityWish) -> str:
    if wish.asks in ("required", "absent"):
        return f"{wish.name} {wish.asks}"
    joined = " ".join(wish.parameters)
    return f"{wish.name} {joined}" if wish.asks == "at least" else f"{wish.name} {wish.asks} {joined}"


def _capability_fits(wish: CapabilityWish, parameters: tuple[str, ...] | None) -> bool:
    if wish.asks == "absent":
        return parameters is None
    if parameters is None:
        return False
    asked, got = {word.upper() for word in wish.parameters}, {word.upper() for word in parameters}
    match wish.asks:
        case "required":
            return True
        case "at least":
            return asked <= got
        case "exactly":
            return asked == got
        case "lacks":
            return not asked & got
        case _:
            return _size_fits(wish, parameters)


def _size_fits(wish: CapabilityWish, parameters: tuple[str, ...]) -> bool:
    """Compare the first parameter by size; none, or 0, says that there is no fixed limit (RFC 1870 section 4)."""
    text = parameters[0] if parameters else "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return False
    size = int(text)
    no_limit = size == 0
    match wish.asks:
        case ">=":
            return no_limit or size >= wish.size
        case ">":
            return no_limit or size > wish.size
        case "<=":
            return not no_limit and size <= wish.size
        case "<":
            return not no_limit and size < wish.size
        case _:
            return size == wish.size
