"""The JSON form of a result: it comes back as it was, says what its schema says, and is refused where it is none."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from generated_runs import RUNS
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator
from report_samples import ALL_CASES, HOSTILE, MANY_DIFFERENCES, MIXED, RELAYED, REPEATED, TWO_SESSIONS, place

from runner.errors import EXIT_USAGE, escape
from runner.report.json import render_json
from runner.report.jsonl import render_jsonl, repetition_ended
from runner.result_document import DocumentError, from_document, from_json, to_document, to_json
from runner.results import CaseResult, Outcome, RunResult, StepResult

SCHEMAS = Path(__file__).parents[1] / "schema"
EVERYTHING = RunResult(
    (*ALL_CASES, HOSTILE, MANY_DIFFERENCES, TWO_SESSIONS, *REPEATED.cases), 2.5, "SIGTERM", True, "x"
)
SAMPLES = {"mixed": MIXED, "repeated": REPEATED, "everything": EVERYTHING, "empty": RunResult(())}
samples = pytest.mark.parametrize("run", SAMPLES.values(), ids=SAMPLES)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


def strict(node):
    """Return a schema that knows no other keys than those that it names."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    more = {"additionalProperties": False} if node.get("type") == "object" and "oneOf" not in node else {}
    return {**{key: strict(value) for key, value in node.items()}, **more}


RESULT = Draft7Validator(strict(schema("result")))
EVENTS = Draft7Validator(
    {
        **strict(json.loads((SCHEMAS / "events.schema.json").read_text("utf-8").replace("result.schema.json#", "#"))),
        "definitions": strict(schema("result"))["definitions"],
    }
)


@samples
def test_a_result_comes_back_from_its_document(run):
    """What is written and read again is the same result, and is written the same."""
    read = from_json(to_json(run))
    assert run == read
    assert to_document(run) == to_document(read)


def test_a_conversation_comes_back_with_its_times():
    """Lines keep who said them and when, counted from the beginning of the case."""
    (case,) = from_document(to_document(RunResult((RELAYED,)))).cases
    (before,), (after,) = RELAYED.transcripts, case.transcripts
    expected = [(round(line.at, 6), line.who, line.text) for line in before.lines(before.started - RELAYED.started)]
    assert expected == [(line.at, line.who, line.text) for line in after.lines(after.started - case.started)]


@samples
def test_a_document_is_what_its_schema_says(run):
    """Every key that is written is one of the schema's, and of its type."""
    assert [] == [error.message for error in RESULT.iter_errors(json.loads(render_json(run)))]


@samples
def test_events_are_what_their_schema_says(run):
    """Each line is an event of the schema, also one of a case that is played again and again."""
    lines = [*render_jsonl(run).splitlines(), *map(repetition_ended, run.cases)]
    assert [] == [error.message for line in lines for error in EVENTS.iter_errors(json.loads(line))]


@quick
@given(RUNS)
def test_any_result_comes_back(run):
    """Whatever a server said: the document is ASCII, what its schema says, and read again it is written the same."""
    text = to_json(run)
    assert text.isascii()
    assert escape(text.replace("\n", "")) == text.replace("\n", "")
    document = json.loads(text)
    assert RESULT.is_valid(document)
    assert document == to_document(from_document(document))


def test_only_whole_characters_are_written():
    """Half of a character, which many readers refuse, is written as its number; a whole one of two halves stays."""
    run = RunResult((CaseResult("a\ud800b 📨", "mx", Outcome.PASSED),))
    assert r"a\ud800b 📨" == json.loads(to_json(run))["cases"][0]["scenario"]


def test_times_that_are_no_numbers_are_none():
    """JSON has no infinity."""
    assert 0.0 == to_document(RunResult((), float("inf")))["elapsed"]


@pytest.mark.parametrize("run", [MIXED], ids=["mixed"])
def test_each_case_has_a_line(run):
    """A document can be looked through by line, and compared by it."""
    lines = to_json(run).splitlines()
    assert [case.scenario for case in run.cases] == [json.loads(line.rstrip(","))["scenario"] for line in lines[1:-1]]


def test_the_last_event_has_the_counts():
    """A file of events that ends with another one was cut, and the counts are those of its cases."""
    events = [json.loads(line) for line in render_jsonl(MIXED).splitlines()]
    assert ["run began", *["case ended"] * len(MIXED.cases), "run ended"] == [event["event"] for event in events]
    ended = [event["case"]["outcome"] for event in events[1:-1]]
    assert {one.value: ended.count(one.value) for one in Outcome} == events[-1]["counts"]


STEPS = ("cases", 0, "steps", 0)
SMALL = to_document(
    RunResult((CaseResult("a", "mx", Outcome.PASSED, steps=(StepResult("x", place(1), Outcome.PASSED),)),))
)


