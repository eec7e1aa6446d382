"""`talk`: a dialogue as RFCs print it. `C: ` lines are sent, `S: ` lines expected, `#` lines are comments.

Lines `S: 250-…` that continue a reply make one block with what follows; after a 354 the `C: ` lines are the
message until `C: .`. Where a reply does not say itself where it ends (POP3, IMAP, ManageSieve) it goes to the next
`C: ` line; tags of IMAP are left out. Each line keeps its place in the file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import Span
from runner.language.body import Body
from runner.language.expecting import expectation_of
from runner.language.model import Data, Exchange, Send, Step
from runner.language.template import Template, parse_text
from runner.language.verbs.compiler import StepCompiler, shorten
from runner.matching.expectation import Block, Expectation, Short, Word, code_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.language.loader import Scalar

_MESSAGE_FOLLOWS = "354"
# A line of a reply that goes on.
_GOES_ON = re.compile(r"[0-9]{3}-| *\.\.\. *\Z")
# The server asks for more of a command (RFC 9051 section 7.5); what follows is no part of that reply.
_GO_AHEAD = re.compile(r"\+(?: |\Z)")
# RFC 9051 section 7.1.5.
_GOING_AWAY = re.compile(r"BYE(?: |\Z)", re.IGNORECASE)


_LINES_BEGIN = "a line of a talk begins with 'C: ' or 'S: '; '#' begins a comment"


@dataclass(frozen=True, slots=True)
class _Line:
    who: str
    text: str
    offset: int


def compile_talk(compiler: StepCompiler, scalar: Scalar) -> tuple[Step, ...]:
    """Compile a dialogue to steps; problems are located at their line."""
    before = len(compiler.reading.problems)
    steps = tuple(_Talk(compiler, scalar).steps())
    if not steps and len(compiler.reading.problems) == before:
        compiler.reading.fail(scalar.span, "a talk without a line", _LINES_BEGIN)
    return steps


def _lines(compiler: StepCompiler, scalar: Scalar) -> Iterator[_Line]:
    offset = 0
    for line in scalar.text.split("\n"):
        who, text = line[:2], line[2:]
        if who in ("C:", "S:") and (not text or text[0] == " "):
            yield _Line(who[0], text[1:], offset + min(3, len(line)))
        elif line.strip(" ") and not line.lstrip(" ").startswith("#"):
            compiler.reading.fail(
                scalar.span_at(offset, len(line)),
                f"'{shorten(line)}' is neither a client's nor a server's line",
                _LINES_BEGIN,
            )
        offset += len(line) + 1


def _dedented(lines: list[_Line], compiler: StepCompiler) -> list[_Line]:
    """Return lines without the blanks that all have in common, as RFC 9051 prints them; a message keeps its own."""
    texts = [line.text for line in lines if line.text]
    if compiler.reading.machine.head_at is None or not texts:
        return lines
    common = min(len(text) - len(text.lstrip(" ")) for text in texts)
    return [_Line(line.who, line.text[common:], line.offset + min(common, len(line.text))) for line in lines]


class _Talk:
    def __init__(self, compiler: StepCompiler, scalar: Scalar) -> None:
        self._compiler = compiler
        self._scalar = scalar
        self._lines = _dedented(list(_lines(compiler, scalar)), compiler)
        self._at = 0

    def steps(self) -> Iterator[Step]:
        previous, in_message = "", False
        while self._at < len(self._lines):
            line = self._lines[self._at]
            step: Exchange
            if line.who == "S":
                step = self._expect_alone()
            elif in_message:
                step = self._message()
            else:
                step = self._send(line)
                previous = line.text
            in_message = self._message_follows(step.expect, previous)
            yield self._compiler.after(step)

    def _place(self, lines: list[_Line]) -> Callable[[int, int], Span]:
        """Return what leads from an offset of what lines say together back to its own line of the file."""
        starts = list(accumulate((len(line.text) + 1 for line in lines), initial=0))

        def span_at(at: int, width: int) -> Span:
            number = min(bisect_right(starts, at), len(lines)) - 1
            return self._scalar.span_at(lines[number].offset + at - starts[number], width)

        return span_at

    def _template(self, lines: list[_Line], *, is_message: bool = False, end: str = "") -> Template:
        """Parse what lines say together."""
        span_at = self._place(lines)
        place = span_at(0, max(1, len(lines[0].text)))
        text = "\n".join(line.text for line in lines) + end
        template = parse_text(text, span_at, place, self._compiler.reading.problems, is_message=is_message)
        return self._compiler.reading.noted(template)

    def _send(self, line: _Line) -> Send:
        self._at += 1
        template = self._template([line])
        inner = self._compiler.inner(template.span, f"C: {line.text}")
        step = self._compiler.send(template, in_talk=True, **inner)
        return replace(step, expect=self._reply())

    def _expect_alone(self) -> Exchange:
        line = self._lines[self._at]
        expectation = self._reply()
        span = self._scalar.span_at(line.offset, max(1, len(line.text)))
        return Exchange(**self._compiler.inner(span, f"S: {line.text}"), expect=expectation)

    def _reply(self) -> Expectation | None:
        """Read the lines of one reply, if the server's turn is next."""
        taken = self._lines_of_reply()
        if not taken:
            return None
        taken = self._without_star(taken)
        if (untagged := self._untagged(taken)) is not None:
            return untagged
        reading, before = self._compiler.reading, len(self._compiler.reading.problems)
        is_block = len(taken) > 1 or _GOES_ON.match(taken[0].text) is not None
        template = self._template(taken, end="\n" if is_block else "")
        if taken[0].text.startswith("[") and taken[0].text.endswith("]"):
            advice = f"alternatives want a step of their own: expect: {taken[0].text}"
            reading.fail(template.span, "a talk can't say alternatives", advice)
            return None
        if len(reading.problems) > before:
            return None
        alternative = reading.short_forms(self._place(taken)).read(template)
        if alternative is Word.SILENCE:
            advice = "write it as a step of its own: expect: silence, with for: 2s"
            reading.fail(template.span, "'silence' for how long? a talk can't say", advice)
        return expectation_of(reading, alternative, template.span) if alternative is not None else None

    def _lines_of_reply(self) -> list[_Line]:
        """Take the server's lines up to the end of a reply: where its last line can't tell, to the client's next."""
        machine = self._compiler.reading.machine
        taken: list[_Line] = []
        while self._at < len(self._lines) and self._lines[self._at].who == "S":
            line = self._lines[self._at]
            self._at += 1
            if line.text == "." and machine.head_at == 0 and taken:
                continue  # the end of what has several lines (RFC 1939 section 3), no line of it
            taken.append(line)
            if self._is_last(line.text):
                break
        return taken

    def _is_last(self, line: str) -> bool:
        """Whether a line ends a reply, as far as it can tell by itself."""
        machine = self._compiler.reading.machine
        if machine.head_at is None:
            return not _GOES_ON.match(line) or not machine.has_codes
        return machine.has_tags and _GO_AHEAD.match(line) is not None

    def _without_star(self, taken: list[_Line]) -> list[_Line]:
        """Take the star off a greeting and off a BYE: they are untagged in IMAP, and replies all the same."""
        machine, last = self._compiler.reading.machine, taken[-1]
        if not machine.has_tags or not last.text.startswith("* "):
            return taken
        bare = _Line(last.who, last.text[2:], last.offset + 2)
        is_first = not any(line.who == "C" for line in self._lines[: self._at])
        is_greeting = is_first and len(taken) == 1 and machine.code_grammar.match(bare.text)
        return [*taken[:-1], bare] if is_greeting or _GOING_AWAY.match(bare.text) else taken

    def _untagged(self, taken: list[_Line]) -> Expectation | None:
        """Return what lines ask that are all untagged: data that comes by itself (IDLE)."""
        reading = self._compiler.reading
        if not reading.machine.has_tags or not all(line.text.startswith("* ") for line in taken):
            return None
        bare = [_Line(line.who, line.text[2:], line.offset + 2) for line in taken]
        found = [reading.short_forms(self._place([line])).pattern(self._template([line])) for line in bare]
        return Expectation((Word.UNTAGGED,), untagged=tuple(one for one in found if one is not None))

    def _message(self) -> Data:
        first = self._lines[self._at]
        lines: list[_Line] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.who == "S":
                self._compiler.reading.fail(
                    self._scalar.span_at(line.offset, 1),
                    "the message before this reply has no end",
                    "end it with 'C: .'",
                )
                break
            self._at += 1
            if line.text == ".":
                break
            lines.append(line)
        else:
            self._compiler.reading.fail(
                self._scalar.span_at(first.offset, 1), "the message has no end", "end it with 'C: .'"
            )
        end = "\n" if lines else ""
        template = self._template(lines or [_Line("C", "", first.offset)], is_message=True, end=end)
        return Data(**self._compiler.inner(template.span, "the message"), body=Body(template), expect=self._reply())

    @staticmethod
    def _message_follows(expectation: Expectation | None, previous: str) -> bool:
        if expectation is None:
            return False
        is_data = previous.strip(" ").upper() == "DATA"
        for one in expectation.alternatives:
            if isinstance(one, Short) and code_fits(one.code, _MESSAGE_FOLLOWS) and (is_data or one.code == "354"):
                return True
            if isinstance(one, Block) and any(line.code == _MESSAGE_FOLLOWS for line in one.lines):
                return True
        return False
