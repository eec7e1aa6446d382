"""A scenario with a target and values: scopes, secrets, what is fixed, what is told before anything connects."""

import pickle
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from compiling import SEED, case_of, compiled, expanded, project_of
from hypothesis import given
from hypothesis import strategies as st

from runner.language.case import Case, Given, SecretError, Skip, expand
from runner.language.model import Send
from runner.language.names import rfc5322_date
from runner.language.project import SecretRef, parse_target
from runner.language.template import Value
from runner.player.ending import StepEnded
from runner.player.filling import Scope, fill_line

NOOP = "steps:\n  - send: NOOP ${x}\n"
PROJECT = """targets:
  mx:
    url: smtp://mx.example
    tags: [mx]
    vars: {x: target}
    secrets: {s: {env: S}}
vars: {x: project, y: project}
secrets: {p: {env: P}}
env: [LISTED, UNSET]
client_name: client.example
defaults: {timeout: 20s, deadline: 2m, line_ends: lenient, limits: {line: 1KiB}}
"""


def no_secret(reference: SecretRef) -> str:
    raise SecretError(f"the environment variable '{reference.value}' is not set")


def value(case: Case, name: str) -> str:
    return case.values[name].text


# Scopes.


@pytest.mark.parametrize(
    "scopes",
    [
        ("line", "target", "project", "scenario"),
        ("target", "project", "scenario"),
        ("project", "scenario"),
        ("scenario",),
        ("line", "target"),
        ("project",),
    ],
    ids=" > ".join,
)
def test_the_inner_scope_wins(tmp_path, scopes):
    """--var comes before the target's, the project's and the scenario's."""
    own = {scope: f"{{x: {scope}}}" if scope in scopes else "{}" for scope in ("target", "project")}
    project = project_of(
        tmp_path, f"targets: {{mx: {{url: 'smtp://h', vars: {own['target']}}}}}\nvars: {own['project']}\n"
    )
    head = "name: n\nvars: {x: scenario}\n" if "scenario" in scopes else "name: n\n"
    given_values = Given(variables={"x": "line"} if "line" in scopes else {})
    case = expanded(compiled(head + NOOP), project, given_values, "mx")
    assert isinstance(case, Case)
    assert scopes[0] == value(case, "x")


def test_a_scenario_may_give_a_built_in_name_its_own_value():
    """Built-ins are the outermost scope."""
    assert "mine" == value(case_of("name: n\nvars: {unique: mine}\nsteps:\n  - send: NOOP ${unique}\n"), "unique")


def test_a_capture_is_not_looked_up_before_it_runs():
    """Its value comes with the conversation, so that nothing is missing and nothing is fixed."""
    case = case_of("name: n\nsteps:\n  - {expect: 250, capture: {q: text}}\n  - send: NOOP ${q}\n")
    assert {} == case.values


@pytest.mark.parametrize(
    ("target", "given_values"),
    [("vars: {q: x}", Given()), ("", Given(variables={"q": "x"})), ("", Given(secrets={"q": SecretRef("env", "Q")}))],
)
def test_a_capture_must_not_overwrite_what_an_operator_gave(tmp_path, target, given_values):
    """It is told at the capture, before anything connects."""
    project = project_of(tmp_path, f"targets: {{mx: {{url: 'smtp://h', {target}}}}}\n")
    scenario = compiled("name: n\nsteps:\n  - expect: 250\n    capture: {q: text}\n")
    expected = (
        "x.yaml:4:15: the capture 'q' would overwrite a name that is given elsewhere\n"
        "  |\n"
        "4 |     capture: {q: text}\n"
        "  |               ^\n"
        "  = a server must not set what --var, --secret or the project file gives as 'q'"
    )
    assert [expected] == expanded(scenario, project, given_values, "mx")


# Values.


@pytest.mark.parametrize("text", ["${y}", "$${y}", "*", "/.*/", "a\r\nb", "\0", "{{ y }}", "\udcff", ""])
def test_a_given_value_is_never_parsed(text):
    """Neither one from --var nor one from the environment, also inside a variable."""
    scenario = compiled("name: n\nvars: {both: '<${x}${env.E}>'}\nsteps:\n  - send: NOOP ${both:-d} ${x:-d}\n")
    given_values = Given(variables={"x": text}, environment={"E": text})
    case = expanded(scenario, given=given_values)
    assert isinstance(case, Case)
    assert f"<{text}{text}>" == value(case, "both")


