"""Faults on purpose: what a mirror does at a step in place of what the step expects (`--fault STEP=FAULT`).

Pure. STEP is a number as reports show it, `:LINE` of the scenario file, or a step's name. A number is that one row of
the report, a line or a name every time that the step is played; `*N` behind the fault lets only the first N strike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

from runner.dataclass import dataclass
from runner.errors import UsageError
from runner.language.template import did_you_mean
from runner.language.values import parse_duration
from runner.mirror.shadow import Place
from runner.report.layout import cut

Kind = Literal["close", "reset", "garbage", "half", "silence", "delay", "reply", "wrong-tls"]
Tls = Literal["", "expired", "untrusted", "name", "protocol"]

_WORDS = ("close", "reset", "garbage", "half", "silence")
_TLS_KINDS = tuple(kind for kind in get_args(Tls) if kind)
_REPLY = re.compile(r"([2-5][0-9][0-9]|\+OK|-ERR|OK|NO|BAD|BYE)(?: (.*))?", re.DOTALL)
_TIMES = re.compile(r"(.+)\*([0-9]{1,6})", re.DOTALL)
# A step by its number or line, and how much is told of those that have names.
_BY_PLACE = re.compile(r":?[0-9]+")
_MOST_NAMES = 8
_NAME_WIDTH = 40
#: What is told of a fault that is none.
KNOWN = "close, reset, delay:5s, a code such as 451, garbage, half, silence, wrong-tls"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens in place of a reply, or at a handshake.

    `seconds` is how long a reply is delayed; `code` and `text` are those of another reply; `tls` is how the
    certificate is wrong.
    """

    kind: Kind
    seconds: float = 0.0
    code: str = ""
    text: str = ""
    tls: Tls = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """A fault as the command line wishes it: the step as written there, and how often at most (0: always)."""

    step: str
    fault: Fault
    most: int = 0

    def __str__(self) -> str:
        return self.step


@dataclass(frozen=True, slots=True)
class Known:
    """A row of a report: its number, name and place, by which a fault may mean it."""

    number: int
    label: str
    place: Place


def parse_fault(text: str) -> Wish:
    """Read STEP=FAULT.

    Raises:
        ValueError: it is none; the text says what would be right.

    >>> parse_fault("4=451 4.3.0 try later*2").fault.text
    '4.3.0 try later'
    """
    step, equals, what = text.rpartition("=")
    if not (step and equals and what):
        raise ValueError(f"'{text}' is no fault: write STEP=FAULT, such as 4=451; the faults are {KNOWN}")
    times = _TIMES.fullmatch(what)
    most = int(times[2]) if times else 0
    if times and not most:
        raise ValueError(f"'{what}' strikes never: a number from 1 on goes behind the '*'")
    return Wish(step.strip(" "), _fault((times[1] if times else what).strip(" ")), most)


def _fault(text: str) -> Fault:
    word, colon, rest = text.partition(":")
    if text in _WORDS:
        return Fault(text)  # type: ignore[arg-type]
    if word == "delay" and colon:
        return Fault("delay", seconds=parse_duration(rest))
    if word == "wrong-tls":
        kind = rest or "untrusted"
        if kind not in _TLS_KINDS:
            raise ValueError(f"'{text}' is no fault: a certificate is wrong by {', '.join(_TLS_KINDS)}")
        return Fault("wrong-tls", tls=kind)  # type: ignore[arg-type]
    if found := _REPLY.fullmatch(text):
        return Fault("reply", code=found[1], text=found[2] or "")
    raise ValueError(f"'{text}' is no fault: {did_you_mean(word, (*_WORDS, 'delay', 'wrong-tls'), '') or KNOWN}")


class Plan:
    """Which fault strikes where. A plan is for one playing of a case."""

    def __init__(self, faults: Sequence[tuple[Wish, frozenset[Place]]] = ()) -> None:
        self._faults = faults
        #: How often each has struck.
        self.struck = [0] * len(faults)

    def strike(self, place: Place, *, at_handshake: bool = False) -> Fault | None:
        """Return the fault that strikes at a step, if one does."""
        for number, (wish, places) in enumerate(self._faults):
            is_due = not wish.most or self.struck[number] < wish.most
            if place in places and is_due and (wish.fault.kind == "wrong-tls") == at_handshake:
                self.struck[number] += 1
                return wish.fault
        return None


def places_of(step: str, rows: Sequence[Known]) -> frozenset[Place]:
    """Return the places that a fault's STEP means, of a report's rows; none if it means none of them."""
    if step.isascii() and step.isdigit():
        return frozenset(row.place for row in rows if row.number == int(step))
    if step.startswith(":") and step[1:].isdigit():
        return frozenset(row.place for row in rows if row.place.line == int(step[1:]))
    named = step.lower()
    exact = frozenset(row.place for row in rows if row.label.lower() == named)
    return exact or frozenset(row.place for row in rows if row.label.lower().startswith(named))


class Tally:
    """Which faults meant a step, and which have struck, in all cases so far; and the names of the steps there were."""

    def __init__(self, faults: Sequence[Wish]) -> None:
        self._faults = faults
        self._meant = [0] * len(faults)
        self._struck = [0] * len(faults)
        self._labels: dict[str, None] = {}
        self._most = 0

    def note(self, rows: Sequence[Known], struck: Sequence[int]) -> None:
        """Take note of the rows of a case that was played without faults, and how often each struck with them."""
        self._labels.update(dict.fromkeys(row.label for row in rows))
        self._most = max(self._most, len(rows))
        for number, (wish, times) in enumerate(zip(self._faults, struck, strict=True)):
            self._meant[number] += len(places_of(wish.step, rows))
            self._struck[number] += times

    def refuse(self) -> None:
        """Refuse a fault that has never struck.

        Raises:
            UsageError: there is one.
        """
        for wish, meant, struck in zip(self._faults, self._meant, self._struck, strict=True):
            if struck:
                continue
            if meant:
                raise UsageError(f"--fault {wish.step}=…: {_why_never(wish)}")
            raise UsageError(f"--fault {wish.step}=…: there is no such step; {self._meant_by(wish.step)}")

    def _meant_by(self, step: str) -> str:
        """Return which steps there are: the one that is near, else their numbers and, to a name, the first names."""
        numbers = f"the steps have numbers from 1 to {self._most}"
        if _BY_PLACE.fullmatch(step):
            return numbers
        if near := did_you_mean(step, self._labels, ""):
            return near
        names = [f"'{cut(label, _NAME_WIDTH)}'" for label in list(self._labels)[:_MOST_NAMES]]
        more = len(self._labels) - len(names)
        return f"{numbers} and are called {', '.join(names)}" + (f" and {more} more" if more else "")


def _why_never(wish: Wish) -> str:
    if wish.fault.kind == "wrong-tls":
        return "that step makes no TLS handshake"
    return "that step reads no reply, so that nothing can take its place"
