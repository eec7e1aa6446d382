"""The post office: what all connections of the embedded server share, and what those of one door do.

Who may log in, which recipients exist, what was accepted. It must not know how a command or a reply is written down,
but for the replies to MAIL, RCPT and a message, which aiosmtpd asks of it, and the lines that a message gets on top.
"""

# aiosmtpd finds hooks by their names.
# ruff: noqa: N802

from __future__ import annotations

from collections import deque
from email.utils import format_datetime, localtime
from secrets import token_bytes, token_hex, token_urlsafe
from typing import TYPE_CHECKING, Any

from runner.demo.settings import KEPT_MESSAGES, Accepted, local_part

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session

    from runner.demo.incoming import Incoming
    from runner.demo.mailboxes import Mailboxes
    from runner.demo.settings import DemoSettings

MAX_RECIPIENTS = 100  # RFC 5321 4.5.3.1.8: at least 100


class House:
    """What all doors of one server share; if the settings give no user there is one, of this run.

    `mail` is what was delivered, None where there is no door to find it by.
    """

    def __init__(self, settings: DemoSettings) -> None:
        self.users = dict(settings.users) or {f"alice@{settings.domain}": token_urlsafe(12)}
        self.mailboxes = frozenset(map(local_part, (*settings.mailboxes, *self.users)))
        self.accepted: deque[Accepted] = deque(maxlen=KEPT_MESSAGES)
        self.mail: Mailboxes | None = None


class PostOffice:
    """One door's settings and connections, and aiosmtpd's hooks."""

    def __init__(self, settings: DemoSettings, house: House) -> None:
        self.settings = settings
        self.house = house
        self.transports: set[Any] = set()  # the TCP ones, below TLS too

    def hang_up(self) -> None:
        """Cut every connection."""
        for transport in self.transports:
            transport.abort()

    def password_of(self, user: str) -> bytes:
        """Return the password; for an unknown user one that nobody can guess, in the same time."""
        unguessable = token_bytes(32)
        users = self.house.users
        return users[user].encode() if user in users else unguessable

    async def accept(self, session: Session, envelope: Envelope, message: Incoming, *, encrypted: bool) -> str:
        """Put a message into the mailboxes that it is for, and remember it; return the reply to it."""
        queue_id = token_hex(6).upper()
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
        told = Accepted(
            queue_id, sender, tuple(envelope.rcpt_tos), message.size, session.auth_data or "", encrypted=encrypted
        )
        try:
            await self._deliver(session, told, message)
        except RecursionError:
            return "554 5.6.0 message nested too deeply"
        self.house.accepted.append(told)
        return f"250 2.0.0 Ok: queued as {queue_id}"

    async def _deliver(self, session: Session, told: Accepted, message: Incoming) -> None:
        if self.house.mail is not None:
            octets = self._trace(session, told).encode("utf-8", "surrogateescape") + message.octets
            for recipient in dict.fromkeys(filter(self._is_local, told.recipients)):
                await self.house.mail.deliver(recipient, octets, told.sender)

    def _trace(self, session: Session, told: Accepted) -> str:
        """Return the lines on top of a delivered message (RFC 5321 4.4), with what it came by (RFC 3848)."""
        kind = "LMTP" if self.settings.protocol == "lmtp" else "ESMTP" if session.extended_smtp else "SMTP"
        kind += "S" * told.encrypted + "A" * bool(told.user)
        client = f"{session.host_name} ([{session.peer[0] if session.peer else 'unknown'}])"
        return (
            f"Return-Path: <{told.sender}>\r\n"
            f"Received: from {client}\r\n\tby {self.settings.hostname} with {kind} id {told.queue_id};\r\n"
            f"\t{format_datetime(localtime())}\r\n"
        )

    def _is_local(self, address: str) -> bool:
        """Return whether an address is in this domain; `postmaster` alone is, too."""
        return address.rpartition("@")[2].lower() in {self.settings.domain.lower(), address.lower()}

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
        if address == "<>":
            return "553 5.1.3 null recipient"
        if "@" not in address and address.lower() != "postmaster":  # RFC 5321 4.5.1 takes this one without a domain
            return "553 5.1.3 recipient needs a domain"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 address needs SMTPUTF8"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if not self._is_local(address):
            return "" if session.authenticated else "550 5.7.1 relaying denied"
        return "" if local_part(address) in self.house.mailboxes else "550 5.1.1 user unknown"
