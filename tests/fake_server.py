r"""A threaded byte-level server on a free loopback port: each connection runs a function of the test's own.

    def handler(conn):                      # a Conn: a socket with a few words of convenience
        conn.send(b"220 hello\r\n")
        assert conn.line() == b"EHLO x\r\n"
        conn.secure(certificates().context())   # the server's half of STARTTLS
        conn.reset()                            # or conn.close(), conn.end(), conn.wait_for_eof()

    with FakeServer(handler) as server:
        endpoint = Endpoint("127.0.0.1", server.port)

The connection is closed when the handler returns. Leaving the `with` joins every thread and raises what a
handler raised, except for OSError: a client that goes away is no error of the server. Every read waits five
seconds at most. `path` makes it a UNIX socket; `certificates()` makes a test authority, once a process.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Self

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 5.0


class Conn:
    """A server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.socket = sock
        self._buffer = b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def line(self) -> bytes:
        """Read up to and with the next line feed; what there is, at the end."""
        return self.until(b"\n")

    def until(self, end: bytes) -> bytes:
        """Read up to and with `end`; what there is, at the connection's end."""
        while end not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                break
            self._buffer += data
        index = self._buffer.find(end)
        cut = len(self._buffer) if index < 0 else index + len(end)
        taken, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return taken

    def wait_for_eof(self) -> bytes:
        """Read until the client ends; return what came."""
        taken, self._buffer = self._buffer, b""
        while data := self.socket.recv(65536):
            taken += data
        return taken

    def secure(self, context: ssl.SSLContext) -> None:
        """Do the server's half of a TLS handshake. `self.socket` is an SSLSocket after it."""
        self.socket = context.wrap_socket(self.socket, server_side=True, suppress_ragged_eofs=False)

    def end(self) -> None:
        """Say that no more comes (FIN), and go on reading; not for TLS."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Drop the connection so that the client sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close; with TLS this is an end without close_notify."""
        self.socket.close()


class FakeServer:
    """The server; a context manager. `errors` holds what handlers raised, `connections` how many there were."""

    def __init__(self, handler: Callable[[Conn], None], *, path: str = "", backlog: int = 512) -> None:
        self._handler = handler
        self._path = path
        self._backlog = backlog
        self._threads: list[threading.Thread] = []
        self._ends = threading.Event()
        self.errors: list[BaseException] = []
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Self:
        if self._path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self._path)
        else:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        self._listener.listen(self._backlog)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._ends.set()
        # shutdown ends an accept that waits (Linux); a connection of our own does so elsewhere
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        if self.errors and kind is None:
            raise self.errors[0]

    def _accept(self) -> None:
        while not self._ends.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        conn = Conn(sock)
        try:
            self._handler(conn)
        except OSError:
            pass
        except BaseException as error:  # noqa: BLE001 - a failed assertion is the test's, and raised there
            self.errors.append(error)
        finally:
            conn.socket.close()


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else can take meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


class Certificates:
    """An authority of the tests and what it has issued."""

    def __init__(self) -> None:
        self.authority = trustme.CA()

    def roots(self, folder: object) -> str:
        """Write the authority's certificate into `folder`; return the file's path, for `TlsWish.ca`."""
        path = f"{folder}/roots.pem"
        self.authority.cert_pem.write_to_path(path)
        return path

    def context(
        self,
        *names: str,
        days: tuple[int, int] = (-1, 1),
        maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ) -> ssl.SSLContext:
        """Return a server's context with a certificate for `names`, valid from and to these days from now."""
        now = dt.datetime.now(dt.UTC)
        issued = self.authority.issue_cert(
            *(names or ("127.0.0.1", "localhost")),
            not_before=now + dt.timedelta(days=days[0]),
            not_after=now + dt.timedelta(days=days[1]),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = maximum
        issued.configure_cert(context)
        return context


@functools.cache
def certificates() -> Certificates:
    """Return the tests' authority, made once a process."""
    return Certificates()
