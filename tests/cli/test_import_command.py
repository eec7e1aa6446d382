"""`mailproof import`: what a user types, gets and reads."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from commands import write
from fake_server import FakeServer

from runner.demo import DemoServer, DemoSettings

TRANSCRIPTS = Path(__file__).parents[1] / "authoring" / "transcripts"
THREE = ["1-local-delivery", "2-relay-refused", "3-auth-login-relay"]
SHORT = "220 mx.example.com ESMTP\nquit\n221 2.0.0 bye\n"
LOGIN = (TRANSCRIPTS / "3-auth-login-relay.txt").read_text()
USER, PASSWORD = "alice@example.com", "correct horse"


@pytest.fixture(scope="module")
def demo():
    """Return the embedded server."""
    with DemoServer(DemoSettings(users={USER: PASSWORD})) as running:
        yield running


@pytest.mark.parametrize("name", THREE)
def test_three_transcripts_pass_against_the_embedded_server(mailproof, monkeypatch, demo, name):
    """With the server's own addresses, what was had with another server is had with this one."""
    monkeypatch.setenv("SECRET", PASSWORD)
    assert 0 == mailproof("import", TRANSCRIPTS / f"{name}.txt", "--expect", "codes", "-o", "x.yaml").code
    text = Path("x.yaml").read_text()
    words = [f"--var={key}={value}" for key, value in demo.variables.items() if f"{key}" in text]
    secrets = ["--secret", "password=env:SECRET"] if "secrets:" in text else []
    ended = mailproof("run", "x.yaml", "--target", demo.url, *words, *secrets)
    assert 0 == ended.code, f"{ended.out}{ended.err}{text}"
    assert "1 passed" in ended.out


@pytest.mark.parametrize("expect", ["texts", "status", "codes"])
@pytest.mark.parametrize("name", THREE)
def test_three_transcripts_pass_against_their_mirrors(mailproof, name, expect):
    """What was imported agrees with itself."""
    assert 0 == mailproof("import", TRANSCRIPTS / f"{name}.txt", "--expect", expect, "-o", "x.yaml").code
    ended = mailproof("run", "--mirror", "x.yaml")
    assert 0 == ended.code, ended.out + ended.err


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.txt") if path.stem not in THREE))
def test_other_transcripts_pass_against_their_mirrors(mailproof, name):
    """So do those of swaks, telnet, nc and openssl, whatever the protocol."""
    assert 0 == mailproof("import", TRANSCRIPTS / f"{name}.txt", "-o", "x.yaml").code
    ended = mailproof("run", "--mirror", "x.yaml")
    assert 0 == ended.code, Path("x.yaml").read_text() + ended.out + ended.err


# What an SSH server, and one of IRC, may say once the exporter has hung up.
AFTER = {
    "ssh": (
        "- expect: '^SSH-2.0-'\n  - send: SSH-2.0-blackbox-ssh-check",
        b"SSH-2.0-x\r\n",
        b"\0\0\4\x0c\6\x14key" * 9,
    ),
    "ssh with a line": (
        "- expect: '^SSH-2.0-'\n  - send: SSH-2.0-check",
        b"SSH-2.0-x\r\n",
        b"Invalid\r\nidentification.\r\n",
    ),
    "ssh that is silent": ("- expect: '^SSH-2.0-'\n  - send: SSH-2.0-check", b"SSH-2.0-x\r\n", b""),
    "irc": ("- send: NICK x\n  - expect: '^:[^ ]+ 001'", b"", b":x 001 hi\r\n:x 002 more\r\n:x 003 more\r\n"),
}


