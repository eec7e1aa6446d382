"""Steps and those inside of them: each once, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterable

from runner.errors import SourceFile
from runner.language.compile import compile_scenario
from runner.language.model import Step
from runner.language.walking import all_steps, inner_lists, leaves

TEXT = """
name: x
steps:
  - when: {capability: SIZE}
    name: group
    steps:
      - {name: a, expect: 220}
      - name: loop
        repeat: 2
        steps:
          - {name: b, send: NOOP}
    else:
      - {name: c, wait: 1s}
  - name: pipe
    pipeline:
      - {name: d, send: NOOP}
      - {name: e, send: NOOP}
"""


def _steps() -> tuple[Step, ...]:
    scenario = compile_scenario(SourceFile("x.yaml", TEXT), lambda path: path, [])
    assert scenario is not None
    return scenario.steps


def _names(steps: Iterable[Step]) -> list[str]:
    return [step.label.rpartition(": ")[2] for step in steps]


def test_all_steps() -> None:
    """A step comes before what it holds, an `else` after what stands under the condition."""
    assert ["group", "a", "loop", "b", "c", "pipe", "d", "e"] == _names(all_steps(_steps()))


def test_leaves() -> None:
    """What only holds others is none."""
    assert ["a", "b", "c", "d", "e"] == _names(leaves(_steps()))


def test_inner_lists() -> None:
    """The two sides of a condition are apart: no step of one comes after one of the other."""
    group, pipe = _steps()
    assert [["a", "loop"], ["c"]] == list(map(_names, inner_lists(group)))
    assert [["d", "e"]] == list(map(_names, inner_lists(pipe)))
    assert () == inner_lists(group.steps[0])
