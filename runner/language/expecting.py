"""The keys that judge a reply: `expect` and what may stand beside it, made into one Expectation."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

from runner.language.loader import Mapping, Node, Scalar, Sequence
from runner.language.reading import items, pairs, texts
from runner.language.short_form import read_literal
from runner.language.values import parse_size
from runner.language.vocabulary import EXPECTING, sole_verb
from runner.matching.expectation import (
    Alternative,
    Block,
    CapabilityWish,
    Capture,
    Comparison,
    Expectation,
    Given,
    Short,
    Until,
    Word,
    either,
)
from runner.matching.partial import LineExpectation
from runner.matching.recipients import EachRecipient, address_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.errors import Span
    from runner.language.reading import Reading
    from runner.language.template import Template
    from runner.matching.message import MessageExpectation
    from runner.matching.pattern import Pattern
    from runner.protocol import Machine

_COMPARISON = re.compile(r"(>=|<=|>|<|=) *([^<>= ].*)")
#: Keys that judge a reply and so want an expect (or a verb that demands success by itself).
JUDGING_KEYS = (
    *("for", "has", "lacks", "lines", "capabilities", "within", "capture"),
    *("untagged", "until", "message", "severity"),
)
#: Those of them that only a reply can have.
_JUDGING_REPLIES = ("has", "lacks", "lines", "capabilities", "capture", "untagged", "until", "message")
#: Those of them that go with the keys that read something else than one whole reply.
_ALWAYS_JUDGING = ("within", "severity")
_OTHERS = ("expect_each", "expect_line")
# What untagged lines of IMAP begin with that is no number (RFC 9051 section 7); so begins no glob that means any text.
_UNTAGGED_WORDS = frozenset(
    "OK NO BAD BYE PREAUTH ENABLED CAPABILITY LIST LSUB NAMESPACE STATUS SEARCH ESEARCH FLAGS QUOTA QUOTAROOT ID "
    "SORT THREAD ACL VANISHED METADATA".split()
)


def compile_expectation(
    reading: Reading, step: Mapping, *, default: str = "", with_connect_words: bool = False
) -> Expectation | None:
    """Return what a step asks of its reply; None if it asks nothing.

    `default` is the code that a verb demands where the author wrote no `expect`.
    """
    node = step.get("expect")
    if node is None and not default:
        _refuse_judging(reading, step)
        return None
    asks_more = not step.items.keys().isdisjoint(JUDGING_KEYS)
    if not asks_more and isinstance(node, Scalar):
        usual = _usual(reading.machine, node.text, with_connect_words=with_connect_words)
        if usual is not None:
            return usual
    alternatives: tuple[Alternative, ...] = (Short(default),)
    if node is not None:
        alternatives = reading.alternatives(node, with_connect_words=with_connect_words)
        _note_groups(reading, _texts_of(alternatives), node.span)
        _refuse_long_blocks(reading, step, alternatives)
    if not asks_more and Word.SILENCE not in alternatives and Word.UNTAGGED not in alternatives:
        return Expectation(alternatives)
    _refuse_beside_words(reading, step, alternatives)
    has, lacks = reading.patterns(step.get("has")), reading.patterns(step.get("lacks"))
    untagged = _untagged(reading, step, alternatives)
    captures = _captures(reading, step.get("capture"))
    for key, patterns in (("has", has), ("untagged", untagged)):
        if patterns:
            _note_groups(reading, patterns, step.items[key][1].span)
    return Expectation(
        alternatives=alternatives,
        has=has,
        lacks=lacks,
        lines=_lines(reading, step.get("lines")),
        capabilities=_capabilities(reading, step.get("capabilities")),
        within=reading.duration(step.get("within")),
        captures=captures,
        silence=_silence(reading, step, alternatives),
        is_warning=reading.text(step.get("severity")) == "warning",
        untagged=untagged,
        message=_message(reading, step),
        until=_until(reading, step.get("until")),
    )


def _untagged(reading: Reading, step: Mapping, alternatives: tuple[Alternative, ...]) -> tuple[Pattern, ...]:
    """Return what untagged lines are to be; `expect: untagged` waits for them and for nothing else."""
    node = step.get("untagged")
    if Word.UNTAGGED in alternatives:
        place = step.items["expect"][1].span
        if len(alternatives) > 1:
            reading.fail(place, "'untagged' beside other replies", "a step that waits for untagged data has no other")
        elif node is None:
            reading.fail(place, "untagged data: which?", "add what is to come, such as untagged: '* EXISTS'")
    patterns = reading.patterns(node)
    for item, pattern in zip(items(node), patterns, strict=False):
        if str(pattern).startswith("* ") and isinstance(item, Scalar) and item.text.startswith("* "):
            rest = item.text[2:]
            word, advice = rest.split(" ")[0], f"leave out '* ' in front: {rest}"
            if word in _UNTAGGED_WORDS:
                advice = f"{advice}; for any text before it, write '*{rest}'"
            if word in _UNTAGGED_WORDS or word.isdigit():
                reading.fail(item.span, "'untagged' is judged without the '* ' that IMAP puts before it", advice)
    return patterns


def _refuse_long_blocks(reading: Reading, step: Mapping, alternatives: tuple[Alternative, ...]) -> None:
    """Tell a block of several lines where a reply is one line unless `until` says otherwise."""
    if reading.machine.knows_ends or "until" in step.items:
        return
    for one in alternatives:
        if isinstance(one, Block) and len(one.lines) > 1:
            message = f"a reply of {reading.machine.name} is one line, and this block has {len(one.lines)}"
            is_open = any(line.text is None for line in one.lines)
            advice = (
                "add until: and a regex for its last line" if is_open else f"add until: {{lines: {len(one.lines)}}}"
            )
            reading.fail(step.items["expect"][1].span, message, advice)


def _message(reading: Reading, step: Mapping) -> MessageExpectation | None:
    if "message" not in step.items:
        return None
    from runner.language.message import compile_message  # noqa: PLC0415 -- few scenarios look into a message

    return compile_message(reading, step)


def _until(reading: Reading, node: Node | None) -> Until | None:
    """Return how a reply of a protocol ends that has no rule for it."""
    if isinstance(node, Mapping):
        lines, silence = reading.count(node.get("lines")), reading.duration(node.get("silence"))
        for key, value in (("lines", lines), ("silence", silence)):
            if key in node.items and value is not None and not value:
                reading.fail(node.items[key][1].span, f"'{key}' of nothing ends no reply", "write 1 or more")
        return Until(lines=lines or 0, silence=silence or 0.0)
    pattern = reading.pattern(node)
    if pattern is None or node is None:
        return None
    if not pattern.is_regex:
        advice = "write until: /^END/, {lines: 3} or {silence: 2s}"
        reading.fail(node.span, f"'{reading.text(node)}' is no regex", advice)
    return Until(pattern, lines=0)


def _refuse_judging(reading: Reading, step: Mapping) -> None:
    """Tell the keys that have nothing to judge in a step without an `expect`."""
    other = next((key for key in _OTHERS if key in step.items), "")
    if other and sole_verb(step) in EXPECTING:
        return  # alone, its schema has told what can't stand beside it
    for key in JUDGING_KEYS:
        if (item := step.items.get(key)) is None or (other and key in _ALWAYS_JUDGING):
            continue
        if other:
            advice = f"beside '{other}' stand {' and '.join(_ALWAYS_JUDGING)}"
            reading.fail(item[0].span, f"'{key}' judges the reply that 'expect' reads", advice)
        else:
            advice = "add expect: silence" if key == "for" else "add expect:"
            reading.fail(item[0].span, f"'{key}' judges a reply, and this step expects none", advice)


def _refuse_beside_words(reading: Reading, step: Mapping, alternatives: tuple[Alternative, ...]) -> None:
    """Tell the keys that judge a reply where none is expected: they would never be judged."""
    if not alternatives or any(not isinstance(one, Word) or one is Word.ANY for one in alternatives):
        return
    words = either(alternatives)
    for key in _JUDGING_REPLIES:
        if key == "untagged" and Word.UNTAGGED in alternatives:
            continue
        if (item := step.items.get(key)) is not None:
            reading.fail(item[0].span, f"'{key}' judges a reply, and '{words}' is none", f"leave '{key}' out")
    if (item := step.items.get("within")) is not None and set(alternatives) == {Word.SILENCE}:
        reading.fail(
            item[0].span, "'within' says how soon something comes, and 'silence' is nothing", "use 'for' alone"
        )


def compile_each(reading: Reading, step: Mapping) -> EachRecipient | None:
    """Return what a step asks of the replies of all accepted recipients; None if it asks nothing."""
    node = step.get("expect_each")
    if node is None or not _is_alone(reading, step, "expect_each"):
        return None
    within, is_warning = reading.duration(step.get("within")), reading.text(step.get("severity")) == "warning"
    values = [value for _, value in pairs(node)] if isinstance(node, Mapping) else list(items(node))
    forms = [
        Expectation(alternatives, within=within, is_warning=is_warning)
        for value in values
        if (alternatives := _form_of_each(reading, value))
    ]
    addresses = [_address(reading, key) for key, _ in pairs(node)]
    if not forms or len(forms) < len(values) or None in addresses:
        return None
    return EachRecipient(tuple(forms), tuple(address_source(one.parts) for one in addresses if one is not None))


def _form_of_each(reading: Reading, node: Node) -> tuple[Alternative, ...]:
    alternatives = reading.alternatives(node)
    if Word.SILENCE in alternatives:
        reading.fail(node.span, "'silence' is no reply for a recipient", "write a code such as 250, any or close")
    _note_groups(reading, _texts_of(alternatives), node.span)
    return alternatives


def _address(reading: Reading, key: Scalar) -> Template | None:
    template = reading.template(key)
    if template is not None and (key.text.startswith("<") or key.text.endswith(">")):
        reading.fail(key.span, f"'{key.text}' is no address as it is meant here", f"write {key.text.strip('<>')}")
        return None
    return template


def compile_line(reading: Reading, step: Mapping) -> LineExpectation | None:
    """Return what a step asks of the next line of a reply; None if it asks nothing."""
    node = step.get("expect_line")
    if node is None or not _is_alone(reading, step, "expect_line"):
        return None
    pattern = reading.pattern(node)
    if pattern is None:
        return None
    _note_groups(reading, (pattern,), node.span)
    return LineExpectation(
        pattern,
        within=reading.duration(step.get("within")),
        is_warning=reading.text(step.get("severity")) == "warning",
    )


def _is_alone(reading: Reading, step: Mapping, key: str) -> bool:
    """Whether a step reads nothing else; tell what else it reads."""
    others = [other for other in EXPECTING if other != key and other in step.items]
    for other in others if sole_verb(step) not in EXPECTING else ():
        message = f"'{key}' and '{other}' in one step"
        reading.fail(step.items[key][0].span, message, "a step reads one of them; make the other a step of its own")
    return not others


@lru_cache(maxsize=1024)
def _usual(machine: type[Machine], text: str, *, with_connect_words: bool) -> Expectation | None:
    """Return what a text without placeholders asks for when it stands alone; shared by all that say the same.

    None where more is to be done: something is wrong with it, it sets variables, it wants a key beside it.
    """
    one = read_literal(machine, text, with_connect_words=with_connect_words)
    if one in (None, Word.SILENCE, Word.UNTAGGED) or (isinstance(one, Block) and not machine.knows_ends):
        return None
    if any(pattern.groups for pattern in _texts_of((one,))):
        return None
    return Expectation((one,))


def expectation_of(reading: Reading, alternative: Alternative, span: Span) -> Expectation:
    """Return an expectation that asks for one alternative and nothing else; `span` is where it is written."""
    _note_groups(reading, _texts_of((alternative,)), span)
    return Expectation((alternative,))


def _note_groups(reading: Reading, patterns: Iterable[Pattern], span: Span) -> None:
    """A regex's named groups become variables."""
    for pattern in patterns:
        for name in pattern.groups:
            reading.capture(name, span)


