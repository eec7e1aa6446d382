"""Bytes of the wire as the texts that a conversation keeps: without line ends, what is no UTF-8 as surrogates.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator


def cut(data: bytes) -> Iterator[bytes]:
    """Cut bytes behind every line feed."""
    start = 0
    while (end := data.find(b"\n", start) + 1) > 0:
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]


def line_text(raw: bytes) -> str:
    """Return a line without its end."""
    return raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


def line_texts(raw: bytes) -> list[str]:
    r"""Return all lines, without their ends.

    >>> line_texts(b"250-mx\r\n250 ok\r\n")
    ['250-mx', '250 ok']
    """
    return [line_text(line) for line in cut(raw)]


def octets_of(text: str) -> bytes:
    """Return the bytes that a text stands for."""
    return text.encode("utf-8", "surrogateescape")


def literal_text(octets: bytes) -> str:
    """Return what a literal holds; its lines end with LF."""
    return octets.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
