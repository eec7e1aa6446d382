"""What an IMAP or ManageSieve connection reads, with the bounds that pymap leaves open."""

from __future__ import annotations

from asyncio import AbstractEventLoop, StreamReader, timeout
from collections.abc import Awaitable, Iterable
from typing import SupportsIndex, TypeVar

T = TypeVar("T")
# What a command may have beside its literals.
LINE_ROOM = 65_536


class OutOfBoundsError(EOFError):
    """A client goes too far or stays silent: for pymap the end of the connection; the text is the farewell."""


class BoundedReader(StreamReader):
    """A stream whose every wait ends after `patience` seconds, and whose commands have up to `literals` octets more."""

    def __init__(self, loop: AbstractEventLoop, *, patience: float, literals: int) -> None:
        super().__init__(limit=LINE_ROOM, loop=loop)
        self.fault = ""
        self._patience = patience
        self._most = literals + LINE_ROOM
        self._left = self._most
        self._unread = 0

    def begin_command(self) -> None:
        """Let another command have the whole room."""
        self._left = self._most

    async def forget(self) -> None:
        """Drop what came in clear text before TLS: whoever put it there is not who speaks in TLS (RFC 9051 6.2.1)."""
        await super().readexactly(self._unread)
        self._unread = 0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take what came."""
        octets = bytes(data)
        self._unread += len(octets)
        super().feed_data(octets)

    async def readline(self) -> bytes:
        """Read a line.

        Raises:
            OutOfBoundsError: it is too long, or does not come.
        """
        try:
            return self._taken(await self._awaited(super().readline()))
        except ValueError as error:
            raise self._failed("line too long") from error

    async def readexactly(self, n: int) -> bytes:
        """Read a literal.

        Raises:
            OutOfBoundsError: it is too long, or does not come.
        """
        if n > self._left:
            raise self._failed("literal too large")
        return self._taken(await self._awaited(super().readexactly(n)))

    async def _awaited(self, what: Awaitable[T]) -> T:
        try:
            async with timeout(self._patience):
                return await what
        except TimeoutError as error:
            raise self._failed("timeout exceeded") from error

    def _taken(self, octets: bytes) -> bytes:
        self._unread -= len(octets)
        self._left -= len(octets)
        if self._left < 0:
            raise self._failed("command too long")
        return octets

    def _failed(self, fault: str) -> OutOfBoundsError:
        self.fault = fault
        return OutOfBoundsError(fault)