@pytest.mark.parametrize(("entries", "first", "then"), AFTER.values(), ids=AFTER)
def test_a_probe_asks_no_more_than_the_exporter(mailproof, entries, first, then):
    """The exporter hangs up after its last entry: what is said from then on fails nothing, nor must anything be."""

    def handler(conn):
        conn.send(first)
        assert conn.line()
        conn.send(then)
        conn.line()

    modules = f"modules:\n m:\n  prober: tcp\n  tcp:\n   query_response:\n    {entries}\n".replace("\n  - ", "\n    - ")
    write(".", {"b.yml": modules})
    assert 0 == mailproof("import", "b.yml", "-o", "b.yaml").code
    with FakeServer(handler) as server:
        ended = mailproof("run", "b.yaml", "--target", f"tcp://127.0.0.1:{server.port}")
    assert 0 == ended.code, Path("b.yaml").read_text() + ended.out + ended.err
    assert 0 == mailproof("run", "--mirror", "b.yaml").code


class TestOutput:
    """Where scenarios go, and what is told beside them."""

    def test_shows_the_scenario(self, mailproof):
        """Without -o the scenario is on standard output, and what was guessed beside it, with the next command."""
        write(".", {"a.txt": LOGIN})
        ended = mailproof("import", "a.txt")
        assert 0 == ended.code
        assert "name: A mail to an outside recipient is accepted after AUTH LOGIN\n" in ended.out
        assert ended.err.endswith(
            "write it with -o FILE; then run it with:\n  mailproof run FILE --target smtp://mail.kuku.co.il "
            "--var username=myusername@kuku.co.il --secret password\n"
        )

    def test_no_secret_is_shown_or_written(self, mailproof):
        """No form of the password is in a file or a message."""
        write(".", {"a.txt": LOGIN})
        shown = mailproof("import", "a.txt")
        written = mailproof("import", "a.txt", "-o", "a.yaml")
        told = f"{shown} {written} {Path('a.yaml').read_text()}"
        assert not [secret for secret in ("myPASSWORD", "bXlQQVNTV09SRA") if secret in told]

    def test_writes_a_file(self, mailproof):
        """With -o FILE it is told what to type next."""
        write(".", {"a.txt": SHORT})
        ended = mailproof("import", "a.txt", "-o", "a.yaml", "--name", "Greets")
        command = "mailproof run a.yaml --target smtp://mx.example.com"
        assert (0, "", f"a.yaml is written; run it with:\n  {command}\n") == (ended.code, ended.out, ended.err)
        assert "name: Greets\n" in Path("a.yaml").read_text()

    def test_never_over_a_file(self, mailproof):
        """What is there stays, unless --force says otherwise."""
        write(".", {"a.txt": SHORT, "a.yaml": "mine"})
        ended = mailproof("import", "a.txt", "-o", "a.yaml")
        assert (2, "mailproof: 'a.yaml' is there already; --force writes over it\n") == (ended.code, ended.err)
        assert "mine" == Path("a.yaml").read_text()
        assert 0 == mailproof("import", "a.txt", "-o", "a.yaml", "--force").code
        assert "steps:" in Path("a.yaml").read_text()

    def test_several_go_into_a_folder(self, mailproof):
        """Each scenario has a file of its own, named after its transcript or module."""
        write(".", {"a.txt": SHORT + SHORT, "B b.txt": SHORT, "out/c.yaml": ""})
        assert 0 == mailproof("import", "a.txt", "B b.txt", TRANSCRIPTS / "blackbox.yml", "-o", "out/").code
        names = "a a-2 auth b-b c imaps-banner irc-banner pop3s-banner smtp-starttls tcp-connect"
        assert names.split(" ") == sorted(path.stem for path in Path("out").iterdir())
        Path("out/c.yaml").unlink()
        assert 0 == mailproof("validate", "out").code

    def test_nothing_is_written_where_one_is_there(self, mailproof):
        """Of several none is written if one would replace a file."""
        write(".", {"a.txt": SHORT, "b.txt": SHORT, "out/b.yaml": "mine"})
        assert 2 == mailproof("import", "a.txt", "b.txt", "-o", "out").code
        assert ["b.yaml"] == [path.name for path in Path("out").iterdir()]

    def test_several_do_not_fit_into_a_file(self, mailproof):
        """A file holds one scenario."""
        write(".", {"a.txt": SHORT + SHORT})
        ended = mailproof("import", "a.txt", "-o", "a.yaml")
        advice = "mailproof: 2 scenarios can't go into one file; -o FOLDER/ gives each its own\n"
        assert (2, advice) == (ended.code, ended.err)

    def test_several_are_shown_as_documents(self, mailproof):
        """On the terminal they follow each other."""
        write(".", {"a.txt": SHORT + SHORT})
        ended = mailproof("import", "a.txt")
        assert 2 == ended.out.count("steps:")
        assert "\n---\n" in ended.out
        assert "2 scenarios; -o FOLDER/ writes each into a file of its own\n" == ended.err

    def test_missing_folder(self, mailproof):
        """A folder is made, as `schema` makes it, but none above it."""
        write(".", {"a.txt": SHORT + SHORT})
        assert 0 == mailproof("import", "a.txt", "-o", "out/").code
        assert ["a-2.yaml", "a.yaml"] == sorted(path.name for path in Path("out").iterdir())
        ended = mailproof("import", "a.txt", "-o", "no/out/")
        told = "mailproof: there is no folder for 'no/out/'; only the last one of a path is made\n"
        assert (2, told, False) == (ended.code, ended.err, Path("no").exists())

    def test_no_folder_is_made_for_a_question(self, mailproof):
        """Where nothing is written, nothing is made."""
        write(".", {"a.txt": "hello\n"})
        assert (2, False) == (mailproof("import", "a.txt", "-o", "out/").code, Path("out").exists())


