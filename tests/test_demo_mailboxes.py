"""The doors of the embedded server at which users read their mail: imaplib, smtplib and raw sockets on loopback."""

import imaplib
import logging
import re
import smtplib
import socket
import ssl
import subprocess
import sys
from base64 import b64decode, b64encode
from contextlib import ExitStack
from hmac import digest
from pathlib import Path

import pytest

import runner
from runner.demo import DemoServer, DemoSettings, mailboxes

SECONDS = 10.0
USER, PASSWORD = "alice@example.com", "correct horse"
OTHER, OTHER_PASSWORD = "bob@example.com", "battery staple"
MESSAGE = b"From: alice@example.com\r\nSubject: greetings\r\n\r\nhello\r\n..dots\r\n"
SCRIPT = b'require "fileinto";\r\nif header :contains "subject" "greet" { fileinto "Lists"; }\r\n'


def settings(**changes):
    return DemoSettings(**{"users": {USER: PASSWORD, OTHER: OTHER_PASSWORD}, **changes})


def doors(**changes):
    """Return a server with a door of each kind: SMTP, LMTP, IMAP and ManageSieve."""
    implicit = changes.get("tls") == "implicit"
    calmer = {**changes, "tls": "starttls"} if implicit else changes
    return DemoServer(
        settings(**changes),
        settings(protocol="lmtp", **calmer),
        settings(protocol="imap", **changes),
        settings(protocol="sieve", **calmer),
    )


def port(server, protocol):
    return next(door.port for door in server.doors if door.settings.protocol == protocol)


def coded(*parts):
    return b64encode("\0".join(parts).encode())


TOKEN = coded("", USER, PASSWORD)


class Client:
    """One connection by hand: octets out, lines in."""

    def __init__(self, server, protocol):
        self.socket = socket.create_connection((server.host, port(server, protocol)), SECONDS)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def until(self, *ends):
        """Return the lines up to one that begins so, or the end."""
        lines = [self.stream.readline()]
        while lines[-1] and not lines[-1].startswith(ends):
            lines.append(self.stream.readline())
        return lines

    def say(self, octets, *ends):
        """Send a line; return the lines of the reply."""
        self.socket.sendall(octets + b"\r\n")
        return self.until(*ends)

    def imap(self, octets):
        """Send an IMAP command; return its last line."""
        return self.say(b"a " + octets, b"a ", b"+ ", b"* BYE")[-1]

    def sieve(self, octets):
        """Send a ManageSieve command; return its last line."""
        return self.say(octets, b"OK", b"NO", b"BYE")[-1]

    def secure(self, context):
        """Do the TLS handshake."""
        self.stream.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="mail.example.com")
        self.stream = self.socket.makefile("rb")


@pytest.fixture(scope="module")
def server():
    with doors() as running:
        yield running


@pytest.fixture(scope="module")
def trust(server):
    return ssl.create_default_context(cafile=server.ca)


@pytest.fixture
def fresh():
    with doors() as running:
        yield running


@pytest.fixture
def imap():
    """Return what gives a client that has logged in and opened the inbox."""
    with ExitStack() as stack:

        def login(server, user=USER, password=PASSWORD):
            client = imaplib.IMAP4(server.host, port(server, "imap"), SECONDS)
            stack.callback(client.shutdown)
            client.login(user, password)
            client.select()
            return client

        yield login


def sieve(server):
    """Return a client that has logged in."""
    client = Client(server, "sieve")
    client.until(b"OK")
    assert b"OK\r\n" == client.sieve(b'AUTHENTICATE "PLAIN" "' + TOKEN + b'"')
    return client


def send(server, *recipients, protocol="smtp", message=MESSAGE):
    kind = smtplib.LMTP if protocol == "lmtp" else smtplib.SMTP
    with kind(server.host, port(server, protocol), local_hostname="client.example") as client:
        assert {} == client.sendmail(USER, list(recipients), message)


def whole(client, number="1"):
    return client.fetch(number, "(BODY[])")[1][0][1]


