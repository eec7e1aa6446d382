r"""Plays a player against a server that is a generator: no sockets, a clock of its own, no waiting.

    def server():
        line = yield b"220 hello\r\n"          # what the player receives; then the client's next bytes
        assert line == b"EHLO client.example\r\n"
        line = yield (b"250-mx\r\n", b"250 SIZE\r\n")   # two segments
        yield (b"221 bye\r\n", EOF)

    played = play(player, server)
    assert played.result == ...; played.sent[0] == b"EHLO client.example\r\n"...

`server` is called once for each Open, with the sid if it takes an argument; it returns a generator, or a
Fault (the connection cannot be had). A generator yields bytes, one of the constants or a tuple of these, and
`None` or `()` for silence until the client writes; each `yield` gives back the client's next bytes (what it
wrote in one go is one chunk). Constants:

    EOF     the server ends (with TLS: by close_notify); RAGGED_EOF ends TLS without close_notify
    RESET   the connection breaks; any Fault may stand in its place
    STALL   the clock goes to the player's deadline and `tick` is called
    STOP    `stop("interrupted")` is called

When nothing is left to happen the clock goes to the player's deadline too, so silence is a stall. A handshake
is answered by `secured` (implicit TLS: by `opened`) with `tls`, or by `broke` if that is a Fault; bytes that the
server has yielded after its go-ahead come before it, in clear text, as with the real driver. With `greets_after_tls`
the server has its turn once it is done.

The driver is strict where the real one is lenient: a Write to what is not open, a tick that moves nothing, an
answer after Done, or 20,000 turns without an end are AssertionErrors.
"""

from __future__ import annotations

import inspect
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runner.wire import Close, Done, Fault, FaultKind, Flow, Open, Peer, Secure, TlsFacts, Work, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class _Mark:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


EOF = _Mark("EOF")
RAGGED_EOF = _Mark("RAGGED_EOF")
STALL = _Mark("STALL")
STOP = _Mark("STOP")
RESET = Fault(FaultKind.RESET)
FACTS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", verified=True)
PEER = Peer("127.0.0.1", "127.0.0.1", is_loopback=True)
TURNS = 20_000


@dataclass
class Played:
    """What came of it: the result, the bytes sent by sid, every action, and the clock at the end."""

    result: Any
    sent: dict[int, bytes]
    actions: list[Any]
    now: float


@dataclass
class _Line:
    """One connection: its generator, and what waits while the player does not read."""

    server: Generator[Any, bytes, None] | None
    reads: bool = True
    is_open: bool = False
    held: list[Any] = field(default_factory=list)


