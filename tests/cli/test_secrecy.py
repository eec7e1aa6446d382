"""A password is in no output, whatever a server makes of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
import urllib.parse

import pytest
from commands import url, write
from fake_server import FakeServer

from runner.cli import serve
from runner.demo import DemoServer, DemoSettings
from runner.report.formats import FORMATS

PASSWORD = "hunter2<&>\"' +/=Zq"
USER = "alice@example.com"

BY_HAND = """\
name: by hand
secrets: [password]
steps:
  - expect: 220
  - send: EHLO client.example.org
    expect: 250
  - send: AUTH LOGIN
    expect: '334 Username:'
  - send: ${username}
    expect: '334 Password:'
  - send: ${password}
    expect: 235
  - send: NOOP ${password}
    expect: 250
  - send: QUIT
    expect: 221
"""
BY_VERB = """\
name: by verb
secrets: [password]
steps:
  - expect: 220
  - send: EHLO client.example.org
    expect: 250
  - auth: PLAIN
  - send: QUIT
    expect: 221
"""


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def forms(secret):
    """Return a secret in the forms in which a server may say it, by name."""
    raw = secret.encode()
    token = b"\0" + USER.encode() + b"\0" + raw
    return {
        "raw": secret,
        "hex": raw.hex(),
        "upper hex": raw.hex().upper(),
        "quoted": urllib.parse.quote(secret, safe=""),
        "html": html.escape(secret),
        "base64": base64.b64encode(raw).decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode(),
        "plain": base64.b64encode(token).decode(),
        "digest": hashlib.sha256(raw).hexdigest(),
        "hmac": hmac.new(raw, b"<1@mx>", "md5").hexdigest(),
        **{f"base64 at {at}": base64.b64encode(b"x" * at + raw + b"yz").decode() for at in range(3)},
    }


def tell_tales(secret):
    """Return what no output may hold: the forms, and of base64 between other bytes what is the secret's alone."""
    bits = len(secret.encode()) * 8
    inner = {f"base64 at {at}": slice(-(-at * 8 // 6), (at * 8 + bits) // 6) for at in range(3)}
    return {name: form[inner.get(name, slice(None))] for name, form in forms(secret).items() if name != "hmac"}


def leaks(output, secret):
    """Return the forms of a secret that an output shows, also where it wraps them."""
    joined = "".join(line.strip() for line in output.splitlines())
    return [name for name, form in tell_tales(secret).items() if form in output or form in joined]


def echoing(said):
    """Return a server that takes any AUTH and adds to each reply what it knows of the password."""

    def handler(conn):
        conn.send(b"220 mx ESMTP\r\n")
        tail = f" {said}".encode()
        while line := conn.line():
            verb = line.upper().split()[0] if line.split() else b""
            if verb == b"EHLO":
                conn.send(b"250-mx\r\n250 AUTH LOGIN PLAIN\r\n")
            elif line.upper().startswith(b"AUTH LOGIN"):
                for prompt in ("Username:", "Password:"):
                    conn.send(b"334 " + encoded(prompt).encode() + b"\r\n")
                    conn.line()
                conn.send(b"235-ok" + tail + b"\r\n235 ok" + tail + tail + b"\r\n")
            elif verb == b"AUTH":
                conn.send(b"235 ok" + tail + b"\r\n")
            elif verb == b"QUIT":
                conn.send(b"221 bye" + tail + b"\r\n")
                return
            else:
                conn.send(b"250 " + line.strip() + tail + b"\r\n")

    return handler


@pytest.fixture(autouse=True)
def password(monkeypatch):
    """The password is where only the command line's option names it."""
    monkeypatch.setenv("P", PASSWORD)


@pytest.mark.parametrize("words", [["-v"], ["-v", "--color", "always"], [], ["--debug"]], ids=" ".join)
@pytest.mark.parametrize("form", forms(PASSWORD))
def test_echo(mailproof, folder, form, words):
    """What a server echoes is masked in every form, in passed and in failed cases."""
    write(folder, {"a.yaml": BY_HAND, "b.yaml": BY_VERB, "c.yaml": BY_HAND.replace("235", "535")})
    with FakeServer(echoing(forms(PASSWORD)[form])) as server:
        given = ["--var", f"username={USER}", "--secret", "password=env:P", "--target", url(server)]
        ended = mailproof("run", "a.yaml", "b.yaml", "c.yaml", *given, *words)
    assert 1 == ended.code
    assert "2 passed, 1 failed" in ended.out, ended.out
    assert [] == leaks(ended.out + ended.err, PASSWORD)
    assert "⟨" in ended.out


@pytest.mark.parametrize("form", forms(PASSWORD))
def test_echo_in_reports(mailproof, folder, form):
    """No report has it either, also not behind what its format escapes."""
    write(folder, {"a.yaml": BY_HAND, "b.yaml": BY_VERB, "c.yaml": BY_HAND.replace("235", "535")})
    with FakeServer(echoing(forms(PASSWORD)[form])) as server:
        given = ["--var", f"username={USER}", "--secret", "password=env:P", "--target", url(server)]
        asked = [word for name in FORMATS for word in ("--report", f"{name}=out.{name}")]
        ended = mailproof("run", "a.yaml", "b.yaml", "c.yaml", *given, *asked)
    assert (1, "") == (ended.code, ended.err)
    texts = {name: (folder / f"out.{name}").read_text() for name in FORMATS}
    found = {name: {*leaks(text, PASSWORD), *leaks(read_by_its_reader(text), PASSWORD)} for name, text in texts.items()}
    assert {name: set() for name in FORMATS} == found


def read_by_its_reader(text):
    r"""Return a text without the escapes of HTML and XML, JSON and workflow commands."""
    plain = html.unescape(text).replace('\\"', '"').replace("\\\\", "\\").replace("''", "'")
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), urllib.parse.unquote(plain))


def test_echo_in_an_error_of_ours(mailproof, folder, monkeypatch):
    """Nor is it in what --debug shows of an internal error."""

    def broken(*_):
        raise RuntimeError(" ".join(forms(PASSWORD).values()))

    monkeypatch.setattr("runner.report.render_run", broken)
    write(folder, {"b.yaml": BY_VERB})
    with FakeServer(echoing("")) as server:
        given = ["--var", f"username={USER}", "--secret", "password=env:P", "--target", url(server)]
        ended = mailproof("run", "b.yaml", *given, "--debug")
    assert 3 == ended.code
    assert [] == leaks(ended.out + ended.err, PASSWORD)


def test_pack_against_the_embedded_server(mailproof, folder):
    """The bundled scenarios with all their conversations show no password, their wrong one aside."""
    with DemoServer(DemoSettings(users={USER: PASSWORD})) as server:
        write(folder, {"mailproof.yaml": serve._describe(server, is_own_user=True, source="{env: P}")})
        ended = mailproof("run", "pack:", "-v")
    assert 0 == ended.code, ended.out
    assert [] == leaks(ended.out + ended.err, PASSWORD)
    assert "⟨password⟩" in ended.out
