"""Channel bindings, and SCRAM with them: scramp and the RFCs as oracles."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from issuing import der, issued
from scramp import ScramMechanism

from runner.sasl import MECHANISMS, ChannelBinding, Credentials, SaslError, channel_binding, create, strongest
from runner.sasl.channel_binding import server_end_point
from runner.wire import TlsFacts

NAME = x509.DNSName("mail.example.com")
CERTIFICATE = der(issued(NAME))
OLD = TlsFacts("TLSv1.2", "X", verified=True, certificate=CERTIFICATE, unique=b"finished-12b")
NEW = TlsFacts("TLSv1.3", "X", verified=True, certificate=CERTIFICATE)
END_POINT = ChannelBinding("tls-server-end-point", hashlib.sha256(CERTIFICATE).digest())
UNIQUE = ChannelBinding("tls-unique", b"finished-12b")


@pytest.mark.parametrize(
    ("signer", "digest", "name"),
    [
        ("RSA 2048", hashes.SHA256(), "sha256"),
        ("RSA 2048", hashes.SHA384(), "sha384"),
        ("EC 256", hashes.SHA512(), "sha512"),
    ],
)
def test_server_end_point(signer, digest, name):
    """The certificate's hash, by the hash of its signature (RFC 5929 section 4.1)."""
    certificate = der(issued(NAME, signer=signer, digest=digest))
    assert hashlib.new(name, certificate).digest() == server_end_point(certificate)


@pytest.mark.parametrize(("old", "new"), [(b"\x0b", b"\x05"), (b"\x0b", b"\x04")], ids=["SHA-1", "MD5"])
def test_a_weak_hash_is_replaced(old, new):
    """A signature by SHA-1 or MD5 gives SHA-256; cryptography makes none, so its algorithm's number is changed."""
    rsa = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"
    certificate = der(issued(NAME, signer="RSA 2048"))
    assert 2 == certificate.count(rsa + old)
    weak = certificate.replace(rsa + old, rsa + new)
    assert hashlib.sha256(weak).digest() == server_end_point(weak)


def test_a_signature_without_a_hash():
    """Ed25519 has no hash of its own, and so the binding is not defined."""
    with pytest.raises(SaslError, match="signature has no one hash"):
        server_end_point(der(issued(NAME, signer="Ed25519")))
    with pytest.raises(SaslError, match="there is no tls-server-end-point: the certificate's structure is broken"):
        server_end_point(b"\x30\x00")


@pytest.mark.parametrize(
    ("facts", "kind", "expected"),
    [
        (OLD, "", UNIQUE),
        (NEW, "", END_POINT),
        (OLD, "tls-unique", UNIQUE),
        (OLD, "tls-server-end-point", END_POINT),
        (NEW, "tls-server-end-point", END_POINT),
    ],
)
def test_which_binding(facts, kind, expected):
    """What is asked for; else tls-unique where there is one, tls-server-end-point with TLS 1.3."""
    assert expected == channel_binding(facts, kind)


def test_no_binding():
    """Clear text has none, and TLS 1.3 has no tls-unique."""
    with pytest.raises(SaslError, match="the connection is not encrypted"):
        channel_binding(None)
    with pytest.raises(SaslError, match=r"TLSv1\.3 has no tls-unique"):
        channel_binding(NEW, "tls-unique")


@pytest.mark.parametrize("name", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize("binding", [UNIQUE, END_POINT], ids=lambda one: one.kind)
def test_scramp_takes_the_binding(name, binding):
    """A server that is scramp accepts the proof over the binding, and proves itself."""
    known = ScramMechanism(name)
    server = known.make_server(lambda _: known.make_auth_info("pencil"), channel_binding=(binding.kind, binding.data))
    scram = create(name, Credentials("user", "pencil", channel_binding=binding), nonce="n0nce")
    first = scram.initial()
    assert first.startswith(b"p=" + binding.kind.encode() + b",,n=user,")
    server.set_client_first(first.decode())
    server.set_client_final(scram.respond(server.get_server_first().encode()).decode())
    assert b"" == scram.respond(server.get_server_final().encode())
    scram.accepted()


def test_the_final_message_holds_the_binding():
    """`c=` is the base64 of header and data (RFC 5802 section 5.1)."""
    scram = create("SCRAM-SHA-1-PLUS", Credentials("user", "pencil", channel_binding=UNIQUE), nonce="abc")
    scram.initial()
    final = scram.respond(b"r=abcdef,s=QSXCR+Q6sek8bf92,i=1")
    assert b"p=tls-unique,,finished-12b" == base64.b64decode(final.split(b",")[0].removeprefix(b"c="))


def test_a_binding_needs_something_to_bind_to():
    """Without a binding a -PLUS mechanism is an error, before anything is sent."""
    with pytest.raises(SaslError, match="SCRAM-SHA-256-PLUS: a channel binding wants TLS"):
        create("SCRAM-SHA-256-PLUS", Credentials("user", "pencil"), nonce="n")


@pytest.mark.parametrize(
    ("binding", "is_offered", "flag"),
    [(None, False, b"n,,"), (None, True, b"n,,"), (UNIQUE, True, b"n,,"), (UNIQUE, False, b"y,,")],
    ids=["clear text", "clear text, offered", "offered", "not offered"],
)
def test_the_flag_of_the_plain_variant(binding, is_offered, flag):
    """`y` where the client could bind and the server offers nothing that does (RFC 5802 section 6), else `n`."""
    credentials = Credentials("user", "pencil", channel_binding=binding, offers_binding=is_offered)
    scram = create("SCRAM-SHA-256", credentials, nonce="abc")
    assert scram.initial().startswith(flag)
    final = scram.respond(b"r=abcdef,s=QSXCR+Q6sek8bf92,i=1")
    assert b"c=" + base64.b64encode(flag) == final.split(b",")[0]


def test_the_strongest():
    """The order is the registry's: binding, then what shows no secret, then tokens, then the password itself."""
    offered = list(MECHANISMS)[::-1]
    found = []
    while name := strongest(offered, lambda _: True):
        found.append(name)
        offered.remove(name)
    assert list(MECHANISMS) == found
    assert ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"] == found[:4]
    assert {"PLAIN", "LOGIN"} < set(found[6:])


def test_the_strongest_that_is_allowed():
    """What is not allowed or not known is passed over; names are known in any case."""
    assert "LOGIN" == strongest(["PLAIN", "login", "X-TOKEN"], lambda known: known.name != "PLAIN")
    assert "" == strongest(["X-TOKEN"], lambda _: True)
