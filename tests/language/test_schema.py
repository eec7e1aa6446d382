"""The schemas, the fast check and the explanations."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from runner.errors import SourceFile
from runner.language import schema
from runner.language.loader import Mapping, Node, Scalar, Sequence, load, plain
from runner.language.schema import check_project, check_scenario
from runner.language.schema_check import SchemaCompiler
from runner.language.vocabulary import CLIENT_VERBS, EXPECTING, STEP_LISTS, VERBS
from runner.resources import bundled

SOURCE = SourceFile("x.yaml", "")
SCENARIO = json.loads((bundled("schema") / "scenario.schema.json").read_text("utf-8"))
PROJECT = json.loads((bundled("schema") / "project.schema.json").read_text("utf-8"))

GOOD_SCENARIO = {
    "name": "Every key",
    "description": "of this version",
    "tags": ["all", "keys"],
    "protocol": "lmtp",
    "vars": {"sender": "a@example.com", "empty-one": ""},
    "secrets": ["password"],
    "requires": {"capability": ["STARTTLS", "SIZE"], "target_tag": "mx", "var": "external"},
    "matrix": {"user": ["alice", ""], "file": ["a"], "secrets": ["b"]},
    "sessions": {"other": "mx2", "second": {}, "c": {"target": "mx3", "protocol": "lmtp", "count": "10"}},
    "timeout": "1m30s",
    "deadline": "10m",
    "known_issue": {"why": "ticket 42", "until": "2026-12-31"},
    "cleanup": [{"use": "fragments/x.yaml"}],
    "steps": [
        {"use": "fragments/x.yaml", "with": {"to": "a", "empty": ""}, "when": {"tls": "true"}},
        {"repeat": "5", "steps": [{"expect": "250"}]},
        {"repeat": {"each": ["a", ""], "as": "x"}, "keep_going": "true", "steps": [{"expect": "250"}]},
        {"retry": {"every": "2s", "for": "60s"}, "steps": [{"expect": "250"}]},
        {"connect": None, "expect": "220", "within": "500ms"},
        {"connect": {"source_address": "192.0.2.1", "tls": {"verify": "no", "ca": "ca.pem", "min": "TLSv1.2"}}},
        {"expect": ["220", "close"], "name": "greeting", "because": "it must", "timeout": "2s", "severity": "warning"},
        {
            "send": "EHLO x",
            "eol": "lf",
            "encode": "none",
            "replies": "2",
            "expect": "250",
            "has": "*x*",
            "lacks": ["/y/", "z"],
            "lines": "3",
            "capabilities": {"AUTH": ["PLAIN"], "SIZE": ">= 10MB", "X": {"lacks": ["y"]}, "Y": {"exactly": []}},
            "capture": {"id": "/(\\d+)/", "all": "text"},
            "message": {
                "headers": {"X": "a", "Y": ["b", "/c/"], "Z": {"lacks": ["d"]}},
                "body": "e",
                "lacks": ["f"],
                "size": ">= 1MB",
                "attachments": ["*.pdf"],
            },
            "session": "main",
        },
        {"send": "", "expect": "silence", "for": "2s", "capabilities": ["STARTTLS"]},
        {"data": "Subject: x\n\nhello\n", "expect": "250"},
        {"data": {"file": "x.eml", "fill": "true"}, "dot_stuffing": "no", "end": "\\n.\\n", "rate": "1KB/s"},
        {"data": {"size": "10MB"}, "end": ""},
        {"bdat": {"sample": "eicar"}, "last": "yes", "expect": "250"},
        {"bytes": "a\\r\\n", "pause": "10ms", "replies": "1", "expect": "250"},
        {"bytes": {"hex": "0d0a"}},
        {"bytes": {"base64": "DQo="}},
        {"bytes": {"file": "x.bin"}},
        {"auth": "PLAIN", "expect": "235"},
        {"auth": {"mechanism": "LOGIN", "username": "", "password": "p", "authzid": "a", "initial": "false"}},
        {"starttls": None, "when": {"capability": "STARTTLS", "tls": "false", "not": {"reply": "4xx"}}},
        {"starttls": {"server_name": "mx.example.com"}},
        {"tls": None},
        {"close": "quit", "expect": "221"},
        {"talk": "C: NOOP\nS: 250\n"},
        {"pipeline": [{"send": "NOOP", "expect": "250"}, {"expect": "250"}]},
        {"when": {"var": "x", "is": "y*"}, "steps": [{"wait": "2s"}], "else": [{"steps": [{"expect": "any"}]}]},
    ],
}
GOOD_PROJECT = {
    "targets": {
        "mx": "smtp://mx1.example.com",
        "sub.mission": {
            "url": "submission://mail.example.com",
            "tags": ["auth"],
            "vars": {"username": "alice"},
            "secrets": {"password": {"env": "P"}, "other": {"file": "x"}, "third": {"command": ["pass", "x"]}},
            "source_address": "192.0.2.7",
            "tls": {"verify": "yes"},
            "plaintext_secrets": "allow",
            "greylisting": "10m",
        },
    },
    "vars": {"sender": "a"},
    "secrets": {"s": {"env": "S"}},
    "env": ["CI_COMMIT_SHA"],
    "defaults": {
        "timeout": "20s",
        "deadline": "1h",
        "limits": {"line": "64KiB", "reply": "1 MB", "literal": "5"},
        "line_ends": "lenient",
    },
    "client_name": "client.example.com",
}


def nodes_of(data) -> Node:
    """Make nodes of plain data, all in one place of no file."""
    place = (SOURCE, 1, 1, 1)
    if isinstance(data, dict):
        return Mapping(*place, {key: (Scalar(*place, key), nodes_of(value)) for key, value in data.items()})
    if isinstance(data, list):
        return Sequence(*place, [nodes_of(item) for item in data])
    return Scalar(*place, "") if data is None else Scalar(*place, data, "'")


def messages(check, data) -> list[str]:
    problems = []
    check(nodes_of(data), problems)
    return [problem.message for problem in problems]


def told(text: str) -> list[tuple[int, str, str]]:
    problems = []
    root = load(SourceFile("x.yaml", text), problems)
    check_scenario(root, problems)
    return [(problem.span.line, problem.message, problem.advice) for problem in problems]


@pytest.mark.parametrize("document", [SCENARIO, PROJECT], ids=["scenario", "project"])
def test_a_schema_is_a_schema(document):
    """Editors and jsonschema can read it, and the fast check knows every keyword in it."""
    Draft7Validator.check_schema(document)
    compiler = SchemaCompiler(document, {"#/definitions/step": lambda _: True})
    for name in document["definitions"].keys() - {"step", "common", "expectation"}:
        compiler.ref(f"#/definitions/{name}")
    assert compiler.root()(nodes_of(GOOD_SCENARIO if document is SCENARIO else GOOD_PROJECT))


def keys_of(node):
    """All (name, definition) pairs of keys in a schema."""
    if isinstance(node, dict):
        properties = node.get("properties", {})
        yield from properties.items()
        for value in node.values():
            yield from keys_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys_of(value)


@pytest.mark.parametrize("document", [SCENARIO, PROJECT], ids=["scenario", "project"])
def test_every_key_is_described(document):
    """The schema is what the reference of keys is made from."""
    for name, definition in [*keys_of(document), *document["definitions"].items()]:
        while "$ref" in definition:
            definition = resolve(document, definition["$ref"])  # noqa: PLW2901
        assert definition.get("description"), name


def resolve(document, reference):
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


@pytest.mark.parametrize("document", [SCENARIO, PROJECT], ids=["scenario", "project"])
def test_every_example_fits(document):
    """What the schema shows as an example is one."""
    for name, definition in [*keys_of(document), *document["definitions"].items()]:
        validator = Draft7Validator({**definition, "definitions": document["definitions"]})
        for example in definition.get("examples", ()) if "$ref" not in definition else ():
            assert not list(validator.iter_errors(example)), (name, example)


def test_the_schema_and_the_code_know_the_same_verbs():
    """Each verb has its definition, and the step for editors tells all of them apart."""
    chain = [part["if"] for part in SCENARIO["definitions"]["step"]["allOf"]]
    others = EXPECTING[1:]
    assert [*VERBS, *others] == [part["required"][0] for part in chain[:-1]]
    assert tuple(verb for verb in VERBS if verb in SCENARIO["definitions"][verb]["required"]) == VERBS
    excluded = [[one["required"][0] for one in part["not"]["anyOf"]] for part in chain if "not" in part]
    assert [list(VERBS), list(VERBS), [*VERBS, *others]] == excluded


def test_what_is_sent_may_be_followed_by_what_is_due():
    """Beside each verb that sends stand all the keys that say what is to be read."""
    definitions = SCENARIO["definitions"]
    assert [] == [
        (verb, key)
        for verb in ("send", "data", "bdat", "bytes")
        for key in EXPECTING
        if key not in definitions[verb]["properties"]
    ]


@pytest.mark.parametrize(
    ("check", "data"), [(check_scenario, GOOD_SCENARIO), (check_project, GOOD_PROJECT)], ids=["scenario", "project"]
)
def test_every_key_of_this_version_is_accepted(check, data):
    """A file with all of them has no problem."""
    assert messages(check, data) == []


def test_an_editor_may_see_numbers_and_booleans():
    """What YAML's stock rules make a number or a boolean fits the published schema too."""
    data = {
        "name": 5,
        "vars": {"a": True},
        "steps": [{"expect": 220}, {"send": 1.5, "lines": 3, "expect": [250, 251]}, {"tls": {"verify": False}}],
    }
    assert list(Draft7Validator(SCENARIO).iter_errors(data)) == []


