"""Logins in a dialogue: typed line by line, played by `/auth`, or made by one line; what of them is kept and hidden.

Pure. Whether a password may be sent at all is decided before.
"""

from __future__ import annotations

import re

from runner.authoring.conversation import ClientLine, ServerReply
from runner.protocol import Reply, decode
from runner.recording.commands import RefusedError
from runner.recording.login import Asked, Login, TypedLogin, encoded, is_encoded
from runner.recording.speech import Speech, Who

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z', re.DOTALL)


class Exchanges:
    """The login that is under way, if there is one."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._typed: TypedLogin | None = None
        self._played: Login | None = None
        self._is_line = False  # a login by one line waits for its reply

    @property
    def is_played(self) -> bool:
        """Whether one goes on without anybody typing."""
        return self._played is not None

    def asked(self, challenge: bytes) -> Asked:
        """Return what an answer to a challenge is."""
        return self._typed.asked(challenge) if self._typed is not None else "response"

    # Typed.

    def note_command(self, text: str) -> None:
        """Take note of what a line logs in with."""
        machine = self._speech.machine
        if (opens := machine.auth_command.match(text)) and not machine.still_open:
            self._typed = TypedLogin(text[: opens.end()].rsplit(maxsplit=1)[-1])
            if initial := text[opens.end() :].strip(' "'):
                self._typed.note_initial(initial)
                self._learn(self._typed.values, initial)
        elif machine.password_at is not None and (found := machine.password_at.match(text)):
            values = {"password": _unquoted(found[1])}
            self._learn(values, found[1])
            self._keep(values)
            self._is_line = True

    def respond(self, text: str, asked: Asked, who: Who) -> bytes:
        """Return the line that answers a challenge with what was typed."""
        speech = self._speech
        login = self._typed or TypedLogin("")
        login.note(text, asked)
        if asked == "plain" and not is_encoded(text):
            text = text.replace("\\0", "\0")
        octets = encoded(text)
        written = speech.machine.response(octets, is_initial=False)
        self._learn({} if asked == "username" else dict(login.values), "" if asked == "username" else decode(octets))
        if asked != "username" and octets not in (b"*", b"=", b""):
            speech.redactor.learn("password" if asked != "response" else "response", octets)
        if is_encoded(text):
            speech.note("sent as it is: it is base64 already")
        speech.kept.add(ClientLine(decode(written)))
        speech.has_go_ahead = False
        speech.machine.sent(written + b"\r\n")
        speech.show("client" if asked == "password" or who != "typed" else who, [decode(written)])
        return written + b"\r\n"

    def settle(self, event: Reply) -> None:
        """Take note of the reply that ends an exchange."""
        login, machine = self._typed, self._speech.machine
        is_amid = event.owed is None or event.is_challenge or machine.in_auth
        if is_amid or not (login or self._is_line):
            return
        if login is not None:
            self._keep(login.values)
        self._typed, self._is_line = None, False
        self._judge(event)

    # Played.

    def begin(self, login: Login) -> bytes:
        """Begin an exchange that is played to its end as replies come.

        Raises:
            RefusedError: there is nothing to begin with.
        """
        line = login.begin()
        self._speech.kept.begin()
        self._played = login
        for name, value in login.values.items():
            if name != "username":
                self._speech.redactor.learn(name, value)
        return self._put(login, line)

    def send_line(self, line: bytes, values: dict[str, str]) -> bytes:
        """Log in by a line of the protocol's own, which holds something made of the password."""
        self._speech.kept.begin()
        self._speech.redactor.learn("password", line.rpartition(b" ")[2])
        self._keep(values)
        self._is_line = True
        return self._speech.send(decode(line), "client")

    def answered(self, event: Reply, reply: ServerReply) -> bytes:
        """Go on with the exchange that is played; return what is to be sent at once."""
        login, speech = self._played, self._speech
        assert login is not None
        speech.kept.current.last = event
        if event.is_challenge:
            try:
                return self._put(login, login.answer(event))
            except RefusedError as refused:
                speech.note(f"cancelled: {refused}")
                return self._put(login, speech.machine.response(b"*", is_initial=False) + b"\r\n")
        self._played = None
        speech.kept.make_exchange(login.mechanism.name, reply)
        self._keep(dict(login.values))
        if wrong := login.judge(event):
            speech.note(wrong)
        self._judge(event)
        return b""

    def _judge(self, event: Reply) -> None:
        """Take note of what became of a login, however it was made."""
        speech = self._speech
        speech.kept.current.is_refused = speech.machine.is_refusal(event)
        if speech.kept.current.is_refused:
            speech.note("refused; /undo takes it out of the scenario")

    def _put(self, login: Login, line: bytes) -> bytes:
        speech = self._speech
        for octets in login.learnt:
            speech.redactor.learn(f"{login.mechanism.name} response", octets)
        login.learnt.clear()
        line = speech.machine.lead(line) + line
        speech.has_go_ahead = False
        speech.machine.sent(line)
        speech.show("client", [decode(line.removesuffix(b"\r\n"))])
        return line

    # What is kept, and what is hidden.

    def _keep(self, values: dict[str, str]) -> None:
        turn = self._speech.kept.current
        for name, value in values.items():
            (turn.values if name == "username" else turn.secrets)[name] = value

    def _learn(self, values: dict[str, str], written: str) -> None:
        redactor = self._speech.redactor
        if written not in ("*", "=", ""):
            name = "password" if "password" in values else "username" if "username" in values else "response"
            if name != "username":
                redactor.learn(name, written)
        for name, value in values.items():
            if name != "username" and value:
                redactor.learn(name, value)


def _unquoted(text: str) -> str:
    found = _QUOTED.match(text)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else text
