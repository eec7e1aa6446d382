"""The driver: gives players sockets, TLS and a clock; many players, one loop.

A player is called with bytes and the time and answers with actions (`wire`), which are carried out in order.
The driver must not know what the bytes mean, nor what a player's result is.

Its rules: a player is never called from within its own call; what an action brings about at once is told at
the loop's next turn. Sockets are made at a turn's start only, before it asks what is ready, so that no report
about a closed descriptor can hit the connection that got its number. One read a turn and connection, so that
no server holds up another's case.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from runner import net
from runner.connection import NEVER, PLAYING, Connection, Player, Seat, Timed
from runner.net import READ
from runner.wire import Close, Done, Flow, Open, Out, Secure, Work, Write

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from runner.process import Process
    from runner.workers import Workers

__all__ = ["Driver", "Player"]

# Seconds that an orderly end may take once the player has let go of the connection; less when stopping.
GOODBYE = 1.0
STOPPING_GOODBYE = 0.25
# Seconds of one wait: a deadline beyond what the system's call can hold is waited for in parts.
LONGEST_WAIT = 3600.0
# Descriptors asked about in one wait; the rest come in the next.
MOST_EVENTS = 2048
# Connections that any system's limit of open files allows; it is seen to beyond them.
FILES = 256
# Objects made between two searches for cycles; players and results are many and have none, and each search looks at
# all of them.
CYCLES = 200_000
# Dead timers are swept out when they are this many and the greater part.
SWEEP = 1024


class Driver:
    """Plays any number of players at once, in the thread that calls `run`.

    `clock` gives monotonic seconds. `crashed` makes a result of an exception that a player's method raised; it
    can be given to `add` too. Without one, the exception comes out of `run`.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        crashed: Callable[[Any, Exception], Any] | None = None,
    ) -> None:
        self.clock = clock
        self.poller = net.new_poller()
        self.contexts = net.TlsContexts()
        self.goodbye = GOODBYE
        self.by_fd: dict[int, Connection] = {}
        self.ending: set[Connection] = set()
        self.leaving: set[Process] = set()
        self._crashed = crashed
        self._must_forget = isinstance(self.poller, net.SelectorPoller)
        self._wakeup = net.Wakeup()
        self.resolver = net.Resolver(self._wakeup.wake, clock)
        self._workers: Workers | None = None
        self.poller.register(self._wakeup.fileno(), READ)
        self._fresh: deque[Seat] = deque()
        self._seats: dict[Seat, None] = {}  # in the order of their start
        self._soon: deque[tuple[Callable[[Connection], None], Connection]] = deque()
        self._stops: deque[str] = deque()
        self._timers: list[tuple[float, int, Timed]] = []
        self._number = itertools.count()
        self._dead_timers = 0
        self._files = FILES

    def add(
        self,
        player: Player,
        done: Callable[[Any], None],
        crashed: Callable[[Any, Exception], Any] | None = None,
    ) -> None:
        """Start a player at the loop's next turn; `done` is called once, with its result.

        To be called before `run`, or from `done`. A player that is added when `stop` was called already is
        not started, but stopped at once.
        """
        self._fresh.append(Seat(self, player, done, crashed or self._crashed))

    def run(self) -> None:
        """Play until every player has ended; `done` may add further ones."""
        gc.freeze()
        thresholds = gc.get_threshold()
        gc.set_threshold(CYCLES, *thresholds[1:])
        try:
            while self._fresh or self._seats or self.ending or self.leaving:
                self._turn()
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()

    def stop(self, why: str) -> None:
        """Stop every player; each then runs to its end. May be called from any thread or signal handler."""
        self._stops.append(why)
        self._wakeup.wake()

    def close(self) -> None:
        """Close every socket and end every command. The driver cannot be used again."""
        for connection in {*self.by_fd.values(), *self.ending}:
            connection.drop(is_late=True)
        if self.leaving:
            from runner.process import end_now  # noqa: PLC0415 - subprocess, for the few that need it

            end_now(self.leaving)
        self.poller.close()
        self._wakeup.close()

    # --- the loop ---

    def _turn(self) -> None:
        self._deliver_stops()
        self._start_fresh()
        for _ in range(len(self._soon)):
            call, connection = self._soon.popleft()
            call(connection)
        wakeup = self._wakeup.fileno()
        by_fd = self.by_fd
        for fd, mask in self.poller.poll(self._wait(), MOST_EVENTS):
            if found := by_fd.get(fd):
                found.ready(fd, mask)
            elif fd == wakeup:
                self._wakeup.clear()
                self.resolver.collect()
                if self._workers:
                    self._workers.collect()
        self._call_due()

    def _wait(self) -> float | None:
        """Return for how many seconds there is nothing to do but wait for the sockets."""
        if self._soon or self._fresh or self._stops or not (self._seats or self.ending or self.leaving):
            return 0
        if not self._timers:
            return None
        return min(max(0.0, self._timers[0][0] - self.clock()), LONGEST_WAIT)

    def _start_fresh(self) -> None:
        for _ in range(len(self._fresh)):
            seat = self._fresh.popleft()
            self._seats[seat] = None
            self.tell(seat, seat.player.start)

    def _deliver_stops(self) -> None:
        while self._stops:
            why = self._stops.popleft()
            self.goodbye = STOPPING_GOODBYE
            while self._fresh:
                self._seats[self._fresh.popleft()] = None
            for seat in list(self._seats):
                self.tell(seat, seat.player.stop, why)

    # --- time ---

    def alarm(self, target: Timed, when: float) -> None:
        """Call `target.due` at `when`; what was set before no longer counts."""
        if target.armed != NEVER:
            self._dead_timers += 1
        target.armed = when
        heappush(self._timers, (when, next(self._number), target))

    def disarm(self, target: Timed) -> None:
        """Forget a target's alarm, so that the heap does not keep what has ended."""
        if target.armed == NEVER:
            return
        target.armed = NEVER
        self._dead_timers += 1
        if self._dead_timers > SWEEP and self._dead_timers * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if timer[0] == timer[2].armed]
            heapify(self._timers)
            self._dead_timers = 0

    def _call_due(self) -> None:
        timers = self._timers
        if not timers or timers[0][0] > (now := self.clock()):
            return
        due = []
        while timers and timers[0][0] <= now:
            due.append(heappop(timers))
        for when, _, target in due:
            if target.armed == when:
                target.armed = NEVER
                target.due()

    # --- players ---

    def soon(self, call: Callable[[Connection], None], connection: Connection) -> None:
        """Call at the next turn, if the connection is still there then (the call's own first question)."""
        self._soon.append((call, connection))

    def tell(self, seat: Seat, call: Callable[..., Out], *what: object) -> None:
        """Call a method of a player and carry out what it answers."""
        try:
            out = call(*what, self.clock())
            if out:
                self.carry_out(seat, out)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not harm the other players
            self.crash(seat, error)
        else:
            self.settle(seat)

    def settle(self, seat: Seat) -> None:
        """After a call: end the player that is done, arm an earlier deadline."""
        if seat.result is not PLAYING:
            self._end(seat)
        elif seat.player.deadline < seat.armed:
            self.alarm(seat, seat.player.deadline)

    def carry_out(self, seat: Seat, out: Out) -> None:
        """Carry out a player's actions, in order."""
        for action in out:
            if isinstance(action, Write):
                if connection := seat.connections.get(action.sid):
                    connection.write(action.data, action.more)
            elif isinstance(action, Done):
                seat.result = action.result
                return
            elif isinstance(action, Open):
                self._open(seat, action)
            else:
                self._carry_out_rare(seat, action)

    def _open(self, seat: Seat, action: Open) -> None:
        if before := seat.connections.get(action.sid):
            before.finish()
        connection = seat.connections[action.sid] = Connection(self, seat, action.sid, action.endpoint)
        self.soon(Connection.open, connection)

    def _carry_out_rare(self, seat: Seat, action: Secure | Flow | Close | Work) -> None:
        if isinstance(action, Work):
            self._work(seat, action)
            return
        # A connection that just broke may still be spoken to: the player hears of it at the next turn.
        connection = seat.connections.get(action.sid)
        if connection is None:
            return
        if isinstance(action, Close):
            if action.how == "fin":
                connection.finish()
            else:
                connection.reset()
        elif isinstance(action, Secure):
            connection.secure(action.wish)
        else:
            connection.flow(action.read)

    def _work(self, seat: Seat, work: Work) -> None:
        if self._workers is None:
            from runner.workers import Workers  # noqa: PLC0415 - threads, for the few that need them

            self._workers = Workers(self._wakeup.wake)

        def done(outcome: object) -> None:
            if seat.result is PLAYING:
                self.tell(seat, seat.player.worked, work, outcome)

        self._workers.do(work.call, done)

    def crash(self, seat: Seat, error: Exception) -> None:
        """End a player that raised; its connections are dropped."""
        for connection in list(seat.connections.values()):
            connection.reset()
        if seat.crashed is None:
            raise error
        seat.result = seat.crashed(seat.player, error)
        self._end(seat)

    def _end(self, seat: Seat) -> None:
        for connection in list(seat.connections.values()):
            connection.finish()
        self.disarm(seat)
        self._seats.pop(seat, None)
        del seat.player  # a dead timer may keep the seat for a while
        seat.done(seat.result)

    def forget(self, sock: socket.socket) -> None:
        """Take a socket out of the loop before it is closed."""
        fd = sock.fileno()
        if self.by_fd.pop(fd, None) and self._must_forget:
            self.poller.unregister(fd)

    def allow_one_more(self) -> None:
        """See to it that the system lets us open one more socket, where it can be seen to."""
        if len(self.by_fd) >= self._files:
            self._files = len(self.by_fd) * 2 + net.SPARE_FILES
            net.allow_files(self._files)
