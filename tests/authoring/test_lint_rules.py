"""What each rule finds, and what it must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.authoring.lint import lint
from tests.authoring.linting import findings, inside, project, subject, told, told_in_steps

EHLO = "- expect: 220\n- send: EHLO x.example.com\n  expect: 250\n"


def _after_hello(steps: str) -> list[str]:
    """Return what is found behind a greeting and an EHLO, lines counted from there."""
    found = told_in_steps(EHLO + steps)
    return [f"{int(one.split()[0]) - 3} {one.split()[1]}" for one in found]


# Everything matches.


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("- expect: 220 *", ["1 matches-everything"], id="star"),
        pytest.param("- expect: 220 **", ["1 matches-everything"], id="two stars"),
        pytest.param("- expect: [220 *, 421]", ["1 matches-everything"], id="in a list"),
        pytest.param("- expect: 220 /.*/", ["1 matches-everything"], id="any run as a regex"),
        pytest.param("- expect: 220 /^.*$/", ["1 matches-everything"], id="between both ends"),
        pytest.param("- expect: 220 /^/", ["1 matches-everything"], id="an end alone"),
        pytest.param("- expect: 220 /(?:x|y?)/", ["1 matches-everything"], id="a branch of nothing"),
        pytest.param("- expect: 220\n  has: '*'", ["2 matches-everything"], id="has"),
        pytest.param("- talk: |\n    S: 220 *", ["2 matches-everything"], id="in a talk"),
        pytest.param("- expect: 220 * ESMTP", [], id="star and text"),
        pytest.param("- expect: 220 ?*", [], id="one character at least"),
        pytest.param("- expect: 220 /^$/", [], id="nothing at all"),
        pytest.param("- expect: 220 /.+/", [], id="a character"),
        pytest.param("- expect: 220 /(?P<all>.*)/", [], id="a group with a name"),
        pytest.param(r"- expect: 220 \*", [], id="the sign itself"),
    ],
)
def test_matches_everything(steps: str, expected: list[str]) -> None:
    """A pattern that fits any text is found; one that asks anything is not."""
    assert expected == told_in_steps(steps)


def test_any_line_is_how_tcp_expects_one() -> None:
    """Where there are no codes, `*` is no demand without a meaning."""
    assert [] == told_in_steps("- expect: '*'", head="name: x\nprotocol: tcp\n")


# Nothing matches.


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("/a$b/", ["1 never-matches"], id="text behind the end"),
        pytest.param("/a^b/", ["1 never-matches"], id="text before the start"),
        pytest.param("/(?:a$b|c^d)/", ["1 never-matches"], id="both branches"),
        pytest.param("/(?:a$b|c)/", [], id="one branch can"),
        pytest.param("/a$/", [], id="end"),
        pytest.param("/^a/", [], id="start"),
        pytest.param("/x*^a/", [], id="nothing before the start"),
        pytest.param(r"/a\$b/", [], id="the sign itself"),
    ],
)
def test_never_matches(pattern: str, expected: list[str]) -> None:
    """A regex with text beyond its ends is found."""
    assert expected == told_in_steps(f"- expect: 220 {pattern}")


def test_ends_of_lines_may_stand_inside() -> None:
    """With the flag `m` a reply's lines have ends of their own."""
    assert [] == told_in_steps("- expect: 220\n  has: '/a$\\nb/m'")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param("  has: a b\n  lacks: a b", ["3 contradiction"], id="has and lacks"),
        pytest.param("  lacks: '*'", ["2 contradiction"], id="lacks everything"),
        pytest.param("  capabilities: {SIZE: required, size: absent}", ["2 contradiction"], id="required and absent"),
        pytest.param("  capabilities: {AUTH: absent, AUTH=LOGIN: required}", ["2 contradiction"], id="AUTH= is AUTH"),
        pytest.param("  has: a b\n  lacks: a", [], id="different patterns"),
        pytest.param("  capabilities: {AUTH: required, AUTH=LOGIN: absent}", [], id="AUTH without LOGIN"),
    ],
)
def test_contradiction(keys: str, expected: list[str]) -> None:
    """Two demands that no reply can meet are found."""
    assert expected == told_in_steps(f"- expect: 220\n{keys}")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(1, ["4 contradiction"], id="fewer than the block"),
        pytest.param(2, [], id="as many"),
        pytest.param(3, ["4 contradiction"], id="more"),
    ],
)
def test_lines_against_a_block(lines: int, expected: list[str]) -> None:
    """A block says how many lines there are."""
    assert expected == told_in_steps(f"- expect: |\n    220-a b\n    220 c d\n  lines: {lines}")


