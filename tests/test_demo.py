"""The embedded server, seen from outside: smtplib and raw sockets against it on loopback."""

import errno
import logging
import smtplib
import socket
import ssl
import subprocess
import sys
from base64 import b64decode, b64encode
from contextlib import ExitStack, closing
from hmac import digest
from pathlib import Path
from threading import Thread

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

import runner
from runner.demo import KEPT_MESSAGES, DemoServer, DemoSettings, ListenError, load_demo
from runner.demo.server import _listen_error
from runner.errors import ToolError

SECONDS = 10.0
USER, PASSWORD = "alice@example.com", "correct horse"
ENVELOPE = ("EHLO c", "MAIL FROM:<alice@example.com>", "RCPT TO:<bob@example.com>")


def coded(*parts):
    return b64encode("\0".join(parts).encode()).decode()


LOGIN = f"AUTH PLAIN {coded('', USER, PASSWORD)}"


def settings(**changes):
    return DemoSettings(**{"users": {USER: PASSWORD}, **changes})


class Client:
    """One connection by hand: lines out, whole replies in."""

    def __init__(self, server, *, greeted=True):
        self.socket = socket.create_connection((server.host, server.port), SECONDS)
        self.stream = self.socket.makefile("rb")
        self.greeting = self.reply() if greeted else ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def send(self, octets):
        """Write bytes as they are."""
        self.socket.sendall(octets)

    def reply(self):
        """Read one reply, its lines joined by line feeds."""
        lines = [self.stream.readline().decode()]
        while lines[-1][3:4] == "-":
            lines.append(self.stream.readline().decode())
        return "".join(lines).replace("\r\n", "\n").rstrip("\n")

    def say(self, line):
        """Send a line; return the reply."""
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def talk(self, *lines):
        """Send lines, each after the reply to the one before; return the last reply."""
        return [self.say(line) for line in lines][-1]

    def secure(self, context, name="mail.example.com"):
        """Do the TLS handshake."""
        self.stream.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.stream = self.socket.makefile("rb")


@pytest.fixture(scope="module")
def server():
    with DemoServer(settings()) as running:
        yield running


@pytest.fixture(scope="module")
def trust(server):
    return ssl.create_default_context(cafile=server.ca)


@pytest.fixture
def client(server):
    with Client(server) as connected:
        yield connected


def test_greeting_names_host_and_hides_software(client):
    """The greeting says the host name and ESMTP, and no product or version."""
    assert client.greeting == "220 mail.example.com ESMTP ready"


def test_ehlo_lists_capabilities(client):
    """EHLO lists what a well-kept submission server offers."""
    assert client.say("EHLO c").split("\n") == [
        "250-mail.example.com",
        "250-PIPELINING",
        "250-SIZE 1000000",
        "250-STARTTLS",
        "250-AUTH LOGIN PLAIN CRAM-MD5",
        "250-ENHANCEDSTATUSCODES",
        "250-8BITMIME",
        "250 SMTPUTF8",
    ]