def test_variables_are_made_of_variables():
    """In any order and depth, with filters and defaults."""
    head = "name: n\nvars: {a: '<${b}>', b: '${c | upper}${none:-!}', c: x}\n"
    assert "<X!>" == value(case_of(f"{head}steps:\n  - send: NOOP ${{a}}\n"), "a")


def test_a_variable_of_the_project_file_is_a_template(tmp_path):
    """It sees the names of the case."""
    project = project_of(tmp_path, "targets: {mx: 'smtp://h'}\nvars: {x: '${target.host}/$${y}'}\n")
    case = expanded(compiled("name: n\n" + NOOP), project, target="mx")
    assert isinstance(case, Case)
    assert "h/${y}" == value(case, "x")


def test_a_condition_knows_variables_that_no_text_uses():
    """`when: {var: external}` asks for a value that may be there or not."""
    steps = "name: n\nsteps:\n  - when: {var: external}\n    send: NOOP\n"
    assert "bob@example.net" == value(case_of(steps, {"external": "bob@example.net"}), "external")
    assert "external" not in case_of(steps).values


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("target.host", "mx.example"),
        ("target.port", "2525"),
        ("target.name", "smtp://mx.example:2525"),
        ("scenario.name", "n"),
        ("case.id", "k3x9w2"),
        ("unique", "k3x9w2"),
        ("now", "Thu, 29 Feb 2024 12:34:56 +0000"),
        ("now.iso", "2024-02-29T12:34:56+00:00"),
        ("client.name", "client.example"),
        ("message_id", "<k3x9w2@client.example>"),
    ],
)
def test_built_ins_are_fixed_when_the_case_starts(name, expected):
    """From the seed, the target and the machine's name alone."""
    case = case_of(f"name: n\nsteps:\n  - send: NOOP ${{{name}}}\n", given=Given(client_name="client.example"))
    assert expected == value(case, name)


def test_a_message_id_has_a_domain_on_any_machine():
    """RFC 5322 section 3.6.4 wants one; a machine without a full name is localhost."""
    assert "<k3x9w2@localhost>" == value(case_of("name: n\nsteps:\n  - send: X ${message_id}\n"), "message_id")


@pytest.mark.parametrize(("hours", "zone"), [(0, "+0000"), (-3, "-0300"), (5.5, "+0530")])
def test_a_date_is_that_of_a_message(hours, zone):
    """RFC 5322 section 3.3, with two digits for the day and the zone as a number."""
    moment = datetime(2024, 7, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=hours)))
    assert f"Mon, 01 Jul 2024 02:03:04 {zone}" == rfc5322_date(moment)


def test_the_client_name_of_the_project_comes_before_the_machines(tmp_path):
    """`client_name` is what the operator says."""
    project = project_of(tmp_path, "targets: {mx: 'smtp://h'}\nclient_name: mine.example\n")
    scenario = compiled("name: n\nsteps:\n  - send: EHLO ${client.name}\n")
    case = expanded(scenario, project, Given(client_name="machine.example"), "mx")
    assert isinstance(case, Case)
    assert ("mine.example", "mine.example") == (case.client_name, value(case, "client.name"))


def test_names_that_only_a_connection_gives_may_stand_in_steps():
    """The address literal is one, on a machine without a full name."""
    case = case_of("name: n\nsteps:\n  - send: EHLO ${client.name}\n  - send: NOOP ${client.address}\n")
    assert ("", {}) == (case.client_name, case.values)


def test_defaults_of_the_project_hold_where_the_scenario_says_nothing(tmp_path):
    """Timeout, deadline, limits and line ends."""
    project = project_of(tmp_path, PROJECT)
    case = expanded(compiled("name: n\nsteps:\n  - send: NOOP\n"), project, Given(secret=lambda _: "sesame"), "mx")
    own = expanded(compiled("name: n\ntimeout: 1s\ndeadline: 2s\nsteps:\n  - send: NOOP\n"), project, target="mx")
    assert isinstance(case, Case)
    assert isinstance(own, Case)
    assert (20.0, 120.0, 1024, True) == (case.timeout, case.deadline, case.limits.line, case.is_lenient)
    assert (1.0, 2.0) == (own.timeout, own.deadline)
    bare = case_of("name: n\nsteps:\n  - send: NOOP\n")
    assert (None, 600.0, False) == (bare.timeout, bare.deadline, bare.is_lenient)


