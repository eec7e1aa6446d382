"""How a key reads its text: durations, booleans, sizes, counts.

Every function takes the text as written and raises ValueError with what is wrong, in plain words.
"""

from __future__ import annotations

import re
from datetime import date

_PARTS = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.ASCII)
_SECONDS = (3600.0, 60.0, 1.0, 0.001)
# No run lasts longer; a slip such as `300h` for `300s` is told at once.
MAX_DURATION = 7 * 24 * 3600.0

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LIFETIME = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?", re.ASCII)

_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?(B|KB|MB|GB|KiB|MiB|GiB)?", re.ASCII)
_UNITS = {
    None: 1,
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


def parse_duration(text: str) -> float:
    """Return seconds.

    >>> parse_duration("1m30s"), parse_duration("500ms")
    (90.0, 0.5)
    """
    match = _PARTS.fullmatch(text) if len(text) <= 40 else None
    if not text or match is None:
        hint = f"; say {text}s" if text.isascii() and text.isdigit() else ": 500ms, 2s, 1m30s, 1h"
        raise ValueError(f"'{text}' is no duration{hint}")
    seconds = sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
    if not seconds:
        raise ValueError(f"'{text}' is no time at all")
    if seconds > MAX_DURATION:
        raise ValueError(f"'{text}' is longer than {MAX_DURATION / 3600:.0f}h, the longest duration")
    return seconds


def parse_lifetime(text: str) -> float:
    """Return seconds of a time in days and hours, as certificates last.

    >>> parse_lifetime("14d"), parse_lifetime("1d12h")
    (1209600.0, 129600.0)
    """
    match = _LIFETIME.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"'{text}' is no time in days and hours", "for example 14d, 12h")
    return int(match[1] or 0) * 86_400.0 + int(match[2] or 0) * 3600.0


def parse_boolean(text: str) -> bool:
    """Return the truth of `true`, `yes`, `false`, `no`.

    >>> parse_boolean("no")
    False
    """
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise ValueError(f"'{text}' is neither true nor false") from None


def parse_count(text: str) -> int:
    """Return a whole number from 0, of at most nine digits.

    >>> parse_count("12")
    12
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError(f"'{text}' is no whole number from 0")
    return int(text)


def parse_date(text: str) -> date:
    """Return a day.

    >>> parse_date("2026-12-31").isoformat()
    '2026-12-31'
    """
    try:
        # The pattern: what else the library reads differs from one Python to the next.
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise ValueError(f"'{text}' is no day: 2026-12-31") from None


def format_duration(seconds: float) -> str:
    """Return a duration as a file has it, in whole seconds unless it is short.

    >>> format_duration(600), format_duration(62.3), format_duration(0.25)
    ('10m', '1m2s', '0.25s')
    """
    if seconds < 10:
        return f"{seconds:.2g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def parse_rate(text: str) -> int:
    """Return bytes a second.

    >>> parse_rate("1KB/s")
    1000
    """
    size, per, unit = text.partition("/")
    if not per or unit != "s":
        raise ValueError(f"'{text}' is no rate: 100B/s, 1KB/s, 2MiB/s")
    rate = parse_size(size)
    if rate < 1:
        raise ValueError(f"at '{text}' nothing would ever leave")
    return rate


def parse_size(text: str) -> int:
    """Return bytes; KB, MB, GB count in thousands, KiB, MiB, GiB in 1,024s.

    >>> parse_size("10MB"), parse_size("64KiB")
    (10000000, 65536)
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no size: 512, 64KiB, 10MB")
    return round(float(match[1]) * _UNITS[match[2]])


def parse_address(text: str) -> str:
    """Return the text if it is an IP address.

    >>> parse_address("2001:db8::7")
    '2001:db8::7'
    """
    import ipaddress  # noqa: PLC0415 -- 3 ms that few files need

    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"'{text}' is no IP address") from None
    return text
