"""`mailproof record`: a telnet that knows mail, and writes the scenario of what was said."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.drafted import add_draft_arguments, advise, keep_elsewhere, run_command, tls_words
from runner.cli.files import add_file_arguments, refuse_existing, write_whole
from runner.cli.signals import handled_by
from runner.cli.streams import show, tell
from runner.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
    EXIT_TOOL,
    UsageError,
    escape,
)

if TYPE_CHECKING:
    from runner.authoring.draft import Draft
    from runner.errors import Problem
    from runner.language.project import Project, Target
    from runner.recording.dialogue import Dialogue
    from runner.wire import Endpoint, TlsWish

HELP = "talk to a server by hand and write a scenario of it"
DESCRIPTION = """\
A telnet that knows mail: lines are sent, whole replies shown, TLS begun and
logins made, and at the end there is a scenario that passes when it is run.
Through a pipe each line is sent when the replies before it have come. With
--listen a mail program or a script talks to the server, and is recorded.

  mailproof record smtp://mail.example.com:25 -o relay.yaml
  mailproof record submission < lines.txt > relay.yaml
  mailproof record --listen 1587 submission -o client.yaml

/help at the prompt lists what it can do besides."""

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.listening import add_listen_arguments  # noqa: PLC0415
    from runner.cli.output import add_colour_argument  # noqa: PLC0415
    from runner.cli.selection import add_timeout_argument, add_trust_arguments, repeatable  # noqa: PLC0415

    parser.add_argument("target", metavar="TARGET", help="a URL such as smtp://host:25, or a target of mailproof.yaml")
    add_file_arguments(parser, "the scenario")
    add_draft_arguments(parser)
    repeatable(parser, "--var", "variables", "NAME=VALUE", "a value for /auth, such as username=alice@example.com")
    repeatable(
        parser,
        "--secret",
        "secrets",
        "NAME=env:VARIABLE",
        "the password (or token) for /auth; also NAME=file:PATH; else it is asked for",
    )
    add_trust_arguments(parser, "accept any certificate")
    add_timeout_argument(parser)
    add_colour_argument(parser)
    add_listen_arguments(parser)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.listening import listen, refuse_without_listen  # noqa: PLC0415

    target, project = _target(options)
    if options.listen is not None:
        return listen(options, target, *_endpoint(target))
    refuse_without_listen(options)
    if options.output != "-":
        refuse_existing(options.output, is_forced=options.force)
    return _Recording(options, target, project).run()


def _target(options: argparse.Namespace) -> tuple[Target, Project | None]:
    """Return the server that is meant, and the project file if there is one.

    Raises:
        UsageError: there is no such target, or it is many servers.
        InputError: the project file, or the URL, is wrong.
    """
    from runner.cli.authored import refuse, the_project  # noqa: PLC0415
    from runner.cli.selection import targets  # noqa: PLC0415

    problems: list[Problem] = []
    project = the_project(problems)
    refuse(problems)
    chosen = argparse.Namespace(
        target=[options.target], sessions=[], target_tags=[], ca=options.ca, no_verify=options.no_verify
    )
    target = targets(chosen, project)[0]
    if target.is_domain:
        raise UsageError(f"'{target.name}' are the mail exchangers of {target.host}; name one of them by its URL")
    return target, project


def _endpoint(target: Target) -> tuple[Endpoint, TlsWish]:
    from dataclasses import replace  # noqa: PLC0415

    from runner.wire import Endpoint  # noqa: PLC0415

    wish = replace(target.tls, server_name=target.tls.server_name or target.host)
    endpoint = Endpoint(
        host=target.host,
        port=target.port,
        path=target.path,
        tls=wish if target.implicit_tls else None,
        source_address=target.source_address,
        family=target.family,
        proxy=target.proxy,
        command=target.command,
    )
    return endpoint, wish


class _Recording:
    """One recording from the command line to the file."""

    def __init__(self, options: argparse.Namespace, target: Target, project: Project | None) -> None:
        from runner.cli.output import has_colour  # noqa: PLC0415
        from runner.recording.dialogue import Dialogue  # noqa: PLC0415
        from runner.recording.screen import Screen, standard_error, standard_output  # noqa: PLC0415
        from runner.redaction import Redactor  # noqa: PLC0415
        from runner.surroundings import SecretStore, parse_secret, parse_variable  # noqa: PLC0415

        self._options, self._target = options, target
        self._variables = dict(map(parse_variable, options.variables))
        secrets = dict(map(parse_secret, options.secrets))
        self._secrets = {**(project.secrets if project else {}), **target.secrets, **secrets}
        self._plain = {**(project.variables if project else {}), **target.variables}
        self._store = SecretStore()
        is_typed = sys.stdin.isatty()
        stream = standard_output if is_typed and sys.stdout.isatty() else standard_error
        self.screen = Screen(stream, has_colour=has_colour(options, stream()), is_typed_shown=not is_typed)
        self.redactor = Redactor()
        self.dialogue: Dialogue = Dialogue(
            target.protocol, self.screen.tell, self.redactor, may_show_secrets=target.plaintext_secrets
        )
        self.dialogue.kept.title = options.name
        self._saved: tuple[str, int] = ("", -1)
        self._own: set[str] = set()  # every file that this recording has written

    def run(self) -> int:
        """Record, write, and return the exit code."""
        from runner.recording.call import Call  # noqa: PLC0415
        from runner.recording.commands import completions  # noqa: PLC0415
        from runner.recording.prompt import new_prompt  # noqa: PLC0415
        from runner.recording.recorder import Hands, Recorder, Terminated  # noqa: PLC0415

        def complete(text: str) -> Iterator[tuple[str, int]]:
            return completions(text, self._target.protocol, self.dialogue.machine.capabilities)

        prompt = new_prompt(self.screen, complete)

        def terminate(number: int, _: FrameType | None) -> None:
            prompt.end(Terminated(number))

        endpoint, wish = _endpoint(self._target)
        hands = Hands(self._known, lambda: self._draft().text, self._save, self.screen.write)
        code = EXIT_PASSED
        with handled_by(terminate, *_SIGNALS), Call(endpoint, wish, self.dialogue) as call:
            place = (self._target.host, self._target.port)
            recorder = Recorder(
                call, prompt, hands, place, self._options.timeout, if_silent=self._target.advice_if_silent
            )
            if prompt.is_terminal:
                self.screen.tell("note", f"{endpoint}; /help tells what else there is, Ctrl-D ends")
            try:
                recorder.run()
                code = EXIT_FAILED if recorder.has_failed or self.dialogue.is_lost else EXIT_PASSED
            except KeyboardInterrupt:
                tell("mailproof: interrupted")
                code = EXIT_INTERRUPTED
            except Terminated as ended:
                tell(f"mailproof: terminated by {signal.Signals(ended.number).name}")
                code = EXIT_TERMINATED
        for warning in self._store.warnings:
            tell(f"mailproof: warning: {escape(warning)}")
        if call.crash is not None:
            tell(f"mailproof: internal error: {debugging.describe(call.crash, is_debug=self._options.debug)}")
            code = EXIT_TOOL
        return self._finish() or code

    def _known(self, name: str) -> str | None:
        """Return the value of a variable or secret that was given; None if it was not."""
        from runner.language.case import SecretError  # noqa: PLC0415
        from runner.recording.commands import RefusedError  # noqa: PLC0415

        if name in self._variables:
            return self._variables[name]
        if name in self._secrets:
            try:
                value = self._store.get(self._secrets[name])
            except SecretError as error:
                raise RefusedError(f"the secret '{name}' can't be had: {error}") from error
            debugging.remember([value])
            self.redactor.learn(name, value)
            return value
        plain = self._plain.get(name)
        return plain.text if plain is not None and "${" not in plain.text else None

    # The scenario.

    def _draft(self) -> Draft:
        from runner.authoring.draft import draft  # noqa: PLC0415

        place = (self._target.host, self._target.port)
        kept = self.dialogue.kept
        source = f"a recording of {self._target.url or self._target.name}"
        conversation = kept.conversation(self._target.protocol, place, source, is_whole=self.dialogue.is_whole)
        return draft(conversation, expect=self._options.expect, title=kept.title)

    def _save(self, path: str) -> str:
        """Write the scenario so far; return what to tell."""
        from runner.recording.commands import RefusedError  # noqa: PLC0415

        path = path or self._options.output
        if path == "-":
            raise RefusedError("/save wants a file: /save FILE")
        self._write(path)
        return f"written to {path}"

    def _write(self, path: str) -> None:
        """Write the scenario so far; what this recording has written itself may be replaced.

        Raises:
            RefusedError: it can't be written; nothing of it is left, and nothing of the recording is lost.
        """
        from runner.cli.editing import fitted  # noqa: PLC0415
        from runner.recording.commands import RefusedError  # noqa: PLC0415

        place = os.path.realpath(path)
        may_replace = self._options.force or place in self._own
        version = self.dialogue.kept.version
        try:
            refuse_existing(path, is_forced=may_replace)
            write_whole(path, fitted(self._draft().text, path), is_private=False, may_replace=may_replace)
        except UsageError as error:
            raise RefusedError(str(error)) from error
        except OSError as error:
            raise RefusedError(f"'{path}' can't be written: {(error.strerror or str(error)).lower()}") from error
        self._saved = (path, version)
        self._own.add(place)

    def _finish(self) -> int:
        """Write the scenario or show it; return an exit code if that failed."""
        from runner.recording.commands import RefusedError  # noqa: PLC0415

        kept = self.dialogue.kept
        if kept.is_empty:
            tell("nothing was recorded, and no file is written")
            return 0
        if not self.dialogue.is_whole and len(kept.turns) > 1:
            unfinished = escape(self.dialogue.mask(str(kept.current)))
            tell(f"not in the scenario, for it did not come to its end: {unfinished}")
        path = self._options.output
        if path == "-" and self._saved[1] == kept.version:
            return self._advise(self._saved[0])
        if path == "-":
            show(self._draft().text.removesuffix("\n"))
            return 0
        try:
            if self._saved != (path, kept.version):
                self._write(path)
        except RefusedError as refused:
            tell(f"mailproof: {escape(str(refused))}")
            keep_elsewhere(self._draft().text)
            return EXIT_TOOL
        return self._advise(path)

    def _advise(self, path: str) -> int:
        """Tell what was written and what to type next."""
        options, made = self._options, self._draft()
        command = run_command(
            path,
            options.target,
            made,
            more=tls_words(options),
            variables=self._plain,
            secrets=self._secrets,
            given={text.partition("=")[0]: text for text in options.secrets},
        )
        advise(path, command, map(self.dialogue.mask, made.guesses))
        return 0
