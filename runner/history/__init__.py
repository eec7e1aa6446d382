"""Results of several runs over time: which cases fail, which only at times, which have become slow.

Results in, facts and text out. Nothing here reads a file, waits or prints, and nothing is judged: a history tells.
"""

from runner.history.facts import CaseHistory, History, Record, history_of, record_of
from runner.history.page import render_page
from runner.history.table import render_history

__all__ = ["CaseHistory", "History", "Record", "history_of", "record_of", "render_history", "render_page"]
