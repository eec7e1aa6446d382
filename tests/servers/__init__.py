"""Real mail servers from Debian for the tests: private configuration, loopback only, nothing left running."""

from ._dovecot import DovecotServer, dovecot_lmtp
from ._exim import EximVariation, exim
from ._postfix import PostfixVariation, postfix
from ._process import NotInstalledError, ServerError
from ._running import Listeners, Running, server_root

__all__ = [
    "DovecotServer",
    "EximVariation",
    "Listeners",
    "NotInstalledError",
    "PostfixVariation",
    "Running",
    "ServerError",
    "dovecot_lmtp",
    "exim",
    "postfix",
    "server_root",
]
