"""What was sent while a reply is owed that decides how the server reads it: it waits until that reply tells.

After DATA or AUTH, or a literal that the server is to ask for, a client that does not wait sends lines whose meaning
nobody knows yet. They are kept here, and read as the server does once it has said what they are.
"""

from __future__ import annotations

from runner.protocol.base import PROMISED, Limits, Machine


class UndecidedMachine(Machine):
    """The part of a machine that puts off what it can't read yet; `sent` adds to `_undecided` meanwhile."""

    __slots__ = ("_is_undecided", "_promised_size", "_undecided")

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        self._is_undecided = False  # a reply is owed that decides how the server reads what follows
        self._undecided = bytearray()  # what was sent since
        self._promised_size = 0  # so many octets of that earn what the author says

    def _decided(self) -> None:
        """Read what was put off, now that it is known how the server reads it."""
        self._is_undecided = False
        if not self._undecided:
            return
        waiting, self._undecided = bytes(self._undecided), bytearray()
        if size := self._promised_size:
            counted = len(self.owed)
            self.sent(waiting[:size])
            self._redeem(counted)
            self._promised_size = len(self._undecided)
        self.sent(waiting[size:])

    def _redeem(self, counted: int) -> None:
        """Put what is counted only now in the place of what the author had promised for it; the rest isn't owed."""
        found = [self.owed.pop() for _ in range(len(self.owed) - counted)]
        for at in range(counted):
            if found and self.owed[at] is PROMISED:
                self.owed[at] = found.pop()

    def _forget_undecided(self) -> None:
        """Drop what was put off: it will never be read."""
        self._undecided.clear()
        self._is_undecided, self._promised_size = False, 0
