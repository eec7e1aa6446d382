"""What a run takes from the machine: the environment's named variables, secrets, the host's name.

Only what a file or the command line names is read. Secrets are fetched when they are first asked for, once.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.language.case import Given, SecretError
from runner.language.project import SecretRef
from runner.language.template import PLAIN_NAME

if TYPE_CHECKING:
    import subprocess

    from runner.language.project import Project

# A password manager may ask its agent, or its user to touch a key.
COMMAND_SECONDS = 30.0
# getfqdn asks the resolver, which may ask a name server that is not there.
NAME_SECONDS = 1.0
SECRET_LIMIT = 64 * 1024
_FULL_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


class SecretStore:
    """Fetches secrets and remembers them; `warnings` says what was unsound about a source."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._known: dict[tuple[str, str | tuple[str, ...]], str] = {}

    @property
    def values(self) -> Iterable[str]:
        """Every value fetched so far, for masking what is shown when something breaks."""
        return self._known.values()

    def get(self, reference: SecretRef) -> str:
        """Return a secret's value.

        Raises:
            SecretError: its source does not give it.
        """
        key = (reference.kind, reference.value)
        if key not in self._known:
            self._known[key] = self._fetch(reference)
        return self._known[key]

    def _fetch(self, reference: SecretRef) -> str:
        value = reference.value
        if isinstance(value, tuple):
            return _from_keyring(*value) if reference.kind == "keyring" else _from_command(value)
        if reference.kind == "env":
            if value not in os.environ:
                raise SecretError(f"the environment variable '{value}' is not set")
            return os.environ[value]
        if reference.kind == "file":
            return self._from_file(Path(value))
        return _from_terminal(value)

    def _from_file(self, path: Path) -> str:
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise SecretError(f"'{path}' is not a regular file")
                data = file.read(SECRET_LIMIT + 1)
        except (OSError, ValueError) as error:
            raise SecretError(f"'{path}' can't be read: {_reason(error)}") from error
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            self.warnings.append(f"the secret file '{path}' can be read by others than its owner (chmod 600)")
        return _as_secret(data)


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever may write to a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()


def _from_terminal(name: str) -> str:
    import getpass  # noqa: PLC0415 -- few runs need it
    import warnings  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"{name}: ")
    except (EOFError, getpass.GetPassWarning) as error:
        raise SecretError("there is no terminal to type it at; give it as env:NAME or file:PATH") from error


def _from_keyring(service: str, username: str) -> str:
    """Return a password from the system's keyring, which may ask its user to unlock it."""
    try:
        import keyring  # noqa: PLC0415 -- an extra, and slow to import
    except ModuleNotFoundError as error:
        raise SecretError("a keyring needs the extra 'keyring': pip install 'mailproof[keyring]'") from error
    found: list[str | None] = []
    wrong: list[Exception] = []

    def ask() -> None:
        try:
            found.append(keyring.get_password(service, username))
        except Exception as error:  # noqa: BLE001 -- each backend has errors of its own
            wrong.append(error)

    # A backend may wait for a dialogue that nobody sees, and can't be told to stop.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(COMMAND_SECONDS)
    if wrong:
        reason = " ".join(str(wrong[0]).split()) or type(wrong[0]).__name__
        raise SecretError(f"the keyring does not give it: {reason}") from wrong[0]
    if not found:
        raise SecretError(f"the keyring took longer than {COMMAND_SECONDS:g} s; is it unlocked?")
    if found[0] is None:
        raise SecretError(f"the keyring has no password of '{username}' for '{service}'")
    return found[0]