def test_a_good_file_does_not_cost_jsonschema():
    """Its import alone takes longer than checking a hundred files."""
    code = (
        "import sys; from runner.language.loader import load; from runner.language.schema import check_scenario;"
        "from runner.errors import SourceFile; p = [];"
        "check_scenario(load(SourceFile('x', 'name: x\\nsteps:\\n  - expect: 220\\n'), p), p);"
        "sys.exit(bool(p) or 'jsonschema' in sys.modules)"
    )
    root = Path(schema.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def steps_in(data):
    for key in STEP_LISTS:
        for step in data.get(key) or () if isinstance(data.get(key), list) else ():
            if isinstance(step, dict):
                yield step
                yield from steps_in(step)


def is_in_order(data) -> bool:
    """Whether no `expect` stands above a client verb: what a JSON schema can't say."""
    for step in steps_in(data):
        keys = list(step)
        if "expect" in keys and any(verb in keys[keys.index("expect") :] for verb in CLIENT_VERBS):
            return False
    return True


def paths_in(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from paths_in(value, (*path, key))


VALUES = [
    None,
    "",
    "x",
    "5s",
    "3",
    "no",
    [],
    ["a"],
    [""],
    [None],
    {},
    {"a": "b"},
    {"send": "x"},
    [{"expect": "250"}],
    {"env": "A"},
]
KEYS = [
    "x",
    "expect",
    "send",
    "wait",
    "eol",
    "verify",
    "url",
    "else",
    "has",
    "name",
    "mechanism",
    "file",
    "exactly",
    "a b",
]


def mutated(draw, data):
    """Change one or two places: take out, replace, or add."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([path for path in paths_in(data) if path]))
        parent = resolve_path(data, path[:-1])
        how = draw(st.sampled_from(["replace", "delete", "add", "rename"]))
        if how == "delete":
            del parent[path[-1]]
        elif how == "replace":
            parent[path[-1]] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(draw(st.sampled_from(VALUES))))
        elif how == "rename":
            parent[draw(st.sampled_from(KEYS))] = parent.pop(path[-1])
        else:
            parent[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        if not data:
            break
    return data


def resolve_path(data, path):
    for part in path:
        data = data[part]
    return data


@settings(max_examples=400, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["scenario", "project"])
def test_the_fast_check_and_jsonschema_are_of_one_mind(kind, data):
    """On a good file changed anywhere both say yes or both say no, and every no is explained."""
    document, good, check = (
        (SCENARIO, GOOD_SCENARIO, check_scenario) if kind == "scenario" else (PROJECT, GOOD_PROJECT, check_project)
    )
    changed = mutated(data.draw, good)
    is_valid = Draft7Validator(document).is_valid(changed) and is_in_order(changed)
    found = messages(check, changed)
    assert is_valid is (found == [])
    assert "does not fit the schema" not in found


def test_nodes_of_a_file_and_plain_data_agree():
    """What the property above makes of data is what the loader makes of YAML."""
    root = load(SourceFile("x.yaml", json.dumps(GOOD_SCENARIO).replace("null", "")), [])
    assert plain(root) == GOOD_SCENARIO == plain(nodes_of(GOOD_SCENARIO))


def steps(*lines: str) -> str:
    return "\n".join(["name: x", "steps:", *lines])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (steps("  - expct: 250"), (3, "unknown key 'expct'", "did you mean 'expect'?")),
        (steps("  - send: x", "    expct: 250"), (4, "unknown key 'expct'", "did you mean 'expect'?")),
        (steps("  - snd: x", "    expect: 250"), (3, "unknown key 'snd'", "did you mean 'send'?")),
        (steps("  - steps:", "    - snd: x"), (4, "unknown key 'snd'", "did you mean 'send'?")),
        (steps("  - expect: 250", "    eol: lf"), (4, "'eol' belongs to 'send'", "")),
        (
            steps("  - send: x", "    tls:"),
            (4, "'send' and 'tls' in one step", "a step has one verb; begin another with '- '"),
        ),
        (
            steps("  - expect: 250", "    send: x"),
            (
                3,
                "'expect' above 'send': it judges the reply that comes after",
                "write 'send' first, or make each a step of its own",
            ),
        ),
        (
            steps("  - wait: 2s", "    expect: 250"),
            (4, "'expect' can't stand beside 'wait'", "make it a step of its own: - expect: …"),
        ),
        (steps("  - send: {a: b}"), (3, "a mapping where a text is due", "")),
        (steps("  - send:"), (3, "nothing where a text is due", "'' is the empty text")),
        (steps("  - wait: 2"), (3, "'2' is no duration; say 2s", "")),
        (steps("  - send: x", "    eol: crfl"), (4, "'eol' can't be 'crfl'", "did you mean 'crlf'?")),
        (steps("  - auth: {user: x, mechanism: PLAIN}"), (3, "unknown key 'user'", "did you mean 'username'?")),
        (steps("  - auth: {username: x}"), (3, "'mechanism' is missing", "")),
        ("name: x\nvars: {a b: c}\nsteps: [{expect: 220}]", (2, "'a b' is no name for a variable", "")),
        (steps("  - expect: 250", "    capture: {1st: code}"), (4, "'1st' is no name for a capture", "")),
        (steps("  - when: {}", "    steps: [{expect: 250}]"), (3, "an empty mapping", "for example")),
        ("name: x\nsteps: []", (2, "an empty list of steps", "")),
        ("name: x\nsteps:", (2, "nothing where a list is due", "")),
        ("steps: [{expect: 220}]", (1, "'name' is missing", "")),
        (
            "name: x\nprotocol: nntp\nsteps: [{expect: 220}]",
            (2, "'protocol' can't be 'nntp'", "allowed here: smtp, lmtp, pop3, imap, sieve, tcp"),
        ),
    ],
    ids=lambda value: value[1][:40] if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_told_once_at_its_place(text, expected):
    """One slip gives one message, with its line and what would be right."""
    [(line, message, advice)] = told(text)
    assert expected[:2] == (line, message)
    assert advice.startswith(expected[2])


def test_all_that_is_wrong_is_told_at_once():
    """In the order of the file, steps inside steps included."""
    text = steps("  - snd: x", "  - steps:", "    - eol: lf", "      wait: 5", "  - foo", "colour: blue")
    assert [line for line, _, _ in told(text)] == [3, 5, 6, 7, 8]


def test_a_secret_written_into_the_project_file_is_not_shown():
    """The error about it has its place, but no line of the file."""
    problems = []
    text = "secrets:\n  password: hunter2\n  other: [hunter3]\n"
    check_project(load(SourceFile("mailproof.yaml", text), problems), problems)
    assert [problem.span.line for problem in problems] == [2, 3]
    assert "hunter" not in "\n".join(problem.render() for problem in problems)
