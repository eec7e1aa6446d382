"""`mailproof run`: replay scenarios against targets and show what passed."""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from runner.cli import debugging
from runner.cli.changes import Comparison, add_ignore_argument, comparison
from runner.cli.mirror import add_fault_argument, mirrored
from runner.cli.output import add_output_arguments, file_style, now, progress, style
from runner.cli.reports import Reports
from runner.cli.streams import tell
from runner.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
    EXIT_TOOL,
    InputError,
    UsageError,
)

if TYPE_CHECKING:
    from runner.results import CaseResult, RunResult
    from runner.scheduler import Entry, Scheduler

# Every repetition is made before anything connects, and is kept until all are done.
MOST_REPEATS = 10_000

HELP = "replay scenarios against servers and show in a table what passed"
DESCRIPTION = """\
Replays scenarios against targets. Every file is read and checked before
anything connects.

  mailproof run scenarios --target smtp://mail.example.com:25
  mailproof run                      scenarios/ against all of mailproof.yaml
  mailproof run pack: --target mx    the bundled scenarios"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.selection import add_scenario_arguments, duration  # noqa: PLC0415

    add_scenario_arguments(parser)
    running = parser.add_argument_group("running")
    add_limit_arguments(running)
    running.add_argument(
        "--repeat", type=_repeats, default=1, metavar="N", help="run each case N times and report how often it passed"
    )
    running.add_argument("--fail-fast", action="store_true", help="begin no further case after one that is not passed")
    running.add_argument(
        "--baseline",
        metavar="FILE",
        help="compare what servers do with what 'baseline save' has kept; what has changed is a failure",
    )
    add_ignore_argument(running)
    running.add_argument("--no-skips", action="store_true", help="a skipped case is a failure")
    running.add_argument(
        "--mirror", action="store_true", help="play each scenario against its own mirror; no target is needed"
    )
    add_fault_argument(running)
    running.add_argument(
        "--deadline", type=duration, metavar="TIME", help="stop the whole run after this time, such as 5m"
    )
    add_output_arguments(parser)


def add_limit_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the arguments that say how much goes on at once."""
    parser.add_argument("--jobs", type=positive, default=100, metavar="N", help="cases at once (default 100)")
    parser.add_argument(
        "--per-target", type=positive, default=20, metavar="N", help="cases at once for one target (default 20)"
    )


