"""The JSON form of a run's result, both ways, with a version: what is kept, compared and read by other programs.

`schema/result.schema.json` describes it. Whatever has no value is left out; times are in seconds, to the microsecond.
What comes from a file is checked before anybody trusts it: it may be cut, edited, foreign or newer than this module.
This module must not know what results are used for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from runner.errors import EXIT_USAGE, MailproofError, escape
from runner.results import (
    Answer,
    CaseResult,
    Difference,
    Outcome,
    Place,
    Repeats,
    RunResult,
    SessionFacts,
    StepResult,
)
from runner.transcript import Line, RenderedTranscript, restored

if TYPE_CHECKING:
    from runner.transcript import Transcript

Document = dict[str, Any]
Value = TypeVar("Value")

FORMAT = "mailproof-result"
#: It grows when a reader of the version before would be wrong; a key more is no reason.
VERSION = 1
# Of a value that is wrong so much is shown.
SHOWN = 60
_SIDES = ("C", "S", "*")


class DocumentError(MailproofError):
    """A document is no result, or none that can be read (exit 2); the message says which part of it and why."""

    exit_code = EXIT_USAGE


# To a document.


def to_document(run: RunResult) -> Document:
    """Return a run's result as what JSON knows, so that `from_document` gives an equal one."""
    return {**_head(run), "cases": [case_document(case) for case in run.cases]}


def to_json(run: RunResult) -> str:
    """Return the document as text in ASCII, a line for each case, with a line feed at its end."""
    head = dumps(_head(run))
    cases = ",\n".join(dumps(case_document(case)) for case in run.cases)
    return f'{head[:-1]}, "cases": [\n{cases}\n]}}\n'


def dumps(document: Document) -> str:
    """Return a document on one line in ASCII; no control character of a server is in it, nor anything invisible."""
    # JSON leaves DEL as it is, which stands in strings only.
    return json.dumps(document, allow_nan=False).replace("\x7f", "\\u007f")


def outcome_document(run: RunResult) -> Document:
    """Return how a run ended, without its cases."""
    return {
        "is_passed": run.is_passed,
        "counts": {outcome.value: run.count(outcome) for outcome in Outcome},
        "warnings": run.warnings,
        "elapsed": _seconds(run.elapsed),
        "interrupted": _text(run.interrupted),
        "is_embedded": run.is_embedded,
    }


def _head(run: RunResult) -> Document:
    return {"format": FORMAT, "version": VERSION, "began": _text(run.began), **outcome_document(run)}


def case_document(case: CaseResult) -> Document:
    """Return one case; the times in its transcripts are those since it began."""
    return {
        "scenario": _text(case.scenario),
        "target": _text(case.target),
        "outcome": case.outcome.value,
        "elapsed": _seconds(case.elapsed),
        **_given(
            row=_text(case.row),
            reason=_text(case.reason),
            place=_place(case.place) if case.place else None,
            id=_text(case.case_id),
            endpoint=_text(case.endpoint),
            tls=_text(case.tls),
            description=_text(case.description),
            warnings=[*map(_text, case.warnings)],
            sessions=[*map(_session, case.sessions)],
            repeats=_repeats(case.repeats) if case.repeats else None,
        ),
        "steps": [*map(_step, case.steps)],
        **_given(transcripts=_transcripts(case)),
    }


def _given(**values: object) -> Document:
    return {name: value for name, value in values.items() if value}


