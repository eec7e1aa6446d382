"""`mailproof record --listen` as a process: what clients meet, what is written, what is told and how it ends."""

from __future__ import annotations

import contextlib
import re
import signal
import smtplib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from commands import PATIENCE, ended, polite, start, url
from fake_server import FakeServer, certificates

from runner.demo import DemoServer, DemoSettings
from runner.errors import EXIT_PASSED, EXIT_TERMINATED, EXIT_TOOL, EXIT_USAGE


class Listening:
    """A proxy that runs: its port, the CA that its clients are to trust, and what it has told."""

    def __init__(self, folder, *words, **options):
        self.process = start("record", "--listen", "0", *words, cwd=folder, stderr=-1, **options)
        self.told = []
        self._is_up, self._ended = threading.Event(), threading.Event()
        self.port, self.ca = 0, ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._is_up.wait(PATIENCE)

    def _read(self):
        for line in self.process.stderr:
            self.told.append(line)
            if found := re.match(r"listening at \S+:(\d+) for", line):
                self.port = int(found[1])
                self._is_up.set()
            if found := re.match(r"the client is to trust (\S+)", line):
                self.ca = found[1]
        self._is_up.set()

    def client(self):
        """Return a connection to it, with its greeting read."""
        return smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE)

    def end(self, by=None):
        """End it by a signal, or wait for it; return the exit code and what was told."""
        if by is not None:
            self.process.send_signal(by)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code, "".join(self.told)


@contextlib.contextmanager
def listening(folder, *words, **options):
    """Return a running proxy; nothing of it is left."""
    proxy = Listening(folder, *words, **options)
    try:
        yield proxy
    finally:
        proxy.process.kill()
        proxy.process.wait()
        proxy._reader.join(PATIENCE)
        proxy.process.stdout.close()
        proxy.process.stderr.close()


@pytest.fixture
def demo():
    """Return the embedded server."""
    with DemoServer(DemoSettings()) as server:
        yield server


class TestRecorded:
    def test_passes_against_the_server(self, folder, demo, mailproof, monkeypatch):
        """STARTTLS, AUTH and a mail: the scenario passes against the server itself, and holds no secret."""
        with listening(folder, demo.url, "--ca", demo.ca, "-o", "client.yaml", "--once") as proxy:
            with smtplib.SMTP("localhost", proxy.port, timeout=PATIENCE) as client:
                client.starttls(context=ssl.create_default_context(cafile=proxy.ca))
                client.login("alice@example.com", demo.password)
                client.sendmail("alice@example.com", ["alice@example.com"], "Subject: x\r\n\r\nHello\r\n")
            code, told = proxy.end()
        text = (folder / "client.yaml").read_text()
        monkeypatch.setenv("PW", demo.password)
        given = ("--ca", demo.ca, "--secret", "password=env:PW", "--var", "username=alice@example.com")
        again = mailproof("run", "client.yaml", "--target", demo.url, *given)
        assert (EXIT_PASSED, EXIT_PASSED, False) == (code, again.code, demo.password in text + told), told + again.out
        assert f"client.yaml is written; run it with:\n  mailproof run client.yaml --target {demo.url}" in told

    def test_each_connection(self, folder, server):
        """Each connection has a file of its own, at the same time too; who says nothing has none."""
        with listening(folder, url(server), "-o", "client.yaml") as proxy:
            clients = [proxy.client() for _ in range(3)]
            for number, client in enumerate(clients[:2]):
                client.ehlo(f"client{number}.example.org")
            for client in reversed(clients):
                client.close()
            first = proxy.client()
            first.helo("last.example.org")
            first.quit()
            code, told = proxy.end(signal.SIGINT)
        assert EXIT_PASSED == code
        assert ["client-2.yaml", "client-3.yaml", "client.yaml"] == sorted(path.name for path in folder.iterdir()), told

    def test_a_folder(self, folder, server):
        """A folder takes all of them; a number that is taken is passed over."""
        (folder / "kept").mkdir()
        (folder / "kept" / "recording-1.yaml").write_text("mine")
        with listening(folder, url(server), "-o", "kept", "--once") as proxy:
            proxy.client().quit()
            code, _ = proxy.end()
        assert (EXIT_PASSED, "mine", True) == (
            code,
            (folder / "kept" / "recording-1.yaml").read_text(),
            (folder / "kept" / "recording-2.yaml").exists(),
        )

    def test_a_new_folder(self, folder, server):
        """A name that ends in / is a folder, which is made."""
        with listening(folder, url(server), "-o", "kept/", "--once") as proxy:
            proxy.client().quit()
            code, told = proxy.end()
        assert (EXIT_PASSED, True) == (code, (folder / "kept" / "recording-1.yaml").exists()), told

    @pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, EXIT_PASSED), (signal.SIGTERM, EXIT_TERMINATED)])
    def test_broken_off(self, folder, server, by, code):
        """A signal ends it; what was said so far on connections that stand is written."""
        with listening(folder, url(server), "-o", "client.yaml") as proxy:
            client = proxy.client()
            client.ehlo("client.example.org")
            found, told = proxy.end(by)
            client.close()
        assert (code, True) == (found, "EHLO" in (folder / "client.yaml").read_text()), told

    def test_nothing_said(self, folder, server):
        """Without a word there is no file."""
        with listening(folder, url(server), "-o", "client.yaml") as proxy:
            code, told = proxy.end(signal.SIGINT)
        assert (EXIT_PASSED, [], True) == (code, list(folder.iterdir()), "nothing was recorded" in told)

    def test_hidden_capabilities(self, folder):
        """What can't be passed on is not offered, and that is told once."""

        def offers(conn):
            conn.send(b"220 mx\r\n")
            while line := conn.line():
                if line.startswith((b"quit", b"QUIT")):
                    conn.send(b"221 bye\r\n")
                    return
                conn.send(b"250-mx\r\n250-AUTH PLAIN SCRAM-SHA-256-PLUS\r\n250 CHUNKING\r\n")

        with FakeServer(offers) as server, listening(folder, url(server), "-o", "client.yaml", "--once") as proxy:
            client = proxy.client()
            client.ehlo()
            features = dict(client.esmtp_features)
            client.quit()
            _, told = proxy.end()
        assert {"auth": " PLAIN"} == features
        assert 1 == told.count(
            "kept from the client, for it can't be passed on or recorded: CHUNKING, SCRAM-SHA-256-PLUS"
        )


