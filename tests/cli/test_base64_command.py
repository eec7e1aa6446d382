"""`mailproof base64`: encoding without showing a password to others, decoding without harm to the terminal."""

from __future__ import annotations

import base64
import os
import pty
import subprocess
import sys

import pytest
from commands import environment, run_process, start

from runner.cli.base64_command import MOST_OCTETS, decoded
from runner.errors import EXIT_TOOL, UsageError


def piped(folder, *words, data):
    """Run the command with something on its standard input."""
    process = start("base64", *words, cwd=folder, stdin=subprocess.PIPE)
    out, err = process.communicate(data, timeout=20)
    return process.returncode, out, err


def at_terminal(folder, *words, typed):
    """Run the command at a terminal and type; return its exit code and all that the terminal showed."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(folder)
        command = [sys.executable, "-m", "runner", "base64", *words]
        os.execve(sys.executable, command, environment())
    shown = b""
    with os.fdopen(terminal, "rb+", buffering=0) as stream:
        while b": " not in shown and typed:
            shown += stream.read(1024)
        stream.write(typed)
        while True:
            try:
                data = stream.read(1024)
            except OSError:  # how Linux tells that the other end is closed
                break
            if not data:
                break
            shown += data
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


class TestEncode:
    def test_text(self, mailproof):
        r"""A text on the command line is encoded, \0 in it is a NUL; that others can read it is said."""
        ended = mailproof("base64", "encode", r"\0alice\0geheim")
        assert (0, base64.b64encode(b"\0alice\0geheim").decode() + "\n") == (ended.code, ended.out)
        assert "shows in the list of processes" in ended.err

    @pytest.mark.parametrize(("data", "expected"), [("pässword\n", "pässword"), ("a\n\n", "a\n"), ("a", "a"), ("", "")])
    def test_input(self, folder, data, expected):
        """Standard input is encoded without the one line end at its end, and that is said."""
        code, out, err = piped(folder, "encode", data=data)
        assert (0, f"{base64.b64encode(expected.encode()).decode()}\n") == (code, out)
        assert data.endswith("\n") == ("one line end at the end of standard input was dropped" in err)

    @pytest.mark.parametrize(
        ("mechanism", "expected"),
        [
            ("plain", ["\0alice\0geheim"]),
            ("PLAIN", ["\0alice\0geheim"]),
            ("login", ["alice", "geheim"]),
            ("xoauth2", ["user=alice\x01auth=Bearer geheim\x01\x01"]),
        ],
    )
    def test_response(self, folder, mechanism, expected):
        """What a mechanism's responses are made of is encoded, a line each."""
        code, out, _ = piped(folder, "encode", "--sasl", mechanism, "alice", data="geheim\n")
        assert (0, expected) == (code, [base64.b64decode(line).decode() for line in out.splitlines()])

    def test_asks_without_echo(self, folder):
        """At a terminal the password is asked for, and not shown."""
        code, shown = at_terminal(folder, "encode", "--sasl", "plain", "alice", typed=b"geheim\n")
        assert 0 == code
        assert "password: " in shown
        assert "geheim" not in shown
        assert base64.b64encode(b"\0alice\0geheim").decode() in shown

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--sasl", "scram", "alice"], "no such mechanism here; there are plain, login, xoauth2"),
            (["geheim", "--sasl", "plain", "alice"], "leave TEXT out, and it is asked for"),
        ],
        ids=["mechanism", "password"],
    )
    def test_refused(self, mailproof, words, message):
        """What is wrong is said, and no password in it."""
        ended = mailproof("base64", "encode", *words)
        assert (2, "") == (ended.code, ended.out)
        assert message in ended.err
        assert "geheim" not in ended.err

    @pytest.mark.parametrize(
        ("mechanism", "data", "message"),
        [
            ("plain", "", "the password is empty"),
            ("login", "\n", "the password is empty"),
            ("plain", "geheim\nsecond\n", "a line end inside the password"),
            ("login", "geheim\n\n", "a line end inside the password"),
            ("xoauth2", "geheim\r\nsecond", "a line end inside the token"),
        ],
        ids=["nothing", "a line end", "two lines", "an empty line", "a token"],
    )
    def test_no_password(self, folder, mechanism, data, message):
        """What can be no password is refused, and not shown: nothing, and more than a line."""
        code, out, err = piped(folder, "encode", "--sasl", mechanism, "alice", data=data)
        assert (2, "") == (code, out)
        assert message in err
        assert "geheim" not in err

    def test_nul(self, folder):
        """A password that PLAIN can't carry is refused."""
        code, out, err = piped(folder, "encode", "--sasl", "plain", "alice", data="a\0b")
        assert (2, "") == (code, out)
        assert "mailproof: " in err


