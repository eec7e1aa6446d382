"""The first line of a file that we write, which tells editors where the schema of its keys is.

The schemas of a project lie in its folder `schema`, where `mailproof schema -o schema` puts them: a path that is
relative to the file holds for everybody who works on it, on any machine and with any installation. A path into an
installation would hold on one machine, and there until the next upgrade. Nothing here looks whether a schema is there.
"""

from __future__ import annotations

import posixpath
import re
from typing import Literal

Kind = Literal["scenario", "project", "fragment"]

#: Where the schemas of a project are, relative to its root.
SCHEMA_FOLDER = "schema"
# Of a file in scenarios/, which is where scenarios are looked for.
_USUAL = "../schema/scenario.schema.json"
# Editors with the YAML language server read this; those of JetBrains read `# $schema: PATH`.
_MODELINE = re.compile(r"# yaml-language-server: \$schema=[^\n]*")


def schema_name(kind: Kind) -> str:
    """Return the name of the file with the schema of a kind of file."""
    return f"{kind}.schema.json"


def modeline(path: str = "") -> str:
    """Return the line, without its end; `path` is the schema's, as seen from the file.

    >>> modeline()
    '# yaml-language-server: $schema=../schema/scenario.schema.json'
    """
    return f"# yaml-language-server: $schema={path or _USUAL}"


def schema_path(folder: str, root: str, kind: Kind = "scenario") -> str:
    """Return where a project's schema is, as seen from a file in `folder`; both folders are absolute.

    >>> schema_path("/etc/mail/tests/scenarios/mx", "/etc/mail/tests")
    '../../schema/scenario.schema.json'
    """
    return posixpath.relpath(posixpath.join(root, SCHEMA_FOLDER, schema_name(kind)), folder)


def with_modeline(text: str, path: str) -> str:
    """Return a file's text with its modeline for another path; a text that begins without one is as it was."""
    line = _MODELINE.match(text)
    return modeline(path) + text[line.end() :] if line else text
