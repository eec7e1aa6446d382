"""Channel bindings (RFC 5056, RFC 5929): what ties a SASL exchange to the TLS connection that it runs in.

Which one is used: RFC 5802 section 6.1 makes tls-unique every server's, and so it comes first where there is one, up
to TLS 1.2. TLS 1.3 has none (RFC 9266 section 1). Its tls-exporter can't be had from Python's TLS, so what is left
is tls-server-end-point, which a server knows from its own certificate.
"""

from __future__ import annotations

import hashlib

from runner.certificate import CertificateError, read_certificate
from runner.dataclass import dataclass
from runner.sasl.mechanism import SaslError
from runner.wire import TlsFacts

UNIQUE, SERVER_END_POINT = "tls-unique", "tls-server-end-point"
# RFC 5929 section 4.1: what is no longer good enough is replaced.
_REPLACED = {"md5": "sha256", "sha1": "sha256"}


@dataclass(frozen=True, slots=True)
class ChannelBinding:
    """A channel binding: its type as registered, and its data."""

    kind: str
    data: bytes


def channel_binding(facts: TlsFacts | None, kind: str = "") -> ChannelBinding:
    """Return the binding to a TLS connection: of this type, else the usual one.

    Raises:
        SaslError: there is none; the text says why.
    """
    if facts is None:
        raise SaslError("a channel binding wants TLS, and the connection is not encrypted")
    if kind == UNIQUE or (not kind and facts.unique):
        if not facts.unique:
            raise SaslError(f"{facts.version} has no {UNIQUE} (RFC 9266 section 1); take {SERVER_END_POINT}")
        return ChannelBinding(UNIQUE, facts.unique)
    return ChannelBinding(SERVER_END_POINT, server_end_point(facts.certificate))


def server_end_point(certificate: bytes) -> bytes:
    """Return the data of tls-server-end-point for a certificate in DER (RFC 5929 section 4.1).

    Raises:
        SaslError: the certificate can't be read, or its signature has no one hash.
    """
    try:
        name = read_certificate(certificate).signature_hash
    except CertificateError as error:
        raise SaslError(f"there is no {SERVER_END_POINT}: {error}") from error
    if not name:
        reason = "the certificate's signature has no one hash (RFC 5929 section 4.1)"
        raise SaslError(f"there is no {SERVER_END_POINT}: {reason}")
    return hashlib.new(_REPLACED.get(name, name), certificate).digest()
