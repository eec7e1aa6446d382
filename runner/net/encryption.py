"""TLS over memory: contexts by wish, handshakes on bytes, and the library's errors as faults.

`ssl` costs more to import than the rest of a short run, so it is imported with the first TLS wish.
"""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.errors import escape
from runner.net.faults import Broken, in_house_form
from runner.net.sockets import CHUNK
from runner.wire import TLS_VERSIONS, Fault, FaultKind, TlsFacts, TlsWish

if TYPE_CHECKING:
    import ssl

# Bytes of a failed handshake that are kept to name who answered.
FIRST_BYTES = 512
QUOTED = 60
# A file with a certificate, its chain and its key has some 20 KiB.
MAX_PEM = 1024 * 1024


class TlsContexts:
    """The TLS settings by wish, made once each: reading the system's roots takes 10 to 30 ms."""

    def __init__(self) -> None:
        self._made: dict[TlsWish, ssl.SSLContext] = {}

    def get(self, wish: TlsWish) -> ssl.SSLContext:
        """Return the context for a wish.

        Raises:
            Broken: a file cannot be read or used, or no version is left to speak.
        """
        key = replace(wish, server_name="")
        context = self._made.get(key)
        if context is None:
            context = self._made[key] = _new_context(wish)
        return context


def _new_context(wish: TlsWish) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - see the module's docstring

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _set_versions(context, wish)
    if wish.certificate:
        load_certificate(context, wish.certificate, wish.key)
    if not wish.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif wish.ca:
        # Roots that the user names may be a server's own certificate or an intermediate one.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        _load_roots(context, wish.ca)
    else:
        context.load_default_certs()
    return context


def _set_versions(context: ssl.SSLContext, wish: TlsWish) -> None:
    import ssl  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    minimum = _version(wish.minimum)
    maximum = _version(wish.maximum) if wish.maximum else ssl.TLSVersion.MAXIMUM_SUPPORTED
    if wish.maximum and maximum < minimum:
        words = f"TLS from {wish.minimum} to {wish.maximum} leaves no version"
        raise Broken(Fault(FaultKind.LOCAL, words))
    with warnings.catch_warnings():
        # Old versions are asked for on purpose, to see whether a server still speaks them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = minimum
        context.maximum_version = maximum
    if minimum < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")


def _version(name: str) -> ssl.TLSVersion:
    import ssl  # noqa: PLC0415

    if name not in TLS_VERSIONS:
        words = f"unknown TLS version '{name}': {', '.join(TLS_VERSIONS)} are known"
        raise Broken(Fault(FaultKind.LOCAL, words))
    return ssl.TLSVersion[name.replace(".", "_")]


class _HasPassword(Exception):  # noqa: N818 - what OpenSSL found, not a mistake of ours
    """A private key is protected by a password."""


