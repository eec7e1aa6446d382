"""What the client sends, made as a run makes it and shown as a transcript shows it; with what is encoded in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from runner.dataclass import dataclass
from runner.language.body import Octets, Sample
from runner.language.template import Template, Value
from runner.language.values import format_duration
from runner.player.auth import BEST
from runner.player.bodies import head_of, joined, message, outgoing
from runner.player.filling import Line, encode_line, fill_line, fill_octets
from runner.player.writing import with_password
from runner.rehearsal.scope import RehearsalScope, is_open
from runner.transcript import Transcript, show_text

if TYPE_CHECKING:
    from runner.language.body import Body
    from runner.language.model import Auth, Bdat, Bytes, Data, Send
    from runner.protocol import Machine
    from runner.redaction import Redactor

# What is not written out in the scenario is shown up to this size, in octets.
MOST_OCTETS = 16 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """Lines to be shown, each with who says it, and remarks on the last of them."""

    lines: tuple[tuple[Literal["C", "S"], str], ...]
    remarks: tuple[str, ...] = ()


def _shown(line: Line, redactor: Redactor) -> tuple[tuple[Literal["C", "S"], str], ...]:
    """Return what goes out as a transcript shows it."""
    transcript = Transcript(redactor=redactor)
    transcript.sent(0.0, line.data, line.marks)
    return tuple(("C", one.text) for one in transcript.lines()) or (("C", ""),)


# Client lines.


def send_line(
    step: Send, machine: Machine, scope: RehearsalScope, redactor: Redactor, *, answers_challenge: bool
) -> Said:
    """Return a client line; a response of AUTH encoded, with what it is made of."""
    eol = b"\r\n" if step.literal is not None else step.eol
    if (response := _response(step, answers_challenge=answers_challenge)) is None:
        line = fill_line(step.line, scope, eol if step.literal is None else b"")
        if step.literal is not None:
            line = joined(line, _announcement(step, machine, scope, line))
        return Said(_shown(replace(line, marks=with_password(machine, line)), redactor))
    head = fill_line(step.line, scope) if step.response is not None else Line(b"")
    written = scope.told(response)
    remark = (f"base64 of {written}",)
    if is_open(written) and not scope.text(response).secrets:
        return Said(
            (("C", f"{show_text(head.data.decode('utf-8', 'replace'))}{_in_quotes(machine, written)}"),), remark
        )
    return Said(_shown(encode_line(machine, head, response, scope, eol=eol), redactor), remark)


def _response(step: Send, *, answers_challenge: bool) -> Template | None:
    """Return what of a line is encoded, if anything is."""
    if step.response is not None:
        return step.response
    answers = step.encode == "auto" and answers_challenge and not step.line.is_literal
    return step.line if answers or step.encode == "base64" else None


def _in_quotes(machine: Machine, written: str) -> str:
    """Return a response that can't be encoded yet: its text where its base64 will be."""
    return f"{machine.response_quote}⟨{show_text(written)}⟩{machine.response_quote}"


# Literals.


def _announcement(step: Send, machine: Machine, scope: RehearsalScope, line: Line) -> Line:
    assert step.literal is not None
    before = len(head_of(step.literal.body, scope, is_stuffed=False).data)
    size = before + step.literal.body.rest_size(before)
    mark = machine.literal_mark(size, is_sync=step.literal.is_sync)
    return Line((b"" if not line.data or line.data.endswith(b" ") else b" ") + mark + b"\r\n")


def literal_lines(step: Send, machine: Machine, scope: RehearsalScope, redactor: Redactor) -> Said:
    """Return the octets that end a line, after the go-ahead if the server is asked for one."""
    assert step.literal is not None
    head = head_of(step.literal.body, scope, is_stuffed=False)
    is_sync = not machine.literal_mark(1, is_sync=step.literal.is_sync).endswith(b"+}")
    asked: tuple[tuple[Literal["C", "S"], str], ...] = (("S", machine.challenge_code),) if is_sync else ()
    if step.literal.body.is_whole:
        return Said((*asked, *_shown(joined(head, Line(step.eol)), redactor)))
    rest, remarks = _rest(step.literal.body, len(head.data))
    return Said((*asked, *_shown(joined(head, *rest, Line(step.eol)), redactor)), remarks)