class TestImap:
    """The IMAP door."""

    def test_greeting(self, server):
        """It says the host name, what it can do, and no product."""
        with Client(server, "imap") as client:
            assert client.stream.readline() == (
                b"* OK [CAPABILITY IMAP4rev1 LITERAL+ ID STARTTLS AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5]"
                b" mail.example.com IMAP ready\r\n"
            )

    @pytest.mark.parametrize(
        ("command", "reply"),
        [
            (b'LOGIN alice@example.com "correct horse"', b"a OK "),
            (b"LOGIN alice@example.com wrong", b"a NO [AUTHENTICATIONFAILED]"),
            (b"LOGIN mallory wrong", b"a NO [AUTHENTICATIONFAILED]"),
            (b"LOGIN {1+}\r\n\xff {1+}\r\n\xff", b"a NO [AUTHENTICATIONFAILED]"),
            (b"AUTHENTICATE PLAIN", b"+ "),
            (b"AUTHENTICATE X-FROB", b"a NO "),
            (b"FROB", b"a BAD "),
            (b"SELECT INBOX", b"a BAD "),
            (b"LOGOUT", b"* BYE "),
        ],
        ids=str,
    )
    def test_before_login(self, server, command, reply):
        """Each command gets its reply."""
        with Client(server, "imap") as client:
            client.stream.readline()
            assert client.imap(command)[: len(reply)] == reply

    @pytest.mark.parametrize(("password", "reply"), [(PASSWORD, b"a OK "), ("wrong", b"a NO ")], ids=["right", "wrong"])
    def test_plain(self, server, password, reply):
        """AUTHENTICATE PLAIN takes the password of SMTP."""
        with Client(server, "imap") as client:
            client.stream.readline()
            client.imap(b"AUTHENTICATE PLAIN")
            assert client.say(coded("", USER, password), b"a ")[-1].startswith(reply)

    def test_cram_md5(self, server):
        """AUTHENTICATE CRAM-MD5 takes the HMAC of its challenge."""
        with Client(server, "imap") as client:
            client.stream.readline()
            challenge = b64decode(client.imap(b"AUTHENTICATE CRAM-MD5")[2:])
            answer = f"{USER} {digest(PASSWORD.encode(), challenge, 'md5').hex()}"
            assert client.say(coded(answer), b"a ")[-1].startswith(b"a OK ")

    def test_starttls(self, server, trust):
        """After STARTTLS the certificate verifies, and STARTTLS is offered no more."""
        with imaplib.IMAP4("localhost", port(server, "imap"), SECONDS) as client:
            assert "STARTTLS" in client.capabilities
            client.starttls(trust)
            assert "STARTTLS" not in client.capabilities
            assert client.login(USER, PASSWORD)[0] == "OK"

    def test_nothing_said_before_tls_counts_in_it(self, server, trust):
        """A command that came in one segment with STARTTLS is dropped."""
        with Client(server, "imap") as client:
            client.stream.readline()
            client.socket.sendall(b"a STARTTLS\r\nevil NOOP\r\n")
            assert client.stream.readline().startswith(b"a OK ")
            client.secure(trust)
            assert client.say(b"b NOOP", b"b ", b"evil") == [b"b OK NOOP completed.\r\n"]

    def test_literals(self, server, imap):
        """APPEND takes a literal of either kind, and FETCH gives back the same octets."""
        client = imap(server)
        client.create("Literals")
        client.append("Literals", None, None, MESSAGE)
        client.select("Literals")
        assert whole(client) == MESSAGE

    def test_search(self, server, imap):
        """SEARCH finds a header, and nothing where there is none."""
        client = imap(server)
        client.create("Search")
        client.append("Search", None, None, MESSAGE)
        client.select("Search")
        assert [client.search(None, "SUBJECT", word)[1] for word in ("greet", "frob")] == [[b"1"], [b""]]

    def test_idle_tells_of_mail(self, fresh):
        """Who is in IDLE hears of each message as it is accepted."""
        with Client(fresh, "imap") as client:
            client.stream.readline()
            client.imap(b'LOGIN alice@example.com "correct horse"')
            client.imap(b"SELECT INBOX")
            assert client.imap(b"IDLE") == b"+ Idling.\r\n"
            for count in (1, 2, 3):
                send(fresh, USER)
                assert client.until(b"* %d EXISTS" % count)[-1] == b"* %d EXISTS\r\n" % count
            assert client.say(b"DONE", b"a ")[-1] == b"a OK IDLE completed.\r\n"