DIALOGUES = {
    "helo": (["HELO c"], "250 mail.example.com"),
    "helo-without-name": (["HELO"], "501 5.5.4 host name missing"),
    "ehlo-without-name": (["EHLO"], "501 5.5.4 host name missing"),
    "noop": (["NOOP"], "250 2.0.0 OK"),
    "rset": (["RSET"], "250 2.0.0 OK"),
    "quit": (["QUIT"], "221 2.0.0 Bye"),
    "vrfy": (["VRFY bob"], "252 2.0.0 cannot verify, but will take a message"),
    "vrfy-without-address": (["VRFY"], "501 5.5.4 address missing"),
    "expn": (["EXPN list"], "502 5.5.1 EXPN not implemented"),
    "unknown": (["FROBNICATE"], "500 5.5.2 command not recognized"),
    "unknown-ten-times": (["FROB"] * 10, "500 5.5.2 command not recognized"),
    "unknown-too-often": (["FROB"] * 21, "421 4.7.0 too many unknown commands"),
    "empty-line": ([""], "500 5.5.2 bad syntax"),
    "line-too-long": (["NOOP " + "x" * 600], "500 5.5.2 Command line too long"),
    "line-beyond-buffer": (["NOOP " + "x" * 5000], "500 5.5.2 Command line too long"),
    "mail-first": (["MAIL FROM:<a@b.example>"], "503 5.5.1 send EHLO first"),
    "rcpt-first": (["EHLO c", "RCPT TO:<bob@example.com>"], "503 5.5.1 need MAIL command"),
    "data-before-ehlo": (["DATA"], "503 5.5.1 send EHLO first"),
    "data-first": (["EHLO c", "DATA"], "503 5.5.1 need MAIL command"),
    "data-without-rcpt": (["EHLO c", "MAIL FROM:<>", "DATA"], "503 5.5.1 need RCPT command"),
    "data-with-argument": ([*ENVELOPE, "DATA now"], "501 5.5.4 DATA takes no argument"),
    "mail": (["EHLO c", "MAIL FROM:<a@b.example>"], "250 2.1.0 Ok"),
    "mail-lower-case": (["ehlo c", "mail from:<a@b.example>"], "250 2.1.0 Ok"),
    "mail-null-sender": (["EHLO c", "MAIL FROM:<>"], "250 2.1.0 Ok"),
    "mail-parameters": (["EHLO c", "MAIL FROM:<> SIZE=9 BODY=8BITMIME AUTH=<>"], "250 2.1.0 Ok"),
    "mail-long-parameter": (["EHLO c", f"MAIL FROM:<> AUTH={'x' * 600}"], "250 2.1.0 Ok"),
    "mail-twice": (["EHLO c", "MAIL FROM:<>", "MAIL FROM:<>"], "503 5.5.1 nested MAIL command"),
    "mail-malformed": (["EHLO c", "MAIL FROM:<"], "553 5.1.3 Error: malformed address"),
    "mail-long-local-part": (["EHLO c", f"MAIL FROM:<{'x' * 65}@b>"], "553 5.1.3 Error: malformed address"),
    "mail-utf8": (["EHLO c", "MAIL FROM:<jürgen@b.example> SMTPUTF8"], "250 2.1.0 Ok"),
    "mail-utf8-undeclared": (["EHLO c", "MAIL FROM:<jürgen@b.example>"], "553 5.6.7 address needs SMTPUTF8"),
    "mail-at-size-limit": (["EHLO c", "MAIL FROM:<> SIZE=1000000"], "250 2.1.0 Ok"),
    "mail-beyond-size-limit": (
        ["EHLO c", "MAIL FROM:<> SIZE=1000001"],
        "552 5.3.4 message size exceeds fixed maximum message size",
    ),
    "mail-unknown-parameter": (
        ["EHLO c", "MAIL FROM:<> FROB=1"],
        "555 5.5.4 MAIL FROM parameters not recognized or not implemented",
    ),
    "rcpt": ([*ENVELOPE], "250 2.1.5 Ok"),
    "rcpt-other-case": ([*ENVELOPE, "RCPT TO:<Bob@EXAMPLE.com>"], "250 2.1.5 Ok"),
    "rcpt-postmaster": ([*ENVELOPE, "RCPT TO:<Postmaster>"], "250 2.1.5 Ok"),
    "rcpt-null": ([*ENVELOPE, "RCPT TO:<>"], "553 5.1.3 null recipient"),
    "rcpt-without-domain": ([*ENVELOPE, "RCPT TO:<bob>"], "553 5.1.3 recipient needs a domain"),
    "rcpt-unknown": ([*ENVELOPE, "RCPT TO:<nobody@example.com>"], "550 5.1.1 user unknown"),
    "rcpt-utf8-undeclared": ([*ENVELOPE, "RCPT TO:<ü@example.com>"], "553 5.6.7 address needs SMTPUTF8"),
    "rcpt-relay": ([*ENVELOPE, "RCPT TO:<carol@example.net>"], "550 5.7.1 relaying denied"),
    "rcpt-relay-authenticated": (["EHLO c", LOGIN, *ENVELOPE, "RCPT TO:<carol@example.net>"], "250 2.1.5 Ok"),
    "rcpt-too-many": ([*ENVELOPE, *["RCPT TO:<bob@example.com>"] * 100], "452 4.5.3 too many recipients"),
    "auth-before-ehlo": ([LOGIN], "503 5.5.1 send EHLO first"),
    "auth-after-helo": (["HELO c", LOGIN], "503 5.5.1 send EHLO first"),
    "auth-bare": (["EHLO c", "AUTH"], "501 5.5.4 mechanism missing"),
    "auth-unknown": (["EHLO c", "AUTH X-FROB"], "504 5.5.4 unrecognized authentication type"),
    "auth-plain": (["EHLO c", LOGIN], "235 2.7.0 authentication successful"),
    "auth-plain-prompt": (["EHLO c", "AUTH PLAIN"], "334 "),
    "auth-plain-prompted": (
        ["EHLO c", "auth plain", coded("", USER, PASSWORD)],
        "235 2.7.0 authentication successful",
    ),
    "auth-plain-own-authzid": (
        ["EHLO c", f"AUTH PLAIN {coded(USER, USER, PASSWORD)}"],
        "235 2.7.0 authentication successful",
    ),
    "auth-plain-other-authzid": (
        ["EHLO c", f"AUTH PLAIN {coded('root', USER, PASSWORD)}"],
        "535 5.7.8 authentication credentials invalid",
    ),
    "auth-plain-malformed": (["EHLO c", f"AUTH PLAIN {coded(USER)}"], "501 5.5.2 malformed PLAIN response"),
    "auth-plain-empty": (["EHLO c", "AUTH PLAIN ="], "501 5.5.2 malformed PLAIN response"),
    "auth-not-base64": (["EHLO c", "AUTH PLAIN !"], "501 5.5.2 can't decode base64"),
    "auth-wrong-password": (
        ["EHLO c", f"AUTH PLAIN {coded('', USER, 'wrong')}"],
        "535 5.7.8 authentication credentials invalid",
    ),
    "auth-unknown-user": (
        ["EHLO c", f"AUTH PLAIN {coded('', 'mallory', PASSWORD)}"],
        "535 5.7.8 authentication credentials invalid",
    ),
    "auth-login-user-prompt": (["EHLO c", "AUTH LOGIN"], "334 VXNlcm5hbWU6"),
    "auth-login-lower-case": (["EHLO c", "auth login"], "334 VXNlcm5hbWU6"),
    "auth-login-password-prompt": (["EHLO c", "AUTH LOGIN", coded(USER)], "334 UGFzc3dvcmQ6"),
    "auth-login-initial-user": (["EHLO c", f"AUTH LOGIN {coded(USER)}"], "334 UGFzc3dvcmQ6"),
    "auth-login": (
        ["EHLO c", "AUTH LOGIN", coded(USER), coded(PASSWORD)],
        "235 2.7.0 authentication successful",
    ),
    "auth-login-wrong": (
        ["EHLO c", "AUTH LOGIN", coded(USER), coded("wrong")],
        "535 5.7.8 authentication credentials invalid",
    ),
    "auth-cancelled": (["EHLO c", "AUTH LOGIN", "*"], "501 5.7.0 authentication cancelled"),
    "auth-response-too-long": (
        ["EHLO c", "AUTH PLAIN", "x" * 5000],
        "500 5.5.6 authentication exchange line is too long",
    ),
    "auth-cram-md5-initial": (
        ["EHLO c", f"AUTH CRAM-MD5 {coded(USER)}"],
        "501 5.5.4 CRAM-MD5 takes no initial response",
    ),
    "auth-cram-md5-wrong": (
        ["EHLO c", "AUTH CRAM-MD5", coded(f"{USER} {'0' * 32}")],
        "535 5.7.8 authentication credentials invalid",
    ),
    "auth-twice": (["EHLO c", LOGIN, LOGIN], "503 5.5.1 authenticated already"),
    "auth-in-transaction": (
        ["EHLO c", "MAIL FROM:<>", LOGIN],
        "503 5.5.1 AUTH not permitted during a mail transaction",
    ),
    "starttls-first": (["STARTTLS"], "503 5.5.1 send EHLO first"),
    "starttls-argument": (["EHLO c", "STARTTLS now"], "501 5.5.4 Syntax: STARTTLS"),
    "starttls": (["EHLO c", "STARTTLS"], "220 2.0.0 Ready to start TLS"),
}