def test_an_open_block_has_so_many_at_least() -> None:
    """`...` stands for any number of lines."""
    block = "- expect: |\n    220-a b\n    ...\n    220 c d\n  lines: {}"
    assert [[], ["5 contradiction"]] == [told_in_steps(block.format(lines)) for lines in (7, 1)]


# Alternatives.


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        pytest.param("[2xx, 250]", ["1 shadowed-alternative"], id="digits"),
        pytest.param("[550, 550 5.7.1]", ["1 shadowed-alternative"], id="status"),
        pytest.param("[550 5.7, 550 5.7.1]", ["1 shadowed-alternative"], id="less of a status"),
        pytest.param("[550 5.x.1, 550 5.7.1]", ["1 shadowed-alternative"], id="part of a status"),
        pytest.param("[550, 550 no *]", ["1 shadowed-alternative"], id="text"),
        pytest.param("[250, 250]", ["1 shadowed-alternative"], id="twice"),
        pytest.param("[close, close]", ["1 shadowed-alternative"], id="a word twice"),
        pytest.param("[any, 250]", ["1 shadowed-alternative"], id="any"),
        pytest.param("[any, close]", [], id="any is a reply"),
        pytest.param("[250, 2xx]", [], id="the wider one last"),
        pytest.param("[550 5.7.1, 550 5.7]", [], id="more of a status first"),
        pytest.param("[550 5.7.1, 554 5.7.1]", [], id="codes"),
        pytest.param("[550 no *, 550 not *]", [], id="texts"),
    ],
)
def test_shadowed_alternative(alternatives: str, expected: list[str]) -> None:
    """What an alternative before it takes is found; what it may narrow is not."""
    assert expected == told_in_steps(f"- expect: {alternatives}")


# Commands and their replies.


@pytest.mark.parametrize(
    ("line", "reply", "expected"),
    [
        pytest.param("AUTH LOGIN", "235", ["2 impossible-reply"], id="bare LOGIN"),
        pytest.param("AUTH PLAIN", "2xx", ["2 impossible-reply"], id="bare PLAIN"),
        pytest.param("NOOP", "220", ["2 impossible-reply"], id="a greeting's code"),
        pytest.param("MAIL FROM:<>", "354", ["2 impossible-reply"], id="354 for MAIL"),
        pytest.param("AUTH LOGIN", "[334, 504]", [], id="prompt or refusal"),
        pytest.param("AUTH LOGIN", "504", [], id="refusal"),
        pytest.param("NOOP", "[220, 250]", [], id="one of them can"),
        pytest.param("NOOP", "any", [], id="any"),
        pytest.param("STARTTLS", "220", [], id="STARTTLS"),
        pytest.param("X-DATA", "250", [], id="another command"),
    ],
)
def test_impossible_reply(line: str, reply: str, expected: list[str]) -> None:
    """A code that no server answers a command with is found."""
    assert expected == _after_hello(f"- send: {line}\n  expect: {reply}")


def test_data_is_answered_with_354() -> None:
    """The 250 comes after the message."""
    before = "- send: MAIL FROM:<>\n  expect: 250\n- send: RCPT TO:<${to}>\n  expect: 250\n"
    assert ["6 impossible-reply"] == _after_hello(f"{before}- send: DATA\n  expect: 250")
    assert [] == _after_hello(f"{before}- send: DATA\n  expect: 354")


