"""The doors of the embedded server at which users read their mail: IMAP and ManageSieve, by pymap.

What pymap leaves open is closed here: who may log in before TLS, how long a client may be silent, what it may send. It
imports pymap, so it is itself imported when a server starts that has such a door.
"""

from __future__ import annotations

from abc import abstractmethod
from argparse import Namespace
from asyncio import StreamReaderProtocol
from contextlib import AsyncExitStack, closing
from io import BytesIO
from logging import CRITICAL, getLogger
from typing import TYPE_CHECKING, Any, ClassVar

from proxyprotocol.noop import ProxyProtocolNoop
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import Config, Identity, Login
from pymap.concurrent import Subsystem
from pymap.context import connection_exit
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPConnection
from pymap.imap.state import ConnectionState
from pymap.sieve import SieveParseError
from pymap.sieve.manage import ManageSieveConnection
from pymap.sieve.manage.response import Condition, Response
from pymap.sieve.manage.state import FilterState
from pymap.user import UserMetadata
from pysasl import SASLAuth
from pysasl.hashing import Cleartext
from pysasl.mechanism.crammd5 import CramMD5Mechanism
from pysasl.mechanism.login import LoginMechanism
from pysasl.mechanism.plain import PlainMechanism
from pysasl.prep import noprep

from runner.demo.mailboxes import Scripts
from runner.demo.reading import BoundedReader

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

    from pymap.interfaces.session import SessionInterface
    from pymap.parsing.command import Command
    from pymap.parsing.response import Response as ImapResponse
    from pymap.sieve.manage.command import Command as SieveCommand
    from pymap.sieve.manage.command import PutScriptCommand
    from pysasl.creds.server import ServerCredentials

    from runner.demo.mailboxes import Mailboxes
    from runner.demo.post import PostOffice

# RFC 9051 5.4 and RFC 5804 1.2 ask for half an hour where RFC 5321 asks for five minutes.
PATIENCE = 6


class _Config(Config):
    """A door as pymap wants to be told of it; the mailboxes are those of all doors."""

    def __init__(self, post: PostOffice, mail: Mailboxes, context: ssl.SSLContext) -> None:
        settings = post.settings
        super().__init__(
            Namespace(),
            demo_data=False,
            demo_user="",
            demo_password="",
            host=None,
            port=0,
            ssl_context=context,
            tls_enabled=settings.tls == "starttls",
            hash_context=Cleartext(),
            cpu_subsystem=Subsystem.for_asyncio(),
            proxy_protocol=ProxyProtocolNoop(),
            invalid_user_sleep=0,
            reject_dnsbl=False,
            max_append_len=settings.size_limit,
            bad_command_limit=None,
        )
        self.set_cache = mail.by_user
        self._name = settings.hostname
        self._allows_clear_text = settings.tls == "implicit" or not settings.auth_requires_tls
        self._auth = SASLAuth([PlainMechanism(b"PLAIN"), LoginMechanism(b"LOGIN"), CramMD5Mechanism(b"CRAM-MD5")])

    @property
    def greeting(self) -> bytes:
        return f"{self._name} IMAP ready".encode()

    @property
    def password_prep(self) -> Callable[[str], str]:
        return noprep

    @property
    def initial_auth(self) -> SASLAuth:
        return self._auth if self._allows_clear_text else SASLAuth([])

    @property
    def tls_auth(self) -> SASLAuth:
        return self._auth


class _Login(Login):
    """Who may log in."""

    def __init__(self, config: _Config, post: PostOffice) -> None:
        super().__init__(config)
        for name, password in post.house.users.items():
            self.users_dict[name] = UserMetadata(config, name, password=password)

    async def authenticate(self, credentials: ServerCredentials) -> Identity:
        """Judge credentials; such as can't be compared are wrong ones."""
        try:
            return await super().authenticate(credentials)
        except (TypeError, ValueError) as error:
            raise InvalidAuth from error


class _Socket(SocketInfoLocal):
    """The client's address, which earns it nothing: pymap lets loopback log in without TLS."""

    @property
    def from_localhost(self) -> bool:
        return False


class _Imap(IMAPConnection):
    """One IMAP connection."""

    reader: BoundedReader

    async def read_command(self, state: ConnectionState) -> Command:
        """Read a command, within its bounds."""
        self.reader.begin_command()
        return await super().read_command(state)

    async def write_response(self, resp: ImapResponse) -> None:
        """Send a reply."""
        whole = BytesIO()
        await resp.async_write(whole)
        await _send(self.writer, whole.getvalue())

    async def start_tls(self) -> None:
        """Begin TLS, with nothing said before."""
        await self.reader.forget()
        await super().start_tls()

    async def send_error_disconnect(self) -> None:
        """Say good-bye where a mistake of ours ends the connection; the client's own are told at its end."""
        if not self.reader.fault:
            await super().send_error_disconnect()


