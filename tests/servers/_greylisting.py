"""A policy service that greylists, as postgrey does: Postfix asks it about each recipient (SMTPD_POLICY_README)."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterator

from ._running import HOST

# Seconds that a triplet must wait; real ones say minutes.
DELAY = 1.0


class _Answers(socketserver.StreamRequestHandler):
    """One connection of an smtpd: requests are attributes up to an empty line."""

    server: _Service

    def handle(self) -> None:
        request: dict[str, str] = {}
        for line in self.rfile:
            name, found, value = line.decode().rstrip("\n").partition("=")
            if found:
                request[name] = value
                continue
            self.wfile.write(f"action={self.server.judge(request)}\n\n".encode())
            request = {}


class _Service(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Answers)
        self._seen: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def judge(self, request: dict[str, str]) -> str:
        """Defer a triplet until it has been known for long enough."""
        triplet = tuple(request.get(name, "") for name in ("client_address", "sender", "recipient"))
        with self._lock:
            first = self._seen.setdefault(triplet, time.monotonic())
        is_due = time.monotonic() - first >= DELAY
        return "DUNNO" if is_due else "DEFER_IF_PERMIT Greylisted, come back later"


@contextlib.contextmanager
def greylisting_policy() -> Iterator[str]:
    """Run the service; yields what a Postfix restriction says to ask it."""
    with _Service() as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"check_policy_service inet:{HOST}:{service.server_address[1]}"
        finally:
            service.shutdown()
            thread.join()
