"""Cyrus IMAP behaves as the other tests take for granted; judged by Python's own clients and sockets."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import os
import poplib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scramp import ScramClient

from tests.servers import NotInstalledError, Running, cyrus_imap, server_root
from tests.servers._process import await_true, groups_below, living
from tests.servers._running import free_ports

LIMIT = 10
FROM_ELSEWHERE = "carol@example.net"
HIDDEN = "CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
MECHANISMS = f"PLAIN LOGIN {HIDDEN}"
SYSTEM_FOLDERS = ("/run/cyrus", "/run/cyrus-master.pid", "/var/lib/cyrus", "/var/spool/cyrus", "/var/spool/sieve")


def b64(octets: str | bytes) -> str:
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


class Line:
    """A connection of lines."""

    def __init__(self, door: Running, *, tls: bool = False) -> None:
        self._door = door
        self.socket: socket.socket = socket.create_connection((door.host, door.port), LIMIT)
        self._file = self.socket.makefile("rb")
        if tls:
            self.secure()

    def secure(self) -> None:
        """Begin TLS and believe the CA alone."""
        self._file.close()
        context = ssl.create_default_context(cafile=self._door.ca)
        self.socket = context.wrap_socket(self.socket, server_hostname=self._door.host)
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def until(self, pattern: bytes) -> list[bytes]:
        """Read until a line that the pattern matches."""
        lines: list[bytes] = []
        while not lines or not re.match(pattern, lines[-1]):
            line = self._file.readline()
            assert line, lines
            lines.append(line.rstrip(b"\r\n"))
        return lines

    def say(self, text: str, pattern: bytes) -> list[bytes]:
        """Send a line and read until the line that the pattern matches."""
        self.socket.sendall(text.encode() + b"\r\n")
        return self.until(pattern)


@contextlib.contextmanager
def connected(door: Running, *, tls: bool = False) -> Iterator[Line]:
    with contextlib.closing(Line(door, tls=tls)) as line:
        yield line


def plain(door: Running, password: str | None = None) -> str:
    secret = door.password if password is None else password
    return b64(f"\0{door.variables['username']}\0{secret}")


@contextlib.contextmanager
def imap(door: Running) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4(door.host, door.port, LIMIT)
    try:
        client.login(door.variables["username"], door.password)
        yield client
    finally:
        client.shutdown()


@contextlib.contextmanager
def pop3(door: Running) -> Iterator[poplib.POP3]:
    with contextlib.closing(poplib.POP3(door.host, door.port, LIMIT)) as client:
        client.user(door.variables["username"])
        client.pass_(door.password)
        yield client


@contextlib.contextmanager
def sieve(door: Running) -> Iterator[Line]:
    with connected(door) as client:
        client.until(b"OK")
        client.say(f'AUTHENTICATE "PLAIN" "{plain(door)}"', b"OK")
        yield client


def deliver(door: Running, recipient: str, text: str) -> list[tuple[int, bytes]]:
    """Send by LMTP; return the replies to RCPT and to the message."""
    with contextlib.closing(smtplib.LMTP(door.host, door.port, "client.example.org")) as client:
        client.ehlo()
        client.mail(FROM_ELSEWHERE)
        replies = [client.rcpt(recipient)]
        if replies[0][0] == 250:
            client.docmd("DATA")
            client.send(f"{text}\r\n.\r\n")
            replies.append(client.getreply())
        return replies


def put(client: Line, script: str, pattern: bytes) -> list[bytes]:
    return client.say(f'PUTSCRIPT "own" {{{len(script)}+}}\r\n{script}', pattern)


class TestDoors:
    """Each door greets, offers what it should, and lets the user in."""

    @pytest.mark.parametrize(
        ("name", "greeting"),
        [
            ("imap", rb"\* OK \[CAPABILITY .* AUTH=PLAIN .*\] mail\.example\.com Cyrus IMAP "),
            ("imap_tls_only", rb"\* OK \[CAPABILITY .* STARTTLS LOGINDISABLED AUTH=CRAM-MD5 "),
            ("imaps", rb"\* OK \[CAPABILITY .* AUTH=SCRAM-SHA-256-PLUS .*\] "),
            ("pop3", rb"\+OK .* <\d+\.\d+@mail\.example\.com>$"),
            ("pop3_tls_only", rb"\+OK "),
            ("pop3s", rb"\+OK "),
            ("sieve", rb'"IMPLEMENTATION" "Cyrus timsieved '),
            ("sieve_tls_only", rb'"IMPLEMENTATION" "Cyrus timsieved '),
            ("lmtp", rb"220 mail\.example\.com Cyrus LMTP "),
        ],
    )
    def test_greeting(self, cyrus_imap_server, name, greeting):
        """The door greets in its protocol's way, those that begin with TLS by a certificate that is in order."""
        with connected(getattr(cyrus_imap_server, name), tls=name in {"imaps", "pop3s"}) as client:
            assert re.match(greeting, client.until(b"")[0])

    @pytest.mark.parametrize(
        ("name", "greeted", "said", "answered"),
        [
            ("imap", rb"\* OK", "a STARTTLS", b"a OK"),
            ("imap_tls_only", rb"\* OK", "a STARTTLS", b"a OK"),
            ("pop3", rb"\+OK", "STLS", rb"\+OK"),
            ("pop3_tls_only", rb"\+OK", "STLS", rb"\+OK"),
            ("sieve", b"OK", "STARTTLS", b"OK"),
            ("sieve_tls_only", b"OK", "STARTTLS", b"OK"),
        ],
    )
    def test_starttls(self, cyrus_imap_server, name, greeted, said, answered):
        """The doors that begin without TLS take it later, with a certificate that is in order."""
        with connected(getattr(cyrus_imap_server, name)) as client:
            client.until(greeted)
            client.say(said, answered)
            client.secure()

    def test_sieve_greets_again(self, cyrus_imap_server):
        """After STARTTLS ManageSieve greets unasked, and then offers what it did not before."""
        with connected(cyrus_imap_server.sieve_tls_only) as client:
            assert f'"SASL" "{HIDDEN}"'.encode() in client.until(b"OK")
            client.say("STARTTLS", b"OK")
            client.secure()
            assert b'"SASL" "PLAIN LOGIN ' in b"\n".join(client.until(b"OK"))

    @pytest.mark.parametrize(
        ("name", "greeted", "command", "yes", "no"),
        [
            ("imap", rb"\* OK", "a AUTHENTICATE PLAIN {}", rb"a OK \[CAPABILITY ", b"a NO authentication failure$"),
            ("pop3", rb"\+OK", "AUTH PLAIN {}", rb"\+OK", rb"-ERR \[AUTH\]"),
            ("sieve", b"OK", 'AUTHENTICATE "PLAIN" "{}"', b"OK$", b'NO "Authentication Error"$'),
        ],
    )
    def test_password(self, cyrus_imap_server, name, greeted, command, yes, no):
        """A wrong password is refused, the right one taken."""
        door = getattr(cyrus_imap_server, name)
        with connected(door) as client:
            client.until(greeted)
            client.say(command.format(plain(door, "wrong")), no)
            client.say(command.format(plain(door)), yes)

    @pytest.mark.parametrize(
        ("name", "greeted", "command", "no"),
        [
            ("imap_tls_only", rb"\* OK", "a LOGIN alice secret", b"a NO Login only available under a layer$"),
            ("pop3_tls_only", rb"\+OK", "USER alice", rb"-ERR \[AUTH\] USER command only available under a layer$"),
            ("sieve_tls_only", b"OK", 'AUTHENTICATE "PLAIN"', b'NO "Authentication Error"$'),
        ],
    )
    def test_password_wants_tls(self, cyrus_imap_server, name, greeted, command, no):
        """No door that wants TLS takes a password in clear text without it."""
        with connected(getattr(cyrus_imap_server, name)) as client:
            client.until(greeted)
            client.say(command, no)

    @pytest.mark.parametrize(("name", "offered"), [("pop3", MECHANISMS), ("pop3_tls_only", HIDDEN)])
    def test_mechanisms(self, cyrus_imap_server, name, offered):
        """POP3 lists what everybody offers without TLS."""
        door = getattr(cyrus_imap_server, name)
        with contextlib.closing(poplib.POP3(door.host, door.port, LIMIT)) as client:
            assert offered.split() == client.capa()["SASL"]

    def test_apop(self, cyrus_imap_server):
        """APOP knows the user."""
        door = cyrus_imap_server.pop3
        with contextlib.closing(poplib.POP3(door.host, door.port, LIMIT)) as client:
            assert client.apop(door.variables["username"], door.password).startswith(b"+OK Mailbox locked and ready")

    @pytest.mark.parametrize("name", ["imap", "imap_tls_only"])
    def test_cram_md5(self, cyrus_imap_server, name):
        """CRAM-MD5 knows the user, with the domain that Cyrus takes off."""
        door = getattr(cyrus_imap_server, name)
        client = imaplib.IMAP4(door.host, door.port, LIMIT)
        try:
            assert client.login_cram_md5(door.variables["username"], door.password)[0] == "OK"
        finally:
            client.shutdown()

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
    def test_scram(self, cyrus_imap_server, mechanism):
        """SCRAM succeeds, and the server proves that it knows the password too."""
        door = cyrus_imap_server.imap
        scram = ScramClient([mechanism], door.variables["username"], door.password)
        with connected(door) as client:
            client.until(rb"\* OK")
            [said] = client.say(f"a AUTHENTICATE {mechanism} {b64(scram.get_client_first())}", rb"\+ ")
            scram.set_server_first(base64.b64decode(said[2:]).decode())
            [said] = client.say(b64(scram.get_client_final()), rb"\+ ")
            scram.set_server_final(base64.b64decode(said[2:]).decode())
            client.say("", b"a OK")


