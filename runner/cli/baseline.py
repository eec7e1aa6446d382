"""`mailproof baseline`: keep what servers say, see it, and take over what has changed."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from runner import __version__
from runner.cli.changes import clear_facts, clueless, load_baseline, play_for_facts, tell_clueless
from runner.cli.exit_codes import told_codes
from runner.cli.files import file_name, refuse_existing
from runner.cli.output import add_output_arguments, now, style
from runner.cli.reports import Reports
from runner.cli.streams import show, tell
from runner.errors import EXIT_FAILED, EXIT_PASSED, ToolError, UsageError, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.baseline import Baseline, Change
    from runner.baseline.table import Group
    from runner.results import RunResult
    from runner.scheduler import Entry

HELP = "keep what servers say in a file, and see what a change changes"
DESCRIPTION = """\
Keeps what servers say in a file, and takes over what has changed.

  mailproof baseline save scenarios --target mx -o mx.baseline
  mailproof run scenarios --target mx --baseline mx.baseline
  mailproof baseline approve mx.baseline"""
MOST_RUNS = 100
_SAVE = """\
Runs scenarios and writes what the servers said into a file: codes, texts,
capabilities, TLS, certificates, how long it took; what varies by itself
is masked. The file holds no secret and is made to be read and compared.

  mailproof baseline save --target mx -o mx.baseline --runs 3"""
_APPROVE = """\
Runs the scenarios of a baseline again, shows what has changed and asks
whether it is to be taken over. With PATHs, scenarios that are new to the
baseline are taken in, too. Ends with 0 if nothing is left that differs.

  mailproof baseline approve mx.baseline
  mailproof baseline approve mx.baseline --only 'capability *'"""
_SHOW = "Shows what a baseline holds and which masks it is compared with."
_QUESTION = "take it over? [y]es, [n]o, [a]ll that follow, [q]uit: "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with its arguments."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, description, add, act in (
        ("save", _SAVE, _add_save, _save),
        ("approve", _APPROVE, _add_approve, _approve),
        ("show", _SHOW, _add_show, _show),
    ):
        added = actions.add_parser(
            name,
            help=HELPS[name],
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.add_argument("--debug", action="store_true", help="show where in mailproof an internal error arose")
        add(added)
        added.epilog = told_codes(f"baseline {name}", added)
        added.set_defaults(perform=act, parser=added)


HELPS = {
    "save": "run scenarios and keep what the servers say",
    "approve": "run again, and take over what has changed",
    "show": "show what a baseline holds, and its masks",
}


def _add_save(parser: argparse.ArgumentParser) -> None:
    _add_running_arguments(parser)
    saving = parser.add_argument_group("saving")
    saving.add_argument("-o", "--output", type=file_name, required=True, metavar="FILE", help="the file to write")
    saving.add_argument("--force", action="store_true", help="write over a file that is there")
    saving.add_argument(
        "--runs", type=_runs, default=1, metavar="N", help="run N times, and mask what differs between them"
    )
    add_output_arguments(parser, add_files=None)


def _add_approve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the baseline")
    _add_running_arguments(parser)
    approving = parser.add_argument_group("approving")
    approving.add_argument("--all", action="store_true", help="take everything over without a question")
    approving.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only changes whose scenario, step or part fits this glob; repeatable; without a terminal, all of them",
    )
    add_output_arguments(parser, add_files=None)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the baseline")


def _add_running_arguments(parser: argparse.ArgumentParser) -> None:
    from runner.cli.run import add_limit_arguments  # noqa: PLC0415 -- the two commands know each other
    from runner.cli.selection import add_scenario_arguments  # noqa: PLC0415

    add_scenario_arguments(parser)
    add_limit_arguments(parser.add_argument_group("running"))


def _runs(text: str) -> int:
    from runner.cli.run import positive  # noqa: PLC0415

    number = positive(text)
    if number > MOST_RUNS:
        raise argparse.ArgumentTypeError(f"'{text}' is more than {MOST_RUNS} runs")
    return number


def perform(_: argparse.Namespace) -> int:
    """Perform nothing: each action has its own, and the parser wants one."""
    raise UsageError(f"which action? {', '.join(HELPS)}")


# Saving.


def _save(options: argparse.Namespace) -> int:
    from runner.report import render_run  # noqa: PLC0415

    refuse_existing(options.output, is_forced=options.force, advice=", 'baseline approve' takes changes over")
    runs: list[RunResult] = []
    for _ in range(options.runs):
        played = play_for_facts(_planned(options), options)
        runs.append(played.run)
        if played.code:
            break
    show(render_run(runs[-1], style(options)).rstrip("\n"))
    if played.code:
        return _refuse(options, "the run did not come to its end", played.code)
    return _keep(runs, options)


def _keep(runs: Sequence[RunResult], options: argparse.Namespace) -> int:
    """Write what the runs have learnt, and tell what is missing; nothing is written where there is nothing."""
    from runner.results import Outcome  # noqa: PLC0415

    baseline = _learnt(runs, options)
    unclear = {key: case for run in runs for key, case in clueless(run).items()}
    if all(case.outcome == Outcome.SKIPPED.value for case in baseline.cases):
        is_skipped = baseline.cases and not unclear
        return _refuse(options, "every case was skipped" if is_skipped else "no case came to a verdict", EXIT_FAILED)
    _write(options.output, baseline)
    show(f"\n{escape(options.output)}: {_told(baseline)}")
    missing = unclear.keys() - {case.key for case in baseline.cases}
    tell_clueless((case for key, case in unclear.items() if key in missing), "; it is not in the file")
    tell_clueless((case for key, case in unclear.items() if key not in missing), "; learnt from the other runs")
    if missing:
        whole = len(missing) + len(baseline.cases)
        tell(f"mailproof: warning: {len(missing)} of {whole} cases came to no verdict and are not in the file")
    return EXIT_PASSED if all(run.is_passed for run in runs) else EXIT_FAILED


def _learnt(runs: Sequence[RunResult], options: argparse.Namespace) -> Baseline:
    from runner.baseline import Baseline, Masks, learn  # noqa: PLC0415

    return Baseline(
        # What came to no verdict in one of several runs is learnt from the others: it tells nothing of what varies.
        cases=learn([clear_facts(run, Masks()) for run in runs]),
        targets={case.target: case.endpoint for case in runs[-1].cases if case.target},
        paths=tuple(options.paths),
        made_by=f"mailproof {__version__}",
        made_at=now(),
        runs=len(runs),
    )


def _write(path: str, baseline: Baseline) -> None:
    """Write a file whole, or leave what was there.

    Raises:
        ToolError: it can't be written.
    """
    from runner.baseline import write_baseline  # noqa: PLC0415
    from runner.cli.files import write_whole  # noqa: PLC0415

    try:
        write_whole(path, write_baseline(baseline), is_private=False)
    except OSError as error:
        raise ToolError(f"'{path}' can't be written: {(error.strerror or str(error)).lower()}") from error


def _refuse(options: argparse.Namespace, why: str, code: int) -> int:
    tell(f"mailproof: '{escape(options.output)}' is not written: {why}")
    return code


def _planned(options: argparse.Namespace) -> tuple[Entry, ...]:
    from runner.cli.run import planned  # noqa: PLC0415

    options.repeat = 1
    return planned(options, Reports())


def _told(baseline: Baseline) -> str:
    from runner.baseline.masks import VARIES  # noqa: PLC0415
    from runner.report.layout import counted  # noqa: PLC0415

    steps = [step for case in baseline.cases for step in case.steps]
    values = [value for step in steps for value in step.parts.values()]
    varying = sum(VARIES in (value if isinstance(value, str) else "\n".join(value)) for value in values)
    more = f", {varying} of {len(values)} facts vary" if varying else f", {counted(len(values), 'fact')}"
    return f"{counted(len(baseline.cases), 'case')}, {counted(len(steps), 'step')}{more}"


# Approving.


def _approve(options: argparse.Namespace) -> int:
    from runner.baseline import Masks, approve, compare, facts_of  # noqa: PLC0415
    from runner.baseline.table import grouped, summary  # noqa: PLC0415
    from runner.report.layout import counted  # noqa: PLC0415

    baseline = load_baseline(options.file)
    if not (options.all or options.only or (sys.stdin.isatty() and sys.stdout.isatty())):
        raise UsageError("nobody can be asked here: say --all, or --only PATTERN")
    is_whole = not (options.paths or options.words or options.tags or options.target)
    played = play_for_facts(_again(options, baseline), options)
    if played.code:
        tell(f"mailproof: '{escape(options.file)}' stays as it is: the run did not come to its end")
        return played.code
    masks = Masks(own=baseline.masks)
    facts = facts_of(played.run, masks)
    unclear = clueless(played.run)
    changes = compare(baseline.cases, facts, masks, is_whole=is_whole)
    groups = grouped(change for change in changes if change.case not in unclear)
    accepted = _chosen(groups, options)
    if accepted:
        cases = approve(baseline.cases, facts, changes, set(accepted), masks)
        new = replace(baseline, cases=cases, made_by=f"mailproof {__version__}", made_at=now())
        _write(options.file, new)
    taken = f", {len(accepted)} of {counted(sum(len(one.changes) for one in groups), 'place')} taken over"
    show(summary(groups) + (taken if groups else ""))
    tell_clueless(unclear.values(), "; its part of the baseline stays as it is")
    is_done = len(accepted) == sum(len(one.changes) for one in groups) and not unclear
    return EXIT_PASSED if is_done else EXIT_FAILED


def _again(options: argparse.Namespace, baseline: Baseline) -> tuple[Entry, ...]:
    """Return the plays of a baseline's scenarios and targets, or of those that the command line names."""
    is_by_paths = bool(options.paths)
    options.paths = options.paths or list(baseline.paths)
    options.target = options.target or list(baseline.targets)
    entries = _planned(options)
    known = {case.scenario for case in baseline.cases}
    kept = tuple(entry for entry in entries if is_by_paths or escape(entry.scenario.name) in known)
    if not kept:
        raise UsageError("no scenario of the baseline is there any more; name others by PATH")
    return kept


