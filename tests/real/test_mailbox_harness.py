"""The servers of mailboxes behave as the other tests take for granted; judged by Python's own clients and sockets."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import poplib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scramp import ScramClient

from tests.servers import MailChain, Running, dovecot_mailboxes, mail_chain, server_root
from tests.servers._process import await_true, groups_below, living
from tests.servers._running import free_ports

LIMIT = 10
FROM_ELSEWHERE = "carol@example.net"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
FILING = b'require ["fileinto", "mailbox"];\r\nfileinto :create "Filed";\r\n'
REJECTING = b'require "reject";\r\nreject "not for me";\r\n'
MECHANISMS = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER"


def b64(octets: str | bytes) -> str:
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


def trusting(door: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=door.ca)


class Line:
    """A connection of lines."""

    def __init__(self, door: Running, *, tls: bool = False) -> None:
        self.door = door
        self.socket: socket.socket = socket.create_connection((door.host, door.port), LIMIT)
        if tls:
            self.secure()
        self.file = self.socket.makefile("rb")

    def secure(self) -> None:
        """Begin TLS and believe the CA alone."""
        self.socket = trusting(self.door).wrap_socket(self.socket, server_hostname=self.door.host)
        self.file = self.socket.makefile("rb")

    def until(self, pattern: bytes) -> list[bytes]:
        """Read until a line that the pattern matches."""
        lines: list[bytes] = []
        while not lines or not re.match(pattern, lines[-1]):
            line = self.file.readline()
            assert line, lines
            lines.append(line.rstrip(b"\r\n"))
        return lines

    def say(self, text: str | bytes, pattern: bytes) -> list[bytes]:
        """Send a line and read until the line that the pattern matches."""
        self.socket.sendall((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self.until(pattern)


@contextlib.contextmanager
def connected(door: Running, *, tls: bool = False) -> Iterator[Line]:
    line = Line(door, tls=tls)
    with contextlib.closing(line.socket):
        yield line
        line.socket.close()
        line.file.close()


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


def activate(door: Running, script: bytes) -> None:
    with sieve(door) as client:
        client.say(b'PUTSCRIPT "own" {%d+}\r\n%s' % (len(script), script), b"OK")
        client.say('SETACTIVE "own"', b"OK")


def send(chain: MailChain, text: str, sender: str = FROM_ELSEWHERE) -> None:
    door = chain.mx.plain
    with contextlib.closing(smtplib.SMTP(door.host, door.port, "client.example.org", LIMIT)) as client:
        assert client.sendmail(sender, [door.variables["recipient"]], text) == {}


def deliver(door: Running, recipient: str, text: str) -> list[tuple[int, bytes]]:
    """Send by LMTP; return the replies after the message."""
    with contextlib.closing(smtplib.LMTP(door.host, door.port, "client.example.org")) as client:
        client.ehlo()
        client.mail(FROM_ELSEWHERE)
        client.rcpt(recipient)
        client.docmd("DATA")
        client.send(f"{text}\r\n.\r\n")
        return [client.getreply()]


def count(client: imaplib.IMAP4, folder: str = "INBOX") -> int:
    """Return how many messages are there; none where there is no such folder."""
    code, [text] = client.select(folder)
    return int(text) if code == "OK" else 0


class TestDoors:
    """Each door greets, offers what it should, and lets the user in."""

    @pytest.mark.parametrize(
        ("name", "greeting"),
        [
            ("imap", b"* OK [CAPABILITY "),
            ("imaps", b"* OK [CAPABILITY "),
            ("pop3", b"+OK "),
            ("pop3s", b"+OK "),
            ("sieve", b'"IMPLEMENTATION" '),
            ("lmtp", b"220 "),
            ("submission", b"220 "),
        ],
    )
    def test_greeting(self, mailbox_server, name, greeting):
        """The door greets in its protocol's way, those that begin with TLS by a certificate that is in order."""
        with connected(getattr(mailbox_server, name), tls=name in {"imaps", "pop3s"}) as client:
            assert client.until(b"")[0].startswith(greeting)

    @pytest.mark.parametrize(
        ("name", "greeted", "said", "answered"),
        [
            ("imap", rb"\* OK", "a STARTTLS", b"a OK"),
            ("pop3", rb"\+OK", "STLS", rb"\+OK"),
            ("sieve", b"OK", "STARTTLS", b"OK"),
            ("lmtp", b"220", "STARTTLS", b"220"),
            ("submission", b"220", "STARTTLS", b"220"),
        ],
    )
    def test_starttls(self, mailbox_server, name, greeted, said, answered):
        """The doors that begin without TLS take it later, with a certificate that is in order."""
        with connected(getattr(mailbox_server, name)) as client:
            client.until(greeted)
            client.say(said, answered)
            client.secure()

    @pytest.mark.parametrize(
        ("name", "greeted", "command", "yes", "no"),
        [
            ("imap", rb"\* OK", "a AUTHENTICATE PLAIN {}", b"a OK", rb"a NO \[AUTHENTICATIONFAILED\]"),
            ("pop3", rb"\+OK", "AUTH PLAIN {}", rb"\+OK", rb"-ERR \[AUTH\]"),
            ("sieve", b"OK", 'AUTHENTICATE "PLAIN" "{}"', b"OK", b"NO"),
            ("submission", b"220", "AUTH PLAIN {}", b"235", b"535"),
        ],
    )
    def test_password(self, mailbox_server, name, greeted, command, yes, no):
        """A wrong password is refused, and without delay, the right one taken."""
        door = getattr(mailbox_server, name)
        with connected(door) as client:
            client.until(greeted)
            start = time.monotonic()
            client.say(command.format(plain(door, "wrong")), no)
            assert time.monotonic() - start < 0.4
            client.say(command.format(plain(door)), yes)

    def test_mechanisms(self, mailbox_server):
        """POP3 lists what everybody offers."""
        door = mailbox_server.pop3
        with contextlib.closing(poplib.POP3(door.host, door.port, LIMIT)) as client:
            assert client.capa()["SASL"] == MECHANISMS.split()

    def test_apop(self, mailbox_server):
        """APOP knows the user."""
        door = mailbox_server.pop3
        with contextlib.closing(poplib.POP3(door.host, door.port, LIMIT)) as client:
            assert client.apop(door.variables["username"], door.password) == b"+OK Logged in."

    def test_cram_md5(self, mailbox_server):
        """CRAM-MD5 knows the user."""
        door = mailbox_server.imap
        client = imaplib.IMAP4(door.host, door.port, LIMIT)
        try:
            assert client.login_cram_md5(door.variables["username"], door.password)[0] == "OK"
        finally:
            client.shutdown()

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
    def test_scram(self, mailbox_server, mechanism):
        """SCRAM succeeds, and the server proves that it knows the password too."""
        door = mailbox_server.imap
        scram = ScramClient([mechanism], door.variables["username"], door.password)
        with connected(door) as client:
            client.until(rb"\* OK")
            [said] = client.say(f"a AUTHENTICATE {mechanism} {b64(scram.get_client_first())}", rb"\+ ")
            scram.set_server_first(base64.b64decode(said[2:]).decode())
            [said] = client.say(b64(scram.get_client_final()), rb"\+ ")
            scram.set_server_final(base64.b64decode(said[2:]).decode())
            client.say("", b"a OK")

    @pytest.mark.parametrize(
        ("mechanism", "form"),
        [
            ("XOAUTH2", "user={user}\1auth=Bearer {token}\1\1"),
            ("OAUTHBEARER", "n,a={user},\1host=localhost\1port=143\1auth=Bearer {token}\1\1"),
        ],
    )
    def test_bearer_token(self, own_mailboxes, mechanism, form):
        """The token is taken, that of a user of the test's own too."""
        door = own_mailboxes.imap
        response = b64(form.format(user=door.variables["username"], token=door.token))
        with connected(door) as client:
            client.until(rb"\* OK")
            client.say(f"a AUTHENTICATE {mechanism} {response}", b"a OK")

    def test_many_connections(self, mailbox_server):
        """Sixty logins of one user at once succeed."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(imap(mailbox_server.imap)) for _ in range(60)]
            assert [client.noop()[0] for client in clients] == ["OK"] * 60


class TestMailboxes:
    def test_append_and_retrieve(self, own_mailboxes):
        """What IMAP puts there, POP3 finds."""
        with imap(own_mailboxes.imap) as client:
            assert client.append("INBOX", None, None, b"Subject: appended\r\n\r\n")[0] == "OK"
        with pop3(own_mailboxes.pop3) as client:
            assert client.retr(1)[1][0] == b"Subject: appended"

    def test_own_mailbox_is_empty(self, own_mailboxes):
        """A test's own user has nothing yet."""
        with imap(own_mailboxes.imap) as client:
            assert count(client) == 0

    def test_full_mailbox(self, mailbox_server):
        """The full mailbox takes nothing by IMAP, and says why."""
        door = mailbox_server.of(mailbox_server.imap.variables["full"]).imap
        with imap(door) as client:
            code, [text] = client.append("INBOX", None, None, b"Subject: appended\r\n\r\n")
            assert (code, text[:11]) == ("NO", b"[OVERQUOTA]")

    def test_full_mailbox_by_lmtp(self, mailbox_server):
        """Nor by LMTP."""
        door = mailbox_server.lmtp
        [(code, text)] = deliver(door, door.variables["full"], "Subject: too much")
        assert (code, text[:5]) == (552, b"5.2.2")

    def test_idle(self, own_mailboxes):
        """IDLE is told at once what LMTP delivers."""
        with imap(own_mailboxes.imap) as client:
            count(client)
            client.send(b"x IDLE\r\n")
            assert client.readline() == b"+ idling\r\n"
            deliver(own_mailboxes.lmtp, own_mailboxes.lmtp.variables["recipient"], "Subject: new")
            assert client.readline() == b"* 1 EXISTS\r\n"

    def test_broken_script(self, mailbox_server):
        """A script that makes no sense is refused, with the reason in a literal."""
        with sieve(mailbox_server.sieve) as client:
            client.say('PUTSCRIPT "broken" "nonsense"', rb"NO \{\d+\}$")
            assert client.until(b"")[0].startswith(b"broken: line 1: error: ")

    def test_script_files_mail(self, own_mailboxes):
        """What LMTP delivers is filed by the user's own script, by a changed one at once."""
        recipient = own_mailboxes.lmtp.variables["recipient"]
        for folder in (b"One", b"Two", b"Six"):
            activate(own_mailboxes.sieve, FILING.replace(b"Filed", folder))
            assert deliver(own_mailboxes.lmtp, recipient, "Subject: new")[0][0] == 250
        with imap(own_mailboxes.imap) as client:
            assert [count(client, folder) for folder in ("INBOX", "One", "Two", "Six")] == [0, 1, 1, 1]


