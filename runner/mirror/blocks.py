"""Replies that a scenario writes out line by line. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from runner.matching.expectation import Block, Expectation
from runner.mirror.forms import Spoken
from runner.mirror.layouts import FILLERS, as_strings, imap_words, lines_for, offered, text_at
from runner.mirror.offers import Offers
from runner.mirror.samples import LED, WORDS
from runner.mirror.situation import Situation, concrete_code, usual_code


def of_block(wanted: Expectation, block: Block, situation: Situation, variant: int) -> Iterator[Spoken]:
    """Iterate over replies that are a block line by line; what is wanted besides stands where `...` is."""
    name = situation.machine.name
    words = LED if name == "imap" else WORDS
    code = next((line.code for line in block.lines if line.code), "") or usual_code(situation)
    shown = offered(wanted, situation, code)
    capabilities = _capability_lines(name, shown)
    fixed = [text for line in block.lines if line.text is not None for text in text_at(line.text, variant, words)]
    if len(fixed) != sum(line.text is not None for line in block.lines):
        return
    known = {_name_in(line) for line in fixed}
    missing = [line for line in capabilities if _name_in(line) not in known]
    missing += lines_for(wanted, [*fixed, *missing], variant)
    if wanted.lines is not None:
        missing += [FILLERS.get(name, "mirror")] * (wanted.lines - len(fixed) - len(missing))
    for more in (missing, []) if missing else (missing,):
        lines = _in_order(block, iter(fixed), list(more))
        # What a step has read of the reply already is not said again.
        yield _from_lines(lines[situation.machine.line_count :], concrete_code(code, situation), situation)


def _name_in(line: str) -> str:
    return line.strip('"').partition(" ")[0].strip('"').upper()


def _capability_lines(name: str, shown: Offers) -> list[str]:
    if name == "imap":
        return [f"* CAPABILITY IMAP4rev1 {' '.join(imap_words(shown))}"] if shown else []
    return [as_strings(words) if name == "sieve" else " ".join(words) for words in shown]


def _in_order(block: Block, fixed: Iterator[str], more: list[str]) -> list[str]:
    lines: list[str] = []
    for line in block.lines:
        if line.text is not None:
            lines.append(next(fixed))
        else:
            lines += more
            more = []
    return lines


def _from_lines(lines: list[str], code: str, situation: Situation) -> Spoken:
    """Return a reply of these lines; the one with the code may have it written out."""
    machine = situation.machine
    if machine.name in ("smtp", "lmtp"):
        return Spoken(code, lines[0] if lines else "", tuple(lines[1:]))
    if machine.name == "tcp":
        return Spoken("", lines=tuple(lines))
    at = 0 if machine.head_at == 0 else len(lines) - 1
    head = lines.pop(at) if lines else ""
    word, _, rest = head.partition(" ")
    if machine.code_grammar.fullmatch(word):
        code, head = word.upper(), rest
    return Spoken(code, head, tuple(lines), has_end=situation.has_end and code == "+OK")
