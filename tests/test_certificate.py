"""Certificates read from their DER, with `cryptography` as the oracle, and bytes that are none."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from issuing import FROM, ISSUER, KINDS, SUBJECT, UNTIL, der, issued

from runner.certificate import MAX_SIZE, CertificateError, read_certificate


@pytest.mark.parametrize("key", KINDS)
def test_public_keys(key):
    """A key's kind and size, as a report writes them; an algorithm that is not known (DSA) goes by its number."""
    assert key == str(read_certificate(der(issued(key=key))).public_key)


@pytest.mark.parametrize(
    ("signer", "digest", "pss", "expected"),
    [
        ("RSA 2048", hashes.SHA256(), False, "sha256"),
        ("RSA 2048", hashes.SHA384(), False, "sha384"),
        ("RSA 2048", hashes.SHA512(), False, "sha512"),
        ("RSA 2048", hashes.SHA256(), True, "sha256"),
        ("RSA 2048", hashes.SHA512(), True, "sha512"),
        ("EC 256", hashes.SHA256(), False, "sha256"),
        ("EC 384", hashes.SHA384(), False, "sha384"),
        ("Ed25519", None, False, ""),
    ],
)
def test_signature_hashes(signer, digest, pss, expected):
    """The hash that the signature is made with, as tls-server-end-point wants it; Ed25519 has none of its own."""
    assert expected == read_certificate(der(issued(signer=signer, digest=digest, pss=pss))).signature_hash


def test_names():
    """DNS names in lower case and addresses of the subjectAltName, each once; other kinds are passed over."""
    names = [
        x509.DNSName("Mail.Example.COM"),
        x509.DNSName("*.example.net"),
        x509.DNSName("mail.example.com"),
        x509.RFC822Name("alice@example.com"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::7")),
        x509.DirectoryName(SUBJECT),
    ]
    found = read_certificate(der(issued(*names)))
    assert ("mail.example.com", "*.example.net") == found.names
    assert ("192.0.2.7", "2001:db8::7") == found.addresses


def test_no_names():
    """A certificate without a subjectAltName has a common name, and no names."""
    found = read_certificate(der(issued()))
    assert ("mail.example.com", (), ()) == (found.common_name, found.names, found.addresses)


def test_issuer_and_subject():
    """Distinguished names are written as cryptography writes them (RFC 4514)."""
    found = read_certificate(der(issued()))
    assert ISSUER.rfc4514_string() == found.issuer
    assert "CN=mail.example.com" == found.subject


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_any_name_is_written_as_the_oracle_does(parts):
    """Whatever characters a name holds, it is escaped as RFC 4514 says."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, part) for part in parts if _encodes(part)])
    assert name.rfc4514_string() == read_certificate(der(issued(issuer=name))).issuer


def _encodes(text):
    return text.encode(errors="ignore").decode() == text


def test_dates():
    """Dates of either form are read: UTCTime up to 2049, GeneralizedTime from 2050 on."""
    found = read_certificate(der(issued()))
    assert (FROM.timestamp(), UNTIL.timestamp()) == (found.not_before, found.not_after)
    early = dt.datetime(1960, 1, 1, tzinfo=dt.UTC)
    assert early.timestamp() == read_certificate(der(issued(since=early))).not_before


@pytest.mark.parametrize(
    ("name", "is_covered"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("smtp.example.com", False),
        ("example.com", False),
        ("a.example.net", True),
        ("A.Example.Net", True),
        ("example.net", False),
        (".example.net", False),
        ("a.b.example.net", False),
        ("*.example.net", True),
        ("a.test", False),
        ("foo.example.org", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::7", True),
        ("2001:DB8:0::7", True),
        ("2001:db8::8", False),
        ("", False),
        (".", False),
    ],
)
def test_covered_names(name, is_covered):
    """A certificate is good for the names it has, one label in place of a wildcard, and its addresses."""
    names = ["mail.example.com", "*.example.net", "*.test", "f*.example.org"]
    addresses = [ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("2001:db8::7")]
    certificate = read_certificate(der(issued(*map(x509.DNSName, names), *map(x509.IPAddress, addresses))))
    assert is_covered is certificate.covers(name)


def test_the_common_name_covers_nothing():
    """A name that stands in the subject alone is none that a client accepts (RFC 9525)."""
    assert not read_certificate(der(issued())).covers("mail.example.com")


WHOLE = der(issued(x509.DNSName("mail.example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))))


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_cut_short(length):
    """A certificate that is cut short is none."""
    with pytest.raises(CertificateError):
        read_certificate(WHOLE[:length])


def test_more_than_a_certificate():
    """What follows a certificate is not passed over, nor is one that is too large read."""
    with pytest.raises(CertificateError, match="something follows its end"):
        read_certificate(WHOLE + b"\0")
    with pytest.raises(CertificateError, match=f"more than {MAX_SIZE}"):
        read_certificate(b"\x30\x84\x7f\xff\xff\xff" + bytes(MAX_SIZE))


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_changed_bytes_raise_nothing_else(at, new):
    """A certificate with other bytes in some place is read or refused, and nothing else happens."""
    with contextlib.suppress(CertificateError):
        assert read_certificate(WHOLE[:at] + new + WHOLE[at + len(new) :]).public_key.kind


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_else(data):
    """Bytes that are no certificate are refused."""
    with pytest.raises(CertificateError):
        read_certificate(data)


@pytest.mark.parametrize(
    "data",
    [b"\x30" * 5000, b"\x30\x80" * 5000, b"\x30\x84\xff\xff\xff\xff", b"\x30\x82\x00", b"\x30\x88" + b"\xff" * 8],
    ids=["tags", "indefinite", "long", "cut length", "length of lengths"],
)
def test_hostile_lengths(data):
    """Lengths without end or bounds cost nothing."""
    with pytest.raises(CertificateError):
        read_certificate(data)