class TestChain:
    """From Postfix to the mailbox."""

    def test_message_arrives(self, own_chain):
        """What Postfix takes is in the mailbox within a second."""
        with imap(own_chain.mailboxes.imap) as client:
            send(own_chain, "Subject: new\r\n\r\nhello\r\n")
            await_true(lambda: count(client) == 1, seconds=1)
            assert b"Subject: new" in client.fetch("1", "(BODY[HEADER])")[1][0][1]

    def test_spam_is_filed(self, own_chain):
        """What is marked as spam is filed as such."""
        with imap(own_chain.mailboxes.imap) as client:
            send(own_chain, "X-Spam-Flag: YES\r\nSubject: buy\r\n\r\nhello\r\n")
            await_true(lambda: count(client, "Junk") == 1)
            assert count(client) == 0

    def test_spam_is_refused(self, own_chain):
        """What is spam beyond doubt is refused after the message, and never arrives."""
        with imap(own_chain.mailboxes.imap) as client:
            with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.1 this is spam"):
                send(own_chain, f"Subject: buy\r\n\r\n{GTUBE}\r\n")
            send(own_chain, "Subject: good\r\n\r\n")
            await_true(lambda: count(client) == 1)
            assert b"Subject: good" in client.fetch("1", "(BODY[HEADER])")[1][0][1]

    def test_script_refuses(self, own_chain, new_user):
        """What the user's script rejects is not in the mailbox, and the sender, who has one too, hears of it."""
        sender = own_chain.mailboxes.of(new_user())
        activate(own_chain.mailboxes.sieve, REJECTING)
        send(own_chain, "Subject: new\r\n\r\nhello\r\n", sender.imap.variables["username"])
        with imap(sender.imap) as client:
            await_true(lambda: count(client) == 1)
            assert b"not for me" in client.fetch("1", "(BODY[])")[1][0][1]
        with imap(own_chain.mailboxes.imap) as client:
            assert count(client) == 0

    def test_unknown_user_is_refused(self, mail_chain):
        """Postfix knows who has a mailbox."""
        door = mail_chain.mx.plain
        with contextlib.closing(smtplib.SMTP(door.host, door.port, "client.example.org", LIMIT)) as client:
            client.ehlo()
            client.mail(FROM_ELSEWHERE)
            codes = [client.rcpt(door.variables[name])[0] for name in ("recipient", "sender", "unknown")]
            assert codes == [250, 250, 550]

    def test_submission(self, own_chain):
        """What is submitted to Dovecot goes by Postfix to the mailbox."""
        door = own_chain.mailboxes.submission
        with (
            imap(own_chain.mailboxes.imap) as client,
            contextlib.closing(smtplib.SMTP(door.host, door.port, "client.example.org", LIMIT)) as sender,
        ):
            sender.ehlo()
            assert sender.docmd("AUTH", f"PLAIN {plain(door)}")[0] == 235
            assert sender.sendmail(door.variables["username"], [door.variables["recipient"]], "Subject: new") == {}
            await_true(lambda: count(client) == 1)


