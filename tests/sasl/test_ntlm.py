"""NTLM against pyspnego's own server side, in memory: messages in, messages out."""

from __future__ import annotations

import builtins

import pytest
import spnego
from hypothesis import given
from hypothesis import strategies as st

from runner.sasl import Credentials, SaslError, SaslUnableError, create

PASSWORD = "Pä55wörd"
USERS = f"EXAMPLE:alice:{PASSWORD}\n:bob@example.com:{PASSWORD}\n"


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server that knows two users."""
    path = tmp_path / "users"
    path.write_text(USERS, "utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(path))
    return spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)


def client(username=r"EXAMPLE\alice", password=PASSWORD):
    return create("ntlm", Credentials(username=username, password=password, host="mail.example.com"))


@pytest.mark.parametrize("username", [r"EXAMPLE\alice", "bob@example.com"])
def test_the_server_is_convinced(server, username):
    """With a domain before the name or behind it."""
    ntlm = client(username)
    server.step(ntlm.respond(server.step(ntlm.initial())))
    ntlm.accepted()
    assert server.complete


def test_a_wrong_password_does_not_convince(server):
    """The server says so; the client has nothing to add."""
    ntlm = client(password="wrong")
    answer = ntlm.respond(server.step(ntlm.initial()))
    with pytest.raises(spnego.exceptions.SpnegoError):
        server.step(answer)


def test_without_an_initial_response(server):
    """The first challenge may be words (MS-SMTPNTLM: `334 ntlm supported`); the answer is the negotiate message."""
    ntlm = client()
    negotiate = ntlm.respond(b"")
    assert b"NTLMSSP\0\1\0\0\0" == negotiate[:12]
    server.step(ntlm.respond(server.step(negotiate)))
    assert server.complete


def test_success_before_the_exchange_is_over():
    """It is not believed."""
    ntlm = client()
    ntlm.initial()
    with pytest.raises(SaslError, match="before the exchange was complete"):
        ntlm.accepted()


def test_a_challenge_too_many(server):
    """After the last message there is no answer."""
    ntlm = client()
    ntlm.respond(server.step(ntlm.initial()))
    with pytest.raises(SaslError, match="only success or failure can follow"):
        ntlm.respond(b"NTLMSSP\0\2\0\0\0")


@pytest.mark.parametrize("challenge", [b"", b"x", b"NTLMSSP\0\1\0\0\0", b"NTLMSSP\0\3\0\0\0" + bytes(60)])
def test_no_challenge_at_all(challenge):
    """What is no challenge message is told as that."""
    ntlm = client()
    ntlm.initial()
    with pytest.raises(SaslError, match="is no NTLM challenge"):
        ntlm.respond(challenge)


@given(st.binary(max_size=300))
def test_any_challenge_is_answered_or_refused(data):
    """A hostile message breaks nothing, and no error shows the password."""
    ntlm = client()
    ntlm.initial()
    refused = []
    try:
        ntlm.respond(b"NTLMSSP\0\2\0\0\0" + data)
    except SaslError as error:
        refused = [str(error), error.__cause__]
    else:
        ntlm.accepted()
    assert refused in ([], ["NTLM: the server's challenge can't be read (MS-NLMP section 2.2.1.2)", None])


@pytest.mark.parametrize("field", ["username", "password"])
def test_values_that_it_cannot_carry(field):
    """NUL and half a surrogate pair, before anything is sent."""
    for value in ("a\0b", "\ud800"):
        with pytest.raises(SaslError, match=f"the {field} "):
            client(**{field: value})


def test_settings_of_the_machine_that_forbid_it(monkeypatch):
    """A level that there is none of is this side's fault."""
    monkeypatch.setenv("LM_COMPAT_LEVEL", "9")
    with pytest.raises(SaslUnableError, match="this machine's settings"):
        client()


@pytest.mark.parametrize(("mechanism", "extra"), [("NTLM", "ntlm"), ("GSSAPI", "gssapi")])
def test_without_the_extra(monkeypatch, mechanism, extra):
    """Its name is told."""
    real = builtins.__import__

    def absent(name, *rest):
        if name.partition(".")[0] in ("spnego", "gssapi"):
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SaslUnableError, match=rf"pip install 'mailproof\[{extra}\]'"):
        create(mechanism, Credentials(username="alice", password="x", host="mail.example.com"))


def test_the_names_are_known_without_the_extra():
    """The registry imports no more than it must: a run without NTLM does not pay for it."""
    import subprocess
    import sys

    code = "import sys, runner.sasl; print('NTLM' in runner.sasl.MECHANISMS, 'spnego' in sys.modules, 'gssapi' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert "True False False" == out.stdout.strip()
