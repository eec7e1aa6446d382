"""GSSAPI's exchange (RFC 4752) with a context that is made up; `tests/real/test_kerberos.py` has a real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import spnego

from runner.sasl import Credentials, SaslError, SaslUnableError, create

CREDENTIALS = Credentials(host="mail.example.com", service="smtp")


@dataclass
class Context:
    """Stands for a Kerberos context: tokens to send, then complete; what it wraps begins with `W`."""

    tokens: list[bytes | None] = field(default_factory=lambda: [b"AP-REQ", None])
    taken: list[bytes | None] = field(default_factory=list)

    @property
    def complete(self):
        return not self.tokens

    def step(self, token=None):
        self.taken.append(token)
        if token == b"forged":
            raise spnego.exceptions.InvalidTokenError(context_msg="no\r\nAP-REP")
        return self.tokens.pop(0)

    def unwrap(self, data):
        if not data.startswith(b"W"):
            raise spnego.exceptions.BadMICError
        return SimpleNamespace(data=data[1:])

    def wrap(self, data, encrypt):
        assert not encrypt
        return SimpleNamespace(data=b"W" + data)


@pytest.fixture
def context(monkeypatch):
    """The context that the mechanism gets."""
    made = Context()
    monkeypatch.setattr(spnego, "client", lambda *credentials, **options: made)
    return made


def begun(credentials=CREDENTIALS):
    """Return a mechanism whose context stands: the server's offer of layers is due."""
    gssapi = create("GSSAPI", credentials)
    assert b"AP-REQ" == gssapi.initial()
    assert b"" == gssapi.respond(b"AP-REP")
    return gssapi


def test_the_whole_exchange(context):
    """Token, token, an empty answer, the offer, and the choice of no layer with whom to act as."""
    gssapi = begun(Credentials(host="mail.example.com", authzid="bob"))
    assert b"W\1\0\0\0bob" == gssapi.respond(b"W\7\0\x10\0")
    gssapi.accepted()
    assert [None, b"AP-REP"] == context.taken


def test_without_an_initial_response(context):
    """The empty challenge asks for the first token."""
    assert b"AP-REQ" == create("GSSAPI", CREDENTIALS).respond(b"")


def test_a_context_that_has_a_last_token(context):
    """It is sent, and the offer comes after it."""
    context.tokens = [b"1", b"2", b"3"]
    gssapi = create("GSSAPI", CREDENTIALS)
    assert [b"1", b"2", b"3"] == [gssapi.initial(), gssapi.respond(b"a"), gssapi.respond(b"b")]
    assert b"W\1\0\0\0" == gssapi.respond(b"W\1\0\0\0")


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        (b"x\1\0\0\0", "the server's offer of layers is not authentic"),
        (b"", "the server's offer of layers is not authentic"),
        (b"W\1\0\0", "has 3 bytes, not 4"),
        (b"W\1\0\0\0\0", "has 5 bytes, not 4"),
        (b"W\6\0\x10\0", "the server demands a security layer of its own; here TLS is that"),
    ],
)
def test_an_offer_that_cannot_be_taken(context, offer, message):
    """It must be authentic, of four octets, and have no layer among its layers."""
    gssapi = begun()
    with pytest.raises(SaslError, match=message):
        gssapi.respond(offer)
    with pytest.raises(SaslError):
        gssapi.accepted()


def test_a_forged_token(context):
    """The library's reason is shown on one line; it is the server's failure."""
    gssapi = create("GSSAPI", CREDENTIALS)
    gssapi.initial()
    with pytest.raises(SaslError, match=r"the server's token is not accepted: .*no AP-REP") as caught:
        gssapi.respond(b"forged")
    assert not isinstance(caught.value, SaslUnableError)


@pytest.mark.parametrize("reads", [0, 1])
def test_success_too_early(context, reads):
    """Before the server has proved who it is, success is not believed."""
    gssapi = create("GSSAPI", CREDENTIALS)
    gssapi.initial()
    for _ in range(reads):
        gssapi.respond(b"AP-REP")
    with pytest.raises(SaslError, match="without proving that it is the service"):
        gssapi.accepted()


def test_no_ticket(monkeypatch):
    """That is this side's fault, and names the service."""

    def unable(*_, **__):
        raise spnego.exceptions.NoCredentialError(context_msg="no cache")

    monkeypatch.setattr(spnego, "client", unable)
    with pytest.raises(SaslUnableError, match=r"no ticket for smtp/mail\.example\.com: .*no cache"):
        create("GSSAPI", CREDENTIALS).initial()


def test_a_server_without_a_name():
    """There is no ticket for nobody."""
    with pytest.raises(SaslUnableError, match="no host name"):
        create("GSSAPI", Credentials())
