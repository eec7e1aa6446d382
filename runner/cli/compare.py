"""`mailproof compare`: what differs between two baselines, or between two servers now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runner.cli.changes import add_ignore_argument, clueless, load_baseline, play_for_facts, tell_clueless
from runner.cli.output import add_output_arguments, style
from runner.cli.reports import Reports
from runner.cli.streams import show, tell
from runner.errors import EXIT_FAILED, EXIT_PASSED, UsageError, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.baseline import CaseFacts, Change

HELP = "show what differs between two baselines, or between two servers"
DESCRIPTION = """\
Shows what differs: between the files of two baselines, or with two targets
between the servers as they are now, scenario by scenario. Ends with 0 if
nothing does, with 1 if anything does or something could not be compared.

  mailproof compare before.baseline after.baseline
  mailproof compare --target old --target new scenarios"""
_TWO = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    from runner.cli.run import add_limit_arguments  # noqa: PLC0415
    from runner.cli.selection import add_scenario_arguments  # noqa: PLC0415

    add_scenario_arguments(parser)
    running = parser.add_argument_group("running")
    add_limit_arguments(running)
    add_ignore_argument(running)
    add_output_arguments(parser, add_files=None)


def perform(options: argparse.Namespace) -> int:
    """Perform the command and return its exit code."""
    if options.target:
        return _live(options)
    if len(options.paths) != _TWO:
        raise UsageError("compare wants two baselines, or two targets: compare --target old --target new PATH")
    return _files(options)


def _files(options: argparse.Namespace) -> int:
    from runner.baseline import Masks, compare  # noqa: PLC0415

    before, after = map(load_baseline, options.paths)
    own = {mask.name: mask for mask in (*before.masks, *after.masks)}
    changes = compare(before.cases, after.cases, Masks(own=tuple(own.values())), is_whole=True)
    return _tell(changes, options, "before", "after", is_empty=not (before.cases and after.cases))


def _live(options: argparse.Namespace) -> int:
    from runner.baseline import Masks, compare_targets, facts_of  # noqa: PLC0415
    from runner.cli.run import planned  # noqa: PLC0415

    names = list(dict.fromkeys(options.target))
    if len(names) != _TWO:
        raise UsageError(f"compare wants two targets, got {len(names)}")
    options.repeat = 1
    entries = planned(options, Reports())
    found = {entry.target.name for entry in entries if entry.target is not None}
    if found != set(names):
        raise UsageError(f"no scenario can be run on both: {', '.join(sorted(found)) or 'none'} is what there is")
    played = play_for_facts(entries, options)
    if played.code:
        tell("mailproof: nothing is compared: the run did not come to its end")
        return played.code
    unclear = clueless(played.run)
    # Of a server that could not be asked nobody knows in what it differs.
    unasked = {(scenario, row, number) for scenario, row, _, number in unclear}
    facts = [case for case in facts_of(played.run, Masks()) if (case.scenario, case.row, case.number) not in unasked]
    old, new = (tuple(case for case in facts if case.target == escape(name)) for name in names)
    changes = compare_targets(old, new, Masks())
    code = _tell(changes, options, *names, is_empty=not (_has_passed(old) and _has_passed(new)))
    tell_clueless(unclear.values(), "; not compared")
    return EXIT_FAILED if unclear else code


def _has_passed(cases: Sequence[CaseFacts]) -> bool:
    """Whether any of the cases had something to be compared."""
    return any(case.outcome in {"passed", "failed", "known"} for case in cases)


def _tell(changes: list[Change], options: argparse.Namespace, before: str, after: str, *, is_empty: bool) -> int:
    from runner.baseline.comparing import without_parts  # noqa: PLC0415
    from runner.baseline.table import grouped, render_changes, summary  # noqa: PLC0415

    shown = style(options)
    told = without_parts(changes, options.ignored)
    groups = grouped(told)
    has_targets = len({change.case[2] for change in told}) > 1
    lines = render_changes(groups, shown, before=before, after=after, has_targets=has_targets)
    if shown.verbosity != "quiet" and lines:
        show("\n".join([*lines, ""]))
    if is_empty:
        show("nothing was compared: that is not the same as no change")
        return EXIT_FAILED
    show(summary(groups))
    return EXIT_FAILED if told else EXIT_PASSED
