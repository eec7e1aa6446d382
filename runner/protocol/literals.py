"""Lines that may hold literals, both ways (RFC 9051 section 4.3, RFC 5804 section 4), for the protocols that have them.

A server's line is given out *folded*: with the mark `{342}` in its place, and the octets beside it. Of the octets no
more is kept than a reply may have; the rest is counted. A client's line is followed over its literals to its end, and
where a reply decides how the server reads what comes next, that is put off until the reply tells.
What a line means is not known here.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Sequence
from typing import ClassVar

from runner.protocol.base import Limits
from runner.protocol.reply import Literal
from runner.protocol.undecided import UndecidedMachine

# What announces a literal at the end of a server's line, right or wrong; `~` before it is binary (RFC 3516).
_MARK = re.compile(rb"(?:\A|[ (~\[])\{([^{} \r\n]*)\}\Z")
# 20 digits hold any number of octets, and int() of very many is slow.
_SIZE = re.compile(rb"[0-9]{1,20}\+?")
_HUGE = re.compile(rb"[0-9]{21,}\+?")
_SENT_MARK = re.compile(rb"\{([0-9]{1,20})(\+?)\}\Z")


class LiteralMachine(UndecidedMachine):
    """The part of a machine that reads a server's literals and follows the client's."""

    __slots__ = (
        "_folded",
        "_folded_size",
        "_is_continued",
        "_kept",
        "_kept_of_lines",
        "_literal",
        "_literal_count",
        "_literal_left",
        "_literal_size",
        "_literals",
        "_sent_left",
    )

    has_literals = True
    #: Which rule a mark breaks that announces nothing.
    literal_rule: ClassVar[str] = "RFC 9051 section 4.3"

    def __init__(self, limits: Limits, *, lenient: bool = False) -> None:
        super().__init__(limits, lenient=lenient)
        # Of the line that is being received.
        self._folded: list[bytes] = []  # what came of it up to each of its literals, the mark included
        self._folded_size = 0
        self._literals: list[Literal] = []
        self._literal = bytearray()
        self._literal_size = self._literal_left = 0
        # Octets that are kept of the reply that is being received, and how many of them are no literal's.
        self._kept = self._kept_of_lines = 0
        self._literal_count = 0
        # Of the line that is being sent.
        self._sent_left = 0  # octets of a literal that are still due
        self._is_continued = False  # whether the next line goes on with a command that has had a literal

    # From the server.

    def _folded_line(self) -> tuple[bytes, list[Literal]] | None:
        """Take one line off the buffer, over its literals to its end, which is left out.

        Its literals' `at` is 0. None if it is not there yet, or is none that is allowed: then `_refused` says why.
        """
        while not self._literal_left or self._take_octets():
            part = self._line()
            if part is None or not self._may_keep(part):
                return None
            if (written := self._announced(part)) is None:
                return self._end_line(part)
            if not self._begin_literal(part, written):
                return None
        return None

    def _announced(self, part: bytes) -> bytes | None:
        """Return what stands in the mark of a literal at the end of a line; None if there is none."""
        if not part.endswith(b"}") or self._is_text(self._folded[0] if self._folded else part):
            return None
        mark = _MARK.search(part, max(0, part.rfind(b"{") - 1))
        return mark[1] if mark is not None else None

    def _is_text(self, line: bytes) -> bool:  # noqa: ARG002 -- protocols tell
        """Whether a line that begins so holds text for people, in which a mark announces nothing."""
        return False

    def _end_line(self, part: bytes) -> tuple[bytes, list[Literal]]:
        if not self._folded:
            return part, []
        line, literals = b"".join([*self._folded, part]), self._literals
        self._folded, self._folded_size, self._literals = [], 0, []
        return line, literals

    def _begin_literal(self, part: bytes, written: bytes) -> bool:
        """Take note of a literal's size, before anything is made room for."""
        size = int(written.removesuffix(b"+")) if _SIZE.fullmatch(written) else -1
        is_huge = size > self.limits.literal or _HUGE.fullmatch(written) is not None
        if size < 0 and not is_huge:
            self._refuse(part, f"a literal whose size is no number of octets ({self.literal_rule})")
        elif is_huge:
            self._refuse(part, f"a literal of more than {self.limits.literal} octets (limit 'literal')")
        elif self._literal_count >= self.limits.lines:
            self._refuse(part, f"a reply of more than {self.limits.lines} literals")
        else:
            self._folded.append(part)
            self._folded_size += len(part)
            self._literal_count += 1
            self._literal_size = self._literal_left = size
            if not size:
                self._end_literal()
            return True
        return False

    def _take_octets(self) -> bool:
        """Take octets of the literal under way; return whether that was the last of them."""
        taken = min(len(self._buffer), self._literal_left)
        room = max(0, min(taken, self.limits.reply - self._kept))
        if len(self._literal) < self._literal_size - self._literal_left:
            room = 0  # something of it was left out, and what is kept is its beginning
        self._literal += self._buffer[:room]
        self._kept += room
        del self._buffer[:taken]
        self._scanned = 0
        self._literal_left -= taken
        if self._literal_left:
            return False
        self._end_literal()
        return True

    def _end_literal(self) -> None:
        self._literals.append(Literal(self._literal_size, bytes(self._literal), offset=self._folded_size))
        self._literal = bytearray()

    def _may_keep(self, part: bytes) -> bool:
        """Whether a reply may have so much more beside its literals; if not, `_refused` says so.

        Literals never take a line's room: one that ends with a closing parenthesis must not break the reply.
        """
        self._kept += len(part)
        self._kept_of_lines += len(part)
        if self._kept_of_lines <= self.limits.reply:
            return True
        self._refuse(part, f"a reply of more than {self.limits.reply} bytes (limit 'reply')")
        return False

    def _release(self, size: int, literals: Sequence[Literal] = ()) -> None:
        """Give back the room of `size` octets of lines, and of literals, that are no part of the reply any more."""
        self._kept_of_lines -= size
        self._kept -= size + sum(len(one.data) for one in literals)
        self._literal_count -= len(literals)

    def _release_all(self) -> None:
        """Give back all room: the reply was given out."""
        self._kept = self._kept_of_lines = self._literal_count = 0

    @property
    def pending(self) -> bytes:
        """See `Machine.pending`: of the line that is being received, literals shown by their marks."""
        return b"".join(self._folded) + super().pending

    @property
    def progress(self) -> str:
        """See `Machine.progress`."""
        came = self._literal_size - self._literal_left
        return f"{came} of the {self._literal_size} octets of a literal" if self._literal_left else ""

    @property
    def is_amid_reply(self) -> bool:
        """See `Machine.is_amid_reply`: only of a line, for whole ones may come at any time."""
        return bool(self._buffer or self._folded)

    @property
    def has_half_line(self) -> bool:
        """See `Machine.has_half_line`."""
        return self.is_amid_reply

    def _forget_received(self) -> None:
        super()._forget_received()
        self._folded, self._folded_size, self._literals, self._literal = [], 0, [], bytearray()
        self._literal_size = self._literal_left = 0
        self._release_all()

    # To the server.

    def sent(self, data: bytes) -> None:
        """See `Machine.sent`: lines go to `_line_sent`, the octets of literals are passed over."""
        at = 0
        while at < len(data):
            if self._is_undecided:
                self._undecided += data[at:]
                return
            at = self._sent_octets(data, at) if self._sent_left else self._sent_line(data, at)

    def _sent_octets(self, data: bytes, at: int) -> int:
        """Read `data` from `at` to the end of a literal and return where its line goes on."""
        taken = min(len(data) - at, self._sent_left)
        self._sent_left -= taken
        return at + taken

    def _sent_line(self, data: bytes, at: int) -> int:
        """Read `data` from `at` to the end of a line and return where the next begins."""
        end = data.find(b"\n", at)
        if end < 0:
            self._half_line += data[at:]
            return len(data)
        line = bytes(self._half_line + data[at:end]).rstrip(b"\r")
        self._half_line.clear()
        mark = _SENT_MARK.search(line) if line.endswith(b"}") and self._takes_literals else None
        is_begun, self._is_continued = self._is_continued, mark is not None
        self._sent_left = int(mark[1]) if mark else 0
        self._line_sent(line, is_begun=is_begun, awaits_go_ahead=mark is not None and not mark[2])
        return end + 1

    @property
    def _takes_literals(self) -> bool:
        """Whether the server would read a literal's mark in the line that is being sent."""
        return True

    @abc.abstractmethod
    def _line_sent(self, line: bytes, *, is_begun: bool, awaits_go_ahead: bool) -> None:
        """Take a client's line, up to its end or to a literal.

        `is_begun` is true for what follows a literal. `awaits_go_ahead`: it ends with a literal that the server is
        to ask for.
        """

    def _forget_literal(self) -> None:
        """Give up a literal that the server does not want: what follows is another command."""
        self._sent_left, self._is_continued = 0, False

    def _forget_sent(self) -> None:
        """Begin anew: nothing that was sent is followed any more."""
        self._forget_literal()
        self._half_line.clear()
        self._forget_undecided()

    def owe(self, replies: int, counted: int) -> None:
        """See `Machine.owe`. What of the last write waits for a reply earns what the author says, too."""
        super().owe(replies, counted)
        self._promised_size = len(self._undecided)
        self._half_line.clear()

    @property
    def amid(self) -> str:
        """See `Machine.amid`."""
        return super().amid or ("a literal" if self.is_amid_line else "")

    @property
    def is_amid_line(self) -> bool:
        """Whether the server waits for more of a line."""
        return bool(self._half_line or self._sent_left or self._is_continued)
