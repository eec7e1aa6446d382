"""What operators are told of the slips that they make most: one message each, with what would be right."""

from __future__ import annotations

import pytest
from compiling import compiled, expanded, problems_in, project_of

from runner.errors import InputError
from runner.language.case import Case, Given
from runner.language.model import Scenario
from runner.language.project import load_project, parse_target
from runner.sasl import MECHANISMS

SMTPS = "targets: {mx: smtps://mx.example}\n"


def step(text: str) -> str:
    return f"name: x\nsteps:\n  - {text}\n"


def refusal(scenario: Scenario) -> str:
    """Return the one problem of a scenario whose case can't be made, without the line breaks of its advice."""
    case = expanded(scenario)
    assert isinstance(case, list), case
    (told,) = case
    return " ".join(str(told).split())


def said(text: str) -> list[tuple[str, str]]:
    return [(problem.message, problem.advice) for problem in problems_in(text)]


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        pytest.param(step("repeat: 3"), "'repeat' belongs to 'steps'", "add steps: […]", id="repeat alone"),
        pytest.param(
            step("repeat: 3\n    send: NOOP"),
            "'repeat' belongs to 'steps'",
            "put the step into a list beside it: steps: […]",
            id="repeat beside a verb",
        ),
        pytest.param(step("for: 2s"), "a step without a verb", "add expect: silence", id="for alone"),
        pytest.param(
            step("send: NOOP\n    for: 2s"),
            "'for' judges a reply, and this step expects none",
            "add expect: silence",
            id="for beside send",
        ),
        pytest.param(
            step("expect: 250\n    for: 2s"),
            "'for' goes with expect: silence",
            "write expect: silence; how long a step may take is 'timeout'",
            id="for beside a code",
        ),
        pytest.param(
            step("talk: |\n      S: 220\n      C: NOOP\n      S: [550, 554]"),
            "a talk can't say alternatives",
            "alternatives want a step of their own: expect: [550, 554]",
            id="alternatives in a talk",
        ),
        pytest.param(
            "nmae: x\nsteps: [{expect: 220}]\n", "unknown key 'nmae'", "did you mean 'name'?", id="mistyped and missing"
        ),
        pytest.param(
            step("send: !!python/object/apply:os.system [ls]"),
            "a tag, '!!python/object/apply:os.system'",
            "a text that starts with '!' wants quotes\nwrite: - send: '!!python/object/apply:os.system [ls]'",
            id="tag of a list",
        ),
        pytest.param(
            step("expect: 220\n    capabilities: {AUTH: [${x}]}"),
            "a placeholder inside '{ }' or '[ ]' wants quotes",
            "no placeholder can stand in capabilities: write the name and parameters out",
            id="bare placeholder",
        ),
        pytest.param(step("talk: ''"), "an empty text", "", id="empty talk"),
        pytest.param(
            step("send: EHLO x\n    expect: 250\n    capabilities: 'A B'"),
            "a text where a list or a mapping is due",
            "for example [STARTTLS, 8BITMIME], {AUTH: [PLAIN], STARTTLS: absent, SIZE: >= 10MB}",
            id="capabilities as a text",
        ),
        pytest.param(
            step("expect: 220\n    lines: 0"),
            "a reply has at least one line",
            "write lines: 1 or more; no reply is expect: silence",
            id="no lines",
        ),
        pytest.param(
            step("bytes: x\n    replies: 00\n    expect: [250, 421]"),
            "'replies: 0' asks for no reply, and 'expect' for one",
            "leave one of them out; what an earlier line asked for is read by a step of its own",
            id="no reply, and one",
        ),
        pytest.param(
            step("auth: {mechanism: PLAIN, token: x}"),
            "PLAIN takes no 'token'",
            "it takes username, password, authzid",
            id="token beside PLAIN",
        ),
        pytest.param(
            step("auth: {mechanism: external, password: x}"),
            "EXTERNAL takes no 'password'",
            "it takes authzid",
            id="password beside EXTERNAL",
        ),
        pytest.param(
            step("auth: {mechanism: XOAUTH2, password: x}"),
            "XOAUTH2 takes no 'password'",
            "it takes username, token",
            id="password beside XOAUTH2",
        ),
        pytest.param(
            step("retry: {every: 60s, for: 5s}\n    steps: [{expect: 250}]"),
            "a pause longer than all attempts together, 5s",
            "a longer 'for', or a shorter 'every'",
            id="retry that never retries",
        ),
        pytest.param(
            "name: x\ntags: relay, auth\nsteps: [{expect: 220}]\n",
            "a text where a list is due",
            "write [relay, auth]",
            id="words in place of a list",
        ),
        pytest.param(
            "name: x\ntags: '#1 a'\nsteps: [{expect: 220}]\n",
            "a text where a list is due",
            "write ['#1', a]",
            id="words that want quotes",
        ),
        pytest.param(
            step("connect: {source_address: eth0}"),
            "'eth0' is no IP address",
            "the address of an interface of this machine, such as 192.0.2.7",
            id="an interface's name",
        ),
    ],
)
def test_a_slip_is_one_message(text, message, advice):
    """With what would be right."""
    assert [(message, advice)] == said(text)