def _texts_of(alternatives: tuple[Alternative, ...]) -> list[Pattern]:
    found: list[Pattern] = []
    for one in alternatives:
        if isinstance(one, Block):
            found += [line.text for line in one.lines if line.text is not None]
        elif isinstance(one, (Short, Given)) and one.text is not None:
            found.append(one.text)
    return found


def _silence(reading: Reading, step: Mapping, alternatives: tuple[Alternative, ...]) -> float | None:
    wants, item = Word.SILENCE in alternatives, step.items.get("for")
    if wants and item is None:
        reading.fail(step.items["expect"][1].span, "'silence' for how long?", "add for: 2s")
    elif item is not None and alternatives and not wants:
        advice = "write expect: silence; how long a step may take is 'timeout'"
        reading.fail(item[0].span, "'for' goes with expect: silence", advice)
    return reading.duration(step.get("for"))


def _lines(reading: Reading, node: Node | None) -> int | None:
    count = reading.count(node)
    if node is not None and count == 0:
        reading.fail(node.span, "a reply has at least one line", "write lines: 1 or more; no reply is expect: silence")
    return count


def refuse_unasked(reading: Reading, step: Mapping, expectation: Expectation | None) -> None:
    """Tell an `expect` for the reply of what asks for none by `replies: 0`."""
    item = step.items.get("replies")
    if item is None or expectation is None or reading.text(item[1]).strip("0") or not reading.text(item[1]):
        return
    if all(one not in (Word.SILENCE, Word.CLOSE) for one in expectation.alternatives):
        advice = "leave one of them out; what an earlier line asked for is read by a step of its own"
        reading.fail(item[0].span, "'replies: 0' asks for no reply, and 'expect' for one", advice)