def changed(path, value):
    """Return a small document with another value at a path; without a key where the value is None."""
    document = copy.deepcopy(SMALL)
    *parents, last = path
    node = document
    for key in parents:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param([], "is no result of mailproof: there is no 'format' that says 'mailproof-result'", id="list"),
        pytest.param({}, "is no result of mailproof: there is no 'format'", id="nothing"),
        pytest.param(changed(["format"], "junit"), "is no result of mailproof", id="foreign"),
        pytest.param(
            changed(["version"], 2),
            "is of version 2, and this mailproof reads up to 1; a newer one wrote it",
            id="newer",
        ),
        pytest.param(changed(["version"], True), "version is True, and should be a whole number from 1", id="version"),
        pytest.param(changed(["cases"], None), "cases is missing, and should be a list", id="no cases"),
        pytest.param(changed(["cases"], []), "is_passed is True, and should be false, as its cases have it", id="cut"),
        pytest.param(changed(["counts", "failed"], 1), "counts is {", id="counts"),
        pytest.param(changed(["warnings"], 7), "warnings is 7, and should be 0, as its cases have it", id="warnings"),
        pytest.param(changed(["is_passed"], False), "is_passed is False, and should be true", id="verdict"),
        pytest.param(changed(["elapsed"], "1 s"), "elapsed is '1 s', and should be a number of seconds", id="time"),
        pytest.param(changed(["elapsed"], float("nan")), "elapsed is nan", id="no number"),
        pytest.param(changed(["elapsed"], 10**400), "elapsed is 1000", id="huge"),
        pytest.param(changed(["interrupted"], 1), "interrupted is 1, and should be a text", id="text"),
        pytest.param(changed(["is_embedded"], 1), "is_embedded is 1, and should be true or false", id="flag"),
        pytest.param(changed(["cases", 0], "x"), "cases[0] is 'x', and should be a mapping", id="case"),
        pytest.param(changed(["cases", 0, "scenario"], None), "cases[0].scenario is missing", id="scenario"),
        pytest.param(
            changed(["cases", 0, "outcome"], "green"),
            "cases[0].outcome is 'green', and should be one of: passed, failed, error, skipped, known, not run",
            id="outcome",
        ),
        pytest.param(changed(["cases", 0, "outcome"], ["passed"]), "cases[0].outcome is ['passed']", id="outcomes"),
        pytest.param(changed(["cases", 0, "warnings"], [1]), "cases[0].warnings is [1]", id="texts"),
        pytest.param(changed(["cases", 0, "repeats"], 3), "cases[0].repeats is 3", id="repeats"),
        pytest.param(changed([*STEPS, "place", "line"], -1), "cases[0].steps[0].place.line is -1", id="line"),
        pytest.param(
            changed(["cases", 0, "transcripts"], [{"session": "x", "lines": [{"at": 0, "who": "X", "text": ""}]}]),
            "cases[0].transcripts[0].lines[0].who is 'X', and should be C, S or *",
            id="side",
        ),
        pytest.param(changed(["version"], "\x1b[2J" * 99), r"version is '\x1b[2J", id="hostile"),
    ],
)
def test_what_is_no_result_is_refused(document, message):
    """The message says where and what would be right, on one line that harms no terminal."""
    with pytest.raises(DocumentError) as error:
        from_document(document)
    assert message in str(error.value)
    assert escape(str(error.value)) == str(error.value)
    assert len(str(error.value)) < 300
    assert EXIT_USAGE == error.value.exit_code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is no whole JSON", id="empty"),
        pytest.param(to_json(MIXED)[:-20], "is no whole JSON", id="cut"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param("1" * 10_000, "is no whole JSON", id="long number"),
    ],
)
def test_what_is_no_json_is_refused(text, message):
    """A file that was cut, or made to break a parser, is told as such."""
    with pytest.raises(DocumentError, match=message):
        from_json(text)


def test_keys_of_a_later_program_are_passed_over():
    """Who adds a key need not change the version."""
    document = changed([*STEPS, "mood"], "fine")
    document["cases"][0]["weather"] = {"sun": True}
    assert from_document(SMALL) == from_document(document)


def test_a_repetition_repeats_nothing():
    """A file can't nest results so that reading it goes deep."""
    document = changed(["cases", 0, "repeats"], {"runs": 1, "passed": 0, "others": [{"times": 1, "first": "x"}]})
    first = copy.deepcopy(SMALL["cases"][0])
    document["cases"][0]["repeats"]["others"][0]["first"] = {**first, "repeats": 3}
    (case,) = from_document(document).cases
    assert case.repeats.others[0][1].repeats is None


def test_a_conversation_from_a_file_is_harmless():
    """Lines are shown as they are, so what somebody has edited in is escaped when it is read."""
    document = changed(
        ["cases", 0, "transcripts"], [{"session": "x", "lines": [{"at": 0, "who": "S", "text": "\x1b[2J"}]}]
    )
    assert [r"\x1b[2J"] == [line.text for line in from_document(document).cases[0].transcripts[0].lines()]