class MemoryDriver:
    """The driver; `play` is the short way to it. `elapses` is what each call takes on its clock, in seconds."""

    def __init__(
        self,
        server: Callable[..., Any],
        *,
        tls: TlsFacts | Fault = FACTS,
        peer: Peer = PEER,
        now: float = 1000.0,
        elapses: float = 0.001,
        greets_after_tls: bool = False,
    ) -> None:
        self.now = now
        self._greets_after_tls = greets_after_tls
        self.actions: list[Any] = []
        self.sent: dict[int, bytes] = {}
        self._server = server
        self._tls = tls
        self._peer = peer
        self._elapses = elapses
        self._lines: dict[int, _Line] = {}
        self._events: deque[tuple[str, int, _Line | None, Any]] = deque()
        self._result: list[Any] = []

    def play(self, player: Any) -> Played:
        """Play it to its end."""
        self._player = player
        self._carry_out(player.start(self.now))
        for _ in range(TURNS):
            if self._result:
                break
            self._turn()
        else:
            raise AssertionError(f"no end after {TURNS} turns; the last actions: {self.actions[-5:]}")
        late = player.tick(self.now)
        assert late == (), f"an answer after Done: {late}"
        return Played(self._result[0], self.sent, self.actions, self.now)

    def _turn(self) -> None:
        self.now += self._elapses
        if not self._events:
            self._stall()
            return
        kind, sid, line, what = self._events.popleft()
        if line is not None and self._lines.get(sid) is not line:
            return  # of a connection that was closed meanwhile
        getattr(self, f"_on_{kind}")(sid, line, what)

    def _stall(self) -> None:
        self.now = max(self.now, self._player.deadline)
        assert self.now < float("inf"), "the player waits for ever: nothing is left to happen"
        out = self._player.tick(self.now)
        moved = out or self._player.deadline > self.now
        assert moved, f"a tick at the deadline {self._player.deadline} changed nothing"
        self._carry_out(out)

    def _carry_out(self, out: tuple[Any, ...]) -> None:
        assert isinstance(out, tuple), f"actions are a tuple, not {out!r}"
        for action in out:
            self.actions.append(action)
            if isinstance(action, Done):
                self._result.append(action.result)
                return
            getattr(self, f"_do_{type(action).__name__.lower()}")(action)

    # --- actions ---

    def _do_open(self, action: Open) -> None:
        takes_sid = bool(inspect.signature(self._server).parameters)
        server = self._server(action.sid) if takes_sid else self._server()
        fault = server if isinstance(server, Fault) else None
        if action.endpoint.tls and isinstance(self._tls, Fault):
            fault = fault or self._tls
        line = self._lines[action.sid] = _Line(None if fault else server)
        facts = self._tls if action.endpoint.tls else None
        answer = ("fault", fault) if fault else ("opened", replace(self._peer, tls=facts))
        self._events.append((answer[0], action.sid, line, answer[1]))

    def _do_write(self, action: Write) -> None:
        line = self._lines.get(action.sid)
        assert line, f"a write to what is not open: {action}"
        assert line.is_open, f"a write to what is not open: {action}"
        self.sent[action.sid] = self.sent.get(action.sid, b"") + action.data
        if self._events and self._events[-1][:3] == ("wrote", action.sid, line):
            action = replace(action, data=self._events.pop()[3] + action.data)
        self._events.append(("wrote", action.sid, line, action.data))
        if action.more:
            self._events.append(("drained", action.sid, line, None))

    def _do_secure(self, action: Secure) -> None:
        line = self._lines[action.sid]
        is_fault = isinstance(self._tls, Fault)
        self._events.append(("fault" if is_fault else "secured", action.sid, line, self._tls))

    def _do_work(self, action: Work) -> None:
        try:
            outcome = action.call()
        except Exception as error:  # noqa: BLE001 - an outcome as any other
            outcome = error
        self._events.append(("worked", 0, None, (action, outcome)))

    def _do_flow(self, action: Flow) -> None:
        line = self._lines[action.sid]
        line.reads = action.read
        if action.read:
            held, line.held = line.held, []
            self._events.extendleft(("feed", action.sid, line, what) for what in reversed(held))

    def _do_close(self, action: Close) -> None:
        line = self._lines.pop(action.sid, None)
        if line and line.server:
            line.server.close()

    # --- events ---

    def _on_opened(self, sid: int, line: _Line, peer: Peer) -> None:
        line.is_open = True
        self._carry_out(self._player.opened(sid, peer, self.now))
        self._say(sid, line, None)

    def _on_wrote(self, sid: int, line: _Line, data: bytes) -> None:
        self._say(sid, line, data)

    def _on_drained(self, sid: int, line: _Line, _: None) -> None:
        self._carry_out(self._player.drained(sid, self.now))

    def _on_worked(self, sid: int, line: None, what: tuple[Work, object]) -> None:
        self._carry_out(self._player.worked(*what, self.now))

    def _on_secured(self, sid: int, line: _Line, facts: TlsFacts) -> None:
        self._carry_out(self._player.secured(sid, facts, self.now))
        if self._greets_after_tls:
            self._say(sid, line, None)

    def _on_fault(self, sid: int, line: _Line, fault: Fault) -> None:
        del self._lines[sid]
        self._carry_out(self._player.broke(sid, fault, self.now))

    def _on_feed(self, sid: int, line: _Line, what: Any) -> None:
        if not line.reads:
            line.held.append(what)
        elif what is STALL:
            self._stall()
        elif what is STOP:
            self._carry_out(self._player.stop("interrupted", self.now))
        elif isinstance(what, Fault):
            self._on_fault(sid, line, what)
        elif what is EOF or what is RAGGED_EOF:
            self._carry_out(self._player.eof(sid, what is EOF, self.now))
        else:
            self._carry_out(self._player.received(sid, what, self.now))

    def _say(self, sid: int, line: _Line, heard: bytes | None) -> None:
        """Let the server hear the client's bytes, and queue what it says to them."""
        if line.server is None or self._lines.get(sid) is not line:
            return
        try:
            said = line.server.send(heard)  # type: ignore[arg-type]
        except StopIteration:
            line.server = None
            return
        for what in said if isinstance(said, tuple) else (said,):
            if what is not None and what != b"":
                self._events.append(("feed", sid, line, what))


def play(player: Any, server: Callable[..., Any], **options: Any) -> Played:
    """Play a player against a server; the options are MemoryDriver's."""
    return MemoryDriver(server, **options).play(player)
