"""`matrix`: the rows of a scenario, one case each. A product of lists, a list of rows, or the lines of a CSV file.

A value is a template, filled when the case is made. In a column that is called secret it is a text, taken as it
stands, and no message shows a line of the file that holds it. This module must not know what a case is.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import InputError, Problem, Span
from runner.language.model import Row
from runner.language.nodes import Mapping, Scalar, Sequence, without_excerpt
from runner.language.reading import items, pairs
from runner.language.template import PLAIN_NAME, Template, did_you_mean, parse_template, parse_text

if TYPE_CHECKING:
    from runner.errors import SourceFile
    from runner.language.model import Scenario
    from runner.language.nodes import Node
    from runner.language.reading import FindFile

# Each row is a case; more of them are a load test, and a slip (a product of long lists) is told at once.
MOST_ROWS = 10_000
# Of a table that is wrong throughout, so many lines say it.
MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows, the names of their columns, and those columns whose values are never shown, each with its place."""

    rows: tuple[Row, ...] = ()
    columns: dict[str, Span] = field(default_factory=dict)
    secrets: dict[str, Span] = field(default_factory=dict)


def compile_matrix(node: Node | None, find_file: FindFile, problems: list[Problem]) -> Matrix:
    """Return the rows of a matrix; none where it is wrong, and then `problems` has grown."""
    if isinstance(node, Mapping) and isinstance(node.get("file"), Scalar):
        return _table(node, find_file, problems)
    if isinstance(node, Mapping):
        return _product(node, problems)
    if isinstance(node, Sequence):
        return _list(node, problems)
    return Matrix()


# Written in the scenario.


def _product(node: Mapping, problems: list[Problem]) -> Matrix:
    """Combine every value of each column with every value of the others; the last one changes first."""
    columns = {key.text: key.span for key, _ in pairs(node)}
    lists = [[_value(item, problems) for item in items(value)] for _, value in pairs(node)]
    size = math.prod(map(len, lists))
    if size > MOST_ROWS:
        problems.append(_too_many(node.span, f"{' × '.join(str(len(one)) for one in lists)} = {size} rows"))
        return Matrix(columns=columns)
    rows = (Row(node.span, dict(zip(columns, values, strict=True))) for values in itertools.product(*lists))
    return Matrix(tuple(rows), columns)


def _list(node: Sequence, problems: list[Problem]) -> Matrix:
    """Take rows as they are written; each must have the same names."""
    written = [item for item in node.items if isinstance(item, Mapping)]
    columns = {key.text: key.span for key, _ in pairs(written[0] if written else None)}
    if len(written) > MOST_ROWS:
        problems.append(_too_many(node.span, f"{len(written)} rows"))
        return Matrix(columns=columns)
    rows = []
    for item in written:
        for key, _ in pairs(item):
            if key.text not in columns:
                advice = did_you_mean(key.text, columns, "its columns are")
                problems.append(Problem(key.span, f"the first row has no '{key.text}'", advice))
        if missing := [name for name in columns if name not in item.items]:
            advice = f"every row has the same names; an empty value is {missing[0]}: ''"
            problems.append(Problem(item.span, f"the row has no '{missing[0]}'", advice))
        rows.append(Row(item.span, {key.text: _value(value, problems) for key, value in pairs(item)}))
    return Matrix(tuple(rows), columns)


def _value(node: Node, problems: list[Problem]) -> Template:
    # What is no text the schema check has told.
    return parse_template(node, problems) if isinstance(node, Scalar) else Template(("",), node.span)


def _too_many(span: Span, what: str) -> Problem:
    return Problem(span, f"a matrix of {what}", f"each row is a case; at most {MOST_ROWS} are run")


# A file of comma-separated values (RFC 4180).


def _table(node: Mapping, find_file: FindFile, problems: list[Problem]) -> Matrix:
    for key, _ in pairs(node):
        if key.text not in ("file", "secrets"):
            advice = "a matrix from a file has file and secrets; one of lists has a list for each name"
            problems.append(Problem(key.span, f"unknown key '{key.text}' beside 'file'", advice))
    secrets = {item.text: item.span for item in items(node.get("secrets")) if isinstance(item, Scalar)}
    source = _read(node.items["file"][1], find_file, problems, is_secret=bool(secrets))
    if source is None:
        return Matrix(secrets=secrets)
    found: list[Problem] = []
    table = _Table(source, secrets, found)
    matrix = Matrix(tuple(table.rows()), table.columns, secrets)
    for name, span in secrets.items():
        if table.columns and name not in table.columns:
            # Which columns there are is not said: where the heading is forgotten, they are values.
            advice = "the first line of the file has the names of its columns"
            found.append(Problem(span, f"'{source.name}' has no column '{name}'", advice))
    problems += found
    return matrix


