"""What a case's outcome is once its `known_issue` is considered: only what was seen to fail is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.results import Outcome

if TYPE_CHECKING:
    from runner.language.case import Case
    from runner.player.findings import Findings


def verdict(case: Case, findings: Findings) -> tuple[Outcome, str]:
    """Return a case's outcome and reason.

    An error stays one: that nobody could find out does not show the issue to be there.
    """
    issue, outcome, reason = case.scenario.known_issue, findings.outcome, findings.reason
    if issue is None:
        return outcome, reason
    if outcome is Outcome.PASSED:
        return Outcome.FAILED, f"passed, though known to fail ({issue.why}): remove known_issue"
    if outcome is not Outcome.FAILED:
        return outcome, reason
    if issue.until is not None and case.today >= issue.until:
        return outcome, f"{reason}; known_issue was an excuse until {issue.until.isoformat()} ({issue.why})"
    return Outcome.KNOWN, f"known ({issue.why}): {reason}"
