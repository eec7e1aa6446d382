"""The real servers behave as the other tests take for granted; judged by smtplib, without this project's own code."""

from __future__ import annotations

import base64
import contextlib
import os
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

from tests.servers import (
    DovecotServer,
    Listeners,
    NotInstalledError,
    Running,
    ServerError,
    dovecot_lmtp,
    exim,
    postfix,
    server_root,
)
from tests.servers._process import Daemon, Door, await_true, groups_below, living, serving
from tests.servers._running import free_ports

CLIENT = "client.example.org"
MESSAGE = "Subject: test\r\n\r\nhello\r\n"
LIMIT = 10


@pytest.fixture(scope="session", params=["postfix", "exim"])
def server(request: pytest.FixtureRequest) -> Listeners:
    return request.getfixturevalue(f"{request.param}_server")


@contextlib.contextmanager
def greeted(running: Running, *, tls: bool = False) -> Iterator[smtplib.SMTP]:
    """Connect and say EHLO, with `tls` after STARTTLS again; hang up without a goodbye."""
    with contextlib.closing(smtplib.SMTP(running.host, running.port, CLIENT, LIMIT)) as client:
        client.ehlo()
        if tls:
            assert client.starttls(context=trusting(running))[0] == 220
            client.ehlo()
        yield client


def trusting(running: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=running.ca)


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def log_in(client: smtplib.SMTP, running: Running, password: str | None = None) -> tuple[int, bytes]:
    secret = running.password if password is None else password
    return client.docmd("AUTH", "PLAIN " + b64(f"\0{running.variables['username']}\0{secret}"))


def rcpt(client: smtplib.SMTP, running: Running, name: str) -> tuple[int, bytes]:
    """Begin a transaction and name the recipient that a variable stands for."""
    assert client.mail(running.variables["sender"])[0] == 250
    return client.rcpt(running.variables[name])


def mechanisms(client: smtplib.SMTP) -> list[str]:
    return sorted(client.esmtp_features.get("auth", "").replace("=", " ").split())


