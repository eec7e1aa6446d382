"""Where a reply is due: the client's protocol machine, what is answered, and what is known besides. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import field

from runner.dataclass import dataclass
from runner.matching.expectation import Word
from runner.protocol import Machine, Owed, Reply, decode

#: How a server says yes and no, by protocol; tcp has no codes.
GOOD_CODES = {"smtp": "250", "lmtp": "250", "pop3": "+OK", "imap": "OK", "sieve": "OK", "tcp": ""}
REFUSAL_CODES = {"smtp": "550", "lmtp": "550", "pop3": "-ERR", "imap": "NO", "sieve": "NO"}
_GOOD_FOR = {"greeting": "220", "DATA": "354", "AUTH": "235", "AUTH response": "235", "QUIT": "221", "STARTTLS": "220"}
_HELLOS = frozenset({"EHLO", "LHLO"})


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a reply is due: the client's machine of the session, what it answers, and what is known besides.

    `offers` are the capabilities that a reply which shows some shows, as words of a line each. `command` is the client
    line that is answered. `prefers` tells how many steps run after one of the alternatives.
    """

    machine: Machine
    owed: Owed | None
    offers: tuple[tuple[str, ...], ...] = ()
    command: str = ""
    prefers: Callable[[Reply | Word], int] = field(default=lambda _: 0)

    @property
    def to(self) -> str:
        """What the reply answers, in the protocol machine's words."""
        return self.owed.to if self.owed is not None else ""

    @property
    def shows_capabilities(self) -> bool:
        """Whether a server shows its capabilities in this reply unasked."""
        name = self.machine.name
        if name in ("smtp", "lmtp"):
            return self.to in _HELLOS
        return self.to == self.machine.capability_command or (name == "sieve" and self.to == "greeting")

    @property
    def has_end(self) -> bool:
        """Whether a good answer has several lines (POP3)."""
        from runner.protocol.pop3 import Listing  # noqa: PLC0415 -- of the one protocol that has them

        return isinstance(self.owed, Listing)


def usual_code(situation: Situation) -> str:
    """Return the code of a server that grants what it is asked."""
    name = situation.machine.name
    return _GOOD_FOR.get(situation.to, GOOD_CODES[name]) if name in ("smtp", "lmtp") else GOOD_CODES[name]


def concrete_code(code: str, situation: Situation) -> str:
    """Return a code that fits one with `x` in it.

    >>> from runner.protocol import PROTOCOLS, Limits
    >>> at = Situation(PROTOCOLS["smtp"](Limits()), None)
    >>> concrete_code("2xx", at), concrete_code("25x", at), concrete_code("4xx", at)
    ('250', '250', '450')
    """
    if situation.machine.name not in ("smtp", "lmtp") or "x" not in code:
        return code
    likely = usual_code(situation)
    if all(wished in ("x", digit) for wished, digit in zip(code, likely, strict=True)):
        return likely
    if code == "3xx":
        return "334" if situation.machine.in_auth else "354"
    return "".join(digit if digit != "x" else "250"[at] for at, digit in enumerate(code))


def twin(machine: Machine) -> Machine:
    """Return a copy of a protocol machine, on which can be tried what a reply comes to.

    What is owed is told by identity in places: those values are shared.
    """
    shared: list[object] = [machine.limits, *machine.owed, *getattr(machine, "_earned", ())]
    shared += [command.owed for command in getattr(machine, "_commands", ())]
    hello = getattr(machine, "_hello", None)
    shared += [hello] if hello is not None else []
    return copy.deepcopy(machine, {id(one): one for one in shared})


def tag_of(machine: Machine) -> str:
    """Return the tag of the command that is answered next (IMAP), empty where there is none."""
    for command in getattr(machine, "_commands", ()):
        if not command.is_over:
            return decode(command.tag) if command.tag else ""
    return ""
