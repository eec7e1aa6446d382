"""Protocol machines, sans-I/O. `PROTOCOLS` is the one registry: a protocol is a file and an entry here."""

from runner.protocol.base import Limits, Machine, Malformed, Owed, Reply, Torn, decode
from runner.protocol.imap import Imap
from runner.protocol.lmtp import Lmtp
from runner.protocol.pop3 import Pop3
from runner.protocol.sieve import Sieve
from runner.protocol.smtp import Smtp
from runner.protocol.tcp import Tcp

PROTOCOLS: dict[str, type[Machine]] = {machine.name: machine for machine in (Smtp, Lmtp, Pop3, Imap, Sieve, Tcp)}

__all__ = [
    "PROTOCOLS",
    "Imap",
    "Limits",
    "Lmtp",
    "Machine",
    "Malformed",
    "Owed",
    "Pop3",
    "Reply",
    "Sieve",
    "Smtp",
    "Tcp",
    "Torn",
    "decode",
]
