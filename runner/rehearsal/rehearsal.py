"""A case walked through from its first step to its last, both sides of each condition, as a page.

`SHOWN` is the one registry: a step's class and what it looks like. What goes out is made by `runner.player.filling`
and shown as a transcript shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from runner.dataclass import dataclass
from runner.language.model import (
    MAIN,
    Auth,
    Bdat,
    Bytes,
    Connect,
    Data,
    Exchange,
    Group,
    Handshake,
    Hangup,
    Pipeline,
    Repeat,
    Retry,
    Send,
    StartTls,
    Step,
    Use,
    Wait,
)
from runner.language.reading import member_number
from runner.language.values import format_duration
from runner.matching.expectation import Short, Word
from runner.player.ending import StepEnded
from runner.protocol import PROTOCOLS
from runner.redaction import Redactor
from runner.rehearsal import wishes
from runner.rehearsal.page import Page
from runner.rehearsal.scope import RehearsalScope
from runner.rehearsal.sending import Said, auth_lines, body_lines, literal_lines, octet_lines, send_line

if TYPE_CHECKING:
    from runner.language.case import Case, Party
    from runner.matching.expectation import Expectation
    from runner.protocol import Machine

# What labels begin with that no author has chosen.
_UNNAMED = (
    *("send ", "expect", "C: ", "S: ", "data", "bdat", "bytes", "auth ", "starttls", "tls", "close ", "wait "),
    *("connect", "pipeline", "steps", "use ", "repeat", "retry", "talk"),
)
# Of rounds, and of connections that are called by number, so many are shown one by one.
MOST_ROUNDS = 10


@dataclass(slots=True)
class _Connection:
    """What is known of a session's connection without a server: where the scenario stands in it."""

    machine: Machine
    is_open: bool = False
    in_auth: bool = False
    answers_challenge: bool = False
    has_said_goodbye: bool = False

    @property
    def goodbye(self) -> str:
        """The line that the client parts with; empty where the protocol has none."""
        return self.machine.goodbye.decode("ascii").strip()


@dataclass(slots=True)
class Rehearsal:
    """A case being walked through."""

    case: Case
    page: Page
    redactor: Redactor
    scope: RehearsalScope
    connections: dict[str, _Connection] = field(default_factory=dict)
    session: str = MAIN
    numbers: Mapping[str, int] = field(default_factory=dict)
    #: The name of the group around the step under way, and the reason that was given last.
    group: str = ""
    reason: str = ""

    @property
    def party(self) -> Party:
        """The session whose turn it is."""
        return self.case.sessions[self.session.partition("[")[0]]

    @property
    def connection(self) -> _Connection:
        """The connection of the step under way, open after this."""
        if self.session not in self.connections:
            machine = PROTOCOLS[self.party.protocol](self.case.limits)
            self.connections[self.session] = _Connection(machine)
        found = self.connections[self.session]
        if not found.is_open:
            found.is_open = True
            self.page.happen(_place(self.party))
        return found

    def run(self, steps: tuple[Step, ...]) -> None:
        """Show steps in order."""
        for step in steps:
            self._on_each_connection(step)

    def _on_each_connection(self, step: Step) -> None:
        before = self.session, self.numbers, self.page.speaker
        shown = list(_members(self, step))
        for number, name in shown[:MOST_ROUNDS]:
            self.session = name
            self.numbers = {**self.numbers, step.session: number} if number else self.numbers
            self.page.speaker = name if len(self.case.sessions) > 1 else ""
            self.scope.fixed = self.party.values
            self._show(step)
        if len(shown) > MOST_ROUNDS:
            self.page.head(f"… and the same on {len(shown) - MOST_ROUNDS} more, up to {shown[-1][1]}")
        self.session, self.numbers, self.page.speaker = before
        self.scope.fixed = self.party.values

    def _show(self, step: Step) -> None:
        if step.when is None:
            self._show_due(step)
            return
        with self.page.inside(f"if {wishes.condition(step.when, self.scope.shown_slot)}:"):
            self._show_due(step)
        if isinstance(step, Group) and step.otherwise:
            with self.page.inside("else:"):
                self.run(step.otherwise)

    def _show_due(self, step: Step) -> None:
        label = step.label.removeprefix(f"{self.group}: ") if self.group else step.label
        if not label.startswith(_UNNAMED):
            self.page.head(f"# {label}")
        try:
            SHOWN[type(step)](self, step)
        except StepEnded as ended:
            self.page.happen(f"the step would end here: {ended}")
        self.page.aside(self._of_every_step(step))

    def _of_every_step(self, step: Step) -> Iterator[str]:
        """What a group says of its steps is said once."""
        if isinstance(step, Group | Pipeline):
            return
        if step.timeout is not None:
            yield f"timeout {format_duration(step.timeout)}"
        if step.because != self.reason:
            self.reason = step.because
            if step.because:
                yield f"because {step.because}"

    # What is said.

    def say(self, said: Said) -> None:
        """Show what the client sends."""
        for who, text in said.lines:
            self.page.say(who, text)
        self.page.aside(said.remarks)

    def expect(self, wanted: Expectation | None) -> None:
        """Show what a step expects of a reply, and take it for what comes."""
        if wanted is None:
            return
        connection = self.connection
        for line in wishes.replies(wanted, self.scope.shown_slot):
            self.page.expect(line)
        self.page.aside(wishes.demands(wanted, self.scope.shown_slot))
        first = wanted.alternatives[0]
        if isinstance(first, Short) and connection.in_auth:
            connection.answers_challenge = first.code == connection.machine.challenge_code
            connection.in_auth = connection.answers_challenge
        if first is Word.CLOSE:
            connection.has_said_goodbye = True

    def expect_others(self, step: Exchange) -> None:
        """Show what a step expects in another form: of each recipient, or of one line."""
        slot_text = self.scope.shown_slot
        if step.each is not None:
            for whose, form in wishes.each_recipient(step.each, slot_text):
                self.expect(form)
                self.page.aside([whose])
        if (line := step.line_expected) is not None:
            self.page.expect(line.pattern.show(slot_text))
            self.page.aside(["one line of a reply that goes on"])
            if line.within is not None:
                self.page.aside([f"within {format_duration(line.within)}"])

    def end(self) -> None:
        """Show how what is still open is closed."""
        for name, connection in self.connections.items():
            self.page.speaker = name if len(self.case.sessions) > 1 else ""
            if connection.is_open and connection.goodbye and not connection.has_said_goodbye:
                self.page.say("C", connection.goodbye)
                self.page.aside(["said by itself, for the connection is still open"])
        self.connections.clear()
        self.page.speaker = ""


