"""A scenario's steps against a server in memory: `run(steps, *turns)`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from memory import EOF, play

from runner.errors import SourceFile
from runner.language.case import Case, Given, Seed, expand
from runner.language.compile import compile_scenario
from runner.language.project import SecretRef, parse_target
from runner.player import Player
from runner.protocol import Limits

NOW = datetime(2024, 5, 17, 12, 0, 0, tzinfo=UTC)


def compile_case(
    steps,
    *,
    top="",
    url="smtp://127.0.0.1:25",
    variables=None,
    secrets=None,
    client_name="client.example",
    plaintext_secrets=False,
    sessions=None,
    limits=None,
    is_lenient=False,
    target=None,
):
    """Return the case of a scenario with these steps (YAML), and `top` as further top-level keys."""
    problems = []
    source = SourceFile("test.yaml", f"name: test\n{top}\nsteps:\n{steps}\n")
    scenario = compile_scenario(source, lambda path: path, problems)
    assert scenario is not None, "\n".join(problem.render() for problem in problems)
    target = target or replace(parse_target(url), plaintext_secrets=plaintext_secrets)
    secrets = secrets or {}
    given = Given(
        variables=variables or {},
        secrets={name: SecretRef("env", name) for name in secrets},
        client_name=client_name,
        secret=lambda reference: secrets[reference.value],
        sessions={name: parse_target(one) for name, one in (sessions or {}).items()},
    )
    case = expand(scenario, target, None, given, seed=Seed("t0123456789", NOW), problems=problems)
    assert isinstance(case, Case), "\n".join(problem.render() for problem in problems) or case
    return replace(case, limits=limits or Limits(), is_lenient=is_lenient)


def says(*turns):
    """Return a server that says one turn, then one more each time the client has written; it answers a last QUIT."""

    def server():
        heard = None
        for turn in turns:
            heard = yield turn
        while heard != b"QUIT\r\n":
            heard = yield None
        yield (b"221 bye\r\n", EOF)

    return server


_DRIVERS = ("tls", "peer", "now", "elapses", "greets_after_tls")


def run_steps(steps, *turns, **given):
    """Play steps (YAML) against a server that says these turns, or against the server that is the only turn."""
    driver = {name: given.pop(name) for name in _DRIVERS if name in given}
    server = turns[0] if len(turns) == 1 and callable(turns[0]) else says(*turns)
    return play(Player(compile_case(steps, **given)), server, **driver)


def shown(result):
    """Return each step's outcome with its reason, in order."""
    return [f"{step.outcome.value}: {step.reason}" if step.reason else step.outcome.value for step in result.steps]


def everything(result):
    """Return all that a report could show of a result."""
    transcript = "\n".join(str(line) for one in result.transcripts for line in one.lines())
    return f"{result}\n{result.reason}\n{result.steps}\n{result.warnings}\n{transcript}"
