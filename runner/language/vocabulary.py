"""The verbs of steps, for those that look at a step before it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.language.nodes import Mapping

CLIENT_VERBS = ("connect", "send", "data", "bdat", "bytes", "auth", "starttls", "tls", "close")
CONTROL_VERBS = ("talk", "pipeline", "steps", "use", "wait")
VERBS = CLIENT_VERBS + CONTROL_VERBS
#: Keys that say what is to be read, alone or beside a client verb; a step has one of them.
EXPECTING = ("expect", "expect_each", "expect_line")
#: Keys of a step whose value is a list of steps.
STEP_LISTS = ("pipeline", "steps", "else")

_VERBS = frozenset(VERBS)
_CLIENT_VERBS = frozenset(CLIENT_VERBS)
_EXPECTING = frozenset(EXPECTING)


def sole_verb(step: Mapping) -> str | None:
    """Return a step's verb, what it expects if it has none; None for two verbs, or one below what it expects."""
    found, expecting = "", ""
    for key in step.items:
        if key in _VERBS:
            if found or (expecting and key in _CLIENT_VERBS):
                return None
            found = key
        elif key in _EXPECTING:
            expecting = expecting or key
    return found or expecting or "expect"
