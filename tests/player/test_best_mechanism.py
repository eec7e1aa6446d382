"""`auth: best` and channel binding: what is chosen of what is offered, what is bound to, and what is told."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography import x509
from issuing import der, issued
from memory import EOF
from playing import everything, shown
from scramp import ScramMechanism

from runner.results import Outcome
from runner.wire import Peer, TlsFacts

HELLO = b"220 mx.example ESMTP\r\n"
GO = b"220 2.0.0 go ahead\r\n"
DONE = b"235 2.7.0 ok\r\n"
PASSWORD = "correct horse"
CERTIFICATE = der(issued(x509.DNSName("mail.example.com")))
FACTS = TlsFacts("TLSv1.3", "X", verified=True, certificate=CERTIFICATE)
OLD = replace(FACTS, version="TLSv1.2", unique=b"finished-12b")
FAR = Peer("192.0.2.1", "192.0.2.25", is_loopback=False)
ALL = "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL CRAM-MD5 OAUTHBEARER XOAUTH2 PLAIN LOGIN"
CLEAR = "  - expect: 220\n  - {send: EHLO x, expect: 250}\n"
ENCRYPTED = "  - expect: 220\n  - starttls:\n  - {send: EHLO x, expect: 250}\n"
USER = {"username": "alice"}


def offers(mechanisms):
    return f"250-mx.example\r\n250 AUTH {mechanisms}\r\n".encode()


def best(run, mechanisms, *, tls=None, auth="best", secrets=("password",), **given):
    """Return what is sent first, and the result, where the server refuses whatever comes."""
    secrets = {name: f"{name}-s3cret" for name in secrets}
    turns = (HELLO, GO, offers(mechanisms)) if tls else (HELLO, offers(mechanisms))
    steps = f"{ENCRYPTED if tls else CLEAR}  - auth: {auth}"
    given = {"variables": USER, "secrets": secrets, **given, **({"tls": tls} if tls else {})}
    played = run(steps, *turns, b"535 5.7.8 no\r\n", **given)
    lines = played.sent[0].decode().split("\r\n")
    return next((line.split()[1] for line in lines if line.startswith("AUTH ")), ""), played.result


@pytest.mark.parametrize(
    ("offered", "tls", "secrets", "expected"),
    [
        (ALL, FACTS, ["password"], "SCRAM-SHA-256-PLUS"),
        (ALL, None, ["password"], "SCRAM-SHA-256"),
        ("PLAIN SCRAM-SHA-1-PLUS SCRAM-SHA-256", OLD, ["password"], "SCRAM-SHA-1-PLUS"),
        ("LOGIN PLAIN CRAM-MD5", FACTS, ["password"], "CRAM-MD5"),
        ("LOGIN PLAIN", None, ["password"], "PLAIN"),
        ("login plain", FACTS, ["password"], "PLAIN"),
        (ALL, FACTS, ["token"], "OAUTHBEARER"),
        ("PLAIN XOAUTH2 EXTERNAL", FACTS, ["token"], "XOAUTH2"),
        ("PLAIN XOAUTH2", FACTS, ["token", "password"], "XOAUTH2"),
        ("PLAIN XOAUTH2", FACTS, ["password"], "PLAIN"),
        ("X-MAGIC EXTERNAL PLAIN", FACTS, ["password"], "PLAIN"),
        ("EXTERNAL PLAIN", replace(FACTS, client_certificate=True), ["password"], "EXTERNAL"),
        ("EXTERNAL PLAIN", replace(FACTS, client_certificate=True), [], "EXTERNAL"),
    ],
)
def test_what_is_chosen(run, offered, tls, secrets, expected):
    """The strongest that is offered and that what is given allows; the report says which."""
    name, result = best(run, offered, tls=tls, secrets=secrets)
    assert expected == name
    assert f"auth best: {expected}" == result.steps[-1].label
    assert f"auth best: {expected}: expected 235, got 535 5.7.8 no" == result.reason
    assert f"the strongest mechanism that can be used: {expected}" in everything(result)


def test_only_what_is_used_counts_as_sent(run):
    """What was not used of the credentials is no part of what the transcript shows."""
    _, result = best(run, "PLAIN XOAUTH2", tls=FACTS, secrets=("password", "token"))
    assert "C: AUTH XOAUTH2 ⟨token⟩" in everything(result)


@pytest.mark.parametrize(
    ("offered", "tls", "secrets", "reason"),
    [
        ("DIGEST-MD5 X", FACTS, ["password"], "offers DIGEST-MD5 X, nothing that can be used with username, password"),
        ("PLAIN", FACTS, ["token"], "offers PLAIN, nothing that can be used with username, token"),
        ("EXTERNAL", FACTS, [], "offers EXTERNAL, nothing that can be used with username"),
        ("SCRAM-SHA-1-PLUS", None, ["password"], "offers SCRAM-SHA-1-PLUS, nothing that can be used with username, p"),
    ],
    ids=["unknown", "no password", "no certificate", "no TLS"],
)
def test_nothing_fits(run, offered, tls, secrets, reason):
    """Where nothing can be used the step fails with what was offered, and nothing is sent."""
    name, result = best(run, offered, tls=tls, secrets=secrets)
    assert "" == name
    assert Outcome.FAILED is result.outcome
    assert f"failed: the server {reason}" in shown(result)[-1]


def test_nothing_offered(run):
    """A server without AUTH fails; one whose capabilities were not read gives no verdict."""
    steps = CLEAR + "  - auth: best"
    given = {"variables": USER, "secrets": {"password": PASSWORD}}
    result = run(steps, HELLO, b"250 mx.example\r\n", **given).result
    assert "failed: the server offers no mechanism" == shown(result)[2]
    result = run("  - expect: 220\n  - auth: best", HELLO, **given).result
    assert (
        "error: what the server offers is not known: no capabilities were read yet; send EHLO first" == shown(result)[1]
    )


@pytest.mark.parametrize("secrets", [["password"], ["token"]])
@pytest.mark.parametrize("is_allowed", [False, True], ids=["", "plaintext_secrets"])
def test_never_readable_in_clear_text(run, secrets, is_allowed):
    """Over clear text to another machine what could be read along is not chosen, whatever else is allowed."""
    name, result = best(
        run,
        "PLAIN LOGIN XOAUTH2 OAUTHBEARER",
        secrets=secrets,
        peer=FAR,
        url="smtp://mx.example",
        plaintext_secrets=is_allowed,
    )
    assert "" == name
    assert shown(result)[-1].endswith(f"nothing that can be used with username, {secrets[0]} in clear text")


def test_a_mechanism_that_shows_nothing_in_clear_text(run):
    """What shows no secret may be chosen there; that a secret was used at all is the target's to allow."""
    given = {"peer": FAR, "url": "smtp://mx.example"}
    assert "CRAM-MD5" == best(run, "PLAIN CRAM-MD5", plaintext_secrets=True, **given)[0]
    assert "error: the secret 'password' was not sent" in shown(best(run, "PLAIN CRAM-MD5", **given)[1])[-1]


