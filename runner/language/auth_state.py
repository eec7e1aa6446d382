"""What can be known of an AUTH exchange when a file is read: where its responses are, and what is wrong with them.

At run time the protocol machine knows; here the same is followed along the steps, as far as it is certain.
"""

from __future__ import annotations

import binascii
from enum import Enum
from typing import TYPE_CHECKING

from runner.matching.expectation import Alternative, Block, Expectation, Given, Short, Word, code_fits

if TYPE_CHECKING:
    from runner.language.template import Placeholder, Template
    from runner.protocol import Machine


class AuthState(Enum):
    """Where an AUTH exchange stands before a step."""

    CLOSED = "no exchange is open"
    SENT = "a client line of the exchange was sent and its reply not read"
    CHALLENGED = "a challenge was read"
    UNKNOWN = "it depends on the server"


def after_expect(state: AuthState, expectation: Expectation | None, machine: type[Machine]) -> AuthState:
    """Return the state once a reply that was expected has come: a challenge keeps the exchange open."""
    if state is AuthState.CLOSED or expectation is None:
        return state
    challenges = {
        _is_challenge(one, machine) for one in expectation.alternatives if one not in (Word.CLOSE, Word.SILENCE)
    }
    if challenges == {True}:
        return AuthState.CHALLENGED
    return AuthState.CLOSED if challenges <= {False} else AuthState.UNKNOWN


def _is_challenge(one: Alternative, machine: type[Machine]) -> bool | None:
    if isinstance(one, Short):
        return code_fits(one.code, machine.challenge_code) if one.code[:1] != "x" else None
    if isinstance(one, Block):
        return any(line.code == machine.challenge_code for line in one.lines)
    return None if isinstance(one, Given) or one is Word.ANY else False


def is_base64(text: str) -> bool:
    """Whether a literal response can stand as it is: base64, `*` (cancel), `=` or nothing (RFC 4954 section 4)."""
    if text in ("", "*", "="):
        return True
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return True


def encoded_twice(template: Template) -> Placeholder | None:
    """Return the placeholder that carries `| base64` itself in a line that is encoded as a whole, if one does."""
    return next((part for part in template.placeholders if ("base64", 0) in part.filters), None)
