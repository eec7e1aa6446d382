r"""Modules of Prometheus' blackbox_exporter that probe by TCP, as scenarios.

The exporter reads lines until one matches a regex, and sends a line; it knows nothing of replies. Where all that a
module expects are replies of SMTP, POP3 or IMAP it becomes a conversation in that; else a scenario of lines (tcp) that
does just what the exporter does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runner.authoring.conversation import ClientLine, Conversation, Event, Secured, ServerReply
from runner.authoring.draft import Draft
from runner.authoring.modeline import modeline
from runner.authoring.readers.asking import TELLING, Asker, UnclearError
from runner.authoring.yaml_text import flow_list, is_writable, printable, scalar
from runner.errors import InputError, Problem, SourceFile
from runner.language.loader import load
from runner.language.nodes import Mapping, Node, Scalar, Sequence

_BEGINNING = re.compile(r"modules:[ \t]*(?:#.*)?\Z")
_KINDS = re.compile(r"[ \t]*(?:prober:|query_response:|tcp:)")
_SMTP = re.compile(r"\^?([2-5][0-9]{2})(?:([ -])(.*))?\Z")
_POP3 = re.compile(r"\^?\\?(\+OK|-ERR)(?: (.*))?\Z")
_IMAP = re.compile(r"\^?\\\* (OK|PREAUTH|BYE)\b ?(.*)\Z")
_ANYTHING = ("", "$", ".*", ".*$", ".+", ".+$", " ")
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")
_TCP_ONLY = ("expect_bytes",)
_KNOWN = {"expect", "send", "starttls", "labels", *_TCP_ONLY}
# The exporter counts no replies: so many lines may come after the last that it sends.
_MOST_AFTER = 1000
_LINES_OF_SERVER = {"smtp": "{} ok", "pop3": "{}", "imap": "* {}"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One of a module's entries: wait, then send, then TLS."""

    expect: str
    send: str
    has_starttls: bool
    line: int


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    entries: tuple[_Entry, ...]
    has_tls: bool
    is_unverified: bool


def is_blackbox(texts: list[str]) -> bool:
    """Whether the lines are those of an exporter's configuration."""
    return any(_BEGINNING.match(text) for text in texts) and any(_KINDS.match(text) for text in texts)


def read_blackbox(text: str, asker: Asker) -> list[Conversation | Draft]:
    """Return what the modules that probe by TCP do; the others are passed over.

    Raises:
        InputError: it is no configuration of the exporter, or none of its modules probes by TCP.
    """
    source = SourceFile(asker.name, text)
    problems: list[Problem] = []
    root = load(source, problems, "this was taken for a configuration of blackbox_exporter; --format says otherwise")
    if problems or root is None:
        raise InputError(problems)
    found = [_converted(module, asker) for module in _modules(root)]
    if not found:
        raise UnclearError(
            [Problem(root.span, "none of the modules probes by TCP", "only those with 'prober: tcp' are conversations")]
        )
    return found


def _modules(root: Mapping) -> Iterator[_Module]:
    modules = root.get("modules")
    if not isinstance(modules, Mapping):
        raise _wrong(root, "'modules' is missing")
    for name, (_, node) in modules.items.items():
        if isinstance(node, Mapping) and _text(node.get("prober")) == "tcp":
            probe = node.get("tcp")
            yield _module(name, probe if isinstance(probe, Mapping) else None)


def _module(name: str, probe: Mapping | None) -> _Module:
    entries = probe.get("query_response") if probe is not None else None
    found: list[_Entry] = []
    if isinstance(entries, Sequence):
        found = [_entry(one) for one in entries.items]
    config = probe.get("tls_config") if probe is not None else None
    skips = config.get("insecure_skip_verify") if isinstance(config, Mapping) else None
    has_tls = probe is not None and _text(probe.get("tls")) == "true"
    return _Module(name, tuple(found), has_tls, _text(skips) == "true")


def _entry(node: Node) -> _Entry:
    if not isinstance(node, Mapping):
        raise _wrong(node, "an entry of 'query_response' is a mapping")
    for name, (key, _) in node.items.items():
        if name not in _KNOWN:
            raise _wrong(key, f"'{name}' is not known in 'query_response'")
        if name in _TCP_ONLY:
            raise _wrong(key, f"'{name}' can't be imported", "write the scenario's step by hand: 'until' with a regex")
    expect, send = _text(node.get("expect")), _text(node.get("send"))
    return _Entry(expect, send, _text(node.get("starttls")) == "true", node.span.line)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _wrong(node: Node, message: str, advice: str = "") -> InputError:
    return UnclearError([Problem(node.span, message, advice)])


def _converted(module: _Module, asker: Asker) -> Conversation | Draft:
    conversation = _conversation(module, asker)
    return conversation if conversation is not None else _lines(module, asker)


# A conversation in a protocol of mail.


def _conversation(module: _Module, asker: Asker) -> Conversation | None:
    first = module.entries[0].expect if module.entries else ""
    protocol = next((name for name, form in _FORMS.items() if form.match(first)), "")
    events: list[Event] = [Secured()] if module.has_tls else []
    is_owed = True
    for entry in module.entries if protocol else ():
        if entry.expect:
            reply = _reply(protocol, entry)
            if reply is None or not is_owed:
                return None
            events.append(reply)
            is_owed = False
        lines = [line.removesuffix("\r") for line in entry.send.removesuffix("\n").split("\n")] if entry.send else []
        if len(lines) > 1 or _REFERENCE.search(entry.send):
            return None
        for line in lines:
            if is_owed:
                events.append(ServerReply((_LINES_OF_SERVER[protocol].format(_USUAL[protocol]),), expect="any"))
            events.append(ClientLine(line, line=entry.line))
            is_owed = True
        if entry.has_starttls:
            events.append(Secured())
            is_owed = False
    if not protocol or (protocol == "imap" and any(isinstance(event, ClientLine) for event in events)):
        return None
    if is_owed:
        events.append(_last_reply(protocol, events))
    guesses = ("the certificate is not verified there: say --no-verify, or give the target's 'tls' a 'ca'",)
    return Conversation(
        protocol,
        tuple(events),
        title=module.name,
        source=asker.source,
        guesses=guesses if module.is_unverified else (),
    )


