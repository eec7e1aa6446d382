"""A scenario as a case that needs no server: targets on this machine, and plausible values for what nobody gives.

Pure. What a step says of the way to a real server (a CA's file, a source address) is left out: the way to a mirror is
another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Literal

from runner.dataclass import dataclass
from runner.errors import Problem, SourceFile, Span
from runner.language.case import Case, Given, Seed, Skip, expand
from runner.language.model import (
    MAIN,
    Auth,
    Connect,
    Exchange,
    Group,
    Handshake,
    Row,
    Scenario,
    StartTls,
    Step,
    TlsOptions,
)
from runner.language.nodes import Scalar
from runner.language.project import Project, SecretRef, Target
from runner.language.reading import BUILT_INS, COUNTERS
from runner.language.target import SCHEMES
from runner.language.template import Placeholder
from runner.language.walking import all_steps
from runner.matching.base import Slot
from runner.matching.expectation import Given as CodeGiven
from runner.mirror.situation import GOOD_CODES, REFUSAL_CODES
from runner.player.auth import BEST
from runner.protocol import PROTOCOLS
from runner.wire import TlsWish

HOST = "127.0.0.1"
#: The kind of a secret that the mirror makes up; no source of a secret is called so.
MADE_UP: Literal["prompt"] = "prompt"
_MARK = "mirror:"
_VALUES = {
    "domain": "mirror.example",
    "sender": "sender@client.example",
    "recipient": "recipient@mirror.example",
    "unknown": "unknown@mirror.example",
    "external": "external@elsewhere.example",
    "username": "user@mirror.example",
    "password": "Mirror-Passw0rd",
    "token": "mirror-token-17",
    "reader": "reader@mirror.example",
}
_ADDRESS = "192.0.2.7"
# What the strongest mechanism is chosen by.
_FOR_BEST = ("username", "password")
_KNOWN_HERE = frozenset((*BUILT_INS, *COUNTERS))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case against its mirror. `values` and `secrets` are what the mirror has made up, by name.

    `marks` are all values that another process which plays the scenario has otherwise: text to name.
    """

    case: Case
    values: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    marks: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the mirror listens, by session, and the PEM file of the CA that vouches for it."""

    ports: Mapping[str, int]
    ca: str = ""


def protocol_of(session: str, target: str) -> str:
    """Return what a session speaks whose target nobody knows here: what its or the target's name says, else SMTP."""
    for word in (target, session):
        for known in (*SCHEMES, *PROTOCOLS):
            if word == known or known in word.replace("-", "_").split("_"):
                return SCHEMES[known].protocol if known in SCHEMES else known
    return "imap" if session in ("inbox", "mailbox", "reader") else "smtp"


def prepare(
    scenario: Scenario,
    doors: Doors,
    given: Given,
    project: Project | None,
    *,
    seed: Seed,
    problems: list[Problem],
    row: Row | None = None,
) -> Prepared | Skip | None:
    """Return the case of a scenario with its mirror; None if `problems` has grown.

    What the command line or the project file's variables give is used; the targets of the project file are not.
    """
    scenario = _on_this_machine(scenario)
    known = {*given.variables, *given.secrets, *(project.variables if project is not None else ())}
    values, secrets = _made_up(scenario, known)
    targets = {name: _target(scenario, name, doors, values, secrets) for name in scenario.sessions}
    case = expand(
        scenario,
        targets[MAIN],
        replace(project, targets={}, secrets={}) if project is not None else None,
        replace(given, sessions={**targets}, secret=lambda reference: _secret(reference, secrets, given)),
        seed=seed,
        problems=problems,
        row=row,
    )
    if not isinstance(case, Case):
        return case
    marks = {text: name for name, text in (*values.items(), *secrets.items())}
    for name in ("unique", "now", "now.iso", "message_id", "client.name", "client.address", "case.id"):
        for party in case.sessions.values():
            if name in party.values and (text := party.values[name].text):
                marks[text] = name
    marks[seed.token] = "unique"
    return Prepared(case, values, secrets, marks)


def _secret(reference: SecretRef, secrets: Mapping[str, str], given: Given) -> str:
    value = str(reference.value)
    if reference.kind == MADE_UP and value.startswith(_MARK):
        return secrets[value.removeprefix(_MARK)]
    return given.secret(reference)


