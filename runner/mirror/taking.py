"""What a client says against what is expected of it: lines, messages, octets; and what it is told if it says otherwise.

Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.language.model import Data
from runner.mirror.acts import Say
from runner.mirror.forms import Spoken, Writing, as_text, written
from runner.mirror.situation import GOOD_CODES
from runner.mirror.synthesis import refusal
from runner.mirror.wires import KEPT, keep
from runner.protocol import decode
from runner.wire import Write

if TYPE_CHECKING:
    from runner.language.model import Step
    from runner.mirror.machine import Mirror
    from runner.mirror.wires import Wire
    from runner.player.link import Link

# A client that says something else so often is sent away.
MOST_COMPLAINTS = 20
# A line without an end is longer than anything here expects.
LINE_LIMIT = 64 * 1024
MESSAGE_LIMIT = 128 * 1024 * 1024
SHOWN = 120
# What a client proves itself with, in any of the protocols, behind a tag or not.
_CREDENTIALS = re.compile(
    r"((?:\S+ +)?(?:AUTH(?:ENTICATE)? +\S+ +|LOGIN +|PASS +|APOP +\S+ +|USER +)).", re.IGNORECASE | re.DOTALL
)
_CODES_OF_REFUSAL = {"smtp": "500", "lmtp": "500", "pop3": "-ERR", "imap": "BAD", "sieve": "NO", "tcp": "error:"}
_UNQUOTED = {ord('"'): "'", ord("\\"): "/"}


def _goodbye(name: str) -> tuple[str, str]:
    return "221" if name in ("smtp", "lmtp") else GOOD_CODES[name], as_text(name, "bye")


def takes(mirror: Mirror, wire: Wire, action: Write, step: Step | None, link: Link | None) -> bool:
    """Whether what the client has said so far is all of what the shadow has written; it is taken then."""
    if mirror.hearing.is_exact:
        return _takes_exactly(mirror, wire, action)
    if isinstance(step, Data) and step.end is None:
        return _takes_message(mirror, wire, action)
    return _takes_lines(mirror, wire, action, has_tag=link is not None and link.machine.has_tags)


def _takes_exactly(mirror: Mirror, wire: Wire, action: Write) -> bool:
    while True:
        size = min(len(wire.heard), len(action.data) - wire.taken)
        if wire.heard[:size] == action.data[wire.taken : wire.taken + size]:
            del wire.heard[:size]
            wire.taken += size
            return wire.taken == len(action.data)
        if not complain(mirror, wire, action.data[wire.taken :]):
            return False


def _takes_message(mirror: Mirror, wire: Wire, action: Write) -> bool:
    """Take a message of the client's, whatever it says; a piece that is not the last is taken with that one."""
    keep(wire.message, action.data, 0, len(action.data))
    if action.more:
        return True
    if (end := wire.message_end()) is None:
        wire.message.clear()
        if wire.passed > MESSAGE_LIMIT:
            mirror.note(wire, "the message has no end")
            mirror.send_away(wire)
        return False
    mirror.hearing.learn_from(bytes(wire.message), bytes(wire.kept + wire.heard[:end])[:KEPT])
    wire.end_message(end)
    return True


def _takes_lines(mirror: Mirror, wire: Wire, action: Write, *, has_tag: bool) -> bool:
    """Take line by line; sizes of literals and chunks are the client's own."""
    data = action.data
    while wire.taken < len(data):
        if any(wire.octets):
            if not wire.pass_octets(data):
                return False
            mirror.hearing.learn_from(*wire.passed_over())
            continue
        end = data.find(b"\n", wire.taken)
        if end < 0:
            return _takes_exactly(mirror, wire, action)
        due = data[wire.taken : end + 1].rstrip(b"\r\n")
        line = wire.line()
        if line is None:
            check_length(mirror, wire)
            return False
        heard = line.rstrip(b"\r\n")
        begins_with_tag = has_tag and wire.taken == 0 and not wire.goes_on
        if not mirror.hearing.takes(due, heard, has_tag=begins_with_tag):
            if not complain(mirror, wire, due):
                return False
            continue
        del wire.heard[: len(line)]
        wire.took(due, heard, end + 1, has_tag=begins_with_tag)
    return True


def check_length(mirror: Mirror, wire: Wire) -> None:
    """Send a client away whose line has no end."""
    if len(wire.heard) > LINE_LIMIT:
        mirror.note(wire, "a line without an end")
        mirror.send_away(wire)


def complain(mirror: Mirror, wire: Wire, due: bytes) -> bool:
    """Answer a line that is not expected; return whether there may be another one already.

    A goodbye is answered as such: the client has seen enough.
    """
    line = wire.line()
    if line is None:
        check_length(mirror, wire)
        return False
    del wire.heard[: len(line)]
    link = mirror.link_of(wire)
    machine = link.machine if link is not None else None
    said = line.strip(b"\r\n")
    tag, _, rest = said.partition(b" ") if machine is not None and machine.has_tags else (b"", b"", said)
    if machine is not None and machine.goodbye and rest.upper() == machine.goodbye.strip():
        mirror.note(wire, f"the client said goodbye where {shown(mirror, due)} was expected")
        answer(mirror, wire, refusal(machine.name, *_goodbye(machine.name)), decode(tag))
        mirror.send_away(wire)
        return False
    expected = shown(mirror, due)
    told = f"expected {expected}, got {_without_credentials(shown(mirror, said), expected)}"
    mirror.note(wire, told)
    name = mirror.case.sessions[wire.listener].protocol
    text = "".join(char if char.isascii() and char.isprintable() else "?" for char in told)
    text = as_text(name, text.translate(_UNQUOTED) if name == "sieve" else text)
    answer(mirror, wire, refusal(name, _CODES_OF_REFUSAL[name], text), decode(tag) or "*")
    if len(mirror.notes) >= MOST_COMPLAINTS:
        mirror.send_away(wire)
        return False
    return True


def shown(mirror: Mirror, data: bytes) -> str:
    """Return what was said as a note has it: one line, not a long one, without secrets."""
    text = mirror.shadow.redactor.mask(decode(data[: LINE_LIMIT // 16]).split("\n")[0].rstrip("\r"))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _without_credentials(said: str, expected: str) -> str:
    """Return what a client has said without what may be its secret, which nobody here knows.

    Where a secret is expected, any line may hold one.
    """
    if "⟨" in expected:
        return "another line"
    found = _CREDENTIALS.match(said)
    return said if found is None else f"{found[1]}⟨credentials⟩"


def expected_of(mirror: Mirror, wire: Wire) -> str:
    """Return what is expected of a client, as a note has it."""
    head = next(iter(mirror.shadow.doing), None)
    if head is not None and isinstance(head.action, Write) and head.action.sid == wire.sid:
        return f"'{shown(mirror, head.action.data[wire.taken :])}'"
    step = mirror.shadow.leaf
    return f"step '{step.label}'" if step is not None else "more"


def answer(mirror: Mirror, wire: Wire, spoken: Spoken, tag: str = "") -> None:
    """Say something to the client alone."""
    name = mirror.case.sessions[wire.listener].protocol
    if wire.client is not None:
        mirror.acts.append(Say(wire.client, written(name, spoken, Writing(tag))))
