"""The names of one case and what they stand for: who gives them, in which order, and what is wrong where nobody does.

Pure: secrets, the environment, the time and a token of randomness are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import Problem, Span
from runner.language.filters import FilterError
from runner.language.model import MAIN, Row, Scenario
from runner.language.reading import BUILT_INS, COUNTERS
from runner.language.template import MissingValueError, Placeholder, Template, Value, did_you_mean, parse_template

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
    `sessions` are targets of sessions that come before what scenarios say.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    client_name: str = ""
    secret: Callable[[SecretRef], str] = field(default=lambda _: "")
    sessions: Mapping[str, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seed:
    """What is fixed when a case starts: a token of randomness (lower-case letters and digits) and the time."""

    token: str
    now: datetime


class _ToldError(Exception):
    """A name has no value, and `problems` says why."""


class Names:
    """The names of one case and what they stand for, resolved as they are asked for.

    What is wrong with a value is told where that value is written, once, whoever asks for it.
    """

    def __init__(
        self,
        scenario: Scenario,
        target: Target,
        project: Project | None,
        given: Given,
        *,
        seed: Seed,
        row: Row | None = None,
        session: str = MAIN,
    ) -> None:
        self.problems: list[Problem] = []
        self.values: dict[str, Value] = {}
        self.secrets: dict[str, str] = {}
        self.case_id = f"{seed.token[:8]}"
        self._scenario = scenario
        self._session = session
        self._given = given
        self._listed = project.env if project else ()
        self.client_name = (project.client_name if project else "") or given.client_name
        self._layers: list[tuple[Mapping[str, SecretRef], Mapping[str, str | Scalar | Template]]] = [
            ({}, row.values if row is not None else {}),
            (given.secrets, given.variables),
            (target.secrets, target.variables),
        ]
        if project:
            self._layers.append((project.secrets, project.variables))
        self.secret_names = {name for secrets, _ in self._layers for name in secrets} | set(scenario.secrets)
        self._built_in = self._built_ins(scenario, target, seed)
        self._open: list[str] = []
        self._wrong: set[str] = set()
        #: Who asks for the name that is being resolved.
        self._place = scenario.requires.span or scenario.span

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

    def know_secrets(self, others: Iterable[Names]) -> None:
        """Take what is a secret in any session for one in this."""
        self.secret_names = self.secret_names.union(*(other.secret_names for other in others))

    # Asking.

    def row(self, row: Row) -> Iterator[tuple[str, Value]]:
        """Iterate over the columns of a row that have a value, and tell those that have none."""
        for name in row.values:
            self._place = row.span
            with suppress(_ToldError, MissingValueError):
                yield name, self._lookup(name)

    def demand(self, placeholder: Placeholder) -> None:
        """Resolve a name; tell at its place if it can't be had."""
        self._try(placeholder)

    def is_given(self, name: str) -> bool:
        """Whether a name has a value that isn't empty; one that can't be had is given, and told."""
        try:
            return bool(self._lookup(name).text)
        except MissingValueError:
            return False
        except _ToldError:
            return True

    def check(self) -> None:
        """Resolve every name that steps of the session use, and for the scenario's own, its variables."""
        for name, span in self._scenario.capture_spans.items():
            if self.is_from_outside(name):
                advice = f"a server must not set what --var, --secret or the project file gives as '{name}'"
                self._tell(span, f"the capture '{name}' would overwrite a name that is given elsewhere", advice)
        for placeholder in self._scenario.used.get(self._session, ()):
            if not self._comes_later(placeholder.name):
                self._try(placeholder)
        for name, template in self._scenario.variables.items() if self._session == MAIN else ():
            self._try(Placeholder(name, "", (), template.span))
        for name in sorted(self.secret_names - self.secrets.keys() - self._wrong):
            self._try_secret(name)

    def _try_secret(self, name: str) -> None:
        """Learn the value of a secret that no step uses, so that it is masked all the same; it may be missing."""
        told = len(self.problems)
        with suppress(MissingValueError, _ToldError):
            self._lookup(name)
        del self.problems[told:]

    def _try(self, placeholder: Placeholder) -> None:
        with suppress(_ToldError):
            self._ask(placeholder)

    def _ask(self, placeholder: Placeholder) -> None:
        """Resolve what a placeholder stands for; tell at its place if it can't be had."""
        self._place = placeholder.span
        try:
            placeholder.value(self._lookup)
        except MissingValueError as error:
            self._tell(placeholder.span, str(error), self._advice(placeholder.name))
            self._wrong.add(placeholder.name)
            raise _ToldError from error
        except FilterError as error:
            self._tell(placeholder.span, str(error))
            raise _ToldError from error

    def _comes_later(self, name: str) -> bool:
        """Whether a name has its value only in the conversation."""
        if name == "client.name":
            return not self.client_name
        return name in CONNECTION_NAMES or name in self._scenario.captures

    def _given_names(self) -> set[str]:
        """Return the names that are given; not the columns of a row, which are values where a heading is forgotten."""
        return {name for secrets, variables in self._layers[1:] for name in (*secrets, *variables)}

    def is_from_outside(self, name: str) -> bool:
        """Whether a row, the command line or the project file gives a name."""
        return any(name in secrets or name in variables for secrets, variables in self._layers)

    def _tell(self, span: Span, message: str, advice: str = "") -> None:
        problem = Problem(span, message, advice)
        if problem not in self.problems:
            self.problems.append(problem)

    def _advice(self, name: str) -> str:
        """Return what to do about a name without a value."""
        if name.startswith("env."):
            variable = name.removeprefix("env.")
            is_listed = variable in self._listed
            return "set it in the environment" if is_listed else f"list it in mailproof.yaml: env: [{variable}]"
        if self._comes_later(name):
            return "use it in a step: variables are fixed when the case starts"
        if name in COUNTERS:
            return (
                f"it may stand in the steps beside '{COUNTERS[name]}'; a fragment gets it by with: {{n: '${{{name}}}'}}"
            )
        known = {*BUILT_INS, *self._scenario.variables, *self._scenario.captures, *self.secret_names}
        for _, variables in self._layers:
            known |= set(variables)
        return did_you_mean(name, sorted(known), "") or _how_to_give(name)

    # Resolving.

    def _lookup(self, name: str) -> Value:
        """Return what a name stands for.

        Raises:
            MissingValueError: nobody gives it, or not now.
            _ToldError: what gives it is wrong.
        """
        if name in self._wrong:
            raise _ToldError
        if name not in self.values:
            self._open.append(name)
            try:
                value = self._resolve(name)
            except _ToldError:
                self._wrong.add(name)
                raise
            finally:
                self._open.pop()
            if name in self.secret_names:
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
        if name in self._scenario.variables and name not in self._scenario.secrets:
            return self._filled(self._scenario.variables[name])
        if name in self._built_in:
            return Value(self._built_in[name])
        if name.startswith("env.") and name.removeprefix("env.") in self._listed:
            raise MissingValueError(f"the environment variable '{name.removeprefix('env.')}' is not set")
        if name in self._scenario.captures:
            raise MissingValueError(f"'${{{name}}}' is captured later")
        if self._comes_later(name):
            raise MissingValueError(f"'${{{name}}}' is known only once connected")
        if name in COUNTERS:
            raise MissingValueError(f"'${{{name}}}' is known only inside a {COUNTERS[name]} of the same file")
        if name in self._scenario.secrets:
            advice = did_you_mean(name, sorted(self._given_names()), "") or _how_to_give_secret(name)
            self._tell(self._scenario.secrets[name], f"the secret '{name}' is not given", advice)
            raise _ToldError
        raise MissingValueError(f"unknown placeholder '${{{name}}}'")

    def _secret(self, reference: SecretRef, name: str) -> Value:
        try:
            return Value(self._given.secret(reference))
        except SecretError as error:
            self._tell(reference.span or self._place, f"the secret '{name}' can't be had: {error}")
            raise _ToldError from error

    def _variable(self, text: str | Scalar | Template) -> Value:
        if isinstance(text, str):
            return Value(text)
        if isinstance(text, Template):
            return self._filled(text)
        found: list[Problem] = []
        template = parse_template(text, found)
        if found:
            self.problems += found
            raise _ToldError
        return self._filled(template)

    def _filled(self, template: Template) -> Value:
        for placeholder in template.placeholders:
            if placeholder.name in self._open:
                ring = [*self._open[self._open.index(placeholder.name) :], placeholder.name]
                self._tell(placeholder.span, f"the variables go in a circle: {' → '.join(ring)}")
                raise _ToldError
            self._ask(placeholder)
        return template.fill(self._lookup)


def _how_to_give(name: str) -> str:
    return f"give it by --var {name}=… or --secret {name}=env:NAME, or in mailproof.yaml under vars: or secrets:"


def _how_to_give_secret(name: str) -> str:
    return f"give it by --secret {name}=env:NAME or {name}=file:PATH, or in mailproof.yaml under secrets:"


def rfc5322_date(moment: datetime) -> str:
    """Return a date as a message's header has it (RFC 5322 section 3.3), in English whatever the locale.

    >>> from datetime import datetime, timezone
    >>> rfc5322_date(datetime(2009, 6, 6, 7, 11, 14, tzinfo=timezone.utc))
    'Sat, 06 Jun 2009 07:11:14 +0000'
    """
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment:%Y %H:%M:%S %z}"
