"""The addresses of a conversation and their roles: who sends, who is a local recipient, who is unknown, who outside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runner.authoring.decoding import Login
from runner.authoring.naming import Names
from runner.authoring.turns import Turn
from runner.authoring.yaml_text import is_value

_PATH = re.compile(r"(MAIL +FROM|RCPT +TO): *(?:<([^<>\s]+)>|([^<>\s]+))", re.IGNORECASE)
_HOST = re.compile(r"\[?([A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z0-9-]*[A-Za-z0-9])\]?(?=[\s,;]|\Z)")
_RELAY = re.compile(r"relay|not local|not permitted|5\.7\.1\b|authenticat", re.IGNORECASE)
_NOBODY = re.compile(r"5\.1\.[01]\b|unknown|no such|not exist|invalid|not found|unrouteable", re.IGNORECASE)
_IS_ADDRESS = re.compile(r"[^@]+@[^@]+")


def path_in(text: str) -> tuple[str, int, int] | None:
    """Return the address of a MAIL or RCPT line and where it stands; None if there is none.

    >>> path_in("rcpt to: you@example.com")
    ('you@example.com', 9, 24)
    """
    found = _PATH.match(text)
    if found is None:
        return None
    group = 2 if found[2] is not None else 3
    return (found[group], *found.span(group)) if found[group] != "<>" else None


def hosts_in(turns: Sequence[Turn], host: str) -> tuple[str, ...]:
    """Return the names of the server, as it says them itself, and of the client, as EHLO says it."""
    found = [host] if host else []
    for turn in turns:
        heard = turn.heard
        if heard is not None and heard.reply is not None and heard.owed in ("greeting", "EHLO", "LHLO", "HELO"):
            text = heard.reply.texts[0] if heard.reply.lines else ""
            if match := _HOST.match(text):
                found.append(match[1])
        if turn.verb in ("EHLO", "LHLO", "HELO") and (name := turn.text.partition(" ")[2].strip(" []")):
            found.append(name)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: -len(one)))


def name_addresses(turns: Sequence[Turn], logins: Sequence[Login], names: Names) -> Mapping[int, str]:
    """Give the addresses of MAIL and RCPT their names; return the name by the turn."""
    accepted = min((login.last for login in logins if login.is_accepted), default=len(turns))
    senders = {path[0] for turn in turns if turn.verb == "MAIL" and (path := path_in(turn.text))}
    given: dict[int, str] = {}
    for at, turn in enumerate(turns):
        path = path_in(turn.text) if turn.verb in ("MAIL", "RCPT") else None
        if path is None or path[0].lower() == "postmaster" or not is_value(path[0]):
            continue
        if turn.verb == "MAIL":
            given[at] = names.give("sender", path[0])
        else:
            role = _role(turn, path[0], senders, names.hosts, has_login=at > accepted)
            given[at] = names.give(role, path[0])
    return given


def _role(turn: Turn, address: str, senders: set[str], hosts: tuple[str, ...], *, has_login: bool) -> str:
    domain = address.rpartition("@")[2].lower()
    is_here = not _IS_ADDRESS.fullmatch(address) or any(_is_of(domain, host.lower()) for host in hosts if "." in host)
    heard = turn.answer
    said = str(heard.reply) if heard is not None and heard.reply is not None else ""
    if turn.code.startswith("5"):
        if _NOBODY.search(said) and (is_here or not hosts):
            return "unknown"
        if not is_here and (_RELAY.search(said) or _NOBODY.search(said)):
            return "external"
        return "recipient"
    is_colleague = any(domain == sender.rpartition("@")[2].lower() for sender in senders)
    return "external" if has_login and not is_here and not is_colleague else "recipient"


def _is_of(domain: str, host: str) -> bool:
    return domain == host or host.endswith(f".{domain}") or domain.endswith(f".{host}")