def _from_command(command: tuple[str, ...]) -> str:
    """Return what a command prints; what it says on standard error is for whoever runs mailproof."""
    import subprocess  # noqa: PLC0415 -- few runs need it

    try:
        process = subprocess.Popen(  # noqa: S603 -- the project file names it, as a list; no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        raise SecretError(f"the command '{command[0]}' can't be run: {_reason(error)}") from error
    end = time.monotonic() + COMMAND_SECONDS
    try:
        data = _output(process, end)
        code = process.wait(max(0.0, end - time.monotonic())) if len(data) <= SECRET_LIMIT else 0
    except (subprocess.TimeoutExpired, TimeoutError) as error:
        raise SecretError(f"the command '{command[0]}' took longer than {COMMAND_SECONDS:g} s") from error
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if code:
        raise SecretError(f"the command '{command[0]}' ended with {code}")
    return _as_secret(data)


def _output(process: subprocess.Popen[bytes], end: float) -> bytes:
    """Read to the end, but no longer and no more than is allowed; a child of the command may keep the pipe open."""
    import selectors  # noqa: PLC0415 -- few runs need it

    assert process.stdout is not None
    data = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(data) <= SECRET_LIMIT:
            if not selector.select(end - time.monotonic()):
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), SECRET_LIMIT + 1)
            if not piece:
                break
            data += piece
    return data


def _as_secret(data: bytes) -> str:
    """Return a secret's text, without the one line end that editors add."""
    if len(data) > SECRET_LIMIT:
        raise SecretError(f"it is longer than {SECRET_LIMIT} bytes")
    data = data.removesuffix(b"\r\n" if data.endswith(b"\r\n") else b"\n")
    return data.decode("utf-8", "surrogateescape")


def parse_variable(text: str) -> tuple[str, str]:
    """Read `--var NAME=VALUE`.

    Raises:
        UsageError: it is not of that form.
    """
    name, equals, value = text.partition("=")
    if not equals or not PLAIN_NAME.fullmatch(name):
        wrong = f"--var {name}{equals and '=…'}"
        raise UsageError(f"{wrong}: write it as NAME=VALUE; names are letters, digits, '_' and '-'")
    return name, value


def parse_secret(text: str) -> tuple[str, SecretRef]:
    """Read `--secret NAME`, `NAME=env:VARIABLE` or `NAME=file:PATH`; a value itself is refused.

    Raises:
        UsageError: it is not of that form.
    """
    name, equals, source = text.partition("=")
    option = f"--secret {name}"
    if not PLAIN_NAME.fullmatch(name):
        raise UsageError("--secret: write it as NAME=env:VARIABLE or NAME=file:PATH, or NAME alone to be asked")
    return name, parse_secret_source(option, source) if equals else SecretRef("prompt", name)


def parse_secret_source(option: str, source: str) -> SecretRef:
    """Read `env:VARIABLE` or `file:PATH`; `option` is what stands before it, such as `--secret NAME`.

    Raises:
        UsageError: it is not of that form; the text itself, maybe a password, is not in the message.
    """
    kind, _, value = source.partition(":")
    if kind == "env" and value:
        return SecretRef("env", value)
    if kind == "file" and value:
        return SecretRef("file", str(Path(value).absolute()))
    if kind in ("command", "keyring") and value:
        raise UsageError(f"{option}={kind}:…: that source is for mailproof.yaml; here are env: and file:")
    raise UsageError(f"{option}=…: {no_open_secret(option)}")


def no_open_secret(option: str) -> str:
    """Return why a secret's value is not taken from the command line, and what `option` takes."""
    return (
        f"a value on the command line shows in the list of processes; write {option}=env:VARIABLE or {option}=file:PATH"
    )


def surroundings(
    project: Project | None,
    variables: Mapping[str, str],
    secrets: Mapping[str, SecretRef],
    store: SecretStore,
) -> Given:
    """Return what the command line and the machine give to the cases of a run."""
    named = project.env if project is not None else ()
    has_name = project is not None and project.client_name
    return Given(
        variables=variables,
        secrets=secrets,
        environment={name: os.environ[name] for name in named if name in os.environ},
        client_name="" if has_name else full_host_name(),
        secret=store.get,
    )


def full_host_name() -> str:
    """Return the machine's full name for EHLO (RFC 5321 section 4.1.1.1), or nothing if it has none."""
    name = socket.gethostname()
    if "." not in name:
        found: list[str] = []
        asking = threading.Thread(target=lambda: found.append(socket.getfqdn(name)), daemon=True)
        asking.start()
        asking.join(NAME_SECONDS)
        name = found[0] if found else ""
    # The name of an address in the DNS is none that the machine goes by.
    is_full = _FULL_NAME.fullmatch(name) is not None and not name.startswith("localhost.") and name[-5:] != ".arpa"
    return name if is_full else ""