def _refuse_password() -> str:
    raise _HasPassword


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Give a context the certificate in one PEM file and the key in another, or without `key` in the same.

    Raises:
        Broken: a file cannot be read, or does not hold what it should.
    """
    import ssl  # noqa: PLC0415

    key = key or certificate
    for path, what in ((certificate, "CERTIFICATE"), (key, "PRIVATE KEY")):
        if f"{what}-----".encode() not in _read_pem(path):
            words = f"'{path}' holds no {what.lower()} in PEM form"
            raise Broken(Fault(FaultKind.LOCAL, words))
    try:
        # Without a function OpenSSL would ask on the terminal for a key's password.
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except _HasPassword:
        words = f"the key in '{key}' is protected by a password; take one without: openssl pkey -in KEY -out NEW"
        raise Broken(Fault(FaultKind.LOCAL, words)) from None
    except ssl.SSLError as error:
        is_other = error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
        what = "does not belong to" if is_other else "cannot be used with"
        words = f"the key in '{key}' {what} the certificate in '{certificate}'"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error
    except OSError as error:
        words = f"cannot read '{certificate}' or '{key}': {in_house_form(error.strerror)}"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error


def _read_pem(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(MAX_PEM)
    except OSError as error:
        words = f"cannot read '{path}': {in_house_form(error.strerror)}"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error


def _load_roots(context: ssl.SSLContext, path: str) -> None:
    import ssl  # noqa: PLC0415

    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        words = f"'{path}' holds no PEM certificate that can be used as a root"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error
    except OSError as error:
        words = f"cannot read the file of roots '{path}': {in_house_form(error.strerror)}"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error


class TlsEnd:
    """One end of a TLS connection in memory: raw bytes go in by `feed` and come out by `pending`."""

    __slots__ = ("_incoming", "_outgoing", "_ssl", "_want")

    def __init__(self, context: ssl.SSLContext, *, is_server: bool, server_name: str = "") -> None:
        """Prepare a handshake; ValueError or SSLError: the name can be none."""
        import ssl  # noqa: PLC0415

        self._want = ssl.SSLWantReadError
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, is_server, server_name or None)

    def feed(self, data: bytes) -> None:
        """Take raw bytes from the other end."""
        self._incoming.write(data)

    def pending(self) -> bytes:
        """Take the raw bytes that are to go to the other end."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def handshake(self) -> TlsFacts | None:
        """Go on with the handshake; return its facts, or nothing as long as more must come.

        Raises:
            Broken: it failed; an alert may be `pending`.
        """
        try:
            self._ssl.do_handshake()
        except self._want:
            return None
        except OSError as error:
            raise Broken(self._fault(error)) from error
        return self._facts()

    def _fault(self, error: OSError) -> Fault:
        """Name what the TLS library said."""
        return tls_fault(error, b"")

    def _facts(self) -> TlsFacts:
        """Return what both ends know alike; certificates are each one's own business."""
        cipher, version = self._ssl.cipher(), self._ssl.version() or ""
        return TlsFacts(
            version=version,
            cipher=cipher[0] if cipher else "",
            verified=True,
            # What Python gives with TLS 1.3 is no secret of this connection alone (RFC 9266 section 1).
            unique=b"" if version == "TLSv1.3" else self._ssl.get_channel_binding("tls-unique") or b"",
            moment=time.time(),
        )

    def read(self) -> tuple[bytes, bool, Fault | None]:
        """Decrypt what was fed: the clear bytes, whether close_notify came, what broke after them."""
        parts: list[bytes] = []
        try:
            while part := self._ssl.read(CHUNK):
                parts.append(part)
        except self._want:
            return b"".join(parts), False, None
        except OSError as error:
            return b"".join(parts), False, self._fault(error)
        return b"".join(parts), True, None

    def write(self, data: bytes) -> bytes:
        """Encrypt; return the raw bytes to send.

        Raises:
            Broken: the connection takes no more.
        """
        try:
            self._ssl.write(data)
        except OSError as error:
            raise Broken(self._fault(error)) from error
        return self.pending()

    def close(self) -> bytes:
        """Return the close_notify to send; nothing when TLS is too broken for one."""
        with contextlib.suppress(OSError):
            self._ssl.unwrap()
        return self.pending()


class Tls(TlsEnd):
    """The client's end of one TLS connection."""

    __slots__ = ("_first", "_has_certificate", "_verified")

    def __init__(self, context: ssl.SSLContext, wish: TlsWish, host: str) -> None:
        """Prepare a handshake with the server that `wish.server_name`, else `host`, names.

        Raises:
            Broken: there is no name to verify, or it can be none.
        """
        import ssl  # noqa: PLC0415

        name = (wish.server_name or host).rstrip(".")
        if wish.verify and not name:
            words = "no host name to verify the certificate for: set 'server_name' or 'verify: false'"
            raise Broken(Fault(FaultKind.LOCAL, words))
        self._first = b""
        self._verified = wish.verify
        self._has_certificate = bool(wish.certificate)
        try:
            super().__init__(context, is_server=False, server_name=name)
        except (ValueError, ssl.SSLError) as error:
            raise Broken(Fault(FaultKind.LOCAL, f"'{name}' cannot be a server's name in TLS")) from error

    def feed(self, data: bytes) -> None:
        """Take raw bytes from the server."""
        super().feed(data)
        if len(self._first) < FIRST_BYTES:
            self._first += data[: FIRST_BYTES - len(self._first)]

    def _fault(self, error: OSError) -> Fault:
        # After a handshake these are no clear text any more.
        return tls_fault(error, self._first)

    def _facts(self) -> TlsFacts:
        return replace(
            super()._facts(),
            verified=self._verified,
            certificate=_shared(self._ssl.getpeercert(binary_form=True) or b""),
            client_certificate=self._has_certificate,
        )


