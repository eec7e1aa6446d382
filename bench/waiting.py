"""Many conversations at once, each reply after 200 ms, beside the time that the replies alone take; and their memory.

The server is the measurements' own, a process of its own. Timed are plan and run. Memory is what the process has
grown by (resident, anonymous pages) between before the plan and the moment at which every connection waits for its
second reply, divided by their number: case, player, transcript, connection, everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from common import HOST, Cost, Figure, answering_server, in_child, spread, timed

from scenarios import compiled, entries

RUNS = {1000: 5, 10_000: 3}
DELAY = 0.2
MEMORY_CONNECTIONS = 5000
STEPS = """\
name: A message, slowly
steps:
  - expect: 220
  - send: EHLO client.example
    expect: 250
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: RCPT TO:<bob@example.com>
    expect: 250
  - send: RCPT TO:<carol@example.com>
    expect: 250
  - send: NOOP
    expect: 250
  - send: DATA
    expect: 354
  - data: |
      Subject: test

      This is a test.
    expect: 250
  - send: QUIT
    expect: 221
"""
REPLIES = 9


def play(port: int, count: int) -> Cost:
    from runner.scheduler import Scheduler  # noqa: PLC0415 -- imports are not what is timed

    scenario = compiled(STEPS)

    def work() -> None:
        plan = entries(scenario, f"smtp://{HOST}:{port}", count)
        run = Scheduler(plan, jobs=count, per_target=count).run()
        if not run.is_passed:
            raise RuntimeError(next(case.reason for case in run.cases if case.outcome.is_failure))

    return timed(work)


def resident() -> int:
    """Return this process's anonymous resident memory in bytes."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def waiting_memory(port: int, quick: int) -> float:
    """Return bytes for each connection that waits; looked at by the run's own deadline, while all wait."""
    from runner.scheduler import Scheduler  # noqa: PLC0415

    scenario = compiled(STEPS)
    Scheduler(entries(scenario, f"smtp://{HOST}:{quick}", 1)).run()  # what is loaded and cached once is not counted
    before = resident()
    plan = entries(scenario, f"smtp://{HOST}:{port}", MEMORY_CONNECTIONS)
    scheduler = Scheduler(plan, jobs=MEMORY_CONNECTIONS, per_target=MEMORY_CONNECTIONS, deadline=LOOK_AFTER)
    stop, found = scheduler.stop, []

    def look(why: str) -> None:
        found.append(resident() - before)
        stop(why)

    scheduler.stop = look  # type: ignore[method-assign]
    scheduler.run()
    return found[0] / MEMORY_CONNECTIONS


# Seconds after which every connection stands and waits; the memory's server answers later than that.
LOOK_AFTER = 4.0
SLOW = 3.0


def measure() -> Iterator[Figure]:
    with answering_server(DELAY) as port:
        for count, runs in RUNS.items():
            costs = [in_child(lambda: play(port, count)) for _ in range(runs)]  # noqa: B023 -- called at once
            yield Figure(
                f"{count:,} conversations at once, each reply after 200 ms",
                f"the ideal, {REPLIES * DELAY:.1f} s",
                spread([cost.wall / (REPLIES * DELAY) for cost in costs]),
                "<= 1.15" if count == min(RUNS) else "<= 1.6",
                f"{sorted(cost.wall for cost in costs)[runs // 2]:.2f} s",
                f"{REPLIES * DELAY:.2f} s",
            )
    with answering_server(SLOW) as port, answering_server() as quick:
        sizes = [in_child(lambda: Cost(waiting_memory(port, quick), 0)).wall / 1024 for _ in range(3)]
    yield Figure(
        f"memory of a waiting connection, {MEMORY_CONNECTIONS:,} of them",
        "",
        spread(sizes, ".1f"),
        "<= 8 KiB, better <= 5",
        f"{sorted(sizes)[1]:.1f} KiB",
        "",
    )
