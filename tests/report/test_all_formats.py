"""What all reports have in common: they count alike, and none of them is green for a run that is not."""

from __future__ import annotations

import importlib
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace

import pytest
from generated_runs import RUNS
from hypothesis import HealthCheck, given, settings
from report_samples import DELIVERED, MIXED, NOT_BEGUN, REFUSED, RELAYED, REPEATED, SKIPPED

from runner.report.formats import FORMATS
from runner.report.nagios import OK, nagios_code
from runner.results import Outcome, RunResult

KNOWN = replace(DELIVERED, outcome=Outcome.KNOWN, reason="ticket 42")
RUNS_BY_NAME = {
    "passed": RunResult((DELIVERED,), 1.0),
    "failed": RunResult((DELIVERED, RELAYED), 1.0),
    "error": RunResult((DELIVERED, REFUSED), 1.0),
    "skipped with a pass": RunResult((DELIVERED, SKIPPED), 1.0),
    "known with a pass": RunResult((DELIVERED, KNOWN), 1.0),
    "no cases": RunResult(()),
    "skipped alone": RunResult((SKIPPED,), 1.0),
    "known alone": RunResult((KNOWN,), 1.0),
    "not run": RunResult((DELIVERED, NOT_BEGUN), 1.0),
    "not run alone": RunResult((NOT_BEGUN,), 1.0),
    "interrupted": RunResult((DELIVERED,), 1.0, "SIGINT"),
    "interrupted at once": RunResult((), 1.0, "SIGTERM"),
    "mixed": MIXED,
    "repeated": REPEATED,
}
_WORDS = {outcome.value: outcome for outcome in Outcome}
_SUMMARY = re.compile(
    r"(\d+) passed, (\d+) failed(?:, (\d+) errors?)?(?:, (\d+) skipped)?(?:, (\d+) known)?(?:, (\d+) not run)?"
    r"(?:, \d+ warnings?)? in \d+\.\d\d s"
)
_POINT = re.compile(r"^(not )?ok \d+ - (?:[^#\\\n]|\\.)*(# SKIP|# TODO)?.*\n((?: .*\n)*)", re.MULTILINE)


def render(name, run):
    return FORMATS[name].render(run)


def counted(numbers):
    """Return counts by outcome, those of nobody left out."""
    return Counter({outcome: int(number) for outcome, number in numbers if int(number or 0)})


def in_summary(text):
    """Return the counts of the summary that several formats have, wherever it was wrapped."""
    found = _SUMMARY.findall(re.sub(r"\s+", " ", text))
    return counted(zip(Outcome, found[-1], strict=True))


def in_events(text):
    events = [json.loads(line) for line in text.splitlines()]
    ended = Counter(_WORDS[event["case"]["outcome"]] for event in events if event["event"] == "case ended")
    assert counted((_WORDS[word], number) for word, number in events[-1]["counts"].items()) == ended
    return ended


def in_json(text):
    document = json.loads(text)
    cases = Counter(_WORDS[case["outcome"]] for case in document["cases"])
    assert counted((_WORDS[word], number) for word, number in document["counts"].items()) == cases
    return cases


def in_junit(text):
    properties = [(one.get("name"), one.get("value")) for one in ET.fromstring(text).iter("property")]
    found = Counter()
    for outcome in Outcome:
        found[outcome] = sum(int(value) for name, value in properties if name == f"outcome.{outcome.value}")
    return +found


def points(text):
    """Return the test points: whether ok, the directive, the outcome that the block below names."""
    for point in _POINT.finditer(text):
        named = re.search(r"^  outcome: '(.*)'$", point[3], re.MULTILINE)
        yield not point[1], (point[2] or "").removeprefix("# "), named[1] if named else ""


def in_tap(text):
    found = Counter()
    for is_ok, directive, outcome in points(text):
        if outcome or is_ok:
            found[_WORDS[outcome or ("skipped" if directive else "passed")]] += 1
    return found


def in_html(text):
    found = re.findall(r'<li class="?[\w -]+"?><b>(\d+)</b> (passed|failed|error|skipped|known|not run)\b', text)
    return counted((_WORDS[word], number) for number, word in found[: len({word for _, word in found})])


