"""Reports: a `RunResult` in, text out. Nothing here reads, waits or prints."""

from runner.report.layout import Style, Verbosity
from runner.report.table import render_run

__all__ = ["Style", "Verbosity", "render_run"]
