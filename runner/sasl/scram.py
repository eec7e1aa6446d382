"""SCRAM (RFC 5802, RFC 7677): password proof without the password, and the server proves itself too.

Client first, server first, client final, server final. The server's last message comes as a challenge
(SMTP, POP3, IMAP: answered with an empty response) or as data with success (ManageSieve); either way
success counts only with a verified signature.

The -PLUS variants bind the exchange to the TLS connection. The plain ones say in their flag (RFC 5802, section 6)
`y` where there is something to bind to and the server has shown that it offers no -PLUS: one that does offer it then
refuses, because somebody on the way has hidden it. Otherwise they say `n`: whoever asks for the plain variant where
-PLUS is offered, or before anything was offered, acts as a client without channel binding, and a server must let
that pass unless it demands the binding.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, ClassVar

from runner.dataclass import dataclass
from runner.sasl import gs2
from runner.sasl.mechanism import ClientFirst, Credentials
from runner.sasl.saslprep import prepare

if TYPE_CHECKING:
    from runner.sasl.channel_binding import ChannelBinding

# One pass over this many takes 2 to 5 s of CPU, which a hostile server may cost us once. There is no lower
# limit but 1: a tester must be able to talk to a server whose count is too low.
MAX_ITERATIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class _ServerFirst:
    nonce: str
    salt: bytes
    iterations: int


class Scram(ClientFirst):
    """The exchange, for a hash that a subclass names; without channel binding."""

    wants = ("username", "password")
    hash_name: ClassVar[str]
    _too_early = "the server reported success without proving that it knows the password"

    def __init__(self, credentials: Credentials, nonce: str = "") -> None:
        super().__init__(credentials, nonce)
        if not _is_nonce(nonce):
            raise self._error("a nonce is needed: printable ASCII without a comma")
        self._nonce = nonce
        self._password = self._prepare(credentials.password, "password")
        self._binding = credentials.channel_binding
        flag = self._flag(self._binding, offered=credentials.offers_binding)
        self._header = gs2.header(self._encode(credentials.authzid, "authzid", "\0"), flag)
        username = self._prepare(credentials.username, "username", allow_unassigned=True)
        self._first_bare = b"n=" + gs2.escape_saslname(username) + b",r=" + nonce.encode()
        self._signature = b""

    def _flag(self, binding: ChannelBinding | None, *, offered: bool) -> bytes:
        return gs2.NO_BINDING if binding is None or offered else gs2.NOT_OFFERED

    def _binding_data(self) -> bytes:
        return b""

    def initial(self) -> bytes:
        """Return the client's first message."""
        self._due = self._answer_first
        return self._header + self._first_bare

    def accepted(self, data: bytes | None = None) -> None:
        """Judge the server's success, with its final message in `data` where that did not come before.

        Raises `SaslError` unless the server's signature was verified (RFC 5802, section 5).
        """
        if data is not None and self._due == self._answer_final:
            self.respond(data)
        super().accepted()

    def _answer_first(self, challenge: bytes) -> bytes:
        if self._is_refused(challenge):
            return b""
        server = self._read_first(challenge)
        final = b"c=" + base64.b64encode(self._header + self._binding_data()) + b",r=" + server.nonce.encode()
        proof, self._signature = self._prove(server, b",".join((self._first_bare, challenge, final)))
        self._due = self._answer_final
        return final + b",p=" + base64.b64encode(proof)

    def _answer_final(self, challenge: bytes) -> bytes:
        if not self._is_refused(challenge):
            self._verify(challenge)
        return b""

    def _prove(self, server: _ServerFirst, message: bytes) -> tuple[bytes, bytes]:
        """Return the client's proof and the signature that the server must send (RFC 5802, section 3)."""
        salted = hashlib.pbkdf2_hmac(self.hash_name, self._password, server.salt, server.iterations)
        client_key = hmac.digest(salted, b"Client Key", self.hash_name)
        stored_key = hashlib.new(self.hash_name, client_key).digest()
        client_signature = hmac.digest(stored_key, message, self.hash_name)
        proof = bytes(left ^ right for left, right in zip(client_key, client_signature, strict=True))
        server_key = hmac.digest(salted, b"Server Key", self.hash_name)
        return proof, hmac.digest(server_key, message, self.hash_name)

    def _verify(self, server_final: bytes) -> None:
        fields = self._fields(server_final, "final")
        if not fields[0].startswith("v="):
            raise self._error("the server's final message does not begin with 'v=' or 'e='")
        if not hmac.compare_digest(self._decoded(fields[0][2:], "signature"), self._signature):
            raise self._error("the server's signature is wrong: it has not proved that it knows the password")
        self._is_complete = True

    def _is_refused(self, message: bytes) -> bool:
        # RFC 5802, section 7: server-error. Some servers send it in place of their first message already.
        if not message.startswith(b"e="):
            return False
        self._refusal = message[2:].split(b",")[0].decode(errors="replace") or "e="
        return True

    def _read_first(self, message: bytes) -> _ServerFirst:
        fields = self._fields(message, "first")
        if [field[:2] for field in fields[:3]] != ["r=", "s=", "i="]:
            raise self._error("the server's first message does not have the form 'r=…,s=…,i=…'")
        nonce, salt, iterations = (field[2:] for field in fields[:3])
        self._check_nonce(nonce)
        return _ServerFirst(nonce, self._decoded(salt, "salt"), self._count(iterations))

    def _fields(self, message: bytes, which: str) -> list[str]:
        """Return the attributes of a server's message, each as `x=value`."""
        if not message:
            raise self._error(f"the server's {which} message is empty")
        # Bytes that are not UTF-8 become U+FFFD, which no value that is read here may hold.
        fields = message.decode(errors="replace").split(",")
        if not all(map(_is_attribute, fields)):
            raise self._error(f"the server's {which} message is not a list of attributes 'x=value'")
        if any(field.startswith("m=") for field in fields):
            # RFC 5802, section 5.1: a mandatory extension that is not known ends the exchange.
            raise self._error("the server demands an extension ('m=') that is not known")
        return fields

    def _check_nonce(self, nonce: str) -> None:
        if not nonce.startswith(self._nonce):
            raise self._error("the server's nonce does not begin with the client's")
        if nonce == self._nonce:
            raise self._error("the server's nonce adds nothing to the client's")
        if not _is_nonce(nonce):
            raise self._error("the server's nonce is not printable ASCII")

    def _decoded(self, text: str, field: str) -> bytes:
        try:
            value = base64.b64decode(text, validate=True)
        except ValueError:
            value = b""
        if not value:
            raise self._error(f"the {field} in the server's message is empty or not base64")
        return value

    def _count(self, text: str) -> int:
        is_number = text.isascii() and text.isdigit() and not text.startswith("0")
        if not is_number:
            raise self._error("the iteration count is not a number of at least 1")
        # The length is looked at first: int() refuses to read thousands of digits.
        if len(text) > len(str(MAX_ITERATIONS)) or int(text) > MAX_ITERATIONS:
            raise self._error(f"the iteration count is above the limit of {MAX_ITERATIONS}")
        return int(text)

    def _prepare(self, value: str, field: str, *, allow_unassigned: bool = False) -> bytes:
        """Return `value` after SASLprep, in UTF-8 (RFC 5802, sections 2.2 and 5.1)."""
        try:
            prepared = prepare(value, allow_unassigned=allow_unassigned)
        except ValueError as error:
            raise self._error(f"the {field} has {error}, which SASLprep does not allow (RFC 4013)") from None
        if field == "username" and not prepared:
            raise self._error("the username is empty, or nothing is left of it after SASLprep (RFC 4013)")
        return prepared.encode()


