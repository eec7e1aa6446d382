"""The recording proxy's sockets: a thread for each client, between it and the server, passing bytes both ways at once.

TLS ends here on both sides. Every wait and every buffer is bounded: who takes nothing is read from no more. What is
said is `overheard`'s business, and what becomes of a recording that of whoever has started the proxy.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

from runner.dataclass import dataclass
from runner.errors import ToolError
from runner.net import Broken, Tls, TlsContexts, Wakeup, announced_ends, listen, os_fault
from runner.recording.call import advised
from runner.recording.overheard import Overheard, refusal
from runner.recording.sides import ServerTls, Side, connect
from runner.wire import Endpoint, Fault, FaultKind, TlsFacts, TlsWish

# A client that says nothing for longer is gone; RFC 9051 section 5.4 has 30 minutes.
IDLE_SECONDS = 35 * 60.0
HANDSHAKE_SECONDS = 30.0
# How long the last bytes may take once one side has hung up.
FAREWELL = 5.0
# So much may wait for one side; then the other is not read from.
MOST_WAITING = 512 * 1024
# Each has a thread; those after them wait in the system's queue.
MOST_CLIENTS = 100
_BACKLOG = 64
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@dataclass(frozen=True, slots=True)
class Door:
    """What clients meet and where it leads: the server, how TLS is made with it, and the client's own TLS.

    `context` is for the client's side, None where the proxy has no certificate; with `is_implicit` TLS comes first.
    """

    protocol: str
    endpoint: Endpoint
    wish: TlsWish
    context: ssl.SSLContext | None = None
    is_implicit: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """A connection that is over: who the client was, what was overheard, and what went wrong with the connection.

    `crash` is what went wrong in the proxy itself.
    """

    client: str
    overheard: Overheard
    trouble: str = ""
    crash: Exception | None = None


class Proxy:
    """Listens, and passes on until it is stopped.

    Attributes:
        address: where it listens.
        contexts: the settings of TLS with the server.
        ends: wakes every connection, for good, once all is to end: what is written into it nobody reads.

    `passed` is called in the thread of `run` with every connection that is over.

    Raises:
        ToolError: the address or port can't be had.
    """

    def __init__(self, place: tuple[str, int], door: Door, passed: Callable[[Passed], None]) -> None:
        self._door = door
        self._passed = passed
        self._listener = _listener(*place)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.contexts = TlsContexts()
        self._wakeup = Wakeup()
        self._over: deque[_Passage] = deque()
        self._standing: set[_Passage] = set()
        self._is_stopping = False
        self.ends = Wakeup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._wakeup.close()
        self.ends.close()

    def stop(self) -> None:
        """Let `run` end; may be called from any thread or signal handler."""
        self._is_stopping = True
        self.ends.wake()
        self._wakeup.wake()

    def run(self) -> None:
        """Pass on until stopped; the connections that stand are then cut, and handed over as far as they came."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, _READ)
            while not self._is_stopping:
                self._watch_listener(selector)
                for key, _ in selector.select():
                    if key.fileobj is self._wakeup:
                        self._wakeup.clear()
                    else:
                        self._accept()
                self._hand_over()
        for passage in list(self._standing):
            passage.join(FAREWELL)
        self._hand_over()

    def _watch_listener(self, selector: selectors.BaseSelector) -> None:
        is_watched = self._listener.fileno() in selector.get_map()
        has_room = len(self._standing) < MOST_CLIENTS
        if has_room and not is_watched:
            selector.register(self._listener, _READ)
        elif is_watched and not has_room:
            selector.unregister(self._listener)

    def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except OSError:
            return
        passage = _Passage(sock, f"{address[0]}:{address[1]}", self._door, self)
        self._standing.add(passage)
        passage.start()

    def over(self, passage: _Passage) -> None:
        """Take a connection that is over; called in its own thread."""
        self._over.append(passage)
        self._wakeup.wake()

    def _hand_over(self) -> None:
        while self._over:
            passage = self._over.popleft()
            self._standing.discard(passage)
            self._passed(Passed(passage.client, passage.overheard, passage.trouble, passage.crash))


