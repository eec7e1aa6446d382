"""A scenario with a target and the values of all names: a case, ready to be played anywhere.

Expanding is pure: secrets, the environment, the time and a token of randomness are handed in. A name that nobody
gives, a cycle, a capture that would overwrite an operator's value are problems with their place in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from runner.errors import Problem, Span
from runner.language.filters import FilterError
from runner.language.model import DEFAULT_DEADLINE, Scenario
from runner.language.reading import BUILT_INS
from runner.language.template import MissingValueError, Placeholder, Template, Value, did_you_mean, parse_template
from runner.protocol import Limits

if TYPE_CHECKING:
    from runner.language.loader import Scalar
    from runner.language.project import Project, SecretRef, Target

#: Names whose value only a connection gives; `client.name` is one where the machine has no full name.
CONNECTION_NAMES = frozenset({"client.address"})
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class SecretError(Exception):
    """A secret's source does not give it; the text says why, without the value."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line and the surroundings give: names to texts.

    `secret` gets a reference's value (or raises SecretError). `client_name` is the machine's full name, or empty.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    client_name: str = ""
    secret: Callable[[SecretRef], str] = field(default=lambda _: "")


@dataclass(frozen=True, slots=True)
class Seed:
    """What is fixed when a case starts: a token of randomness (lower-case letters and digits) and the time."""

    token: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario against one target. `values` are those of every name that its steps use.

    `secrets` (names to values) is what no output may show. `client_name` is empty where it is the address literal.
    Times are in seconds; `timeout` is None for the defaults.
    """

    id: str
    scenario: Scenario
    target: Target
    values: Mapping[str, Value] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    client_name: str
    token: str
    timeout: float | None
    deadline: float
    limits: Limits
    is_lenient: bool


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a scenario makes no sense with a target."""

    reason: str


def expand(
    scenario: Scenario, target: Target, project: Project | None, given: Given, *, seed: Seed, problems: list[Problem]
) -> Case | Skip | None:
    """Return the case of a scenario with a target, or why it is skipped; None if `problems` has grown."""
    names = _Names(scenario, target, project, given, seed)
    if reason := _unmet(scenario, target, names):
        return Skip(reason)
    names.check()
    problems += names.problems
    if names.problems:
        return None
    project_timeout = project.timeout if project else None
    project_deadline = project.deadline if project else None
    return Case(
        id=names.case_id,
        scenario=scenario,
        target=target,
        values=names.values,
        secrets=names.secrets,
        client_name=names.client_name,
        token=seed.token,
        timeout=scenario.timeout if scenario.timeout is not None else project_timeout,
        deadline=scenario.deadline or project_deadline or DEFAULT_DEADLINE,
        limits=project.limits if project else Limits(),
        is_lenient=project.lenient_line_ends if project else False,
    )


def _unmet(scenario: Scenario, target: Target, names: _Names) -> str:
    requires = scenario.requires
    if missing := [tag for tag in requires.target_tag if tag not in target.tags]:
        return f"requires the target's tag '{missing[0]}'"
    if missing := [name for name in requires.variable if not names.is_given(name)]:
        return f"requires the variable '{missing[0]}'"
    return ""


