"""What is shown of an error inside mailproof itself: one line, or with `--debug` where it arose, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable

from runner.errors import escape
from runner.redaction import Redactor

#: Every secret that this process has fetched; set by the commands, read when something breaks.
known_secrets: dict[str, str] = {}


def remember(values: Iterable[str]) -> None:
    """Keep secrets' values to mask them in what an internal error shows."""
    for value in values:
        known_secrets[f"secret-{len(known_secrets) + 1}"] = value


def describe(error: BaseException, *, is_debug: bool) -> str:
    """Return one line on an internal error; with `is_debug` also the places in the code, without any value."""
    if not is_debug:
        return f"{type(error).__name__}; run again with --debug to see where, and please report it"
    import traceback  # noqa: PLC0415 -- few runs need it

    frames = traceback.extract_tb(error.__traceback__)
    where = "\n".join(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
    text = Redactor(known_secrets).mask(str(error))
    return f"{type(error).__name__}: {escape(text)}\n{where}"
