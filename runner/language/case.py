"""A scenario with a target and the values of all names: a case, ready to be played anywhere.

Expanding is pure. A name that nobody gives, a cycle, a capture that would overwrite an operator's value are problems
with their place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import date
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import Problem
from runner.language.model import DEFAULT_DEADLINE, MAIN, Row, Scenario
from runner.language.names import Given, Names, SecretError, Seed
from runner.language.template import Placeholder, Value, did_you_mean
from runner.protocol import Limits

if TYPE_CHECKING:
    from runner.language.project import Project, Target

# A row stands behind a scenario's name: so much of a value, and of all of them, tells which it is.
VALUE_WIDTH = 40
LABEL_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Party:
    """One session of a case: the server it is with, and what stands for every name that its steps use.

    `count` is how many connections are called by number, 0 for a session that is one connection.
    """

    target: Target
    protocol: str
    values: Mapping[str, Value] = field(repr=False)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario, with one row of its matrix, against one target; `sessions` has its own one under `main`.

    `row` tells the row in a report, secrets left out. `secrets` (names to values) is what no output may show.
    `client_name` is empty where it is the address literal. Times are in seconds; `timeout` is None for the defaults.
    `today` is the day on which it was made.
    """

    id: str
    scenario: Scenario
    row: str
    sessions: Mapping[str, Party]
    secrets: Mapping[str, str] = field(repr=False)
    client_name: str
    token: str
    timeout: float | None
    deadline: float
    limits: Limits
    is_lenient: bool
    today: date = date.min

    @property
    def target(self) -> Target:
        """The server that the scenario is run against."""
        return self.sessions[MAIN].target

    @property
    def values(self) -> Mapping[str, Value]:
        """The values of the names that steps of the scenario's own session use."""
        return self.sessions[MAIN].values


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a scenario makes no sense with a target; `row` as a case has it."""

    reason: str
    row: str = ""


def expand(
    scenario: Scenario,
    target: Target,
    project: Project | None,
    given: Given,
    *,
    seed: Seed,
    problems: list[Problem],
    row: Row | None = None,
) -> Case | Skip | None:
    """Return the case of a scenario with a target, or why it is skipped; None if `problems` has grown.

    `row` is one of the scenario's rows, None where it has no matrix.
    """
    found: list[Problem] = []
    targets = _targets(scenario, target, project, given, found)
    names = {
        session: Names(scenario, at, project, given, seed=seed, row=row, session=session)
        for session, at in targets.items()
    }
    main = names[MAIN]
    for other in names.values():
        other.know_secrets(names.values())
    reason = _unmet(scenario, target, main)
    told = len(main.problems)
    cells = _cells(row, main)
    if reason:
        del main.problems[told:]  # a case that makes no sense is skipped, whatever it would want
    else:
        _demand_secrets(scenario, names)
        for one in names.values():
            one.check()
        found += _without_handshake(scenario, targets)
    found += [problem for one in names.values() for problem in one.problems]
    problems += dict.fromkeys(found)
    if found:
        return None
    if reason:
        return Skip(reason, _label(cells, main.secrets))
    secrets = _all_secrets(names)
    project_timeout = project.timeout if project else None
    project_deadline = project.deadline if project else None
    return Case(
        id=main.case_id,
        scenario=scenario,
        row=_label(cells, secrets),
        sessions={session: _party(scenario, session, targets[session], one.values) for session, one in names.items()},
        secrets=secrets,
        client_name=main.client_name,
        token=seed.token,
        timeout=scenario.timeout if scenario.timeout is not None else project_timeout,
        deadline=scenario.deadline or project_deadline or DEFAULT_DEADLINE,
        limits=project.limits if project else Limits(),
        is_lenient=project.lenient_line_ends if project else False,
        today=seed.now.date(),
    )


def _party(scenario: Scenario, name: str, target: Target, values: Mapping[str, Value]) -> Party:
    session = scenario.sessions[name]
    return Party(target, session.protocol, values, session.count)


def _targets(
    scenario: Scenario, target: Target, project: Project | None, given: Given, problems: list[Problem]
) -> dict[str, Target]:
    """Return the target of each session; where one has none, `problems` has grown."""
    known = project.targets if project else {}
    found: dict[str, Target] = {}
    for name, session in scenario.sessions.items():
        at = target if name == MAIN else given.sessions.get(name) or known.get(session.target)
        if at is None and not session.target:
            at = target
        if at is None:
            advice = did_you_mean(session.target, known, "the targets are")
            advice = advice or f"write it into mailproof.yaml under targets:, or give it by --session {name}=URL"
            problems.append(Problem(session.span, f"unknown target '{session.target}'", advice))
        elif name != MAIN and at.is_domain and at is not target:
            message = f"the target '{at.name}' of the session '{name}' is every mail exchanger of a domain"
            problems.append(Problem(session.span, message, "a session is with one server: name a target with a host"))
        elif at.protocol != session.protocol:
            advice = f"say what the session speaks: sessions: {{{name}: {{target: …, protocol: {at.protocol}}}}}"
            message = f"the session '{name}' speaks {session.protocol}, and its target '{at.name}' {at.protocol}"
            if name in given.sessions:
                advice = f"give it one that speaks {session.protocol}"
                message = f"the session '{name}' speaks {session.protocol}, and what --session gives it {at.protocol}"
            problems.append(Problem(session.span, message, advice))
        else:
            found[name] = at
    return {MAIN: target, **found}


def _without_handshake(scenario: Scenario, targets: Mapping[str, Target]) -> Iterator[Problem]:
    """Tell what a step wants to judge of a handshake that its target doesn't begin with."""
    for session, span in scenario.implicit.items():
        if session in targets and not targets[session].implicit_tls:
            message = (
                f"the connection to '{targets[session].name}' doesn't begin with TLS, so that nothing is judged here"
            )
            yield Problem(
                span, message, "put it beside 'starttls', or name a target whose scheme is smtps or submissions"
            )


