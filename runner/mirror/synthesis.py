"""What a step expects, as a reply that a server could give: made from its parts, and judged before it is said.

Pure. The judge is the very one of a run: the reply is read by a copy of the session's protocol machine and judged by
`matching`. What no text is found for is an error of the scenario's mirror, never a reply that doesn't fit.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from runner.matching.base import Pattern, TooLong
from runner.matching.expectation import Alternative, Block, Expectation, Short, Word
from runner.matching.judging import judge
from runner.mirror.blocks import of_block
from runner.mirror.forms import Spoken, Writing, as_text, written
from runner.mirror.layouts import extras, laid_out, offered, text_at, untagged_lines
from runner.mirror.samples import HOST, texts
from runner.mirror.situation import Situation, concrete_code, tag_of, twin, usual_code
from runner.protocol import Machine, Malformed, Reply, Torn, decode
from runner.protocol.base import LineReply

# So many texts of each pattern are tried, together.
MOST_VARIANTS = 8
# What a server says that is asked for nothing in particular, by what the reply answers.
_TEXTS = {
    "greeting": f"{HOST} ready",
    "EHLO": HOST,
    "LHLO": HOST,
    "HELO": HOST,
    "DATA": "go ahead, end with a dot",
    "message": "queued",
    "QUIT": "bye",
    "LOGOUT": "bye",
}
_TEXT = "done"
_TIMESTAMP = f"<1896.697170952@{HOST}>"


class CantSayError(Exception):
    """No reply is found that a step would take; the text says of what."""


def synthesize(wanted: Expectation, situation: Situation) -> Spoken | Word:
    """Return a reply that is as wanted, or what comes in its place: the first alternative that a server can say.

    Of several the one is chosen after which most steps run.

    Raises:
        CantSayError: no reply is found.
    """
    best: Spoken | Word | None = None
    most = -1
    for one in wanted.alternatives:
        found = _first(wanted, one, situation)
        if found is None:
            continue
        spoken, got = found
        score = situation.prefers(got)
        if score > most:
            best, most = spoken, score
    if best is None:
        raise CantSayError(f"no text is found that fits {_shown(wanted)}")
    return best


def _shown(wanted: Expectation) -> str:
    more = [f"has {pattern}" for pattern in wanted.has] + [f"lacks {pattern}" for pattern in wanted.lacks]
    more += [f"{wanted.lines} lines"] if wanted.lines is not None else []
    more += [str(wish) for wish in wanted.capabilities]
    more += [f"capture {one.what}" for one in wanted.captures]
    return "; ".join([str(wanted).replace("\n", " ⏎ "), *more])


def _first(wanted: Expectation, one: Alternative, situation: Situation) -> tuple[Spoken | Word, Reply | Word] | None:
    if one is Word.UNTAGGED:
        return Spoken("", lines=tuple(untagged_lines(wanted, 0)), is_whole=False), Word.UNTAGGED
    if isinstance(one, Word) and one is not Word.ANY:
        return None if one is Word.TIMEOUT else (one, one)
    for spoken in _candidates(wanted, one, situation):
        reply = accepted(wanted, spoken, situation)
        if reply is not None:
            return spoken, reply
    return None


def usual(situation: Situation) -> Spoken:
    """Return what a server says to whom it grants everything."""
    code = usual_code(situation)
    return next(_candidates(Expectation((Short(code),)), Short(code), situation))


def refusal(protocol: str, code: str, text: str) -> Spoken:
    """Return a plain reply with a code and a text."""
    return Spoken(code, lines=(f"{code} {text}".strip(),)) if protocol == "tcp" else Spoken(code, text)


# Judging.


def accepted(wanted: Expectation, spoken: Spoken, situation: Situation) -> Reply | None:
    """Return the reply that the client's side makes of what is said, if it is all that is wanted."""
    probe = twin(situation.machine)
    probe.receive(written(probe.name, spoken, Writing(tag_of(situation.machine))))
    reply = _read(wanted, probe)
    if reply is None or probe.pending:
        return None
    capabilities = probe.capabilities
    if wanted.capabilities and capabilities is None:
        return None
    try:
        messages = probe.fetched(reply) if wanted.message is not None else ()
        judgement = judge(wanted, reply, capabilities, 0.0, messages)
    except TooLong:
        return None
    return None if judgement.mismatches or judgement.is_wrong_code else reply


