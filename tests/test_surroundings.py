"""What a run takes from the machine."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import threading
import time
import warnings
from typing import ClassVar

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest

from runner import surroundings
from runner.errors import UsageError
from runner.language.case import SecretError
from runner.language.project import Project, SecretRef
from runner.surroundings import SecretStore, full_host_name, parse_secret, parse_secret_source, parse_variable


def python(text, *words):
    return SecretRef("command", (sys.executable, "-c", text, *words))


class TestSecretStore:
    """Secrets are fetched when they are asked for, once."""

    def test_once(self, tmp_path):
        """A secret is fetched once; its value is known for masking."""
        path = tmp_path / "secret"
        path.write_text("first")
        path.chmod(0o600)
        store = SecretStore()
        assert [] == list(store.values)
        assert "first" == store.get(SecretRef("file", str(path)))
        path.write_text("second")
        assert "first" == store.get(SecretRef("file", str(path)))
        assert (["first"], []) == (list(store.values), store.warnings)

    def test_environment(self, monkeypatch):
        """A variable that isn't set is an error, an empty one is a value."""
        monkeypatch.setenv("P", "")
        assert "" == SecretStore().get(SecretRef("env", "P"))
        with pytest.raises(SecretError, match="the environment variable 'Q' is not set"):
            SecretStore().get(SecretRef("env", "Q"))

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"x", "x"),
            (b"x\n", "x"),
            (b"x\r\n", "x"),
            (b"x\n\n", "x\n"),
            (b" x \n", " x "),
            (b"x\r", "x\r"),
            (b"", ""),
            (b"\n", ""),
            ("gr\u00fcn\n".encode(), "gr\u00fcn"),
            (b"\xff\n", "\udcff"),
        ],
        ids=repr,
    )
    def test_file(self, tmp_path, data, expected):
        """One line end is no part of a secret, all else is."""
        path = tmp_path / "secret"
        path.write_bytes(data)
        assert expected == SecretStore().get(SecretRef("file", str(path)))

    @pytest.mark.parametrize(("mode", "count"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o620, 0)], ids=oct)
    def test_mode(self, tmp_path, mode, count):
        """A file that others than its owner may read gets one warning."""
        path = tmp_path / "secret"
        path.write_bytes(b"x")
        path.chmod(mode)
        store = SecretStore()
        store.get(SecretRef("file", str(path)))
        store.get(SecretRef("file", str(path)))
        assert count == len(store.warnings)

    def test_no_regular_file(self, tmp_path):
        """A FIFO that nobody writes to holds up nothing; a device is refused."""
        os.mkfifo(tmp_path / "fifo")
        for path in (tmp_path / "fifo", "/dev/zero"):
            with pytest.raises(SecretError, match="is not a regular file"):
                SecretStore().get(SecretRef("file", str(path)))

    def test_large_file(self, tmp_path):
        """What is as large is no secret."""
        path = tmp_path / "secret"
        path.write_bytes(b"x" * 70_000)
        with pytest.raises(SecretError, match="longer than 65536 bytes"):
            SecretStore().get(SecretRef("file", str(path)))


class TestCommand:
    """A program's output as a secret."""

    def test_output(self):
        """Its words go to no shell; it has no input; one line end is stripped."""
        text = "import sys; print(sys.argv[1] + sys.stdin.read())"
        assert "$HOME; x" == SecretStore().get(python(text, "$HOME; x"))

    def test_failure(self):
        """An exit code that isn't 0 is an error, whatever was printed; the value is in no message."""
        with pytest.raises(SecretError, match=r"ended with 3$") as raised:
            SecretStore().get(python("print('s3cret'); raise SystemExit(3)"))
        assert "s3cret" not in str(raised.value)

    def test_standard_error(self, capfd):
        """What it says on standard error is for whoever runs mailproof."""
        with pytest.raises(SecretError):
            SecretStore().get(python("raise SystemExit('the agent is locked')"))
        assert "the agent is locked\n" == capfd.readouterr().err

    @pytest.mark.parametrize(
        "text",
        [
            "import time; time.sleep(60)",
            "import time, os; os.close(1); time.sleep(60)",
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])",
        ],
        ids=["sleeps", "closes", "leaves-a-child"],
    )
    def test_slow(self, monkeypatch, text):
        """It has its time and no more, also where a child of it keeps the pipe."""
        monkeypatch.setattr(surroundings, "COMMAND_SECONDS", 0.5)
        before = time.monotonic()
        with pytest.raises(SecretError, match=r"took longer than 0\.5 s"):
            SecretStore().get(python(text))
        assert time.monotonic() - before < 4.0

    def test_endless(self):
        """What never ends is cut off, and kept by nobody."""
        with pytest.raises(SecretError, match="longer than 65536 bytes"):
            SecretStore().get(SecretRef("command", ("cat", "/dev/zero")))

    @pytest.mark.parametrize(
        ("command", "message"),
        [
            (("/nowhere/x",), "the command '/nowhere/x' can't be run: no such file or directory"),
            (("/",), "the command '/' can't be run: permission denied"),
            (("a\0b",), "can't be run: embedded null byte"),
        ],
    )
    def test_not_to_be_run(self, command, message):
        """A program that isn't there is told as that."""
        with pytest.raises(SecretError) as raised:
            SecretStore().get(SecretRef("command", command))
        assert message in str(raised.value)


