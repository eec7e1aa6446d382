"""The embedded SMTP server: what `mailproof demo` and `mailproof serve` talk to.

It answers as a well-kept submission server would, on top of aiosmtpd (extra `demo`), in a thread with a
loop of its own. It delivers nothing: of a message only the envelope and the size are kept. It knows nothing
of scenarios. Heavy imports stand inside functions, as every command pays for those of this module.
"""

# Imports stand where they are needed, and aiosmtpd finds commands and hooks by their names.
# ruff: noqa: PLC0415, N802

from __future__ import annotations

from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runner.errors import ToolError

if TYPE_CHECKING:
    import asyncio
    import ssl
    import threading
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

    from aiosmtpd.smtp import SMTP, Envelope, Session
else:
    SMTP = object  # `_protocol_class` mixes the real one in, as its import is slow

KEPT_MESSAGES = 1000
MAX_RECIPIENTS = 100  # RFC 5321 4.5.3.1.8: at least 100
MAX_UNKNOWN_COMMANDS = 20
START_SECONDS = 30.0

# What a reply of aiosmtpd without an enhanced status code (RFC 3463) gets by its reply code.
_STATUS = {
    "220": "2.0.0",
    "221": "2.0.0",
    "250": "2.0.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "552": "5.3.4",
    "555": "5.5.4",
}


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the server presents itself; port 0 lets the system choose, no `certificate` has one made."""

    host: str = "127.0.0.1"
    port: int = 0
    hostname: str = "mail.example.com"
    domain: str = "example.com"
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    mailboxes: tuple[str, ...] = ("alice", "bob", "postmaster")
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    certificate: str = ""
    key: str = ""
    auth_requires_tls: bool = False
    size_limit: int = 1_000_000
    timeout: float = 300.0  # seconds of silence; RFC 5321 4.5.3.2.7 asks for five minutes
    max_connections: int = 256


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the server took: its envelope, and its size in bytes after un-stuffing."""

    queue_id: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    user: str
    encrypted: bool


def load_demo() -> None:
    """Import what the server stands on; raise `ToolError` with the extra's name if it is not installed."""
    try:
        import aiosmtpd.smtp  # noqa: F401
        import trustme  # noqa: F401
    except ImportError as error:
        raise ToolError(
            f"the demo server needs {error.name or 'a package'}, which is not installed: pip install 'mailproof[demo]'"
        ) from error