def in_nagios(text):
    line = text.partition("\n")[0].rpartition(" | ")[2]
    numbers = dict(re.findall(r"(?:^| )(\w+)=(\d+)(?=;)", line))
    return counted((outcome, numbers[outcome.value.replace(" ", "_")]) for outcome in Outcome)


def in_prometheus(text):
    found = re.findall(r'^mailproof_run_cases\{outcome="([\w ]+)"\} (\d+)$', text, re.MULTILINE)
    return counted((_WORDS[word], number) for word, number in found)


#: How many cases ended how, as each format tells it.
COUNTS = {
    "table": in_summary,
    "junit": in_junit,
    "tap": in_tap,
    "json": in_json,
    "jsonl": in_events,
    "html": in_html,
    "markdown": lambda text: in_summary(text.partition("\n\n")[2].partition("\n\n")[0]),
    "github": lambda text: in_summary(text.rstrip("\n").rpartition("\n")[2]),
    "nagios": in_nagios,
    "prometheus": in_prometheus,
}


def is_green_junit(text):
    return not [one for one in ET.fromstring(text).iter() if one.tag in ("failure", "error")]


def is_green_tap(text):
    failed = [1 for is_ok, directive, _ in points(text) if not is_ok and directive != "TODO"]
    return not failed and "\n1..0" not in text and "\nBail out!" not in text


#: Whether who reads the format takes the run for a success.
GREEN = {
    "table": lambda text: not _is_red_table(text),
    "junit": is_green_junit,
    "tap": is_green_tap,
    "json": lambda text: json.loads(text)["is_passed"],
    "jsonl": lambda text: json.loads(text.splitlines()[-1])["is_passed"],
    "html": lambda text: re.search(r"<h1[^>]*>(?:<[^>]*>|[^<])*?\bPassed\b", text) is not None,
    "markdown": lambda text: text.startswith("## mailproof: passed\n"),
    "github": lambda text: not re.search(r"^::error ", text, re.MULTILINE),
    "nagios": lambda text: re.match("MAILPROOF (OK|WARNING) ", text) is not None,
    "prometheus": lambda text: "\nmailproof_run_passed 1\n" in text,
}


def _is_red_table(text):
    """Return whether the table's last lines say what makes a run red."""
    tail = re.sub(r"\s+", " ", text.rstrip("\n").rpartition("\n\n")[2])
    found = _SUMMARY.search(tail)
    return "interrupted (" in tail or "not a pass" in tail or bool(int(found[2]) or found[3] or found[6])


def test_every_format_is_looked_at():
    """A format that is added is held to this, too."""
    assert list(FORMATS) == list(COUNTS)
    assert set(FORMATS) == set(GREEN)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("run", RUNS_BY_NAME.values(), ids=RUNS_BY_NAME)
def test_counts_agree(run, name):
    """Every outcome is counted as it is, in every format."""
    assert counted((outcome, run.count(outcome)) for outcome in Outcome) == COUNTS[name](render(name, run))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("run", RUNS_BY_NAME.values(), ids=RUNS_BY_NAME)
def test_only_a_passed_run_is_green(run, name):
    """Without a case, cut short, or with anything not run, a run is green nowhere; a monitor is warned at best."""
    told = GREEN[name](render(name, run))
    if name == "nagios" and run.count(Outcome.KNOWN) and not run.is_passed:
        assert nagios_code(run) != OK
    else:
        assert run.is_passed == told


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RUNS)
def test_any_run_is_told_alike(run):
    """Whatever servers and files say, all formats have the same counts, and the same run is green in all."""
    expected = counted((outcome, run.count(outcome)) for outcome in Outcome)
    texts = {name: render(name, run) for name in FORMATS}
    assert dict.fromkeys(FORMATS, expected) == {name: COUNTS[name](text) for name, text in texts.items()}
    green = {name: GREEN[name](text) for name, text in texts.items() if name != "nagios"}
    assert dict.fromkeys(green, run.is_passed) == green
    assert run.is_passed >= (nagios_code(run) == OK)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_where_the_registry_says(name):
    """Its module is there, its text ends with a line feed, and the same run gives the same text."""
    one = FORMATS[name]
    module, _, function = one.function.partition(":")
    assert getattr(importlib.import_module(module), function) is one.render
    assert one.render(MIXED).endswith("\n")
    assert one.render(MIXED) == one.render(MIXED)