class TestDecode:
    @pytest.mark.parametrize(
        "text",
        [
            "VXNlcm5hbWU6",
            " VXNlcm5hbWU6\n",
            "334 VXNlcm5hbWU6",
            "S: 334 VXNlcm5hbWU6",
            "+ VXNlcm5hbWU6",
            "C: AUTH PLAIN VXNlcm5hbWU6",
            "auth plain VXNlcm5hbWU6",
            "A1 AUTHENTICATE PLAIN VXNlcm5hbWU6",
            '"VXNlcm5hbWU6"',
            "VXNl\ncm5h\r\nbWU6\n",
        ],
    )
    def test_where_it_stands(self, text):
        """Base64 is found in a line as a transcript has it, and in several lines."""
        assert b"Username:" == decoded(text)

    def test_octets(self, folder):
        """Into a pipe go the octets as they are."""
        octets = bytes(range(256))
        ended = subprocess.run(
            [sys.executable, "-m", "runner", "base64", "decode", base64.b64encode(octets).decode()],
            cwd=folder,
            env=environment(),
            capture_output=True,
            check=True,
        )
        assert octets == ended.stdout

    def test_terminal(self, folder):
        r"""On a terminal what would steer it is a number, and a NUL is \0."""
        text = base64.b64encode(b"\0alice\0\x1b[2J\xff").decode()
        code, shown = at_terminal(folder, "decode", text, typed=b"")
        assert (0, r"\0alice\0\x1b[2J\xff") == (code, shown.strip())

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("VXNl!mU6", "'!' at character 5 of 8"),
            ("VXNl cm5h", "a blank at character 5 of 9"),
            ("VXN=cm5h", "'=' at character 4 of 8; '=' stands at the end only"),
            ("VXN_", "'_' at character 4 of 4; base64url has"),
            ("VXNlc", "5 characters, one too many or three too few; it is cut"),
            ("VXNlcm5hbWU6VXN", "15 characters want 1 '=' at its end, and there are 0"),
            ("VXNlcm5h=", "8 characters want no '=' at its end, and there are 1"),
            ("VX\x1bl", r"'\x1b' at character 3 of 4"),
            ("x334 VXNl", "a blank at character 5 of 9"),
        ],
    )
    def test_wrong(self, text, message):
        """What is wrong is said with its place, and the text is not."""
        with pytest.raises(UsageError) as refused:
            decoded(text)
        assert message in str(refused.value)
        assert "VXN" not in str(refused.value)

    def test_long(self):
        """All that is read is decoded at once, also where nothing in it ends a word."""
        assert bytes(MOST_OCTETS // 4 * 3) == decoded("A" * MOST_OCTETS)

    def test_a_reader_that_has_left(self, folder):
        """Whoever reads the octets and leaves is told nothing, as with every other output."""
        reading, writing = os.pipe()
        os.close(reading)
        process = start("base64", "decode", "QUJD", cwd=folder, stdout=writing)
        os.close(writing)
        _, err = process.communicate(timeout=20)
        assert (EXIT_TOOL, "") == (process.returncode, err)

    def test_exit_code(self, folder):
        """What is no base64 is wrong usage."""
        ended = run_process("base64", "decode", "???", cwd=folder)
        assert (2, "") == (ended.code, ended.out)
        assert "mailproof: no base64: '?' at character 1 of 3\n" == ended.err
