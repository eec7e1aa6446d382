"""`auth`: the client's half of a whole SASL exchange over AUTH (RFC 4954 section 4)."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.language.filters import to_bytes
from runner.language.template import Value
from runner.player.ending import StepEnded, TimedOut, erred, failed
from runner.player.expecting import fill, next_reply, settle
from runner.player.filling import Line, encoded
from runner.player.opening import begun
from runner.player.writing import put, require_clear, require_privacy
from runner.protocol import Reply, decode
from runner.protocol.base import LineReply
from runner.redaction import Mark

if TYPE_CHECKING:
    from runner.language.model import Auth
    from runner.matching.expectation import Expectation
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.sasl import Credentials, Mechanism

# The longest mechanism here takes three rounds; a server that asks for more asks for ever.
MAX_ROUNDS = 10
# In place of a mechanism: the strongest that can be used.
BEST = "BEST"

Steps = Generator[None, None, None]


def authenticate(player: Player, step: Auth) -> Steps:
    """Perform the exchange; the step's `expect` judges the final reply."""
    from runner.sasl import SaslError, SaslUnableError  # noqa: PLC0415 -- hashes: only where a scenario uses auth

    link = yield from begun(player)
    require_clear(player, link, step)
    assert step.expect is not None
    wanted = fill(player, step.expect)
    name = player.scope.text(step.mechanism).text.upper()
    if name in link.machine.own_mechanisms:
        yield from _log_in(player, link, step, name, wanted)
        return
    try:
        exchange = _Exchange(player, link, step)
    except SaslError as error:
        raise erred(f"AUTH can't begin: {error}") from error
    require_privacy(player, link, exchange.secrets)
    try:
        yield from exchange.run(wanted)
    except SaslUnableError as error:
        raise erred(str(error)) from error
    except SaslError as error:
        raise failed(str(error)) from error
    except StepEnded as ended:
        raise ended.with_more(exchange.refusal) from ended


def _log_in(player: Player, link: Link, step: Auth, name: str, wanted: Expectation) -> Steps:
    """Log in by a line of the protocol's own, which holds something made of the password."""
    parts = {part: player.scope.text(template) for part, template in step.parts.items()}
    require_privacy(player, link, _secrets(parts.values()))
    username, password = (parts.get(part, Value("")) for part in ("username", "password"))
    try:
        data = link.machine.own_mechanisms[name](link.machine, to_bytes(username.text), to_bytes(password.text))
    except ValueError as error:
        raise failed(f"{name} can't begin: {error}") from error
    head, blank, proof = data.rpartition(b" ")
    for secret in password.secrets:
        player.redactor.learn(secret, proof)
    shown = "+".join(password.secrets) or f"{name} response"
    mark = Mark(len(head + blank), len(data), shown, is_secret=bool(password.secrets))
    put(player, link, Line(data + b"\r\n", (mark,), frozenset(password.secrets), is_line=True))
    settle(player, link, wanted, (yield from next_reply(player, link, wanted)))