class TestTls:
    def test_implicit(self, folder, mailproof):
        """With implicit TLS a client speaks clear text with the proxy, or TLS if that is asked for."""
        with DemoServer(DemoSettings(tls="implicit")) as demo:
            words = (demo.url, "--ca", demo.ca, "--once", "-o")
            with listening(folder, *words, "clear.yaml") as proxy:
                proxy.client().quit()
                assert EXIT_PASSED == proxy.end()[0]
            with listening(folder, *words, "tls.yaml", "--tls") as proxy:
                context = ssl.create_default_context(cafile=proxy.ca)
                smtplib.SMTP_SSL("localhost", proxy.port, timeout=PATIENCE, context=context).quit()
                assert EXIT_PASSED == proxy.end()[0]
            for name in ("clear.yaml", "tls.yaml"):
                again = mailproof("run", name, "--target", demo.url, "--ca", demo.ca)
                assert EXIT_PASSED == again.code, again.out

    def test_untrusted_server(self, folder, demo):
        """A server that nobody trusts gets no client: it is told in the protocol's words, and so is the operator."""
        with listening(folder, demo.url, "-o", "client.yaml") as proxy:
            client = proxy.client()
            client.ehlo()
            code, said = client.docmd("STARTTLS")
            client.close()
            _, told = proxy.end(signal.SIGINT)
        assert (454, True) == (code, b"TLS is not to be had" in said)
        assert f"no TLS with 127.0.0.1:{demo.url.rpartition(':')[2]}: certificate not trusted: unknown issuer" in told
        assert "; a CA of your own is named by --ca FILE" in told

    def test_own_certificate(self, folder, demo, tmp_path):
        """The client's side shows the certificate that is given."""
        issued = certificates().authority.issue_cert("localhost", "own.example.org")
        pem = Path(tmp_path, "own.pem")
        pem.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
        roots = certificates().roots(tmp_path)
        words = (demo.url, "--ca", demo.ca, "--cert", pem, "-o", "client.yaml", "--once")
        with listening(folder, *words) as proxy, smtplib.SMTP("localhost", proxy.port, timeout=PATIENCE) as client:
            client.starttls(context=ssl.create_default_context(cafile=roots))
            names = {name for _, name in client.sock.getpeercert()["subjectAltName"]}
        assert {"localhost", "own.example.org"} == names

    def test_client_that_does_not_trust(self, folder, demo):
        """A client that does not trust the proxy's certificate ends the handshake, and that is told as what it is."""
        with listening(folder, demo.url, "--ca", demo.ca, "-o", "client.yaml", "--once") as proxy:
            client = proxy.client()
            with pytest.raises(ssl.SSLCertVerificationError):
                client.starttls(context=ssl.create_default_context())
            client.close()
            _, told = proxy.end()
        assert "the client does not trust the proxy's certificate" in told


