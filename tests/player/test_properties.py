"""What holds whatever a value is and however the bytes are cut, over whole cases."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from memory import EOF
from playing import run_steps, says, shown

from runner.results import Outcome

# What lines, templates, globs and regexes take for more than a character.
VALUES = st.text(st.sampled_from("\r\n\0${}*?\\/|^.()[]+<>ab é:#'\"\udcff"), max_size=12)
SENT_AND_EXPECTED = """\
  - expect: 220
  - send: NOOP <${value}>
    expect: 250 *<${value}>
    has: ['*<${value}>', '/<${value}>$/']
    lacks: '*<${value}>!'
  - send: RSET
    expect: |
      250-is <${value}>
      250 done
"""


def echoing(end: bytes = b""):
    """Return a server that says again what NOOP said, with `end` behind it."""

    def server():
        line = yield b"220 mx\r\n"
        said = line.removeprefix(b"NOOP ").removesuffix(b"\r\n") + end
        line = yield b"250 you said " + said + b"\r\n"
        while line != b"QUIT\r\n":
            line = yield b"250-is " + said + b"\r\n250 done\r\n"
        yield (b"221 bye\r\n", EOF)

    return server


@given(VALUES)
@settings(deadline=None)
def test_a_value_changes_neither_a_line_nor_a_pattern(value):
    """Sent, it is in one line as it is, or nothing is sent; expected, it fits itself and nothing else."""
    played = run_steps(SENT_AND_EXPECTED, echoing(), variables={"value": value})
    is_refused = any(char in value for char in "\r\n\0")
    if is_refused:
        assert ["passed", "error"] == [one.partition(":")[0] for one in shown(played.result)[:2]]
        assert b"QUIT\r\n" == played.sent[0]
        return
    line = f"NOOP <{value}>\r\n".encode("utf-8", "surrogateescape")
    assert line == played.sent[0][: len(line)]
    assert line + b"RSET\r\nQUIT\r\n" == played.sent[0]
    if value.isprintable():  # what isn't UTF-8 comes back as \\xNN, and is none of the server's fault
        assert ["passed"] * 3 == shown(played.result)


@given(VALUES.filter(str.isprintable))
@settings(deadline=None)
def test_a_value_fits_nothing_but_itself(value):
    """With one character more behind it each of the patterns tells."""
    result = run_steps(SENT_AND_EXPECTED, echoing(b"!"), variables={"value": value}).result
    assert ["passed", "failed", "failed"] == [one.partition(":")[0] for one in shown(result)]
    assert ["text", "has", "has", "lacks"] == [one.part for one in result.steps[1].differences]


LMTP = {"top": "protocol: lmtp", "url": "lmtp://127.0.0.1:24"}
EACH = """\
  - expect_line: 220-*
  - expect: 220
  - {send: LHLO c, expect: 250}
  - {send: 'MAIL FROM:<>', expect: 250}
  - {send: 'RCPT TO:<a@x>', expect: [250, 550]}
  - {send: 'RCPT TO:<b@x>', expect: [250, 550]}
  - {send: DATA, expect: 354}
  - data: hello
    expect_each: {a@x: 250, b@x: [250, 452]}
  - {send: NOOP, expect: 250}
"""
REPLIES = st.sampled_from([b"250 ok\r\n", b"452-no\r\n452 room\r\n", b"550 no\r\n", b"421 bye\r\n", b"what\r\n", b"25"])
GREETINGS = st.sampled_from(
    [
        b"220-wait\r\n220 mx\r\n",
        b"220 mx\r\n",
        b"220-wait\r\n554-no\r\n554 go\r\n",
        b"220-a\r\n220-b\r\n220 c\r\n",
    ]
)


@given(
    greeting=GREETINGS,
    accepted=st.tuples(
        st.sampled_from([b"250 ok\r\n", b"550 no\r\n"]), st.sampled_from([b"250 ok\r\n", b"550 no\r\n"])
    ),
    replies=st.lists(REPLIES, max_size=2),
    ends=st.booleans(),
    cuts=st.lists(st.integers(0, 50), max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_cuts_make_no_difference_to_lines_and_recipients(greeting, accepted, replies, ends, cuts):
    """However the server's bytes are cut, single lines and the replies of recipients give the same verdicts."""
    replies = replies[: sum(code == b"250 ok\r\n" for code in accepted)]  # which step a surplus one is told by may vary
    hello = (b"250 hello\r\n", b"250 from\r\n")
    data = b"".join(replies)
    turns = [greeting, *hello, *accepted, b"354 go\r\n", data, b"250 noop\r\n"]
    end = (EOF,) if ends else ()

    def turn(part: bytes, *, is_cut: bool) -> tuple:
        edges = sorted({0, len(part), *(cut for cut in cuts if is_cut and cut < len(part))})
        pieces = tuple(part[start:stop] for start, stop in itertools.pairwise(edges))
        return (*pieces, *end) if part is data else pieces

    one, other = (
        run_steps(EACH, says(*(turn(part, is_cut=is_cut) for part in turns)), **LMTP).result for is_cut in (False, True)
    )
    assert (one.outcome, shown(one)) == (other.outcome, shown(other))
    assert one.outcome is not Outcome.PASSED or len(replies) == sum(code == b"250 ok\r\n" for code in accepted)
