"""Addresses, and the lookup of names in threads of their own: nothing here blocks the loop."""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from runner.dataclass import dataclass
from runner.net.faults import Broken, os_fault
from runner.wire import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.wire import Family

# Names that were found are good for this many seconds: a run asks once, a long watch follows a change.
NAME_LIFE = 30.0
# Lookups under way at once; a dead name server holds a thread for half a minute.
LOOKUPS = 32


@dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to: the socket family and its form of address (a UNIX socket's is its path)."""

    family: int
    where: Any


Addresses = tuple[Address, ...]


def look_up(host: str | bytes, port: int, flags: int = 0) -> Addresses:
    """Ask the system for a host's addresses, the families in turn (RFC 8305, section 4); it may take its time.

    Raises:
        Broken: there is no such host, or the system can't tell.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (ValueError, OverflowError) as error:  # a label too long for the codec, a NUL, a port beyond all
        raise Broken(Fault(FaultKind.UNRESOLVED, "not a host name and port")) from error
    except OSError as error:
        raise Broken(os_fault(error)) from error
    unique = list(dict.fromkeys(Address(family, where) for family, _, _, _, where in found))
    first = [address for address in unique if address.family == unique[0].family]
    other = [address for address in unique if address.family != unique[0].family]
    turns: list[Address] = []
    while first or other:
        turns += first[:1] + other[:1]
        first, other = first[1:], other[1:]
    return tuple(turns)


def of_family(addresses: Addresses, family: Family) -> list[Address]:
    """Return the addresses that are of the family, or all of them if none is named."""
    if not family:
        return list(addresses)
    number = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    return [address for address in addresses if address.family == number]


def unix_addresses(path: str) -> Addresses:
    """Return the address of a UNIX socket."""
    return (Address(socket.AF_UNIX, path),)


def numeric(host: str, port: int) -> Addresses:
    """Return the address that `host` spells out, or nothing when it is a name."""
    # Of a text the socket module makes bytes with a codec for foreign names, which takes 1 ms to load.
    is_plain = host.isascii() and host.isprintable()
    try:
        return look_up(host.encode() if is_plain else host, port, socket.AI_NUMERICHOST)
    except Broken:
        return ()


class Resolver:
    """Looks names up in threads; answers come in the loop's thread through `collect`, after a `wake`.

    Lookups of one name at one time are one lookup, and what was found is kept for `NAME_LIFE` seconds.
    """

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._wake = wake
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, Addresses]] = {}
        self._waiting: dict[tuple[str, int], list[Callable[[Addresses | Fault], None]]] = {}
        self._queue: deque[tuple[str, int]] = deque()
        self._answers: deque[tuple[tuple[str, int], Addresses | Fault]] = deque()
        self._running = 0

    def known(self, host: str, port: int) -> Addresses:
        """Return what needs no lookup: a numeric host's address, or a name's that was found lately."""
        until, addresses = self._known.get((host, port), (0.0, ()))
        if addresses and self._clock() < until:
            return addresses
        addresses = numeric(host, port)
        if addresses:
            self._known[host, port] = (float("inf"), addresses)
        return addresses

    def ask(self, host: str, port: int, answer: Callable[[Addresses | Fault], None]) -> None:
        """Look a name up; `answer` is called from `collect`."""
        key = (host, port)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(answer)
        if len(waiting) == 1:
            self._queue.append(key)
            self._start()

    def _start(self) -> None:
        import threading  # noqa: PLC0415 - a run against addresses needs no threads

        while self._queue and self._running < LOOKUPS:
            self._running += 1
            key = self._queue.popleft()
            try:
                threading.Thread(target=self._work, args=(key,), name=f"lookup {key[0]}", daemon=True).start()
            except RuntimeError as error:
                self._answers.append((key, Fault(FaultKind.LOCAL, str(error))))
                self._wake()

    def _work(self, key: tuple[str, int]) -> None:
        try:
            answer: Addresses | Fault = look_up(*key)
        except Broken as broken:
            answer = broken.fault
        self._answers.append((key, answer))
        self._wake()

    def collect(self) -> None:
        """Hand out the answers that have come. To be called in the loop's thread."""
        while self._answers:
            key, answer = self._answers.popleft()
            self._running -= 1
            if not isinstance(answer, Fault):
                self._known[key] = (self._clock() + NAME_LIFE, answer)
            for tell in self._waiting.pop(key, ()):
                tell(answer)
        self._start()
