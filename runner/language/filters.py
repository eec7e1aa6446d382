"""The filters of placeholders: `${name | filter}`. `FILTERS` is the one registry; a filter is an entry here.

A filter is a pure function of text. What it can't do it says by `FilterError`, without the value (it may be secret).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from runner.dataclass import dataclass
from runner.errors import ToolError

# `repeat(n)` builds at most this much: a line limit is 64 KiB, a message is `data`.
REPEAT_LIMIT = 1024 * 1024


class FilterError(Exception):
    """A value can't go through a filter."""


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter: what it does to a text, and whether it takes a number in brackets."""

    apply: Callable[[str, int], str]
    takes_number: bool = False


def to_bytes(text: str) -> bytes:
    """Return the UTF-8 of a value; bytes that came undecodable from the environment go out as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _base64_decode(text: str, _: int) -> str:
    try:
        return base64.b64decode(to_bytes(text), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise FilterError("is not base64 of UTF-8 text") from error


def _xtext(text: str, _: int) -> str:
    """RFC 3461 section 4: printable ASCII but `+` and `=` stands for itself, all else is `+XX`."""
    return "".join(chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}" for byte in to_bytes(text))


def quoted(text: str) -> str:
    """Return a quoted string (RFC 9051 section 4.3 and RFC 5804 section 4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sha256(text: str, _: int) -> str:
    import hashlib  # noqa: PLC0415 -- 3 ms that few scenarios need

    return hashlib.sha256(to_bytes(text)).hexdigest()


def _idna(text: str, _: int) -> str:
    """RFC 5891: the domain (of an address: what follows the last `@`) in its ASCII form."""
    if not text:
        return text  # a name that has no value yet
    try:
        import idna  # noqa: PLC0415 -- an extra, imported when used
    except ImportError as error:
        raise ToolError("the filter 'idna' needs the extra 'dns': pip install 'mailproof[dns]'") from error
    local, at, domain = text.rpartition("@")
    try:
        return local + at + idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise FilterError("is no domain name that IDNA can encode") from error


def _repeat(text: str, times: int) -> str:
    if len(text) * times > REPEAT_LIMIT:
        raise FilterError(f"would be longer than {REPEAT_LIMIT} characters when repeated {times} times")
    return text * times


FILTERS: dict[str, FilterSpec] = {
    "base64": FilterSpec(lambda text, _: base64.b64encode(to_bytes(text)).decode("ascii")),
    "base64_decode": FilterSpec(_base64_decode),
    "hex": FilterSpec(lambda text, _: to_bytes(text).hex()),
    "upper": FilterSpec(lambda text, _: text.upper()),
    "lower": FilterSpec(lambda text, _: text.lower()),
    "trim": FilterSpec(lambda text, _: text.strip()),
    "sha256": FilterSpec(_sha256),
    "xtext": FilterSpec(_xtext),
    "quoted": FilterSpec(lambda text, _: quoted(text)),
    "idna": FilterSpec(_idna),
    "repeat": FilterSpec(_repeat, takes_number=True),
}
