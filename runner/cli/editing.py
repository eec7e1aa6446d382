"""What a file that we write owes to editors: a modeline that leads to the schema of its project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runner.authoring.modeline import SCHEMA_FOLDER, schema_name, schema_path, with_modeline

if TYPE_CHECKING:
    from runner.authoring.modeline import Kind


def fitted(text: str, path: str, kind: Kind = "scenario") -> str:
    """Return a file's text with the modeline that is right where it will be; `-` leaves it as it is."""
    if path == "-":
        return text
    folder = _folder(path)
    return with_modeline(text, schema_path(str(folder), str(schema_root(folder)), kind))


def schema_advice(path: str, kind: Kind = "scenario") -> str:
    """Return the command that puts the schemas where a file's modeline looks for them; nothing if they are there."""
    if path == "-":
        return ""
    place = schema_root(_folder(path)) / SCHEMA_FOLDER
    if (place / schema_name(kind)).is_file():
        return ""
    return f"mailproof schema -o {_shown(place)}"


def schema_root(folder: Path) -> Path:
    """Return the root that the schemas lie below, for files in a folder.

    That is the nearest folder upwards with a mailproof.yaml, else with schemas, else the folder around a `scenarios`,
    else the folder itself.
    """
    from runner.language.paths import PROJECT_FILE  # noqa: PLC0415

    upwards = (folder, *folder.parents)
    for sign in (PROJECT_FILE, f"{SCHEMA_FOLDER}/{schema_name('scenario')}"):
        for one in upwards:
            if (one / sign).is_file():
                return one
    return folder.parent if folder.name == "scenarios" else folder


def _folder(path: str) -> Path:
    return Path(os.path.abspath(path)).parent  # noqa: PTH100 -- `absolute` leaves `..` in


def _shown(path: Path) -> str:
    from shlex import quote  # noqa: PLC0415

    relative = os.path.relpath(path)
    return quote(relative if not relative.startswith("../../..") else str(path))
