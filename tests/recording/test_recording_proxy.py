"""The proxy's sockets: bytes go by unchanged and at once, whoever is slow, large, many or gone."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from queue import SimpleQueue

import pytest
from fake_server import PATIENCE, FakeServer

from runner.recording import proxy as proxy_module
from runner.recording.proxy import Door, Proxy
from runner.wire import Endpoint, TlsWish
from tests.cli.commands import polite

BODY = b"".join(b"%060d\r\n" % number for number in range(100_000))


@contextlib.contextmanager
def passing(server, passed=None, **endpoint):
    """Return a proxy that runs in front of a server, and the list of connections that are over.

    With `passed` they are handed to that in place of the list.
    """
    over = []
    place = Endpoint("127.0.0.1", server.port, **endpoint)
    with Proxy(("127.0.0.1", 0), Door("smtp", place, TlsWish()), passed or over.append) as proxy:
        thread = threading.Thread(target=proxy.run)
        thread.start()
        try:
            yield proxy, over
        finally:
            proxy.stop()
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert [None] * len(over) == [one.crash for one in over]


def connected(proxy):
    return socket.create_connection(proxy.address, PATIENCE)


def echoes(conn):
    """Greet, and say whatever is said."""
    conn.send(b"220 mx\r\n")
    while data := conn.socket.recv(65536):
        conn.send(data)


def test_large(monkeypatch):
    """Six megabytes go there and back unchanged, though one side reads only when it has said all."""
    monkeypatch.setattr(proxy_module, "MOST_WAITING", 64 * 1024)
    kept = []

    def listens(conn):
        conn.send(b"220 mx\r\n")
        kept.append(conn.until(b"\r\n.\r\n"))
        conn.send(kept[0])

    with FakeServer(listens) as server, passing(server) as (proxy, _), connected(proxy) as sock:
        sock.sendall(b"EHLO x\r\n" + BODY + b".\r\n")
        back = sock.makefile("rb").read()
    assert (True, True) == (kept[0].endswith(BODY + b".\r\n"), back == b"220 mx\r\n" + kept[0])


def test_slow_reader():
    """A client that reads nothing is not read for: the server has to wait, and the proxy does not grow."""
    sent, is_done = [], threading.Event()

    def floods(conn):
        conn.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sum(sent) < 64 * 1024 * 1024:
                sent.append(conn.socket.send(BODY[:65536]))
        is_done.set()

    with FakeServer(floods) as server, passing(server) as (proxy, _), connected(proxy):
        assert is_done.wait(PATIENCE)
    assert 0 < sum(sent) < 64 * 1024 * 1024


def test_many_at_once():
    """More clients than are served at once are all served."""
    with FakeServer(echoes) as server, passing(server) as (proxy, over):
        proxy_module_limit = proxy_module.MOST_CLIENTS
        clients = [connected(proxy) for _ in range(proxy_module_limit + 20)]
        for number, sock in enumerate(clients):
            sock.sendall(b"%d\r\n" % number)
        answers = []
        for sock in clients:
            with sock, sock.makefile("rb") as file:
                answers.append((file.readline(), file.readline()))
    assert [(b"220 mx\r\n", b"%d\r\n" % number) for number in range(len(clients))] == answers
    assert len(clients) == len(over)


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_server_goes(how):
    """What a server said last reaches the client, and its end does, too."""

    def leaves(conn):
        conn.send(b"220 mx\r\n")
        conn.line()
        conn.send(b"421 bye\r\n")
        if how == "reset":
            conn.line()
            conn.reset()

    with (
        FakeServer(leaves) as server,
        passing(server) as (proxy, _),
        connected(proxy) as sock,
        sock.makefile("rwb", buffering=0) as file,
    ):
        file.write(b"NOOP\r\n")
        lines = [file.readline(), file.readline()]
        if how == "reset":
            file.write(b"NOOP\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"" == file.readline()
    assert [b"220 mx\r\n", b"421 bye\r\n"] == lines


def test_client_goes():
    """A client that leaves takes its connection to the server with it."""
    seen = threading.Event()

    def waits(conn):
        conn.send(b"220 mx\r\n")
        conn.wait_for_eof()
        seen.set()

    with FakeServer(waits) as server, passing(server) as (proxy, over):
        with connected(proxy) as sock, sock.makefile("rb") as file:
            file.readline()
        assert seen.wait(PATIENCE)
    assert [""] == [one.trouble for one in over]


@pytest.mark.parametrize(
    ("lines", "trouble"),
    [([b"EHLO x\r\n"], "connection reset"), ([b"EHLO x\r\n", b"QUIT\r\n"], "")],
    ids=["amid", "after the goodbye"],
)
def test_client_resets(lines, trouble):
    """A client that has had the answer to its goodbye may hang up as it likes; before that it is told of."""
    over = SimpleQueue()
    with FakeServer(polite) as server, passing(server, over.put) as (proxy, _):
        with connected(proxy) as sock, sock.makefile("rwb", buffering=0) as file:
            file.readline()
            for line in lines:
                file.write(line)
                file.readline()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        passed = over.get(timeout=PATIENCE)
    assert (trouble, False) == (passed.trouble, passed.overheard.has_unfinished)


def test_unix_socket(tmp_path):
    """A server at a UNIX socket is reached, too."""
    path = str(tmp_path / "s")
    with FakeServer(echoes, path=path) as server, passing(server, path=path) as (proxy, _), connected(proxy) as sock:
        assert b"220 mx\r\n" == sock.makefile("rb").readline()


def test_stopped():
    """Stopping cuts connections that stand, and hands over what was said."""
    with FakeServer(echoes) as server:
        with passing(server) as (proxy, over):
            sock = connected(proxy)
            with sock.makefile("rwb", buffering=0) as file:
                file.readline()
                file.write(b"250 hello\r\n")
                file.readline()
        sock.close()
    assert 3 == len(over[0].overheard.events)