@pytest.mark.parametrize(("lines", "reply"), DIALOGUES.values(), ids=DIALOGUES)
def test_last_reply(client, lines, reply):
    """The last line of the dialogue gets exactly this reply."""
    assert client.talk(*lines) == reply


@pytest.mark.parametrize("lines", [["QUIT"], ["FROB"] * 21], ids=["quit", "unknown"])
def test_farewell_closes(client, lines):
    """QUIT, and one unknown command too many, end the connection after the reply."""
    client.talk(*lines)
    assert client.stream.read() == b""


def test_help_lists_commands(client):
    """HELP answers 214 with the commands."""
    assert client.say("HELP") == (
        "214 2.0.0 commands: AUTH DATA EHLO EXPN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY"
    )


def test_cram_md5_accepts_the_right_digest(client):
    """CRAM-MD5 takes the HMAC of its challenge (RFC 2195)."""
    challenge = b64decode(client.talk("EHLO c", "AUTH CRAM-MD5").removeprefix("334 "))
    answer = digest(PASSWORD.encode(), challenge, "md5").hex()
    assert client.say(coded(f"{USER} {answer}")) == "235 2.7.0 authentication successful"


def test_cram_md5_challenge_is_fresh(server):
    """Each CRAM-MD5 exchange has a challenge of its own that names the host."""
    with Client(server) as first, Client(server) as second:
        challenges = {b64decode(one.talk("EHLO c", "AUTH CRAM-MD5")[4:]) for one in (first, second)}
    assert [challenge[-18:] for challenge in challenges] == [b"@mail.example.com>"] * 2


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_smtplib_logs_in(server, mechanism):
    """The standard library's client authenticates with each mechanism."""
    with smtplib.SMTP(server.host, server.port, timeout=SECONDS) as other:
        other.ehlo()
        other.user, other.password = USER, PASSWORD
        exchange = getattr(other, f"auth_{mechanism.lower().replace('-', '_')}")
        assert other.auth(mechanism, exchange) == (235, b"2.7.0 authentication successful")


