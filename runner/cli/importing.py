"""`mailproof import`: transcripts that somebody has kept become scenarios."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.drafted import add_draft_arguments, advise, run_command
from runner.cli.files import add_file_arguments, make_folder, refuse_existing, write_whole
from runner.cli.streams import show, tell
from runner.dataclass import dataclass
from runner.errors import EXIT_PASSED, UsageError, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.authoring.conversation import Conversation
    from runner.authoring.draft import Draft

HELP = "make scenarios from transcripts of telnet, swaks and others"
DESCRIPTION = """\
Makes scenarios from what was kept of conversations with mail servers: pasted
from telnet, nc or openssl s_client, written by swaks, printed with C: and S:
before the lines, or probed by blackbox_exporter. Passwords are not written.

  mailproof import telnet.txt -o relay.yaml
  mailproof import *.txt -o scenarios/          several, into a folder, made if need be
  swaks --to bob@example.com | mailproof import -

Where a transcript leaves open who said what, it asks: C: or S: before a line
of it is the answer."""

_STANDARD_INPUT = "-"
_STDIN_NAME = "<standard input>"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,251}[A-Za-z0-9])?")
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.authoring.readers import FORMATS, PROTOCOLS  # noqa: PLC0415

    parser.add_argument("files", nargs="+", metavar="FILE", help="transcripts; - is standard input")
    add_file_arguments(parser, "the scenario (or several, into a folder)")
    parser.add_argument("--format", choices=FORMATS, help="what the files are (default: recognised)")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="", help="what is spoken in them (default: told from the greeting)"
    )
    add_draft_arguments(parser)


@dataclass(frozen=True, slots=True)
class _Scenario:
    """A scenario that is to be written; `url` is where it may run, `path` where it goes ('-': on the terminal)."""

    draft: Draft
    source: str
    title: str
    url: str
    guesses: tuple[str, ...]
    path: str = "-"


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    from runner.cli.editing import fitted  # noqa: PLC0415

    found = _scenarios(options)
    if options.output == "-":
        _show(found)
        return EXIT_PASSED
    places = _places(found, options.output)
    if options.output.endswith("/"):
        make_folder(options.output)
    for path in places:
        refuse_existing(path, is_forced=options.force)
    for number, (one, path) in enumerate(zip(found, places, strict=True)):
        write_whole(path, fitted(one.draft.text, path), is_private=False, may_replace=options.force)
        advise(path, _command(one, path), one.guesses, is_first=not number)
    return EXIT_PASSED


def _scenarios(options: argparse.Namespace) -> list[_Scenario]:
    """Return what all files make.

    Raises:
        InputError: files are unclear or wrong, with the problems of all of them.
        UsageError: a file can't be read.
    """
    from runner.errors import InputError, Problem  # noqa: PLC0415

    found: list[_Scenario] = []
    problems: list[Problem] = []
    for name in options.files:
        try:
            found += _of_file(name, options, len(found))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _of_file(name: str, options: argparse.Namespace, before: int) -> list[_Scenario]:
    from runner.authoring.draft import Draft, draft  # noqa: PLC0415
    from runner.authoring.readers import read  # noqa: PLC0415

    shown = _STDIN_NAME if name == _STANDARD_INPUT else name
    source = "a transcript" if name == _STANDARD_INPUT else Path(name).name
    read_ones = read(_text(name), shown, source=source, kind=options.format, protocol=options.protocol)
    made: list[_Scenario] = []
    for number, one in enumerate(read_ones, before + 1):
        title = f"{options.name} {number}" if options.name and number > 1 else options.name
        if isinstance(one, Draft):
            made.append(_Scenario(one, source, _name_in(one), "tcp://HOST:PORT", one.guesses))
            continue
        drafted = draft(one, expect=options.expect, title=title)
        guesses = tuple(dict.fromkeys((*one.guesses, *drafted.guesses)))
        made.append(_Scenario(drafted, source, one.title, _url(one), guesses))
    return made


def _name_in(one: Draft) -> str:
    found = re.search("^name: (.*)$", one.text, re.MULTILINE)
    return found[1].strip("'") if found else ""


def _text(name: str) -> str:
    """Return a file's text; bytes that are no UTF-8 are kept as they are.

    Raises:
        UsageError: it can't be read, or is too large.
    """
    from runner.authoring.readers.screen import MOST_CHARACTERS  # noqa: PLC0415

    most = 4 * MOST_CHARACTERS
    try:
        if name == _STANDARD_INPUT:
            octets = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as file:
                octets = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"'{name}' can't be read: {(error.strerror or str(error)).lower()}") from error
    if len(octets) > most:
        raise UsageError(f"'{name}' is larger than {most // 2**20} MiB: no transcript")
    encoding = next((one for mark, one in _BOMS.items() if octets.startswith(mark)), "utf-8")
    try:
        return octets.decode(encoding, "replace" if encoding == "utf-16" else "surrogateescape")
    except UnicodeDecodeError as error:
        raise UsageError(f"'{name}' is no text: {error.reason}") from error


def _url(conversation: Conversation) -> str:
    """Return the server that a transcript names, as a target; HOST where it names none."""
    from runner.authoring.conversation import Secured, ServerReply  # noqa: PLC0415
    from runner.language.target import SCHEMES  # noqa: PLC0415

    first = conversation.events[0] if conversation.events else None
    scheme = conversation.protocol
    if isinstance(first, Secured) and f"{scheme}s" in SCHEMES:
        scheme = f"{scheme}s"
    host = conversation.host
    if not host and conversation.protocol in ("smtp", "lmtp"):
        greeting = next((event for event in conversation.events if isinstance(event, ServerReply)), None)
        host = greeting.lines[0][4:].partition(" ")[0] if greeting else ""
        host = host if "." in host else ""
    host = host if _HOST.fullmatch(host) else "HOST"
    host = f"[{host}]" if ":" in host else host
    port = conversation.port
    return f"{scheme}://{host}" + (f":{port}" if port and port != SCHEMES[scheme].port else "")


# Where they go.


def _places(found: Sequence[_Scenario], output: str) -> list[str]:
    """Return the file of each scenario.

    Raises:
        UsageError: several are to go into one file.
    """
    is_folder = output.endswith("/") or Path(output).is_dir()
    if not is_folder and len(found) > 1:
        raise UsageError(f"{len(found)} scenarios can't go into one file; -o FOLDER/ gives each its own")
    if not is_folder:
        return [output]
    taken: dict[str, int] = {}
    places: list[str] = []
    for one in found:
        name = _slug(one.title) or _slug(Path(one.source).stem) or "scenario"
        while name in taken:
            taken[name] += 1
            name = f"{name}-{taken[name]}"
        taken[name] = 1
        places.append(str(Path(output, f"{name}.yaml")))
    return places


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].rstrip("-")


# What is told.


def _show(found: Sequence[_Scenario]) -> None:
    """Show the scenarios, and beside them what was guessed; of several each is a document of its own."""
    show("---\n".join(one.draft.text for one in found).removesuffix("\n"))
    for one in found:
        for guess in one.guesses:
            tell(f"guessed: {escape(guess)}")
    first = found[0]
    if len(found) > 1:
        tell(f"{len(found)} scenarios; -o FOLDER/ writes each into a file of its own")
    else:
        tell(f"write it with -o FILE; then run it with:\n  {_command(first, 'FILE')}")


def _command(one: _Scenario, path: str) -> str:
    return run_command(path, one.url, one.draft)