class _Exchange:
    def __init__(self, player: Player, link: Link, step: Auth) -> None:
        from runner.sasl import create  # noqa: PLC0415

        self._player, self._link, self._step = player, link, step
        self._parts = {part: player.scope.text(template) for part, template in step.parts.items()}
        name = player.scope.text(step.mechanism).text
        credentials = self._credentials(name)
        if name.upper() == BEST:
            name = self._best(credentials)
        self.secrets = _secrets(self._parts.values())
        self._mechanism: Mechanism = create(name, credentials, player.nonce())
        self._learn_encoded(self._mechanism.encoding)
        if self._mechanism.binds and credentials.channel_binding is not None:
            link.transcript.note(player.now, f"channel binding {credentials.channel_binding.kind}")

    def _credentials(self, mechanism: str) -> Credentials:
        """Return what there is to prove oneself with, and to bind to.

        Raises:
            SaslError: there is nothing to bind to, and the mechanism or the author wants it.
        """
        from runner.sasl import MECHANISMS, Credentials, SaslError, channel_binding  # noqa: PLC0415

        link, target = self._link, self._player.target
        known = MECHANISMS.get(mechanism.upper())
        binding = None
        try:
            binding = channel_binding(link.tls, self._step.channel_binding)
        except SaslError:
            if self._step.channel_binding or (known is not None and known.binds):
                raise
        offered = (link.machine.capabilities or {}).get("AUTH", ())
        texts: dict[str, Any] = {part: value.text for part, value in self._parts.items()}
        return Credentials(
            **texts,
            host=target.host,
            port=target.port,
            service=link.machine.service,
            channel_binding=binding,
            offers_binding=not offered or any(name.upper().endswith("-PLUS") for name in offered),
        )

    def _best(self, credentials: Credentials) -> str:
        """Choose the strongest mechanism that is offered, and keep the parts that it wants.

        Raises:
            StepEnded: nothing is known of what is offered, or nothing of it can be used.
        """
        from runner.sasl import MECHANISMS, strongest  # noqa: PLC0415

        player, link = self._player, self._link
        if link.machine.capabilities is None:
            command = link.machine.capability_command
            raise erred(f"what the server offers is not known: no capabilities were read yet; send {command} first")
        offered = link.machine.capabilities.get("AUTH", ())
        name = strongest(offered, lambda known: _is_usable(known, credentials, link))
        if not name:
            if not offered:
                raise failed(f"the server offers no mechanism{_missing_tls(link)}")
            shown = player.findings.quote(" ".join(offered))
            given = [part for part in ("username", "password", "token") if getattr(credentials, part)]
            usable = f"nothing that can be used with {_given(given, link)}"
            raise failed(f"the server offers {shown}, {usable}{_missing_tls(link)}")
        wants = MECHANISMS[name].wants
        self._parts = {part: value for part, value in self._parts.items() if part in wants or part == "authzid"}
        player.findings.chosen = name
        link.transcript.note(player.now, f"the strongest mechanism that can be used: {name}")
        return name

    @property
    def refusal(self) -> str:
        """What the server said of its refusal inside the exchange, to be put behind a reason."""
        refusal = self._mechanism.refusal
        return f"; within the exchange it said: {self._player.findings.quote(refusal)}" if refusal else ""

    def run(self, wanted: Expectation) -> Steps:
        player, link, mechanism = self._player, self._link, self._mechanism
        head = link.machine.auth_head(mechanism.name)
        initial = held = None
        if self._step.initial and mechanism.client_first:
            initial = yield from self._made(mechanism.initial)
            if initial is not None and not link.machine.takes_initial(_encoded_size(initial)):
                initial, held = None, initial  # it answers the challenge that then comes, which is empty
        if initial is None:
            put(player, link, Line(head + b"\r\n", is_line=True))
        else:
            self._put(head + b" ", initial)
        for number in range(MAX_ROUNDS):
            got = yield from next_reply(player, link, wanted)
            if not (isinstance(got, Reply) and got.is_challenge):
                break
            link.last = got
            is_text = mechanism.opens_with_text and number == 0 and initial is None
            challenge = b"" if is_text else _challenge(player, got)
            if held is not None:
                if challenge:
                    raise failed(f"{mechanism.name}: the client speaks first, but the first challenge is not empty")
                response, held = held, None
            else:
                response = yield from self._made(partial(mechanism.respond, challenge))
            self._put(b"", response or b"")
        else:
            raise failed(f"the server sent more than {MAX_ROUNDS} challenges")
        settle(player, link, wanted, got)
        if isinstance(got, Reply) and got.code == link.machine.authenticated_code:
            told = link.machine.last_challenge(got)
            mechanism.accepted(None if told is None else _decoded(player, told))

    def _made(self, make: Callable[[], bytes | None]) -> Generator[None, None, bytes | None]:
        """Have the mechanism make a message, beside the loop if that may wait for somebody else."""
        if not self._mechanism.may_wait:
            return make()
        try:
            message = yield from self._player.work(make)
        except TimedOut as late:
            raise erred(f"{self._mechanism.name}: no message could be made {late}") from None
        require_clear(self._player, self._link, self._step)
        return message

    def _learn_encoded(self, encoding: str) -> None:
        """Learn what secrets look like in the mechanism's messages, where that is not UTF-8."""
        if encoding != "utf-8":
            for part in self._parts.values():
                for name in part.secrets:
                    self._player.redactor.learn(name, part.text.encode(encoding, "surrogatepass"))

    def _put(self, head: bytes, response: bytes) -> None:
        """Send a response; what was made from a secret is a secret's form itself."""
        same = [part for part in self._parts.values() if to_bytes(part.text) == response]
        secrets = _secrets(same) if same else self.secrets
        for name in secrets:
            self._player.redactor.learn(name, response)
        name = f"{self._mechanism.name} response"
        put(self._player, self._link, encoded(self._link.machine, head, response, secrets, name))


def _is_usable(mechanism: type[Mechanism], credentials: Credentials, link: Link) -> bool:
    """Return whether `best` may choose a mechanism; what needs an extra is used only when it is named."""
    if mechanism.extra:
        return False
    if mechanism.binds and credentials.channel_binding is None:
        return False
    if mechanism.is_readable and not link.may_carry_secrets:
        return False
    if mechanism.proves_by_certificate:
        return link.tls is not None and link.tls.client_certificate
    return bool(mechanism.wants) and all(getattr(credentials, part) for part in mechanism.wants)


def _given(parts: list[str], link: Link) -> str:
    """Return what there is to choose a mechanism by."""
    if link.tls is not None and link.tls.client_certificate:
        parts = [*parts, "a client certificate"]
    where = "" if link.may_carry_secrets else " in clear text"
    return (", ".join(parts) or "neither password nor token") + where


def _missing_tls(link: Link) -> str:
    """Return, to be put behind a reason, that there may be more after a handshake."""
    command = link.machine.starttls_command.decode("ascii").rstrip()
    if link.tls is not None or command not in (link.machine.capabilities or {}):
        return ""
    return f"; it offers {command}, which was not done: put starttls: before"


def _secrets(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for value in values for name in value.secrets))


def _challenge(player: Player, reply: Reply) -> bytes:
    """Decode a challenge.

    Raises:
        StepEnded: it is no base64, or not one line.
    """
    if isinstance(reply, LineReply):  # its other lines are untagged data
        return _decoded(player, reply.lines[reply.head_at or 0])
    if len(reply.lines) > 1:
        shown = player.findings.quote(str(reply))
        raise failed(f"the challenge has {len(reply.lines)} lines, where one is due: {shown}")
    return _decoded(player, reply.lines[0])


def _decoded(player: Player, line: bytes) -> bytes:
    try:
        return binascii.a2b_base64(line, strict_mode=True) if line else b""
    except binascii.Error as error:
        raise failed(f"the challenge is not base64: '{player.findings.quote(decode(line))}'") from error


def _encoded_size(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4