# Secrets.


@pytest.mark.parametrize("where", ["line", "target", "project", "scenario"])
def test_a_secret_given_anywhere_is_one(tmp_path, where):
    """The value may come from a scope further in; no output shows it all the same."""
    secrets = {"target": "secrets: {x: {env: X}}", "project": ""}.get(where, "")
    text = f"targets: {{mx: {{url: 'smtp://h', {secrets}}}}}\n"
    text += "secrets: {x: {env: X}}\n" if where == "project" else ""
    head = "name: n\nsecrets: [x]\n" if where == "scenario" else "name: n\n"
    given_values = Given(
        variables={"x": "hunter2"} if where != "line" else {},
        secrets={"x": SecretRef("env", "X")} if where == "line" else {},
        secret=lambda _: "hunter2",
    )
    case = expanded(compiled(head + NOOP), project_of(tmp_path, text), given_values, "mx")
    assert isinstance(case, Case)
    assert ({"x": "hunter2"}, Value("hunter2", ("x",))) == (case.secrets, case.values["x"])


def test_secrecy_travels_through_variables_and_filters():
    """What is made of a secret is as secret."""
    head = "name: n\nsecrets: [p]\nvars: {a: '${b | upper}', b: 'x${p | base64}', c: clear}\n"
    case = case_of(f"{head}steps:\n  - send: NOOP ${{a}}${{c}}\n", {"p": "hunter2"})
    assert (("p",), ()) == (case.values["a"].secrets, case.values["c"].secrets)


def test_a_secret_that_no_step_uses_is_masked_too(tmp_path):
    """A server may send it; where it can't be had it does not matter."""
    project, scenario = project_of(tmp_path, PROJECT), compiled("name: n\nsteps:\n  - send: NOOP\n")

    def only_s(reference: SecretRef) -> str:
        return "sesame" if reference.value == "S" else no_secret(reference)

    case = expanded(scenario, project, Given(secret=only_s), "mx")
    assert isinstance(case, Case)
    assert {"s": "sesame"} == case.secrets


def test_a_value_is_in_no_repr():
    """Neither a secret nor a variable shows in a traceback."""
    case = case_of("name: n\nsecrets: [x]\n" + NOOP, {"x": "hunter2"})
    assert "hunter2" not in repr(case)


def test_a_case_goes_through_pickle(tmp_path):
    """It may be played in another process."""
    case = expanded(compiled("name: n\n" + NOOP), project_of(tmp_path, PROJECT), Given(secret=lambda _: "s"), "mx")
    assert isinstance(case, Case)
    again = pickle.loads(pickle.dumps(case))
    assert (case.values, case.secrets, case.scenario.steps) == (again.values, again.secrets, again.scenario.steps)


# Skips.


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ("{target_tag: mx}", None),
        ("{target_tag: [mx, lan]}", "the target has no tag 'lan'"),
        ("{var: x}", None),
        ("{var: [x, external]}", "requires the variable 'external'"),
        ("{var: empty}", "requires the variable 'empty'"),
        ("{capability: STARTTLS}", None),
        ("{target_tag: lan, var: wrong}", "the target has no tag 'lan'"),
    ],
)
def test_what_a_scenario_requires_is_judged_before_names_are_demanded(tmp_path, requires, expected):
    """A case that makes no sense with a target is skipped, whatever it would want of it."""
    project = project_of(tmp_path, PROJECT.replace("y: project", "y: project, empty: '', wrong: '${none}'"))
    wants = "steps:\n  - send: NOOP ${external:-}\n" if expected is None else "steps:\n  - send: NOOP ${external}\n"
    found = expanded(compiled(f"name: n\nrequires: {requires}\n{wants}"), project, target="mx")
    assert (Skip(expected) == found) if expected else isinstance(found, Case)


def test_a_required_value_that_cannot_be_had_is_no_skip(tmp_path):
    """A secret whose source is missing would hide a broken set-up."""
    project = project_of(tmp_path, PROJECT)
    found = expanded(
        compiled("name: n\nrequires: {var: s}\nsteps:\n  - send: NOOP\n"), project, Given(secret=no_secret), "mx"
    )
    assert isinstance(found, list)
    assert ["mailproof.yaml:6:15: the secret 's' can't be had: the environment variable 'S' is not set"] == [
        one.split("\n")[0] for one in found
    ]