def _captures(reading: Reading, node: Node | None) -> tuple[Capture, ...]:
    found = []
    for key, value in pairs(node):
        reading.capture(key.text, key.span)
        text = reading.text(value)
        if text in ("code", "status") and not reading.machine.has_codes:
            reading.fail(value.span, f"a reply of {reading.machine.name} has no {text}", "capture text or a /regex/")
        elif text in ("code", "status", "text"):
            found.append(Capture(key.text, cast(Literal["code", "status", "text"], text)))
        elif text.startswith("/"):
            if (pattern := reading.pattern(value)) is not None:
                _note_groups(reading, (pattern,), value.span)
                found.append(Capture(key.text, pattern))
        elif text and isinstance(value, Scalar):
            reading.fail(value.span, f"'{text}' can't be captured", "capture code, status, text or a /regex/")
    return tuple(found)


def _capabilities(reading: Reading, node: Node | None) -> tuple[CapabilityWish, ...]:
    if isinstance(node, Mapping):
        found = [_wish(reading, key, value) for key, value in pairs(node)]
        return tuple(wish for wish in found if wish is not None)
    if not isinstance(node, Sequence):
        return ()  # the schema check has told it
    return tuple(CapabilityWish(_capability(reading, item)) for item in node.items if isinstance(item, Scalar))


