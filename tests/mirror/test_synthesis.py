"""Replies made of expectations: whatever is expected, what is said is what the judge takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.matching.expectation import Block, BlockLine, Capture, Expectation, Short, Until, Word
from runner.matching.judging import best_fit, judge
from runner.matching.pattern import compile_pattern
from runner.mirror.samples import texts
from runner.mirror.situation import Situation
from runner.mirror.synthesis import CantSayError, accepted, synthesize, usual
from runner.protocol import PROTOCOLS, Limits

CODES = {
    "smtp": ["220", "250", "2xx", "25x", "354", "3xx", "4xx", "451", "5xx", "550"],
    "pop3": ["+OK", "-ERR"],
    "imap": ["OK"],
    "sieve": ["OK", "NO", "BYE"],
    "tcp": [""],
}
letters = st.text("abcXYZ019 -_.,:;@<>()'äß", max_size=8)
literals = letters.map(lambda text: text.replace("*", "").strip(" /"))
globs = st.lists(st.sampled_from(["*", "?", "\\*"]) | literals, min_size=1, max_size=6).map("".join)
atoms = st.sampled_from(["a", "Z", "\\d", "\\w", "\\s", ".", "[a-f]", "[^x]", "(?:ab|cd)", "(q)", "\\.", "é"])
counts = st.sampled_from(["", "", "+", "*", "?", "{2}", "{1,3}"])
regexes = st.lists(st.tuples(atoms, counts).map("".join), min_size=1, max_size=5).map("".join)
patterns = globs.filter(lambda text: text.strip() and not text.startswith("/")) | regexes.map(lambda one: f"/{one}/")


def pattern(text):
    return compile_pattern((text,))


def situation_of(protocol):
    machine = PROTOCOLS[protocol](Limits())
    machine.opened()
    return Situation(machine, machine.owed[0] if machine.owed else None)


@given(patterns)
def test_texts_fit(text):
    """A pattern takes every text that is made for it, and there is one."""
    made = pattern(text)
    found = texts(made)
    assert found
    assert [] == [one for one in found if (made.search_text(one) if made.is_regex else made.match_line(one)) is None]


@st.composite
def expectations(draw):
    """Return a protocol and what may be expected of a reply in it."""
    protocol = draw(st.sampled_from(list(CODES)))
    text = draw(st.none() | patterns)
    if protocol == "tcp":
        text = text or "*"
    more = draw(st.lists(patterns, max_size=2)) if protocol == "smtp" else []
    captures = draw(st.lists(regexes.map(lambda one: f"/{one}/"), max_size=1)) if protocol == "smtp" else []
    lines = draw(st.none() | st.just(9)) if protocol == "smtp" else None
    code = draw(st.sampled_from(CODES[protocol]))
    status = draw(st.sampled_from(["", f"{code[0]}.x", f"{code[0]}.1.2"])) if code[:1] in ("2", "4", "5") else ""
    return protocol, Expectation(
        (Short(code, status, pattern(text) if text is not None else None),),
        has=tuple(map(pattern, more)),
        lines=lines,
        captures=tuple(Capture("c", pattern(one)) for one in captures),
    )


@given(expectations())
def test_whatever_is_expected_is_said(made):
    """For any expectation that holds no contradiction there is a reply, and the judge takes it."""
    protocol, wanted = made
    situation = situation_of(protocol)
    spoken = synthesize(wanted, situation)
    reply = accepted(wanted, spoken, situation)
    assert reply is not None
    assert () == judge(wanted, reply).mismatches


@given(st.lists(st.none() | globs.filter(lambda text: text.strip() and text != "..."), min_size=1, max_size=5))
def test_blocks_are_said(lines):
    """A reply is made of a block line by line."""
    block = Block(tuple(BlockLine("", pattern(line) if line is not None else None) for line in lines))
    wanted = Expectation((block,))
    if all(line is None for line in lines):
        return
    reply = accepted(wanted, synthesize(wanted, situation_of("smtp")), situation_of("smtp"))
    assert not best_fit((block,), reply).mismatches


@pytest.mark.parametrize(
    ("until", "has", "count"),
    [
        (Until(pattern("END")), (), 2),
        (Until(pattern("/^END/")), (pattern("x*"),), 3),
        (Until(lines=4), (pattern("x*"),), 4),
        (Until(silence=2.0), (pattern("x*"),), 2),
    ],
)
def test_ends_of_lines(until, has, count):
    """Where a step says how a reply ends, that is its end, and no line before it is one."""
    wanted = Expectation((Short("", text=pattern("a*")),), has=has, until=until)
    spoken = synthesize(wanted, situation_of("tcp"))
    assert count == len(spoken.lines)


@pytest.mark.parametrize("word", [Word.CLOSE, Word.SILENCE, Word.RESET, Word.REFUSED])
def test_words(word):
    """What can come in place of a reply comes if it is the first alternative."""
    assert word is synthesize(Expectation((word, Short("250"))), situation_of("smtp"))


def test_no_server_is_late_on_purpose():
    """A timeout is passed over where there is something else."""
    assert "421" == synthesize(Expectation((Word.TIMEOUT, Short("421"))), situation_of("smtp")).code


def test_contradiction():
    """What nothing can fit is told with all that was asked."""
    wanted = Expectation((Short("250", text=pattern("abc")),), lacks=(pattern("a*"),))
    with pytest.raises(CantSayError, match=r"^no text is found that fits 250 abc; lacks a\*$"):
        synthesize(wanted, situation_of("smtp"))


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_usual_greeting(protocol):
    """What is said unasked is a reply of the protocol."""
    situation = situation_of(protocol)
    good = {"smtp": "220", "lmtp": "220", "pop3": "+OK", "imap": "OK", "sieve": "OK", "tcp": ""}[protocol]
    assert accepted(Expectation((Word.ANY,)), usual(situation), situation).code == good
