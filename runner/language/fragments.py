"""Fragments: files of steps that scenarios use by name, read once and compiled anew wherever they are used.

A fragment's parameters are known in that fragment alone. Its paths start from its own folder and never lead out of
the root of the scenario that uses it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import InputError, Problem, SourceFile, Span
from runner.language.loader import load, read_file
from runner.language.nodes import Mapping as MappingNode
from runner.language.nodes import Node, Scalar, Sequence
from runner.language.schema import check_fragment

if TYPE_CHECKING:
    from runner.language.reading import FindFile

KEY = "fragment"
# Deeper than anybody follows, and far below what recursion bears.
MAX_DEPTH = 16
# Fragments that use fragments twice, and so on, would grow without end.
MAX_USES = 1000
_ADVICE = "a fragment begins with 'fragment: {params: […]}' and 'steps:'"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment file, read and checked by the schema; `parameters` lead to where they are named."""

    source: SourceFile
    parameters: Mapping[str, Span]
    protocol: str
    steps: Node | None


@dataclass(slots=True)
class Library:
    """The fragments of one scenario, each read once."""

    uses: int = 0
    #: The files that are being compiled, one inside the other.
    open: list[str] = field(default_factory=list)
    _known: dict[str, Fragment | None] = field(default_factory=dict)

    def get(self, path: str, name: str, problems: list[Problem]) -> Fragment | None:
        """Return the fragment in the file at `path`, which messages call `name`; None if it is none."""
        if path not in self._known:
            self._known[path] = _read(path, name, problems)
        return self._known[path]


def _read(path: str, name: str, problems: list[Problem]) -> Fragment | None:
    try:
        source = read_file(Path(path), name)
    except InputError as error:
        problems += error.problems
        return None
    root = load(source, problems, advice=_ADVICE)
    if root is None:
        return None
    if KEY not in root.items:
        place = next(iter(root.items.values()))[0].span if root.items else root.span
        problems.append(Problem(place, f"'{name}' is no fragment", _ADVICE))
        return None
    return read_fragment(source, root, problems)


def read_fragment(source: SourceFile, root: MappingNode, problems: list[Problem]) -> Fragment:
    """Check a fragment's file and return it."""
    check_fragment(root, problems)
    head, protocol = root.get(KEY), root.get("protocol")
    listed = head.get("params") if isinstance(head, MappingNode) else None
    parameters: dict[str, Span] = {}
    for item in listed.items if isinstance(listed, Sequence) else ():
        if not isinstance(item, Scalar):
            continue
        if item.text in parameters:
            problems.append(Problem(item.span, f"'{item.text}' is named twice", "each parameter once"))
        parameters[item.text] = item.span
    return Fragment(
        source=source,
        parameters=parameters,
        protocol=protocol.text if isinstance(protocol, Scalar) else "",
        steps=root.get("steps"),
    )


def find_from(find_file: FindFile, file: str) -> FindFile:
    """Return what resolves paths that the file `file` names, itself named so by the file that `find_file` is for."""
    folder = posixpath.dirname(file)
    if not folder:
        return find_file

    def find(text: str) -> str:
        joined = posixpath.join(folder, text)
        try:
            return find_file(joined)
        except ValueError as error:
            message, *advice = error.args
            raise ValueError(message.replace(f"'{joined}'", f"'{text}'"), *advice) from error

    return find


def name_from(source: SourceFile, file: str) -> str:
    """Return what messages call the file that `source` names `file`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source.name), file))
