"""What `run --baseline`, `baseline` and `compare` have in common: to read a file, play for facts, show changes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli import debugging
from runner.cli.output import progress
from runner.cli.streams import tell
from runner.dataclass import dataclass
from runner.errors import EXIT_TOOL, InputError, Problem, SourceFile, Span, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.baseline import Baseline, CaseFacts, Change, Masks
    from runner.baseline.facts import Key
    from runner.report import Style
    from runner.results import CaseResult, RunResult
    from runner.scheduler import Entry

# Of the cases without a verdict so many are named.
MOST_CLUELESS = 20


def add_ignore_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option that leaves parts out of a comparison."""
    parser.add_argument(
        "--ignore",
        dest="ignored",
        action="append",
        default=[],
        type=_part,
        metavar="PART",
        help="in a comparison: don't tell of changes of this part, such as latency, cipher, certificate; repeatable",
    )


def _part(text: str) -> str:
    from runner.baseline.comparing import PARTS, is_part  # noqa: PLC0415
    from runner.language.template import did_you_mean  # noqa: PLC0415

    # Servers' capabilities are known by their names in capitals.
    kind, blank, name = text.partition(" ")
    part = f"{kind} {name.upper()}" if kind == "capability" and blank else text
    if is_part(part):
        return part
    near = did_you_mean(text, PARTS, "")
    advice = f"{near} " if near else ""
    raise argparse.ArgumentTypeError(f"there is no part '{text}'; {advice}the parts are {', '.join(PARTS)}")


def clueless(run: RunResult) -> dict[Key, CaseResult]:
    """Return the cases of a run that came to no verdict."""
    from runner.baseline.facts import keyed  # noqa: PLC0415
    from runner.results import Outcome  # noqa: PLC0415

    return {key: case for key, case in keyed(run) if case.outcome in (Outcome.ERROR, Outcome.NOT_RUN)}


def clear_facts(run: RunResult, masks: Masks) -> tuple[CaseFacts, ...]:
    """Return the facts of the cases that came to a verdict; of a server that could not be asked there are none."""
    from runner.baseline import facts_of  # noqa: PLC0415

    unclear = clueless(run)
    return tuple(case for case in facts_of(run, masks) if case.key not in unclear)


def tell_clueless(cases: Iterable[CaseResult], more: str = "") -> None:
    """Tell which cases came to no verdict, and why; `more` says what that means."""
    from runner.report import telling  # noqa: PLC0415
    from runner.report.layout import plain  # noqa: PLC0415

    listed = list(cases)
    for case in listed[:MOST_CLUELESS]:
        tell(f"mailproof: {telling.name(case)} at {plain(case.target)}: no verdict: {telling.reason(case)}{more}")
    if (left_out := len(listed) - MOST_CLUELESS) > 0:
        tell(f"mailproof: … {left_out} more without a verdict{more}")


def load_baseline(path: str) -> Baseline:
    """Read a baseline's file.

    Raises:
        InputError: it can't be read, or is none.
    """
    from runner.baseline import read_baseline  # noqa: PLC0415
    from runner.baseline.document import MAX_FILE_BYTES  # noqa: PLC0415
    from runner.language.loader import read_octets  # noqa: PLC0415

    try:
        text = read_octets(Path(path), MAX_FILE_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not UTF-8") from error
    except OSError as error:
        raise _unreadable(path, (error.strerror or str(error)).lower()) from error
    except ValueError as error:
        raise _unreadable(path, str(error)) from error
    return read_baseline(SourceFile(path, text))


def _unreadable(path: str, reason: str) -> InputError:
    return InputError([Problem(Span(SourceFile(path, ""), 1, 1), f"the baseline can't be read: {reason}")])


class Comparison:
    """A run beside a baseline: what changed becomes a part of the run's results."""

    def __init__(self, path: str, ignored: Sequence[str]) -> None:
        self._path = path
        self._ignored = ignored
        self._baseline = load_baseline(path)
        self._changes: list[Change] = []
        self._compared = 0

    def mark(self, run: RunResult) -> RunResult:
        """Compare, and return the run with those cases failed in which something changed."""
        from runner.baseline import Masks, compare, mark  # noqa: PLC0415
        from runner.baseline.comparing import without_parts  # noqa: PLC0415

        masks = Masks(own=self._baseline.masks)
        facts = clear_facts(run, masks)
        self._compared = len(facts)
        changes = compare(self._baseline.cases, facts, masks, is_whole=False)
        self._changes = without_parts(changes, self._ignored)
        return mark(run, self._changes)

    def render(self, style: Style) -> str:
        """Return what is to be shown behind the run's table: each change once."""
        from runner.baseline.table import grouped, render_changes, summary  # noqa: PLC0415
        from runner.report.layout import plain  # noqa: PLC0415

        groups = grouped(self._changes)
        has_targets = len({change.case[2] for change in self._changes}) > 1
        table = render_changes(groups, style, has_targets=has_targets) if style.verbosity != "quiet" else []
        left = len(self._baseline.cases) - self._compared
        besides = f"; {left} of its cases were not run or came to no verdict" if left > 0 else ""
        said = f"compared with {plain(self._path)}: {summary(groups)}{besides}"
        return "\n".join(["", *table, *([""] if table else []), said, ""])


def comparison(options: argparse.Namespace) -> Comparison | None:
    """Return the comparison that the command line asks for, if it does.

    Raises:
        UsageError: it asks for what can't be.
        InputError: the baseline is none.
    """
    if options.baseline is None:
        if options.ignored:
            raise UsageError("--ignore is for a comparison: --baseline FILE")
        return None
    if options.repeat > 1:
        raise UsageError("--baseline compares one run; leave --repeat out")
    return Comparison(options.baseline, options.ignored)


@dataclass(frozen=True, slots=True)
class Played:
    """A run that was played to be compared, and the exit code if something came between, else 0."""

    run: RunResult
    code: int


def play_for_facts(entries: tuple[Entry, ...], options: argparse.Namespace) -> Played:
    """Play a plan, keeping all that servers say."""
    from runner.cli.run import Signals  # noqa: PLC0415
    from runner.scheduler import Scheduler  # noqa: PLC0415

    shown = progress(len(entries), options)
    scheduler = Scheduler(
        entries,
        jobs=options.jobs,
        per_target=options.per_target,
        keeps_all_transcripts=options.verbose,
        keeps_exchanges=True,
        finished=shown.advance,
    )
    with Signals(scheduler) as signals:
        try:
            run = scheduler.run()
        finally:
            shown.close()
    for crash in scheduler.crashes:
        tell(f"mailproof: internal error: {debugging.describe(crash, is_debug=options.debug)}")
    return Played(run, signals.exit_code or (EXIT_TOOL if scheduler.crashes else 0))
