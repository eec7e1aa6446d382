"""Where lines come from: a terminal, with history and completion where those can be had, or a pipe."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from runner.recording.commands import RefusedError
from runner.recording.screen import Screen

Complete = Callable[[str], Iterator[tuple[str, int]]]
# A server takes no longer line either.
LONGEST = 64 * 1024
# Seconds between two looks for a signal.
_PART = 0.2


class Prompt(Protocol):
    """Where lines come from."""

    is_terminal: bool

    def line(self, prompt: str) -> str:
        """Return the next line.

        Raises:
            EOFError: there is none.
            KeyboardInterrupt: it was dropped.
        """

    def secret(self, name: str) -> str:
        """Ask for a value that is not shown.

        Raises:
            RefusedError: there is nobody to ask.
        """

    def end(self, why: BaseException) -> None:
        """End what waits for a line, from a signal's handler."""


class Piped:
    """Lines of a file or a pipe.

    A read that waits may have missed a signal that came just before; so it is begun only once there is something.
    """

    is_terminal = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._is_at_end = False
        self.number = 0

    def line(self, _: str) -> str:
        """Return the next line.

        Raises:
            EOFError: there is none.
            RefusedError: it is too long.
        """
        while b"\n" not in self._buffer and not self._is_at_end:
            if len(self._buffer) > LONGEST:
                raise RefusedError(f"a line of more than {LONGEST} bytes")
            self._read()
        if not self._buffer:
            raise EOFError
        raw, _end, self._buffer = self._buffer.partition(b"\n")
        self.number += 1
        return raw.removesuffix(b"\r").decode("utf-8", "surrogateescape")

    def _read(self) -> None:
        while not select.select([self._descriptor], [], [], _PART)[0]:
            pass
        data = os.read(self._descriptor, LONGEST)
        self._buffer += data
        self._is_at_end = not data

    def secret(self, name: str) -> str:
        """Refuse: nobody is there to be asked."""
        raise RefusedError(f"no {name} is known; give it by --secret {name}=env:VARIABLE")

    def end(self, why: BaseException) -> None:
        """Raise it, for nothing else holds the process."""
        raise why


def ask_secret(name: str) -> str:
    """Ask for a value at the terminal, without echo.

    Raises:
        RefusedError: there is no terminal.
    """
    import getpass  # noqa: PLC0415 -- few dialogues need it
    import warnings  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"{name.capitalize()}: ")
    except (EOFError, getpass.GetPassWarning):
        raise RefusedError(f"no {name} was given") from None


@contextmanager
def _woken() -> Iterator[None]:
    """Interrupt again and again what waits: it may have missed a signal that came just before it began to."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, _PART, _PART)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Plain:
    """A terminal with what Python itself brings: `input` and readline."""

    is_terminal = True

    def __init__(self, screen: Screen, complete: Complete) -> None:
        self._complete = complete
        self._shown = ""
        self._readline: Any = None
        self._found: list[str] = []
        with suppress(ImportError):
            import readline  # noqa: PLC0415 -- not on every system

            self._readline = readline
            readline.set_completer_delims(" ")
            readline.set_completer(self._completed)
            readline.parse_and_bind("tab: complete")
        screen.prompt = self._prompt

    def line(self, prompt: str) -> str:
        """Return the next line."""
        self._shown = prompt
        try:
            with _woken():
                return input(prompt)
        finally:
            self._shown = ""

    def secret(self, name: str) -> str:
        """Ask without echo."""
        return ask_secret(name)

    def end(self, why: BaseException) -> None:
        """Raise it; `input` lets it through."""
        raise why

    def _prompt(self) -> str:
        typed = self._readline.get_line_buffer() if self._readline and self._shown else ""
        return self._shown + typed

    def _completed(self, _: str, state: int) -> str | None:
        if state == 0:
            text = self._readline.get_line_buffer()[: self._readline.get_endidx()]
            self._found = [found for found, _ in self._complete(text)]
        return self._found[state] if state < len(self._found) else None


class Toolkit:
    """A terminal with prompt_toolkit (the extra `record`): what comes while one types stands above the line.

    Raises:
        ImportError: it is not installed.
    """

    is_terminal = True

    def __init__(self, complete: Complete) -> None:
        from prompt_toolkit import PromptSession  # noqa: PLC0415 -- an extra
        from prompt_toolkit.completion import Completer, Completion  # noqa: PLC0415
        from prompt_toolkit.history import InMemoryHistory  # noqa: PLC0415
        from prompt_toolkit.output import create_output  # noqa: PLC0415

        class Completing(Completer):  # type: ignore[misc,unused-ignore]
            def get_completions(self, document: Any, _: Any) -> Iterator[Any]:
                for text, taken in complete(document.text_before_cursor):
                    yield Completion(text, -taken)

        self._history = InMemoryHistory()
        self._session: Any = PromptSession(
            completer=Completing(),
            history=self._history,
            complete_while_typing=False,
            output=create_output(stdout=sys.stdout if sys.stdout.isatty() else sys.stderr),
        )

    def line(self, prompt: str) -> str:
        """Return the next line."""
        from prompt_toolkit.patch_stdout import patch_stdout  # noqa: PLC0415

        with patch_stdout(raw=True):
            return str(self._session.prompt(prompt))

    def secret(self, name: str) -> str:
        """Ask without echo."""
        return ask_secret(name)

    def end(self, why: BaseException) -> None:
        """Let the prompt give the terminal back before it ends."""
        app = self._session.app
        if app.is_running and app.loop is not None:
            app.loop.call_soon_threadsafe(lambda: app.exit(exception=why))
            return
        raise why


def new_prompt(screen: Screen, complete: Complete) -> Prompt:
    """Return what lines come from: standard input as it is."""
    if not sys.stdin.isatty():
        return Piped(sys.stdin.fileno())
    try:
        return Toolkit(complete)
    except ImportError:
        return Plain(screen, complete)
