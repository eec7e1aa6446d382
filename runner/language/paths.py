"""Paths that files name: relative to the file, and never out of the root, whatever links there are."""

from __future__ import annotations

from pathlib import Path

PROJECT_FILE = "mailproof.yaml"


def find_root(path: Path, otherwise: Path) -> Path:
    """Return the nearest folder upwards from a scenario that holds the project file, else `otherwise`."""
    for folder in path.resolve().parents:
        if (folder / PROJECT_FILE).is_file():
            return folder
    return otherwise.resolve()


def resolve_inside(root: Path, base: Path, text: str) -> str:
    """Return the absolute path of a regular file that `text` names, seen from the folder `base`.

    Raises:
        ValueError: it leads out of `root`, is no plain relative path, or is no regular file.
    """
    if text.startswith(("/", "~")) or "${" in text or "://" in text:
        raise ValueError(f"'{text}' is no relative path; write it relative to this file, without ~, ${{…}} or a scheme")
    path = (base / text).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ValueError(f"'{text}' leads out of the folder {root.name or root}, where a scenario's files must lie")
    try:
        is_file = path.is_file()
    except OSError:
        is_file = False  # a name too long for the system
    if not is_file:
        raise ValueError(f"there is no file '{text}' here")
    return str(path)
