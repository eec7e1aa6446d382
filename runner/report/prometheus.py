r"""The report for Prometheus: text exposition format 0.0.4, as the textfile collector of node_exporter reads it.

Names, labels and units stay as they are between versions. There are twelve series for a run, and eight or ten for each
case: who has thousands of cases asks for another format. A sample has no time of its own, for the collector takes
none. This module must not know where the file goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.report.layout import plain
from runner.report.verdict import distinct
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.results import CaseResult, RunResult

_IDLE = (Outcome.SKIPPED, Outcome.NOT_RUN)
_Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Family:
    """All samples of one metric, each with its labels; all metrics are gauges, for a file is written anew each time."""

    name: str
    told: str
    samples: tuple[tuple[_Labels, float], ...]

    def lines(self) -> Iterator[str]:
        if self.samples:
            yield f"# HELP mailproof_{self.name} {self.told}"
            yield f"# TYPE mailproof_{self.name} gauge"
        for labels, value in self.samples:
            told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"mailproof_{self.name}{{{told}}} {_number(value)}" if told else self._bare(value)

    def _bare(self, value: float) -> str:
        return f"mailproof_{self.name} {_number(value)}"


def render_prometheus(run: RunResult) -> str:
    """Return the metrics of a run, and of each case by the labels `scenario`, `target` and `row`."""
    lines = [line for family in (*_of_run(run), *_of_cases(run)) for line in family.lines()]
    return "\n".join(lines) + "\n"


def _of_run(run: RunResult) -> Iterator[_Family]:
    yield _one(
        "run_passed", "Whether the run is green: something passed, nothing failed or was left out.", run.is_passed
    )
    yield _one("run_interrupted", "Whether the run was cut short.", bool(run.interrupted))
    yield _one("run_embedded", "Whether mailproof itself played the server.", run.is_embedded)
    counts = tuple(({"outcome": outcome.value}, float(run.count(outcome))) for outcome in Outcome)
    yield _Family("run_cases", "How many cases ended so.", counts)
    yield _one("run_warnings", "How many warnings the cases carry.", run.warnings)
    yield _one("run_duration_seconds", "How long the run took.", run.elapsed)
    if (began := _timestamp(run.began)) is not None:
        yield _one("run_began_timestamp_seconds", "When the run began, since 1970 in UTC.", began)


def _one(name: str, told: str, value: float) -> _Family:
    return _Family(name, told, (({}, float(value)),))


def _of_cases(run: RunResult) -> Iterator[_Family]:
    labelled = list(zip(_labels(run.cases), run.cases, strict=True))
    yield _family(
        "case_outcome",
        "1 for how the case ended, 0 for how it did not.",
        (({**labels, "outcome": one.value}, case.outcome is one) for labels, case in labelled for one in Outcome),
    )
    yield _family(
        "case_duration_seconds",
        "How long the case took; of one that was repeated the median.",
        ((labels, case.elapsed) for labels, case in labelled if case.outcome not in _IDLE),
    )
    yield _family(
        "case_warnings",
        "How many warnings the case carries.",
        ((labels, len(case.warnings)) for labels, case in labelled),
    )
    repeated = [(labels, case.repeats) for labels, case in labelled if case.repeats]
    yield _family("case_repeats", "How often the case was run.", ((labels, one.runs) for labels, one in repeated))
    yield _family(
        "case_repeats_passed", "How often the case passed.", ((labels, one.passed) for labels, one in repeated)
    )


def _family(name: str, told: str, samples: Iterable[tuple[_Labels, float]]) -> _Family:
    return _Family(name, told, tuple((labels, float(value)) for labels, value in samples))


def _labels(cases: tuple[CaseResult, ...]) -> list[_Labels]:
    """Return labels that tell every case from the others: with two alike the collector refuses the whole file."""
    keys = [(plain(case.scenario), plain(case.target), plain(case.row)) for case in cases]
    made = distinct(keys, lambda key, number: (f"{key[0]} ({number})", *key[1:]))
    return [dict(zip(("scenario", "target", "row"), key, strict=True)) for key in made]


def _escaped(text: str) -> str:
    r"""Return a label's value; line feeds have become `\x0a` before."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(round(value, 6))


def _timestamp(began: str) -> float | None:
    """Return seconds since 1970; None for a time that nobody told."""
    try:
        moment = datetime.fromisoformat(began)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
