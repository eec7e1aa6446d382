"""How long one scenario with AUTH LOGIN takes, from the process's start to its end, beside swaks.

Both hold the same conversation, down to the accepted message and QUIT, with the measurements' own server, which
answers at once: no server's time hides what the client costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from common import HOST, Figure, answering_server, folder, milliseconds, program, run, side_by_side, spread

RUNS = 41
PASSWORD = "correct horse"
SCENARIO = """\
name: A message after AUTH LOGIN
secrets: [password]
steps:
  - expect: 220
  - send: EHLO client.example
    expect: 250
    capabilities: {AUTH: [LOGIN]}
  - send: AUTH LOGIN
    expect: '334 Username:'
  - send: ${username}
    expect: '334 Password:'
  - send: ${password}
    expect: 235
  - send: MAIL FROM:<alice@example.com>
    expect: 250
  - send: RCPT TO:<bob@example.com>
    expect: 250
  - send: DATA
    expect: 354
  - data: |
      Date: Thu, 01 Jan 1970 00:00:00 +0000
      To: bob@example.com
      From: alice@example.com
      Subject: test
      Message-Id: <1@client.example>

      This is a test mailing
    expect: 250
  - send: QUIT
    expect: 221
"""


def ours(port: int, scenario: Path) -> list[str]:
    return [
        *[program("mailproof"), "run", str(scenario), "--target", f"smtp://{HOST}:{port}"],
        *["--var", "username=alice@example.com", "--secret", "password=env:BENCH_PASSWORD"],
    ]


def theirs(port: int) -> list[str]:
    return [
        *[program("swaks"), "--server", f"{HOST}:{port}", "--helo", "client.example"],
        *["--from", "alice@example.com", "--to", "bob@example.com"],
        *["--auth", "LOGIN", "--auth-user", "alice@example.com", "--auth-password", PASSWORD],
    ]


def measure() -> Iterator[Figure]:
    with folder() as place, answering_server() as port:
        scenario = place / "login.yaml"
        scenario.write_text(SCENARIO)
        pairs = side_by_side(
            RUNS,
            lambda: run(ours(port, scenario), {"BENCH_PASSWORD": PASSWORD}),
            lambda: run(theirs(port)),
        )
    yield Figure(
        "one scenario with AUTH LOGIN, whole process",
        "swaks",
        spread([mine.wall / other.wall for mine, other in pairs]),
        "<= 1.3, better <= 1.0",
        milliseconds([mine.wall for mine, _ in pairs]),
        milliseconds([other.wall for _, other in pairs]),
    )
