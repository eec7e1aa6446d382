"""The post office: what all connections of the embedded server share.

Who may log in, which recipients exist, what was accepted. It must not know how a command or a reply is written down,
but for the replies to MAIL, RCPT and a message, which aiosmtpd asks of it.
"""

# aiosmtpd finds hooks by their names.
# ruff: noqa: N802

from __future__ import annotations

from collections import deque
from secrets import token_bytes, token_hex, token_urlsafe
from typing import TYPE_CHECKING, Any

from runner.demo.settings import KEPT_MESSAGES, Accepted

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session

    from runner.demo.settings import DemoSettings

MAX_RECIPIENTS = 100  # RFC 5321 4.5.3.1.8: at least 100


class PostOffice:
    """The mailboxes and users of the settings, and aiosmtpd's hooks; if no user is given there is one, of this run."""

    def __init__(self, settings: DemoSettings) -> None:
        self.settings = settings
        self.users = dict(settings.users) or {f"alice@{settings.domain}": token_urlsafe(12)}
        self.mailboxes = frozenset(name.lower() for name in settings.mailboxes)
        self.accepted: deque[Accepted] = deque(maxlen=KEPT_MESSAGES)
        self.transports: set[Any] = set()  # the TCP ones, below TLS too

    def hang_up(self) -> None:
        """Cut every connection."""
        for transport in self.transports:
            transport.abort()

    def password_of(self, user: str) -> bytes:
        """Return the password; for an unknown user one that nobody can guess, in the same time."""
        unguessable = token_bytes(32)
        return self.users[user].encode() if user in self.users else unguessable

    def accept(self, session: Session, envelope: Envelope, size: int, *, encrypted: bool) -> str:
        """Remember a message; return the reply to it."""
        queue_id = token_hex(6).upper()
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
        recipients = tuple(envelope.rcpt_tos)
        self.accepted.append(Accepted(queue_id, sender, recipients, size, session.auth_data or "", encrypted=encrypted))
        return f"250 2.0.0 Ok: queued as {queue_id}"

    async def handle_MAIL(
        self, _server: object, _session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Judge a sender."""
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 address needs SMTPUTF8"  # RFC 6531 3.5
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, _server: object, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Judge a recipient."""
        refusal = self._refusal(session, envelope, address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    def _refusal(self, session: Session, envelope: Envelope, address: str) -> str:
        local, at, domain = address.rpartition("@")
        if address == "<>":
            return "553 5.1.3 null recipient"
        if not at and address.lower() != "postmaster":  # RFC 5321 4.5.1 takes this one without a domain
            return "553 5.1.3 recipient needs a domain"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 address needs SMTPUTF8"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if at and domain.lower() != self.settings.domain.lower():
            return "" if session.authenticated else "550 5.7.1 relaying denied"
        exists = (local or address).lower() in self.mailboxes
        return "" if exists else "550 5.1.1 user unknown"
