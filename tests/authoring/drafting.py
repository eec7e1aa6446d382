"""Conversations for tests of drafts, and their server: it says again what it said, to whoever says as much."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime

from compiling import compiled
from memory import EOF, play

from runner.authoring.conversation import (
    ClientLine,
    ClientLiteral,
    ClientMessage,
    Conversation,
    Ended,
    Exchange,
    Secured,
    ServerReply,
)
from runner.authoring.draft import draft
from runner.language.case import Case, Given, Seed, expand
from runner.language.project import SecretRef, parse_target
from runner.player import Player
from runner.results import Outcome

NOW = datetime(2024, 5, 17, 12, 0, 0, tzinfo=UTC)


def line(text, template=""):
    return ClientLine(text, template)


def reply(text, **more):
    return ServerReply(tuple(text.split("\n")), **more)


def encoded(text):
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def talk(*said, protocol="smtp", **more):
    """Return a conversation of texts: `C: ` and `S: ` lines, lists for messages, other events as they are."""
    events = []
    for one in said:
        if isinstance(one, str) and one.startswith("C: "):
            events.append(line(one[3:]))
        elif isinstance(one, str):
            events.append(reply(one.removeprefix("S: ")))
        else:
            events.append(ClientMessage(tuple(one)) if isinstance(one, list) else one)
    return Conversation(protocol, tuple(events), **more)


class _Server:
    """Says what a conversation's server said; tags are those of the client."""

    def __init__(self, conversation):
        self._conversation = conversation
        self._buffer = b""
        self._out = []
        self._tags = {}

    def _more(self):
        heard = yield tuple(self._out)
        self._out = []
        assert heard is not None
        self._buffer += heard

    def _take(self, end):
        while end not in self._buffer:
            yield from self._more()
        taken, found, self._buffer = self._buffer.partition(end)
        return taken + found

    def _reply(self, event):
        for text in event.lines:
            octets = text.encode("utf-8", "surrogateescape")
            tag, _, rest = octets.partition(b" ")
            self._out.append((self._tags[tag] + b" " + rest if tag in self._tags else octets) + b"\r\n")

    def __call__(self):
        size = 0
        events = self._conversation.events
        for number, event in enumerate(events):
            if isinstance(event, ServerReply):
                self._reply(event)
            elif isinstance(event, ClientMessage):
                yield from self._take(b".\r\n" if not event.lines else b"\r\n.\r\n")
            elif isinstance(event, ClientLiteral):
                while len(self._buffer) < size:
                    yield from self._more()
                self._buffer = self._buffer[size:]
                if not (number + 1 < len(events) and isinstance(events[number + 1], ClientLine)):
                    yield from self._take(b"\r\n")
            elif isinstance(event, ClientLine):
                heard = yield from self._take(b"\r\n")
                self._tags[event.text.split(" ", 1)[0].encode("utf-8", "surrogateescape")] = heard.split(b" ", 1)[0]
                size = int(found[1]) if (found := re.search(rb"\{(\d+)\+?\}\r\n\Z", heard)) else 0
            elif isinstance(event, Secured) and number:
                heard = yield tuple(self._out)
                self._out = []
                self._buffer += heard or b""
            elif isinstance(event, Ended) and event.by == "server":
                yield (*self._out, EOF)
        if self._conversation.protocol != "imap":
            self._tags = {}
        heard = yield tuple(self._out)
        goodbye = {"pop3": b"+OK bye\r\n", "imap": b"* BYE\r\n%b OK bye\r\n", "sieve": b"OK\r\n"}
        said = goodbye.get(self._conversation.protocol, b"221 bye\r\n")
        yield (said % heard.split(b" ")[0] if b"%b" in said else said, EOF)


def replayed(conversation, text, *, secrets=None, variables=None):
    """Play a draft against the server that its conversation was had with; return the result."""
    secrets = secrets or {"password": "a-password", "token": "a-token"}
    target = replace(parse_target(f"{conversation.protocol}://127.0.0.1:2525"), plaintext_secrets=True)
    given = Given(
        variables=variables or {},
        secrets={name: SecretRef("env", name) for name in secrets},
        client_name="client.example",
        secret=lambda reference: secrets[reference.value],
    )
    problems = []
    case = expand(compiled(text), target, None, given, seed=Seed("t0123456789", NOW), problems=problems)
    assert isinstance(case, Case), "\n".join(problem.render() for problem in problems) or case
    case = replace(case, is_lenient=True)
    return play(Player(case), _Server(conversation), greets_after_tls=conversation.protocol == "sieve").result


def accepts_its_own(conversation, *, expect="texts", secrets=None):
    """Draft a conversation, play the draft against it, and return the draft; it must pass."""
    made = draft(conversation, expect=expect)
    variables = {name: made.variables[name] for name in made.variables if name not in made.secrets}
    result = replayed(conversation, made.text, secrets=secrets, variables=variables)
    told = [f"{step.label}: {step.reason}" for step in result.steps if step.reason]
    assert Outcome.PASSED is result.outcome, "\n".join([made.text, *told, result.reason or ""])
    return made


__all__ = [
    "ClientLine",
    "ClientLiteral",
    "ClientMessage",
    "Conversation",
    "Ended",
    "Exchange",
    "Secured",
    "ServerReply",
    "accepts_its_own",
    "draft",
    "encoded",
    "line",
    "replayed",
    "reply",
    "talk",
]
