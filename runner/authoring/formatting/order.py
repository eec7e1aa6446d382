"""The order of keys, by what an operator looks for first: what it is, when it runs, what it does, what must come of it.

Names that an author chose (variables, columns, headers) keep the order that they have.
"""

from __future__ import annotations

from collections.abc import Iterable

SCENARIO = """
name description protocol tags known_issue requires vars secrets matrix sessions timeout deadline steps cleanup
""".split()
FRAGMENT = "fragment description protocol steps".split()
PROJECT = "client_name targets vars secrets env defaults".split()

_FIRST = "name session when repeat retry keep_going".split()
_VERBS = "connect send data bdat bytes auth starttls tls close use wait".split()
_BESIDES = "with literal eol encode tag replies last dot_stuffing end rate pause".split()
_EXPECTED = """
expect expect_each expect_line until for tls_expect lines capabilities has lacks untagged message capture within
severity
""".split()
_LAST = "timeout because".split()
_HOLDING = "talk pipeline steps else".split()
_STEP = [*_FIRST, *_VERBS, *_BESIDES, *_EXPECTED, *_LAST, *_HOLDING]


def order_of_file(keys: Iterable[str]) -> list[str]:
    """Return the order of the keys at the top of a file that has these."""
    found = set(keys)
    if "fragment" in found:
        return FRAGMENT
    return SCENARIO if found & {"steps", "name"} else PROJECT


def order_of_step() -> list[str]:
    """Return the order of the keys of a step; what is said of a group stands above its steps."""
    return _STEP