def test_pipelined_commands_are_answered_in_order(client):
    """A whole dialogue in one write gets all its replies, in order (RFC 2920)."""
    lines = [*ENVELOPE[1:], "RCPT TO:<nobody@example.com>", "DATA", "hi", ".", "QUIT"]
    client.say("EHLO c")
    client.send("".join(f"{line}\r\n" for line in lines).encode())
    assert [client.reply()[:3] for _ in range(6)] == ["250", "250", "550", "354", "250", "221"]


MESSAGES = {
    "plain": (b"Subject: x\r\n\r\nhi\r\n", "250 2.0.0 Ok"),
    "empty": (b"", "250 2.0.0 Ok"),
    "eight-bit": (b"\xff\x00\r\n", "250 2.0.0 Ok"),
    "longest-line": (b"x" * 998 + b"\r\n", "250 2.0.0 Ok"),
    "too-big": ((b"x" * 98 + b"\r\n") * 10_001, "552 5.3.4 message size exceeds fixed limit"),
    "long-line": (b"x" * 3000 + b"\r\n", "500 5.5.2 line too long"),
    "line-just-too-long": (b"x" * 1000 + b"\r\n", "500 5.5.2 line too long"),
    "bare-lf": (b"a\nb\r\n", "550 5.5.2 bare <LF> received"),
    "bare-cr": (b"a\rb\r\n", "550 5.5.2 bare <CR> received"),
    "cr-before-crlf": (b"a\r\r\n", "550 5.5.2 bare <CR> received"),
    "smuggled-lf-dot-lf": (b"a\n.\nQUIT\r\n", "550 5.5.2 bare <LF> received"),
    "smuggled-lf-dot-crlf": (b"a\n.\r\nQUIT\r\n", "550 5.5.2 bare <LF> received"),
    "smuggled-crlf-dot-lf": (b"a\r\n.\nQUIT\r\n", "550 5.5.2 bare <LF> received"),
    "smuggled-cr-dot-cr": (b"a\r.\rQUIT\r\n", "550 5.5.2 bare <CR> received"),
    "smuggled-crlf-dot-cr": (b"a\r\n.\rQUIT\r\n", "550 5.5.2 bare <CR> received"),
}


@pytest.mark.parametrize(("octets", "reply"), MESSAGES.values(), ids=MESSAGES)
def test_message_gets_one_reply(client, octets, reply):
    """A message ends at CRLF dot CRLF only and has one reply; the next command has its own."""
    client.talk(*ENVELOPE, "DATA")
    client.send(octets + b".\r\n")
    assert [client.reply().split(": queued")[0], client.say("NOOP")] == [reply, "250 2.0.0 OK"]


