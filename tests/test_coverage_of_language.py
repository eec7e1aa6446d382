"""Every verb, key and qualifier of the language has an example in the manual that is run, and a misuse that is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.errors import Problem, SourceFile
from runner.language.compile import compile_scenario
from runner.language.paths import resolve_inside
from runner.language.project import load_project
from tests.documented import DOCS, PLAYED, ROOT, Block, yaml_blocks
from tests.language.misuses import MISUSES

# Mappings whose keys are names that the author gives, or the server's.
NAMED = ("capabilities", "headers", "sessions", "targets", "secrets")
STEP_LISTS = ("steps", "cleanup", "pipeline", "else")


def read_schema(name: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = json.loads((ROOT / "schema" / f"{name}.schema.json").read_text("utf-8"))
    return schema


SCENARIO, PROJECT = read_schema("scenario"), read_schema("project")


def keys_of(
    document: Mapping[str, Any], schema: Mapping[str, Any], parent: str, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[int, str]]:
    """Yield every key that a schema knows: where it is defined, and `parent.key` for each parent."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/")
        if name not in seen:
            found: Any = document
            for part in name.split("/"):
                found = found[part]
            inside = "step" if name == "definitions/step" else parent
            yield from keys_of(document, found, inside, seen | {name})
        return
    for key, inner in schema.get("properties", {}).items():
        yield id(inner), f"{parent}.{key}"
        yield from keys_of(document, inner, key, seen)
    for part in ("allOf", "anyOf"):
        for inner in schema.get(part, ()):
            yield from keys_of(document, inner, parent, seen)
    for part in ("then", "items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from keys_of(document, schema[part], parent, seen)


def known(document: Mapping[str, Any], schema: Mapping[str, Any], parent: str) -> set[frozenset[str]]:
    """Return the keys of a schema, each with the places that it may have."""
    found: dict[int, set[str]] = {}
    for place, path in keys_of(document, schema, parent):
        found.setdefault(place, set()).add(path)
    return set(map(frozenset, found.values()))


FILES = {
    "scenario": known(SCENARIO, SCENARIO, "scenario"),
    "fragment_file": known(SCENARIO, SCENARIO["definitions"]["fragment_file"], "fragment_file"),
    "project": known(PROJECT, PROJECT, "project"),
}
KEYS = sorted(set.union(*FILES.values()), key=sorted)


class _Texts(yaml.CSafeLoader):
    """Reads every scalar as text, as the language does."""


_Texts.yaml_implicit_resolvers = {}


def used_in(node: Any, parent: str) -> Iterator[str]:
    """Yield the keys of a document, each as `parent.key`."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{parent}.{key}"
            is_name = parent in NAMED and isinstance(value, dict)
            yield from used_in(value, "" if is_name else key)
            for inner, below in value.items() if is_name else ():
                yield f"{parent}.{inner}"
                yield from used_in(below, inner)
    elif isinstance(node, list):
        for item in node:
            yield from used_in(item, "step" if parent in STEP_LISTS else parent)


def examples() -> Iterator[tuple[str, Any]]:
    """Yield the documents of the manual that are run, each with what it is: scenarios, and what goes with them."""
    for example in yaml_blocks(*PLAYED):
        yield "scenario", _block(example)
    for example in yaml_blocks("project"):
        yield "project", _block(example)
    for path in (DOCS / "fragments").glob("*.yaml"):
        yield "fragment_file", yaml.load(path.read_text("utf-8"), _Texts)


def _block(example: Any) -> Any:
    block: Block = example.values[0]
    return yaml.load(block.text, _Texts)


USED = {key for kind, document in examples() for key in used_in(document, kind)}


@pytest.mark.parametrize("paths", KEYS, ids=lambda paths: " ".join(sorted(paths))[:60])
def test_it_has_an_example_that_is_run(paths):
    """A scenario of the manual that is played against a server has the key; a project file, that is read."""
    assert paths & USED


def test_each_fragment_of_the_manual_is_used():
    """What counts as an example is run by another."""
    used = {
        document["use"]
        for _, whole in examples()
        for document in _steps(whole)
        if isinstance(document, dict) and "use" in document
    }
    assert {f"fragments/{path.name}" for path in (DOCS / "fragments").glob("*.yaml")} == used


def _steps(node: Any) -> Iterator[Any]:
    for key in STEP_LISTS if isinstance(node, dict) else ():
        for step in node.get(key, ()) if isinstance(node.get(key), list) else ():
            yield step
            yield from _steps(step)


# Misuses.


def told(kind: str, text: str, folder: Path) -> list[Problem]:
    """Return what is wrong with a file of a kind."""
    problems: list[Problem] = []
    if kind == "project":
        path = folder / "mailproof.yaml"
        path.write_text(text, "utf-8")
        load_project(path, problems)
    else:
        compile_scenario(SourceFile("x.yaml", text), partial(resolve_inside, DOCS, DOCS), problems)
    return problems


@pytest.mark.parametrize("paths", KEYS, ids=lambda paths: " ".join(sorted(paths))[:60])
def test_its_misuse_is_in_the_table(paths):
    """The likeliest misuse of the key is tried below."""
    assert paths & MISUSES.keys()


def test_the_table_has_no_other_keys():
    """A key that is gone takes its misuse along."""
    assert set() == MISUSES.keys() - set.union(*map(set, KEYS))


@pytest.mark.parametrize("key", MISUSES)
def test_its_misuse_is_told(key, tmp_path):
    """It brings the one message of the table, and what is told or written is about the key."""
    kind, text, message = MISUSES[key]
    problems = told(kind, text, tmp_path)
    assert message == problems[0].message
    assert [] == problems[1:]
    assert key.rpartition(".")[2] in f"{text}{problems[0].render()}"
