"""The report for GitHub Actions, read back by the rules of its runner."""

from dataclasses import replace

import pytest
from hostile_runs import NEVER_GREEN, runs
from hypothesis import given, settings
from report_samples import DELIVERED, MIXED, NOTED, OWED, REFUSED, RELAYED, REPEATED, SKIPPED

from runner.errors import escape
from runner.report.github import MOST_SHOWN, render_github
from runner.results import Outcome, RunResult

COMMANDS = ("error", "warning", "notice", "group", "endgroup")


def command(line):
    """A line as (command, properties, data), or None: as ActionCommand.TryParseV2 of the runner reads it."""
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, listed = line[2:end].partition(" ")
    pairs = dict(one.split("=", 1) for one in listed.split(",") if one)
    properties = {
        key: text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        for key, text in pairs.items()
    }
    return name, properties, line[end + 2 :].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def commands(text, *kinds):
    found = [command(line) for line in text.splitlines()]
    return [one for one in found if one is not None and one[0] in (kinds or COMMANDS)]


def test_failed_step_is_shown_at_its_line():
    """An error has file, line and column of the step, whose it is, and what was expected above what came."""
    text = render_github(RunResult((DELIVERED, RELAYED), 0.5))
    [(name, properties, data)] = commands(text)
    assert "error" == name
    assert {
        "file": "scenarios/relay-refused.yaml",
        "line": "14",
        "col": "7",
        "title": "relay refused · mx: failed",
    } == properties
    expected = (
        "RCPT TO:<${external}>\n"
        "because:  RFC 5321 section 3.6.2: a relay that serves everybody will be used by everybody\n"
        "expected  550 5.7.*\n"
        "got       250 2.1.5 Ok\n"
        "= target mx (smtp://mx1.example:25, TLSv1.3), step 4 of 6, after 0.12 s"
    )
    assert expected == data
    assert "mailproof: failed: 1 passed, 1 failed in 0.50 s" == text.splitlines()[-1]


def test_what_no_step_tells_is_shown_at_the_scenario():
    """A case that failed after its last step has an error, too."""
    [(_, properties, data)] = commands(render_github(RunResult((OWED,))), "error")
    assert ("scenarios/counted.yaml", "1") == (properties["file"], properties["line"])
    assert "after the last step: a reply is still owed, to MAIL FROM" == data


def test_warnings_are_shown_where_they_arose():
    """A warning that a step gave is at the step; others are without a place."""
    found = commands(render_github(RunResult((NOTED,))), "warning")
    assert [{"file": "scenarios/banner.yaml", "line": "4", "col": "5"}, {}] == [
        {key: text for key, text in properties.items() if key != "title"} for _, properties, _ in found
    ]


def test_known_issue_is_a_warning():
    """It is told, and is no error."""
    known = replace(RELAYED, outcome=Outcome.KNOWN, reason="ticket 12")
    [(name, properties, data)] = commands(render_github(RunResult((DELIVERED, known))))
    assert ("warning", "relay refused · mx: known", "ticket 12") == (name, properties["title"], data)
    assert "14" == properties["line"]


def test_skips_are_noticed_if_nothing_passed():
    """Beside a pass they would be noise."""
    assert [] == commands(render_github(RunResult((DELIVERED, SKIPPED))))
    names = [name for name, _, _ in commands(render_github(RunResult((SKIPPED,))))]
    assert ["error", "notice"] == names


def test_repeated_case_tells_each_reason():
    """How often each came stands in the title."""
    found = commands(render_github(REPEATED), "error")
    assert ["relay refused · mx: failed, 3 of 20 times", "relay refused · mx: error, 1 of 20 times"] == [
        properties["title"] for _, properties, _ in found
    ]


def test_first_errors_are_of_different_cases():
    """GitHub shows ten: each case has its first step there before any has its second; what failed comes first."""
    twice = replace(RELAYED, steps=(*RELAYED.steps, replace(RELAYED.steps[3], label="again")))
    labels = [data.partition("\n")[0] for _, _, data in commands(render_github(RunResult((REFUSED, twice, OWED))))]
    rcpt = "RCPT TO:<${external}>"
    assert [rcpt, "after the last step: a reply is still owed, to MAIL FROM", "connect", "again"] == labels


def test_what_github_does_not_show_is_in_the_log():
    """The eleventh error and all others are plain lines in a group that says why."""
    text = render_github(RunResult(tuple([RELAYED] * 300)))
    assert MOST_SHOWN == len(commands(text, "error"))
    assert [("group", {}, "290 more lines: GitHub shows 10 of a kind for each step")] == commands(text, "group")
    plain = [line for line in text.splitlines() if line.startswith("error: scenarios/relay-refused.yaml:14:7: relay")]
    assert 200 == len(plain)
    assert "90 more left out" in text.splitlines()


def test_escapes_of_a_server_stay_as_they_were():
    """What reads like GitHub's escapes comes back as it was: in the data, the title and the file's name."""
    text = "100%0A %25 %3A,: ##[x]"
    step = replace(RELAYED.steps[3], label=text, place=replace(RELAYED.steps[3].place, file=text))
    case = replace(RELAYED, scenario=text, steps=(step,))
    _, properties, data = commands(render_github(RunResult((case,))))[0]
    told = "100%0A %25 %3A,: #\\x23[x]"
    assert (told, told, f"{told} · mx: failed") == (data.split("\n")[0], properties["file"], properties["title"])


@pytest.mark.parametrize("run", NEVER_GREEN.values(), ids=NEVER_GREEN)
def test_never_green_by_mistake(run):
    """What was cut short, left out, or did not pass has an error, and the sum does not say passed."""
    text = render_github(run)
    assert [] != commands(text, "error")
    assert "mailproof: passed" not in text


def test_green_run_has_no_command():
    """The sum is all that there is to say."""
    assert "mailproof: passed: 1 passed, 0 failed in 0.10 s\n" == render_github(RunResult((DELIVERED,), 0.1))


def test_mixed_run_is_whole():
    """All outcomes in one run: an error for each case that failed or erred."""
    assert 3 == len(commands(render_github(MIXED), "error"))


@settings(max_examples=60, deadline=None)
@given(runs)
def test_hostile_text_gives_no_command(run):
    """Each line is a command of ours or none at all; no property is forged, and `##[` stands nowhere."""
    text = render_github(run)
    assert "\r" not in text
    assert "##[" not in text
    lines = text.removesuffix("\n").split("\n")
    own = ("::error ", "::warning ", "::notice ", "::group::", "::endgroup::", "error: ", "warning: ", "notice: ")
    assert all(line.startswith(own) and line == escape(line) for line in lines[:-1])
    assert lines[-1].startswith("mailproof: ")
    for name, properties, data in commands(text):
        assert name in COMMANDS
        assert "##[" not in data
        assert set(properties) in ({"file", "line", "col", "title"}, {"title"}, set())
        assert all(line == escape(line) for line in data.split("\n"))
    assert run.is_passed == (not commands(text, "error"))
    assert lines[-1].startswith("mailproof: passed: ") == run.is_passed
