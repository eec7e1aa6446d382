"""`talk`: a dialogue becomes steps, each with its place in the file."""

import pytest
from compiling import compiled, problems_in, steps_of
from hypothesis import given
from hypothesis import strategies as st

from runner.language.model import Data, Exchange, Group, Send, Step
from runner.matching.expectation import Block

INDENT = "      "


def talk_of(dialogue: str, head: str = "") -> list[Step]:
    text = dialogue.replace("\n", f"\n{INDENT}")
    (group,) = steps_of(f"  - talk: |\n{INDENT}{text}\n{head}")
    assert isinstance(group, Group)
    return list(group.steps)


def shown(step: Step) -> tuple[str, str, str]:
    expect = str(step.expect) if isinstance(step, Exchange) and step.expect is not None else ""
    if isinstance(step, Data):
        return "data", str(step.body.head), expect
    if isinstance(step, Send):
        return "send", str(step.line), expect
    return "expect", "", expect


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        ("S: 220\nC: NOOP\nS: 250", [("expect", "", "220"), ("send", "NOOP", "250")]),
        ("C: NOOP\nC: RSET\nS: 250\nS: 250", [("send", "NOOP", ""), ("send", "RSET", "250"), ("expect", "", "250")]),
        ("# why\nC: NOOP\n\n  # more\nS: 250 Ok *", [("send", "NOOP", "250 Ok *")]),
        ("C:\nS: 500", [("send", "", "500")]),
        ("C:  NOOP \nS:  250 ", [("send", " NOOP ", "250")]),
        ("C: QUIT\nS: 221\nS: close", [("send", "QUIT", "221"), ("expect", "", "close")]),
        ("C: EHLO x\nS: any", [("send", "EHLO x", "any")]),
        ("C: NOOP\nS: ${reply} Ok", [("send", "NOOP", "${reply} Ok")]),
        (
            "C: EHLO ${client.name}\nS: 250-mx\nS: ...\nS: 250 HELP\nC: NOOP",
            [("send", "EHLO ${client.name}", "250 mx\n...\n250 HELP"), ("send", "NOOP", "")],
        ),
        ("C: EHLO x\nS: 250-mx\nC: NOOP", [("send", "EHLO x", "250 mx"), ("send", "NOOP", "")]),
        ("C: HELP\nS: 214 a-b\nS: 250", [("send", "HELP", "214 a-b"), ("expect", "", "250")]),
        (
            "C: DATA\nS: 354\nC: Subject: ${s}\nC:\nC: a  \nC: .\nS: 250",
            [("send", "DATA", "354"), ("data", "Subject: ${s}\n\na  \n", "250")],
        ),
        ("C: data \nS: 3xx\nC: .\nS: 250", [("send", "data ", "3xx"), ("data", "", "250")]),
        ("C: DATA\nS: 503\nC: NOOP\nS: 250", [("send", "DATA", "503"), ("send", "NOOP", "250")]),
        ("C: DATA\nS: 354-go\nS: 354 on\nC: x\nC: .", [("send", "DATA", "354 go\n354 on"), ("data", "x\n", "")]),
        ("C: DATA\nC: NOOP\nS: 3xx", [("send", "DATA", ""), ("send", "NOOP", "3xx")]),
        ("C: DATA\nS: 354\nC: {{ x }} # y\nC: .", [("send", "DATA", "354"), ("data", "{{ x }} # y\n", "")]),
        ("C: DATA\nS: 354\nC: .\nC: NOOP", [("send", "DATA", "354"), ("data", "", ""), ("send", "NOOP", "")]),
    ],
)
def test_a_dialogue_becomes_steps(dialogue, expected):
    """`C:` is send, `S:` is expect beside it, after a 354 the lines are the message up to `C: .`."""
    assert expected == [shown(step) for step in talk_of(dialogue)]


def test_lines_that_continue_a_reply_are_one_block():
    """The places of lines don't matter, the hyphen does."""
    (step,) = talk_of("C: EHLO x\nS: 250-mx\nS: 250-SIZE\nS: 250 HELP")
    assert isinstance(step, Exchange)
    assert step.expect is not None
    (block,) = step.expect.alternatives
    assert isinstance(block, Block)
    assert 3 == len(block.lines)


def test_each_step_has_its_line():
    """A failure leads to the line of the dialogue, column included."""
    steps = talk_of("S: 220\n# comment\nC: DATA\nS: 354\nC: x\nC: .")
    assert [(4, 10), (6, 10), (8, 10)] == [(step.span.line, step.span.column) for step in steps]
    assert ["S: 220", "C: DATA", "the message"] == [step.label for step in steps]


def test_what_qualifies_a_talk_holds_for_its_steps():
    """Session and timeout go to each; `when`, name and because are the group's."""
    scenario = compiled(
        "name: x\nsteps:\n  - talk: |\n      C: NOOP\n      S: 250\n    timeout: 2s\n    session: main\n"
        "    name: polite\n    because: it is\n    when: {tls: true}\n"
    )
    (group,) = scenario.steps
    assert isinstance(group, Group)
    assert ("polite", "it is", True) == (group.label, group.because, group.when is not None)
    assert [(2.0, "main", None)] == [(step.timeout, step.session, step.when) for step in group.steps]


def test_named_groups_of_a_dialogue_become_variables():
    """A regex in an `S:` line captures as one in an expect does."""
    scenario = compiled("name: x\nsteps:\n  - talk: |\n      C: .\n      S: 250 /queued as (?P<queue_id>\\w+)/\n")
    assert {"queue_id"} == scenario.captures


def test_places_in_a_block_are_those_of_its_lines():
    """A slip in the third line of a reply is shown there."""
    (problem,) = problems_in(
        "name: x\nsteps:\n  - talk: |\n      C: x\n      S: 250-a\n      S: 250-${b c}\n      S: 250 d\n"
    )
    assert ("'${b c}' is no placeholder", 6, 14) == (problem.message, problem.span.line, problem.span.column)


@given(
    st.lists(st.sampled_from(["C: ", "S: ", "# "]).flatmap(lambda who: st.tuples(st.just(who), st.text(max_size=8))))
)
def test_any_dialogue_is_steps_or_problems(lines):
    """No text raises, and every problem has a place in the file."""
    dialogue = "\n".join(who + "".join(text.split()) for who, text in lines if text.isprintable())
    text = f"name: x\nsteps:\n  - talk: |2\n{INDENT}{dialogue.replace(chr(10), chr(10) + INDENT)}\n"
    for problem in problems_in(text):
        assert 1 <= problem.span.line <= text.count("\n") + 1
