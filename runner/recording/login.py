r"""Logging in while one is recorded: the whole exchange of a mechanism, or the answer to a challenge typed by hand.

What an operator expects at the server's `334 Username:`: to be asked for the user's name and type it as it is. So an
answer is encoded here; `*` cancels, and what is canonical base64 of readable text is sent as it is, for those who have
it from elsewhere. Pure: a nonce is handed in.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Literal

from runner.protocol import Machine, Reply
from runner.protocol.base import LineReply
from runner.recording.commands import RefusedError
from runner.sasl import (
    MECHANISMS,
    Credentials,
    Mechanism,
    SaslError,
    channel_binding,
    create,
    strongest,
)
from runner.wire import TlsFacts

#: What an answer to a challenge is: one of two parts, both at once, or whatever the mechanism wants.
Asked = Literal["username", "password", "plain", "response"]
# Canonical base64 that is shorter, and has no padding, may as well be a word.
_SURE = 8
_WANTS_PASSWORD = re.compile(r"pass|kennwort|secret|mot de", re.IGNORECASE)
_WANTS_NAME = re.compile(r"user|name|login|id\b", re.IGNORECASE)
_UNENCODED = ("*", "", "=")
# The longest mechanism here takes three rounds.
_MOST_ROUNDS = 10


def is_encoded(text: str) -> bool:
    """Whether an answer is base64 already, and not a word that looks like it.

    >>> is_encoded("YWxpY2U="), is_encoded("password")
    (True, False)
    """
    try:
        raw = binascii.a2b_base64(text.encode(), strict_mode=True)
        meant = raw.decode()
    except ValueError:
        return False
    is_canonical = base64.b64encode(raw).decode() == text and (text.endswith("=") or len(text) >= _SURE)
    return is_canonical and meant.replace("\0", "").isprintable()


def encoded(text: str) -> bytes:
    """Return an answer as it is sent: in base64, unless it is that already or cancels."""
    if text in _UNENCODED or is_encoded(text):
        return text.encode("utf-8", "surrogateescape")
    return base64.b64encode(text.encode("utf-8", "surrogateescape"))


def meaning(text: str) -> str:
    """Return what an answer stands for: decoded, if it is base64 already."""
    if not is_encoded(text):
        return text
    return base64.b64decode(text).decode("utf-8", "surrogateescape")


class TypedLogin:
    """An exchange whose lines are typed; `asked` says what the next one is."""

    def __init__(self, mechanism: str) -> None:
        self.mechanism = mechanism.upper().strip('"')
        self.values: dict[str, str] = {}

    def asked(self, challenge: bytes) -> Asked:
        """Return what an answer to a challenge is."""
        if self.mechanism == "PLAIN":
            return "plain"
        if self.mechanism != "LOGIN":
            return "response"
        try:
            prompt = base64.b64decode(challenge, validate=True).decode("utf-8", "replace")
        except ValueError:
            prompt = ""
        if _WANTS_PASSWORD.search(prompt) and "password" not in self.values:
            return "password"
        if _WANTS_NAME.search(prompt) and "username" not in self.values:
            return "username"
        return "password" if "username" in self.values else "username"

    def note_initial(self, text: str) -> None:
        """Take note of what stands in the line that opens the exchange."""
        if self.mechanism == "LOGIN":
            self.values["username"] = meaning(text)
        else:
            self.note(text, "plain" if self.mechanism == "PLAIN" else "response")

    def note(self, text: str, asked: Asked) -> None:
        """Take note of an answer, so that what must not be shown is known."""
        meant = meaning(text)
        if text in _UNENCODED:
            return
        if asked == "plain":
            parts = meant.replace("\\0", "\0").split("\0")
            self.values |= dict(zip(("username", "password"), parts[1:], strict=False)) if len(parts) == 3 else {}
        elif asked != "response":
            self.values[asked] = meant


class Login:
    """The client's half of an exchange, played without anybody typing (`/auth`)."""

    def __init__(self, machine: Machine, mechanism: Mechanism, values: Mapping[str, str]) -> None:
        self.mechanism = mechanism
        self.values = values
        self.learnt: list[bytes] = []
        self._machine = machine
        self._rounds = 0
        self._has_initial = False
        self._held: bytes | None = None  # answers the challenge that then comes, which is empty

    def begin(self) -> bytes:
        """Return the line that opens the exchange.

        Raises:
            RefusedError: no message can be made.
        """
        head = self._machine.auth_head(self.mechanism.name)
        initial = self._made(self.mechanism.initial) if self.mechanism.client_first else None
        if initial is not None and not self._machine.takes_initial((len(initial) + 2) // 3 * 4):
            initial, self._held = None, initial
        if initial is None:
            return head + b"\r\n"
        self._has_initial = True
        return head + b" " + self._written(initial, is_initial=True) + b"\r\n"

    def answer(self, reply: Reply) -> bytes:
        """Return the line that answers a challenge.

        Raises:
            RefusedError: there is no answer; the exchange is to be cancelled.
        """
        self._rounds += 1
        if self._rounds > _MOST_ROUNDS:
            raise RefusedError(f"the server sent more than {_MOST_ROUNDS} challenges")
        line = reply.lines[reply.head_at or 0] if isinstance(reply, LineReply) else reply.lines[0]
        is_text = self.mechanism.opens_with_text and self._rounds == 1 and not self._has_initial
        try:
            challenge = binascii.a2b_base64(line, strict_mode=True) if line and not is_text else b""
        except binascii.Error:
            raise RefusedError("the challenge is not base64") from None
        if self._held is not None:
            response, self._held = self._held, None
        else:
            response = self._made(lambda: self.mechanism.respond(challenge)) or b""
        return self._written(response, is_initial=False) + b"\r\n"

    def judge(self, reply: Reply) -> str:
        """Return what is wrong with the server's success, or nothing."""
        if reply.code != self._machine.authenticated_code:
            return ""
        told = self._machine.last_challenge(reply)
        try:
            self.mechanism.accepted(None if told is None else binascii.a2b_base64(told))
        except (SaslError, binascii.Error) as error:
            return str(error)
        return ""

    def _made(self, make: Callable[[], bytes | None]) -> bytes | None:
        try:
            return make()
        except SaslError as error:
            raise RefusedError(str(error)) from error

    def _written(self, response: bytes, *, is_initial: bool) -> bytes:
        text = base64.b64encode(response)
        # Who logs in is no secret, also where that is a whole response.
        same = {name for name, value in self.values.items() if value.encode("utf-8", "surrogatepass") == response}
        if response and same != {"username"}:
            self.learnt += [response, text]
        return self._machine.response(text, is_initial=is_initial)


def choose(
    machine: Machine, tls: TlsFacts | None, given: Mapping[str, str], *, may_show: bool, has_password: bool = True
) -> str:
    """Return the strongest mechanism that a server offers and that can be used.

    `given` are the values that are known, `may_show` says that nobody reads along.

    Raises:
        RefusedError: nothing is offered, or nothing of it can be used.
    """
    offered = (machine.capabilities or {}).get("AUTH", ())
    if machine.capabilities is None:
        command = machine.capability_command
        raise RefusedError(f"what the server offers is not known; send {command} first, or name a mechanism")

    def is_usable(known: type[Mechanism]) -> bool:
        if known.extra or known.proves_by_certificate or (known.binds and tls is None):
            return False
        if known.is_readable and not may_show:
            return False
        return "token" in given if "token" in known.wants else has_password

    name = strongest(offered, is_usable)
    if not name and not offered:
        raise RefusedError("the server offers no mechanism" + ("" if tls else "; it may after /tls"))
    if not name:
        raise RefusedError(f"the server offers {' '.join(offered)}, nothing that can be used here")
    return name


def wanted(mechanism: str, machine: Machine) -> tuple[str, ...]:
    """Return which values a mechanism can't do without.

    Raises:
        RefusedError: there is no such mechanism.
    """
    if mechanism in machine.own_mechanisms:
        return ("username", "password")
    known = MECHANISMS.get(mechanism)
    if known is None:
        names = [*MECHANISMS, *machine.own_mechanisms]
        raise RefusedError(f"unknown mechanism '{mechanism}'; known are {', '.join(names)}")
    return known.wants


def new_login(
    machine: Machine,
    mechanism: str,
    values: Mapping[str, str],
    tls: TlsFacts | None,
    *,
    place: tuple[str, int],
    nonce: str,
) -> Login:
    """Return an exchange that can begin; `place` is the server's host and port.

    Raises:
        RefusedError: a value can't be carried, or there is nothing to bind to.
    """
    offered = (machine.capabilities or {}).get("AUTH", ())
    known = MECHANISMS[mechanism]
    try:
        binding = channel_binding(tls) if tls is not None or known.binds else None
        credentials = Credentials(
            username=values.get("username", ""),
            password=values.get("password", ""),
            token=values.get("token", ""),
            host=place[0],
            port=place[1],
            service=machine.service,
            channel_binding=binding,
            offers_binding=not offered or any(name.upper().endswith("-PLUS") for name in offered),
        )
        return Login(machine, create(mechanism, credentials, nonce), values)
    except SaslError as error:
        raise RefusedError(str(error)) from error
