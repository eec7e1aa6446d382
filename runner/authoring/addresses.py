"""The addresses of a conversation and their roles: who sends, who is a local recipient, who is unknown, who outside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runner.authoring.decoding import Login
from runner.authoring.naming import Names
from runner.authoring.turns import HELLOS, Turn
from runner.authoring.yaml_text import is_value

_PATH = re.compile(r"(?:MAIL +FROM|RCPT +TO): *(?:<([^<>\s]+)>|([^<>\s]+))", re.IGNORECASE)
_HOST = re.compile(r"\[?([A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z0-9-]*[A-Za-z0-9])\]?(?=[\s,;]|\Z)")
_RELAY = re.compile(r"relay|not local|not permitted|5\.7\.1\b|authenticat", re.IGNORECASE)
_NOBODY = re.compile(r"5\.1\.[01]\b|unknown|no such|not exist|invalid|not found|unrouteable", re.IGNORECASE)
_IS_ADDRESS = re.compile(r"[^@]+@[^@]+")


def _path_in(text: str) -> str:
    """Return the address of a MAIL or RCPT line; empty if there is none.

    >>> _path_in("rcpt to: you@example.com")
    'you@example.com'
    """
    found = _PATH.match(text)
    return found[1] or found[2] if found is not None else ""


def hosts_in(turns: Sequence[Turn], host: str) -> tuple[str, ...]:
    """Return the names of the server, as it says them itself, and of the client, as EHLO says it."""
    found = [host] if host else []
    for turn in turns:
        heard = turn.heard
        if heard is not None and heard.reply is not None and heard.owed in ("greeting", *HELLOS):
            text = heard.reply.texts[0] if heard.reply.lines else ""
            if match := _HOST.match(text):
                found.append(match[1])
        if turn.verb in HELLOS and (name := turn.text.partition(" ")[2].strip(" []")):
            found.append(name)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: -len(one)))


def name_addresses(turns: Sequence[Turn], logins: Sequence[Login], names: Names) -> Mapping[int, str]:
    """Give the addresses of MAIL and RCPT their names; return the name by the turn."""
    accepted = min((login.last for login in logins if login.is_accepted), default=len(turns))
    senders = {path for turn in turns if turn.verb == "MAIL" and (path := _path_in(turn.text))}
    given: dict[int, str] = {}
    for at, turn in enumerate(turns):
        path = _path_in(turn.text) if turn.verb in ("MAIL", "RCPT") else ""
        if not path or path.lower() == "postmaster" or not is_value(path):
            continue
        is_sender = turn.verb == "MAIL"
        role = "sender" if is_sender else _role(turn, path, senders, names.hosts, has_login=at > accepted)
        given[at] = names.give(role, path)
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
