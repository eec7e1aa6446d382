"""The embedded mail server: what `mailproof demo` and `mailproof serve` talk to.

It answers as a well-kept server for submission, or for LMTP, would, on top of aiosmtpd (extra `demo`), in a thread
with a loop of its own. It delivers nothing: of a message only the envelope and the size are kept. It knows nothing of
scenarios. What is heavy to import is imported when a server starts, as every command pays for what this package loads.
"""

from __future__ import annotations

from runner.demo.server import DemoServer, ListenError, load_demo
from runner.demo.settings import KEPT_MESSAGES, Accepted, DemoSettings

__all__ = ["KEPT_MESSAGES", "Accepted", "DemoServer", "DemoSettings", "ListenError", "load_demo"]