class ServerTls(TlsEnd):
    """The server's end of one TLS connection; `certificate` is what it shows, in DER."""

    __slots__ = ("_certificate",)

    def __init__(self, context: ssl.SSLContext, certificate: bytes = b"") -> None:
        super().__init__(context, is_server=True)
        self._certificate = certificate

    def _facts(self) -> TlsFacts:
        return replace(super()._facts(), certificate=self._certificate)


@functools.lru_cache(maxsize=64)
def _shared(certificate: bytes) -> bytes:
    """Return the same object for equal bytes: a thousand connections to one server keep one certificate."""
    return certificate


# OpenSSL's X509_V_ERR numbers (x509_vfy.h).
_CERTIFICATE_FAULTS = {
    9: Fault(FaultKind.TLS_NOT_YET_VALID),
    10: Fault(FaultKind.TLS_EXPIRED),
    18: Fault(FaultKind.TLS_UNTRUSTED, "self-signed certificate"),
    19: Fault(FaultKind.TLS_UNTRUSTED, "self-signed certificate in the chain"),
    20: Fault(FaultKind.TLS_UNTRUSTED, "unknown issuer"),
    21: Fault(FaultKind.TLS_UNTRUSTED, "unknown issuer, and no intermediate certificate was sent"),
}
_NAME_CODES = (62, 64)
_PROTOCOL_REASONS = (
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "WRONG_SSL_VERSION",
    "VERSION_TOO_LOW",
)


def tls_fault(error: OSError, first: bytes) -> Fault:
    """Name what the TLS library said; `first` is what the server sent first, if that was its handshake."""
    import ssl  # noqa: PLC0415

    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error)
    if _is_clear_text(first):
        return Fault(FaultKind.TLS_PLAINTEXT, _quote_first_line(first))
    reason = getattr(error, "reason", None) or ""
    words = reason.lower().replace("_", " ")
    if reason == "NO_PROTOCOLS_AVAILABLE":
        # The server was not asked: this machine's library was built or set up without the versions that were wished.
        return Fault(FaultKind.LOCAL, "this machine's TLS library speaks none of the versions asked for")
    if reason in _PROTOCOL_REASONS:
        return Fault(FaultKind.TLS_PROTOCOL, words)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Fault(FaultKind.TLS_CLOSED)
    return Fault(FaultKind.TLS_OTHER, words or in_house_form(str(error)))


def _certificate_fault(error: ssl.SSLCertVerificationError) -> Fault:
    code = error.verify_code
    if code in _NAME_CODES:
        # "Hostname mismatch, certificate is not valid for 'mx.example'."
        words = error.verify_message.partition("certificate is ")[2].rstrip(".")
        return Fault(FaultKind.TLS_NAME, words or in_house_form(error.verify_message))
    return _CERTIFICATE_FAULTS.get(code) or Fault(FaultKind.TLS_UNTRUSTED, in_house_form(error.verify_message))


def _is_clear_text(first: bytes) -> bool:
    """Whether a server's first bytes are a line of text; a TLS record begins with 20 to 23."""
    start = first[:5]
    return bool(start) and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in start)


def _quote_first_line(first: bytes) -> str:
    line = first.split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", "backslashreplace")
    shown = escape(line if len(line) <= QUOTED else line[:QUOTED] + "...")
    return f"an HTTP server answers: '{shown}'" if line.startswith("HTTP/") else f"'{shown}'"
