"""What a conversation is called that has no title: what happened in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.authoring.conversation import ClientMessage
from runner.authoring.decoding import Login
from runner.authoring.turns import Turn

_WHO = {
    "external": "A mail to an outside recipient",
    "unknown": "A mail to an unknown recipient",
    "recipient": "A mail to a local recipient",
}
_PROTOCOLS = {"smtp": "SMTP", "lmtp": "LMTP", "pop3": "POP3", "imap": "IMAP", "sieve": "ManageSieve", "tcp": "TCP"}


def title_of(turns: Sequence[Turn], logins: Sequence[Login], addresses: Mapping[int, str], protocol: str) -> str:
    """Return a title that says what was tried, and how it went."""
    login = next((one for one in reversed(logins) if one.is_accepted), None)
    after = f" after AUTH {login.mechanism}" if login is not None and protocol in ("smtp", "lmtp") else ""
    recipients = [at for at in addresses if turns[at].verb == "RCPT" and turns[at].code]
    codes = [turn.code for turn in turns if isinstance(turn.client, ClientMessage) and turn.code]
    if not recipients:
        return _of_login(logins, protocol)
    if codes:
        taken = [at for at in recipients if turns[at].code[0] == "2"] or recipients
        at = next((one for one in taken if _role(addresses[one]) == "external"), taken[0])
        return f"{_WHO[_role(addresses[at])]} is {'accepted' if codes[-1][0] == '2' else 'refused after DATA'}{after}"
    at = recipients[-1]
    how = {"2": "would be accepted", "4": "is put off"}.get(turns[at].code[0], "is refused")
    return f"{_WHO[_role(addresses[at])]} {how}{after}"


def _role(name: str) -> str:
    return name.rstrip("0123456789")


def _of_login(logins: Sequence[Login], protocol: str) -> str:
    name = _PROTOCOLS[protocol]
    if not logins:
        return f"What is said by {name}"
    last = logins[-1]
    how = f"AUTH {last.mechanism}" if protocol in ("smtp", "lmtp") else f"{name} login by {last.mechanism}"
    if last.is_wrong:
        return f"{how} with a wrong password is refused"
    return f"{how} {'succeeds' if last.is_accepted else 'is refused'}"
