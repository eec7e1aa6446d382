"""The report as one page for a browser: a `RunResult` in, a self-contained file out."""

from runner.report.html.page import render_html

__all__ = ["render_html"]