def _capability(reading: Reading, scalar: Scalar) -> str:
    """Return a capability's name as the machines keep it."""
    name, blank, parameters = _literal(reading, scalar).partition(" ")
    if blank:
        advice = f"what it must offer stands beside its name: {{{name}: [{', '.join(parameters.split())}]}}"
        reading.fail(scalar.span, f"'{scalar.text}' is no name of a capability", advice)
    return name.upper()


def _literal(reading: Reading, scalar: Scalar) -> str:
    if "${" in scalar.text:
        reading.fail(scalar.span, "no placeholder can stand in capabilities", "write the name and parameters out")
        return ""
    return scalar.text


def _wish(reading: Reading, key: Scalar, value: Node) -> CapabilityWish | None:
    name = _capability(reading, key)
    if isinstance(value, Sequence):
        return CapabilityWish(name, "at least", _parameters(reading, value))
    if isinstance(value, Mapping):
        for asks, wanted in pairs(value):
            if asks.text in ("exactly", "lacks"):
                return CapabilityWish(name, cast(Comparison, asks.text), _parameters(reading, wanted))
        return None
    if value.text in ("required", "absent"):
        return CapabilityWish(name, cast(Comparison, value.text))
    return _comparison(reading, name, value)


def _parameters(reading: Reading, node: Node) -> tuple[str, ...]:
    for item in items(node):
        if isinstance(item, Scalar):
            _literal(reading, item)
    return texts(node)


def _comparison(reading: Reading, name: str, value: Scalar) -> CapabilityWish | None:
    text = _literal(reading, value)
    if not text:
        return None  # an empty one the schema check has told
    match = _COMPARISON.fullmatch(text)
    if match is None:
        advice = (
            "required, absent, [parameters], {exactly: […]}, {lacks: […]} or a size such as '>= 10MB'; "
            f"as a parameter: [{value.text}]"
        )
        reading.fail(value.span, f"'{value.text}' says nothing about {name}", advice)
        return None
    try:
        size = parse_size(match[2])
    except ValueError as error:
        reading.fail(value.span, str(error))
        return None
    return CapabilityWish(name, cast(Comparison, match[1]), (match[2],), size)