class TestVariations:
    """Each broken server is broken in its own way."""

    @pytest.mark.parametrize(
        ("name", "greeted", "command", "refusal"),
        [
            ("imap", rb"\* OK .* LOGINDISABLED\]", "a LOGIN alice x", rb"a NO \[PRIVACYREQUIRED\]"),
            ("imap", rb"\* OK", "a AUTHENTICATE PLAIN {}", rb"a NO \[PRIVACYREQUIRED\]"),
            ("pop3", rb"\+OK", "USER alice", rb"-ERR \[AUTH\]"),
            ("sieve", b"OK", 'AUTHENTICATE "PLAIN" "{}"', rb"NO \(ENCRYPT-NEEDED\)"),
        ],
    )
    def test_requires_tls(self, broken_mailboxes, name, greeted, command, refusal):
        """In clear text, the right password too is refused."""
        door = getattr(broken_mailboxes("requires_tls"), name)
        with connected(door) as client:
            client.until(greeted)
            client.say(command.format(plain(door)), refusal)

    def test_requires_tls_and_has_it(self, broken_mailboxes):
        """After STARTTLS, with a certificate that is in order, the password is taken."""
        door = broken_mailboxes("requires_tls").imap
        with connected(door) as client:
            client.until(rb"\* OK")
            client.say("a STARTTLS", b"a OK")
            client.secure()
            client.say(f"b AUTHENTICATE PLAIN {plain(door)}", b"b OK")

    def test_starttls_off(self, broken_mailboxes):
        """No door offers TLS."""
        with connected(broken_mailboxes("starttls_off").imap) as client:
            assert b"STARTTLS" not in client.until(rb"\* OK")[0]
            client.say("a STARTTLS", b"a BAD")

    def test_expired_certificate(self, broken_mailboxes):
        """The certificate has expired."""
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            Line(broken_mailboxes("expired_certificate").pop3s, tls=True)

    def test_any_password(self, broken_mailboxes):
        """A wrong password is believed."""
        door = broken_mailboxes("any_password").sieve
        with connected(door) as client:
            client.until(b"OK")
            client.say(f'AUTHENTICATE "PLAIN" "{plain(door, "wrong")}"', b"OK")

    def test_few_connections(self, broken_mailboxes):
        """The third login of a user is refused."""
        door = broken_mailboxes("few_connections").imap
        with imap(door), imap(door), pytest.raises(imaplib.IMAP4.error), imap(door):
            pass

    def test_no_quota(self, broken_mailboxes):
        """There is room in the full mailbox."""
        server = broken_mailboxes("no_quota")
        with imap(server.of(server.imap.variables["full"]).imap) as client:
            assert client.append("INBOX", None, None, b"Subject: appended\r\n\r\n")[0] == "OK"

    def test_pop3_keeps(self, broken_mailboxes, new_user):
        """What POP3 deletes is gone for POP3, and still there for IMAP."""
        server = broken_mailboxes("pop3_keeps").of(new_user())
        deliver(server.lmtp, server.lmtp.variables["recipient"], "Subject: new")
        with pop3(server.pop3) as client:
            client.dele(1)
            client.quit()
        with pop3(server.pop3) as client:
            assert client.stat()[0] == 0
        with imap(server.imap) as client:
            assert count(client) == 1

    def test_ignores_sieve(self, broken_chain, new_user):
        """What is marked as spam is in INBOX."""
        chain = broken_chain("ignores_sieve").of(new_user())
        send(chain, "X-Spam-Flag: YES\r\n\r\n")
        with imap(chain.mailboxes.imap) as client:
            await_true(lambda: count(client) == 1)

    def test_takes_spam(self, broken_chain, new_user):
        """What is spam beyond doubt is in INBOX."""
        chain = broken_chain("takes_spam").of(new_user())
        send(chain, f"Subject: buy\r\n\r\n{GTUBE}\r\n")
        with imap(chain.mailboxes.imap) as client:
            await_true(lambda: count(client) == 1)

    def test_loses_mail(self, broken_chain, new_user):
        """What Dovecot says it has saved is not in INBOX."""
        chain = broken_chain("loses_mail").of(new_user())
        send(chain, "Subject: new\r\n\r\n")
        await_true(lambda: "status=sent (250 " in chain.mx.plain.log.read_text())
        with imap(chain.mailboxes.imap) as client:
            assert count(client) == 0


