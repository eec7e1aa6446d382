"""Real mail servers from Debian for the tests: private configuration, loopback only, nothing left running."""

from ._cyrus import cyrus_sasl
from ._cyrus_imap import CyrusImapServer, cyrus_imap
from ._dovecot import DovecotServer, dovecot_lmtp
from ._exim import EximVariation, exim
from ._kerberos import Kerberos, kerberos
from ._mail_chain import MailChain, mail_chain
from ._mailboxes import MailboxServer, MailboxVariation, dovecot_mailboxes
from ._postfix import PostfixVariation, postfix
from ._process import NotInstalledError, ServerError
from ._running import Listeners, Running, server_root

__all__ = [
    "CyrusImapServer",
    "DovecotServer",
    "EximVariation",
    "Kerberos",
    "Listeners",
    "MailChain",
    "MailboxServer",
    "MailboxVariation",
    "NotInstalledError",
    "PostfixVariation",
    "Running",
    "ServerError",
    "cyrus_imap",
    "cyrus_sasl",
    "dovecot_lmtp",
    "dovecot_mailboxes",
    "exim",
    "kerberos",
    "mail_chain",
    "postfix",
    "server_root",
]
