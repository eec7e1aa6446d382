"""The command line within the test's own process, in a folder of its own."""

from __future__ import annotations

import pytest
from commands import Ended, polite
from fake_server import FakeServer

import runner.report
from runner.cli import debugging, main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, as wide as a usual terminal, and forget secrets afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(debugging, "known_secrets", {})
    return tmp_path


@pytest.fixture
def mailproof(capsys):
    """Return the command line as a function of its words."""

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


@pytest.fixture
def runs(monkeypatch):
    """Return a list to which every run's result is added as it is reported."""
    kept = []
    render = runner.report.render_run

    def keep(run, style):
        kept.append(run)
        return render(run, style)

    monkeypatch.setattr(runner.report, "render_run", keep)
    return kept


@pytest.fixture
def server():
    """Return a server that passes everything."""
    with FakeServer(polite) as server:
        yield server
