"""How long 1,000 scenario files of 40 lines take to be read, checked and compiled, beside PyYAML's CSafeLoader alone.

Both read the files from the disk; the loader makes dicts and lists and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from common import Cost, Figure, folder, in_child, milliseconds, side_by_side, spread, timed

RUNS = 7
FILES = 1000
SCENARIO = """\
name: Relaying to an external domain needs AUTH, {number}
description: Without AUTH the server takes mail for its own domain only.
tags: [relay, auth]
secrets: [password]
vars: {{subject: 'test {number}'}}
timeout: 20s
steps:
  # The server must not be an open relay.
  - expect: 220
  - send: EHLO ${{client.name}}
    expect: 250
    capabilities: [STARTTLS, 8BITMIME]
  - send: MAIL FROM:<${{sender}}>
    expect: 250 2.1.0
  - send: RCPT TO:<${{external}}>
    expect: [550 5.7.1, 554 5.7.x]
    because: nobody has authenticated
  - send: RSET
    expect: 250
  - send: AUTH LOGIN
    expect: '334 Username:'
  - send: ${{username}}
    expect: '334 Password:'
  - send: ${{password}}
    expect: 235 2.7.0 *
  - send: MAIL FROM:<${{sender}}>
    expect: 250 2.1.0
  - send: RCPT TO:<${{external}}>
    expect: 250 2.1.5
  - send: DATA
    expect: 354
  - data: |
      Subject: ${{subject}}
      From: ${{sender}}

      This is a test, number {number}.
    expect: 250 /queued as (?P<queue_id>[A-Z0-9]+)/i
    within: 10s
  - send: QUIT
    expect: [221, close]
"""


def write(place: Path) -> list[Path]:
    paths = [place / f"{number}.yaml" for number in range(FILES)]
    for number, path in enumerate(paths):
        path.write_text(SCENARIO.format(number=number))
    return paths


def compile_all(paths: list[Path]) -> Cost:
    from runner.cli.selection import read_scenarios, scenario_files  # noqa: PLC0415 -- imports are not what is timed

    problems: list[object] = []
    read_scenarios(scenario_files([str(paths[0])], None), problems)  # builds the checks from the schema, once a process

    def work() -> None:
        scenarios = read_scenarios(scenario_files([str(paths[0].parent)], None), problems)
        if problems or len(scenarios) != FILES:
            raise RuntimeError(f"{len(scenarios)} scenarios; {problems[:1]}")

    return timed(work)


def load_all(paths: list[Path]) -> Cost:
    def work() -> None:
        loaded = [yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) for path in paths]
        if len(loaded) != FILES:
            raise RuntimeError("not all were loaded")

    return timed(work)


def measure() -> Iterator[Figure]:
    with folder() as place:
        paths = write(place)
        pairs = side_by_side(
            RUNS, lambda: in_child(lambda: compile_all(paths)), lambda: in_child(lambda: load_all(paths))
        )
    yield Figure(
        "1,000 files of 40 lines read, checked, compiled",
        "CSafeLoader",
        spread([ours.cpu / theirs.cpu for ours, theirs in pairs]),
        "<= 2, better <= 1.25",
        milliseconds([ours.cpu for ours, _ in pairs]),
        milliseconds([theirs.cpu for _, theirs in pairs]),
    )
