"""The short form of an expectation: `CODE [STATUS] [TEXT]`, words, and blocks of several lines.

The grammar is docs/language.md, "the short form, exactly". Codes and status codes are the protocol's; placeholders
become slots, so that a value is matched literally and never read as a pattern.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import Problem, SourceFile, Span
from runner.language.slips import WANTS_QUOTES, quote
from runner.language.template import GAP, Placeholder, Template, did_you_mean
from runner.matching.expectation import Alternative, Block, BlockLine, Given, Short, Word
from runner.matching.pattern import Pattern, PatternError, Slot, Source, compile_glob, compile_pattern
from runner.protocol import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.protocol import Machine

_LINE_END = re.compile(r"\r\n|\r|\n")
_CODE3 = re.compile(r"[0-9]{3}(?=[- ]|\Z)")
_CODE_LIKE = re.compile(r"[0-9]{3}(?:[^0-9]|\Z)")
_WORDS = {word.value: word for word in Word}
_CODES = {"]": "[AUTHENTICATIONFAILED]", ")": "(QUOTA)"}
_CONNECT_WORDS = (Word.REFUSED, Word.RESET, Word.TIMEOUT)
# What other tools write between alternatives; as text it would be looked for in the reply.
_OR = re.compile(r" +(?:or|\|\|?) +(?=[^ ])", re.IGNORECASE)
_TAG_LIKE = re.compile(r"[A-Za-z]{0,4}[0-9]{1,6}")

_NOWHERE = Span(SourceFile("", ""), 1, 1)


@lru_cache(maxsize=1024)
def read_literal(machine: type[Machine], text: str, *, with_connect_words: bool) -> Alternative | None:
    """Return the alternative that a text without placeholders stands for; None if it is wrong or has placeholders.

    Scenarios say `250` and a few others over and over; what they stand for knows no place and can be shared.
    """
    if any(mark in text for mark in ("${", "{{", GAP)):
        return None
    problems: list[Problem] = []
    reader = ShortFormReader(machine, problems, lambda _offset, _width: _NOWHERE)
    one = reader.read(Template((text,), _NOWHERE), with_connect_words=with_connect_words)
    return None if problems else one


@dataclass(frozen=True, slots=True)
class ShortFormReader:
    """Reads short forms for one protocol; `span_at` gives the place of a character of the text being read.

    `session` is whose replies are meant, empty for the scenario's own.
    """

    machine: type[Machine]
    problems: list[Problem]
    span_at: Callable[[int, int], Span]
    session: str = ""

    def read(self, template: Template, *, with_connect_words: bool = False) -> Alternative | None:
        """Return the alternative that a text stands for; None if it is wrong (and then a problem was added)."""
        flat = template.flat
        if not flat.strip(" \r\n"):
            advice = f"write {self.machine.codes_told}, a word such as close, or any"
            self._fail(template.span, "an empty expectation", advice)
            return None
        if _LINE_END.search(flat):
            return self._block(template)
        start, end = len(flat) - len(flat.lstrip(" ")), len(flat.rstrip(" "))
        if end - start < len(flat):
            template = template.split(end)[0].split(start)[1]
            flat = flat[start:end]
        if flat in _WORDS:
            return self._word(_WORDS[flat], template, with_connect_words=with_connect_words)
        return self._short(template, flat) if self.machine.has_codes else self._plain(template)

    def _word(self, word: Word, template: Template, *, with_connect_words: bool) -> Word | None:
        if word in _CONNECT_WORDS and not with_connect_words:
            message = f"'{word.value}' is for the expect of 'connect'"
            self._fail(self._place(template), message, "an ended connection is 'close'")
            return None
        if word is Word.UNTAGGED and not self.machine.has_tags:
            self._no_code(template)
            return None
        return word

    def _plain(self, template: Template) -> Short | None:
        """Read what is a pattern as a whole, for there are no codes."""
        pattern = self.pattern(template)
        return Short("", text=pattern) if pattern is not None else None

    def _short(self, template: Template, flat: str) -> Short | Given | None:
        match = self.machine.code_grammar.match(flat)
        size = 1 if flat[0] == GAP else match.end() if match else 0
        head, rest = flat[:size], flat[size:]
        if not head or rest[:1].isdigit() or (head.isalpha() and rest[:1].isalpha()) or self._is_foreign(flat):
            self._no_code(template)
            return None
        if len(codes := _OR.split(flat)) > 1 and all(self.machine.code_grammar.fullmatch(one) for one in codes):
            advice = f"one of several codes is a list: [{', '.join(codes)}]"
            self._fail(self._place(template), f"'{flat}' asks for {codes[0]} with the rest as its text", advice)
            return None
        if rest and rest[0] != " ":
            self._glued(template, size)
            return None
        after = len(flat) - len(rest.lstrip(" "))
        if head == GAP:
            return self._given(template, template.split(after)[1] if flat[after:] else None)
        code = self._meant(head)
        found = self.machine.status_like.match(flat, after)
        # A value can't be a part of a status; as text it is compared with the reply's status in front.
        status = found[0] if found and GAP not in found[0] else ""
        if status:
            if fault := self._status_fault(status, code):
                self._fail(self._place(template, after, len(status)), *fault)
                return None
            after = len(flat) - len(flat[after + len(status) :].lstrip(" "))
        if not flat[after:]:
            return Short(code, status)
        pattern = self.pattern(template.split(after)[1])
        return Short(code, status, pattern) if pattern is not None else None

    def _meant(self, code: str) -> str:
        """Return a code as replies have it: where case does not matter, in upper case."""
        return code.upper() if self.machine.code_grammar.flags & re.IGNORECASE else code

    def _status_fault(self, status: str, code: str) -> tuple[str, str] | None:
        """Return what is wrong with a status that a reply with this code can't have, and what to write in its place."""
        is_status = self.machine.status_grammar.fullmatch(status) is not None
        if status[0] in "[(":
            closing = "]" if status[0] == "[" else ")"
            if not status.endswith(closing):
                return (
                    f"'{status}' begins like a response code, and its '{closing}' is missing",
                    f"write {status}{closing}",
                )
            advice = f"it is a name between {status[0]} and {closing}, such as {_CODES[closing]}"
            return None if is_status else (f"'{status}' begins like a response code and is none", advice)
        if not is_status:
            advice = "one is a class (2, 4 or 5) and two numbers, such as 5.7.1 or 5.7.x"
        elif code[0] == "3":
            advice = "a 3xx reply has none"
        elif "x" not in (code[0], status[0]) and status[0] not in ("*", code[0]):
            advice = f"its class is the code's first digit, {code[0]}"
        else:
            return None
        regex = f"/{status.replace('.', chr(92) + '.').replace('*', '.*')}/"
        wrong = f"'{status}' looks like an enhanced status code but is none for {code}"
        return wrong, f"{advice}; as text, write it as a regex: {regex}"

    def _given(self, template: Template, text: Template | None) -> Given | None:
        placeholder = template.parts[0]
        assert isinstance(placeholder, Placeholder)
        codes, statuses = self.machine.code_grammar, self.machine.status_grammar
        grammar = re.compile(f"(?:{codes.pattern})(?: +(?:{statuses.pattern}))?", codes.flags)
        pattern = self.pattern(text) if text is not None else None
        if text is not None and pattern is None:
            return None
        given = Given(Slot(placeholder), grammar, pattern)
        return given if self.machine.head_at is None else replace(given, told=self.machine.codes_told)

    def pattern(self, template: Template) -> Pattern | None:
        """Compile a pattern, glob or `/regex/`; None if it is wrong (and then a problem was added)."""
        return self._compiled(compile_pattern, template)

    def _compiled(self, compile_source: Callable[[Source], Pattern], template: Template) -> Pattern | None:
        source = tuple(part if isinstance(part, str) else Slot(part) for part in template.parts)
        try:
            return compile_source(source)
        except PatternError as error:
            self._fail(self._place(template, error.offset, 1), str(error), error.advice)
            return None

    # Blocks.

    def _block(self, template: Template) -> Block | None:
        lines: list[BlockLine] = []
        code, is_right = "", True
        written = list(_lines(template))
        head_at = self.machine.head_at
        for at, line in enumerate(written):
            has_code = head_at is None or at == head_at % len(written)
            one = self._block_line(line, has_code=has_code and self.machine.has_codes)
            if one is None:
                is_right = False
            elif one.code and code and one.code != code:
                message = f"the lines of a reply carry one code, not {code} and {one.code}"
                self._fail(self._place(line, 0, 3), message, "two replies are two steps, each with its expect")
                is_right = False
            else:
                code = one.code or code
                lines.append(one)
        if is_right and head_at is not None and self.machine.has_codes and not code:
            head = written[head_at]
            which = "first" if head_at == 0 else "last"
            advice = f"its {which} line begins with {self.machine.codes_told}"
            slip = self._tag_slip(head, head.flat.split(" ", 1)[0]) if self.machine.has_tags else None
            self._fail(self._place(head), *(slip or ("no line says how the reply turned out", advice)))
            return None
        return Block(tuple(lines)) if is_right else None

    def _block_line(self, line: Template, *, has_code: bool) -> BlockLine | None:
        flat = line.flat
        if flat.strip(" ") == "...":
            return BlockLine("", None)
        code = self._code_of_line(flat) if has_code else ""
        if code and not self.machine.code_grammar.fullmatch(code):
            self._no_code(line)
            return None
        pattern = self._compiled(compile_glob, line.split(len(code) + 1)[1] if code else line)
        return BlockLine(self._meant(code), pattern) if pattern is not None else None

    def _code_of_line(self, flat: str) -> str:
        """Return the code that a block's line begins with: three digits, right or not, or the word of a protocol."""
        grammar = _CODE3 if self.machine.head_at is None else self.machine.code_grammar
        match = grammar.match(flat)
        return match[0] if match and flat[match.end() :][:1] in ("", " ", "-") else ""

    # What is wrong, and what was meant.

    def _fail(self, span: Span, message: str, advice: str = "") -> None:
        self.problems.append(Problem(span, message, advice))

    def _place(self, template: Template, offset: int = 0, width: int = 0) -> Span:
        """Return the place of what stands at an offset of a template's `flat`; without a width, to its end."""
        at = template.split(offset)[1].start
        return self.span_at(at, width or max(1, template.written_width))

    def _no_code(self, template: Template) -> None:
        flat = template.flat
        word = flat.split(" ", 1)[0]
        if self.machine.has_tags and (slip := self._tag_slip(template, word)):
            self._fail(self._place(template), *slip)
            return
        shown = str(template.split(len(word))[0])
        lowered = self.machine.code_grammar.match(word.lower())
        message = f"'{shown}' is no reply code of {self._who}"
        words = {word: one for word, one in _WORDS.items() if one is not Word.UNTAGGED or self.machine.has_tags}
        if word in words:
            message, advice = f"nothing follows the word '{word}'", _word_advice(words[word], flat)
        elif flat.lower() in words:
            advice = f"write '{flat.lower()}'"
        elif others := _speakers(code := word[:3] if _CODE3.match(word) else word):
            advice = self._advice_on_protocol(code, others)
        elif self.machine.code_grammar.fullmatch(word.upper()):
            advice = f"write '{word.upper()}'"
        elif _CODE_LIKE.match(word):
            advice = "codes are 200 to 599; x is any digit"
            if self.machine.head_at is not None:
                advice = f"write {self.machine.codes_told}"
        elif lowered and lowered[0] != word and lowered.end() == len(word):
            advice = f"write '{lowered[0]}'"
        elif GAP in word:
            advice = "a placeholder stands for the whole code, such as ${reply}"
        else:
            advice = did_you_mean(word, words, "") or f"write {self.machine.codes_told}"
        self._fail(self._place(template), message, advice)

    @property
    def _who(self) -> str:
        return spoken(self.machine, self.session)

    def _is_foreign(self, flat: str) -> bool:
        """Whether a text begins with what is a code elsewhere, or in other case: `+OK` in IMAP, where `+` is a code."""
        word, grammar = flat.split(" ", 1)[0], self.machine.code_grammar
        if GAP in word or grammar.fullmatch(word):
            return False
        return grammar.fullmatch(word.upper()) is not None or bool(_speakers(word))

    def _advice_on_protocol(self, word: str, others: list[str]) -> str:
        """Return what to write for a code that other protocols have."""
        where = f"for the session '{self.session}' under sessions" if self.session else "at the top"
        protocols = " or ".join(f"protocol: {name}" for name in others)
        meant = f"{word} is a code of {', '.join(others)}: where that is spoken, write {protocols} {where}"
        return f"{meant}\nin {self.machine.name} write {self.machine.codes_told}"

    def _tag_slip(self, template: Template, word: str) -> tuple[str, str] | None:
        """Return what is wrong with a text that has before it what IMAP writes there, `* ` or a tag."""
        rest = template.split(len(word) + 1)[1]
        is_code = self.machine.code_grammar.fullmatch(rest.flat.partition(" ")[0]) is not None
        if word == "*" and is_code:
            return "'expect' is judged without the '* ' that IMAP puts before it", f"leave out the '* ': {rest}"
        if word == "*" and rest.flat:
            untagged = f"write untagged: {_quoted(str(rest))} beside the expect of the reply that it comes with"
            return f"'* {rest}' is untagged data, and no reply", f"{untagged}, such as expect: OK"
        if is_code and _TAG_LIKE.fullmatch(word):
            return f"'{word}' is a tag, and the runner writes those", f"leave it out: {rest}"
        return None

    def _glued(self, template: Template, size: int) -> None:
        head, rest = (str(one) for one in template.split(size))
        message = f"a blank is due after '{head}'"
        if rest[0] == "-":
            message = f"'{head}-' begins a reply's line; expect judges the whole reply"
            name = rest[1:].split(" ")[0] or "STARTTLS"
            advice = f"for a capability: expect: {head} and capabilities: [{name}]\nfor all lines, a block: expect: |"
        elif rest[0] in ",|/;":
            advice = f"one of several codes is a list: [{head}, {rest[1:].strip(' ') or '…'}]; text is '{head} {rest}'"
        else:
            advice = f"write '{head} {rest}'"
        self._fail(self._place(template), message, advice)


