"""Why nodes do not fit their schema: what jsonschema finds, in the house's words and at its place.

Only loaded for a file that has something wrong with it. The verb of a step is found first and the step held
against that verb's definition, so that a typo is told as one and not as a step that fits none of eleven.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft7Validator

from runner.errors import Problem, Span
from runner.language.nodes import Mapping, Node, Scalar, Sequence, kind, plain, without_excerpt
from runner.language.slips import quote
from runner.language.values import parse_boolean, parse_count, parse_date, parse_duration, parse_rate, parse_size
from runner.language.vocabulary import CLIENT_VERBS, EXPECTING, STEP_LISTS, VERBS

# What reads a text of this title, and says best what is wrong with one.
_READERS: dict[str, Callable[[str], Any]] = {
    "duration": parse_duration,
    "count": parse_count,
    "switch": parse_boolean,
    "size": parse_size,
    "rate": parse_rate,
    "date": parse_date,
}
# How alike a mistyped word must be to be offered, and how long a common beginning (`user`, `username`).
_NEAR = 0.65
_STEM = 3
# In a list in brackets such a word is not itself.
_WANTS_QUOTE = re.compile(r"[\[\]{},:#'\"&*!|>%@`$]|^-?$|^- ")
_DUE = {"string": "a text", "array": "a list", "object": "a mapping", "null": "nothing"}


class Explainer:
    """Finds with jsonschema what is wrong, and says it in the house's words at its place."""

    def __init__(self, document: dict[str, Any], definition: str = "") -> None:
        self.problems: list[Problem] = []
        self.definitions: dict[str, Any] = document["definitions"]
        self._document = document
        self._root = self.definitions[definition] if definition else document

    def explain(self, root: Mapping) -> list[Problem]:
        """Return what is wrong with a file, in the order of its lines."""
        self.root(root)
        # The two checks are of one mind (a test sees to it); should they ever not be, no file passes for that.
        found = self.problems or [Problem(root.span, "does not fit the schema")]
        return sorted(found, key=lambda problem: (problem.span.line, problem.span.column))

    def root(self, root: Mapping) -> None:
        """Explain a whole file."""
        self.validate(root, self._root)

    def validate(self, node: Node, schema: dict[str, Any], ignored: frozenset[str] = frozenset()) -> None:
        """Explain a node; `ignored` are keywords that don't count for the node itself."""
        # Steps are explained one by one, each by its verb.
        definitions = {**self.definitions, "step": {}}
        for error in Draft7Validator({**schema, "definitions": definitions}).iter_errors(plain(node)):
            if error.path or error.validator not in ignored:
                self._tell(node, error)

    def report(self, span: Span, message: str, advice: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(span, message, advice))

    def place(self, span: Span, path: Any) -> Span:  # noqa: ARG002
        """Return the place to show for what is at `path`."""
        return span

    def told(self, span: Span, node: Node, message: str) -> str:  # noqa: ARG002
        """Return a message about a value as it may be shown."""
        return message

    def _tell(self, top: Node, error: Any) -> None:
        node, span = _locate(top, error.absolute_path)
        span = self.place(span, error.absolute_path)
        keyword, schema = error.validator, error.schema
        if keyword == "anyOf":
            self._tell_any(top, error)
        elif keyword == "additionalProperties" and isinstance(node, Mapping):
            self._tell_unknown(node, tuple(schema.get("properties", ())))
        elif "propertyNames" in error.absolute_schema_path and isinstance(node, Mapping):
            self.report(
                node.items[error.instance][0].span, f"'{error.instance}' is no {schema['title']}", _examples(schema)
            )
        elif keyword == "required":
            meant = _meant(error.instance, tuple(schema.get("properties", ())))
            missing = [key for key in error.validator_value if key not in error.instance and key not in meant]
            if missing:
                self._once(span, f"{_quoted(missing, ' and ')} {'is' if len(missing) == 1 else 'are'} missing", "")
        elif keyword == "type":
            self._tell_kind(node, span, schema["type"], schema)
        elif keyword == "enum" and (not isinstance(node, Scalar) or node.is_empty):
            self._tell_kind(node, span, "string", schema)
        else:
            key = next((part for part in reversed(error.absolute_path) if isinstance(part, str)), "")
            message, advice = _about_value(node, key, keyword, schema)
            self.report(span, self.told(span, node, message), advice)

    def _once(self, span: Span, message: str, advice: str) -> None:
        problem = Problem(span, message, advice)
        if problem not in self.problems:
            self.problems.append(problem)

    def _tell_unknown(self, node: Mapping, allowed: tuple[str, ...]) -> None:
        for key, (place, _) in node.items.items():
            if key not in allowed:
                self._once(place.span, f"unknown key '{key}'", _nearest(key, allowed))

    def _tell_kind(
        self, node: Node, span: Span, due: str | tuple[str, ...] | list[str], schema: dict[str, Any]
    ) -> None:
        kinds = (due,) if isinstance(due, str) else due
        words = " or ".join(dict.fromkeys(_DUE[name] for name in kinds if name in _DUE))
        advice = self._as_list(node, span, schema) if due == "array" else ""
        self.report(span, f"{kind(node)} where {words} is due", advice or _advice_on_kind(node, words, schema))

    def _as_list(self, node: Node, span: Span, schema: dict[str, Any]) -> str:
        """Return advice for a text where a list of texts is due: its words as one."""
        items = schema.get("items", {})
        items = self.definitions[items["$ref"].rpartition("/")[2]] if "$ref" in items else items
        if not isinstance(node, Scalar) or not node.text or "string" not in _names(items.get("type", ())):
            return ""
        if not span.source.text:  # told without its line, for it may be a secret
            return "write its words as a list: [PROGRAM, ARGUMENT]"
        return f"write {_flow([quote(word) if _WANTS_QUOTE.search(word) else word for word in _words(node)])}"

    def _tell_any(self, top: Node, error: Any) -> None:
        """Tell what is wrong in the branch that was meant: the one for this kind of node."""
        branches: dict[int, list[Any]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        meant = [
            found for found in branches.values() if not any(one.validator == "type" and not one.path for one in found)
        ]
        if meant:
            for inner in meant[0]:
                self._tell(top, inner)
            return
        node, span = _locate(top, error.absolute_path)
        span = self.place(span, error.absolute_path)
        due = [name for found in branches.values() for one in found for name in _names(one.validator_value)]
        self._tell_kind(node, span, due, error.schema)


class ProjectExplainer(Explainer):
    """Also knows that what is wrong under `secrets` may be a secret written out: no line of that is shown."""

    def place(self, span: Span, path: Any) -> Span:
        """Return the place without the file's text for what is under `secrets`."""
        return without_excerpt(span) if "secrets" in path else span

    def told(self, span: Span, node: Node, message: str) -> str:
        """Return the message without the value, where that may be a secret."""
        if span.source.text or not isinstance(node, Scalar) or not node.text:
            return message
        return message.replace(f"'{node.text}'", "this")


class ScenarioExplainer(Explainer):
    """Also knows steps: finds their verbs, and tells keys that belong elsewhere."""

    def root(self, root: Mapping) -> None:
        """Explain a whole file, then its steps one by one."""
        super().root(root)
        self._steps(root.get("steps"))
        self._steps(root.get("cleanup"))

    def _steps(self, node: Node | None) -> None:
        for step in node.items if isinstance(node, Sequence) else ():
            if isinstance(step, Mapping):
                self._step(step)
            else:
                advice = (
                    _as_verb(step) or _text_of(step) or "a step is a mapping, such as 'expect: 250' or 'send: NOOP'"
                )
                self.report(step.span, f"{kind(step)} where a step is due", advice)

    def _step(self, step: Mapping) -> None:
        verbs = [key for key in step.items if key in VERBS]
        expecting = next((key for key in step.items if key in EXPECTING), "")
        verb = verbs[0] if verbs else expecting or "expect"
        definition = self.definitions[verb]
        self._keys(step, verb if verbs or expecting else "", tuple(definition["properties"]))
        if expecting and verb in CLIENT_VERBS:
            self._order(step, verb, expecting)
        self.validate(step, definition, frozenset({"required", "additionalProperties"}))
        for key in STEP_LISTS:
            self._steps(step.get(key))

    def _order(self, step: Mapping, verb: str, expecting: str) -> None:
        keys = list(step.items)
        if keys.index(expecting) < keys.index(verb):
            advice = f"write '{verb}' first, or make each a step of its own"
            message = f"'{expecting}' above '{verb}': it judges the reply that comes after"
            self.report(step.items[expecting][0].span, message, advice)

    def _keys(self, step: Mapping, verb: str, allowed: tuple[str, ...]) -> None:
        """Tell the keys that can't stand here; `verb` is empty if the step has neither a verb nor an `expect`."""
        before = len(self.problems)
        for key, (place, _) in step.items.items():
            if key not in allowed:
                self.report(place.span, *self._about_key(key, verb, allowed))
        if not verb and len(self.problems) == before:
            advice = "add expect: silence" if "for" in step.items else f"add 'expect' or one of {', '.join(VERBS)}"
            self.report(step.span, "a step without a verb", advice)

    def _about_key(self, key: str, verb: str, allowed: tuple[str, ...]) -> tuple[str, str]:
        if key in VERBS and verb:
            return f"'{verb}' and '{key}' in one step", "a step has one verb; begin another with '- '"
        if key in EXPECTING and verb in EXPECTING:
            return f"'{verb}' and '{key}' in one step", "a step reads one of them; begin another with '- '"
        owners = [name for name in (*VERBS, "expect") if key in self.definitions[name]["properties"]]
        if key in self.definitions["expectation"]["properties"]:
            is_other = verb in EXPECTING
            advice = (
                "it judges the one reply that 'expect' reads" if is_other else "make it a step of its own: - expect: …"
            )
            return f"'{key}' can't stand beside '{verb}'", advice
        if owners == ["steps"]:
            what = "add steps: […]" if verb in ("", *EXPECTING) else "put the step into a list beside it: steps: […]"
            return f"'{key}' belongs to 'steps'", what
        if owners:
            return (
                f"'{key}' belongs to {_quoted(owners)}",
                f"beside '{verb or 'expect'}' stand {', '.join(allowed[1:])}",
            )
        if " " in key:
            return f"unknown key '{key}'", "a text with ': ' in it or ':' at its end wants quotes"
        if verb in ("", *EXPECTING):
            # The verb itself may be what is mistyped.
            near = _nearest(key, (*dict.fromkeys((*VERBS, *EXPECTING, *allowed)),), "the verbs are")
            return f"unknown key '{key}'", near if near.startswith("did") else f"the verbs are {', '.join(VERBS)}"
        return f"unknown key '{key}'", _nearest(key, allowed)


def _as_verb(step: Node) -> str:
    """Return advice for a verb without its colon."""
    is_verb = isinstance(step, Scalar) and step.text in VERBS
    return f"write it with a colon: {step.text}:" if is_verb and isinstance(step, Scalar) else ""


def _nearest(word: str, allowed: tuple[str, ...], otherwise: str = "allowed here") -> str:
    """Return advice: the nearest of the words that would do, else all of them."""
    near = get_close_matches(word, allowed, 1, _NEAR)
    if not near and len(word) >= _STEM:
        near = [one for one in allowed if one.startswith(word) or word.startswith(one)]
    return f"did you mean '{near[0]}'?" if near else f"{otherwise}: {', '.join(allowed)}"


def _meant(instance: Any, allowed: tuple[str, ...]) -> set[str]:
    """Return the keys that unknown ones were meant for: each is told there, and is not missing besides."""
    unknown = [key for key in instance if key not in allowed]
    return {near for key in unknown for near in get_close_matches(key, allowed, 1, _NEAR)}


def _words(node: Scalar) -> list[str]:
    try:
        return [word.rstrip(",") for word in shlex.split(node.text)]
    except ValueError:  # a quote that is not closed
        return [node.text]


def _quoted(words: list[str], joint: str = " or ") -> str:
    return joint.join(f"'{word}'" for word in words)


def _names(types: Any) -> Iterator[str]:
    yield from (types,) if isinstance(types, str) else types


def _locate(top: Node, path: Any) -> tuple[Node, Span]:
    """Return the node at a path, and its place: that of its key where nothing was written."""
    node, span = top, top.span
    for part in path:
        if isinstance(node, Mapping):
            key, node = node.items[part]
            span = key.span if isinstance(node, Scalar) and node.is_empty else node.span
        elif isinstance(node, Sequence):
            node = node.items[part]
            span = node.span
    return node, span


def _about_value(node: Node, key: str, keyword: str, schema: dict[str, Any]) -> tuple[str, str]:
    """Say what is wrong with a value of the right kind: message and advice."""
    text = node.text if isinstance(node, Scalar) else ""
    if keyword in ("pattern", "enum") and (reader := _READERS.get(schema.get("title", ""))):
        try:
            reader(text)
        except ValueError as error:
            return str(error), ""
    if keyword == "enum":
        allowed = tuple(value for value in schema["enum"] if isinstance(value, str))
        return f"'{key}' can't be '{text}'", _nearest(text, allowed)
    if keyword == "pattern":
        return f"'{text}' is no {schema.get('title', 'value for this key')}", _examples(schema)
    if keyword == "maxProperties":
        return f"more than one of {', '.join(schema['properties'])}", "write one of them"
    what = schema.get("title") or kind(node).removeprefix("a ")
    keys = f"it has at least one of {', '.join(schema['properties'])}" if "properties" in schema else ""
    return f"an empty {what}", _examples(schema) or keys


def _examples(schema: dict[str, Any]) -> str:
    shown = [_flow(example) for example in schema.get("examples", ())]
    return f"for example {', '.join(shown[:2])}" if shown else ""


def _flow(value: Any) -> str:
    """Return an example as it would be written in YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return str(value)


def _advice_on_kind(node: Node, due: str, schema: dict[str, Any]) -> str:
    if "a text" in due and (text := _text_of(node)):
        return text
    if due == "a text" and isinstance(node, Scalar) and "minLength" not in schema and "enum" not in schema:
        return "'' is the empty text"
    return _examples(schema)


def _text_of(node: Node) -> str:
    """Return advice for a mapping that looks like an unquoted text with a colon: `334 Username:`."""
    if not isinstance(node, Mapping) or len(node.items) != 1:
        return ""
    (key, value), *_ = node.items.values()
    is_flow = node.source.line(node.line).startswith("{", node.column - 1)
    if is_flow or not isinstance(value, Scalar) or key.line != value.line:
        return ""
    text = f"{key.text}: {value.text}".rstrip()
    return f"if this is a text, quote it: '{text}'"
