"""The server's half of SASL exchanges (RFC 4422): what a mirror challenges a client with, and whether it is convinced.

Pure. Each half is a generator: it yields challenges and is sent the responses to them, all raw; it ends when the final
reply is due. NTLM and GSSAPI have none: their servers ask a domain's, which nobody can mirror.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Generator, Mapping

from runner.dataclass import dataclass
from runner.mirror.samples import HOST
from runner.sasl.channel_binding import SERVER_END_POINT, UNIQUE, server_end_point
from runner.sasl.mechanism import SaslError
from runner.sasl.saslprep import prepare
from runner.wire import TlsFacts

_SALT, _ITERATIONS = b"mirror of salt", 4096
_CHALLENGE = f"<1896.697170952@{HOST}>".encode("ascii")

Half = Generator[bytes, bytes, None]


class RefusedError(Exception):
    """The client has not proved what it should; the text says what, and no secret."""


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """What the mirror knows of the client: its password, and the TLS connection to bind to.

    With `is_granted` the final reply will be good, so that the server proves itself, too. A client who is not
    granted anything anyway is asked for no right password.
    """

    password: str
    tls: TlsFacts | None
    is_granted: bool

    def __repr__(self) -> str:
        return "Known(…)"


def half_of(mechanism: str, initial: bytes | None, known: Known) -> Half:
    """Return the server's half of an exchange; `initial` is what came with the client's command.

    Raises:
        KeyError: the mirror has no such half.
    """
    return HALVES[mechanism.upper()](initial, known)


def _one_message(initial: bytes | None, _: Known) -> Half:
    if initial is None:
        yield b""


def _login(initial: bytes | None, _: Known) -> Half:
    if initial is None:
        yield b"Username:"
    yield b"Password:"


def _cram_md5(_initial: bytes | None, known: Known) -> Half:
    response = yield _CHALLENGE
    proof = hmac.new(known.password.encode("utf-8", "surrogateescape"), _CHALLENGE, "md5").hexdigest()
    if known.is_granted and not hmac.compare_digest(response.rpartition(b" ")[2], proof.encode("ascii")):
        raise RefusedError("the proof of CRAM-MD5 is not that of the password")


def _scram(hash_name: str, *, binds: bool) -> Callable[[bytes | None, Known], Half]:
    def half(initial: bytes | None, known: Known) -> Half:
        first = (yield b"") if initial is None else initial
        flag, _, bare = _parted(first)
        nonce = _field(bare, b"r=") + b"mirror"
        server_first = b"r=%b,s=%b,i=%d" % (nonce, base64.b64encode(_SALT), _ITERATIONS)
        final = yield server_first
        without_proof, _, proof = final.rpartition(b",p=")
        header = first[: len(first) - len(bare)]
        if binds or flag.startswith(b"p="):
            header += _bound(flag, known.tls)
        if known.is_granted:
            is_bound = _field(final, b"c=") == base64.b64encode(header)
            _require(is_bound, "the channel binding is not that of the connection")
            _require(_field(final, b"r=") == nonce, "the nonce is not that of this exchange")
            message = b",".join((bare, server_first, without_proof))
            yield b"v=" + base64.b64encode(_signed(hash_name, known.password, message, proof))

    return half


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise RefusedError(otherwise)


def _parted(first: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut the client's first message: the flag, the authzid, and what is signed (RFC 5802 section 7)."""
    parts = first.split(b",", 2)
    _require(len(parts) == 3 and parts[2].startswith(b"n="), "the first message of SCRAM has not its form")
    return parts[0], parts[1], parts[2]


def _field(message: bytes, name: bytes) -> bytes:
    found = next((part[len(name) :] for part in message.split(b",") if part.startswith(name)), None)
    _require(found is not None, f"a message of SCRAM lacks '{name.decode()}'")
    return found or b""


def _bound(flag: bytes, tls: TlsFacts | None) -> bytes:
    kind = flag.removeprefix(b"p=").decode("ascii", "replace")
    _require(tls is not None and kind in (UNIQUE, SERVER_END_POINT), "there is nothing to bind to")
    assert tls is not None
    try:
        return tls.unique if kind == UNIQUE else server_end_point(tls.certificate)
    except SaslError as error:
        raise RefusedError(str(error)) from error


def _signed(hash_name: str, password: str, message: bytes, proof: bytes) -> bytes:
    """Check the client's proof and return the server's signature (RFC 5802 section 3)."""
    salted = hashlib.pbkdf2_hmac(hash_name, prepare(password).encode(), _SALT, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    stored = hashlib.new(hash_name, client_key).digest()
    signature = hmac.digest(stored, message, hash_name)
    due = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
    _require(hmac.compare_digest(base64.b64encode(due), proof), "the proof of SCRAM is not that of the password")
    return hmac.digest(hmac.digest(salted, b"Server Key", hash_name), message, hash_name)


HALVES: Mapping[str, Callable[[bytes | None, Known], Half]] = {
    "PLAIN": _one_message,
    "EXTERNAL": _one_message,
    "XOAUTH2": _one_message,
    "OAUTHBEARER": _one_message,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "SCRAM-SHA-1": _scram("sha1", binds=False),
    "SCRAM-SHA-256": _scram("sha256", binds=False),
    "SCRAM-SHA-1-PLUS": _scram("sha1", binds=True),
    "SCRAM-SHA-256-PLUS": _scram("sha256", binds=True),
}