def test_message_is_queued_under_a_hex_id():
    """The reply to an accepted message says the id under which `messages` lists it."""
    with DemoServer(settings()) as server, Client(server) as client:
        client.talk(*ENVELOPE, "DATA")
        reply = client.say("hi\r\n.")
        assert reply == f"250 2.0.0 Ok: queued as {server.messages[0].queue_id}"
        assert int(server.messages[0].queue_id, 16) >= 0


def test_envelope_is_kept_and_dots_are_unstuffed():
    """Of a message the envelope is kept, and its size without the dots that transparency added."""
    with DemoServer(settings()) as server, Client(server) as client:
        client.talk("EHLO c", LOGIN, "MAIL FROM:<>", "RCPT TO:<bob@example.com>", "RCPT TO:<carol@example.net>", "DATA")
        client.say("..a\r\n.b\r\nc.\r\n..\r\n.")
        kept = server.messages[0]
    assert (kept.sender, kept.recipients) == ("", ("bob@example.com", "carol@example.net"))
    assert (kept.size, kept.user, kept.encrypted) == (len(b".a\r\nb\r\nc.\r\n.\r\n"), USER, False)


@pytest.mark.parametrize(("size", "code"), [(100, "250"), (101, "552")], ids=["at", "beyond"])
def test_size_limit_is_exact(size, code):
    """A message of exactly the limit is taken, one byte more is not, whatever dots were stuffed."""
    with DemoServer(settings(size_limit=100)) as server, Client(server) as client:
        client.talk(*ENVELOPE, "DATA")
        assert client.say(f"..{'x' * (size - 3)}\r\n.")[:3] == code


