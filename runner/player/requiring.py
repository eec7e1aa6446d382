"""`requires: capability`: whether the server offers what a scenario needs, judged as soon as it can be known.

IMAP, POP3 and ManageSieve show more to a client that has logged in: what is missing before may yet be offered then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runner.results import Outcome

if TYPE_CHECKING:
    from runner.player.findings import Findings
    from runner.protocol import Machine, Reply


class Required:
    """The capabilities that a scenario requires, until it is known that the server offers them all."""

    __slots__ = ("_has_logged_in", "_lacking", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._lacking: Mapping[str, tuple[str, ...]] | None = None  # a list of before the login that was too short
        self._has_logged_in = False

    def missing(self, machine: Machine, reply: Reply) -> str:
        """Return the name of what the server certainly does not offer, once a reply shows it; else an empty text."""
        is_login = reply.owed is not None and reply.owed.to in machine.login_commands
        if is_login and reply.code == machine.authenticated_code:
            self._has_logged_in = True
        offered = machine.capabilities
        if offered is None or offered is self._lacking:
            return ""
        absent = [name for name in self.names if name not in offered]
        late = [name for name in absent if not machine.is_shown_before_login(name)]
        if not absent:
            self.names = ()
        elif late == absent and not self._has_logged_in:
            self._lacking = offered
        else:
            return next((name for name in absent if name not in late), absent[0])
        return ""

    def settle(self, findings: Findings, command: str) -> None:
        """Say at a case's end what was never known; `command` makes a server show its capabilities."""
        if not self.names or findings.outcome is not Outcome.PASSED:
            return
        if self._lacking is not None:
            absent = next(name for name in self.names if name not in self._lacking)
            findings.end(Outcome.SKIPPED, f"requires {absent}, which the server does not offer before login")
        else:
            why = f"no step made it show its capabilities; send {command} first"
            findings.end(Outcome.ERROR, f"whether the server offers {self.names[0]} is not known: {why}")


# One for all that require nothing: waiting cases are many.
_NOTHING = Required(())


def required(names: tuple[str, ...]) -> Required:
    """Return what a case requires, not judged yet."""
    return Required(names) if names else _NOTHING
