"""`mailproof show`: the command around a rehearsal, which connects nothing and fetches nothing."""

from __future__ import annotations

import socket

import pytest
from commands import write

import runner.surroundings
from runner.resources import bundled

SCENARIO = """\
name: greets
steps:
  - send: MAIL FROM:<${sender}>
    expect: 250
"""
PROJECT = """\
targets:
  mx1: {url: 'smtp://mx1.example.com', vars: {sender: a@mx1}}
  mx2: {url: 'smtp://mx2.example.com', vars: {sender: a@mx2}}
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Fail whatever connects, resolves a name or fetches a secret."""

    def refuse(*_, **__):
        raise AssertionError("show must do nothing of this")

    for name in ("getaddrinfo", "getfqdn", "create_connection", "socket"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(runner.surroundings.SecretStore, "get", refuse)


def test_each_target(mailproof, folder):
    """There is a dialogue for each target, with what that gives."""
    write(folder, {"mailproof.yaml": PROJECT, "scenarios/x.yaml": SCENARIO})
    out = mailproof("show").out
    assert "greets\nscenarios/x.yaml, target mx1 (smtp://mx1.example.com)\n\n*: connect to mx1.example.com:25\n" in out
    assert ["C: MAIL FROM:<a@mx1>", "C: MAIL FROM:<a@mx2>"] == [one for one in out.splitlines() if "MAIL" in one]
    assert "mx1" not in mailproof("show", "--target", "mx2").out


def test_no_target(mailproof, folder):
    """Without one, what it would give stays as it is written, and that is said."""
    write(folder, {"x.yaml": SCENARIO})
    out = mailproof("show", "x.yaml").out
    assert "C: MAIL FROM:<${sender}>\n" in out
    assert out.endswith("${sender}: no target given that gives it\n")
    assert "no target" not in mailproof("show", "x.yaml", "--var", "sender=a@b").out


def test_rows(mailproof, folder):
    """There is a dialogue for each row of a matrix."""
    write(folder, {"x.yaml": SCENARIO.replace("steps:", "matrix: {sender: [a@x, b@x]}\nsteps:")})
    out = mailproof("show", "x.yaml").out
    assert ["x.yaml, sender=a@x", "x.yaml, sender=b@x"] == [one for one in out.splitlines() if one.startswith("x.y")]


def test_skipped(mailproof, folder):
    """A case that makes no sense with its target is told, with the reason."""
    write(folder, {"x.yaml": SCENARIO.replace("steps:", "requires: {target_tag: mx}\nsteps:")})
    out = mailproof("show", "x.yaml", "--target", "smtp://h", "--var", "sender=a@b").out
    assert "skipped: the target has no tag 'mx'" in out


def test_intrusive(mailproof, folder):
    """What floods may be looked at."""
    write(folder, {"x.yaml": SCENARIO.replace("steps:", "tags: [intrusive]\nsteps:")})
    assert 0 == mailproof("show", "x.yaml").code


def test_secrets_of_the_project(mailproof, folder):
    """A secret that a command would give is not asked for, and shown by its name."""
    project = PROJECT + "secrets: {password: {command: ['false']}}\n"
    write(folder, {"mailproof.yaml": project, "x.yaml": SCENARIO.replace("${sender}", "${password}")})
    assert "C: MAIL FROM:<⟨password⟩>" in mailproof("show", "x.yaml").out


def test_wrong_file(mailproof, folder):
    """What is wrong is told as validate tells it."""
    write(folder, {"x.yaml": SCENARIO.replace("expect", "expct")})
    ended = mailproof("show", "x.yaml")
    assert (2, "") == (ended.code, ended.out)
    assert "did you mean 'expect'?" in ended.err


def test_the_pack(mailproof):
    """Each bundled scenario can be shown, with a target and without."""
    assert 0 == mailproof("show", "pack:").code
    count = len(list(bundled("scenarios").rglob("*.yaml")))
    out = mailproof("show", "pack:").out
    assert count == sum(1 for line in out.splitlines() if line.startswith("pack:"))