class TestRules:
    """What a scenario may ask of either server."""

    def test_local_recipient_is_accepted(self, server):
        """A message to the local recipient is taken."""
        plain = server.plain
        with greeted(plain) as client:
            assert client.sendmail(plain.variables["sender"], [plain.variables["recipient"]], MESSAGE) == {}

    def test_local_message_is_delivered(self, server):
        """What was taken for the local recipient ends up below the server's folder."""
        plain = server.plain
        mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
        with greeted(plain) as client:
            client.sendmail(plain.variables["sender"], [plain.variables["recipient"]], f"Subject: {mark}\r\n\r\n")
        mail = Path(plain.ca).parent / "mail"
        await_true(lambda: any(mark in file.read_text() for file in mail.rglob("*") if file.is_file()))

    def test_relay_is_refused_to_strangers(self, server):
        """Who has not authenticated may not send elsewhere."""
        with greeted(server.plain) as client:
            code, text = rcpt(client, server.plain, "external")
        assert code // 100 == 5
        assert text.startswith(b"5.7.1 ")

    def test_relay_is_accepted_after_auth(self, server):
        """Who has authenticated may send elsewhere."""
        plain = server.plain
        with greeted(plain) as client:
            assert log_in(client, plain)[0] == 235
            assert client.sendmail(plain.variables["sender"], [plain.variables["external"]], MESSAGE) == {}

    def test_relayed_message_is_discarded(self, server):
        """What is accepted for elsewhere never leaves the machine."""
        plain = server.plain
        with greeted(plain) as client:
            log_in(client, plain)
            client.sendmail(plain.variables["sender"], [plain.variables["external"]], MESSAGE)
        thrown_away = re.compile(r"postfix/discard\[.* to=<carol@example\.net>|=> :blackhole: <carol@example\.net>")
        await_true(lambda: thrown_away.search(plain.log.read_text()) is not None)

    def test_unknown_recipient_is_refused(self, server):
        """An address that does not exist is refused at RCPT as such."""
        with greeted(server.plain) as client:
            code, text = rcpt(client, server.plain, "unknown")
        assert (code, text[:6]) == (550, b"5.1.1 ")

    def test_wrong_password_is_refused(self, server):
        """A wrong password is a 535."""
        with greeted(server.plain) as client:
            assert log_in(client, server.plain, "wrong")[0] == 535

    def test_auth_login_prompts(self, server):
        """AUTH LOGIN asks for user name and password in the usual words."""
        plain = server.plain
        with greeted(plain) as client:
            assert client.docmd("AUTH LOGIN") == (334, b"VXNlcm5hbWU6")
            assert client.docmd(b64(plain.variables["username"])) == (334, b"UGFzc3dvcmQ6")
            assert client.docmd(b64(plain.password))[0] == 235

    def test_auth_cram_md5(self, server):
        """AUTH CRAM-MD5 (RFC 2195) knows the user."""
        plain = server.plain
        with greeted(plain) as client:
            client.user, client.password = plain.variables["username"], plain.password
            assert client.auth("CRAM-MD5", client.auth_cram_md5)[0] == 235

    def test_size_is_announced(self, server):
        """EHLO announces the size limit."""
        with greeted(server.plain) as client:
            assert client.esmtp_features["size"] == "100000"

    def test_size_is_enforced(self, server):
        """A larger message is refused at MAIL, which declares its size."""
        with greeted(server.plain) as client:
            assert client.mail(server.plain.variables["sender"], ["SIZE=100001"])[0] == 552

    @pytest.mark.parametrize("capability", ["pipelining", "chunking", "smtputf8", "8bitmime"])
    def test_capabilities(self, server, capability):
        """EHLO offers what scenarios need."""
        with greeted(server.plain) as client:
            assert capability in client.esmtp_features

    def test_message_in_chunks(self, server):
        """BDAT takes a message."""
        with greeted(server.plain) as client:
            assert rcpt(client, server.plain, "recipient")[0] == 250
            client.send(f"BDAT {len(MESSAGE)} LAST\r\n{MESSAGE}")
            assert client.getreply()[0] == 250

    def test_starttls_verifies(self, server):
        """STARTTLS shows a certificate that the CA and the host's name vouch for; AUTH works within."""
        with greeted(server.plain, tls=True) as client:
            assert log_in(client, server.plain)[0] == 235

    def test_starttls_without_the_ca_does_not_verify(self, server):
        """Nobody but the server's own CA vouches for its certificate."""
        with greeted(server.plain) as client, pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=ssl.create_default_context())

    def test_tls_only_hides_auth(self, server):
        """The strict door offers and takes AUTH under TLS only."""
        strict = server.tls_only
        with greeted(strict) as client:
            assert mechanisms(client) == []
            assert log_in(client, strict)[0] // 100 == 5
        with greeted(strict, tls=True) as client:
            assert log_in(client, strict)[0] == 235

    def test_submissions(self, server):
        """The third door speaks TLS from the first byte."""
        door = server.submissions
        context = trusting(door)
        with smtplib.SMTP_SSL(door.host, door.port, CLIENT, timeout=LIMIT, context=context) as client:
            client.ehlo()
            assert log_in(client, door)[0] == 235
            assert rcpt(client, door, "external")[0] == 250

    def test_many_connections(self, server):
        """Sixty connections at once are greeted, and none is turned away for its number."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(greeted(server.plain)) for _ in range(60)]
            assert [client.noop()[0] for client in clients] == [250] * 60


class TestMechanisms:
    def test_postfix_offers(self, postfix_server):
        """Postfix offers what Dovecot knows."""
        with greeted(postfix_server.plain) as client:
            expected = "CRAM-MD5 LOGIN OAUTHBEARER PLAIN SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2"
            assert expected.split() == sorted(set(mechanisms(client)))

    def test_exim_offers(self, exim_server):
        """Exim offers what its configuration defines."""
        with greeted(exim_server.plain) as client:
            assert sorted(set(mechanisms(client))) == ["CRAM-MD5", "LOGIN", "PLAIN"]

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
    def test_scram(self, postfix_server, mechanism):
        """SCRAM (RFC 5802) succeeds, and the server proves that it knows the password too."""
        plain = postfix_server.plain
        scram = ScramClient([mechanism], plain.variables["username"], plain.password)
        with greeted(plain) as client:
            _, challenge = client.docmd("AUTH", f"{mechanism} {b64(scram.get_client_first())}")
            scram.set_server_first(base64.b64decode(challenge).decode())
            _, challenge = client.docmd(b64(scram.get_client_final()))
            scram.set_server_final(base64.b64decode(challenge).decode())
            assert client.docmd("")[0] == 235

    @pytest.mark.parametrize(
        ("mechanism", "form"),
        [
            ("XOAUTH2", "user={user}\1auth=Bearer {token}\1\1"),
            ("OAUTHBEARER", "n,a={user},\1host=localhost\1port=25\1auth=Bearer {token}\1\1"),
        ],
    )
    def test_bearer_token(self, postfix_server, mechanism, form):
        """The token is taken; another gets the error challenge and, after an empty answer, 535."""
        plain = postfix_server.plain
        user = plain.variables["username"]
        with greeted(plain) as client:
            code, challenge = client.docmd("AUTH", f"{mechanism} {b64(form.format(user=user, token='wrong'))}")
            assert code == 334
            assert b'"status"' in base64.b64decode(challenge)
            assert client.docmd(b64("\1") if mechanism == "OAUTHBEARER" else "")[0] == 535
        with greeted(plain) as client:
            assert client.docmd("AUTH", f"{mechanism} {b64(form.format(user=user, token=plain.token))}")[0] == 235


class TestVariations:
    """Each broken server is broken in its own way."""

    def test_open_relay(self, broken_postfix):
        """Strangers may send elsewhere, but unknown local addresses stay refused."""
        plain = broken_postfix("open_relay").plain
        with greeted(plain) as client:
            assert rcpt(client, plain, "external")[0] == 250
            assert client.rcpt(plain.variables["unknown"])[0] == 550

    def test_open_relay_of_exim(self, broken_exim):
        """The same with Exim."""
        plain = broken_exim("open_relay").plain
        with greeted(plain) as client:
            assert rcpt(client, plain, "external")[0] == 250
            assert client.rcpt(plain.variables["unknown"])[0] == 550

    def test_auth_without_tls(self, broken_postfix):
        """The strict door takes AUTH in clear text."""
        strict = broken_postfix("auth_without_tls").tls_only
        with greeted(strict) as client:
            assert "PLAIN" in mechanisms(client)
            assert log_in(client, strict)[0] == 235

    def test_starttls_off(self, broken_postfix):
        """No door offers or takes STARTTLS."""
        plain = broken_postfix("starttls_off").plain
        with greeted(plain) as client:
            assert "starttls" not in client.esmtp_features
            assert client.docmd("STARTTLS")[0] // 100 == 5

    @pytest.mark.parametrize("broken", ["broken_postfix", "broken_exim"])
    def test_expired_certificate(self, request, broken):
        """The certificate has expired, and nothing else is wrong with it."""
        plain = request.getfixturevalue(broken)("expired_certificate").plain
        with greeted(plain) as client, pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            client.starttls(context=trusting(plain))

    def test_wrong_certificate_name(self, broken_postfix):
        """The certificate is for another name, and nothing else is wrong with it."""
        plain = broken_postfix("wrong_certificate_name").plain
        with greeted(plain) as client, pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            client.starttls(context=trusting(plain))
        context = trusting(plain)
        context.check_hostname = False
        with greeted(plain) as client:
            assert client.starttls(context=context)[0] == 220

    def test_accept_unknown(self, broken_postfix):
        """Addresses that nobody has are accepted."""
        plain = broken_postfix("accept_unknown").plain
        with greeted(plain) as client:
            assert rcpt(client, plain, "unknown")[0] == 250

    def test_any_password(self, broken_postfix):
        """A wrong password is believed."""
        plain = broken_postfix("any_password").plain
        with greeted(plain) as client:
            assert log_in(client, plain, "wrong")[0] == 235

    @pytest.mark.parametrize("capability", ["size", "pipelining"])
    def test_missing_capability(self, broken_postfix, capability):
        """The capability is not offered."""
        with greeted(broken_postfix(f"no_{capability}").plain) as client:
            assert capability not in client.esmtp_features


class TestLmtp:
    @pytest.fixture(params=["tcp", "unix"])
    def door(self, request, dovecot_server: DovecotServer) -> Running:
        """Each of the two doors."""
        return getattr(dovecot_server, request.param)

    def test_replies_for_each_recipient(self, door):
        """After the message each accepted recipient gets a reply: one has it, the other's mailbox is full."""
        names = door.variables
        with smtplib.LMTP(door.host, door.port, local_hostname=CLIENT) as client:
            assert client.ehlo()[0] == 250
            assert client.mail(names["sender"])[0] == 250
            codes = [client.rcpt(names[name])[0] for name in ("recipient", "unknown", "full", "external")]
            assert codes == [250, 550, 250, 550]
            assert client.docmd("DATA")[0] == 354
            client.send(MESSAGE + ".\r\n")
            first, second = client.getreply(), client.getreply()
            assert (first[0], first[1].split()[:2]) == (250, [b"2.0.0", b"<bob@example.com>"])
            assert (second[0], second[1].split()[:2]) == (552, [b"5.2.2", b"<full@example.com>"])
            assert client.noop()[0] == 250


