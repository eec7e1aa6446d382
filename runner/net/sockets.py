"""Sockets that block nobody: connecting, who is at both ends, ending, and how many there may be."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from runner.net.faults import Broken, os_fault
from runner.net.resolving import Address, numeric
from runner.wire import Fault, FaultKind, Peer

if TYPE_CHECKING:
    from runner.proxy import SocketAddress
    from runner.wire import ProxyHeader

# A turn's read: large enough that a reply is one call, below malloc's limit for mapping fresh pages (128 KiB).
CHUNK = 65_536
# SIGPIPE must not end a process that has set it back to its default for the sake of its output.
SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)

_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)


def connect(address: Address, source: str = "") -> tuple[socket.socket, int]:
    """Begin a connection that blocks nobody.

    Returns the socket and 0 (it stands already), `EINPROGRESS` (it will be writable when it is decided) or
    `EAGAIN` (a UNIX socket's queue is full: try again a little later with a new one).

    Raises:
        Broken: it failed at once.
    """
    local_end = _local_end(address.family, source) if source else None
    sock = None
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM | _NONBLOCK)
        if not _NONBLOCK:
            sock.setblocking(False)
        if address.family != socket.AF_UNIX:
            # A body's last piece would wait for the acknowledgement of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if local_end:
                sock.bind(local_end)
        number = sock.connect_ex(address.where)
        if number not in (0, errno.EINPROGRESS, errno.EAGAIN):
            raise OSError(number, os.strerror(number))  # noqa: TRY301 - one way out, which closes
    except (OSError, ValueError, OverflowError) as error:
        if sock is not None:
            sock.close()
        fault = os_fault(error) if isinstance(error, OSError) else Fault(FaultKind.LOCAL, str(error))
        raise Broken(fault) from error
    return sock, number


def _local_end(family: int, source: str) -> Any:
    if family == socket.AF_UNIX:
        return None
    ends = numeric(source, 0)
    if not ends:
        raise Broken(Fault(FaultKind.LOCAL, f"source address '{source}' is no IP address"))
    if ends[0].family != family:
        raise Broken(Fault(FaultKind.LOCAL, f"source address '{source}' is of another family than the server's"))
    return ends[0].where


def listen(family: int, where: Any, backlog: int) -> socket.socket:
    """Return a socket that listens at an address and blocks nobody.

    Raises:
        OSError: the address or port can't be had.
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def pending_fault(sock: socket.socket) -> Fault | None:
    """Return what has gone wrong with a socket since it was last asked; nothing when all is well."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os_fault(OSError(number, os.strerror(number))) if number else None


def peer_of(sock: socket.socket, remote: Address) -> Peer:
    """Describe both ends of a connection that stands; `remote` is the address it was made to."""
    if sock.family == socket.AF_UNIX:
        return Peer("", str(remote.where), is_loopback=True)
    address = str(remote.where[0])
    try:
        local = str(sock.getsockname()[0])
    except OSError:
        local = ""
    return Peer(local, address, is_loopback=_is_loopback(address))


def announced_ends(sock: socket.socket, proxy: ProxyHeader) -> tuple[SocketAddress | None, SocketAddress | None]:
    """Return the two ends that a PROXY header is to name: as wished, else the connection's own.

    Raises:
        Broken: only one end can be named, for the connection has no IP addresses of its own.
    """
    if sock.family == socket.AF_UNIX:
        if (proxy.source is None) != (proxy.destination is None):
            words = "a PROXY header names both 'source' and 'destination' where the connection has no IP addresses"
            raise Broken(Fault(FaultKind.LOCAL, words))
        return proxy.source, proxy.destination
    try:
        return _end_of(sock.getsockname(), proxy.source), _end_of(sock.getpeername(), proxy.destination)
    except OSError as error:
        raise Broken(os_fault(error)) from error


def _end_of(own: Any, wished: SocketAddress | None) -> SocketAddress:
    from runner.proxy import SocketAddress  # noqa: PLC0415 - few servers stand behind a proxy

    if wished is None:
        return SocketAddress(own[0].partition("%")[0], own[1])
    return wished._replace(port=wished.port or own[1])


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def end_writing(sock: socket.socket) -> bool:
    """Tell the other end that no more comes; false when the connection is gone already."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def reset(sock: socket.socket) -> None:
    """Close a connection so that the other end sees a reset, and what was not sent is dropped."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    finally:
        sock.close()


class Wakeup:
    """Wakes the loop out of its wait, from any thread or signal handler."""

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._inner.fileno()

    def wake(self) -> None:
        """Make the loop's wait end; when the pair is full, or closed, that is seen to already."""
        try:
            self._outer.send(b"\0", SEND_FLAGS)
        except OSError:
            return

    def clear(self) -> None:
        """Forget the wakes so far."""
        try:
            self._inner.recv(4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        self._inner.close()
        self._outer.close()