# Texts.


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("name: ticket # 4711", ["1 swallowed-comment"], id="a number"),
        pytest.param("name: refused # 5.7.1", ["1 swallowed-comment"], id="a status"),
        pytest.param("name: greets (see # 3 of the list)", ["1 swallowed-comment"], id="an open bracket"),
        pytest.param("name: greets # 3 words follow", [], id="words"),
        pytest.param("name: greets  # 4711", [], id="two blanks"),
        pytest.param("name: 'ticket # 4711'", [], id="quoted"),
        pytest.param("name: greets # (a remark)", [], id="brackets of its own"),
    ],
)
def test_swallowed_comment(line: str, expected: list[str]) -> None:
    """A comment that most likely was a part of the text is found."""
    assert expected == told(f"{line}\nsteps:\n  - expect: 220\n")


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        pytest.param(["S: 220 # hello"], ["2 comment-in-talk"], id="behind a reply"),
        pytest.param(["S: 220", "C: NOOP # x", "S: 250"], ["3 comment-in-talk"], id="behind a command"),
        pytest.param(["S: 220", "# x", "C: NOOP", "S: 250"], [], id="a line of its own"),
    ],
)
def test_comment_in_talk(talk: list[str], expected: list[str]) -> None:
    """What is no comment there is told, but in a message."""
    assert expected == told_in_steps("- talk: |\n" + "".join(f"    {line}\n" for line in talk))


def test_a_message_in_a_talk_may_hold_anything() -> None:
    """After a 354 the client's lines are a message."""
    talk = ["MAIL FROM:<>", "RCPT TO:<${to}>"]
    commands = "".join(f"    C: {line}\n    S: 250\n" for line in talk)
    steps = f"- talk: |\n{commands}    C: DATA\n    S: 354\n    C: Subject: a # b\n    C: .\n    S: 250\n"
    assert [] == _after_hello(steps)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param('"x y"', ["1 double-quotes"], id="none needed"),
        pytest.param(r'"x\ty"', [], id="an escape"),
        pytest.param("'x y'", [], id="single"),
        pytest.param('x "y" z', [], id="inside a plain text"),
    ],
)
def test_double_quotes(value: str, expected: list[str]) -> None:
    """Double quotes are told where single ones would do."""
    assert expected == told(f"name: {value}\nsteps:\n  - expect: 220\n")


# Names.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("vars: {a: b}\nsteps:\n  - expect: 220\n", ["2 unused-variable"], id="variable"),
        pytest.param("matrix: {a: [b, c]}\nsteps:\n  - expect: 220\n", ["2 unused-variable"], id="column"),
        pytest.param("matrix:\n  - {a: b}\n  - {a: c}\nsteps:\n  - expect: 220\n", ["3 unused-variable"], id="row"),
        pytest.param(
            "steps:\n  - repeat: {each: [a], as: x}\n    steps:\n      - expect: 220\n",
            ["3 unused-variable"],
            id="loop",
        ),
        pytest.param("vars: {a: b}\nsteps:\n  - expect: 220 ${a}\n", [], id="in an expectation"),
        pytest.param("vars: {a: b, c: '${a}'}\nsteps:\n  - expect: 220 ${c}\n", [], id="in another variable"),
        pytest.param("vars: {a: b}\nsteps:\n  - when: {var: a}\n    expect: 220\n", [], id="in a condition"),
        pytest.param("vars: {a: b}\nrequires: {var: a}\nsteps:\n  - expect: 220\n", [], id="required"),
        pytest.param("vars: {username: b}\nsteps:\n  - auth: EXTERNAL\n  - auth: PLAIN\n", [], id="implied by auth"),
        pytest.param("matrix:\n  - {a: b, c: '${a}'}\nsteps:\n  - expect: 220 ${c}\n", [], id="in another column"),
        pytest.param(
            "steps:\n  - repeat: {each: [a], as: x}\n    steps:\n      - expect: 220 ${x}\n", [], id="loop that uses it"
        ),
    ],
)
def test_unused_variable(text: str, expected: list[str]) -> None:
    """A name that nothing uses is found, whatever gives it."""
    found = [one for one in told(f"name: x\n{text}") if "too-early" not in one]
    assert expected == found