class TestProcesses:
    """The harness starts what it must, ends what it started, and says what is missing."""

    def test_nothing_is_left(self):
        """After the end no process of the server's groups lives, and its doors are closed."""
        with server_root() as root:
            with postfix(root) as server:
                groups = groups_below(root)
                assert len(groups) >= 2
            assert [pid for group in groups for pid in living(group)] == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.plain.host, server.plain.port), timeout=LIMIT)

    @pytest.mark.parametrize("start", ["postfix", "exim", "dovecot_lmtp"])
    def test_servers_end_with_a_killed_run(self, tmp_path, start):
        """A test run that dies by SIGKILL takes its servers with it."""
        program = (
            f"from tests.servers import {start}\nimport pathlib, sys\n"
            f"with {start}(pathlib.Path(sys.argv[1])):\n  print('up', flush=True)\n  sys.stdin.read()\n"
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

    def test_server_that_ends_at_its_start(self, tmp_path):
        """A server that does not come up raises, with what it said."""

        def launch():
            daemon = Daemon(["sh", "-c", "echo no such option; exit 64"], folder=tmp_path, log=tmp_path / "log")
            return daemon, [Door(str(tmp_path / "socket"))], None

        with pytest.raises(ServerError, match="did not start\nno such option"), serving(launch):
            pass

    @pytest.mark.parametrize("name", ["postfix", "exim", "dovecot"])
    def test_port_taken_meanwhile(self, monkeypatch, name):
        """A server that lost the race for a port is started anew on others."""
        start = {"postfix": postfix, "exim": exim, "dovecot": dovecot_lmtp}[name]
        tries = []
        with socket.socket() as rival, server_root() as root:
            rival.bind(("127.0.0.1", 0))

            def ports(count: int) -> list[int]:
                tries.append(count)
                return [*free_ports(count - 1), rival.getsockname()[1]] if len(tries) == 1 else free_ports(count)

            monkeypatch.setattr(sys.modules[f"tests.servers._{name}"], "free_ports", ports)
            with start(root):
                assert len(tries) == 2

    def test_missing_program_names_the_installer(self, monkeypatch, tmp_path):
        """Where a server is not installed, the failure says what installs it."""
        monkeypatch.setenv("MAILPROOF_SERVERS", str(tmp_path))
        with pytest.raises(NotInstalledError, match=r"exim4; run \.ci/install-servers as root"), exim(tmp_path):
            pass

    def test_password_is_not_in_the_repr(self, postfix_server):
        """A failing test does not print the secrets."""
        plain = postfix_server.plain
        assert plain.password not in repr(plain)
        assert plain.token not in repr(plain)