def _text(text: str) -> str:
    """Return a text without halves of characters (surrogates), which are no Unicode and many readers refuse."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _seconds(time: float) -> float:
    return round(time, 6) if isfinite(time) else 0.0


def _place(place: Place) -> Document:
    return {"file": _text(place.file), "line": place.line, "column": place.column}


def _session(facts: SessionFacts) -> Document:
    return {"name": _text(facts.name), "target": _text(facts.target), "endpoint": _text(facts.endpoint)}


def _repeats(repeats: Repeats) -> Document:
    others = [{"times": count, "first": case_document(one)} for count, one in repeats.others]
    return {"runs": repeats.runs, "passed": repeats.passed, "others": others}


def _step(step: StepResult) -> Document:
    document: Document = {
        "label": _text(step.label),
        "outcome": step.outcome.value,
        "started": _seconds(step.started),
        "elapsed": _seconds(step.elapsed),
        "place": _place(step.place),
    }
    # Most steps have none of these, and there are many steps.
    if step.because:
        document["because"] = _text(step.because)
    if step.reason:
        document["reason"] = _text(step.reason)
    if step.session:
        document["session"] = _text(step.session)
    if step.is_cleanup:
        document["is_cleanup"] = True
    if step.differences:
        document["differences"] = [*map(_difference, step.differences)]
    if step.answers:
        document["answers"] = [*map(_answer, step.answers)]
    if step.used_at:
        document["used_at"] = [*map(_place, step.used_at)]
    return document


def _difference(one: Difference) -> Document:
    texts = {"part": _text(one.part), "expected": _text(one.expected), "actual": _text(one.actual)}
    return {**texts, **_given(hint=_text(one.hint), is_warning=one.is_warning)}


def _answer(answer: Answer) -> Document:
    return {"text": _text(answer.text), "at": _seconds(answer.at), **_given(to=_text(answer.to))}


def _transcripts(case: CaseResult) -> list[Document]:
    starts = [one.started for one in case.transcripts if one.started is not None]
    origin = case.started if case.started is not None else min(starts, default=0.0)
    return [_transcript(one, origin) for one in case.transcripts]


def _transcript(transcript: Transcript, origin: float) -> Document:
    later = transcript.started - origin if transcript.started is not None else 0.0
    # There are more lines than of anything else, so each is looked at once.
    lines = [
        {"at": round(line.at + later, 6), "who": line.who, "text": line.text, "is_literal": True}
        if line.is_literal
        else {"at": round(line.at + later, 6), "who": line.who, "text": line.text}
        for line in transcript.lines()
    ]
    return {"session": _text(transcript.session), "lines": lines}


# From a document.


def from_json(text: str) -> RunResult:
    """Read a result from the text of its document.

    Raises:
        DocumentError: it is no JSON, cut, foreign, newer, or doesn't agree with itself.
    """
    try:
        document = json.loads(text)
    except RecursionError:
        raise DocumentError("is nested too deeply to be a result of mailproof") from None
    except ValueError as error:
        raise DocumentError(f"is no whole JSON: {error}") from error
    return from_document(document)


def from_document(document: object) -> RunResult:
    """Return the result that a document holds.

    Raises:
        DocumentError: it is foreign, newer, or doesn't agree with itself; with the place and what was expected there.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DocumentError(f"is no result of mailproof: there is no 'format' that says '{FORMAT}'")
    root = _Node(document, "")
    version = document.get("version")
    if type(version) is not int or version < 1:
        raise root.wrong("version", version, "a whole number from 1")
    if version > VERSION:
        raise DocumentError(f"is of version {version}, and this mailproof reads up to {VERSION}; a newer one wrote it")
    run = RunResult(
        cases=root.list("cases", _read_case),
        elapsed=root.number("elapsed"),
        interrupted=root.text("interrupted", ""),
        is_embedded=root.flag("is_embedded"),
        began=root.text("began", ""),
    )
    _refuse_contradictions(root, run)
    return run


def _refuse_contradictions(root: _Node, run: RunResult) -> None:
    """Refuse a document whose sums are not those of its cases: somebody has edited or cut it."""
    for name, counted in outcome_document(run).items():
        if name in ("counts", "warnings", "is_passed") and root.get(name) != counted:
            raise root.wrong(name, root.get(name), f"{json.dumps(counted)}, as its cases have it")