def rehearse(case: Case) -> list[str]:
    """Return the dialogue that a case would be, line by line; no secret is in it."""
    redactor = Redactor(case.secrets)
    scope = RehearsalScope(case.values, case.scenario.capture_spans, redactor.learn, mask=redactor.mask)
    rehearsal = Rehearsal(case, Page(), redactor, scope)
    rehearsal.run(case.scenario.steps)
    rehearsal.end()
    if case.scenario.cleanup:
        with rehearsal.page.inside("cleanup, whatever happened before, on fresh connections:"):
            rehearsal.run(case.scenario.cleanup)
            rehearsal.end()
    return [redactor.mask(line) for line in rehearsal.page.lines]


def _place(party: Party) -> str:
    target = party.target
    if not target.url:
        return "connect"
    if target.command:
        return f"start {' '.join(target.command)}"
    where = target.path or (f"{target.host}:{target.port}" if target.port else target.host)
    if target.is_domain:
        where = f"a mail exchanger of {where}"
    return f"connect to {where}{', TLS handshake' if target.implicit_tls else ''}"


def _members(rehearsal: Rehearsal, step: Step) -> Iterator[tuple[int, str]]:
    """Iterate over the connections that a step is for: its number (0 for a lone one) and its name."""
    count = rehearsal.case.sessions[step.session].count
    if not count:
        yield 0, step.session
        return
    number = rehearsal.numbers.get(step.session, 0)
    if step.member is not None:
        text = rehearsal.scope.text(step.member).text
        number = member_number(text, count) or 0
        if not number:
            yield 0, f"{step.session}[{text}]"
            return
    for one in (number,) if number else range(1, count + 1):
        yield one, f"{step.session}[{one}]"


# Client verbs.


def _connect(rehearsal: Rehearsal, step: Connect) -> None:
    if (before := rehearsal.connections.pop(rehearsal.session, None)) is not None and before.is_open:
        rehearsal.page.happen("close the connection as at the end of a case")
    rehearsal.connection  # noqa: B018 -- it is opened by being asked for
    rehearsal.page.aside(_reaching(rehearsal, step))
    rehearsal.expect(step.expect)
    rehearsal.expect_others(step)


def _reaching(rehearsal: Rehearsal, step: Connect) -> Iterator[str]:
    if step.source_address is not None:
        yield f"from {rehearsal.scope.told(step.source_address)}"
    if step.family:
        yield f"over {step.family}"
    if step.proxy is not None:
        yield f"PROXY header v{step.proxy.version}" if step.proxy.version else "no PROXY header"
    yield from wishes.handshake(step.tls, rehearsal.scope)
    yield from wishes.certificate(step.tls_expect, rehearsal.scope)


def _send(rehearsal: Rehearsal, step: Send) -> None:
    _say(rehearsal, step)
    rehearsal.expect(step.expect)
    rehearsal.expect_others(step)


def _say(rehearsal: Rehearsal, step: Send) -> None:
    """Show a client line, and take it for sent."""
    connection = rehearsal.connection
    answers = connection.answers_challenge
    said = send_line(step, connection.machine, rehearsal.scope, rehearsal.redactor, answers_challenge=answers)
    rehearsal.say(said)
    if step.literal is not None:
        rehearsal.say(literal_lines(step, connection.machine, rehearsal.scope, rehearsal.redactor))
    flat = step.line.flat
    connection.answers_challenge = False
    if connection.machine.auth_command.match(flat):
        connection.in_auth = True
    connection.has_said_goodbye = bool(connection.goodbye) and flat.strip().upper() == connection.goodbye


