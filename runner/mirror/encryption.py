"""The settings of the mirrors' TLS, by what each is to offer."""

from __future__ import annotations

import itertools
import ssl
import warnings
from pathlib import Path

from runner.mirror.acts import TlsOffer
from runner.mirror.certificates import Certificates
from runner.net import ServerTls
from runner.wire import TLS_VERSIONS


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
