"""The report as events, a line of JSON each: the run began, a case ended, the run ended.

They can be written while the run goes on. The last one has the counts, so that a file that was cut is seen to be.
`schema/events.schema.json` describes a line. This module must not know where lines go, nor when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.result_document import case_document, dumps, outcome_document

if TYPE_CHECKING:
    from runner.results import CaseResult, RunResult

FORMAT = "mailproof-events"
#: It grows when a reader of the version before would be wrong.
VERSION = 1


def render_jsonl(run: RunResult) -> str:
    """Return all events of a run that has ended, its cases in the order of the input."""
    lines = [run_began(run.began, len(run.cases)), *map(case_ended, run.cases), run_ended(run)]
    return "".join(f"{line}\n" for line in lines)


def run_began(began: str, planned: int) -> str:
    """Return the first event: when that was (ISO 8601, UTC), and how often a scenario is to be played."""
    return dumps({"event": "run began", "format": FORMAT, "version": VERSION, "began": began, "planned": planned})


def case_ended(case: CaseResult) -> str:
    """Return the event of one case, as the JSON document has it."""
    return dumps({"event": "case ended", "case": case_document(case)})


def repetition_ended(case: CaseResult) -> str:
    """Return the event of one of several plays of a case, which counts by what comes of all of them."""
    return dumps({"event": "repetition ended", "case": case_document(case)})


def run_ended(run: RunResult) -> str:
    """Return the last event: the counts of the cases, and what else makes the run what it is."""
    return dumps({"event": "run ended", **outcome_document(run)})
