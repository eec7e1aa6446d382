"""Readiness of descriptors: epoll where there is one, else what `selectors` finds."""

from __future__ import annotations

import select

# What a poller is asked for and answers with: poll(2)'s and epoll(7)'s numbers; any other bit is an error or hang-up.
READ = 1
WRITE = 4


class SelectorPoller:
    """A poller over `selectors` with the methods of `select.epoll`, for systems that have none.

    A closed descriptor leaves an epoll by itself; this one wants to be told of each descriptor's end.
    """

    def __init__(self) -> None:
        import selectors  # noqa: PLC0415 - of no use where there is epoll

        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor for `READ` and `WRITE`; with neither it rests."""
        if mask:
            self._selector.register(fd, _events(mask))

    def modify(self, fd: int, mask: int) -> None:
        """Watch a descriptor for other things."""
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor, also one that rests."""
        try:
            self._selector.unregister(fd)
        except KeyError:
            return

    def poll(self, timeout: float | None, most: int) -> list[tuple[int, int]]:
        """Wait up to `timeout` seconds; return at most `most` pairs of descriptor and mask."""
        ready = self._selector.select(timeout)[:most]
        return [(key.fd, (events & 1 and READ) | (events & 2 and WRITE)) for key, events in ready]

    def close(self) -> None:
        """Free what the system keeps for it."""
        self._selector.close()


def _events(mask: int) -> int:
    return (1 if mask & READ else 0) | (2 if mask & WRITE else 0)


def new_poller() -> select.epoll | SelectorPoller:
    """Return this system's fastest poller."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoller()
