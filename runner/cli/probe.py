"""`mailproof probe`: say what a server is, and pin it down as a scenario."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from runner.cli.files import file_name, refuse_existing, write_whole
from runner.cli.streams import show, tell
from runner.errors import EXIT_FAILED, EXIT_PASSED, Problem, SourceFile, UsageError, escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.authoring.probing.facts import ServerFacts
    from runner.authoring.probing.questions import Question
    from runner.authoring.probing.survey import Survey
    from runner.language.case import Given
    from runner.language.project import SecretRef, Target
    from runner.scheduler import Entry

HELP = "say what a server is: capabilities, TLS, certificate, limits"
DESCRIPTION = """\
Says what a server is: greeting, software, capabilities and mechanisms before
and after TLS, TLS versions, certificate, limits. Sends no mail, and logs in
only where a password is given.

  mailproof probe smtp://mail.example.com
  mailproof probe imaps://mail.example.com --secret password=env:PASSWORD \\
    --var username=alice@example.com
  mailproof probe mx -o scenarios/mx-is-as-it-was.yaml

With -o the answers become a scenario that fails when one of them changes.
Without TARGET it is all targets of mailproof.yaml."""

# What a login can be made with.
_CREDENTIALS = ("password", "token")
# One server is asked by few connections at once: some refuse a client that has more.
_PER_TARGET = 2
_JOBS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.output import add_colour_argument  # noqa: PLC0415
    from runner.cli.selection import add_timeout_argument, add_trust_arguments, repeatable  # noqa: PLC0415

    parser.add_argument(
        "target", nargs="*", metavar="TARGET", help="a target of mailproof.yaml, or a URL such as smtp://host:25"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_name,
        metavar="FILE",
        help="write a scenario that pins the one target down, '-' shows it",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    login = parser.add_argument_group("login")
    repeatable(login, "--var", "variables", "NAME=VALUE", "a variable, such as username=alice@example.com")
    repeatable(
        login,
        "--secret",
        "secrets",
        "NAME=env:VARIABLE",
        "the password or token to log in with; also NAME=file:PATH, or NAME alone to be asked for it",
    )
    login.add_argument("--no-login", action="store_true", help="don't log in, though the project file has a password")
    by_url = parser.add_argument_group("targets given as a URL")
    add_trust_arguments(by_url, "log in even where the certificate is not trusted; it is said anyway")
    add_timeout_argument(parser)
    add_colour_argument(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.authoring.probing.table import render_facts  # noqa: PLC0415
    from runner.cli.output import style  # noqa: PLC0415

    options.jobs, options.per_target, options.verbose, options.quiet = _JOBS, _PER_TARGET, False, False
    surveyor = _Surveyor(options)
    if options.output and len(surveyor.targets) > 1:
        raise UsageError("-o pins one server down, and here are several: name one TARGET")
    if options.output not in (None, "-"):
        refuse_existing(options.output, is_forced=options.force)
    surveys = surveyor.survey()
    if surveyor.code:
        tell("mailproof: nothing is told: the probe did not come to its end")
        return surveyor.code
    found = [survey.facts() for survey in surveys]
    if options.output != "-":
        show("\n\n".join("\n".join(render_facts(facts, style(options))) for facts in found))
    has_failed = any(facts.failure or (facts.login and facts.login.failure) for facts in found)
    if options.output:
        _write(options, surveyor.targets[0], found[0])
    return EXIT_FAILED if has_failed else EXIT_PASSED


def _write(options: argparse.Namespace, target: Target, facts: ServerFacts) -> None:
    """Write the scenario that pins a server down, where it could be probed."""
    from runner.authoring.probing.pinning import pin  # noqa: PLC0415

    if facts.failure:
        why = f" ({escape(facts.failure)})" if options.output == "-" else ""
        tell(f"mailproof: no scenario is written: the server could not be probed{why}")
    elif options.output == "-":
        show(pin(facts).removesuffix("\n"))
    else:
        from runner.cli.editing import fitted  # noqa: PLC0415

        text = fitted(pin(facts), options.output)
        write_whole(options.output, text, is_private=False, may_replace=options.force)
        tell(f"{escape(options.output)} is written; run it with:\n  {_command(options, target, facts)}")


def _command(options: argparse.Namespace, target: Target, facts: ServerFacts) -> str:
    from runner.cli.drafted import tls_words  # noqa: PLC0415

    words = ["mailproof", "run", options.output, "--target", target.name, *tls_words(options)]
    if facts.made_login is not None:
        words += [word for text in options.variables for word in ("--var", text)]
        words += [word for text in options.secrets for word in ("--secret", text)]
    return escape(shlex.join(words))


class _Surveyor:
    """Asks all targets that a command line means."""

    def __init__(self, options: argparse.Namespace) -> None:
        from runner.authoring.probing.questions import MANNERS  # noqa: PLC0415
        from runner.cli.authored import refuse, the_project  # noqa: PLC0415
        from runner.cli.selection import targets  # noqa: PLC0415
        from runner.surroundings import (  # noqa: PLC0415
            SecretStore,
            no_open_secret,
            parse_secret,
            parse_variable,
            surroundings,
        )

        self.code = 0
        self._options = options
        problems: list[Problem] = []
        self._project = the_project(problems)
        refuse(problems)
        if not options.target and not (self._project is not None and self._project.targets):
            raise UsageError("which server? name one: mailproof probe smtp://host:25")
        variables = dict(map(parse_variable, options.variables))
        self._secrets = dict(map(parse_secret, options.secrets))
        _refuse_idle(self._secrets)
        for name in _CREDENTIALS:
            if name in variables:
                raise UsageError(f"--var {name}=…: {no_open_secret(f'--secret {name}')}")
        options.sessions, options.target_tags = [], []
        self.targets = _all_servers(targets(options, self._project))
        for target in self.targets:
            if target.protocol not in MANNERS:
                raise UsageError(f"'{target.name}' speaks {target.protocol}, which has no capabilities to be probed")
        self._store = SecretStore()
        self._variables = variables
        self._given: Given = surroundings(self._project, variables, self._secrets, self._store)

    def survey(self) -> list[Survey]:
        """Ask the targets, in rounds: what each offers at once, all about TLS, and then the login."""
        from runner.authoring.probing.survey import ANY_VERSION, FIRST, Survey  # noqa: PLC0415

        surveys = [Survey(target, self._options.timeout) for target in self.targets]
        for survey in surveys:
            survey.may_log_in = self._may_log_in(survey.target)
            survey.must_log_in = survey.may_log_in and bool(self._secrets)
            if survey.may_log_in:  # what can't be had is told before anything connects
                self._entry(survey.target, survey.login(has_tls=True))
        self._ask([(survey, FIRST, survey.first()) for survey in surveys])
        again = [survey for survey in surveys if survey.is_too_old]
        self._ask([(survey, FIRST, survey.first(ANY_VERSION)) for survey in again])
        self._ask([(survey, name, one) for survey in surveys for name, one in survey.further()])
        self._ask([(survey, name, one) for survey in surveys for name, one in survey.last()])
        return surveys

    def _ask(self, questions: Sequence[tuple[Survey, str, Question]]) -> None:
        from runner.cli import debugging  # noqa: PLC0415
        from runner.cli.changes import play_for_facts  # noqa: PLC0415

        if not questions or self.code:
            return
        try:
            entries = tuple(self._entry(survey.target, question) for survey, _, question in questions)
        finally:
            debugging.remember(self._store.values)
        for warning in self._store.warnings:
            tell(f"mailproof: warning: {escape(warning)}")
        self._store.warnings.clear()
        played = play_for_facts(entries, self._options)
        self.code = played.code
        for (survey, name, _), case in zip(questions, played.run.cases, strict=True):
            survey.answers[name] = case

    def _entry(self, target: Target, question: Question) -> Entry:
        from runner.language.compile import compile_scenario  # noqa: PLC0415
        from runner.scheduler import plan  # noqa: PLC0415

        source = SourceFile("<probe>", question.scenario())
        problems: list[Problem] = []
        scenario = compile_scenario(source, _no_file, problems)
        assert scenario is not None, problems
        return plan([scenario], [target], self._project, self._given)[0]

    def _may_log_in(self, target: Target) -> bool:
        """Return whether there is something to log in with.

        Raises:
            UsageError: a secret was given, and nobody says whose it is.
        """
        if self._options.no_login:
            return False
        known: Mapping[str, object] = self._project.variables if self._project is not None else {}
        has_name = "username" in {**known, **target.variables, **self._variables}
        if self._secrets and not has_name:
            name = next(iter(self._secrets))
            raise UsageError(f"--secret {name}: whose is it? --var username=NAME says so")
        secrets = {**(self._project.secrets if self._project is not None else {}), **target.secrets, **self._secrets}
        return has_name and any(name in secrets for name in _CREDENTIALS)


def _no_file(path: str) -> str:
    raise ValueError(f"no file is read here: '{path}'")


def _refuse_idle(secrets: Mapping[str, SecretRef]) -> None:
    for name in secrets:
        if name not in _CREDENTIALS:
            raise UsageError(f"--secret {name}: a login wants the secret 'password' or 'token', and nothing else does")


def _all_servers(targets: list[Target]) -> list[Target]:
    if not any(target.is_domain for target in targets):
        return targets
    from runner.mx import exchangers  # noqa: PLC0415 -- few targets name a domain

    return list(exchangers(targets))
