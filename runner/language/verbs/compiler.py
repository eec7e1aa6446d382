"""What compiles a step of any verb: the part that all have in common, and a registry that the verbs fill.

`VERBS` is filled in `runner.language.verbs`; a verb compiles by a function of the StepCompiler and its mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any

from runner.dataclass import dataclass
from runner.errors import Span
from runner.language import auth_state
from runner.language.auth_state import AuthState
from runner.language.expecting import compile_each, compile_line
from runner.language.filters import to_bytes
from runner.language.loader import Mapping, Node
from runner.language.model import MAIN, Exchange, Send, Step, When
from runner.language.reading import Reading, items
from runner.language.template import Template
from runner.language.vocabulary import EXPECTING

# How much of a step's text its label shows.
LABEL_WIDTH = 60
#: What any step may have beside its verb; most have none of it.
_COMMON = ("name", "because", "session", "when", "timeout")
_NOTHING_GIVEN = {"because": "", "session": MAIN, "member": None, "when": None, "timeout": None}


@dataclass(slots=True)
class StepCompiler:
    """Compiles steps in the order in which they happen; `auths` is what is known of each session's AUTH exchange."""

    reading: Reading
    auths: dict[str, AuthState] = field(default_factory=dict)
    #: In a pipeline every line leaves before any reply is read.
    in_pipeline: bool = False
    #: What a group gives to the steps inside that do not say it themselves, and its name.
    given: dict[str, Any] = field(default_factory=lambda: _NOTHING_GIVEN)
    group: str = ""
    #: How many groups the steps being compiled are inside of.
    depth: int = 0
    #: How many conditions they depend on.
    conditions: int = 0

    def steps(self, node: Node | None) -> tuple[Step, ...]:
        """Compile a list of steps; what is wrong in one does not hide the others."""
        found = (self.step(item) for item in items(node) if isinstance(item, Mapping))
        return tuple(step for step in found if step is not None)

    @property
    def auth(self) -> AuthState:
        """What is known of the AUTH exchange of the session whose steps are being compiled."""
        return self.auths.get(self.reading.session, AuthState.CLOSED)

    @auth.setter
    def auth(self, state: AuthState) -> None:
        self.auths[self.reading.session] = state

    def step(self, node: Mapping) -> Step | None:
        """Compile one step; None if its verb can't be told (the schema check has said so)."""
        verbs = [key for key in node.items if key in VERBS and key not in EXPECTING]
        if len(verbs) > 1 or not (verbs or any(key in node.items for key in EXPECTING)):
            return None
        if "session" not in node.items:
            return self._step(node, verbs)
        reading, before, given = self.reading, self.reading.session, self.given
        session, member = reading.session_of(node.get("session"))
        if session not in reading.sessions or not reading.sessions[session].protocol:
            return None  # what the step may say nobody knows
        reading.enter(session)
        self.given = {**given, "session": session, "member": member}
        try:
            if member is not None:
                self.auth = AuthState.UNKNOWN  # of this connection; what is known is known of all of them
            return self._step(node, verbs)
        finally:
            if member is not None:
                self.auth = AuthState.UNKNOWN
            self.given = given
            reading.enter(before)

    def _step(self, node: Mapping, verbs: list[str]) -> Step | None:
        if not node.items.keys().isdisjoint(self.reading.machine.foreign):
            self._refuse_foreign(node)
            return None
        before, others = self.auth, dict(self.auths) if "when" in node.items else {}
        self.conditions += "when" in node.items
        step = VERBS[verbs[0] if verbs else "expect"](self, node)
        self.conditions -= "when" in node.items
        if "expect_each" in node.items or "expect_line" in node.items:
            step = self._expecting_others(step, node)
        if "when" in node.items and "steps" not in node.items:
            self.may_be_skipped(before)
        if "when" in node.items:
            self._others_may_be_skipped(others)
        return step

    def _refuse_foreign(self, node: Mapping) -> None:
        """Tell verbs and keys that have no meaning in the session's protocol."""
        machine = self.reading.machine
        for key, advice in machine.foreign.items():
            if key in node.items:
                self.reading.fail(node.items[key][0].span, f"'{key}' has no meaning in {self.reading.who}", advice)

    def _expecting_others(self, step: Step | None, node: Mapping) -> Step | None:
        """Add what a step expects in place of one whole reply."""
        each, line = compile_each(self.reading, node), compile_line(self.reading, node)
        return replace(step, each=each, line_expected=line) if isinstance(step, Exchange) else step

    def _others_may_be_skipped(self, before: dict[str, AuthState]) -> None:
        """What steps of a group do in other sessions than its own may not be done."""
        for session, state in self.auths.items():
            if session != self.reading.session and state is not before.get(session, AuthState.CLOSED):
                self.auths[session] = AuthState.UNKNOWN

    def may_be_skipped(self, otherwise: AuthState) -> None:
        """Join what is known on one way with what is known on the other, where the server decides which it goes."""
        if self.auth is not otherwise:
            self.auth = AuthState.UNKNOWN

    def common(self, node: Mapping, label: str) -> dict[str, Any]:
        """Return what every step may have, as keyword arguments of the model's classes."""
        reading = self.reading
        span = next(iter(node.items.values()))[0].span if node.items else node.span
        if node.items.keys().isdisjoint(_COMMON):
            return self.inner(span, label)
        timeout = reading.duration(node.get("timeout"))
        return {
            "span": span,
            "label": self._named(reading.text(node.get("name")) or shorten(label)),
            "because": reading.text(node.get("because")) or self.given["because"],
            "session": self.given["session"],
            "member": self.given["member"],
            "when": self.condition(node.get("when")),
            "timeout": self.given["timeout"] if timeout is None else timeout,
        }

    def inner(self, span: Span, label: str) -> dict[str, Any]:
        """Return what a step has that says nothing of it: what its group gives."""
        return {"span": span, "label": self._named(shorten(label)), **self.given}

    def said(self, label: str, verb: str, text: Template) -> Template | None:
        """Return what a label says, to be filled where it is shown; None if nothing is to be filled in it."""
        if text.is_literal or label != self._named(shorten(f"{verb}{text}")):
            return None
        return Template((verb, *text.parts), text.span)

    def _named(self, label: str) -> str:
        return f"{self.group}: {label}" if self.group else label

    @contextmanager
    def within(self, node: Mapping, common: dict[str, Any]) -> Iterator[None]:
        """Compile a group's steps: what it says of `because`, `session` and `timeout` holds inside; its name leads."""
        before = self.given, self.group
        # Which connection a group is for was settled when it began: the steps inside do not ask again.
        self.given = {**_NOTHING_GIVEN, **{key: common[key] for key in ("because", "session", "timeout")}}
        self.group = common["label"] if "name" in node.items else self.group
        self.depth += 1
        try:
            yield
        finally:
            self.given, self.group = before
            self.depth -= 1

    def condition(self, node: Node | None) -> When | None:
        """Compile a `when`."""
        if not isinstance(node, Mapping):
            return None
        reading = self.reading
        if "is" in node.items and "var" not in node.items:
            reading.fail(node.items["is"][0].span, "'is' judges a variable", "name it: var: …")
        return When(
            span=node.span,
            capability=reading.capability(node.get("capability")),
            reply=reading.alternatives(node.get("reply"), with_connect_words=True),
            tls=reading.boolean(node.get("tls")),
            variable=reading.variable(node.get("var")),
            matches=reading.pattern(node.get("is")),
            negated=self.condition(node.get("not")),
        )

    def after(self, step: Exchange) -> Exchange:
        """Follow the AUTH exchange over the reply that a step reads."""
        if not self.in_pipeline:
            self.auth = auth_state.after_expect(self.auth, step.expect, self.reading.machine)
        return step

    def send(self, line: Template, *, in_talk: bool = False, **given: Any) -> Send:
        """Make a client line: split off an AUTH line's response, and check a response as far as it is certain."""
        encode = given.get("encode", "auto")
        response, flat = None, line.flat
        if (shown := self.reading.machine.password_at) is not None and (password := shown.match(flat)):
            given["label"] = given["label"].replace(password[1], "⟨password⟩") if line.is_literal else given["label"]
        elif not line.is_literal:
            label = given["label"]
            given["said"] = self.said(label, "send ", line) or self.said(label, "C: ", line)
        if given.get("has_tag", True) and (slip := self.reading.machine.slip_in(flat)):
            message, advice = slip
            more = ", or say tag: none to write your own" if self.reading.machine.has_tags and not in_talk else ""
            self.reading.fail(line.span, message, advice + more)
        if "\n" in flat or "\r" in flat or "\0" in flat:
            advice = "one 'send' is one line; for a message there is 'data'"
            self.reading.fail(line.span, "a client line holds no CR, LF or NUL", advice)
        if (match := self.reading.machine.auth_command.match(flat)) and given.get("literal") is not None:
            advice = "write it behind the mechanism; quotes and base64 come by themselves"
            self.reading.fail(line.span, "a response as a literal would be sent as it stands", advice)
        if match:
            head, tail = line.split(match.end())
            if not tail.flat and encode == "base64":
                self.reading.fail(line.span, "no response follows the mechanism", "there is nothing to encode here")
            elif tail.flat and (encode == "base64" or (encode == "auto" and not tail.is_literal)):
                line, response = head, self._unquoted(tail)
                self._check_encoded(tail)
            elif tail.flat and encode == "auto":
                line = Template((head.flat + self._checked_literal(tail),), line.span)
            self.auth = AuthState.SENT
        elif self.auth is AuthState.CHALLENGED:
            if encode == "auto" and line.is_literal:
                line = Template((self._checked_literal(line),), line.span)
            elif encode == "auto":
                line = self._unquoted(line)
                self._check_encoded(line)
            self.auth = AuthState.SENT
        elif self.auth is AuthState.SENT and encode == "auto" and not line.is_literal:
            self.reading.fail(
                line.span,
                "a line after AUTH, but the reply that says how the server reads it is not expected before it",
                f"expect: {self.reading.machine.challenge_code} before this line, "
                "or say encode: base64 (a response) or encode: none",
            )
            self.auth = AuthState.UNKNOWN
        is_ready = response is None and line.is_literal and encode != "base64" and not given.get("literal")
        ready = to_bytes(line.flat) + given.get("eol", b"\r\n") if is_ready else b""
        return Send(line=line, response=response, ready=ready, **given)

    def _unquoted(self, response: Template) -> Template:
        """Return a response without the quotes that the protocol has around it: they come by themselves."""
        quote, flat = self.reading.machine.response_quote, response.flat
        if not quote or len(flat) < 2 * len(quote) or not (flat.startswith(quote) and flat.endswith(quote)):
            return response
        return response.split(len(quote))[1].split(len(flat) - 2 * len(quote))[0]

    def _checked_literal(self, response: Template) -> str:
        """Return a response without placeholders as it goes out, with quotes where the protocol has them."""
        quote, text = self.reading.machine.response_quote, self._unquoted(response).flat
        if not auth_state.is_base64(text):
            self.reading.fail(
                response.span,
                f"'{shorten(response.flat)}' is a response in an AUTH exchange, and not base64",
                "add encode: base64 to have it encoded, or encode: none to send it as it stands",
            )
        return f"{quote}{text}{quote}"

    def _check_encoded(self, line: Template) -> None:
        if twice := auth_state.encoded_twice(line):
            self.reading.fail(
                twice.span,
                "this line is base64-encoded as a whole, and '| base64' would encode it twice",
                "leave out '| base64', or add encode: none",
            )


def shorten(text: str) -> str:
    """Return a text fit for a label: one line, cut where it is long."""
    line = text.partition("\n")[0]
    return line if len(line) <= LABEL_WIDTH else line[: LABEL_WIDTH - 1] + "…"


Verb = Callable[[StepCompiler, Mapping], Step | None]
VERBS: dict[str, Verb] = {}
