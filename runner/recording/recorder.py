"""The recorder: takes lines, says them to the server, does what commands ask, and waits for replies in between.

Lines of a terminal and of a pipe go the same way. What differs: a pipe ends at the first thing that goes wrong.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable

from runner.certificate import CertificateError, read_certificate
from runner.dataclass import dataclass
from runner.recording.call import FAREWELL, Call
from runner.recording.commands import HELP, Command, RefusedError, read_line
from runner.recording.login import choose, new_login, wanted
from runner.recording.prompt import Prompt
from runner.wire import TlsFacts

# Seconds after a message's end, as a run has them.
MESSAGE_SECONDS = 300.0
# A line protocol's greeting, if it has one, and the pause that ends a reply of it.
_GREETING_SECONDS = 2.0
_QUIET_SECONDS = 0.3
# What is read of a file; a larger message is better named in the scenario, by `data: {file: …}`.
MESSAGE_LIMIT = 10 * 1024 * 1024
_PLACEHOLDERS = {"${username}": "username", "${password}": "password", "${token}": "token"}


class Terminated(BaseException):
    """A signal asks the process to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, slots=True)
class Hands:
    """What the recorder asks others to do: look up a value, show the scenario so far, write it.

    `known` returns the value of a variable or secret that was given, or None; `save` returns what to tell.
    """

    known: Callable[[str], str | None]
    draft: Callable[[], str]
    save: Callable[[str], str]
    show: Callable[[str], None]


