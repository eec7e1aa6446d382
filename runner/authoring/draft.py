"""A scenario drafted from a conversation that was had.

The draft says what was said, in the order in which it was, and expects what came; what a run could not do again, or
what is not known, it leaves out, and says so in a comment and among its guesses. Nothing is opened or sent here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from runner.authoring.addresses import hosts_in, name_addresses
from runner.authoring.conversation import Conversation, Exchange
from runner.authoring.decoding import Login, find_logins
from runner.authoring.expected import Level, Reading
from runner.authoring.modeline import modeline
from runner.authoring.naming import Names
from runner.authoring.titles import title_of
from runner.authoring.turns import STARTTLS, Turn, turns_of
from runner.authoring.writing import Writer
from runner.authoring.yaml_text import flow_list, is_value, scalar
from runner.dataclass import dataclass
from runner.protocol import PROTOCOLS

# Parts of a login that are secrets; who logs in is none, and is given from outside all the same.
_SECRETS = ("password", "token")


@dataclass(frozen=True, slots=True)
class Draft:
    """A scenario file's text, its variables with the values that were found, its secrets, and what was guessed.

    `missing` are variables that have no value anywhere, for a secret is in it.
    """

    text: str
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    secrets: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def draft(conversation: Conversation, *, expect: Level = "texts", title: str = "") -> Draft:
    """Return the scenario that a conversation makes.

    Args:
        conversation: what was said.
        expect: "texts" for codes, status and texts; "status" for codes and status; "codes" for codes alone, which
            fits another server than the one that it was had with.
        title: the scenario's name; the conversation's own, or what happened in it, if empty.
    """
    turns = turns_of(conversation)
    logins = list(find_logins(turns, conversation.protocol))
    names = Names(conversation.secrets)
    for name, value in conversation.values.items():
        if name in ("username", "authzid"):
            names.give_user(name, value)
    renamed = [_name_login(login, names, conversation.secrets) for login in logins]
    names.hosts = hosts_in(turns, conversation.host)
    addresses = name_addresses(turns, logins, names)
    for name, value in conversation.values.items():
        is_known = name in names.given or name in names.secrets or value in names.variables.values()
        if not is_known and is_value(value):
            names.give(name, value)
    reading = Reading(PROTOCOLS[conversation.protocol], expect, names, _used(turns, logins))
    writer = Writer(conversation.protocol, turns, reading, addresses, list(zip(logins, renamed, strict=True)))
    writer.write(conversation.guesses)
    wanted = names.title(title or conversation.title) or title_of(
        turns, logins, addresses, conversation.protocol, names.title
    )
    variables = _variables(names, _used_names(writer.lines, writer))
    used = _used_names([*writer.lines, *variables.values()], writer)
    missing = tuple(name for name in names.withheld() if name in used)
    requires = [*(name for name in names.given if name in used), *missing]
    secrets = tuple(name for name in names.secrets if name in used)
    told = [f"what is secret is in values that are not written, --var gives them: {', '.join(missing)}"] * bool(missing)
    declared = [*(f"# {one}" for one in told), *_declared(requires, variables, secrets)]
    text = "\n".join([*_head(conversation, wanted, names), *declared, "steps:", *writer.lines]) + "\n"
    given = {name: value for name, value in {**names.given, **names.variables}.items() if name in used}
    known = {name: value for name, value in given.items() if name not in missing}
    return Draft(text, MappingProxyType(known), secrets, tuple(dict.fromkeys([*writer.guesses, *told])), missing)


def _name_login(login: Login, names: Names, known: Mapping[str, str]) -> Mapping[str, str]:
    """Give what a login says its names; return the names by the parts."""
    found: dict[str, str] = {}
    for part, value in login.values.items():
        if part not in _SECRETS:
            found[part] = names.give_user(part, value)
        elif login.is_wrong:
            found[part] = _wrong(part, value, names)
        else:
            own = next((name for name, one in known.items() if one == value), part)
            found[part] = names.give_secret(own, value)
    for part in _SECRETS if login.is_wrong else ():
        found.setdefault(part, _wrong(part, "", names))
    return found


def _wrong(part: str, value: str, names: Names) -> str:
    if value:
        names.hide(value)
    return f"wrong_{part}"


def _used(turns: Sequence[Turn], logins: Sequence[Login]) -> frozenset[str]:
    """Return the capabilities that a conversation uses."""
    verbs = {turn.verb for turn in turns} & set(STARTTLS)
    mechanisms = {login.mechanism for login in logins if login.mechanism not in ("USER", "PASS", "APOP")}
    is_sasl = any(
        turn.verb in ("AUTH", "AUTHENTICATE") or isinstance(turn.client, Exchange) for turn in turns if turn.client
    )
    return frozenset(verbs | mechanisms | ({"AUTH"} if is_sasl else set()))


def _used_names(lines: Iterable[str], writer: Writer) -> set[str]:
    found = set(writer.implied)
    for part in "\n".join(lines).replace("$${", "").split("${")[1:]:
        found.add(part.partition("}")[0].partition("|")[0].strip(" "))
    return found


def _head(conversation: Conversation, title: str, names: Names) -> list[str]:
    lines = [modeline(), f"name: {scalar(title)}"]
    if source := names.title(conversation.source):
        lines.append(f"description: {scalar(f'Drafted from {source}.')}")
    if conversation.protocol != "smtp":
        lines.append(f"protocol: {conversation.protocol}")
    return lines


def _declared(requires: Sequence[str], variables: Mapping[str, str], secrets: Sequence[str]) -> list[str]:
    lines = []
    if requires:
        lines.append(f"requires: {{var: {requires[0] if len(requires) == 1 else flow_list(requires)}}}")
    if variables:
        lines += ["vars:", *(f"  {name}: {scalar(value)}" for name, value in variables.items())]
    if secrets:
        lines.append(f"secrets: {flow_list(secrets)}")
    return lines


def _variables(names: Names, used: set[str]) -> dict[str, str]:
    found = {name: value for name, value in names.shown_variables().items() if name in used}
    found.update({f"wrong_{part}": "wrong-${unique}" for part in _SECRETS if f"wrong_{part}" in used})
    return found