def _read(node: Node, find_file: FindFile, problems: list[Problem], *, is_secret: bool) -> SourceFile | None:
    """Read the file that a matrix names; messages call it as seen from where the scenario's is."""
    from pathlib import Path  # noqa: PLC0415 -- few scenarios need it

    from runner.language.loader import read_file  # noqa: PLC0415

    if not isinstance(node, Scalar) or node.is_empty:
        return None
    try:
        path = find_file(node.text)
    except ValueError as error:
        problems.append(Problem(node.span, *error.args))
        return None
    try:
        return read_file(Path(path), os.path.join(os.path.dirname(node.source.name), node.text))  # noqa: PTH118, PTH120
    except InputError as error:
        # An excerpt of a file that is not UTF-8 may show a password.
        hidden = (Problem(without_excerpt(one.span), one.message, one.advice) for one in error.problems)
        problems += hidden if is_secret else error.problems
        return None


class _Table:
    """The lines of one file, its heading first."""

    def __init__(self, source: SourceFile, secrets: dict[str, Span], problems: list[Problem]) -> None:
        self.columns: dict[str, Span] = {}
        self._source = source
        self._secrets = secrets
        self._problems = problems

    def rows(self) -> Iterator[Row]:
        """Read the file; it ends where too much is wrong with it."""
        lines = self._lines()
        line, heading = next(lines, (1, []))
        if not heading:
            self._tell(line, "an empty file", "its first line has the names of its columns: user,password")
            return
        self._head(line, heading)
        count = 0
        for count, (line, cells) in enumerate(lines, 1):
            if count > MOST_ROWS:
                self._tell(line, f"more than {MOST_ROWS} rows", "each row is a case; leave some out")
                return
            if len(cells) != len(heading):
                values = "1 value" if len(cells) == 1 else f"{len(cells)} values"
                advice = f'the heading has {len(heading)}; a value with a comma stands in double quotes: "a, b"'
                self._tell(line, f"a row of {values}", advice)
            elif not self._problems:
                yield Row(self._span(line), dict(zip(self.columns, self._values(line, cells), strict=True)))
            if len(self._problems) >= MOST_PROBLEMS:
                return
        if not (count or self._problems):
            self._tell(line, "no row under the heading", "a row below it is a case")

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Iterate over the lines that are not empty, each with the number of the line where it begins."""
        import csv  # noqa: PLC0415 -- few scenarios need it
        import io  # noqa: PLC0415

        reader = csv.reader(io.StringIO(self._source.text, newline=""), strict=True)
        begun = 1
        try:
            for cells in reader:
                if cells:
                    yield begun, cells
                begun = reader.line_num + 1
        except csv.Error as error:
            self._tell(begun, f"no comma-separated values: {error}", 'a quote inside a quoted value is doubled: ""')

    def _head(self, line: int, names: list[str]) -> None:
        for number, name in enumerate(names, 1):
            shown = f"column {number}" if self._secrets else f"'{name}'"
            if not PLAIN_NAME.fullmatch(name):
                advice = "the first line has names: letters, digits, '_' and '-', with a comma between and no blank"
                self._tell(line, f"{shown} has no name" if not name else f"{shown} is no name for a column", advice)
            elif name in self.columns:
                self._tell(line, f"{shown} has the name of a column before it", "rename one of them")
            self.columns.setdefault(name, self._span(line))

    def _values(self, line: int, cells: list[str]) -> Iterator[Template | str]:
        span = self._span(line)
        place: Callable[[int, int], Span] = lambda _at, _width: span  # noqa: E731 -- one place for all of a line
        for name, cell in zip(self.columns, cells, strict=True):
            yield cell if name in self._secrets else parse_text(cell, place, span, self._problems)

    def _tell(self, line: int, message: str, advice: str) -> None:
        self._problems.append(Problem(self._span(line), message, advice))

    def _span(self, line: int) -> Span:
        """Return the place of a line; where one of its values is a secret, nothing of it is to be shown."""
        span = Span(self._source, line, 1, max(1, len(self._source.line(line))))
        return without_excerpt(span) if self._secrets else span


def secret_values(scenarios: Iterable[Scenario]) -> Iterator[str]:
    """Iterate over the values of secret columns, for masking what is shown when something breaks."""
    for scenario in scenarios:
        for row in scenario.rows:
            yield from (value for value in row.values.values() if isinstance(value, str))
