"""The shape of a SASL client mechanism (RFC 4422): credentials in, raw messages out.

A mechanism is a machine without I/O that plays one exchange once. It must not know which protocol carries
it: base64, `AUTH` and `AUTHENTICATE`, `=` for an empty response and `*` to cancel are the protocol's
business. Nor does it draw randomness: a nonce is handed in.

Its rule: at any time at most one answer is due. A step that was taken leaves nothing due unless it says
what comes next, so a challenge too many, or one after an error, has no answer that could be sent.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from runner.dataclass import dataclass

if TYPE_CHECKING:
    from runner.sasl.channel_binding import ChannelBinding

# A line is bounded at 64 KiB (the protocol's limit), and no mechanism here has a use for more.
MAX_CHALLENGE = 64 * 1024

_CONTROLS = {"\0": "NUL", "\x01": "Control-A"}

Step: TypeAlias = Callable[[bytes], bytes]


class SaslError(Exception):
    """The exchange can't go on; the text says why in plain words.

    It never quotes a credential, nor a server's text, which may echo one.
    """


class SaslUnableError(SaslError):
    """This side can't begin or go on: an extra or a ticket is missing. It says nothing about the server."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a client may prove itself with; each mechanism takes the fields that it `wants`.

    `authzid` is the identity to act as, where that is another. `host` and `port` are the server's, as
    OAUTHBEARER tells them (RFC 7628, section 3.1); empty and 0 are left out. `service` is what the server is to
    Kerberos, such as `smtp`. `channel_binding` is what there is to bind to; `offers_binding` is false once the server
    has shown its mechanisms and none of them can bind.
    """

    username: str = ""
    password: str = ""
    token: str = ""
    authzid: str = ""
    host: str = ""
    port: int = 0
    service: str = ""
    channel_binding: ChannelBinding | None = None
    offers_binding: bool = True

    def __repr__(self) -> str:
        return "Credentials(…)"


class Mechanism(abc.ABC):
    """The client's half of one SASL exchange.

    `name` is the registered name, `wants` the fields of `Credentials` that the mechanism can't do without,
    `client_first` whether the client opens the exchange (RFC 4422, section 5), `binds` whether it ties the exchange
    to the TLS connection, `is_readable` whether who reads along learns what it takes to do the same,
    `proves_by_certificate` whether the proof is the TLS client's certificate. `extra` is what has to be installed for
    it; `may_wait` says that making a message may wait for somebody else; `opens_with_text` that the first challenge may
    be words in place of base64; `encoding` is that of the texts in its messages.

    Raises `SaslError` when made with values that the mechanism can't carry, before anything was sent.
    """

    name: ClassVar[str]
    wants: ClassVar[tuple[str, ...]]
    client_first: ClassVar[bool]
    binds: ClassVar[bool] = False
    is_readable: ClassVar[bool] = False
    proves_by_certificate: ClassVar[bool] = False
    extra: ClassVar[str] = ""
    may_wait: ClassVar[bool] = False
    opens_with_text: ClassVar[bool] = False
    encoding: ClassVar[str] = "utf-8"

    # Why success is not believed yet; a mechanism with mutual authentication has more to say.
    _too_early: ClassVar[str] = "the server reported success before the exchange was complete"

    @abc.abstractmethod
    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        """Take what the mechanism needs of both, checked and encoded."""
        self._due: Step | None = self._open
        self._is_complete = False
        self._refusal = ""

    def __repr__(self) -> str:
        return f"<SASL mechanism {self.name}>"

    @property
    def refusal(self) -> str:
        """What the server said inside the exchange about its refusal, or an empty text.

        These are the server's own words: hostile, and perhaps an echo of a secret. Show them escaped and
        redacted only.
        """
        return self._refusal

    @abc.abstractmethod
    def initial(self) -> bytes | None:
        """Return the initial response, or None when the server speaks first.

        Asking for it counts as sending it: don't ask where the protocol or the scenario sends none. The
        answer to the empty challenge that then comes is the same message.
        """

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a challenge; both are raw bytes.

        Raises `SaslError` for a challenge that is not due, is longer than 64 KiB or is malformed. After
        that no challenge has an answer.
        """
        step, self._due = self._due, None
        if step is None:
            raise self._error("the server sent a challenge where only success or failure can follow")
        if len(challenge) > MAX_CHALLENGE:
            raise self._error(f"the challenge has {len(challenge)} bytes, more than {MAX_CHALLENGE}")
        return step(challenge)

    def accepted(self, data: bytes | None = None) -> None:  # noqa: ARG002 - for those who can use it
        """Judge the server's success.

        `data` is the additional data with success (RFC 4422, section 3.6) where a protocol carries some,
        decoded; it is no reply text. Mechanisms in which the server proves nothing pass over it.

        Raises `SaslError` when success came too early, after a refusal, or without the proof it needs.
        """
        self._due = None
        if self._refusal:
            raise self._error("the server reported success after it had refused inside the exchange")
        if not self._is_complete:
            raise self._error(self._too_early)

    @abc.abstractmethod
    def _open(self, challenge: bytes) -> bytes:
        """Answer the first challenge when no initial response was sent."""

    def _error(self, reason: str) -> SaslError:
        return SaslError(f"{self.name}: {reason}")

    def _missing(self) -> SaslError:
        return SaslUnableError(f"{self.name} needs the extra '{self.extra}': pip install 'mailproof[{self.extra}]'")

    def _encode(self, value: str, field: str, forbidden: str = "") -> bytes:
        """Return `value` in UTF-8; raise `SaslError` for what the mechanism's message can't hold."""
        for char in forbidden:
            if char in value:
                called = _CONTROLS[char]
                raise self._error(f"the {field} has a {called} character, which would split the message")
        # Not by catching UnicodeEncodeError: that exception keeps the value and would be chained.
        encoded = value.encode(errors="ignore")
        if encoded.decode() != value:
            raise self._error(f"the {field} is not valid Unicode text: it has half a surrogate pair")
        return encoded


class ClientFirst(Mechanism):
    """A mechanism in which the client speaks first, with or without an initial response."""

    client_first = True

    @abc.abstractmethod
    def initial(self) -> bytes:
        """Return the first message; see `Mechanism.initial`."""

    def _open(self, challenge: bytes) -> bytes:
        # RFC 4422, section 3: without an initial response the server begins with an empty challenge.
        if challenge:
            raise self._error("the client speaks first, but the first challenge is not empty")
        return self.initial()


class ServerFirst(Mechanism):
    """A mechanism in which the server speaks first: there is no initial response."""

    client_first = False

    def initial(self) -> bytes | None:
        """Return None."""
        return None
