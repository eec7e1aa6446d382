"""A message that is as a step wants it: header, body, attachments, size (RFC 5322, RFC 2046).

Pure; whether the message does is for the judge to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.matching.message_wishes import Bound, HeaderWish, MessageExpectation
from runner.matching.pattern import Pattern
from runner.mirror.samples import HOST, texts

_DEFAULTS = {
    "From": f"<sender@{HOST}>",
    "To": f"<recipient@{HOST}>",
    "Subject": "mirror",
    "Date": "Fri, 17 May 2024 12:00:00 +0000",
    "Message-ID": f"<mirror@{HOST}>",
}
_BODY = "This is a test."
_BOUNDARY = "mirror-of-parts"
# Of more nobody wants to see whether it is there.
_MOST_ATTACHMENTS = 100
_MOST_OCTETS = 32 * 1024 * 1024
# A line of a message has at most 998 octets (RFC 5322 section 2.1.1).
_PADDING = "x" * 70


def letter(wanted: MessageExpectation, variant: int = 0) -> str:
    """Return a message whose lines end with LF; `variant` chooses among the texts that fit a pattern."""
    is_short = bool(variant % 2)  # nothing that was not asked for
    headers = list(_headers(wanted, variant // 2, {} if is_short else _DEFAULTS))
    asked = dict.fromkeys(_chosen(pattern, variant // 2) for pattern in wanted.body)
    body = "\n".join([*asked, *([] if is_short or _BODY in asked else [_BODY])]) + "\n"
    names = list(_attachments(wanted, variant // 2))
    if names:
        headers += [("MIME-Version", "1.0"), ("Content-Type", f'multipart/mixed; boundary="{_BOUNDARY}"')]
        body = _multipart(body, names)
    head = "".join(f"{name}: {value}\n" for name, value in headers)
    return _padded(f"{head}\n{body}", wanted.size)


def _chosen(pattern: Pattern, variant: int) -> str:
    found = texts(pattern)
    return found[variant % len(found)] if found else ""


def _headers(wanted: MessageExpectation, variant: int, usual: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    wishes: dict[str, list[HeaderWish]] = {}
    for wish in wanted.headers:
        wishes.setdefault(wish.name.lower(), []).append(wish)
    spelt = {name.lower(): name for name in (*usual, *reversed([wish.name for wish in wanted.headers]))}
    for lower, name in spelt.items():
        text = usual.get(_spelt(lower, usual), "")
        yield from ((name, value) for value in _values(text, wishes.get(lower, []), variant))


def _spelt(lower: str, usual: Mapping[str, str]) -> str:
    return next((name for name in usual if name.lower() == lower), "")


def _values(usual: str, wishes: list[HeaderWish], variant: int) -> Iterator[str]:
    """Iterate over the values of the headers of one name."""
    if any(wish.asks == "absent" for wish in wishes):
        return
    refused = [pattern for wish in wishes if wish.asks == "lacks" for pattern in wish.patterns]
    wanted = [pattern for wish in wishes if wish.asks == "fits" for pattern in wish.patterns]
    if not usual and any(wish.asks == "present" for wish in wishes):
        usual = "mirror"
    said: list[str] = []
    for pattern in wanted:
        if not any(pattern.match_line(value) for value in said):
            fitting = [text for text in texts(pattern) if not any(one.match_line(text) for one in refused)]
            said += fitting[variant % len(fitting) :][:1] if fitting else []
    if not said and usual and not any(one.match_line(usual) for one in refused):
        said.append(usual)
    yield from said


def _attachments(wanted: MessageExpectation, variant: int) -> Iterator[str]:
    wish = wanted.attachments
    if wish is None:
        return
    names = [_chosen(pattern, variant) for pattern in wish.names]
    yield from names
    if wish.count is not None:
        more = next((count for count in range(len(names), _MOST_ATTACHMENTS) if wish.count.fits(count)), len(names))
        yield from (f"mirror-{number}.bin" for number in range(len(names), more))


def _multipart(body: str, names: list[str]) -> str:
    parts = [f"--{_BOUNDARY}\nContent-Type: text/plain\n\n{body}"]
    for name in names:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(
            f"--{_BOUNDARY}\nContent-Type: application/octet-stream\n"
            f'Content-Disposition: attachment; filename="{quoted}"\n\nmirror\n'
        )
    return "".join([*parts, f"--{_BOUNDARY}--\n"])


def _padded(text: str, size: Bound | None) -> str:
    """Make a message as large as it is to be; its line ends count for two octets on the wire."""
    if size is None or size.fits(_octets(text)):
        return text
    due = size.number + (size.relation == ">") - (size.relation == "<")
    missing = min(due, _MOST_OCTETS) - _octets(text)
    lines, rest = divmod(max(0, missing), len(_PADDING) + 2)
    text += f"{_PADDING}\n" * lines
    return text + ("x" * (rest - 2) + "\n" if rest > 1 else "x" * rest)


def _octets(text: str) -> int:
    return len(text.encode()) + text.count("\n")
