"""The report for programs: the whole result as one JSON document, see `runner.result_document`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.result_document import to_json

if TYPE_CHECKING:
    from runner.results import RunResult


def render_json(run: RunResult) -> str:
    """Return the result as JSON in ASCII, a line for each case."""
    return to_json(run)
