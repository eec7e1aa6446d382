"""Scenarios made ready to be mirrored: each row is played alone first, without a socket.

That shows whether it can be mirrored, which certificates it wants, and whether a fault comes to anything. A row has a
token and a time of its own, which are drawn here.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import InputError, Problem, UsageError
from runner.language.case import Seed, Skip
from runner.mirror.alone import planned, play_alone
from runner.mirror.faults import Plan, Tally, Wish
from runner.mirror.machine import Mirror
from runner.mirror.preparing import Doors, Prepared, prepare

if TYPE_CHECKING:
    from runner.language.case import Given
    from runner.language.model import Row, Scenario
    from runner.language.project import Project
    from runner.mirror.acts import CertificateWish
    from runner.mirror.server import MirrorServer, Stage


@dataclass(frozen=True, slots=True)
class Part:
    """One row of a scenario, ready to be mirrored: the case, what makes the plan of its faults, whether it has TLS."""

    prepared: Prepared
    plan: Callable[[], Plan]
    has_tls: bool


class Workshop:
    """Makes parts of scenarios for the stages of a server, with faults; values that nobody gives are made up."""

    def __init__(self, server: MirrorServer, given: Given, project: Project | None, faults: Sequence[Wish]) -> None:
        self.server = server
        self._given, self._project = given, project
        self._faults = faults
        self._tally = Tally(faults)

    def part(self, scenario: Scenario, row: Row | None, stage: Stage) -> Part | Skip:
        """Return what a row of a scenario needs to be mirrored on a stage, or why it can't be.

        Raises:
            InputError: names that nobody gives, and whatever else is wrong.
        """
        prepared = self._prepared(scenario, row, stage)
        if isinstance(prepared, Skip):
            return prepared
        wished: list[CertificateWish] = []

        def certify(wish: CertificateWish) -> bytes:
            wished.append(wish)
            return self.server.certificates.der(wish)

        case = prepared.case
        try:
            plain = play_alone(case, certify=certify)
        except UsageError as error:  # an extra is missing
            return Skip(f"can't be mirrored: {error}", case.row)
        if plain.result is None:
            return Skip(f"can't be mirrored: {plain.stuck}", case.row)
        make = planned(plain, self._faults)
        if self._faults:
            self._tally.note(plain.rows, play_alone(case, make(), certify).struck)
        return Part(prepared, make, bool(wished))

    def _prepared(self, scenario: Scenario, row: Row | None, stage: Stage) -> Prepared | Skip:
        problems: list[Problem] = []
        seed = Seed(os.urandom(8).hex(), datetime.now().astimezone())
        doors = Doors(stage.ports, self.server.ca)
        prepared = prepare(scenario, doors, self._given, self._project, seed=seed, problems=problems, row=row)
        if problems:
            raise InputError(problems)
        assert prepared is not None
        return prepared

    def maker(self, parts: Sequence[Part], *, are_marked: bool) -> Callable[[], Mirror]:
        """Return what makes the mirror of the next conversation: of each row in turn.

        With `are_marked` the client may have other values than the mirror has made up.
        """
        turns = itertools.cycle(parts)

        def make() -> Mirror:
            part = next(turns)
            marks = part.prepared.marks if are_marked else None
            return Mirror(part.prepared.case, part.plan(), marks=marks, certify=self.server.certificates.der)

        return make

    def refuse_idle_faults(self) -> None:
        """Refuse a fault that did nothing in any part: who wishes one must not believe that it did.

        Raises:
            UsageError: there is one.
        """
        self._tally.refuse()
