"""Reads an X.509 certificate (RFC 5280) from its DER: names, issuer, dates, key, and the signature's hash.

It judges nothing and verifies nothing: the TLS library does. What it reads is hostile, so the reader is strict and
bounded, goes no deeper than a certificate's own structure does, and raises nothing but CertificateError. It must
not know what a session or an expectation is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from runner.dataclass import dataclass

# OpenSSL takes a chain of 100 KiB at most; one certificate with hundreds of names has 20 KiB.
MAX_SIZE = 128 * 1024

# ASN.1 tags (X.690 section 8.1.2).
_BOOLEAN, _INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE, _SET = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _ISSUER_ID, _SUBJECT_ID, _EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}

_COMMON_NAME = "2.5.4.3"
# RFC 4514 section 3; the rest goes by its number.
_ATTRIBUTES = {
    _COMMON_NAME: "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"

_RSA, _RSA_PSS, _EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
# RFC 8410: what has one size only.
_EDWARDS = {"1.3.101.112": ("Ed25519", 256), "1.3.101.113": ("Ed448", 456)}
_CURVES = {
    "1.2.840.10045.3.1.1": 192,
    "1.3.132.0.33": 224,
    "1.2.840.10045.3.1.7": 256,
    "1.3.132.0.10": 256,
    "1.3.36.3.3.2.8.1.1.7": 256,
    "1.3.132.0.34": 384,
    "1.3.36.3.3.2.8.1.1.11": 384,
    "1.3.36.3.3.2.8.1.1.13": 512,
    "1.3.132.0.35": 521,
}
# RFC 3279, 4055, 5758: the hash that a signature is made with, as `hashlib` calls it.
_SIGNATURES = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.1": "sha224",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}
_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}

_TIMES = {
    _UTC_TIME: re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
    _GENERALIZED_TIME: re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z"),
}
# RFC 5280 section 4.1.2.5.1: two digits from 50 on are of the last century.
_CENTURY_TURNS = 50
_SPECIAL = frozenset('"+,;<>\\')


class CertificateError(Exception):
    """The bytes are no certificate that can be read; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key's kind (`RSA`, `EC`, `Ed25519`, `Ed448`, else its algorithm's number) and size in bits, 0 if unknown."""

    kind: str
    bits: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.bits}" if self.kind in ("RSA", "EC") else self.kind


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    `subject` and `issuer` are distinguished names as RFC 4514 writes them, `common_name` the subject's own.
    `names` are its DNS names in lower case, `addresses` its IP addresses, from the subjectAltName alone. Times are
    seconds since 1970. `signature_hash` is a name that `hashlib` knows, empty where a signature has no one hash.
    """

    subject: str
    common_name: str
    issuer: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    not_before: float
    not_after: float
    public_key: PublicKey
    signature_hash: str

    def covers(self, name: str) -> bool:
        """Return whether it is good for a host's name or address (RFC 9525 section 6; the common name does not count).

        A wildcard stands for one whole label, the first, and two others follow it at least.
        """
        host = name.lower().removesuffix(".")
        label, _, parent = host.partition(".")
        wildcard = f"*.{parent}" if label and "." in parent else ""
        return host in self.names or wildcard in self.names or _plain_address(host) in self.addresses


def date_of(moment: float) -> datetime:
    """Return one of a certificate's times as a date in UTC."""
    # Counted from 1970: the system's own function fails before its first and after its last year.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)


