"""What changed between two sets of facts: each change with its place, what it was before and what it is after.

A change is told once, by the part in which it shows: where a reply differs, that its step then failed is a
consequence and not told, nor that later steps did not run. What only one side has is a change, too: nothing that
was not compared counts as equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from difflib import SequenceMatcher

from runner.baseline.facts import LATENCIES, CaseFacts, Key, StepFacts, Value, latency_rank
from runner.baseline.learning import numbered
from runner.baseline.masks import VARIES, Masks, matches
from runner.dataclass import dataclass
from runner.results import Outcome

# What stands where one side has nothing.
ABSENT = "none"
NOT_OFFERED, OFFERED = "not offered", "offered"
NOT_THERE = "not there"
#: The part that a case is as a whole.
CASE = "case"
#: The part that a step is as a whole.
STEP = "step"
_PASSED, _NOT_RUN = Outcome.PASSED.value, Outcome.NOT_RUN.value
_CAPABILITY = "capability "
# Not told where another part tells why.
_CONSEQUENCES = ("outcome", "reason", "latency")
# What a server shows of itself where it says yes.
_SHOWN = ("TLS", "cipher", "certificate", _CAPABILITY)
#: All parts that a change may be of, by the first words of their names. A further reply to one line has them, too.
PARTS = (
    *(CASE, STEP, "outcome", "reason", "chosen", "code", "status", "text", "reply", "capability", "latency"),
    *("TLS version", "cipher", "certificate", "certificate verified", "certificate problem", "certificate subject"),
    *("certificate issuer", "certificate names", "certificate key", "certificate validity"),
)
# Its name is one word.
_CAPABILITY_WORDS = 2
_FURTHER_REPLY = re.compile(r"\Areply \d+ (?=.)")
# So many classes of latency are no chance.
_SLOWER = 2

Shown = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed. `step` is empty for what is of the whole case; `at` tells steps of one name apart.

    `before` and `after` are as they are shown: escaped, only what differs; lines are joined by LF. `after` of a part
    that is gone says so in words. `value` is the whole new value, None where the part is gone.
    """

    case: Key
    step: str
    part: str
    before: str
    after: str
    at: int = 1
    value: Value | None = field(default=None, compare=False)

    @property
    def gist(self) -> tuple[str, str, str, str]:
        """What makes it the same change elsewhere: the target, the part and what became of it."""
        return self.case[2], self.part, self.before, self.after


def compare(before: Sequence[CaseFacts], after: Sequence[CaseFacts], masks: Masks, *, is_whole: bool) -> list[Change]:
    """Return what changed, in the order of the new facts; both sides are masked first, so that old files do, too.

    Where both know no more than one target of a kind that the other doesn't, it is taken for the same.
    With `is_whole` a case that only the old facts have is a change; else it was not asked for.
    """
    names = renamed(before, after)
    old = {(*case.key[:2], names.get(case.target, case.target), case.number): case for case in before}
    changes: list[Change] = []
    for case in after:
        changes += _of_case(old.pop(case.key, None), case, masks)
    if is_whole:
        changes += [Change(case.key, "", CASE, case.outcome, NOT_THERE) for case in old.values()]
    return changes


def compare_targets(before: Sequence[CaseFacts], after: Sequence[CaseFacts], masks: Masks) -> list[Change]:
    """Return in what a second target differs from a first, scenario by scenario."""
    target = after[0].target if after else ""
    return compare([replace(case, target=target) for case in before], after, masks, is_whole=True)


def renamed(before: Iterable[CaseFacts], after: Iterable[CaseFacts]) -> dict[str, str]:
    """Return the new name of a target that was called otherwise, where it can't be another."""
    old, new = {case.target for case in before}, {case.target for case in after}
    gone, come = old - new, new - old
    return {gone.pop(): come.pop()} if len(gone) == len(come) == 1 else {}


def _of_case(old: CaseFacts | None, new: CaseFacts, masks: Masks) -> list[Change]:
    if old is None:
        return [Change(new.key, "", CASE, NOT_THERE, new.outcome)]
    changes = list(_of_steps(old.steps, new, masks))
    if not changes and not matches(old.outcome, new.outcome):
        changes.append(Change(new.key, "", "outcome", _told(old.outcome, old.reason), _told(new.outcome, new.reason)))
    elif not changes and new.outcome != _PASSED and not matches(masks.line(old.reason), masks.line(new.reason)):
        changes.append(Change(new.key, "", "reason", old.reason, new.reason))
    return changes


def _told(outcome: str, reason: str) -> str:
    return f"{outcome}: {reason}" if reason else outcome


def _of_steps(old: Sequence[StepFacts], new: CaseFacts, masks: Masks) -> Iterator[Change]:
    before, after = numbered(old), numbered(new.steps)
    is_changed = False
    for key, step in after.items():
        kept = before.pop(key, None)
        # Once a case took another turn, what ran and what didn't is no news.
        if is_changed and (kept is None or _NOT_RUN in (_outcome(kept), _outcome(step))):
            continue
        for change in _of_step(kept, step, key[1], new.key, masks):
            is_changed = True
            yield change
    if not is_changed:
        for (sent, at), step in before.items():
            if _outcome(step) != VARIES:
                yield Change(new.key, sent, STEP, _outcome(step), ABSENT, at)


def _outcome(step: StepFacts) -> str:
    return str(step.parts.get("outcome", _PASSED))


