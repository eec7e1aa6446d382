"""Signals that ask a command to end: it hears them while it does its work, and no longer."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """Let a function handle signals; SIGHUP not where `nohup` has it ignored."""
    before = {number: signal.getsignal(number) for number in numbers}
    for number, old in before.items():
        if number != signal.SIGHUP or old is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