def _plain_address(text: str) -> str:
    import ipaddress  # noqa: PLC0415 -- 3 ms that few runs need

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate.

    Raises:
        CertificateError: it can't be read.
    """
    if len(der) > MAX_SIZE:
        raise CertificateError(f"the certificate has {len(der)} bytes, more than {MAX_SIZE}")
    outer = _Reader(der)
    whole = outer.inside(_SEQUENCE)
    outer.end()
    signed = whole.inside(_SEQUENCE)
    algorithm = whole.inside(_SEQUENCE)
    whole.take(_BITS)
    whole.end()
    signature_hash = _signature_hash(algorithm)
    signed.skip(_VERSION)
    signed.take(_INTEGER)
    signed.take(_SEQUENCE)
    issuer, _ = _name(signed.inside(_SEQUENCE))
    validity = signed.inside(_SEQUENCE)
    not_before, not_after = _time(validity), _time(validity)
    subject, common_name = _name(signed.inside(_SEQUENCE))
    public_key = _public_key(signed.inside(_SEQUENCE))
    signed.skip(_ISSUER_ID)
    signed.skip(_SUBJECT_ID)
    names, addresses = _alternative_names(signed.inside(_EXTENSIONS)) if signed.tag == _EXTENSIONS else ((), ())
    signed.end()
    return Certificate(
        subject, common_name, issuer, names, addresses, not_before, not_after, public_key, signature_hash
    )


class _Reader:
    """The elements of one ASN.1 value in DER, taken in order. Lengths are checked against what is there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def tag(self) -> int:
        """The next element's tag, -1 at the end."""
        return self._data[self._at] if self._at < len(self._data) else -1

    def take(self, tag: int) -> bytes:
        """Take the next element's content, which must be of this kind."""
        if self.tag != tag:
            raise CertificateError(f"the certificate's structure is broken: an element of kind {tag:#04x} is missing")
        found, content = self.any()
        assert found == tag
        return content

    def any(self) -> tuple[int, bytes]:
        """Take the next element, whatever it is: its tag and its content."""
        start, length = self._length()
        tag = self._data[self._at]
        end = start + length
        if end > len(self._data):
            raise CertificateError("the certificate's structure is broken: an element is longer than what is there")
        self._at = end
        return tag, self._data[start:end]

    def _length(self) -> tuple[int, int]:
        """Read the next element's length (X.690 section 8.1.3): where its content begins, and how long it is."""
        data, at = self._data, self._at + 1
        if at >= len(data):
            raise CertificateError("the certificate's structure is broken: it ends within an element")
        first = data[at]
        if first < 0x80:
            return at + 1, first
        size = first & 0x7F
        digits = data[at + 1 : at + 1 + size]
        if not 1 <= size <= 4 or len(digits) < size:
            raise CertificateError("the certificate's structure is broken: an element has no definite length")
        return at + 1 + size, int.from_bytes(digits)

    def inside(self, tag: int) -> _Reader:
        """Take the next element, and return a reader of what is in it."""
        return _Reader(self.take(tag))

    def skip(self, tag: int) -> None:
        """Pass over the next element if it is of this kind."""
        if self.tag == tag:
            self.any()

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self.tag != -1:
            raise CertificateError("the certificate's structure is broken: something follows its end")


def _oid(content: bytes) -> str:
    """Return an object identifier as numbers with dots (X.690 section 8.19)."""
    if not content or len(content) > 64 or content[-1] & 0x80:
        raise CertificateError("the certificate's structure is broken: an object identifier is malformed")
    numbers, number = [], 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - first * 40, *numbers[1:])))


