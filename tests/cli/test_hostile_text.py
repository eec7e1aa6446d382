"""What servers and files say is shown harmless, whatever it is."""

from __future__ import annotations

import re

import pytest
from commands import scenario, url, write
from fake_server import FakeServer

HARMLESS = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]*"

TEXTS = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;title\x07",
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069",
    "nul": "a\x00b\x08c\x7f",
    "c1": "\x9b31m \x85",
    "width": "a\u200bb\ufeffc\u2028d",
    "bell": "\x07" * 50,
    "command": "::error::x",
    "wide": "\u90f5\u4fbf" * 60,
}


@pytest.mark.parametrize("words", [[], ["-v"], ["-q"]], ids=["normal", "verbose", "quiet"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_from_a_server(mailproof, folder, text, words):
    """Control characters, bidi and invisible ones are escaped; no line begins with a server's words."""
    said = text.encode("utf-8", "surrogateescape")

    def serve(conn):
        conn.send(b"220 " + said + b"\r\n")
        conn.line()
        conn.send(b"250-" + said + b"\r\n550 " + said + b"\r\n" + said)
        conn.wait_for_eof()

    write(folder, {"a.yaml": scenario("a"), "b.yaml": scenario("b").replace("expect: 220", "expect: 220 other")})
    with FakeServer(serve) as server:
        ended = mailproof("run", ".", *words, "--target", url(server))
    assert 1 == ended.code
    assert re.fullmatch(HARMLESS, ended.out + ended.err)
    assert not re.search(r"^(::|red|220|250|550)", ended.out, re.MULTILINE)


def test_raw_bytes(mailproof, folder):
    """Any byte may come, as a line of its own and as a reply's text."""

    def serve(conn):
        conn.send(b"220 " + bytes(byte for byte in range(256) if byte not in b"\r\n") + b"\r\n")
        conn.line()
        conn.send(bytes(range(256)) + b"\r\n")
        conn.wait_for_eof()

    write(folder, {"a.yaml": scenario("a")})
    with FakeServer(serve) as server:
        ended = mailproof("run", ".", "-v", "--target", url(server))
    assert re.fullmatch(HARMLESS, ended.out + ended.err)
    assert "\\x00\\x01" in ended.out


@pytest.mark.parametrize("text", ["bidi", "width", "command", "wide"])
def test_from_a_scenario(mailproof, folder, server, text):
    """The texts of files are no better than a server's: name, description, because, a target's name."""
    said = TEXTS[text].replace("\n", " ")
    steps = f"steps:\n  - expect: 221\n    because: '{said}'\n"
    write(folder, {"a.yaml": f"name: '{said}'\ndescription: '{said}'\n{steps}"})
    write(folder, {"mailproof.yaml": f"targets: {{'x{said}': {{url: '{url(server)}'}}}}\n"})
    ended = mailproof("run", "a.yaml", "-v")
    assert ended.code in (1, 2)
    assert re.fullmatch(HARMLESS, ended.out + ended.err)


def test_from_the_command_line(mailproof, folder, server):
    """Nor are words of the command line shown as they are."""
    write(folder, {"a.yaml": scenario("a")})
    hostile = TEXTS["title"] + TEXTS["bidi"]
    for words in (["-k", hostile], ["--tag", hostile], ["--target", hostile], [hostile], ["--secret", hostile]):
        ended = mailproof("run", "a.yaml", "--target", url(server), *words)
        assert 2 == ended.code
        assert re.fullmatch(HARMLESS, ended.out + ended.err)
        assert "\\x1b]0" in ended.err or words[0] == "--secret"