class TestTrouble:
    def test_server_is_down(self, folder):
        """A client is told in its protocol, the operator in words, and the proxy goes on."""
        with FakeServer(polite) as server:
            target = url(server)
        with listening(folder, target, "-o", "client.yaml") as proxy:
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as sock:
                    assert b"421 4.3.0 the server behind this proxy is not to be had\r\n" == sock.makefile("rb").read()
            code, told = proxy.end(signal.SIGINT)
        assert (EXIT_PASSED, 2) == (code, told.count("connection refused"))

    def test_garbage(self, folder):
        """A server that breaks the protocol is passed on all the same, and what was before it is written."""

        def breaks(conn):
            conn.send(b"220 mx\r\n")
            conn.line()
            conn.send(b"250 ok\r\n")
            conn.line()
            conn.send(b"\x00garbage\r\n")

        with FakeServer(breaks) as server, listening(folder, url(server), "-o", "client.yaml", "--once") as proxy:
            address = ("127.0.0.1", proxy.port)
            with socket.create_connection(address, PATIENCE) as sock, sock.makefile("rwb", buffering=0) as file:
                file.readline()
                for line in (b"EHLO x\r\n", b"NOOP\r\n"):
                    file.write(line)
                    last = file.readline()
            _, told = proxy.end()
        assert (b"\x00garbage\r\n", True) == (last, "the server breaks the protocol" in told)
        assert ["EHLO"] == re.findall("EHLO|NOOP", (folder / "client.yaml").read_text().partition("steps:")[2])

    def test_no_room(self, folder, server):
        """A file that can't be written is said so, and fails the command; the client noticed nothing."""
        (folder / "kept").mkdir()
        with listening(folder, url(server), "-o", "kept/client.yaml", "--once") as proxy:
            client = proxy.client()
            (folder / "kept").rmdir()
            client.quit()
            code, told = proxy.end()
        assert (EXIT_TOOL, True) == (code, "the scenario can't be written: no such file or directory" in told)

    def test_nothing_is_lost(self, folder, server):
        """What can't be written at its place is kept elsewhere, each recording, and told."""
        for name in ("kept", "tmp"):
            (folder / name).mkdir()
        env = {"TMPDIR": str(folder / "tmp")}
        with listening(folder, url(server), "-o", "kept/client.yaml", env=env) as proxy:
            (folder / "kept").rmdir()
            for name in ("one.example.org", "two.example.org"):
                client = proxy.client()
                client.ehlo(name)
                client.quit()
            code, told = proxy.end(signal.SIGINT)
        found = list((folder / "tmp").glob("mailproof-recording-*.yaml"))
        assert (EXIT_TOOL, 2) == (code, len(found)), told
        assert all(f"the recording is kept in {path}\n" in told for path in found)
        again = [ended(start("run", path, "--target", url(server), cwd=folder)) for path in found]
        assert [EXIT_PASSED] * 2 == [one.code for one in again], again

    def test_port_is_taken(self, folder, server):
        """A port that can't be had is an error of the surroundings."""
        taken = ended(start("record", "--listen", str(server.port), url(server), "-o", "x.yaml", cwd=folder))
        assert (EXIT_TOOL, True) == (taken.code, "address already in use" in taken.err), taken.err

    def test_name_of_the_machine(self, mailproof, server, monkeypatch):
        """A machine's name that no certificate can have is left out of it."""
        monkeypatch.setattr("runner.surroundings.full_host_name", lambda: "my_host.example")
        taken = mailproof("record", "--listen", server.port, url(server), "-o", "x.yaml")
        assert (EXIT_TOOL, True) == (taken.code, "address already in use" in taken.err), taken.err

    @pytest.mark.parametrize("host", ["a b", "mx-.example", "*"])
    def test_no_address(self, mailproof, host):
        """What is no name, and so none for a certificate either, is told as that."""
        refused = mailproof("record", "--listen", f"{host}:0", "smtp://127.0.0.1:1", "-o", "x.yaml")
        assert (EXIT_TOOL, f"mailproof: --listen {host}:0: no such address\n") == (refused.code, refused.err)


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--listen", "0", "smtp://h"), "--listen writes a file for each connection: name it, -o FILE"),
            (("--listen", "x", "smtp://h", "-o", "f"), "'x' is no port, and no HOST:PORT"),
            (("--listen", "70000", "smtp://h", "-o", "f"), "'70000' is no port"),
            (("--listen", "0", "tcp://h:1", "-o", "f"), "--listen wants a mail protocol"),
            (("--listen", "0", "smtp://h", "-o", "f", "--tls"), "--tls: 'smtp://h' begins in clear text"),
            (("--listen", "0", "smtps://h", "-o", "f", "--cert", "c"), "--cert does nothing here"),
            (("--listen", "0", "smtp://h", "-o", "f", "--key", "c"), "--key goes with --cert"),
            (("smtp://h", "--once"), "--once is for a client's conversations: it goes with --listen"),
            (("--listen", "0", "smtp://h", "-o", "no/f"), "there is no folder for 'no/f'"),
            (("--listen", "0", "smtp://h", "-o", "no/f/"), "there is no folder for 'no/f/'"),
        ],
    )
    def test_refused(self, mailproof, words, said):
        """What can't be, or would do nothing, is refused."""
        refused = mailproof("record", *words)
        assert (EXIT_USAGE, True) == (refused.code, said in refused.err), refused.err

    def test_no_file_is_lost(self, mailproof, folder):
        """A file that is there is written over only with --force."""
        (folder / "mine.yaml").write_text("mine")
        refused = mailproof("record", "--listen", "0", "smtp://h", "-o", "mine.yaml")
        assert (EXIT_USAGE, True) == (refused.code, "is there already; --force writes over it" in refused.err)
