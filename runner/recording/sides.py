"""The two ends of a passage through the proxy: a socket, TLS over memory if there is any, what waits to be sent.

Which end says what to whom is not known here.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Protocol

from runner.net import CHUNK, Broken, tls_fault
from runner.wire import Endpoint, Fault, FaultKind, TlsFacts

CONNECT_SECONDS = 30.0


class SideTls(Protocol):
    """TLS over memory, of the client's or the server's end."""

    def feed(self, data: bytes, /) -> None:
        """Take raw bytes from the other end."""

    def pending(self) -> bytes:
        """Take the raw bytes for the other end."""

    def handshake(self) -> TlsFacts | None:
        """Go on with the handshake; Broken: it failed."""

    def read(self) -> tuple[bytes, bool, Fault | None]:
        """Decrypt: clear bytes, whether close_notify came, what broke."""

    def write(self, data: bytes, /) -> bytes:
        """Encrypt; Broken: nothing more is taken."""

    def close(self) -> bytes:
        """Return the close_notify."""


class ServerTls:
    """The server's end of TLS in memory, for the client."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def feed(self, data: bytes) -> None:
        """See `SideTls`."""
        self._incoming.write(data)

    def pending(self) -> bytes:
        """See `SideTls`."""
        return self._outgoing.read()

    def handshake(self) -> TlsFacts | None:
        """See `SideTls`."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return None
        except OSError as error:
            raise Broken(_alert_fault(error)) from error
        cipher = self._ssl.cipher()
        return TlsFacts(self._ssl.version() or "", cipher[0] if cipher else "", verified=False)

    def read(self) -> tuple[bytes, bool, Fault | None]:
        """See `SideTls`."""
        parts: list[bytes] = []
        try:
            while part := self._ssl.read(CHUNK):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False, None
        except OSError as error:
            return b"".join(parts), False, _alert_fault(error)
        return b"".join(parts), True, None

    def write(self, data: bytes) -> bytes:
        """See `SideTls`."""
        try:
            self._ssl.write(data)
        except OSError as error:
            raise Broken(_alert_fault(error)) from error
        return self.pending()

    def close(self) -> bytes:
        """See `SideTls`."""
        with contextlib.suppress(OSError):
            self._ssl.unwrap()
        return self.pending()


def _alert_fault(error: OSError) -> Fault:
    """Return what a client's end has to say; most often that it does not trust our certificate."""
    reason = getattr(error, "reason", None) or ""
    if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason or "CERTIFICATE_UNKNOWN" in reason:
        return Fault(FaultKind.TLS_UNTRUSTED, "the client does not trust the proxy's certificate")
    return tls_fault(error, b"")


class Side:
    """One end of a passage: a socket, TLS if there is any, and what waits to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.has_ended = False
        self.is_shaking = False
        self._tls: SideTls | None = None
        self._out = bytearray()
        self._clear = bytearray()  # waits for the handshake

    @property
    def waiting(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._out) + len(self._clear)

    def begin(self, tls: SideTls) -> None:
        """Begin a handshake."""
        self._tls, self.is_shaking = tls, True

    def shake(self) -> TlsFacts | None:
        """Go on with the handshake; return its facts once it is made.

        Raises:
            Broken: it failed.
        """
        assert self._tls is not None
        try:
            facts = self._tls.handshake()
        finally:
            self._out += self._tls.pending()
        if facts is not None:
            self.is_shaking = False
            clear, self._clear = bytes(self._clear), bytearray()
            self.say(clear)
        return facts

    def say(self, data: bytes) -> None:
        """Let bytes be sent, once a handshake that is under way is made.

        Raises:
            Broken: no more is taken.
        """
        if not data:
            return
        if self.is_shaking:
            self._clear += data
        else:
            self._out += self._tls.write(data) if self._tls is not None else data

    def flush(self) -> None:
        """Send what the system takes.

        Raises:
            OSError: the other end is gone.
        """
        with contextlib.suppress(BlockingIOError, InterruptedError):
            while self._out:
                sent = self.sock.send(self._out)
                del self._out[:sent]

    def hear(self) -> bytes:
        """Return what has come, decrypted; `has_ended` then tells whether more can.

        Raises:
            OSError: the other end is gone.
            Broken: TLS is.
        """
        try:
            data = self.sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return b""
        self.has_ended = not data
        if self._tls is None:
            return data
        self._tls.feed(data)
        return b"" if self.is_shaking else self.decrypt()

    def decrypt(self) -> bytes:
        """Return what is there to be decrypted.

        Raises:
            Broken: it can't be.
        """
        if self._tls is None:
            return b""
        data, is_closed, fault = self._tls.read()
        self._out += self._tls.pending()
        self.has_ended |= is_closed
        if fault is not None and not data and not self.has_ended:
            raise Broken(fault)
        return data

    def hang_up(self) -> None:
        """Say that no more comes, after all that waits."""
        if self._tls is not None and not self.is_shaking:
            self._out += self._tls.close()
        with contextlib.suppress(OSError):
            self.flush()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)


def connect(endpoint: Endpoint) -> socket.socket:
    """Return a connection to the server; OSError: there is none."""
    if endpoint.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_SECONDS)
            sock.connect(endpoint.path)
        except OSError:
            sock.close()
            raise
        return sock
    source = (endpoint.source_address, 0) if endpoint.source_address else None
    wanted = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}.get(endpoint.family)
    last: OSError = OSError(f"'{endpoint.host}' has no {endpoint.family} address")
    for family, *_, where in socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM):
        if wanted not in (None, family):
            continue
        try:
            return socket.create_connection((str(where[0]), int(where[1])), CONNECT_SECONDS, source)
        except OSError as error:
            last = error
    raise last