class TestSieve:
    """The ManageSieve door."""

    def test_greeting(self, server):
        """It lists what it can do, and no product."""
        with Client(server, "sieve") as client:
            assert client.until(b"OK") == [
                b'"IMPLEMENTATION" "ManageSieve"\r\n',
                b'"SASL" "PLAIN LOGIN CRAM-MD5"\r\n',
                b'"SIEVE" "fileinto reject envelope body"\r\n',
                b'"STARTTLS"\r\n',
                b'"UNAUTHENTICATE"\r\n',
                b'"VERSION" "1.0"\r\n',
                b"OK\r\n",
            ]

    def test_wrong_password(self, server):
        """A wrong password is refused."""
        with Client(server, "sieve") as client:
            client.until(b"OK")
            reply = client.sieve(b'AUTHENTICATE "PLAIN" "' + coded("", USER, "wrong") + b'"')
            assert reply == b'NO "Invalid authentication credentials."\r\n'

    def test_starttls_greets_again(self, server, trust):
        """After STARTTLS the capabilities come once more, without STARTTLS (RFC 5804 2.2)."""
        with Client(server, "sieve") as client:
            client.until(b"OK")
            client.socket.sendall(b"STARTTLS\r\nLOGOUT\r\n")
            assert client.until(b"OK") == [b"OK\r\n"]
            client.secure(trust)
            assert b'"STARTTLS"\r\n' not in client.until(b"OK")
            assert client.sieve(b"NOOP") == b"OK\r\n"

    @pytest.mark.parametrize(
        ("command", "reply"),
        [
            (b'PUTSCRIPT "a" {%d+}\r\n%b' % (len(SCRIPT), SCRIPT), b"OK\r\n"),
            (b'PUTSCRIPT "a" "frob;"', b"NO \"line 1: unknown command 'frob'\"\r\n"),
            (b'CHECKSCRIPT "keep;"', b"OK\r\n"),
            (b'CHECKSCRIPT "if frob {}"', b"NO "),
            (b'SETACTIVE "none"', b"NO (NONEXISTENT)\r\n"),
            (b'GETSCRIPT "none"', b"NO (NONEXISTENT)\r\n"),
            (b'HAVESPACE "a" 100', b"OK\r\n"),
            (b'HAVESPACE "a" 1000001', b"NO (QUOTA/MAXSIZE)\r\n"),
            (b"LOGOUT", b"OK\r\n"),
        ],
        ids=str,
    )
    def test_reply(self, server, command, reply):
        """Each command gets its reply."""
        with sieve(server) as client:
            assert client.sieve(command)[: len(reply)] == reply

    def test_scripts_are_bounded(self, fresh, monkeypatch):
        """One script too many is refused; one that is there may be replaced."""
        monkeypatch.setattr(mailboxes, "MOST_SCRIPTS", 1)
        with sieve(fresh) as client:
            told = [client.sieve(b'PUTSCRIPT "%b" "keep;"' % name) for name in (b"a", b"a", b"b")]
        assert told == [b"OK\r\n", b"OK\r\n", b"NO (QUOTA/MAXSCRIPTS)\r\n"]