class TestMailboxes:
    def test_own_mailbox_is_empty(self, own_cyrus_imap):
        """A test's own user has nothing yet, and everything is for reading and writing."""
        with imap(own_cyrus_imap.imap) as client:
            assert client.select("INBOX") == ("OK", [b"0"])
            assert client.response("READ-WRITE") == ("READ-WRITE", [b""])

    def test_append_and_retrieve(self, own_cyrus_imap):
        """What IMAP puts there, POP3 finds."""
        with imap(own_cyrus_imap.imap) as client:
            code, [text] = client.append("INBOX", None, None, b"Subject: appended\r\n\r\n.dot\r\n")
            assert (code, text[:10]) == ("OK", b"[APPENDUID")
            assert client.select("INBOX") == ("OK", [b"1"])
        with pop3(own_cyrus_imap.pop3) as client:
            assert client.retr(1)[1] == [b"Subject: appended", b"", b".dot"]

    def test_idle(self, own_cyrus_imap):
        """IDLE is told at once what LMTP delivers."""
        with imap(own_cyrus_imap.imap) as client:
            client.select("INBOX")
            client.send(b"x IDLE\r\n")
            assert client.readline() == b"+ idling\r\n"
            deliver(own_cyrus_imap.lmtp, own_cyrus_imap.lmtp.variables["recipient"], "Subject: new")
            assert [client.readline(), client.readline()] == [b"* 1 EXISTS\r\n", b"* 1 RECENT\r\n"]

    @pytest.mark.parametrize(
        ("recipient", "codes", "status"),
        [("recipient", [250, 250], b"2.1.5"), ("unknown", [550], b"5.1.1"), ("full", [250, 452], b"4.2.2")],
    )
    def test_lmtp(self, cyrus_imap_server, recipient, codes, status):
        """LMTP refuses strangers at once, the full mailbox after the message."""
        door = cyrus_imap_server.lmtp
        replies = deliver(door, door.variables[recipient], "Subject: new")
        assert codes == [code for code, _ in replies]
        assert status in replies[-1][1]

    def test_lmtp_by_unix_socket(self, cyrus_imap_server):
        """The UNIX socket greets like the port."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT)
            client.connect(str(cyrus_imap_server.lmtp_socket))
            assert client.recv(512).startswith(b"220 ")

    def test_user_is_turned_away(self, own_cyrus_imap):
        """Who is turned away hears BYE with the next command at the latest, and cannot come back; others can."""
        user = own_cyrus_imap.imap.variables["username"]
        with imap(own_cyrus_imap.imap) as client:
            own_cyrus_imap.turn_away(user, "no more for you")
            client.send(b"x NOOP\r\n")
            assert list(iter(client.readline, b""))[-1] == b"* BYE [ALERT] no more for you\r\n"
        with pytest.raises(imaplib.IMAP4.error, match="Login failed: authorization failure"), imap(own_cyrus_imap.imap):
            pass
        with imap(own_cyrus_imap.of(own_cyrus_imap.imap.variables["sender"]).imap) as client:
            assert client.noop()[0] == "OK"


class TestScripts:
    def test_valid_script(self, own_cyrus_imap):
        """A script that makes sense is taken, and files what LMTP delivers."""
        with sieve(own_cyrus_imap.sieve) as client:
            put(client, 'require ["fileinto", "mailbox"];\r\nfileinto :create "INBOX/Filed";\r\n', b"OK$")
            client.say('SETACTIVE "own"', b"OK$")
            assert client.say("LISTSCRIPTS", b"OK$")[0] == b'"own" ACTIVE'
        deliver(own_cyrus_imap.lmtp, own_cyrus_imap.lmtp.variables["recipient"], "Subject: new")
        with imap(own_cyrus_imap.imap) as client:
            assert [client.select(folder)[1] for folder in ("INBOX", "INBOX/Filed")] == [[b"0"], [b"1"]]

    def test_broken_script(self, own_cyrus_imap):
        """A script that makes no sense is refused, with the reason in a literal, and not kept."""
        with sieve(own_cyrus_imap.sieve) as client:
            put(client, "nonsense", rb"NO \{22\}$")
            assert client.until(b"$") == [b"line 1: syntax error", b""]
            assert client.say("LISTSCRIPTS", b"OK$") == [b"OK"]


class TestProcesses:
    def test_nothing_is_left(self):
        """When the server ends, its processes and files are gone, and nothing was put where Debian has it."""
        there = [Path(name).exists() for name in SYSTEM_FOLDERS]
        with server_root() as root:
            with cyrus_imap(root) as server, imap(server.imap):
                groups = groups_below(root)
                assert groups
            assert [living(group) for group in groups] == [[] for _ in groups]
        assert not root.exists()
        assert there == [Path(name).exists() for name in SYSTEM_FOLDERS]

    def test_nothing_outlives_the_tests(self):
        """Where the test run is killed, the server's processes end by themselves."""
        code = (
            "import sys, time\n"
            "from pathlib import Path\n"
            "from tests.servers import cyrus_imap\n"
            "with cyrus_imap(Path(sys.argv[1])):\n"
            "    print('up', flush=True)\n"
            "    time.sleep(60)\n"
        )
        with server_root() as root:
            command = [sys.executable, "-c", code, str(root)]
            folder = Path(__file__).parents[2]
            with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, start_new_session=True) as run:
                assert run.stdout is not None
                assert run.stdout.readline() == b"up\n"
                groups = groups_below(root) - {os.getpgid(run.pid)}
                run.kill()
            assert groups
            await_true(lambda: not any(living(group) for group in groups))

    def test_port_taken_meanwhile(self, monkeypatch):
        """A server that lost the race for a port is started anew on others."""
        tries = []
        with socket.socket() as rival, server_root() as root:
            rival.bind(("127.0.0.1", 0))
            rival.listen()

            def ports(number: int) -> list[int]:
                tries.append(number)
                return [*free_ports(number - 1), rival.getsockname()[1]] if len(tries) == 1 else free_ports(number)

            monkeypatch.setattr("tests.servers._cyrus_imap.free_ports", ports)
            with cyrus_imap(root):
                assert len(tries) == 2

    def test_not_installed(self, monkeypatch):
        """Without its programs it says what to run."""
        monkeypatch.setenv("MAILPROOF_SERVERS", "/nonexistent")
        with server_root() as root, pytest.raises(NotInstalledError, match=r"\.ci/install-servers"), cyrus_imap(root):
            pass
