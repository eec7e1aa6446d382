"""What a server did in each step, whole: replies, capabilities, TLS. Kept only for who compares runs.

Texts are redacted here, whole before they are cut, and bounded; they are not escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.language.model import Auth, Hangup
from runner.matching.expectation import Word
from runner.protocol import Reply, decode
from runner.protocol.base import LineReply, Malformed
from runner.results import Exchange, Heard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.language.model import Step
    from runner.player.link import Link
    from runner.player.player import Player
    from runner.protocol.base import Event
    from runner.redaction import Redactor
    from runner.wire import TlsFacts

# Of one step; one that reads the replies of many recipients may have many.
MOST_REPLIES = 60
# Of one reply: an EHLO has a dozen, a HELP a few more.
FIRST_LINES = 100
LAST_LINES = 10
# Of one line: capabilities of IMAP come in one.
MOST_CHARACTERS = 4096
# What stands in place of a code where no reply is.
NO_REPLY = "no reply"


class Exchanges:
    """Makes the exchange of each step; remembers what earlier steps have told of a connection."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[int, tuple[object, object]] = {}

    def of(self, player: Player, step: Step) -> Exchange:
        """Return what was said since the step before on the connection of the step under way."""
        mask = player.redactor.mask
        sent = mask(player.findings.label_of(step))
        chosen = player.findings.chosen
        link = player.links.get(player.session)
        if link is None or link.heard is None:
            return Exchange(sent, chosen)
        capabilities, tls = self._learnt(link)
        is_auth = isinstance(step, Auth)
        heard = [one for one in link.heard if not (is_auth and _is_challenge(one[0]))]
        since = link.written if link.written is not None else player.step_started
        replies = [_heard(event, max(at - since, 0.0), player.redactor) for event, at in heard[:MOST_REPLIES]]
        if (left_out := len(heard) - MOST_REPLIES) > 0:
            replies.append(Heard("", NO_REPLY, "", (f"… {left_out} replies left out …",), 0.0))
        if link.is_closed and link.last is Word.CLOSE and not (link.is_dropped or isinstance(step, Hangup)):
            replies.append(Heard("", Word.CLOSE.value, "", (), max(link.ended - since, 0.0)))
        link.heard.clear()
        shown = {mask(name): tuple(map(mask, words)) for name, words in capabilities.items()} if capabilities else None
        return Exchange(sent, chosen, tuple(replies), shown, tls)

    def _learnt(self, link: Link) -> tuple[Mapping[str, tuple[str, ...]] | None, TlsFacts | None]:
        """Return what is new of capabilities and TLS: a list that was read again is, one that is still known isn't."""
        now = link.machine.capabilities, link.tls
        before = self._told.get(link.sid, (None, None))
        self._told[link.sid] = now
        return now[0] if now[0] is not before[0] else None, now[1] if now[1] is not before[1] else None


def _is_challenge(event: Event) -> bool:
    """Whether it is a challenge: what a mechanism asks is new each time, and may tell of a secret."""
    return isinstance(event, Reply) and event.is_challenge


def _heard(event: Event, latency: float, redactor: Redactor) -> Heard:
    to = str(event.owed.to) if event.owed is not None else ""
    if isinstance(event, Malformed):
        return Heard(to, NO_REPLY, "", (event.reason,), latency)
    text = redactor.mask("\n".join(_lines(event)))
    return Heard(to, event.code, _cut(redactor.mask(event.enhanced)), tuple(_bounded(text.split("\n"))), latency)


def _lines(reply: Reply) -> Iterator[str]:
    """Iterate over a reply's lines as they are compared: of literals only the markers."""
    if reply.is_challenge:
        yield reply.decoded or ""
    elif isinstance(reply, LineReply):
        head = None if reply.head_at is None else reply.head_at % len(reply.lines)
        for at in range(len(reply.lines)):
            yield reply.said if at == head else decode(reply.line(at))
    else:
        yield from map(reply.bare, reply.texts)


def _bounded(lines: list[str]) -> list[str]:
    left_out = len(lines) - FIRST_LINES - LAST_LINES
    if left_out > 0:
        lines = [*lines[:FIRST_LINES], f"… {left_out} lines left out …", *lines[-LAST_LINES:]]
    return list(map(_cut, lines))


def _cut(line: str) -> str:
    left_out = len(line) - MOST_CHARACTERS
    return f"{line[:MOST_CHARACTERS]}… {left_out} characters left out" if left_out > 0 else line
