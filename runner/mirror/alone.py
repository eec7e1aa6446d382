"""A case and its mirror played against each other without a socket: whether the mirror can, and what faults come to.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from runner.dataclass import dataclass
from runner.language.case import Case
from runner.mirror.acts import Said
from runner.mirror.faults import Known, Plan, Wish, places_of
from runner.mirror.machine import Certify, Mirror
from runner.mirror.shadow import Place
from runner.results import CaseResult, Outcome


@dataclass(frozen=True, slots=True)
class Playing:
    """What came of it: the case's result (None if the mirror can't play it, then `stuck` says why).

    `said` are the replies that steps judge, in order; `struck` is how often each fault did.
    """

    result: CaseResult | None
    stuck: str
    said: tuple[Said, ...]
    struck: tuple[int, ...] = ()

    @property
    def rows(self) -> tuple[Known, ...]:
        """The rows of the report with their places, as a fault may name them."""
        if self.result is None:
            return ()
        times: Counter[tuple[str, int, int]] = Counter()
        found = []
        for number, row in enumerate(self.result.steps, 1):
            at = (row.place.file, row.place.line, row.place.column)
            if row.outcome not in (Outcome.SKIPPED, Outcome.NOT_RUN):
                times[at] += 1
            found.append(Known(number, row.label, Place(*at, max(1, times[at]))))
        return tuple(found)


def play_alone(case: Case, plan: Plan | None = None, certify: Certify | None = None) -> Playing:
    """Play a case against its mirror, faults included."""
    plan = plan or Plan()
    mirror = Mirror(case, plan, certify=certify, is_alone=True)
    mirror.start()
    return Playing(mirror.result, mirror.stuck, tuple(mirror.said), tuple(plan.struck))


def planned(playing: Playing, wishes: Sequence[Wish]) -> Callable[[], Plan]:
    """Return what makes a plan of the faults that are wished, by the rows of a rehearsal without them."""
    faults = [(wish, places_of(wish.step, playing.rows)) for wish in wishes]
    return lambda: Plan(faults)
