"""A login by SASL: the shadow's side and the client's are two exchanges, for each draws its own nonce. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from runner.language.model import Auth
from runner.matching.expectation import Short, Word, code_fits
from runner.mirror.acts import Say
from runner.mirror.forms import Spoken, Writing, as_text, written
from runner.mirror.logins import HALVES, Half, Known, RefusedError, half_of
from runner.mirror.situation import REFUSAL_CODES, tag_of
from runner.mirror.synthesis import CantSayError, refusal
from runner.mirror.taking import answer, check_length, complain
from runner.mirror.wires import Login, Wire, payload_of
from runner.wire import Write

if TYPE_CHECKING:
    from runner.mirror.machine import Mirror
    from runner.player.link import Link


def hear_login(mirror: Mirror, wire: Wire, link: Link, action: Write) -> bool:
    """Take the shadow's side of an exchange; the client's own is heard when the final reply is due."""
    del mirror.shadow.doing[0]
    mirror.lag = 0.0
    login = wire.login = wire.login or Login()
    _answer_login(mirror, login, wire, link, action.data)
    if not login.is_complete:
        data = written(link.machine.name, login.challenge, Writing(tag_of(link.machine)))
        mirror.do(mirror.shadow.received(wire.sid, data, mirror.tick()))
    return True


def _answer_login(mirror: Mirror, login: Login, wire: Wire, link: Link, line: bytes) -> None:
    """Let a side of an exchange have its answer: `login` then has a challenge, or is complete.

    Raises:
        RefusedError: it has not proved what it should.
    """
    try:
        if login.half is None:
            name, initial = payload_of(line, link.machine, login)
            login.half = _half(mirror, name, initial, wire, link)
            raw = next(login.half)
        else:
            raw = login.half.send(payload_of(line, link.machine, login)[1] or b"")
    except StopIteration:
        login.is_complete = True
        return
    login.challenge = Spoken(link.machine.challenge_code, _encoded(raw))


def _half(mirror: Mirror, name: str, initial: bytes | None, wire: Wire, link: Link) -> Half:
    if name.upper() not in HALVES:
        raise CantSayError(f"{name} can't be mirrored: its server would ask another one")
    wire.mechanism = name
    step = mirror.shadow.leaf
    assert isinstance(step, Auth)
    part = step.parts.get("password")
    password = mirror.shadow.scope.text(part).text if part is not None else ""
    machine = link.machine
    assert step.expect is not None
    wanted = step.expect.fill(mirror.shadow.scope.of_slot)
    is_granted = any(
        one is Word.ANY or (isinstance(one, Short) and code_fits(one.code, machine.authenticated_code))
        for one in wanted.alternatives[:1]
    )
    return half_of(name, initial, Known(password, link.tls, is_granted))


def hear_client_login(mirror: Mirror, wire: Wire, link: Link) -> bool:
    """Hear the client's side of an exchange; return whether it is at its end."""
    login = wire.client_login = wire.client_login or Login()
    while not login.is_complete:
        line = wire.login_line()
        if line is None:
            check_length(mirror, wire)
            return False
        if login.half is None and not wire.opens_login(line, link.machine):
            if not complain(mirror, wire, link.machine.auth_head(wire.mechanism)):
                return False
            continue
        del wire.heard[: len(line)]
        try:
            _answer_login(mirror, login, wire, link, line)
        except (RefusedError, ValueError) as error:
            mirror.note(wire, f"the login fails: {error}")
            name = link.machine.name
            code = "535" if name in ("smtp", "lmtp") else REFUSAL_CODES[name]
            answer(mirror, wire, refusal(name, code, as_text(name, "no")), wire.tag)
            mirror.send_away(wire)
            return False
        if not login.is_complete and wire.client is not None:
            data = written(link.machine.name, login.challenge, Writing(wire.tag))
            mirror.acts.append(Say(wire.client, data))
    return True


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