def positive(text: str) -> int:
    """Read a number that an option wants."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 to 999999999")
    return int(text)


def _repeats(text: str) -> int:
    number = positive(text)
    if number > MOST_REPEATS:
        raise argparse.ArgumentTypeError(f"'{text}' is more than {MOST_REPEATS} times")
    return number


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    reports = Reports(options.reports, _inputs(options))
    if options.faults and not options.mirror:
        raise UsageError("--fault is what a mirror does: it goes with --mirror")
    compared = comparison(options)
    with ExitStack() as stack:
        try:
            entries = stack.enter_context(mirrored(options, reports)) if options.mirror else planned(options, reports)
        except (InputError, UsageError):
            _tell_unrun(options, reports)
            raise
        return _play_planned(entries, options, reports, compared)


def _play_planned(
    entries: tuple[Entry, ...], options: argparse.Namespace, reports: Reports, compared: Comparison | None
) -> int:
    if options.mirror:
        tell("mailproof: played against mirrors, which says nothing of any server")
    return play(
        entries,
        options,
        reports,
        is_embedded=options.mirror,
        compared=compared,
        no_skips=options.no_skips,
        repeat=options.repeat,
        jobs=options.jobs,
        per_target=options.per_target,
        fail_fast=options.fail_fast,
        deadline=options.deadline,
    )


def _tell_unrun(options: argparse.Namespace, reports: Reports) -> None:
    """Write the reports of a run that could not begin: without a case, and so passed in none of them."""
    from runner.report import render_run  # noqa: PLC0415
    from runner.results import RunResult  # noqa: PLC0415

    run = RunResult((), began=now("milliseconds"))
    reports.write_unrun(run, lambda: render_run(run, file_style(options)), is_debug=options.debug)


def _inputs(options: argparse.Namespace) -> list[str]:
    """Return the files that the command line names to be read."""
    return [*options.paths, *filter(None, (options.ca, options.baseline))]


def planned(options: argparse.Namespace, reports: Reports) -> tuple[Entry, ...]:
    """Return the plays that the command line asks for; all files are read and checked for it."""
    from runner.cli.selection import given_by, select  # noqa: PLC0415
    from runner.scheduler import plan  # noqa: PLC0415

    selected = select(options, needs_target=True)
    reports.refuse_inputs(selected.secret_files)
    with given_by(selected) as given:
        return plan(selected.scenarios, selected.targets, selected.project, given, repeat=options.repeat)


def play(
    entries: tuple[Entry, ...],
    options: argparse.Namespace,
    reports: Reports,
    *,
    is_embedded: bool = False,
    no_skips: bool = False,
    repeat: int = 1,
    compared: Comparison | None = None,
    **limits: Any,
) -> int:
    """Play a plan, write its reports and return the exit code; `limits` are the scheduler's."""
    from runner.report import render_run  # noqa: PLC0415
    from runner.results import fold_repeats, without_spare_skips  # noqa: PLC0415
    from runner.scheduler import Scheduler, without_skips  # noqa: PLC0415

    shown = progress(len(entries), options, is_hidden=reports.are_shown_as_they_come)

    def finished(case: CaseResult) -> None:
        shown.advance(case)
        if compared is None:  # else what a case comes to is known at the end
            reports.add(case, is_repetition=repeat > 1)

    # What has changed is shown with its conversation, also where the scenario is content with it.
    limits["keeps_exchanges"] = compared is not None
    limits["keeps_all_transcripts"] = options.verbose or reports.wants_transcripts or compared is not None
    scheduler = Scheduler(entries, finished=finished, **limits)
    with Signals(scheduler) as signals:
        began = now("milliseconds")
        reports.begin(began, len(entries))
        try:
            run = replace(scheduler.run(), began=began)
        finally:
            shown.close()
        if repeat > 1:
            run = fold_repeats(run, repeat)
        if compared is not None:
            run = compared.mark(run)
        if no_skips:
            run = without_skips(run)
        if is_embedded:
            run = replace(without_spare_skips(run), is_embedded=True)
        more = compared.render if compared is not None else lambda _: ""
        reports.write(
            run,
            lambda: render_run(run, style(options)) + more(style(options)) + reports.closing(style(options)),
            lambda: render_run(run, file_style(options)) + more(file_style(options)),
            is_debug=options.debug,
        )
    for crash in scheduler.crashes:
        tell(f"mailproof: internal error: {debugging.describe(crash, is_debug=options.debug)}")
    is_broken = bool(scheduler.crashes) or reports.is_incomplete
    if reports.is_plugin:
        return _plugin_code(run, is_broken=is_broken)
    return signals.exit_code or _exit_code(run, is_broken=is_broken)


def _exit_code(run: RunResult, *, is_broken: bool) -> int:
    """Return the code for a run that no signal interrupted."""
    if is_broken:
        return EXIT_TOOL
    return EXIT_PASSED if run.is_passed else EXIT_FAILED


def _plugin_code(run: RunResult, *, is_broken: bool) -> int:
    """Return the code that a monitor knows; what is broken makes no server's failure less."""
    from runner.report.nagios import nagios_code  # noqa: PLC0415

    code = nagios_code(run)
    return EXIT_TOOL if is_broken and run.is_passed else code


# The first signal stops what is under way, the second its cleanup; what still goes on then is broken off.
STOPS = 2


class Signals:
    """While it is open, SIGINT and SIGTERM stop the run, a second one skips its cleanup and a third breaks it off.

    Once the run has ended they wait for its report, for Ctrl-C is often struck twice. One more ends the process.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.exit_code = 0
        self._caught_so_far = 0
        self._scheduler = scheduler
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._caught_so_far += 1
        self.exit_code = self.exit_code or (EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TERMINATED)
        if self._caught_so_far <= STOPS and not self._scheduler.has_ended:
            self._scheduler.stop(signal.Signals(number).name)
            return
        self.__exit__()
        if not self._scheduler.has_ended:
            raise KeyboardInterrupt