class ScramSha1(Scram):
    """SCRAM-SHA-1 (RFC 5802)."""

    name = "SCRAM-SHA-1"
    hash_name = "sha1"


class ScramSha256(Scram):
    """SCRAM-SHA-256 (RFC 7677)."""

    name = "SCRAM-SHA-256"
    hash_name = "sha256"


class _Plus(Scram):
    """The exchange with channel binding."""

    binds = True

    def _flag(self, binding: ChannelBinding | None, *, offered: bool) -> bytes:  # noqa: ARG002 - asked for by name
        if binding is None:
            raise self._error("a channel binding wants TLS, and the connection is not encrypted")
        return gs2.WITH_BINDING + binding.kind.encode()

    def _binding_data(self) -> bytes:
        assert self._binding is not None
        return self._binding.data


class ScramSha1Plus(_Plus):
    """SCRAM-SHA-1-PLUS (RFC 5802)."""

    name = "SCRAM-SHA-1-PLUS"
    hash_name = "sha1"


class ScramSha256Plus(_Plus):
    """SCRAM-SHA-256-PLUS (RFC 7677)."""

    name = "SCRAM-SHA-256-PLUS"
    hash_name = "sha256"


def _is_attribute(field: str) -> bool:
    name = field[:1]
    return len(field) > 2 and name.isascii() and name.isalpha() and field[1] == "=" and "\0" not in field


def _is_nonce(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and not set(text) & {",", " "}
