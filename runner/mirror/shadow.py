"""The client's half of a case, played in the mirror itself: so it knows which line comes next and what is awaited.

A shadow is the very player of a run. What it sends is what the client is expected to send, what it waits for is what
the mirror has to say. Pure: its clock is the mirror's, which goes as fast as it likes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass
from runner.language.model import (
    Auth,
    Connect,
    Exchange,
    Group,
    Hangup,
    Pipeline,
    Send,
    StartTls,
    Step,
    Wait,
)
from runner.matching.expectation import Expectation
from runner.player import Player

if TYPE_CHECKING:
    from runner.language.case import Case
    from runner.matching.partial import LineExpectation
    from runner.player.ending import StepEnded
    from runner.player.link import Link
    from runner.wire import Action

Kind = Literal["reply", "each", "line", "go-ahead", "login", "greeting", "farewell", "time"]


@dataclass(frozen=True, slots=True)
class Due:
    """What the shadow waits for, and where: `wanted` is filled in; `step` is the one that reads it."""

    kind: Kind
    step: Step | None = None
    link: Link | None = None
    wanted: Expectation | None = None
    line: LineExpectation | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A step that is played: where it is written, and which time it is (attempts of a retry count as one)."""

    file: str
    line: int
    column: int
    time: int


@dataclass(frozen=True, slots=True)
class Doing:
    """An action of the shadow, and the step that it belongs to; None for what is between steps or after them."""

    action: Action
    step: Step | None


class Shadow(Player):
    """A player that tells what it waits for."""

    def __init__(self, case: Case) -> None:
        self.step: Step | None = None
        self.doing: list[Doing] = []
        #: How many replies the step under way has been given.
        self.given = 0
        self._recorded = 0  # of a pipeline's steps
        self._link_before: Link | None = None
        self._was_encrypted = False
        self._times: Counter[tuple[str, int, int]] = Counter()
        super().__init__(case, keeps_all_transcripts=True)

    # What the player tells of itself.

    def begin_step(self, step: Step) -> None:
        """See `Player.begin_step`."""
        if step is not self.step:
            self.given = self._recorded = 0
            self._link_before = self.links.get(self.session)
            self._was_encrypted = self._link_before is not None and self._link_before.tls is not None
            attempt = self.scope.counters.get("attempt")
            if attempt is None or attempt.text == "1":
                for one in step.steps if isinstance(step, Pipeline) else (step,):
                    self._times[_written_at(one)] += 1
        self.step = step
        super().begin_step(step)

    def record(self, step: Step, ended: StepEnded | None = None) -> None:
        """See `Player.record`."""
        super().record(step, ended)
        self.given = 0
        if isinstance(self.step, Pipeline):
            self._recorded += 1
            if self._recorded < len(self.step.steps):
                return
        self.step = None

    def note_end(self) -> None:
        """See `Player.note_end`."""
        super().note_end()
        self.step = None

    def end_cleanup(self) -> None:
        """See `Player.end_cleanup`."""
        super().end_cleanup()
        self.step = None

    def act(self, action: Action) -> None:
        """See `Player.act`."""
        self.doing.append(Doing(action, self.step))
        super().act(action)

    # What it waits for.

    @property
    def leaf(self) -> Step | None:
        """The step under way, of a pipeline the one whose reply comes next."""
        if isinstance(self.step, Pipeline):
            return self.step.steps[min(self._recorded, len(self.step.steps) - 1)]
        return self.step

    def place_of(self, step: Step) -> Place:
        """Return a step's place, and which time it is played."""
        return Place(*_written_at(step), max(1, self._times[_written_at(step)]))

    @property
    def due(self) -> Due:
        """What it waits for now that all its actions are carried out."""
        step, link = self.leaf, self.links.get(self.session)
        if step is None:
            return Due("farewell")
        if isinstance(step, Group | Wait) or link is None:
            return Due("time", step, link)
        if isinstance(step, Connect) and link is self._link_before:
            return Due("farewell", step, link)
        if isinstance(step, Auth) and self.is_exchange(step, link):
            return Due("login", step, link, self._filled(step.expect))
        if isinstance(step, Send) and step.literal is not None and getattr(link.machine, "is_amid_line", False):
            return Due("go-ahead", step, link)
        if isinstance(step, StartTls) and link.tls is not None and not self._was_encrypted:
            return Due("greeting", step, link)
        return self._due_of(step, link)

    def is_exchange(self, step: Auth, link: Link) -> bool:
        """Whether a step logs in by a SASL exchange, and not by a line of the protocol's own."""
        return self.scope.text(step.mechanism).text.upper() not in link.machine.own_mechanisms

    def _due_of(self, step: Step, link: Link) -> Due:
        if isinstance(step, Exchange):
            if step.expect is not None and not self.given:
                return Due("reply", step, link, self._filled(step.expect))
            if step.each is not None:
                return Due("each", step, link)
            if step.line_expected is not None and not self.given:
                line = step.line_expected.fill(self.scope.of_slot)
                return Due("line", step, link, line=line)
        return Due("farewell" if isinstance(step, Hangup) else "time", step, link)

    def _filled(self, expectation: Expectation | None) -> Expectation | None:
        return None if expectation is None else expectation.fill(self.scope.of_slot, self.scope.shown_slot)

    def forms_for_each(self, step: Exchange, link: Link) -> tuple[Expectation | None, ...]:
        """Return what is asked of the replies of all accepted recipients, in order."""
        assert step.each is not None
        forms, _ = step.each.fill(self.scope.of_slot).assign(link.machine.recipients_due)
        return forms


def _written_at(step: Step) -> tuple[str, int, int]:
    return step.span.source.name, step.span.line, step.span.column
