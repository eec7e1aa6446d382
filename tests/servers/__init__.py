"""Real mail servers from Debian for the tests: private configuration, loopback only, nothing left running."""

from ._cyrus import cyrus_sasl
from ._dovecot import DovecotServer, dovecot_lmtp
from ._exim import EximVariation, exim
from ._kerberos import Kerberos, kerberos
from ._postfix import PostfixVariation, postfix
from ._process import NotInstalledError, ServerError
from ._running import Listeners, Running, server_root

__all__ = [
    "DovecotServer",
    "EximVariation",
    "Kerberos",
    "Listeners",
    "NotInstalledError",
    "PostfixVariation",
    "Running",
    "ServerError",
    "cyrus_sasl",
    "dovecot_lmtp",
    "exim",
    "kerberos",
    "postfix",
    "server_root",
]