class TestInput:
    """What is read."""

    def test_standard_input(self, mailproof, monkeypatch):
        """A dash is what comes through a pipe."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SHORT.encode())))
        ended = mailproof("import", "-")
        assert 0 == ended.code
        assert "description: Drafted from a transcript.\n" in ended.out

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
    def test_encodings(self, mailproof, encoding):
        """Notepad's encodings are read, and bytes that are no UTF-8."""
        Path("a.txt").write_bytes("220 mx.example ESMTP é\r\nquit\r\n221 bye\r\n".encode(encoding))
        assert 0 == mailproof("import", "a.txt", "-o", "a.yaml").code
        assert 0 == mailproof("validate", "a.yaml").code

    def test_questions_of_all_files(self, mailproof):
        """All that is unclear is asked at once, and nothing is written."""
        write(".", {"a.txt": "220 x\nehlo x\n250 x\n250 x\n", "b.txt": "hello\n", "c.txt": SHORT, "out/.keep": ""})
        ended = mailproof("import", "a.txt", "b.txt", "c.txt", "-o", "out")
        assert 2 == ended.code
        assert "a.txt:4:1: two replies in a row" in ended.err
        assert "b.txt:1:1: which protocol is this?" in ended.err
        assert "2 problems in 2 files" in ended.err
        assert [".keep"] == [path.name for path in Path("out").iterdir()]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [("no.txt", "'no.txt' can't be read: no such file or directory"), (".", "'.' can't be read: is a directory")],
        ids=["missing", "folder"],
    )
    def test_unreadable(self, mailproof, name, reason):
        """What can't be read is said."""
        ended = mailproof("import", name)
        assert (2, f"mailproof: {reason}\n") == (ended.code, ended.err)

    def test_protocol_is_given(self, mailproof):
        """Where a greeting tells the protocol wrongly, the command line does."""
        write(".", {"a.txt": "220 x\nmail from:<>\n250 ok\nquit\n221 bye\n"})
        assert "protocol: lmtp\n" in mailproof("import", "a.txt", "--protocol", "lmtp").out

    def test_format_is_given(self, mailproof):
        """So does it what a file is."""
        write(".", {"a.txt": SHORT})
        assert 2 == mailproof("import", "a.txt", "--format", "marked").code

    @pytest.mark.parametrize("host", ["\x1b[2J.example", "$(reboot).example", "a b.example"])
    def test_hostile_host(self, mailproof, host):
        """A server's name is a suggestion only where it is a name."""
        write(".", {"a.txt": f"220 {host} ESMTP\nquit\n221 bye\n"})
        ended = mailproof("import", "a.txt")
        assert "\x1b" not in ended.out + ended.err
        assert "reboot" not in ended.err
