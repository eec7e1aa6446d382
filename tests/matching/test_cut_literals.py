"""A literal of which not all is kept proves nothing of what it lacks, how long it is or how it ends."""

import pytest

from runner.matching.expectation import Expectation, Short
from runner.matching.judging import judge
from runner.matching.lines import Block, BlockLine
from runner.matching.pattern import compile_glob, compile_pattern
from runner.protocol.reply import LineReply, Literal

KEPT = b"Subject: x\r\n\r\none\r\ntw"


def reply(size=1000):
    literal = Literal(size, KEPT, at=0, offset=len("* 1 FETCH (BODY[] {1000}"))
    return LineReply("OK", [b"* 1 FETCH (BODY[] {1000})", b"done"], head_at=-1, literals=(literal,))


def judged(size=1000, **asks):
    judgement = judge(Expectation((Short("OK"),), **asks), reply(size))
    return [(one.part, one.hint) for one in judgement.mismatches]


NOT_KEPT = "only 21 of 1,000 octets were kept (limit 'reply')"


@pytest.mark.parametrize(
    ("asks", "part"),
    [
        ({"lacks": (compile_pattern(("*virus*",)),)}, "lacks"),
        ({"lacks": (compile_pattern(("/virus/",)),)}, "lacks"),
        ({"has": (compile_pattern(("virus",)),)}, "has"),
        ({"lines": 5}, "lines"),
    ],
)
def test_what_is_cut_is_not_judged(asks, part):
    """It fails, with the reason."""
    assert [(part, NOT_KEPT)] == judged(**asks)


def test_a_line_that_is_cut_is_no_line():
    """Its beginning is not the whole of it; a line that is whole is found."""
    assert [("has", NOT_KEPT)] == judged(has=(compile_pattern(("tw",)),))
    assert [] == judged(has=(compile_pattern(("one",)),))


def test_a_block_is_not_met():
    """However it would end."""
    block = Block((BlockLine("", None), BlockLine("OK", compile_glob(("done",)))))
    judgement = judge(Expectation((block,)), reply())
    assert [("lines", NOT_KEPT)] == [(one.part, one.hint) for one in judgement.mismatches]
    assert () == judge(Expectation((block,)), reply(len(KEPT))).mismatches


def test_an_untagged_line_is_not_met_by_a_glob():
    """Unless it is met before the literal and open at its end; a regex finds something in what was kept."""
    ((part, hint),) = judged(untagged=(compile_pattern(("1 FETCH *)",)),))
    assert "untagged" == part
    assert "not all of a literal in it was kept" in hint
    assert [] == judged(untagged=(compile_pattern(("/Subject: x/",)),))
    assert [] == judged(untagged=(compile_pattern(("1 FETCH (BODY*",)),))
    assert [] != judged(untagged=(compile_pattern(("*Subject: x*",)),))
    assert [] == judged(len(KEPT), untagged=(compile_pattern(("1 FETCH *)",)),))
