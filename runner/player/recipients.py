"""`expect_each`: a reply for each recipient that was accepted (RFC 2033 section 4.2, draft-hall-prdr-00)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from runner.matching.expectation import Expectation, ExpectationError, Word
from runner.player.ending import StepEnded, erred, failed
from runner.player.expecting import name_of, next_reply, settle
from runner.protocol import Reply

if TYPE_CHECKING:
    from runner.matching.recipients import EachRecipient
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.protocol import Owed

_ANY = Expectation((Word.ANY,))

Steps = Generator[None, None, None]


def expect_each(player: Player, link: Link, each: EachRecipient) -> Steps:
    """Read the replies of all accepted recipients and judge each; a wrong code ends the case after the last."""
    try:
        wanted = each.fill(player.scope.of_slot, player.scope.shown_slot)
    except ExpectationError as error:
        raise erred(str(error)) from error
    recipients = _due(link)
    if not recipients:
        raise (yield from _nobody(player, link))
    forms, wrong = wanted.assign(recipients)
    for one in wrong:
        player.findings.differ(one.part, one.expected, one.actual, one.hint, is_warning=wanted.is_warning)
    first: StepEnded | None = None
    for form in forms:
        try:
            yield from _expect_one(player, link, form or _ANY)
        except StepEnded as ended:
            first = first or ended
            if link.gave_up or link.is_broken or link.last is Word.CLOSE:
                break
    if first is not None:
        raise first


def _expect_one(player: Player, link: Link, form: Expectation) -> Steps:
    got = yield from next_reply(player, link, form)
    settle(player, link, form, got)


def _due(link: Link) -> tuple[str, ...]:
    """Return the recipients whose replies to the message come next, whether they are there already or not."""
    found: list[str] = []
    for event, _ in link.events:
        recipient = _recipient(event.owed) if isinstance(event, Reply) else None
        if recipient is None:
            return tuple(found)
        found.append(recipient)
    return (*found, *link.machine.recipients_due)


def _recipient(owed: Owed | None) -> str | None:
    return owed.recipient if owed is not None and owed.to == "message" else None


def _nobody(player: Player, link: Link) -> Generator[None, None, StepEnded]:
    """Return how a step ends where the next reply is no recipient's; what becomes of a message is read all the same."""
    owed = link.events[0][0].owed if link.events else next(iter(link.machine.owed), None)
    if owed is None:
        return failed("no reply for a recipient is owed: no message was sent, or all that were owed were read")
    if owed.to != "message":
        return failed(f"no reply for a recipient is owed next, but the reply to {name_of(owed)}")
    got = yield from next_reply(player, link, _ANY)
    link.last = got
    text = got.value if isinstance(got, Word) else str(got)
    player.findings.differ("recipients", "a reply for each recipient", text, "one for all is read by 'expect'")
    return failed(f"expected a reply for each recipient, got one for all: {player.findings.quote(text)}")
