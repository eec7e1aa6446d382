"""The report for Prometheus, read back by its client library's parser."""

from dataclasses import replace

import pytest
from hostile_runs import NEVER_GREEN, runs
from hypothesis import given, settings
from prometheus_client.parser import text_string_to_metric_families
from report_samples import DELIVERED, MIXED, NOT_BEGUN, RELAYED, REPEATED, SKIPPED

from runner.report.prometheus import render_prometheus
from runner.results import Outcome, RunResult


def read(text):
    """All samples as {metric: {labels: value}}; one that came twice, or has no type, fails here."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert "gauge" == family.type
        assert family.documentation
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {})
            found[sample.name][labels] = sample.value
    return found


def value(text, name, **labels):
    return read(text)[f"mailproof_{name}"][tuple(sorted(labels.items()))]


def test_run_is_counted():
    """Each outcome has its number, also 0, and the run its verdict, time and beginning."""
    text = render_prometheus(replace(MIXED, began="2026-03-01T12:00:00Z"))
    found = {labels[0][1]: number for labels, number in read(text)["mailproof_run_cases"].items()}
    assert {"passed": 2, "failed": 2, "error": 1, "skipped": 1, "known": 0, "not run": 1} == found
    assert 0 == value(text, "run_passed")
    assert 2.24 == value(text, "run_duration_seconds")
    assert 1772366400 == value(text, "run_began_timestamp_seconds")
    assert 2 == value(text, "run_warnings")


def test_green_run_passed():
    """Only a green run has 1."""
    assert 1 == value(render_prometheus(RunResult((DELIVERED,))), "run_passed")


@pytest.mark.parametrize("run", NEVER_GREEN.values(), ids=NEVER_GREEN)
def test_never_green_by_mistake(run):
    """What was cut short, left out, or did not pass is no pass."""
    assert 0 == value(render_prometheus(run), "run_passed")


def test_case_has_one_outcome():
    """A case is 1 for how it ended and 0 for the others, so that an alert on one ends when it changes."""
    found = read(render_prometheus(RunResult((RELAYED,))))["mailproof_case_outcome"]
    ended = {dict(labels)["outcome"]: number for labels, number in found.items()}
    assert {one.value: float(one is Outcome.FAILED) for one in Outcome} == ended


def test_case_is_timed_in_seconds_if_it_ran():
    """What was skipped or not run took no time, and has none."""
    found = read(render_prometheus(RunResult((RELAYED, SKIPPED, NOT_BEGUN))))["mailproof_case_duration_seconds"]
    assert [0.13] == list(found.values())


def test_repeated_cases_have_their_share():
    """How often a case ran and passed is told apart."""
    text = render_prometheus(REPEATED)
    labels = {"scenario": "relay refused", "target": "mx", "row": ""}
    assert (20, 16) == (value(text, "case_repeats", **labels), value(text, "case_repeats_passed", **labels))


def test_namesakes_are_told_apart():
    """Two cases of one name, from two files, are two series: with twins the collector would refuse the file."""
    text = render_prometheus(RunResult((DELIVERED, replace(DELIVERED, elapsed=0.5))))
    labels = {"scenario": "delivery to a local mailbox (2)", "target": "mx", "row": ""}
    assert 0.5 == value(text, "case_duration_seconds", **labels)


def test_labels_are_read_as_they_were_written():
    """Quotes and backslashes come back; control characters are escaped as on a terminal."""
    case = replace(DELIVERED, scenario='a "b" \\ c\nd\x1b')
    found = read(render_prometheus(RunResult((case,))))["mailproof_case_warnings"]
    assert ['a "b" \\ c\\x0ad\\x1b'] == [dict(labels)["scenario"] for labels in found]


def test_unknown_beginning_is_left_out():
    """A time that nobody told is not 1970."""
    assert "began" not in render_prometheus(replace(MIXED, began=""))


@settings(max_examples=60, deadline=None)
@given(runs)
def test_hostile_text_makes_no_sample(run):
    """Whatever names and reasons hold, there are just the samples that there should be, and they agree."""
    text = render_prometheus(run)
    assert text.endswith("\n")
    found = read(text)
    assert {one.value: run.count(one) for one in Outcome} == {
        labels[0][1]: number for labels, number in found["mailproof_run_cases"].items()
    }
    assert float(run.is_passed) == found["mailproof_run_passed"][()]
    outcomes = found.get("mailproof_case_outcome", {})
    assert 6 * len(run.cases) == len(outcomes)
    for one in Outcome:
        alike = [number for labels, number in outcomes.items() if dict(labels)["outcome"] == one.value]
        assert run.count(one) == sum(alike)