def _lines(template: Template) -> Iterator[Template]:
    """Cut a template at its line ends; none follows the last one."""
    start = 0
    for end in _LINE_END.finditer(template.flat):
        yield template.split(end.start())[0].split(start)[1]
        start = end.end()
    last = template.split(start)[1]
    if last.parts:
        yield last


def spoken(machine: type[Machine], session: str) -> str:
    """Return what is spoken, and by which session where that is not the scenario's own (then it is empty)."""
    return f"{machine.name}, which the session '{session}' speaks" if session else machine.name


def _speakers(word: str) -> list[str]:
    """Return the protocols that have a code, one of each set of codes."""
    found: dict[str, str] = {}
    for name, machine in PROTOCOLS.items():
        if machine.has_codes and machine.code_grammar.fullmatch(word):
            found.setdefault(machine.code_grammar.pattern, name)
    return list(found.values())


def _quoted(pattern: str) -> str:
    """Return a pattern as it is written in YAML."""
    return quote(pattern) if pattern[:1] in WANTS_QUOTES or ": " in pattern or " #" in pattern else pattern


def _word_advice(word: Word, flat: str) -> str:
    if word is Word.ANY:
        return f"write '{flat[4:].strip(' ')}' or 'any'"
    if word is Word.UNTAGGED:
        return "write 'untagged' alone, and what is to come beside it: untagged: '* EXISTS'"
    if word is Word.SILENCE:
        return "write 'silence' alone, and for: 2s beside it"
    return f"write '{word.value}' alone"
