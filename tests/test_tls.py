"""TLS in memory: what a wish makes of a handshake with OpenSSL's own server side, and what its facts are."""

from __future__ import annotations

import ssl
import time

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from fake_server import certificates

from runner import net
from runner.net import Broken, TlsContexts
from runner.wire import FaultKind, TlsWish

NAME = "mail.example.com"


def server_context(minimum="TLSv1.2", maximum="TLSv1.3", authority=None):
    """Return a server's context; with an authority it demands a client's certificate of it."""
    context = certificates().context(NAME)
    context.minimum_version = ssl.TLSVersion[minimum.replace(".", "_")]
    context.maximum_version = ssl.TLSVersion[maximum.replace(".", "_")]
    if authority:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    return context


def shake(wish, context):
    """Make a handshake; return the client's facts and the server's end.

    Raises:
        Broken: the client's side failed.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    client = net.Tls(TlsContexts().get(wish), wish, NAME)
    for _ in range(10):
        facts = client.handshake()
        incoming.write(client.pending())
        if server.version() is None or facts is None:
            try:
                server.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                client.feed(outgoing.read())
                client.handshake()
                raise
            else:
                if facts:
                    return facts, server
        client.feed(outgoing.read())
        if facts and server.version():
            return facts, server
    raise AssertionError("no end of the handshake")


@pytest.fixture
def roots(tmp_path):
    """The path of the authority's certificate."""
    return certificates().roots(tmp_path)


@pytest.fixture
def client(tmp_path):
    """A client's certificate: the paths of the chain, of the key, of both in one, and the authority."""
    authority = trustme.CA()
    leaf = authority.issue_cert("client@example.com")
    chain, key, both = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    chain.write_bytes(leaf.cert_chain_pems[0].bytes())
    key.write_bytes(leaf.private_key_pem.bytes())
    both.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    return str(chain), str(key), str(both), authority


# What a handshake brings.


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_facts(roots, version):
    """The server's certificate, the moment, and tls-unique as the server knows it; none with TLS 1.3."""
    before = time.time()
    facts, server = shake(TlsWish(ca=roots), server_context(maximum=version))
    assert version == facts.version
    assert ssl.PEM_cert_to_DER_cert(ssl.DER_cert_to_PEM_cert(facts.certificate)) == facts.certificate
    assert b"mail.example.com" in facts.certificate
    assert before <= facts.moment <= time.time()
    assert facts.verified
    assert not facts.client_certificate
    assert (b"" if version == "TLSv1.3" else server.get_channel_binding("tls-unique")) == facts.unique
    assert (len(facts.unique) > 0) is (version == "TLSv1.2")


def test_a_certificate_that_is_not_verified():
    """The server's certificate is known without verification, too."""
    facts, _ = shake(TlsWish(verify=False), server_context())
    assert (False, True) == (facts.verified, b"mail.example.com" in facts.certificate)


def test_one_certificate_is_kept_once(roots):
    """Connections to one server share its certificate."""
    context = server_context()
    first, second = (shake(TlsWish(ca=roots), context)[0] for _ in range(2))
    assert first.certificate is second.certificate


# Versions.


@pytest.mark.parametrize(
    ("minimum", "maximum", "expected"),
    [
        ("TLSv1.2", "", "TLSv1.3"),
        ("TLSv1.2", "TLSv1.2", "TLSv1.2"),
        ("TLSv1", "TLSv1.2", "TLSv1.2"),
        ("TLSv1.3", "TLSv1.3", "TLSv1.3"),
        ("TLSv1.3", "", "TLSv1.3"),
    ],
)
def test_versions(roots, minimum, maximum, expected):
    """The newest version in the range is spoken."""
    facts, _ = shake(TlsWish(ca=roots, minimum=minimum, maximum=maximum), server_context())
    assert expected == facts.version


@pytest.mark.parametrize(
    ("wish", "server"),
    [
        ({"maximum": "TLSv1.2"}, {"minimum": "TLSv1.3"}),
        ({"minimum": "TLSv1.3"}, {"maximum": "TLSv1.2"}),
        ({"minimum": "TLSv1", "maximum": "TLSv1.1"}, {"minimum": "TLSv1.2"}),
    ],
)
def test_no_common_version(roots, wish, server):
    """Ranges without a common version are told as such."""
    with pytest.raises(Broken) as caught:
        shake(TlsWish(ca=roots, **wish), server_context(**server))
    assert FaultKind.TLS_PROTOCOL is caught.value.fault.kind


def test_a_range_of_nothing():
    """A range that leaves no version is an error of this side, and no finding about a server."""
    with pytest.raises(Broken, match=r"TLS from TLSv1.3 to TLSv1.2 leaves no version") as caught:
        TlsContexts().get(TlsWish(minimum="TLSv1.3", maximum="TLSv1.2"))
    assert FaultKind.LOCAL is caught.value.fault.kind
    error = ssl.SSLError(1, "...")
    error.reason = "NO_PROTOCOLS_AVAILABLE"
    assert FaultKind.LOCAL is net.tls_fault(error, b"").kind


def test_an_unknown_maximum():
    """An unknown version is an error of this side."""
    with pytest.raises(Broken, match="unknown TLS version 'TLSv9'"):
        TlsContexts().get(TlsWish(maximum="TLSv9"))


# Client certificates.


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("files", ["two", "one"])
def test_a_client_certificate(roots, client, version, files):
    """The server is shown the certificate; its key may be in a file of its own."""
    chain, key, both, authority = client
    wish = TlsWish(ca=roots, certificate=both) if files == "one" else TlsWish(ca=roots, certificate=chain, key=key)
    facts, server = shake(wish, server_context(maximum=version, authority=authority))
    assert facts.client_certificate
    assert (("email", "client@example.com"),) == server.getpeercert()["subjectAltName"]


def wrong(match, **wish):
    with pytest.raises(Broken, match=match) as caught:
        TlsContexts().get(TlsWish(verify=False, **wish))
    assert FaultKind.LOCAL is caught.value.fault.kind


def test_client_certificates_that_cannot_be_used(client, tmp_path):
    """Missing, empty, foreign and protected files are each told in plain words."""
    chain, key, _, _ = client
    none, other = str(tmp_path / "none.pem"), str(tmp_path / "other.pem")
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(other)
    wrong("cannot read '.*none.pem': no such file", certificate=none)
    wrong("cannot read '.*none.pem': no such file", certificate=chain, key=none)
    wrong("cannot read '.*': is a directory", certificate=str(tmp_path))
    wrong("'.*key.pem' holds no certificate in PEM form", certificate=key)
    wrong("'.*chain.pem' holds no private key in PEM form", certificate=chain)
    wrong("the key in '.*other.pem' does not belong to the certificate in '.*chain.pem'", certificate=chain, key=other)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    wrong("the key in '.*broken.pem' cannot be used with", certificate=chain, key=str(broken))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_with_a_password(client, tmp_path, form):
    """A protected key is refused with advice, and nobody is asked for its password."""
    chain, key, _, _ = client
    with open(key, "rb") as file:
        loaded = load_pem_private_key(file.read(), None)
    path = tmp_path / "protected.pem"
    path.write_bytes(loaded.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"opensesame")))
    wrong("the key in '.*protected.pem' is protected by a password; take one without", certificate=chain, key=str(path))
