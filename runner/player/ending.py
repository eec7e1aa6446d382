"""How a step or a case can end before its time: exceptions inside the player, results outside."""

from __future__ import annotations

from runner.results import Outcome


class StepEnded(Exception):  # noqa: N818 -- a way of ending, not always an error
    """The step can't go on, and with it the case."""

    def __init__(self, outcome: Outcome, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        #: That of a whole reply, where this is what was wrong: the two sides know of each other where they are.
        self.code = code

    def with_more(self, text: str) -> StepEnded:
        """Return the same end with more behind its reason."""
        return StepEnded(self.outcome, self.reason + text, self.code)


class TimedOut(Exception):  # noqa: N818 -- the step's or the case's time is over
    """A deadline has passed; the text says which, as in 'nothing came within 30 s'."""


class CaseEnded(Exception):  # noqa: N818
    """The case ends here; its steps are recorded. The step's end, where one is the reason, is its cause."""

    @property
    def code(self) -> str:
        """The code of the reply that ended it, or an empty text."""
        return self.__cause__.code if isinstance(self.__cause__, StepEnded) else ""


class CaseSkipped(Exception):  # noqa: N818
    """The server shows that the scenario makes no sense with it; the text is the reason."""


class Stopped(Exception):  # noqa: N818
    """The run is being stopped; the text says why."""


#: What ends a step before its time.
ENDINGS = (StepEnded, TimedOut, CaseSkipped, Stopped)


def end_of(error: Exception) -> StepEnded:
    """Return how a step ends by one of the `ENDINGS`."""
    if isinstance(error, StepEnded):
        return error
    if isinstance(error, TimedOut):
        return StepEnded(Outcome.FAILED, f"not done {error}")
    return StepEnded(Outcome.SKIPPED if isinstance(error, CaseSkipped) else Outcome.ERROR, str(error))


def failed(reason: str, code: str = "") -> StepEnded:
    """Return the end of a step whose server did otherwise; `code` is that of a whole reply which was not due."""
    return StepEnded(Outcome.FAILED, reason, code)


def erred(reason: str) -> StepEnded:
    """Return the end of a step that could not find out."""
    return StepEnded(Outcome.ERROR, reason)
