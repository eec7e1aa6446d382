"""Conversations a second in one process, every reply judged, beside Postfix's smtp-source on the same smtp-sink.

Ours are cases of one compiled scenario, planned and played by the scheduler as `mailproof run` does; timed are plan
and run. The conversation is smtp-source's: greeting, HELO, MAIL, RCPT, DATA, a message of 1 KiB, QUIT, on a new
connection each. smtp-source is timed as a whole process; its start is nothing beside so many conversations.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from common import HOST, Cost, Figure, in_child, program, run, server, side_by_side, spread, timed

from scenarios import compiled, entries

RUNS = 7
AT_ONCE = {1: 1000, 10: 2000, 100: 4000}
SIZE = 1024
LINE = "La de da de da 1.\n"
STEPS = f"""\
name: A message
steps:
  - expect: 220
  - send: HELO client.example
    expect: 250
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: RCPT TO:<bob@example.com>
    expect: 250
  - send: DATA
    expect: 354
  - data: |
      From: <alice@example.com>
      To: <bob@example.com>
      Date: Thu, 01 Jan 1970 00:00:00 +0000
      Message-Id: <1@client.example>

{"".join("      " + LINE for _ in range(SIZE // len(LINE)))}
    expect: 250
  - send: QUIT
    expect: 221
"""


def play(port: int, at_once: int, *, keeps_all: bool) -> Cost:
    """Play a plan as `mailproof run` does; without `keeps_all` transcripts of failed cases only are kept."""
    from runner.scheduler import Scheduler  # noqa: PLC0415 -- imports are not what is timed

    scenario = compiled(STEPS)

    def work() -> None:
        scheduler = Scheduler(
            entries(scenario, f"smtp://{HOST}:{port}", AT_ONCE[at_once]),
            jobs=at_once,
            per_target=at_once,
            keeps_all_transcripts=keeps_all,
        )
        run = scheduler.run()
        if not run.is_passed or sum(len(case.steps) for case in run.cases) != 7 * AT_ONCE[at_once]:
            raise RuntimeError(next(case.reason for case in run.cases if case.outcome.is_failure))

    return timed(work)


def source(port: int, at_once: int) -> Cost:
    return run(
        [
            *[program("smtp-source"), "-s", str(at_once), "-m", str(AT_ONCE[at_once]), "-l", str(SIZE)],
            *["-M", "client.example", "-f", "alice@example.com", "-t", "bob@example.com", f"{HOST}:{port}"],
        ]
    )


def sink(port: int) -> list[str]:
    drop_root = [] if os.geteuid() else ["-u", "nobody"]
    return [program("smtp-sink"), *drop_root, f"{HOST}:{port}", "1024"]


def measure() -> Iterator[Figure]:
    with server(sink) as port:
        for at_once, count in AT_ONCE.items():
            for keeps_all in (False, True):
                pairs = side_by_side(
                    RUNS,
                    lambda: in_child(lambda: play(port, at_once, keeps_all=keeps_all)),  # noqa: B023 -- called at once
                    lambda: source(port, at_once),  # noqa: B023
                )
                kept = "all transcripts" if keeps_all else "failures' transcripts"
                yield Figure(
                    f"conversations/s, {at_once} at once, {kept} kept",
                    f"smtp-source -s {at_once}",
                    spread([theirs.wall / ours.wall for ours, theirs in pairs]),
                    ">= 0.9" if keeps_all else ">= 1.0",
                    _rate([ours for ours, _ in pairs], count),
                    _rate([theirs for _, theirs in pairs], count),
                )


def _rate(costs: list[Cost], count: int) -> str:
    costs = sorted(costs, key=lambda cost: cost.wall)
    middle = costs[len(costs) // 2]
    return f"{count / middle.wall:.0f}/s, {middle.cpu / count * 1e6:.0f} µs"