_FORMS = {"smtp": _SMTP, "pop3": _POP3, "imap": _IMAP}
_USUAL = {"smtp": "250", "pop3": "+OK", "imap": "OK"}


def _reply(protocol: str, entry: _Entry) -> ServerReply | None:
    """Return what an expectation wants of a whole reply, None where it is no code and a regex for the text."""
    found = _FORMS[protocol].match(entry.expect)
    if found is None or not is_writable(entry.expect):
        return None
    code, rest = found[1], found[found.re.groups] or ""
    rest = "" if rest in _ANYTHING else f" /^{rest}/".replace("${", "$${")
    if protocol == "imap" and rest:
        rest = rest.replace("/^", "/", 1)
    return ServerReply((_LINES_OF_SERVER[protocol].format(code),), expect=code + rest, line=entry.line)


def _last_reply(protocol: str, events: list[Event]) -> ServerReply:
    last = events[-1] if events else None
    is_goodbye = isinstance(last, ClientLine) and last.text.upper() == "QUIT"
    code = {"smtp": "221", "pop3": "+OK", "imap": "OK"}[protocol] if is_goodbye else _USUAL[protocol]
    return ServerReply((_LINES_OF_SERVER[protocol].format(code),), expect=code if is_goodbye else "any")


# A scenario of lines.


def _lines(module: _Module, asker: Asker) -> Draft:
    steps: list[str] = []
    verify = " {verify: false}" if module.is_unverified else ""
    secrets: list[str] = []
    if module.has_tls:
        steps.append(f"  - tls:{verify or ' {}'}")
    for number, entry in enumerate(module.entries, 1):
        steps += _steps(entry, number, verify, secrets, is_last=not any(one.send for one in module.entries[number:]))
    # The exporter hangs up then, whatever the server says.
    steps = [*steps, "  - close: fin"] if module.entries else steps or ["  - connect:"]
    source = f"\ndescription: {scalar(f'Drafted from {printable(asker.source)}.')}" if asker.source else ""
    wanted = f"\nsecrets: {flow_list(secrets)}" if secrets else ""
    head = f"{modeline()}\nname: {scalar(printable(module.name))}{source}\nprotocol: tcp{wanted}\nsteps:"
    guesses = ("a target of its own is wanted: tcp://HOST:PORT",)
    return Draft("\n".join([head, *steps]) + "\n", secrets=tuple(secrets), guesses=guesses)


def _steps(entry: _Entry, number: int, verify: str, secrets: list[str], *, is_last: bool) -> Iterator[str]:
    """Return the steps of an entry; `is_last`: nothing is sent after it, and any number of lines may still come."""
    groups = re.compile(r"\((?!\?)|\(\?P?<").findall(re.sub(r"\\.", "", entry.expect))
    used = [found[1] or found[2] for found in _REFERENCE.finditer(entry.send) if not found[3]]
    if entry.expect:
        # `^+OK` is in the exporter's own examples, and was meant to be `^\+OK`.
        regex = "/" + re.sub(r"\A\^\+(?=OK)", r"^\\+", entry.expect).replace("${", "$${") + "/"
        yield f"  - expect: any\n    until: {scalar(regex)}"
        captures = [name for name in dict.fromkeys(used) if not name.isdigit() or 0 < int(name) <= len(groups)]
        if captures:
            taken = ", ".join(f"m{number}_{name}: {scalar(_grouped(regex, name), in_flow=True)}" for name in captures)
            yield f"    capture: {{{taken}}}"
    lines = entry.send.removesuffix("\n").split("\n") if entry.send else []
    for left, line in zip(range(len(lines) - 1, -1, -1), lines, strict=True):
        yield f"  - send: {scalar(_sent(line.removesuffix(chr(13)), number, secrets))}"
        if not line.endswith("\r"):
            yield "    eol: lf"
        if is_last and not left:
            yield f"    replies: {_MOST_AFTER}"
    if entry.has_starttls:
        yield f"  - tls:{verify or ' {}'}"


def _grouped(regex: str, name: str) -> str:
    """Return the regex with the wanted group as the first one that captures."""
    if name == "1" or not name.isdigit():
        return regex
    wanted, seen = int(name), 0

    def other(found: re.Match[str]) -> str:
        nonlocal seen
        if found[0].startswith("\\"):
            return found[0]
        seen += 1
        return "(" if seen == wanted else "(?:"

    return re.sub(r"\\.|\((?!\?)", other, regex)


def _sent(line: str, number: int, secrets: list[str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[3]:
            return "$"
        return f"${{m{number}_{found[1] or found[2]}}}"

    if (telling := TELLING.search(line)) is not None:
        secret = "password" if re.match("PASS|.*LOGIN", telling[1].strip(), re.IGNORECASE) else "credentials"
        secrets[:] = dict.fromkeys([*secrets, secret])
        return f"{line[: telling.end(1)]}${{{secret}}}"
    return _REFERENCE.sub(value, line)
