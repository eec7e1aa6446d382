"""The verbs of steps, for those that look at a step before it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.language.nodes import Mapping

CLIENT_VERBS = ("connect", "send", "data", "auth", "starttls", "tls", "close")
CONTROL_VERBS = ("talk", "pipeline", "steps", "wait")
VERBS = CLIENT_VERBS + CONTROL_VERBS
#: Keys of a step whose value is a list of steps.
STEP_LISTS = ("pipeline", "steps", "else")

_VERBS = frozenset(VERBS)
_CLIENT_VERBS = frozenset(CLIENT_VERBS)


def sole_verb(step: Mapping) -> str | None:
    """Return a step's verb, `expect` if it has none; None for two verbs or an `expect` above a client verb."""
    found, expect_came = "", False
    for key in step.items:
        if key in _VERBS:
            if found or (expect_came and key in _CLIENT_VERBS):
                return None
            found = key
        elif key == "expect":
            expect_came = True
    return found or "expect"
