"""Certificates that are as a step wants them, made on the spot by the package that trustme is built on (extra `demo`).

A key is made once for each kind: nobody's secret depends on it.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from runner.errors import UsageError
from runner.mirror.acts import CertificateWish

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve

_ISSUER = "CN=mirror's own CA"
_STRANGER = "CN=a CA that nobody knows"
_LEAST_RSA = 2048
# What is valid for longer than a clock can say is as good as this.
_MOST_DAYS = 36_500.0


class Certificates:
    """Makes certificates, each once. `roots` are the PEM of all CAs that vouch for them."""

    def __init__(self) -> None:
        self._made: dict[CertificateWish, tuple[bytes, bytes]] = {}
        self._authorities: dict[tuple[str, bool], tuple[Any, Any]] = {}

    def der(self, wish: CertificateWish) -> bytes:
        """Return a certificate in DER."""
        from cryptography import x509  # noqa: PLC0415 -- the extra `demo`
        from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

        return x509.load_pem_x509_certificate(self.pem(wish)[0]).public_bytes(Encoding.DER)

    def pem(self, wish: CertificateWish) -> tuple[bytes, bytes]:
        """Return a certificate and its key in PEM.

        Raises:
            UsageError: the extra is not installed, or no certificate can be so: a part of a name is too long for one.
        """
        if wish not in self._made:
            _require_extra()
            try:
                self._made[wish] = self._make(wish)
            except ValueError as error:
                why = str(error) or f"the name '{wish.issuer}'"
                raise UsageError(f"no certificate can be made as it is wanted: {why}") from error
        return self._made[wish]

    @property
    def roots(self) -> bytes:
        """The CAs that are to be trusted, in PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

        self._authority(_ISSUER, is_trusted=True)
        trusted = [certificate for (_, known), (certificate, _) in self._authorities.items() if known]
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in trusted)

    def _authority(self, name: str, *, is_trusted: bool) -> tuple[Any, Any]:
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

        key = (name, is_trusted)
        if key not in self._authorities:
            secret = _key("EC", 256) if is_trusted else _key("EC", 384)
            named = _named(name)
            builder = _builder(named, named, secret, 3650.0)
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            builder = builder.add_extension(_usage_of_signer(), critical=True)
            ski = x509.SubjectKeyIdentifier.from_public_key(secret.public_key())
            builder = builder.add_extension(ski, critical=False)
            self._authorities[key] = builder.sign(secret, hashes.SHA256()), secret
        return self._authorities[key]

    def _make(self, wish: CertificateWish) -> tuple[bytes, bytes]:
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415

        issuer_name = wish.issuer or (_ISSUER if wish.is_trusted else _STRANGER)
        issuer, issuer_key = self._authority(issuer_name, is_trusted=wish.is_trusted)
        key = _key(wish.kind, wish.bits)
        builder = _builder(_named("CN=mirror"), issuer.subject, key, wish.days)
        names = x509.SubjectAlternativeName([_alternative(name) for name in wish.names])
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(aki, critical=False)
        certificate = builder.sign(issuer_key, hashes.SHA256())
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, form, plain),
        )


def _require_extra() -> None:
    """See to it that certificates can be made.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        import cryptography  # noqa: F401, PLC0415
        import trustme  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        words = "a mirror with TLS makes a certificate, which needs the extra 'demo': pip install 'mailproof[demo]'"
        raise UsageError(words) from error


def _named(name: str) -> Any:
    from cryptography import x509  # noqa: PLC0415

    return x509.Name.from_rfc4514_string(name)


def _alternative(name: str) -> Any:
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(subject: Any, issuer: Any, key: Any, days: float) -> Any:
    from cryptography import x509  # noqa: PLC0415

    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(days=min(days, _MOST_DAYS))
    if end < now:
        begin = end - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)


def _usage_of_signer() -> Any:
    from cryptography import x509  # noqa: PLC0415

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


@cache
def _key(kind: str, bits: int) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa  # noqa: PLC0415

    if kind == "RSA":
        return rsa.generate_private_key(65537, max(bits, _LEAST_RSA))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    curves: tuple[EllipticCurve, ...] = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    return ec.generate_private_key(next((curve for curve in curves if curve.key_size >= bits), curves[-1]))
