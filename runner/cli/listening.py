"""`mailproof record --listen`: sit between a client and the server, and write the scenarios of what they say."""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from runner.cli import debugging
from runner.cli.files import make_folder, refuse_existing, write_whole
from runner.cli.signals import handled_by
from runner.cli.streams import tell
from runner.errors import EXIT_PASSED, EXIT_TERMINATED, EXIT_TOOL, ToolError, UsageError, escape

if TYPE_CHECKING:
    import ssl

    from runner.language.project import Target
    from runner.recording.proxy import Passed, Proxy
    from runner.wire import Endpoint, TlsWish

_LOOPBACK = "127.0.0.1"
_LAST_PORT = 0xFFFF
_SUFFIXES = (".yaml", ".yml")
# In a folder, and with a number behind it.
_NAME = "recording"


def add_listen_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the recording proxy."""
    proxy = parser.add_argument_group("a client's conversations")
    proxy.add_argument(
        "--listen",
        type=_place,
        metavar="[HOST:]PORT",
        help="wait here for a mail program or a script, pass on all that is said, and write a scenario of each of its "
        "connections: FILE, FILE-2 and so on, or files in the folder that -o names; without HOST on this machine only",
    )
    proxy.add_argument("--tls", action="store_true", help="begin with TLS at --listen, where the target does so, too")
    proxy.add_argument("--cert", metavar="FILE", help="the proxy's certificate, PEM (default: made on the spot)")
    proxy.add_argument("--key", metavar="FILE", help="the certificate's key; default: it is in the same file")
    proxy.add_argument("--once", action="store_true", help="end after the first connection that has said anything")


def _place(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else _LOOPBACK
    if not (host and port.isascii() and port.isdigit() and len(port) < 6 and int(port) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"'{text}' is no port, and no HOST:PORT")
    return host, int(port)


def refuse_without_listen(options: argparse.Namespace) -> None:
    """Refuse options that would do nothing: who gives one must not believe that it did.

    Raises:
        UsageError: there is one.
    """
    given = {"--tls": options.tls, "--cert": options.cert, "--key": options.key, "--once": options.once}
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} is for a client's conversations: it goes with --listen")


def listen(options: argparse.Namespace, target: Target, endpoint: Endpoint, wish: TlsWish) -> int:
    """Record what clients say to the server, and return the exit code."""
    from runner.recording.proxy import Door, Proxy  # noqa: PLC0415

    _refuse(options, target)
    places = _Places(options)
    caught: set[int] = set()
    with ExitStack() as stack:
        context, ca = _certificate(options, target, stack)
        door = Door(target.protocol, endpoint, wish, context, is_implicit=options.tls)
        writer = _Writer(options, target, places)
        proxy = stack.enter_context(Proxy(options.listen, door, writer.take))
        writer.stop = proxy.stop

        def stop(number: int, _: FrameType | None) -> None:
            caught.add(number)
            proxy.stop()

        with handled_by(stop, signal.SIGINT, signal.SIGTERM):
            _tell_how(proxy, target, ca)
            proxy.run()
    if not writer.written and not writer.has_failed:
        tell("nothing was recorded, and no file is written")
    if writer.has_failed:
        return EXIT_TOOL
    return EXIT_TERMINATED if signal.SIGTERM in caught else EXIT_PASSED


def _refuse(options: argparse.Namespace, target: Target) -> None:
    """Refuse what contradicts itself or would do nothing."""
    if options.output == "-":
        raise UsageError(
            "--listen writes a file for each connection: name it, -o FILE, or a folder for all, -o FOLDER/"
        )
    if target.command:
        raise UsageError(f"'{target.name}' is a command, and --listen reaches servers by their address")
    if target.protocol == "tcp":
        raise UsageError("what belongs to what is not known of tcp: --listen wants a mail protocol")
    if options.key and not options.cert:
        raise UsageError("--key goes with --cert")
    if options.tls and not target.implicit_tls:
        raise UsageError(f"--tls: '{target.name}' begins in clear text, so the client does, and says STARTTLS")
    if options.cert and target.implicit_tls and not options.tls:
        raise UsageError("--cert does nothing here: without --tls the client speaks clear text with the proxy")


def _certificate(
    options: argparse.Namespace, target: Target, stack: ExitStack
) -> tuple[ssl.SSLContext | None, Path | None]:
    """Return the settings of the client's TLS, and the PEM file of the CA that was made for it.

    Raises:
        ToolError: the certificate can't be used, none can be made for the address, or the extra that makes one is not
            installed.
    """
    from runner.demo import certificate  # noqa: PLC0415 -- slow to import
    from runner.surroundings import full_host_name  # noqa: PLC0415

    if target.implicit_tls and not options.tls:
        return None, None
    if options.cert:
        return certificate.load(options.cert, options.key or ""), None
    own = full_host_name()
    # A machine may have an underscore in its name, a certificate may not (RFC 5280 section 4.2.1.6).
    names = ("localhost", _LOOPBACK, "::1", options.listen[0], own if "_" not in own else "")
    try:
        return certificate.make(names, "proxy", stack)
    except ModuleNotFoundError as error:
        words = "a certificate for the client's side is made by the extra 'demo': pip install 'mailproof[demo]'"
        raise ToolError(f"{words}; or name one of your own, --cert FILE --key FILE") from error
    except ValueError as error:
        host, port = options.listen
        raise ToolError(f"--listen {host}:{port}: no such address") from error


def _tell_how(proxy: Proxy, target: Target, ca: Path | None) -> None:
    host, port = proxy.address
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if ca is not None:
        tell(f"the client is to trust {ca}")
    tell(f"listening at {shown} for {escape(target.url or target.name)}; Ctrl-C ends it")


class _Places:
    """Where the scenarios go: FILE, FILE-2 and so on, or numbered ones in a folder; none over a file without --force.

    A name that ends in / is a folder, made if it is missing.

    Raises:
        UsageError: the first can't be there.
        OSError: the folder can't be made.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._is_forced: bool = options.force
        path = Path(options.output)
        if options.output.endswith("/"):
            make_folder(options.output)
        self._is_folder = path.is_dir()
        self._base = path / f"{_NAME}.yaml" if self._is_folder else path
        self._number = 0
        if not self._is_folder:
            refuse_existing(str(path), is_forced=self._is_forced)

    def next(self) -> str:
        """Return the next place that is free, or may be written over."""
        while True:
            self._number += 1
            base = self._base
            suffix = base.suffix if base.suffix in _SUFFIXES else ""
            has_number = self._number > 1 or self._is_folder
            name = f"{base.name.removesuffix(suffix)}-{self._number}{suffix}" if has_number else base.name
            place = base.with_name(name)
            if self._is_forced or not place.exists():
                return str(place)