class TestProcesses:
    def test_nothing_is_left(self):
        """After the end no process of the servers' groups lives, and nothing was written but below the root."""
        before = written()
        with server_root() as root:
            with mail_chain(root) as chain:
                groups = groups_below(root)
                assert len(groups) >= 3
                send(chain, "Subject: new\r\n\r\nhello\r\n")
                with imap(chain.mailboxes.of(chain.mx.plain.variables["recipient"]).imap) as client:
                    await_true(lambda: count(client) == 1)
            assert [pid for group in groups for pid in living(group)] == []
        assert before == written()
        with pytest.raises(ConnectionRefusedError):
            Line(chain.mailboxes.imap)

    def test_servers_end_with_a_killed_run(self):
        """A test run that dies by SIGKILL takes its servers with it."""
        program = (
            "from tests.servers import mail_chain\nimport pathlib, sys\n"
            "with mail_chain(pathlib.Path(sys.argv[1])):\n  print('up', flush=True)\n  sys.stdin.read()\n"
        )
        with server_root() as root:
            with subprocess.Popen(
                [sys.executable, "-c", program, str(root)],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as run:
                assert run.stdout.readline() == b"up\n"
                groups = groups_below(root)
                run.kill()
            assert groups
            await_true(lambda: not [pid for group in groups for pid in living(group)])

    def test_port_taken_meanwhile(self, monkeypatch):
        """A server that lost the race for a port is started anew on others."""
        tries = []
        with socket.socket() as rival, server_root() as root:
            rival.bind(("127.0.0.1", 0))

            def ports(number: int) -> list[int]:
                tries.append(number)
                return [*free_ports(number - 1), rival.getsockname()[1]] if len(tries) == 1 else free_ports(number)

            monkeypatch.setattr("tests.servers._mailboxes.free_ports", ports)
            with dovecot_mailboxes(root):
                assert len(tries) == 2

    def test_secrets_are_not_in_the_repr(self, own_chain):
        """A failing test does not print the secrets."""
        door = own_chain.mailboxes.imap
        assert door.password not in repr(own_chain)
        assert door.token not in repr(own_chain)


def written() -> dict[Path, int]:
    """Return when each file of the system's own Postfix and Dovecot was last written."""
    folders = ("/etc/dovecot", "/etc/postfix", "/run/dovecot", "/var/lib/dovecot", "/var/lib/postfix", "/var/mail")
    files = [path for folder in (*folders, "/var/spool/postfix") for path in Path(folder).rglob("*")]
    return {path: path.lstat().st_mtime_ns for path in files}