def _listener(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ToolError(f"--listen {host}:{port}: no such address") from error
    family, _, _, _, where = found[0]
    try:
        return listen(family, where, _BACKLOG)
    except OSError as error:
        raise ToolError(f"--listen {host}:{port}: {(error.strerror or str(error)).lower()}") from error


class _Passage(threading.Thread):
    """One client's connection, and the one to the server that is made for it."""

    def __init__(self, sock: socket.socket, client: str, door: Door, proxy: Proxy) -> None:
        super().__init__(name=f"client {client}", daemon=True)
        self.client = client
        self.overheard = Overheard(door.protocol)
        self.trouble = ""
        self.crash: Exception | None = None
        self._door, self._proxy = door, proxy
        self._here = Side(sock)
        self._there: Side | None = None
        self._is_stopped = False

    def run(self) -> None:
        """Pass on until one side has hung up."""
        try:
            self._pass()
        except Broken as broken:
            self._note_end(broken.fault)
        except OSError as error:
            self._note_end(os_fault(error))
        except Exception as error:  # noqa: BLE001 -- told by the proxy's own thread
            self.crash = error
        finally:
            for side in (self._here, self._there):
                if side is not None:
                    side.sock.close()
            self._proxy.over(self)

    def _note_end(self, fault: Fault) -> None:
        """Take note of how the connection broke, unless nothing but its end was due.

        Who hangs up after the goodbye with something unread, such as the end of TLS, resets the connection.
        """
        if not self.overheard.has_parted:
            self.trouble = self.trouble or str(fault)

    def _pass(self) -> None:
        door = self._door
        if door.is_implicit:
            assert door.context is not None
            self._here.begin(ServerTls(door.context))
            if not self._shake(self._here):
                return
        try:
            there = self._connected()
        except Broken as broken:
            self._refuse(f"no connection to {door.endpoint}: {advised(broken.fault)}")
            return
        self._exchange(there)
        if not self._is_stopped:
            self._part(there)

    # To the server.

    def _connected(self) -> Side:
        """Return the server's side, with TLS where that is implicit.

        Raises:
            Broken: it can't be had.
        """
        endpoint = self._door.endpoint
        side = self._there = Side(connect(endpoint))
        if endpoint.proxy is not None:
            from runner.proxy import header  # noqa: PLC0415 -- few servers stand behind a proxy

            side.say(header(endpoint.proxy.version, *announced_ends(side.sock, endpoint.proxy)))
        facts = None
        if endpoint.tls is not None:
            side.begin(self._client_tls(endpoint.tls))
            facts = self._shake(side)
        self.overheard.opened(facts)
        return side

    def _client_tls(self, wish: TlsWish) -> Tls:
        return Tls(self._proxy.contexts.get(wish), wish, self._door.endpoint.host)

    def _refuse(self, why: str) -> None:
        """Tell the client, in its protocol's words, and the operator why there is nothing to talk to."""
        self.trouble = why
        self._here.say(refusal(self._door.protocol, "the server behind this proxy is not to be had"))
        self._here.hang_up()
        self._wait_for_end(self._here)

    # Waiting.

    def _shake(self, side: Side) -> TlsFacts | None:
        """Make the handshake that is begun, and nothing else meanwhile; return its facts, None if stopped.

        Raises:
            Broken: it failed.
        """
        until = time.monotonic() + HANDSHAKE_SECONDS
        while True:
            try:
                facts = side.shake()
            finally:
                side.flush()
            if facts is not None:
                return facts
            if side.has_ended:
                raise Broken(Fault(FaultKind.TLS_CLOSED))
            ready = self._ready({side: _READ | (_WRITE if side.waiting else 0)}, until - time.monotonic())
            if self._is_stopped:
                return None
            if not ready:
                raise Broken(Fault(FaultKind.TLS_OTHER, f"no handshake within {HANDSHAKE_SECONDS:g} s"))
            if ready.get(side, 0) & _READ:
                side.hear()

    def _ready(self, wanted: dict[Side, int], seconds: float) -> dict[Side, int]:
        """Wait until something can be done; return what, nothing where the time is over or all is stopped."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._proxy.ends, _READ)
            for side, mask in wanted.items():
                if mask:
                    selector.register(side.sock, mask, side)
            found = selector.select(max(0.0, seconds))
        self._is_stopped = self._is_stopped or any(key.data is None for key, _ in found)
        return {key.data: mask for key, mask in found if key.data is not None} if not self._is_stopped else {}

    # Between them.

    def _exchange(self, there: Side) -> None:
        """Pass bytes on until one side has ended."""
        here = self._here
        # What came with the end of a handshake waits to be decrypted.
        self._from_server(there, there.decrypt())
        self._from_client(there, here.decrypt())
        while not (here.has_ended or there.has_ended):
            wanted = {
                here: (_READ if there.waiting < MOST_WAITING else 0) | (_WRITE if here.waiting else 0),
                there: (_READ if here.waiting < MOST_WAITING else 0) | (_WRITE if there.waiting else 0),
            }
            ready = self._ready(wanted, IDLE_SECONDS)
            if not ready:
                self.trouble = "" if self._is_stopped else f"nothing was said for {IDLE_SECONDS / 60:g} minutes"
                return
            for side, mask in ready.items():
                if mask & _WRITE:
                    side.flush()
            if ready.get(there, 0) & _READ:
                self._from_server(there, there.hear())
            if ready.get(here, 0) & _READ:
                self._from_client(there, self._here_hears())
            if self.overheard.broken:
                raise Broken(Fault(FaultKind.TLS_OTHER, self.overheard.broken))
            here.flush()
            there.flush()

    def _here_hears(self) -> bytes:
        here = self._here
        was_shaking = here.is_shaking
        data = here.hear()
        if was_shaking:
            if here.shake() is None:
                return b""
            return here.decrypt()
        return data

    def _from_client(self, there: Side, data: bytes) -> None:
        if data:
            there.say(self.overheard.client(data))

    def _from_server(self, there: Side, data: bytes) -> None:
        if data:
            self._here.say(self.overheard.server(data))
            there.say(self.overheard.released())
        if self.overheard.wants_handshake and not self.overheard.broken:
            self._begin_tls(there)

    def _begin_tls(self, there: Side) -> None:
        """Make the handshake with the server, and only then let the client begin its own."""
        here, door = self._here, self._door
        if door.context is None:
            self.overheard.broken = "TLS was begun twice"
            return
        try:
            there.begin(self._client_tls(door.wish))
            facts = self._shake(there)
        except Broken as broken:
            here.say(self.overheard.unsecured(str(broken.fault)))
            self.trouble = f"no TLS with {door.endpoint}: {advised(broken.fault)}"
            there.has_ended = True
            return
        if facts is None:
            return
        here.say(self.overheard.secured(facts))
        here.begin(ServerTls(door.context))
        self._from_server(there, there.decrypt())

    # The end.

    def _part(self, there: Side) -> None:
        """Let the other side have what is left, and end as the first has done."""
        here = self._here
        self.overheard.ended("server" if there.has_ended else "client")
        other = here if there.has_ended else there
        other.hang_up()
        self._wait_for_end(other)

    def _wait_for_end(self, side: Side) -> None:
        """Send what waits, and hear what is left until the other end has ended, too."""
        until = time.monotonic() + FAREWELL
        is_there = side is self._there
        while not side.has_ended and (left := until - time.monotonic()) > 0:
            ready = self._ready({side: _READ | (_WRITE if side.waiting else 0)}, left)
            if not ready:
                return
            side.flush()
            if ready[side] & _READ:
                data = side.hear()
                if is_there and data:
                    self.overheard.server(data)
