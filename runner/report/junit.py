"""The report for CI servers: JUnit's XML, as Jenkins, GitLab and the actions of GitHub read it.

There is no standard. What is written is what Jenkins' schema has, with `file` and `line` besides; each name says all
that a reader needs, for each of them leaves something out (see docs/reports.md). Whatever a server says is escaped
before it is XML, so the text is well-formed XML 1.0 by construction. This module must not know how anything is judged.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import escape
from runner.report import telling
from runner.report.layout import plain
from runner.report.verdict import EMBEDDED, untold_fault
from runner.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.results import CaseResult, RunResult

NAME = "mailproof"

# How each outcome is told. There is no word for "not run", and only an error is never taken for a success.
_ELEMENTS = {
    Outcome.FAILED: "failure",
    Outcome.ERROR: "error",
    Outcome.NOT_RUN: "error",
    Outcome.SKIPPED: "skipped",
    Outcome.KNOWN: "skipped",
}
_SUFFIX = re.compile(r"\.ya?ml\Z")
# Ant's schema wants a time without its zone; all readers take it as UTC.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
# Jenkins and GitLab take this mark in a text for the path of a file that belongs to the result.
_ATTACHMENT = "[[ATTACHMENT"
_NO_ATTACHMENT = "[\\x5bATTACHMENT"


def render_junit(run: RunResult) -> str:
    """Return the run as XML: a suite for each target, a test case for each case.

    A run that was interrupted or in which nothing passed has one more test case, with an error.
    """
    suites = [_suite(run, target) for target in dict.fromkeys(case.target for case in run.cases)]
    if fault := untold_fault(run):
        suites.append(_suite_of_run(fault))
    counts = {key: sum(suite.counts[key] for suite in suites) for key in ("tests", "failures", "errors")}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_attributes(name=NAME, **counts, time=_seconds(run.elapsed))}>",
        *(line for suite in suites for line in suite.lines(run.began)),
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Suite:
    """A suite: the lines of its test cases, and how many of them have which element."""

    name: str
    cases: list[str]
    elements: Counter[str]
    seconds: float = 0.0
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """The attributes that are added up."""
        return {
            "tests": self.elements.total(),
            "failures": self.elements["failure"],
            "errors": self.elements["error"],
            "skipped": self.elements["skipped"],
        }

    def lines(self, began: str) -> list[str]:
        """Return the suite as XML."""
        moment = _TIMESTAMP.match(began)
        when = {"timestamp": moment[0]} if moment else {}
        head = f"  <testsuite{_attributes(name=self.name, **self.counts, time=_seconds(self.seconds), **when)}>"
        entries = [f"      <property{_attributes(name=key, value=value)}/>" for key, value in self.properties.items()]
        properties = ["    <properties>", *entries, "    </properties>"] if entries else []
        return [head, *properties, *self.cases, "  </testsuite>"]


def _suite(run: RunResult, target: str) -> _Suite:
    cases = [case for case in run.cases if case.target == target]
    names = _numbered(telling.name(case) for case in cases)
    lines = [line for case, name in zip(cases, names, strict=True) for line in _case(case, name)]
    elements = Counter(_ELEMENTS.get(case.outcome, "") for case in cases)
    seconds = sum(case.elapsed for case in cases)
    return _Suite(_target(target), lines, elements, seconds, _properties(run, cases))


def _numbered(names: Iterable[str]) -> Iterator[str]:
    """Iterate over the names, with a number where one is given again: readers would take both for one, tried again."""
    given: dict[str, int] = {}
    for name in names:
        unique, number = name, given.get(name, 0)
        while unique in given:
            number += 1
            unique = f"{name} ({number})"
        given[name] = max(number, 1)
        given.setdefault(unique, 1)
        yield unique


def _suite_of_run(fault: str) -> _Suite:
    """Return the suite of what no case tells."""
    lines = [
        f"    <testcase{_attributes(classname=NAME, name='the run', time=_seconds(0))}>",
        f"      {_element('error', 'run', fault, [fault])}",
        "    </testcase>",
    ]
    return _Suite(NAME, lines, Counter(error=1))


def _properties(run: RunResult, cases: list[CaseResult]) -> dict[str, str]:
    """Return what a suite's cases have in common, and how they ended in mailproof's own words."""
    facts = {
        "target": _target(cases[0].target),
        "endpoint": ", ".join(_distinct(case.endpoint for case in cases)),
        "tls": ", ".join(_distinct(case.tls for case in cases)),
        "server": EMBEDDED if run.is_embedded else "",
    }
    ended = Counter(case.outcome for case in cases)
    counts = {f"outcome.{outcome.value}": str(ended[outcome]) for outcome in Outcome}
    return {**{key: value for key, value in facts.items() if value}, **counts}


def _distinct(texts: Iterable[str]) -> list[str]:
    return [plain(text) for text in dict.fromkeys(texts) if text]


def _case(case: CaseResult, name: str) -> list[str]:
    head = f"    <testcase{_attributes(classname=_class(case), name=name, time=_seconds(case.elapsed), **_at(case))}"
    inner = _inner(case)
    return [f"{head}>", *(f"      {element}" for element in inner), "    </testcase>"] if inner else [f"{head}/>"]


def _at(case: CaseResult) -> dict[str, str | int]:
    place = telling.place(case)
    return {"file": escape(place.file), "line": place.line} if place else {}


def _inner(case: CaseResult) -> list[str]:
    """Return the elements of a test case: how it ended, and its warnings."""
    element = _ELEMENTS.get(case.outcome)
    if element is None:
        return [_output(telling.details(case) or telling.warnings(case))] if case.warnings else []
    output = [_output(telling.warnings(case))] if case.warnings else []
    return [_element(element, case.outcome.value, telling.reason(case), telling.details(case)), *output]


def _element(tag: str, kind: str, message: str, text: list[str]) -> str:
    return f"<{tag}{_attributes(type=kind, message=message)}>{_text(text)}</{tag}>"


def _output(lines: list[str]) -> str:
    return f"<system-out>{_text(lines)}</system-out>"


def _class(case: CaseResult) -> str:
    """Return target and file: what stands before the last dot is the package, so the file's name has none."""
    file = _SUFFIX.sub("", case.place.file).replace(".", "_") if case.place else NAME
    return f"{_target(case.target)}.{escape(file)}"


def _target(target: str) -> str:
    return plain(target) or "no target"


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _attributes(**values: str | int) -> str:
    return "".join(f' {key}="{_markup(str(value))}"' for key, value in values.items())


def _text(lines: list[str]) -> str:
    return _markup("\n".join(lines))


def _markup(text: str) -> str:
    """Return an escaped text as XML has it, in an element or an attribute.

    `>` must be escaped behind `]]` (XML 1.0 section 2.4), and is everywhere.
    """
    text = text.replace(_ATTACHMENT, _NO_ATTACHMENT)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