def _data(rehearsal: Rehearsal, step: Data) -> None:
    connection = rehearsal.connection
    connection.has_said_goodbye = False
    rehearsal.say(body_lines(step, rehearsal.scope, rehearsal.redactor))
    rehearsal.expect(step.expect)
    rehearsal.expect_others(step)


def _octets(rehearsal: Rehearsal, step: Bytes | Bdat) -> None:
    _say_octets(rehearsal, step)
    rehearsal.expect(step.expect)
    rehearsal.expect_others(step)


def _say_octets(rehearsal: Rehearsal, step: Bytes | Bdat) -> None:
    connection = rehearsal.connection
    connection.answers_challenge = False
    rehearsal.say(octet_lines(step, rehearsal.scope, rehearsal.redactor))


def _auth(rehearsal: Rehearsal, step: Auth) -> None:
    connection = rehearsal.connection
    rehearsal.say(auth_lines(step, connection.machine, rehearsal.scope))
    rehearsal.expect(step.expect)


def _start_tls(rehearsal: Rehearsal, step: StartTls) -> None:
    connection = rehearsal.connection
    rehearsal.page.say("C", connection.machine.starttls_command.decode("ascii").strip())
    rehearsal.expect(step.expect)
    _secure(rehearsal, step)


def _handshake(rehearsal: Rehearsal, step: Handshake) -> None:
    rehearsal.connection  # noqa: B018 -- see `_connect`
    _secure(rehearsal, step)


def _secure(rehearsal: Rehearsal, step: StartTls | Handshake) -> None:
    verifies = step.options.verify if step.options.verify is not None else rehearsal.party.target.tls.verify
    verified = ", the certificate is verified" if verifies else ""
    rehearsal.page.happen(f"TLS handshake{verified}")
    rehearsal.page.aside(wishes.handshake(step.options, rehearsal.scope))
    rehearsal.page.aside(wishes.certificate(step.tls_expect, rehearsal.scope))


def _hangup(rehearsal: Rehearsal, step: Hangup) -> None:
    connection = rehearsal.connection
    if step.how == "quit" and connection.goodbye:
        rehearsal.page.say("C", connection.goodbye)
    rehearsal.expect(step.expect)
    rehearsal.page.happen("reset the connection" if step.how == "reset" else "close the connection")
    connection.has_said_goodbye = True


def _expect(rehearsal: Rehearsal, step: Exchange) -> None:
    rehearsal.expect(step.expect)
    rehearsal.expect_others(step)


def _wait(rehearsal: Rehearsal, step: Wait) -> None:
    rehearsal.page.happen(f"wait {format_duration(step.seconds)}")


# Control verbs.


def _pipeline(rehearsal: Rehearsal, step: Pipeline) -> None:
    with rehearsal.page.inside("in one write:"):
        for one in step.steps:
            if isinstance(one, Send):
                _say(rehearsal, one)
            elif isinstance(one, Bytes | Bdat):
                _say_octets(rehearsal, one)
        for one in step.steps:
            rehearsal.expect(one.expect)
            rehearsal.expect_others(one)
            rehearsal.page.aside([f"because {one.because}"] if one.because else [])


def _group(rehearsal: Rehearsal, step: Group) -> None:
    before = rehearsal.group
    rehearsal.group = step.label
    rehearsal.run(step.steps)
    rehearsal.group = before


def _use(rehearsal: Rehearsal, step: Use) -> None:
    values = {name: rehearsal.scope.text(template) for name, template in step.parameters.items()}
    with rehearsal.scope.apart(values):
        _group(rehearsal, step)


def _repeat(rehearsal: Rehearsal, step: Repeat) -> None:
    values = [rehearsal.scope.text(template) for template in step.each]
    for number in range(1, min(step.count, MOST_ROUNDS) + 1):
        local = {step.variable: values[number - 1]} if values else {}
        value = f", {step.variable} = {rehearsal.scope.told(step.each[number - 1])}" if values else ""
        with (
            rehearsal.page.inside(f"round {number} of {step.count}{value}:"),
            rehearsal.scope.inside(local, "index", number),
        ):
            _group(rehearsal, step)
    if step.count > MOST_ROUNDS:
        rehearsal.page.head(f"… and {step.count - MOST_ROUNDS} more rounds")


def _retry(rehearsal: Rehearsal, step: Retry) -> None:
    every, lasting = format_duration(step.every), format_duration(step.lasting)
    with rehearsal.page.inside(f"every {every} for {lasting}, until it passes:"):
        _group(rehearsal, step)


SHOWN: dict[type[Step], Callable[[Rehearsal, Any], None]] = {
    Connect: _connect,
    Send: _send,
    Data: _data,
    Bdat: _octets,
    Bytes: _octets,
    Auth: _auth,
    StartTls: _start_tls,
    Handshake: _handshake,
    Hangup: _hangup,
    Exchange: _expect,
    Wait: _wait,
    Pipeline: _pipeline,
    Group: _group,
    Use: _use,
    Repeat: _repeat,
    Retry: _retry,
}