class _Writer:
    """Writes the scenario of every connection that is over, and tells of it."""

    def __init__(self, options: argparse.Namespace, target: Target, places: _Places) -> None:
        self.written = 0
        self.has_failed = False
        self._options, self._target, self._places = options, target, places
        self._told_hidden: set[str] = set()
        self.stop: Any = None

    def take(self, passed: Passed) -> None:
        """Take a connection that is over; a client that has said nothing is passed over."""
        overheard, who = passed.overheard, f"client {escape(passed.client)}"
        if passed.crash is not None:
            tell(f"mailproof: internal error: {debugging.describe(passed.crash, is_debug=self._options.debug)}")
            self.has_failed = True
        if passed.trouble:
            tell(f"mailproof: {who}: {escape(passed.trouble)}")
        if overheard.lost:
            tell(f"mailproof: {who}: recorded up to where it can't be read any more: {escape(overheard.lost)}")
        elif overheard.has_unfinished:
            tell(f"mailproof: {who}: what had not come to its end is left out")
        self._tell_hidden(overheard.hidden)
        place = (self._target.host, self._target.port)
        source = f"a client's conversation with {self._target.url or self._target.name}"
        conversation = overheard.conversation(place, source)
        if conversation is None:
            return
        from runner.authoring.draft import draft  # noqa: PLC0415
        from runner.cli.drafted import advise, keep_elsewhere, run_command, tls_words  # noqa: PLC0415
        from runner.cli.editing import fitted  # noqa: PLC0415

        made = draft(conversation, expect=self._options.expect, title=self._options.name)
        try:
            path = self._places.next()
            write_whole(path, fitted(made.text, path), is_private=False, may_replace=self._options.force)
        except (OSError, UsageError) as error:
            reason = (getattr(error, "strerror", "") or str(error)).lower()
            tell(f"mailproof: {who}: the scenario can't be written: {escape(reason)}")
            self.has_failed = True
            keep_elsewhere(made.text)
        else:
            self.written += 1
            command = run_command(path, self._options.target, made, more=tls_words(self._options))
            advise(path, command, made.guesses)
        if self._options.once:
            self.stop()

    def _tell_hidden(self, hidden: set[str]) -> None:
        """Tell once what a client was not shown."""
        if new := sorted(hidden - self._told_hidden):
            self._told_hidden.update(new)
            tell(f"kept from the client, for it can't be passed on or recorded: {escape(', '.join(new))}")