class _Node:
    """A mapping of a document, which knows where it is."""

    __slots__ = ("_place", "_values")

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, dict):
            raise _wrong(place or "the document", values, "a mapping")
        self._values: Document = values
        self._place = place

    def get(self, name: str) -> object:
        return self._values.get(name)

    def wrong(self, name: str, value: object, right: str) -> DocumentError:
        return _wrong(self._at(name), value, right)

    def _at(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def text(self, name: str, otherwise: str | None = None) -> str:
        value = self._values.get(name, otherwise)
        if not isinstance(value, str):
            raise self.wrong(name, value, "a text")
        return value

    def number(self, name: str, otherwise: float | None = None) -> float:
        value = self._values.get(name, otherwise)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            raise self.wrong(name, value, "a number of seconds")
        return float(value)

    def whole(self, name: str) -> int:
        value = self._values.get(name)
        if type(value) is not int or not 0 <= value < 1_000_000_000:
            raise self.wrong(name, value, "a whole number")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def outcome(self, name: str) -> Outcome:
        value: Any = self._values.get(name)
        try:
            return Outcome(value)
        except ValueError:
            words = ", ".join(one.value for one in Outcome)
            raise self.wrong(name, value, f"one of: {words}") from None

    def one(self, name: str, read: Callable[[_Node], Value]) -> Value:
        return read(_Node(self._values.get(name), self._at(name)))

    def list(self, name: str, read: Callable[[_Node], Value], *, is_optional: bool = False) -> tuple[Value, ...]:
        values = self._values.get(name, () if is_optional else None)
        if values == ():
            return ()
        if not isinstance(values, list):
            raise self.wrong(name, values, "a list")
        place = self._at(name)
        return tuple(read(_Node(value, f"{place}[{number}]")) for number, value in enumerate(values))

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._values.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.wrong(name, values, "a list of texts")
        return tuple(values)

    def has(self, name: str) -> bool:
        return name in self._values


def _wrong(place: str, value: object, right: str) -> DocumentError:
    shown = "missing" if value is None else repr(value)
    if len(shown) > SHOWN:
        shown = f"{shown[:SHOWN]}…"
    return DocumentError(f"{escape(place)} is {escape(shown)}, and should be {right}")


def _read_case(node: _Node) -> CaseResult:
    return _case(node, node.one("repeats", _read_repeats) if node.has("repeats") else None)


def _case(node: _Node, repeats: Repeats | None) -> CaseResult:
    return CaseResult(
        scenario=node.text("scenario"),
        target=node.text("target"),
        outcome=node.outcome("outcome"),
        reason=node.text("reason", ""),
        place=node.one("place", _read_place) if node.has("place") else None,
        case_id=node.text("id", ""),
        elapsed=node.number("elapsed"),
        endpoint=node.text("endpoint", ""),
        tls=node.text("tls", ""),
        description=node.text("description", ""),
        steps=node.list("steps", _read_step),
        warnings=node.texts("warnings"),
        row=node.text("row", ""),
        sessions=node.list("sessions", _read_session, is_optional=True),
        repeats=repeats,
        transcripts=node.list("transcripts", _read_transcript, is_optional=True),
        started=0.0,
    )


def _read_repeats(node: _Node) -> Repeats:
    return Repeats(node.whole("runs"), node.whole("passed"), node.list("others", _read_other))


def _read_other(node: _Node) -> tuple[int, CaseResult]:
    # What was repeated is not repeated again: no depth of a file becomes one of calls.
    return node.whole("times"), node.one("first", lambda first: _case(first, None))


def _read_place(node: _Node) -> Place:
    return Place(node.text("file"), node.whole("line"), node.whole("column"))


def _read_session(node: _Node) -> SessionFacts:
    return SessionFacts(node.text("name"), node.text("target"), node.text("endpoint"))


def _read_step(node: _Node) -> StepResult:
    return StepResult(
        label=node.text("label"),
        place=node.one("place", _read_place),
        outcome=node.outcome("outcome"),
        started=node.number("started"),
        elapsed=node.number("elapsed"),
        because=node.text("because", ""),
        reason=node.text("reason", ""),
        differences=node.list("differences", _read_difference, is_optional=True),
        session=node.text("session", ""),
        is_cleanup=node.flag("is_cleanup"),
        answers=node.list("answers", _read_answer, is_optional=True),
        used_at=node.list("used_at", _read_place, is_optional=True),
    )


def _read_difference(node: _Node) -> Difference:
    texts = (node.text("part"), node.text("expected"), node.text("actual"))
    return Difference(*texts, hint=node.text("hint", ""), is_warning=node.flag("is_warning"))


def _read_answer(node: _Node) -> Answer:
    return Answer(node.text("text"), node.number("at"), node.text("to", ""))


def _read_transcript(node: _Node) -> Transcript:
    return restored(RenderedTranscript(node.text("session"), node.list("lines", _read_line)), 0.0)


def _read_line(node: _Node) -> Line:
    who = node.text("who")
    if who not in _SIDES:
        raise node.wrong("who", who, "C, S or *")
    # A transcript's lines are shown as they are: what was edited in must be as harmless as what was rendered.
    return Line(node.number("at"), who, escape(node.text("text")), node.flag("is_literal"))  # type: ignore[arg-type]