def _of_step(kept: StepFacts | None, step: StepFacts, at: int, case: Key, masks: Masks) -> list[Change]:
    if kept is None:
        return [Change(case, step.sent, STEP, ABSENT, _outcome(step), at)]
    if VARIES in (_outcome(kept), _outcome(step)) and _NOT_RUN in (_outcome(kept), _outcome(step)):
        return []
    names = [*step.parts, *(name for name in kept.parts if name not in step.parts)]
    if _outcome(step) == _NOT_RUN != _outcome(kept):
        names = ["outcome"]
    changes = [
        Change(case, step.sent, name, *shown, at, step.parts.get(name))
        for name in names
        if (shown := difference_of(name, kept.parts.get(name), step.parts.get(name), masks)) is not None
    ]
    return _telling(changes, step)


def _telling(changes: list[Change], step: StepFacts) -> list[Change]:
    """Return the changes of a step without those that follow from others of them."""
    telling = [change for change in changes if change.part not in _CONSEQUENCES]
    outcome = [change for change in changes if change.part == "outcome"]
    if outcome or any(change.part == "code" for change in changes):
        # Where a server said no, or the handshake failed, there is nothing that it could have shown.
        telling = [change for change in telling if change.value is not None or not change.part.startswith(_SHOWN)]
    if telling:
        return telling
    if outcome:
        reason = str(step.parts.get("reason", ""))
        return [replace(change, after=_told(change.after, reason)) for change in outcome]
    return changes


def difference_of(name: str, old: Value | None, new: Value | None, masks: Masks) -> Shown | None:
    """Return what is shown of the difference of a part; None if there is none."""
    if old == new:
        return None
    if name == "latency":
        return _slower(old, new)
    if name.startswith(_CAPABILITY):
        return _capability(old, new, masks)
    before, after = _lines(old, masks), _lines(new, masks)
    if before == (VARIES,) or after == (VARIES,):
        return None
    after = _like(before, after)
    if before == after:
        return None
    usual = _PASSED if name == "outcome" else ABSENT
    if old is None or new is None or len(before) == len(after) == 1:
        return "\n".join(before) or usual, "\n".join(after) or usual
    return _differing(before, after)


def _lines(value: Value | None, masks: Masks) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(masks.line, (value,) if isinstance(value, str) else value))


def _like(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Return new lines with the old ones in their places where what varies makes them equal."""
    varying = [line for line in before if VARIES in line]
    if not varying and not any(VARIES in line for line in after):
        return tuple(after)
    known = set(before)
    found = []
    for at, line in enumerate(after):
        beside = before[at : at + 1]
        same = next((one for one in (*beside, *varying) if line not in known and matches(one, line)), None)
        found.append(line if same is None else same)
    return tuple(found)


def _differing(before: Sequence[str], after: Sequence[str]) -> Shown:
    """Return the lines that one side has and the other hasn't."""
    gone: list[str] = []
    come: list[str] = []
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            gone += before[first:last]
            come += after[start:end]
    return "\n".join(gone) or "no such line", "\n".join(come) or "no such line"


def _slower(old: Value | None, new: Value | None) -> Shown | None:
    """Return the classes of latency where they are more than one apart."""
    before, after = (str(value) if value is not None else LATENCIES[0][1] for value in (old, new))
    if VARIES in (before, after) or abs(latency_rank(before) - latency_rank(after)) < _SLOWER:
        return None
    return before, after


def _capability(old: Value | None, new: Value | None, masks: Masks) -> Shown | None:
    """Return which parameters were gained or lost, or that all of it was."""
    if old is None or new is None:
        if VARIES in (old, new):
            return None
        shown = str(new if old is None else old) or OFFERED
        return (NOT_OFFERED, shown) if old is None else (shown, NOT_OFFERED)
    before, after = masks.line(str(old)), masks.line(str(new))
    if matches(before, after):
        return None
    ours, theirs = before.split(), after.split()
    lost, gained = [w for w in ours if w not in theirs], [w for w in theirs if w not in ours]
    if len(lost) == len(ours) and len(gained) == len(theirs):
        return before or "no parameter", after or "no parameter"
    less, more = " ".join(lost), " ".join(gained)
    return (f"with {less}" if less else f"without {more}"), (f"with {more}" if more else f"without {less}")


def without_parts(changes: Iterable[Change], parts: Sequence[str]) -> list[Change]:
    """Return the changes but for those of parts that nobody wants to be told of, by name or its first words."""
    return [one for one in changes if not any(is_of_part(one.part, part) for part in parts)]


def is_of_part(name: str, part: str) -> bool:
    """Whether a part is the one that is called so, in whatever reply it stands, or belongs to it.

    >>> is_of_part("capability SIZE", "capability"), is_of_part("reply 2 text", "text"), is_of_part("text", "te")
    (True, True, False)
    """
    return any(f"{one} ".startswith(f"{part} ") for one in (name, _FURTHER_REPLY.sub("", name, count=1)))


def is_part(text: str) -> bool:
    """Whether a change could be of a part that is called so, or one whose name begins with these words.

    >>> is_part("certificate key"), is_part("capability XANY"), is_part("reply 2 code"), is_part("colour")
    (True, True, True, False)
    """
    name = _FURTHER_REPLY.sub("", text, count=1)
    if name.startswith(_CAPABILITY):
        return len(name.split()) == _CAPABILITY_WORDS
    return re.fullmatch(r"reply \d+", name) is not None or any(is_of_part(part, name) for part in PARTS)