class TestDelivery:
    """What SMTP and LMTP take is found by IMAP."""

    @pytest.mark.parametrize(("protocol", "kind"), [("smtp", "ESMTP"), ("lmtp", "LMTP")])
    def test_round_trip(self, fresh, protocol, kind, imap):
        """The message is in the recipient's inbox when it is accepted, its trace lines on top, and in no other."""
        send(fresh, OTHER, protocol=protocol)
        client = imap(fresh, OTHER, OTHER_PASSWORD)
        trace, _, rest = whole(client).partition(b"From:")
        assert rest == MESSAGE.removeprefix(b"From:")
        queue_id = fresh.messages[0].queue_id
        pattern = (
            rf"Return-Path: <{USER}>\r\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
            rf"\tby mail\.example\.com with {kind} id {queue_id};\r\n\t\w{{3}}, [^\r]+\r\n"
        )
        assert re.fullmatch(pattern, trace.decode())
        assert imap(fresh).search(None, "ALL")[1] == [b""]

    def test_user_has_a_mailbox(self, imap):
        """A user's own address is taken, and the mail is found there."""
        with DemoServer(DemoSettings(users={"dora": "secret"}), DemoSettings(protocol="imap")) as server:
            send(server, "Dora@example.com")
            assert imap(server, "dora", "secret").search(None, "ALL")[1] == [b"1"]

    def test_nothing_is_kept_for_elsewhere(self, fresh, imap):
        """A message that is relayed is in no mailbox, even if one has that name."""
        with smtplib.SMTP(fresh.host, fresh.port, timeout=SECONDS) as client:
            client.login(USER, PASSWORD)
            client.sendmail(USER, ["bob@example.net", "postmaster", OTHER], MESSAGE)
        assert imap(fresh, OTHER, OTHER_PASSWORD).search(None, "ALL")[1] == [b"1"]

    @pytest.mark.parametrize(
        ("script", "folder", "found"),
        [
            (SCRIPT, "Lists", [b"1"]),
            (SCRIPT.replace(b"greet", b"TING"), "Lists", [b"1"]),
            (SCRIPT.replace(b"greet", b"greetings\\n"), "INBOX", [b"1"]),
            (SCRIPT.replace(b":contains", b":is"), "INBOX", [b"1"]),
            (SCRIPT.replace(b":contains", b":matches").replace(b"greet", b"*eet*"), "Lists", [b"1"]),
            (b'require "fileinto"; if address :contains "from" "e@ex" { fileinto "Lists"; }', "Lists", [b"1"]),
            (b'if header :contains "subject" "frob" { discard; }', "INBOX", [b"1"]),
            (b"discard;", "INBOX", [b""]),
            (b'require "reject"; reject "no";', "INBOX", [b""]),
            (b'redirect "carol@example.net";', "INBOX", [b"1"]),
        ],
        ids=[
            "fileinto",
            "within",
            "longer",
            "is",
            "matches",
            "address",
            "no-match",
            "discard",
            "reject",
            "not-supported",
        ],
    )
    def test_active_script_decides(self, fresh, script, folder, found, imap):
        """The recipient's active script says into which folder; what it can't do leaves the message in the inbox."""
        with sieve(fresh) as client:
            assert client.sieve(b'PUTSCRIPT "a" {%d+}\r\n%b' % (len(script), script)) == b"OK\r\n"
            assert client.sieve(b'SETACTIVE "a"') == b"OK\r\n"
        send(fresh, USER)
        client = imap(fresh)
        client.select(folder)
        assert client.search(None, "ALL")[1] == found

    def test_nested_without_end(self, fresh, imap):
        """A message that is nested deeper than anybody reads is refused, and the server lives on."""
        parts = b"".join(
            b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (number, number)
            for number in range(2000)
        )
        with pytest.raises(smtplib.SMTPDataError, match="nested"):
            send(fresh, USER, message=parts)
        send(fresh, USER)
        assert imap(fresh).search(None, "ALL")[1] == [b"1"]


