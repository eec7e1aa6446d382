"""What an expectation says of the server's answer, as far as it is certain before anything is sent."""

from __future__ import annotations

from enum import Enum

from runner.language.model import Exchange
from runner.matching.expectation import Alternative, Block, Expectation, Short, Word
from runner.protocol import Machine

_GOOD = frozenset({"+OK", "+", "OK", "PREAUTH"})
_BAD = frozenset({"-ERR", "NO", "BAD", "BYE"})
_NO_REPLY = frozenset({Word.CLOSE, Word.REFUSED, Word.RESET, Word.TIMEOUT})


class Known(Enum):
    """What is known of something that the server decides."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"

    def either(self, other: Known) -> Known:
        """Return what is known where it may be one or the other."""
        return self if self is other else Known.MAYBE

    def after(self, outcome: Known) -> Known:
        """Return what is known after a command that makes it so, by what the server is expected to say."""
        if outcome is Known.NO:
            return self
        return Known.YES if outcome is Known.YES else self.either(Known.YES)


def outcome_of(step: Exchange) -> Known:
    """Return whether a step asks for a success; a warning asks for nothing."""
    if step.expect is None or step.each is not None or step.line_expected is not None or step.expect.is_warning:
        return Known.MAYBE
    found = {_outcome(one) for one in step.expect.alternatives}
    return found.pop() if len(found) == 1 else Known.MAYBE


def _outcome(one: Alternative) -> Known:
    if one in _NO_REPLY:
        return Known.NO
    codes = codes_of(one)
    if codes and all(code in _GOOD or code[0] in "23" for code in codes):
        return Known.YES
    if codes and all(code in _BAD or code[0] in "45" for code in codes):
        return Known.NO
    return Known.MAYBE


def codes_of(one: Alternative) -> list[str]:
    """Return the code of an alternative, or none where it has none of its own."""
    if isinstance(one, Short) and one.given is None:
        return [one.code] if one.code else []
    return list(dict.fromkeys(line.code for line in one.lines if line.code)) if isinstance(one, Block) else []


def is_only(expectation: Expectation | None, word: Word) -> bool:
    """Whether nothing but a word is asked for."""
    return expectation is not None and set(expectation.alternatives) == {word}


def asks_for_challenge(step: Exchange, machine: type[Machine]) -> Known:
    """Return whether a step asks the server to go on with an AUTH exchange."""
    if step.expect is None:
        return Known.MAYBE
    found = {codes == [machine.challenge_code] for codes in map(codes_of, step.expect.alternatives)}
    if len(found) > 1 or any(isinstance(one, Word) and one is Word.ANY for one in step.expect.alternatives):
        return Known.MAYBE
    return Known.YES if found == {True} else Known.NO
