"""Errors of the system become faults, in one place; how many files may be open belongs to one of them."""

from __future__ import annotations

import errno
import os
import socket

from runner.wire import Fault, FaultKind

# Files that a process has open besides its connections.
SPARE_FILES = 64

_KINDS = {
    errno.ECONNREFUSED: FaultKind.REFUSED,
    errno.ECONNRESET: FaultKind.RESET,
    errno.ECONNABORTED: FaultKind.RESET,
    errno.EPIPE: FaultKind.RESET,
    errno.EHOSTUNREACH: FaultKind.UNREACHABLE,
    errno.EHOSTDOWN: FaultKind.UNREACHABLE,
    errno.ENETUNREACH: FaultKind.UNREACHABLE,
    errno.ENETDOWN: FaultKind.UNREACHABLE,
    errno.ETIMEDOUT: FaultKind.UNREACHABLE,
    errno.ENOENT: FaultKind.UNREACHABLE,
}
_WORDS = {
    errno.ECONNREFUSED: "",
    errno.ECONNRESET: "",
    errno.EPIPE: "",
    errno.ENOENT: "no such socket",
    errno.EHOSTUNREACH: "no route to host",
    errno.EADDRNOTAVAIL: "this machine has no such address, or no free port",
}


def os_fault(error: OSError) -> Fault:
    """Name what the system said about a socket or a lookup."""
    if isinstance(error, socket.gaierror):
        return Fault(FaultKind.UNRESOLVED, in_house_form(error.strerror))
    number = error.errno or 0
    if number in (errno.EMFILE, errno.ENFILE):
        return Fault(FaultKind.LOCAL, f"too many open files: {allow_files(0)} are allowed ('ulimit -n')")
    words = _WORDS.get(number)
    if words is None:
        words = in_house_form(os.strerror(number) if number else str(error))
    return Fault(_KINDS.get(number, FaultKind.LOCAL), words)


def in_house_form(text: str | None) -> str:
    """Put a library's sentence into the house's form: `Name or service not known` loses its capital."""
    text = (text or "").rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


class Broken(Exception):  # noqa: N818 - what has happened, not a mistake
    """A connection cannot be had or used any more; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def allow_files(number: int) -> int:
    """Raise this process's limit of open files to `number` and some to spare, as far as the system lets it.

    Returns the limit that holds then.
    """
    import resource  # noqa: PLC0415 - few runs need it

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + SPARE_FILES
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return soft
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return soft
    return wanted