# Sessions.

TARGETS = """targets:
  mx:
    url: smtp://mx.example
    vars: {who: main}
    secrets: {pin: {env: MAIN}}
  far:
    url: smtp://far.example:26
    vars: {who: far, only: x}
    secrets: {pin: {env: FAR}, own: {env: OWN}}
  box: lmtp://box.example
  all: {mx: example.com}
"""
SAY_PROTOCOL = "say what the session speaks: sessions: {other: {target: …, protocol: lmtp}}"
EVERY_MX = "every mail exchanger of a domain = a session is with one server: name a target with a host"
OF_MX = "  - send: NOOP ${who} ${target.host}\n"
OF_FAR = "  - {session: other, send: 'NOOP ${who} ${only} ${target.host}'}\n"


def with_sessions(tmp_path, sessions, steps=OF_MX + OF_FAR, given_values=None, head=""):
    """Expand a scenario with sessions at the targets above."""
    scenario = compiled(f"name: n\n{head}sessions: {sessions}\nsteps:\n{steps}")
    given_values = given_values or Given(secret=lambda reference: f"{reference.value}-secret")
    return expanded(scenario, project_of(tmp_path, TARGETS), given_values, "mx")


def first_lines(found):
    return [one.split("\n")[0] for one in found]


def test_each_session_has_the_values_of_its_target(tmp_path):
    """What is written once may stand for two things; what only one needs only one must have."""
    case = with_sessions(tmp_path, "{other: far}", head="vars: {both: '${who}!'}\n")
    assert isinstance(case, Case)
    found = {
        name: (party.target.name, party.protocol, party.values["who"].text, party.values["target.host"].text)
        for name, party in case.sessions.items()
    }
    expected = {"main": ("mx", "smtp", "main", "mx.example"), "other": ("far", "smtp", "far", "far.example")}
    assert expected == found
    assert "only" not in case.values
    assert ("mx", "main!") == (case.target.name, value(case, "both"))


def test_a_session_without_a_target_is_at_that_of_the_scenario(tmp_path):
    """A second connection to the server under test, or ten."""
    case = with_sessions(tmp_path, "{other: {}, c: {count: 10}}", OF_MX)
    assert isinstance(case, Case)
    assert [("mx", 0), ("mx", 0), ("mx", 10)] == [(one.target.name, one.count) for one in case.sessions.values()]


def test_the_command_line_comes_before_the_file(tmp_path):
    """`--session other=URL`."""
    given_values = Given(sessions={"other": parse_target("smtp://near.example")}, variables={"who": "w", "only": "y"})
    case = with_sessions(tmp_path, "{other: far}", given_values=replace(given_values, secret=lambda _: "s"))
    assert isinstance(case, Case)
    assert "near.example" == case.sessions["other"].target.host


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ("{other: fra}", "x.yaml:2:19: unknown target 'fra' = did you mean 'far'?"),
        ("{other: {target: nowhere}}", "x.yaml:2:28: unknown target 'nowhere' = the targets are: all, box, far, mx"),
        ("{other: all}", f"x.yaml:2:19: the target 'all' of the session 'other' is {EVERY_MX}"),
        ("{other: box}", f"x.yaml:2:19: the session 'other' speaks smtp, and its target 'box' lmtp = {SAY_PROTOCOL}"),
    ],
)
def test_a_session_that_cannot_be_is_told(tmp_path, sessions, expected):
    """At its place, with everything else that is wrong."""
    steps = OF_MX + "  - {session: other, send: NOOP}\n  - send: NOOP ${nobody}\n"
    found = with_sessions(tmp_path, sessions, steps)
    assert isinstance(found, list)
    told_of = [one.split("\n")[0] + " = " + one.split(" = ")[-1] for one in found]
    assert [expected, True] == [told_of[0], "unknown placeholder '${nobody}'" in told_of[1]]


def test_a_name_that_a_session_lacks_is_told(tmp_path):
    """Though another session has it."""
    found = with_sessions(tmp_path, "{other: far}", "  - send: NOOP ${only}\n")
    assert ["x.yaml:4:16: unknown placeholder '${only}'"] == first_lines(found)


