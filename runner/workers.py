"""Calls that may wait, in threads beside the loop; their outcomes come in the loop's thread.

A call that is never done holds its thread and nothing else: threads are daemons, and no more than a few.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Calls under way at once: a Kerberos server that does not answer holds a thread for a minute.
WORKERS = 8


class Workers:
    """Calls functions in threads; `collect`, after a `wake`, hands out what they returned or raised."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._queue: deque[tuple[Callable[[], object], Callable[[object], None]]] = deque()
        self._outcomes: deque[tuple[object, Callable[[object], None]]] = deque()
        self._running = 0

    def do(self, call: Callable[[], object], done: Callable[[object], None]) -> None:
        """Call `call` beside the loop, and `done` with its outcome from `collect`."""
        self._queue.append((call, done))
        self._start()

    def _start(self) -> None:
        while self._queue and self._running < WORKERS:
            self._running += 1
            call, done = self._queue.popleft()
            try:
                threading.Thread(target=self._work, args=(call, done), name="worker", daemon=True).start()
            except RuntimeError as error:
                self._tell(error, done)

    def _work(self, call: Callable[[], object], done: Callable[[object], None]) -> None:
        try:
            outcome = call()
        except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it in another thread
            outcome = error
        self._tell(outcome, done)

    def _tell(self, outcome: object, done: Callable[[object], None]) -> None:
        self._outcomes.append((outcome, done))
        self._wake()

    def collect(self) -> None:
        """Hand out the outcomes that have come. To be called in the loop's thread."""
        while self._outcomes:
            outcome, done = self._outcomes.popleft()
            self._running -= 1
            done(outcome)
        self._start()
