"""The facts of a server for a terminal: what it is, line by line, and its capabilities beside each other.

All texts are escaped and bounded; no line begins with a server's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from runner.authoring.probing.facts import AFTER_LOGIN, greeting_text, limits_of
from runner.certificate import date_of
from runner.report.layout import GAP, Colour, beside, counted, hang, pad, plain, shares, width, wrap

if TYPE_CHECKING:
    from runner.authoring.probing.facts import Encryption, Look, ServerFacts
    from runner.certificate import Certificate
    from runner.report.layout import Style

# Behind the longest name of a fact.
_MARGIN = 14
# A certificate may have hundreds of names, an account as many mailboxes.
_MOST_NAMES = 12
_MOST_CAPABILITIES = 100
# A certificate that ends so soon is worth a colour.
_SOON_DAYS = 14
_BYTES = {"SIZE", "APPENDLIMIT"}
_NONE = "-"
# No capability that a registry has is longer; a server may say what it likes.
_LONGEST_NAME = 24


def render_facts(facts: ServerFacts, style: Style) -> list[str]:
    """Return the lines that say what a server is, none wider than the style's columns."""
    lines = [plain(facts.target)]
    if facts.failure:
        return [*lines, *_line("not probed", facts.failure, style, Colour.RED)]
    for name, text, colour in _facts(facts):
        lines += _line(name, text, style, colour)
    return [*lines, "", *_capabilities(facts.looks, style)]


def _line(name: str, text: str, style: Style, colour: Colour | None = None) -> list[str]:
    rows = hang(pad(f"  {name}", _MARGIN + 2), plain(text), style)
    return [style.paint(row, colour) for row in rows]


_Row = tuple[str, str, Colour | None]


def _facts(facts: ServerFacts) -> Iterator[_Row]:
    for greeting in facts.greetings[:1]:
        yield "greeting", " ".join(filter(None, (greeting.code, greeting_text(greeting)))), None
    if facts.software:
        yield "software", facts.software, None
    for name in ("vendor", "support-url", "os"):
        if facts.identity.get(name):
            yield name[: _MARGIN - 1], facts.identity[name], None
    yield from _tls(facts)
    yield from _mechanisms(facts.looks)
    for name, text in limits_of(facts.looks).items():
        yield "limit", f"{name} {_with_unit(name, text)}".rstrip(), None
    yield from _login(facts)


def _tls(facts: ServerFacts) -> Iterator[_Row]:
    if facts.tls is None:
        yield "TLS", facts.no_tls or "not offered", Colour.YELLOW
        return
    how = "from the first byte" if facts.is_implicit else "by STARTTLS"
    yield "TLS", f"{facts.tls.version}, {facts.tls.cipher}, {how}", None
    spoken = [one.version for one in facts.versions if one.is_spoken]
    yield "TLS versions", ", ".join(spoken) or "none by itself", None
    others = [one for one in facts.versions if not one.is_spoken]
    for is_known, why in dict.fromkeys((one.is_known, one.why) for one in others):
        alike = ", ".join(one.version for one in others if (one.is_known, one.why) == (is_known, why))
        yield ("  refused" if is_known else "  not tried"), f"{alike}: {why}" if why else alike, None
    yield from _certificate(facts.tls)


def _certificate(tls: Encryption) -> Iterator[_Row]:
    trust = f"not trusted: {tls.distrust}" if tls.distrust else "verified"
    yield "certificate", trust, Colour.YELLOW if tls.distrust else None
    read = tls.certificate
    if read is None:
        yield "", tls.unreadable, Colour.YELLOW
        return
    yield "  for", _names(read), None
    yield "  issuer", read.issuer or _NONE, None
    yield "  valid", _validity(read, tls), Colour.YELLOW if tls.days_left < _SOON_DAYS else None
    yield "  key", f"{read.public_key}, signed with {read.signature_hash or 'no hash of its own'}", None


