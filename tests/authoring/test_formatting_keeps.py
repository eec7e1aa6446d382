"""The formatter's promise over files made by chance: what they mean and every comment stays, and once is enough."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, given, settings

from runner.authoring.comments import comments_in, with_plain_line_ends
from runner.authoring.formatting import canonical
from runner.authoring.formatting.meaning import meaning
from runner.errors import Problem, SourceFile
from runner.language.loader import load
from tests.authoring.made_files import files


def _find(path: str) -> str:
    return path


def _comments(text: str) -> Counter[str]:
    return Counter(comment.text for comment in comments_in(with_plain_line_ends(text)))


@given(text=files())
@settings(max_examples=100)
def test_meaning_and_comments_stay(text: str) -> None:
    """Whatever the styles and wherever the comments, the formatted file means the same and has them all."""
    problems: list[Problem] = []
    source = SourceFile("x.yaml", text)
    load(source, problems)
    assume(not problems)
    formatted = canonical(source, _find)
    assert _comments(text) == _comments(formatted)
    assert meaning(SourceFile("x.yaml", with_plain_line_ends(text)), _find) == meaning(
        SourceFile("x.yaml", formatted), _find
    )
    assert formatted == canonical(SourceFile("x.yaml", formatted), _find)
