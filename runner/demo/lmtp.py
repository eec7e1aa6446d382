"""LMTP (RFC 2033) in the dialect of the embedded server: what differs from SMTP, and no more."""

# aiosmtpd finds commands by their names.
# ruff: noqa: N802

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runner.demo.dialect import Dialect

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope


class LmtpDialect(Dialect):
    """One connection: LHLO in place of HELO and EHLO, no AUTH, a reply for each recipient after the message."""

    greeting_command: ClassVar = "LHLO"
    ident: ClassVar = "LMTP ready"

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        # RFC 2033 section 4.1: no positive reply to these; they are as unknown as any other word.
        for name in ("HELO", "EHLO", "AUTH"):
            del self._smtp_methods[name]

    @property
    def _allows_auth(self) -> bool:
        return False

    async def smtp_LHLO(self, hostname: str) -> None:
        """Greet a client, and say what is offered (RFC 2033 section 4.1)."""
        await self._greet(hostname, self._capabilities(), extended=True)

    async def _answer_message(self, envelope: Envelope, reply: str) -> None:
        """Answer for each recipient that was accepted, in their order (RFC 2033 section 4.2)."""
        code, status, text = reply.split(" ", 2)
        for recipient in envelope.rcpt_tos:
            await self.push(f"{code} {status} <{recipient}> {text}")
