"""Verbs that hold other steps: `steps`, `talk`, `pipeline`."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Names
from contextlib import nullcontext
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, cast

from runner.dataclass import dataclass
from runner.language.auth_state import AuthState
from runner.language.loader import Mapping, Node, Scalar
from runner.language.model import Exchange, Group, Pipeline, Repeat, Retry, Send, Step
from runner.language.reading import items
from runner.language.talk import compile_talk
from runner.language.verbs.compiler import VERBS, StepCompiler

if TYPE_CHECKING:
    from runner.errors import Span
    from runner.language.reading import Reading
    from runner.language.template import Template

# Rounds of one repeat: a day's worth of conversations, and a bound for what a slip may ask for.
MAX_ROUNDS = 10_000
# Seconds; without any pause a retry would be a flood.
SHORTEST_PAUSE = 0.01


def pipeline(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `pipeline`, whose lines leave in one write."""
    common = compiler.common(node, "pipeline")
    before = compiler.auth
    inner: list[Exchange] = []
    compiler.in_pipeline = True
    with compiler.within(node, common):
        for item in items(node.get("pipeline")):
            step = _pipelined(compiler, item) if isinstance(item, Mapping) else None
            if step is not None:
                inner.append(step)
    compiler.in_pipeline = False
    if compiler.auth is not before:
        # Which reply answers the AUTH line is known where it is the last of the pipeline.
        last = inner[-1] if inner else None
        is_last = isinstance(last, Send) and compiler.reading.machine.auth_command.match(last.line.flat) is not None
        compiler.auth = AuthState.SENT if is_last else AuthState.UNKNOWN
        if is_last and last is not None:
            compiler.after(last)
    return Pipeline(**common, steps=tuple(inner))


def _pipelined(compiler: StepCompiler, node: Mapping) -> Exchange | None:
    for verb in VERBS:
        if verb in node.items and verb not in ("send", "bytes", "bdat", "expect"):
            span, advice = node.items[verb][0].span, "a pipeline holds send, bytes, bdat and expect"
            compiler.reading.fail(span, f"'{verb}' can't be in a pipeline", advice)
            return None
    if (when := node.items.get("when")) is not None:
        compiler.reading.fail(when[0].span, "'when' can't stand inside a pipeline", "put it on the pipeline")
    if (session := node.items.get("session")) is not None:
        compiler.reading.fail(session[0].span, "'session' can't stand inside a pipeline", "put it on the pipeline")
    return cast("Exchange | None", compiler.step(node))


def group(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `steps`, with `when` and `else`, `repeat` or `retry`."""
    loop = _loop(compiler.reading, node)
    common = compiler.common(node, loop.label if loop else "steps")
    before = compiler.auth
    with compiler.within(node, common):
        with compiler.reading.local(loop.names, loop.counter) if loop else nullcontext():
            steps = compiler.steps(node.get("steps"))
        if loop:
            compiler.may_be_skipped(before)
        after = compiler.auth
        compiler.auth = before
        otherwise = compiler.steps(node.get("else"))
    if "when" in node.items:
        compiler.may_be_skipped(after)
    else:
        compiler.auth = after
        if "else" in node.items:
            compiler.reading.fail(node.items["else"][0].span, "'else' without a 'when'", "add when: …")
    return (loop.make if loop else Group)(**common, steps=steps, otherwise=otherwise)


@dataclass(frozen=True, slots=True)
class _Loop:
    """What makes a group run more than once: the step that it is, and the names that are known inside."""

    label: str
    make: Callable[..., Group]
    counter: str
    names: Names[str, Span] = field(default_factory=dict)


def _loop(reading: Reading, node: Mapping) -> _Loop | None:
    keep_going = reading.boolean(node.get("keep_going")) is True
    if "repeat" in node.items:
        if "retry" in node.items:
            span, advice = node.items["retry"][0].span, "put a group with one into a group with the other"
            reading.fail(span, "'repeat' and 'retry' in one step", advice)
        return _repeat(reading, node.items["repeat"][1], keep_going=keep_going)
    if "keep_going" in node.items:
        reading.fail(node.items["keep_going"][0].span, "'keep_going' without a 'repeat'", "add repeat: …")
    return _retry(reading, node.get("retry")) if "retry" in node.items else None


def _repeat(reading: Reading, value: Node, *, keep_going: bool) -> _Loop | None:
    if not isinstance(value, Mapping):
        count = reading.count(value) or 0
        _check_rounds(reading, value, count)
        return _Loop(f"repeat {count} times", partial(Repeat, count=count, keep_going=keep_going), "index")
    values = value.get("each")
    each = tuple(template for item in items(values) if (template := _value(reading, item)) is not None)
    variable = value.get("as")
    name = reading.text(variable)
    if values is not None:
        _check_rounds(reading, values, len(each))
    make = partial(Repeat, count=len(each), variable=name, each=each, keep_going=keep_going)
    names = {name: variable.span} if variable is not None and name else {}
    return _Loop(f"repeat for each {name}", make, "index", names)


def _value(reading: Reading, node: Node) -> Template | None:
    return reading.template(node) if isinstance(node, Scalar) else None


def _check_rounds(reading: Reading, node: Node, count: int) -> None:
    if count > MAX_ROUNDS:
        reading.fail(node.span, f"{count:,} rounds", f"at most {MAX_ROUNDS:,}")
    elif isinstance(node, Scalar) and not count and node.text.isdigit():
        reading.fail(node.span, "a repeat without a round would test nothing", "repeat: 1 or more")


def _retry(reading: Reading, node: Node | None) -> _Loop | None:
    if not isinstance(node, Mapping):
        return None
    every, lasting = reading.duration(node.get("every")), reading.duration(node.get("for"))
    if every is not None and every < SHORTEST_PAUSE:
        span = node.items["every"][1].span
        reading.fail(span, "no pause between two attempts", f"at least {SHORTEST_PAUSE * 1000:g}ms")
    if every is not None and lasting is not None and every > lasting:
        span, longest = node.items["every"][1].span, reading.text(node.get("for"))
        reading.fail(
            span, f"a pause longer than all attempts together, {longest}", "a longer 'for', or a shorter 'every'"
        )
    label = f"retry for {reading.text(node.get('for'))}"
    return _Loop(label, partial(Retry, every=every or 0.0, lasting=lasting or 0.0), "attempt")


def talk(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `talk`, a dialogue as RFCs print it."""
    value, common = node.get("talk"), compiler.common(node, "talk")
    if not isinstance(value, Scalar) or not value.text:
        return None  # the schema check has told it
    with compiler.within(node, common):
        return Group(**common, steps=compile_talk(compiler, value))
