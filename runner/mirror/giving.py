"""What is due to the shadow and the client alike: replies, what comes in their place, and faults on purpose. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.language.filters import to_bytes
from runner.language.model import Exchange
from runner.matching.expectation import Block, Expectation, ExpectationError, Word
from runner.mirror.acts import Said
from runner.mirror.entering import hear_client_login
from runner.mirror.forms import Spoken, as_text
from runner.mirror.preferring import reader_in
from runner.mirror.samples import texts
from runner.mirror.shadow import Due
from runner.mirror.synthesis import CantSayError, refusal, synthesize, usual
from runner.player.ending import StepEnded
from runner.wire import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.mirror.faults import Fault as Wrong
    from runner.mirror.machine import Mirror
    from runner.mirror.wires import Wire
    from runner.player.link import Link

_GARBAGE = b"\xff\x00 this is no reply \x1b[31m\r\n"
_ANY = Expectation((Word.ANY,))


def give(mirror: Mirror, due: Due) -> bool:
    """Give the shadow, and the client, what is waited for."""
    if due.kind == "farewell":
        return _give_farewell(mirror, due)
    if due.kind == "time" or due.link is None:
        return _give_ahead(mirror, due) or mirror.pass_time()
    wire = mirror.wires[due.link.sid]
    if due.kind == "login":
        return _give_login(mirror, wire, due)
    if due.kind == "go-ahead":
        mirror.say(wire, due.link, Spoken(due.link.machine.challenge_code, "go ahead"))
    elif due.kind == "greeting":
        mirror.say(wire, due.link, usual(mirror.situation(due.link)))
    elif due.kind == "each":
        _give_each(mirror, wire, due)
    elif due.kind == "line":
        _give_line(mirror, wire, due)
    else:
        reply(mirror, wire, due)
    return True


def reply(mirror: Mirror, wire: Wire, due: Due) -> None:
    """Say what a step expects, or what a fault has in its place."""
    assert due.wanted is not None
    assert due.step is not None
    assert due.link is not None
    if mirror.silenced is due.step:
        mirror.pass_time()
        return
    situation = mirror.situation(due.link, due.wanted.capabilities, due.step)
    spoken = synthesize(due.wanted, situation)
    place = mirror.shadow.place_of(due.step)
    struck = mirror.plan.strike(place)
    if isinstance(spoken, Word):
        code = spoken.value
    else:
        code = spoken.code or next((line for line in spoken.lines if isinstance(line, str)), "")
    data = b"" if isinstance(spoken, Word) else mirror.for_shadow(due.link, spoken)
    mirror.said.append(Said(place, code, data))
    if struck is not None:
        _strike(mirror, wire, due, struck, spoken)
    elif isinstance(spoken, Word):
        instead(mirror, wire, due.link, spoken)
    else:
        mirror.shadow.given += 1
        mirror.say(wire, due.link, spoken)


def instead(mirror: Mirror, wire: Wire, link: Link, word: Word) -> None:
    """Do what is wanted in place of a reply."""
    if word is Word.SILENCE:
        mirror.pass_time()
    elif word is Word.RESET:
        mirror.hang_up(wire, "reset")
        mirror.do(mirror.shadow.broke(link.sid, Fault(FaultKind.RESET), mirror.tick()))
    elif word is Word.CLOSE:
        mirror.hang_up(wire, "fin")
        mirror.do(mirror.shadow.eof(link.sid, True, mirror.tick()))
    else:
        raise CantSayError(f"'{word.value}' can't be mirrored here")


def _strike(mirror: Mirror, wire: Wire, due: Due, struck: Wrong, spoken: Spoken | Word) -> None:
    """Let a fault happen to the client and to the shadow alike."""
    link = due.link
    assert link is not None
    mirror.shadow.given += 1
    whole = Spoken("", lines=("mirror",)) if isinstance(spoken, Word) else spoken
    if struck.kind in ("close", "reset"):
        instead(mirror, wire, link, Word.CLOSE if struck.kind == "close" else Word.RESET)
    elif struck.kind == "silence":
        mirror.silenced = due.step
        mirror.shadow.given -= 1
    elif struck.kind == "delay":
        mirror.now += struck.seconds
        mirror.delay = struck.seconds
        mirror.say(wire, link, whole)
        mirror.delay = 0.0
    elif struck.kind == "garbage":
        mirror.send(wire, _GARBAGE, _GARBAGE)
    elif struck.kind == "half":
        ours, theirs = mirror.for_shadow(link, whole), mirror.for_client(wire, link, whole)
        mirror.send(wire, ours[: len(ours) // 2], theirs[: len(theirs) // 2])
        instead(mirror, wire, link, Word.CLOSE)
    else:
        mirror.say(wire, link, _otherwise(link.machine.name, struck, whole))


def _give_login(mirror: Mirror, wire: Wire, due: Due) -> bool:
    assert due.link is not None
    if not (mirror.is_alone or wire.is_gone) and not hear_client_login(mirror, wire, due.link):
        return False
    wire.login = wire.client_login = None
    reply(mirror, wire, due)
    return True


def _give_each(mirror: Mirror, wire: Wire, due: Due) -> None:
    """Say a reply for each accepted recipient."""
    assert due.link is not None
    assert isinstance(due.step, Exchange)
    forms = mirror.shadow.forms_for_each(due.step, due.link)
    if not forms:
        mirror.say(wire, due.link, usual(mirror.situation(due.link)))
        return
    if mirror.silenced is due.step:
        mirror.pass_time()
        return
    # They are read one after the other, and each has its own form: the first that is due is the first left.
    for form in forms:
        if mirror.shadow.leaf is not due.step or due.link.is_closed or mirror.shadow.doing:
            return
        reply(mirror, wire, replace(due, kind="reply", wanted=form or _ANY))


def _give_ahead(mirror: Mirror, due: Due) -> bool:
    """Say a reply that is owed while a step lets time pass: a server does not wait until somebody reads it."""
    for link in mirror.shadow.links.values():
        wire = mirror.wires.get(link.sid)
        if wire is None or not (link.can_send and link.machine.owed) or link.events:
            continue
        reader = reader_in(mirror.readers.get(id(due.step), ()), wire.listener)
        if reader is None or reader is mirror.silenced:
            continue
        assert reader.expect is not None
        try:
            wanted = reader.expect.fill(mirror.shadow.scope.of_slot, mirror.shadow.scope.shown_slot)
        except (StepEnded, ExpectationError):
            continue  # it wants a value that is not known yet
        if not isinstance(wanted.alternatives[0], Word):
            reply(mirror, wire, Due("reply", reader, link, wanted))
            return True
    return False


def _give_line(mirror: Mirror, wire: Wire, due: Due) -> None:
    """Say one line of a reply, which may go on."""
    assert due.line is not None
    assert due.link is not None
    found = next((line for line in _lines(mirror, wire, due) if due.line.judge(line)[0] is None), None)
    if found is None:
        raise CantSayError(f"no line is found that fits {due.line}")
    mirror.shadow.given += 1
    mirror.send(wire, to_bytes(found) + b"\r\n", to_bytes(mirror.hearing.translate(found)) + b"\r\n")


def _lines(mirror: Mirror, wire: Wire, due: Due) -> Iterator[str]:
    """Iterate over lines for a step that reads a single one; what a block behind it has there comes first."""
    assert due.line is not None
    assert due.link is not None
    reader = reader_in(mirror.readers.get(id(due.step), ()), wire.listener)
    block = reader.expect.alternatives[0] if reader is not None and reader.expect is not None else None
    at = due.link.machine.line_count
    if isinstance(block, Block) and at < len(block.lines) and (line := block.lines[at]).text is not None:
        filled = line.text.fill(mirror.shadow.scope.of_slot)
        yield from (f"{line.code or '220'}-{text}" for text in texts(filled))
    yield from texts(due.line.pattern)


def _give_farewell(mirror: Mirror, due: Due) -> bool:
    """Answer all that is owed, and close where a goodbye was said."""
    links = [due.link] if due.link is not None else list(mirror.shadow.links.values())
    for link in links:
        wire = mirror.wires.get(link.sid)
        if wire is None or not link.can_send:
            continue
        if link.machine.owed and link.machine.still_open is None:
            mirror.say(wire, link, usual(mirror.situation(link)))
            return True
        if link.machine.said_goodbye:
            instead(mirror, wire, link, Word.CLOSE)
            return True
    return mirror.pass_time()


def _otherwise(name: str, struck: Wrong, spoken: Spoken) -> Spoken:
    """Return a reply with another code; what is of the same kind says all that it would have said."""
    if not struck.text and name in ("smtp", "lmtp") and struck.code[:1] == spoken.code[:1]:
        return replace(spoken, code=struck.code)
    return refusal(name, struck.code, struck.text or as_text(name, "rehearsed"))
