"""`auth: GSSAPI` with a real Kerberos server: tickets from it, and a service that its key table makes."""

from __future__ import annotations

import base64
import socket

import pytest
import spnego
from fake_server import FakeServer
from running import described, run_case

from runner.results import Outcome
from tests.servers import Kerberos, kerberos, server_root

WITH_TICKET = "auth: GSSAPI"
WITH_PASSWORD = "auth: {mechanism: GSSAPI, username: '${username}', password: '${password}'}"
WITHOUT_INITIAL = "auth: {mechanism: GSSAPI, initial: false}"
SCENARIO = """\
name: Kerberos
steps:
  - expect: 220
  - {step}
  - close: quit
"""


@pytest.fixture(scope="module")
def realm():
    """A realm with a user, alice, and a service, smtp/localhost."""
    with server_root() as root, kerberos(root / "kerberos") as server:
        yield server


@pytest.fixture
def client(realm: Kerberos, monkeypatch, tmp_path):
    """This process as a machine of the realm, without a ticket."""
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    return realm


def service(seen, layers=b"\7\0\x10\0"):
    """Return a server's handler: RFC 4752's server side, over AUTH."""

    def handler(conn):
        context = spnego.server(service="smtp", hostname="localhost", protocol="kerberos")
        conn.send(b"220 localhost ESMTP\r\n")
        words = conn.line().split()
        assert [b"AUTH", b"GSSAPI"] == words[:2]
        if len(words) == 2:
            conn.send(b"334 \r\n")
            words.append(conn.line().strip())
        token = context.step(base64.b64decode(words[2]))
        conn.send(b"334 " + base64.b64encode(token) + b"\r\n")
        assert b"\r\n" == conn.line()
        conn.send(b"334 " + base64.b64encode(context.wrap(layers, encrypt=False).data) + b"\r\n")
        answer = conn.line()
        if not answer:
            return
        choice = context.unwrap(base64.b64decode(answer)).data
        seen.append((context.client_principal, choice))
        conn.send(b"235 2.7.0 welcome\r\n")
        conn.line()
        conn.send(b"221 2.0.0 bye\r\n")

    return handler


def play(tmp_path, step, handler, password="", **variables):
    path = tmp_path / "kerberos.yaml"
    path.write_text(SCENARIO.replace("{step}", step))
    with FakeServer(handler) as server:
        return run_case(path, f"smtp://localhost:{server.port}", variables, password)


@pytest.mark.parametrize("step", [WITH_TICKET, WITHOUT_INITIAL], ids=["initial response", "without"])
def test_a_ticket_of_the_cache(client, realm, tmp_path, monkeypatch, step):
    """Who has a ticket needs no password; no layer is chosen."""
    monkeypatch.setenv("KRB5CCNAME", realm.environment["KRB5CCNAME"])
    realm.get_ticket()
    seen = []
    result = play(tmp_path, step, service(seen))
    assert Outcome.PASSED is result.outcome, described(result)
    assert [("alice@EXAMPLE.COM", b"\1\0\0\0")] == seen


def test_a_ticket_by_password(client, tmp_path):
    """A username and a password get a ticket, which is kept nowhere."""
    seen = []
    result = play(tmp_path, WITH_PASSWORD, service(seen), client.password, username=client.principal)
    assert Outcome.PASSED is result.outcome, described(result)
    assert [("alice@EXAMPLE.COM", b"\1\0\0\0")] == seen
    assert client.password not in described(result)
    assert not (tmp_path / "none").exists()


def test_a_wrong_password(client, tmp_path):
    """No ticket is had, nothing is sent, and that says nothing of the mail server."""
    result = play(tmp_path, WITH_PASSWORD, greeting, "another password", username=client.principal)
    assert Outcome.ERROR is result.outcome, described(result)
    assert "GSSAPI: no ticket for smtp/localhost" in result.reason
    assert "another password" not in described(result)


def test_no_ticket(client, tmp_path):
    """Without a cache there is none."""
    result = play(tmp_path, WITH_TICKET, greeting)
    assert Outcome.ERROR is result.outcome, described(result)
    assert "GSSAPI: no ticket for smtp/localhost" in result.reason


def test_a_server_that_demands_a_layer(client, tmp_path):
    """It is told what it offers; that is the server's failure."""
    result = play(tmp_path, WITH_PASSWORD, service([], b"\6\0\x10\0"), client.password, username=client.principal)
    assert Outcome.FAILED is result.outcome, described(result)
    assert "the server demands a security layer of its own" in result.reason


def test_a_kerberos_server_that_is_silent(client, tmp_path, monkeypatch):
    """Its silence costs the step its time, and no other case anything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = (client.root / "krb5.conf").read_text()
        config = tmp_path / "krb5.conf"
        before, _, _ = text.partition("    kdc = ")
        config.write_text(f"{before}    kdc = 127.0.0.1:{silent.getsockname()[1]}\n  }}\n")
        monkeypatch.setenv("KRB5_CONFIG", str(config))
        step = WITH_PASSWORD.replace("auth:", "timeout: 300ms\n    auth:")
        result = play(tmp_path, step, greeting, client.password, username=client.principal)
    assert Outcome.ERROR is result.outcome, described(result)
    assert "GSSAPI: no message could be made within 0.3 s" in result.reason
    assert result.elapsed < 3


def greeting(conn):
    """Greet; nothing but a goodbye may come."""
    conn.send(b"220 localhost ESMTP\r\n")
    assert conn.line() in (b"QUIT\r\n", b"")
    conn.send(b"221 2.0.0 bye\r\n")
