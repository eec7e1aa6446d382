"""Steps as values: what each verb compiles to, and that no text makes the compiler raise."""

import pickle

import pytest
from compiling import compiled, problems_in, steps_of
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import Problem
from runner.language.compile import read_scenario
from runner.language.model import (
    Auth,
    Connect,
    Exchange,
    Group,
    Handshake,
    Hangup,
    Pipeline,
    Send,
    StartTls,
    Step,
)
from runner.matching.expectation import CapabilityWish, Word

GOOD = r"""name: Everything at once
description: one of each
tags: [relay, auth]
vars: {sender: 'a@${domain}', domain: example.com}
secrets: [password]
requires: {capability: [starttls], target_tag: mx, var: external}
timeout: 20s
deadline: 1m30s
steps:
  - connect: {tls: {verify: no, min: TLSv1.3}, source_address: 127.0.0.1}
    expect: [220, refused]
  - send: EHLO ${client.name}
    expect: |
      250-mx*
      ...
      250 HELP
    has: [SIZE *, '/^8BITMIME/m']
    lacks: XCLIENT
    lines: 9
    capabilities: {SIZE: '>= 10MB', AUTH: [PLAIN], PIPELINING: required, CHUNKING: absent}
    within: 500ms
    capture: {first: '/^(\w+)/', all: text}
    severity: warning
    because: the relay needs it
  - starttls: {server_name: '${domain}'}
  - send: AUTH PLAIN \0${username}\0${password}
    expect: 235 2.7.0 *
  - auth: {mechanism: SCRAM-SHA-256, authzid: x, initial: false}
  - pipeline:
      - send: MAIL FROM:<${sender}>
      - send: RCPT TO:<${external}>
        expect: 250
      - expect: 250
  - steps:
      - send: DATA
        expect: 354
      - data: |
          Subject: ${unique}

          {{ not a slip }}
        expect: 250 /queued as (?P<queue_id>\w+)/i
    when: {not: {reply: 5xx}, tls: true, var: external, is: '*@*'}
    else:
      - wait: 1s
  - tls:
  - expect: silence
    for: 1s
  - talk: |
      C: NOOP ${queue_id}
      S: ${reply:-250}
  - close: fin
"""


def test_every_verb_is_a_step():
    """One file with one of each compiles to the values of the model."""
    scenario = compiled(GOOD)
    kinds: list[type[Step]] = [
        Connect, Send, StartTls, Send, Auth, Pipeline, Group, Handshake, Exchange, Group, Hangup,
    ]  # fmt: skip
    assert kinds == [type(step) for step in scenario.steps]
    assert ("smtp", 20.0, 90.0) == (scenario.protocol, scenario.timeout, scenario.deadline)
    assert (("STARTTLS",), ("mx",), ("external",)) == (
        scenario.requires.capability,
        scenario.requires.target_tag,
        scenario.requires.variable,
    )
    assert {"first", "all", "queue_id"} == scenario.captures
    assert {"sender", "domain"} == scenario.variables.keys()
    assert ["password"] == list(scenario.secrets)


def test_the_names_that_steps_use_are_known():
    """Those of `when: var` and those that `auth` implies are among them; those inside variables are not."""
    names = {placeholder.name for placeholder in compiled(GOOD).placeholders}
    expected = {"client.name", "domain", "username", "password", "sender", "external", "unique", "queue_id", "reply"}
    assert expected == names


def test_a_scenario_goes_through_pickle():
    """Cases travel to other processes, with all their patterns."""
    scenario = compiled(GOOD)
    again = pickle.loads(pickle.dumps(scenario))
    assert scenario.steps == again.steps
    assert pickle.dumps(again) == pickle.dumps(pickle.loads(pickle.dumps(again)))


def expect_of(step: str) -> Exchange:
    (found,) = steps_of(f"  - {step}\n")
    assert isinstance(found, Exchange)
    return found


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("auth: PLAIN", "235"),
        ("starttls:", "220"),
        ("{starttls: , expect: 454}", "454"),
        ("{auth: PLAIN, expect: [535, close]}", "535 or close"),
        ("connect:", "None"),
        ("close: quit", "None"),
        ("send: NOOP", "None"),
    ],
)
def test_what_a_verb_expects_when_nothing_is_written(step, expected):
    """`auth` and `starttls` demand success; `connect` leaves the greeting owed."""
    assert expected == str(expect_of(step).expect)


