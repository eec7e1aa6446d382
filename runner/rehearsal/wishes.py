"""What a step expects, in words: the reply in its short form, and every further demand as a remark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.language.values import format_duration
from runner.matching.base import show_source
from runner.matching.expectation import Block, Word

if TYPE_CHECKING:
    from runner.language.model import TlsExpectation, TlsOptions, When
    from runner.matching.alternatives import Alternative, ValueOf
    from runner.matching.expectation import Expectation, Until
    from runner.matching.message_wishes import HeaderWish, MessageExpectation
    from runner.matching.recipients import EachRecipient
    from runner.player.filling import Scope

_WORDS = {
    Word.ANY: "(any reply)",
    Word.CLOSE: "(closes the connection)",
    Word.SILENCE: "(says nothing)",
    Word.REFUSED: "(refuses the connection)",
    Word.RESET: "(resets the connection)",
    Word.TIMEOUT: "(no connection comes about)",
    Word.UNTAGGED: "(untagged lines)",
}


def replies(expectation: Expectation, slot_text: ValueOf) -> Iterator[str]:
    """Return what may come, a text for each line of it."""
    if len(expectation.alternatives) == 1 and isinstance(block := expectation.alternatives[0], Block):
        yield from (line.show(slot_text) for line in block.lines)
        return
    yield " or ".join(_alternative(one, slot_text) for one in expectation.alternatives)


def _alternative(one: Alternative, slot_text: ValueOf) -> str:
    if isinstance(one, Word):
        return _WORDS[one]
    if isinstance(one, Block):
        return " / ".join(line.show(slot_text) for line in one.lines)
    return one.show(slot_text)


def demands(wanted: Expectation, slot_text: ValueOf) -> Iterator[str]:
    """Return what else is asked of the reply, a remark each."""
    if wanted.silence is not None:
        yield f"for {format_duration(wanted.silence)}"
    yield from (f"has {pattern.show(slot_text)}" for pattern in wanted.has)
    yield from (f"lacks {pattern.show(slot_text)}" for pattern in wanted.lacks)
    if wanted.lines is not None:
        yield f"lines: {wanted.lines}"
    yield from (f"capability {wish}" for wish in wanted.capabilities)
    yield from (f"untagged {pattern.show(slot_text)}" for pattern in wanted.untagged)
    if wanted.message is not None:
        yield from _of_message(wanted.message, slot_text)
    if wanted.until is not None:
        yield f"until {_until(wanted.until, slot_text)}"
    if wanted.within is not None:
        yield f"within {format_duration(wanted.within)}"
    for one in wanted.captures:
        what = one.what if isinstance(one.what, str) else one.what.show(slot_text)
        yield f"captures ${{{one.name}}} from {what}"
    if wanted.is_warning:
        yield "what differs is only a warning"


def _until(until: Until, slot_text: ValueOf) -> str:
    if until.pattern is not None:
        return until.pattern.show(slot_text)
    return f"{format_duration(until.silence)} of silence" if until.silence else f"there are {until.lines} lines"


def _of_message(wish: MessageExpectation, slot_text: ValueOf) -> Iterator[str]:
    for header in wish.headers:
        yield f"header {header.name} {_header(header, slot_text)}"
    yield from (f"body {pattern.show(slot_text)}" for pattern in wish.body)
    yield from (f"message lacks {pattern.show(slot_text)}" for pattern in wish.lacks)
    if wish.size is not None:
        yield f"size {wish.size}"
    if (files := wish.attachments) is not None:
        if files.count is not None:
            yield f"attachments: {files.count}"
        yield from (f"attachment {pattern.show(slot_text)}" for pattern in files.names)
        yield from (f"no attachment {pattern.show(slot_text)}" for pattern in files.lacks)


def _header(wish: HeaderWish, slot_text: ValueOf) -> str:
    if wish.asks in ("present", "absent"):
        return wish.asks
    asks = "lacks " if wish.asks == "lacks" else ""
    return asks + " and ".join(pattern.show(slot_text) for pattern in wish.patterns)


def each_recipient(each: EachRecipient, slot_text: ValueOf) -> Iterator[tuple[str, Expectation]]:
    """Return what is asked of each recipient's reply, with whose it is."""
    addresses = [show_source(source, slot_text) for source in each.addresses]
    for number, form in enumerate(each.forms):
        yield f"for {addresses[number]}" if addresses else f"for recipient {number + 1}", form


def handshake(options: TlsOptions, scope: Scope) -> Iterator[str]:
    """Return how a step wants its handshake to be made."""
    if options.verify is False:
        yield "the certificate is not verified"
    if options.server_name is not None:
        yield f"server_name {scope.text(options.server_name).text}"
    named = (
        ("ca", options.ca),
        ("cert", options.certificate),
        ("key", options.key),
        ("min", options.minimum),
        ("max", options.maximum),
    )
    yield from (f"{key} {value}" for key, value in named if value is not None)


def certificate(wanted: TlsExpectation | None, scope: Scope) -> Iterator[str]:
    """Return what a handshake must bring."""
    if wanted is None:
        return
    if wanted.fails:
        yield f"the handshake must fail: {wanted.fails}"
    if wanted.version:
        yield f"version {wanted.version}"
    for key, pattern in (("cipher", wanted.cipher), ("issuer", wanted.issuer)):
        if pattern is not None:
            yield f"{key} {pattern.show(scope.shown_slot)}"
    yield from (f"certificate good for {scope.text(name).text}" for name in wanted.names)
    if wanted.valid_for is not None:
        yield f"certificate valid for {format_duration(wanted.valid_for)} more"
    if wanted.public_keys:
        yield f"public key {' or '.join(map(str, wanted.public_keys))}"
    if wanted.same_certificate_as:
        yield f"the same certificate as in session {wanted.same_certificate_as}"


def condition(when: When, slot_text: ValueOf) -> str:
    """Return a condition in words, to stand behind `if`."""
    parts = []
    if when.capability:
        parts.append(f"{when.capability} is offered")
    if when.tls is not None:
        parts.append("the connection is encrypted" if when.tls else "the connection is in clear text")
    if when.reply:
        parts.append(f"the last reply was {' or '.join(_alternative(one, slot_text) for one in when.reply)}")
    if when.variable:
        fits = f"fits {when.matches.show(slot_text)}" if when.matches is not None else "is set"
        parts.append(f"'{when.variable}' {fits}")
    if when.negated is not None:
        parts.append(f"not ({condition(when.negated, slot_text)})")
    return " and ".join(parts)
