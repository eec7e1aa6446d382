"""`sessions`, and which of them a step belongs to: what is read, what is told of wrong ones."""

import pytest
from compiling import compiled, problems_in

from runner.errors import SourceFile
from runner.language.compile import compile_scenario
from runner.language.model import Group, Pipeline, Session

HEAD = "name: x\nsessions: {other: mx2, c: {target: mx3, protocol: lmtp, count: 3}}\n"


def told(steps, head=HEAD):
    """Return what is wrong: place, message, advice."""
    found = problems_in(f"{head}steps:\n{steps}")
    return [f"{one.span.line}:{one.span.column}: {one.message} = {one.advice}" for one in found]


def test_sessions_are_read():
    """A target's name, or a mapping; the scenario's own is there by itself."""
    found = compiled(f"{HEAD}steps:\n  - expect: 220\n").sessions
    assert [
        ("main", "smtp", "", 0),
        ("other", "smtp", "mx2", 0),
        ("c", "lmtp", "mx3", 3),
    ] == [(one.name, one.protocol, one.target, one.count) for one in found.values()]
    assert all(isinstance(one, Session) for one in found.values())


def test_a_session_speaks_what_its_target_speaks():
    """Where it does not say it itself; `--session` and the project file know."""
    text = f"{HEAD}steps:\n  - expect: 220\n"
    asked = []

    def protocol_of(session, target):
        asked.append((session, target))
        return "lmtp"

    problems = []
    scenario = compile_scenario(SourceFile("x.yaml", text), str, problems, protocol_of)
    assert ([], [("other", "mx2")]) == (problems, asked)
    assert "lmtp" == scenario.sessions["other"].protocol


def test_a_session_is_inherited_by_the_steps_inside():
    """Unless they say another one."""
    steps = """
  - session: other
    steps:
      - expect: 220
      - {session: main, expect: 220}
      - talk: |
          C: NOOP
          S: 250
      - pipeline:
          - {send: NOOP, expect: 250}
  - expect: 220
"""
    group, last = compiled(f"{HEAD}steps:{steps}").steps
    assert isinstance(group, Group)
    first, second, talk, pipeline = group.steps
    assert isinstance(talk, Group)
    assert isinstance(pipeline, Pipeline)
    found = [first, second, *talk.steps, *pipeline.steps, last]
    assert ["other", "main", "other", "other", "main"] == [step.session for step in found]


def test_one_connection_of_several_is_a_template():
    """The steps of a group don't ask again which one it is."""
    steps = "  - session: 'c[${n}]'\n    steps:\n      - expect: 220\n  - {session: 'c[3]', expect: 220}\n"
    group, last = compiled(f"{HEAD}vars: {{n: '1'}}\nsteps:\n{steps}").steps
    assert ("c", "${n}", None) == (group.session, str(group.member), group.steps[0].member)
    assert ("c", "3") == (last.session, str(last.member))


def test_placeholders_are_of_the_session_that_uses_them():
    """Only its target must have a value; the number of a connection is asked for outside."""
    steps = "  - {session: 'c[${n}]', send: '${a}'}\n  - {send: '${b}'}\n  - {session: other, when: {var: d}, expect: 220}\n"
    used = compiled(f"{HEAD}steps:\n{steps}").used
    found = {session: [one.name for one in names] for session, names in used.items()}
    assert {"main": ["n", "b"], "c": ["a"], "other": ["d"]} == found


def test_auth_is_followed_session_by_session():
    """A response is judged by the exchange of its own session."""
    steps = """
  - {send: AUTH LOGIN, expect: 334}
  - {session: other, send: not base64}
  - {send: not base64}
"""
    assert ["7:12"] == [one.split(": ")[0] for one in told(steps)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("  - {session: othr, expect: 220}\n", "4:15: unknown session 'othr' = did you mean 'other'?"),
        ("  - {session: inbox, expect: 220}\n", "4:15: unknown session 'inbox' = the sessions are: c, main, other"),
        (
            "  - {session: 'other[1]', expect: 220}\n",
            "4:15: the session 'other' is one connection = write session: other",
        ),
        ("  - {session: 'c[4]', expect: 220}\n", "4:15: 'c[4]' is none of the 3 connections = from c[1] to c[3]"),
        ("  - {session: 'c[]', expect: 220}\n", "4:15: 'c[]' is none of the 3 connections = from c[1] to c[3]"),
        (
            "  - {session: 'c[1', expect: 220}\n",
            "4:15: 'c[1' is no session = write its name, or one connection of several: 'c[2]'",
        ),
        ("  - {session: 'c[${n]', expect: 220}\n", "4:18: '${' without its '}'"),
        (
            "  - pipeline:\n      - {session: other, send: NOOP}\n",
            "5:10: 'session' can't stand inside a pipeline = put it on the pipeline",
        ),
    ],
)
def test_a_wrong_session_of_a_step_is_told(steps, expected):
    """Before anything connects."""
    assert any(one.startswith(expected) for one in told(steps)), told(steps)


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ("{main: mx}", "2:12: 'main' is the scenario's own session"),
        ("{1x: mx}", "2:12: '1x' is no name for a session"),
        ("{a: smtp://mx}", "2:15: a session's target is named, not written out"),
        ("{a: {count: 0}}", "2:23: '0' is no number of connections = 1 to 1000"),
        ("{a: {count: 1001}}", "2:23: '1001' is no number of connections = 1 to 1000"),
        ("{a: {count: few}}", "2:23: 'few' is no whole number from 0"),
        ("{a: {protocol: imapp}}", "2:26: 'protocol' can't be 'imapp'"),
        ("{a: {targt: mx}}", "2:16: unknown key 'targt' = did you mean 'target'?"),
        ("{}", "2:11: an empty mapping"),
        ("{a: }", "2:12: nothing where a text or a mapping is due"),
    ],
)
def test_wrong_sessions_are_told(sessions, expected):
    """At their place."""
    found = told("  - expect: 220\n", f"name: x\nsessions: {sessions}\n")
    assert any(one.startswith(expected) for one in found), found
