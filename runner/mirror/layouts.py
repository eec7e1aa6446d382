"""How a reply's text, what it is to have besides, and capabilities are laid out in lines, by protocol.

Pure. `LAYOUTS` is the one registry. Each layout gives more than one order to choose from: which is right, the judge
knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from runner.matching.base import Pattern, TooLong
from runner.matching.expectation import Expectation
from runner.mirror.forms import Line, Octets, Spoken
from runner.mirror.letters import letter
from runner.mirror.offers import Offers
from runner.mirror.samples import NUMBERS, WORDS, texts
from runner.mirror.situation import Situation
from runner.protocol import Reply

FILLERS = {"imap": "* OK mirror", "sieve": '"mirror"'}
_SECTION = re.compile(
    r"\b((?:BODY(?:\.PEEK)?|BINARY(?:\.PEEK)?)\[[^\]]*\](?:<[0-9]+)?|RFC822(?:\.HEADER|\.TEXT)?)", re.IGNORECASE
)
_LISTED = re.compile(r"\.FIELDS \(([^)]*)\)", re.IGNORECASE)
_SIZED = re.compile(r"<([0-9]+)\Z")


def text_at(pattern: Pattern, variant: int, words: tuple[str, ...] = WORDS) -> tuple[str, ...]:
    """Return the text of a pattern that a variant chooses, or nothing."""
    found = texts(pattern, words)
    return found[variant % len(found) :][:1] if found else ()


def extras(wanted: Expectation) -> tuple[Pattern, ...]:
    """Return the patterns that want something in the reply beside its text."""
    captured = tuple(one.what for one in wanted.captures if isinstance(one.what, Pattern))
    return (*wanted.has, *captured)


def offered(wanted: Expectation, situation: Situation, code: str) -> Offers:
    """Return the capabilities that the reply shows; nothing where it shows none."""
    if situation.machine.is_refusal(Reply(code, [])) or not (situation.shows_capabilities or wanted.capabilities):
        return ()
    return situation.offers


def laid_out(
    wanted: Expectation, spoken: Spoken, shown: Offers, situation: Situation, variant: int
) -> Iterator[Spoken]:
    """Iterate over a reply with its other lines, in every order that may be right."""
    layout = LAYOUTS[situation.machine.name]
    yield from (_counted(wanted, one, situation) for one in layout(wanted, spoken, shown, situation, variant))


def _counted(wanted: Expectation, spoken: Spoken, situation: Situation) -> Spoken:
    """Fill a reply up to the number of lines that it is to have."""
    if wanted.lines is None:
        return spoken
    machine = situation.machine
    has = len(spoken.lines) + (machine.name != "tcp") + machine.line_count
    filler = FILLERS.get(machine.name, "mirror")
    missing = max(0, wanted.lines - has)
    if machine.name == "tcp":
        return replace(spoken, lines=(*(filler for _ in range(missing)), *spoken.lines))
    return replace(spoken, lines=(*spoken.lines, *(filler for _ in range(missing))))


def lines_for(wanted: Expectation, known: list[str], variant: int, words: tuple[str, ...] = WORDS) -> list[str]:
    """Return lines for what is wanted besides and is not in the lines that are there already."""
    lines: list[str] = []
    for pattern in extras(wanted):
        if not _is_in(pattern, [*known, *lines]):
            lines += [line for text in text_at(pattern, variant, words) for line in text.split("\n")]
    return lines


def _is_in(pattern: Pattern, lines: Iterable[str]) -> bool:
    try:
        return pattern.search_text("\n".join(lines)) is not None
    except TooLong:
        return False


def _layout_smtp(wanted: Expectation, spoken: Spoken, shown: Offers, _: Situation, variant: int) -> Iterator[Spoken]:
    capabilities = [" ".join(words) for words in shown]
    more = lines_for(wanted, [spoken.text, *capabilities], variant)
    if more and not capabilities:  # most replies have one line
        yield replace(spoken, text=" ".join([spoken.text, *more]).strip(" "))
    yield replace(spoken, lines=(*capabilities, *more))
    if more:
        yield replace(spoken, text=more[0], lines=(*capabilities, *more[1:], spoken.text))
        yield replace(spoken, lines=tuple(capabilities))


def _layout_pop3(
    wanted: Expectation, spoken: Spoken, shown: Offers, situation: Situation, variant: int
) -> Iterator[Spoken]:
    if not situation.has_end or spoken.code != "+OK":
        yield spoken
        return
    capabilities = [" ".join(words) for words in shown]
    body = (
        letter(wanted.message, variant).removesuffix("\n").split("\n") if wanted.message is not None else capabilities
    )
    head = " ".join(part for part in (spoken.code, spoken.text) if part)
    more = lines_for(wanted, [head, *body], variant)
    yield replace(spoken, lines=(*body, *more), has_end=True)
    if more:
        yield replace(spoken, lines=tuple(body), has_end=True)


def untagged_lines(wanted: Expectation, variant: int) -> Iterator[str]:
    """Iterate over untagged lines that are as wanted."""
    for pattern in wanted.untagged:
        yield from (f"* {text}" for text in text_at(pattern, variant, NUMBERS))


def _layout_imap(
    wanted: Expectation, spoken: Spoken, shown: Offers, situation: Situation, variant: int
) -> Iterator[Spoken]:
    lines: list[Line] = []
    if shown:
        listed = " ".join(["CAPABILITY", "IMAP4rev1", *imap_words(shown)])
        if situation.to == "greeting":
            spoken = replace(spoken, text=f"[{listed}] {spoken.text}".rstrip(" "))
        else:
            lines.append(f"* {listed}")
    if wanted.message is not None:
        lines.append(_fetched(wanted, situation.command, variant))
    known = [_flat(line) for line in lines]
    bare = [line.removeprefix("* ") for line in known]
    for pattern in wanted.untagged:
        if not any(_line_fits(pattern, line) for line in bare):
            found = [f"* {text}" for text in text_at(pattern, variant, NUMBERS)]
            lines += found
            bare += [line.removeprefix("* ") for line in found]
    known = [_flat(line) for line in lines]
    more = lines_for(wanted, [*known, f"{spoken.code} {spoken.text}"], variant, NUMBERS)
    ordered: list[list[Line]] = [
        [line if line.startswith("* ") else f"* {line}" for line in more],
        [Octets("* 1 FETCH (BODY[] ", "\n".join(more) + "\n", ")")] if more else [],
        [],
    ]
    for one in ordered if more else ordered[:1]:
        bye: list[Line] = ["* BYE"] if situation.to == "LOGOUT" and spoken.code == "OK" else []
        yield replace(spoken, lines=(*lines, *one, *bye))


def _line_fits(pattern: Pattern, line: str) -> bool:
    try:
        return pattern.match_line(line) is not None
    except TooLong:
        return False


def _flat(line: Line) -> str:
    return line if isinstance(line, str) else f"{line.before}\n{line.text}{line.after}"


def imap_words(shown: Offers) -> Iterator[str]:
    """Iterate over capabilities as IMAP writes them: those with parameters as `NAME=VALUE`, one for each."""
    for name, *values in shown:
        yield from (f"{name}={value}" for value in values) if values else (name,)


def _fetched(wanted: Expectation, command: str, variant: int) -> Octets:
    """Return the line of FETCH data that the client has asked for."""
    assert wanted.message is not None
    section = _SECTION.search(command)
    name = section[1].upper().replace(".PEEK", "") if section is not None else "BODY[]"
    name = _SIZED.sub(r"<\1>", name)
    uid = "UID 1 " if re.search(r"\bUID\b", command, re.IGNORECASE) else ""
    text = letter(wanted.message, variant)
    head, _, body = text.partition("\n\n")
    if (listed := _LISTED.search(name)) is not None:
        fields = listed[1].upper().split()
        head = "\n".join(line for line in head.split("\n") if line.partition(":")[0].upper() in fields)
    if "HEADER" in name or "MIME" in name:
        text = f"{head}\n\n"
    elif "TEXT" in name:
        text = body
    return Octets(f"* 1 FETCH ({uid}FLAGS (\\Seen) {name} ", text, ")")


def _layout_sieve(wanted: Expectation, spoken: Spoken, shown: Offers, _: Situation, variant: int) -> Iterator[Spoken]:
    capabilities: list[str] = [as_strings(words) for words in shown]
    more = lines_for(wanted, [*capabilities, f"{spoken.code} {spoken.text}"], variant)
    yield replace(spoken, lines=(*capabilities, *more))
    if more:
        yield replace(spoken, lines=(*capabilities, Octets("", "\n".join(more) + "\n")))
        yield replace(spoken, lines=(*capabilities, Octets("", "\n".join(more))))
        yield replace(spoken, lines=tuple(capabilities))


def as_strings(words: tuple[str, ...]) -> str:
    """Return a capability as ManageSieve writes it."""
    name, *values = words
    return f'"{name}" "{" ".join(values)}"' if values else f'"{name}"'


def _layout_tcp(
    wanted: Expectation, spoken: Spoken, _: Offers, _situation: Situation, variant: int
) -> Iterator[Spoken]:
    """Lay out lines; the last one is to end the reply where the step says how that is told."""
    more = lines_for(wanted, [spoken.text], variant)
    orders = [[*more, spoken.text], [spoken.text, *more], [spoken.text]]
    until = wanted.until
    for lines in orders:
        yield replace(spoken, lines=tuple(lines), text="")
        if until is not None and until.pattern is not None:
            for end in texts(until.pattern)[:3]:
                yield replace(spoken, lines=(*lines, end), text="")
        elif until is not None and not until.silence:
            filled = ["mirror"] * max(0, until.lines - len(lines))
            yield replace(spoken, lines=(*lines, *filled), text="")


LAYOUTS: dict[str, Callable[..., Iterator[Spoken]]] = {
    "smtp": _layout_smtp,
    "lmtp": _layout_smtp,
    "pop3": _layout_pop3,
    "imap": _layout_imap,
    "sieve": _layout_sieve,
    "tcp": _layout_tcp,
}
