"""Values that stand in a login without quotes and can't: a hint for who gets a refusal of it.

A server may be asked such a thing on purpose, so nothing is held back; and nothing of a value is told.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.language.template import Placeholder
from runner.player.ending import StepEnded

if TYPE_CHECKING:
    from runner.language.model import Send
    from runner.player.filling import Scope
    from runner.protocol import Machine

# What no astring holds outside of quotes (RFC 9051 section 9), and what none holds inside without a backslash.
_OUTSIDE = re.compile(r'[\x00-\x20\x7f(){%*"\\]')
_INSIDE = re.compile(r'["\\]')


def may_want_quotes(machine: type[Machine] | Machine, step: Send) -> bool:
    """Whether a line is a login in a protocol with strings in quotes, and holds values."""
    is_written_out = step.line.is_literal or not machine.has_literals
    return not is_written_out and machine.password_at is not None and bool(machine.password_at.match(step.line.flat))


def wants_quotes(scope: Scope, step: Send) -> str:
    """Return the name of the first value of a line that wants to be quoted and is not; empty if none does."""
    before = ""
    for part in step.line.parts:
        if isinstance(part, Placeholder) and not part.filters and _is_odd(scope, part, is_inside=before.endswith('"')):
            return part.name
        before = part if isinstance(part, str) else ""
    return ""


def _is_odd(scope: Scope, part: Placeholder, *, is_inside: bool) -> bool:
    try:
        text = scope.value(part).text
    except StepEnded:
        return False
    return _INSIDE.search(text) is not None if is_inside else not text or _OUTSIDE.search(text) is not None
