"""What a conversation is called that has no title: what happened in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runner.authoring.conversation import ClientMessage
from runner.authoring.decoding import LOGIN_COMMANDS, Login
from runner.authoring.turns import Turn
from runner.sasl import MECHANISMS

_WHO = {
    "external": "A mail to an outside recipient",
    "unknown": "A mail to an unknown recipient",
    "recipient": "A mail to a local recipient",
}
_PROTOCOLS = {"smtp": "SMTP", "lmtp": "LMTP", "pop3": "POP3", "imap": "IMAP", "sieve": "ManageSieve", "tcp": "TCP"}


def title_of(
    turns: Sequence[Turn],
    logins: Sequence[Login],
    addresses: Mapping[int, str],
    protocol: str,
    shown: Callable[[str], str],
) -> str:
    """Return a title that says what was tried, and how it went.

    Its words are ours, whatever a password is; what is not, such as an unknown mechanism, goes through `shown`.
    """
    login = next((one for one in reversed(logins) if one.is_accepted), None)
    after = f" after AUTH {_mechanism(login, shown)}" if login is not None and protocol in ("smtp", "lmtp") else ""
    recipients = [at for at in addresses if turns[at].verb == "RCPT" and turns[at].code]
    codes = [turn.code for turn in turns if isinstance(turn.client, ClientMessage) and turn.code]
    if not recipients:
        return _of_login(logins, protocol, shown)
    if codes:
        taken = [at for at in recipients if turns[at].code[0] == "2"] or recipients
        at = next((one for one in taken if _role(addresses[one]) == "external"), taken[0])
        return f"{_WHO[_role(addresses[at])]} is {'accepted' if codes[-1][0] == '2' else 'refused after DATA'}{after}"
    at = recipients[-1]
    how = {"2": "would be accepted", "4": "is put off"}.get(turns[at].code[0], "is refused")
    return f"{_WHO[_role(addresses[at])]} {how}{after}"


def _role(name: str) -> str:
    return name.rstrip("0123456789")


def _mechanism(login: Login, shown: Callable[[str], str]) -> str:
    is_known = login.mechanism in MECHANISMS or login.mechanism in LOGIN_COMMANDS
    return login.mechanism if is_known else shown(login.mechanism)


def _of_login(logins: Sequence[Login], protocol: str, shown: Callable[[str], str]) -> str:
    name = _PROTOCOLS[protocol]
    if not logins:
        return f"What is said by {name}"
    last = logins[-1]
    mechanism = _mechanism(last, shown)
    how = f"AUTH {mechanism}" if protocol in ("smtp", "lmtp") else f"{name} login by {mechanism}"
    if last.is_wrong:
        return f"{how} with a wrong password is refused"
    return f"{how} {'succeeds' if last.is_accepted else 'is refused'}"