@pytest.mark.parametrize(
    "text",
    [
        step("send: x\n    replies: 0\n    expect: silence\n    for: 1s"),
        step("send: x\n    replies: 0\n    expect: close"),
        step("send: x\n    replies: 0"),
        step("send: x\n    replies: 10\n    expect: 250"),
        step("retry: {every: 5s, for: 5s}\n    steps: [{expect: 250}]"),
        step("auth: {mechanism: best, token: x, password: y}"),
        step("auth: {mechanism: '${m}', token: x}"),
        step("auth: {mechanism: GSSAPI, username: a, password: b, authzid: c}"),
        step("connect: {source_address: '${address}'}"),
    ],
)
def test_what_may_make_sense_is_not_refused(text):
    """Only what can mean nothing is."""
    assert [] == said(text)


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_takes_what_it_wants_and_no_token_besides(name):
    """Of each it is known what it takes."""
    wants = MECHANISMS[name].wants
    assert [] == said(step(f"auth: {{mechanism: {name}, {', '.join(f'{part}: x' for part in wants)}}}"))
    refused = [] if "token" in wants else [f"{name} takes no 'token'"]
    assert refused == [message for message, _ in said(step(f"auth: {{mechanism: {name}, token: x}}"))]


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ("{famly: ipv4, family: ipv5}", ["unknown key 'famly'", "'family' can't be 'ipv5'"]),
        ("{tls: [a], proxy_protocol: v3}", ["a list where a mapping is due", "'proxy_protocol' can't be 'v3'"]),
        (
            "{source_address: eth0, proxy_protocol: {version: v1, source: x}, tls: {verfy: no}}",
            [
                "'eth0' is no IP address",
                "'x' is no IP address with a port: 192.0.2.7:1234 or [2001:db8::7]:1234",
                "unknown key 'verfy'",
            ],
        ),
        (
            "{source_address: , tls: {min: x, ca: nosuch.pem}}",
            ["nothing where a text is due", "'min' can't be 'x'", "there is no file 'nosuch.pem'"],
        ),
    ],
)
def test_one_bad_option_of_connect_hides_no_other(options, messages):
    """All are told at once."""
    assert messages == [message for message, _ in said(step(f"connect: {options}"))]


@pytest.mark.parametrize("name", ["index", "attempt"])
def test_a_counter_outside_its_loop(name):
    """Where it may stand is told, and not that there is such a name."""
    loop = {"index": "repeat", "attempt": "retry"}[name]
    told = refusal(compiled(step(f"send: NOOP ${{{name}}}")))
    assert f"'${{{name}}}' is known only inside a {loop} of the same file" in told
    assert f"it may stand in the steps beside '{loop}'; a fragment gets it by with: {{n: '${{{name}}}'}}" in told
    assert "did you mean" not in told


