"""The page in Chromium: its own script runs, nobody else's does, and nothing is asked for or complained about."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from report import report_samples as samples

from runner.report.html import render_html
from runner.results import RunResult

CHROMIUM = shutil.which("chromium")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_page_runs_by_itself_and_asks_nobody(tmp_path):
    """The filters are there, so the policy lets the page's script run; the console, where refusals go, is empty."""
    page = tmp_path / "report.html"
    page.write_text(render_html(RunResult((*samples.ALL_CASES, samples.HOSTILE), 2.0)), encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM, *OPTIONS, *QUIET, profile, "--enable-logging=stderr", "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
    assert '<form id="filters"><fieldset>' in shown.stdout
    assert "8 of 8 shown" in shown.stdout
    assert [] == re.findall(r".*CONSOLE.*", shown.stderr)
