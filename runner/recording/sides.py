"""The two ends of a passage through the proxy: a socket, TLS over memory if there is any, what waits to be sent.

Which end says what to whom is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket

from runner import net
from runner.net import CHUNK, Broken
from runner.wire import Endpoint, Fault, FaultKind, TlsFacts

CONNECT_SECONDS = 30.0


class ServerTls(net.ServerTls):
    """The proxy's end of TLS with a client."""

    def _fault(self, error: OSError) -> Fault:
        """Return what a client's end has to say; most often that it does not trust our certificate."""
        reason = getattr(error, "reason", None) or ""
        if "UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason or "CERTIFICATE_UNKNOWN" in reason:
            return Fault(FaultKind.TLS_UNTRUSTED, "the client does not trust the proxy's certificate")
        return super()._fault(error)


class Side:
    """One end of a passage: a socket, TLS if there is any, and what waits to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.has_ended = False
        self.is_shaking = False
        self._tls: net.TlsEnd | None = None
        self._out = bytearray()
        self._clear = bytearray()  # waits for the handshake

    @property
    def waiting(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._out) + len(self._clear)

    def begin(self, tls: net.TlsEnd) -> None:
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
    """Return a connection to the server.

    Raises:
        Broken: there is none.
    """
    if endpoint.path:
        addresses = list(net.unix_addresses(endpoint.path))
    else:
        addresses = net.of_family(net.look_up(endpoint.host, endpoint.port), endpoint.family)
    fault = Fault(FaultKind.UNRESOLVED, f"'{endpoint.host}' has no {endpoint.family.replace('ipv', 'IPv')} address")
    for address in addresses:
        try:
            return _connected(address, endpoint.source_address)
        except Broken as broken:
            fault = broken.fault
    raise Broken(fault)


def _connected(address: net.Address, source: str) -> socket.socket:
    sock, number = net.connect(address, source)
    if number == errno.EAGAIN:
        fault: Fault | None = net.os_fault(OSError(number, os.strerror(number)))
    else:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            is_decided = selector.select(CONNECT_SECONDS)
        fault = net.pending_fault(sock) if is_decided else Fault(FaultKind.UNREACHABLE, "timed out")
    if fault is not None:
        sock.close()
        raise Broken(fault)
    return sock
