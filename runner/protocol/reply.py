"""What a server owes, and what came: a whole reply, or bytes that are none.

Values only; they know no protocol. Text stays bytes until somebody wants to see it.
"""

from __future__ import annotations

import binascii

from runner.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Owed:
    """A reply that the server owes: to which command or event, and where each recipient has one, for whom.

    `recipient` is None where the reply is for all, and empty where the address could not be read.
    """

    to: str
    recipient: str | None = None

    def __str__(self) -> str:
        return f"{self.to} for {self.recipient}" if self.recipient else self.to


def decode(data: bytes) -> str:
    r"""Return the text of a server: UTF-8, any other byte as `\xNN`. Never raises.

    >>> decode(b'Gr\xc3\xbc\xdfe')
    'Grü\\xdfe'
    """
    return data.decode("utf-8", "backslashreplace")


def decode_challenge(line: bytes) -> str | None:
    """Return the text of a challenge if it is canonical base64 (RFC 4648 section 3.5) of UTF-8 text, else None.

    >>> decode_challenge(b"VXNlcm5hbWU6")
    'Username:'
    """
    try:
        raw = binascii.a2b_base64(line, strict_mode=True)
        text = raw.decode("utf-8")
    except ValueError:
        return None
    return text if raw and binascii.b2a_base64(raw, newline=False) == line else None


@dataclass(slots=True)
class Reply:
    """A whole reply. `lines` are the texts after code and separator; `owed` is what it answers, None if nothing was.

    `enhanced` is the enhanced status code that the text begins with (RFC 2034), or empty.
    `is_challenge` is true for a server challenge within AUTH (RFC 4954 section 4: base64 text).
    Nobody changes one; it isn't frozen because that would triple the cost of making it, once for each reply.
    """

    code: str
    lines: list[bytes]
    owed: Owed | None = None
    enhanced: str = ""
    is_challenge: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts decoded, the enhanced status code included."""
        return [decode(line) for line in self.lines]

    def bare(self, text: str) -> str:
        """Return `text` (one of `texts`) without the enhanced status code in front."""
        status, _, rest = text.partition(" ")
        return rest.lstrip(" ") if self.enhanced and status == self.enhanced else text

    def line(self, at: int) -> bytes:
        """Return a line with its code, as the server wrote it but for its end; the first is 0."""
        separator = b"-" if at < len(self.lines) - 1 else b" "
        return self.code.encode("ascii") + separator + self.lines[at]

    @property
    def decoded(self) -> str | None:
        """The challenge decoded, if it is canonical base64 of UTF-8 text; else None."""
        return decode_challenge(self.lines[0]) if self.is_challenge else None

    def __str__(self) -> str:
        """The reply as the server wrote it, lines joined by LF."""
        last = len(self.lines) - 1
        return "\n".join(
            f"{self.code}{' ' if number == last else '-'}{text}".rstrip(" ") for number, text in enumerate(self.texts)
        )


@dataclass(frozen=True, slots=True)
class Malformed:
    """What a server sent where a reply was due, and why it is none. The machine reads nothing after it."""

    raw: bytes
    reason: str
    owed: Owed | None = None

    @property
    def text(self) -> str:
        """The bytes as text, for a report (escaped there)."""
        return decode(self.raw)


@dataclass(frozen=True, slots=True)
class Torn(Malformed):
    """A greeting that was begun and not ended: what follows is another reply, which the machine reads.

    Postfix's postscreen does so to a client that speaks too early. `lines` are the greeting's, as received.
    """

    lines: tuple[bytes, ...] = ()


Event = Reply | Malformed
