"""Verbs that hold other steps: `steps`, `talk`, `pipeline`."""

from __future__ import annotations

from typing import cast

from runner.language.auth_state import AuthState
from runner.language.loader import Mapping, Scalar
from runner.language.model import Exchange, Group, Pipeline, Send, Step
from runner.language.reading import items
from runner.language.talk import compile_talk
from runner.language.verbs.compiler import VERBS, StepCompiler


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
        if verb in node.items and verb not in ("send", "expect"):
            span, advice = node.items[verb][0].span, "a pipeline holds send and expect"
            compiler.reading.fail(span, f"'{verb}' can't be in a pipeline", advice)
            return None
    if (when := node.items.get("when")) is not None:
        compiler.reading.fail(when[0].span, "'when' can't stand inside a pipeline", "put it on the pipeline")
    return cast("Exchange | None", compiler.step(node))


def group(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `steps`, with `when` and `else`."""
    common = compiler.common(node, "steps")
    before = compiler.auth
    with compiler.within(node, common):
        steps = compiler.steps(node.get("steps"))
        after = compiler.auth
        compiler.auth = before
        otherwise = compiler.steps(node.get("else"))
    if "when" in node.items:
        compiler.may_be_skipped(after)
    else:
        compiler.auth = after
        if "else" in node.items:
            compiler.reading.fail(node.items["else"][0].span, "'else' without a 'when'", "add when: …")
    return Group(**common, steps=steps, otherwise=otherwise)


def talk(compiler: StepCompiler, node: Mapping) -> Step | None:
    """Compile `talk`, a dialogue as RFCs print it."""
    value, common = node.get("talk"), compiler.common(node, "talk")
    if not isinstance(value, Scalar) or value.is_empty:
        return None
    with compiler.within(node, common):
        return Group(**common, steps=compile_talk(compiler, value))
