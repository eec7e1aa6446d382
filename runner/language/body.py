r"""What `data`, `bdat` and `bytes` send: a text, a file's octets, a generated message, a sample that filters must know.

A body is a text with placeholders (its `head`) and octets that follow it, which are made as they are written, so that
no size of a message costs memory. Whether line ends and dots of it change on the way is the verb's business, and so is
what a value may hold. The escapes of `bytes` (`\r \n \t \0 \\ \xHH`) are read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import ClassVar

from runner.dataclass import dataclass
from runner.language.loader import Scalar
from runner.language.template import Template

# Octets that are made at a time; twice as much, if every one is a line end or a dot, is what leaves in one write.
SLICE = 32 * 1024
# What a file is read up to; larger messages are generated.
FILE_LIMIT = 64 * 1024 * 1024
# No mail server takes so much in one message; a slip such as `10GB` for `10MB` would fill its disk.
SIZE_LIMIT = 4 * 1024**3
#: The least size of a generated message: its header fields take so much, whatever `${unique}` is (RFC 5321 4.5.3.1.6).
LEAST_SIZE = 256

# RFC 5322 section 2.1.1: 78 characters at most, the CRLF left out. The last line may be one longer than the others.
_LINE = (b"The quick brown fox jumps over the lazy dog. " * 2)[:76] + b"\r\n"
_LINES = _LINE * (SLICE // len(_LINE))


@dataclass(frozen=True, slots=True)
class Body:
    """A text with placeholders, and for the kinds below the octets that follow it."""

    head: Template | None = None
    #: Whether nothing follows the head.
    is_whole: ClassVar[bool] = True

    def rest_size(self, before: int) -> int:  # noqa: ARG002 -- the contract of all kinds
        """Return how many octets follow a head of `before` octets."""
        return 0

    def rest(self, before: int) -> Iterator[bytes]:  # noqa: ARG002
        """Make the octets that follow a head of `before` octets, at most a `SLICE` at a time."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Octets(Body):
    """Octets as they are: of a file, or written as hex or base64."""

    data: bytes = field(default=b"", repr=False)
    is_whole: ClassVar[bool] = False

    def rest_size(self, before: int) -> int:  # noqa: ARG002
        """See `Body.rest_size`."""
        return len(self.data)

    def rest(self, before: int) -> Iterator[bytes]:  # noqa: ARG002
        """See `Body.rest`."""
        return (self.data[at : at + SLICE] for at in range(0, len(self.data), SLICE))


@dataclass(frozen=True, slots=True)
class Generated(Body):
    """A message of exactly `size` octets, counted as the SIZE extension does (RFC 1870 section 5).

    That is with the CRLF of every line, and without what is added on the way: doubled dots, the closing dot.
    """

    size: int = LEAST_SIZE
    is_whole: ClassVar[bool] = False

    def rest_size(self, before: int) -> int:
        """See `Body.rest_size`; negative if the head leaves no room for a line's end."""
        return self.size - before if self.size - before >= 2 else -1

    def rest(self, before: int) -> Iterator[bytes]:
        """See `Body.rest`."""
        # The last line has from 0 to 77 characters, so that any size can be met.
        whole, last = divmod(self.size - before - 2, len(_LINE))
        per_slice = SLICE // len(_LINE)
        for _ in range(whole // per_slice):
            yield _LINES
        yield _LINE * (whole % per_slice) + b"x" * last + b"\r\n"


@dataclass(frozen=True, slots=True)
class Sample(Body):
    """A message with a text that every virus or spam filter must know."""

    name: str = ""
    is_whole: ClassVar[bool] = False

    def rest_size(self, before: int) -> int:  # noqa: ARG002
        """See `Body.rest_size`."""
        return sum(map(len, SAMPLES[self.name].parts)) + 2

    def rest(self, before: int) -> Iterator[bytes]:  # noqa: ARG002
        """See `Body.rest`."""
        return iter((b"".join(SAMPLES[self.name].parts) + b"\r\n",))


@dataclass(frozen=True, slots=True)
class SampleText:
    """A sample in parts: put together only on its way, so that no scanner takes our own files for it."""

    parts: tuple[bytes, ...]
    #: Header fields that say what it is; scanners look for a virus in attachments, for spam in texts.
    fields: str


SAMPLES = {
    # https://www.eicar.org/download-anti-malware-testfile/: the file's first 68 characters.
    "eicar": SampleText(
        (rb"X5O!P%@AP[4\PZX54", b"(P^)7CC)7}$EICAR-", b"STANDARD-ANTIVIRUS-", b"TEST-FILE!$H+H*"),
        "MIME-Version: 1.0\n"
        'Content-Type: application/octet-stream; name="eicar.com"\n'
        'Content-Disposition: attachment; filename="eicar.com"\n',
    ),
    # https://spamassassin.apache.org/gtube/: a line of its own in the text.
    "gtube": SampleText((b"XJS*C4JDBQADN1.NSBN3*2IDNEN*", b"GTUBE-STANDARD-ANTI-UBE-", b"TEST-EMAIL*C.34X"), ""),
}

# A placeholder is passed over: no escape is read inside. What follows a backslash decides.
_ESCAPE = re.compile(r"\$\$\{|\$\{[^{}]*\}|\\(x[0-9A-Fa-f]{2}|[rnt0\\])|(\\x[0-9A-Fa-f]?|\\[^\r\n\0]?)|([\r\n\0])")
_MEANINGS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_ESCAPES_ARE = r"the escapes are \r \n \t \0 \\ \xHH; a backslash is written '\\'"
# A byte from 0x80 stands in a text as the surrogate that encodes to it (PEP 383).
_HIGH_BYTE = 0xDC00

Tell = Callable[[int, int, str, str], None]


def check_escapes(scalar: Scalar, tell: Tell) -> None:
    """Find what is no escape in the text of `bytes`; `tell` gets offset, width, message and advice of each."""
    for match in _ESCAPE.finditer(scalar.text):
        if match[2]:
            tell(match.start(), len(match[2]), f"'{match[2]}' is no escape", _ESCAPES_ARE)
        elif match[3]:
            advice = r"write it as \r, \n or \0, in single quotes: there YAML leaves the backslash alone"
            tell(match.start(), 1, "a line end or NUL in the text itself", advice)


def unescape(template: Template) -> Template:
    """Return a template whose own text has its escapes read; placeholders and their values stay as they are."""
    parts = tuple(_unescaped(part) if isinstance(part, str) else part for part in template.parts)
    return Template(parts, template.span)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(x[0-9A-Fa-f]{2}|[rnt0\\])", _meaning, text)


def _meaning(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _MEANINGS:
        return _MEANINGS[escape]
    code = int(escape[1:], 16)
    return chr(code if code < 0x80 else _HIGH_BYTE + code)