def test_no_downgrade(run):
    """After a refusal of the strongest nothing weaker is tried."""
    steps = ENCRYPTED + "  - {auth: best, expect: 535}"
    turns = (HELLO, GO, offers(ALL), b"535 5.7.8 no\r\n")
    played = run(steps, *turns, tls=FACTS, variables=USER, secrets={"password": PASSWORD})
    assert 1 == played.sent[0].count(b"AUTH ")


def test_a_certificate_without_a_binding(run):
    """Where there is nothing to bind to `best` takes the plain variant; asked for by name, -PLUS is an error."""
    facts = replace(FACTS, certificate=der(issued(signer="Ed25519")))
    assert "SCRAM-SHA-256" == best(run, ALL, tls=facts)[0]
    name, result = best(run, ALL, tls=facts, auth="SCRAM-SHA-256-PLUS")
    assert "" == name
    assert shown(result)[-1].startswith("error: AUTH can't begin: there is no tls-server-end-point: the certificate's")


def test_a_binding_without_tls(run):
    """Without TLS a -PLUS mechanism is an error before anything leaves."""
    name, result = best(run, ALL, auth="SCRAM-SHA-1-PLUS")
    assert "" == name
    assert shown(result)[-1].startswith("error: AUTH can't begin: a channel binding wants TLS, and the connection is")


# Channel binding.


def binding_server(mechanism, kind, data):
    """Return a server that speaks SCRAM with a channel binding, and knows the password."""

    def server():
        known = ScramMechanism(mechanism)
        exchange = known.make_server(lambda _: known.make_auth_info(PASSWORD), channel_binding=(kind, data))
        yield HELLO
        yield GO
        line = yield offers(ALL)
        exchange.set_client_first(base64.b64decode(line.split()[2]).decode())
        line = yield b"334 " + base64.b64encode(exchange.get_server_first().encode()) + b"\r\n"
        exchange.set_client_final(base64.b64decode(line).decode())
        yield b"334 " + base64.b64encode(exchange.get_server_final().encode()) + b"\r\n"
        yield DONE
        yield (b"221 bye\r\n", EOF)

    return server


END_POINT = hashlib.sha256(CERTIFICATE).digest()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize(
    ("facts", "keys", "kind", "data"),
    [
        (FACTS, "", "tls-server-end-point", END_POINT),
        (OLD, "", "tls-unique", b"finished-12b"),
        (OLD, ", channel_binding: tls-server-end-point", "tls-server-end-point", END_POINT),
    ],
    ids=["TLS 1.3", "TLS 1.2", "chosen"],
)
def test_channel_binding(run, mechanism, facts, keys, kind, data):
    """The exchange is bound to the connection, and the transcript says by what."""
    steps = f"{ENCRYPTED}  - auth: {{mechanism: {mechanism}{keys}}}"
    server = binding_server(mechanism, kind, data)
    played = run(steps, server, tls=facts, variables=USER, secrets={"password": PASSWORD})
    assert Outcome.PASSED is played.result.outcome, shown(played.result)
    assert f"channel binding {kind}" in everything(played.result)


@pytest.mark.parametrize(
    ("offered", "flag"), [("SCRAM-SHA-256", b"y,,"), (ALL, b"n,,")], ids=["not offered", "offered"]
)
def test_the_plain_variant_over_tls(run, offered, flag):
    """The plain variant says whether -PLUS was seen to be missing."""
    steps = ENCRYPTED + "  - auth: SCRAM-SHA-256"
    played = run(
        steps, HELLO, GO, offers(offered), b"535 no\r\n", tls=FACTS, variables=USER, secrets={"password": "abcd"}
    )
    first = base64.b64decode(played.sent[0].split(b"SCRAM-SHA-256 ")[1].split(b"\r\n")[0])
    assert first.startswith(flag)


def test_what_a_handshake_may_bring(run):
    """Where nothing can be used and STARTTLS is offered, that is said; not once it was done."""
    steps = CLEAR + "  - auth: best"
    given = {"variables": USER, "secrets": {"password": PASSWORD}}
    result = run(steps, HELLO, b"250-mx.example\r\n250 STARTTLS\r\n", **given).result
    expected = "failed: the server offers no mechanism; it offers STARTTLS, which was not done: put starttls: before"
    assert expected == shown(result)[2]