class _Names:
    """The names of one case and what they stand for, resolved as they are asked for."""

    def __init__(self, scenario: Scenario, target: Target, project: Project | None, given: Given, seed: Seed) -> None:
        self.problems: list[Problem] = []
        self.values: dict[str, Value] = {}
        self.secrets: dict[str, str] = {}
        self.case_id = f"{seed.token[:8]}"
        self._scenario = scenario
        self._given = given
        self.client_name = (project.client_name if project else "") or given.client_name
        self._layers: list[tuple[Mapping[str, SecretRef], Mapping[str, str | Scalar]]] = [
            (given.secrets, given.variables),
            (target.secrets, target.variables),
        ]
        if project:
            self._layers.append((project.secrets, project.variables))
        self._secret_names = {name for secrets, _ in self._layers for name in secrets} | set(scenario.secrets)
        self._built_in = self._built_ins(scenario, target, seed)
        self._open: list[str] = []

    def _built_ins(self, scenario: Scenario, target: Target, seed: Seed) -> dict[str, str]:
        host = self.client_name or "localhost"
        found = {
            "target.host": target.host or target.path,
            "target.port": str(target.port) if target.port else "",
            "target.name": target.name,
            "scenario.name": scenario.name,
            "case.id": self.case_id,
            "unique": seed.token,
            "now": rfc5322_date(seed.now),
            "now.iso": seed.now.isoformat(timespec="seconds"),
            "message_id": f"<{seed.token}@{host}>",
        }
        if self.client_name:
            found["client.name"] = self.client_name
        found.update({f"env.{name}": text for name, text in self._given.environment.items()})
        return found

    # Asking.

    def is_given(self, name: str) -> bool:
        """Whether a name has a value that isn't empty."""
        try:
            return bool(self.lookup(name).text)
        except (MissingValueError, FilterError):
            return False

    def check(self) -> None:
        """Resolve every name that the scenario uses, and demand the secrets that it names."""
        for name, span in self._scenario.secrets.items():
            if not self._is_from_outside(name):
                self._report(span, f"the secret '{name}' is not given", _how_to_give(name))
        for name in sorted(self._scenario.captures):
            if self._is_from_outside(name):
                span = self._scenario.span
                self._report(span, f"the capture '{name}' would overwrite a name that is given elsewhere")
        for placeholder in self._scenario.placeholders:
            self._check(placeholder)
        for name in self._secret_names - set(self.secrets):
            self._try_secret(name)

    def _try_secret(self, name: str) -> None:
        """Learn the value of a secret that no step uses, so that it is masked all the same; it may be missing."""
        try:
            self.lookup(name)
        except (MissingValueError, FilterError):
            return

    def _check(self, placeholder: Placeholder) -> None:
        name = placeholder.name
        if name in self._scenario.captures or name in CONNECTION_NAMES or name in self._scenario.secrets:
            return
        if name == "client.name" and not self.client_name:
            return
        try:
            placeholder.value(self.lookup)
        except MissingValueError as error:
            self._report(placeholder.span, str(error), self._advice(name))
        except FilterError as error:
            self._report(placeholder.span, str(error))

    def _is_from_outside(self, name: str) -> bool:
        return any(name in secrets or name in variables for secrets, variables in self._layers)

    def _report(self, span: Span, message: str, advice: str = "") -> None:
        problem = Problem(span, message, advice)
        if problem not in self.problems:
            self.problems.append(problem)

    def _advice(self, name: str) -> str:
        if name.startswith("env."):
            return f"name it in the project file (env: [{name[4:]}]) and set it in the environment"
        known = {*BUILT_INS, *self._scenario.variables, *self._scenario.captures, *self._secret_names}
        for _, variables in self._layers:
            known |= set(variables)
        near = did_you_mean(name, sorted(known), "")
        return near if near.startswith("did") else _how_to_give(name)

    # Resolving.

    def lookup(self, name: str) -> Value:
        """Return what a name stands for.

        Raises:
            MissingValueError: nobody gives it, or not now.
            FilterError: a filter in a variable can't take its value.
        """
        if name not in self.values:
            if name in self._open:
                ring = " → ".join([*self._open[self._open.index(name) :], name])
                raise MissingValueError(f"the variables go in a circle: {ring}")
            self._open.append(name)
            try:
                value = self._resolve(name)
            finally:
                self._open.pop()
            if name in self._secret_names:
                value = Value(value.text, tuple(dict.fromkeys((*value.secrets, name))))
                self.secrets[name] = value.text
            self.values[name] = value
        return self.values[name]

    def _resolve(self, name: str) -> Value:
        for secrets, variables in self._layers:
            if name in secrets:
                return self._secret(secrets[name], name)
            if name in variables:
                return self._variable(variables[name])
        if name in self._scenario.variables:
            return self._filled(self._scenario.variables[name])
        if name in self._built_in:
            return Value(self._built_in[name])
        if name in CONNECTION_NAMES or name in BUILT_INS:
            raise MissingValueError(f"'${{{name}}}' is known only once connected; use it in a step, not in a variable")
        raise MissingValueError(f"unknown placeholder '${{{name}}}'")

    def _secret(self, reference: SecretRef, name: str) -> Value:
        try:
            return Value(self._given.secret(reference))
        except SecretError as error:
            if reference.span is not None:
                self._report(reference.span, f"the secret '{name}' can't be had: {error}")
            raise MissingValueError(f"the secret '{name}' can't be had: {error}") from error

    def _variable(self, text: str | Scalar) -> Value:
        if isinstance(text, str):
            return Value(text)
        template = parse_template(text, self.problems)
        return self._filled(template)

    def _filled(self, template: Template) -> Value:
        for placeholder in template.placeholders:
            if placeholder.name in self._open:
                ring = " → ".join([*self._open[self._open.index(placeholder.name) :], placeholder.name])
                self._report(placeholder.span, f"the variables go in a circle: {ring}")
        return template.fill(self.lookup)


def _how_to_give(name: str) -> str:
    return f"give it by --var {name}=… or --secret {name}=env:NAME, or in mailproof.yaml under vars: or secrets:"


def rfc5322_date(moment: datetime) -> str:
    """Return a date as a message's header has it (RFC 5322 section 3.3), in English whatever the locale.

    >>> from datetime import datetime, timezone
    >>> rfc5322_date(datetime(2009, 6, 6, 7, 11, 14, tzinfo=timezone.utc))
    'Sat, 06 Jun 2009 07:11:14 +0000'
    """
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S} {moment:%z}"