def test_secrets_of_all_sessions_are_masked(tmp_path):
    """One name with two values tells whose the second is; a secret of one session is one in all."""
    case = with_sessions(
        tmp_path,
        "{other: far}",
        "  - send: NOOP ${pin}\n  - {session: other, send: 'NOOP ${pin} ${own}'}\n  - send: NOOP ${own}\n",
        Given(secret=lambda reference: f"{reference.value}-secret", variables={"own": "from-the-line"}),
        head="secrets: [pin, own]\n",
    )
    assert isinstance(case, Case)
    expected = {"pin": "MAIN-secret", "own": "from-the-line", "pin of other": "FAR-secret"}
    assert expected == dict(case.secrets)
    assert ("own",) == case.values["own"].secrets


def test_a_secret_may_come_from_the_target_of_any_session(tmp_path):
    """`secrets` demands that it is given, not by which."""
    steps = "  - {session: other, send: 'NOOP ${own}'}\n"
    assert isinstance(with_sessions(tmp_path, "{other: far}", steps, head="secrets: [own]\n"), Case)
    found = with_sessions(tmp_path, "{other: mx}", steps, head="secrets: [own]\n")
    assert ["x.yaml:2:11: the secret 'own' is not given"] == first_lines(found)


def test_a_case_with_sessions_travels(tmp_path):
    """It may be played in another process."""
    case = with_sessions(tmp_path, "{other: far, c: {count: 2}}")
    again = pickle.loads(pickle.dumps(case))
    known = [(name, party.values, party.count) for name, party in case.sessions.items()]
    assert known == [(name, party.values, party.count) for name, party in again.sessions.items()]
    assert case.scenario.sessions == again.scenario.sessions


# What is told before anything connects.


def told(text: str, project: str, tmp_path, given_values: Given | None = None) -> list[str]:
    found = expanded(compiled(text), project_of(tmp_path, project), given_values, "mx")
    assert isinstance(found, list)
    lines = [(one.split("\n")[0], " ".join(one.partition(" = ")[2].split())) for one in found]
    return [f"{first} = {advice}" if advice else first for first, advice in lines]


IN_A_STEP = "use it in a step: variables are fixed when the case starts"
GIVE_SECRET = "give it by --secret pin=env:NAME or pin=file:PATH, or in mailproof.yaml under secrets:"
GIVE = "give it by --var {0}=… or --secret {0}=env:NAME, or in mailproof.yaml under vars: or secrets:"


@pytest.mark.parametrize(
    ("head", "send", "expected"),
    [
        ("", "${sendr}", ["x.yaml:3:16: unknown placeholder '${sendr}' = did you mean 'sender'?"]),
        ("", "${domain}", [f"x.yaml:3:16: unknown placeholder '${{domain}}' = {GIVE.format('domain')}"]),
        ("", "${domain} ${domain}", [f"x.yaml:3:16: unknown placeholder '${{domain}}' = {GIVE.format('domain')}"]),
        ("", "${target.hst}", ["x.yaml:3:16: unknown placeholder '${target.hst}' = did you mean 'target.host'?"]),
        (
            "",
            "${env.NONE}",
            ["x.yaml:3:16: unknown placeholder '${env.NONE}' = list it in mailproof.yaml: env: [NONE]"],
        ),
        (
            "",
            "${env.UNSET}",
            ["x.yaml:3:16: the environment variable 'UNSET' is not set = set it in the environment"],
        ),
        (
            "secrets: [pin]\n",
            "${pin} ${pin:-x}",
            [f"x.yaml:2:11: the secret 'pin' is not given = {GIVE_SECRET}"],
        ),
        (
            "secrets: [pin]\nvars: {pin: '1234'}\n",
            "x",
            [f"x.yaml:2:11: the secret 'pin' is not given = {GIVE_SECRET}"],
        ),
        (
            "",
            "${lost}",
            ["mailproof.yaml:3:11: the secret 'lost' can't be had: the environment variable 'LOST' is not set"],
        ),
        (
            "vars: {a: 'x${lost}'}\n",
            "${a} ${a} ${lost:-x}",
            ["mailproof.yaml:3:11: the secret 'lost' can't be had: the environment variable 'LOST' is not set"],
        ),
        (
            "vars: {a: '${b}', b: '${c}', c: '${a}'}\n",
            "${a} ${b:-x}",
            ["x.yaml:2:34: the variables go in a circle: a → b → c → a"],
        ),
        ("vars: {a: '${a}'}\n", "x", ["x.yaml:2:12: the variables go in a circle: a → a"]),
        (
            "vars: {a: 'x ${sendr}'}\n",
            "${a:-default}",
            ["x.yaml:2:14: unknown placeholder '${sendr}' = did you mean 'sender'?"],
        ),
        (
            "vars: {a: '[${client.address}]'}\n",
            "${a}",
            [f"x.yaml:2:13: '${{client.address}}' is known only once connected = {IN_A_STEP}"],
        ),
        (
            "",
            "${sender | base64_decode}",
            ["x.yaml:3:16: the value of 'sender' is not base64 of UTF-8 text (filter 'base64_decode')"],
        ),
        (
            "vars: {a: '${sender | base64_decode}'}\n",
            "${a}",
            ["x.yaml:2:12: the value of 'sender' is not base64 of UTF-8 text (filter 'base64_decode')"],
        ),
        ("", "${broken}", ["mailproof.yaml:2:46: unknown filter 'uper' = did you mean 'upper'?"]),
    ],
)
def test_a_name_that_nobody_gives_is_told_where_it_is_written(tmp_path, head, send, expected):
    """One message for one mistake, at its place, with the nearest name or how to give it; a default hides none."""
    project = (
        "targets: {mx: 'smtp://h'}\nvars: {sender: alice@example.com, broken: 'a ${sender | uper}'}\n"
        "secrets: {lost: {env: LOST}}\nenv: [UNSET]\n"
    )
    text = f"name: n\n{head}steps:\n  - send: NOOP {send}\n"
    assert expected == told(text, project, tmp_path, Given(secret=no_secret))