class TestBounds:
    """What a client may not do."""

    @pytest.mark.parametrize("limit", ["KEPT_MESSAGES", "KEPT_OCTETS"])
    def test_oldest_messages_make_room(self, fresh, monkeypatch, limit, imap):
        """Where too much is kept the oldest goes, whoever's it is and whichever way it came."""
        monkeypatch.setattr(mailboxes, limit, {"KEPT_MESSAGES": 3, "KEPT_OCTETS": 900}[limit])
        send(fresh, OTHER)
        client = imap(fresh)
        client.create("Copies")
        for number in range(2):
            client.append("INBOX", None, None, b"Subject: %d\r\n\r\n%b" % (number, b"x" * 300))
        client.noop()
        client.copy("1:*", "Copies")
        assert imap(fresh, OTHER, OTHER_PASSWORD).search(None, "ALL")[1] == [b""]
        client.select("Copies")
        copies = client.search(None, "ALL")[1]
        client.select()
        left = len(copies[0].split()) + len(client.search(None, "ALL")[1][0].split())
        assert (copies, left) == (
            {"KEPT_MESSAGES": [b"1 2"], "KEPT_OCTETS": [b"1 2"]}[limit],
            {"KEPT_MESSAGES": 3, "KEPT_OCTETS": 2}[limit],
        )

    def test_folders_are_bounded(self, fresh, monkeypatch, imap):
        """One folder too many is refused."""
        monkeypatch.setattr(mailboxes, "MOST_FOLDERS", 1)
        client = imap(fresh)
        assert [client.create(name)[0] for name in ("a", "b")] == ["OK", "NO"]

    @pytest.mark.parametrize(
        ("octets", "fault"),
        [
            (b"a LOGIN {4294967295+}\r\n", b"literal too large"),
            (b"a APPEND INBOX" + b" {900000+}\r\n%b" % (b"x" * 900_000) * 2, b"literal too large"),
            (b"a " + b"x" * 100_000, b"line too long"),
        ],
        ids=["literal", "literals", "line"],
    )
    def test_imap_command_is_bounded(self, server, octets, fault):
        """A command without end gets a farewell."""
        with Client(server, "imap") as client:
            client.stream.readline()
            client.socket.sendall(octets)
            assert client.stream.readline() == b"* BYE " + fault + b"\r\n"

    def test_sieve_command_is_bounded(self, server):
        """A literal without end gets a farewell."""
        with Client(server, "sieve") as client:
            client.until(b"OK")
            client.socket.sendall(b'PUTSCRIPT "a" {4294967295+}\r\n')
            assert client.stream.readline() == b'BYE "literal too large"\r\n'

    @pytest.mark.parametrize(
        "line", [b"", b"a IDLE\r\n", b"a AUTHENTICATE PLAIN\r\n", b"a APPEND INBOX {9}\r\n"], ids=str
    )
    def test_silent_imap_client_is_dropped(self, line):
        """A client that stays silent is told so and dropped, wherever it stopped."""
        with doors(timeout=0.05) as server, Client(server, "imap") as client:
            client.stream.readline()
            if b"APPEND" in line or b"IDLE" in line:
                client.imap(b'LOGIN alice@example.com "correct horse"')
                client.imap(b"SELECT INBOX")
            client.socket.sendall(line)
            assert client.stream.readlines()[-1] == b"* BYE timeout exceeded\r\n"

    def test_silent_sieve_client_is_dropped(self):
        """So is one of ManageSieve."""
        with doors(timeout=0.05) as server, Client(server, "sieve") as client:
            assert client.stream.readlines()[-1] == b'BYE "timeout exceeded"\r\n'

    @pytest.mark.parametrize(("protocol", "farewell"), [("imap", b"* BYE too"), ("sieve", b'BYE "too')])
    def test_connections_are_bounded(self, protocol, farewell):
        """One connection more than allowed is told so."""
        with doors(max_connections=1) as server, Client(server, protocol) as first:
            first.stream.readline()
            with Client(server, protocol) as second:
                assert second.stream.read()[: len(farewell)] == farewell