def _read(wanted: Expectation, probe: Machine) -> Reply | None:
    """Read what was said; where the step says where a reply ends, to there and no further."""
    events = []
    while (event := probe.next()) is not None:
        events.append(event)
    # A greeting that is given up is followed by the reply that is meant.
    if any(isinstance(event, Malformed) and not isinstance(event, Torn) for event in events):
        return None
    replies = [event for event in events if isinstance(event, Reply)]
    if not replies:
        return None
    if probe.knows_ends or wanted.until is None:
        return replies[0] if len(replies) == 1 else None
    lines = [line for reply in replies for line in reply.lines]
    if _ends(wanted, lines) != len(lines):
        return None
    return LineReply("", lines, replies[0].owed)


def _ends(wanted: Expectation, lines: list[bytes]) -> int:
    """Return how many lines make a reply that says its end by `until`, -1 if it has none."""
    until = wanted.until
    assert until is not None
    if until.pattern is not None:
        fitting = (at for at, line in enumerate(lines, 1) if until.pattern.match_line(decode(line)) is not None)
        return next(fitting, -1)
    return len(lines) if until.silence else until.lines


# Candidates.


def _candidates(wanted: Expectation, one: Alternative, situation: Situation) -> Iterator[Spoken]:
    """Iterate over replies that may be as wanted."""
    assert not isinstance(one, Word) or one is Word.ANY
    for variant in range(MOST_VARIANTS):
        if isinstance(one, Block):
            yield from of_block(wanted, one, situation, variant)
        else:
            yield from _of_short(wanted, one, situation, variant)


def _of_short(wanted: Expectation, one: Alternative, situation: Situation, variant: int) -> Iterator[Spoken]:
    short = one if isinstance(one, Short) else Short(usual_code(situation))
    code = concrete_code(short.code, situation)
    heads = list(_heads(wanted, short, code, situation, variant))
    shown = offered(wanted, situation, code)
    for head in heads:
        yield from laid_out(wanted, Spoken(code, head), shown, situation, variant)


def _heads(wanted: Expectation, short: Short, code: str, situation: Situation, variant: int) -> Iterator[str]:
    """Iterate over what stands behind the code."""
    status = _status(wanted, short, code, situation)
    if short.text is None:
        usual_text = "" if code == situation.machine.challenge_code and situation.machine.in_auth else _said(situation)
        for text in (usual_text, "", "x", *_all(wanted, variant)):
            yield _with_status(status, text)
        return
    for text in text_at(short.text, variant):
        for filled in (text, *_filled(short.text, wanted, variant)):
            yield _with_status(status, filled)
            if situation.machine.in_auth and code == situation.machine.challenge_code:
                yield _as_challenge(filled)


def _as_challenge(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _said(situation: Situation) -> str:
    text = _TEXTS.get(situation.to, _TEXT)
    if situation.to == "greeting" and situation.machine.own_mechanisms:
        text = f"{text} {_TIMESTAMP}"  # what APOP wants
    return as_text(situation.machine.name, text)


def _with_status(status: str, text: str) -> str:
    return " ".join(part for part in (status, text) if part)


def _status(wanted: Expectation, short: Short, code: str, situation: Situation) -> str:
    """Return a status that fits the one that is asked for; any where only a capture wants one."""
    is_taken = any(one.what == "status" for one in wanted.captures)
    if not short.status:
        if not is_taken:
            return ""
        kinds = {"pop3": "[SYS/TEMP]", "imap": "[ALERT]", "sieve": "(WARNINGS)"}
        return kinds.get(situation.machine.name, f"{code[:1]}.0.0")
    if short.status[:1] in ("[", "("):
        return short.status.replace("*", "1")
    parts = [part if part not in ("x", "*") else "0" for part in short.status.split(".")]
    if parts[0] == "0" or code[:1] in "245":
        parts[0] = code[:1] if code[:1] in "245" else "2"
    return ".".join([*parts, "0", "0"][:3])


def _all(wanted: Expectation, variant: int) -> Iterator[str]:
    """Iterate over one text in which all that is wanted besides stands in a row."""
    samples = [text for pattern in extras(wanted) for text in text_at(pattern, variant)]
    if samples:
        yield " ".join(samples)
        yield from samples


def _filled(pattern: Pattern, wanted: Expectation, variant: int) -> Iterator[str]:
    """Iterate over texts of a pattern with what is wanted besides in the place of its stars."""
    for text in _all(wanted, variant):
        yield from texts(pattern, (text,))[:1]