class _Manager(FilterState):
    """A user's scripts: none is taken that does not compile (RFC 5804 2.6)."""

    async def _do_put_script(self, cmd: PutScriptCommand) -> Response:
        scripts = self.filter_set
        try:
            await scripts.compiler.compile(cmd.script_data)
        except SieveParseError as error:
            return Response(Condition.NO, text=str(error))
        if isinstance(scripts, Scripts) and scripts.is_full and cmd.script_name not in scripts:
            return Response(Condition.NO, code=b"QUOTA/MAXSCRIPTS")
        return await super()._do_put_script(cmd)


class _ManageSieve(ManageSieveConnection):
    """One ManageSieve connection."""

    _impl = b"ManageSieve"
    reader: BoundedReader

    def _get_state(self, session: SessionInterface) -> FilterState:
        assert session.filter_set is not None
        return _Manager(session.filter_set, session.owner.encode(), self.config)

    async def _read_command(self) -> SieveCommand:
        self.reader.begin_command()
        return await super()._read_command()

    async def _do_starttls(self) -> Response:
        await self.reader.forget()
        return await super()._do_starttls()

    async def _write_response(self, resp: Response) -> None:
        # RFC 5804 2.3: LOGOUT is answered by OK; BYE would mean that the server is the one who leaves.
        await _send(self.writer, bytes(Response(Condition.OK) if resp.is_bye else resp))


async def _send(writer: asyncio.StreamWriter, octets: bytes) -> None:
    """Write at once what pymap writes in many pieces, which asyncio logs each if the client is gone."""
    if writer.is_closing():
        raise ConnectionResetError
    writer.write(octets)
    await writer.drain()


class Door:
    """What the connections of one door have in common."""

    farewell: ClassVar[str]

    def __init__(self, post: PostOffice, context: ssl.SSLContext) -> None:
        assert post.house.mail is not None
        # At DEBUG pymap logs what clients type, and it logs our own mistakes, too.
        getLogger("pymap").setLevel(CRITICAL + 1)
        self.post = post
        self.config = _Config(post, post.house.mail, context)
        self.login = _Login(self.config, post)

    @abstractmethod
    async def serve(self, reader: BoundedReader, writer: asyncio.StreamWriter) -> None:
        """Hold a conversation until one side leaves."""

    def connect(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        """Return what takes one connection."""
        settings = self.post.settings
        patience = PATIENCE * settings.timeout
        return _Connection(self, BoundedReader(loop, patience=patience, literals=settings.size_limit), loop)


class ImapDoor(Door):
    """IMAP4rev1 (RFC 3501)."""

    farewell = "* BYE {}\r\n"

    def __init__(self, post: PostOffice, context: ssl.SSLContext) -> None:
        super().__init__(post, context)
        self._commands = self.config.commands

    async def serve(self, reader: BoundedReader, writer: asyncio.StreamWriter) -> None:
        """Hold a conversation."""
        connection = _Imap(self._commands, self.config, reader, writer, _Socket(writer))
        await connection.run(ConnectionState(self.login, self.config))


class SieveDoor(Door):
    """ManageSieve (RFC 5804)."""

    farewell = 'BYE "{}"\r\n'

    async def serve(self, reader: BoundedReader, writer: asyncio.StreamWriter) -> None:
        """Hold a conversation."""
        await _ManageSieve(self.login, self.config, reader, writer, _Socket(writer)).run()


class _Connection(StreamReaderProtocol):
    """One connection, counted by its TCP transport while it lasts."""

    def __init__(self, door: Door, reader: BoundedReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, self._converse, loop=loop)
        self._door = door
        self._bounded = reader
        self._counted: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        if transport.get_extra_info("ssl_object") is None:
            self._counted = transport
            self._door.post.transports.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
        self._door.post.transports.discard(self._counted)
        super().connection_lost(error)

    async def _converse(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        post = self._door.post
        fault = "too many connections"
        with closing(writer):
            if len(post.transports) <= post.settings.max_connections:
                await self._serve(writer)
                fault = self._bounded.fault
            if fault:
                writer.write(self._door.farewell.format(fault).encode())

    async def _serve(self, writer: asyncio.StreamWriter) -> None:
        try:
            async with AsyncExitStack() as stack:
                connection_exit.set(stack)
                await self._door.serve(self._bounded, writer)
        except Exception:  # noqa: BLE001, S110 -- pymap has told the client, and nobody else is there to be told
            pass


DOORS: dict[str, type[Door]] = {"imap": ImapDoor, "sieve": SieveDoor}
