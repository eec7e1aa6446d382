"""The registry of rules: each has its words, an example that it finds something in, and a remedy that is clean."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from runner.authoring.formatting import canonical
from runner.authoring.lint import RULES, lint, subject_of
from runner.errors import SourceFile, Span
from runner.language.compile import compile_scenario
from tests.authoring.linting import inside, nowhere, subject
from tests.documented import Block, yaml_blocks

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"The server greets": Span(SourceFile("other.yaml", ""), 1, 1)}
#: What the manual shows on purpose, or as RFCs print it.
TRUE_IN_DOCS = {"matches-everything"}


def _rules(text: str, rule: str) -> set[str]:
    names = ELSEWHERE if rule == "duplicate-name" else {}
    return {one.rule for one in lint(subject(text, first_names=names), is_pedantic=RULES[rule].is_pedantic)}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_example_triggers_its_rule_alone(rule: str) -> None:
    """What is shown as wrong is wrong in this way and no other."""
    assert {rule} == _rules(RULES[rule].example, rule)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_remedy_is_clean(rule: str) -> None:
    """What is shown as better has nothing wrong."""
    assert set() == _rules(RULES[rule].remedy, rule)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_words_of_a_rule(rule: str) -> None:
    """An id is lower-case words; what it says and why are sentences."""
    one = RULES[rule]
    assert rule == one.id
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", rule)
    assert one.says.endswith(".")
    assert one.why.endswith(".")


@pytest.mark.parametrize("rule", sorted(RULES))
def test_remedy_is_in_canonical_form(rule: str) -> None:
    """What is shown as better is also written as the formatter writes it, but for a rule that is about quotes."""
    text = RULES[rule].remedy
    assert text.replace("'The server greets'", "The server greets") == canonical(SourceFile("x.yaml", text), nowhere)


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.yaml")), ids=lambda path: path.stem)
def test_bundled_scenarios_are_clean(path: Path) -> None:
    """Nothing is found in the bundled scenarios, however pedantic."""
    text = path.read_text("utf-8")
    found = lint(subject(text, inside(path.parent), name=path.name), is_pedantic=True)
    assert [] == [finding.render() for finding in found]


@pytest.mark.parametrize("block", yaml_blocks("", "runs", "real"))
def test_examples_of_the_manual_are_clean(block: Block) -> None:
    """What the manual shows has nothing wrong, but for what it shows on purpose."""
    source, docs = SourceFile("x.yaml", block.text), ROOT / "docs"
    scenario = compile_scenario(source, inside(docs), [], lambda _, __: "")
    found = lint(subject_of(source, inside(docs), scenario, today=date(2024, 1, 1)))
    assert [] == [finding.render() for finding in found if finding.rule not in TRUE_IN_DOCS]
