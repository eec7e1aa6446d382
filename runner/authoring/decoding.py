r"""Logins in a conversation: where they are, who logged in with what, and how a scenario says it.

Base64 is decoded here. What is found are values and, for each line, a template that names them (`${username}`); which
names they have in the file, and that none of the values gets there, is for others.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from runner.authoring.conversation import ClientLine, Exchange
from runner.authoring.turns import Turn
from runner.dataclass import dataclass
from runner.language.filters import quoted
from runner.sasl import MECHANISMS

# Mechanisms whose lines a scenario can write out; of the others the verb `auth` makes them.
_WRITTEN_OUT = ("PLAIN", "LOGIN")
#: Mechanisms that are given a token in place of a password.
BY_TOKEN = ("XOAUTH2", "OAUTHBEARER")
#: What a login is called that has no mechanism.
LOGIN_COMMANDS = ("USER", "PASS", "APOP", "LOGIN")
_AUTH = re.compile(r'(?:AUTH|AUTHENTICATE) +"?([A-Za-z0-9_+.=-]+)"?(?: +(.*))?\Z', re.IGNORECASE | re.DOTALL)
_LOGIN = re.compile(r'LOGIN +("(?:[^"\\]|\\.)*"|\S+) +("(?:[^"\\]|\\.)*"|\S.*)\Z', re.IGNORECASE | re.DOTALL)
_APOP = re.compile(r"APOP +(\S+) +\S+\Z", re.IGNORECASE)
_USER = re.compile(r"USER +(.*)\Z", re.IGNORECASE | re.DOTALL)
_PASS = re.compile(r"PASS (.*)\Z", re.IGNORECASE | re.DOTALL)
_BEARER = re.compile(r"auth=Bearer ([^\x01]*)", re.IGNORECASE)
_USER_OF_TOKEN = re.compile(r"(?:\A|,a=|\x01user=|\Auser=)([^\x01,]+)")
_WANTS_PASSWORD = re.compile(r"pass|kennwort|secret|mot de", re.IGNORECASE)
_WANTS_NAME = re.compile(r"user|name|login|id\b", re.IGNORECASE)
_SCRAM_NAME = re.compile(r"(?:\A|,)n=([^,]*),r=")
# What says that the credentials are wrong, and not that the server wants TLS first or has no time.
_WRONG = re.compile(r"\A(?:535|-ERR|NO)\Z")
_OTHER_REASON = re.compile(
    r"\[(?:SYS|IN-USE|LOGIN-DELAY|UNAVAILABLE|PRIVACYREQUIRED|LIMIT|ALERT|CONTACTADMIN)|\((?:ENCRYPT|TRYLATER)"
    r"|TLS|encrypt|not (?:support|allow|enabl|recogni)|disabl|unknown (?:command|mech)|unsupported|unrecogni",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Login:
    """One login, from turn `first` to turn `last`; `values` are what was said, by `username`, `password` and the like.

    `lines` are the templates of its turns; `verb`, if there is one, says it all: the keys of `auth`, or a mechanism.
    `untold` are turns whose line nobody can replay. `is_wrong`: the server said that the credentials are.
    """

    mechanism: str
    first: int
    last: int
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    lines: Mapping[int, str] = field(default_factory=dict)
    verb: Mapping[str, str] | None = None
    is_wrong: bool = False
    is_accepted: bool = False
    untold: frozenset[int] = frozenset()
    as_typed: frozenset[int] = frozenset()


def find_logins(turns: Sequence[Turn], protocol: str) -> Iterator[Login]:
    """Find the logins of a conversation, in order."""
    at = 0
    while at < len(turns) and protocol != "tcp":
        login = _login_at(turns, at, protocol)
        if login is not None:
            yield login
        at = login.last + 1 if login is not None else at + 1


def _login_at(turns: Sequence[Turn], at: int, protocol: str) -> Login | None:
    turn = turns[at]
    if isinstance(turn.client, Exchange):
        return _finished(turns, Login(turn.client.mechanism.upper(), at, at, verb={}))
    if not isinstance(turn.client, ClientLine) or turn.is_response:
        return None
    if protocol == "imap" and (found := _LOGIN.match(_with_literal(turn))):
        values = {"username": _unquoted(found[1]), "password": _unquoted(found[2])}
        return _finished(
            turns,
            Login("LOGIN", at, at, values, {at: f"{turn.text[:5]} ${{username | quoted}} ${{password | quoted}}"}),
        )
    if protocol == "pop3" and (found := _APOP.match(turn.text)):
        return _finished(turns, Login("APOP", at, at, {"username": found[1]}, verb={}))
    if protocol == "pop3" and (found := _USER.match(turn.text)):
        return _user(turns, at, found[1])
    if protocol == "pop3" and (found := _PASS.match(turn.text)):
        return _finished(turns, Login("PASS", at, at, {"password": found[1]}, {at: f"{turn.text[:5]}${{password}}"}))
    if (found := _AUTH.match(_with_literal(turn))) and _is_auth(turn, protocol):
        return _exchange(turns, at, found, protocol)
    return None


def _is_auth(turn: Turn, protocol: str) -> bool:
    return turn.verb == ("AUTHENTICATE" if protocol in ("imap", "sieve") else "AUTH")


def _with_literal(turn: Turn) -> str:
    if turn.literal is None:
        return turn.text
    return f"{turn.text} {quoted(turn.literal.text)}"


def _user(turns: Sequence[Turn], at: int, name: str) -> Login:
    values, lines, last = {"username": name}, {at: f"{turns[at].text[:5]}${{username}}"}, at
    if at + 1 < len(turns) and (found := _PASS.match(turns[at + 1].text)) and turns[at + 1].verb == "PASS":
        values["password"], last = found[1], at + 1
        lines[last] = f"{turns[last].text[:5]}${{password}}"
    return _finished(turns, Login("USER", at, last, values, lines))


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text.startswith('"') and text.endswith('"')
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if is_quoted else text


def _finished(turns: Sequence[Turn], login: Login) -> Login:
    """Say how it went: by the reply to its last line."""
    heard = turns[login.last].answer
    code = turns[login.last].code
    said = str(heard.reply) if heard is not None and heard.reply is not None else ""
    is_wrong = bool(_WRONG.match(code)) and (code == "535" or not _OTHER_REASON.search(said))
    values = {name: value for name, value in login.values.items() if value}
    return replace(login, values=values, is_wrong=is_wrong, is_accepted=code in ("235", "+OK", "OK"))


def _decoded(text: str) -> str | None:
    """Return what base64 stands for, bytes that are no UTF-8 as surrogates; None if it is no base64."""
    try:
        return binascii.a2b_base64(text, strict_mode=True).decode("utf-8", "surrogateescape")
    except ValueError:
        return None


def _exchange(turns: Sequence[Turn], at: int, found: re.Match[str], protocol: str) -> Login:
    mechanism, initial = found[1].upper(), _unquoted((found[2] or "").strip(" "))
    last = at
    while last + 1 < len(turns) and turns[last + 1].is_response and isinstance(turns[last + 1].client, ClientLine):
        last += 1
    responses = {number: _unquoted(_with_literal(turns[number]).strip(" ")) for number in range(at + 1, last + 1)}
    is_cancelled = any(text == "*" for text in responses.values())
    is_open = turns[last].answer is None or turns[last].code in ("334", "+")
    is_said = bool(initial or responses)
    has_verb = mechanism in MECHANISMS and not is_cancelled and not is_open and is_said
    is_line = mechanism in _WRITTEN_OUT and protocol in ("smtp", "lmtp")
    answers = ({at: initial} if initial else {}) | responses
    values, lines, untold, typed = _said(turns, at, mechanism, answers)
    if initial:
        lead = turns[at].text[: found.start(2)].rstrip("\"' ") if turns[at].literal is None else turns[at].text
        lines = {**lines, at: f"{lead} {lines[at]}"} if at in lines else lines
    if has_verb and not is_line:
        keys = {} if initial or not responses or mechanism == "CRAM-MD5" else {"initial": "false"}
        if "authzid" in values:
            keys["authzid"] = "${authzid}"
        return _finished(turns, Login(mechanism, at, last, values, verb=keys))
    return _finished(turns, Login(mechanism, at, last, values, lines, untold=untold, as_typed=typed))


_Said = tuple[dict[str, str], dict[int, str], frozenset[int], frozenset[int]]


def _said(turns: Sequence[Turn], at: int, mechanism: str, answers: Mapping[int, str]) -> _Said:
    """Return values, templates of responses, those that nobody can write, and those that were no base64."""
    values: dict[str, str] = {}
    lines: dict[int, str] = {}
    untold: set[int] = set()
    typed: set[int] = set()
    for order, (number, text) in enumerate(answers.items()):
        if text in ("*", "=", ""):
            lines[number] = text
            continue
        plain = _decoded(text)
        if plain is None:
            typed.add(number)
        meaning = text if plain is None else plain
        if mechanism == "PLAIN" and meaning.count("\0") == 2:
            authzid, values["username"], values["password"] = meaning.split("\0")
            values |= {"authzid": authzid} if authzid else {}
            lines[number] = ("${authzid}" if authzid else "") + r"\0${username}\0${password}"
        elif mechanism in ("LOGIN", "PLAIN"):
            name = _wanted(turns, number - 1 if number > at else -1, order, values)
            values.setdefault(name, meaning)
            lines[number] = f"${{{name}}}"
        elif mechanism in BY_TOKEN:
            values |= _token(meaning)
            untold.add(number)
        else:
            values |= _named(mechanism, meaning)
            untold.add(number)
    return values, lines, frozenset(untold), frozenset(typed)


def _wanted(turns: Sequence[Turn], challenge: int, order: int, values: Mapping[str, str]) -> str:
    """Return what a prompt of LOGIN asks for; where it does not say so, first the name and then the password."""
    heard = turns[challenge].answer if challenge >= 0 else None
    prompt = (heard.reply.decoded or "") if heard is not None and heard.reply is not None else ""
    if _WANTS_PASSWORD.search(prompt) and "password" not in values:
        return "password"
    if _WANTS_NAME.search(prompt) and "username" not in values:
        return "username"
    return "username" if order == 0 or "username" not in values else "password"


def _token(meaning: str) -> dict[str, str]:
    values = {}
    if token := _BEARER.search(meaning):
        values["token"] = token[1]
    if user := _USER_OF_TOKEN.search(meaning):
        values["username"] = user[1].removeprefix("user=")
    return values


def _named(mechanism: str, meaning: str) -> dict[str, str]:
    if mechanism == "CRAM-MD5":
        return {"username": meaning.rpartition(" ")[0]}
    if mechanism.startswith("SCRAM-") and (found := _SCRAM_NAME.search(meaning)):
        return {"username": found[1].replace("=2C", ",").replace("=3D", "=")}
    return {}
