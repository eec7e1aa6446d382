"""`mailproof history` on the command line: what is read, what is refused, and exit codes that judge nothing."""

import pytest
from commands import write

from runner.errors import EXIT_PASSED, EXIT_TOOL, EXIT_USAGE
from runner.report.jsonl import render_jsonl
from runner.result_document import from_json, to_json
from runner.results import CaseResult, Outcome, RunResult


@pytest.fixture
def results(folder):
    """Two results in files: the case passed, then failed."""
    for day, outcome in ((1, Outcome.PASSED), (2, Outcome.FAILED)):
        case = CaseResult("it", "mx", outcome, elapsed=0.1)
        write(folder, {f"{day}.json": to_json(RunResult((case,), 1.0, began=f"2026-11-0{day}T00:00:00Z"))})
    return folder


def test_a_history_judges_nothing(mailproof, results):
    """The code is 0 though a case fails; the files are sorted by their runs."""
    told = mailproof("history", "2.json", "1.json")
    assert (EXIT_PASSED, "") == (told.code, told.err)
    assert "failing  1/2     2026-11-02" in told.out
    assert told.out.endswith("2 runs, 2026-11-01 00:00 to 2026-11-02 00:00 UTC: 1 failing\n")


def test_a_page_is_written_besides(mailproof, results):
    """The table is shown, the page is whole."""
    told = mailproof("history", "1.json", "--html", "page.html", "2.json")
    assert EXIT_PASSED == told.code
    assert "P F" in told.out
    assert (results / "page.html").read_text().endswith("</html>\n")


def test_a_page_that_cannot_be_written(mailproof, results):
    """The table is shown all the same, and the code is the tool's."""
    told = mailproof("history", "1.json", "--html", "none/page.html")
    assert EXIT_TOOL == told.code
    assert "steady" in told.out
    assert "--html none/page.html can't be written: no such file or directory" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1.json", "cut.json"], "cut.json:1:1: the result can't be read: it is no whole JSON"),
        (["foreign.json"], "foreign.json:1:1: the result can't be read: it is no result of mailproof"),
        (["binary.json"], "binary.json:1:1: the result can't be read: it is not UTF-8"),
        (["events.jsonl"], "it holds events of --report jsonl; a history wants --report json=FILE"),
        (["none.json"], "none.json:1:1: the result can't be read: no such file or directory"),
        (["."], "the result can't be read: it is a folder"),
        ([], "history of what?"),
        (["1.json", "--html", "./1.json"], "that is one of the results"),
        (["1.json", "--html", "-"], "--html wants the name of a file"),
    ],
)
def test_wrong_files_and_usage(mailproof, results, words, said):
    """Each is refused with its name and reason; nothing is shown, nothing written over."""
    whole = (results / "1.json").read_text()
    events = render_jsonl(from_json(whole))
    write(results, {"cut.json": whole[:-20], "foreign.json": "{}", "events.jsonl": events})
    (results / "binary.json").write_bytes(b"\xff\xfe")
    told = mailproof("history", *words)
    assert (EXIT_USAGE, "") == (told.code, told.out)
    assert said in told.err
    assert whole == (results / "1.json").read_text()


def test_all_wrong_files_are_named(mailproof, results):
    """Not the first alone."""
    write(results, {"a.json": "{}", "b.json": "[]"})
    told = mailproof("history", "a.json", "1.json", "b.json")
    assert "a.json" in told.err
    assert "b.json" in told.err
    assert "2 problems in 2 files" in told.err
