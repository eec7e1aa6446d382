"""Loops, fragments, cleanup and greylisting against real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.results import CaseResult, Outcome
from tests.running import described, run_case
from tests.servers import Running

HERE = Path(__file__).parent / "scenarios"


def play(name: str, running: Running, *, greylisting: float | None = None) -> CaseResult:
    return run_case(
        HERE / f"{name}.yaml",
        running.url,
        running.variables,
        running.password,
        ca=running.ca,
        greylisting=greylisting,
    )


class TestGreylisting:
    def test_shown_by_retry(self, broken_postfix):
        """First 450, then accepted, within one scenario that opens a new connection for each attempt."""
        plain = broken_postfix("greylisting").plain
        result = play("greylisting", plain)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{plain.log_tail()}"
        assert result.steps[-1].label == "retry for 30s"
        assert result.steps[-1].reason.startswith("passed after ")

    def test_without_greylisting(self, postfix_server):
        """A server that accepts at once fails the same scenario, and says why that is wrong."""
        result = play("greylisting", postfix_server.plain)
        assert Outcome.FAILED is result.outcome
        assert "expected 450 4.* or 451 4.*, got 250 2.1.5 Ok" in result.reason

    def test_borne_by_the_target(self, broken_postfix):
        """A scenario that knows nothing of it passes where the target says that it greylists."""
        plain = broken_postfix("greylisting").plain
        result = play("first-contact", plain, greylisting=10.0)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{plain.log_tail()}"
        (warning,) = result.warnings
        assert warning.startswith("greylisted: passed after ")
        assert len(result.transcripts) > 1

    def test_not_borne(self, broken_postfix):
        """Without the key it fails."""
        result = play("first-contact", broken_postfix("greylisting").plain)
        assert Outcome.FAILED is result.outcome
        assert "expected 250, got 450 4.7.1" in result.reason


class TestRounds:
    @pytest.mark.parametrize("server", ["postfix_server", "exim_server"])
    def test_a_closed_relay(self, request, server):
        """Each odd recipient is a row, and all are refused."""
        plain = request.getfixturevalue(server).plain
        result = play("odd-recipients", plain)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{plain.log_tail()}"
        assert 10 == sum(step.label.startswith("[<") for step in result.steps)

    @pytest.mark.parametrize("server", ["broken_postfix", "broken_exim"])
    def test_an_open_relay(self, request, server):
        """One run tells every recipient that was accepted, and goes on after each."""
        result = play("odd-recipients", request.getfixturevalue(server)("open_relay").plain)
        assert Outcome.FAILED is result.outcome
        assert 10 == sum(step.label.startswith("[<") for step in result.steps)
        accepted = [step for step in result.steps if step.outcome is Outcome.FAILED]
        assert len(accepted) > 1
        assert Outcome.NOT_RUN not in [step.outcome for step in result.steps]


class TestFragments:
    @pytest.mark.parametrize("server", ["postfix_server"])
    def test_submission(self, request, server):
        """Fragments in fragments, in a loop and in cleanup; what they capture comes out."""
        plain = request.getfixturevalue(server).plain
        result = play("submitted-twice", plain)
        assert result.outcome is Outcome.PASSED, f"{described(result)}\n{plain.log_tail()}"
        assert () == result.warnings
        assert 4 == len(result.transcripts)
        text = "\n".join(str(line) for one in result.transcripts for line in one.lines())
        assert plain.password not in text
        assert "C: Subject: third " in text
        assert " of 2" in text