class TestPrompt:
    """A secret that is typed."""

    def test_typed(self, monkeypatch):
        """The question is the secret's name."""
        asked = []
        monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or "typed")
        assert ("typed", ["password: "]) == (SecretStore().get(SecretRef("prompt", "password")), asked)

    @pytest.mark.parametrize("how", ["end", "warning"])
    def test_nobody(self, monkeypatch, how):
        """Without a terminal it is an error with advice; nothing is typed where it would show."""

        def ask(_):
            if how == "end":
                raise EOFError
            warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
            return "seen by all"

        monkeypatch.setattr(getpass, "getpass", ask)
        with pytest.raises(SecretError, match="no terminal to type it at; give it as env:NAME or file:PATH"):
            SecretStore().get(SecretRef("prompt", "password"))


class TestWords:
    """What the command line's words say."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("a=b", ("a", "b")), ("a=", ("a", "")), ("a-1=b=c", ("a-1", "b=c")), ("a= b ", ("a", " b "))],
    )
    def test_variable(self, text, expected):
        """All behind the first equals sign is the value, as it stands."""
        assert expected == parse_variable(text)

    @pytest.mark.parametrize("text", ["a", "", "=b", "a b=c", "1=c", "a.b=c"])
    def test_wrong_variable(self, text):
        """A name is one; a value is not repeated."""
        with pytest.raises(UsageError, match="write it as NAME=VALUE") as raised:
            parse_variable(text)
        assert "c" not in str(raised.value).partition(":")[0].removeprefix("--var")

    def test_secret(self, tmp_path, monkeypatch):
        """A variable, a file seen from here, or a question."""
        monkeypatch.chdir(tmp_path)
        assert ("p", SecretRef("env", "P")) == parse_secret("p=env:P")
        assert ("p", SecretRef("file", str(tmp_path / "x:y"))) == parse_secret("p=file:x:y")
        assert ("p", SecretRef("prompt", "p")) == parse_secret("p")

    @pytest.mark.parametrize(
        "text", ["p=hunter2", "p=", "p=env:", "p=file:", "p=ENV:hunter2", "hunter2 =x", "=hunter2"]
    )
    def test_wrong_secret(self, text):
        """What may be the secret itself is never repeated."""
        with pytest.raises(UsageError, match=r"env:VARIABLE or .*file:PATH") as raised:
            parse_secret(text)
        assert "hunter2" not in str(raised.value)

    @pytest.mark.parametrize("kind", ["command", "keyring"])
    def test_source_of_the_project_file(self, kind):
        """A source that only the project file may name is told so, and not taken for a password."""
        with pytest.raises(UsageError, match=rf"^--secret p={kind}:…: that source is for mailproof.yaml"):
            parse_secret(f"p={kind}:pass show x")

    def test_source_of_an_option(self):
        """Other options take the same sources, and say so by their own name."""
        with pytest.raises(UsageError, match=r"^--user bob=…: a value on the command line shows"):
            parse_secret_source("--user bob", "hunter2")


class TestSurroundings:
    """The environment and the machine's name."""

    def test_environment(self, monkeypatch):
        """Only the variables that the project file names are read."""
        monkeypatch.setenv("ONE", "1")
        monkeypatch.setenv("TWO", "2")
        given = surroundings.surroundings(Project(env=("ONE", "THREE")), {}, {}, SecretStore())
        assert {"ONE": "1"} == given.environment
        assert {} == surroundings.surroundings(None, {}, {}, SecretStore()).environment

    def test_client_name(self, monkeypatch):
        """The machine is not asked for its name where the project file has one."""
        monkeypatch.setattr(surroundings, "full_host_name", lambda: "machine.example")
        assert "machine.example" == surroundings.surroundings(Project(), {}, {}, SecretStore()).client_name
        assert "" == surroundings.surroundings(Project(client_name="x.example"), {}, {}, SecretStore()).client_name

    @pytest.mark.parametrize(
        ("name", "full", "expected"),
        [
            ("mx.example.org", None, "mx.example.org"),
            ("mx", "mx.example.org", "mx.example.org"),
            ("mx", "mx", ""),
            ("mx", "localhost.localdomain", ""),
            ("mx", "1.0.0.127.in-addr.arpa", ""),
            ("mx", "mx.example\r\nQUIT", ""),
            ("a b.example", None, ""),
        ],
    )
    def test_host_name(self, monkeypatch, name, full, expected):
        """A full name, or none: whatever is no name is not said to a server."""
        monkeypatch.setattr(socket, "gethostname", lambda: name)
        monkeypatch.setattr(socket, "getfqdn", lambda _: full)
        assert expected == full_host_name()

    def test_slow_resolver(self, monkeypatch):
        """A resolver that doesn't answer costs a bounded time."""
        ends = threading.Event()
        monkeypatch.setattr(surroundings, "NAME_SECONDS", 0.05)
        monkeypatch.setattr(socket, "gethostname", lambda: "mx")
        monkeypatch.setattr(socket, "getfqdn", lambda _: (ends.wait(10), "late.example.org")[1])
        assert "" == full_host_name()
        ends.set()


