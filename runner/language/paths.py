"""Paths that files name: relative to the file, and never out of the root, whatever links there are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

PROJECT_FILE = "mailproof.yaml"


def find_root(path: Path, otherwise: Path) -> Path:
    """Return the nearest folder upwards from a scenario that holds the project file, else `otherwise`.

    A scenario that is a link belongs where the link is: its paths are relative to that folder, too.
    """
    for folder in Path(os.path.abspath(path)).parents:  # noqa: PTH100 -- `absolute` leaves `..` in
        if (folder / PROJECT_FILE).is_file():
            return folder
    return otherwise.resolve()


def resolve_inside(root: Path, base: Path, text: str) -> str:
    """Return the absolute path of a regular file that `text` names, seen from the folder `base`.

    Raises:
        ValueError: it leads out of `root`, is no plain relative path, or is no regular file; with what is wrong and
            what would be right.
    """
    if text.startswith(("/", "~")) or "${" in text or "://" in text or "\0" in text:
        advice = "a path starts from this file's folder, without ~, ${…} or a scheme"
        raise ValueError(f"'{text}' is no relative path", advice)
    # Links are followed first; `Path.resolve` raises where they go in a circle.
    path, inside = Path(os.path.realpath(base / text)), Path(os.path.realpath(root))
    if not path.is_relative_to(inside):
        raise ValueError(
            f"'{text}' leads out of the folder '{inside.name}'", "a scenario's files lie in that folder or below"
        )
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ValueError(f"there is no file '{text}'", "a path starts from this file's folder") from error
    if not stat.S_ISREG(mode):
        raise ValueError(f"'{text}' is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}")
    return str(path)
