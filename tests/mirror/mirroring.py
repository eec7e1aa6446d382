"""Scenarios against their mirrors, as tests play them: alone (no socket), by hand, or over sockets."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from running import driven

from runner.errors import SourceFile
from runner.language.case import Given, Seed
from runner.language.compile import compile_scenario, read_scenario
from runner.language.paths import resolve_inside
from runner.mirror.alone import planned, play_alone
from runner.mirror.certificates import Certificates
from runner.mirror.faults import Plan, parse_fault
from runner.mirror.machine import Mirror
from runner.mirror.preparing import Doors, Prepared, prepare, protocol_of
from runner.mirror.server import MirrorServer

NOW = datetime(2024, 5, 17, 12, 0, 0, tzinfo=UTC)
CERTIFICATES = Certificates()
WRONG_CODES = {"smtp": "299", "lmtp": "599", "pop3": "-ERR", "imap": "NO", "sieve": "NO", "tcp": "999"}
OTHER_CODES = {"smtp": "599", "lmtp": "299", "pop3": "+OK", "imap": "OK", "sieve": "OK", "tcp": "998"}


def scenario_of(steps, top="", path=None):
    """Compile a scenario's steps (YAML) that have no mistake."""
    problems = []
    root = path or Path("/")
    source = SourceFile("test.yaml", f"name: test\n{top}\nsteps:\n{steps}\n")
    scenario = compile_scenario(source, partial(resolve_inside, root, root), problems, protocol_of)
    assert [] == [problem.render() for problem in problems]
    return scenario


def read(path, root):
    """Read a scenario file that has no mistake; None for a fragment."""
    problems = []
    scenario = read_scenario(path, path.name, root, problems, protocol_of)
    assert [] == [problem.render() for problem in problems]
    return scenario


def prepared(scenario, row=None, ports=None, ca="", variables=None, token="t0123456789"):
    """Return a scenario's case against its mirror."""
    problems = []
    given = Given(variables=variables or {}, client_name="client.example")
    seed = Seed(token, NOW)
    found = prepare(scenario, Doors(ports or {}, ca), given, None, seed=seed, problems=problems, row=row)
    assert [] == [problem.render() for problem in problems]
    assert isinstance(found, Prepared), found
    return found


def alone(steps, *faults, top="", **options):
    """Play steps and their mirror without a socket, with faults."""
    case = prepared(scenario_of(steps, top), **options).case
    plain = play_alone(case, certify=CERTIFICATES.der)
    if not faults:
        return plain
    return play_alone(case, planned(plain, [parse_fault(one) for one in faults])(), CERTIFICATES.der)


def said(playing):
    """Return the replies that steps judged, as text."""
    return [one.data.decode() for one in playing.said]


def told(playing):
    """Return what came of it, as a failing test shows it."""
    if playing.result is None:
        return f"stuck: {playing.stuck}"
    steps = (f"{step.label}: {step.outcome.value}: {step.reason}" for step in playing.result.not_passed)
    return "\n".join([f"{playing.result.outcome.value}: {playing.result.reason}", *steps])


def by_hand(steps, top="", plan=None, **options):
    """Return a mirror that other clients than mailproof talk to, with values of their own."""
    found = prepared(scenario_of(steps, top), **options)
    return Mirror(found.case, plan or Plan(), marks=found.marks, certify=CERTIFICATES.der)


class Talk:
    """One client of a mirror, without a socket: what it is told, in order."""

    def __init__(self, mirror, number=1):
        self.mirror, self.number = mirror, number
        self.heard = b""
        self.acts = []
        self._take(mirror.start() if number == 1 else [])
        assert mirror.awaits
        self._take(mirror.accepted(number, "127.0.0.1"))

    def _take(self, acts):
        self.acts += acts
        for act in acts:
            self.heard += getattr(act, "data", b"") if getattr(act, "client", 0) == self.number else b""

    def say(self, data):
        """Say something, and return what it is told then."""
        before = len(self.heard)
        self._take(self.mirror.received(self.number, data))
        return self.heard[before:]

    def leave(self):
        """Hang up."""
        self._take(self.mirror.ended(self.number))


def over_sockets(scenario, row=None, plan=None):
    """Play a scenario and its mirror over sockets; return the result."""
    with MirrorServer(CERTIFICATES) as server:
        stage = server.stage(scenario.sessions)
        case = prepared(scenario, row, stage.ports, server.ca).case
        play_alone(case, certify=CERTIFICATES.der)
        stage.begin(lambda: Mirror(case, plan or Plan(), certify=CERTIFICATES.der))
        server.start()
        result = driven(case)
    assert server.crash is None
    return result