def test_a_variable_may_be_for_the_project_file(tmp_path: Path) -> None:
    """A target's values are filled with the scenario's."""
    text = "name: x\nvars: {user: alice}\nsteps:\n  - expect: 220\n"
    given = project(tmp_path, "targets: {}\nvars: {username: '${user}@example.com'}\n")
    assert [] == lint(subject(text, project=given))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("secrets: [password]\nsteps:\n  - expect: 220\n", ["2 unused-secret"], id="unused"),
        pytest.param("secrets: [password]\nsteps:\n  - expect: 220 ${password}\n", [], id="used"),
        pytest.param("secrets: [token]\nsteps:\n  - expect: 220\n    lacks: '${token}'\n", [], id="must not be there"),
    ],
)
def test_unused_secret(text: str, expected: list[str]) -> None:
    """A secret that is demanded for nothing is found."""
    assert expected == told(f"name: x\n{text}")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("- send: ${a} ${b}", [], id="both"),
        pytest.param("- send: ${a}", ["1 unused-parameter"], id="one"),
        pytest.param("- send: ${a}\n  - when: {var: b}\n    expect: 250", [], id="asked for"),
    ],
)
def test_unused_parameter(steps: str, expected: list[str]) -> None:
    """A fragment's parameter that nothing uses is found, where it is named."""
    assert expected == told(f"fragment: {{params: [a, b]}}\nsteps:\n  {steps}\n")


def test_what_a_fragment_captures_comes_out() -> None:
    """Whoever uses it may need it."""
    assert [] == told("fragment: {params: []}\nsteps:\n  - expect: 220\n    capture: {a: text}\n")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("- expect: 220\n  capture: {a: text}", ["2 unused-capture"], id="unused"),
        pytest.param("- expect: 220\n  capture: {a: text}\n- send: NOOP ${a}", [], id="used"),
        pytest.param("- expect: 220 /(?P<a>x)/", [], id="a group's name explains"),
    ],
)
def test_unused_capture(steps: str, expected: list[str]) -> None:
    """What is captured for nothing is found."""
    assert expected == told_in_steps(steps)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("- expect: 220", ["2 unused-session"], id="unused"),
        pytest.param("- session: inbox\n    expect: OK", [], id="used"),
        pytest.param("- connect:\n    tls_expect: {same_certificate_as: inbox}", [], id="its certificate"),
    ],
)
def test_unused_session(steps: str, expected: list[str]) -> None:
    """A session without a step is found."""
    assert expected == told(f"name: x\nsessions: {{inbox: imap}}\nsteps:\n  {steps}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("vars: {unique: a}\nsteps:\n  - expect: 220 ${unique}\n", ["2 shadowed-built-in"], id="variable"),
        pytest.param("matrix: {now: [a]}\nsteps:\n  - expect: 220 ${now}\n", ["2 shadowed-built-in"], id="column"),
        pytest.param("vars: {once: a}\nsteps:\n  - expect: 220 ${once}\n", [], id="another name"),
    ],
)
def test_shadowed_built_in(text: str, expected: list[str]) -> None:
    """A name that means something everywhere is not to mean something else here."""
    assert expected == told(f"name: x\n{text}")


# Time.


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        pytest.param("2024-05-31", ["2 known-issue-over"], id="past"),
        pytest.param("2024-06-01", ["2 known-issue-over"], id="today"),
        pytest.param("2024-06-02", [], id="tomorrow"),
    ],
)
def test_known_issue_over(until: str, expected: list[str]) -> None:
    """From its day on a failure counts; today is 2024-06-01."""
    assert expected == told(f"name: x\nknown_issue: {{why: y, until: {until}}}\nsteps:\n  - expect: 220\n")


@pytest.mark.parametrize(
    ("head", "timeout", "expected"),
    [
        pytest.param("deadline: 1m\n", "2m", ["5 timeout-beyond-deadline"], id="longer"),
        pytest.param("deadline: 2m\n", "2m", [], id="as long"),
        pytest.param("description: y\n", "11m", ["5 timeout-beyond-deadline"], id="longer than the usual deadline"),
    ],
)
def test_timeout_beyond_deadline(head: str, timeout: str, expected: list[str]) -> None:
    """A timeout that the deadline always cuts is found."""
    assert expected == told(f"name: x\n{head}steps:\n  - expect: 220\n    timeout: {timeout}\n")


