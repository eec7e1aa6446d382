"""The embedded mail server: what `mailproof demo` and `mailproof serve` talk to.

It answers as a well-kept server would: for submission and LMTP on top of aiosmtpd, for IMAP and ManageSieve by pymap
(extra `demo`), in a thread with a loop of its own. Mail goes nowhere but into its own mailboxes, in memory, and not
even there without a door to find it by. It knows nothing of scenarios. What is heavy to import is imported when a
server starts, as every command pays for what this package loads.
"""

from __future__ import annotations

from runner.demo.server import DemoDoor, DemoServer, ListenError, load_demo
from runner.demo.settings import KEPT_MESSAGES, Accepted, DemoSettings

__all__ = ["KEPT_MESSAGES", "Accepted", "DemoDoor", "DemoServer", "DemoSettings", "ListenError", "load_demo"]
