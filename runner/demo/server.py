"""The embedded server as a context manager: it starts a thread, knows where to reach its doors, and ends it."""

# Every command pays for what this module imports.
# ruff: noqa: PLC0415

from __future__ import annotations

import errno
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass
from runner.demo.settings import MAILBOX_PROTOCOLS, DemoSettings, local_part
from runner.errors import ToolError

if TYPE_CHECKING:
    import ssl
    import threading
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from runner.demo.listening import Listener
    from runner.demo.settings import Accepted

START_SECONDS = 30.0
# A local part as everybody writes it.
_ATOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# What listens on all addresses is reached on this machine at these.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- told, not bound


def load_demo(*, has_mailboxes: bool = True) -> None:
    """Import what the server stands on; raise `ToolError` with the extra's name if it is not installed.

    `has_mailboxes`: it has a door at which users read their mail.
    """
    try:
        import aiosmtpd.smtp  # noqa: F401
        import trustme  # noqa: F401

        if has_mailboxes:
            import pymap.imap
            import pymap.sieve.manage  # noqa: F401
    except ImportError as error:
        raise ToolError(
            f"the demo server needs {error.name or 'a package'}, which is not installed: pip install 'mailproof[demo]'"
        ) from error


class ListenError(ToolError):
    """The system does not let the server listen: which setting of which door is why, and the reason in plain words."""

    def __init__(self, settings: DemoSettings, setting: Literal["host", "port"], reason: str) -> None:
        self.settings = settings
        self.setting = setting
        self.reason = reason
        super().__init__(f"can't listen on {settings.host} port {settings.port}: {reason}")


@dataclass(frozen=True, slots=True)
class DemoDoor:
    """One door: what it is like, and where."""

    settings: DemoSettings
    host: str
    port: int

    @property
    def url(self) -> str:
        """How a client on this machine reaches it, as a target's `url` says it."""
        protocol = self.settings.protocol
        scheme = f"{protocol}s" if self.settings.tls == "implicit" else protocol
        host = _LOOPBACK.get(self.host, self.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


class DemoServer:
    """The server: inside the `with` block it listens, behind it everything is gone.

    It has a door for each of the settings. Users, mailboxes and the certificate are those of the first, for all doors;
    `host`, `port` and `url` are where that one is. What SMTP and LMTP take for a local mailbox, IMAP finds there.

    Raises `ToolError` on entry if the extra is missing or the certificate is unusable, `ListenError` if the address is.
    """

    def __init__(self, settings: DemoSettings | None = None, *others: DemoSettings) -> None:
        from runner.demo.post import House, PostOffice

        self.settings = settings or DemoSettings()
        self.doors = tuple(DemoDoor(one, one.host, one.port) for one in (self.settings, *others))
        self.ca = Path(self.settings.certificate)
        self._house = House(self.settings)
        self._posts = [PostOffice(door.settings, self._house) for door in self.doors]
        self._cleanup = ExitStack()
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """The address at which the first door listens."""
        return self.doors[0].host

    @property
    def port(self) -> int:
        """The first door's port."""
        return self.doors[0].port

    @property
    def url(self) -> str:
        """The first door's URL."""
        return self.doors[0].url

    @property
    def username(self) -> str:
        """The first user."""
        return next(iter(self._house.users))

    @property
    def password(self) -> str:
        """The first user's password, in no `repr` of the server."""
        return self._house.users[self.username]

    @property
    def variables(self) -> Mapping[str, str]:
        """What scenarios ask a target for; the password is no part of it."""
        domain = self.settings.domain
        addresses = {
            "domain": domain,
            "sender": f"alice@{domain}",
            "recipient": self._recipient,
            "unknown": f"nobody@{domain}",
            "external": "carol@example.net",
        }
        has_users = any(door.settings.protocol != "lmtp" for door in self.doors)
        return {**addresses, "username": self.username} if has_users else addresses

    @property
    def _recipient(self) -> str:
        """The address of the first user, who can look for what was sent to it; of another if it needs quotes."""
        local = local_part(self.username)
        return f"{local if _ATOM.fullmatch(local) else 'bob'}@{self.settings.domain}"

    @property
    def messages(self) -> list[Accepted]:
        """The last messages that were accepted, oldest first, at most `KEPT_MESSAGES`."""
        return list(self._house.accepted)

    def __enter__(self) -> Self:
        load_demo(has_mailboxes=any(door.settings.protocol in MAILBOX_PROTOCOLS for door in self.doors))
        with ExitStack() as stack:
            self._listen(self._tls_context(stack))
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
        if self._listener is not None:
            self._listener.stop()

    def wait(self) -> None:
        """Block until `stop` was called and the last connection is closed."""
        if self._thread is not None:
            self._thread.join()

    def _tls_context(self, stack: ExitStack) -> ssl.SSLContext:
        from runner.demo import certificate

        if self.settings.certificate:
            return certificate.load(self.settings.certificate, self.settings.key)
        try:
            names = (self.settings.hostname, "localhost", "127.0.0.1", "::1", self.settings.host)
            context, self.ca = certificate.make(names, "demo", stack)
        except ValueError as error:
            raise ListenError(self.settings, "host", "that is no name and no address") from error
        return context

    def _listen(self, context: ssl.SSLContext) -> None:
        from concurrent.futures import Future
        from threading import Thread

        from runner.demo.listening import Listener

        ready: Future[list[tuple[str, int]]] = Future()
        self._listener = Listener(self._posts, context, ready)
        self._thread = Thread(target=self._listener.run, name="demo", daemon=True)
        self._thread.start()
        try:
            found = ready.result(START_SECONDS)
        except (OSError, OverflowError, ValueError) as error:
            raise _listen_error(self._listener.tried, error) from error
        self.doors = tuple(DemoDoor(door.settings, *at) for door, at in zip(self.doors, found, strict=True))


def _listen_error(settings: DemoSettings, error: Exception) -> ListenError:
    from socket import gaierror

    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return ListenError(settings, "port", "another program listens there")
    if number in {errno.EACCES, errno.EPERM}:
        return ListenError(settings, "port", "only root may listen there; any user may on 1024 and above")
    if isinstance(error, OverflowError):
        return ListenError(settings, "port", "a port is 0 to 65535")
    if isinstance(error, TimeoutError):
        return ListenError(settings, "host", f"not ready after {START_SECONDS:g} s")
    if isinstance(error, gaierror):
        return ListenError(settings, "host", "that name has no address")
    return ListenError(settings, "host", "this machine has no such address")
