"""The formatter's one function, and what holds it to the meaning of a file."""

from __future__ import annotations

from runner.authoring.comments import comments_in, with_plain_line_ends
from runner.authoring.formatting.meaning import meaning
from runner.authoring.formatting.tree import read_tree
from runner.authoring.formatting.writer import write_tree
from runner.errors import Problem, SourceFile, ToolError
from runner.language.loader import load
from runner.language.reading import FindFile


class ChangedMeaningError(ToolError):
    """The canonical form of a file would not mean the same: a fault of the formatter, and the file stays as it is."""


def canonical(source: SourceFile, find_file: FindFile) -> str:
    """Return a valid file's text in the canonical form; `find_file` resolves the paths that it names.

    Raises:
        ChangedMeaningError: that would change what the file means or lose a comment.
    """
    text = with_plain_line_ends(source.text)
    formatted = write_tree(*read_tree(text))
    if formatted == source.text:
        return formatted
    after = SourceFile(source.name, formatted)
    problems: list[Problem] = []
    if load(after, problems) is None or problems:
        raise _changed(source, "would be no YAML")
    if meaning(SourceFile(source.name, text), find_file) != meaning(after, find_file):
        raise _changed(source, "would mean something else")
    if _words(text) != _words(formatted):
        raise _changed(source, "would lose a comment")
    return formatted


def _words(text: str) -> list[str]:
    return sorted(comment.text for comment in comments_in(text))


def _changed(source: SourceFile, what: str) -> ChangedMeaningError:
    return ChangedMeaningError(
        f"'{source.name}' in its canonical form {what}: this is a fault of mailproof; it stays as it is"
    )
