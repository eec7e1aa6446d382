"""Baselines of real servers: nothing changes by itself, and each change of a configuration shows, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.baseline import Masks, compare, read_baseline
from runner.cli import main
from runner.errors import EXIT_FAILED, EXIT_PASSED, SourceFile
from tests.servers import Running, cyrus_imap, dovecot_mailboxes, postfix, server_root
from tests.servers import _cyrus_imap as cyrus_files
from tests.servers import _dovecot as dovecot_files
from tests.servers import _mailboxes as mailbox_files
from tests.servers import _postfix as postfix_files
from tests.servers._certificates import Certificate, certificate

# Every reply is welcome: what a server says is for the baseline to know.
ASKING = {
    "smtp": """\
name: What an SMTP server says
steps:
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
  - send: MAIL FROM:<${sender}>
    expect: any
  - send: RCPT TO:<${recipient}>
    expect: any
  - send: RCPT TO:<${unknown}>
    expect: any
  - send: RCPT TO:<${external}>
    expect: any
  - send: DATA
    expect: 354
  - data: |
      Subject: ${unique}

      This is a test.
    expect: 250
  - send: VRFY ${recipient}
    expect: any
  - send: QUIT
    expect: [221, close]
""",
    "smtp-hello": """\
name: What it says before it knows the client
steps:
  - expect: 220
  - send: MAIL FROM:<${sender}>
    expect: any
  - send: QUIT
    expect: [221, close]
""",
    "smtp-tls": """\
name: What it shows of TLS
steps:
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
  - starttls: {}
  - send: EHLO ${client.name}
    expect: 250
  - auth: CRAM-MD5
    expect: any
""",
    "imap": """\
name: What an IMAP server says
protocol: imap
steps:
  - expect: OK
  - send: CAPABILITY
    expect: OK
  - auth: PLAIN
  - send: SELECT INBOX
    expect: OK
  - send: LOGOUT
    expect: OK
""",
    "pop3": """\
name: What a POP3 server says
protocol: pop3
steps:
  - expect: +OK
  - send: CAPA
    expect: +OK
  - auth: PLAIN
  - send: STAT
    expect: +OK
""",
    "sieve": """\
name: What a ManageSieve server says
protocol: sieve
steps:
  - expect: OK
  - auth: PLAIN
  - send: LISTSCRIPTS
    expect: OK
""",
}
ASKED = {"postfix": ["smtp", "smtp-hello", "smtp-tls"], "mailboxes": ["imap", "pop3", "sieve"]}
REFUSED = "<carol@example.net>: Relay access denied"

Facts = set[tuple[str, str, str]]
Server = Callable[[], contextlib.AbstractContextManager[dict[str, Running]]]


class Bench:
    """One kind of server, started when it is asked something; its certificate is always the same one."""

    def __init__(self, folder: Path, kind: str, start: Server) -> None:
        self.folder, self.kind, self._start = folder, kind, start

    def asked(self, *words: str, only: tuple[str, ...] = ()) -> int:
        """Start the server, write a project file for it, run a command with its scenarios; return the exit code."""
        with self._start() as doors:
            targets = "".join(
                f"  {name}: {{url: '{door.url}', tls: {{ca: '{door.ca}'}}}}\n" for name, door in doors.items()
            )
            values = next(iter(doors.values())).variables
            names = ", ".join(f"{name}: '{values[name]}'" for name in values)
            (self.folder / "mailproof.yaml").write_text(
                f"targets:\n{targets}vars: {{{names}}}\nsecrets: {{password: {{env: PASSWORD}}}}\n"
                "client_name: client.example.org\n"
            )
            paths = [f"{name}.yaml" for name in only or ASKED[self.kind]]
            return main([*words, *paths])

    def saved(self, name: str, *words: str, only: tuple[str, ...] = ()) -> str:
        """Save a baseline and return its text."""
        self.asked("baseline", "save", "-o", name, "--force", *words, only=only)
        return (self.folder / name).read_text("utf-8")


def differing(before: str, after: str) -> Facts:
    """Return what differs between two baselines, but for how long things took: the machine may be busy."""
    old, new = (read_baseline(SourceFile("baseline", text)) for text in (before, after))
    changes = compare(old.cases, new.cases, Masks(), is_whole=True)
    return {(one.part, one.before, one.after) for one in changes if one.part != "latency"}


@pytest.fixture(scope="module")
def files() -> Iterator[Certificate]:
    """A certificate that outlives the servers."""
    with server_root() as root:
        yield certificate(root)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all scenarios, where commands run."""
    for name, text in ASKING.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PASSWORD", "S3cret+/pa ?s?>")
    return tmp_path


