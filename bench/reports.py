"""Every report of a large run: 500 scenarios of 12 steps against 4 targets, a twentieth failed, all transcripts kept.

The run is a real one, against the measurements' own server; timed is what makes each report's text and writes its
file, as `run` does after the last case.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from common import HOST, Cost, Figure, answering_server, folder, in_child, spread, timed

from scenarios import compiled

if TYPE_CHECKING:
    from pathlib import Path

    from runner.results import RunResult

RUNS = 3
SCENARIOS, TARGETS = 500, ("mx1", "mx2", "backup", "submission")
# Each so many-th scenario expects what does not come.
FAILING = 20
STEPS = """\
name: Scenario {number} of a message to two recipients
description: |
  What a mail server does with a message that it has to take.
  If this fails, look at its log first.
steps:
  - expect: 220
  - send: EHLO client.example
    expect: 250
  - send: NOOP
    expect: 250
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: RSET
    expect: 250
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: RCPT TO:<bob@example.com>
    expect: 250
  - send: RCPT TO:<carol@example.com>
    expect: {expected}
    because: RFC 5321 section 3.6.2 wants a relay to refuse
  - send: DATA
    expect: 354
  - data: |
      Subject: test

      This is a test.
    expect: 250
  - send: NOOP
    expect: 250
  - send: QUIT
    expect: 221
"""
SECONDS, MEGABYTES = 3.0, 10.0


@cache
def run_of(port: int) -> RunResult:
    from runner.language.case import Given  # noqa: PLC0415
    from runner.language.project import parse_target  # noqa: PLC0415
    from runner.scheduler import Scheduler, plan  # noqa: PLC0415

    target = parse_target(f"smtp://{HOST}:{port}")
    texts = (STEPS.format(number=n, expected="550 5.7.*" if n % FAILING == 0 else "250") for n in range(SCENARIOS))
    entries = plan(
        [compiled(text) for text in texts],
        [replace(target, name=name) for name in TARGETS],
        None,
        Given(client_name="client.example"),
    )
    return replace(Scheduler(entries).run(), began="2026-01-02T03:04:05.678Z")


def write(run: RunResult, names: list[str], place: Path) -> Cost:
    from runner.cli import OBJECTS  # noqa: PLC0415
    from runner.cli.files import write_whole  # noqa: PLC0415
    from runner.report.formats import FORMATS  # noqa: PLC0415

    wanted = [FORMATS[name] for name in names]
    gc.set_threshold(OBJECTS)  # as the command has it

    def work() -> None:
        for one in wanted:
            write_whole(str(place / one.name), one.render(run), is_private=one.is_private)

    return timed(work)


def measure() -> Iterator[Figure]:
    from runner.report.formats import FORMATS  # noqa: PLC0415

    cases = f"{SCENARIOS * len(TARGETS):,} cases of 12 steps"
    with answering_server() as port, folder() as place:
        run = run_of(port)
        for name in FORMATS:
            costs = [in_child(lambda: write(run, [name], place)) for _ in range(RUNS)]  # noqa: B023 -- called at once
            megabytes = (place / name).stat().st_size / 1e6
            limit = f"<= {MEGABYTES:.0f} MB" if name == "html" else ""
            yield Figure(f"{name} of {cases}", "", "", limit, seconds(costs), f"{megabytes:.2f} MB")
        costs = [in_child(lambda: write(run, list(FORMATS), place)) for _ in range(RUNS)]
        ratio = spread([cost.wall / SECONDS for cost in costs])
        yield Figure(f"all reports of {cases}", f"{SECONDS:.0f} s", ratio, "<= 1", seconds(costs), "")


def seconds(costs: list[Cost]) -> str:
    wall, cpu = (statistics.median(times) for times in zip(*((one.wall, one.cpu) for one in costs), strict=True))
    return f"{wall:.2f} s, {cpu:.2f}"