def test_a_capture_in_a_variable_comes_too_late(tmp_path):
    """Variables are fixed when the case starts."""
    text = "name: n\nvars: {a: 'x${q}'}\nsteps:\n  - {expect: 250, capture: {q: text}}\n  - send: NOOP ${a}\n"
    expected = f"x.yaml:2:13: '${{q}}' is captured later = {IN_A_STEP}"
    assert [expected] == told(text, "targets: {mx: 'smtp://h'}\n", tmp_path)


def test_a_secret_of_the_command_line_is_told_where_it_is_wanted():
    """Its own place is no file."""
    scenario = compiled("name: n\nsteps:\n  - send: NOOP ${x:-default}\n")
    found = expanded(scenario, given=Given(secrets={"x": SecretRef("env", "X")}, secret=no_secret))
    assert isinstance(found, list)
    assert ["x.yaml:3:16: the secret 'x' can't be had: the environment variable 'X' is not set"] == [
        one.split("\n")[0] for one in found
    ]


NAMES = ["a", "b", "c", "d"]


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.lists(st.sampled_from(["${a}", "${b | upper}", "${c:-z}", "${d}", "x", "$${a}"]), max_size=4).map("".join),
    ),
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=6)),
)
def test_expansion_ends_and_parses_no_value(variables, values):
    """For any variables a case comes, or located problems; a value is in the result as it was given."""
    mapping = ", ".join(f"{name}: '{text}'" for name, text in variables.items())
    scenario = compiled(f"name: n\nvars: {{{mapping}}}\nsteps:\n  - send: ${{a:-}}${{b:-}}${{c:-}}${{d:-}}\n")
    problems: list = []
    case = expand(scenario, parse_target("smtp://h"), None, Given(variables=values), seed=SEED, problems=problems)
    assert (case is None) == bool(problems)
    if isinstance(case, Case):
        for name, text in values.items():
            assert text == value(case, name)


@given(st.text(st.sampled_from("a ${x}\r\n\0.\\é"), max_size=12))
def test_a_line_on_the_wire_ends_once(text):
    """Whatever a value holds, one step is one line with one CRLF, or an error before anything is written."""
    case = case_of("name: n\nsteps:\n  - send: NOOP ${x:-}\n", {"x": text})
    (step,) = case.scenario.steps
    assert isinstance(step, Send)
    scope = Scope(case.values, case.scenario.captures, lambda _name, _value: None)
    try:
        data = fill_line(step.line, scope, b"\r\n").data
    except StepEnded:
        assert set(text) & set("\r\n\0")
    else:
        assert f"NOOP {text}\r\n".encode() == data
        assert (1, 1) == (data.count(b"\r"), data.count(b"\n"))