def _names(read: Certificate) -> str:
    names = [*read.names, *read.addresses]
    if not names:
        return f"no name but {read.common_name}, in the subject, where nobody looks" if read.common_name else "no name"
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _validity(read: Certificate, tls: Encryption) -> str:
    until = f"until {_date(read.not_after)}"
    if read.not_before > tls.moment:
        return f"not before {_date(read.not_before)}, {until}"
    return f"{until}, {counted(tls.days_left, 'day')} left" if tls.days_left >= 0 else f"expired, {until}"


def _date(moment: float) -> str:
    return date_of(moment).strftime("%Y-%m-%d")


def _mechanisms(looks: Sequence[Look]) -> Iterator[_Row]:
    shown = [look for look in looks if look.when != AFTER_LOGIN]
    told = {look.when: " ".join(look.mechanisms) or "none" for look in shown if look.capabilities is not None}
    if len(set(told.values())) == 1:
        yield "mechanisms", next(iter(told.values())), None
        return
    for number, (when, text) in enumerate(told.items()):
        yield "" if number else "mechanisms", f"{when}: {text}", None


def _with_unit(name: str, text: str) -> str:
    if name not in _BYTES or not (text.isascii() and text.isdigit() and len(text) < 20):
        return text
    if int(text) == 0:
        return f"{text} (no fixed limit)"
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if int(text) >= size:
            return f"{text} ({int(text) / size:.3g} {unit})"
    return text


def _login(facts: ServerFacts) -> Iterator[_Row]:
    login = facts.login
    if login is None:
        return
    if login.failure:
        yield "login", f"failed: {login.failure}", Colour.RED
        return
    yield "login", f"by {login.mechanism}" if login.mechanism else "done", None
    for text in login.namespaces:
        yield "  namespaces", text, None
    for use, mailbox in login.mailboxes[:_MOST_NAMES]:
        yield f"  {use}"[: _MARGIN - 1], mailbox, None


# The capabilities.


def _capabilities(looks: Sequence[Look], style: Style) -> list[str]:
    lines: list[str] = []
    for look in looks:
        if look.capabilities is None:
            lines += _line("", f"{look.when}: no capabilities are told: {look.refusal or 'no answer'}", style)
    shown = [look for look in looks if look.capabilities is not None]
    names = list(dict.fromkeys(name for look in shown for name in look.told))
    if not names:
        return lines
    left_out = len(names) - _MOST_CAPABILITIES
    rows = [[plain(name), *(_offered(look, name) for look in shown)] for name in names[:_MOST_CAPABILITIES]]
    if len(shown) > 1:
        rows = [[*row, _change(row[1:])] for row in rows]
    header = ["capability", *("offered" if len(shown) == 1 else look.when for look in shown)]
    lines += _table(header + [""] * (len(shown) > 1), rows, style)
    return [*lines, f"  … {left_out} more"] if left_out > 0 else lines


def _offered(look: Look, name: str) -> str:
    if name not in look.told:
        return _NONE
    return plain(" ".join(look.told[name])) or "yes"


def _change(cells: Sequence[str]) -> str:
    """Return what becomes of a capability on the way, in a word."""
    for before, after in pairwise(cells):
        if before != after:
            return "gained" if before == _NONE else "lost" if after == _NONE else "changed"
    return ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    columns = zip(header, *rows, strict=True)
    widths = _widths([max(map(width, column)) for column in columns], style.width - GAP)
    lines: list[str] = []
    for row in (header, *rows):
        lines += beside([_wrapped(cell, room) for cell, room in zip(row, widths, strict=True)], widths)
    return [" " * GAP + line for line in lines]


def _wrapped(text: str, room: int) -> list[str]:
    """Return a text in rows, each of whole words as far as one has room for them."""
    rows = [""]
    for word in text.split(" "):
        joined = f"{rows[-1]} {word}" if rows[-1] else word
        if width(joined) <= room:
            rows[-1] = joined
        else:
            rows += wrap(word, room, room)
    return rows if rows[0] or len(rows) == 1 else rows[1:]


def _widths(needed: Sequence[int], whole: int) -> list[int]:
    """Return the columns' widths: the names get what they need before the others."""
    first = min(needed[0], _LONGEST_NAME, whole * 2 // 5)
    return [first, *shares(needed[1:], whole - first - GAP * (len(needed) - 1))]
