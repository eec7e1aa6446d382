"""Every verb, key and qualifier of the language has an example that is tested, and an error text of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SCHEMA: Mapping[str, Any] = json.loads((ROOT / "schema" / "scenario.schema.json").read_text("utf-8"))
# Mappings whose keys are names that the author gives, or the server's.
NAMED = ("capabilities", "sessions")
STEP_LISTS = ("steps", "cleanup", "pipeline", "else")


def keys_of(schema: Mapping[str, Any], path: str = "", seen: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """Yield every key that a schema knows: where it is defined, and `parent.key` for each parent."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/")
        if name not in seen:
            found: Any = SCHEMA
            for part in name.split("/"):
                found = found[part]
            yield from keys_of(found, path, seen | {name})
        return
    for key, inner in schema.get("properties", {}).items():
        yield id(inner), f"{path}.{key}".lstrip(".")
        yield from keys_of(inner, key, seen)
    for part in ("allOf", "anyOf"):
        for inner in schema.get(part, ()):
            yield from keys_of(inner, path, seen)
    for part in ("then", "items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from keys_of(schema[part], path, seen)


def known() -> list[frozenset[str]]:
    """Return the keys of the language, each with the parents that it may have; a step's own have none."""
    found: dict[int, set[str]] = {}
    for place, path in keys_of(SCHEMA):
        parent, _, key = path.rpartition(".")
        found.setdefault(place, set()).add(key if parent in STEP_LISTS else path)
    return sorted(set(map(frozenset, found.values())), key=sorted)


class _Texts(yaml.CSafeLoader):
    """Reads every scalar as text, as the language does."""


_Texts.yaml_implicit_resolvers = {}


def used_in(node: Any, parent: str = "") -> Iterator[str]:
    """Yield the keys of a document, alone and as `parent.key`."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield f"{parent}.{key}"
            yield from used_in(value, parent if parent in NAMED else key)
    elif isinstance(node, list):
        for item in node:
            yield from used_in(item, parent)


def documents() -> Iterator[Any]:
    """Yield every scenario and fragment that a test plays or compiles, and every such example of the manual."""
    for folder in ("scenarios", "tests/real/scenarios"):
        for path in (ROOT / folder).rglob("*.yaml"):
            yield yaml.load(path.read_text("utf-8"), _Texts)
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for kind, text in re.findall(r"^```yaml *(\w*)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            if kind in ("", "runs", "fails", "steps", "project"):  # a target's tls is a step's
                yield yaml.load(text, _Texts)


EXAMPLES = {key for document in documents() for key in used_in(document)}
ERRORS = "".join(
    path.read_text("utf-8", "replace") for path in (ROOT / "tests" / "golden" / "errors").glob("*.yaml")
) + "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "language").glob("test_*.py"))


@pytest.mark.parametrize("paths", known(), ids=lambda paths: " ".join(sorted(paths))[:60])
def test_it_has_an_example(paths):
    """Somewhere in the manual or in a scenario that is run."""
    assert paths & EXAMPLES


@pytest.mark.parametrize("key", sorted({path.rpartition(".")[2] for paths in known() for path in paths}))
def test_its_misuse_is_told(key):
    """The key stands in a file whose errors are compared, or in a test of the language."""
    assert re.search(rf"\b{key}\b['\"]?\s*:", ERRORS)