class TestTheHandshakeOfConnect:
    STEP = "connect:\n    tls_expect: {version: TLSv1.3}"

    def test_without_implicit_tls(self):
        """What nothing can be judged of is told before anything connects, at its place."""
        told = refusal(compiled(step(self.STEP)))
        assert told.startswith("x.yaml:4:5: the connection to 'smtp://mx.example:2525' doesn't begin with TLS")
        assert "put it beside 'starttls', or name a target whose scheme is smtps or submissions" in told

    def test_with_implicit_tls(self, tmp_path):
        """There it is what it is for."""
        project = project_of(tmp_path, SMTPS)
        assert isinstance(expanded(compiled(step(self.STEP)), project, target="mx"), Case)

    def test_of_another_session(self):
        """Each session is judged by its own target."""
        text = f"name: x\nsessions: {{other: {{}}}}\nsteps:\n  - session: other\n    {self.STEP}\n"
        given = Given(sessions={"other": parse_target("smtps://mx.example")})
        assert isinstance(expanded(compiled(text), given=given), Case)
        told = refusal(compiled(text))
        assert told.startswith("x.yaml:6:5: ")

    def test_under_a_condition(self):
        """It may never come to it."""
        text = step("when: {var: implicit}\n    steps:\n      - connect:\n        tls_expect: {version: TLSv1.3}")
        assert isinstance(expanded(compiled(text)), Case)


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        (
            "targets: {a: {}}\n",
            "a target without 'url', 'mx' or 'command'",
            "for example {url: smtp://mx1.example.com}",
        ),
        ("targets: {a: {command: cat /x}}\n", "a text where a list is due", "write [cat, /x]"),
        (
            "targets: {a: {command: sh -c 'a b'}}\n",
            "a text where a list is due",
            "write [sh, -c, a b]",
        ),
        (
            "secrets: {a: {command: cat /x}}\n",
            "a text where a list is due",
            "write its words as a list: [PROGRAM, ARGUMENT]",
        ),
        (
            "secrets: {a: {env: hunter-2}}\n",
            "this is no name of an environment variable",
            "for example ALICE_PASSWORD",
        ),
        (
            "secrets: {a: {command: !!python/object x}}\n",
            "a tag, '!!python/object'",
            "a text that starts with '!' wants quotes",
        ),
    ],
)
def test_a_slip_in_the_project_file_is_one_message(tmp_path, text, message, advice):
    """With what would be right, and without what may be a secret."""
    path = tmp_path / "mailproof.yaml"
    path.write_text(text, "utf-8")
    problems = []
    assert load_project(path, problems) is None
    assert [(message, advice)] == [(problem.message, problem.advice) for problem in problems]
    assert "hunter" not in "".join(problem.render() for problem in problems)


def test_a_verb_without_its_colon():
    """It is a text then, and no step."""
    assert [("a text where a step is due", "write it with a colon: starttls:")] == said(step("starttls"))


def test_a_secret_that_is_mistyped(tmp_path):
    """One that is given has nearly this name."""
    project = project_of(tmp_path, "targets: {mx: smtp://mx.example}\nsecrets: {password: {env: PW}}\n")
    scenario = compiled("name: x\nsecrets: [passwort]\nsteps:\n  - expect: 220\n")
    told = expanded(scenario, project, target="mx")
    assert "did you mean 'password'?" in told[0]


@pytest.mark.parametrize("url", ["pop3//mx.example", "pop3:/mx.example", "POP3:mx.example"])
def test_a_url_without_its_colon_or_slashes(url):
    """The scheme that was meant is kept."""
    with pytest.raises(InputError) as told:
        parse_target(url)
    is_known = "/" in url
    assert ("write pop3://mx.example" if is_known else "smtp://HOST") in str(told.value.problems[0].advice)


def test_a_session_given_a_target_that_speaks_something_else():
    """What the scenario says is kept, and what came from the command line is named."""
    scenario = compiled("name: x\nsessions: {inbox: {target: i, protocol: imap}}\nsteps:\n  - expect: 220\n")
    (told,) = expanded(scenario, given=Given(sessions={"inbox": parse_target("pop3://mx.example")}))
    assert "the session 'inbox' speaks imap, and what --session gives it pop3" in told
    assert "give it one that speaks imap" in told
