"""How much work a backtracking engine can be put to by a regex: which ones are provably quick.

Python's `re` can't be stopped, so it is only given what is quick on every text. The bound counts, for each
node, the ends that a hostile text lets it try (`live`) and the characters looked at for one try (`work`). A
repeat has a single live end if what must follow it can't begin with a character that continues it, or if
what follows can't fail. The bound errs on the high side; the analysis knows no text and no engine.
"""

from __future__ import annotations

from itertools import combinations
from math import inf, log

from runner.dataclass import dataclass
from runner.matching.charset import ALL, LINE_FEED, NONE, Ranges, fold, merge, overlap
from runner.matching.regex_tree import Chars, Choice, Edge, Group, Hole, Node, Repeat, Sequence, Text, shortest

QUICK_WORK = 500_000_000
"""Characters looked at: half a second for `re` at its slowest, mostly a tenth of that."""
_HOPELESS = 60.0
"""e to this power is beyond any limit; it keeps the floats finite."""


@dataclass(frozen=True, slots=True)
class Next:
    """What may come next: characters that it may begin with, and whether it is sure to match."""

    chars: Ranges
    sure: bool


ACCEPT = Next(ALL, sure=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """`live` ends after which the rest is tried, `work` to find them all from one start."""

    live: float
    work: float


def is_quick(root: Node, length: int) -> bool:
    """True if a backtracking search of any text of `length` characters takes at most `QUICK_WORK` looks."""
    return not _is_delicate(root, repeated=False) and search_work(root, length) <= QUICK_WORK


def first_of(node: Node, after: Next) -> Next:
    """Return what `node`, followed by `after`, may begin with."""
    match node:
        case Text():
            return Next(_first_of_text(node), sure=False) if node.text else after
        case Chars():
            return Next(node.ranges, sure=False)
        case Hole():
            return Next(ALL, sure=False)
        case Sequence():
            return _first_of_all(node.items, after)
        case Choice():
            firsts = [first_of(branch, after) for branch in node.branches]
            chars = merge(pair for first in firsts for pair in first.chars)
            return Next(chars, any(first.sure for first in firsts))
        case Group():
            return first_of(node.item, after)
        case Repeat():
            return _first_of_repeat(node, after)
        case Edge.END:
            return Next(NONE, sure=False)
        case Edge.LINE_END:
            return Next(LINE_FEED, sure=False)
    return Next(after.chars, sure=False)


def _first_of_text(node: Text) -> Ranges:
    code = ord(node.text[0])
    return fold(((code, code),)) if node.folded else ((code, code),)


def _first_of_all(items: tuple[Node, ...], after: Next) -> Next:
    for item in reversed(items):
        after = first_of(item, after)
    return after


def _first_of_repeat(node: Repeat, after: Next) -> Next:
    if node.most == 0:
        return after
    inner = first_of(node.item, after)
    if node.least:
        return inner
    return Next(merge((*inner.chars, *after.chars)), after.sure or inner.sure)


def search_work(root: Node, length: int) -> float:
    """Return a bound on the characters looked at when `root` is searched in a text of this length."""
    items = _flat(root)
    starts = float(length + 1)
    total, live = starts, 1.0
    before: Ranges | None = None
    distinct = True
    for item, after in zip(items, _followers(items), strict=True):
        if item is Edge.START:
            # From every other start the search ends here.
            total, starts = total + starts, 1.0
            continue
        cost = estimate(item, after, length)
        fresh = isinstance(item, Repeat) and before is not None and not overlap(before, _chars_in(item))
        if distinct and fresh and cost.live == 1:
            # Each start comes to a run of its own, as the run can't hold what stands before it.
            total += 2 * cost.work + starts
        else:
            total += starts * live * cost.work
            distinct = distinct and _width(item) is not None
        live *= cost.live
        if after.sure:
            # Whoever comes this far has matched: that ends the search, so the rest is done once.
            starts, live = 1.0, 1.0
        before = _last_of(item)
    return total


def _followers(items: list[Node]) -> list[Next]:
    """Return, for each item, what the items after it may begin with."""
    followers = [ACCEPT]
    for item in reversed(items[1:]):
        followers.append(first_of(item, followers[-1]))
    return followers[::-1][: len(items)]


def _flat(node: Node) -> list[Node]:
    """Return a sequence's items, groups opened."""
    match node:
        case Sequence():
            return [flat for item in node.items for flat in _flat(item)]
        case Group():
            return _flat(node.item)
    return [node]


def _last_of(item: Node) -> Ranges | None:
    """Return what the item's last character is, if it is one character or a text."""
    match item:
        case Text() if item.text:
            return _first_of_text(Text(item.text[-1], item.folded))
        case Chars():
            return item.ranges
    return None


def _width(item: Node) -> int | None:
    """Return how many characters the item takes, if that is always the same."""
    match item:
        case Text():
            return len(item.text)
        case Chars():
            return 1
        case Edge():
            return 0
        case Repeat() if item.least == item.most and (width := _width(item.item)) is not None:
            return item.least * width
    return None


def _chars_in(node: Node) -> Ranges:
    """Return every character that a node may take."""
    match node:
        case Text():
            codes = merge((ord(char), ord(char)) for char in node.text)
            return fold(codes) if node.folded else codes
        case Chars():
            return node.ranges
        case Hole():
            return ALL
        case Sequence():
            return merge(pair for item in node.items for pair in _chars_in(item))
        case Choice():
            return merge(pair for branch in node.branches for pair in _chars_in(branch))
        case Group() | Repeat():
            return _chars_in(node.item)
    return NONE


def estimate(node: Node, after: Next, length: int) -> Cost:
    """Return the cost of `node` from one start in a text of this length, `after` following it."""
    cost = _estimate(node, after, length)
    return Cost(1.0, cost.work) if after.sure else cost


def _estimate(node: Node, after: Next, length: int) -> Cost:
    match node:
        case Text():
            return Cost(1.0, 1.0 + len(node.text))
        case Hole():
            return Cost(1.0, float(length))
        case Group():
            return estimate(node.item, after, length)
        case Sequence():
            return _estimate_all(node.items, after, length)
        case Choice():
            return _estimate_choice(node, after, length)
        case Repeat():
            return _estimate_repeat(node, after, length)
    return Cost(1.0, 1.0)


def _estimate_all(items: tuple[Node, ...], after: Next, length: int) -> Cost:
    costs = []
    for item in reversed(items):
        costs.append(estimate(item, after, length))
        after = first_of(item, after)
    live, work = 1.0, 0.0
    for cost in reversed(costs):
        work += live * cost.work
        live *= cost.live
    return Cost(live, work)


def _estimate_choice(node: Choice, after: Next, length: int) -> Cost:
    costs = [estimate(branch, after, length) for branch in node.branches]
    firsts = [first_of(branch, after).chars for branch in node.branches]
    apart = not any(overlap(one, other) for one, other in combinations(firsts, 2))
    lives = [cost.live for cost in costs]
    return Cost(max(lives) if apart else sum(lives), 1.0 + sum(cost.work for cost in costs))


def _estimate_repeat(node: Repeat, after: Next, length: int) -> Cost:
    rounds = _rounds(node, length)
    first = first_of(node.item, after)
    again = Next(merge((*first.chars, *after.chars)), after.sure and node.least <= 1)
    inner = estimate(node.item, again, length)
    if inner.live > 1:
        if rounds * log(inner.live) > _HOPELESS:
            return Cost(inf, inf)
        ways = sum(inner.live**count for count in range(int(rounds) + 1))
        return Cost(ways, ways * inner.work)
    exact = node.least == node.most or not overlap(first.chars, after.chars)
    live = 1.0 if exact else rounds - min(node.least, rounds) + 1
    # A round whose end is settled looks at what it takes, and only the last one may look further.
    return Cost(live, 1.0 + min(rounds * (1 + inner.work), length * (1 + size_of(node.item)) + inner.work))


def _rounds(node: Repeat, length: int) -> float:
    # One more than the text has room for: the round that fails is tried too.
    possible = 1 + length // max(1, shortest(node.item))
    return float(possible if node.most is None else min(node.most, possible))


def size_of(node: Node) -> int:
    """Return how many steps a node is, its counted repeats written out."""
    match node:
        case Sequence():
            return sum(size_of(item) for item in node.items)
        case Choice():
            return sum(1 + size_of(branch) for branch in node.branches)
        case Group():
            return 2 + size_of(node.item)
        case Repeat():
            copies = max(1, node.least + 1 if node.most is None else node.most)
            return copies * (1 + size_of(node.item))
    return 1


def _is_delicate(node: Node, *, repeated: bool) -> bool:
    """True for what `re` may judge otherwise: a group or an empty item in a repeat."""
    match node:
        case Sequence():
            return any(_is_delicate(item, repeated=repeated) for item in node.items)
        case Choice():
            return any(_is_delicate(branch, repeated=repeated) for branch in node.branches)
        case Group():
            return repeated or _is_delicate(node.item, repeated=False)
        case Repeat():
            often = node.most is None or node.most > 1
            return (often and shortest(node.item) == 0) or _is_delicate(node.item, repeated=repeated or often)
    return False
