"""A message on its way in: what is learnt of it, and where it ends; it is kept only where it will be delivered."""

from __future__ import annotations

from asyncio import LimitOverrunError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader


class Incoming:
    """The size of a message while it streams by, its first fault, and its octets if they are wanted."""

    def __init__(self, size_limit: int, line_limit: int, *, is_kept: bool = False) -> None:
        self.size = 0
        self.octets = bytearray()
        self._is_kept = is_kept
        self._size_limit = size_limit
        self._line_limit = line_limit
        self._fault = ""

    async def read(self, reader: StreamReader) -> None:
        """Read up to the dot between two CRLF: no other line end counts (RFC 5321 2.3.8)."""
        starts_line = True
        while True:
            try:
                chunk = await reader.readuntil(b"\r\n")
            except LimitOverrunError as error:
                chunk = await reader.readexactly(error.consumed)
            if starts_line and chunk == b".\r\n":
                return
            self._take(chunk, starts_line=starts_line)
            starts_line = chunk.endswith(b"\r\n")

    def _take(self, chunk: bytes, *, starts_line: bool) -> None:
        """Take a line or a stretch of one, without the dot that RFC 5321 4.5.2 added."""
        line = chunk.removesuffix(b"\r\n")
        content = chunk[1:] if starts_line and chunk.startswith(b".") else chunk
        self.size += len(content)
        if not self._fault:
            self._fault = self._judge(line, is_whole=starts_line and line != chunk)
        if self._is_kept and not self.refusal:
            self.octets += content

    def _judge(self, line: bytes, *, is_whole: bool) -> str:
        if b"\n" in line:
            return "550 5.5.2 bare <LF> received"
        if b"\r" in line:
            return "550 5.5.2 bare <CR> received"
        if not is_whole or len(line) + 2 > self._line_limit:
            return "500 5.5.2 line too long"
        return ""

    @property
    def refusal(self) -> str:
        """The reply to a message that is not taken, or an empty text."""
        if self.size > self._size_limit:
            return "552 5.3.4 message size exceeds fixed limit"
        return self._fault