def test_kept_messages_are_bounded():
    """Only the last messages are remembered."""
    with DemoServer(settings()) as server, Client(server) as client:
        client.say("EHLO c")
        one = b"MAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n.\r\n"
        for _ in range(KEPT_MESSAGES // 100 + 1):
            client.send(one * 100)
            for _ in range(400):
                client.reply()
        assert len(server.messages) == KEPT_MESSAGES


def test_certificate_verifies_against_the_ca(client, trust):
    """The certificate made on the spot holds for the host name under `ca`."""
    client.talk("EHLO c", "STARTTLS")
    client.secure(trust)
    assert client.say("NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_certificate_holds_for_loopback(client, trust, name):
    """The certificate also names the loopback addresses that a target's URL says."""
    client.talk("EHLO c", "STARTTLS")
    client.secure(trust, name)
    assert client.say("NOOP") == "250 2.0.0 OK"


def test_starttls_forgets_what_was_said(client, trust):
    """After STARTTLS neither EHLO nor AUTH nor the transaction counts (RFC 3207 4.2)."""
    client.talk("EHLO c", LOGIN, "MAIL FROM:<>", "STARTTLS")
    client.secure(trust)
    assert client.say("MAIL FROM:<>") == "503 5.5.1 send EHLO first"
    assert client.talk("EHLO c", LOGIN) == "235 2.7.0 authentication successful"


def test_starttls_is_offered_once(client, trust):
    """Under TLS, STARTTLS is neither listed nor taken."""
    client.talk("EHLO c", "STARTTLS")
    client.secure(trust)
    assert "STARTTLS" not in client.say("EHLO c")
    assert client.say("STARTTLS") == "503 5.5.1 TLS is active already"


def test_plaintext_behind_starttls_is_dropped(client, trust):
    """A command injected behind STARTTLS is not answered under TLS."""
    client.say("EHLO c")
    client.send(b"STARTTLS\r\nFROB\r\n")
    client.reply()
    client.secure(trust)
    assert client.say("NOOP") == "250 2.0.0 OK"


def test_implicit_tls():
    """With implicit TLS the greeting comes encrypted, AUTH is offered and STARTTLS is not."""
    with DemoServer(settings(tls="implicit", auth_requires_tls=True)) as server:
        assert server.url == f"smtps://127.0.0.1:{server.port}"
        with Client(server, greeted=False) as client:
            client.secure(ssl.create_default_context(cafile=server.ca))
            assert client.reply() == "220 mail.example.com ESMTP ready"
            capabilities = client.say("EHLO c")
            assert ("STARTTLS" in capabilities, "AUTH" in capabilities) == (False, True)
            assert client.say("STARTTLS") == "503 5.5.1 TLS is active already"
            assert client.say(LOGIN) == "235 2.7.0 authentication successful"


def test_without_tls():
    """With `tls: none` STARTTLS is neither listed nor taken."""
    with DemoServer(settings(tls="none")) as server, Client(server) as client:
        assert "STARTTLS" not in client.say("EHLO c")
        assert client.say("STARTTLS") == "502 5.5.1 STARTTLS not implemented"


def test_auth_can_require_tls():
    """With `auth_requires_tls` AUTH is listed and taken under TLS only."""
    with DemoServer(settings(auth_requires_tls=True)) as server, Client(server) as client:
        assert "AUTH" not in client.say("EHLO c")
        assert client.say(LOGIN) == "538 5.7.11 encryption required for authentication"
        client.say("STARTTLS")
        client.secure(ssl.create_default_context(cafile=server.ca))
        assert client.talk("EHLO c", LOGIN) == "235 2.7.0 authentication successful"


def test_given_certificate_is_used(tmp_path):
    """A certificate and key from files serve instead of the one made on the spot."""
    authority, given = trustme.CA(), tmp_path / "server.pem"
    authority.issue_cert("mx.example.org").private_key_and_cert_chain_pem.write_to_path(given)
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    with DemoServer(settings(certificate=str(given))) as server, Client(server) as client:
        client.talk("EHLO c", "STARTTLS")
        client.secure(context, "mx.example.org")
        assert client.say("NOOP") == "250 2.0.0 OK"


def test_unusable_certificate_is_named(tmp_path):
    """A certificate that can't be loaded is a `ToolError` with its name."""
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(ToolError, match=r"can't use the certificate: cannot read '.*missing\.pem': no such file"):
        DemoServer(settings(certificate=missing)).__enter__()


def test_locked_key_is_not_asked_for(tmp_path):
    """A key under a password is a `ToolError`, not a question on the terminal."""
    given, locked = trustme.CA().issue_cert("mx.example.org"), tmp_path / "locked.pem"
    key = load_pem_private_key(given.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    locked.write_bytes(pem + given.cert_chain_pems[0].bytes())
    with pytest.raises(ToolError, match=r"can't use the certificate: the key in '.*locked\.pem' is protected"):
        DemoServer(settings(certificate=str(locked))).__enter__()


def test_taken_port_is_named(server):
    """A port that is in use is told with address and port."""
    words = f"can't listen on 127.0.0.1 port {server.port}: another program listens there"
    with pytest.raises(ListenError, match=words) as caught:
        DemoServer(settings(port=server.port)).__enter__()
    assert caught.value.setting == "port"


@pytest.mark.parametrize(
    ("error", "setting", "reason"),
    [
        (PermissionError(errno.EACCES, "x"), "port", "only root may listen there; any user may on 1024 and above"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "host", "this machine has no such address"),
        (OSError("could not bind on any address out of []"), "host", "this machine has no such address"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "host", "that name has no address"),
        (OverflowError("x"), "port", "a port is 0 to 65535"),
        (TimeoutError(), "host", "not ready after 30 s"),
    ],
    ids=["privileged", "not-ours", "no-family", "no-name", "no-port", "late"],
)
def test_refusal_of_the_system_is_plain(error, setting, reason):
    """What the system says to listening becomes the setting that is to blame and a reason for an operator."""
    told = _listen_error(settings(), error)
    assert (told.setting, told.reason) == (setting, reason)


@pytest.mark.parametrize("host", ["a..b", "a b"])
def test_host_that_is_none_is_named(host):
    """What can't be a host's name is told as that."""
    with pytest.raises(ListenError, match="that is no name and no address"):
        DemoServer(settings(host=host)).__enter__()


@pytest.mark.parametrize(("host", "told"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")])
def test_all_addresses_are_reached_by_loopback(host, told):
    """A server on all addresses is told by one that a client on this machine can connect to."""
    assert DemoServer(settings(host=host, port=2525)).url == f"smtp://{told}:2525"


LMTP_ENVELOPE = ("LHLO c", *ENVELOPE[1:])
LMTP_DIALOGUES = {
    "helo": (["HELO c"], "500 5.5.2 command not recognized"),
    "ehlo": (["EHLO c"], "500 5.5.2 command not recognized"),
    "lhlo-without-name": (["LHLO"], "501 5.5.4 host name missing"),
    "auth": (["LHLO c", LOGIN], "500 5.5.2 command not recognized"),
    "mail-first": (["MAIL FROM:<a@b.example>"], "503 5.5.1 send LHLO first"),
    "data-before-lhlo": (["DATA"], "503 5.5.1 send LHLO first"),
    "data-without-rcpt": (["LHLO c", "MAIL FROM:<>", "DATA"], "503 5.5.1 need RCPT command"),
    "data-where-none-was-accepted": (
        ["LHLO c", "MAIL FROM:<>", "RCPT TO:<nobody@example.com>", "DATA"],
        "503 5.5.1 need RCPT command",
    ),
    "rcpt-relay": ([*LMTP_ENVELOPE, "RCPT TO:<carol@example.net>"], "550 5.7.1 relaying denied"),
    "help": (["HELP"], "214 2.0.0 commands: DATA EXPN HELP LHLO MAIL NOOP QUIT RCPT RSET STARTTLS VRFY"),
}


@pytest.fixture(scope="module")
def lmtp():
    with DemoServer(settings(protocol="lmtp")) as running:
        yield running


@pytest.mark.parametrize(("lines", "reply"), LMTP_DIALOGUES.values(), ids=LMTP_DIALOGUES)
def test_last_reply_of_lmtp(lmtp, lines, reply):
    """LMTP has LHLO in place of HELO and EHLO, and no AUTH (RFC 2033 section 4)."""
    with Client(lmtp) as client:
        assert client.talk(*lines) == reply


def test_lhlo_lists_capabilities(lmtp):
    """LHLO lists what EHLO would, but for AUTH."""
    with Client(lmtp) as client:
        assert client.greeting == "220 mail.example.com LMTP ready"
        assert client.say("LHLO c").split("\n") == [
            "250-mail.example.com",
            "250-PIPELINING",
            "250-SIZE 1000000",
            "250-STARTTLS",
            "250-ENHANCEDSTATUSCODES",
            "250-8BITMIME",
            "250 SMTPUTF8",
        ]
    assert lmtp.url == f"lmtp://127.0.0.1:{lmtp.port}"
    assert "username" not in lmtp.variables


@pytest.mark.parametrize(
    ("octets", "reply"),
    [(b"hi\r\n", "250 2.0.0 <{}> Ok"), (b"a\nb\r\n", "550 5.5.2 <{}> bare <LF> received")],
    ids=["taken", "refused"],
)
def test_lmtp_answers_for_each_recipient(lmtp, octets, reply):
    """After the dot there is a reply for each recipient that was accepted, in order, also twice for one."""
    with Client(lmtp) as client:
        names = ["bob@example.com", "nobody@example.com", "alice@example.com", "bob@example.com"]
        client.talk("LHLO c", "MAIL FROM:<>", *(f"RCPT TO:<{name}>" for name in names), "DATA")
        client.send(octets + b".\r\n")
        replies = [client.reply().split(": queued")[0] for _ in range(3)]
        assert replies == [reply.format(name) for name in names if name != "nobody@example.com"]
        assert client.say("NOOP") == "250 2.0.0 OK"


def test_lmtp_through_starttls(lmtp):
    """STARTTLS is there too, and forgets LHLO."""
    with Client(lmtp) as client:
        client.talk("LHLO c", "STARTTLS")
        client.secure(ssl.create_default_context(cafile=lmtp.ca))
        assert client.say("MAIL FROM:<>") == "503 5.5.1 send LHLO first"
        assert "STARTTLS" not in client.say("LHLO c")


def test_lmtp_has_no_implicit_tls():
    """There is no URL for LMTP with TLS from the first byte, so there is no such server."""
    with pytest.raises(ValueError, match="LMTP has TLS by STARTTLS only"):
        settings(protocol="lmtp", tls="implicit")


def test_hundred_connections_at_once(server):
    """A hundred connections are open together and all get their message through."""
    lines = [*ENVELOPE, "DATA", "hi", ".", "QUIT"]
    octets = "".join(f"{line}\r\n" for line in lines).encode()
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(100)]
        for client in clients:
            client.send(octets)
        endings = [[client.reply() for _ in range(6)][4][:20] for client in clients]
    assert endings == ["250 2.0.0 Ok: queued"] * 100


def test_connections_are_bounded():
    """One connection more than allowed is told so and closed; a free place is taken again."""
    with DemoServer(settings(max_connections=1)) as server:
        with Client(server) as first:
            with Client(server) as second:
                assert (second.greeting, second.stream.read()) == ("421 4.7.0 too many connections", b"")
            first.say("QUIT")
            assert first.stream.read() == b""
        with Client(server) as third:
            assert third.greeting == "220 mail.example.com ESMTP ready"


@pytest.mark.parametrize("lines", [[], [*ENVELOPE, "DATA"], ["EHLO c", "AUTH LOGIN"]], ids=["idle", "data", "auth"])
def test_silent_client_is_dropped(lines):
    """A client that stays silent is told so and dropped, wherever it stopped."""
    with DemoServer(settings(timeout=0.2)) as server, Client(server) as client:
        client.send("".join(f"{line}\r\n" for line in lines).encode())
        assert client.stream.readlines()[-1] == b"421 4.4.2 timeout exceeded\r\n"


def test_default_user_has_a_password_of_this_run():
    """Without users, alice has a random password that logs in and that no repr shows."""
    with DemoServer() as server, Client(server) as client:
        token = coded("", "alice@example.com", server.password)
        assert client.talk("EHLO c", f"AUTH PLAIN {token}") == "235 2.7.0 authentication successful"
        assert server.password not in f"{server!r} {server.settings!r} {server.variables!r} {vars(server)!r}"
    assert server.password != DemoServer().password


def test_given_passwords_stay_out_of_repr():
    """Passwords that were given are not shown."""
    assert PASSWORD not in f"{settings()!r} {vars(DemoServer(settings()))!r}"


def test_variables_are_those_of_the_domain():
    """The variables name the domain's mailboxes, and no password."""
    assert DemoServer(DemoSettings(domain="mx.test")).variables == {
        "domain": "mx.test",
        "sender": "alice@mx.test",
        "recipient": "alice@mx.test",
        "unknown": "nobody@mx.test",
        "external": "carol@example.net",
        "username": "alice@mx.test",
    }


def test_ca_is_private_and_temporary():
    """The CA's file is in a folder of its own that others can't read, gone at exit."""
    with DemoServer() as server:
        folder = server.ca.parent
        assert [server.ca] == list(folder.iterdir())
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_stop_ends_wait_and_connections(server):
    """`stop` from elsewhere ends `wait` and cuts who is still connected."""
    with DemoServer(settings()) as other, Client(other) as client:
        waiting = Thread(target=other.wait)
        waiting.start()
        other.stop()
        waiting.join(SECONDS)
        assert (waiting.is_alive(), client.stream.read(), other.stop()) == (False, b"", None)


def test_nothing_is_logged_about_clients(caplog, capfd):
    """Broken handshakes, resets and bad commands leave log and terminal alone."""
    caplog.set_level(logging.DEBUG)
    with DemoServer(settings(tls="implicit")) as server, Client(server, greeted=False) as client:
        client.send(b"EHLO plain\r\n")
        client.stream.read()
    with DemoServer(settings()) as server:
        with Client(server) as client:
            client.talk("FROB", "EHLO c", LOGIN, "STARTTLS")
            client.send(b"not a handshake\r\n")
            client.stream.read()
        with Client(server) as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.send(b"NOOP\r\n" * 100)
    assert capfd.readouterr() == ("", "")
    told = [one for one in caplog.records if one.name != "asyncio" or one.levelno >= logging.WARNING]
    assert told == []


@pytest.mark.parametrize("package", ["aiosmtpd", "trustme"])
def test_missing_extra_is_named(monkeypatch, package):
    """Without the extra's packages the error says what to install."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ToolError, match=r"needs \S+, which is not installed: pip install 'mailproof\[demo\]'"):
        load_demo()


def test_import_is_light():
    """Importing the module loads none of what only a running server needs."""
    heavy = "{'aiosmtpd', 'trustme', 'asyncio', 'ssl', 'socket', 'threading', 'tempfile'}"
    home = str(Path(runner.__file__).parent.parent)
    code = f"import sys; sys.path.insert(0, {home!r}); import runner.demo; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_smtplib_sends_through_tls(server, trust):
    """The standard library's client goes all the way: STARTTLS, login, a message for elsewhere."""
    with closing(smtplib.SMTP("localhost", server.port, timeout=SECONDS)) as other:
        other.starttls(context=trust)
        other.login(USER, PASSWORD)
        assert other.sendmail(USER, ["carol@example.net"], "Subject: x\r\n\r\n.\r\n") == {}
        assert other.quit() == (221, b"2.0.0 Bye")
