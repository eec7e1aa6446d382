"""The report for Nagios, read back as the plugin guidelines say, and the code that goes with it."""

import re
from dataclasses import replace

import pytest
from hostile_runs import NEVER_GREEN, runs
from hypothesis import given, settings
from report_samples import DELIVERED, HOSTILE, MIXED, NOT_BEGUN, NOTED, REFUSED, RELAYED, SKIPPED

from runner.errors import escape
from runner.report.nagios import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    nagios_code,
    render_nagios,
    render_unknown,
)
from runner.results import Outcome, RunResult

KNOWN = replace(RELAYED, outcome=Outcome.KNOWN)
# What Nagios itself takes for the end of its buffer.
NAGIOS_BYTES = 8192
VALUE = re.compile(r"(?:([a-z_]+)|'([^'=|]+)')=([0-9.]+)(s?)(?:;([0-9:]*))?(?:;([0-9:]*))?(?:;([0-9]*))?(?:;([0-9]*))?")


def performance(text):
    """Performance data as {label: value}."""
    _, data = text.split("\n", 1)[0].split(" | ")
    found = [VALUE.fullmatch(one) for one in re.findall(r"(?:'[^']*'|[^ '])+", data)]
    assert None not in found
    labels = [one[1] or one[2] for one in found]
    assert len(set(labels)) == len(labels)
    return {label: float(one[3]) for label, one in zip(labels, found, strict=True)}


@pytest.mark.parametrize(
    ("run", "code"),
    [
        pytest.param(RunResult((DELIVERED,)), OK, id="passed"),
        pytest.param(RunResult((DELIVERED, SKIPPED)), OK, id="the rest is skipped"),
        pytest.param(RunResult((DELIVERED, KNOWN)), OK, id="a known issue beside"),
        pytest.param(RunResult((NOTED,)), WARNING, id="a warning"),
        pytest.param(RunResult((KNOWN,)), WARNING, id="only known issues"),
        pytest.param(RunResult((KNOWN, NOT_BEGUN)), UNKNOWN, id="a known issue and one not run"),
        pytest.param(RunResult((DELIVERED, RELAYED)), CRITICAL, id="failed"),
        pytest.param(RunResult((NOTED, RELAYED)), CRITICAL, id="failed with a warning"),
        pytest.param(RunResult((DELIVERED, REFUSED)), CRITICAL, id="erred"),
        pytest.param(RunResult((RELAYED,), interrupted="SIGINT"), CRITICAL, id="failed, then interrupted"),
        pytest.param(RunResult((DELIVERED, REFUSED), interrupted="SIGINT"), UNKNOWN, id="erred, interrupted"),
        pytest.param(RunResult((DELIVERED,), interrupted="SIGINT"), UNKNOWN, id="interrupted"),
        pytest.param(RunResult((DELIVERED, NOT_BEGUN)), UNKNOWN, id="not run"),
        pytest.param(RunResult((SKIPPED,)), UNKNOWN, id="all skipped"),
        pytest.param(RunResult(()), UNKNOWN, id="no case"),
    ],
)
def test_code_and_word_agree(run, code):
    """The code is what the status line says."""
    assert code == nagios_code(run)
    assert render_nagios(run).startswith(f"MAILPROOF {['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'][code]} - ")


@pytest.mark.parametrize("run", NEVER_GREEN.values(), ids=NEVER_GREEN)
def test_never_green_by_mistake(run):
    """What was cut short, left out, or did not pass is not OK."""
    assert OK != nagios_code(run)
    assert "OK" not in render_nagios(run).split("|")[0]


def test_status_line_tells_the_worst_case():
    """The counts, then the first failure: a telephone shows no more."""
    status = render_nagios(RunResult((DELIVERED, REFUSED, RELAYED), 0.5)).split(" | ")[0]
    expected = (
        "MAILPROOF CRITICAL - 1 passed, 1 failed, 1 error in 0.50 s; "
        "relay refused · mx: RCPT TO:\uff1c\uff04{external}\uff1e: expected 550 5.7.*, got 250 2.1.5 Ok"
    )
    assert expected == status


def test_performance_data():
    """Counts have their limits as ranges, times their unit, and every case that ran its time."""
    text = render_nagios(RunResult((DELIVERED, RELAYED, SKIPPED), 1.25))
    expected = (
        "passed=1;;;0;3 failed=1;;0;0;3 error=0;;0;0;3 skipped=1;;;0;3 known=0;;;0;3 not_run=0;;;0;3 "
        "warnings=0;0;;0 time=1.250s;;;0 'delivery_to_a_local_mailbox'=0.030s;;;0 'relay_refused'=0.130s;;;0"
    )
    assert expected == text.split("\n", 1)[0].split(" | ")[1]


def test_cases_are_told_below():
    """Each case that is not as it should be has a line that begins with its outcome, the worst first."""
    lines = render_nagios(MIXED).splitlines()[1:]
    assert ["failed", "failed", "error", "not run", "warning", "warning"] == [line.split(":")[0] for line in lines]


def test_labels_are_told_apart():
    """Cases of one name, and one that is called as a count is, have labels of their own."""
    named = [replace(DELIVERED, scenario=name) for name in ("a b", "a=b", "passed", "'|'")]
    assert {"a_b", "a_b_2", "passed_2", "case"} < set(performance(render_nagios(RunResult(tuple(named)))))


def test_many_cases_are_bounded():
    """Nagios reads 8 KiB: what does not fit is counted, and the first times stay the same."""
    text = render_nagios(RunResult((replace(HOSTILE, scenario="long " * 30), *[RELAYED] * 500)))
    assert len(text.encode()) < NAGIOS_BYTES
    assert re.search(r"\n… [0-9]+ more lines left out\n\Z", text)
    assert "mx_relay_refused" in performance(text)


def test_what_cannot_run_is_unknown():
    """A wrong file is told on one line that no pipe cuts."""
    told = render_unknown("a.yaml:1:2: unknown key 'x|y'\n  | more")
    assert "MAILPROOF UNKNOWN - a.yaml:1:2: unknown key \uff07x\uff5cy\uff07\uff3cx0a  \uff5c more\n" == told


@settings(max_examples=60, deadline=None)
@given(runs)
def test_hostile_text_stays_text(run):
    """There is one pipe, no character that a monitor or a shell would act on, and the counts agree."""
    text = render_nagios(run)
    first, *more = text.removesuffix("\n").split("\n")
    assert 1 == text.count("|")
    assert first.startswith("MAILPROOF ")
    told = first.split(" | ")[0] + "".join(more)
    assert not set(told) & set("|<>&$`\"'\\")
    assert text == "\n".join(map(escape, (first, *more))) + "\n"
    words = ("failed: ", "error: ", "not run: ", "known: ", "warning: ", "… ")
    assert all(line.startswith(words) for line in more)
    assert len(text.encode()) < NAGIOS_BYTES
    found = performance(text)
    assert {one.value: run.count(one) for one in Outcome} == {
        one.value: found[one.value.replace(" ", "_")] for one in Outcome
    }
    assert run.is_passed == (first.startswith(("MAILPROOF OK", "MAILPROOF WARNING")) and found["passed"] > 0)
