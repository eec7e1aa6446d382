"""`auth`: the client's half of a whole SASL exchange over AUTH (RFC 4954 section 4)."""

from __future__ import annotations

import binascii
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from runner.language.filters import to_bytes
from runner.player.ending import StepEnded, erred, failed
from runner.player.expecting import fill, next_reply, settle
from runner.player.filling import Line, encoded
from runner.player.opening import begun
from runner.player.writing import put, require_clear, require_privacy
from runner.protocol import Reply

if TYPE_CHECKING:
    from runner.language.model import Auth
    from runner.language.template import Value
    from runner.matching.expectation import Expectation
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.sasl import Mechanism

# The longest mechanism here takes three rounds; a server that asks for more asks for ever.
MAX_ROUNDS = 10

Steps = Generator[None, None, None]


def authenticate(player: Player, step: Auth) -> Steps:
    """Perform the exchange; the step's `expect` judges the final reply."""
    from runner.sasl import SaslError  # noqa: PLC0415 -- hashes and json: only where a scenario uses auth

    link = yield from begun(player, step)
    require_clear(player, link, step)
    assert step.expect is not None
    wanted = fill(player, step.expect)
    try:
        exchange = _Exchange(player, link, step)
    except SaslError as error:
        raise erred(f"AUTH can't begin: {error}") from error
    require_privacy(player, link, exchange.secrets)
    try:
        yield from exchange.run(wanted)
    except SaslError as error:
        raise failed(str(error)) from error
    except StepEnded as ended:
        raise StepEnded(ended.outcome, ended.reason + exchange.refusal) from ended


class _Exchange:
    def __init__(self, player: Player, link: Link, step: Auth) -> None:
        from runner.sasl import Credentials, create  # noqa: PLC0415

        self._player, self._link, self._step = player, link, step
        self._parts = {part: player.scope.text(template) for part, template in step.parts.items()}
        self.secrets = _secrets(self._parts.values())
        target = player.case.target
        texts = {part: value.text for part, value in self._parts.items()}
        credentials = Credentials(**texts, host=target.host, port=target.port)
        self._mechanism: Mechanism = create(player.scope.text(step.mechanism).text, credentials, player.nonce())

    @property
    def refusal(self) -> str:
        """What the server said of its refusal inside the exchange, to be put behind a reason."""
        refusal = self._mechanism.refusal
        return f"; within the exchange it said: {self._player.findings.quote(refusal)}" if refusal else ""

    def run(self, wanted: Expectation) -> Steps:
        player, link, mechanism = self._player, self._link, self._mechanism
        head = to_bytes(f"AUTH {mechanism.name}")
        initial = mechanism.initial() if self._step.initial and mechanism.client_first else None
        if initial is None:
            put(player, link, Line(head + b"\r\n"))
        else:
            self._put(head + b" ", initial)
        for _ in range(MAX_ROUNDS):
            got = yield from next_reply(player, link, wanted)
            if not (isinstance(got, Reply) and got.is_challenge):
                break
            link.last = got
            self._put(b"", mechanism.respond(_challenge(player, got)))
        else:
            raise failed(f"the server sent more than {MAX_ROUNDS} challenges")
        settle(player, link, wanted, got)
        if isinstance(got, Reply) and got.code == link.machine.authenticated_code:
            mechanism.accepted()

    def _put(self, head: bytes, response: bytes) -> None:
        """Send a response; what was made from a secret is a secret's form itself."""
        same = [part for part in self._parts.values() if to_bytes(part.text) == response]
        secrets = _secrets(same) if same else self.secrets
        for name in secrets:
            self._player.redactor.learn(name, response)
        put(self._player, self._link, encoded(head, response, secrets, f"{self._mechanism.name} response", b"\r\n"))


def _secrets(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for value in values for name in value.secrets))


def _challenge(player: Player, reply: Reply) -> bytes:
    """Decode a challenge.

    Raises:
        StepEnded: it is no base64, or not one line.
    """
    if len(reply.lines) > 1:
        raise failed(
            f"the challenge has {len(reply.lines)} lines, where one is due: {player.findings.quote(str(reply))}"
        )
    try:
        return binascii.a2b_base64(reply.lines[0], strict_mode=True) if reply.lines[0] else b""
    except binascii.Error as error:
        raise failed(f"the challenge is not base64: '{player.findings.quote(reply.texts[0])}'") from error
