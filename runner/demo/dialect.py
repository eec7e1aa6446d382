"""One connection: aiosmtpd's command loop with the replies of a well-kept server for submission (RFC 6409)."""

# aiosmtpd finds commands by their names.
# ruff: noqa: N802

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from aiosmtpd.smtp import SMTP

from runner.demo.authentication import MECHANISMS, AuthError, decode
from runner.demo.incoming import Incoming

if TYPE_CHECKING:
    import ssl

    from aiosmtpd.smtp import Envelope, Session

    from runner.demo.post import PostOffice

MAX_UNKNOWN_COMMANDS = 20

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


class _Commands(dict[str, Any]):
    """A command table that has an answer to every name: aiosmtpd hangs up after five that it lacks."""

    def __init__(self, known: dict[str, Any], unknown: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(known)
        self._unknown = unknown

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default or self._unknown)


class Dialect(SMTP):
    """One connection; with a TLS context STARTTLS is offered."""

    local_part_limit = 64  # RFC 5321 4.5.3.1.1
    greeting_command: ClassVar = "EHLO"
    ident: ClassVar = "ESMTP ready"

    def __init__(self, post: PostOffice, loop: asyncio.AbstractEventLoop, context: ssl.SSLContext | None) -> None:
        settings = post.settings
        # aiosmtpd keeps one such table for all connections, and each EHLO makes it grow. The limit is that
        # of its read buffer, which longer MAIL (RFC 6531 3.4) and AUTH lines need.
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)
        super().__init__(
            post,
            data_size_limit=settings.size_limit,
            enable_SMTPUTF8=True,
            hostname=settings.hostname,
            ident=self.ident,
            tls_context=context,
            timeout=settings.timeout,
            loop=loop,
        )
        self.command_size_limits.update(MAIL=self.line_length_limit, AUTH=self.line_length_limit)
        self._post = post
        self._counted: asyncio.BaseTransport | None = None
        self._unknown_commands = 0
        self._smtp_methods = _Commands(self._smtp_methods, self._answer_unknown)

    @property
    def _is_encrypted(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def _state(self) -> Session:
        assert self.session is not None
        return self.session

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, by its TCP transport."""
        if transport.get_extra_info("ssl_object") is None:
            self._counted = transport
            self._post.transports.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
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
        """Answer a mistake of ours without telling it."""
        return "451 4.3.0 internal error"

    async def push(self, status: str | bytes) -> None:
        """Send a reply; one that aiosmtpd wrote gets the enhanced status code that it lacks (RFC 2034)."""
        text = status if isinstance(status, str) else status.decode()
        if not text.startswith(f"220 {self.hostname} "):
            text = _with_status(text)
        await super().push(text)

    # Commands.

    async def smtp_HELO(self, hostname: str) -> None:
        """Greet a client of RFC 821."""
        await self._greet(hostname, (), extended=False)

    async def smtp_EHLO(self, hostname: str) -> None:
        """Greet a client, and say what is offered."""
        await self._greet(hostname, self._capabilities(), extended=True)

    async def _greet(self, hostname: str, capabilities: tuple[str, ...], *, extended: bool) -> None:
        """Answer HELO, EHLO or LHLO, whose replies have no enhanced status code (RFC 2034, section 4)."""
        if not hostname:
            await self.push("501 host name missing")
            return
        self.envelope = self._create_envelope()
        self._state().host_name = hostname
        self._state().extended_smtp = extended
        *before, last = self.hostname, *capabilities
        await super().push("".join(f"250-{line}\r\n" for line in before) + f"250 {last}")

    def _capabilities(self) -> tuple[str, ...]:
        starttls = self.tls_context is not None and not self._is_encrypted
        return (
            "PIPELINING",
            f"SIZE {self._post.settings.size_limit}",
            *(("STARTTLS",) if starttls else ()),
            *((f"AUTH {' '.join(MECHANISMS)}",) if self._allows_auth else ()),
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "SMTPUTF8",
        )

    async def check_helo_needed(self, _helo: str = "") -> bool:
        """Demand the greeting before a command that needs it."""
        return await super().check_helo_needed(self.greeting_command)

    async def smtp_STARTTLS(self, arg: str) -> None:
        """Begin TLS, once (RFC 3207)."""
        if await self.check_helo_needed():
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
        """List the commands."""
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

    # A message.

    async def smtp_DATA(self, arg: str) -> None:
        """Read a message; aiosmtpd's own would gather a line of any length."""
        refusal = self._refuse_data(arg)
        if refusal:
            await self.push(refusal)
            return
        await self.push("354 end data with <CR><LF>.<CR><LF>")
        is_kept = self._post.house.mail is not None
        message = Incoming(self._post.settings.size_limit, self.line_length_limit, is_kept=is_kept)
        await message.read(self._reader)
        envelope, self.envelope = self.envelope, self._create_envelope()
        assert envelope is not None
        reply = message.refusal or await self._post.accept(
            self._state(), envelope, message, encrypted=self._is_encrypted
        )
        await self._answer_message(envelope, reply)

    async def _answer_message(self, _envelope: Envelope, reply: str) -> None:
        await self.push(reply)

    def _refuse_data(self, arg: str) -> str:
        assert self.envelope is not None
        if not self._state().host_name:
            return f"503 send {self.greeting_command} first"
        if arg:
            return "501 DATA takes no argument"
        if not self.envelope.mail_from:
            return "503 need MAIL command"
        return "" if self.envelope.rcpt_tos else "503 need RCPT command"

    # AUTH.

    @property
    def _allows_auth(self) -> bool:
        return self._is_encrypted or not self._post.settings.auth_requires_tls

    async def smtp_AUTH(self, arg: str) -> None:
        """Authenticate (RFC 4954): aiosmtpd's own minds the case of names and ignores implicit TLS."""
        name, _, initial = (arg or "").partition(" ")
        try:
            self._check_auth(name.upper())
            user = await MECHANISMS[name.upper()](decode(initial) if initial else None, self._ask, self._post)
        except AuthError as error:
            await self.push(str(error))
            return
        session: Any = self._state()
        session.authenticated, session.auth_data = True, user
        await self.push("235 2.7.0 authentication successful")

    def _check_auth(self, name: str) -> None:
        if not self._state().host_name or not self._state().extended_smtp:
            raise AuthError("503 send EHLO first")
        if self._state().authenticated:
            raise AuthError("503 authenticated already")
        if self.envelope is not None and self.envelope.mail_from:
            raise AuthError("503 AUTH not permitted during a mail transaction")
        if not self._allows_auth:
            raise AuthError("538 5.7.11 encryption required for authentication")
        if not name:
            raise AuthError("501 mechanism missing")
        if name not in MECHANISMS:
            raise AuthError("504 5.5.4 unrecognized authentication type")

    async def _ask(self, challenge: bytes) -> bytes:
        await self.push("334 " + b64encode(challenge).decode())
        try:
            line = (await self._reader.readline()).strip()
        except ValueError as error:  # longer than the read buffer
            raise AuthError("500 5.5.6 authentication exchange line is too long") from error
        if line == b"*":
            raise AuthError("501 5.7.0 authentication cancelled")
        return decode(line.decode("latin-1"))


def _with_status(reply: str) -> str:
    code, text = reply[:3], reply[4:].removeprefix("Error: ")
    if code not in _STATUS or text[:2] in {"2.", "4.", "5."}:
        return reply
    return f"{code} {_STATUS[code]} {text}"
