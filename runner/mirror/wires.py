"""One connection as the mirror sees it: what the client has said and nobody has taken yet, its own names for things.

Pure.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

from runner.mirror.forms import Spoken
from runner.mirror.hearing import SIZE
from runner.mirror.situation import tag_of
from runner.protocol import decode
from runner.proxy import SIGNATURE

if TYPE_CHECKING:
    from runner.mirror.logins import Half
    from runner.protocol import Machine
    from runner.wire import TlsFacts

_END = b"\r\n.\r\n"
_LITERAL = re.compile(rb"\{([0-9]+)\+?\}\Z")
_LONGEST_PROXY_V1 = 107
# So much of a message or a literal is looked at for values.
KEPT = 64 * 1024


def keep(kept: bytearray, data: bytes | bytearray, start: int, size: int) -> None:
    """Add octets to what is looked at for values, as far as there is room."""
    kept += data[start : start + min(size, max(0, KEPT - len(kept)))]


class Login:
    """One side of a SASL exchange."""

    __slots__ = ("challenge", "half", "is_complete")

    def __init__(self) -> None:
        self.half: Half | None = None
        self.challenge = Spoken("")
        self.is_complete = False


class Wire:
    """A connection. `client` is whoever speaks on it, None before it is accepted and once it is gone."""

    def __init__(self, sid: int, session: str) -> None:
        self.sid = sid
        self.session = session
        #: The session without the number of the connection: who listens for it.
        self.listener = session.partition("[")[0]
        self.client: int | None = None
        self.address = ""
        self.heard = bytearray()
        self.taken = 0  # octets of what is expected that have come
        self.octets = (0, 0)  # of a literal or chunk that are to be passed over: expected ones, and the client's
        self.goes_on = False  # the line that comes next goes on with a command
        self.tags: dict[str, str] = {}
        self.tag = ""
        self.command = ""
        self.message = bytearray()
        self.kept = bytearray()
        self.passed = 0
        self.login: Login | None = None
        self.client_login: Login | None = None
        self.mechanism = ""
        self.facts: TlsFacts | None = None
        self.has_offer = self.is_to_fail = False
        self.awaits_proxy = False
        self.is_closing = self.is_hung_up = self.is_gone = False

    def line(self) -> bytes | None:
        """Return the client's next line with its end, if it is there."""
        end = self.heard.find(b"\n")
        return bytes(self.heard[: end + 1]) if end >= 0 else None

    def took(self, due: bytes, heard: bytes, end: int, *, has_tag: bool) -> None:
        """Take note of a line that was expected, up to `end`: of its tag, and of octets that follow it."""
        self.taken = end
        if has_tag:
            self.tag = decode(heard.partition(b" ")[0])
            self.tags[decode(due.partition(b" ")[0])] = self.tag
        wanted, got = SIZE.search(due), SIZE.search(heard)
        self.octets = (int(wanted[0]), int(got[0])) if wanted and got else (0, 0)
        self.goes_on = wanted is not None and due.endswith(b"}")

    def pass_octets(self, data: bytes) -> bool:
        """Pass over octets; return whether all that were announced have come.

        What is expected of them may come in another write.
        """
        due, theirs = self.octets
        taken = min(theirs, len(self.heard))
        keep(self.kept, self.heard, 0, taken)
        del self.heard[:taken]
        here = min(due, len(data) - self.taken)
        keep(self.message, data, self.taken, here)
        self.taken += here
        self.octets = (due - here, theirs - taken)
        return self.octets[1] == 0

    def passed_over(self) -> tuple[bytes, bytes]:
        """Take what is kept of octets that were passed over: what was expected, and what came."""
        found = bytes(self.message), bytes(self.kept)
        self.message.clear()
        self.kept.clear()
        return found

    def message_end(self) -> int | None:
        """Return where a message ends in what has come; without an end pass over what can't be a part of it."""
        if not self.passed and self.heard.startswith(b".\r\n"):
            return len(b".\r\n")
        end = self.heard.find(_END)
        if end >= 0:
            return end + len(_END)
        size = max(0, len(self.heard) - len(_END) + 1)
        keep(self.kept, self.heard, 0, size)
        self.passed += size
        del self.heard[:size]
        return None

    def end_message(self, end: int) -> None:
        """Take a message off what has come."""
        del self.heard[:end]
        self.message.clear()
        self.kept.clear()
        self.passed = 0

    def proxy_size(self) -> int | None:
        """Return how many octets a PROXY header takes, None if it is not there yet; 0 if it is none."""
        heard = bytes(self.heard[: _LONGEST_PROXY_V1 + 1])
        if heard.startswith(SIGNATURE):
            # The two octets behind version and family say how long the addresses are.
            size = 16 + int.from_bytes(self.heard[14:16]) if len(heard) >= 16 else 0
            return size if size and len(self.heard) >= size else None
        if heard.startswith(b"PROXY "):
            end = heard.find(b"\r\n")
            return end + 2 if end >= 0 else None
        is_begun = SIGNATURE.startswith(heard) or b"PROXY ".startswith(heard)
        return None if is_begun else 0

    def login_line(self) -> bytes | None:
        """Return the next line of an exchange with its end; a response in a literal goes with it."""
        line = self.line()
        if line is None or (mark := _LITERAL.search(line.rstrip(b"\r\n"))) is None:
            return line
        due = len(line) + int(mark[1])
        end = self.heard.find(b"\n", due)
        return bytes(self.heard[: end + 1]) if end >= 0 else None

    def opens_login(self, line: bytes, machine: Machine) -> bool:
        """Whether a line begins the exchange that is expected, by its mechanism; its tag is noted."""
        text = decode(line.rstrip(b"\r\n"))
        tag = ""
        if machine.has_tags:
            tag, _, text = text.partition(" ")
        words = text.replace('"', " ").split()
        is_auth = len(words) > 1 and words[0].upper() in ("AUTH", "AUTHENTICATE")
        if not is_auth or words[1].upper() != self.mechanism.upper():
            return False
        self.tag = tag
        if machine.has_tags and machine.owed:
            self.tags[tag_of(machine)] = tag
        return True


def payload_of(line: bytes, machine: Machine, login: Login) -> tuple[str, bytes | None]:
    """Return the mechanism that a line names (if it begins an exchange) and the response in it, decoded.

    Raises:
        ValueError: it is no base64.
    """
    text = line.rstrip(b"\r\n")
    name = ""
    rest: bytes | None = text
    if login.half is None:
        if machine.has_tags:
            text = text.partition(b" ")[2]
        words = text.split(b" ", 2)
        name = decode(words[1].strip(b'"')) if len(words) > 1 else ""
        rest = words[2] if len(words) > 2 else None
    if rest is None:
        return name, None
    if (found := re.match(rb"\{[0-9]+\+?\}\r\n", rest)) is not None:
        rest = rest[found.end() :]
    rest = rest.strip(b'" \r\n')
    if rest in (b"", b"="):
        return name, b""
    return name, binascii.a2b_base64(rest, strict_mode=True)
