"""Passwords and pasted base64: found wherever they are, and shown nowhere."""

from __future__ import annotations

import base64

import pytest

from runner.authoring.lint import Subject, lint
from runner.errors import SourceFile
from runner.language.loader import load
from tests.authoring.linting import TODAY, findings, told_in_steps

PASSWORD = "correct-horse"
ENCODED = base64.b64encode(PASSWORD.encode()).decode()
PLAIN = base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()
USER = base64.b64encode(b"alice@example.com").decode()
HELLO = "- expect: 220\n- send: EHLO x\n  expect: 250\n"
LOGIN = f"{HELLO}- send: AUTH LOGIN\n  expect: 334\n"

FOUND = {
    "auth": f"steps:\n  - auth: {{mechanism: PLAIN, username: a, password: {PASSWORD}}}\n",
    "token": f"steps:\n  - auth: {{mechanism: XOAUTH2, username: a, token: {PASSWORD}}}\n",
    "vars": f"vars: {{password: {PASSWORD}}}\nsteps:\n  - expect: 220 ${{password}}\n",
    "vars by another name": f"vars: {{alice_passwd: {PASSWORD}}}\nsteps:\n  - expect: 220 ${{alice_passwd}}\n",
    "matrix": f"matrix:\n  - {{password: {PASSWORD}}}\nsteps:\n  - expect: 220 ${{password}}\n",
    "columns": f"matrix: {{password: [{PASSWORD}]}}\nsteps:\n  - expect: 220 ${{password}}\n",
    "IMAP": f"protocol: imap\nsteps:\n  - send: LOGIN alice {PASSWORD}\n    expect: OK\n",
    "IMAP in a talk": f"protocol: imap\nsteps:\n  - talk: |\n      C: LOGIN alice {PASSWORD}\n      S: OK\n",
    "POP3": f"protocol: pop3\nsteps:\n  - send: PASS {PASSWORD}\n    expect: +OK\n",
    "double quotes": f'vars: {{password: "{PASSWORD}", other: "x"}}\nsteps:\n  - expect: 220 ${{password}} ${{other}}\n',
    "unused": f"vars: {{password: {PASSWORD}}}\nsteps:\n  - expect: 220\n",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_password_in_a_file(text: str) -> None:
    """It is found, and neither it nor its line is shown."""
    found = findings(f"name: x\n{text}")
    assert "literal-password" in {finding.rule for finding in found}
    assert PASSWORD not in "\n".join(finding.render() for finding in found)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("steps:\n  - auth: {mechanism: PLAIN, password: '${password}'}\n", id="placeholder"),
        pytest.param("steps:\n  - auth: {mechanism: PLAIN, password: nope}\n    expect: 535\n", id="to be refused"),
        pytest.param("vars: {wrong_password: nope}\nsteps:\n  - expect: 220 ${wrong_password}\n", id="named wrong"),
        pytest.param("vars: {password: wrong}\nsteps:\n  - expect: 220 ${password}\n", id="called wrong"),
        pytest.param("vars: {passage: x}\nsteps:\n  - expect: 220 ${passage}\n", id="another word"),
        pytest.param("protocol: imap\nsteps:\n  - send: LOGIN alice nope\n    expect: NO\n", id="IMAP to be refused"),
        pytest.param("protocol: imap\nsteps:\n  - send: LOGIN alice ${p}\n    expect: OK\n", id="IMAP placeholder"),
    ],
)
def test_no_password(text: str) -> None:
    """A placeholder is none, and one that must be refused is a test."""
    rules = {finding.rule for finding in findings(f"name: x\n{text}")}
    assert "literal-password" not in rules


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(f"{LOGIN}- send: {USER}\n  expect: 334\n", ["6 pasted-base64"], id="user"),
        pytest.param(
            f"{LOGIN}- send: ${{username}}\n  expect: 334\n- send: {ENCODED}\n  expect: 235\n",
            ["8 literal-password"],
            id="password",
        ),
        pytest.param(
            f"{LOGIN}- send: ${{username}}\n  expect: 334\n- send: {ENCODED}\n  expect: 535\n",
            ["8 pasted-base64"],
            id="password to be refused",
        ),
        pytest.param(f"{HELLO}- send: AUTH LOGIN {USER}\n  expect: 334\n", ["4 pasted-base64"], id="user at once"),
        pytest.param(f"{HELLO}- send: AUTH PLAIN {PLAIN}\n  expect: 235\n", ["4 literal-password"], id="PLAIN at once"),
        pytest.param(
            f"{HELLO}- send: AUTH PLAIN\n  expect: 334\n- send: {PLAIN}\n  expect: 235\n",
            ["6 literal-password"],
            id="PLAIN asked for",
        ),
        pytest.param(f"{HELLO}- send: AUTH PLAIN {PLAIN}\n  expect: 535\n", ["4 pasted-base64"], id="to be refused"),
        pytest.param(
            f"- talk: |\n    S: 220\n    C: EHLO x\n    S: 250\n    C: AUTH PLAIN {PLAIN}\n    S: 235\n",
            ["5 literal-password"],
            id="in a talk",
        ),
        pytest.param(f"{LOGIN}- send: '*'\n  expect: 501\n", [], id="cancelled"),
        pytest.param(f"{LOGIN}- send: ${{username}}\n  expect: 334\n", [], id="placeholder"),
        pytest.param(f"{HELLO}- send: VRFY {USER}\n  expect: 2xx\n", [], id="no AUTH"),
    ],
)
def test_pasted_base64(steps: str, expected: list[str]) -> None:
    """Base64 in an AUTH exchange is read for what it says; a password is worse than a name."""
    assert expected == told_in_steps(steps)


@pytest.mark.parametrize(
    ("protocol", "line", "reply"),
    [
        pytest.param("imap", f"AUTHENTICATE PLAIN {PLAIN}", "OK", id="IMAP"),
        pytest.param("pop3", f"AUTH PLAIN {PLAIN}", "+OK", id="POP3"),
        pytest.param("sieve", f'AUTHENTICATE "PLAIN" "{PLAIN}"', "OK", id="Sieve"),
    ],
)
def test_pasted_in_other_protocols(protocol: str, line: str, reply: str) -> None:
    """SASL is the same wherever it is spoken."""
    found = told_in_steps(f"- send: {line}\n  expect: {reply}\n", f"name: x\nprotocol: {protocol}\n")
    assert ["1 literal-password"] == found


def test_what_base64_says_is_shown_of_a_name_only() -> None:
    """The user's name is told, so that it can be written as it is; a password in no form."""
    user = findings(f"name: x\nsteps:\n{LOGIN}- send: {USER}\n  expect: 334\n")
    assert "this says 'alice@example.com'" in user[0].advice
    plain = findings(f"name: x\nsteps:\n{HELLO}- send: AUTH PLAIN {PLAIN}\n  expect: 235\n")
    shown = "\n".join(finding.render() for finding in plain)
    assert [False, False] == [PASSWORD in shown, PLAIN in shown]


def test_password_in_the_project_file() -> None:
    """A target's variables hold none; `secrets` says where one comes from."""
    text = f"targets:\n  mx: {{url: 'smtp://h', vars: {{password: {PASSWORD}}}}}\nvars: {{token: {PASSWORD}}}\n"
    source = SourceFile("mailproof.yaml", text)
    root = load(source, [])
    assert root is not None
    found = lint(Subject(source, root, TODAY))
    assert [(2, "literal-password"), (3, "literal-password")] == [(one.span.line, one.rule) for one in found]
    assert PASSWORD not in "".join(one.render() for one in found)
    assert "write it under secrets: {token: {env: NAME}}" in found[1].advice
