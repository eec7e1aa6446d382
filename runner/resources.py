"""Where the files that ship with the tool are: the bundled pack, the schemas, the first files for new users."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


def bundled(kind: Literal["scenarios", "schema"]) -> Path:
    """Return the folder: inside the package in an installed wheel, beside it in a checkout."""
    inside = _HERE / "_bundled" / kind
    return inside if inside.is_dir() else _HERE.parent / kind


def template(kind: str) -> Path:
    """Return the file that `mailproof new` writes for a kind."""
    return _HERE / "authoring" / "templates" / f"{kind}.yaml"
