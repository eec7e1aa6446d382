"""The registry of reports: each name that `--report` takes, and where the function is that writes it.

A report is a pure function of a `RunResult`, in a module of its own that is imported when it is asked for. To add
one, write the module and its entry here. This module must not know where a report goes.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from runner.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.results import RunResult


@dataclass(frozen=True, slots=True)
class Format:
    """One form of a report. `function` is its place, `module:function`; `suffix` is how its files are named.

    `wants_transcripts`: it shows the conversation of every case, also of those that passed. `is_private`: it holds
    what went over the wire, so its file is for its owner alone.
    """

    name: str
    function: str
    suffix: str
    summary: str
    wants_transcripts: bool = False
    is_private: bool = False

    @property
    def render(self) -> Callable[[RunResult], str]:
        """The function that makes the report's text, with a line feed at its end."""
        module, _, name = self.function.partition(":")
        render: Callable[[RunResult], str] = getattr(import_module(module), name)
        return render


def _format(name: str, suffix: str, summary: str, *, wants_transcripts: bool = False, is_private: bool) -> Format:
    return Format(name, f"runner.report.{name}:render_{name}", suffix, summary, wants_transcripts, is_private)


_ALL = (
    Format("table", "runner.report.table:render_run", ".txt", "what a terminal shows", is_private=True),
    _format("junit", ".xml", "for CI servers", is_private=True),
    _format("tap", ".tap", "Test Anything Protocol 14", is_private=True),
    _format("json", ".json", "everything, for programs", wants_transcripts=True, is_private=True),
    _format("jsonl", ".jsonl", "events as they happen, a line each", wants_transcripts=True, is_private=True),
    _format("html", ".html", "one page with every conversation", wants_transcripts=True, is_private=True),
    _format("markdown", ".md", "for job summaries", is_private=True),
    _format("github", ".txt", "annotations of GitHub Actions", is_private=False),
    _format("nagios", ".txt", "status line and performance data", is_private=False),
    _format("prometheus", ".prom", "metrics for the textfile collector", is_private=False),
)
#: Every format by its name, in the order in which they are listed.
FORMATS: Mapping[str, Format] = MappingProxyType({one.name: one for one in _ALL})
