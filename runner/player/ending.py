"""How a step or a case can end before its time: exceptions inside the player, results outside."""

from __future__ import annotations

from runner.results import Outcome


class StepEnded(Exception):  # noqa: N818 -- a way of ending, not always an error
    """The step can't go on, and with it the case."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class TimedOut(Exception):  # noqa: N818 -- the step's or the case's time is over
    """A deadline has passed; the text says which, as in 'nothing came within 30 s'."""


class CaseEnded(Exception):  # noqa: N818
    """The case ends here; its steps are recorded."""


class CaseSkipped(Exception):  # noqa: N818
    """The server shows that the scenario makes no sense with it; the text is the reason."""


class Stopped(Exception):  # noqa: N818
    """The run is being stopped; the text says why."""


def failed(reason: str) -> StepEnded:
    """Return the end of a step whose server did otherwise."""
    return StepEnded(Outcome.FAILED, reason)


def erred(reason: str) -> StepEnded:
    """Return the end of a step that could not find out."""
    return StepEnded(Outcome.ERROR, reason)