# Messages and octets.


def body_lines(step: Data, scope: RehearsalScope, redactor: Redactor) -> Said:
    """Return a message as it goes out: dots doubled, with its end."""
    rate = (f"at {step.rate} bytes a second",) if step.rate else ()
    head = head_of(step.body, scope, is_stuffed=step.is_stuffed)
    if _is_shown(step.body, len(head.data)):
        whole = message(step, scope)
        return Said(_shown(joined(whole.first, *whole.rest), redactor), rate)
    end = fill_octets(step.end, scope) if step.end is not None else Line(b".\r\n")
    _, remarks = _rest(step.body, len(head.data))
    shown = _shown(head, redactor) if head.data else ()
    return Said((*shown, *_shown(end, redactor)), (*(f"before its end: {one}" for one in remarks), *rate))


def octet_lines(step: Bytes | Bdat, scope: RehearsalScope, redactor: Redactor) -> Said:
    """Return octets as they go out, those of a BDAT with the command."""
    whole = outgoing(step, scope)
    pause = getattr(step, "pause", 0.0)
    slowly = (f"{format_duration(pause)} between one byte and the next",) if pause else ()
    rest, remarks = _rest(step.body, len(whole.first.data))
    return Said(_shown(joined(whole.first, *rest), redactor), (*remarks, *slowly))


def _is_shown(body: Body, before: int) -> bool:
    """Whether a body is written out: not a sample, which scanners would find in what is shown, and nothing large."""
    return body.is_whole or (isinstance(body, Octets) and body.rest_size(before) <= MOST_OCTETS)


def _rest(body: Body, before: int) -> tuple[Iterable[Line], tuple[str, ...]]:
    """Return the octets that follow a body's head, or in their place a remark on them."""
    if _is_shown(body, before):
        return [Line(data) for data in body.rest(before)], ()
    what = f"the sample '{body.name}', " if isinstance(body, Sample) else ""
    return (), (f"{what}{body.rest_size(before):,} octets more",)


# The verb `auth`.


def auth_lines(step: Auth, machine: Machine, scope: RehearsalScope) -> Said:
    """Return how an exchange begins; what follows depends on what the server says."""
    from runner.sasl import MECHANISMS  # noqa: PLC0415 -- hashes: only where a scenario uses auth

    name = scope.told(step.mechanism)
    parts = {part: scope.text(template) for part, template in step.parts.items()}
    told = ", ".join(f"{part} {scope.told(step.parts[part])}" for part in parts)
    remark: tuple[str, ...] = (f"the whole exchange, with {told}" if told else "the whole exchange",)
    if name.upper() in machine.own_mechanisms:
        response = f"⟨{name.upper()} response⟩"
        return Said((("C", f"{name.upper()} {_told(parts.get('username'))} {response}"),), remark)
    known = MECHANISMS.get(name.upper())
    head = _auth_head(machine, "…" if name.upper() == BEST else known.name if known else name)
    if name.upper() == BEST:
        remark = ("the strongest mechanism that is offered", *remark)
    begins = known is not None and known.client_first and step.initial and machine.takes_initial(0)
    secrets = "+".join(dict.fromkeys(one for value in parts.values() for one in value.secrets))
    shown = f"{machine.response_quote}⟨{secrets or f'{name} response'}⟩{machine.response_quote}"
    return Said((("C", f"{head} {shown}" if begins else head),), remark)


def _auth_head(machine: Machine, name: str) -> str:
    """Return the line that opens an exchange; a name that is no mechanism's may be known only in a conversation."""
    return machine.auth_head("MECHANISM").decode("ascii").replace("MECHANISM", show_text(name))


def _told(value: Value | None) -> str:
    return "" if value is None else show_text(value.text)
