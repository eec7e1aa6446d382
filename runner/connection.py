"""One connection of a player, from the first address tried to the last byte flushed.

It must not know what the bytes mean, nor other connections; the loop that calls it when something is ready or
due is `session`. The player hears of each event once and in order; what an action brings about at once is told
at the loop's next turn, so that no player is called from within its own call.
"""

from __future__ import annotations

import math
from dataclasses import replace
from errno import EAGAIN
from typing import TYPE_CHECKING, Any, Protocol

from runner import net
from runner.net import CHUNK, READ, SEND_FLAGS, WRITE, Broken
from runner.wire import Fault, FaultKind, Peer

if TYPE_CHECKING:
    import select
    import socket
    from collections.abc import Callable

    from runner.net import Address, Addresses, Tls
    from runner.process import Process
    from runner.wire import Endpoint, Out, ProxyHeader, TlsFacts, TlsWish, Work

# Seconds without an answer after which the host's next address is tried beside it (RFC 8305 in spirit).
NEXT_ADDRESS = 2.0
# A UNIX socket whose queue is full cannot be waited for: seconds until the next try.
QUEUE_FULL = 0.02
# Seconds that a command may take to end once it has closed its output; then that is told without how it ended.
LAST_WORDS = 0.5

# The phases. In the last two the player has let go, or was told that the connection is gone.
OPENING, SHAKING, STANDING, ENDING, GONE = range(5)

# The time of no alarm.
NEVER = math.inf
# The result of a player that has none yet.
PLAYING = object()
# The interest of a connection that has left the poller.
_RESTING = -1


class Player(Protocol):
    """One case as a machine; every call returns the actions to carry out, in order.

    `deadline` is on the driver's clock, in seconds; it may move either way in any call. After `Done` every call
    returns an empty tuple. A `broke` after `opened` means that the connection is gone.
    """

    deadline: float

    def start(self, now: float, /) -> Out:
        """Begin."""

    def opened(self, sid: int, peer: Peer, now: float, /) -> Out:
        """Take note that a connection stands (with TLS, where that is implicit)."""

    def received(self, sid: int, data: bytes, now: float, /) -> Out:
        """Take bytes, decrypted."""

    def secured(self, sid: int, facts: TlsFacts, now: float, /) -> Out:
        """Take note that the handshake is made."""

    def drained(self, sid: int, now: float, /) -> Out:
        """Take note that all that was written has left for the kernel."""

    def eof(self, sid: int, clean: bool, now: float, /) -> Out:
        """Take note that the server sends no more; not `clean` when TLS ended without close_notify."""

    def broke(self, sid: int, fault: Fault, now: float, /) -> Out:
        """Take note that the connection could not be had, or is gone."""

    def noted(self, sid: int, text: str, now: float, /) -> Out:
        """Take note of what is said beside the connection: a line on a command's standard error, how it ended."""

    def worked(self, work: Work, outcome: object, now: float, /) -> Out:
        """Take what a `Work` has returned, or the exception that it raised."""

    def tick(self, now: float, /) -> Out:
        """Take note that the deadline is reached."""

    def stop(self, why: str, now: float, /) -> Out:
        """Come to an end soon."""


class Timed(Protocol):
    """What can be called at a time: `armed` is that time on the loop's clock, or `NEVER`."""

    armed: float

    def due(self) -> None:
        """Do what is due."""


class Loop(Protocol):
    """What a connection needs of the driver; `session.Driver` is it."""

    clock: Callable[[], float]
    poller: select.epoll | net.SelectorPoller
    contexts: net.TlsContexts
    resolver: net.Resolver
    goodbye: float
    by_fd: dict[int, Connection]
    ending: set[Connection]
    leaving: set[Process]

    def soon(self, call: Callable[[Connection], None], connection: Connection, /) -> None:
        """Call at the next turn."""

    def alarm(self, target: Timed, when: float, /) -> None:
        """Call `target.due` at `when`."""

    def disarm(self, target: Timed, /) -> None:
        """Forget a target's alarm."""

    def tell(self, seat: Seat, call: Callable[..., Out], /, *what: object) -> None:
        """Call a player's method and carry out what it answers."""

    def carry_out(self, seat: Seat, out: Out, /) -> None:
        """Carry out a player's actions."""

    def settle(self, seat: Seat, /) -> None:
        """See to what a call has changed besides: the end, the deadline."""

    def crash(self, seat: Seat, error: Exception, /) -> None:
        """End a player that raised."""

    def forget(self, sock: socket.socket, /) -> None:
        """Take a socket out of the loop."""

    def allow_one_more(self) -> None:
        """See to it that one more socket can be opened."""


