"""Certificates of any kind for tests, as `cryptography` makes them: `der(issued(x509.DNSName("mail.example.com")))`."""

from __future__ import annotations

import datetime as dt
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

FROM, UNTIL = dt.datetime(2024, 2, 29, 12, 30, 5, tzinfo=dt.UTC), dt.datetime(2051, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
ISSUER = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Smith, "Sons" + Co <#1>; '),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "ca@example.com"),
        x509.NameAttribute(NameOID.COMMON_NAME, " Prüfstelle"),
    ]
)
_MAKERS = {
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "EC 256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EC 384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EC 521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "1.2.840.10040.4.1": lambda: dsa.generate_private_key(1024),
}
KINDS = tuple(_MAKERS)
"""Keys as a report calls them; the last is DSA's number."""


@functools.cache
def private_key(kind):
    """Return the key of a kind, made once a process."""
    return _MAKERS[kind]()


def issued(*names, key="EC 256", signer="EC 256", digest=None, issuer=ISSUER, pss=False, since=FROM, until=UNTIL):
    """Return a certificate for these names, with the key of a kind and signed by that of another."""
    if digest is None and not signer.startswith("Ed"):
        digest = hashes.SHA256()
    builder = (
        x509.CertificateBuilder(issuer, SUBJECT, private_key(key).public_key())
        .serial_number(7)
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    extra = {"rsa_padding": padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)} if pss else {}
    return builder.sign(private_key(signer), digest, **extra)


def der(certificate):
    """Return a certificate in DER."""
    return certificate.public_bytes(Encoding.DER)
