"""An SMTP server that answers every line at once or after a time, for any number of connections: PORT SECONDS.

It judges nothing; it knows AUTH LOGIN and that a message ends with a dot. One process over epoll, so that it
costs the machine as little as can be.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import sys
import time
from collections import deque

GREETING = b"220 bench.example ESMTP\r\n"
HELLO = b"250-bench.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"
REPLIES = {
    b"EHLO": HELLO,
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
OK = b"250 2.0.0 Ok\r\n"
USERNAME, PASSWORD, AUTHENTICATED = b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"235 2.7.0 Ok\r\n"


class Client:
    """One connection: what came of a line, what state it is in."""

    __slots__ = ("buffer", "expected", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.expected = ""

    def replies(self, data: bytes) -> bytes:
        """Return what is to be said to these bytes."""
        self.buffer += data
        said = b""
        while True:
            end = b"\r\n.\r\n" if self.expected == "message" else b"\r\n"
            line, found, rest = self.buffer.partition(end)
            if not found:
                return said
            self.buffer = rest
            said += self.reply(line)

    def reply(self, line: bytes) -> bytes:
        """Return the reply to one line, or to a message."""
        expected, self.expected = self.expected, ""
        if expected == "username":
            self.expected = "password"
            return PASSWORD
        if expected == "password":
            return AUTHENTICATED
        if expected:
            return OK
        word = line[:4].upper()
        if word == b"AUTH":
            self.expected = "username"
            return USERNAME
        if word == b"DATA":
            self.expected = "message"
        return REPLIES.get(word, OK)


class Server:
    """The loop. Replies wait in a queue: all have the same delay, so the first in is the first due."""

    def __init__(self, port: int, delay: float) -> None:
        self.delay = delay
        self.listener = socket.create_server(("127.0.0.1", port), backlog=16384)
        self.listener.setblocking(False)
        self.poller = select.epoll()
        self.poller.register(self.listener, select.EPOLLIN)
        self.clients: dict[int, Client] = {}
        self.due: deque[tuple[float, Client, bytes]] = deque()

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            wait = max(0.0, self.due[0][0] - time.monotonic()) if self.due else -1
            for fd, _ in self.poller.poll(wait, 1024):
                if fd == self.listener.fileno():
                    self.accept()
                else:
                    self.read(fd)
            now = time.monotonic()
            while self.due and self.due[0][0] <= now:
                _, client, said = self.due.popleft()
                self.say(client, said)

    def accept(self) -> None:
        """Take every connection that waits."""
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                client = self.clients[sock.fileno()] = Client(sock)
                self.poller.register(sock, select.EPOLLIN)
                self.answer(client, GREETING)

    def read(self, fd: int) -> None:
        """Read what a client says."""
        client = self.clients[fd]
        try:
            data = client.sock.recv(65536)
        except OSError:
            data = b""
        if data:
            self.answer(client, client.replies(data))
        else:
            self.close(client)

    def answer(self, client: Client, said: bytes) -> None:
        """Say it now, or when the delay is over."""
        if not self.delay:
            self.say(client, said)
        elif said:
            self.due.append((time.monotonic() + self.delay, client, said))

    def say(self, client: Client, said: bytes) -> None:
        """Write; a client that is gone is let go."""
        if client.sock.fileno() < 0:
            return
        try:
            client.sock.send(said)
        except OSError:
            self.close(client)
            return
        if said.endswith(REPLIES[b"QUIT"]):
            self.close(client)

    def close(self, client: Client) -> None:
        """Let a client go."""
        self.clients.pop(client.sock.fileno(), None)
        client.sock.close()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Server(int(sys.argv[1]), float(sys.argv[2])).run()