def _demand_secrets(scenario: Scenario, names: Mapping[str, Names]) -> None:
    """Demand what the scenario calls a secret, from the target of any of its sessions."""
    for name, span in scenario.secrets.items():
        for one in [one for one in names.values() if one.is_from_outside(name)] or [names[MAIN]]:
            one.demand(Placeholder(name, None, (), span))


def _all_secrets(names: Mapping[str, Names]) -> dict[str, str]:
    """Return the secrets of all sessions; one that differs from that of the scenario's own tells whose it is."""
    found = dict(names[MAIN].secrets)
    for session, one in names.items():
        for name, value in one.secrets.items():
            if found.setdefault(name, value) != value:
                found[f"{name} of {session}"] = value
    return found


def _cells(row: Row | None, names: Names) -> list[tuple[str, str]]:
    """Return the columns of a row that may be shown, with their values."""
    return [(name, value.text) for name, value in names.row(row) if not value.secrets] if row is not None else []


def _label(cells: list[tuple[str, str]], secrets: Mapping[str, str]) -> str:
    """Return a row as reports show it: each value on one line and not a long one.

    A secret may stand in another column, too; cut, nobody could find it any more.
    """
    mask: Callable[[str], str] = str
    if cells and secrets:
        from runner.redaction import Redactor  # noqa: PLC0415 -- a row without secrets needs none

        mask = Redactor(secrets).mask
    return _cut(" ".join(f"{name}={_shown(mask(text))}" for name, text in cells), LABEL_WIDTH)


def _shown(text: str) -> str:
    is_plain = bool(text) and not any(char.isspace() for char in text)
    return _cut(text if is_plain else f"'{text}'", VALUE_WIDTH)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _unmet(scenario: Scenario, target: Target, names: Names) -> str:
    requires = scenario.requires
    if missing := [tag for tag in requires.target_tag if tag not in target.tags]:
        return f"the target has no tag '{missing[0]}'"
    if missing := [name for name in requires.variable if not names.is_given(name)]:
        return f"requires the variable '{missing[0]}'"
    return ""


__all__ = ["Case", "Given", "Party", "SecretError", "Seed", "Skip", "expand"]
