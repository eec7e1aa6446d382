"""What a file means, whatever it looks like: the compiled scenario without its places, or the plain values.

Two texts with one meaning may be taken for each other; that is what a formatter is held to.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

from runner.errors import Problem, SourceFile, Span
from runner.language.compile import compile_scenario
from runner.language.fragments import KEY as FRAGMENT
from runner.language.loader import load, plain
from runner.language.reading import FindFile
from runner.language.template import Placeholder


def meaning(source: SourceFile, find_file: FindFile) -> object:
    """Return a value that is equal for files with the same meaning."""
    root = load(source, [])
    values = plain(root) if root is not None else None
    if root is None or FRAGMENT in root.items or "steps" not in root.items:
        return _normal(values), None
    problems: list[Problem] = []
    scenario = compile_scenario(source, find_file, problems)
    told = Counter(problem.message for problem in problems)
    return _normal(values), (without_places(scenario), told)


def _normal(values: Any, key: str = "") -> object:
    """Return plain values as a value in which only the order that counts is kept."""
    if isinstance(values, dict):
        inner = {name: _normal(value, name) for name, value in values.items()}
        return tuple(inner.items()) if key in ("matrix", "each") else inner
    if isinstance(values, list):
        return [_normal(value) for value in values]
    # A dialogue ends with its last line, however many blank ones follow.
    return values.rstrip("\n") if key == "talk" and values else values


def without_places(value: Any) -> object:
    """Return a value of the model as tuples, without where it was written."""
    if isinstance(value, Span | SourceFile):
        return None
    if isinstance(value, Mapping):
        if value and all(
            isinstance(one, tuple) and one[:1] and isinstance(one[0], Placeholder) for one in value.values()
        ):
            return {name: Counter(map(str, one)) for name, one in value.items()}
        return {name: without_places(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return tuple(without_places(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (one for one in dataclasses.fields(value) if one.compare)
        return type(value).__name__, tuple((one.name, without_places(getattr(value, one.name))) for one in fields)
    return value
