"""The report for GitHub Actions: workflow commands that show what failed at file and line; the sum is the last line.

GitHub shows ten errors and ten warnings of a step, so those that tell most come first and the others are plain lines
in a group of the log. Commands are those that its runner reads (actions/runner, ActionCommand.cs): `::` at the start of
a line, and the older `##[` anywhere in one. No text from outside can begin either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from runner.dataclass import dataclass
from runner.errors import escape
from runner.report import telling
from runner.report.details import PROSE_LIMIT, render_case_reason, render_step
from runner.report.layout import Style, counted, ends, plain
from runner.report.verdict import EMBEDDED, fault, summary, verdict
from runner.results import Outcome

if TYPE_CHECKING:
    from runner.results import CaseResult, Place, RunResult, StepResult

# What GitHub shows of one step, of each kind.
MOST_SHOWN = 10
# What does not become an annotation is told in so many lines of the log; the table tells the rest.
MOST_TOLD = 200
# Of the lines of one annotation.
FIRST_LINES = 20
LAST_LINES = 5

_STYLE = Style(columns=1_000_000)


@dataclass(frozen=True, slots=True)
class _Annotation:
    """What is to be shown at a place: one line of `text`, and `more` lines where there is room for them."""

    kind: str
    title: str
    text: str
    place: Place | None = None
    more: Callable[[], list[str]] = list

    def command(self) -> str:
        """Return the workflow command, one line."""
        where = self.place
        given = {"file": escape(where.file), "line": str(where.line), "col": str(where.column)} if where else {}
        properties = ",".join(f"{key}={_property(text)}" for key, text in {**given, "title": self.title}.items())
        return f"::{self.kind} {properties}::{_data(self._whole())}"

    def line(self) -> str:
        """Return it as a line of the log that is no command."""
        where = f"{escape(str(self.place))}: " if self.place else ""
        return f"{self.kind}: {_unarmed(where + self.title)}: {_unarmed(self.text)}"

    def _whole(self) -> str:
        lines = [line.removeprefix("  ") for line in self.more()]
        first, gap, last = ends("\n".join([self.text, *lines]), FIRST_LINES, LAST_LINES)
        return "\n".join([*first, f"… {counted(gap, 'line')} left out", *last] if gap else first)


def render_github(run: RunResult) -> str:
    """Return the annotations, errors first, then warnings and known issues, and the run's sum.

    A run that isn't green has one error at least. Skipped cases are noticed if nothing passed.
    """
    errors = [*_run_errors(run), *_errors(run)]
    warnings = [*_warnings(run), *_known(run)]
    notices = [] if run.count(Outcome.PASSED) else list(_skipped(run))
    kinds = (errors, warnings, notices)
    lines = [one.command() for kind in kinds for one in kind[:MOST_SHOWN]]
    more = [one.line() for kind in kinds for one in kind[MOST_SHOWN:]]
    if more:
        lines += [f"::group::{counted(len(more), 'more line')}: GitHub shows {MOST_SHOWN} of a kind for each step"]
        lines += more[:MOST_TOLD]
        lines += [f"{len(more) - MOST_TOLD} more left out"] if len(more) > MOST_TOLD else []
        lines += ["::endgroup::"]
    embedded = f"; {EMBEDDED}" if run.is_embedded else ""
    return "\n".join([*lines, f"mailproof: {verdict(run)}: {summary(run)}{embedded}"]) + "\n"


def _run_errors(run: RunResult) -> Iterator[_Annotation]:
    if text := fault(run):
        yield _Annotation("error", f"mailproof: {verdict(run)}", text)


def _errors(run: RunResult) -> list[_Annotation]:
    """Return the errors so that each case has its first before any has its second; what failed before what erred."""
    cases = [case for outcome in (Outcome.FAILED, Outcome.ERROR) for case in run.cases if case.outcome is outcome]
    ranks = zip_longest(*(list(_of_case(case)) for case in cases))
    return [one for rank in ranks for one in rank if one is not None]


def _of_case(case: CaseResult) -> Iterator[_Annotation]:
    """Yield an error for each step that failed, and for what no step tells; one at least."""
    is_told = False
    for often, one in telling.failures(case):
        title = _title(case, one.outcome.value, often)
        numbered = enumerate(one.steps, 1)
        failed = [(number, step) for number, step in numbered if step.outcome.is_failure and not step.is_cleanup]
        for number, step in failed:
            more = partial(_below_label, one, number, step)
            yield _Annotation("error", title, plain(step.label, PROSE_LIMIT), step.place, more)
        untold = render_case_reason(one, _STYLE)
        if untold or not failed:
            yield _Annotation("error", title, telling.reason(one), one.place or case.place)
        is_told = True
    if not is_told:
        yield _Annotation("error", _title(case, case.outcome.value), telling.reason(case), case.place)


def _below_label(case: CaseResult, number: int, step: StepResult) -> list[str]:
    return render_step(case, number, step, _STYLE, has_target=True)[1:]


def _title(case: CaseResult, *more: str) -> str:
    target = f" · {plain(case.target)}" if case.target else ""
    return f"{telling.name(case)}{target}: {', '.join(text for text in more if text)}"


def _warnings(run: RunResult) -> Iterator[_Annotation]:
    for case in run.cases:
        for text in case.warnings:
            yield _Annotation("warning", _title(case, "warning"), plain(text, PROSE_LIMIT), _place(case, text))


def _place(case: CaseResult, warning: str) -> Place | None:
    """Return where the step is whose warning this is, else the scenario."""
    steps = (step for step in case.steps if step.differences or step.is_cleanup)
    return next((step.place for step in steps if warning.startswith(f"{step.label}: ")), case.place)


def _known(run: RunResult) -> Iterator[_Annotation]:
    for case in run.cases:
        if case.outcome is Outcome.KNOWN:
            yield _Annotation("warning", _title(case, "known"), telling.reason(case), telling.place(case))


def _skipped(run: RunResult) -> Iterator[_Annotation]:
    for case in run.cases:
        if case.outcome is Outcome.SKIPPED:
            yield _Annotation("notice", _title(case, "skipped"), telling.reason(case), case.place)


def _data(text: str) -> str:
    return _unarmed(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _unarmed(text: str) -> str:
    """Return a text without the mark that the runner, and the page that shows its log, take for a command."""
    return text.replace("##[", "#\\x23[")
