"""Where the files that ship with the tool are: the bundled pack and the schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


def bundled(kind: Literal["scenarios", "schema"]) -> Path:
    """Return the folder: inside the package in an installed wheel, beside it in a checkout."""
    inside = _HERE / "_bundled" / kind
    return inside if inside.is_dir() else _HERE.parent / kind