def _time(reader: _Reader) -> float:
    tag, content = reader.any()
    match = _TIMES[tag].fullmatch(content) if tag in _TIMES else None
    if match is None:
        raise CertificateError("the certificate's dates are malformed")
    year, *rest = map(int, match.groups())
    if tag == _UTC_TIME:
        year += 1900 if year >= _CENTURY_TURNS else 2000
    try:
        return datetime(year, *rest, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
    except ValueError:
        raise CertificateError("the certificate's dates are malformed") from None


# Names.


def _name(reader: _Reader) -> tuple[str, str]:
    """Return a distinguished name as RFC 4514 writes it, the last part first, and the last common name in it."""
    parts: list[str] = []
    common_name = ""
    while reader.tag != -1:
        pairs = list(_attributes(reader.inside(_SET)))
        common_name = next((text for kind, text in pairs if kind == _COMMON_NAME), common_name)
        parts.append("+".join(f"{_ATTRIBUTES.get(kind, kind)}={escaped(text)}" for kind, text in pairs))
    return ",".join(reversed(parts)), common_name


def _attributes(reader: _Reader) -> Iterator[tuple[str, str]]:
    while reader.tag != -1:
        pair = reader.inside(_SEQUENCE)
        kind = _oid(pair.take(_OID))
        tag, content = pair.any()
        pair.end()
        coding = _TEXTS.get(tag)
        yield kind, content.decode(coding, "replace") if coding else f"#{content.hex()}"


def escaped(text: str) -> str:
    """Return the value of a distinguished name's part as RFC 4514 section 2.4 writes it."""
    shown = "".join(f"\\{char}" if char in _SPECIAL else "\\00" if char == "\0" else char for char in text)
    if shown[:1] in ("#", " "):
        shown = f"\\{shown}"
    return f"{shown[:-1]}\\ " if shown.endswith(" ") and len(text) > 1 else shown


def _alternative_names(reader: _Reader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the DNS names and the IP addresses of the subjectAltName (RFC 5280 section 4.2.1.6)."""
    extensions = reader.inside(_SEQUENCE)
    reader.end()
    names: dict[str, None] = {}
    addresses: dict[str, None] = {}
    while extensions.tag != -1:
        extension = extensions.inside(_SEQUENCE)
        kind = _oid(extension.take(_OID))
        extension.skip(_BOOLEAN)
        content = extension.take(_OCTETS)
        if kind == _SUBJECT_ALTERNATIVE_NAME:
            for tag, value in _general_names(content):
                if tag == _DNS_NAME:
                    names[value.decode("ascii", "replace").lower()] = None
                elif tag == _IP_ADDRESS:
                    addresses[_address(value)] = None
    return tuple(names), tuple(addresses)


def _general_names(content: bytes) -> Iterator[tuple[int, bytes]]:
    outer = _Reader(content)
    reader = outer.inside(_SEQUENCE)
    outer.end()
    while reader.tag != -1:
        yield reader.any()


def _address(value: bytes) -> str:
    import ipaddress  # noqa: PLC0415 -- 3 ms that few runs need

    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise CertificateError(f"an IP address in the certificate has {len(value)} bytes") from None


# Keys and signatures.


def _public_key(reader: _Reader) -> PublicKey:
    algorithm = reader.inside(_SEQUENCE)
    kind = _oid(algorithm.take(_OID))
    bits = reader.take(_BITS)
    reader.end()
    if kind in (_RSA, _RSA_PSS):
        return PublicKey("RSA", _modulus_bits(bits[1:]))
    if kind == _EC:
        curve = _oid(algorithm.take(_OID)) if algorithm.tag == _OID else ""
        return PublicKey("EC", _CURVES.get(curve, 0))
    return PublicKey(*_EDWARDS.get(kind, (kind, 0)))


def _modulus_bits(key: bytes) -> int:
    outer = _Reader(key)
    modulus = int.from_bytes(outer.inside(_SEQUENCE).take(_INTEGER), signed=True)
    if modulus <= 0:
        raise CertificateError("the certificate's RSA key is malformed")
    return modulus.bit_length()


def _signature_hash(algorithm: _Reader) -> str:
    kind = _oid(algorithm.take(_OID))
    if kind != _RSA_PSS:
        return _SIGNATURES.get(kind, "")
    # RFC 4055 section 3.1: the hash is the first parameter, SHA-1 if it is left out.
    parameters = algorithm.inside(_SEQUENCE)
    if parameters.tag != 0xA0:
        return "sha1"
    return _HASHES.get(_oid(parameters.inside(0xA0).inside(_SEQUENCE).take(_OID)), "")
