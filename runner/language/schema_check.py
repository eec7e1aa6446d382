"""A JSON Schema (Draft-07) compiled to closures over nodes, which say yes or no and nothing more.

This is the fast half of `schema`: no message is made here, and jsonschema is not imported for a good file.
It knows the keywords that the project's own schemas use and refuses to compile any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from runner.language.loader import Mapping, Node, Scalar, Sequence

Check: TypeAlias = Callable[[Node], bool]

_REF = "#/"
# Keywords for readers and editors, and bounds for numbers: every scalar of ours is a text.
_SILENT = frozenset({"$schema", "title", "description", "default", "examples", "definitions", "minimum"})
_OBJECT = frozenset(
    {"properties", "additionalProperties", "required", "minProperties", "maxProperties", "propertyNames"}
)
_ARRAY = frozenset({"items", "minItems"})
_TEXT = frozenset({"pattern", "minLength"})


def _yes(_: Node) -> bool:
    return True


def _no(_: Node) -> bool:
    return False


class SchemaCompiler:
    """Compiles the schema `document`; `replaced` are checks that stand in for a definition, by its `$ref`."""

    def __init__(self, document: dict[str, Any], replaced: dict[str, Check] | None = None) -> None:
        self._document = document
        self._checks: dict[str, Check] = dict(replaced or {})

    def root(self) -> Check:
        """Return the check of a whole file."""
        return self._compile(self._document)

    def ref(self, name: str) -> Check:
        """Return the check of what `$ref` names."""
        check = self._checks.get(name)
        if check is None:
            # Definitions may lead back to themselves: until this one is done, it is found by its name.
            self._checks[name] = lambda node: self._checks[name](node)  # noqa: PLW0108 -- not yet what it will be
            check = self._checks[name] = self._compile(self._find(name))
        return check

    def _find(self, name: str) -> dict[str, Any]:
        found = self._document
        for part in name.removeprefix(_REF).split("/"):
            found = found[part]
        return found

    def _compile(self, schema: dict[str, Any]) -> Check:
        if "$ref" in schema:
            return self.ref(schema["$ref"])
        checks: list[Check] = []
        words = schema.keys() - _SILENT
        if "type" in words:
            checks.append(_type(schema["type"]))
        if words & _TEXT:
            checks.append(_text(schema))
        if "enum" in words:
            checks.append(_enum(schema["enum"]))
        if words & _ARRAY:
            checks.append(self._array(schema))
        if words & _OBJECT:
            checks.append(self._object(schema))
        if "allOf" in words:
            checks += [self._compile(part) for part in schema["allOf"]]
        if "anyOf" in words:
            checks.append(_any([self._compile(part) for part in schema["anyOf"]]))
        unknown = words - _OBJECT - _ARRAY - _TEXT - {"type", "enum", "allOf", "anyOf"}
        if unknown:
            raise NotImplementedError(f"schema keyword {min(unknown)!r}")
        return _all(checks)

    def _array(self, schema: dict[str, Any]) -> Check:
        item, least = self._compile(schema.get("items", {})), schema.get("minItems", 0)

        def check(node: Node) -> bool:
            if type(node) is not Sequence:
                return True
            return len(node.items) >= least and all(map(item, node.items))

        return check

    def _object(self, schema: dict[str, Any]) -> Check:
        known = {key: self._compile(value) for key, value in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties", {})
        other = _no if others is False else self._compile(others)
        required = schema.get("required", ())
        least, most = schema.get("minProperties", 0), schema.get("maxProperties")
        names = re.compile(schema.get("propertyNames", {}).get("pattern", ""))

        def check(node: Node) -> bool:
            if type(node) is not Mapping:
                return True
            items = node.items
            if len(items) < least or (most is not None and len(items) > most):
                return False
            for key, (_, value) in items.items():
                if not known.get(key, other)(value) or not names.search(key):
                    return False
            return all(key in items for key in required)

        return check


def _type(names: str | list[str]) -> Check:
    kinds = {names} if isinstance(names, str) else set(names)
    text_fits, null_fits = "string" in kinds, "null" in kinds
    classes = {kind for name, kind in (("array", Sequence), ("object", Mapping)) if name in kinds}

    def check(node: Node) -> bool:
        if type(node) is Scalar:
            return text_fits if node.text or node.style else null_fits
        return type(node) in classes

    return check


def _text(schema: dict[str, Any]) -> Check:
    pattern, least = re.compile(schema.get("pattern", "")), schema.get("minLength", 0)

    def check(node: Node) -> bool:
        if type(node) is not Scalar or node.is_empty:
            return True
        return len(node.text) >= least and pattern.search(node.text) is not None

    return check


def _enum(values: list[Any]) -> Check:
    texts = frozenset(value for value in values if isinstance(value, str))

    def check(node: Node) -> bool:
        return type(node) is Scalar and node.text in texts and not node.is_empty

    return check


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda node: first(node) and second(node)
    return (lambda node: all(check(node) for check in checks)) if checks else _yes


def _any(checks: list[Check]) -> Check:
    if len(checks) == 2:
        first, second = checks
        return lambda node: first(node) or second(node)
    return lambda node: any(check(node) for check in checks)
