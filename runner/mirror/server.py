"""The mirrors' sockets: listeners on loopback, TLS and time, in a thread of their own.

One loop serves all stages; a stage is where one case, or one scenario again and again, is played. A connection is
accepted only when its mirror awaits it: others wait in the system's queue. Every wait and every buffer is bounded. What
the bytes mean is the mirror's business.
"""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from runner.errors import ToolError
from runner.language.model import MAIN
from runner.mirror.acts import Act, Handshake, Hangup, Say, Shut, TlsOffer
from runner.mirror.certificates import Certificates
from runner.mirror.encryption import ServerContexts
from runner.mirror.machine import Mirror
from runner.net import CHUNK, Broken, ServerTls, Wakeup, listen, reset

HOST = "127.0.0.1"
# Who says nothing for so long is not waited for any more; RFC 5321 section 4.5.3.2.7 has five minutes.
IDLE_SECONDS = 300.0
# How long a connection that was hung up may take to end.
LINGER_SECONDS = 5.0
# A reply that a scenario expects has a megabyte at most; who takes nothing of it for so much is not served.
OUT_LIMIT = 64 * 1024 * 1024
# Connections of one stage that may stand at once; those after them wait.
MOST_CLIENTS = 1200
# Seconds of one wait: nobody can wake the loop in the moment before it waits.
LONGEST_WAIT = 3600.0
_BACKLOG = 128
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Stage:
    """Where a case is played: its listeners by session, and the mirror under way.

    Attributes:
        ports: the listeners' ports, by session.
        done: is set when the last conversation is over.
    """

    def __init__(self, server: MirrorServer, sessions: Iterable[str], port: int) -> None:
        self.server = server
        self.listeners = {name: _listener(port if name == MAIN else 0) for name in sessions}
        self.ports = {name: one.getsockname()[1] for name, one in self.listeners.items()}
        self.done = threading.Event()
        self.mirror: Mirror | None = None
        self.clients: dict[int, _Client] = {}
        self._make: Callable[[], Mirror] | None = None
        self._ended: Callable[[Mirror], None] = lambda _: None
        self._times = 1.0
        self._last: Mirror | None = None

    def begin(
        self, make: Callable[[], Mirror], ended: Callable[[Mirror], None] = lambda _: None, *, times: float = 1
    ) -> None:
        """Play what `make` returns, so many times one after the other; `ended` gets each, in the server's thread.

        To be called before the server is started.
        """
        self._make, self._ended, self._times = make, ended, times
        self.renew()

    def renew(self) -> None:
        """Begin with a new mirror; what is left of the one before is not heard any more."""
        assert self._make is not None
        self.mirror = self._make()
        self.carry_out(self.mirror.start())

    def carry_out(self, acts: Iterable[Act]) -> None:
        """Do what a mirror asks for."""
        for act in acts:
            if isinstance(act, Shut):
                if (listener := self.listeners.pop(act.session, None)) is not None:
                    self.server.forget(listener)
            elif (client := self.clients.get(act.client)) is not None:
                client.take(act)
        self.settle()

    def settle(self) -> None:
        """See to what is awaited, and to the end of a conversation."""
        mirror = self.mirror
        assert mirror is not None
        for name, listener in self.listeners.items():
            is_wanted = name == mirror.awaits and len(self.clients) < MOST_CLIENTS
            self.server.watch(listener, self, is_wanted=is_wanted)
        if not mirror.is_over or self._last is mirror:
            return
        self._last = mirror
        for client in list(self.clients.values()):
            client.mirror = None
            if mirror.stuck:
                client.take(Hangup(client.number))
        self._times -= 1
        if self._times < 1:
            self.done.set()
        self._ended(mirror)
        if self._times >= 1 and mirror.has_client:
            self.renew()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection."""
        with contextlib.suppress(OSError):
            sock, address = listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert self.mirror is not None
            client = _Client(self, sock, self.mirror)
            self.clients[client.number] = client
            self.carry_out(self.mirror.accepted(client.number, str(address[0])))

    def close(self) -> None:
        """Close all."""
        for listener in self.listeners.values():
            self.server.forget(listener)
        for client in list(self.clients.values()):
            client.close()


def _listener(port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ToolError: the port can't be had.
    """
    try:
        return listen(socket.AF_INET, (HOST, port), _BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ToolError(f"--port {port}: {reason}" if port else f"no port for a mirror can be had: {reason}") from error


class _Client:
    """One connection to a mirror; acts wait for their time and for those before them."""

    _numbers = itertools.count(1)

    def __init__(self, stage: Stage, sock: socket.socket, mirror: Mirror) -> None:
        self.number = next(self._numbers)
        self.stage = stage
        self.server = stage.server
        self.sock = sock
        self.mirror: Mirror | None = mirror
        self._waiting: deque[tuple[float, Act]] = deque()
        self._out = bytearray()
        self._tls: ServerTls | None = None
        self._is_shaking = self._is_ending = self._is_closed = False
        self._deadline = 0.0
        self._be_patient(IDLE_SECONDS)
        self.server.watch(sock, self)

    # Acts.

    def take(self, act: Act) -> None:
        """Take an act."""
        after = getattr(act, "after", 0.0)
        due = self.server.clock() + after if after else 0.0
        due = max(due, self._waiting[-1][0] if self._waiting else 0.0)
        self._waiting.append((due, act))
        if due:
            self.server.alarm(due, self.go_on)
        self.go_on()

    def go_on(self) -> None:
        """Do what is due."""
        while self._waiting and not self._is_closed:
            due, act = self._waiting[0]
            if due > self.server.clock():
                return
            if not isinstance(act, Say) and (self._out or self._is_shaking):
                self._flush()
                if self._out or self._is_closed or self._is_shaking:
                    return
            self._waiting.popleft()
            self._do(act)
        if not self._is_closed:
            self._flush()

    def _do(self, act: Act) -> None:
        if isinstance(act, Say):
            self._out += _encrypted(self._tls, act.data) if self._tls is not None else act.data
            if len(self._out) > OUT_LIMIT:
                self.close()
        elif isinstance(act, Handshake):
            self._tls = self.server.new_tls(act.offer)
            self._is_shaking = True
        elif isinstance(act, Hangup):
            self._hang_up(act.how)

    def _hang_up(self, how: str) -> None:
        if how == "reset":
            self._forget()
            reset(self.sock)
            self._gone()
            return
        if self._is_ending:
            return
        self._is_ending = True
        if self._tls is not None:
            self._out += self._tls.close()
        self._flush()
        if not self._is_closed:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
            self._be_patient(LINGER_SECONDS)

    # The socket.

    def ready(self, mask: int) -> None:
        """Do what can be done."""
        if mask & _WRITE:
            self.go_on()
        if mask & _READ and not self._is_closed:
            self._read()

    def _flush(self) -> None:
        try:
            while self._out:
                sent = self.sock.send(self._out)
                del self._out[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
            return
        self.server.watch(self.sock, self, wants_write=bool(self._out))

    def _read(self) -> None:
        try:
            data = self.sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if not self._is_ending:
            self._be_patient(IDLE_SECONDS)
        if self._tls is None:
            self._heard(data)
            return
        self._tls.feed(data)
        if self._is_shaking:
            self._shake(self._tls)
        if not self._is_shaking and not self._is_closed:
            self._heard(self._tls.read()[0])  # what is broken reads as its end

    def _shake(self, tls: ServerTls) -> None:
        try:
            facts = tls.handshake()
        except Broken as broken:
            self._out += tls.pending()
            self._flush()
            # The library's own word: that of a fault would be a client's.
            why = getattr(broken.__cause__, "reason", None) or str(broken.__cause__)
            if self.mirror is not None:
                mirror, self.mirror = self.mirror, None
                self._tell(mirror.unsecured(self.number, str(why).lower().replace("_", " ")), mirror)
            self.close()
            return
        self._out += tls.pending()
        self._flush()
        if facts is None or self._is_closed:
            return
        self._is_shaking = False
        if self.mirror is not None:
            self._tell(self.mirror.secured(self.number, facts), self.mirror)
        self.go_on()

    def _heard(self, data: bytes) -> None:
        if data and self.mirror is not None and not self._is_ending:
            self._tell(self.mirror.received(self.number, data), self.mirror)

    def _tell(self, acts: list[Act], mirror: Mirror) -> None:
        if mirror is self.stage.mirror:
            self.stage.carry_out(acts)

    def _be_patient(self, seconds: float) -> None:
        self._deadline = self.server.clock() + seconds
        self.server.alarm(self._deadline, self._overdue)

    def _overdue(self) -> None:
        if not self._is_closed and self.server.clock() >= self._deadline:
            self.close()

    def _forget(self) -> None:
        self.server.unwatch(self.sock)
        self._is_closed = True

    def _gone(self) -> None:
        self.stage.clients.pop(self.number, None)
        mirror, self.mirror = self.mirror, None
        if mirror is not None:
            self._tell(mirror.ended(self.number), mirror)

    def close(self) -> None:
        """Close the connection, and tell the mirror."""
        if self._is_closed:
            return
        self._forget()
        self.sock.close()
        self._gone()


def _encrypted(tls: ServerTls, data: bytes) -> bytes:
    """Return the bytes to send; who has broken TLS is told no more than that."""
    try:
        return tls.write(data)
    except Broken:
        return tls.pending()


class MirrorServer:
    """All mirrors of a process. A context: at its end it is stopped, and all is closed.

    `ended` is called when it serves no more, in its own thread, also where something went wrong inside.

    Attributes:
        ca: the PEM file of the CAs that vouch for the mirrors; written when it is started.
        crash: what went wrong inside, None if nothing did.
    """

    def __init__(self, certificates: Certificates | None = None, *, ended: Callable[[], None] = lambda: None) -> None:
        self._ended = ended
        self.certificates = certificates or Certificates()
        self.clock = time.monotonic
        self.crash: BaseException | None = None
        self.stages: list[Stage] = []
        self._folder = TemporaryDirectory(prefix="mailproof-mirror-")
        self.ca = str(Path(self._folder.name, "ca.pem"))
        self._selector = selectors.DefaultSelector()
        self._wakeup = Wakeup()
        self._selector.register(self._wakeup, _READ)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._contexts = ServerContexts(self.certificates, self._folder.name)
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    def stage(self, sessions: Iterable[str], port: int = 0) -> Stage:
        """Open the listeners of a stage; the first session's is at `port`, 0 for a free one.

        Raises:
            ToolError: a port can't be had.
        """
        stage = Stage(self, sessions, port)
        self.stages.append(stage)
        return stage

    def start(self) -> None:
        """Begin to serve; the stages have begun, and every certificate that is wanted was made before."""
        Path(self.ca).write_bytes(self.certificates.roots)
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and close all."""
        self._is_stopping = True
        if self._thread is not None:
            self._wakeup.wake()
            self._thread.join()
        else:
            self._close_all()
        self._folder.cleanup()

    def _close_all(self) -> None:
        for stage in self.stages:
            stage.mirror = None
            stage.close()
        self._selector.close()
        self._wakeup.close()

    # The loop.

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._turn()
        except BaseException as error:  # noqa: BLE001 -- told by who has started it; clients see a closed connection
            self.crash = error
            for stage in self.stages:
                stage.done.set()
        finally:
            self._close_all()
            self._ended()

    def _turn(self) -> None:
        now = self.clock()
        timeout = min(LONGEST_WAIT, max(0.0, self._timers[0][0] - now)) if self._timers else None
        for key, mask in self._selector.select(timeout):
            if key.data is None:
                self._wakeup.clear()
            elif isinstance(key.data, Stage):
                assert isinstance(key.fileobj, socket.socket)
                key.data.accept(key.fileobj)
            else:
                key.data.ready(mask)
        now = self.clock()
        while self._timers and self._timers[0][0] <= now:
            heappop(self._timers)[2]()

    def alarm(self, when: float, call: Callable[[], None]) -> None:
        """Call at a time."""
        heappush(self._timers, (when, next(self._count), call))

    def watch(
        self, sock: socket.socket, who: Stage | _Client, *, is_wanted: bool = True, wants_write: bool = False
    ) -> None:
        """Watch a socket for what comes, or not."""
        known = self._selector.get_map().get(sock.fileno())
        events = _READ | (_WRITE if wants_write else 0)
        if not is_wanted:
            self.unwatch(sock)
        elif known is None:
            self._selector.register(sock, events, who)
        elif known.events != events:
            self._selector.modify(sock, events, who)

    def unwatch(self, sock: socket.socket) -> None:
        """Watch a socket no more."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def forget(self, listener: socket.socket) -> None:
        """Close a listener."""
        self.unwatch(listener)
        listener.close()

    def new_tls(self, offer: TlsOffer) -> ServerTls:
        """Return the server's side of a handshake."""
        return self._contexts.new_tls(offer)
