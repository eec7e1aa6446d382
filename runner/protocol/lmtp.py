"""LMTP (RFC 2033), client side: LHLO, and a message or last chunk earns a reply for each accepted recipient."""

from __future__ import annotations

from runner.protocol.base import Owed
from runner.protocol.smtp import LAST_CHUNK, MESSAGE, Smtp


class Lmtp(Smtp):
    """LMTP, client side."""

    __slots__ = ()

    name = "lmtp"
    service = "lmtp"
    capability_command = "LHLO"
    answers_each = True

    def _answers(self, code: str) -> Owed | None:
        """Before a last chunk's reply the RCPTs are answered, pipelined or not: now its replies can be counted."""
        queue = self.owed or self._earned
        owed = super()._answers(code)
        if owed is not LAST_CHUNK:
            return owed
        first, *others = self._message_replies()
        queue[:0] = others
        return first

    def _message_replies(self) -> list[Owed]:
        """One for each recipient, and the transaction is over. With none the server can still refuse, once."""
        replies = [Owed("message", recipient) for recipient in self._recipients]
        self._recipients.clear()
        return replies or [MESSAGE]

    @property
    def recipients_due(self) -> tuple[str, ...]:
        """See `Machine.recipients_due`."""
        queue = self.owed or self._earned
        return tuple(self._recipients) if queue and queue[0] is LAST_CHUNK else super().recipients_due
