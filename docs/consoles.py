"""The blocks of the manual's pages, and the outputs of its `console` blocks, which come from really running them.

A page is one sitting: a folder of its own and an embedded server. A block below a line such as `scenarios/first.yaml`
(in backticks, with a colon behind it) is a file of that folder. In a `console` block the lines that begin with `$ `
are run, and what they print stands below them. What differs from run to run (times, a port, a queue id) may differ
from the page, nothing else.
"""

# ruff: noqa: INP001

from __future__ import annotations

import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runner.cli import main, serve
from runner.demo import DemoServer, DemoSettings

# What pages say in place of what each run has anew.
SHOWN_HOSTS = ("127.0.0.1:2525", "127.0.0.1:1143", "127.0.0.1:4190")
SHOWN_CA = "/tmp/mailproof-demo-k3x9w2ab/ca.pem"  # noqa: S108 -- a name to be shown, no file
SHOWN_PASSWORD = "Hq2-vWc8fTmYx0Zu"  # noqa: S105 -- made up, for the manual

_FENCE = re.compile(r"^```(\w+)(?: +([^\n]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"`([\w./-]+)`:\n+\Z")
_CHANGING = (
    (re.compile(r'"(at|elapsed|started)": [\d.e-]+'), r'"\1": 0'),
    (re.compile(r'"id": "[0-9a-f]{8}"'), '"id": "0"'),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "2026-01-01T00:00:00Z"),
    (re.compile(r"\b\d+\.\d+ s\b"), "0.00 s"),
    (re.compile(r"\b\d+\.\d{2,3}\b"), "0.000"),
    (re.compile(r"queued as [0-9A-F]+"), "queued as 0"),
    (re.compile(r"\bTLSv1\.\d \S+,"), "TLS,"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "0123456789abcdef"),
    (re.compile(r"-{3,}"), "---"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the words behind it, its text, and the file that it is, if any.

    `start` and `end` are where the text stands in its page, `line` is that of the text's beginning.
    """

    language: str
    words: tuple[str, ...]
    text: str
    file: str
    line: int
    start: int
    end: int


def blocks(page: str) -> Iterator[Block]:
    """Iterate over the fenced blocks of a page."""
    for fence in _FENCE.finditer(page):
        file = _FILE.search(page, 0, fence.start())
        line = page.count("\n", 0, fence.start(3)) + 1
        words = tuple((fence[2] or "").split())
        yield Block(fence[1], words, fence[3], file[1] if file else "", line, fence.start(3), fence.end(3))


def fill(page: str) -> str:
    """Return a page with the outputs of its `console` blocks; one that says the same as before stays as it is."""
    found = list(blocks(page))
    if not any(block.language == "console" for block in found):
        return page
    parts, at = [], 0
    with _Sitting() as sitting:
        for block in found:
            if block.file:
                sitting.write(block.file, block.text)
            elif block.language == "console":
                played = sitting.play(block.text)
                parts += [page[at : block.start], block.text if is_same(played, block.text) else played]
                at = block.end
    return "".join([*parts, page[at:]])


def is_same(one: str, other: str) -> bool:
    """Whether two outputs differ only in what differs from run to run."""
    return _unchanging(one) == _unchanging(other)


def _unchanging(text: str) -> str:
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


class _Sitting:
    """A folder, an embedded server and what a shell remembers."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        settings = DemoSettings()
        self._server = DemoServer(settings, *serve.mailbox_doors(settings))
        self._code = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._server)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mailproof-manual-"))
            stack.enter_context(chdir(folder))
            before = dict(os.environ)
            stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
            os.environ.update(COLUMNS="80", NO_COLOR="1")
            self._real = {
                **{
                    shown: f"{door.host}:{door.port}"
                    for shown, door in zip(SHOWN_HOSTS, self._server.doors, strict=True)
                },
                SHOWN_CA: str(self._server.ca),
                SHOWN_PASSWORD: self._server.password,
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, name: str, text: str) -> None:
        """Write a file of the page."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._really(text), "utf-8")

    def play(self, text: str) -> str:
        """Run the commands of a block; return the block as it is to stand in the page."""
        out = []
        for line in text.splitlines():
            if line.startswith("$ "):
                out += [line, self._shown(self._run(self._really(line[2:])))]
        return "".join(f"{part.rstrip()}\n" for part in out if part.strip())

    def _really(self, text: str) -> str:
        for shown, real in self._real.items():
            text = text.replace(shown, real)
        return text

    def _shown(self, text: str) -> str:
        for shown, real in self._real.items():
            text = text.replace(real, shown)
        return text

    def _run(self, command: str) -> str:
        word, *arguments = shlex.split(command, comments=True)
        if command == "echo $?":
            return str(self._code)
        if word == "mailproof" and arguments[0] == "serve":
            return serve._describe(self._server, is_own_user=False)  # noqa: SLF001 -- its output, without its waiting
        if word == "mailproof":
            return self._mailproof(arguments)
        if word == "export":
            os.environ.update(one.split("=", 1) for one in arguments)
        elif word == "mkdir":
            Path(arguments[-1]).mkdir(parents=True, exist_ok=True)
        else:
            raise ValueError(f"a console block can't run '{command}'; as a 'shell' block it would only be shown")
        return ""

    def _mailproof(self, arguments: list[str]) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            self._code = main(arguments)
        if "internal error" in printed.getvalue():
            raise RuntimeError(f"mailproof {shlex.join(arguments)}: {printed.getvalue()}")
        return printed.getvalue()