class Seat:
    """A player at the driver's table, its connections by `sid` and what it ended with."""

    __slots__ = ("armed", "connections", "crashed", "done", "driver", "player", "result")

    def __init__(
        self,
        driver: Loop,
        player: Player,
        done: Callable[[Any], None],
        crashed: Callable[[Any, Exception], Any] | None,
    ) -> None:
        self.driver = driver
        self.player = player
        self.done = done
        self.crashed = crashed
        self.connections: dict[int, Connection] = {}
        self.armed = NEVER
        self.result: object = PLAYING

    def due(self) -> None:
        """Tell the player that its deadline is reached, unless it has moved on since this was armed."""
        if self.player.deadline <= self.driver.clock():
            self.driver.tell(self, self.player.tick)
        else:
            self.driver.alarm(self, self.player.deadline)


class Connection:
    """One connection of one player, from the first address tried to the last byte flushed."""

    __slots__ = (
        "_addresses",
        "_attempts",
        "_ended",
        "_fault",
        "_flows",
        "_interest",
        "_is_open",
        "_owes_answer",
        "_owes_drained",
        "_peer",
        "_prepared",
        "_process",
        "_process_ends_by",
        "_queue",
        "_sock",
        "_tls",
        "_write_fault",
        "armed",
        "driver",
        "endpoint",
        "phase",
        "seat",
        "sid",
    )

    def __init__(self, driver: Loop, seat: Seat, sid: int, endpoint: Endpoint) -> None:
        self.driver = driver
        self.seat = seat
        self.sid = sid
        self.endpoint = endpoint
        self.phase = OPENING
        self.armed = NEVER
        self._is_open = False  # `opened` was told
        self._addresses: list[Address] = []  # still to be tried
        self._attempts: dict[socket.socket, Address] = {}  # under way
        self._fault = Fault(FaultKind.UNRESOLVED)  # the last attempt's
        self._sock: socket.socket  # once it stands
        self._peer: Peer
        self._prepared: Tls | None = None  # of a handshake that is to begin
        self._tls: Tls | None = None
        self._interest = 0
        self._queue: list[memoryview] = []
        self._flows = True
        self._ended = False  # the server's end of file was told
        self._owes_drained = False
        self._owes_answer = False  # something was written since something was read
        self._write_fault: Fault | None = None
        self._process: Process | None = None  # whose input and output the connection is
        self._process_ends_by = NEVER  # until when its end is awaited, once it has closed its output

    def ready(self, fd: int, mask: int) -> None:
        """Do what the poller says can be done."""
        if self._process and fd != self._sock.fileno():
            self._read_errors(self._process)
            return
        phase = self.phase
        if phase is OPENING:
            self._attempt_ready(fd)
            return
        if phase is ENDING:
            if mask & WRITE and self._queue:
                self._flush()
            self._discard()
            return
        # Reading first: a refusal that comes amid a long body is told before the body's end is.
        if mask != WRITE:
            if phase is SHAKING or (self._flows and not self._ended):
                self._read()
            else:
                self._rest()
        if mask & WRITE and self._queue:
            self._flush()

    def due(self) -> None:
        """Take the next step of an opening, or end an ending."""
        if self.phase is OPENING:
            self._open_next()
        elif self.phase is ENDING:
            self.drop(is_late=True)
        elif self._process:
            self._await_exit(self._process)

    # --- opening ---

    def open(self) -> None:
        """Find the addresses, then connect to them in turn."""
        if self.phase is not OPENING:
            return
        endpoint = self.endpoint
        try:
            if endpoint.tls:
                self._prepare_tls(endpoint.tls)
        except Broken as broken:
            self._break(broken.fault)
            return
        if endpoint.command:
            self._start_command(endpoint.command)
        elif endpoint.path:
            self._resolved(net.unix_addresses(endpoint.path))
        elif known := self.driver.resolver.known(endpoint.host, endpoint.port):
            self._resolved(known)
        else:
            self.driver.resolver.ask(endpoint.host, endpoint.port, self._resolved)

    def _resolved(self, answer: Addresses | Fault) -> None:
        if self.phase is not OPENING:
            return
        if isinstance(answer, Fault):
            self._fault = answer
        else:
            self._addresses = net.of_family(answer, self.endpoint.family)
            if not self._addresses:
                words = f"'{self.endpoint.host}' has no {self.endpoint.family.replace('ipv', 'IPv')} address"
                self._fault = Fault(FaultKind.UNRESOLVED, words)
        self.driver.soon(Connection._open_next, self)

    def _open_next(self) -> None:
        """Begin the next attempt; when none is left and none under way, the last one's fault is the answer."""
        if self.phase is not OPENING:
            return
        while self._addresses:
            address = self._addresses.pop(0)
            try:
                self._attempt(address)
            except Broken as broken:
                self._fault = broken.fault
            else:
                return
        if not self._attempts:
            self._break(self._fault)

    def _attempt(self, address: Address) -> None:
        driver = self.driver
        driver.allow_one_more()
        sock, number = net.connect(address, self.endpoint.source_address)
        if number == EAGAIN:
            sock.close()
            self._addresses.insert(0, address)
            driver.alarm(self, driver.clock() + QUEUE_FULL)
            return
        try:
            driver.poller.register(sock.fileno(), READ | WRITE)
        except OSError as error:  # the system's number of watched files is used up
            sock.close()
            raise Broken(net.os_fault(error)) from error
        self._attempts[sock] = address
        driver.by_fd[sock.fileno()] = self
        if self._addresses:
            driver.alarm(self, driver.clock() + NEXT_ADDRESS)

    def _attempt_ready(self, fd: int) -> None:
        sock = next(sock for sock in self._attempts if sock.fileno() == fd)
        fault = net.pending_fault(sock)
        if fault and fault.kind is FaultKind.RESET:
            # Only what stood can be reset: the server's last words may wait, and come first.
            self._write_fault = fault
            self.driver.soon(Connection._read_out, self)
            fault = None
        if fault is None:
            self._connected(sock)
            return
        self._fault = fault
        del self._attempts[sock]
        self.driver.forget(sock)
        sock.close()
        if self._addresses or not self._attempts:
            self.driver.soon(Connection._open_next, self)

    def _connected(self, sock: socket.socket) -> None:
        peer = net.peer_of(sock, self._attempts.pop(sock))
        self._close_attempts()
        self.driver.disarm(self)
        self._stand(sock, peer)

    def _stand(self, sock: socket.socket, peer: Peer) -> None:
        """Take a connection that stands: announce the client if that is wished, then TLS if that is implicit."""
        self._sock, self._peer = sock, peer
        self._interest = READ | WRITE
        if self.endpoint.proxy:
            try:
                self._announce(self.endpoint.proxy)
            except Broken as broken:
                self.phase = STANDING
                self._break(broken.fault)
                return
        if self._prepared:
            self.phase = SHAKING
            self._tls = self._prepared
            self._shake(self._tls)
        else:
            self.phase = STANDING
            self._watch()
            self._tell_opened()

    def _announce(self, proxy: ProxyHeader) -> None:
        """Send the PROXY header; where it says nothing the connection's own ends are announced."""
        from runner.proxy import header  # noqa: PLC0415 - few servers stand behind a proxy

        source, destination = net.announced_ends(self._sock, proxy)
        try:
            data = header(proxy.version, source, destination)
        except ValueError as error:
            raise Broken(Fault(FaultKind.LOCAL, str(error))) from error
        announced = f"{source} to {destination}" if source and destination else "an unknown client"
        self._peer = replace(self._peer, announced=f"PROXY v{proxy.version}: {announced}")
        self._send(data)

    def _tell_opened(self) -> None:
        self._is_open = True
        self.driver.tell(self.seat, self.seat.player.opened, self.sid, self._peer)

    def _close_attempts(self) -> None:
        for sock in self._attempts:
            self.driver.forget(sock)
            sock.close()
        self._attempts.clear()

    # --- a command ---

    def _start_command(self, command: tuple[str, ...]) -> None:
        from runner.process import Process  # noqa: PLC0415 - subprocess, for the few that need it

        driver = self.driver
        driver.allow_one_more()
        try:
            process = Process(command)
        except Broken as broken:
            self._break(broken.fault)
            return
        self._process, self._sock = process, process.sock
        try:
            for fd, interest in ((process.sock.fileno(), READ | WRITE), (process.errors.fileno(), READ)):
                driver.poller.register(fd, interest)
                driver.by_fd[fd] = self
        except OSError as error:  # the system's number of watched files is used up
            self.phase = STANDING
            self._break(net.os_fault(error))
            return
        self._stand(process.sock, Peer("", str(self.endpoint), is_loopback=True))

    def _read_errors(self, process: Process) -> None:
        """Tell what the command has said on standard error, line by line."""
        if process.errors.closed:
            return
        lines, is_closed = process.read_errors()
        if is_closed:
            self._forget_errors(process)
            process.errors.close()
        for line in lines:
            self._note(f"standard error: {line}")

    def _forget_errors(self, process: Process) -> None:
        fd = process.errors.fileno()
        if self.driver.by_fd.pop(fd, None):
            self.driver.poller.unregister(fd)

    def _note(self, text: str) -> None:
        if self._is_open and self.phase in (SHAKING, STANDING):
            self.driver.tell(self.seat, self.seat.player.noted, self.sid, text)

    def _await_exit(self, process: Process) -> None:
        """Tell the end of the command's output, once it has ended and said why, or has had time to."""
        now = self.driver.clock()
        self._process_ends_by = min(self._process_ends_by, now + LAST_WORDS)
        if process.status is None and now < self._process_ends_by:
            self.driver.alarm(self, min(self._process_ends_by, now + process.look_pause()))
            return
        self._read_errors(process)
        if process.status:
            self._note(f"the command ended with {process.ended_with}")
        if self.phase is STANDING:
            self._tell_end(clean=True)

    # --- TLS ---

    def secure(self, wish: TlsWish) -> None:
        """Begin a handshake at the next turn; from now on only its bytes may leave (RFC 3207, section 4)."""
        if self.phase is not STANDING or self._tls:
            raise ValueError(f"session {self.sid} is not one that TLS can begin on")
        self.phase = SHAKING
        try:
            self._prepare_tls(wish)
        except Broken as broken:
            self._fault = broken.fault
        self.driver.soon(Connection._begin_tls, self)

    def _prepare_tls(self, wish: TlsWish) -> None:
        self._prepared = net.Tls(self.driver.contexts.get(wish), wish, self.endpoint.host)

    def _begin_tls(self) -> None:
        """Send the ClientHello, unless clear text waits: that was not asked for, and the player must see it."""
        if self.phase is not SHAKING or self._tls:
            return
        if self._prepared is None:
            self._break(self._fault)
        elif self._read():
            self.driver.soon(Connection._begin_tls, self)
        elif self.phase is SHAKING:
            self._tls = self._prepared
            self._shake(self._tls)

    def _shake(self, tls: Tls) -> None:
        try:
            facts = tls.handshake()
        except Broken as broken:
            self._send(tls.pending())
            self._break(broken.fault)
            return
        self._send(tls.pending())
        if facts:
            self.phase = STANDING
            # The server's first words may have come along with the handshake's last ones.
            self.driver.soon(Connection._read_tls, self)
        self._watch()
        if facts and self._is_open:
            self.driver.tell(self.seat, self.seat.player.secured, self.sid, facts)
        elif facts:
            self._peer = replace(self._peer, tls=facts)
            self._tell_opened()

    def _read_tls(self) -> None:
        if self.phase is not STANDING or self._tls is None or self._ended or not self._flows:
            return
        clear, is_closed, fault = self._tls.read()
        self._send(self._tls.pending())
        if clear:
            self._deliver(clear)
        if self.phase is not STANDING:
            return
        if fault:
            self._break(fault)
        elif is_closed:
            self._end_of_file(clean=True)

    # --- reading ---

    def flow(self, read: bool) -> None:
        """Stop or resume reading."""
        self._flows = read
        if self.phase is STANDING:
            self._watch()
            if read and self._tls:
                self.driver.soon(Connection._read_tls, self)

    def _read(self) -> bool:
        """Take what waits, up to a chunk; return whether there was something."""
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            if self._write_fault:
                self._break(self._write_fault)
            return False
        except OSError as error:
            self._break(self._write_fault or net.os_fault(error))
            return False
        if self._tls:
            self._take_raw(self._tls, data)
        elif data:
            self._deliver(data)
        else:
            self._end_of_file(clean=True)
        return bool(data)

    def _take_raw(self, tls: Tls, data: bytes) -> None:
        if not data:
            self._end_of_file(clean=False)
            return
        tls.feed(data)
        if self.phase is SHAKING:
            self._shake(tls)
        else:
            self._read_tls()

    def _deliver(self, data: bytes) -> None:
        self._owes_answer = False
        seat, driver = self.seat, self.driver
        # As `tell`, spelt out: this is the call that a run consists of.
        try:
            out = seat.player.received(self.sid, data, driver.clock())
            if out:
                driver.carry_out(seat, out)
        except Exception as error:  # noqa: BLE001 - see `tell`
            driver.crash(seat, error)
        else:
            driver.settle(seat)

    def _end_of_file(self, *, clean: bool) -> None:
        if self._write_fault:
            self._break(self._write_fault)
        elif self.phase is SHAKING:
            self._break(Fault(FaultKind.TLS_CLOSED))
        elif self._process and clean:
            self._ended = True
            self._watch()
            self._await_exit(self._process)
        else:
            self._tell_end(clean=clean)

    def _tell_end(self, *, clean: bool) -> None:
        self._ended = True
        self.driver.tell(self.seat, self.seat.player.eof, self.sid, clean)
        if self.phase is STANDING:  # most are closed now, and nothing is to be watched any more
            self._watch()

    def _rest(self) -> None:
        """Leave the loop while the player does not read: a hang-up would be reported turn after turn."""
        fault = net.pending_fault(self._sock) if self._ended else None
        if fault:
            self._break(fault)
        elif not self._queue and self._interest >= 0:
            self.driver.poller.unregister(self._sock.fileno())
            self._interest = _RESTING

    def _break(self, fault: Fault) -> None:
        self.drop()
        self.driver.tell(self.seat, self.seat.player.broke, self.sid, fault)

    # --- writing ---

    def write(self, data: bytes, more: bool) -> None:
        """Send bytes, now as far as the kernel takes them."""
        if self.phase is not STANDING:
            raise ValueError(f"session {self.sid} cannot be written to now")
        self._owes_answer = True
        if self._tls and data:
            try:
                data = self._tls.write(data)
            except Broken as broken:
                self._stop_writing(broken.fault)
                return
        self._send(data)
        if more:
            self._owes_drained = True
            if not self._queue:
                self.driver.soon(Connection._tell_drained, self)

    def _send(self, data: bytes) -> None:
        if self._queue:
            self._queue.append(memoryview(data))
            return
        if not data or self._write_fault:
            return
        try:
            sent = self._sock.send(data, SEND_FLAGS)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._stop_writing(net.os_fault(error))
            return
        if sent < len(data):
            self._queue.append(memoryview(data)[sent:])
            self._watch()

    def _flush(self) -> None:
        queue = self._queue
        while queue:
            try:
                sent = self._sock.send(queue[0], SEND_FLAGS)
            except BlockingIOError:
                return
            except OSError as error:
                self._stop_writing(net.os_fault(error))
                return
            if sent < len(queue[0]):
                queue[0] = queue[0][sent:]
                return
            del queue[0]
        self._watch()
        self._tell_drained()

    def _tell_drained(self) -> None:
        if self._owes_drained and not self._queue and self.phase is STANDING and not self._write_fault:
            self._owes_drained = False
            self.driver.tell(self.seat, self.seat.player.drained, self.sid)

    def _stop_writing(self, fault: Fault) -> None:
        """Read on before the break is told: the server's last words (421 and a close) say why."""
        self._queue.clear()
        self._write_fault = fault
        if self.phase is ENDING:
            self.drop()
        else:
            self.driver.soon(Connection._read_out, self)

    def _read_out(self) -> None:
        if self.phase in (SHAKING, STANDING) and self._read():
            self.driver.soon(Connection._read_out, self)

    def _watch(self) -> None:
        """Have the poller report what is of interest now."""
        reads = not self._ended and (self._flows or self.phase is not STANDING)
        wanted = (READ if reads else 0) | (WRITE if self._queue else 0)
        if wanted == self._interest or (self._interest == _RESTING and not wanted):
            return
        if self._interest == _RESTING:
            self.driver.poller.register(self._sock.fileno(), wanted)
        else:
            self.driver.poller.modify(self._sock.fileno(), wanted)
        self._interest = wanted

    # --- ending ---

    def finish(self) -> None:
        """End in order, without the player: flush, say that no more comes, and wait a moment for the server.

        A close with the server's answer unread would be a reset, and could cost it our last words; so where an
        answer is owed it is read and dropped, for `GOODBYE` seconds at most.
        """
        if self.phase is not STANDING or self._write_fault:
            self.drop()
            return
        self.phase = ENDING
        self._let_go()
        if self._tls:
            self._send(self._tls.close())
        if self.phase is not ENDING:
            return
        if not self._queue and (self._ended or not self._owes_answer):
            self.drop()
            return
        self.driver.ending.add(self)
        self.driver.alarm(self, self.driver.clock() + self.driver.goodbye)
        self._go_on_ending()

    def _discard(self) -> None:
        if self.phase is not ENDING:
            return
        try:
            self._ended = not self._sock.recv(CHUNK)
        except BlockingIOError:
            pass
        except OSError:
            self.drop()
            return
        self._go_on_ending()

    def _go_on_ending(self) -> None:
        if self.phase is not ENDING:
            return
        if not self._queue and (self._ended or not net.end_writing(self._sock)):
            self.drop()
        else:
            self._watch()

    def reset(self) -> None:
        """Drop the connection so that the server sees a reset."""
        if self.phase in (SHAKING, STANDING, ENDING):
            self.driver.forget(self._sock)
            net.reset(self._sock)
        self.drop()

    def drop(self, *, is_late: bool = False) -> None:
        """Close what is open and let go of everything. May be called again.

        A command whose connection has ended in order, and is not late with it, has a moment to end by itself.
        """
        if self.phase is GONE:
            return
        if self.phase is not OPENING:
            self.driver.forget(self._sock)
            self._sock.close()
        if self._process:
            is_orderly = self.phase is ENDING and not is_late
            self._leave_command(self._process, self.driver.goodbye if is_orderly else 0.0)
        self.phase = GONE
        self._close_attempts()
        self._let_go()
        self.driver.ending.discard(self)
        self.driver.disarm(self)
        self._queue.clear()
        self._tls = self._prepared = None

    def _leave_command(self, process: Process, grace: float) -> None:
        self._process = None
        if not process.errors.closed:
            self._forget_errors(process)
        process.end(self.driver, grace)

    def _let_go(self) -> None:
        """Make room for another connection by this name; nothing of this one reaches the player any more."""
        if self.seat.connections.get(self.sid) is self:
            del self.seat.connections[self.sid]
