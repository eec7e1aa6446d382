"""Files that commands write: whole or not at all, so that nobody ever reads half of one and takes it for all.

A regular file is written beside its place and renamed to it; a device or a pipe is written straight.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from runner.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

# Only for the owner, where a conversation is in it; else as the umask has it.
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o666
# What the system keeps here is written to, never replaced.
_DEVICES = ("/dev/", "/proc/")


def add_file_arguments(parser: argparse._ActionsContainer, what: str) -> None:
    """Add `-o FILE` and `--force` of a command whose result is a text, as `deliver` reads them."""
    parser.add_argument(
        "-o",
        "--output",
        type=file_name,
        default="-",
        metavar="FILE",
        help=f"write {what} to FILE, not on the terminal",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def file_name(text: str) -> str:
    """Return the name that stands behind `-o`, of every command that has it.

    Raises:
        argparse.ArgumentTypeError: it is empty, as a shell's variable that was never set.
    """
    if not text:
        import argparse  # noqa: PLC0415 -- else for the types alone

        raise argparse.ArgumentTypeError("an empty name is no file")
    return text


def deliver(text: str, options: argparse.Namespace, *, is_private: bool = False) -> bool:
    """Write what a command has made where `-o` says, and return whether that is a file; without it show the text.

    Raises:
        UsageError: there is a file already, or no folder for one.
        OSError: it can't be written; nothing of it is left.
    """
    from runner.cli.streams import show  # noqa: PLC0415 -- nothing else here writes on the terminal

    if options.output == "-":
        show(text.removesuffix("\n"))
        return False
    refuse_existing(options.output, is_forced=options.force)
    write_whole(options.output, text, is_private=is_private, may_replace=options.force)
    return True


def refuse_existing(path: str, *, is_forced: bool, advice: str = "") -> None:
    """Refuse to write over what is there, before any work is done for it.

    Raises:
        UsageError: there is a file, or no folder for one, or it is a folder's name.
    """
    if path.endswith("/"):
        raise UsageError(f"'{path}' is a folder, and here one file is written: name it, {path}FILE")
    if not is_forced and os.path.lexists(path) and not is_special(path):
        raise UsageError(f"'{path}' is there already; --force writes over it{advice}")
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"there is no folder for '{path}'")


def make_folder(path: str) -> None:
    """Make a folder if it is missing, but none above it: a slip in a long path makes no tree of folders.

    Raises:
        UsageError: there is something else of that name, or no folder for it.
        OSError: it can't be made.
    """
    folder = Path(path)
    if folder.is_dir():
        return
    if os.path.lexists(folder):
        raise UsageError(f"'{folder}' is no folder; name another one")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"there is no folder for '{path}'; only the last one of a path is made")
    with _named(path):
        folder.mkdir(exist_ok=True)


def write_whole(path: str, text: str, *, is_private: bool, may_replace: bool = True) -> None:
    """Write a text as UTF-8; what was there before stays until the new file is whole.

    Raises:
        UsageError: there is a file, and it may not be replaced.
        OSError: it can't be written; nothing of it is left.
    """
    with _named(path), NewFile(path, is_private=is_private, may_replace=may_replace) as file:
        file.write(text)
        file.finish()


def rewrite(path: str, text: str) -> None:
    """Write a new text into a file that is there: whoever may read or write it, and what links to it, stays.

    Raises:
        OSError: it can't be written; the old text is still there.
    """
    with _named(path), NewFile(path, is_private=True) as file:
        file.take_mode()
        file.write(text)
        file.finish()


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Let an error name the file that was meant, not the one beside it, or none."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


class NewFile:
    """A file that takes its place when it is finished, and is gone if it is closed before.

    Raises:
        OSError: by every method, and when it is made: there is no folder for it, it may not be written, the disk is
            full.
    """

    def __init__(self, path: str, *, is_private: bool, may_replace: bool = True) -> None:
        self._temporary: Path | None = None
        self._may_replace = may_replace
        if is_special(path):
            # A pipe that nobody reads would be waited for for ever.
            flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(path, flags)
            os.set_blocking(self._descriptor, True)
            return
        # A link stays a link, to a new file.
        self._place = Path(os.path.realpath(path))
        if self._place.exists() and not os.access(self._place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        beside = self._place.parent / f".mailproof-{os.urandom(8).hex()}"
        mode = PRIVATE_MODE if is_private else PUBLIC_MODE
        self._descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        self._temporary = beside

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take_mode(self) -> None:
        """Take over who may read and write the file that is there, and as far as one may, whose it is."""
        if self._temporary:
            before = self._place.stat()
            with suppress(OSError):
                os.fchown(self._descriptor, before.st_uid, before.st_gid)
            os.fchmod(self._descriptor, stat.S_IMODE(before.st_mode))

    def write(self, text: str) -> None:
        """Write at once; a half of a character, which UTF-8 has none for, is written as its number."""
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def take_place(self) -> None:
        """Let the file be seen at its place, though more may come."""
        if self._temporary:
            if self._may_replace:
                self._temporary.replace(self._place)
            else:
                self._take_free_place(self._temporary)
            self._temporary = None

    def _take_free_place(self, temporary: Path) -> None:
        """Take the place only if nothing has come to it meanwhile: a link, unlike a renaming, replaces nothing."""
        try:
            os.link(temporary, self._place)
        except FileExistsError:
            raise UsageError(f"'{self._place}' has appeared meanwhile; --force writes over it") from None
        except OSError:  # a file system without links
            temporary.replace(self._place)
            return
        temporary.unlink()

    def finish(self) -> None:
        """Let the file be seen, whole and on the disk."""
        if self._temporary:
            os.fsync(self._descriptor)
        self.take_place()

    def close(self) -> None:
        """Close it; what has not taken its place is gone."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):  # what mattered has been on the disk before
                os.close(descriptor)
        if self._temporary:
            with suppress(OSError):
                self._temporary.unlink()


def is_special(path: str) -> bool:
    """Whether a path is that of a device or pipe, which no file may replace.

    Raises:
        OSError: it is a folder.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 -- not by Path: an empty text is not the folder here
    except OSError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return not stat.S_ISREG(mode) or path.startswith(_DEVICES)
