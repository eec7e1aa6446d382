"""Protocol machines, sans-I/O. `PROTOCOLS` is the one registry: a protocol is a file and an entry here."""

from runner.protocol.base import Limits, Machine, Malformed, Owed, Reply, Torn, decode
from runner.protocol.lmtp import Lmtp
from runner.protocol.smtp import Smtp

PROTOCOLS: dict[str, type[Machine]] = {machine.name: machine for machine in (Smtp, Lmtp)}

__all__ = ["PROTOCOLS", "Limits", "Lmtp", "Machine", "Malformed", "Owed", "Reply", "Smtp", "Torn", "decode"]
