"""The bundled scenarios, the operators' and those for real servers pass against their mirrors, and turn red as they should."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from mirroring import CERTIFICATES, OTHER_CODES, WRONG_CODES, over_sockets, prepared, read, told
from running import SCENARIOS

from runner.mirror.alone import play_alone
from runner.mirror.faults import Fault, Plan, Wish
from runner.results import Outcome

REAL = Path(__file__).parents[1] / "real" / "scenarios"


def cases(root):
    """Return each scenario of a folder with each row of its matrix."""
    found = {}
    for path in sorted(root.rglob("*.yaml")):
        scenario = read(path, root)
        for number, row in enumerate(scenario.rows or (None,) if scenario is not None else ()):
            found[f"{path.stem}{number or ''}"] = (scenario, row)
    return found


PACK = cases(SCENARIOS)
OTHERS = cases(REAL)


@cache
def playing_of(name):
    """Return a case, and what comes of it with its mirror alone."""
    scenario, row = {**OTHERS, **PACK}[name]
    case = prepared(scenario, row).case
    return case, play_alone(case, certify=CERTIFICATES.der)


# Each reply that a step judges: the scenario's name, and which reply it is.
EACH_REPLY = [(name, number) for name in PACK for number in range(len(playing_of(name)[1].said))]


@pytest.mark.parametrize("name", [*PACK, *OTHERS])
def test_passes_against_its_mirror(name):
    """Every scenario passes against its own mirror, without a warning."""
    _, plain = playing_of(name)
    assert plain.result is not None, plain.stuck
    assert Outcome.PASSED is plain.result.outcome, told(plain)
    assert () == plain.result.warnings
    assert plain.said


@pytest.mark.parametrize(("name", "number"), EACH_REPLY, ids=[f"{name}-{number}" for name, number in EACH_REPLY])
def test_another_code_turns_that_step_red(name, number):
    """Any reply of the mirror with another code turns exactly the step red that judges it."""
    case, plain = playing_of(name)
    reply = plain.said[number]
    assert ["main"] == list(case.sessions)
    protocol = case.scenario.protocol
    wrong = next(code for code in (WRONG_CODES[protocol], OTHER_CODES[protocol]) if code != reply.code)
    if protocol in ("smtp", "lmtp") and reply.code.startswith(wrong[0]):
        wrong = OTHER_CODES[protocol]
    plan = Plan([(Wish("", Fault("reply", code=wrong)), frozenset([reply.place]))])
    broken = play_alone(case, plan, CERTIFICATES.der)
    expected = [row.number for row in plain.rows if row.place == reply.place]
    assert broken.result is not None, broken.stuck
    assert Outcome.FAILED is broken.result.outcome, told(broken)
    red = [at for at, step in enumerate(broken.result.steps, 1) if step.outcome.is_failure]
    assert expected == red, told(broken)
    assert [1] == plan.struck


@pytest.mark.parametrize("name", ["imap-mailbox", "lmtp-delivery", "submission", "sieve-scripts", "tcp-smtp-port"])
def test_passes_over_sockets(name):
    """The same holds over sockets, TLS and certificates included."""
    scenario, row = PACK[name]
    result = over_sockets(scenario, row)
    assert Outcome.PASSED is result.outcome, result.reason


SOME_OTHERS = ["greet-pause", "early-talker", "prdr", "client-behind-proxy", "imap-channel-binding", "imap-expired"]


@pytest.mark.parametrize("name", [*SOME_OTHERS, "imap-large", "files", "chunks"])
def test_others_pass_over_sockets(name):
    """So do waits, halves of greetings, PROXY headers, bindings, bad certificates and megabytes."""
    scenario, row = OTHERS[name]
    result = over_sockets(scenario, row)
    assert Outcome.PASSED is result.outcome, result.reason
