"""Hostile and broken servers of IMAP, POP3, ManageSieve and of lines, met by whole runs over loopback."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, run_process, write
from fake_server import FakeServer
from mailbox_beasts import BYTEWISE, FLOODS, HEALTHY, IMAP, OK, POP, SIEVE, WHOLE, ZOO, close, says
from mailbox_zoo import GIVEN, PASSWORD, SCENARIOS, VERDICTS, Zoo, expected, fits, told
from test_hostile_text import HARMLESS, TEXTS
from test_secrecy import forms, leaks
from test_wrong_servers import MEASURED, MIB

from runner.errors import EXIT_FAILED


@pytest.fixture(autouse=True)
def password(monkeypatch):
    """The password is where only the command line's option names it."""
    monkeypatch.setenv("PASSWORD", PASSWORD)


def cases(run):
    """Return what came of the cases by target, those aside whose target is not of their kind."""
    return {case.target: told(case) for case in run.cases if case.outcome.value != "skipped"}


class TestZoo:
    """All at once, in one run."""

    @pytest.mark.parametrize("cutting", [WHOLE, BYTEWISE, 1, 2])
    def test_each_has_its_verdict(self, mailproof, runs, folder, cutting):
        """Each server costs its own case alone, in the words of the golden file, however its bytes are cut.

        MAILPROOF_UPDATE_GOLDEN=1 writes those lines anew that are wrong, to be read.
        """
        with Zoo(cuttings=[cutting]) as zoo:
            write(folder, zoo.files)
            ended = mailproof("run", *SCENARIOS, *GIVEN)
        found, wanted = cases(runs[-1]), expected()
        if os.environ.get("MAILPROOF_UPDATE_GOLDEN"):
            kept = (wanted[n] if n in wanted and fits(found[n], wanted[n]) else found[n] for n in ZOO)
            VERDICTS.write_text("".join(f"{n}: {verdict}\n" for n, verdict in zip(ZOO, kept, strict=True)))
        assert list(wanted) == list(ZOO)
        assert {} == {name: found.get(name) for name in ZOO if not fits(found.get(name, ""), wanted[name])}
        assert EXIT_FAILED == ended.code
        assert "Traceback" not in ended.out + ended.err
        assert re.fullmatch(HARMLESS, ended.out + ended.err)
        assert runs[-1].elapsed < 30

    def test_as_a_process(self, folder):
        """A process of its own ends in order, and says how many cases failed."""
        names = [name for name in ZOO if name not in FLOODS]
        with Zoo(*names) as zoo:
            write(folder, zoo.files)
            ended = run_process("run", *SCENARIOS, *GIVEN, "-q", cwd=folder)
        outcomes = [expected()[name].partition(":")[0] for name in names]
        counts = ", ".join(f"{outcomes.count(one)} {one}" for one in ("passed", "failed", "error"))
        assert (EXIT_FAILED, "") == (ended.code, ended.err)
        assert counts in ended.out

    def test_the_same_every_time(self, mailproof, runs, folder):
        """Twenty runs against one server, each cut elsewhere, give one result to the last word."""
        names = [name for name in ZOO if name not in FLOODS and "…" not in expected()[name].replace("LOGIN …", "")]
        names = [name for name in names if not ZOO[name].kind.startswith("stalls")][::4]
        with Zoo(*names, cuttings=[WHOLE, BYTEWISE, *range(18)]) as zoo:
            write(folder, zoo.files)
            mailproof("run", *SCENARIOS, *GIVEN, "-q", "--jobs", "20")
        seen = {}
        for target, verdict in cases(runs[-1]).items():
            seen.setdefault(target.partition(".")[0], []).append(verdict)
        assert dict.fromkeys(names, 20) == {name: len(all_of) for name, all_of in seen.items()}
        assert {} == {name: set(all_of) for name, all_of in seen.items() if len(set(all_of)) > 1}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory of a process is read from /proc")
