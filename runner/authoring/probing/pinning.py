"""The facts of a server as a scenario that pins them down: it fails when one of them is so no more.

What a run could not judge, or what differs from one day to the next, is left out. The text is compiled before it is
given out, so that it can be read for certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.authoring.decoding import BY_TOKEN
from runner.authoring.modeline import modeline
from runner.authoring.naming import Names, as_glob, glob_of
from runner.authoring.probing.facts import AFTER_LOGIN, greeting_text
from runner.authoring.probing.questions import MANNERS
from runner.authoring.yaml_text import WIDTH, flow_list, flow_mapping, is_value, key_lines, printable, scalar
from runner.errors import Problem, SourceFile
from runner.language.compile import compile_scenario
from runner.protocol import PROTOCOLS
from runner.wire import TLS_VERSIONS

if TYPE_CHECKING:
    from runner.authoring.probing.facts import Encryption, LoginFact, Look, ServerFacts
    from runner.certificate import Certificate

_NAME = re.compile(r"[A-Z0-9][A-Z0-9.+=/-]*")
# No placeholder can stand in a capability, escaped or not.
_PARAMETER = re.compile(r"[\x21-\x23\x25-\x7e]+")
_NAME_OR_ADDRESS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:.]+")
# More names than a scenario should have to be read by people.
_MOST_NAMES = 20
_USUAL_MINIMUM = "TLSv1.2"
_DEEPER = "  "
# What a server says of whoever has logged in (RFC 5804 section 1.7), and not of itself.
_OF_THE_USER = ("OWNER",)

Wish = str | list[str]
"""What is demanded of a capability: a word, or exactly these parameters."""


def pin(facts: ServerFacts) -> str:
    """Return the scenario of a server that was probed: a whole YAML file."""
    text = _text(facts, has_greeting=True)
    return text if not _problems(text) else _text(facts, has_greeting=False)


def _problems(text: str) -> list[Problem]:
    problems: list[Problem] = []
    compile_scenario(SourceFile("probe", text), lambda path: path, problems)
    return problems


def _text(facts: ServerFacts, *, has_greeting: bool) -> str:
    lines = [
        modeline(),
        *_remark(facts.tls),
        f"name: {scalar(f'{printable(facts.target)} is as it was probed')}",
        "description: |",
        "  Every capability and mechanism, the limits, TLS and the names of the certificate are as they were.",
        "  A capability that is new does not fail it; 'mailproof probe' made it and makes it again.",
    ]
    if facts.protocol != "smtp":
        lines.append(f"protocol: {facts.protocol}")
    lines.append("tags: [probe]")
    if facts.made_login is not None:
        secret = "token" if facts.made_login.mechanism in BY_TOKEN else "password"
        lines += ["requires: {var: username}", f"secrets: [{secret}]"]
    writer = _Writer(facts, has_greeting=has_greeting)
    return "\n".join([*lines, "steps:", *writer.steps()]) + "\n"


def _remark(tls: Encryption | None) -> list[str]:
    if tls is None or not tls.distrust:
        return []
    return [f"# The certificate was not trusted: {printable(tls.distrust)}.", "# lint: allow unverified"]


class _Writer:
    def __init__(self, facts: ServerFacts, *, has_greeting: bool) -> None:
        self._facts = facts
        self._manner = MANNERS[facts.protocol]
        self._greeting = _greeting(facts) if has_greeting else ""
        self._distrust = facts.tls.distrust if facts.tls is not None else ""

    def steps(self) -> list[str]:
        facts = self._facts
        lines = self._opened("what it shows at once")
        looks = [look for look in facts.looks if look.when != AFTER_LOGIN]
        lines += self._asked(looks[0], facts.looks)
        if facts.tls is not None and not facts.is_implicit:
            lines += [self._start_tls(), *_expected_tls(facts.tls, facts.host)]
            lines += self._asked(looks[-1], facts.looks)
        lines += self._versions()
        if facts.made_login is not None:
            lines += self._login(facts.made_login)
        return lines

    def _opened(self, name: str, *, is_first: bool = True) -> list[str]:
        """Return the steps of a new connection up to its greeting."""
        options = self._tls_options() if self._facts.is_implicit else ""
        value = f" {{tls: {{{options}}}}}" if options else ""
        greeting = self._greeting if is_first else ""
        lines = [f"  - name: {name}", f"    connect:{value}", f"    expect: {greeting or self._manner.greetings}"]
        if is_first and self._facts.is_implicit and self._facts.tls is not None:
            lines += _expected_tls(self._facts.tls, self._facts.host)
        return lines

    def _tls_options(self) -> str:
        """Return the options of the usual handshake, as YAML without braces."""
        tls = self._facts.tls
        assert tls is not None
        options = ["verify: false"] if tls.distrust else []
        if tls.version in TLS_VERSIONS and TLS_VERSIONS.index(tls.version) < TLS_VERSIONS.index(_USUAL_MINIMUM):
            options.append(f"min: {tls.version}")
        return ", ".join(options)

    def _start_tls(self) -> str:
        options = self._tls_options()
        return f"  - starttls: {{{options}}}" if options else "  - starttls:"

    def _asked(self, look: Look, others: Iterable[Look]) -> list[str]:
        lines = [f"  - send: {self._manner.asking}"]
        if look.capabilities is None:
            code = look.refusal.split(" ", 1)[0]
            grammar = PROTOCOLS[self._facts.protocol].code_grammar
            return [*lines, f"    expect: {code if grammar.fullmatch(code) else 'any'}"]
        lines.append(f"    expect: {self._manner.code}")
        wishes = _wishes(look, others)
        return [*lines, *_capability_lines(wishes)] if wishes else lines

    def _versions(self) -> list[str]:
        lines: list[str] = []
        for one in self._facts.versions:
            if not one.is_known or (one.why and not one.is_spoken):
                continue
            verb = "is spoken" if one.is_spoken else "is refused"
            options = f"{'verify: false, ' * bool(self._distrust)}min: {one.version}, max: {one.version}"
            wish = f"{{version: {one.version}}}" if one.is_spoken else "{fails: protocol}"
            if self._facts.is_implicit:
                lines += [f"  - name: {one.version} {verb}", f"    connect: {{tls: {{{options}}}}}"]
                lines += [f"    expect: {self._manner.greetings}"] if one.is_spoken else []
                lines.append(f"    tls_expect: {wish}")
                continue
            lines += ["  - connect:", f"    expect: {self._manner.greetings}"]
            lines += [f"  - send: {self._manner.asking}", "    expect: any", f"  - name: {one.version} {verb}"]
            lines += [f"    starttls: {{{options}}}", f"    tls_expect: {wish}"]
        return lines

    def _login(self, login: LoginFact) -> list[str]:
        facts = self._facts
        asked = [f"  - send: {self._manner.asking}", f"    expect: {self._manner.code}"]
        lines = self._opened("what it shows after login", is_first=False) + asked
        if facts.tls is not None and not facts.is_implicit:
            lines += [self._start_tls(), *asked]
        lines.append(f"  - auth: {login.mechanism or 'best'}")
        after = next((look for look in facts.looks if look.when == AFTER_LOGIN), None)
        return lines + (self._asked(after, facts.looks) if after is not None else [])


def _capability_lines(wishes: Mapping[str, Wish]) -> list[str]:
    """Return the key with its demands, a list that is too long for a line with a line for each item."""
    lines: list[str] = []
    flow = {name: wish if isinstance(wish, str) else _exactly(wish) for name, wish in wishes.items()}
    for line in key_lines("capabilities", flow, "    "):
        name = line.strip().partition(": ")[0]
        wish = wishes.get(name)
        if len(line) <= WIDTH or wish is None or isinstance(wish, str):
            lines.append(line)
            continue
        items = (f"{_DEEPER * 5}- {scalar(one)}" for one in wish)
        lines += [f"{_DEEPER * 3}{name}:", f"{_DEEPER * 4}exactly:", *items]
    return lines


def _exactly(values: Sequence[str]) -> str:
    return flow_mapping({"exactly": flow_list(values)})


def _wishes(look: Look, others: Iterable[Look]) -> dict[str, Wish]:
    """Return what is demanded of capabilities: those that are there as they are, those of other times absent."""
    wishes: dict[str, Wish] = {}
    for name, values in look.told.items():
        if _NAME.fullmatch(name):
            wishes[name] = "required" if name in _OF_THE_USER else _wish(values)
    for other in others:
        for name in other.told:
            if name not in (look.capabilities or {}) and _NAME.fullmatch(name):
                wishes.setdefault(name, "absent")
    return wishes


def _wish(values: Sequence[str]) -> Wish:
    if not values or not all(_PARAMETER.fullmatch(one) and is_value(one) for one in values):
        return "required"
    return list(values)


def _expected_tls(tls: Encryption, host: str) -> list[str]:
    wishes = {"version": tls.version}
    if tls.certificate is not None:
        if names := _names(tls.certificate, host):
            wishes["names"] = flow_list(names)
        issuer = tls.certificate.issuer
        if issuer and is_value(issuer):
            wishes["issuer"] = scalar(as_glob(glob_of(issuer)))
        key = tls.certificate.public_key
        if key.kind in ("RSA", "EC") and key.bits:
            wishes["public_key"] = f"{key.kind} >= {key.bits}"
        elif key.kind in ("Ed25519", "Ed448"):
            wishes["public_key"] = key.kind
    return ["    tls_expect:", *(f"      {name}: {value}" for name, value in wishes.items())]


def _names(read: Certificate, host: str) -> list[str]:
    """Return the names that it must be good for; of a wildcard the name that it was asked for by."""
    plain = [name for name in (*read.names, *read.addresses) if _NAME_OR_ADDRESS.fullmatch(name)]
    if not plain and host and read.covers(host):
        return [host]
    return plain[:_MOST_NAMES]


def _greeting(facts: ServerFacts) -> str:
    """Return the greeting as a short form, what differs between greetings left open; empty if it says nothing."""
    codes = {heard.code for heard in facts.greetings}
    texts = [greeting_text(heard) for heard in facts.greetings]
    if len(codes) != 1 or not texts or not all(map(is_value, texts)):
        return ""
    names = Names({})
    glob = _common([names.pattern(text, ())[0] for text in texts])
    code = codes.pop()
    said_something = glob.strip("* ")
    short = f"{code} {as_glob(glob)}" if said_something else code
    return scalar(short)


def _common(globs: Sequence[str]) -> str:
    """Return the one glob that all fit: the words in which they differ are a star."""
    first, *rest = (glob.split(" ") for glob in dict.fromkeys(globs))
    for other in rest:
        most = min(len(first), len(other))
        lead = next((at for at in range(most) if first[at] != other[at]), most)
        tail = next((at for at in range(most - lead) if first[-1 - at] != other[-1 - at]), most - lead)
        first = [*first[:lead], "*", *first[len(first) - tail :]]
    return " ".join(first)
