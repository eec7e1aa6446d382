"""How long things took, as small plots: a step's place in its case, and a number beside others.

The plots repeat what numbers beside them say; screen readers are spared them.
"""

from __future__ import annotations

# Units of a plot's width; the style sheet gives it as many pixels, or stretches it.
WIDTH = 100
# What took no time to speak of is still seen.
LEAST = 1
# Replies are sorted into these (upper ends in seconds): each is about twice or thrice the one before.
BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def span(started: float, elapsed: float, whole: float) -> str:
    """Return when something was under way within `whole` seconds, as a bar (all in seconds).

    >>> span(0.5, 0.25, 1.0)
    '<svg aria-hidden=true><path d="M50 4h25"/></svg>'
    """
    first = min(_units(started, whole), WIDTH - LEAST)
    length = min(max(_units(elapsed, whole), LEAST), WIDTH - first)
    return f'<svg aria-hidden=true><path d="M{first} 4h{length}"/></svg>'


def bar(value: float, most: float) -> str:
    """Return a number as a bar beside that of the greatest one, in a plot that is as wide as its cell."""
    if not value:
        return ""
    length = max(_units(value, most), LEAST)
    head = f'<svg aria-hidden=true viewBox="0 0 {WIDTH} 8" preserveAspectRatio=none>'
    return f'{head}<path d="M0 4h{length}"/></svg>'


def _units(part: float, whole: float) -> int:
    """Return the width of a part; a whole may be too small to divide a plot's width by it."""
    return round(min(max(part / whole, 0.0), 1.0) * WIDTH) if whole > 0 else 0


def sorted_into_buckets(values: list[float]) -> list[tuple[str, int]]:
    """Return how many values lie in each range, from the first range that has any to the last.

    >>> sorted_into_buckets([0.002, 0.02])
    [('1–3 ms', 1), ('3–10 ms', 0), ('10–30 ms', 1)]
    """
    counts = [0] * (len(BUCKETS) + 1)
    for value in values:
        counts[next((at for at, end in enumerate(BUCKETS) if value < end), len(BUCKETS))] += 1
    filled = [at for at, count in enumerate(counts) if count]
    if not filled:
        return []
    return [(_range(at), counts[at]) for at in range(filled[0], filled[-1] + 1)]


def _range(at: int) -> str:
    if at == 0:
        return "under 1 ms"
    if at == len(BUCKETS):
        return f"over {BUCKETS[-1]:g} s"
    low, high = BUCKETS[at - 1], BUCKETS[at]
    if high < 1:
        return f"{low * 1000:g}–{high * 1000:g} ms"
    return f"{low:g}–{high:g} s"