class TestTls:
    """The doors as the settings want them."""

    def test_login_only_in_tls(self, trust):
        """Where AUTH needs TLS neither door takes a password before it, from loopback neither."""
        with doors(auth_requires_tls=True) as server:
            with Client(server, "imap") as client:
                assert b"LOGINDISABLED" in client.stream.readline()
                assert client.imap(b'LOGIN alice@example.com "correct horse"').startswith(b"a NO ")
                assert client.imap(b"AUTHENTICATE PLAIN").startswith(b"a NO ")
                client.imap(b"STARTTLS")
                client.secure(ssl.create_default_context(cafile=server.ca))
                assert client.imap(b'LOGIN alice@example.com "correct horse"').startswith(b"a OK ")
            with Client(server, "sieve") as client:
                assert b'"SASL" ""\r\n' in client.until(b"OK")
                assert client.sieve(b'AUTHENTICATE "PLAIN" "' + TOKEN + b'"').startswith(b"NO ")

    def test_from_the_first_byte(self):
        """With implicit TLS the IMAP door is for imaps, and offers no STARTTLS."""
        with doors(tls="implicit") as server:
            context = ssl.create_default_context(cafile=server.ca)
            with imaplib.IMAP4_SSL("localhost", port(server, "imap"), ssl_context=context) as client:
                assert "STARTTLS" not in client.capabilities
                assert client.login(USER, PASSWORD)[0] == "OK"
            assert [door.url.partition(":")[0] for door in server.doors] == ["smtps", "lmtp", "imaps", "sieve"]

    def test_without_tls(self):
        """Without TLS no door offers it."""
        with doors(tls="none") as server:
            with Client(server, "imap") as client:
                assert b"STARTTLS" not in client.stream.readline()
                assert client.imap(b"STARTTLS").startswith((b"a NO", b"a BAD"))
            with Client(server, "sieve") as client:
                assert b'"STARTTLS"\r\n' not in client.until(b"OK")
                assert client.sieve(b"STARTTLS").startswith(b"NO ")

    def test_sieve_has_no_implicit_tls(self):
        """There is no URL for ManageSieve with TLS from the first byte, so there is no such door."""
        with pytest.raises(ValueError, match="ManageSieve has TLS by STARTTLS only"):
            settings(protocol="sieve", tls="implicit")


def test_stop_cuts_every_door():
    """`stop` ends the connections of all doors, whatever they wait for."""
    with doors() as server, Client(server, "imap") as idle, Client(server, "sieve") as other:
        idle.stream.readline()
        idle.imap(b'LOGIN alice@example.com "correct horse"')
        idle.imap(b"SELECT INBOX")
        idle.imap(b"IDLE")
        other.until(b"OK")
        server.stop()
        server.wait()
        assert (idle.stream.read(), other.stream.read()) == (b"", b"")


def test_nothing_is_logged_about_clients(caplog, capfd):
    """Broken handshakes, resets and bad commands leave log and terminal alone."""
    caplog.set_level(logging.DEBUG)
    with doors() as server:
        for protocol in ("imap", "sieve"):
            with Client(server, protocol) as client:
                client.until(b"OK", b"* OK")
                client.socket.sendall(b"STARTTLS\r\na STARTTLS\r\n")
                client.stream.readline()
                client.socket.sendall(b"not a handshake\r\n")
                client.stream.read()
            with Client(server, protocol) as client:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.socket.sendall(b"NOOP\r\n" * 100)
            with Client(server, protocol) as client:
                client.socket.sendall(b"\xff\0 {3+}\r\n \r\n\r\n\x80\x81 (((((\r\n")
                client.socket.shutdown(socket.SHUT_WR)
                client.stream.read()
    assert capfd.readouterr() == ("", "")
    told = [one for one in caplog.records if one.name != "asyncio" or one.levelno >= logging.WARNING]
    assert told == []


@pytest.mark.parametrize("package", ["pymap", "sievelib"])
def test_missing_extra_is_named(package):
    """Without the extra's packages the error says what to install; a server without these doors needs them not."""
    home = str(Path(runner.__file__).parent.parent)
    code = f"""
import sys
sys.path.insert(0, {home!r})
sys.modules[{package!r}] = None
from runner.demo import load_demo
load_demo(has_mailboxes=False)
load_demo()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.rstrip("\n").endswith("which is not installed: pip install 'mailproof[demo]'")
