"""The connection of a dialogue that is had at a prompt: a driver in a thread of its own, and one lock for both sides.

The driver's thread tells the dialogue what came and sends what that answers at once; the prompt's thread says lines
and waits. Whoever touches the dialogue holds `gate`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from runner.recording.dialogue import Dialogue
from runner.session import Driver
from runner.wire import Close, Done, Endpoint, Fault, FaultKind, Open, Out, Peer, Secure, TlsFacts, TlsWish, Work, Write

# Seconds for a goodbye's answer and the end of the connection, as a run has them.
FAREWELL = 2.0
# A wait is cut in parts, so that a signal is heard in each.
_PART = 0.2
_SESSION = 0


class _Caller:
    """The player of the driver: it hands on what comes, and does what the prompt's thread asks for."""

    def __init__(self, endpoint: Endpoint, wish: TlsWish, dialogue: Dialogue, gate: threading.Condition) -> None:
        self.deadline = math.inf
        self.asked: SimpleQueue[Out] = SimpleQueue()
        self._endpoint, self._wish = endpoint, wish
        self._dialogue = dialogue
        self._gate = gate

    def _next(self) -> Work:
        """Wait for what is asked for next, beside the loop."""
        return Work(self.asked.get)

    def start(self, _: float) -> Out:
        return Open(_SESSION, self._endpoint), self._next()

    def worked(self, _: Work, outcome: object, __: float) -> Out:
        if not isinstance(outcome, tuple):
            return (Done(None),)
        return outcome if any(isinstance(one, Done) for one in outcome) else (*outcome, self._next())

    def opened(self, _: int, peer: Peer, __: float) -> Out:
        return self._told(lambda: self._dialogue.opened(peer))

    def received(self, _: int, data: bytes, __: float) -> Out:
        return self._told(lambda: self._dialogue.received(data))

    def secured(self, _: int, facts: TlsFacts, __: float) -> Out:
        return self._told(lambda: self._dialogue.secured(facts))

    def drained(self, _: int, __: float) -> Out:
        return ()

    def eof(self, _: int, clean: bool, __: float) -> Out:  # noqa: ARG002 -- the driver's interface
        return self._told(self._dialogue.hung_up)

    def broke(self, _: int, fault: Fault, __: float) -> Out:
        if fault.kind is FaultKind.RESET and self._dialogue.peer is not None:
            return self._told(lambda: self._dialogue.lost(f"the server has dropped the connection: {fault}"))
        return self._told(lambda: self._dialogue.lost(told(fault, self._endpoint)))

    def noted(self, _: int, text: str, __: float) -> Out:
        return self._told(lambda: self._dialogue.tell("note", text))

    def tick(self, _: float) -> Out:
        return ()

    def stop(self, _: str, __: float) -> Out:
        return (Done(None),)

    def _told(self, tell: Callable[[], bytes | None]) -> Out:
        """Tell the dialogue, and return what that brings about at once."""
        with self._gate:
            answer = tell()
            wants_handshake = self._dialogue.wants_handshake
            self._gate.notify_all()
            out: Out = (Write(_SESSION, answer),) if answer else ()
            if wants_handshake:
                out += (Secure(_SESSION, self._wish),)
            return (*out, Close(_SESSION, "reset")) if self._dialogue.is_lost else out


def told(fault: Fault, endpoint: Endpoint) -> str:
    """Return why there is no connection, and what to do about a certificate that is not trusted here."""
    if fault.kind is FaultKind.TLS_UNTRUSTED:
        return advised(fault)
    if fault.kind.name.startswith("TLS_"):
        return f"the TLS handshake with {endpoint} failed: {fault}"
    return f"no connection to {endpoint}: {fault}"


def advised(fault: Fault) -> str:
    """Return what a fault is, and what to do about a certificate that is not trusted here."""
    advice = "; a CA of your own is named by --ca FILE, and --no-verify takes any certificate"
    return f"{fault}{advice}" if fault.kind is FaultKind.TLS_UNTRUSTED else str(fault)


class Call:
    """A connection that stands until the `with` ends."""

    def __init__(self, endpoint: Endpoint, wish: TlsWish, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.gate = threading.Condition(threading.RLock())
        self._caller = _Caller(endpoint, wish, dialogue, self.gate)
        self._driver = Driver(crashed=self._crashed)
        self._driver.add(self._caller, lambda _: None)
        self._thread = threading.Thread(target=self._run, name="connection", daemon=True)
        self.crash: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._caller.asked.put((Close(_SESSION), Done(None)))
        self._thread.join(FAREWELL)

    def _run(self) -> None:
        try:
            self._driver.run()
        finally:
            self._driver.close()

    def _crashed(self, _: object, error: Exception) -> None:
        with self.gate:
            self.crash = error
            self.dialogue.lost("the connection was given up")
            self.gate.notify_all()

    def send(self, data: bytes) -> None:
        """Send bytes that the dialogue has made; the caller holds `gate` since."""
        if data:
            self._caller.asked.put((Write(_SESSION, data),))

    def wait(self, is_so: Callable[[], object], seconds: float) -> bool:
        """Wait until something is so, no longer than that; return whether it is. A signal may raise out of it."""
        until = time.monotonic() + seconds
        with self.gate:
            while not is_so():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self.gate.wait(min(left, _PART))
            return True

    def wait_for_quiet(self, seconds: float) -> None:
        """Wait until nothing has come for so long."""
        with self.gate:
            before = -1
            while before != self.dialogue.came and not self.dialogue.end:
                before = self.dialogue.came
                self.gate.wait(seconds)

    def part(self) -> None:
        """Say goodbye where that would be read as one, and wait for its answer; the scenario does not hold it."""
        with self.gate:
            dialogue = self.dialogue
            if dialogue.end or not dialogue.machine.may_say_goodbye or dialogue.machine.is_amid_reply:
                dialogue.left()
                return
            machine = dialogue.machine
            line = machine.lead(machine.goodbye) + machine.goodbye
            dialogue.left()  # what is said from now on is not kept
            self.send(line)
