"""The mirrors' sockets: several conversations, hostile clients, ends."""

from __future__ import annotations

import socket
import struct

import pytest
from mirroring import CERTIFICATES, prepared, scenario_of

from runner.errors import ToolError
from runner.mirror import server as sockets
from runner.mirror.machine import Mirror
from runner.mirror.server import MirrorServer

HELLO = """\
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
  - send: QUIT
    expect: 221
"""
PATIENCE = 10.0


@pytest.fixture
def mirrored():
    """Return a function that serves steps, so many times; it returns the stage and what came of each conversation."""
    servers = []

    def serve(steps, top="", times=1):
        server = MirrorServer(CERTIFICATES)
        servers.append(server)
        scenario = scenario_of(steps, top)
        stage = server.stage(scenario.sessions)
        found = prepared(scenario, None, stage.ports, server.ca)
        ended = []
        stage.begin(lambda: Mirror(found.case, marks=found.marks, certify=CERTIFICATES.der), ended.append, times=times)
        server.start()
        return stage, ended

    yield serve
    for server in servers:
        server.close()
        assert server.crash is None


def connected(stage, session="main"):
    return socket.create_connection(("127.0.0.1", stage.ports[session]), PATIENCE)


def heard(client, *lines):
    """Say lines one after the other, and return all that is heard until the end."""
    with client, client.makefile("rb") as file:
        for line in lines:
            client.sendall(line)
        return file.read()


def test_a_conversation(mirrored):
    """A client that does its part is answered, and the connection ends after its goodbye."""
    stage, ended = mirrored(HELLO)
    said = heard(connected(stage), b"EHLO x\r\n", b"QUIT\r\n")
    assert said.startswith(b"220 mirror.example ready\r\n250-mirror.example\r\n")
    assert said.endswith(b"\r\n221 bye\r\n")
    assert stage.done.wait(PATIENCE)
    assert [True] == [mirror.is_kept for mirror in ended]


def test_one_after_the_other(mirrored):
    """A client that comes while another is served waits, and is served then."""
    stage, ended = mirrored(HELLO, times=3)
    clients = [connected(stage) for _ in range(3)]
    for client in clients:
        assert heard(client, b"EHLO x\r\nQUIT\r\n").endswith(b"221 bye\r\n")
    assert stage.done.wait(PATIENCE)
    assert [True, True, True] == [mirror.is_kept for mirror in ended]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 70_000,
        b"x" * 200_000,
        b"\r\n" * 5_000,
        bytes(range(256)) * 10,
        b"\x16\x03\x01" + b"\0" * 500 + b"\n",
    ],
    ids=["nothing", "nuls", "no end", "lines", "octets", "handshake"],
)
def test_hostile_clients(mirrored, data):
    """Whatever a client says, it costs its own conversation, and the next one is served."""
    stage, ended = mirrored(HELLO, times=2)
    with connected(stage) as client:
        client.recv(1000)
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass
    assert heard(connected(stage), b"EHLO x\r\nQUIT\r\n").endswith(b"221 bye\r\n")
    assert stage.done.wait(PATIENCE)
    assert [False, True] == [mirror.is_kept for mirror in ended]


def test_a_reset(mirrored):
    """A client that resets its connection is gone, no more."""
    stage, ended = mirrored(HELLO, times=2)
    client = connected(stage)
    client.recv(1000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert heard(connected(stage), b"EHLO x\r\nQUIT\r\n").endswith(b"221 bye\r\n")
    assert stage.done.wait(PATIENCE)
    assert [False, True] == [mirror.is_kept for mirror in ended]


def test_idle_clients(mirrored, monkeypatch):
    """One that says nothing is not waited for without end."""
    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.05)
    stage, ended = mirrored(HELLO)
    assert b"220 mirror.example ready\r\n" == heard(connected(stage))
    assert stage.done.wait(PATIENCE)
    assert ["line 5: the client left where 'EHLO client.example' was expected"] == ended[0].notes


def test_a_broken_handshake(mirrored):
    """One that speaks clear text where a handshake is due is told of."""
    stage, ended = mirrored("  - expect: 220\n  - send: EHLO x\n    expect: 250\n  - starttls:\n")
    with connected(stage) as client:
        client.sendall(b"EHLO x\r\n")
        client.sendall(b"STARTTLS\r\n")
        while b"220 done\r\n" not in client.recv(1000):
            pass
        client.sendall(b"MAIL FROM:<a@b>\r\n" * 10)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    assert stage.done.wait(PATIENCE)
    assert ended[0].notes[0].startswith("line 7: the TLS handshake failed: ")


def test_refused(mirrored):
    """Where a connection is to be refused, nobody listens."""
    stage, ended = mirrored("  - connect:\n    expect: refused\n")
    with pytest.raises(ConnectionRefusedError):
        connected(stage)
    assert [True] == [mirror.is_kept for mirror in ended]


def test_port_in_use():
    """A port that somebody has can't be had."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = MirrorServer(CERTIFICATES)
        with pytest.raises(ToolError, match=f"^--port {port}: address already in use"):
            server.stage(["main"], port)
        server.close()
