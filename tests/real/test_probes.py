"""Probes of real servers: what is told, that the pinned scenario passes, and that it fails at what is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.cli import main
from runner.errors import EXIT_FAILED, EXIT_PASSED
from tests.servers import Running, dovecot_mailboxes, exim, postfix, server_root
from tests.servers import _dovecot as dovecot_files
from tests.servers import _mailboxes as mailbox_files
from tests.servers import _postfix as postfix_files
from tests.servers._certificates import Certificate, certificate
from tests.servers._running import PASSWORD

Start = Callable[[], contextlib.AbstractContextManager[Running]]


def _postfix(door: str = "plain", **variation: bool) -> Start:
    @contextlib.contextmanager
    def start() -> Iterator[Running]:
        with server_root() as root, postfix(root, **variation) as server:
            yield getattr(server, door)

    return start


def _exim() -> Start:
    @contextlib.contextmanager
    def start() -> Iterator[Running]:
        with server_root() as root, exim(root) as server:
            yield server.plain

    return start


def _dovecot(door: str) -> Start:
    @contextlib.contextmanager
    def start() -> Iterator[Running]:
        with server_root() as root, dovecot_mailboxes(root) as server:
            yield getattr(server, door)

    return start


class Bench:
    """A server that is started when it is asked something; the project file calls it `mx`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def run(self, start: Start, *commands: tuple[str, ...], has_login: bool = False) -> list[tuple[int, str]]:
        """Start the server, give each command in turn, and return exit codes and what was printed."""
        with start() as door:
            given = f"vars: {{username: '{door.variables['username']}'}}\nsecrets: {{password: {{env: PW}}}}\n"
            (self._folder / "mailproof.yaml").write_text(
                f"targets: {{mx: {{url: '{door.url}', tls: {{ca: '{door.ca}'}}}}}}\nclient_name: client.example.org\n"
                + given * has_login
            )
            found = []
            for words in commands:
                code = main(list(words))
                found.append((code, self._capsys.readouterr().out))
            return found


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys) -> Bench:
    """A folder where commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PW", PASSWORD)
    monkeypatch.setenv("COLUMNS", "80")
    return Bench(tmp_path, capsys)


@pytest.fixture(scope="module")
def files() -> Iterator[Certificate]:
    """A certificate that outlives the servers."""
    with server_root() as root:
        yield certificate(root)


@pytest.fixture
def kept(files, monkeypatch) -> Certificate:
    """The same certificate for every server that is started."""
    for module in (postfix_files, mailbox_files):
        monkeypatch.setattr(module, "certificate", lambda *_, **__: files)
    return files


PROBE = ("probe", "mx", "-o", "pinned.yaml")
RUN = ("run", "pinned.yaml")
SERVERS = {
    "postfix": (_postfix(), ["software      Postfix", "SIZE 100000 (100 kB)", "by STARTTLS"]),
    "postfix-tls": (_postfix("tls_only"), ["before TLS: none", "with TLS: PLAIN LOGIN CRAM-MD5"]),
    "postfix-implicit": (_postfix("submissions"), ["from the first byte", "with TLS                    after login"]),
    "exim": (_exim(), ["software      Exim 4.9", "PIPECONNECT", "mechanisms    PLAIN LOGIN CRAM-MD5"]),
    "imap": (_dovecot("imap"), ["software      Dovecot", "LITERAL+", '("" ".")']),
    "imaps": (_dovecot("imaps"), ["from the first byte", "SPECIAL-USE"]),
    "pop3": (_dovecot("pop3"), ["UIDL", "STLS            yes"]),
    "sieve": (_dovecot("sieve"), ["software      Dovecot (Debian) Pigeonhole", "MAXREDIRECTS 4"]),
    "lmtp": (_dovecot("lmtp"), ["mechanisms    none", "CHUNKING"]),
}


class TestProbed:
    @pytest.mark.parametrize("name", SERVERS)
    def test_told_and_pinned(self, bench, tmp_path, name):
        """Each server is told, no line is too wide, and its scenario passes at once, without a warning or a secret."""
        start, said = SERVERS[name]
        (probed, table), (ran, report) = bench.run(start, PROBE, RUN, has_login=True)
        assert (EXIT_PASSED, EXIT_PASSED) == (probed, ran), table + report
        assert [] == [text for text in (*said, "certificate   verified") if text not in table], table
        assert [] == [line for line in table.splitlines() if len(line) > 80]
        text = (tmp_path / "pinned.yaml").read_text()
        assert (False, False, False) == ("warning" in report, "S3cret" in text + table, "alice" in text)

    def test_in_form(self, bench):
        """What is written is in the form that `fmt` writes, and `lint` finds nothing."""
        _, formatted, linted = bench.run(
            _dovecot("sieve"), PROBE, ("fmt", "--check", "pinned.yaml"), ("lint", "pinned.yaml")
        )
        assert (EXIT_PASSED, EXIT_PASSED) == (formatted[0], linted[0]), formatted[1] + linted[1]

    @pytest.mark.parametrize(
        ("variation", "said"),
        [
            ("expired_certificate", "not trusted: certificate expired"),
            ("wrong_certificate_name", "not trusted: certificate is for another name"),
            ("tls12_only", "TLS versions  TLSv1.2\n"),
            ("tls13_only", "TLS versions  TLSv1.3\n"),
            ("starttls_off", "TLS           not offered"),
        ],
    )
    def test_broken(self, bench, variation, said):
        """A server that is not as it should be is told so, and pinned so."""
        (probed, table), (ran, report) = bench.run(_postfix(**{variation: True}), PROBE, RUN)
        assert (EXIT_PASSED, EXIT_PASSED, True) == (probed, ran, said in table), table + report


# What is written into the configuration, and what the pinned scenario says then.
POSTFIX = {
    "capability": ("smtpd_discard_ehlo_keywords = dsn", "DSN"),
    "size": ("message_size_limit = 200000", "SIZE"),
    "tls-minimum": ("smtpd_tls_protocols = >=TLSv1.3", "TLSv1 is spoken"),
    "tls-version": ("smtpd_tls_protocols = >=TLSv1.2, <=TLSv1.2", "expected TLSv1.3, got TLSv1.2"),
    "starttls": ("smtpd_tls_security_level = none", "STARTTLS"),
    "banner": ("smtpd_banner = mail.example.com ESMTP at your service", "at your service"),
    "auth": ("smtpd_tls_auth_only = yes", "AUTH"),
}
DOVECOT = {
    "imap-capability": (
        "imap",
        "imap_capability = IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE",
        "LITERAL+",
    ),
    "greeting": ("pop3", "login_greeting = At your service.", "At your service."),
    "sieve-extension": ("sieve", "plugin {{\n  sieve_extensions = -vacation\n}}", "vacation"),
}


def changed(bench: Bench, before: Start, change: Callable[[], None], after: Start | None = None) -> str:
    """Pin a server, change it, and return the report of the run that must fail."""
    ((probed, table),) = bench.run(before, PROBE)
    assert EXIT_PASSED == probed, table
    (unchanged,) = bench.run(before, RUN)
    assert EXIT_PASSED == unchanged[0], unchanged[1]
    change()
    ((ran, report),) = bench.run(after or before, RUN)
    assert EXIT_FAILED == ran, report
    return report


@pytest.mark.usefixtures("kept")
class TestChanged:
    @pytest.mark.parametrize("name", POSTFIX)
    def test_postfix(self, bench, monkeypatch, name):
        """After each change the pinned scenario fails, and says what has changed."""
        setting, said = POSTFIX[name]

        def change() -> None:
            monkeypatch.setattr(postfix_files, "MAIN", f"{postfix_files.MAIN}{setting}\n")

        assert said in changed(bench, _postfix(), change)

    @pytest.mark.parametrize("name", DOVECOT)
    def test_dovecot(self, bench, monkeypatch, name):
        """The same of IMAP, POP3 and ManageSieve."""
        door, setting, said = DOVECOT[name]

        def change() -> None:
            monkeypatch.setattr(mailbox_files, "MAILBOXES", f"{mailbox_files.MAILBOXES}{setting}\n")

        assert said in changed(bench, _dovecot(door), change)

    def test_mechanism(self, bench, monkeypatch):
        """A mechanism that is offered no more is named."""

        def change() -> None:
            monkeypatch.setattr(dovecot_files, "AUTH", dovecot_files.AUTH.replace(" cram-md5", ""))

        assert "CRAM-MD5" in changed(bench, _postfix(), change)

    def test_certificate(self, bench, kept, monkeypatch):
        """A certificate for another name fails the handshake, which says so."""
        with server_root() as root:
            other = certificate(root, wrong_name=True)

            def change() -> None:
                monkeypatch.setattr(postfix_files, "certificate", lambda *_, **__: other)

            # The project file names the same CA file, which now holds the other's.
            assert "certificate is for another name" in changed(bench, _postfix(), change)
