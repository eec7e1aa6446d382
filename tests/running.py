"""One scenario file against one server, by the real driver: what tests of whole scenarios use."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import Problem
from runner.language.case import Case, Given, Seed, Skip, expand
from runner.language.compile import read_scenario
from runner.language.project import SecretRef, Target, parse_target
from runner.player import Player
from runner.results import CaseResult, Outcome
from runner.session import Driver
from runner.wire import TlsWish
from tests.servers import Running

SCENARIOS = Path(__file__).parents[1] / "scenarios"
CLIENT = "client.example.org"
USER, PASSWORD = "alice@example.com", "S3cret+/pa ?s?>"
# What scenarios are given for a server that has this one user.
ACCOUNTS = {
    "domain": "example.com",
    "sender": USER,
    "recipient": USER,
    "unknown": "nobody@example.com",
    "external": "carol@example.net",
    "username": USER,
}


def run_case(
    path: Path,
    target_url: str,
    variables: Mapping[str, str],
    password: str = "",
    *,
    token: str = "",
    ca: str | Path = "",
    tags: tuple[str, ...] = (),
    greylisting: float | None = None,
    sessions: Mapping[str, str | Running] | None = None,
) -> CaseResult:
    """Play the scenario and return what came of it; one that makes no sense with the target is skipped.

    Args:
        path: the scenario file.
        target_url: the server, as `--target` takes it.
        variables: values of the names that the scenario uses.
        password: the secret of that name; '' for a target that has none.
        token: the same, a bearer token.
        ca: the PEM file of the CA that vouches for the server; '' for the system's.
        tags: what the target is.
        sessions: further sessions' targets by the session's name: a URL, or a server with its CA and secrets.
        greylisting: for how many seconds a case that is put off is run again; None for not at all.

    Raises:
        AssertionError: the file is wrong, or a name that it uses is not given; with all problems.
    """
    problems: list[Problem] = []
    scenario = read_scenario(path, path.name, path.parent, problems)
    assert scenario is not None, _rendered(problems)
    secrets = {"password": password, "token": token}
    own_secrets = {name: SecretRef("env", name, None) for name, value in secrets.items() if value}
    target = replace(
        parse_target(target_url), tags=tags, greylisting=greylisting, tls=TlsWish(ca=str(ca)), secrets=own_secrets
    )
    given = Given(
        variables=variables,
        client_name=CLIENT,
        secret=lambda reference: secrets[reference.value],
        sessions={name: _target(door, own_secrets) for name, door in (sessions or {}).items()},
    )
    seed = Seed(f"t{uuid.uuid4().hex[:12]}", datetime.now(UTC))
    case = expand(scenario, target, None, given, seed=seed, problems=problems)
    if isinstance(case, Skip):
        return CaseResult(scenario.name, target.name, Outcome.SKIPPED, case.reason)
    assert case is not None, _rendered(problems)
    return driven(case)


def driven(case: Case) -> CaseResult:
    """Play a case by the real driver."""
    results: list[CaseResult] = []
    driver = Driver()
    try:
        driver.add(Player(case), results.append)
        driver.run()
    finally:
        driver.close()
    return results[0]


def _target(door: str | Running, secrets: Mapping[str, SecretRef]) -> Target:
    if isinstance(door, str):
        return parse_target(door)
    return replace(parse_target(door.url), tls=TlsWish(ca=door.ca), secrets=secrets)


def described(result: CaseResult) -> str:
    """Return a result as a failing test shows it: outcome, reason, steps that did not pass, transcripts."""
    steps = (f"{step.place} {step.label}: {step.outcome.value}: {step.reason}" for step in result.not_passed)
    lines = itertools.chain.from_iterable(transcript.lines() for transcript in result.transcripts)
    return "\n".join([f"{result.scenario}: {result.outcome.value}: {result.reason}", *steps, *map(str, lines)])


def _rendered(problems: list[Problem]) -> str:
    return "\n".join(problem.render() for problem in problems)