@pytest.fixture
def kept(files: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The same certificate for every server that is started."""
    for module in (postfix_files, mailbox_files, cyrus_files):
        monkeypatch.setattr(module, "certificate", lambda *_, **__: files)
    return files


@pytest.fixture
def smtp(folder: Path, kept: Certificate) -> Bench:
    """A Postfix."""
    return Bench(folder, "postfix", _postfix())


@pytest.fixture
def boxes(folder: Path, kept: Certificate) -> Bench:
    """A Dovecot."""
    return Bench(folder, "mailboxes", _dovecot())


@pytest.fixture
def cyrus(folder: Path, kept: Certificate) -> Bench:
    """A Cyrus IMAP."""
    return Bench(folder, "mailboxes", _cyrus())


def _postfix(**variation: bool) -> Server:
    @contextlib.contextmanager
    def start() -> Iterator[dict[str, Running]]:
        with server_root() as root, postfix(root, **variation) as server:
            yield {"mx": server.plain}

    return start


def _dovecot(**variation: bool) -> Server:
    @contextlib.contextmanager
    def start() -> Iterator[dict[str, Running]]:
        with server_root() as root, dovecot_mailboxes(root, **variation) as server:
            yield {"imap": server.imap, "pop3": server.pop3, "sieve": server.sieve}

    return start


def _cyrus() -> Server:
    @contextlib.contextmanager
    def start() -> Iterator[dict[str, Running]]:
        with server_root() as root, cyrus_imap(root) as server:
            yield {"imap": server.imap, "pop3": server.pop3, "sieve": server.sieve}

    return start


@pytest.mark.parametrize("server", ["smtp", "boxes", "cyrus"])
class TestNothingChanged:
    def test_second_run(self, request, server, capsys):
        """A server that was started again says the same as before, whatever varies by itself."""
        bench = request.getfixturevalue(server)
        before = bench.saved("before")
        assert set() == differing(before, bench.saved("after"))
        assert EXIT_PASSED == bench.asked("run", "--baseline", "before", "--ignore", "latency"), capsys.readouterr().out
        assert "compared with before: nothing changed" in capsys.readouterr().out

    def test_learnt_from_several_runs(self, request, server):
        """What is learnt from three runs hides no more than from one, for the house's masks know what varies."""
        bench = request.getfixturevalue(server)
        before = bench.saved("before", "--runs", "3")
        assert set() == differing(before, bench.saved("after"))

    def test_no_secret_is_kept(self, request, server):
        """Neither the password nor anything made of it is in the file."""
        bench = request.getfixturevalue(server)
        assert "S3cret" not in bench.saved("before")


# What is written into the configuration, and what differs then.
POSTFIX: dict[str, tuple[str, Facts]] = {
    "capability": (
        "smtpd_discard_ehlo_keywords = dsn",
        {("capability DSN", "offered", "not offered")},
    ),
    "pipelining": (
        "smtpd_discard_ehlo_keywords = pipelining",
        {("capability PIPELINING", "offered", "not offered")},
    ),
    "banner": (
        "smtpd_banner = mail.example.com ESMTP at your service",
        {("text", "mail.example.com ESMTP Postfix", "mail.example.com ESMTP at your service")},
    ),
    "size": (
        "message_size_limit = 200000",
        {("capability SIZE", "100000", "200000")},
    ),
    "tls-versions": (
        "smtpd_tls_protocols = >=TLSv1.2, <=TLSv1.2",
        {
            ("TLS version", "TLSv1.3", "TLSv1.2"),
            ("cipher", "TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        },
    ),
    "relay-rules": (
        "mynetworks = 127.0.0.0/8",
        {("code", "554", "250"), ("status", "5.7.1", "2.1.5"), ("text", REFUSED, "Ok")},
    ),
    "unknown-recipients": (
        "virtual_mailbox_maps = static:all/",
        {
            ("code", "550", "250"),
            ("status", "5.1.1", "2.1.5"),
            (
                "text",
                "<nobody-here@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
                "Ok",
            ),
        },
    ),
    "vrfy": (
        "disable_vrfy_command = yes",
        {
            ("capability VRFY", "offered", "not offered"),
            ("code", "252", "502"),
            ("status", "2.0.0", "5.5.1"),
            ("text", "bob@example.com", "VRFY command is disabled"),
        },
    ),
    "hello": (
        "smtpd_helo_required = yes",
        {
            ("code", "250", "503"),
            ("status", "2.1.0", "5.5.1"),
            ("text", "Ok", "Error: send HELO/EHLO first"),
        },
    ),
    "reply-text": (
        "virtual_mailbox_domains = example.com\nshow_user_unknown_table_name = no",
        {
            (
                "text",
                "<nobody-here@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
                "<nobody-here@example.com>: Recipient address rejected: User unknown",
            )
        },
    ),
    "starttls": (
        "smtpd_tls_security_level = none",
        {
            ("capability STARTTLS", "offered", "not offered"),
            ("code", "220", "502"),
            ("status", "2.0.0", "5.5.1"),
            ("text", "Ready to start TLS", "Error: command not implemented"),
        },
    ),
}
DOVECOT: dict[str, tuple[str, str, Facts]] = {
    "imap-capability": (
        "imap",
        "imap_capability = +XEXAMPLE",
        {("capability XEXAMPLE", "not offered", "offered")},
    ),
    "greeting": (
        "pop3",
        "login_greeting = At your service.",
        {("text", "Dovecot (Debian) ready. ⟨timestamp⟩", "At your service. ⟨timestamp⟩")},
    ),
    "sieve-extension": (
        "sieve",
        "plugin {{\n  sieve_extensions = -vacation\n}}",
        {("capability SIEVE", "with vacation", "without vacation")},
    ),
    "mechanism": (
        "sieve",
        "auth_mechanisms = plain login cram-md5 apop scram-sha-256 xoauth2 oauthbearer",
        {("capability SASL", "with SCRAM-SHA-1", "without SCRAM-SHA-1")},
    ),
}


class TestChanges:
    @pytest.mark.parametrize("change", list(POSTFIX))
    def test_postfix(self, smtp, monkeypatch, change):
        """One line of main.cf."""
        line, expected = POSTFIX[change]
        before = smtp.saved("before")
        monkeypatch.setattr(postfix_files, "MAIN", f"{postfix_files.MAIN}{line}\n")
        assert expected == differing(before, smtp.saved("after"))

    def test_mechanism(self, smtp, monkeypatch):
        """A mechanism that is offered no more shows where it was offered, and where it was used."""
        before = smtp.saved("before", only=("smtp",))
        monkeypatch.setattr(dovecot_files, "AUTH", dovecot_files.AUTH.replace(" cram-md5", ""))
        after = smtp.saved("after", only=("smtp",))
        assert {("capability AUTH", "with CRAM-MD5", "without CRAM-MD5")} == differing(before, after)

    def test_certificate(self, smtp, kept, monkeypatch):
        """A certificate of the same authority for the same names is another all the same."""
        before = smtp.saved("before")
        with server_root() as root:
            other = certificate(root)
            leaf = kept.authority.issue_cert(
                "localhost", "127.0.0.1", "127.0.0.2", "mail.example.com", common_name="localhost"
            )
            leaf.private_key_pem.write_to_path(str(other.key))
            other.chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
            changed = Certificate(kept.ca, other.key, other.chain, kept.authority)
            monkeypatch.setattr(postfix_files, "certificate", lambda *_, **__: changed)
            after = smtp.saved("after")
        assert {"certificate", "certificate subject"} == {part for part, _, _ in differing(before, after)}

    @pytest.mark.parametrize("change", list(DOVECOT))
    def test_dovecot(self, boxes, monkeypatch, change):
        """One line of dovecot.conf."""
        scenario, line, expected = DOVECOT[change]
        before = boxes.saved("before", only=(scenario,))
        monkeypatch.setattr(mailbox_files, "MAILBOXES", f"{mailbox_files.MAILBOXES}{line}\n")
        assert expected == differing(before, boxes.saved("after", only=(scenario,)))

    def test_no_tls(self, boxes):
        """Where TLS is switched off, STLS is offered no more."""
        before = boxes.saved("before", only=("pop3",))
        without = Bench(boxes.folder, boxes.kind, _dovecot(starttls_off=True))
        assert {("capability STLS", "offered", "not offered")} == differing(
            before, without.saved("after", only=("pop3",))
        )

    def test_cyrus(self, cyrus, monkeypatch):
        """One line of imapd.conf."""
        before = cyrus.saved("before", only=("imap",))
        monkeypatch.setattr(cyrus_files, "IMAPD_CONF", f"{cyrus_files.IMAPD_CONF}suppress_capabilities: XLIST\n")
        expected = {("capability XLIST", "offered", "not offered")}
        assert expected == differing(before, cyrus.saved("after", only=("imap",)))

    def test_told_by_a_run(self, smtp, monkeypatch, capsys):
        """A run with the baseline fails, and its table shows the change once, with the step where it shows first."""
        smtp.saved("before")
        line, _ = POSTFIX["capability"]
        monkeypatch.setattr(postfix_files, "MAIN", f"{postfix_files.MAIN}{line}\n")
        capsys.readouterr()
        assert EXIT_FAILED == smtp.asked("run", "--baseline", "before", "--ignore", "latency")
        told = capsys.readouterr().out
        assert "changed since the baseline: capability DSN: offered → not offered" in told
        assert "compared with before: 1 change in 3 places" in told

    def test_migration(self, folder, kept, monkeypatch, capsys):
        """Two servers live: what differs stands side by side, under their names."""
        with _postfix()() as old:
            monkeypatch.setattr(postfix_files, "MAIN", f"{postfix_files.MAIN}message_size_limit = 200000\n")
            with _postfix()() as new:
                (folder / "mailproof.yaml").write_text(
                    f"targets:\n  old: '{old['mx'].url}'\n  new: '{new['mx'].url}'\n"
                    "vars: {sender: a@example.com, recipient: bob@example.com, unknown: no@example.com, external: c@example.net}\n"
                )
                words = ["compare", "--target", "old", "--target", "new", "smtp.yaml", "--ignore", "latency"]
                assert EXIT_FAILED == main(words)
                told = capsys.readouterr().out
                assert "1 change" in told
                assert "capability SIZE  100000  200000" in told
                assert EXIT_PASSED == main([*words, "--ignore", "capability SIZE"])