def _chosen(groups: Sequence[Group], options: argparse.Namespace) -> list[Change]:
    """Return the changes that are to be taken over, each shown before."""
    wanted = [group for group in groups if not options.only or _fits(group, options.only)]
    if options.all or not (sys.stdin.isatty() and sys.stdout.isatty()):
        _show_groups(wanted, options)
        return [change for group in wanted for change in group.changes]
    accepted: list[Change] = []
    is_all = False
    for number, group in enumerate(wanted, 1):
        show(f"\n{number} of {len(wanted)}")
        _show_groups([group], options)
        answer = "y" if is_all else _answer()
        if answer == "q":
            break
        is_all |= answer == "a"
        if answer in ("y", "a"):
            accepted += group.changes
    return accepted


def _show_groups(groups: Sequence[Group], options: argparse.Namespace) -> None:
    from runner.baseline import render_changes  # noqa: PLC0415

    lines = render_changes(groups, style(options), has_targets=True)
    if lines:
        show("\n".join(lines))


def _answer() -> str:
    """Ask until an answer is one; the end of the input is to quit."""
    while True:
        try:
            word = input(_QUESTION).strip().lower()[:1]
        except EOFError:
            return "q"
        if word in ("y", "n", "a", "q"):
            return word


def _fits(group: Group, patterns: Iterable[str]) -> bool:
    from fnmatch import fnmatchcase  # noqa: PLC0415

    names = {name for change in group.changes for name in (change.case[0], change.step, change.part)}
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


# Showing.


def _show(options: argparse.Namespace) -> int:
    from runner.baseline import MASKS  # noqa: PLC0415
    from runner.report.layout import counted  # noqa: PLC0415

    baseline = load_baseline(options.file)
    lines = [
        f"{escape(options.file)}: {_told(baseline)}",
        f"made by {baseline.made_by} at {baseline.made_at}, learnt from {counted(baseline.runs, 'run')}",
        *(f"target {name}: {url}" for name, url in baseline.targets.items()),
        "",
        "masks of its own:" if baseline.masks else "masks of its own: none",
        *(f"  {mask.mark}  {mask.written}" for mask in baseline.masks),
        "",
        "masks of the house:",
        "  ⟨host⟩  the names of the targets' hosts",
        "  ⟨unique⟩  what a case has made up: ${unique}, ${case.id}, ${message_id}",
        *(f"  {mask.mark}  {mask.hides}" for mask in MASKS),
    ]
    show("\n".join(lines))
    return EXIT_PASSED