class Recorder:
    """One recording. `has_failed` says that a pipe did not come to its end.

    `if_silent` is what may be the reason where the server says nothing at all.
    """

    def __init__(
        self,
        call: Call,
        prompt: Prompt,
        hands: Hands,
        place: tuple[str, int],
        timeout: float,
        *,
        if_silent: str = "",
    ) -> None:
        self.has_failed = False
        self._if_silent = if_silent
        self._call, self._dialogue, self._prompt, self._hands = call, call.dialogue, prompt, hands
        self._place, self._timeout = place, timeout
        self._told_tls: TlsFacts | None = None

    def run(self) -> None:
        """Record until there are no more lines.

        Raises:
            KeyboardInterrupt: through a pipe only.
            Terminated: by a signal.
        """
        try:
            if self._settle() and self._dialogue.end and self._dialogue.peer is None:
                self.has_failed = True
                return
            if not self._dialogue.machine.knows_ends:
                self._call.wait(lambda: not self._dialogue.kept.is_empty, _GREETING_SECONDS)
            self._loop()
        except RefusedError as refused:  # of a pipe
            self._fail(str(refused))
        self._call.part()

    def _fail(self, text: str) -> None:
        self.has_failed = True
        number = getattr(self._prompt, "number", 0)
        self._tell(f"line {number}: {text}" if number else text)

    def _tell(self, text: str) -> None:
        with self._call.gate:
            self._dialogue.tell("note", self._dialogue.mask(text))

    def _loop(self) -> None:
        is_over = False
        while not (is_over or self._is_over()):
            try:
                is_over = self._perform(self._next())
            except EOFError:
                return
            except RefusedError as refused:
                if not self._prompt.is_terminal:
                    raise
                self._tell(str(refused))
            except KeyboardInterrupt:
                if not self._prompt.is_terminal:
                    raise
                self._dropped()

    def _dropped(self) -> None:
        """After Ctrl-C, say what that does not end."""
        if awaited := self._dialogue.awaits:
            self._tell(f"not waited for: {awaited}")
        elif self._dialogue.machine.in_auth:
            self._tell("the login goes on; a single * cancels it")

    def _is_over(self) -> bool:
        """Whether there is nothing more to say: after the goodbye the recording ends as a telnet does."""
        dialogue = self._dialogue
        return bool(dialogue.end) and dialogue.machine.said_goodbye and not dialogue.is_lost

    def _next(self) -> str:
        asked = self._dialogue.asked
        if self._prompt.is_terminal and asked in ("password", "plain"):
            if asked == "plain":
                name = self._prompt.line("Username: ")
                return f"\0{name}\0{self._secret('password')}" if name != "*" else name
            return self._secret("password")
        return self._prompt.line("Username: " if asked == "username" else "C: ")

    def _secret(self, name: str) -> str:
        """Return a secret that was given, else one that is typed without echo."""
        known = self._hands.known(name)
        if known is not None:
            self._tell(f"the {name} is the one that was given")
            return known
        return self._prompt.secret(name)

    def _perform(self, text: str) -> bool:
        """Do what a line says; return whether it was the last."""
        asked = self._dialogue.asked
        typed = text if asked in ("password", "plain") else read_line(text)
        if isinstance(typed, Command):
            if typed.name == "quit":
                return True
            getattr(self, f"_{typed.name}")(typed.argument)
            return False
        if asked and (name := _PLACEHOLDERS.get(typed)):
            typed = self._given(name)
        if lead := self._dialogue.needs_password(typed):
            typed = lead + _as_word(self._secret("password"), is_quoted=self._dialogue.machine.has_tags)
        self._say(lambda: self._dialogue.say(typed))
        return False

    def _given(self, name: str) -> str:
        known = self._hands.known(name)
        if known is None:
            option = f"--var {name}=VALUE" if name == "username" else f"--secret {name}=env:VARIABLE"
            raise RefusedError(f"no {name} is known; give it by {option}")
        return known

    def _say(self, make: Callable[[], bytes]) -> None:
        """Send what the dialogue makes, and wait for what is owed for it."""
        with self._call.gate:
            self._call.send(make())
        self._settle()
        with self._call.gate:
            goes_on = self._dialogue.literals.has_waiting
            if goes_on:
                self._call.send(self._dialogue.literals.go_on())
        if goes_on:
            self._settle()
        if self._dialogue.machine.said_goodbye:
            self._call.wait(lambda: self._dialogue.end, FAREWELL)

    def _settle(self) -> bool:
        """Wait until nothing is owed; return whether that is so.

        Raises:
            RefusedError: nothing came in time.
        """
        dialogue = self._dialogue
        seconds = max(self._timeout, MESSAGE_SECONDS) if dialogue.awaits_message else self._timeout
        if not self._call.wait(lambda: not dialogue.awaits, seconds):
            why = self._if_silent if dialogue.is_silent else ""
            raise RefusedError(f"{dialogue.awaits} has not come within {seconds:g} s{why}")
        if not dialogue.machine.knows_ends and dialogue.kept.turns[1:]:
            self._call.wait_for_quiet(_QUIET_SECONDS)
        if dialogue.tls is not None and dialogue.tls is not self._told_tls:
            self._told_tls = dialogue.tls
            self._tell(f"{dialogue.tls.version}, {dialogue.tls.cipher}")
            self._tell(described(dialogue.tls))
        return True

    # The commands.

    def _tls(self, _: str) -> None:
        dialogue = self._dialogue
        if dialogue.tls is not None:
            raise RefusedError("the connection is encrypted already")
        command = dialogue.machine.starttls_command.decode("ascii").removesuffix("\r\n")
        if not command:
            raise RefusedError("this protocol has no command for it")
        self._say(lambda: dialogue.say(command, "client"))
        if dialogue.tls is None and not dialogue.end:
            raise RefusedError("the server does not let TLS begin")

    def _auth(self, argument: str) -> None:
        dialogue = self._dialogue
        machine = dialogue.machine
        if dialogue.asked or dialogue.end:
            raise RefusedError("no login can begin here")
        if not machine.auth_command.pattern.startswith(("AUTH", "(")):
            raise RefusedError("this protocol has no login")
        may_show = dialogue.may_carry_secrets
        known = {name: value for name in ("token",) if (value := self._hands.known(name)) is not None}
        mechanism = argument.upper() or choose(machine, dialogue.tls, known, may_show=may_show)
        parts = wanted(mechanism, machine)
        if parts and not may_show:
            raise RefusedError(
                "not sent: the connection is not encrypted, and who reads along may learn the password; /tls"
            )
        values = {name: self._ask(name) for name in parts}
        if make := machine.own_mechanisms.get(mechanism):
            try:
                line = make(machine, values["username"].encode(), values["password"].encode())
            except ValueError as error:
                raise RefusedError(f"{mechanism} can't begin: {error}") from error
            self._say(lambda: dialogue.exchanges.send_line(line, values))
            return
        nonce = secrets.token_hex(16)
        login = new_login(machine, mechanism, values, dialogue.tls, place=self._place, nonce=nonce)
        self._say(lambda: dialogue.exchanges.begin(login))

    def _ask(self, name: str) -> str:
        if name != "username":
            return self._secret(name)
        known = self._hands.known(name)
        if not self._prompt.is_terminal:
            return self._given(name)
        return self._prompt.line(f"Username [{known}]: " if known else "Username: ") or known or ""

    def _data(self, argument: str) -> None:
        octets, dialogue = _read(argument), self._dialogue
        if dialogue.asked == "literal":
            self._say(lambda: dialogue.literals.send(octets, argument))
            return
        if not dialogue.asked and dialogue.machine.name in ("smtp", "lmtp"):
            self._say(lambda: dialogue.say("DATA", "client"))
        self._say(lambda: dialogue.message(octets, argument))

    def _expect(self, argument: str) -> None:
        self._settled("/expect")
        with self._call.gate:
            self._dialogue.kept.expect(argument, self._dialogue.machine)
        self._tell(f"the scenario expects {argument} there")

    def _undo(self, _: str) -> None:
        self._settled("/undo")
        with self._call.gate:
            gone = self._dialogue.mask(self._dialogue.kept.undo())
        self._tell(f"taken out of the scenario: {gone}")
        self._tell("the server has not forgotten it: what follows is said to a server that knows it")

    def _settled(self, name: str) -> None:
        if waiting := self._dialogue.awaits or self._dialogue.asked:
            raise RefusedError(f"{name} must wait: {waiting} is due first")

    def _name(self, argument: str) -> None:
        with self._call.gate:
            self._dialogue.kept.title = argument
            self._dialogue.kept.version += 1
        self._tell(f"the scenario's name is '{argument}'")

    def _show(self, _: str) -> None:
        self._hands.show(self._hands.draft().rstrip("\n"))

    def _save(self, argument: str) -> None:
        self._tell(self._hands.save(argument))

    def _help(self, _: str) -> None:
        self._hands.show(HELP)


def described(facts: TlsFacts) -> str:
    """Return whose certificate a server has shown, and whether that is believed."""
    try:
        certificate = read_certificate(facts.certificate)
        names = ", ".join([*certificate.names, *certificate.addresses][:4]) or certificate.common_name or "nobody"
    except CertificateError as error:
        names = f"nobody: {error}"
    return f"certificate for {names}, {'verified' if facts.verified else 'NOT VERIFIED'}"


def _as_word(text: str, *, is_quoted: bool) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if is_quoted else text


def _read(path: str) -> bytes:
    """Return what a file holds.

    Raises:
        RefusedError: it can't be read, is no file, or is too large.
    """
    try:
        with open(os.path.expanduser(path), "rb", opener=_open_at_once) as file:  # noqa: PTH111 -- an opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RefusedError(f"'{path}' is no file")
            octets = file.read(MESSAGE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        raise RefusedError(f"'{path}' can't be read: {reason}") from error
    if len(octets) > MESSAGE_LIMIT:
        raise RefusedError(
            f"'{path}' is larger than {MESSAGE_LIMIT:,} bytes; a scenario sends it by 'data: {{file: …}}'"
        )
    return octets


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever may write to a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)
