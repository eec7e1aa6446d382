"""`auth`: the client's half of a whole SASL exchange over AUTH (RFC 4954 section 4)."""

from __future__ import annotations

import binascii
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.language.filters import to_bytes
from runner.player.ending import erred, failed
from runner.player.expecting import fill, next_event, settle
from runner.player.filling import Line, encoded, join
from runner.player.opening import begun
from runner.player.writing import check_surplus, put, require_open
from runner.protocol import Reply

if TYPE_CHECKING:
    from runner.language.model import Auth
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
    require_open(link)
    check_surplus(link, step)
    try:
        exchange = _Exchange(player, link, step)
    except SaslError as error:
        raise erred(f"AUTH can't begin: {error}") from error
    try:
        yield from exchange.run()
    except SaslError as error:
        raise failed(f"the server did not keep to {exchange.mechanism.name}: {error}") from error


class _Exchange:
    def __init__(self, player: Player, link: Link, step: Auth) -> None:
        from runner.sasl import Credentials, create  # noqa: PLC0415

        self._player, self._link, self._step = player, link, step
        scope = player.scope
        parts = {part: scope.text(template) for part, template in step.parts.items()}
        self._secrets = tuple(dict.fromkeys(name for value in parts.values() for name in value.secrets))
        target = player.case.target
        texts = {part: value.text for part, value in parts.items()}
        credentials = Credentials(**texts, host=target.host, port=target.port)
        name = scope.text(step.mechanism).text
        self.mechanism: Mechanism = create(name, credentials, player.nonce())

    def run(self) -> Steps:
        player, link, step = self._player, self._link, self._step
        assert step.expect is not None
        wanted = fill(player, step.expect)
        initial = self.mechanism.initial() if step.initial and self.mechanism.client_first else None
        head = to_bytes(f"AUTH {self.mechanism.name}")
        if initial is None:
            put(player, link, Line(head + b"\r\n"))
        else:
            self._put(head + b" ", initial)
        for _ in range(MAX_ROUNDS):
            got = yield from next_event(player, link, wanted)
            if not (isinstance(got, Reply) and got.is_challenge):
                break
            self._put(b"", self.mechanism.respond(_challenge(got)))
        else:
            raise failed(f"the server sent more than {MAX_ROUNDS} challenges")
        settle(player, link, wanted, got)
        if isinstance(got, Reply) and got.code == link.machine.authenticated_code:
            self.mechanism.accepted()

    def _put(self, head: bytes, response: bytes) -> None:
        """Send a response; what it was made from a secret is a secret's form itself."""
        for name in self._secrets:
            self._player.redactor.learn(name, response)
        line = encoded(response, self._secrets, f"{self.mechanism.name} response")
        if head and not response:
            line = Line(b"=")  # RFC 4954 section 4: an empty initial response
        line = join(head, line)
        put(self._player, self._link, replace(line, data=line.data + b"\r\n"))


def _challenge(reply: Reply) -> bytes:
    """Decode a challenge.

    Raises:
        StepEnded: it is no base64.
    """
    text = reply.lines[0]
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except binascii.Error as error:
        shown = reply.texts[0][:80]
        raise failed(f"the challenge is not base64: '{shown}'") from error
