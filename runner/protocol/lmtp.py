"""LMTP (RFC 2033), client side: LHLO, and a message or last chunk earns a reply for each accepted recipient."""

from __future__ import annotations

import re

from runner.protocol.base import Limits, Owed, Reply, decode
from runner.protocol.smtp import COMMANDS, LAST_CHUNK, MESSAGE, Smtp

_RECIPIENT = re.compile(rb"RCPT +TO: *<([^>]*)>", re.IGNORECASE)
_RCPT = COMMANDS[b"RCPT"]


class Lmtp(Smtp):
    """LMTP, client side."""

    name = "lmtp"

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        self._recipients: list[str] = []

    def _command(self, line: bytes) -> None:
        super()._command(line)
        if self.owed and self.owed[-1] is _RCPT and (address := _RECIPIENT.match(line)):
            self.owed[-1] = Owed("RCPT", decode(address[1]))

    def _follow(self, owed: Owed, reply: Reply) -> None:
        if reply.code[0] == "2":
            if owed.to == "RCPT":
                self._recipients.append(owed.recipient)
            elif owed.to in ("MAIL", "RSET", "LHLO", "EHLO", "HELO"):
                self._recipients.clear()
        super()._follow(owed, reply)

    def _answers(self, code: str) -> Owed | None:
        """Before a last chunk's reply the RCPTs are answered, pipelined or not: now its replies can be counted."""
        queue = self.owed or self._earned
        owed = super()._answers(code)
        if owed is not LAST_CHUNK:
            return owed
        first, *others = self._message_replies()
        queue.extendleft(reversed(others))
        return first

    def _message_replies(self) -> list[Owed]:
        """One for each recipient, and the transaction is over. With none the server can still refuse, once."""
        replies = [Owed("message", recipient) for recipient in self._recipients]
        self._recipients.clear()
        return replies or [MESSAGE]

    def secured(self) -> None:
        """See `Machine.secured`."""
        super().secured()
        self._recipients.clear()
