"""The front door of patterns: which of the two kinds a text is, and why one nearly matched.

A pattern is a glob, or `/regex/flags`. Values that are filled in are never read as either.
"""

from __future__ import annotations

from runner.matching.base import (
    Match,
    Pattern,
    PatternError,
    Slot,
    Source,
    TooLong,
    source_of,
    units_of,
)
from runner.matching.glob import Glob, compile_glob, miss_of_glob

__all__ = [
    "Match",
    "Pattern",
    "PatternError",
    "Slot",
    "Source",
    "TooLong",
    "compile_glob",
    "compile_pattern",
    "nearest_miss",
]

_SLASH_ADVICE = r"a glob that begins with '/' is written '\/'"


def compile_pattern(source: Source) -> Pattern:
    r"""Compile a glob or, if it begins with `/`, a regex that goes to the last `/`, with flags after that.

    Raises:
        PatternError: a regex that isn't one.

    >>> str(compile_pattern(('/queued as (?P<queue_id>\\w+)/i',)))
    '/queued as (?P<queue_id>\\w+)/i'
    """
    units = units_of(source)
    if units[:1] != ["/"]:
        return compile_glob(source)
    end = len(units) - 1 - units[::-1].index("/")
    if end == 0:
        raise PatternError("a regex without its last '/'", 0, _SLASH_ADVICE)
    for at in range(end + 1, len(units)):
        if isinstance(units[at], Slot):
            raise PatternError("a placeholder after a regex's last '/'", at, _SLASH_ADVICE)
    flags = "".join(unit for unit in units[end + 1 :] if isinstance(unit, str))
    from runner.matching.regex import compile_regex  # noqa: PLC0415 -- start-up counts, and most patterns are globs

    try:
        return compile_regex(source_of(units[1:end]), flags)
    except PatternError as error:
        raise PatternError(error.message, error.offset + 1, error.advice) from None


def nearest_miss(pattern: Pattern, line: str) -> str:
    """Return why a pattern that doesn't match a line nearly does; '' if there is nothing to say.

    Nothing of the line, nor of a filled value, is in the text.
    """
    if isinstance(pattern, Glob):
        return miss_of_glob(pattern, line)
    from runner.matching.regex import Regex, miss_of_regex  # noqa: PLC0415 -- see above

    return miss_of_regex(pattern, line) if isinstance(pattern, Regex) else ""
