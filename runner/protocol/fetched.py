"""What a reply holds of a message, for those who judge messages: the value only, which knows no protocol."""

from __future__ import annotations

from dataclasses import field

from runner.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message, or what was asked of one.

    Attributes:
        data: what is kept of it, the first octets.
        size: how many octets it had.
        has_header: whether it begins with a header section, the message's own or that of a part.
        has_body: whether it has a body.
        is_part: whether it is less than the message, its header or its body: a range of octets, some lines of a
            body, a part of a multipart.
        is_missing: whether the server says that there is none (IMAP's NIL).
        fields: the names of header fields, in upper case, that alone were asked for; None for all of them.
    """

    data: bytes = field(repr=False)
    size: int
    has_header: bool
    has_body: bool
    is_part: bool = False
    is_missing: bool = False
    fields: frozenset[str] | None = None

    def has_every(self, name: str) -> bool:
        """Whether every header field of a name is here, if there is one."""
        return self.fields is None or name.upper() in self.fields

    @property
    def is_whole(self) -> bool:
        """Whether all of its octets are kept."""
        return len(self.data) == self.size
