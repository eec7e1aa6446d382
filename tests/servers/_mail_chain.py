"""The whole way of a message: Postfix takes it, hands it to Dovecot by LMTP, and Sieve files it in a mailbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from ._dovecot import FULL
from ._mailboxes import OWN, MailboxServer, MailboxVariation, dovecot_mailboxes, for_user
from ._postfix import postfix
from ._running import Listeners


@dataclass(frozen=True, slots=True)
class MailChain:
    """Postfix's doors, and those of the Dovecot that it delivers to; `mailboxes.submission` hands on to Postfix."""

    mx: Listeners
    mailboxes: MailboxServer

    def of(self, user: str) -> MailChain:
        """Return the same doors with another user's name, as recipient too, and token."""
        return MailChain(
            Listeners(*(for_user(getattr(self.mx, field.name), user) for field in fields(Listeners))),
            self.mailboxes.of(user),
        )


@contextlib.contextmanager
def mail_chain(root: Path, **variation: bool) -> Iterator[MailChain]:
    """Run Postfix and Dovecot below `root`; `variation` has fields of `PostfixVariation` and `MailboxVariation`."""
    named = {field.name for field in fields(MailboxVariation)} & variation.keys()
    of_mailboxes = {name: variation.pop(name) for name in named}
    folder = root / "mailboxes"
    users = (FULL, *OWN)
    with (
        postfix(root / "mx", mailboxes=folder / "lmtp", users=users, **variation) as mx,
        dovecot_mailboxes(folder, relay=mx.plain.port, **of_mailboxes) as mailboxes,
    ):
        yield MailChain(mx, mailboxes)