def _target(
    scenario: Scenario, session: str, doors: Doors, values: Mapping[str, str], secrets: Mapping[str, str]
) -> Target:
    protocol = scenario.sessions[session].protocol
    implicit = f"{protocol}s" if session in scenario.implicit and f"{protocol}s" in SCHEMES else ""
    port = doors.ports.get(session, 1)
    url = f"{implicit or protocol}://{HOST}:{port}"
    source = SourceFile("<mirror>", url)
    span = Span(source, 1, 1, len(url))
    return Target(
        name="mirror" if session == MAIN else f"mirror of {session}",
        url=url,
        scheme=implicit or protocol,
        protocol=protocol,
        host=HOST,
        port=port,
        span=span,
        implicit_tls=bool(implicit),
        tags=tuple(dict.fromkeys((*scenario.requires.target_tag, *scenario.tags))),
        variables={name: _scalar(text) for name, text in values.items()},
        secrets={name: SecretRef(MADE_UP, f"{_MARK}{name}") for name in secrets},
        tls=TlsWish(ca=doors.ca),
    )


def _scalar(text: str) -> Scalar:
    return Scalar.at(Span(SourceFile("<mirror>", text), 1, 1, len(text)), text, "")


# Values.


def _made_up(scenario: Scenario, known: set[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return values and secrets for the names that nobody gives."""
    columns = set(scenario.columns)
    missing = [
        name
        for name in dict.fromkeys(_names_in(scenario))
        if not (name in known or name in columns or "." in name or name in _KNOWN_HERE or name in scenario.captures)
    ]
    usual = {**_by_use(scenario), **_VALUES, **_codes_given(scenario)}
    made = {name: usual.get(name, f"mirror-{name}") for name in missing}
    secrets = {name: text for name, text in made.items() if name in scenario.secrets}
    given = {*scenario.variables, *secrets}
    return {name: text for name, text in made.items() if name not in given}, secrets


def _by_use(scenario: Scenario) -> dict[str, str]:
    """Return values for names that can't have any where they stand: a mechanism's, an address's."""
    found: dict[str, str] = {}
    for step in all_steps((*scenario.steps, *scenario.cleanup)):
        if isinstance(step, Auth):
            binds = bool(step.channel_binding)
            for part in step.mechanism.placeholders:
                found[part.name] = "SCRAM-SHA-256-PLUS" if binds else "PLAIN"
        elif isinstance(step, Connect) and step.proxy is not None:
            for end in (step.proxy.source, step.proxy.destination):
                found.update({part.name: _ADDRESS for part in (end.placeholders if end is not None else ())})
    return found


def _codes_given(scenario: Scenario) -> dict[str, str]:
    """Return values for names that are a code where they stand; what a name says of it is believed."""
    found: dict[str, str] = {}
    for step in all_steps((*scenario.steps, *scenario.cleanup)):
        for one in step.expect.alternatives if isinstance(step, Exchange) and step.expect is not None else ():
            if isinstance(one, CodeGiven) and isinstance(one.slot, Slot) and isinstance(one.slot.key, Placeholder):
                name = one.slot.key.name
                says_no = any(word in name.lower() for word in ("refus", "reject", "deni"))
                codes = REFUSAL_CODES if says_no else GOOD_CODES
                found[name] = codes[scenario.sessions[step.session].protocol]
    return found


def _names_in(scenario: Scenario) -> Iterator[str]:
    """Iterate over the names that need a value: those without a default."""
    yield from scenario.requires.variable
    yield from scenario.secrets
    yield from (one.name for one in scenario.all_placeholders if one.default is None)
    for step in all_steps((*scenario.steps, *scenario.cleanup)):
        if isinstance(step, Auth) and step.mechanism.flat.upper() == BEST:
            named = (part.name for name in _FOR_BEST if name in step.parts for part in step.parts[name].placeholders)
            yield from named


# The way to a mirror.


def _on_this_machine(scenario: Scenario) -> Scenario:
    return replace(scenario, steps=_local(scenario.steps), cleanup=_local(scenario.cleanup))


def _local(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(map(_local_step, steps))


def _local_step(step: Step) -> Step:
    if isinstance(step, Group):
        return replace(step, steps=_local(step.steps), otherwise=_local(step.otherwise))
    if isinstance(step, Connect):
        return replace(step, tls=_local_tls(step.tls), source_address=None, family="")
    if isinstance(step, StartTls | Handshake):
        return replace(step, options=_local_tls(step.options))
    return step


def _local_tls(options: TlsOptions) -> TlsOptions:
    return replace(options, ca=None) if options.ca is not None else options
