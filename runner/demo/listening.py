"""The listener: an asyncio loop that hands connections to the doors' protocols and cuts them when it is stopped.

It is imported when a server starts, for asyncio and aiosmtpd are slow to import.
"""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol
from contextlib import ExitStack, closing, suppress
from logging import CRITICAL, getLogger
from typing import TYPE_CHECKING, Any

from runner.demo.dialect import Dialect
from runner.demo.lmtp import LmtpDialect
from runner.demo.settings import MAILBOX_PROTOCOLS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from runner.demo.post import PostOffice

_DIALECTS = {"smtp": Dialect, "lmtp": LmtpDialect}


class Listener:
    """Listens at all doors from `run` until `stop`; `ready` gets their addresses and ports, or why there are none."""

    def __init__(
        self, posts: Sequence[PostOffice], context: ssl.SSLContext, ready: Future[list[tuple[str, int]]]
    ) -> None:
        self._posts = posts
        self._context = context
        self._ready = ready
        #: The last door that was opened, or could not be.
        self.tried = posts[0].settings
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
        self._open_mailboxes()
        with ExitStack() as stack:
            servers = [stack.enter_context(closing(await self._listen(post, loop))) for post in self._posts]
            self._ready.set_result([server.sockets[0].getsockname()[:2] for server in servers])
            await self._stopping.wait()
            await self._leave(servers, loop)

    async def _leave(self, servers: Sequence[asyncio.Server], loop: asyncio.AbstractEventLoop) -> None:
        for server in servers:
            for listener in server.sockets:
                loop.remove_reader(listener.fileno())
        for _ in range(3):  # who was accepted a moment ago shows up a turn of the loop later
            await asyncio.sleep(0)
            for post in self._posts:
                post.hang_up()

    def _open_mailboxes(self) -> None:
        house = self._posts[0].house
        if any(post.settings.protocol in MAILBOX_PROTOCOLS for post in self._posts):
            from runner.demo.mailboxes import Mailboxes  # noqa: PLC0415 -- pymap is slow to import

            house.mail = Mailboxes(house.mailboxes, house.users)

    async def _listen(self, post: PostOffice, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        self.tried = settings = post.settings
        factory = _protocol_factory(post, self._context, loop)
        return await loop.create_server(factory, settings.host, settings.port, backlog=settings.max_connections)


def _protocol_factory(
    post: PostOffice, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop
) -> Callable[[], asyncio.BaseProtocol]:
    """Return what makes the protocol of one connection."""
    make = _unsecured(post, context, loop)
    return _secured(post, context, loop, make) if post.settings.tls == "implicit" else make


def _unsecured(
    post: PostOffice, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop
) -> Callable[[], asyncio.Protocol]:
    settings = post.settings
    if settings.protocol in MAILBOX_PROTOCOLS:
        from runner.demo.access import DOORS  # noqa: PLC0415 -- pymap is slow to import

        door = DOORS[settings.protocol](post, context)
        return lambda: door.connect(loop)
    # aiosmtpd warns on stderr about clients' mistakes, and at DEBUG it logs what they typed.
    getLogger("mail.log").setLevel(CRITICAL + 1)
    dialect = _DIALECTS[settings.protocol]
    return lambda: dialect(post, loop, context if settings.tls == "starttls" else None)


def _secured(
    post: PostOffice, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop, make: Callable[[], asyncio.Protocol]
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
