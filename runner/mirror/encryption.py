"""The server's side of TLS in memory: contexts by offer, handshakes on bytes."""

from __future__ import annotations

import contextlib
import itertools
import ssl
import time
import warnings
from pathlib import Path

from runner.mirror.acts import TlsOffer
from runner.mirror.certificates import Certificates
from runner.net import CHUNK
from runner.wire import TLS_VERSIONS, TlsFacts


class ServerTls:
    """The server's side of TLS in memory."""

    def __init__(self, context: ssl.SSLContext, certificate: bytes) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._certificate = certificate

    def feed(self, data: bytes) -> None:
        """Take raw bytes from the client."""
        self._incoming.write(data)

    def pending(self) -> bytes:
        """Take the raw bytes that are to go to the client."""
        return self._outgoing.read()

    def handshake(self) -> TlsFacts | None:
        """Go on with the handshake; return its facts, nothing as long as more must come. OSError: it failed."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return None
        version, cipher = self._ssl.version() or "", self._ssl.cipher()
        unique = b"" if version == TLS_VERSIONS[-1] else self._ssl.get_channel_binding("tls-unique") or b""
        named = cipher[0] if cipher else ""
        return TlsFacts(version, named, verified=True, certificate=self._certificate, unique=unique, moment=time.time())

    def read(self) -> bytes:
        """Decrypt what was fed; what is broken reads as its end."""
        parts: list[bytes] = []
        with contextlib.suppress(OSError):
            while part := self._ssl.read(CHUNK):
                parts.append(part)
        return b"".join(parts)

    def write(self, data: bytes) -> bytes:
        """Encrypt; return the raw bytes to send."""
        with contextlib.suppress(OSError):
            self._ssl.write(data)
        return self.pending()

    def close(self) -> bytes:
        """Return the close_notify to send."""
        with contextlib.suppress(OSError):
            self._ssl.unwrap()
        return self.pending()


class ServerContexts:
    """The TLS settings by offer, made once each; `folder` is for what the library reads from files only."""

    def __init__(self, certificates: Certificates, folder: str) -> None:
        self._certificates = certificates
        self._folder = folder
        self._count = itertools.count()
        self._contexts: dict[TlsOffer, tuple[ssl.SSLContext, bytes]] = {}

    def new_tls(self, offer: TlsOffer) -> ServerTls:
        """Return the server's side of a handshake."""
        if offer not in self._contexts:
            self._contexts[offer] = self._new_context(offer)
        return ServerTls(*self._contexts[offer])

    def _new_context(self, offer: TlsOffer) -> tuple[ssl.SSLContext, bytes]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old = TLS_VERSIONS[1]
        with warnings.catch_warnings():
            # Old versions are offered on purpose.
            warnings.simplefilter("ignore", DeprecationWarning)
            if (offer.maximum and offer.maximum <= old) or (offer.minimum and offer.minimum <= old):
                context.set_ciphers(offer.ciphers or "DEFAULT:@SECLEVEL=0")
            elif offer.ciphers:
                context.set_ciphers(offer.ciphers)
            context.minimum_version = _version(offer.minimum) if offer.minimum else ssl.TLSVersion.MINIMUM_SUPPORTED
            if offer.maximum:
                context.maximum_version = _version(offer.maximum)
        certificate, key = self._certificates.pem(offer.certificate)
        path = Path(self._folder, f"{next(self._count)}.pem")
        path.touch(0o600)
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
        path.unlink()
        return context, self._certificates.der(offer.certificate)


def _version(name: str) -> ssl.TLSVersion:
    return ssl.TLSVersion[name.replace(".", "_")]
