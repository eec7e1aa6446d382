"""The connections of one case, by number: all that are in use, and of those that have ended the first and the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.player.link import Link

# Loops open connection after connection: the first tell how it began, the last how it ended.
FIRST_KEPT = 20
LAST_KEPT = 80


class Record:
    """Every connection that a case has opened, but for those that are kept no longer."""

    __slots__ = ("_gap_at", "_left_out", "_opened", "links")

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}  # by number, as far as they are kept
        self._opened = 0
        self._left_out = 0
        self._gap_at: float | None = None

    def next_sid(self) -> int:
        """Return the number of the connection that is opened next."""
        return self._opened

    def add(self, link: Link, in_use: Collection[Link]) -> None:
        """Keep a connection; one that is over and neither of the first nor of the last goes."""
        self._opened += 1
        self.links[link.sid] = link
        if len(self.links) > FIRST_KEPT + LAST_KEPT:
            self._leave_out(in_use)

    def _leave_out(self, in_use: Collection[Link]) -> None:
        for sid, link in list(self.links.items())[FIRST_KEPT:-LAST_KEPT]:
            if link.is_dropped and link not in in_use:
                del self.links[sid]
                self._left_out += 1
                if self._gap_at is None:
                    self._gap_at = link.transcript.started
                return

    def transcripts(self) -> tuple[Transcript, ...]:
        """Return what went over the connections, with a word for those that are left out."""
        kept = [link.transcript for link in self.links.values()]
        if self._left_out:
            gap = Transcript(kept[FIRST_KEPT - 1].session)
            started = self._gap_at if self._gap_at is not None else 0.0
            gap.note(started, f"{self._left_out} connections are left out here")
            kept.insert(FIRST_KEPT, gap)
        return tuple(kept)