class TestKeyring:
    """A keyring's entry is asked for by service and user name."""

    ENTRY = SecretRef("keyring", ("mail.example.com", "alice"))

    class Backend(keyring.backend.KeyringBackend):
        """A keyring in memory."""

        priority = 1
        entries: ClassVar = {("mail.example.com", "alice"): "hunter2 "}

        def get_password(self, service, username):
            return self.entries.get((service, username))

        def set_password(self, service, username, password):
            raise NotImplementedError

        def delete_password(self, service, username):
            raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _backend(self):
        before = keyring.get_keyring()
        keyring.set_keyring(self.Backend())
        yield
        keyring.set_keyring(before)

    def test_value(self):
        """It is taken as it is, and known for masking."""
        store = SecretStore()
        assert "hunter2 " == store.get(self.ENTRY)
        assert ["hunter2 "] == list(store.values)

    def test_no_entry(self):
        """What is not there is told with both names."""
        with pytest.raises(SecretError, match=r"no password of 'bob' for 'mail\.example\.com'"):
            SecretStore().get(SecretRef("keyring", ("mail.example.com", "bob")))

    def test_a_backend_that_fails(self, monkeypatch):
        """Its reason is told, on one line."""

        def fail(*_):
            raise keyring.errors.KeyringLocked("the keyring\nis locked")

        monkeypatch.setattr(self.Backend, "get_password", fail)
        with pytest.raises(SecretError, match="the keyring does not give it: the keyring is locked"):
            SecretStore().get(self.ENTRY)

    def test_no_backend(self):
        """A machine without a keyring says so."""
        keyring.set_keyring(keyring.backends.fail.Keyring())
        with pytest.raises(SecretError, match="the keyring does not give it: No recommended backend"):
            SecretStore().get(self.ENTRY)

    def test_a_backend_that_waits(self, monkeypatch):
        """A dialogue that nobody answers ends the wait, not the patience of whoever runs it."""
        monkeypatch.setattr(surroundings, "COMMAND_SECONDS", 0.05)
        answered = threading.Event()
        monkeypatch.setattr(self.Backend, "get_password", lambda *_: answered.wait(5))
        with pytest.raises(SecretError, match=r"took longer than 0\.05 s; is it unlocked\?"):
            SecretStore().get(self.ENTRY)
        answered.set()

    def test_without_the_extra(self, monkeypatch):
        """Its name is told."""
        monkeypatch.setitem(sys.modules, "keyring", None)
        with pytest.raises(SecretError, match=r"pip install 'mailproof\[keyring\]'"):
            SecretStore().get(self.ENTRY)