def test_deadline_may_be_the_projects(tmp_path: Path) -> None:
    """The project file gives the deadline of scenarios that have none."""
    text = "name: x\nsteps:\n  - expect: 220\n    timeout: 11m\n"
    given = project(tmp_path, "targets: {}\ndefaults: {deadline: 20m}\n")
    assert [] == lint(subject(text, project=given))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("- wait: 5s\n- send: NOOP\n  expect: OK", ["1 wait-for-mail"], id="NOOP"),
        pytest.param("- wait: 5s\n- steps:\n    - send: NOOP\n      expect: OK", ["1 wait-for-mail"], id="in a group"),
        pytest.param("- wait: 5s\n- send: LOGOUT\n  expect: OK", [], id="something else"),
        pytest.param("- wait: 5s", [], id="nothing behind it"),
        pytest.param(
            "- wait: 5s\n- retry: {every: 1s, for: 9s}\n  steps:\n    - send: NOOP\n      expect: OK", [], id="a retry"
        ),
        pytest.param(
            "- when: {capability: IDLE}\n  steps:\n    - wait: 5s\n  else:\n    - send: NOOP\n      expect: OK",
            [],
            id="the other side of a condition",
        ),
        pytest.param(
            "- when: {capability: IDLE}\n  steps:\n    - send: LOGOUT\n      expect: OK\n"
            "  else:\n    - wait: 5s\n    - send: NOOP\n      expect: OK",
            ["6 wait-for-mail"],
            id="in an else",
        ),
    ],
)
def test_wait_for_mail(steps: str, expected: list[str]) -> None:
    """A wait before a look into a mailbox is found; one before anything else may be meant."""
    assert expected == told_in_steps(steps, head="name: x\nprotocol: imap\n")


def test_wait_before_smtp_may_be_meant() -> None:
    """A ban or a greylist takes its time."""
    assert [] == told_in_steps("- wait: 5s\n- connect:\n  expect: 220\n")


# Others.


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param("starttls: {verify: false}", ["1 unverified"], id="starttls"),
        pytest.param("connect: {tls: {verify: false}}", ["1 unverified"], id="connect"),
        pytest.param("starttls: {verify: true}", [], id="on"),
    ],
)
def test_unverified(step: str, expected: list[str]) -> None:
    """A check that is switched off is found."""
    assert expected == told_in_steps(f"- {step}")


def test_same_name_twice() -> None:
    """The second of two scenarios is told where the first is."""
    first = subject("name: Same\nsteps:\n  - expect: 220\n", name="a.yaml")
    second = subject("name: Same\nsteps:\n  - expect: 220\n", name="b.yaml")
    names = {"Same": first.scenario.span}
    first.first_names = second.first_names = names
    assert [] == lint(first)
    assert ["it is a.yaml:1:1; rename one"] == [finding.advice for finding in lint(second)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("steps:\n  - expect: 220\n", ["missing-because", "missing-description", "missing-tags"], id="all"),
        pytest.param("description: a\ntags: [b]\nsteps:\n  - expect: 220\n    because: c\n", [], id="nothing"),
        pytest.param(
            "description: a\ntags: [b]\nsteps:\n  - expect: 220\n    because: c\n  - send: X\n    expect: 5xx\n",
            ["missing-because"],
            id="a refusal",
        ),
        pytest.param(
            "description: a\ntags: [b]\nsteps:\n  - expect: 220\n    because: c\n  - send: VRFY a@mail.com\n",
            ["real-address"],
            id="address",
        ),
        pytest.param(
            "description: a\ntags: [b]\nsteps:\n  - expect: 220\n    because: c\n  - send: VRFY a@b.example.net\n",
            [],
            id="nobody's address",
        ),
    ],
)
def test_pedantic_rules(text: str, expected: list[str]) -> None:
    """They are asked only where others run a file."""
    assert expected == sorted(finding.rule for finding in findings(f"name: x\n{text}", is_pedantic=True))
    assert [] == findings(f"name: x\n{text}")


def test_fragments_are_looked_at_where_they_are_used(tmp_path: Path) -> None:
    """What a fragment makes impossible is told at its `use`, with its own line."""
    (tmp_path / "mail.yaml").write_text(
        "fragment: {params: []}\nsteps:\n  - send: MAIL FROM:<>\n    expect: 250\n", "utf-8"
    )
    text = "name: x\nsteps:\n  - expect: 220\n  - use: mail.yaml\n"
    found = lint(subject(text, inside(tmp_path)))
    expected = ["MAIL before EHLO, and success is expected, in line 3 of mail.yaml"]
    assert expected == [finding.message for finding in found]
    assert [4] == [finding.span.line for finding in found]
