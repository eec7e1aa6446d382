"""The first line of a file that we write, and the schemas that it leads to."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from runner.authoring.modeline import modeline, schema_name, schema_path, with_modeline
from runner.cli.editing import fitted, schema_advice, schema_root
from runner.resources import bundled

SCENARIO = json.loads((bundled("schema") / "scenario.schema.json").read_text("utf-8"))
PROJECT = json.loads((bundled("schema") / "project.schema.json").read_text("utf-8"))
# What can be completed of these is steps, or whatever a scenario calls something.
NOTHING_TO_COMPLETE = {"steps", "else", "cleanup", "pipeline", "talk", "fragment", "params"}
LINE = "# yaml-language-server: $schema="


class TestLine:
    def test_usual(self):
        """Without a path it is that of a file in scenarios/."""
        assert f"{LINE}../schema/scenario.schema.json" == modeline()

    @pytest.mark.parametrize(
        ("folder", "expected"),
        [
            ("/p", "schema/project.schema.json"),
            ("/p/scenarios", "../schema/project.schema.json"),
            ("/p/a/b", "../../schema/project.schema.json"),
        ],
    )
    def test_path(self, folder, expected):
        """The path is relative to the file."""
        assert expected == schema_path(folder, "/p", "project")

    def test_replaced(self):
        """A text's own line gives way to another; a text without one stays as it is."""
        assert f"{LINE}x.json\nname: x\n" == with_modeline(f"{LINE}../y.json\nname: x\n", "x.json")
        assert "name: x\n" == with_modeline("name: x\n", "x.json")


class TestPlace:
    def test_project(self, tmp_path, monkeypatch):
        """The schemas are beside the nearest mailproof.yaml."""
        folder = tmp_path / "tests" / "mx"
        folder.mkdir(parents=True)
        (tmp_path / "mailproof.yaml").write_text("targets: {}\n")
        monkeypatch.chdir(tmp_path)
        text = fitted(f"{LINE}x\nname: x\n", "tests/mx/new.yaml")
        assert f"{LINE}../../schema/scenario.schema.json\nname: x\n" == text
        assert "mailproof schema -o schema" == schema_advice("tests/mx/new.yaml")

    def test_schemas_that_are_there(self, tmp_path, monkeypatch):
        """Without a project they are where they are, and nothing is to be done."""
        (tmp_path / "schema").mkdir()
        (tmp_path / "schema" / schema_name("scenario")).write_text("{}")
        folder = tmp_path / "a"
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert fitted(f"{LINE}x\n", "new.yaml").startswith(f"{LINE}../schema/")
        assert "" == schema_advice("new.yaml")

    def test_neither(self, tmp_path):
        """Without either it is the folder itself, or the one around scenarios/."""
        assert tmp_path == schema_root(tmp_path)
        assert tmp_path == schema_root(tmp_path / "scenarios")

    def test_terminal(self):
        """What is shown on the terminal keeps the usual line."""
        assert f"{LINE}x\n" == fitted(f"{LINE}x\n", "-")
        assert "" == schema_advice("-")


def resolved(document, key):
    """Return all that a schema says of a key, itself and what it refers to."""
    yield key
    for part in (key, *key.get("allOf", ())):
        if (reference := part.get("$ref", "")).startswith("#/"):
            found = document
            for name in reference.removeprefix("#/").split("/"):
                found = found[name]
            yield from resolved(document, found)
    for part in key.get("anyOf", ()):
        yield from resolved(document, part)


def keys_of(node, path=""):
    """Iterate over all keys of a schema, with their paths."""
    if isinstance(node, dict):
        for name, key in node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ():
            if isinstance(key, dict):
                yield f"{path}/{name}", key
        for name, inner in node.items():
            yield from keys_of(inner, f"{path}/{name}")
    elif isinstance(node, list):
        for inner in node:
            yield from keys_of(inner, path)


@pytest.mark.parametrize("document", [SCENARIO, PROJECT], ids=["scenario", "project"])
class TestSchema:
    def test_hover(self, document):
        """An editor has something to say of every key."""
        told = {path: any(one.get("description") for one in resolved(document, key)) for path, key in keys_of(document)}
        assert len(told) > 30
        assert [] == [path for path, has in told.items() if not has]

    def test_completion(self, document):
        """An editor has a value to offer for every key: an example, a default, one of a few, or keys inside."""
        offers = ("examples", "default", "enum", "const", "properties")
        missing = [
            path
            for path, key in keys_of(document)
            if path.rpartition("/")[2] not in NOTHING_TO_COMPLETE
            and not any(offer in one for one in resolved(document, key) for offer in offers)
        ]
        assert [] == missing

    def test_draft(self, document):
        """It is draft 7, which every editor knows."""
        assert "http://json-schema.org/draft-07/schema#" == document["$schema"]
        Draft7Validator.check_schema(document)
