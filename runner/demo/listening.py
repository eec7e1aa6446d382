"""The listener: an asyncio loop that hands connections to the dialect and cuts them when it is stopped.

It is imported when a server starts, for asyncio and aiosmtpd are slow to import.
"""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol
from contextlib import suppress
from logging import CRITICAL, getLogger
from typing import TYPE_CHECKING, Any

from runner.demo.dialect import Dialect
from runner.demo.lmtp import LmtpDialect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from concurrent.futures import Future

    from runner.demo.post import PostOffice

_DIALECTS = {"smtp": Dialect, "lmtp": LmtpDialect}


class Listener:
    """Listens from `run` until `stop`; `ready` gets the address and the port, or why there are none."""

    def __init__(self, post: PostOffice, context: ssl.SSLContext, ready: Future[tuple[str, int]]) -> None:
        self._post = post
        self._context = context
        self._ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def run(self) -> None:
        """Listen; returns when the last connection is closed."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def stop(self) -> None:
        """End `run`; any thread may call it, twice too."""
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop, self._stopping = loop, asyncio.Event()
        settings = self._post.settings
        server = await loop.create_server(
            _protocol_factory(self._post, self._context, loop),
            settings.host,
            settings.port,
            backlog=settings.max_connections,
        )
        self._ready.set_result(server.sockets[0].getsockname()[:2])
        await self._stopping.wait()
        for listener in server.sockets:
            loop.remove_reader(listener.fileno())
        for _ in range(3):  # who was accepted a moment ago shows up a turn of the loop later
            await asyncio.sleep(0)
            self._post.hang_up()
        server.close()


def _protocol_factory(
    post: PostOffice, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop
) -> Callable[[], asyncio.BaseProtocol]:
    """Return what makes one protocol in our dialect for each connection."""
    # aiosmtpd warns on stderr about clients' mistakes, and at DEBUG it logs what they typed.
    getLogger("mail.log").setLevel(CRITICAL + 1)
    settings = post.settings
    dialect = _DIALECTS[settings.protocol]
    if settings.tls == "implicit":
        return _secured(post, context, loop, lambda: dialect(post, loop, None))
    return lambda: dialect(post, loop, context if settings.tls == "starttls" else None)


def _secured(
    post: PostOffice, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop, make: Callable[[], Dialect]
) -> Callable[[], asyncio.BaseProtocol]:
    """Put TLS below what `make` makes; `create_server(ssl=…)` leaks who is in a handshake when it stops."""

    class Secured(SSLProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._counted = transport
            post.transports.add(transport)
            super().connection_made(transport)

        def connection_lost(self, error: BaseException | None) -> None:
            post.transports.discard(self._counted)
            super().connection_lost(error)

    nobody: Any = None  # waits for the handshake
    return lambda: Secured(loop, make(), context, nobody, server_side=True)