def test_memory(tmp_path):
    """All that send without end cost no more than 30 MB over as many that behave."""

    def peak(name, zoo):
        folder = tmp_path / name
        folder.mkdir()
        with zoo:
            write(folder, zoo.files)
            command = [sys.executable, "-c", MEASURED, "run", *SCENARIOS, *GIVEN, "-q"]
            ended = subprocess.run(
                command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
            )
        assert ended.returncode < 2, ended.stderr
        return int(ended.stderr.split()[-1])

    ordinary = peak("ordinary", Zoo(*HEALTHY, cuttings=[WHOLE] * (len(FLOODS) // len(HEALTHY) + 1)))
    flooded = peak("flooded", Zoo(*FLOODS))
    assert flooded - ordinary < 30 * MIB


# Secrets.


def listening(greeting, *turns):
    """Return a handler and the list of all that its clients have said."""
    heard = []

    def handler(conn):
        conn.send(greeting)
        for turn in turns:
            heard.append(conn.line())
            conn.send(turn.replace(b"<tag>", heard[-1].split(b" ")[0]))
        heard.append(conn.line())

    return handler, heard


def run_one(mailproof, folder, kind, server, *words, steps=""):
    """Run a scenario of the zoo, or of these steps, against one server."""
    text = SCENARIOS[f"{kind}.yaml"].replace(f"requires: {{target_tag: {kind}}}\n", "")
    if steps:
        text = text.partition("steps:")[0] + "steps:\n" + steps
    write(folder, {"a.yaml": text})
    target = f"{kind.rpartition('-')[2]}://127.0.0.1:{server.port}"
    return mailproof("run", "a.yaml", "--target", target, *GIVEN, *words)


@pytest.mark.parametrize(
    ("kind", "greeting", "turns"),
    [
        pytest.param("tls-imap", b"* PREAUTH welcome\r\n", (), id="preauth"),
        pytest.param("imap", b"* PREAUTH welcome\r\n", (), id="preauth-clear"),
        pytest.param("tls-imap", IMAP, (b"<tag> NO no\r\n",), id="imap-refused"),
        pytest.param("tls-imap", IMAP, (b"<tag> BAD what\r\n",), id="imap-unknown"),
        pytest.param("tls-imap", IMAP, (b"<tag> OK go\r\n* OK x\r\n",), id="imap-injection"),
        pytest.param("tls-imap", IMAP, (b"<tag> OK go\r\n* O",), id="imap-half-injection"),
        pytest.param("tls-imap", IMAP, (b"* BYE no\r\n",), id="imap-bye"),
        pytest.param("tls-imap", IMAP + b"A1 OK go\r\n", (), id="imap-early"),
        pytest.param("tls-pop3", POP, (b"-ERR no\r\n",), id="pop3-refused"),
        pytest.param("tls-pop3", POP, (b"+OK go\r\n+OK\r\n",), id="pop3-injection"),
        pytest.param("tls-sieve", SIEVE, (b"NO\r\n",), id="sieve-refused"),
        pytest.param("tls-sieve", SIEVE, (b"OK\r\n" + SIEVE,), id="sieve-injection"),
        pytest.param("tls-sieve", SIEVE, (b'BYE "no"\r\n',), id="sieve-bye"),
    ],
)
def test_no_secret_leaves(mailproof, folder, kind, greeting, turns):
    """Where TLS does not come about, or nobody asks who it is, the password stays here."""
    handler, heard = listening(greeting, *turns)
    with FakeServer(handler) as server:
        ended = run_one(mailproof, folder, kind, server)
    said = b"".join(heard)
    assert EXIT_FAILED == ended.code
    assert not re.search(rb"LOGIN|PASS|AUTH", said), said
    assert PASSWORD.encode() not in said


def echoes(form):
    """Return the ways in which a server may say a text again, each as untagged lines of IMAP."""
    text = form.encode()
    quoted = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return [
        b"* OK [ALERT] you said %b\r\n" % text,
        b'* LIST () "/" "%b"\r\n' % quoted,
        b"* 1 FETCH (BODY[] {%d}\r\n%b)\r\n" % (len(text), text),
        b"* 1 FETCH (BODY[] {%d}\r\nx\r\n%b\r\n)\r\n" % (len(text) + 5, text),
        b"* OK [X %b]\r\n" % text,
    ]


def mail(text):
    """Return a message that holds a text raw and encoded, in its header and as its body."""
    encoded = base64.b64encode(text)
    head = b"Subject: =?utf-8?b?%b?=\r\nFrom: %b\r\nTo: x =?utf-8?b?%b?=\r\n" % (encoded, text, encoded)
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"\r\n"


ECHOED = """\
  - expect: OK
  - {send: 'LOGIN ${username | quoted} ${password | quoted}', expect: OK}
  - {send: NOOP, expect: OK, untagged: nothing, has: no such}
  - {send: 'FETCH 1 BODY[]', expect: OK, message: {headers: {Subject: other, From: other, To: absent}, body: other}}
  - {send: NOOP, expect: NO}
  - {send: LOGOUT, expect: OK}
"""
SECRET = "hunter2<&>\"' +/=Zq"


@pytest.mark.parametrize("form", forms(SECRET))
def test_imap_echo(mailproof, folder, monkeypatch, form):
    """However a server gives the password back, no output has it."""
    monkeypatch.setenv("PASSWORD", SECRET)
    text = forms(SECRET)[form]
    echo = b"".join(echoes(text))
    tail = text.encode()
    done = echo + b"<tag> OK " + tail + b"\r\n"
    fetched = b"* 1 FETCH (BODY[] {%d}\r\n%b)\r\n<tag> OK\r\n" % (len(message := mail(tail)), message)
    handler, _ = listening(b"* OK hi\r\n", done, done, fetched, echo + b"<tag> BAD " + tail + b"\r\n")
    with FakeServer(handler) as server:
        ended = run_one(mailproof, folder, "imap", server, "-v", steps=ECHOED)
    assert EXIT_FAILED == ended.code
    assert [] == leaks(ended.out + ended.err, SECRET)
    assert SECRET.replace('"', '\\"') not in ended.out
    assert "⟨" in ended.out


@pytest.mark.parametrize("form", forms(SECRET))
@pytest.mark.parametrize("protocol", ["pop3", "sieve", "sasl", "cut"])
def test_echo(mailproof, folder, monkeypatch, protocol, form):
    """Nor in POP3, in ManageSieve, in a challenge, or where the connection ends within it."""
    monkeypatch.setenv("PASSWORD", SECRET)
    text = forms(SECRET)[form].encode()
    quoted = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    kind, handler = {
        "pop3": (
            "pop3",
            says(POP, b"+OK " + text + b"\r\n", b"+OK\r\n" + text + b"\r\n.\r\n", b"-ERR " + text + b"\r\n"),
        ),
        "sieve": (
            "sieve",
            says(SIEVE, b'OK "' + quoted + b'"\r\n', b'"' + quoted + b'"\r\nNO {%d}\r\n%b\r\n' % (len(text), text)),
        ),
        "sasl": ("auth-imap", says(IMAP, b"+ \r\n", (b"+ " + base64.b64encode(b"r=" + text) + b"\r\n", close))),
        "cut": ("imap", says(IMAP, OK, (b"* 1 FETCH (BODY[] {999}\r\n" + text, close))),
    }[protocol]
    with FakeServer(handler) as server:
        ended = run_one(mailproof, folder, kind, server, "-v")
    assert EXIT_FAILED == ended.code
    assert [] == leaks(ended.out + ended.err, SECRET)
    assert SECRET.replace('"', '\\"') not in ended.out


# Text.

MESSAGE = """\
  - expect: OK
  - send: FETCH 1 BODY[]
    expect: OK
    untagged: nothing
    message: {headers: {Subject: other, From: absent}, body: other}
"""


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text(mailproof, folder, text):
    """What lines, literals and headers hold is shown escaped, and no line begins with it."""
    said = text.encode("utf-8", "surrogateescape")
    word = base64.b64encode(said)
    message = b"\r\n".join([b"Subject: =?utf-8?b?" + word + b"?=", b"From: " + said, said + b": x", b"", said, b""])
    literal = b'* 1 FETCH (X "%b" BODY[] {%d}\r\n%b)\r\n* %b\r\n' % (said, len(message), message, said)
    handler, _ = listening(b"* OK " + said + b"\r\n", literal + b"<tag> OK [" + said + b"] " + said + b"\r\n")
    with FakeServer(handler) as server:
        ended = run_one(mailproof, folder, "append-imap", server, "-v", steps=MESSAGE.replace("[]\n", "[]\n"))
    assert EXIT_FAILED == ended.code
    assert re.fullmatch(HARMLESS, ended.out + ended.err)
    assert not re.search(r"^(::|red|Subject|From|\* |A1 )", ended.out, re.MULTILINE)


@pytest.mark.parametrize("protocol", ["pop3", "sieve", "tcp"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_elsewhere(mailproof, folder, protocol, text):
    """The same in POP3's messages, ManageSieve's lists and strings, and lines of any protocol."""
    said = text.encode("utf-8", "surrogateescape")
    handler = {
        "pop3": says(
            POP,
            b"+OK\r\n",
            b"+OK\r\n" + said + b"\r\n.\r\n",
            b"+OK\r\n" + said + b"\r\n\r\n.\r\n",
            b"-ERR " + said + b"\r\n",
        ),
        "sieve": says(SIEVE, b"OK\r\n", b'"' + said + b'"\r\nNO {%d}\r\n%b\r\n' % (len(said), said)),
        "tcp": says(b"hello\r\n", said + b"\r\n" + said + b"\r\nend\r\n", said + b"\r\n"),
    }[protocol]
    with FakeServer(handler) as server:
        ended = run_one(mailproof, folder, protocol, server, "-v")
    assert EXIT_FAILED == ended.code
    assert re.fullmatch(HARMLESS, ended.out + ended.err)
    assert not re.search(r"^(::|red|\+OK|-ERR|NO|OK|end)", ended.out, re.MULTILINE)


# Referrals.


@pytest.mark.parametrize("scheme", ["imap", "sieve"])
def test_referrals_are_not_followed(mailproof, folder, scheme):
    """Where a server sends its users elsewhere that is shown, and nobody goes."""
    with FakeServer(lambda conn: conn.wait_for_eof()) as other:
        to = f"{scheme}://tim@127.0.0.1:{other.port}/".encode()
        handler = {
            "imap": says(IMAP, b"<tag> NO [REFERRAL %b] moved\r\n" % to),
            "sieve": says((b'BYE (REFERRAL "%b") "moved"\r\n' % to, close)),
        }[scheme]
        with FakeServer(handler) as server:
            ended = run_one(mailproof, folder, scheme, server)
    assert (EXIT_FAILED, 0, 1) == (ended.code, other.connections, server.connections)
    assert to.decode() in ended.out.replace("\n", "").replace(" ", "")
