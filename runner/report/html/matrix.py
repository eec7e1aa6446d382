"""Scenario × target (× row): who passed where, each cell with a link to its case.

An outcome is told by a word; the style sheet adds a shape and a colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.report.html.cases import anchor
from runner.report.html.markup import kind, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.results import CaseResult

# A longer matrix is closed at first: the failures are listed above it.
MOST_OPEN_ROWS = 60

_Cells = dict[str, list[tuple[int, "CaseResult"]]]


def render_matrix(cases: Sequence[CaseResult]) -> str:
    """Return the matrix as a table that a reader may close."""
    targets = list(dict.fromkeys(case.target for case in cases))
    scenarios: dict[str, dict[str, _Cells]] = {}
    for number, case in enumerate(cases):
        cells = scenarios.setdefault(case.scenario, {}).setdefault(case.row, {})
        cells.setdefault(case.target, []).append((number, case))
    count = sum(map(len, scenarios.values()))
    heads = "".join(f"<th scope=col>{text(target) or 'no target'}" for target in targets)
    bodies = "\n".join(_scenario(name, rows, targets) for name, rows in scenarios.items())
    return (
        f"<details class=matrix{' open' * (count <= MOST_OPEN_ROWS)}><summary>{len(scenarios)} × {len(targets)}"
        f"<span> scenarios × targets</span></summary><div class=wide role=region aria-label=Matrix tabindex=0><table>"
        f"<thead><tr><th scope=col>scenario{heads}\n{bodies}</table></div></details>"
    )


def _scenario(name: str, rows: dict[str, _Cells], targets: Sequence[str]) -> str:
    """Return a scenario's rows; where it has rows of its own they stand below its name."""
    if list(rows) == [""]:
        return f"<tbody>{_row(f'<th scope=row>{text(name)}', rows[''], targets)}"
    lines = [
        _row(f"<th scope=row class=row>{text(row) or 'without a row'}", cells, targets) for row, cells in rows.items()
    ]
    return f"<tbody><tr class=group><th scope=rowgroup colspan={len(targets) + 1}>{text(name)}{''.join(lines)}"


def _row(head: str, cells: _Cells, targets: Sequence[str]) -> str:
    return f"<tr>{head}{''.join(_cell(cells.get(target, [])) for target in targets)}"


def _cell(cases: Sequence[tuple[int, CaseResult]]) -> str:
    if not cases:
        return "<td>"
    links = (
        f"<a class={kind(case.outcome)} href=#{anchor(number)}>{case.outcome.value}</a>"
        + (f" <i>{case.elapsed:.2f}</i>" if case.elapsed else "")
        for number, case in cases
    )
    return f"<td>{'<br>'.join(links)}"
