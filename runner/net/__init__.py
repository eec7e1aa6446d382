"""The only opener of sockets: connecting, names, TLS over memory, readiness; OS and TLS errors become faults here.

It must not know what a player or a protocol is, and it keeps no connection: `connection` does. Nothing in it
blocks but the lookup of names, which has threads of its own.
"""

from runner.net.encryption import ServerTls, Tls, TlsContexts, TlsEnd, load_certificate, tls_fault
from runner.net.faults import SPARE_FILES, Broken, allow_files, os_fault
from runner.net.polling import READ, WRITE, SelectorPoller, new_poller
from runner.net.resolving import Address, Addresses, Resolver, look_up, numeric, of_family, unix_addresses
from runner.net.sockets import (
    CHUNK,
    SEND_FLAGS,
    Wakeup,
    announced_ends,
    connect,
    end_writing,
    listen,
    peer_of,
    pending_fault,
    reset,
)

__all__ = [
    "CHUNK",
    "READ",
    "SEND_FLAGS",
    "SPARE_FILES",
    "WRITE",
    "Address",
    "Addresses",
    "Broken",
    "Resolver",
    "SelectorPoller",
    "ServerTls",
    "Tls",
    "TlsContexts",
    "TlsEnd",
    "Wakeup",
    "allow_files",
    "announced_ends",
    "connect",
    "end_writing",
    "listen",
    "load_certificate",
    "look_up",
    "new_poller",
    "numeric",
    "of_family",
    "os_fault",
    "peer_of",
    "pending_fault",
    "reset",
    "tls_fault",
    "unix_addresses",
]