@pytest.mark.parametrize(
    ("step", "only_code"),
    [
        ("expect: 250", "250"),
        ("expect: 25x", None),
        ("expect: [250, 251]", None),
        ("expect: 250 Ok", None),
        ("expect: 250 2.1.0", None),
        ("{expect: 250, has: x}", None),
        ("{expect: 250, lacks: x}", None),
        ("{expect: 250, lines: 1}", None),
        ("{expect: 250, within: 1s}", None),
        ("{expect: 250, capture: {x: code}}", None),
        ("{expect: 250, capabilities: [SIZE]}", None),
        ("{expect: 250, severity: warning}", "250"),
        ("expect: close", None),
        ("expect: ${reply}", None),
    ],
)
def test_a_code_alone_is_one_comparison(step, only_code):
    """Whatever else is asked needs the whole judgement."""
    expectation = expect_of(step).expect
    assert expectation is not None
    assert only_code == expectation.only_code


@pytest.mark.parametrize(
    ("step", "has_slots"),
    [
        ("expect: 250", False),
        ("expect: 250 *", False),
        ("expect: ${reply}", True),
        ("expect: 250 ${x}", True),
        ("expect: [250, '550 /${x}/']", True),
        ("{expect: 250, has: '${x}'}", True),
        ("{expect: 250, lacks: [a, '${x}']}", True),
        ("{expect: 250, capture: {y: '/${x}(.)/'}}", True),
        ('expect: "250-a\\n250 ${x}"', True),
    ],
)
def test_placeholders_in_an_expectation_are_known(step, has_slots):
    """Only those that have some are filled."""
    expectation = expect_of(step).expect
    assert expectation is not None
    assert has_slots is expectation.has_slots


@pytest.mark.parametrize(
    ("written", "wishes"),
    [
        ("[starttls, 8BITMIME]", [CapabilityWish("STARTTLS"), CapabilityWish("8BITMIME")]),
        ("{X: required, Y: absent}", [CapabilityWish("X"), CapabilityWish("Y", "absent")]),
        ("{AUTH: [PLAIN, login]}", [CapabilityWish("AUTH", "at least", ("PLAIN", "login"))]),
        ("{AUTH: {exactly: [PLAIN]}}", [CapabilityWish("AUTH", "exactly", ("PLAIN",))]),
        ("{AUTH: {lacks: [PLAIN]}}", [CapabilityWish("AUTH", "lacks", ("PLAIN",))]),
        ("{SIZE: '>= 10MB'}", [CapabilityWish("SIZE", ">=", ("10MB",), 10_000_000)]),
        ("{SIZE: '<10MiB'}", [CapabilityWish("SIZE", "<", ("10MiB",), 10 * 1024**2)]),
        ("{SIZE: '= 5'}", [CapabilityWish("SIZE", "=", ("5",), 5)]),
    ],
)
def test_capabilities_are_wishes(written, wishes):
    """A list, or a mapping of names to what is asked."""
    expectation = expect_of(f"{{send: EHLO x, expect: 250, capabilities: {written}}}").expect
    assert expectation is not None
    assert tuple(wishes) == expectation.capabilities


@pytest.mark.parametrize(
    ("mechanism", "parts"),
    [
        ("PLAIN", {"username": "${username}", "password": "${password}"}),
        ("plain", {"username": "${username}", "password": "${password}"}),
        ("XOAUTH2", {"username": "${username}", "token": "${token}"}),
        ("EXTERNAL", {}),
        (
            "${mech}",
            {"username": "${username:-}", "password": "${password:-}", "token": "${token:-}"},
        ),
        ("{mechanism: PLAIN, username: '${who}'}", {"username": "${who}", "password": "${password}"}),
        ("{mechanism: EXTERNAL, authzid: x}", {"authzid": "x"}),
    ],
)
def test_auth_implies_the_names_that_its_mechanism_wants(mechanism, parts):
    """What is left out is `${username}` and the like; a mechanism that is a value may want any."""
    (step,) = steps_of(f"  - auth: {mechanism}\n")
    assert isinstance(step, Auth)
    assert parts == {name: str(template) for name, template in step.parts.items()}