class DemoServer:
    """The server as a context manager: inside the block it listens, behind it everything is gone.

    Raises `ToolError` on entry if the extra is missing, the address is taken or the certificate is unusable.
    """

    def __init__(self, settings: DemoSettings | None = None) -> None:
        self.settings = settings or DemoSettings()
        self.host = self.settings.host
        self.port = self.settings.port
        self.ca = Path(self.settings.certificate)
        self._post = _Post(self.settings, dict(self.settings.users) or _default_users(self.settings))
        self._cleanup = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def username(self) -> str:
        """The first user."""
        return next(iter(self._post.users))

    @property
    def password(self) -> str:
        """The first user's password, in no `repr` of the server."""
        return self._post.users[self.username]

    @property
    def url(self) -> str:
        """Where the server listens, as a target's `url` says it."""
        scheme = "smtps" if self.settings.tls == "implicit" else "smtp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def variables(self) -> Mapping[str, str]:
        """What scenarios ask a target for; the password is no part of it."""
        domain = self.settings.domain
        return {
            "domain": domain,
            "sender": f"alice@{domain}",
            "recipient": f"bob@{domain}",
            "unknown": f"nobody@{domain}",
            "external": "carol@example.net",
            "username": self.username,
        }

    @property
    def messages(self) -> list[Accepted]:
        """The last messages that were accepted, oldest first, at most `KEPT_MESSAGES`."""
        return list(self._post.accepted)

    def __enter__(self) -> Self:
        from concurrent.futures import Future
        from threading import Thread

        load_demo()
        with ExitStack() as stack:
            context = self._tls_context(stack)
            ready: Future[tuple[str, int]] = Future()
            self._thread = Thread(target=self._run, args=(context, ready), name="demo", daemon=True)
            self._thread.start()
            try:
                self.host, self.port = ready.result(START_SECONDS)
            except (OSError, OverflowError, ValueError) as error:
                where = f"{self.settings.host} port {self.settings.port}"
                reason = str(error) or f"not ready after {START_SECONDS:g} s"
                raise ToolError(f"can't listen on {where}: {reason}") from error
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.wait()
        self._cleanup.close()

    def stop(self) -> None:
        """Close the server and its connections; any thread and any signal handler may call it, twice too."""
        if self._loop is not None and self._stopping is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stopping.set)

    def wait(self) -> None:
        """Block until `stop` was called and the last connection is closed."""
        if self._thread is not None:
            self._thread.join()

    def _tls_context(self, stack: ExitStack) -> ssl.SSLContext:
        import ssl

        settings = self.settings
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        if not settings.certificate:
            self.ca = _make_certificate(settings, context, stack)
            return context
        try:  # without the callback, OpenSSL would ask the terminal for the password of a locked key
            context.load_cert_chain(settings.certificate, settings.key or None, password=str)
        except OSError as error:
            raise ToolError(f"can't use certificate '{settings.certificate}': {error}") from error
        return context

    def _run(self, context: ssl.SSLContext, ready: Future[tuple[str, int]]) -> None:
        import asyncio

        try:
            asyncio.run(self._serve(context, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, context: ssl.SSLContext, ready: Future[tuple[str, int]]) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        self._loop, self._stopping = loop, asyncio.Event()
        server = await loop.create_server(
            _protocol_factory(self._post, context, loop),
            self.settings.host,
            self.settings.port,
            backlog=self.settings.max_connections,
        )
        ready.set_result(server.sockets[0].getsockname()[:2])
        await self._stopping.wait()
        for listener in server.sockets:
            loop.remove_reader(listener.fileno())
        for _ in range(3):  # who was accepted a moment ago shows up a turn of the loop later
            await asyncio.sleep(0)
            self._post.hang_up()
        server.close()


def _default_users(settings: DemoSettings) -> dict[str, str]:
    from secrets import token_urlsafe

    return {f"alice@{settings.domain}": token_urlsafe(12)}


def _make_certificate(settings: DemoSettings, context: ssl.SSLContext, stack: ExitStack) -> Path:
    """Give `context` a certificate made on the spot; return the PEM file of its CA, alone in a folder."""
    from tempfile import TemporaryDirectory

    import trustme

    authority = trustme.CA()
    names = (settings.hostname, "localhost", "127.0.0.1", "::1", settings.host)
    authority.issue_cert(*dict.fromkeys(name for name in names if name)).configure_cert(context)
    folder = stack.enter_context(TemporaryDirectory(prefix="mailproof-demo-"))
    path = Path(folder, "ca.pem")
    authority.cert_pem.write_to_path(path)
    return path


def _protocol_factory(
    post: _Post, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop
) -> Callable[[], asyncio.BaseProtocol]:
    """Return what makes one aiosmtpd protocol in our dialect for each connection."""
    from logging import CRITICAL, getLogger

    from aiosmtpd import smtp

    # aiosmtpd warns on stderr about clients' mistakes, and at DEBUG it logs what they typed.
    getLogger("mail.log").setLevel(CRITICAL + 1)
    settings = post.settings
    dialect: type[_Dialect] = type("DemoProtocol", (_Dialect, smtp.SMTP), {})
    options: dict[str, Any] = {
        "data_size_limit": settings.size_limit,
        "enable_SMTPUTF8": True,
        "hostname": settings.hostname,
        "ident": "ESMTP ready",
        "tls_context": context if settings.tls == "starttls" else None,
        "timeout": settings.timeout,
        "loop": loop,
    }
    if settings.tls == "implicit":
        return _secured(post, context, loop, lambda: dialect(post, **options))
    return lambda: dialect(post, **options)


def _secured(
    post: _Post, context: ssl.SSLContext, loop: asyncio.AbstractEventLoop, make: Callable[[], _Dialect]
) -> Callable[[], asyncio.BaseProtocol]:
    """Put TLS below what `make` makes; `create_server(ssl=…)` leaks who is in a handshake when it stops."""
    from asyncio.sslproto import SSLProtocol

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


class _Post:
    """What all connections share, and aiosmtpd's hooks: who may log in, and which recipients exist."""

    def __init__(self, settings: DemoSettings, users: dict[str, str]) -> None:
        self.settings = settings
        self.users = users
        self.mailboxes = frozenset(name.lower() for name in settings.mailboxes)
        self.accepted: deque[Accepted] = deque(maxlen=KEPT_MESSAGES)
        self.transports: set[Any] = set()  # the TCP ones, below TLS too

    def hang_up(self) -> None:
        for transport in self.transports:
            transport.abort()

    def password_of(self, user: str) -> bytes:
        """Return the password; for an unknown user one that nobody can guess, in the same time."""
        from secrets import token_bytes

        unguessable = token_bytes(32)
        return self.users[user].encode() if user in self.users else unguessable

    def accept(self, session: Session, envelope: Envelope, size: int, *, encrypted: bool) -> str:
        from secrets import token_hex

        queue_id = token_hex(6).upper()
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
        recipients = tuple(envelope.rcpt_tos)
        self.accepted.append(Accepted(queue_id, sender, recipients, size, session.auth_data or "", encrypted=encrypted))
        return f"250 2.0.0 Ok: queued as {queue_id}"

    async def handle_MAIL(
        self, _server: object, _session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 address needs SMTPUTF8"  # RFC 6531 3.5
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, _server: object, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        refusal = self._refusal(session, envelope, address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    def _refusal(self, session: Session, envelope: Envelope, address: str) -> str:
        local, at, domain = address.rpartition("@")
        if address == "<>":
            return "553 5.1.3 null recipient"
        if not at and address.lower() != "postmaster":  # RFC 5321 4.5.1 takes this one without a domain
            return "553 5.1.3 recipient needs a domain"
        if not address.isascii() and not envelope.smtp_utf8:
            return "553 5.6.7 address needs SMTPUTF8"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if at and domain.lower() != self.settings.domain.lower():
            return "" if session.authenticated else "550 5.7.1 relaying denied"
        exists = (local or address).lower() in self.mailboxes
        return "" if exists else "550 5.1.1 user unknown"


class _AuthError(Exception):
    """An AUTH exchange that ends without success; its text is the reply."""


class _Commands(dict[str, Any]):
    """A command table that has an answer to every name: aiosmtpd hangs up after five that it lacks."""

    def __init__(self, known: dict[str, Any], unknown: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(known)
        self._unknown = unknown

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default or self._unknown)


class _Dialect(SMTP):
    """One connection: aiosmtpd's command loop with the replies of a well-kept server.

    Mixed in before aiosmtpd's class by `_protocol_factory`.
    """

    local_part_limit = 64  # RFC 5321 4.5.3.1.1

    def __init__(self, post: _Post, **options: Any) -> None:
        from collections import defaultdict

        # aiosmtpd keeps one such table for all connections, and each EHLO makes it grow. The limit is that
        # of its read buffer, which longer MAIL (RFC 6531 3.4) and AUTH lines need.
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)
        super().__init__(post, **options)
        self.command_size_limits.update(MAIL=self.line_length_limit, AUTH=self.line_length_limit)
        self._post = post
        self._counted: asyncio.BaseTransport | None = None
        self._unknown_commands = 0
        self._smtp_methods = _Commands(self._smtp_methods, self._answer_unknown)
        self._mechanisms = {
            "CRAM-MD5": self._authenticate_cram_md5,
            "LOGIN": self._authenticate_login,
            "PLAIN": self._authenticate_plain,
        }

    @property
    def _is_encrypted(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def _state(self) -> Session:
        assert self.session is not None
        return self.session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if transport.get_extra_info("ssl_object") is None:
            self._counted = transport
            self._post.transports.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._post.transports.discard(self._counted)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if len(self._post.transports) > self._post.settings.max_connections:
            await self._hang_up("421 4.7.0 too many connections")
        else:
            await super()._handle_client()

    def _timeout_cb(self) -> None:
        self._writer.write(b"421 4.4.2 timeout exceeded\r\n")
        self._writer.close()

    async def _hang_up(self, reply: str) -> None:
        await self.push(reply)
        self._writer.close()

    async def handle_exception(self, _error: Exception) -> str:
        return "451 4.3.0 internal error"

    async def push(self, status: str | bytes) -> None:
        """Send a reply; one that aiosmtpd wrote gets the enhanced status code that it lacks (RFC 2034)."""
        text = status if isinstance(status, str) else status.decode()
        if not text.startswith(f"220 {self.hostname} "):
            text = _with_status(text)
        await super().push(text)

    async def _say_hello(self, *lines: str) -> None:
        """Answer HELO or EHLO, whose replies have no enhanced status code (RFC 2034, section 4)."""
        first = "".join(f"250-{line}\r\n" for line in lines[:-1])
        await super().push(f"{first}250 {lines[-1]}")

    async def smtp_HELO(self, hostname: str) -> None:
        await self._greet(hostname, (), extended=False)

    async def smtp_EHLO(self, hostname: str) -> None:
        await self._greet(hostname, self._capabilities(), extended=True)

    async def _greet(self, hostname: str, capabilities: tuple[str, ...], *, extended: bool) -> None:
        if not hostname:
            await self.push("501 host name missing")
            return
        self.envelope = self._create_envelope()
        self._state().host_name = hostname
        self._state().extended_smtp = extended
        await self._say_hello(self.hostname, *capabilities)

    def _capabilities(self) -> tuple[str, ...]:
        starttls = self.tls_context is not None and not self._is_encrypted
        return (
            "PIPELINING",
            f"SIZE {self._post.settings.size_limit}",
            *(("STARTTLS",) if starttls else ()),
            *(("AUTH LOGIN PLAIN CRAM-MD5",) if self._allows_auth else ()),
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "SMTPUTF8",
        )

    async def smtp_STARTTLS(self, arg: str) -> None:
        if await self.check_helo_needed("EHLO"):
            return
        if self._is_encrypted:  # aiosmtpd would do TLS in TLS
            await self.push("503 TLS is active already")
        elif self.tls_context is None:
            await self.push("502 STARTTLS not implemented")
        else:
            await super().smtp_STARTTLS(arg)

    async def smtp_VRFY(self, arg: str) -> None:
        """Answer without telling who exists (RFC 5321 7.3)."""
        await self.push("252 2.0.0 cannot verify, but will take a message" if arg else "501 address missing")

    async def smtp_HELP(self, _arg: str) -> None:
        await self.push(f"214 2.0.0 commands: {' '.join(sorted(self._smtp_methods))}")

    async def _answer_unknown(self, _arg: str) -> None:
        self._unknown_commands += 1
        if self._unknown_commands > MAX_UNKNOWN_COMMANDS:
            await self._hang_up("421 4.7.0 too many unknown commands")
        else:
            await self.push("500 5.5.2 command not recognized")

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except (IndexError, ValueError):  # the header parser that aiosmtpd borrows trips over `<` alone
            return None, None

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Take `AUTH=` too, which a server with AUTH must (RFC 4954 5) and aiosmtpd does not."""
        words = arg.split(" ") if arg and self._state().extended_smtp else []
        known = " ".join(word for word in words if not word.upper().startswith("AUTH="))
        await super().smtp_MAIL(known or arg)

    async def smtp_DATA(self, arg: str) -> None:
        """Read a message without keeping it; aiosmtpd's own would gather a line of any length."""
        refusal = self._refuse_data(arg)
        if refusal:
            await self.push(refusal)
            return
        await self.push("354 end data with <CR><LF>.<CR><LF>")
        message = _Incoming(self._post.settings.size_limit, self.line_length_limit)
        await self._read_message(message)
        envelope, self.envelope = self.envelope, self._create_envelope()
        assert envelope is not None
        await self.push(
            message.refusal or self._post.accept(self._state(), envelope, message.size, encrypted=self._is_encrypted)
        )

    def _refuse_data(self, arg: str) -> str:
        assert self.envelope is not None
        if not self._state().host_name:
            return "503 send EHLO first"
        if arg:
            return "501 DATA takes no argument"
        if not self.envelope.mail_from:
            return "503 need MAIL command"
        return "" if self.envelope.rcpt_tos else "503 need RCPT command"

    async def _read_message(self, message: _Incoming) -> None:
        """Read up to the dot between two CRLF: no other line end counts (RFC 5321 2.3.8)."""
        from asyncio import LimitOverrunError

        starts_line = True
        while True:
            try:
                chunk = await self._reader.readuntil(b"\r\n")
            except LimitOverrunError as error:
                chunk = await self._reader.readexactly(error.consumed)
            if starts_line and chunk == b".\r\n":
                return
            message.take(chunk, starts_line=starts_line)
            starts_line = chunk.endswith(b"\r\n")

    @property
    def _allows_auth(self) -> bool:
        return self._is_encrypted or not self._post.settings.auth_requires_tls

    async def smtp_AUTH(self, arg: str) -> None:
        """Authenticate (RFC 4954): aiosmtpd's own minds the case of names and ignores implicit TLS."""
        name, _, initial = (arg or "").partition(" ")
        try:
            self._check_auth(name.upper())
            user = await self._mechanisms[name.upper()](_decode(initial) if initial else None)
        except _AuthError as error:
            await self.push(str(error))
            return
        session: Any = self._state()
        session.authenticated, session.auth_data = True, user
        await self.push("235 2.7.0 authentication successful")

    def _check_auth(self, name: str) -> None:
        if not self._state().host_name or not self._state().extended_smtp:
            raise _AuthError("503 send EHLO first")
        if self._state().authenticated:
            raise _AuthError("503 authenticated already")
        if self.envelope is not None and self.envelope.mail_from:
            raise _AuthError("503 AUTH not permitted during a mail transaction")
        if not self._allows_auth:
            raise _AuthError("538 5.7.11 encryption required for authentication")
        if not name:
            raise _AuthError("501 mechanism missing")
        if name not in self._mechanisms:
            raise _AuthError("504 5.5.4 unrecognized authentication type")

    async def _ask(self, challenge: bytes) -> bytes:
        from base64 import b64encode

        await self.push("334 " + b64encode(challenge).decode())
        try:
            line = (await self._reader.readline()).strip()
        except ValueError as error:  # longer than the read buffer
            raise _AuthError("500 5.5.6 authentication exchange line is too long") from error
        if line == b"*":
            raise _AuthError("501 5.7.0 authentication cancelled")
        return _decode(line.decode("latin-1"))

    async def _authenticate_login(self, initial: bytes | None) -> str:
        user = initial if initial is not None else await self._ask(b"Username:")
        return self._check_password(user, await self._ask(b"Password:"))

    async def _authenticate_plain(self, initial: bytes | None) -> str:
        parts = (initial if initial is not None else await self._ask(b"")).split(b"\0")
        if len(parts) != 3:
            raise _AuthError("501 5.5.2 malformed PLAIN response")
        authzid, user, password = parts
        if authzid not in {b"", user}:
            raise _AuthError("535 5.7.8 authentication credentials invalid")
        return self._check_password(user, password)

    async def _authenticate_cram_md5(self, initial: bytes | None) -> str:
        from hmac import digest
        from secrets import token_hex

        if initial is not None:
            raise _AuthError("501 5.5.4 CRAM-MD5 takes no initial response")
        challenge = f"<{token_hex(12)}@{self.hostname}>".encode()
        user, _, answer = (await self._ask(challenge)).rpartition(b" ")
        name = user.decode(errors="replace")
        expected = digest(self._post.password_of(name), challenge, "md5").hex()
        return _same(name, expected.encode(), answer)

    def _check_password(self, user: bytes, password: bytes) -> str:
        name = user.decode(errors="replace")
        return _same(name, self._post.password_of(name), password)


class _Incoming:
    """What is learnt of a message while it streams by: its size, and the first fault of each kind."""

    def __init__(self, size_limit: int, line_limit: int) -> None:
        self.size = 0
        self._size_limit = size_limit
        self._line_limit = line_limit
        self._fault = ""

    def take(self, chunk: bytes, *, starts_line: bool) -> None:
        """Count a line or a stretch of one, without the dot that RFC 5321 4.5.2 added."""
        line = chunk.removesuffix(b"\r\n")
        self.size += len(chunk) - (starts_line and chunk.startswith(b"."))
        if not self._fault:
            self._fault = self._judge(line, is_whole=starts_line and line != chunk)

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


def _with_status(reply: str) -> str:
    code, text = reply[:3], reply[4:].removeprefix("Error: ")
    if code not in _STATUS or text[:2] in {"2.", "4.", "5."}:
        return reply
    return f"{code} {_STATUS[code]} {text}"


def _decode(text: str) -> bytes:
    """Return what base64 `text` says; a lone `=` is an empty response (RFC 4954, section 4)."""
    from base64 import b64decode

    try:
        return b"" if text == "=" else b64decode(text, validate=True)
    except ValueError as error:
        raise _AuthError("501 5.5.2 can't decode base64") from error


def _same(user: str, expected: bytes, given: bytes) -> str:
    from hmac import compare_digest

    if not compare_digest(expected, given):
        raise _AuthError("535 5.7.8 authentication credentials invalid")
    return user
