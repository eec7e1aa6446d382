"""The short form of an expectation: `CODE [STATUS] [TEXT]`, words, and blocks of several lines.

The grammar is docs/language.md, "the short form, exactly". Codes and status codes are the protocol's; placeholders
become slots, so that a value is matched literally and never read as a pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import Problem, Span
from runner.language.template import Placeholder, Template, did_you_mean
from runner.matching.expectation import Alternative, Block, BlockLine, Given, Short, Word
from runner.matching.pattern import Pattern, PatternError, Slot, Source, compile_glob, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.protocol import Machine

_GAP = "\ufffc"
_STATUS_LIKE = re.compile(r"[0-9x*]\.[0-9x*]{1,3}(?:\.[0-9x*]{1,3})*")
_CODE3 = re.compile(r"[0-9]{3}(?=[- ]|\Z)")
_WORDS = {word.value: word for word in Word}
_CONNECT_WORDS = (Word.REFUSED, Word.RESET, Word.TIMEOUT)
_SLASH_ADVICE = "a regex is written /…/ with flags i, m, s; a glob that begins with '/' is written '\\/'"


@dataclass(frozen=True, slots=True)
class ShortFormReader:
    """Reads short forms for one protocol; problems are located by the template's span."""

    machine: type[Machine]
    problems: list[Problem]

    def read(self, template: Template, *, is_connect: bool = False) -> Alternative | None:
        """Return the alternative that a text stands for; None if it is wrong (and then a problem was added)."""
        flat = template.flat
        if "\n" in flat:
            return self._block(template)
        start, end = len(flat) - len(flat.lstrip(" ")), len(flat.rstrip(" "))
        template = template.split(end)[0].split(start)[1] if (start, end) != (0, len(flat)) else template
        flat = flat[start:end]
        if flat in _WORDS:
            return self._word(_WORDS[flat], template.span, is_connect=is_connect)
        return self._short(template, flat)

    def _word(self, word: Word, span: Span, *, is_connect: bool) -> Word | None:
        if word in _CONNECT_WORDS and not is_connect:
            self._fail(span, f"'{word.value}' is for the expect of 'connect'", "an ended connection is 'close'")
            return None
        return word

    def _short(self, template: Template, flat: str) -> Short | Given | None:
        span = template.span
        if flat.startswith(_GAP):
            head, rest = flat[:1], flat[1:]
        else:
            match = self.machine.code_grammar.match(flat)
            if match is None:
                self._no_code(span, flat)
                return None
            head, rest = match[0], flat[match.end() :]
        if rest and not rest.startswith(" "):
            self._glued(span, head, rest)
            return None
        after = len(flat) - len(rest.lstrip(" "))
        if head == _GAP:
            text = template.split(after)[1] if rest.strip(" ") else None
            return self._given(template, text)
        word = flat[after:].split(" ", 1)[0]
        status = ""
        if _GAP not in word and self.machine.status_grammar.fullmatch(word):
            if not self._class_fits(word, head):
                self._foreign_status(span, head, word)
                return None
            status = word
            after = len(flat) - len(flat[after + len(word) :].lstrip(" "))
        elif _GAP not in word and _STATUS_LIKE.fullmatch(word):
            self._foreign_status(span, head, word)
            return None
        if not flat[after:]:
            return Short(head, status)
        pattern = self.pattern(template.split(after)[1])
        return Short(head, status, pattern) if pattern is not None else None

    @staticmethod
    def _class_fits(status: str, code: str) -> bool:
        return code[0] in ("2", "4", "5", "x") and (status[0] in ("x", "*", code[0]) or code[0] == "x")

    def _given(self, template: Template, text: Template | None) -> Given | None:
        placeholder = template.parts[0]
        assert isinstance(placeholder, Placeholder)
        grammar = re.compile(f"(?:{self.machine.code_grammar.pattern})(?: +(?:{self.machine.status_grammar.pattern}))?")
        pattern = self.pattern(text) if text is not None else None
        if text is not None and pattern is None:
            return None
        return Given(Slot(placeholder), grammar, pattern)

    def pattern(self, template: Template) -> Pattern | None:
        """Compile a pattern, glob or `/regex/`; None if it is wrong (and then a problem was added)."""
        return self._compiled(compile_pattern, template)

    def glob(self, template: Template) -> Pattern | None:
        """Compile a glob; None if it is wrong."""
        return self._compiled(compile_glob, template)

    def _compiled(self, compile_source: Callable[[Source], Pattern], template: Template) -> Pattern | None:
        source = tuple(part if isinstance(part, str) else Slot(part) for part in template.parts)
        try:
            return compile_source(source)
        except PatternError as error:
            self._fail(template.span, str(error), error.advice)
            return None

    # Blocks.

    def _block(self, template: Template) -> Block | None:
        lines: list[BlockLine] = []
        codes: set[str] = set()
        rest: Template | None = template
        before = len(self.problems)
        while rest is not None and rest.flat:
            end = rest.flat.find("\n")
            line = rest.split(end)[0] if end >= 0 else rest
            rest = rest.split(end + 1)[1] if end >= 0 else None
            if (
                one := self._block_line(line if end else Template(("",), rest.span if rest else line.span))
            ) is not None:
                lines.append(one)
                codes.add(one.code)
        codes.discard("")
        if len(codes) > 1:
            self._fail(template.span, f"the lines of a reply carry one code, not {' and '.join(sorted(codes))}")
            return None
        return Block(tuple(lines)) if len(self.problems) == before else None

    def _block_line(self, line: Template) -> BlockLine | None:
        flat = line.flat
        if flat.strip(" ") == "...":
            return BlockLine("", None)
        code = _CODE3.match(flat)
        text = line.split(4)[1] if code and len(flat) > 4 else line if not code else Template(("",), line.span)
        pattern = self.glob(text)
        return BlockLine(code[0] if code else "", pattern) if pattern is not None else None

    # What is wrong, and what was meant.

    def _fail(self, span: Span, message: str, advice: str = "") -> None:
        self.problems.append(Problem(span, message, advice))

    def _no_code(self, span: Span, flat: str) -> None:
        word = flat.split(" ", 1)[0]
        shown = word.replace(_GAP, "${…}")
        if not flat:
            self._fail(span, "an empty expectation", "write a code such as 250, a word such as close, or any")
            return
        if word in _WORDS:
            advice = f"write '{word}' alone" if word != "any" else f"write '{flat[4:].strip()}' or 'any'"
            self._fail(span, f"nothing follows the word '{word}'", advice)
            return
        if re.match(r"[0-9]{3}(?:[^0-9]|\Z)", word):
            self._fail(
                span, f"'{shown}' is no reply code of {self.machine.name}", "codes are 200 to 599; x is any digit"
            )
            return
        near = did_you_mean(word, list(_WORDS), "")
        self._fail(
            span, f"'{shown}' is no reply code of {self.machine.name}", near or "write a code such as 250, 2xx or 25x"
        )
        return

    def _glued(self, span: Span, head: str, rest: str) -> None:
        shown = rest[1:].replace(_GAP, "${…}")
        if rest[0] == "-":
            self._fail(
                span,
                f"'{head}-' begins a reply's line; expect judges the whole reply",
                f"for a capability: expect: {head} and capabilities: [{shown.split(' ')[0] or 'STARTTLS'}]\n"
                "for all lines, a block: expect: |",
            )
            return
        self._fail(
            span, f"a blank is due after '{head.replace(_GAP, '${…}')}'", f"write '{head} {rest}'".replace(_GAP, "${…}")
        )
        return

    def _foreign_status(self, span: Span, code: str, word: str) -> None:
        self._fail(
            span,
            f"'{word}' looks like an enhanced status code but is none for {code}",
            "its class is the code's first digit (2, 4 or 5); as text, write it as a regex: /"
            + word.replace(".", "\\.")
            + "/",
        )