@pytest.mark.parametrize("step", ["send: '${x | upcase}'", "data: '${x | upcase}'", "auth: '${x | upcase}'"])
def test_the_rest_of_a_step_is_judged_after_a_mistake(step):
    """A slip in the verb's text does not hide one in the expect below it."""
    problems = problems_in(f"name: x\nsteps:\n  - {step}\n    expect: 25o\n    when: {{reply: 25o}}\n")
    assert ["unknown filter 'upcase'"] + ["'25o' is no reply code of smtp"] * 2 == [one.message for one in problems]


@pytest.mark.parametrize("word", ["refused", "reset", "timeout", "close", "silence", "any"])
def test_a_condition_may_ask_for_any_word(word):
    """`when: reply` takes every word that an expect can have met, those of a connection too."""
    (step,) = steps_of(f"  - when: {{reply: {word}}}\n    send: NOOP\n")
    assert step.when is not None
    assert (Word(word),) == step.when.reply


def test_a_label_is_one_short_line_without_values():
    """It is what the file says; the author's own name comes first."""
    steps = steps_of("  - send: NOOP ${password}\n  - data: x\n  - {send: RSET, name: the reset}\n  - wait: 1m30s\n")
    assert ["send NOOP ${password}", "data", "the reset", "wait 1m30s"] == [step.label for step in steps]
    (long,) = steps_of(f"  - send: {'x' * 100}\n")
    assert f"send {'x' * 54}…" == long.label


def test_lists_are_compiled_in_a_group_and_its_else():
    """Both branches are steps."""
    (group,) = steps_of("  - when: {tls: true}\n    steps: [{send: a}]\n    else: [{send: b}, {send: c}]\n")
    assert isinstance(group, Group)
    assert (1, 2) == (len(group.steps), len(group.otherwise))


def test_problems_come_in_the_order_of_the_file():
    """Whoever finds them."""
    problems = problems_in("name: x\nsteps:\n  - expect: 25o\n    whn: x\n  - expect: 25p\nvrs: {}\n")
    assert [3, 4, 5, 6] == [problem.span.line for problem in problems]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    """Not an exception: the other files are still to be read."""
    problems: list[Problem] = []
    assert read_scenario(tmp_path / "none.yaml", "none.yaml", tmp_path, problems) is None
    assert ["cannot be read: no such file or directory"] == [problem.message for problem in problems]


def test_a_file_may_name_another_below_the_root(tmp_path):
    """The path is absolute from then on."""
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "x.yaml").write_text("name: x\nsteps:\n  - starttls: {ca: ca.pem}\n")
    problems: list[Problem] = []
    scenario = read_scenario(tmp_path / "x.yaml", "x.yaml", tmp_path, problems)
    assert [] == problems
    assert scenario is not None
    (step,) = scenario.steps
    assert isinstance(step, StartTls)
    assert str((tmp_path / "ca.pem").resolve()) == step.options.ca


SLIPS = [
    "", ":", ": ", "'", '"', "{", "[", "- ", "${", "${x | y}", "{{ x }}", "*", "&a ", "\n", "|", "é", "25o", "/", "[/(/]",
    "expect: ", "when: {}", "\t", "silence", "AUTH LOGIN", "C: ", "null",
]  # fmt: skip


@settings(max_examples=250, deadline=1000)
@given(at=st.integers(0, len(GOOD)), cut=st.integers(0, 15), put=st.sampled_from(SLIPS))
def test_a_good_file_changed_anywhere_compiles_or_says_where(at, cut, put):
    """What a slip of the hand makes of a good file is a scenario or located problems."""
    text = GOOD[:at] + put + GOOD[at + cut :]
    for problem in problems_in(text):
        assert 1 <= problem.span.line <= text.count("\n") + 1
        assert problem.render().startswith("x.yaml:")


@settings(max_examples=100, deadline=1000)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "expect", "data", "auth", "talk", "wait", "close", "has", "for", "lines", "when"]),
            st.sampled_from(["'{}'", "['{}']", "{{capability: '{}'}}", ""]),
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12),
        ),
        max_size=6,
    )
)
def test_any_keys_and_values_compile_or_say_where(steps):
    """Any key with any kind of value is a step or a problem."""
    lines = [f"  - {key}: {shape.format(text.replace(chr(39), ''))}" for key, shape, text in steps]
    for problem in problems_in("name: x\nsteps:\n" + "\n".join(lines) + "\n"):
        assert problem.span.line >= 1
