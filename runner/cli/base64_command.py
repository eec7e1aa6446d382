"""`mailproof base64`: the two little tools of an afternoon with telnet."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from runner.cli.exit_codes import told_codes
from runner.cli.streams import show, show_octets, tell
from runner.errors import EXIT_PASSED, UsageError, escape

if TYPE_CHECKING:
    from collections.abc import Iterator

HELP = "encode and decode what AUTH sends, without a password on the command line"
DESCRIPTION = r"""Encodes and decodes base64 as AUTH uses it. Without TEXT a terminal is asked,
for what is to be encoded without echo; else standard input is read, and one
line end at its end is dropped. In TEXT, and in what is decoded, \0 is a NUL.

  mailproof base64 encode --sasl plain alice     what goes after AUTH PLAIN
  mailproof base64 encode --sasl login alice     the two answers of AUTH LOGIN
  mailproof base64 decode 'AUTH PLAIN AGFsaWNlAGdlaGVpbQ=='
  mailproof base64 decode VXNlcm5hbWU6"""
# What a password, a token or a challenge has is a few hundred octets; who pipes a message in wants another tool.
MOST_OCTETS = 1024 * 1024
_ENCODE = r"""Encodes a text. A password on the command line shows in the list of processes:
leave TEXT out and it is asked for without echo. \0 in TEXT is a NUL."""
_DECODE = r"""Decodes base64, also in a whole line as it stands in a transcript: '334 …',
'+ …', 'AUTH PLAIN …'. On a terminal what steers it is shown by its number,
a NUL as \0; into a file or a pipe go the octets as they are."""
_MECHANISMS = ("plain", "login", "xoauth2")
# What stands before the base64 in a line of a transcript.
_BEFORE = re.compile(
    r"\A(?:[CS]: *)?(?:334|\+|(?:\S+ +)?(?:AUTH|AUTHENTICATE) +\S+) +(?=\S+\s*\Z)", re.IGNORECASE | re.ASCII
)
_ALPHABET = re.compile(r"[A-Za-z0-9+/]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with its arguments."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, told, description, act in (
        ("encode", "encode a text, a password, or a whole SASL response", _ENCODE, _encode),
        ("decode", "decode what a server or a client has sent", _DECODE, _decode),
    ):
        added = actions.add_parser(
            name,
            help=told,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.add_argument("--debug", action="store_true", help="show where in mailproof an internal error arose")
        added.add_argument("text", nargs="?", metavar="TEXT", help="the text; left out, it is asked for or read")
        added.epilog = told_codes("base64", added)
        added.set_defaults(perform=act, parser=added, sasl=None)
        if name == "encode":
            added.add_argument(
                "--sasl",
                nargs=2,
                metavar=("MECHANISM", "USER"),
                help="make the response of plain, login or xoauth2 for USER; the password or token is asked for",
            )


def perform(options: argparse.Namespace) -> int:
    """Perform the action that was named."""
    code: int = options.perform(options)
    return code


# Encoding.


def _encode(options: argparse.Namespace) -> int:
    if options.sasl is not None:
        return _encode_response(options)
    if options.text is None:
        data = _read("text, not shown", is_secret=True)
    else:
        tell("mailproof: what stands on a command line shows in the list of processes; a password is better asked for")
        data = options.text.replace("\\0", "\0").encode("utf-8", "surrogateescape")
    show(_encoded(data))
    return EXIT_PASSED


def _encode_response(options: argparse.Namespace) -> int:
    """Show what each line of an exchange is made of, in base64."""
    mechanism, user = options.sasl[0].lower(), options.sasl[1]
    if mechanism not in _MECHANISMS:
        raise UsageError(
            f"--sasl {escape(mechanism)}: no such mechanism here; there are {', '.join(_MECHANISMS)}, "
            "and in a scenario 'auth' knows more"
        )
    if options.text is not None:
        raise UsageError(
            "a password on the command line shows in the list of processes; leave TEXT out, and it is asked for"
        )
    asked = "token" if mechanism == "xoauth2" else "password"
    secret = _read(asked, is_secret=True).decode("utf-8", "surrogateescape")
    if not secret:
        raise UsageError(f"the {asked} is empty: nothing was typed, or standard input holds nothing")
    if "\n" in secret or "\r" in secret:
        raise UsageError(f"a line end inside the {asked}: standard input holds more than its one line")
    for line in _responses(mechanism, user, secret):
        show(_encoded(line))
    return EXIT_PASSED


def _responses(mechanism: str, user: str, secret: str) -> Iterator[bytes]:
    from runner.sasl import Credentials, SaslError, create  # noqa: PLC0415 -- hashes, for this only

    is_token = mechanism == "xoauth2"
    known = Credentials(user, token=secret) if is_token else Credentials(user, secret)
    try:
        exchange = create(mechanism, known)
        first = exchange.initial()
        if first is not None:
            yield first
        else:
            yield exchange.respond(b"Username:")
            yield exchange.respond(b"Password:")
    except SaslError as error:
        raise UsageError(str(error)) from error


def _encoded(data: bytes) -> str:
    from base64 import b64encode  # noqa: PLC0415 -- few commands need it

    return b64encode(data).decode("ascii")


# Decoding.


def _decode(options: argparse.Namespace) -> int:
    if options.text is None:
        text = _read("base64", is_secret=False).decode("utf-8", "backslashreplace")
    else:
        text = options.text
    data = decoded(text)
    if sys.stdout.isatty():
        show("\n".join(escape(line) for line in _as_text(data).split("\n")))
    else:
        show_octets(data)
    return EXIT_PASSED


def decoded(text: str) -> bytes:
    """Decode base64 in lines, or the base64 of one line of a transcript.

    Raises:
        UsageError: it is no base64; says where, and not what the text is.
    """
    from base64 import b64decode  # noqa: PLC0415

    word = _BEFORE.sub("", text.strip(), count=1).strip('"')
    word = re.sub(r"\r?\n", "", word)
    body = word.rstrip("=")
    good = _ALPHABET.match(body)
    assert good is not None
    if good.end() < len(body):
        wrong = body[good.end()]
        raise UsageError(f"no base64: {_named(wrong)} at character {good.end() + 1} of {len(word)}{_advice(wrong)}")
    if len(body) % 4 == 1:
        raise UsageError(f"no base64: {len(body)} characters, one too many or three too few; it is cut")
    due = -len(body) % 4
    if len(word) - len(body) != due:
        says = f"{due} '=' at its end" if due else "no '=' at its end"
        raise UsageError(f"no base64: {len(body)} characters want {says}, and there are {len(word) - len(body)}")
    return b64decode(word)


def _named(char: str) -> str:
    return "a blank" if char == " " else f"'{escape(char)}'"


def _advice(char: str) -> str:
    if char == "=":
        return "; '=' stands at the end only: are these two texts?"
    return "; base64url has '-' and '_' where base64 has '+' and '/'" if char in "-_" else ""


def _as_text(data: bytes) -> str:
    """Return octets to be read: NUL as an author writes it, what is no UTF-8 by its number."""
    return data.decode("utf-8", "backslashreplace").replace("\0", "\\0")


# What is read.


def _read(name: str, *, is_secret: bool) -> bytes:
    """Ask at a terminal, or read standard input to its end without the line end that `echo` adds.

    Raises:
        UsageError: nothing can be asked or read.
    """
    if sys.stdin is None:
        raise UsageError("standard input is closed, and there is no TEXT")
    data = _asked(name, is_secret=is_secret) if sys.stdin.isatty() else _from_input()
    if is_secret:
        from runner.cli.debugging import remember  # noqa: PLC0415

        remember([data.decode("utf-8", "surrogateescape")])
    return data


def _asked(name: str, *, is_secret: bool) -> bytes:
    from runner.language.names import SecretError  # noqa: PLC0415
    from runner.language.target import SecretRef  # noqa: PLC0415
    from runner.surroundings import SecretStore  # noqa: PLC0415

    if not is_secret:
        print(f"{name}: ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().encode("utf-8", "surrogateescape")
    try:
        return SecretStore().get(SecretRef("prompt", name)).encode("utf-8", "surrogateescape")
    except SecretError as error:
        raise UsageError(f"nothing was typed: {error}") from error


def _from_input() -> bytes:
    data = sys.stdin.buffer.read(MOST_OCTETS + 1)
    if len(data) > MOST_OCTETS:
        raise UsageError(f"standard input holds more than {MOST_OCTETS} bytes")
    if data.endswith(b"\n"):
        tell("mailproof: one line end at the end of standard input was dropped")
        data = data.removesuffix(b"\r\n" if data.endswith(b"\r\n") else b"\n")
    return data
